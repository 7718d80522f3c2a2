//! Exit codes, streams, and what a user does wrong.

use crate::program::{Place, said, signal};
use std::time::Duration;

#[test]
fn every_way_to_end_has_its_exit_code() {
    let place = Place::example("single");
    place.run(&["validate"]).ends(0);
    place.run(&["plan", "failover-web"]).ends(0);
    place.run(&["plan", "failover-web", "--detailed-exitcode"]).ends(2);
    place.run(&["apply", "failover-web"]).ends(9);
    place.run(&["apply", "failover-web", "--confirm", "other"]).ends(9);
    place.run(&["plan", "failover-wbe"]).ends(1);
    place.run(&["no-such-command"]).ends(64);
    place.run(&["--version"]).ends(0);
    place.run(&["report", "latest"]).ends(1);
    place.run(&["resume"]).ends(1);
    assert!(!place.path().join(".lifeboat").exists(), "nothing of that wrote anything");
    place.apply("failover-web");
    let twice = place.apply("failover-web");
    assert!(twice.out.contains("Nothing to do"), "{}", twice.out);
    place.run(&["plan", "failover-web", "--detailed-exitcode"]).ends(0);
}

#[test]
fn results_go_to_standard_output_and_everything_else_to_standard_error() {
    let place = Place::example("single");
    let human = place.apply("failover-web");
    assert!(human.out.starts_with("Run ") && human.err.contains("Runbook failover-web"), "{human:?}");
    assert!(
        !human.out.contains('\u{1b}') && !human.err.contains('\u{1b}'),
        "no colour where there is no terminal"
    );
    let json = place.run(&["apply", "undo-web", "--confirm", "undo-web", "--format", "json"]).ends(0);
    let value: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(value["exit"]["reason"], "ok");
    assert_eq!(json.err, "");
    let lines = place.run(&["apply", "move-web", "--confirm", "move-web", "--format", "jsonl"]).ends(0);
    let parsed: Vec<serde_json::Value> =
        lines.out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(parsed.len() > 10 && parsed[0]["type"] == "event");
    assert_eq!(parsed.last().unwrap()["exit"]["code"], 0);
}

#[test]
fn the_same_inputs_give_the_same_plan_byte_for_byte() {
    let place = Place::example("estate");
    let one = place.run(&["plan", "evacuate-hall-a", "--format", "json"]).ends(0);
    let two = place.run(&["plan", "evacuate-hall-a", "--format", "json"]).ends(0);
    assert_eq!(one.out, two.out);
    place.run(&["plan", "evacuate-hall-a", "--out", "a.json"]).ends(0);
    place.run(&["plan", "evacuate-hall-a", "--out", "b.json"]).ends(0);
    let read = |f: &str| std::fs::read(place.path().join(f)).unwrap();
    assert_eq!(read("a.json"), read("b.json"));
}

#[test]
fn a_sealed_plan_is_applied_as_it_is_or_refused_with_what_changed() {
    let place = Place::example("single");
    place.run(&["plan", "failover-web", "--out", "plan.json"]).ends(0);
    std::fs::copy(place.path().join("plan.json"), place.path().join("edited.json")).unwrap();
    place.edit("edited.json", "web_replica", "web_other__");
    let edited =
        place.run(&["apply", "edited.json", "--confirm", "failover-web", "--format", "json"]).ends(1);
    assert_eq!(edited.codes(), ["LB0702"]);
    place.run(&["replicate", "--all"]).ends(0);
    let stale = place.run(&["apply", "plan.json", "--confirm", "failover-web"]).ends(5);
    assert!(stale.err.contains("its latest restore point"), "{}", stale.err);
    place.run(&["plan", "failover-web", "--out", "plan.json"]).ends(0);
    std::fs::remove_file(place.path().join("lifeboat.yaml")).unwrap();
    place.run(&["apply", "plan.json", "--confirm", "failover-web"]).ends(0);
    place.run(&["apply", "plan.json", "--confirm", "failover-web"]).ends(5);
    let junk = place.run(&["apply", "./junk.json", "--confirm", "x"]).ends(74);
    assert!(junk.err.contains("LB0811"), "{}", junk.err);
}

#[test]
fn interrupted_it_stops_and_resumes() {
    let place = Place::example("shop");
    let child = place.start(&["apply", "evacuate-shop", "--confirm", "evacuate-shop"]);
    wait_for(&place, "shut", &child);
    signal(&child, "INT");
    let stopped = said(child.wait_with_output().unwrap()).ends(4);
    assert!(stopped.out.contains("lifeboat resume"), "{}", stopped.out);
    let other = place.run(&["apply", "disaster-shop", "--confirm", "disaster-shop", "--format", "json"]);
    assert!(other.code == 7 || other.code == 1, "{other:?}");
    place.run(&["resume"]).ends(0);
    place.all_are("Failover");
}

/// Waits until the run has recorded something about a word; a run that takes some seconds of wall time is the point of the shop.
fn wait_for(place: &Place, word: &str, child: &std::process::Child) {
    for _ in 0..600 {
        let runs = std::fs::read_dir(place.path().join(".lifeboat/runs"));
        let journals = runs.into_iter().flatten().flatten().map(|r| r.path().join("journal.jsonl"));
        let lines: usize =
            journals.filter_map(|j| std::fs::read_to_string(j).ok()).map(|t| t.lines().count()).sum();
        if lines > 20 {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("process {} never came to {word}", child.id());
}

#[test]
fn killed_it_is_taken_up_again_and_loses_nothing() {
    let place = Place::example("shop");
    let mut child = place.start(&["apply", "evacuate-shop", "--confirm", "evacuate-shop"]);
    wait_for(&place, "shut", &child);
    child.kill().unwrap();
    child.wait().unwrap();
    let status = place.run(&["status"]).ends(0);
    assert!(status.out.contains("is not finished. Next: lifeboat resume"), "{}", status.out);
    let refused =
        place.run(&["apply", "evacuate-shop", "--confirm", "evacuate-shop", "--format", "json"]).ends(7);
    assert_eq!(refused.codes(), ["LB0802"]);
    // The documents may be gone with the site: the run has all it needs.
    let documents = std::fs::read_to_string(place.path().join("plan.yaml")).unwrap();
    std::fs::remove_file(place.path().join("plan.yaml")).unwrap();
    place.run(&["resume"]).ends(0);
    place.write("plan.yaml", &documents);
    place.all_are("Failover");
}

#[test]
fn two_runs_over_one_replica_are_kept_apart() {
    let place = Place::example("shop");
    let child = place.start(&["apply", "evacuate-shop", "--confirm", "evacuate-shop"]);
    wait_for(&place, "shut", &child);
    let second =
        place.run(&["apply", "disaster-shop", "--confirm", "disaster-shop", "--format", "json"]).ends(6);
    assert_eq!(second.codes(), ["LB0801"]);
    // What is being failed over is not replicated, and whoever names it is told so.
    let named = place.run(&["replicate", "web-01", "--format", "json"]).ends(1);
    assert_eq!(named.codes(), ["LB0501"]);
    said(child.wait_with_output().unwrap()).ends(0);
}

#[test]
fn an_unfinished_run_is_aborted_or_closed() {
    let place = Place::example("shop");
    place.edit("sites.yaml", "clock: { speed: 40 }", "clock: virtual");
    place.run(&["sim", "fault", "fails", "--action", "power-on", "--replica", "app-01"]).ends(0);
    let failed = place.run(&["apply", "evacuate-shop", "--confirm", "evacuate-shop"]).ends(3);
    assert!(
        failed.out.contains("lifeboat resume") && failed.out.contains("because app-01"),
        "{}",
        failed.out
    );
    place.run(&["sim", "heal"]).ends(0);
    let runs = place.run(&["history", "--format", "json"]).ends(0);
    let json: serde_json::Value = serde_json::from_str(&runs.out).unwrap();
    let run = json["runs"][0]["run"].as_str().unwrap().to_owned();
    let asked = place.run(&["abort", &run]).ends(9);
    assert!(asked.err.contains("  undo  "), "{}", asked.err);
    place.run(&["abort", &run, "--confirm", &format!("abort-{run}")]).ends(0);
    place.all_are("Ready");
    let source = place.run(&["status", "--format", "json"]).ends(0);
    assert!(source.out.contains("Ready"));
    place.run(&["resume", &run]).ends(1);
}

#[test]
fn a_step_in_doubt_is_settled_by_a_person() {
    let place = Place::example("single");
    place.run(&["sim", "fault", "answer-lost", "--action", "power-on", "--cut", "--times", "1"]).ends(0);
    let doubt = place.run(&["apply", "failover-web", "--confirm", "failover-web"]).ends(8);
    assert!(doubt.err.contains("LB0810") && doubt.err.contains("web/failover/power-on"), "{}", doubt.err);
    let wrong = place
        .run(&["settle", "latest", "web/failover/power-of", "done", "--because", "x", "--format", "json"])
        .ends(1);
    assert_eq!(wrong.codes(), ["LB0807"]);
    assert!(doubt.out.contains("because web/failover/power-on is in doubt"), "{}", doubt.out);
    assert!(doubt.out.contains("Next: once the site answers, lifeboat resume"), "{}", doubt.out);
    place
        .run(&["settle", "latest", "web/failover/power-on", "done", "--because", "seen on the console"])
        .ends(0);
    let settled = place.run(&["report", "latest"]).ends(0);
    assert!(settled.out.contains("Next: lifeboat resume"), "nothing is left to settle: {}", settled.out);
    place.run(&["sim", "heal"]).ends(0);
    let ended = place.run(&["resume"]).ends(10);
    assert!(ended.out.contains("seen on the console"), "{}", ended.out);
    place.all_are("Failover");
}

#[test]
fn a_damaged_journal_is_never_taken_for_an_absent_one() {
    let place = Place::example("single");
    place.apply("failover-web");
    let runs =
        std::fs::read_dir(place.path().join(".lifeboat/runs")).unwrap().next().unwrap().unwrap().path();
    let journal = runs.join("journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, text.replacen("\"attempt\":1", "\"attempt\":2", 1)).unwrap();
    for command in [&["report", "latest", "--format", "json"][..], &["history", "--format", "json"]] {
        assert_eq!(place.run(command).ends(74).codes(), ["LB0803"]);
    }
    // Cut off in its last record it is what a kill leaves behind, and sound.
    std::fs::write(&journal, &text[..text.len() - 9]).unwrap();
    place.run(&["report", "latest"]).ends(0);
    let lines: Vec<&str> = text.lines().collect();
    let without = [&lines[..3], &lines[4..]].concat().join("\n") + "\n";
    std::fs::write(&journal, without).unwrap();
    assert_eq!(place.run(&["report", "latest", "--format", "json"]).ends(74).codes(), ["LB0803"]);
}

#[test]
fn a_workspace_that_cannot_be_written_changes_nothing() {
    let place = Place::example("single");
    place.write(".lifeboat", "in the way");
    let said =
        place.run(&["apply", "failover-web", "--confirm", "failover-web", "--format", "json"]).ends(74);
    assert_eq!(said.codes(), ["LB0808"]);
    assert_eq!(std::fs::read_to_string(place.path().join(".lifeboat")).unwrap(), "in the way");
}

#[test]
fn all_mistakes_of_a_workspace_come_at_once_each_with_its_place() {
    let place = Place::example("shop");
    place.edit("replicas.yaml", "retention: 7", "retenton: 7");
    place.edit("plan.yaml", "replica: db-01, is: ready", "replica: db-1, is: ready");
    place.edit("runbooks.yaml", "plan: shop, state: Permanent", "plan: shopp, state: Permanent");
    place.write(
        "broken.yaml",
        "a: [1, 2\n---\napiVersion: lifeboat/v1\nkind: Sight\nmetadata: { name: x }\nspec: {}\n",
    );
    let said = place.run(&["validate", "--format", "json"]).ends(1);
    let codes = said.codes();
    for code in ["LB0101", "LB0203", "LB0204", "LB0304", "LB0307"] {
        assert!(codes.iter().any(|c| c == code), "{code} is missing in {codes:?}");
    }
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let findings = json["findings"].as_array().unwrap();
    assert!(findings.iter().all(|f| f["labels"][0]["file"].is_string()), "each has its place");
    let human = place.run(&["validate"]).ends(1);
    assert!(human.err.contains("a key with a similar name: retention"), "{}", human.err);
    assert!(!human.err.contains(place.path().to_str().unwrap()), "no absolute path");
}

#[test]
fn a_failover_to_no_point_and_an_unanswered_choice_are_refused() {
    let place = Place::example("single");
    place.edit(
        "lifeboat.yaml",
        "via: unplanned }",
        "via: unplanned, restorePoint: { at: 2020-01-01T00:00:00Z } }",
    );
    assert_eq!(place.run(&["plan", "failover-web", "--format", "json"]).ends(1).codes(), ["LB0503"]);
    place.edit("lifeboat.yaml", "state: Ready, keep: source", "state: Ready");
    place.apply("move-web");
    let said = place.run(&["plan", "undo-web"]).ends(1);
    assert!(said.err.contains("LB0502") && said.err.contains("keep: replica"), "{}", said.err);
    place.edit("lifeboat.yaml", "web, state: Failover, via: planned }", "web, state: Failback }");
    place.run(&["apply", "move-web", "--confirm", "move-web"]).ends(0);
}

#[test]
fn a_manual_switchover_is_done_when_a_person_says_so() {
    let place = Place::example("single");
    place.edit("lifeboat.yaml", "keep: replica }", "keep: replica, failback: { switchover: manual } }");
    place.apply("move-web");
    place.apply("return-web");
    place.all_are("ReadyToSwitch");
    place.apply("return-web");
    place.all_are("ReadyToSwitch");
    place.run(&["apply", "return-web", "--switchover", "--confirm", "return-web"]).ends(0);
    place.all_are("Ready");
}

#[test]
fn a_failback_goes_to_a_recovered_machine_and_replication_follows_it() {
    let place = Place::example("single");
    let target = "keep: replica, failback: { target: { recovered: [{ replica: web, site: production, vm: web-new }] } } }";
    place.edit("lifeboat.yaml", "keep: replica }", target);
    place.apply("move-web");
    place.apply("return-web");
    place.all_are("Ready");
    place.run(&["replicate", "web"]).ends(0);
    let status = place.run(&["plan", "move-web"]).ends(0);
    assert!(
        status.out.contains("web-new"),
        "the plan says that replication runs from elsewhere: {}",
        status.out
    );
}

#[test]
fn a_policy_refuses_what_it_forbids() {
    let place = Place::example("shop");
    place.edit("sites.yaml", "clock: { speed: 40 }", "clock: virtual");
    place.edit("runbooks.yaml", "enforce: { rpo: true }", "maxLoss: 1m");
    let said =
        place.run(&["apply", "disaster-shop", "--confirm", "disaster-shop", "--format", "json"]).ends(9);
    assert!(said.codes().iter().all(|c| c == "LB0602"), "{:?}", said.codes());
    assert!(!place.path().join(".lifeboat").exists());
}

#[test]
fn every_code_is_listed_and_explained() {
    let place = Place::example("single");
    let list = place.run(&["explain"]).ends(0);
    assert!(list.out.lines().count() >= 40);
    for line in list.out.lines() {
        let code = line.split_whitespace().next().unwrap();
        assert!(place.run(&["explain", code]).ends(0).out.starts_with(&format!("# {code}")));
    }
    place.run(&["explain", "LB9999"]).ends(1);
    for shell in ["bash", "zsh", "fish"] {
        assert!(place.run(&["completions", shell]).ends(0).out.contains("lifeboat"));
    }
}

#[test]
fn who_confirms_nothing_is_told_so_whether_or_not_there_is_a_terminal() {
    let place = Place::example("single");
    let said = place.run(&["apply", "failover-web"]).ends(9);
    assert!(
        said.err.contains("neither given nor typed") && !said.err.contains("no terminal"),
        "{}",
        said.err
    );
    assert!(!place.path().join(".lifeboat").exists());
}

#[test]
fn a_reason_that_says_nothing_is_no_reason() {
    let place = Place::example("single");
    place.run(&["sim", "fault", "fails", "--action", "power-on"]).ends(0);
    place.run(&["apply", "failover-web", "--confirm", "failover-web"]).ends(3);
    place.run(&["settle", "latest", "web/failover/power-on", "done", "--because", ""]).ends(64);
    place.run(&["abort", "latest", "--close", "--because", " "]).ends(64);
    assert!(place.run(&["status"]).ends(0).out.contains("is not finished"), "nothing was settled or closed");
}

#[test]
fn one_mistake_is_one_error_however_much_it_hides() {
    let place = Place::example("single");
    // The name stands behind the error, so nobody can know which replica this was going to be.
    place.edit("lifeboat.yaml", "kind: Replica\nmetadata:", "kind: Replica\nbad: ]\nmetadata:");
    let said = place.run(&["validate", "--format", "json"]).ends(1);
    assert_eq!(said.codes(), ["LB0101"], "{}", said.out);
    // In one document: a key twice, an alias of nothing, a key that is not known, a wrong type.
    let place = Place::example("single");
    place.edit(
        "lifeboat.yaml",
        "  objectives: { rpo: 15m }",
        "  objectives: { rpo: 15m, rpo: 5m }\n  addresses: *none\n  colour: red\n  bothMayRun: 3\n",
    );
    let mut codes = place.run(&["validate", "--format", "json"]).ends(1).codes();
    codes.sort();
    assert_eq!(codes, ["LB0102", "LB0104", "LB0204", "LB0206"]);
}

#[test]
fn nothing_is_cut_in_a_pipe_and_points_are_listed_once() {
    let place = Place::example("single");
    let long =
        "web-front-of-the-customer-portal-in-hall-a-behind-the-second-balancer-with-its-own-certificate";
    let text = std::fs::read_to_string(place.path().join("lifeboat.yaml")).unwrap();
    place.write("lifeboat.yaml", &text.replace("failover-web", long));
    place.apply(long);
    let history = place.run(&["history"]).ends(0).out;
    assert!(history.contains(long) && !history.contains('…'), "{history}");
    let status = place.run(&["status", "web", "web"]).ends(0).out;
    assert_eq!(status.matches("Restore points of web").count(), 1, "{status}");
}

#[test]
fn the_steps_of_a_run_tell_their_attempts() {
    let place = Place::example("single");
    place.run(&["sim", "fault", "fails", "--action", "power-on", "--replica", "web", "--times", "2"]).ends(0);
    place.apply("failover-web");
    let steps = place.run(&["report", "latest", "--steps"]).ends(0).out;
    let line = steps.lines().find(|l| l.contains("/power-on")).unwrap();
    assert!(line.ends_with("3 attempts"), "{steps}");
}

#[test]
fn a_replica_that_cannot_be_replicated_is_refused_by_its_name_and_left_alone_otherwise() {
    let place = Place::example("single");
    place.apply("move-web");
    let named = place.run(&["replicate", "web"]).ends(1);
    assert!(
        named.err.contains("LB0501") && named.err.contains("replication is held"),
        "what is asked for by name did not happen: {}",
        named.err
    );
    for others in [&["replicate", "--all"][..], &["replicate", "--all", "--quiet"]] {
        let said = place.run(others).ends(0);
        assert!(said.out.contains("Nothing to replicate"), "{}", said.out);
    }
}

#[test]
fn a_file_that_cannot_be_written_is_named_and_no_run_is_spoken_of() {
    let place = Place::example("single");
    for command in [&["plan", "move-web", "--out", "none/plan.json"][..], &["init", "lifeboat.yaml/sub"]] {
        let said = place.run(command).ends(74);
        assert!(said.err.contains("LB0808") && !said.err.contains("resume"), "{}", said.err);
    }
}

#[test]
fn a_sealed_plan_names_its_own_file_as_what_comes_next() {
    let place = Place::example("single");
    let sealed = place.run(&["plan", "move-web", "--out", "plan.json"]).ends(0);
    let next: Vec<&str> = sealed.out.lines().filter(|l| l.contains("Next:")).collect();
    assert_eq!(next, ["Next: lifeboat apply plan.json"]);
    let asked = place.run(&["apply", "plan.json"]).ends(9);
    assert!(asked.err.contains("Next: lifeboat apply plan.json"), "{}", asked.err);
}

#[test]
fn no_example_is_written_beside_documents() {
    let place = Place::example("shop");
    let said = place.run(&["init", "--format", "json"]).ends(1);
    assert_eq!(said.codes(), ["LB0813"]);
    place.run(&["validate"]).ends(0);
}

#[test]
fn what_is_not_declared_is_told_as_what_it_is() {
    let place = Place::example("shop");
    for (command, code, near) in [
        (&["show", "sites", "recovry"][..], "LB0302", "no site is named `recovry`"),
        (&["show", "policy", "promise"], "LB0311", "declared: promises"),
        (&["sim", "fault", "silent", "recovry"], "LB0302", "declared: recovery"),
        (&["sim", "fault", "never-ready", "recovry/db-01"], "LB0302", "declared: recovery"),
        (&["sim", "fault", "fails", "--replica", "db-1"], "LB0303", "declared: db-01"),
        (&["sim", "advance", "5"], "LB0210", "with its unit"),
        (&["replicate", "--label", "tier=wbe"], "LB0306", "no replica has the labels tier=wbe"),
    ] {
        let said = place.run(command).ends(1);
        assert!(said.err.contains(code) && said.err.contains(near), "{command:?}: {}", said.err);
    }
    assert!(place.run(&["sim", "status"]).ends(0).out.contains("nothing goes wrong"));
    place.run(&["show", "policy", "promises"]).ends(0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_result_that_nobody_gets_is_no_success() {
    let place = Place::example("single");
    let said = place.on_full_disk(&["status"]).ends(74);
    assert!(said.err.contains("standard output cannot be written"), "{}", said.err);
    place.on_full_disk(&["apply", "move-web", "--confirm", "move-web"]).ends(74);
    place.all_are("Failover");
    place.on_full_disk(&["plan", "nothing"]).ends(1);
}

#[test]
fn a_run_that_waits_for_a_switchover_is_given_another_time() {
    let place = Place::example("single");
    let terms = "keep: replica, failback: { switchover: { at: 2026-01-03T00:00:00Z } } }";
    place.edit("lifeboat.yaml", "keep: replica }", terms);
    place.apply("move-web");
    place.run(&["sim", "fault", "fails", "--action", "protect"]).ends(0);
    place.run(&["apply", "return-web", "--confirm", "return-web"]).ends(3);
    place.run(&["sim", "heal"]).ends(0);
    let unclear = place.run(&["resume", "--switchover", "tomorrow", "--format", "json"]).ends(1);
    assert_eq!(unclear.codes(), ["LB0211"]);
    let done = place.run(&["resume", "--switchover", "2026-01-02T00:00:00Z"]).ends(0);
    assert!(done.err.contains("wait         until 2026-01-02T00:00:00Z"), "{}", done.err);
    assert!(done.out.contains("tester had it wait until 2026-01-02T00:00:00Z"), "{}", done.out);
    place.all_are("Ready");
    // The journal tells it again.
    let told = place.run(&["report", "latest"]).ends(0).out;
    assert!(told.contains("Completed") && told.contains("until 2026-01-02T00:00:00Z"), "{told}");
    place.run(&["resume", "--switchover", "now"]).ends(1);
}

#[test]
fn a_switchover_can_be_done_now_and_only_one_that_waits() {
    let place = Place::example("single");
    place.edit(
        "lifeboat.yaml",
        "keep: replica }",
        "keep: replica, failback: { switchover: { at: 2026-01-03T00:00:00Z } } }",
    );
    place.run(&["sim", "fault", "fails", "--action", "revert"]).ends(0);
    place.run(&["apply", "move-web", "--confirm", "move-web"]).ends(3);
    let none = place.run(&["resume", "--switchover", "now", "--format", "json"]).ends(1);
    assert_eq!(none.codes(), ["LB0806"]);
    place.run(&["sim", "heal"]).ends(0);
    place.run(&["resume"]).ends(0);
    place.run(&["sim", "fault", "fails", "--action", "protect"]).ends(0);
    place.run(&["apply", "return-web", "--confirm", "return-web"]).ends(3);
    place.run(&["sim", "heal"]).ends(0);
    place.run(&["resume", "--switchover", "now"]).ends(0);
    let world = place.run(&["sim", "status"]).ends(0).out;
    assert!(world.contains("2026-01-01T"), "nothing waited for a day: {world}");
}

#[test]
fn a_site_that_falls_silent_is_one_finding_for_all_its_steps() {
    let place = Place::example("estate");
    let fault = ["sim", "fault", "answer-lost", "--action", "power-on", "--replica", "portal-05", "--cut"];
    place.run(&fault).ends(0);
    let said = place.run(&["apply", "evacuate-hall-a", "--confirm", "evacuate-hall-a"]).ends(8);
    let errors = said.err.lines().filter(|l| l.starts_with("error[")).count();
    assert!((1..13).contains(&errors), "{}", said.err);
    assert!(said.out.lines().count() < 300, "{}", said.out);
    // Nobody is asked to confirm what cannot be begun.
    place.run(&["sim", "heal"]).ends(0);
    let again = place.run(&["apply", "evacuate-hall-a"]).ends(7);
    assert!(again.err.contains("LB0802") && !again.err.contains("wave"), "{}", again.err);
}

#[test]
fn the_sites_are_asked_only_where_that_is_asked_for() {
    let place = Place::example("single");
    place.run(&["validate"]).ends(0);
    assert!(!place.path().join(".lifeboat").exists(), "nobody was asked");
    let said = place.run(&["validate", "--sites"]).ends(0);
    assert!(said.out.ends_with("no errors. The sites were asked.\n"), "{}", said.out);
    place.run(&["sim", "fault", "silent", "recovery"]).ends(0);
    place.run(&["validate"]).ends(0);
    let said = place.run(&["validate", "--sites"]).ends(1);
    assert!(said.err.contains("error[LB0901]: site recovery does not answer"), "{}", said.err);
    assert_eq!(place.run(&["validate", "--sites", "--format", "json"]).ends(1).codes(), ["LB0901"]);
}
