//! A run is asked to stop: from elsewhere, and by its own deadline. It ends what is under way, and can be resumed.

use crate::program::{Place, Said};
use std::process::Child;
use std::time::Duration;

fn run_of(place: &Place) -> Option<String> {
    let runs = std::fs::read_dir(place.path().join(".lifeboat/runs")).ok()?.flatten();
    runs.map(|r| r.file_name().to_string_lossy().into_owned()).max()
}

/// Waits until a run does something.
fn under_way(place: &Place) -> String {
    for _ in 0..500 {
        let journal =
            run_of(place).map(|run| place.path().join(".lifeboat/runs").join(&run).join("journal.jsonl"));
        let text = journal.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
        if let (Some(run), true) = (run_of(place), text.contains("settled")) {
            return run;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("no run gets under way");
}

fn ended(child: Child) -> Said {
    crate::program::said(child.wait_with_output().unwrap())
}

#[test]
fn a_run_is_stopped_from_elsewhere_and_says_who_asked() {
    let place = Place::example("shop");
    let child = place.start(&["apply", "evacuate-shop", "--confirm", "evacuate-shop"]);
    let run = under_way(&place);
    let held = place.run(&["apply", "disaster-shop", "--confirm", "disaster-shop"]).ends(6);
    assert!(held.err.contains(&format!("`lifeboat stop {run}`")), "{}", held.err);
    let locks = place.run(&["lock"]).ends(0);
    let row = format!("  +  {run}  evacuate-shop  app-01 and 4 more  tester  ");
    assert!(locks.out.contains(&row) && locks.out.contains("5 replicas held by 1 run."), "{}", locks.out);
    let asked = place.run(&["stop", &run, "--because", "the wrong night"]).ends(0);
    assert!(asked.out.starts_with(&format!("Asked run {run} to stop")), "{}", asked.out);
    let said = ended(child).ends(4);
    let told = |text: &str| text.contains("as tester on ") && text.contains(" asked: the wrong night");
    assert!(told(&said.err), "{}", said.err);
    assert!(told(&place.run(&["report", &run]).ends(0).out));
    // Nobody carries it on now.
    let locks = place.run(&["lock"]).ends(0);
    assert!(
        locks.out.contains(&format!("Nobody carries {run} on. Next: lifeboat resume {run}")),
        "{}",
        locks.out
    );
    let json = place.run(&["stop", &run, "--format", "json"]).ends(1);
    assert_eq!(json.codes(), ["LB0806"]);
    // The word was for the runner before.
    place.run(&["resume"]).ends(0);
    place.all_are("Failover");
    assert_eq!(place.run(&["lock"]).ends(0).out, "No run holds a replica.\n");
    assert_eq!(place.run(&["stop", &run, "--format", "json"]).ends(1).codes(), ["LB0806"]);
    assert_eq!(place.run(&["stop", "no-run", "--format", "json"]).ends(1).codes(), ["LB0805"]);
}

#[test]
fn a_run_stops_at_its_deadline_and_goes_on_when_it_is_resumed() {
    let place = Place::example("shop");
    place.edit("sites.yaml", "clock: { speed: 40 }", "clock: virtual");
    let apply = ["apply", "evacuate-shop", "--confirm", "evacuate-shop", "--deadline"];
    for (wrong, words) in [
        ("soon", "is neither a time with a zone nor a length of time"),
        ("2020-01-01T00:00:00Z", "is past"),
        ("0s", "is past"),
    ] {
        let said = place.run(&[&apply[..], &[wrong]].concat()).ends(1);
        assert!(said.err.contains(words), "{}", said.err);
        assert_eq!(run_of(&place), None, "nothing was begun");
    }
    let said = place.run(&[&apply[..], &["30s"]].concat()).ends(4);
    assert!(said.err.contains("as its deadline is 2026-01-01T00:00:30Z"), "{}", said.err);
    let shown = place.run(&["status"]).ends(0);
    assert!(shown.out.contains("is not finished. Next: lifeboat resume"), "{}", shown.out);
    place.run(&["resume", "--deadline", "1s"]).ends(4);
    place.run(&["resume", "--deadline", "2h"]).ends(0);
    place.all_are("Failover");
}
