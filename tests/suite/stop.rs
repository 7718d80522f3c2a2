//! A run is asked to stop: from elsewhere, and by its own deadline. It ends what is under way, and can be resumed.

use crate::program::{Place, Said, signal};
use std::process::Child;
use std::time::Duration;

fn run_of(place: &Place) -> Option<String> {
    let runs = std::fs::read_dir(place.path().join(".lifeboat/runs")).ok()?.flatten();
    runs.map(|r| r.file_name().to_string_lossy().into_owned()).max()
}

/// Waits until a run does something.
pub fn under_way(place: &Place) -> String {
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
        assert!(!said.err.contains("Runbook"), "it is said before anything is shown: {}", said.err);
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

/// A run whose steps take long: nothing that is under way ends by itself while a test looks.
fn slow() -> Place {
    let place = Place::example("shop");
    place.run(&["sim", "fault", "slow", "2h", "--action", "power-on"]).ends(0);
    place
}

const APPLY: [&str; 4] = ["apply", "evacuate-shop", "--confirm", "evacuate-shop"];

/// Waits until a word stands in the journal of the run.
fn recorded(place: &Place, word: &str) {
    for _ in 0..1000 {
        let journal =
            run_of(place).map(|run| place.path().join(".lifeboat/runs").join(run).join("journal.jsonl"));
        if journal.and_then(|path| std::fs::read_to_string(path).ok()).is_some_and(|text| text.contains(word))
        {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("`{word}` is never recorded");
}

/// Waits until the world was asked to start a machine, which takes long.
fn powering_on(place: &Place) {
    for _ in 0..1000 {
        let log = std::fs::read_to_string(place.path().join(".lifeboat/sim/world.log")).unwrap_or_default();
        if log.contains("\"powerOn\"") {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("no machine is started");
}

/// Goes on to the end, and holds that nothing was done twice.
fn goes_on(place: &Place) {
    place.run(&["sim", "heal"]).ends(0);
    // What is under way there comes to its end.
    place.run(&["sim", "advance", "3h"]).ends(0);
    place.run(&["resume"]).ends(0);
    place.all_are("Failover");
    let asked = place.asked();
    let once: std::collections::BTreeSet<&String> = asked.iter().collect();
    assert_eq!(once.len(), asked.len(), "something was asked for twice");
}

#[test]
fn the_first_signal_says_what_the_second_one_does_and_the_second_one_ends_at_once() {
    let twice = |(first, second, code): (&str, &str, i32)| {
        let place = slow();
        let child = place.start(&[&APPLY[..], &["--grace", "10h"]].concat());
        powering_on(&place);
        signal(&child, first);
        recorded(&place, "\"stopping\"");
        signal(&child, second);
        let said = ended(child).ends(code);
        let told = "under way may take 10h to end; a second Ctrl-C ends at once";
        assert!(said.err.contains(told) && said.err.contains("nothing new starts"), "{}", said.err);
        goes_on(&place);
    };
    std::thread::scope(|scope| {
        for signals in [("INT", "INT", 130), ("TERM", "INT", 130), ("INT", "TERM", 143)] {
            scope.spawn(move || twice(signals));
        }
    });
}

#[test]
fn the_end_of_its_terminal_stops_a_run_in_order_however_often_it_is_told() {
    let place = Place::example("shop");
    let child = place.start(&APPLY);
    under_way(&place);
    signal(&child, "HUP");
    signal(&child, "HUP");
    recorded(&place, "\"stopping\"");
    signal(&child, "HUP");
    ended(child).ends(4);
    goes_on(&place);
}

#[test]
fn one_that_was_started_to_outlive_its_terminal_outlives_it() {
    let place = Place::example("shop");
    let child = place.start_deaf(&APPLY);
    under_way(&place);
    signal(&child, "HUP");
    ended(child).ends(0);
    place.all_are("Failover");
}

#[test]
fn what_is_under_way_has_as_long_as_was_said_and_is_in_doubt_then() {
    let place = slow();
    let child = place.start(&[&APPLY[..], &["--grace", "2s"]].concat());
    powering_on(&place);
    signal(&child, "TERM");
    let said = ended(child).ends(8);
    assert!(said.err.contains("the grace time is over"), "{}", said.err);
    goes_on(&place);
    for wrong in ["soon", "-1s", "2020-01-01T00:00:00Z"] {
        let said = place.run(&["resume", &format!("--grace={wrong}")]).ends(1);
        assert!(said.err.contains("the grace time: "), "{}", said.err);
    }
}
