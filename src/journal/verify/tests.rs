//! Tests of the diagnosis: whatever is done to a journal is found, and said of the record that it was done to.

use super::*;
use crate::base::Timestamp;
use crate::plan::NodeId;
use crate::run::sample::{act, done, plan};
use crate::run::{Event, How, Outcome, Runner};
use proptest::prelude::*;

const RECORDS: usize = 12;

fn events() -> Vec<Event> {
    let settled = |node| Event::Settled { node: NodeId(node), how: How::Performed, moved: None };
    let intended = |node| Event::Intended { node: NodeId(node), attempt: 1 };
    let runner = Runner { person: "ann".to_owned(), host: "here".to_owned(), version: "0".to_owned() };
    let mut events = vec![Event::Taken { runner }];
    events.extend((0..5).flat_map(|n| [intended(n), settled(n)]));
    events.push(Event::Ended { outcome: Outcome::Completed });
    events
}

fn small() -> Plan {
    plan((0..5).map(act).collect(), (1..5).map(|n| done(n - 1, n)).collect())
}

fn line(seq: u64, prev: Digest, event: Event) -> (String, Digest) {
    let at = Timestamp::from_millis(i64::try_from(seq).unwrap() * 1000);
    Record { v: 1, seq, at, token: 1, prev, event }.line().unwrap()
}

/// The lines of a sound journal, and its end.
fn journal(root: &[u8], events: Vec<Event>) -> (Vec<String>, Tip) {
    let mut prev = Digest::of(root);
    let mut lines = Vec::new();
    for (seq, event) in (1..).zip(events) {
        let (text, sum) = line(seq, prev, event);
        prev = sum;
        lines.push(text);
    }
    let seq = u64::try_from(lines.len()).unwrap();
    (lines, Tip { format: 1, run: "r".parse().unwrap(), seq, tip: prev, over: true })
}

fn sound() -> (Vec<String>, Tip) {
    journal(b"plan", events())
}

fn examined(bytes: &[u8], tip: Option<&Tip>) -> Diagnosis {
    let raw = Raw {
        plan_at: "run.json".into(),
        plan: b"plan".to_vec(),
        journal_at: "journal.jsonl".into(),
        journal: bytes.to_vec(),
    };
    verify(&raw, Some(&small()), tip)
}

fn faults(lines: &[String]) -> Vec<String> {
    let (_, tip) = sound();
    let found = examined(lines.concat().as_bytes(), Some(&tip));
    found.faults.iter().map(ToString::to_string).collect()
}

/// The records that a fault is said of.
fn named(faults: &[Fault]) -> Vec<u64> {
    let of = |fault: &Fault| match fault {
        Fault::Changed { record, .. } => vec![*record],
        Fault::Removed { first, last, .. } => (*first..=*last).collect(),
        other => panic!("{other}"),
    };
    faults.iter().flat_map(of).collect()
}

#[test]
fn what_was_written_has_no_fault() {
    let (lines, tip) = sound();
    for tip in [None, Some(&tip)] {
        let found = examined(lines.concat().as_bytes(), tip);
        assert_eq!(found.faults, []);
        assert_eq!((found.records.len(), found.torn, found.unknown), (RECORDS, false, None));
        assert_eq!(found.ends.unwrap().1, sound().1.tip);
    }
    assert_eq!(examined(b"", None).faults, []);
}

#[test]
fn any_changed_byte_is_found_at_its_record() {
    let (lines, tip) = sound();
    let bytes = lines.concat().into_bytes();
    let mut seq = 1;
    for position in 0..bytes.len() {
        let (bit, tip) = (position % 8, Some(&tip).filter(|_| position % 3 == 0));
        let mut changed = bytes.clone();
        changed[position] ^= 1 << bit;
        let found = examined(&changed, tip);
        assert_eq!(named(&found.faults), [seq], "byte {position}, bit {bit}: {:?}", found.faults);
        // A record may be broken into two lines, and two of them made one.
        if position % 5 == 0 || bytes[position] == b'\n' {
            changed[position] = if bytes[position] == b'\n' { b' ' } else { b'\n' };
            assert_eq!(named(&examined(&changed, tip).faults), [seq], "byte {position}");
        }
        seq += u64::from(bytes[position] == b'\n');
    }
}

proptest! {
    #[test]
    fn removed_records_are_named(first in 1..=RECORDS, many in 1..4usize, other in 1..=RECORDS) {
        let (lines, tip) = sound();
        let last = (first + many - 1).min(RECORDS);
        let gone = |seq: usize| (first..=last).contains(&seq) || seq == other;
        let left: Vec<String> = (1..).zip(&lines).filter(|(seq, _)| !gone(*seq)).map(|(_, l)| l.clone()).collect();
        let found = examined(left.concat().as_bytes(), Some(&tip));
        let expected: Vec<u64> = (1..=RECORDS).filter(|s| gone(*s)).map(|s| u64::try_from(s).unwrap()).collect();
        prop_assert_eq!(named(&found.faults), expected);
        let all_removed = found.faults.iter().all(|f| matches!(f, Fault::Removed { .. }));
        prop_assert!(all_removed);
    }

    #[test]
    fn what_is_put_in_is_named_by_the_record_before_it(after in 0..=RECORDS, which in 1..=RECORDS, kind in 0..3) {
        let (mut lines, _) = sound();
        let (what, text) = match kind {
            0 => {
                let other = journal(b"another plan", events()).0;
                (Stranger::Record, other[which - 1].clone())
            }
            1 => (Stranger::Copy(u64::try_from(which).unwrap()), lines[which - 1].clone()),
            _ => (Stranger::NoRecord, "\n".to_owned()),
        };
        lines.insert(after, text);
        let (_, tip) = sound();
        let found = examined(lines.concat().as_bytes(), Some(&tip)).faults;
        let line = u64::try_from(after).unwrap() + 1;
        match (kind, found.as_slice()) {
            // Beside itself a copy cannot be told from what it was made of.
            (1, [Fault::Inserted { after: seq, what: found, .. }]) if after + 1 == which || after == which => {
                prop_assert_eq!(*seq, u64::try_from(which).unwrap());
                prop_assert_eq!(*found, what);
            }
            // A broken line at the end may be a record that was, and the end is known.
            (_, found) => {
                let expected = vec![Fault::Inserted { after: line - 1, line, last: line, what }];
                prop_assert_eq!(found.to_vec(), expected);
            }
        }
    }

    #[test]
    fn records_that_have_changed_places_are_named(one in 1..=RECORDS, other in 1..=RECORDS) {
        let (mut lines, _) = sound();
        lines.swap(one - 1, other - 1);
        let (first, second) = (one.min(other), one.max(other));
        let expected: Vec<String> = (first != second)
            .then(|| format!("records {first} and {second} have changed places"))
            .into_iter()
            .collect();
        prop_assert_eq!(faults(&lines), expected);
    }

    #[test]
    fn a_cut_is_normal_in_a_run_under_way_and_found_in_one_that_ended(length in 0..4000usize) {
        let (lines, tip) = sound();
        let text = lines.concat();
        let length = length.min(text.len());
        let bytes = &text.as_bytes()[..length];
        let whole = bytes.iter().filter(|b| **b == b'\n').count();
        let found = examined(bytes, None);
        prop_assert_eq!(&found.faults, &[]);
        prop_assert_eq!(found.torn, length > 0 && bytes[length - 1] != b'\n');
        let expected: Vec<u64> = (whole + 1..=RECORDS).map(|s| u64::try_from(s).unwrap()).collect();
        prop_assert_eq!(named(&examined(bytes, Some(&tip)).faults), expected);
    }

    #[test]
    fn no_bytes_at_all_make_it_stumble(bytes in prop::collection::vec(any::<u8>(), 0..300), at in any::<prop::sample::Index>()) {
        let (lines, tip) = sound();
        let mut whole = lines.concat().into_bytes();
        let at = at.index(whole.len());
        whole.splice(at..at, bytes.clone());
        let found = examined(&whole, Some(&tip));
        prop_assert!(bytes.is_empty() || !found.faults.is_empty());
        examined(&bytes, None);
    }
}

/// A record with other words and a digest that was made anew.
fn forged(lines: &[String], seq: u64, event: Event) -> String {
    let (_, prev) = lines[..usize::try_from(seq).unwrap() - 1].iter().fold(
        (String::new(), Digest::of(b"plan")),
        |_, text| {
            let sum = crate::journal::record::body(text.trim_end()).unwrap().1;
            (String::new(), sum)
        },
    );
    line(seq, prev, event).0
}

fn by_another() -> Event {
    let runner = Runner { person: "eve".to_owned(), host: "there".to_owned(), version: "0".to_owned() };
    Event::Taken { runner }
}

#[test]
fn a_record_whose_digest_was_made_anew_is_found_by_the_one_after_it_or_by_the_known_end() {
    for seq in 1..=u64::try_from(RECORDS).unwrap() {
        let (mut lines, _) = sound();
        let at = usize::try_from(seq).unwrap() - 1;
        lines[at] = forged(&lines, seq, by_another());
        assert_eq!(faults(&lines), [format!("record {seq} was changed after it was written")]);
        // One that names no record before it fits on neither side.
        lines[at] = line(seq, Digest::of(b"nothing"), by_another()).0;
        assert_eq!(faults(&lines), [format!("record {seq} was changed after it was written")]);
    }
}

#[test]
fn a_forger_who_goes_on_writing_is_found_by_the_known_end_alone() {
    let (lines, tip) = sound();
    let mut all = events();
    all[0] = by_another();
    let forged = journal(b"plan", all).0.concat();
    assert_eq!(examined(forged.as_bytes(), None).faults, []);
    assert_eq!(named(&examined(forged.as_bytes(), Some(&tip)).faults), [12]);
    // Where he stops, two records do not fit each other; the longer part is not the truth for being longer.
    let mixed = [
        &journal(b"plan", {
            let mut e = events();
            e[0] = by_another();
            e
        })
        .0[..3],
        &lines[3..],
    ]
    .concat();
    assert_eq!(faults(&mixed), ["record 3 was changed after it was written"]);
}

#[test]
fn where_nothing_tells_which_of_two_was_changed_both_are_named() {
    let (mut lines, _) = sound();
    lines.truncate(3);
    lines[2] = line(3, Digest::of(b"nothing"), by_another()).0;
    let found = examined(lines.concat().as_bytes(), None).faults;
    assert_eq!(found, [Fault::Apart { one: 2, line: 3 }]);
    let found = examined(line(1, Digest::of(b"nothing"), by_another()).0.as_bytes(), None).faults;
    assert_eq!(found, [Fault::Root { sure: false }]);
}

#[test]
fn several_faults_are_all_said_in_their_order() {
    let (lines, _) = sound();
    let mut broken = lines.clone();
    broken[1] = broken[1].replace("\"attempt\":1", "\"attempt\":2");
    broken.remove(5);
    broken.insert(8, lines[0].clone());
    broken.pop();
    let expected = [
        "record 2 was changed after it was written",
        "record 6 was removed",
        "a copy of record 1 was inserted after record 9",
        "record 12 was removed from the end",
    ];
    assert_eq!(faults(&broken), expected);
    let expected = [
        "record 3 was changed after it was written",
        "records 4 to 5 were removed",
        "records 10 to 12 were removed from the end",
    ];
    let third = lines[2].replacen("settled", "Settled", 1);
    assert_eq!(faults(&[&lines[..2], &[third], &lines[5..9]].concat()), expected);
    let moved = [&lines[..2], &lines[5..6], &lines[2..5], &lines[6..]].concat();
    assert_eq!(faults(&moved), ["record 6 is not in its place: it stands after record 2"]);
}

#[test]
fn a_journal_beside_another_plan_is_said_to_be_that() {
    let (lines, tip) = journal(b"another plan", events());
    let bytes = lines.concat();
    assert_eq!(examined(bytes.as_bytes(), Some(&tip)).faults, [Fault::Root { sure: true }]);
    // Without the first record, nobody knows which plan it was.
    let found = examined(lines[1..].concat().as_bytes(), Some(&tip)).faults;
    assert_eq!(named(&found), [1]);
}

#[test]
fn what_cannot_have_happened_is_a_fault_and_so_is_an_older_runner() {
    let mut all = events();
    all.insert(3, Event::Settled { node: NodeId(4), how: How::Performed, moved: None });
    let (lines, _) = journal(b"plan", all);
    let found = examined(lines.concat().as_bytes(), None).faults;
    assert!(matches!(found.as_slice(), [Fault::Impossible { record: 4, line: 4, .. }]), "{found:?}");
    let (mut lines, tip) = sound();
    let old =
        Record { v: 1, seq: 13, at: Timestamp::from_millis(0), token: 0, prev: tip.tip, event: by_another() };
    lines.push(old.line().unwrap().0);
    let found = examined(lines.concat().as_bytes(), Some(&tip)).faults;
    assert_eq!(found.len(), 2, "its token is older, and the run was over: {found:?}");
}

#[test]
fn a_record_of_tomorrow_is_not_called_damaged() {
    let (mut lines, tip) = sound();
    lines.truncate(2);
    let prev = crate::journal::record::body(lines[1].trim_end()).unwrap().1;
    let text = line(3, prev, by_another()).0.replace("\"taken\"", "\"teleported\"");
    let open = text.split(",\"sum\"").next().unwrap();
    let sum = Digest::of(format!("{open}}}").as_bytes());
    lines.push(format!("{open},\"sum\":\"{sum}\"}}\n"));
    let found = examined(lines.concat().as_bytes(), None).faults;
    assert_eq!(found, [Fault::Unread { record: 3, line: 3 }]);
    let (text, _) = Record {
        v: 2,
        seq: 1,
        at: Timestamp::from_millis(0),
        token: 1,
        prev: Digest::of(b"plan"),
        event: by_another(),
    }
    .line()
    .unwrap();
    assert_eq!(examined(text.as_bytes(), Some(&tip)).unknown, Some(2));
}
