//! What a run meets that is not in any plan: a disk that fills up, and time that goes otherwise than predicted.

use crate::program::Place;
use std::collections::BTreeSet;

/// A file-size limit is the one full disk that a test can have without being root: writing beyond it fails as on a full disk.
#[test]
fn a_disk_that_fills_up_stops_the_run_and_nothing_is_lost_or_done_twice() {
    let mut stopped = 0;
    for kib in [1, 8, 24, 26, 28, 32] {
        let place = Place::example("shop");
        place.edit("sites.yaml", "clock: { speed: 40 }", "clock: virtual");
        let full =
            place.with_file_limit(kib, &["apply", "evacuate-shop", "--confirm", "evacuate-shop"]).ends(74);
        assert!(full.err.contains("[LB0808]"), "{}", full.err);
        let begun = place
            .path()
            .join(".lifeboat/runs")
            .read_dir()
            .is_ok_and(|mut runs| runs.any(|run| run.is_ok_and(|r| r.path().join("run.json").exists())));
        if begun {
            stopped += 1;
            place.run(&["resume", "latest"]).ends(0);
        } else {
            place.apply("evacuate-shop");
        }
        place.all_are("Failover");
        let asked = place.asked();
        let once: BTreeSet<&String> = asked.iter().collect();
        assert_eq!(once.len(), asked.len(), "{kib} KiB: something was asked for twice");
    }
    assert!(stopped >= 3, "these limits are meant to fall into the run: {stopped}");
}

#[test]
fn a_run_takes_as_long_as_predicted_also_where_everything_is_copied() {
    let place = Place::example("single");
    place.edit("lifeboat.yaml", "points: 3", "points: 0");
    for took in ["1m22s", "22s"] {
        place.run(&["replicate", "web"]).ends(0);
        let report = place.run(&["report", "latest", "--format", "json"]).ends(0);
        let json: serde_json::Value = serde_json::from_str(&report.out).unwrap();
        assert_eq!((&json["predicted"], &json["took"]), (&took.into(), &took.into()));
    }
}

#[test]
fn a_sealed_plan_is_judged_by_what_it_would_lose_now() {
    let place = Place::example("single");
    place.write(
        "policy.yaml",
        "apiVersion: lifeboat/v1\nkind: Policy\nmetadata: { name: p }\nspec: { because: promised, maxLoss: 1h }\n",
    );
    place.run(&["plan", "failover-web", "--out", "sealed.json"]).ends(0);
    place.run(&["sim", "advance", "30m"]).ends(0);
    let early = place.run(&["apply", "sealed.json"]).ends(9);
    assert!(early.err.contains("37m30s"), "what is shown is what is lost now: {}", early.err);
    place.run(&["sim", "advance", "10h"]).ends(0);
    let late = place.run(&["apply", "sealed.json", "--confirm", "failover-web", "--format", "json"]).ends(9);
    assert_eq!(late.codes(), ["LB0602"]);
    place.all_are("Ready");
}

/// Somebody at the production site starts the source again, beside its replica, which serves on the same network.
#[test]
fn a_source_that_comes_back_beside_its_replica_is_seen() {
    let place = Place::example("single");
    place.edit("lifeboat.yaml", "to: dr-lan", "to: prod-lan");
    place.apply("move-web");
    let quiet = place.run(&["status"]).ends(0);
    assert!(!quiet.out.contains("beside the replica"), "{}", quiet.out);
    place.run(&["sim", "power", "production/web", "on"]).ends(0);
    let said = place.run(&["status"]).ends(0);
    let line = "web: another machine of it runs beside the replica on network prod-lan";
    assert!(said.out.contains(line) && said.out.contains("1 served by two machines"), "{}", said.out);
    let json = place.run(&["status", "--format", "json"]).ends(0);
    assert!(json.out.contains("\"bothServeOn\": \"prod-lan\""), "{}", json.out);
    // Where the document says why, it is nothing to point at.
    place.edit("lifeboat.yaml", "  objectives:", "  bothMayRun: { because: a drill }\n  objectives:");
    let allowed = place.run(&["status"]).ends(0);
    assert!(!allowed.out.contains("beside the replica"), "{}", allowed.out);
}
