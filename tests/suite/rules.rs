//! Rules of policies: what they refuse, where they say so, and that they stand in nobody's way out of a disaster.

use crate::program::{Place, Said};

/// The shop with rules.
fn ruled(rules: &str) -> Place {
    let place = Place::example("shop");
    place.edit("sites.yaml", "clock: { speed: 40 }", "clock: virtual");
    place.edit("plan.yaml", ", after: [{ replica: db-01, is: started }]", "");
    // Its own rules would be said as well.
    let text = std::fs::read_to_string(place.path().join("runbooks.yaml")).unwrap();
    place.write("runbooks.yaml", text.split("  rules:\n").next().unwrap());
    let head = "apiVersion: lifeboat/v1\nkind: Policy\nmetadata: { name: rules }\nspec:\n  because: agreed\n  rules:\n";
    place.write("rules.yaml", &format!("{head}{rules}"));
    place
}

fn before(first: &str, then: &str, is: &str) -> String {
    format!(
        "    - {{ name: order, because: why not, before: {{ first: {first}, then: {then}, is: {is} }} }}\n"
    )
}

fn most(count: u32, more: &str) -> String {
    let of = "{ labels: { tier: web } }";
    format!(
        "    - {{ name: up, because: customers look, {more}atMostDown: {{ of: {of}, count: {count} }} }}\n"
    )
}

/// The message and the files of the labels of each finding.
fn found(said: &Said) -> Vec<(String, String, Vec<String>)> {
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let one = |f: &serde_json::Value| {
        let text = |key: &str| f[key].as_str().unwrap().to_owned();
        let labels = f["labels"].as_array().unwrap();
        let labels = labels.iter().map(|l| l["file"].as_str().unwrap().to_owned()).collect();
        (text("code"), text("message"), labels)
    };
    json["findings"].as_array().unwrap().iter().map(one).collect()
}

const JSON: [&str; 2] = ["--format", "json"];

fn validated(place: &Place, code: i32) -> Vec<(String, String, Vec<String>)> {
    found(&place.run(&[&["validate"][..], &JSON].concat()).ends(code))
}

#[test]
fn an_order_that_a_failover_plan_does_not_keep_is_found_without_asking_a_site() {
    let web = "{ labels: { tier: web } }";
    for (first, then, is, why) in [
        ("{ names: [cache-01] }", web, "ready", "`app-01` goes on where `cache-01` fails"),
        (
            "{ names: [db-01] }",
            "{ names: [cache-01] }",
            "started",
            "`cache-01` follows `db-01` by the list alone, a delay after its start",
        ),
        (
            "{ names: [web-01] }",
            "{ names: [web-02] }",
            "ready",
            "both stand in `web`, whose replicas start at once",
        ),
        (web, "{ names: [db-*] }", "ready", "nothing leads from the one to the other"),
    ] {
        let place = ruled(&before(first, then, is));
        let all = validated(&place, 1);
        let [(code, message, files)] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!(code, "LB0605");
        assert!(message.ends_with(why), "{message}");
        assert_eq!(files, &["plan.yaml", "rules.yaml"], "both places");
        place.run(&["plan", "evacuate-shop"]).ends(1);
    }
    for (first, then, is) in [
        ("{ names: [db-*] }", web, "ready"),
        ("{ names: [app-??] }", web, "ready"),
        ("{ labels: { tier: app } }", web, "started"),
    ] {
        let place = ruled(&before(first, then, is));
        assert_eq!(validated(&place, 0), []);
        place.apply("evacuate-shop");
        place.apply("return-shop");
    }
}

#[test]
fn an_edge_that_waits_for_less_or_goes_on_gives_no_order() {
    let rule = before("{ names: [app-01] }", "{ names: [web-*] }", "ready");
    for (edge, code, why) in [
        ("is: ready", 0, ""),
        ("is: started", 1, "`web` waits only until `app-01` is started"),
        ("is: ready, ifFailed: continue", 1, "`web` goes on where `app-01` fails"),
        ("is: ready, ifFailed: stop", 0, ""),
        ("is: ready, plus: 5s", 0, ""),
    ] {
        let place = ruled(&rule);
        place.edit("plan.yaml", "{ replica: app-01, is: ready }", &format!("{{ replica: app-01, {edge} }}"));
        let all = validated(&place, code);
        assert!(all.iter().all(|(_, message, _)| message.ends_with(why)), "{edge}: {all:?}");
        assert_eq!(all.len(), usize::try_from(code).unwrap());
    }
}

#[test]
fn a_plan_without_an_order_between_two_groups_breaks_the_rule_when_it_is_made() {
    let place = ruled(&before("{ names: [db-01] }", "{ names: [web-02, web-01] }", "ready"));
    let runbook = |then: &str| {
        let head = "apiVersion: lifeboat/v1\nkind: Runbook\nmetadata: { name: some }\nspec:\n  desired:\n";
        let line = "    - { replica: db-01, state: Failover }\n";
        place.write("some.yaml", &format!("{head}{line}    - {{ {then}, state: Failover }}\n"));
    };
    runbook("replicas: { names: [web-*] }");
    assert_eq!(validated(&place, 0), [], "the failover plan keeps it");
    let said = place.run(&["plan", "some", "--format", "json"]).ends(9);
    let all = found(&said);
    let [(code, message, files)] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!(code, "LB0605");
    assert_eq!(
        message,
        "`web-01` may start before `db-01` is ready: nothing leads from the one to the other"
    );
    assert_eq!(files, &["some.yaml", "rules.yaml"]);
    assert!(said.out.contains("and 1 more like it"), "{}", said.out);
    place.run(&["apply", "some", "--confirm", "some"]).ends(9);
    assert!(place.states().iter().all(|(_, state)| state == "Ready"), "nothing was changed");
    // Alone, neither of the two breaks it; and once the first one is over, the others may follow.
    runbook("replica: app-01");
    place.apply("some");
    runbook("replicas: { names: [web-*] }");
    place.apply("some");
}

#[test]
fn what_goes_down_together_is_counted_in_every_moment_that_the_plan_allows() {
    let place = ruled(&most(1, ""));
    let said = place.run(&["plan", "evacuate-shop", "--format", "json"]).ends(9);
    let all = found(&said);
    let [(code, message, files)] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!(code, "LB0605");
    let moment = "between web-02/planned-failover/shut-down-source and web-01/planned-failover/wait-";
    assert!(message.starts_with(moment), "{message}");
    assert!(message.ends_with(", 2 of 2 replicas may be down; 1 is allowed"), "{message}");
    assert_eq!(files, &["plan.yaml", "rules.yaml"]);
    ruled(&most(2, "")).apply("evacuate-shop");
    // One after the other is lawful.
    let one = |name: &str| {
        let head = "apiVersion: lifeboat/v1\nkind: Runbook\nmetadata: { name: one }\nspec:\n  desired:\n";
        place.write("one.yaml", &format!("{head}    - {{ replica: {name}, state: Failover }}\n"));
        place.apply("one");
    };
    one("web-01");
    one("web-02");
}

#[test]
fn an_order_between_outages_keeps_them_apart() {
    let group = "    - group: web\n      replicas: { labels: { tier: web } }\n      after: [{ replica: app-01, is: ready }]";
    for (edge, code) in [("is: ready", 0), ("is: started", 9), ("is: ready, ifFailed: continue", 9)] {
        let place = ruled(&most(1, ""));
        let two = format!(
            "    - {{ replica: web-01 }}\n    - {{ replica: web-02, after: [{{ replica: web-01, {edge} }}] }}"
        );
        place.edit("plan.yaml", group, &two);
        place.edit("plan.yaml", "  sequence:", "  source: power-off\n  sequence:");
        // Each source is powered off when it is its replica's turn.
        place.run(&["plan", "disaster-shop"]).ends(code);
    }
    let place = ruled(&most(1, ""));
    place.edit("plan.yaml", "  sequence:", "  source: power-off\n  sequence:");
    let all = found(&place.run(&["plan", "disaster-shop", "--format", "json"]).ends(9));
    assert!(all[0].1.ends_with("2 of 2 replicas may be down; 1 is allowed"), "{all:?}");
}

#[test]
fn whoever_lost_everything_may_start_it_again() {
    let place = ruled(&most(0, ""));
    place.run(&["plan", "evacuate-shop"]).ends(9);
    place.run(&["sim", "fault", "silent", "production"]).ends(0);
    place.apply("disaster-shop");
    place.all_are("Failover");
}

#[test]
fn a_rule_that_warns_says_so_and_refuses_nothing() {
    let place = ruled(&most(1, "severity: warning, "));
    let said = place.run(&["plan", "evacuate-shop", "--format", "json"]).ends(0);
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(json["findings"][0]["severity"], "warning", "{json}");
    let said = place.apply("evacuate-shop");
    assert!(said.err.contains("warning[LB0605]: between web-02"), "{}", said.err);
}

#[test]
fn a_sealed_plan_is_held_against_the_rules_of_the_day_on_which_it_is_carried_out() {
    let place = ruled(&most(2, ""));
    place.run(&["plan", "evacuate-shop", "--out", "sealed.json"]).ends(0);
    place.edit("rules.yaml", "count: 2", "count: 1");
    let said = place.run(&["apply", "sealed.json", "--confirm", "evacuate-shop", "--format", "json"]).ends(9);
    assert_eq!(said.codes(), ["LB0605"]);
    place.edit("rules.yaml", "count: 1", "count: 2");
    place.run(&["apply", "sealed.json", "--confirm", "evacuate-shop"]).ends(0);
}

#[test]
fn nobody_is_kept_from_going_back() {
    let place = ruled(&most(2, ""));
    place.run(&["sim", "fault", "fails", "--replica", "web-01", "--action", "power-on"]).ends(0);
    let said =
        place.run(&["apply", "evacuate-shop", "--confirm", "evacuate-shop", "--format", "json"]).ends(3);
    place.run(&["sim", "heal"]).ends(0);
    place.edit("rules.yaml", "count: 2", "count: 0");
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let run = json["run"].as_str().unwrap();
    let back = format!("abort-{run}");
    let said = place.run(&["abort", run, "--confirm", &back]).ends(0);
    assert!(said.err.contains("warning[LB0605]"), "{}", said.err);
    place.all_are("Ready");
}

#[test]
fn rules_that_no_plan_can_keep_are_errors_where_they_stand() {
    let (db, app, web) = ("{ names: [db-01] }", "{ names: [app-01] }", "{ names: [web-*] }");
    let rule = |name: &str, first: &str, then: &str| {
        format!(
            "    - {{ name: {name}, because: {name} says so, before: {{ first: {first}, then: {then} }} }}\n"
        )
    };
    for (rules, message, labels) in [
        (
            rule("a", db, web) + &rule("b", web, db),
            "no plan can keep the rules `a` and `b` together: `db-01`",
            2,
        ),
        (
            rule("a", db, app) + &rule("b", app, web) + &rule("c", web, db),
            "no plan can keep the rules `a` and `b` and `c` together: `app-01`",
            3,
        ),
        (rule("a", "{ names: [\"*\"] }", web), "the rule `a` puts `web-01` before itself", 2),
    ] {
        let all = validated(&ruled(&rules), 1);
        let [(code, found, files)] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!(code, "LB0606");
        assert!(found.starts_with(message), "{found}");
        assert_eq!(files.len(), labels);
    }
}

#[test]
fn a_rule_that_cannot_be_read_or_selects_nothing_is_an_error_at_its_place() {
    let whole = before("{ names: [db-01] }", "{ names: [web-*] }", "ready");
    for (old, new, code) in [
        ("web-*", "wbe-*", "LB0306"),
        ("web-*", "wbe-01", "LB0303"),
        ("[web-*]", "[]", "LB0306"),
        ("{ names: [web-*] }", "{ labels: { tier: wbe } }", "LB0306"),
        ("{ names: [web-*] }", "{ names: [web-01], labels: { tier: web } }", "LB0213"),
        ("{ names: [web-*] }", "web-*", "LB0206"),
        ("is: ready", "is: redy", "LB0207"),
        ("because: why not", "because: \" \"", "LB0205"),
        ("because: why not, ", "", "LB0205"),
        ("name: order", "name: or/der", "LB0209"),
        ("because: why not", "because: why not, severity: fatal", "LB0207"),
        ("because: why not", "because: why not, atMostDown: { of: { names: [db-01] }, count: 1 }", "LB0213"),
        ("before:", "befor:", "LB0204"),
    ] {
        let place = ruled(&whole.replace(old, new));
        let all = validated(&place, 1);
        assert!(all.iter().any(|f| f.0 == code), "{new}: {all:?}");
        assert!(all.iter().all(|f| f.2.iter().all(|file| file == "rules.yaml")), "{new}: {all:?}");
    }
    for count in ["-1", "many", "1.5"] {
        let place = ruled(&most(1, "").replace("count: 1", &format!("count: {count}")));
        assert_eq!(validated(&place, 1).len(), 1, "{count}");
    }
    let all = validated(&ruled(&(whole.clone() + &whole)), 1);
    assert_eq!(all[0].0, "LB0607");
}

#[test]
fn a_group_of_which_some_are_enough_keeps_nobody_back_for_the_others() {
    let place = ruled(&before("{ names: [web-*] }", "{ names: [app-01] }", "ready"));
    let sequence = |more: &str| {
        let head = "apiVersion: lifeboat/v1\nkind: FailoverPlan\nmetadata: { name: shop }\nspec:\n  objectives: { rto: 10m }\n  sequence:\n";
        let web = format!("    - {{ group: web, replicas: {{ names: [web-*] }}{more} }}\n");
        let rest = "    - { replica: app-01, after: [{ group: web }] }\n    - { replica: db-01 }\n    - { replica: cache-01 }\n";
        place.write("plan.yaml", &format!("{head}{web}{rest}"));
    };
    for enough in ["", ", atLeast: 2"] {
        sequence(enough);
        assert_eq!(validated(&place, 0), []);
        place.run(&["plan", "evacuate-shop"]).ends(0);
    }
    sequence(", atLeast: 1");
    let all = validated(&place, 1);
    assert!(all[0].1.ends_with("`app-01` goes on once 1 of `web` are there"), "{all:?}");
}
