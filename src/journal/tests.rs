//! Tests of the store: what is damaged is found and never taken for absent, what a kill leaves behind is normal.

use super::active::Active;
use super::*;
use crate::base::Timestamp;
use crate::base::{Digest, ReplicaName};
use crate::plan::{NodeId, Plan};
use crate::run::Event;
use crate::run::sample::{act, done, plan};
use crate::run::{How, Outcome, Runner};
use std::collections::BTreeSet;
use std::path::Path;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn runner(person: &str) -> Runner {
    Runner { person: person.to_owned(), host: "here".to_owned(), version: "0".to_owned() }
}

fn small() -> Plan {
    plan(vec![act(0), act(1)], vec![done(0, 1)])
}

fn frozen(run: &str) -> Frozen {
    let documents = vec![("a.yaml".to_owned(), Digest::of(b"a"))];
    Frozen {
        format: 1,
        run: run.parse().unwrap(),
        plan: small(),
        setup: serde_json::json!({"k": 1}),
        documents,
        seal: None,
        sealed: None,
        confirmed: None,
        admission: None,
        before: None,
    }
}

fn events() -> Vec<(Timestamp, Event)> {
    let settled = |node| Event::Settled { node: NodeId(node), how: How::Performed, moved: None };
    let intended = |node| Event::Intended { node: NodeId(node), attempt: 1 };
    let all = [Event::Taken { runner: runner("ann") }, intended(0), settled(0), intended(1), settled(1)];
    (1..).map(at).zip(all).collect()
}

/// A folder with one run and all its records.
fn lab() -> (tempfile::TempDir, Runs, RunId) {
    let folder = tempfile::tempdir().unwrap();
    let runs = Runs::new(folder.path());
    let mut journal = runs.create(&frozen("r-1")).unwrap();
    for event in events() {
        journal.append(&[event]).unwrap();
    }
    (folder, runs, "r-1".parse().unwrap())
}

fn file(folder: &tempfile::TempDir) -> std::path::PathBuf {
    folder.path().join("runs/r-1/journal.jsonl")
}

fn read_events(found: &Found) -> Vec<(Timestamp, Event)> {
    found.records.iter().map(|r| (r.at, r.event.clone())).collect()
}

#[test]
fn what_was_written_is_read_back() {
    let (_folder, runs, run) = lab();
    let found = runs.read(&run).unwrap();
    assert_eq!(found.frozen, frozen("r-1"));
    assert_eq!(read_events(&found), events());
    assert!(!found.torn && found.records.iter().all(|r| r.token == 1));
    assert_eq!(runs.list().unwrap(), [run]);
}

#[test]
fn wherever_a_kill_cuts_the_file_the_whole_records_are_there_and_more_can_be_written() {
    let (folder, runs, run) = lab();
    let whole = std::fs::read(file(&folder)).unwrap();
    let ends: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] == b'\n').collect();
    // Each cut costs several writes to the disk: all of those near a record's end are made, and every seventh between.
    let near = |length: &usize| ends.iter().any(|end| end.abs_diff(*length) < 4);
    for length in (0..whole.len()).filter(|length| near(length) || length % 7 == 0) {
        std::fs::write(file(&folder), &whole[..length]).unwrap();
        let complete = whole[..length].iter().filter(|b| **b == b'\n').count();
        let (found, mut journal) = runs.open(&run).unwrap();
        assert_eq!(read_events(&found), events()[..complete]);
        assert_eq!(found.torn, length > 0 && whole[length - 1] != b'\n');
        journal.append(&[(at(9), Event::Taken { runner: runner("bob") })]).unwrap();
        let again = runs.read(&run).unwrap();
        assert_eq!((again.records.len(), again.torn), (complete + 1, false));
        let token = again.records.last().unwrap().token;
        assert_eq!(token, if complete > 0 { 2 } else { 1 }, "the token grows with every runner");
    }
}

#[test]
fn a_changed_byte_is_found_and_nothing_is_taken_for_absent() {
    let (folder, runs, run) = lab();
    let whole = std::fs::read(file(&folder)).unwrap();
    // The very last byte is the end of the last record; without it that record is torn.
    for position in 0..whole.len() - 1 {
        let mut bytes = whole.clone();
        bytes[position] ^= 1 << (position % 8);
        std::fs::write(file(&folder), &bytes).unwrap();
        let line = u64::try_from(bytes[..position].iter().filter(|b| **b == b'\n').count()).unwrap() + 1;
        match runs.read(&run) {
            Err(JournalError::Damaged { record, .. }) => assert_eq!(record, line, "byte {position}"),
            other => panic!("byte {position}: {:?}", other.map(|f| f.records.len())),
        }
    }
}

#[test]
fn a_record_that_is_missing_doubled_or_of_another_run_is_damage_with_its_place() {
    let (folder, runs, run) = lab();
    let text = std::fs::read_to_string(file(&folder)).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let damaged = |lines: &[&str]| {
        std::fs::write(file(&folder), lines.concat()).unwrap();
        match runs.read(&run) {
            Err(JournalError::Damaged { record, .. }) => record,
            other => panic!("{:?}", other.map(|f| f.records.len())),
        }
    };
    assert_eq!(damaged(&[lines[0], lines[2]]), 2);
    assert_eq!(damaged(&[lines[0], lines[0]]), 2);
    assert_eq!(damaged(&[lines[1]]), 1);
    assert_eq!(damaged(&[lines[0], "\n", lines[1]]), 2);
    // A forger who writes a record with a digest of its own still has to forge all that follow, and the plan before it.
    let other =
        Record { v: 1, seq: 1, at: at(1), token: 1, prev: Digest::of(b""), event: events()[0].1.clone() };
    assert_eq!(damaged(&[&other.line().unwrap().0]), 1);
}

#[test]
fn an_older_runners_record_and_an_impossible_one_are_damage() {
    let (folder, runs, run) = lab();
    let text = std::fs::read_to_string(file(&folder)).unwrap();
    let tip = Record::read(text.lines().last().unwrap(), 5, Digest::of(b"")).unwrap_err();
    assert_eq!(tip, record::Bad::Chain);
    let mut prev = Digest::of(&std::fs::read(folder.path().join("runs/r-1/run.json")).unwrap());
    for (seq, line) in (1..).zip(text.lines()) {
        prev = Record::read(line, seq, prev).unwrap().1;
    }
    let again = Event::Settled { node: NodeId(1), how: How::Performed, moved: None };
    for (token, event) in [(0, Event::Taken { runner: runner("old") }), (1, again)] {
        let (line, _) = Record { v: 1, seq: 6, at: at(9), token, prev, event }.line().unwrap();
        std::fs::write(file(&folder), format!("{text}{line}")).unwrap();
        assert!(matches!(runs.read(&run), Err(JournalError::Damaged { record: 6, .. })), "token {token}");
    }
}

#[test]
fn a_format_of_tomorrow_is_refused_by_its_number() {
    let (folder, runs, run) = lab();
    let prev = Digest::of(&std::fs::read(folder.path().join("runs/r-1/run.json")).unwrap());
    let event = events()[0].1.clone();
    let (line, _) = Record { v: 2, seq: 1, at: at(1), token: 1, prev, event }.line().unwrap();
    std::fs::write(file(&folder), line).unwrap();
    assert!(matches!(runs.read(&run), Err(JournalError::Version { found: 2, known: 1, .. })));
    let plan = folder.path().join("runs/r-1/run.json");
    let text = std::fs::read_to_string(&plan).unwrap().replace("\"format\":1", "\"format\":9");
    std::fs::write(&plan, text).unwrap();
    assert!(matches!(runs.read(&run), Err(JournalError::Version { found: 9, .. })));
}

#[test]
fn an_edited_plan_and_a_missing_journal_are_errors_and_an_unknown_run_is_one_of_its_own() {
    let (folder, runs, run) = lab();
    let path = folder.path().join("runs/r-1/run.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"k\":1", "\"k\":2")).unwrap();
    assert!(matches!(runs.read(&run), Err(JournalError::Damaged { record: 1, .. })));
    std::fs::write(&path, text.replace("\"r-1\"", "\"r-2\"")).unwrap();
    assert!(matches!(runs.read(&run), Err(JournalError::Damaged { record: 0, .. })));
    std::fs::write(&path, &text).unwrap();
    std::fs::remove_file(file(&folder)).unwrap();
    assert!(matches!(runs.read(&run), Err(JournalError::Damaged { record: 0, .. })));
    assert!(matches!(runs.read(&"r-7".parse().unwrap()), Err(JournalError::Unknown(_))));
}

#[test]
fn a_name_is_given_once_and_a_folder_without_a_plan_is_no_run() {
    let (folder, runs, run) = lab();
    assert!(matches!(runs.create(&frozen("r-1")), Err(JournalError::Io { .. })));
    std::fs::create_dir(folder.path().join("runs/r-0")).unwrap();
    assert_eq!(runs.list().unwrap(), std::slice::from_ref(&run));
    let free = |run: &str| !runs.is_taken(&run.parse().unwrap());
    assert!(!free("r-1") && !free("r-0") && free("r-2"), "what a kill left behind has the name as well");
}

fn claim(run: &str, replicas: &[&str]) -> Claim {
    let replicas: BTreeSet<ReplicaName> = replicas.iter().map(|r| r.parse().unwrap()).collect();
    let (purpose, runner) = ("test".to_owned(), runner("ann"));
    Claim { run: run.parse().unwrap(), purpose, replicas, copies: false, runner, process: 1, since: at(0) }
}

fn create(folder: &Path, run: &str) {
    Runs::new(folder).create(&frozen(run)).unwrap();
}

#[test]
fn replicas_that_a_living_runner_holds_are_refused_and_others_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path();
    let first = Active::claim(own, &claim("a", &["r0", "r1"]), Way::Plain).unwrap();
    create(own, "a");
    let refused = Active::claim(own, &claim("b", &["r1", "r2"]), Way::Plain);
    assert!(
        matches!(refused, Err(Refusal::Held { shared, holder }) if shared.as_str() == "r1" && holder.run.as_str() == "a")
    );
    let again = Active::claim(own, &claim("a", &["r0", "r1"]), Way::Plain);
    assert!(matches!(again, Err(Refusal::Held { .. })), "one runner a run");
    let beside = Active::claim(own, &claim("c", &["r2"]), Way::Plain).unwrap();
    assert_eq!(Active::all(own).unwrap().len(), 2);
    Box::new(beside).release().unwrap();
    Box::new(first).release().unwrap();
    assert!(Active::all(own).unwrap().is_empty());
    Active::claim(own, &claim("b", &["r1", "r2"]), Way::Plain).unwrap();
}

#[test]
fn what_a_dead_runner_left_is_unfinished_until_it_is_taken_up_or_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path();
    drop(Active::claim(own, &claim("a", &["r0", "r1"]), Way::Plain).unwrap());
    create(own, "a");
    let refused = Active::claim(own, &claim("b", &["r1"]), Way::Plain);
    assert!(matches!(refused, Err(Refusal::Unfinished { earlier, .. }) if earlier.run.as_str() == "a"));
    assert_eq!(Active::all(own).unwrap(), [(claim("a", &["r0", "r1"]), false)]);
    drop(Active::claim(own, &claim("a", &["r0", "r1"]), Way::Plain).unwrap());
    Active::forget(own, &"a".parse().unwrap()).unwrap();
    Active::claim(own, &claim("b", &["r1"]), Way::Plain).unwrap();
}

#[test]
fn a_claim_whose_run_never_began_is_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path();
    let living = Active::claim(own, &claim("a", &["r0"]), Way::Plain).unwrap();
    assert!(matches!(Active::claim(own, &claim("b", &["r0"]), Way::Plain), Err(Refusal::Held { .. })));
    drop(living);
    Active::claim(own, &claim("b", &["r0"]), Way::Plain).unwrap();
}

#[test]
fn a_runner_killed_after_the_end_of_its_run_leaves_nothing_unfinished() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path();
    drop(Active::claim(own, &claim("a", &["r0"]), Way::Plain).unwrap());
    let mut journal = Runs::new(own).create(&frozen("a")).unwrap();
    let ended = |outcome| (at(9), Event::Ended { outcome });
    journal.append(&[ended(Outcome::Failed)]).unwrap();
    assert!(matches!(Active::claim(own, &claim("b", &["r0"]), Way::Plain), Err(Refusal::Unfinished { .. })));
    journal.append(&[ended(Outcome::Completed)]).unwrap();
    Active::claim(own, &claim("b", &["r0"]), Way::Plain).unwrap();
    assert_eq!(Active::all(own).unwrap(), []);
}

#[test]
fn a_claim_that_a_kill_garbled_is_told_by_its_run_and_never_taken_for_absent() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path();
    drop(Active::claim(own, &claim("a", &["r0", "r1"]), Way::Plain).unwrap());
    create(own, "a");
    let path = own.join("active/a.json");
    let text = std::fs::read_to_string(&path).unwrap();
    for garbled in ["", "{", &format!("{text}{{\"rest\":"), &text[..text.len() / 2]] {
        std::fs::write(&path, garbled).unwrap();
        let refused = Active::claim(own, &claim("b", &["r1"]), Way::Plain);
        assert!(matches!(refused, Err(Refusal::Unfinished { .. })), "{garbled}");
    }
    std::fs::write(&path, "{").unwrap();
    std::fs::write(own.join("runs/a/run.json"), "{").unwrap();
    let refused = Active::claim(own, &claim("b", &["r1"]), Way::Plain);
    assert!(
        matches!(refused, Err(Refusal::Store(JournalError::Damaged { .. }))),
        "nobody knows what it holds"
    );
}

#[test]
fn of_many_who_claim_at_once_one_gets_it_and_looking_disturbs_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path();
    let barrier = std::sync::Barrier::new(9);
    let names: Vec<String> = (0..8).map(|n| format!("run-{n}")).collect();
    let won: Vec<Active> = std::thread::scope(|scope| {
        let look = scope.spawn(|| {
            barrier.wait();
            for _ in 0..50 {
                Active::all(own).unwrap();
            }
        });
        let claims: Vec<_> = names
            .iter()
            .map(|name| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    match Active::claim(own, &claim(name, &["r0"]), Way::Plain) {
                        Ok(active) => Some(active),
                        Err(Refusal::Held { .. }) => None,
                        Err(other) => panic!("{other}"),
                    }
                })
            })
            .collect();
        look.join().unwrap();
        claims.into_iter().filter_map(|c| c.join().unwrap()).collect()
    });
    assert_eq!(won.len(), 1);
}

#[test]
fn a_claim_and_a_word_of_tomorrow_are_neither_absent_nor_misread() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path();
    drop(Active::claim(own, &claim("a", &["r0"]), Way::Plain).unwrap());
    create(own, "a");
    let path = own.join("active/a.json");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("{\"format\":1,"), "{text}");
    std::fs::write(&path, text.replacen("{\"format\":1,", "{", 1)).unwrap();
    assert_eq!(Active::all(own).unwrap().len(), 1, "the first ones had no number");
    std::fs::write(&path, text.replacen("\"format\":1", "\"format\":2", 1)).unwrap();
    let version =
        |error| matches!(error, JournalError::Version { found: 2, known: 1, path: at } if at == path);
    assert!(version(Active::all(own).unwrap_err()));
    match Active::claim(own, &claim("b", &["r0"]), Way::Plain) {
        Err(Refusal::Store(error)) => assert!(version(error)),
        other => panic!("{other:?}"),
    }
    let (runs, run) = (Local::new(own), "a".parse().unwrap());
    let wish = crate::run::Wish { person: "bob".to_owned(), host: "there".to_owned(), because: None };
    runs.ask_to_stop(&run, &wish).unwrap();
    assert_eq!(runs.asked_to_stop(&run), Some(wish));
    for text in ["{\"format\":2}", "{", ""] {
        std::fs::write(own.join("runs/a/stop.json"), text).unwrap();
        assert_eq!(runs.asked_to_stop(&run), Some(crate::run::Wish::untold()), "somebody left it");
    }
}

#[test]
fn of_many_answers_at_once_one_counts_and_the_others_are_told_so() {
    let (folder, runs, run) = lab();
    let barrier = std::sync::Barrier::new(8);
    let left: Vec<u8> = std::thread::scope(|scope| {
        let one = |n: u8| {
            let (runs, run, barrier) = (&runs, &run, &barrier);
            scope.spawn(move || {
                barrier.wait();
                runs.leave_first_word(run, Topic::Answer(NodeId(1)), &[n]).unwrap().then_some(n)
            })
        };
        let all: Vec<_> = (0..8).map(one).collect();
        all.into_iter().filter_map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(left.len(), 1);
    assert_eq!(runs.word(&run, Topic::Answer(NodeId(1))), Some(left));
    let beside = std::fs::read_dir(file(&folder).parent().unwrap()).unwrap().count();
    assert_eq!(beside, 3, "the run, its journal, the answer");
}
