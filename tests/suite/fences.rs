//! Fences as a user meets them: planned where a source cannot be seen, proven before a replica starts, refused, killed.

use crate::program::{Place, Said};
use std::process::Command;

/// The example after its hall has fallen silent.
fn silent() -> Place {
    let place = Place::example("fenced");
    place.run(&["sim", "fault", "silent", "production"]).ends(0);
    place
}

fn script(place: &Place, text: &str) {
    place.write("ipmi.sh", text);
    let status = Command::new("chmod").arg("+x").arg(place.path().join("ipmi.sh")).status().unwrap();
    assert!(status.success());
}

fn apply(place: &Place, code: i32) -> Said {
    place.run(&["apply", "disaster-shop", "--confirm", "disaster-shop"]).ends(code)
}

fn fenced(place: &Place) -> Vec<String> {
    let text = std::fs::read_to_string(place.path().join("powered-off.txt")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn journal(place: &Place) -> String {
    let runs = std::fs::read_dir(place.path().join(".lifeboat/runs")).unwrap();
    let run = runs.map(|r| r.unwrap().path()).max().unwrap();
    std::fs::read_to_string(run.join("journal.jsonl")).unwrap()
}

#[test]
fn what_cannot_be_seen_is_fenced_once_and_the_proof_is_kept() {
    let place = silent();
    let plan = place.run(&["plan", "disaster-shop", "--steps"]).ends(0);
    for line in [
        "fence all of site production with ./ipmi.sh off, proven by ./ipmi.sh is-off  ≤ 30s, checked; before 2 replicas",
        "fence the source of ledger with ./ipmi.sh off, proven by ./ipmi.sh is-off  ≤ 1m",
        "; its source does not answer and is fenced",
    ] {
        assert!(plan.out.contains(line), "{line}\n{}", plan.out);
    }
    assert!(fenced(&place).is_empty(), "a plan touches nothing");
    let done = apply(&place, 0);
    assert_eq!(fenced(&place).len(), 2, "once for the site and once for the ledger: {:?}", fenced(&place));
    place.all_are("Failover");
    // Nothing of a replica was touched before its fence was proven.
    let begun = done.err.find("> db-01").unwrap();
    assert!(done.err.find("+ fence        all of site production").unwrap() < begun, "{}", done.err);
    let report = place.run(&["report", "latest"]).ends(0);
    assert!(
        report.out.contains("site/production/fence, its proof\n    | power of all of production: off"),
        "{}",
        report.out
    );
    assert!(journal(&place).contains("\"proof\":true"));
    let told: Vec<String> = fenced(&place);
    assert!(
        told.contains(&"all of production".to_owned()) && told.contains(&"production/ledger".to_owned()),
        "{told:?}"
    );
}

#[test]
fn a_source_that_is_seen_is_powered_off_by_its_site_and_not_fenced() {
    let place = Place::example("fenced");
    let plan = place.run(&["plan", "disaster-shop", "--steps"]).ends(0);
    assert!(!plan.out.contains("fence ") && plan.out.contains("power the source off"), "{}", plan.out);
    apply(&place, 0);
    assert!(fenced(&place).is_empty());
    place.all_are("Failover");
}

#[test]
fn what_is_not_proven_does_not_start() {
    let place = silent();
    script(
        &place,
        "#!/bin/sh\nread -r told\n[ \"$1\" = is-off ] && { echo still on; exit 1; }\necho \"$1\" >> tried.txt\n",
    );
    let failed = apply(&place, 3);
    let why = "not proven: `./ipmi.sh` ended with 1: still on";
    assert!(failed.out.contains(why) && failed.err.contains(why), "{}{}", failed.out, failed.err);
    place.all_are("Ready");
    let tried = std::fs::read_to_string(place.path().join("tried.txt")).unwrap();
    assert_eq!(tried.lines().filter(|l| *l == "off").count(), 2 * 4, "each is tried again three times");
    // Somebody pulls the plug, and says so; or the switch works in the end.
    let settled = place
        .run(&["settle", "latest", "ledger/fence", "done", "--because", "the plug is in my hand"])
        .ends(0);
    assert!(settled.out.contains("resume"), "{}", settled.out);
    script(&place, "#!/bin/sh\nread -r told\necho \"$1\" >> late.txt\n");
    place.run(&["resume"]).ends(10);
    place.all_are("Failover");
    let late = std::fs::read_to_string(place.path().join("late.txt")).unwrap();
    assert!(!late.contains("check"), "{late}");
    let report = place.run(&["report", "latest"]).ends(0);
    assert!(report.out.contains("the plug is in my hand"), "{}", report.out);
}

#[test]
fn the_programs_own_word_counts_for_nothing() {
    let place = silent();
    // It does its work and ends badly: what is proven counts.
    script(
        &place,
        "#!/bin/sh\nread -r told\ncase $1 in off) touch off; exit 5;; is-off) test -e off;; esac\n",
    );
    apply(&place, 0);
    place.all_are("Failover");
}

#[test]
fn documents_that_fence_and_do_not_say_how_are_refused() {
    let place = Place::example("fenced");
    let text = std::fs::read_to_string(place.path().join("lifeboat.yaml")).unwrap();
    let (before, rest) = text.split_once("  fence:").unwrap();
    let (_, after) = rest.split_once("---").unwrap();
    place.write("lifeboat.yaml", &format!("{before}---{after}"));
    let said = place.run(&["validate"]).ends(1);
    assert!(
        said.err.contains(
            "error[LB0317]: the failover plan `shop` fences, and nothing says how for db-01, web-01"
        ),
        "{}",
        said.err
    );
    assert!(!said.err.contains("ledger`"), "it has one of its own: {}", said.err);
}

#[test]
fn a_policy_forbids_what_may_run_twice() {
    let place = silent();
    place.edit("lifeboat.yaml", "  source: fence   ", "  source: leave   ");
    let said = place.run(&["plan", "disaster-shop"]).ends(9);
    assert!(
        said.err.contains(
            "error[LB0603]: `db-01` would start while its source may run; policy `one-of-each` forbids that"
        ),
        "{}",
        said.err
    );
    place.edit("lifeboat.yaml", "forbid: { unfenced: true }", "forbid: { permanent: true }");
    let said = place.run(&["plan", "disaster-shop"]).ends(0);
    assert!(said.out.contains("; its source does not answer\n"), "{}", said.out);
    // Where both would be on one network that has a line of its own.
    let place = Place::example("fenced");
    let source = "  source: { site: production, vm: db-01 }\n";
    place.edit("lifeboat.yaml", source, &format!("{source}  networks: [{{ from: lan, to: lan }}]\n"));
    place.edit("lifeboat.yaml", "  source: fence   ", "  source: leave   ");
    place.edit("lifeboat.yaml", "forbid: { unfenced: true }", "forbid: { permanent: true }");
    place.run(&["sim", "fault", "silent", "production"]).ends(0);
    let said = place.run(&["plan", "disaster-shop", "--format", "json"]).ends(0);
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let both = serde_json::json!({ "mayBothServe": ["db-01", "lan"] });
    assert!(json["warnings"].as_array().unwrap().contains(&both), "{}", json["warnings"]);
}

#[test]
fn a_fence_of_a_site_says_whom_else_it_takes_down() {
    let place = silent();
    place.edit("lifeboat.yaml", "    - { replica: web-01, after: [{ replica: db-01 }] }\n", "");
    let said = place.run(&["plan", "disaster-shop"]).ends(0);
    // A machine with a fence of its own is taken down with its site all the same, and is in the plan.
    let warning =
        "  ! the fence of site production also takes down what this plan does not bring up: web-01\n";
    assert!(said.out.contains(warning), "{}", said.out);
}

#[test]
fn a_rehearsal_says_what_a_failing_fence_means() {
    let place = silent();
    let said = place.run(&["rehearse", "disaster-shop"]).ends(0);
    assert!(said.out.contains("fence site/production/fence"), "{}", said.out);
    assert!(fenced(&place).is_empty(), "nothing is run");
}

/// A switch whose proof holds for as long as nobody takes what it wrote away.
fn power_comes_back(place: &Place) {
    std::fs::remove_file(place.path().join("powered-off.txt")).unwrap();
}

#[test]
fn a_run_that_is_taken_up_relies_on_no_old_proof() {
    let place = silent();
    place.run(&["sim", "fault", "fails", "--action", "power-on"]).ends(0);
    apply(&place, 3);
    assert_eq!(fenced(&place).len(), 2);
    // Its hall is still silent, and what was switched off came back: it is switched off once more before anything starts.
    power_comes_back(&place);
    place.run(&["resume"]).ends(3);
    assert_eq!(fenced(&place).len(), 2);
    // Now its hall answers, and its machines run.
    place.run(&["sim", "heal"]).ends(0);
    place.run(&["takeover", "latest"]).ends(0);
    let failed = place.run(&["resume"]).ends(3);
    let why = "production answers again, and db-01 runs there: abort this run and plan again";
    assert!(failed.out.contains(why) && failed.err.contains(why), "{}{}", failed.out, failed.err);
    assert!(!failed.err.contains("> db-01"), "{}", failed.err);
    assert_eq!(fenced(&place).len(), 2, "what answers is not struck");
    let report = place.run(&["report", "latest"]).ends(0);
    let again = "site/production/fence: ";
    let word = "had it tried again: the run was taken up, and its proof is from before";
    assert!(report.out.contains(again) && report.out.contains(word), "{}", report.out);
    place.run(&["verify", "latest"]).ends(0);
}

/// A hook before a machine is no step that a fence is proven for: whoever takes the run up asks for the proof again.
#[test]
fn a_hook_before_a_machine_takes_no_proof_from_its_start() {
    let place = silent();
    place.edit(
        "lifeboat.yaml",
        "metadata: { name: web-01 }\nspec:\n",
        "metadata: { name: web-01 }\nspec:\n  hooks: { before: [{ name: note, run: [\"true\"] }] }\n",
    );
    place.run(&["sim", "fault", "fails", "--action", "power-on", "--replica", "web-01"]).ends(0);
    let failed = apply(&place, 3);
    assert!(failed.err.contains("run true before web-01"), "{}", failed.err);
    place.run(&["sim", "heal"]).ends(0);
    place.run(&["sim", "fault", "silent", "production"]).ends(0);
    // Its host is back meanwhile.
    script(&place, "#!/bin/sh\nread -r told\necho still on\nexit 1\n");
    let again = place.run(&["resume"]).ends(3);
    assert!(again.err.contains("not proven"), "{}{}", again.out, again.err);
}
