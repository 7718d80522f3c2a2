//! Slices of a runbook: the smallest part that brings something up, and what breaks without something.

use crate::program::Place;
use std::collections::BTreeMap;

fn shop() -> Place {
    let place = Place::example("shop");
    place.edit("sites.yaml", "clock: { speed: 40 }", "clock: virtual");
    place
}

/// Who takes part, why the others stay, and what follows.
type Sliced = (Vec<String>, BTreeMap<String, String>, Vec<String>);

/// The plan of an evacuation.
fn planned(place: &Place, flags: &[&str]) -> Sliced {
    planned_of(place, "evacuate-shop", flags)
}

fn planned_of(place: &Place, runbook: &str, flags: &[&str]) -> Sliced {
    let said = place.run(&[&["plan", runbook, "--format", "json"][..], flags].concat()).ends(0);
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let text = |v: &serde_json::Value| v.as_str().unwrap().to_owned();
    let list = |v: &serde_json::Value| v.as_array().cloned().unwrap_or_default();
    let mut members: Vec<String> = list(&json["members"]).iter().map(|m| text(&m["replica"])).collect();
    members.sort();
    let stays = list(&json["unchanged"]).iter().map(|u| (text(&u["replica"]), text(&u["why"]))).collect();
    let follows = list(&json["slice"]["follows"]);
    let follow =
        |f: &serde_json::Value| format!("{} {} {}", text(&f["replica"]), text(&f["what"]), text(&f["entry"]));
    (members, stays, follows.iter().map(follow).collect())
}

#[test]
fn only_takes_what_is_needed_to_come_up_and_nothing_else() {
    let place = shop();
    for (only, members) in [
        ("db-01", &["db-01"][..]),
        ("app-01", &["app-01", "db-01"]),
        ("web-01", &["app-01", "db-01", "web-01"]),
        ("web", &["app-01", "db-01", "web-01", "web-02"]),
        ("tier=web", &["app-01", "db-01", "web-01", "web-02"]),
        ("tier=dat?", &["cache-01", "db-01"]),
        ("cache-*", &["cache-01", "db-01"]),
        ("*", &["app-01", "cache-01", "db-01", "web-01", "web-02"]),
    ] {
        let (found, stays, _) = planned(&place, &["--only", only]);
        assert_eq!(found, members, "{only}");
        assert!(stays.values().all(|why| why == "notSelected"), "{only}: {stays:?}");
        assert_eq!(found.len() + stays.len(), 5);
    }
    let (two, _, _) = planned(&place, &["--only", "web-01", "--only", "cache-01"]);
    assert_eq!(two, ["app-01", "cache-01", "db-01", "web-01"]);
}

#[test]
fn what_is_selected_and_left_out_at_once_brings_nothing_up() {
    let place = shop();
    let (members, _, _) = planned(&place, &["--only", "web-01", "--without", "web-01"]);
    assert!(members.is_empty(), "{members:?}");
}

#[test]
fn a_slice_reaches_past_a_gate() {
    let place = shop();
    let gate =
        "    - { gate: { name: go, ask: Is the data good? }, after: [{ replica: db-01, is: ready }] }\n";
    place.edit("plan.yaml", "    - replica: app-01\n", &format!("{gate}    - replica: app-01\n"));
    place.edit("plan.yaml", "        - { replica: db-01, is: ready }\n", "        - { gate: go }\n");
    let (members, _, _) = planned(&place, &["--only", "app-01"]);
    assert_eq!(members, ["app-01", "db-01"]);
}

#[test]
fn a_slice_is_carried_out_named_in_its_record_and_followed_by_the_rest() {
    let place = shop();
    let said = place.run(&["plan", "evacuate-shop", "--only", "app-*"]).ends(0);
    assert!(said.out.starts_with("Runbook evacuate-shop, only app-*"), "{}", said.out);
    assert!(
        said.out.contains("  ~ web-01 stays where it is, and it waits for app-01, which moves"),
        "{}",
        said.out
    );
    assert!(said.out.ends_with("Next: lifeboat apply evacuate-shop --only 'app-*'\n"), "{}", said.out);
    let said =
        place.run(&["apply", "evacuate-shop", "--only", "app-*", "--confirm", "evacuate-shop"]).ends(0);
    assert!(said.out.contains("of evacuate-shop, only app-*: completed"), "{}", said.out);
    let history = place.run(&["history"]).ends(0);
    assert!(history.out.contains("evacuate-shop, only app-*"), "{}", history.out);
    let over: Vec<String> =
        place.states().into_iter().filter(|(_, s)| s == "Failover").map(|(name, _)| name).collect();
    assert_eq!(over, ["app-01", "db-01"]);
    // What is there already is neither moved again nor gone behind.
    let (members, stays, follows) = planned(&place, &["--only", "web-02"]);
    assert_eq!(members, ["web-02"]);
    assert_eq!(follows, Vec::<String>::new());
    assert_eq!(stays["cache-01"], "notSelected");
    // What is selected and there already moves nothing that it waits for: there or back.
    let (members, ..) = planned_of(&place, "undo-shop", &["--only", "web-02"]);
    assert_eq!(members, Vec::<String>::new(), "db-01 and app-01 serve on");
    place.apply("evacuate-shop");
    place.all_are("Failover");
}

#[test]
fn what_breaks_without_something_is_left_out_and_what_goes_on_says_so() {
    let place = shop();
    let (members, stays, follows) = planned(&place, &["--without", "db-01"]);
    assert_eq!(members, Vec::<String>::new(), "everything stands on it, by an edge or by the list");
    assert_eq!(stays["db-01"], "leftOut");
    assert!(
        ["cache-01", "app-01", "web-01", "web-02"].iter().all(|r| stays[*r] == "needsLeftOut"),
        "{stays:?}"
    );
    assert_eq!(follows.len(), 4, "{follows:?}");
    let said = place.run(&["plan", "evacuate-shop", "--without", "db-01"]).ends(0);
    assert!(said.out.contains("Nothing to do in this slice."), "{}", said.out);
    assert!(
        said.out.contains("  x app-01 is left out as well: it does not come up without db-01"),
        "{}",
        said.out
    );
    let (members, stays, follows) = planned(&place, &["--without", "cache-01"]);
    assert_eq!(members, ["app-01", "db-01", "web-01", "web-02"]);
    assert_eq!(stays["cache-01"], "leftOut");
    assert_eq!(follows, ["app-01 goesOn cache-01", "cache-01 stays db-01"]);
    let (members, _, follows) = planned(&place, &["--without", "web-02"]);
    assert_eq!(members, ["app-01", "cache-01", "db-01", "web-01"]);
    assert_eq!(follows, ["web-02 stays app-01"]);
    let (members, _, follows) = planned(&place, &["--only", "web-01", "--without", "app-01"]);
    assert_eq!(members, ["db-01"]);
    assert!(follows.contains(&"web-01 leftOut app-01".to_owned()), "{follows:?}");
    // What is there already is not missed.
    place.run(&["apply", "evacuate-shop", "--only", "db-01", "--confirm", "evacuate-shop"]).ends(0);
    let (members, _, _) = planned(&place, &["--without", "db-01"]);
    assert_eq!(members, ["app-01", "cache-01", "web-01", "web-02"]);
}

#[test]
fn what_is_left_out_refuses_nothing_and_is_held_by_nobody() {
    let place = shop();
    place.edit("replicas.yaml", "[{ from: prod-lan, to: dr-lan }]", "[{ from: prod-lan, to: dr-lan }]");
    let text = std::fs::read_to_string(place.path().join("replicas.yaml")).unwrap();
    let (first, last) = text.rsplit_once("  networks: [{ from: prod-lan, to: dr-lan }]\n").unwrap();
    place.write("replicas.yaml", &format!("{first}{last}"));
    let said = place.run(&["plan", "evacuate-shop", "--format", "json"]).ends(1);
    assert_eq!(said.codes(), ["LB0509"], "web-02 has no mapping");
    let (members, _, _) = planned(&place, &["--only", "web-01"]);
    assert_eq!(members, ["app-01", "db-01", "web-01"]);
    place.run(&["plan", "evacuate-shop", "--without", "web-02"]).ends(0);
    place.run(&["plan", "evacuate-shop", "--only", "web"]).ends(1);
}

#[test]
fn a_sealed_slice_is_not_stale_because_of_what_it_left_out() {
    let place = shop();
    place.run(&["plan", "evacuate-shop", "--only", "app-01", "--out", "part.json"]).ends(0);
    place.run(&["apply", "part.json", "--only", "web", "--confirm", "evacuate-shop"]).ends(1);
    place.run(&["sim", "power", "production/web-01", "off"]).ends(0);
    let said = place.run(&["apply", "part.json", "--confirm", "evacuate-shop"]).ends(0);
    assert!(said.out.contains("only app-01"), "{}", said.out);
}

#[test]
fn a_way_back_is_sliced_as_well() {
    let place = shop();
    place.apply("evacuate-shop");
    place.run(&["sim", "advance", "10m"]).ends(0);
    place.run(&["apply", "return-shop", "--only", "cache-01", "--confirm", "return-shop"]).ends(0);
    let back: Vec<String> =
        place.states().into_iter().filter(|(_, s)| s == "Ready").map(|(n, _)| n).collect();
    assert_eq!(back, ["cache-01", "db-01"]);
    place.apply("return-shop");
    place.all_are("Ready");
}

#[test]
fn a_selector_that_fits_nothing_is_an_error_and_nothing_is_planned() {
    let place = shop();
    for (flag, selector) in
        [("--only", "wbe"), ("--only", "tier=wbe"), ("--without", "x-*"), ("--only", ""), ("--without", "=")]
    {
        for command in
            [&["plan", "evacuate-shop"][..], &["apply", "evacuate-shop", "--confirm", "evacuate-shop"]]
        {
            let said = place.run(&[command, &[flag, selector, "--format", "json"]].concat()).ends(1);
            assert_eq!(said.codes(), ["LB0511"], "{flag} {selector}");
        }
    }
    let said = place.run(&["plan", "evacuate-shop", "--only", "wbe"]).ends(1);
    assert!(said.err.contains("it names something similar: web"), "{}", said.err);
    place.run(&["plan", "evacuate-shop", "--only"]).ends(64);
}
