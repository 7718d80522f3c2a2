//! From a run to its way back: whenever that is cut short, exactly one of the two holds the replicas, and it can be taken up.

use crate::program::Place;
use std::path::{Path, PathBuf};

/// A failover that failed where its replica was to be started, and its run.
fn failed() -> (Place, String) {
    let place = Place::example("single");
    place.run(&["sim", "fault", "fails", "--action", "power-on", "--replica", "web"]).ends(0);
    place.run(&["apply", "failover-web", "--confirm", "failover-web"]).ends(3);
    place.run(&["sim", "heal"]).ends(0);
    let holders = holders(&place);
    assert_eq!(holders.len(), 1);
    (place, holders[0].clone())
}

fn own(place: &Place, path: &str) -> PathBuf {
    place.path().join(".lifeboat").join(path)
}

/// The runs that hold replicas.
fn holders(place: &Place) -> Vec<String> {
    let files = own(place, "active").read_dir().unwrap().map(|e| e.unwrap().path());
    let claims = files.filter(|p| p.extension().is_some_and(|e| e == "json"));
    claims.map(|p| p.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn a_disk_that_fills_up_in_between_leaves_no_replica_without_a_holder() {
    let mut full = 0;
    for (kib, documents) in (1..=12).flat_map(|kib| [(kib, 0), (kib, 60)]) {
        let (place, run) = failed();
        let confirm = format!("abort-{run}");
        // A run names its documents: with many of them the way back is longer than what is still to be written of the run before.
        for number in 0..documents {
            let text = format!(
                "apiVersion: lifeboat/v1\nkind: Policy\nmetadata: {{ name: p{number} }}\nspec: {{ because: asked }}\n"
            );
            place.write(&format!("policy-{number}.yaml"), &text);
        }
        if place.with_file_limit(kib, &["abort", &run, "--confirm", &confirm]).code == 0 {
            continue;
        }
        full += 1;
        place.run(&["apply", "failover-web", "--confirm", "failover-web"]).ends(7);
        let holders = holders(&place);
        assert_eq!(holders.len(), 1, "{kib} KiB: {holders:?}");
        let runs = own(&place, "runs").read_dir().unwrap().map(|e| e.unwrap().path());
        let begun = runs.filter(|p| p.join("run.json").exists()).count();
        assert_eq!(begun == 1, holders[0] == run, "{kib} KiB: there is no run that was not begun");
        place.run(&["resume", &holders[0]]).ends(0);
        place.all_are(if holders[0] == run { "Failover" } else { "Ready" });
    }
    assert!(full >= 8, "these limits are meant to fall into the way back: {full}");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in from.read_dir().unwrap().map(|e| e.unwrap()) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to)
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Killed when the way back is there and the run before is not yet closed: both have their claims.
fn killed_in_between() -> (Place, String, String) {
    let (place, run) = failed();
    let before = tempfile::tempdir().unwrap();
    copy(&own(&place, ""), before.path());
    place.run(&["abort", &run, "--confirm", &format!("abort-{run}")]).ends(0);
    let runs = own(&place, "runs").read_dir().unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let back = runs.into_iter().find(|r| *r != run).unwrap();
    copy(before.path(), &own(&place, ""));
    std::fs::write(own(&place, &format!("runs/{back}/journal.jsonl")), "").unwrap();
    let claim = std::fs::read_to_string(own(&place, &format!("active/{run}.json"))).unwrap();
    std::fs::write(own(&place, &format!("active/{back}.json")), claim.replace(&run, &back)).unwrap();
    (place, run, back)
}

#[test]
fn a_kill_in_between_leaves_the_way_back_to_be_taken_up() {
    for (command, state) in [
        (&["resume", "BACK"][..], "Ready"),
        (&["abort", "BACK", "--close", "--because", "looked at"], "part-way"),
    ] {
        let (place, run, back) = killed_in_between();
        let refused = place.run(&["resume", &run]).ends(7);
        assert!(refused.err.contains(&format!("lifeboat resume {back}")), "{}", refused.err);
        let command: Vec<&str> =
            command.iter().map(|a| if *a == "BACK" { back.as_str() } else { *a }).collect();
        place.run(&command).ends(0);
        assert!(holders(&place).is_empty());
        let report = place.run(&["report", &run]).ends(0);
        assert!(report.out.contains("its way back was begun"), "{}", report.out);
        place.all_are(state);
        place.run(&["resume", &run]).ends(1);
    }
}

#[test]
fn a_step_whose_way_back_has_begun_is_not_settled_forward() {
    let place = Place::example("single");
    place.write(
        "back.yaml",
        "apiVersion: lifeboat/v1\nkind: Runbook\nmetadata: { name: try-back }\nspec:\n  desired:\n    - replica: web\n      state: Ready\n      keep: replica\n      failback: { target: original, verify: { otherwise: undo } }\n",
    );
    place.apply("failover-web");
    place.run(&["sim", "fault", "never-ready", "production/web"]).ends(0);
    place.run(&["sim", "fault", "fails", "--action", "revert-replica", "--replica", "web"]).ends(0);
    place.run(&["apply", "try-back", "--confirm", "try-back"]).ends(3);
    place.run(&["sim", "heal"]).ends(0);
    for word in ["done", "retry"] {
        let said = place.run(&["settle", "latest", "web/switchover/wait-14", word, "--because", "x"]).ends(1);
        assert!(said.err.contains("way back for its failure has begun"), "{}", said.err);
    }
    // The way back itself may be tried again, and ends the run.
    place.run(&["settle", "latest", "web/undo-failback/revert-replica", "retry", "--because", "x"]).ends(0);
    place.run(&["resume"]).ends(10);
    place.all_are("Failover");
}

/// The shop with a virtual clock, and a runbook for each of two failovers: of one machine, and of the plan.
fn shop() -> Place {
    let place = Place::example("shop");
    place.edit("sites.yaml", "clock: { speed: 40 }", "clock: virtual");
    let runbook = |name: &str, subject: &str| {
        let head = format!("apiVersion: lifeboat/v1\nkind: Runbook\nmetadata: {{ name: {name} }}\n");
        let spec = format!("spec: {{ desired: [{{ {subject}, state: Failover, via: unplanned }}] }}\n");
        place.write(&format!("{name}.yaml"), &(head + &spec));
    };
    runbook("cache-lost", "replica: cache-01");
    runbook("lost", "plan: shop");
    place
}

#[test]
fn the_way_back_from_a_run_leaves_what_was_there_before_it() {
    let place = shop();
    place.apply("cache-lost");
    place.run(&["sim", "fault", "fails", "--action", "power-on", "--replica", "app-01"]).ends(0);
    place.run(&["apply", "lost", "--confirm", "lost"]).ends(3);
    place.run(&["sim", "heal"]).ends(0);
    let run = holders(&place).remove(0);
    let shown = place.run(&["abort", &run]).ends(9).err;
    assert!(shown.contains("db-01") && !shown.contains("cache-01 loses"), "{shown}");
    place.run(&["abort", &run, "--confirm", &format!("abort-{run}")]).ends(0);
    let served: Vec<_> = place.states().into_iter().filter(|(_, s)| s != "Ready").collect();
    assert_eq!(served, [("cache-01".to_owned(), "Failover".to_owned())], "it was there before the run");
}

#[test]
fn a_replica_that_left_its_plan_meanwhile_goes_back_all_the_same() {
    let place = shop();
    place.run(&["sim", "fault", "fails", "--action", "power-on", "--replica", "app-01"]).ends(0);
    place.run(&["apply", "lost", "--confirm", "lost"]).ends(3);
    place.run(&["sim", "heal"]).ends(0);
    place.edit("plan.yaml", "    - { replica: cache-01, after: [{ replica: db-01, is: started }] }\n", "");
    place.edit("plan.yaml", "        - { replica: cache-01, is: ready, ifFailed: continue }\n", "");
    let run = holders(&place).remove(0);
    place.run(&["abort", &run, "--confirm", &format!("abort-{run}")]).ends(0);
    place.all_are("Ready");
}

#[test]
fn a_run_whose_replica_is_not_declared_any_more_is_not_called_unchanged() {
    let (place, run) = failed();
    let sound = std::fs::read_to_string(place.path().join("lifeboat.yaml")).unwrap();
    place.edit("lifeboat.yaml", "metadata: { name: web }", "metadata: { name: shop }");
    place.edit("lifeboat.yaml", "replica: web,", "replica: shop,");
    for other in [None, Some(("vm: web_replica", "vm: other_replica"))] {
        if let Some((old, new)) = other {
            place.write("lifeboat.yaml", &sound);
            place.edit("lifeboat.yaml", old, new);
        }
        let args = ["abort", &run, "--confirm", &format!("abort-{run}"), "--format", "json"];
        assert_eq!(place.run(&args).ends(1).codes(), ["LB0303"]);
        assert_eq!(holders(&place), std::slice::from_ref(&run), "it is still held");
    }
    place.write("lifeboat.yaml", &sound);
    place.run(&["abort", &run, "--confirm", &format!("abort-{run}")]).ends(0);
    place.all_are("Ready");
}

#[test]
fn a_run_that_is_under_way_is_not_aborted_and_nobody_is_shown_how() {
    let (place, run) = failed();
    let runner = std::fs::File::open(own(&place, &format!("active/{run}.json"))).unwrap();
    runner.lock().unwrap();
    for more in [&[][..], &["--confirm", &format!("abort-{run}")], &["--close", "--because", "x"]] {
        let said = place.run(&[&["abort", &run], more].concat()).ends(6);
        assert!(!said.err.contains("Way back") && !said.out.contains("Way back"), "{}{}", said.out, said.err);
    }
}

/// A run of which one replica was failed over for good, or nearly, and another one failed.
fn mixed(broken: &str) -> (Place, String) {
    let place = shop();
    let head = "apiVersion: lifeboat/v1\nkind: Runbook\nmetadata: { name: mixed }\nspec:\n  desired:\n";
    let cache = "    - { replica: cache-01, state: Permanent, irreversible: true }\n";
    place.write(
        "mixed.yaml",
        &format!("{head}{cache}    - {{ replica: db-01, state: Failover, via: unplanned }}\n"),
    );
    place.apply("cache-lost");
    let fault = |action, replica| {
        place.run(&["sim", "fault", "fails", "--action", action, "--replica", replica]).ends(0);
    };
    fault("power-on", "db-01");
    if !broken.is_empty() {
        fault(broken, "cache-01");
    }
    place.run(&["apply", "mixed", "--confirm", "mixed"]).ends(3);
    place.run(&["sim", "heal"]).ends(0);
    let run = holders(&place).remove(0);
    (place, run)
}

#[test]
fn what_cannot_come_back_is_said_and_the_rest_comes_back() {
    for (broken, why) in [
        ("", "it was failed over for good and is no replica any more"),
        ("merge", "permanent failover was begun and can only be completed"),
        ("exclude", "permanent failover was begun and can only be completed"),
    ] {
        let (place, run) = mixed(broken);
        let shown = place.run(&["abort", &run]).ends(9).err;
        assert!(
            shown.contains("warning[LB0706]: no way back for `cache-01`") && shown.contains(why),
            "{shown}"
        );
        assert!(shown.contains("db-01") && shown.contains("  undo  "), "{shown}");
        assert_eq!(
            shown.contains(&format!("`lifeboat resume {run}` completes it instead")),
            !broken.is_empty()
        );
        let json = place.run(&["abort", &run, "--format", "json"]).ends(9).codes();
        assert!(json.contains(&"LB0706".to_owned()) && json.contains(&"LB0705".to_owned()), "{json:?}");
        place.run(&["abort", &run, "--confirm", &format!("abort-{run}")]).ends(0);
        assert!(holders(&place).is_empty());
        let served: Vec<_> = place.states().into_iter().filter(|(_, s)| s != "Ready").collect();
        let left = if broken.is_empty() { "Permanent" } else { "part-way" };
        assert_eq!(served, [("cache-01".to_owned(), left.to_owned())]);
    }
}

#[test]
fn a_run_of_which_nothing_can_come_back_is_resumed_or_closed() {
    let place = Place::example("single");
    place.write(
        "forever.yaml",
        "apiVersion: lifeboat/v1\nkind: Runbook\nmetadata: { name: forever }\nspec: { desired: [{ replica: web, state: Permanent, irreversible: true }] }\n",
    );
    place.apply("failover-web");
    place.run(&["sim", "fault", "fails", "--action", "merge", "--replica", "web"]).ends(0);
    place.run(&["apply", "forever", "--confirm", "forever"]).ends(3);
    place.run(&["sim", "heal"]).ends(0);
    let run = holders(&place).remove(0);
    let said = place.run(&["abort", &run, "--confirm", &format!("abort-{run}")]).ends(1);
    assert!(said.err.contains("LB0706") && said.err.contains("can be taken back"), "{}", said.err);
    assert!(said.err.contains(&format!("`lifeboat resume {run}` goes on with it")), "{}", said.err);
    assert_eq!(holders(&place), std::slice::from_ref(&run), "nothing was closed");
    place.run(&["resume", &run]).ends(0);
    place.all_are("Permanent");
}

#[test]
fn the_way_back_without_documents_says_what_it_needs() {
    let (place, run) = failed();
    let text = std::fs::read_to_string(place.path().join("lifeboat.yaml")).unwrap();
    std::fs::remove_file(place.path().join("lifeboat.yaml")).unwrap();
    let said = place.run(&["abort", &run]).ends(1);
    assert!(said.err.contains("the way back is planned from the documents"), "{}", said.err);
    assert!(said.err.contains(&format!("`lifeboat resume {run}`")), "{}", said.err);
    place.write("lifeboat.yaml", &text);
    place.run(&["abort", &run, "--confirm", &format!("abort-{run}")]).ends(0);
}
