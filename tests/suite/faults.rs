//! What a run meets when things are broken: a disk that is full where it matters most, a folder that can only be read, what cannot be read any
//! more, and what a later version wrote.

use crate::program::{Place, Said};
use std::path::PathBuf;

const APPLY: [&str; 4] = ["apply", "failover-web", "--confirm", "failover-web"];

/// The one run of a place, and its folder.
fn run(place: &Place) -> (String, PathBuf) {
    let folder = place.path().join(".lifeboat/runs").read_dir().unwrap().next().unwrap().unwrap().path();
    (folder.file_name().unwrap().to_str().unwrap().to_owned(), folder)
}

/// A failover that failed where its replica was to be started, and could go on.
fn failed() -> (Place, String, PathBuf) {
    let place = Place::example("single");
    place.run(&["sim", "fault", "fails", "--action", "power-on", "--replica", "web"]).ends(0);
    place.run(&APPLY).ends(3);
    place.run(&["sim", "heal"]).ends(0);
    let (run, folder) = run(&place);
    (place, run, folder)
}

fn once(place: &Place) {
    let asked = place.asked();
    let distinct: std::collections::BTreeSet<&String> = asked.iter().collect();
    assert_eq!(distinct.len(), asked.len(), "something was asked for twice");
}

/// All files of the workspace's own folder with what is in them.
fn files(place: &Place) -> Vec<(PathBuf, Vec<u8>)> {
    let (mut folders, mut found) = (vec![place.path().join(".lifeboat")], Vec::new());
    while let Some(folder) = folders.pop() {
        for path in folder.read_dir().unwrap().map(|e| e.unwrap().path()) {
            if path.is_dir() {
                folders.push(path)
            } else {
                found.push((path.clone(), std::fs::read(path).unwrap()))
            }
        }
    }
    found.sort();
    found
}

#[track_caller]
fn unwritable(said: Said) {
    let said = said.ends(74);
    assert!(said.err.contains("[LB0808]"), "{}", said.err);
}

#[test]
fn a_disk_that_is_full_when_replicas_are_claimed_begins_nothing() {
    let place = Place::example("single");
    place.run(&["status"]).ends(0);
    place.run(&["sim", "advance", "1s"]).ends(0);
    let full = place.with_file_limit(0, &APPLY);
    assert!(full.err.contains("active/") && full.err.contains("make room there"), "{}", full.err);
    assert!(!full.err.contains("resume"), "nothing was begun that could go on: {}", full.err);
    unwritable(full);
    assert_eq!(place.run(&["lock"]).ends(0).out, "No run holds a replica.\n");
    assert_eq!(place.run(&["history"]).ends(0).out, "There has been no run.\n");
    place.run(&APPLY).ends(0);
    place.all_are("Failover");
    once(&place);
}

#[test]
fn a_disk_that_is_full_at_the_last_records_leaves_a_run_that_can_go_on() {
    let whole = Place::example("single");
    whole.apply("failover-web");
    let whole = run(&whole).1.join("journal.jsonl").metadata().unwrap().len();
    // The limit is counted in half KiB. The name of the person, which stands in the first record, has the last one begin just before it.
    let longer = usize::try_from(512 - whole % 512 + 100).unwrap();
    let limit = u32::try_from((whole + 512 - whole % 512) / 512).unwrap();
    for (limit, person, last) in
        [(limit, format!("tester{}", "x".repeat(longer)), true), (limit - 1, "tester".to_owned(), false)]
    {
        let place = Place::example("single");
        let full = place.with_half_kib(limit, &person, &APPLY);
        let (run, folder) = run(&place);
        let text = std::fs::read_to_string(folder.join("journal.jsonl")).unwrap();
        assert!(text.ends_with('\n') && !text.contains("\"ended\""), "{text}");
        let open = 8 - text.matches("\"settled\"").count() - text.matches("\"met\"").count();
        assert!(!last || open == 0, "{open} are open: {text}");
        assert!(full.err.contains("journal.jsonl"), "{}", full.err);
        assert!(full.err.contains(&format!("`lifeboat resume {run}`")), "{}", full.err);
        unwritable(full);
        place.run(&["resume"]).ends(0);
        place.all_are("Failover");
        once(&place);
    }
}

#[test]
fn a_word_to_stop_that_finds_no_room_is_not_left_in_part() {
    let place = Place::example("shop");
    let child = place.start(&["apply", "evacuate-shop", "--confirm", "evacuate-shop"]);
    let run = crate::stop::under_way(&place);
    let full = place.with_file_limit(0, &["stop", &run]);
    assert!(full.err.contains("stop.json"), "{}", full.err);
    unwritable(full);
    let left = place.path().join(".lifeboat/runs").join(&run);
    let left: Vec<_> = left.read_dir().unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("stop")), "{left:?}");
    crate::program::said(child.wait_with_output().unwrap()).ends(0);
    place.all_are("Failover");
}

#[test]
fn where_nothing_can_be_written_looking_works_and_nothing_is_begun() {
    let (place, run, _) = failed();
    let before = files(&place);
    if place.read_only(&["--version"]).is_none() {
        eprintln!("skipped: this machine lets nobody make a folder that can only be read");
        return;
    }
    let read_only = |words: &[&str]| place.read_only(words).unwrap();
    for words in [
        &["status"][..],
        &["plan", "undo-web"],
        &["history"],
        &["report", &run],
        &["lock"],
        &["show"],
        &["validate"],
    ] {
        let there = read_only(words).ends(0);
        assert_eq!(there.out, place.run(words).ends(0).out, "{words:?}");
    }
    let confirm = format!("abort-{run}");
    let shown = read_only(&["abort", &run]).ends(9);
    assert!(shown.err.contains("Way back of run"), "{}", shown.err);
    for words in [
        &["resume"][..],
        &["resume", &run],
        &["abort", &run, "--confirm", &confirm],
        &["abort", &run, "--close", "--because", "x"],
        &["settle", &run, "web/failover/power-on", "done", "--because", "x"],
        &["takeover", &run],
    ] {
        let said = read_only(words);
        assert!(said.err.contains("Read-only file system") && !said.err.contains("resume"), "{}", said.err);
        assert!(said.err.contains("looking (`status`"), "{words:?}: {}", said.err);
        unwritable(said);
    }
    // Nobody carries it on, so there is nobody to leave word for.
    read_only(&["stop", &run]).ends(1);
    assert_eq!(files(&place), before);
    place.run(&["resume"]).ends(0);
    let fresh = Place::example("single");
    unwritable(fresh.read_only(&APPLY).unwrap());
    assert!(!fresh.path().join(".lifeboat").exists());
}

#[test]
fn a_runs_word_is_left_only_where_it_can_be_written() {
    let place = Place::example("shop");
    let child = place.start(&["apply", "evacuate-shop", "--confirm", "evacuate-shop"]);
    let run = crate::stop::under_way(&place);
    if let Some(said) = place.read_only(&["stop", &run]) {
        unwritable(said);
    }
    crate::program::said(child.wait_with_output().unwrap()).ends(0);
}

#[test]
fn a_claim_that_tells_nothing_is_told_by_its_run() {
    let (place, run, _) = failed();
    let claim = place.path().join(format!(".lifeboat/active/{run}.json"));
    for garbled in ["", "{\"run\":", "no claim"] {
        std::fs::write(&claim, garbled).unwrap();
        let locks = place.run(&["lock"]).ends(0);
        assert!(locks.out.contains(&format!("Nobody carries {run} on")), "{}", locks.out);
        place.run(&APPLY).ends(7);
    }
    place.run(&["resume"]).ends(0);
    place.all_are("Failover");
}

#[test]
fn what_a_later_version_wrote_is_refused_by_its_number_and_left_as_it_is() {
    let (place, run, folder) = failed();
    let claim = place.path().join(format!(".lifeboat/active/{run}.json"));
    for (path, from, to) in [
        (claim, "{\"format\":1,", "{\"format\":2,"),
        (folder.join("run.json"), "\"format\":1,", "\"format\":2,"),
    ] {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let before = files(&place);
        for words in [
            &["resume", run.as_str()][..],
            &["abort", &run, "--close", "--because", "x"],
            &["takeover", &run],
        ] {
            let said = place.run(words).ends(74);
            assert!(
                said.err.contains("has format 2, and this version of Lifeboat knows 1"),
                "{words:?}: {}",
                said.err
            );
            assert!(
                said.err.contains("[LB0804]")
                    && said.err.contains(path.file_name().unwrap().to_str().unwrap()),
                "{}",
                said.err
            );
        }
        assert_ne!(place.run(&APPLY).code, 0);
        assert_eq!(files(&place), before);
        std::fs::write(&path, text).unwrap();
    }
    place.run(&["resume"]).ends(0);
}

#[test]
fn a_record_and_a_sealed_plan_of_a_later_version_are_refused_by_their_number() {
    let (place, run, folder) = failed();
    let journal = folder.join("journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    // A record's own digest covers its number, so a later one is written as that version would.
    let (line, rest) = text.split_once('\n').unwrap();
    let body = format!("{}}}", line.rsplit_once(",\"sum\"").unwrap().0).replacen("{\"v\":1,", "{\"v\":2,", 1);
    let sum = lifeboat::base::Digest::of(body.as_bytes());
    let line = format!("{},\"sum\":\"{sum}\"}}", body.strip_suffix('}').unwrap());
    std::fs::write(&journal, format!("{line}\n{rest}")).unwrap();
    for words in [&["report", run.as_str()][..], &["resume", &run]] {
        let said = place.run(words).ends(74);
        assert!(said.err.contains("[LB0804]") && said.err.contains("format 2"), "{}", said.err);
    }
    std::fs::write(&journal, text).unwrap();
    let other = Place::example("single");
    other.run(&["plan", "failover-web", "--out", "plan.json"]).ends(0);
    other.edit("plan.json", "{\"lifeboatPlan\":1,", "{\"lifeboatPlan\":2,");
    let said = other.run(&["apply", "plan.json", "--confirm", "failover-web", "--format", "json"]).ends(1);
    assert_eq!(said.codes(), ["LB0704"]);
}

#[test]
fn a_word_to_stop_that_tells_nothing_stops_the_run_all_the_same() {
    let place = Place::example("shop");
    let child = place.start(&["apply", "evacuate-shop", "--confirm", "evacuate-shop"]);
    let run = crate::stop::under_way(&place);
    std::fs::write(place.path().join(format!(".lifeboat/runs/{run}/stop.json")), "{\"format\":7}").unwrap();
    let said = crate::program::said(child.wait_with_output().unwrap()).ends(4);
    assert!(said.err.contains("the word that was left tells no more"), "{}", said.err);
    place.run(&["resume"]).ends(0);
    place.all_are("Failover");
}
