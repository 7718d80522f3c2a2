//! Names that follow a machine, and two machines at one address, as a user meets them.

use crate::program::{Place, Said};

/// The example with a clock that costs no time.
fn place() -> Place {
    let place = Place::example("names");
    place.edit("lifeboat.yaml", "clock: { speed: 40 }", "clock: virtual");
    place
}

/// What is said while a run that failed is taken back in a world that is whole again.
fn taken_back(place: &Place, failed: &Said) -> Said {
    place.run(&["sim", "heal"]).ends(0);
    let run = failed.err.split_whitespace().find(|w| w.starts_with("20260101T")).unwrap();
    place.run(&["abort", run, "--confirm", &format!("abort-{run}")]).ends(0)
}

/// What is said of the changes of names, without the times.
fn changes(said: &str) -> Vec<String> {
    let lines = said.lines().filter_map(|line| line.split_once("Z + name         "));
    lines.map(|(_, what)| what.to_owned()).collect()
}

#[test]
fn names_go_with_the_machines_and_come_back_with_them() {
    let place = place();
    let there = [
        "db.shop.example A 10.1.0.11 → 10.2.0.11 at main",
        "www.shop.example A 10.1.0.21 → 10.2.0.21 at main",
        "shop.example CNAME www.prod.example → www.dr.example at main",
    ];
    let back = [
        "db.shop.example A 10.2.0.11 → 10.1.0.11 at main",
        "www.shop.example A 10.2.0.21 → 10.1.0.21 at main",
        "shop.example CNAME www.dr.example → www.prod.example at main",
    ];
    let plan = place.run(&["plan", "evacuate"]).ends(0);
    assert!(there.iter().all(|line| plan.out.contains(line)), "{}", plan.out);
    for (runbook, expected) in [("evacuate", there), ("back", back), ("lost", there), ("return", back)] {
        let mut said = changes(&place.apply(runbook).err);
        let mut expected: Vec<String> = expected.map(str::to_owned).into();
        said.sort();
        expected.sort();
        assert_eq!(said, expected, "{runbook}");
    }
}

#[test]
fn a_run_whose_name_server_is_silent_fails_there_and_goes_on_when_it_answers() {
    let place = place();
    place.run(&["sim", "power", "recovery/ns-01", "off"]).ends(0);
    let plan = place.run(&["plan", "evacuate", "--format", "json"]).ends(0);
    assert_eq!(plan.codes(), ["LB0922"], "it may be back by then");
    let failed = place.run(&["apply", "evacuate", "--confirm", "evacuate"]).ends(3);
    assert!(
        failed.out.contains("name-db.shop.example-a: main at 10.2.0.53 does not answer"),
        "{}",
        failed.out
    );
    place.run(&["sim", "power", "recovery/ns-01", "on"]).ends(0);
    place.run(&["sim", "advance", "1m"]).ends(0);
    // The name that is not required was gone without.
    place.run(&["resume"]).ends(10);
    place.all_are("Failover");
    let again = place.run(&["plan", "back"]).ends(0);
    assert!(again.out.contains("www.shop.example A 10.2.0.21 → 10.1.0.21"), "{}", again.out);
}

#[test]
fn a_failed_run_is_taken_back_with_its_names() {
    let place = place();
    place.run(&["sim", "fault", "fails", "--action", "power-on", "--replica", "web-01"]).ends(0);
    let failed = place.run(&["apply", "evacuate", "--confirm", "evacuate"]).ends(3);
    assert_eq!(changes(&failed.err), ["db.shop.example A 10.1.0.11 → 10.2.0.11 at main"]);
    let told = changes(&taken_back(&place, &failed).err);
    assert!(told.contains(&"db.shop.example A 10.2.0.11 → 10.1.0.11 at main".to_owned()), "{told:?}");
    place.all_are("Ready");
}

#[test]
fn what_leads_to_somebody_else_is_left_as_it_is() {
    let place = place();
    place.edit(
        "lifeboat.yaml",
        "{ name: www.shop.example, is: [10.1.0.21] }",
        "{ name: www.shop.example, is: [198.51.100.7] }",
    );
    place.edit("lifeboat.yaml", "is: [www.prod.example]", "is: [sorry.example]");
    let plan = place.run(&["plan", "evacuate", "--format", "json"]).ends(1);
    assert_eq!(plan.codes(), ["LB0923", "LB0923"]);
    let json: serde_json::Value = serde_json::from_str(&plan.out).unwrap();
    let severities: Vec<&str> =
        json["findings"].as_array().unwrap().iter().map(|f| f["severity"].as_str().unwrap()).collect();
    assert_eq!(severities, ["error", "warning"], "one of them is not required");
    place.edit(
        "lifeboat.yaml",
        "- { name: www.shop.example }",
        "- { name: www.shop.example, required: false, retries: 0 }",
    );
    let said = place.run(&["apply", "evacuate", "--confirm", "evacuate"]).ends(10);
    assert_eq!(changes(&said.err), ["db.shop.example A 10.1.0.11 → 10.2.0.11 at main"]);
    assert!(
        said.out.contains("www.shop.example says 198.51.100.7, which is no machine of web-01"),
        "{}",
        said.out
    );
    place.all_are("Failover");
}

#[test]
fn a_sealed_plan_asks_its_name_servers_again() {
    let place = place();
    place.run(&["plan", "evacuate", "--out", "sealed.json"]).ends(0);
    place.run(&["sim", "power", "recovery/ns-01", "off"]).ends(0);
    let said = place.run(&["apply", "sealed.json", "--confirm", "evacuate"]).ends(3);
    assert!(said.err.contains("LB0922"), "{}", said.err);
}

#[test]
fn an_address_that_is_taken_stops_the_plan_unless_both_may_run() {
    let place = place();
    place.edit("lifeboat.yaml", "{ from: prod-lan, to: dr-lan }", "{ from: prod-lan, to: prod-lan }");
    place.edit("lifeboat.yaml", "to: 10.2.0.0/16, gateway: 10.2.0.1", "to: 10.1.0.0/16, gateway: 10.1.0.1");
    place.run(&["sim", "fault", "silent", "production"]).ends(0);
    let refused = place.run(&["plan", "lost", "--format", "json"]).ends(1);
    assert_eq!(
        refused.codes(),
        ["LB0921", "LB0921"],
        "the sources run on, at the addresses of their replicas"
    );
    let both =
        "replica: { site: recovery }\n  bothMayRun: { because: the networks do not reach each other }\n";
    place.edit("lifeboat.yaml", "replica: { site: recovery }\n", both);
    let plan = place.run(&["plan", "lost"]).ends(0);
    assert_eq!(plan.err.matches("warning[LB0921]").count(), 2, "{}", plan.err);
}

/// The run that a command told of.
fn run_of(said: &str) -> String {
    said.split_whitespace()
        .find(|w| w.starts_with("20260101T"))
        .unwrap()
        .trim_end_matches(['.', ',', ':'])
        .to_owned()
}

#[test]
fn no_machine_stays_down_or_goes_back_because_of_a_name() {
    let place = place();
    place.edit(
        "lifeboat.yaml",
        "{ replica: web-01, after: [{ replica: db-01, is: ready }] }",
        "{ replica: web-01, after: [{ replica: db-01, is: ready, ifFailed: stop }] }",
    );
    place.edit("lifeboat.yaml", "via: planned }] }", "via: planned }], onFailure: undo }");
    place.run(&["sim", "fault", "fails", "--action", "cut-over", "--replica", "db-01"]).ends(0);
    let failed =
        place.run(&["apply", "evacuate", "--confirm", "evacuate", "--confirm-undo", "evacuate"]).ends(3);
    place.all_are("Failover");
    assert!(failed.err.contains("no machine goes back because of a name"), "{}", failed.err);
    let others = changes(&failed.err);
    assert!(others.contains(&"www.shop.example A 10.1.0.21 → 10.2.0.21 at main".to_owned()), "{others:?}");
    place.run(&["sim", "heal"]).ends(0);
    let resumed = place.run(&["resume"]).ends(0);
    assert_eq!(changes(&resumed.err), ["db.shop.example A 10.1.0.11 → 10.2.0.11 at main"]);
}

#[test]
fn an_unplanned_failover_and_a_way_back_are_refused_for_no_name() {
    let place = place();
    place.edit(
        "lifeboat.yaml",
        "{ name: www.shop.example, is: [10.1.0.21] }",
        "{ name: www.shop.example, is: [198.51.100.7] }",
    );
    let plan = place.run(&["plan", "lost", "--format", "json"]).ends(0);
    assert!(plan.codes().contains(&"LB0923".to_owned()), "{:?}", plan.codes());
    let failed = place.run(&["apply", "lost", "--confirm", "lost"]).ends(3);
    place.all_are("Failover");
    let run = run_of(&failed.err);
    let back = place.run(&["abort", &run, "--confirm", &format!("abort-{run}")]).ends(3);
    let told = format!("{}{}", back.out, back.err);
    assert!(told.contains("warning[LB0923]"), "{told}");
    place.all_are("Ready");
}

/// The same with a web server whose address in production nobody knows.
fn unaddressed(required: &str) -> Place {
    let place = place();
    place.edit(
        "lifeboat.yaml",
        "networks: [{ network: prod-lan, address: 10.1.0.21 }]",
        "networks: [{ network: prod-lan }]",
    );
    place.edit(
        "lifeboat.yaml",
        "{ name: www.shop.example, is: [10.1.0.21] }",
        "{ name: www.shop.example, is: [10.2.0.21] }",
    );
    let name = format!("- {{ name: www.shop.example, replica: 10.2.0.21{required} }}");
    place.edit("lifeboat.yaml", "- { name: www.shop.example }", &name);
    place
}

#[test]
fn a_name_whose_address_nobody_knows_is_left_as_it_is_where_it_is_not_required() {
    let place = unaddressed(", required: false");
    place.apply("evacuate");
    let plan = place.run(&["plan", "back"]).ends(0);
    assert!(plan.out.contains("www.shop.example stays as it is: the address of the source"), "{}", plan.out);
    place.edit("lifeboat.yaml", "replica: 10.2.0.21, required: false }", "replica: 10.2.0.21 }");
    let refused = place.run(&["plan", "back", "--format", "json"]).ends(1);
    assert_eq!(refused.codes(), ["LB0518"], "it is required");
}

#[test]
fn the_way_back_leaves_a_required_name_that_nobody_knows_the_address_of() {
    let place = unaddressed("");
    place.run(&["sim", "fault", "fails", "--action", "power-on", "--replica", "web-01"]).ends(0);
    let failed = place.run(&["apply", "evacuate", "--confirm", "evacuate"]).ends(3);
    place.run(&["sim", "heal"]).ends(0);
    let run = run_of(&failed.err);
    let back = place.run(&["abort", &run, "--confirm", &format!("abort-{run}")]).ends(0);
    let told = format!("{}{}", back.out, back.err);
    assert!(told.contains("www.shop.example stays as it is"), "{told}");
    place.all_are("Ready");
}

#[test]
fn after_a_failback_to_another_machine_the_name_follows_that_one() {
    let place = place();
    let new = "- { name: web-02, ports: [443], networks: [{ network: prod-lan, address: 10.1.0.22 }] }";
    let old = "- { name: web-01, ports: [443], networks: [{ network: prod-lan, address: 10.1.0.21 }] }";
    place.edit("lifeboat.yaml", old, &format!("{old}\n        {new}"));
    place.edit(
        "lifeboat.yaml",
        "replica: www.dr.example",
        "replica: www.dr.example, target: www.new.example",
    );
    let elsewhere = "---\napiVersion: lifeboat/v1\nkind: Runbook\nmetadata: { name: elsewhere }\nspec:\n  desired:\n    - replica: web-01\n      state: Ready\n      keep: replica\n      failback: { target: { elsewhere: [{ replica: web-01, site: production, vm: web-02 }] }, switchover: automatic }\n";
    place.write("elsewhere.yaml", elsewhere.trim_start_matches("---\n"));
    let web = |said: &str| {
        let mut found = changes(said);
        found.retain(|line| !line.starts_with("db."));
        found.sort();
        found
    };
    let there = |www: &str, alias: &str| {
        vec![format!("shop.example CNAME {alias} at main"), format!("www.shop.example A {www} at main")]
    };
    for (runbook, www, alias) in [
        ("evacuate", "10.1.0.21 → 10.2.0.21", "www.prod.example → www.dr.example"),
        ("elsewhere", "10.2.0.21 → 10.1.0.22", "www.dr.example → www.new.example"),
        ("evacuate", "10.1.0.22 → 10.2.0.22", "www.new.example → www.dr.example"),
        // The old machine was left alone: it is off, and has not got the address of the new one.
        ("back", "10.2.0.22 → 10.1.0.22", "www.dr.example → www.new.example"),
    ] {
        assert_eq!(web(&place.apply(runbook).err), there(www, alias), "{runbook}");
    }
}

#[test]
fn a_sealed_plan_notices_that_the_address_of_a_name_changed() {
    let place = place();
    place.apply("evacuate");
    place.run(&["plan", "back", "--out", "sealed.json"]).ends(0);
    let sealed = std::fs::read_to_string(place.path().join("sealed.json")).unwrap();
    let links = |role: &str| {
        sealed.contains(&format!("\"links\":\"{role}\""))
            || sealed.contains(&format!("\"links\": \"{role}\""))
    };
    assert!(links("source") && links("replica"), "{sealed}");
}

#[test]
fn a_name_that_was_missed_is_told_and_set() {
    let place = place();
    place.run(&["sim", "fault", "fails", "--action", "cut-over", "--replica", "web-01"]).ends(0);
    let failed = place.run(&["apply", "evacuate", "--confirm", "evacuate"]).ends(3);
    place.run(&["sim", "heal"]).ends(0);
    let run = run_of(&failed.err);
    let held = place.run(&["names", "--set"]).ends(7);
    assert!(held.err.contains(&run), "the run that holds the replicas sets their names: {}", held.err);
    place.run(&["abort", &run, "--close", "--because", "the names are ours"]).ends(0);
    let plan = place.run(&["plan", "evacuate", "--format", "json"]).ends(0);
    assert_eq!(plan.codes(), ["LB0924", "LB0924"]);
    let said = place.run(&["apply", "evacuate"]).ends(0);
    assert!(said.out.contains("But 2 names do not lead to the machines that serve"), "{}", said.out);
    assert!(said.err.contains("lifeboat names web-01 --set"), "{}", said.err);
    let shown = place.run(&["names"]).ends(0);
    assert!(shown.out.contains("! www.shop.example A 10.1.0.21 → 10.2.0.21 at main"), "{}", shown.out);
    place.run(&["names", "web-01", "--set"]).ends(0);
    let again = place.run(&["names", "--set"]).ends(0);
    assert!(again.out.contains("All names lead where they shall."), "{}", again.out);
    let plan = place.run(&["plan", "evacuate", "--format", "json"]).ends(0);
    assert!(plan.codes().is_empty(), "{:?}", plan.codes());
}

#[test]
fn a_name_that_is_somebody_elses_is_not_set() {
    let place = place();
    place.edit(
        "lifeboat.yaml",
        "{ name: www.shop.example, is: [10.1.0.21] }",
        "{ name: www.shop.example, is: [198.51.100.7] }",
    );
    let said = place.run(&["names", "--set"]).ends(3);
    assert!(
        said.out.contains("! www.shop.example A 198.51.100.7 → 10.1.0.21 at main, somebody else's"),
        "{}",
        said.out
    );
    assert!(said.err.contains("LB0924"), "{}", said.err);
    place.run(&["sim", "power", "recovery/ns-01", "off"]).ends(0);
    let silent = place.run(&["names", "--format", "json"]).ends(0);
    let json: serde_json::Value = serde_json::from_str(&silent.out).unwrap();
    let all = json["names"].as_array().unwrap();
    assert!(all.len() == 3 && all.iter().all(|row| row["is"] == "unknown"), "{}", silent.out);
    place.run(&["names", "nobody"]).ends(1);
}

/// A way back of one machine is no answer for another one that stands still in its middle because of it.
#[test]
fn where_a_verification_fails_a_machine_that_nobody_serves_for_is_no_success() {
    let place = place();
    place.apply("evacuate");
    place.run(&["sim", "fault", "never-ready", "production/db-01"]).ends(0);
    let failed = place.run(&["apply", "return", "--confirm", "return"]).ends(3);
    taken_back(&place, &failed);
    place.all_are("Failover");
}

#[test]
fn a_name_that_was_turned_back_since_is_not_tried_again() {
    let place = place();
    place.edit("lifeboat.yaml", "  sequence:\n    - { replica: db-01 }\n    - { replica: web-01, after: [{ replica: db-01, is: ready }] }", "  sequence:\n    - { replica: db-01 }");
    place.apply("evacuate");
    place.run(&["sim", "fault", "fails", "--action", "cut-over", "--replica", "db-01"]).ends(0);
    place.run(&["sim", "fault", "never-ready", "production/db-01"]).ends(0);
    place.run(&["apply", "return", "--confirm", "return"]).ends(10);
    place.run(&["sim", "heal"]).ends(0);
    let says = place.run(&["names", "db-01"]).ends(0);
    assert!(says.out.contains("All names lead where they shall"), "{}", says.out);
}

#[test]
fn a_machine_that_is_not_ready_is_not_called_done_because_its_name_failed() {
    let place = place();
    place.run(&["sim", "fault", "fails", "--action", "cut-over", "--replica", "db-01"]).ends(0);
    place.run(&["sim", "fault", "never-ready", "recovery/db-01_replica"]).ends(0);
    let said = place.run(&["apply", "evacuate", "--confirm", "evacuate", "--deadline", "3m"]).ends(3);
    assert!(said.out.contains("x  db-01    planned failover  done, not ready"), "{}", said.out);
    assert!(!said.out.contains("done, name not set"), "{}", said.out);
}

/// A failover from what is lost waits for no name, and is refused for none.
#[test]
fn a_name_that_nobody_knows_the_address_for_holds_up_no_unplanned_failover() {
    let place = place();
    place.edit(
        "lifeboat.yaml",
        "    - { name: www.shop.example }",
        "    - { name: www.shop.example, source: 10.1.0.21 }",
    );
    place.edit("lifeboat.yaml", ", address: 10.1.0.21", "");
    let planned = place.run(&["plan", "evacuate", "--format", "json"]).ends(1);
    assert_eq!(planned.codes(), ["LB0518"]);
    let lost = place.run(&["plan", "lost"]).ends(0);
    assert!(lost.out.contains("www.shop.example stays as it is"), "{}", lost.out);
}
