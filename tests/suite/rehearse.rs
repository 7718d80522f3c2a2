//! `rehearse` and `status --strict` as a user runs them: on the examples, with history and without, and with what cannot be rehearsed.

use crate::program::{Place, Said};
use serde_json::Value;

fn json(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e}: {}", said.out))
}

/// The virtual shop: its clock costs no time.
fn shop() -> Place {
    let place = Place::example("shop");
    place.edit("sites.yaml", "clock: { speed: 40 }", "clock: virtual");
    place
}

fn millis(value: &Value) -> u64 {
    value.as_str().unwrap().parse::<lifeboat::base::Duration>().unwrap().as_millis()
}

#[test]
fn a_rehearsal_tells_times_chain_and_failures_and_leaves_nothing_behind() {
    let place = shop();
    let said = place.run(&["rehearse", "evacuate-shop"]).ends(0);
    for words in
        ["shop", "10m", "It goes to:", "if this fails for good", "Next: lifeboat apply evacuate-shop"]
    {
        assert!(said.out.contains(words), "{words} is missing:\n{}", said.out);
    }
    assert!(!place.path().join(".lifeboat").exists(), "it writes nothing");
    let all = place.run(&["rehearse", "evacuate-shop", "--all"]).ends(0);
    assert!(said.out.contains("(5 replicas)") && !all.out.contains("replicas)"), "{}", all.out);
    let found = json(&place.run(&["rehearse", "evacuate-shop", "--format", "json"]).ends(0));
    assert_eq!((&found["format"], &found["type"]), (&Value::from(1), &Value::from("rehearsal")));
    let worst = &found["failures"][0];
    assert_eq!(
        worst["held"].as_array().unwrap().len(),
        4,
        "no source is stopped before all are copied: {worst}"
    );
    assert_eq!(
        (&worst["exit"]["code"], &worst["next"]),
        (&Value::from(3), &Value::from("lifeboat resume RUN"))
    );
    let of = |step: &str| {
        let all = found["failures"].as_array().unwrap();
        all.iter().find(|f| f["step"].as_str().unwrap().starts_with(step)).unwrap_or_else(|| panic!("{step}"))
    };
    let held = |step: &str| of(step)["held"].as_array().unwrap().len();
    assert_eq!(held("db-01/planned-failover/wait-"), 3, "all but the cache wait for the database");
    assert_eq!(held("cache-01/planned-failover/power-on"), 0, "its edge says continue");
    assert_eq!(held("web-01/planned-failover/power-on"), 0);
    assert!(!place.path().join(".lifeboat").exists());
}

#[test]
fn what_is_foretold_of_a_failure_is_what_apply_does() {
    for (action, machine) in [("power-on", "app-01"), ("shut-down", "web-02"), ("power-on", "db-01")] {
        let place = shop();
        let found = json(&place.run(&["rehearse", "evacuate-shop", "--format", "json"]).ends(0));
        let step = format!("{machine}/planned-failover/{action}");
        let all = found["failures"].as_array().unwrap();
        let foretold = all.iter().find(|f| f["step"].as_str().unwrap().starts_with(&step)).unwrap();
        place.run(&["sim", "fault", "fails", "--action", action, "--replica", machine]).ends(0);
        let exit = i32::try_from(foretold["exit"]["code"].as_i64().unwrap()).unwrap();
        place.run(&["apply", "evacuate-shop", "--confirm", "evacuate-shop"]).ends(exit);
        let report = json(&place.run(&["report", "latest", "--format", "json"]).ends(0));
        let names = |value: &Value| {
            let steps = value.as_array().unwrap().iter().map(|n| n["step"].as_str().unwrap());
            let replicas = steps.map(|s| s.split('/').next().unwrap().to_owned());
            replicas.filter(|r| r != machine).collect::<std::collections::BTreeSet<_>>()
        };
        let held = foretold["held"].as_array().unwrap().iter().map(|n| n.as_str().unwrap().to_owned());
        assert_eq!(names(&report["notRun"]), held.collect(), "{step}");
    }
}

#[test]
fn one_seed_gives_the_same_bytes_and_another_one_other_times() {
    let place = Place::example("shop");
    let ask = |more: &[&str]| {
        let words = [&["rehearse", "return-shop", "--format", "json"], more].concat();
        place.run(&words)
    };
    place.edit("sites.yaml", "clock: { speed: 40 }", "clock: { speed: 400 }");
    place.apply("evacuate-shop");
    let first = ask(&["--seed", "7"]).ends(0);
    // This clock runs on meanwhile.
    let again = ask(&["--seed", "7"]).ends(0);
    assert_eq!(first.out, again.out);
    let (first, other) = (json(&first), json(&ask(&["--seed", "8"]).ends(0)));
    assert_ne!(first["takes"], other["takes"]);
    assert_eq!(first["failures"], other["failures"], "what one failure means is not drawn");
    assert_eq!(first["chain"], other["chain"]);
}

#[test]
fn times_of_past_runs_are_used_and_a_damaged_run_is_left_out_and_named() {
    let place = shop();
    for _ in 0..3 {
        place.apply("disaster-shop");
        place.apply("undo-shop");
    }
    let found = json(&place.run(&["rehearse", "disaster-shop", "--format", "json"]).ends(0));
    assert_eq!(found["times"]["runs"], 6);
    assert!(
        found["times"]["own"].as_u64().unwrap() > 0 && found["times"]["planned"] == 0,
        "{}",
        found["times"]
    );
    let report = |place: &Place| {
        place.apply("disaster-shop");
        json(&place.run(&["report", "latest", "--format", "json"]).ends(0))
    };
    let took = millis(&report(&place)["took"]);
    assert_eq!(millis(&found["takes"]["typical"]), took, "the simulator takes the same time every time");
    assert_eq!(found["takes"]["p50"], found["takes"]["p95"], "where nothing ever varied, nothing is drawn");
    place.apply("undo-shop");
    // The plan tells the same, and warns where that is too long.
    let planned = json(&place.run(&["plan", "disaster-shop", "--format", "json"]).ends(0));
    assert_eq!(planned["measured"]["takes"]["typical"], found["takes"]["typical"]);
    let said = place.run(&["plan", "disaster-shop"]).ends(0);
    assert!(said.out.contains("As measured in 8 runs: usually "), "{}", said.out);
    let short = lifeboat::base::Duration::from_millis(took - 1000).rounded();
    place.edit("plan.yaml", "rto: 10m", &format!("rto: {short}"));
    let said = place.run(&["plan", "disaster-shop"]).ends(0);
    assert!(said.err.contains("warning[LB0604]") && said.err.contains("95 of 100"), "{}", said.err);
    place.edit("plan.yaml", &format!("rto: {short}"), "rto: 10m");
    place.apply("disaster-shop");
    let run = json(&place.run(&["history", "--format", "json"]).ends(0))["runs"][0]["run"].clone();
    let journal = place.path().join(".lifeboat/runs").join(run.as_str().unwrap()).join("journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, text.replacen("intended", "intendes", 1)).unwrap();
    let said = place.run(&["rehearse", "undo-shop"]).ends(0);
    assert!(said.err.contains("warning[LB0803]") && said.err.contains("left out"), "{}", said.err);
}

#[test]
fn a_missed_objective_is_a_warning_and_a_gate_where_that_is_wanted() {
    let place = shop();
    place.edit("plan.yaml", "objectives: { rto: 10m }", "objectives: { rto: 2m45s }");
    let said = place.run(&["rehearse", "evacuate-shop"]).ends(0);
    assert!(said.err.contains("warning[LB0604]"), "{}", said.err);
    assert!(said.out.contains("missed at p95: shop"), "{}", said.out);
    let gated = place.run(&["rehearse", "evacuate-shop", "--strict"]).ends(9);
    assert!(gated.err.contains("error[LB0604]") && gated.out.contains("missed at p95"), "{}", gated.err);
    place.edit("runbooks.yaml", "enforce: { rpo: true }", "enforce: { rpo: true, rto: true }");
    place.run(&["plan", "evacuate-shop"]).ends(0);
    let said = place.run(&["rehearse", "evacuate-shop"]).ends(9);
    assert!(said.err.contains("promises its customers"), "the policy says why: {}", said.err);
    place.edit("plan.yaml", "rto: 2m45s", "rto: 1h");
    place.run(&["rehearse", "evacuate-shop", "--strict"]).ends(0);
}

#[test]
fn the_estate_is_rehearsed_with_all_its_single_failures() {
    let place = Place::example("estate");
    let found =
        json(&place.run(&["rehearse", "evacuate-hall-a", "--draws", "1", "--format", "json"]).ends(0));
    let failures = found["failures"].as_array().unwrap();
    let steps = |ends: &str| failures.iter().filter(|f| f["step"].as_str().unwrap().contains(ends)).count();
    assert_eq!((steps("/power-on"), steps("/wait-")), (200, 200), "every machine and every wait");
    assert_eq!(found["plans"].as_array().unwrap().len(), 4);
    let held: Vec<usize> = failures.iter().map(|f| f["held"].as_array().unwrap().len()).collect();
    assert!(held.is_sorted_by(|a, b| a >= b), "the worst first");
}

#[test]
fn what_cannot_be_rehearsed_says_why_and_nothing_to_do_is_said() {
    let place = shop();
    let unknown = place.run(&["rehearse", "evacuate-shoq", "--format", "json"]).ends(1);
    assert_eq!(unknown.codes(), ["LB0305"]);
    place.run(&["rehearse", "evacuate-shop", "--draws", "0"]).ends(64);
    place.run(&["rehearse", "evacuate-shop", "--draws", "100001"]).ends(64);
    place.run(&["rehearse", "evacuate-shop", "--seed", "-1"]).ends(64);
    place.run(&["rehearse"]).ends(64);
    let nothing = place.run(&["rehearse", "undo-shop"]).ends(0);
    assert!(nothing.out.contains("Nothing to do"), "{}", nothing.out);
    place.run(&["sim", "fault", "silent", "production"]).ends(0);
    let refused = place.run(&["rehearse", "evacuate-shop", "--format", "json"]).ends(1);
    assert!(refused.codes().iter().all(|c| c == "LB0504"), "{:?}", refused.codes());
    place.run(&["sim", "heal"]).ends(0);
    place.apply("evacuate-shop");
    let run = json(&place.run(&["history", "--format", "json"]).ends(0))["runs"][0]["run"].clone();
    let named = place.run(&["rehearse", run.as_str().unwrap()]).ends(1);
    assert!(named.err.contains("is a run"), "{}", named.err);
}

#[test]
fn a_replica_behind_its_objective_is_a_gate_where_that_is_wanted() {
    let place = shop();
    place.run(&["status", "--strict"]).ends(0);
    place.run(&["sim", "advance", "40m"]).ends(0);
    place.run(&["status"]).ends(0);
    let late = place.run(&["status", "--strict"]).ends(9);
    assert!(late.err.matches("error[LB0620]").count() == 5 && late.out.contains("db-01"), "{}", late.err);
    place.run(&["replicate", "db-01"]).ends(0);
    place.run(&["status", "db-01", "--strict"]).ends(0);
    place.run(&["sim", "fault", "silent", "recovery"]).ends(0);
    let unseen = place.run(&["status", "db-01", "--strict", "--format", "json"]);
    assert_eq!(unseen.code, 9, "what cannot be told is not kept");
    place.run(&["sim", "heal"]).ends(0);
    place.run(&["replicate", "--all"]).ends(0);
    place.apply("disaster-shop");
    place.run(&["sim", "advance", "40m"]).ends(0);
    place.run(&["status", "--strict"]).ends(0);
}

#[test]
fn a_failover_plan_promises_for_all_its_replicas() {
    let place = shop();
    // The replicas promise 15m each. A longer promise of their plan changes nothing, a shorter one counts for all of them.
    place.edit("plan.yaml", "rto: 10m", "rto: 10m, rpo: 1h");
    place.run(&["sim", "advance", "5m"]).ends(0);
    place.run(&["status", "--strict"]).ends(0);
    place.edit("plan.yaml", "rpo: 1h", "rpo: 5m");
    let late = place.run(&["status", "--strict"]).ends(9);
    assert_eq!(late.err.matches("error[LB0620]").count(), 5, "{}", late.err);
    assert!(late.err.contains("[plan.yaml:") && late.err.contains("its objective is 5m"), "{}", late.err);
    let found = json(&place.run(&["status", "--format", "json"]).ends(0));
    assert_eq!(found["replicas"][0]["rpoOf"], "shop");
    let refused = place.run(&["plan", "disaster-shop", "--format", "json"]).ends(9);
    assert!(refused.codes().iter().all(|code| code == "LB0602"), "{:?}", refused.codes());
    // It is what a policy asks for as well.
    let text = std::fs::read_to_string(place.path().join("replicas.yaml")).unwrap();
    std::fs::write(place.path().join("replicas.yaml"), text.replace("  objectives: { rpo: 15m }\n", ""))
        .unwrap();
    place.run(&["validate"]).ends(0);
    place.edit("plan.yaml", ", rpo: 5m", "");
    let missing = place.run(&["validate"]).ends(1);
    assert!(missing.err.contains("or to that of a failover plan"), "{}", missing.err);
    place.edit("plan.yaml", "rto: 10m", "rto: 10m, rpo: soon");
    assert_eq!(place.run(&["validate", "--format", "json"]).ends(1).codes()[0], "LB0210");
}
