//! Every example, to its end state, with the data checked.

use crate::program::Place;
use std::collections::BTreeSet;

fn writers(blocks: &[(u64, u64)]) -> BTreeSet<u64> {
    blocks.iter().map(|b| b.0).collect()
}

#[test]
fn one_machine_fails_over_and_comes_back_either_way() {
    let place = Place::example("single");
    place.apply("failover-web");
    place.all_are("Failover");
    place.run(&["sim", "advance", "10m"]).ends(0);
    let replica = writers(&place.disk("recovery/web_replica"));
    place.apply("undo-web");
    place.all_are("Ready");
    assert!(
        writers(&place.disk("recovery/web_replica")).is_disjoint(&replica),
        "the replica's writes are discarded"
    );
    place.apply("move-web");
    place.run(&["sim", "advance", "10m"]).ends(0);
    let replica = writers(&place.disk("recovery/web_replica"));
    place.apply("return-web");
    place.all_are("Ready");
    assert_eq!(writers(&place.disk("recovery/web_replica")), replica, "the replica's writes are kept");
}

#[test]
fn the_shop_is_evacuated_and_returns_with_what_it_wrote() {
    let place = Place::example("shop");
    place.edit("sites.yaml", "clock: { speed: 40 }", "clock: virtual");
    let said = place.apply("evacuate-shop");
    assert!(said.out.contains("completed"), "{}", said.out);
    place.all_are("Failover");
    let left = place.disk("production/db-01");
    let kept = place.disk("recovery/db-01_replica").iter().filter(|b| left.contains(b)).count();
    assert!(kept > 0, "the replica goes on from where the source was stopped");
    place.run(&["sim", "advance", "30m"]).ends(0);
    let replica = place.disk("recovery/db-01_replica");
    place.apply("return-shop");
    place.all_are("Ready");
    let home = place.disk("production/db-01");
    let anew = writers(&home).difference(&writers(&replica)).count();
    assert!(anew <= 1, "production has what the replica had, and what it wrote since");
    for ((now, over), before) in home.iter().zip(&replica).zip(&left) {
        assert!(now != before || over == before, "nothing that the replica had overwritten came back");
    }
    place.apply("disaster-shop");
    place.apply("undo-shop");
    place.all_are("Ready");
    place.apply("permanent-shop");
    place.all_are("Permanent");
    let again = place.run(&["apply", "undo-shop", "--confirm", "undo-shop"]);
    assert_eq!(again.code, 1, "there is no way back");
}

#[test]
fn two_hundred_machines_survive_the_loss_of_their_hall() {
    let place = Place::example("estate");
    place.run(&["sim", "fault", "silent", "hall-a"]).ends(0);
    let refused = place.run(&["plan", "evacuate-hall-a", "--format", "json"]).ends(1);
    assert!(refused.codes().iter().all(|c| c == "LB0504"), "{:?}", refused.codes());
    let said = place.apply("hall-a-is-gone");
    assert!(said.err.lines().count() < 200, "a run of two hundred stays readable");
    place.all_are("Failover");
    place.run(&["sim", "heal"]).ends(0);
    place.apply("return-to-hall-a");
    place.all_are("Ready");
}

#[test]
fn one_label_of_the_estate_moves_alone() {
    let place = Place::example("estate");
    place.apply("data-only");
    let moved = place.states().iter().filter(|(_, s)| s == "Failover").count();
    assert_eq!(moved, 20);
}

#[test]
fn a_group_migrates_for_good_and_loses_nothing() {
    let place = Place::example("migration");
    place.apply("migrate");
    place.all_are("Permanent");
    for vm in ["ledger", "mail", "files"] {
        let (old, new) = (place.disk(&format!("old/{vm}")), place.disk(&format!("new/{vm}")));
        let newest = old.iter().map(|b| b.1).max().unwrap();
        let carried = new.iter().filter(|b| old.contains(b)).count();
        let written = new.iter().filter(|b| !old.contains(b)).count();
        assert_eq!(carried + written, new.len());
        assert!(written < new.len() || newest > 0, "{vm}");
    }
}

#[test]
fn what_init_writes_runs_at_once() {
    let place = Place(crate::world::folder());
    place.run(&["init", "ours"]).ends(0);
    place.run(&["-C", "ours", "validate"]).ends(0);
    place.run(&["-C", "ours", "apply", "failover-web", "--confirm", "failover-web"]).ends(0);
    let again = place.run(&["init", "ours", "--format", "json"]).ends(1);
    assert_eq!(again.codes(), ["LB0813"]);
}

#[test]
fn the_guarded_shop_opens_with_what_it_needs_and_goes_back_where_it_cannot() {
    let place = Place::example("guarded");
    let fails = |replica: &str, action: &str| {
        place.run(&["sim", "fault", "fails", "--replica", replica, "--action", action]).ends(0);
    };
    let said = place.run(&["plan", "evacuate"]).ends(0);
    assert!(said.err.contains("warning[LB0605]: between web-02"), "{}", said.err);
    assert!(said.out.contains("  ? may fail, which is an exception then: cache-01\n"), "{}", said.out);
    place.run(&["apply", "evacuate", "--only", "app-01", "--confirm", "evacuate"]).ends(0);
    let up = |state: &str| place.states().into_iter().filter(|(_, s)| s == state).count();
    assert_eq!(up("Failover"), 2, "app-01 and the database that it needs");
    place.apply("return");
    fails("cache-01", "create-point");
    fails("app-02", "power-on");
    place.run(&["apply", "evacuate", "--confirm", "evacuate"]).ends(10);
    assert_eq!(up("Failover"), 4, "one app is enough, and the cache may fail");
    place.run(&["sim", "heal"]).ends(0);
    place.apply("evacuate");
    place.all_are("Failover");
    place.apply("return");
    fails("web-01", "hold");
    place.run(&["apply", "evacuate", "--confirm", "evacuate", "--confirm-undo", "evacuate"]).ends(3);
    place.all_are("Ready");
}
