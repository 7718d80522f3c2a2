//! What failures do: retries, what may fail, groups of which some are enough, and runs that are undone.

use crate::program::{Place, Said};

fn shop() -> Place {
    let place = Place::example("shop");
    place.edit("sites.yaml", "clock: { speed: 40 }", "clock: virtual");
    place.edit("plan.yaml", ", after: [{ replica: db-01, is: started }]", "");
    place
}

const CACHE: &str = "{ replica: cache-01 }";

fn fails(place: &Place, replica: &str, action: &str, times: &str) {
    let fault = ["sim", "fault", "fails", "--replica", replica, "--action", action];
    let times = if times.is_empty() { vec![] } else { vec!["--times", times] };
    place.run(&[&fault[..], &times].concat()).ends(0);
}

fn evacuated(place: &Place, code: i32, more: &[&str]) -> Said {
    place.run(&[&["apply", "evacuate-shop", "--confirm", "evacuate-shop"][..], more].concat()).ends(code)
}

fn over(place: &Place) -> Vec<String> {
    place.states().into_iter().filter(|(_, s)| s == "Failover").map(|(name, _)| name).collect()
}

fn json(said: &Said) -> serde_json::Value {
    serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e}: {}", said.out))
}

#[test]
fn what_may_fail_holds_nobody_up_wherever_it_fails() {
    for action in ["begin", "create-point", "shut-down", "hold", "power-on"] {
        let place = shop();
        place.edit("plan.yaml", CACHE, "{ replica: cache-01, required: false }");
        // The edge from it says nothing of failures, and takes what the entry says.
        place.edit("plan.yaml", ", ifFailed: continue", "");
        fails(&place, "cache-01", action, "");
        let said = evacuated(&place, 10, &[]);
        assert!(said.out.contains("Completed with exceptions"), "{action}: {}", said.out);
        assert_eq!(over(&place), ["app-01", "db-01", "web-01", "web-02"], "{action}");
        // It is left where it is, held by nobody, and comes up later.
        place.run(&["sim", "heal"]).ends(0);
        place.apply("evacuate-shop");
        place.all_are("Failover");
    }
}

#[test]
fn without_that_word_the_same_failure_fails_the_run() {
    let place = shop();
    fails(&place, "cache-01", "create-point", "");
    let said = evacuated(&place, 3, &[]);
    assert!(over(&place).is_empty(), "nobody was stopped before all were synchronised: {}", said.out);
}

#[test]
fn what_is_required_and_does_not_go_on_without_it_fails_the_run() {
    let place = shop();
    place.edit("plan.yaml", CACHE, "{ replica: cache-01, required: false }");
    place.edit("plan.yaml", "ifFailed: continue", "ifFailed: block");
    fails(&place, "cache-01", "power-on", "");
    evacuated(&place, 3, &[]);
    assert_eq!(over(&place), ["db-01"], "app-01 and the web servers wait for it");
}

#[test]
fn an_action_is_tried_again_as_often_and_as_late_as_the_documents_say() {
    let retries = |place: &Place, text: &str| {
        place.edit("plan.yaml", "  sequence:", &format!("  retries: {text}\n  sequence:"))
    };
    let place = shop();
    fails(&place, "db-01", "hold", "3");
    evacuated(&place, 3, &[]);
    let place = shop();
    retries(&place, "{ count: 3, every: 30s, factor: 3 }");
    fails(&place, "db-01", "hold", "3");
    let said = json(&evacuated(&place, 0, &["--format", "json"]));
    let events = said["events"].as_array().unwrap();
    let of = |kind: &str| -> Vec<i64> {
        let own = events
            .iter()
            .filter(|e| e["event"]["type"] == kind && e["step"] == "db-01/planned-failover/hold");
        own.map(|e| time(&e["at"])).collect()
    };
    let begun = of("intended");
    let pauses: Vec<i64> =
        of("retrying").iter().zip(&begun[1..]).map(|(failed, again)| again - failed).collect();
    assert_eq!(pauses, [30, 90, 270], "in seconds");
    // What an entry says counts for it alone.
    let place = shop();
    retries(&place, "{ count: 3 }");
    place.edit("plan.yaml", "{ replica: db-01 }", "{ replica: db-01, retries: { count: 0 } }");
    fails(&place, "web-01", "hold", "3");
    place.run(&["plan", "evacuate-shop"]).ends(0);
    evacuated(&place, 0, &[]);
    let place = shop();
    place.edit("plan.yaml", "{ replica: db-01 }", "{ replica: db-01, retries: { count: 0 } }");
    fails(&place, "db-01", "hold", "1");
    evacuated(&place, 3, &[]);
}

/// A time of the virtual clock in seconds.
fn time(at: &serde_json::Value) -> i64 {
    let text = at.as_str().unwrap();
    let clock = text.split_once('T').unwrap().1.trim_end_matches('Z');
    let parts: Vec<f64> = clock.split(':').map(|p| p.parse().unwrap()).collect();
    (parts[0] * 3600.0 + parts[1] * 60.0 + parts[2]).round() as i64
}

/// The shop in another order: the web servers, of which one is enough, and then the rest.
fn web_first(edge: &str) -> Place {
    let place = shop();
    let text = std::fs::read_to_string(place.path().join("runbooks.yaml")).unwrap();
    place.write("runbooks.yaml", text.split("  rules:\n").next().unwrap());
    let head = "apiVersion: lifeboat/v1\nkind: FailoverPlan\nmetadata: { name: shop }\nspec:\n  objectives: { rto: 10m }\n  sequence:\n";
    let web = "    - { group: web, replicas: { names: [web-*] }, atLeast: 1 }\n";
    let app = format!("    - {{ replica: app-01, after: [{{ group: web{edge} }}] }}\n");
    let rest = "    - { replica: db-01, after: [] }\n    - { replica: cache-01, after: [] }\n";
    place.write("plan.yaml", &format!("{head}{web}{app}{rest}"));
    place
}

#[test]
fn some_of_a_group_are_enough_and_the_others_are_exceptions() {
    for action in ["create-point", "shut-down", "power-on"] {
        let place = web_first("");
        fails(&place, "web-02", action, "");
        evacuated(&place, 10, &[]);
        assert_eq!(over(&place), ["app-01", "cache-01", "db-01", "web-01"], "{action}");
        // One of them is there already, so that none of the others is needed any more.
        let said = evacuated(&place, 10, &[]);
        assert!(said.out.contains("Completed with exceptions"), "{}", said.out);
        place.run(&["sim", "heal"]).ends(0);
        place.apply("evacuate-shop");
        place.apply("return-shop");
        place.all_are("Ready");
    }
}

#[test]
fn too_few_of_a_group_are_a_failure_and_do_what_the_edge_says() {
    for (edge, goes_on) in [("", false), (", ifFailed: continue", true)] {
        let place = web_first(edge);
        fails(&place, "web-01", "power-on", "");
        fails(&place, "web-02", "power-on", "");
        evacuated(&place, 3, &[]);
        assert_eq!(over(&place).contains(&"app-01".to_owned()), goes_on, "{edge}");
        assert!(over(&place).contains(&"db-01".to_owned()), "nothing leads from the web servers to it");
        place.run(&["sim", "heal"]).ends(0);
        place.run(&["resume"]).ends(0);
        place.all_are("Failover");
    }
}

#[test]
fn what_waits_for_some_of_a_group_does_not_wait_for_the_slow_ones() {
    let place = web_first("");
    place.run(&["sim", "fault", "slow", "4m", "--replica", "web-02", "--action", "revert"]).ends(0);
    let said = json(&evacuated(&place, 0, &["--format", "json"]));
    let when = |step: &str| {
        let settled = |e: &&serde_json::Value| e["event"]["type"] == "settled" && e["step"] == step;
        time(&said["events"].as_array().unwrap().iter().find(settled).unwrap()["at"])
    };
    let (app, slow) = (when("app-01/planned-failover/power-on"), when("web-02/planned-failover/power-on"));
    assert!(app + 120 < slow, "{app} s and {slow} s");
    // Before anything is stopped everything is synchronised, also what may fail then.
    let (stopped, synced) =
        (when("db-01/planned-failover/shut-down-source"), when("web-02/planned-failover/begin"));
    assert!(stopped > synced);
    let plan = json(&place.run(&["plan", "return-shop", "--format", "json"]).ends(0));
    assert!(plan["steps"].as_array().unwrap().iter().any(|s| s["text"] == "1 of these"), "{plan}");
}

/// When the step of a run began or ended, in seconds.
fn at(said: &serde_json::Value, kind: &str, step: &str) -> i64 {
    let is = |e: &&serde_json::Value| {
        e["event"]["type"] == kind && e["step"].as_str().is_some_and(|s| s.starts_with(step))
    };
    time(
        &said["events"].as_array().unwrap().iter().find(is).unwrap_or_else(|| panic!("no {kind} {step}"))["at"],
    )
}

#[test]
fn a_group_of_which_enough_are_there_hands_on_what_it_waits_for() {
    let place = web_first("");
    place.edit("plan.yaml", "atLeast: 1 }", "atLeast: 1, after: [{ replica: db-01 }] }");
    place.write(
        "one.yaml",
        "apiVersion: lifeboat/v1\nkind: Runbook\nmetadata: { name: one }\nspec: { desired: [{ replica: web-01, state: Failover, via: planned }] }\n",
    );
    place.apply("one");
    let said = json(&evacuated(&place, 0, &["--format", "json"]));
    let ready = at(&said, "met", "db-01/planned-failover/wait");
    let started = at(&said, "intended", "app-01/planned-failover/power-on");
    assert!(started >= ready, "app-01 starts at {started} s, db-01 is ready at {ready} s");
}

#[test]
fn a_way_back_is_not_gone_where_somebody_wanted_a_stop_or_decides_himself() {
    let undo = |place: &Place, file: &str, name: &str| {
        let head = format!("metadata: {{ name: {name} }}\nspec:\n");
        place.edit(file, &head, &format!("{head}  onFailure: undo\n"));
    };
    let place = Place::example("waits");
    undo(&place, "lifeboat.yaml", "evacuate");
    place.run(&["sim", "fault", "never-ready", "recovery/web-01_replica"]).ends(0);
    let words = ["apply", "evacuate", "--confirm", "evacuate", "--confirm-undo", "evacuate"];
    let said = place.run(&words).ends(3);
    assert!(said.err.contains("a person decides how it goes on"), "{}", said.err);
    assert_eq!(over(&place).len(), 6, "nothing was undone");
    let place = shop();
    undo(&place, "runbooks.yaml", "evacuate-shop");
    fails(&place, "cache-01", "power-on", "");
    place.run(&["sim", "fault", "never-ready", "recovery/db-01_replica"]).ends(0);
    let said = evacuated(&place, 3, &["--confirm-undo", "evacuate-shop", "--deadline", "4m"]);
    assert!(said.err.contains("it was asked to stop"), "{}", said.err);
    assert!(over(&place).contains(&"db-01".to_owned()), "nothing was undone");
}

#[test]
fn a_run_that_failed_is_no_success_because_its_way_back_was_one() {
    let place = Place::example("guarded");
    fails(&place, "web-01", "start-delta", "");
    fails(&place, "cache-01", "drop-delta", "");
    let words = ["apply", "evacuate", "--confirm", "evacuate", "--confirm-undo", "evacuate"];
    let said = place.run(&words).ends(3);
    assert!(!said.out.contains("Next: lifeboat resume"), "the run is closed: {}", said.out);
}

#[test]
fn a_failed_run_shows_its_way_back_and_goes_it_only_where_that_was_confirmed_in_advance() {
    let undoing = || {
        let place = shop();
        place.edit(
            "runbooks.yaml",
            "metadata: { name: evacuate-shop }\nspec:\n",
            "metadata: { name: evacuate-shop }\nspec:\n  onFailure: undo\n",
        );
        fails(&place, "app-01", "start-delta", "");
        place
    };
    let place = undoing();
    let said = place.run(&["plan", "evacuate-shop"]).ends(0);
    assert!(said.out.contains("where it fails, the way back is shown"), "{}", said.out);
    let said = evacuated(&place, 3, &[]);
    assert!(
        said.out.contains("Way back of run ") && said.out.contains("Next: lifeboat abort "),
        "{}",
        said.out
    );
    assert_eq!(over(&place), ["cache-01", "db-01"], "nothing was undone");
    // The run can be resumed, and then undone at its second failure.
    let said = place.run(&["resume", "--confirm-undo", "evacuate-shop"]).ends(3);
    assert!(
        said.out.contains("abort-") && said.out.contains("Completed. Next: lifeboat status"),
        "{}",
        said.out
    );
    place.all_are("Ready");
    // Confirmed in advance, it goes back by itself, and nothing is left unfinished.
    let place = undoing();
    let said = json(&evacuated(&place, 3, &["--confirm-undo", "evacuate-shop", "--format", "json"]));
    assert_eq!(said["back"]["outcome"], "completed", "{said}");
    place.all_are("Ready");
    place.run(&["sim", "heal"]).ends(0);
    place.apply("evacuate-shop");
    place.all_are("Failover");
}

#[test]
fn a_way_back_that_fails_is_a_run_of_its_own_that_can_be_taken_up() {
    let place = shop();
    place.edit(
        "runbooks.yaml",
        "metadata: { name: evacuate-shop }\nspec:\n",
        "metadata: { name: evacuate-shop }\nspec:\n  onFailure: undo\n",
    );
    fails(&place, "app-01", "start-delta", "");
    fails(&place, "db-01", "drop-delta", "");
    let said = evacuated(&place, 3, &["--confirm-undo", "evacuate-shop"]);
    assert!(said.err.contains("db-01/undo-failover/drop-delta"), "{}", said.err);
    place.run(&["sim", "heal"]).ends(0);
    place.run(&["resume"]).ends(0);
    place.all_are("Ready");
}

#[test]
fn a_word_for_a_way_back_that_nobody_asks_for_changes_nothing() {
    let place = shop();
    for word in ["evacuate-shop", "return-shop"] {
        let said = evacuated(&place, 9, &["--confirm-undo", word, "--format", "json"]);
        assert_eq!(said.codes(), ["LB0705"]);
    }
    place.edit(
        "runbooks.yaml",
        "metadata: { name: evacuate-shop }\nspec:\n",
        "metadata: { name: evacuate-shop }\nspec:\n  onFailure: undo\n",
    );
    evacuated(&place, 9, &["--confirm-undo", "return-shop"]);
    place.all_are("Ready");
    evacuated(&place, 0, &["--confirm-undo", "evacuate-shop"]);
    place.all_are("Failover");
}

#[test]
fn what_cannot_be_meant_of_failures_is_an_error_at_its_place() {
    for (new, code) in [
        ("{ replica: cache-01, required: false, onFailure: block }", "LB0414"),
        ("{ replica: cache-01, required: false, onFailure: stop }", "LB0414"),
        ("{ replica: cache-01, atLeast: 1 }", "LB0414"),
        ("{ group: caches, replicas: { names: [cache-*] }, atLeast: 2 }", "LB0414"),
        ("{ group: caches, replicas: { names: [cache-*] }, atLeast: 0 }", "LB0208"),
        ("{ replica: cache-01, required: maybe }", "LB0206"),
        ("{ replica: cache-01, retries: {} }", "LB0205"),
        ("{ replica: cache-01, retries: { count: 21 } }", "LB0208"),
        ("{ replica: cache-01, retries: { count: -1 } }", "LB0208"),
        ("{ replica: cache-01, retries: { count: 1, every: soon } }", "LB0210"),
        ("{ replica: cache-01, retries: { count: 1, factor: 0 } }", "LB0208"),
        ("{ replica: cache-01, onFailure: undo }", "LB0207"),
    ] {
        let place = shop();
        place.edit("plan.yaml", CACHE, new);
        let said = place.run(&["validate", "--format", "json"]).ends(1);
        assert!(said.codes().contains(&code.to_owned()), "{new}: {:?}", said.codes());
    }
    for entry in [
        "{ replica: cache-01, required: false, onFailure: continue }",
        "{ replica: cache-01, required: true, onFailure: block }",
    ] {
        let place = shop();
        place.edit("plan.yaml", CACHE, entry);
        place.run(&["validate"]).ends(0);
    }
    let place = shop();
    place.edit(
        "runbooks.yaml",
        "metadata: { name: evacuate-shop }\nspec:\n",
        "metadata: { name: evacuate-shop }\nspec:\n  onFailure: revert\n",
    );
    let said = place.run(&["validate", "--format", "json"]).ends(1);
    assert_eq!(said.codes(), ["LB0207"]);
}
