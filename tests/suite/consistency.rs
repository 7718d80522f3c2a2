//! Consistency groups as a user meets them: one cut for all, what it costs each, and what is refused.

use crate::program::{Place, Said};

fn plan(place: &Place, name: &str, code: i32) -> Said {
    place.run(&["plan", name]).ends(code)
}

#[test]
fn a_group_goes_back_to_its_newest_common_cut_and_each_sees_what_it_gives_up() {
    let place = Place::example("consistent");
    let status = place.run(&["status"]).ends(0);
    let line =
        "  = shop-data of shop: newest cut as of 2025-12-31T23:52:30Z, 7m30s old, 0 s apart of 1m allowed\n";
    assert!(status.out.contains(line), "{}", status.out);
    let json: serde_json::Value =
        serde_json::from_str(&place.run(&["status", "--format", "json"]).ends(0).out).unwrap();
    let group = &json["consistency"][0];
    assert_eq!(
        (&group["group"], &group["cut"][1]["point"]),
        (&"shop-data".into(), &"p20251231T235230Z".into())
    );
    let said = plan(&place, "disaster-shop", 0);
    for line in [
        "  cut of shop-data (2 replicas): as of 2025-12-31T23:52:30Z, 0 s apart of 1m allowed\n",
        "    db-01     p20251231T235230Z: gives up 7m30s, with its newest point\n",
        "    files-01  p20251231T235230Z: gives up 7m30s; the newest alone would be 2m30s\n",
    ] {
        assert!(said.out.contains(line), "{line}\n{}", said.out);
    }
    let at = plan(&place, "back-in-time", 0);
    assert!(
        at.out.contains("cut of shop-data (2 replicas): as of 2025-12-31T23:37:30Z, 0 s apart"),
        "{}",
        at.out
    );
    place.apply("disaster-shop");
    place.all_are("Failover");
    let report = place.run(&["report", "latest"]).ends(0);
    assert!(report.out.contains("Common cuts\n  cut of shop-data"), "{}", report.out);
    let serves = place.run(&["status", "files-01"]).ends(0);
    assert!(serves.out.contains("newest cut as of 2025-12-31T23:52:30Z"), "{}", serves.out);
    let row = serves.out.lines().find(|l| l.contains("in use")).unwrap();
    assert!(row.contains("p20251231T235230Z"), "{}", serves.out);
}

#[test]
fn a_mixed_cut_is_refused_whoever_asks_for_it() {
    let place = Place::example("consistent");
    for (args, who, other) in [
        (&["plan", "files-alone"][..], "files-01", "db-01"),
        (&["plan", "disaster-shop", "--without", "files-01"], "db-01", "files-01"),
    ] {
        let said = place.run(args).ends(1);
        let why = format!(
            "error[LB0514]: `{who}` would go back to a restore point, and of its consistency group `shop-data` `{other}` stays as it is"
        );
        assert!(said.err.contains(&why), "{args:?} {}", said.err);
    }
    // One member serves already from a point that the other one cannot come to.
    let text = std::fs::read_to_string(place.path().join("lifeboat.yaml")).unwrap();
    let (before, rest) = text.split_once("  consistency:\n").unwrap();
    let (_, after) = rest.split_once("  sequence:").unwrap();
    place.write("lifeboat.yaml", &format!("{before}  sequence:{after}"));
    place.apply("files-alone");
    place.write("lifeboat.yaml", &text);
    let said = plan(&place, "disaster-shop", 1);
    assert!(
        said.err.contains("error[LB0514]: the consistency group `shop-data` of `db-01` has no common cut"),
        "{}",
        said.err
    );
    let ends = "p20251231T235230Z of db-01 (2025-12-31T23:52:30Z) and p20251231T235730Z of files-01 (2025-12-31T23:57:30Z), 5m apart; 1m is allowed";
    assert!(said.err.contains(ends), "{}", said.err);
    let status = place.run(&["status"]).ends(0);
    assert!(
        status.out.contains("  ! shop-data of shop: no common cut within 1m; the nearest are 5m apart"),
        "{}",
        status.out
    );
    place.edit("lifeboat.yaml", "maxSkew: 1m ", "maxSkew: 5m ");
    let said = plan(&place, "disaster-shop", 0);
    assert!(
        said.out.contains("    files-01  p20251231T235730Z: serves from there already\n"),
        "{}",
        said.out
    );
    place.apply("disaster-shop");
    place.all_are("Failover");
}

#[test]
fn a_group_without_a_common_cut_is_refused_with_the_figures() {
    let place = Place::example("consistent");
    place.edit("lifeboat.yaml", "points: 6, every: 5m", "points: 6, every: 4m");
    place.edit("lifeboat.yaml", "maxSkew: 1m ", "maxSkew: 10s ");
    let said = plan(&place, "disaster-shop", 1);
    let why = "error[LB0515]: the consistency group `shop-data` of `db-01` has no common cut: the nearest that they come are \
               p20251231T233730Z of db-01 (2025-12-31T23:37:30Z) and p20251231T233800Z of files-01 (2025-12-31T23:38:00Z), 30 s apart; 10s is allowed";
    assert!(said.err.contains(why), "{}", said.err);
}

#[test]
fn a_planned_failover_loses_nothing_and_needs_no_cut() {
    let place = Place::example("consistent");
    let said = plan(&place, "evacuate-shop", 0);
    assert!(!said.out.contains("cut of"), "{}", said.out);
    place.apply("evacuate-shop");
    place.all_are("Failover");
    place.apply("undo-shop");
    place.all_are("Ready");
}

#[test]
fn who_replicates_one_member_replicates_all_of_them_at_once() {
    let place = Place::example("consistent");
    place.run(&["replicate", "files-01"]).ends(0);
    let status = place.run(&["status"]).ends(0);
    let group = status.out.lines().find(|l| l.contains("shop-data of shop")).unwrap();
    assert!(group.contains("as of 2026-01-01T00:0") && group.contains(" 0 s apart"), "{group}");
    let steps = place.run(&["report", "latest", "--steps"]).ends(0);
    let began = |step: &str| {
        let line = steps.out.lines().find(|l| l.contains(step)).unwrap();
        line.split_whitespace().find(|w| w.ends_with('Z') && w.len() == 9).unwrap().to_owned()
    };
    assert_eq!(began("db-01/replicate/create-point"), began("files-01/replicate/create-point"));
}

#[test]
fn a_group_that_cannot_be_meant_is_found() {
    for (old, new, says) in [
        ("names: [db-01, files-01]", "names: [db-01]", "the consistency group `shop-data` has `db-01` alone"),
        (
            "    - { replica: files-01, after: [{ replica: db-01 }] }\n",
            "",
            "the consistency group `shop-data` has `files-01`, which `shop` does not bring up",
        ),
    ] {
        let place = Place::example("consistent");
        place.edit("lifeboat.yaml", old, new);
        let said = place.run(&["validate"]).ends(1);
        assert!(said.err.contains("error[LB0318]") && said.err.contains(says), "{}", said.err);
    }
    let place = Place::example("consistent");
    let group = "    - name: shop-data\n      replicas: { names: [db-01, files-01] }\n";
    let twice =
        format!("    - {{ name: other, replicas: {{ names: [files-01, db-01] }}, maxSkew: 1m }}\n{group}");
    place.edit("lifeboat.yaml", group, &twice);
    let said = place.run(&["validate"]).ends(1);
    assert!(said.err.contains("`db-01` is in two consistency groups"), "{}", said.err);
}

#[test]
fn a_member_that_cannot_be_seen_keeps_the_others_from_a_mixed_cut() {
    let place = Place::example("consistent");
    place.run(&["sim", "fault", "silent", "recovery"]).ends(0);
    let said = plan(&place, "files-alone", 1);
    assert!(said.err.contains("LB0514") && said.err.contains("`db-01` cannot be seen"), "{}", said.err);
}

#[test]
fn who_went_with_all_that_it_had_or_for_good_binds_nobody() {
    let place = Place::example("consistent");
    let more = "\n---\napiVersion: lifeboat/v1\nkind: Runbook\nmetadata: { name: db-alone }\nspec:\n  desired: [{ replica: db-01, state: Failover, via: planned }]\n\
        ---\napiVersion: lifeboat/v1\nkind: Runbook\nmetadata: { name: db-for-good }\nspec:\n  desired: [{ replica: db-01, state: Permanent, irreversible: true }]\n";
    let text = std::fs::read_to_string(place.path().join("lifeboat.yaml")).unwrap();
    place.write("lifeboat.yaml", &(text + more));
    place.apply("db-alone");
    place.run(&["sim", "advance", "1h"]).ends(0);
    place.run(&["replicate", "files-01"]);
    let said = plan(&place, "files-alone", 0);
    assert!(said.out.contains("files-01") && !said.out.contains("apart of 1m"), "{}", said.out);
    place.apply("db-for-good");
    plan(&place, "files-alone", 0);
}
