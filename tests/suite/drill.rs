//! Drills: copies are tried and removed, whatever happens on the way, and nothing else changes.

use crate::crash::{World3, freeze, go_on, no_effect_twice};
use crate::program::{Place, Said, signal};
use crate::world::{Faults, NAMES, World, drilled, name, noon, ready, vm};
use lifeboat::base::Duration;
use lifeboat::domain::{Action, CopyFacts, OperationKind, Role, Sight};
use lifeboat::engine::Crash;
use lifeboat::plan::{DrillRefused, Kept, Plan, RefusedWhy, Work};
use lifeboat::port::copy_of;
use lifeboat::provider::sim::clock::VirtualClock;
use lifeboat::run::{Outcome, Progress};
use std::sync::Arc;

fn standing_by() -> World3 {
    NAMES.iter().map(|n| (name(n), ready(n))).collect()
}

/// A drill that is killed at a point and gone on with; how it ended, and whether it was killed.
fn killed(plan: &Plan, crash: Crash, faults: &Faults) -> Option<(Outcome, Arc<World>, Progress)> {
    let folder = crate::world::folder();
    let run = freeze(folder.path(), plan);
    let clock = VirtualClock::new(noon());
    let world = Arc::new(World::new(standing_by(), faults.clone(), Arc::new(clock.clone())));
    if go_on(folder.path(), &run, &world, &clock, Some(crash)).is_ok() {
        return None;
    }
    let (outcome, progress) = go_on(folder.path(), &run, &world, &clock, None).unwrap();
    Some((outcome, world, progress))
}

#[test]
fn killed_anywhere_and_gone_on_with_it_leaves_nothing_and_changes_nothing_else() {
    let plan = drilled(&standing_by(), Kept::For(Duration::from_mins(30))).unwrap();
    let never = Faults { never_ready: [copy_of(&vm("dr", "app_replica"))].into(), ..Faults::default() };
    let mut kills = 0;
    for (faults, passes) in [(Faults::default(), true), (never, false)] {
        for at in [Crash::AfterEvents as fn(usize) -> Crash, Crash::AfterEffects] {
            for position in 1.. {
                let Some((outcome, world, progress)) = killed(&plan, at(position), &faults) else { break };
                kills += 1;
                let what = format!("killed at {:?}", at(position));
                assert_eq!(world.facts(), standing_by(), "{what}: only the copies came and went");
                let expected = if passes { Outcome::Completed } else { Outcome::CompletedWithExceptions };
                assert_eq!(outcome, expected, "{what}: {:?}", progress.summary());
                no_effect_twice(&world, &what);
            }
        }
    }
    assert!(kills > 80, "{kills} kills");
}

#[test]
fn lost_answers_leave_nothing_either() {
    let plan = drilled(&standing_by(), Kept::Not).unwrap();
    let folder = crate::world::folder();
    let run = freeze(folder.path(), &plan);
    let clock = VirtualClock::new(noon());
    let faults = Faults { lost_answers: (1..10_000).collect(), ..Faults::default() };
    let world = Arc::new(World::new(standing_by(), faults, Arc::new(clock.clone())));
    let (outcome, _) = go_on(folder.path(), &run, &world, &clock, None).unwrap();
    assert_eq!((outcome, world.facts()), (Outcome::Completed, standing_by()));
}

#[test]
fn a_drill_is_refused_where_its_copies_would_not_be_apart_or_are_there() {
    let why = |facts: World3| {
        let refused = drilled(&facts, Kept::Not).unwrap_err();
        match &refused[0].why {
            RefusedWhy::Drill(why) => why.clone(),
            other => panic!("{other:?}"),
        }
    };
    let mut facts = standing_by();
    let db = facts.get_mut(&name("db")).unwrap();
    db.copy = CopyFacts { machine: Sight::Absent, point: Some("p3".parse().unwrap()), by: None };
    assert_eq!(why(facts), DrillRefused::CopyThere, "half a copy is one");
    let mut facts = standing_by();
    for facts in facts.values_mut() {
        let Sight::Present(replica) = &mut facts.replica else { panic!() };
        replica.links = vec![lifeboat::domain::Link::on("apart".parse().unwrap())];
    }
    assert_eq!(why(facts), DrillRefused::NotApart("apart".parse().unwrap()));
}

#[test]
fn every_action_on_a_copy_leaves_the_replica_as_it_is() {
    let plan = drilled(&standing_by(), Kept::UntilKey).unwrap();
    let facts = standing_by();
    for node in &plan.nodes {
        let Work::Act(step) = &node.work else { continue };
        assert!(step.action.is_of_copy(), "{:?}", step.action);
    }
    let kinds: Vec<OperationKind> = plan.legs.iter().map(|l| l.operation.kind()).collect();
    assert_eq!(kinds.iter().filter(|k| **k == OperationKind::EndDrill).count(), facts.len());
    // The checker itself finds a drill that leaves something.
    let mut leaves = plan.clone();
    for node in &mut leaves.nodes {
        if let Work::Act(step) = &mut node.work
            && step.action == Action::RemoveCopy
            && step.replica == name("web")
        {
            step.action = Action::PowerOff { vm: Role::Copy };
        }
    }
    let found = lifeboat::checker::check(&leaves, &crate::world::inventory(&facts, noon()));
    assert_eq!(found, [lifeboat::plan::Violation::LeavesCopy(name("web"))]);
}

fn drills(place: &Place) -> serde_json::Value {
    let said = place.run(&["status", "--format", "json"]).ends(0);
    serde_json::from_str::<serde_json::Value>(&said.out).unwrap()
}

fn copies_asked(place: &Place) -> usize {
    let log = std::fs::read_to_string(place.path().join(".lifeboat/sim/world.log")).unwrap();
    log.matches("\"makeCopy\"").count()
}

#[test]
fn a_drill_passes_leaves_nothing_and_is_remembered() {
    let place = Place::example("drilled");
    let stale = place.run(&["status", "--strict"]).ends(0);
    assert!(stale.err.contains("LB0621") && stale.err.contains("was never drilled"), "{}", stale.err);
    let before = (place.states(), place.disk("recovery/db-01_replica"));
    let said = place.run(&["drill", "shop", "--keep", "30m"]).ends(0);
    for line in ["passed: 3 of 3 ready in", "nothing is left", "not tried: 1 gate (open-to-customers)"] {
        assert!(said.out.contains(line), "{line}: {}", said.out);
    }
    assert_eq!((place.states(), place.disk("recovery/db-01_replica")), before);
    assert_eq!(copies_asked(&place), 3);
    let report = place.run(&["report", "latest", "--format", "json"]).ends(0);
    let json: serde_json::Value = serde_json::from_str(&report.out).unwrap();
    assert_eq!(json["drill"]["verdict"], "passed");
    assert_eq!(json["drill"]["left"]["nothing"], true);
    place.run(&["verify", "latest"]).ends(0);
    place.run(&["sim", "advance", "288h"]).ends(0);
    // The plan changes: what was tried is told from the plan of then.
    place.edit(
        "lifeboat.yaml",
        "after: [{ replica: app-01, is: ready }]",
        "after: [{ replica: db-01, is: ready }]",
    );
    let said = place.run(&["status"]).ends(0);
    assert!(said.out.contains("last drilled 12 days ago with documents "), "{}", said.out);
    assert!(
        said.out.contains("passed, 3 of 3 ready in") && said.out.contains("; 1 edge changed since."),
        "{}",
        said.out
    );
    assert_eq!(drills(&place)["drills"][0]["changed"]["edges"], 1);
    place.run(&["sim", "advance", "480h"]).ends(0);
    place.edit("lifeboat.yaml", "severity: warning", "severity: error");
    let refused = place.run(&["plan", "evacuate-shop"]).ends(9);
    assert!(refused.err.contains("was drilled 32 days ago"), "{}", refused.err);
    place.run(&["drill", "shop"]).ends(0);
    place.run(&["plan", "evacuate-shop"]).ends(0);
}

#[test]
fn a_copy_that_does_not_get_ready_fails_the_drill_and_is_removed() {
    let place = Place::example("drilled");
    place.run(&["sim", "fault", "never-ready", "recovery/app-01_replica"]).ends(0);
    let said = place.run(&["drill", "shop", "--keep", "2h"]).ends(3);
    assert!(said.err.contains("error[LB0852]: the drill of `shop` failed: `app-01`"), "{}", said.err);
    assert!(
        said.out.contains("failed: 1 of 3 ready") && said.out.contains("nothing is left"),
        "{}",
        said.out
    );
    assert!(!said.out.contains("took 2h"), "what failed is not kept: {}", said.out);
    assert_eq!(drills(&place)["drills"][0]["passed"], false);
    assert_eq!(drills(&place)["runs"], serde_json::json!([]), "nothing is unfinished");
    place.all_are("Ready");
}

#[test]
fn what_cannot_be_removed_is_told_and_removed_later() {
    let place = Place::example("drilled");
    place.run(&["sim", "fault", "fails", "--action", "remove-copy", "--replica", "web-01"]).ends(0);
    let said = place.run(&["drill", "shop"]);
    assert!(said.code != 0, "{}", said.err);
    let left = drills(&place);
    assert_eq!(left["drillsLeft"][0]["replica"], "web-01", "{left}");
    let status = place.run(&["status"]);
    assert!(status.out.contains("A drill's copy of web-01 of run "), "{}", status.out);
    let refused = place.run(&["drill", "shop", "--format", "json"]);
    assert!(
        ["LB0850".to_owned(), "LB0802".to_owned()].contains(&refused.codes()[0]),
        "{:?}",
        refused.codes()
    );
    place.run(&["sim", "heal"]).ends(0);
    let clean = place.run(&["drill", "shop", "--clean"]).ends(0);
    assert!(clean.out.contains("nothing is left"), "{}", clean.out);
    assert_eq!(drills(&place)["drillsLeft"], serde_json::json!([]));
    let again = place.run(&["drill", "shop", "--clean"]).ends(0);
    assert_eq!(again.out, "Nothing is left of a drill of shop.\n");
    place.run(&["drill", "shop"]).ends(0);
}

/// Waits until a command says something.
fn until(place: &Place, args: &[&str], says: &str) -> Said {
    for _ in 0..1000 {
        let said = place.run(args);
        if said.out.contains(says) {
            return said;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("{args:?} never says {says}");
}

fn at_speed(place: &Place) {
    place.edit("lifeboat.yaml", "      defaults: {", "      clock: { speed: 120 }\n      defaults: {");
}

#[test]
fn replication_and_a_failover_go_on_beside_a_drill() {
    let place = Place::example("drilled");
    at_speed(&place);
    // Nobody answers it, and a few minutes of that tell as much as an hour.
    place.edit("lifeboat.yaml", "Smoke test passed?, within: 1h", "Smoke test passed?, within: 4m");
    place.edit(
        "lifeboat.yaml",
        "  ready: { all: [{ tcp: { port: 5432 } }], within: 5m }",
        "  retention: 3\n  ready: { all: [{ tcp: { port: 5432 } }], within: 5m }",
    );
    let child = place.start(&["drill", "shop", "--keep", "until-key"]);
    until(&place, &["status"], "shop/remove:");
    let points = |place: &Place| {
        let json = drills(place);
        let db =
            json["replicas"].as_array().unwrap().iter().find(|r| r["replica"] == "db-01").unwrap().clone();
        db["points"].as_array().unwrap().len()
    };
    place.run(&["replicate", "db-01"]).ends(0);
    assert_eq!(points(&place), 4, "nothing is dropped under a copy");
    let second = place.run(&["drill", "shop"]);
    assert!(second.ends(6).err.contains("LB0801"), "the copy of a drill under way is no leftover");
    let run = drills(&place)["runs"][0]["run"].as_str().unwrap().to_owned();
    let no = place.run(&["answer", &run, "remove", "no", "--because", "still looking"]).ends(1);
    assert!(no.err.contains("the copies stay until somebody says yes"), "{}", no.err);
    assert_eq!(drills(&place)["drillsLeft"].as_array().unwrap().len(), 3);
    // A failover does not wait for it; nobody answers its gate, and it stops there.
    place.run(&["apply", "evacuate-shop", "--confirm", "evacuate-shop"]).ends(4);
    place.all_are("Failover");
    let drill = place.run(&["history", "--format", "json"]).ends(0);
    let json: serde_json::Value = serde_json::from_str(&drill.out).unwrap();
    let run = json["runs"].as_array().unwrap().iter().find(|r| r["purpose"] == "drill-shop").unwrap().clone();
    place.run(&["answer", run["run"].as_str().unwrap(), "remove", "yes", "--because", "seen"]);
    let ended = crate::program::said(child.wait_with_output().unwrap());
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("nothing is left"), "{}", ended.out);
    assert_eq!(drills(&place)["drillsLeft"], serde_json::json!([]));
}

/// What is in no failover plan may have been in one; where it cannot be seen it is named, and holds nothing up.
#[test]
fn a_clean_up_waits_for_no_replica_that_nobody_plans_with() {
    let place = Place::example("drilled");
    let text = std::fs::read_to_string(place.path().join("lifeboat.yaml")).unwrap();
    let more = "---\napiVersion: lifeboat/v1\nkind: Site\nmetadata: { name: branch }\nspec: { provider: { simulator: {} } }\n---\n\
                apiVersion: lifeboat/v1\nkind: Replica\nmetadata: { name: lonely }\nspec:\n  source: { site: production, vm: lonely }\n  \
                replica: { site: branch }\n";
    place.write("lifeboat.yaml", &format!("{}\n{more}", text.trim_end()));
    place.run(&["sim", "fault", "silent", "branch"]).ends(0);
    let clean = place.run(&["drill", "shop", "--clean"]).ends(0);
    assert!(
        clean.err.contains("! lonely is in no failover plan and cannot be seen"),
        "{}{}",
        clean.out,
        clean.err
    );
    assert!(clean.out.contains("Nothing is left of a drill of shop"), "{}", clean.out);
}

#[test]
fn a_drill_that_is_interrupted_cleans_up() {
    let place = Place::example("drilled");
    at_speed(&place);
    let child = place.start(&["drill", "shop", "--keep", "until-key"]);
    until(&place, &["status"], "shop/remove:");
    signal(&child, "INT");
    let ended = crate::program::said(child.wait_with_output().unwrap());
    assert_eq!(ended.code, 4, "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("nothing is left"), "{}{}", ended.out, ended.err);
    let after = drills(&place);
    assert_eq!((&after["drillsLeft"], &after["runs"]), (&serde_json::json!([]), &serde_json::json!([])));
    // Killed without a word, it is removed by whoever asks for it.
    let mut child = place.start(&["drill", "shop", "--keep", "until-key"]);
    until(&place, &["status"], "shop/remove:");
    signal(&child, "KILL");
    child.wait().unwrap();
    assert_eq!(drills(&place)["drillsLeft"].as_array().unwrap().len(), 3);
    let clean = place.run(&["drill", "shop", "--clean"]).ends(0);
    assert!(clean.out.contains("nothing is left"), "{}", clean.out);
    assert_eq!(drills(&place)["drillsLeft"], serde_json::json!([]));
    place.run(&["resume"]).ends(1);
}

#[test]
fn no_copy_is_on_a_network_or_at_an_address_of_anybody() {
    // The reviewer's mistake: what is apart for one replica is another one's network.
    let place = Place::example("drilled");
    let text = std::fs::read_to_string(place.path().join("lifeboat.yaml")).unwrap();
    let (before, web) = text.split_once("metadata: { name: web-01 }").unwrap();
    let web = web.replacen("{ from: prod-lan, to: dr-lan }", "{ from: web-lan, to: dr-web }", 1);
    let before = before.replace(
        "name: web-01, networks: [{ network: prod-lan",
        "name: web-01, networks: [{ network: web-lan",
    );
    let mapped = |to: &str| {
        before.replace(
            "{ from: dr-lan, to: drill-lan }",
            &format!("{{ from: dr-lan, to: drill-lan }}, {{ from: dr-web, to: {to} }}"),
        )
    };
    for (to, exit) in [("prod-lan", 1), ("dr-lan", 1), ("drill-web", 0)] {
        place.write("lifeboat.yaml", &format!("{}metadata: {{ name: web-01 }}{web}", mapped(to)));
        let said = place.run(&["validate"]).ends(0);
        assert_eq!(said.err.contains("LB0526"), exit == 1, "{to}: {}", said.err);
        place.run(&["drill", "shop", "--dry-run"]).ends(exit);
    }
    // A network that no document names, and on which a machine is all the same.
    place.edit(
        "lifeboat.yaml",
        "networks: [{ network: web-lan, address: 10.1.0.31 }]",
        "networks: [{ network: web-lan, address: 10.1.0.31 }, { network: drill-web }]",
    );
    place.edit(
        "lifeboat.yaml",
        "{ from: web-lan, to: dr-web }",
        "{ from: web-lan, to: dr-web }, { from: drill-web, to: dr-more }",
    );
    place.edit(
        "lifeboat.yaml",
        "{ from: dr-web, to: drill-web }",
        "{ from: dr-web, to: drill-web }, { from: dr-more, to: drill-more }",
    );
    let refused = place.run(&["drill", "shop", "--dry-run"]).ends(1);
    assert!(refused.err.contains("LB0526"), "{}", refused.err);
    // Two copies at one address: the one would answer for the other.
    place.write(
        "lifeboat.yaml",
        &text.replace(
            "10.2.0.0/16, to: 10.99.0.0/16",
            "10.2.0.21/32, to: 10.99.0.31/32 }, { from: 10.2.0.0/16, to: 10.99.0.0/16",
        ),
    );
    let said = place.run(&["drill", "shop", "--dry-run"]).ends(1);
    assert!(said.err.contains("10.99.0.31"), "{}", said.err);
}

#[test]
fn a_copy_of_what_is_in_no_plan_any_more_is_removed_all_the_same() {
    let place = Place::example("drilled");
    place.run(&["sim", "fault", "fails", "--action", "remove-copy", "--replica", "web-01"]).ends(0);
    assert_ne!(place.run(&["drill", "shop"]).code, 0);
    place.run(&["sim", "heal"]).ends(0);
    let text = std::fs::read_to_string(place.path().join("lifeboat.yaml")).unwrap();
    let at = text.find("kind: Replica\nmetadata: { name: web-01 }").unwrap();
    let end = at + text[at..].find("---").unwrap();
    let without = text.replace(&text[at - "apiVersion: lifeboat/v1\n".len()..end + 4], "");
    let sequence = without.lines().filter(|l| !l.contains("replica: web-01")).collect::<Vec<_>>().join("\n");
    place.write("lifeboat.yaml", &sequence);
    place.run(&["validate"]).ends(0);
    let refused = place.run(&["drill", "shop", "--clean"]).ends(1);
    assert!(refused.err.contains("web-01") && refused.err.contains("declare it again"), "{}", refused.err);
    // Declared again and in no plan, it is found.
    place.write(
        "lifeboat.yaml",
        &text.lines().filter(|l| !l.contains("replica: web-01")).collect::<Vec<_>>().join("\n"),
    );
    assert!(place.run(&["status"]).ends(0).out.contains("copy of web-01"));
    place.run(&["drill", "shop", "--clean"]).ends(0);
    assert!(!place.run(&["status"]).ends(0).out.contains("copy of web-01"));
}

#[test]
fn a_policy_of_drills_holds_for_sealed_plans_and_waits_for_no_store() {
    let place = Place::example("drilled");
    // A store that is gone with its site, and a rule that only warns.
    let dark = ["plan", "evacuate-shop", "--store", "etcd://127.0.0.1:1/gone"];
    let said = place.run(&dark).ends(0);
    assert!(said.err.contains("it is not known when the failover plans were drilled last"), "{}", said.err);
    place.run(&["plan", "evacuate-shop", "--out", "evacuate.plan"]).ends(0);
    place.edit("lifeboat.yaml", "severity: warning }", "severity: error }");
    let sealed = ["apply", "./evacuate.plan", "--confirm", "evacuate-shop"];
    let refused = place.run(&sealed).ends(9);
    assert!(refused.err.contains("error[LB0621]"), "{}", refused.err);
    place.all_are("Ready");
    assert_eq!(place.run(&dark).code, 74, "a rule that refuses must know");
    // A plan that fails nothing over is not asked for its drills.
    place.edit(
        "lifeboat.yaml",
        "desired: [{ plan: shop, state: Failover, via: planned }]",
        "desired: [{ plan: shop, state: Ready, keep: source }]",
    );
    place.run(&dark).ends(0);
}
