//! Names that follow a machine, and two machines at one address, as a user meets them.

use crate::program::Place;

/// The example with a clock that costs no time.
fn place() -> Place {
    let place = Place::example("names");
    place.edit("lifeboat.yaml", "clock: { speed: 40 }", "clock: virtual");
    place
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
    place.run(&["resume"]).ends(0);
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
    place.run(&["sim", "heal"]).ends(0);
    let run = failed.err.split_whitespace().find(|w| w.starts_with("20260101T")).unwrap().to_owned();
    let back = place.run(&["abort", &run, "--confirm", &format!("abort-{run}")]).ends(0);
    let told = changes(&back.err);
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
