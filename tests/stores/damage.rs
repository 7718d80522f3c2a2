//! A journal that somebody changed past the program: every command that reads it says so, and names the record.

use crate::estate::{Estate, ran, said};
use crate::faults::{begun, goes_on};
use crate::servers::Server;
use lifeboat::base::{RunId, Timestamp};
use lifeboat::journal::shared::etcd::Etcd;
use lifeboat::journal::shared::kv::{Kv, Write};
use lifeboat::journal::shared::postgres::Postgres;
use lifeboat::journal::{Access, Found, Place, Record, Store};
use lifeboat::run::{Event, StopWhy};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a run is kept, past the store that keeps it.
enum Bare {
    File(PathBuf),
    Values(Box<dyn Kv>),
}

struct Kept {
    bare: Bare,
    store: Arc<dyn Store>,
    run: RunId,
}

impl Kept {
    fn new(address: &str, run: &str) -> Self {
        let access = Access::default();
        let place: Place = address.parse().unwrap();
        let store = place.open(Path::new("."), &access).unwrap();
        let bare = match place {
            Place::Folder(folder) => Bare::File(folder.unwrap().join("runs").join(run)),
            Place::Postgres { url, .. } => Bare::Values(Box::new(Postgres::new(&url, &access).unwrap())),
            Place::Etcd { hosts, prefix, .. } => {
                Bare::Values(Box::new(Etcd::new(&hosts, &prefix, (None, false), &access).unwrap()))
            }
        };
        Self { bare, store, run: run.parse().unwrap() }
    }

    fn found(&self) -> Found {
        self.store.read(&self.run).unwrap()
    }

    fn key(&self, kind: &str) -> String {
        format!("{kind}/{}/", self.run)
    }

    /// Puts other records in the place of those that are there.
    fn put(&self, journal: &[u8]) {
        match &self.bare {
            Bare::File(folder) => std::fs::write(folder.join("journal.jsonl"), journal).unwrap(),
            Bare::Values(kv) => {
                let there = kv.range(&self.key("log")).unwrap();
                let gone: Vec<Write> = there.into_iter().map(|pair| Write::Delete(pair.key)).collect();
                kv.commit(&[], &gone).unwrap().unwrap();
                let all = Write::Put(format!("{}{:012}", self.key("log"), 1), journal.to_vec());
                kv.commit(&[], &[all]).unwrap().unwrap();
            }
        }
    }

    /// Changes the frozen plan, and puts it back by being asked again.
    fn turn_plan(&self) {
        match &self.bare {
            Bare::File(folder) => {
                let path = folder.join("run.json");
                let mut plan = std::fs::read(&path).unwrap();
                let at = plan.len() / 2;
                plan[at] ^= 1;
                std::fs::write(path, plan).unwrap();
            }
            Bare::Values(kv) => {
                let mut pair = kv.range(&self.key("plan")).unwrap().remove(0);
                let at = pair.value.len() / 2;
                pair.value[at] ^= 1;
                kv.commit(&[], &[Write::Put(pair.key, pair.value)]).unwrap().unwrap();
            }
        }
    }
}

/// Changes, and the record that is named for each.
fn damages(lines: &[Vec<u8>]) -> Vec<(&'static str, Vec<Vec<u8>>, usize)> {
    let changed = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut lines = lines.to_vec();
        change(&mut lines);
        lines
    };
    let count = lines.len();
    vec![
        ("a bit of the first", changed(&|l| l[0][30] ^= 1), 1),
        ("a bit of the second", changed(&|l| l[1][40] ^= 4), 2),
        ("a bit of the last", changed(&|l| l[count - 1][50] ^= 16), count),
        ("the first is gone", changed(&|l| drop(l.remove(0))), 1),
        ("the second is gone", changed(&|l| drop(l.remove(1))), 2),
        ("one is there twice", changed(&|l| l.insert(2, l[1].clone())), 3),
        ("one more at the end", changed(&|l| l.push(l[1].clone())), count + 1),
        ("two have changed places", changed(&|l| l.swap(1, 2)), 2),
    ]
}

pub fn found(server: &mut dyn Server) {
    let mut begun = begun(server, 6, "");
    begun.child.kill().unwrap();
    begun.child.wait().unwrap();
    let run = begun.run();
    let kept = Kept::new(&begun.store, &run);
    let before = kept.found();
    let whole = kept.store.raw(&kept.run).unwrap().journal;
    let lines: Vec<Vec<u8>> = whole.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
    assert!(lines.len() >= 4, "{}", lines.len());
    verifies(&begun.estate, &begun.store, &run, (0, std::slice::from_ref(&run)), "nothing changed");
    let mut all = damages(&lines);
    let elsewhere = matches!(kept.bare, Bare::Values(_));
    if elsewhere {
        // The head is kept beside the records. A folder has none: a journal that ends sooner looks like that of an earlier kill.
        all.push(("the last is gone", lines[..lines.len() - 1].to_vec(), lines.len()));
        let (seq, token) = (lines.len() as u64 + 1, before.records.last().unwrap().token);
        let (at, event) = (Timestamp::from_millis(i64::MAX / 2), Event::Stopping { why: StopWhy::Asked });
        let forged = Record { v: 1, seq, at, token, prev: before.tip, event };
        let forged = [lines.clone(), vec![forged.line().unwrap().0.into_bytes()]].concat();
        all.push(("one that no runner wrote, in good form", forged, lines.len() + 1));
        let mut torn = lines.clone();
        torn.last_mut().unwrap().truncate(40);
        all.push(("the last is cut off", torn, lines.len()));
    }
    for (what, lines, record) in &all {
        kept.put(&lines.concat());
        refuse(&begun.estate, &begun.store, &run, what, Some(*record));
    }
    kept.put(&whole);
    kept.turn_plan();
    refuse(&begun.estate, &begun.store, &run, "a bit of the plan", None);
    kept.turn_plan();
    if !elsewhere {
        // What a kill leaves behind never counted.
        kept.put(&whole[..whole.len() - 7]);
        let report = ran(begun.estate.path(), &begun.store, "bob", &["report", &run]);
        assert!(report.status.success(), "{}", said(&report));
    }
    goes_on(&begun);
}

/// Nothing reads past damage.
fn refuse(estate: &Estate, store: &str, run: &str, what: &str, record: Option<usize>) {
    let effects = estate.effects();
    for words in [["resume"].as_slice(), &["resume", run], &["report", run], &["history"]] {
        let output = ran(estate.path(), store, "bob", words);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(74), "{what}, {words:?}: {text}");
        assert!(text.contains("LB0803"), "{what}, {words:?}: {text}");
        if let Some(record) = record {
            assert!(text.contains(&format!("at record {record}:")), "{what}, {words:?}: {text}");
        }
    }
    // It names the place as well as what was done there: a copy of record 2 is line 3.
    let names =
        record.map_or(vec!["the plan".to_owned()], |n| vec![format!("record {n} "), format!("line {n}")]);
    verifies(estate, store, run, (11, &names), what);
    assert_eq!(estate.effects(), effects, "{what}");
}

/// What `verify` ends with, and what it names.
fn verifies(estate: &Estate, store: &str, run: &str, (code, names): (i32, &[String]), what: &str) {
    let output = ran(estate.path(), store, "bob", &["verify", run]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(code), "{what}: {text}");
    assert!(names.iter().any(|name| text.contains(name.as_str())), "{what}: {text}");
}
