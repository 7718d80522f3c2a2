//! Hooks and gates as a user meets them: run, answered, refused, killed.

use crate::program::{Place, Said, said, signal};
use std::process::{Child, Command};
use std::time::Duration;

/// The example with a clock that costs no time, where nobody answers.
fn place() -> Place {
    let place = Place::example("gated");
    place.edit("lifeboat.yaml", "clock: { speed: 40 } ", "clock: virtual ");
    place
}

fn script(place: &Place, name: &str, text: &str) {
    place.write(name, text);
    let status = Command::new("chmod").arg("+x").arg(place.path().join(name)).status().unwrap();
    assert!(status.success());
}

fn evacuate(place: &Place, code: i32) -> Said {
    place.run(&["apply", "evacuate-shop", "--confirm", "evacuate-shop"]).ends(code)
}

fn journal(place: &Place) -> String {
    let runs = std::fs::read_dir(place.path().join(".lifeboat/runs")).unwrap();
    let run = runs.map(|r| r.unwrap().path()).max().unwrap();
    std::fs::read_to_string(run.join("journal.jsonl")).unwrap()
}

/// Waits until the report of the run says something.
fn until(place: &Place, what: &str) {
    for _ in 0..2000 {
        if place.run(&["report", "latest"]).out.contains(what) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the run never came to {what}");
}

/// The message of the first finding.
fn message(place: &Place, args: &[&str], code: i32) -> String {
    let said = place.run(&[args, &["--format", "json"]].concat()).ends(code);
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    json["findings"][0]["message"].as_str().unwrap().to_owned()
}

fn ended(child: Child) -> Said {
    said(child.wait_with_output().unwrap())
}

fn answer(place: &Place, person: &str, word: &str) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
    command.args(["answer", "latest", "open-to-customers", word, "--because", "looked at it"]);
    said(command.current_dir(place.path()).env_clear().env("USER", person).output().unwrap())
}

#[test]
fn a_gate_is_answered_from_elsewhere_by_those_who_may_and_once() {
    let place = Place::example("gated");
    let child = place.start(&["apply", "evacuate-shop", "--confirm", "evacuate-shop"]);
    until(&place, "Runners");
    let early = answer(&place, "ann", "yes").ends(1);
    assert!(early.err.contains("LB0830") && early.err.contains("is not asked now"), "{}", early.err);
    until(&place, "Asked now");
    let status = place.run(&["status"]).ends(0);
    assert!(status.out.contains("shop/open-to-customers: Smoke test passed?"), "{}", status.out);
    assert!(status.out.contains("asked: ann, bob, tester (on-call), until "), "{}", status.out);
    let wrong = answer(&place, "carl", "yes").ends(9);
    assert!(
        wrong.err.contains("LB0831") && wrong.err.contains("ann, bob, tester (on-call)"),
        "{}",
        wrong.err
    );
    assert!(!journal(&place).contains("carl"), "nothing is recorded of it");
    answer(&place, "bob", "yes").ends(0);
    let twice = answer(&place, "ann", "no");
    assert_eq!(twice.code, 1, "{}{}", twice.out, twice.err);
    let done = ended(child).ends(0);
    assert!(done.err.contains("shop/open-to-customers: bob says yes, from "), "{}", done.err);
    assert!(done.out.contains("Answers\n") && done.out.contains(": looked at it"), "{}", done.out);
    answer(&place, "ann", "no").ends(1);
    let notes = std::fs::read_to_string(place.path().join("notes.txt")).unwrap();
    assert_eq!(
        notes,
        "the cache is warmed (before web-01, planned failover)\nsupport is told (after shop, planned failover)\n"
    );
    let told = std::fs::read_to_string(place.path().join("frozen.json")).unwrap();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["plan"], &told["runbook"]), (&"shop".into(), &"evacuate-shop".into()));
    assert_eq!(told["replicas"][0]["machines"]["replica"]["vm"], "db-01_replica");
    place.all_are("Failover");
    // On the way back nobody is asked, and the hooks that are about it are run.
    let undone = place.run(&["apply", "undo-shop", "--confirm", "undo-shop"]).ends(0);
    assert!(!undone.err.contains("gate") && undone.err.contains("./freeze.sh before shop"), "{}", undone.err);
}

#[test]
fn a_gate_that_nobody_answers_does_what_its_document_says() {
    let place = place();
    let stopped = evacuate(&place, 4);
    assert!(stopped.out.contains("because nobody answered shop/open-to-customers"), "{}", stopped.out);
    let nobody = answer(&place, "ann", "yes").ends(1);
    assert!(nobody.err.contains("LB0830"), "{}", nobody.err);
    let again = place.run(&["resume"]).ends(4);
    assert!(again.err.contains("? gate"), "it is asked again: {}", again.err);
    for (word, code, says) in
        [("no", 3, "nobody answered in its time"), ("continue", 10, "nobody answered; silence lets it go on")]
    {
        let place = self::place();
        place.edit("lifeboat.yaml", "otherwise: stop ", &format!("otherwise: {word} "));
        let ended = evacuate(&place, code);
        assert!(ended.out.contains(says), "{}", ended.out);
        place.all_are("Failover");
    }
}

#[test]
fn a_failing_hook_blocks_before_and_is_an_exception_after() {
    let place = place();
    place.edit("lifeboat.yaml", "otherwise: stop ", "otherwise: continue ");
    script(
        &place,
        "freeze.sh",
        "#!/bin/sh\n[ \"$1\" = --check ] && exit 0\necho the lock is taken; exit 4\n",
    );
    let failed = evacuate(&place, 3);
    let why = "`./freeze.sh` ended with 4: the lock is taken";
    assert!(failed.out.contains(why) && failed.err.contains(why), "{}{}", failed.out, failed.err);
    assert_eq!(journal(&place).matches("\"type\":\"retrying\"").count(), 2, "it was tried three times");
    place.all_are("Ready");
    let place = self::place();
    place.edit("lifeboat.yaml", "otherwise: stop ", "otherwise: continue ");
    place.edit("lifeboat.yaml", "\"support is told\"", "\"support is told\", \"x\"");
    script(&place, "note.sh", "#!/bin/sh\n[ $# = 1 ]\n");
    let ended = evacuate(&place, 10);
    assert!(ended.out.contains("shop/after-tell-support failed: `./note.sh` ended with 1"), "{}", ended.out);
    place.all_are("Failover");
}

#[test]
fn what_a_check_finds_stops_the_plan_before_anything_begins() {
    let place = place();
    script(
        &place,
        "freeze.sh",
        "#!/bin/sh\nread context\necho \"$LIFEBOAT_CHECK of ${LIFEBOAT_RUN:-no run}\"; exit 1\n",
    );
    for args in [&["plan", "evacuate-shop"][..], &["apply", "evacuate-shop", "--confirm", "evacuate-shop"]] {
        let refused = message(&place, args, 1);
        let why = "the hook `shop/before-freeze-deploys` would fail: its check `./freeze.sh` ended with 1: 1 of no run";
        assert_eq!(refused, why);
    }
    assert_eq!(place.run(&["plan", "evacuate-shop", "--format", "json"]).codes(), ["LB0920"]);
    let past = place.run(&["history"]).ends(0);
    assert_eq!(past.out, "There has been no run.\n");
    std::fs::remove_file(place.path().join("freeze.sh")).unwrap();
    let refused = message(&place, &["plan", "evacuate-shop"], 1);
    assert!(refused.ends_with("freeze.sh is not there"), "{refused}");
    // A sealed plan looks again.
    let place = self::place();
    place.run(&["plan", "evacuate-shop", "--out", "plan.json"]).ends(0);
    std::fs::remove_file(place.path().join("note.sh")).unwrap();
    let refused = message(&place, &["apply", "plan.json", "--confirm", "evacuate-shop"], 1);
    assert!(refused.ends_with("note.sh is not there"), "{refused}");
}

#[test]
fn a_secret_is_given_and_shown_nowhere() {
    let place = place();
    place.edit(
        "lifeboat.yaml",
        "        within: 1m\n",
        "        within: 1m\n        secrets: { TOKEN: { file: token } }\n",
    );
    script(&place, "freeze.sh", "#!/bin/sh\necho \"the token is $TOKEN\"\n[ \"$TOKEN\" = swordfish ]\n");
    let refused = message(&place, &["plan", "evacuate-shop"], 1);
    assert!(refused.contains("its secret TOKEN cannot be read from token"), "{refused}");
    place.write("token", "swordfish\n");
    evacuate(&place, 4);
    let report = place.run(&["report", "latest", "--steps"]).ends(0);
    assert!(report.out.contains("| the token is ***"), "{}", report.out);
    let json = place.run(&["report", "latest", "--format", "json"]).ends(0);
    for text in [journal(&place), json.out, place.run(&["show"]).ends(0).out] {
        assert!(!text.contains("swordfish"), "{text}");
    }
}

#[test]
fn a_hook_whose_runner_was_killed_waits_for_a_persons_word() {
    let place = place();
    place.edit("lifeboat.yaml", "otherwise: stop ", "otherwise: continue ");
    place.edit("lifeboat.yaml", "        retries: 2 ", "        typical: 1s ");
    script(&place, "freeze.sh", "#!/bin/sh\n[ \"$1\" = --check ] && exit 0\necho >>begun; sleep 30\n");
    let mut child = place.start(&["apply", "evacuate-shop", "--confirm", "evacuate-shop"]);
    while !place.path().join("begun").exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    signal(&child, "KILL");
    child.wait().unwrap();
    let doubt = place.run(&["resume"]).ends(8);
    assert!(doubt.err.contains("the runner before was cut off, and nobody can see how far"), "{}", doubt.err);
    place
        .run(&["settle", "latest", "shop/before-freeze-deploys", "done", "--because", "it is frozen"])
        .ends(0);
    place.run(&["resume"]).ends(10);
    assert_eq!(std::fs::read_to_string(place.path().join("begun")).unwrap(), "\n", "it was begun once");
    place.all_are("Failover");
}

#[test]
fn a_hook_that_takes_too_long_is_ended_and_a_replication_run_asks_for_none() {
    let place = place();
    place.edit(
        "lifeboat.yaml",
        "        within: 1m\n        retries: 2 ",
        "        within: 1s\n        typical: 0s ",
    );
    script(
        &place,
        "freeze.sh",
        "#!/bin/sh\n[ \"$1\" = --check ] && exit 0\nsleep 30 & echo $! >child; wait\n",
    );
    place.run(&["replicate", "--all"]).ends(0);
    assert!(!place.path().join("child").exists() && !place.path().join("notes.txt").exists());
    let late = evacuate(&place, 3);
    assert!(late.out.contains("`./freeze.sh` was not done within 1s, and was ended"), "{}", late.out);
    let child = std::fs::read_to_string(place.path().join("child")).unwrap();
    let state = std::fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
    assert!(state.is_empty() || state.contains(") Z "), "{state}");
}

/// The sequence of the example in another form.
fn sequence(place: &Place, sequence: &str) {
    let path = place.path().join("lifeboat.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let from = text.find("  sequence:\n").unwrap();
    let to = from + text[from..].find("---\n").unwrap();
    std::fs::write(&path, format!("{}  sequence:\n{sequence}{}", &text[..from], &text[to..])).unwrap();
}

#[test]
fn a_gate_before_everything_is_asked_before_a_source_is_stopped() {
    for first in ["    - { gate: { name: go, ask: Begin?, within: 1m, otherwise: no } }\n", ""] {
        let place = place();
        let middle = if first.is_empty() {
            "    - { gate: { name: go, ask: Go on?, within: 1m, otherwise: no } }\n"
        } else {
            ""
        };
        let all = format!("{first}    - {{ replica: db-01 }}\n{middle}    - {{ replica: web-01 }}\n");
        sequence(&place, &all);
        place.run(&["apply", "evacuate-shop", "--confirm", "evacuate-shop"]).ends(3);
        let states = place.states();
        let still = states.iter().filter(|(_, state)| state == "Ready").count();
        // What stops in a planned failover stops before anything starts, and the one in the middle is asked behind that.
        assert_eq!(still, if first.is_empty() { 0 } else { 2 }, "{states:?}");
    }
}

#[test]
fn a_gate_is_asked_for_those_who_wait_for_it() {
    let place = place();
    let gate = "    - { gate: { name: go, ask: Is the data good?, within: 1m } }\n";
    sequence(&place, &format!("    - {{ replica: db-01 }}\n{gate}    - {{ replica: web-01 }}\n"));
    let asks = |flags: &[&str]| {
        place.run(&[&["plan", "evacuate-shop"][..], flags].concat()).ends(0).out.contains("Is the data good?")
    };
    assert!(asks(&[]) && !asks(&["--only", "db-01"]) && asks(&["--only", "web-01"]));
}

#[test]
fn a_hook_of_what_may_fail_may_fail() {
    let place = place();
    script(&place, "bad.sh", "#!/bin/sh\nexit 3\n");
    sequence(
        &place,
        "    - { replica: db-01, required: false, hooks: { before: [{ run: [./bad.sh] }] } }\n    - { replica: web-01 }\n",
    );
    evacuate(&place, 10);
    let served: Vec<String> =
        place.states().into_iter().filter(|(_, s)| s == "Failover").map(|(name, _)| name).collect();
    assert_eq!(served, ["web-01"]);
}
