//! The real program, and what goes wrong around it: its machine dies, it sleeps, it is taken over, the store goes away.

use crate::estate::{Estate, lifeboat, ran, said, started, until};
use crate::proxy::{Proxy, Side};
use crate::servers::{Process, Server};
use lifeboat::journal::{Access, Place};
use lifeboat::run::Event;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

const APPLY: [&str; 4] = ["apply", "moved", "--confirm", "moved"];

/// The address with other terms; a folder has none.
fn with(place: &str, terms: &str) -> String {
    if place.starts_with("file:") || terms.is_empty() {
        return place.to_owned();
    }
    let and = if place.contains('?') { '&' } else { '?' };
    format!("{place}{and}{terms}")
}

/// The shortest lease that there is, so that its end can be waited for.
const SHORT: &str = "lease=3s&grace=1s";
/// A little longer than that.
const OVER: Duration = Duration::from_millis(3200);
/// Terms by which a store may not be away for long; its lease outlives that.
const STRICT: &str = "lease=30s&grace=2s";
/// Terms by which a store may be away for a while, also for longer than one answer may take.
const PATIENT: &str = "lease=30s&grace=15s";

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn steps(said: &Path) -> usize {
    std::fs::read_to_string(said).unwrap_or_default().matches("\"intended\"").count()
}

/// A run that has begun some steps.
pub struct Begun {
    pub estate: Estate,
    pub store: String,
    pub child: Child,
    said: PathBuf,
}

/// Begins one, in a time that passes so many times as quick as that of the wall.
pub fn begun(server: &mut dyn Server, speed: u32, terms: &str) -> Begun {
    let (estate, store) = (Estate::new(Some(speed)), with(&server.place(), terms));
    let words = [APPLY.as_slice(), &["--format", "jsonl"]].concat();
    let (mut child, said) = started(estate.path(), &store, "ann", &words);
    until("no step begins", || {
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none(), "{}", std::fs::read_to_string(&said).unwrap());
        steps(&said) >= 3
    });
    Begun { estate, store, child, said }
}

impl Drop for Begun {
    fn drop(&mut self) {
        // A test that failed leaves nobody behind, also nobody who sleeps.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Begun {
    /// It is still under way.
    fn goes(&mut self) {
        assert!(self.child.try_wait().unwrap().is_none(), "it has ended before: {}", self.told());
    }

    fn told(&self) -> String {
        std::fs::read_to_string(&self.said).unwrap()
    }

    /// It ends so.
    fn ends(&mut self, code: i32) {
        let ended = self.child.wait().unwrap().code();
        assert_eq!(ended, Some(code), "{}", self.told());
    }

    /// Its name.
    pub fn run(&self) -> String {
        let history = ran(self.estate.path(), &self.store, "bob", &["history", "--format", "json"]);
        let json: serde_json::Value = serde_json::from_slice(&history.stdout).unwrap();
        json["runs"][0]["run"].as_str().unwrap().to_owned()
    }

    /// Every step's effect happened once, and the machines are where the runbook wants them.
    fn whole(&self) {
        let effects = self.estate.effects();
        let distinct: BTreeSet<&String> = effects.iter().collect();
        assert_eq!(effects.len(), distinct.len(), "an effect happened twice");
        let status = ran(self.estate.path(), &self.store, "bob", &["status", "--format", "json"]);
        let json: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
        let states: Vec<_> =
            json["replicas"].as_array().unwrap().iter().map(|r| r["condition"]["text"].clone()).collect();
        assert_eq!(states, ["Failover", "Failover", "Failover"]);
    }
}

/// Resumes it on another machine as soon as it may be, and holds that it then is whole.
pub fn goes_on(begun: &Begun) {
    let other = begun.estate.elsewhere();
    until("nobody may resume it", || {
        let done = ran(other.path(), &begun.store, "bob", &["resume"]);
        // It is held, or the store is not quite there yet.
        let later = done.status.code() == Some(6) || said(&done).contains("LB0818");
        assert!(done.status.success() || later, "{}", said(&done));
        done.status.success()
    });
    begun.whole();
}

pub fn elsewhere(server: &mut dyn Server) {
    let mut begun = begun(server, 6, SHORT);
    begun.child.kill().unwrap();
    begun.child.wait().unwrap();
    // Its lease is not waited for: a process of this machine that is gone is known to be gone.
    goes_on(&begun);
}

pub fn slept(server: &mut dyn Server) {
    let mut begun = begun(server, 6, SHORT);
    if server.process().is_none() {
        // The lock of a process that sleeps is held.
        signal(&begun.child, Signal::STOP);
        let refused = ran(begun.estate.path(), &begun.store, "bob", &["resume"]);
        assert_eq!(refused.status.code(), Some(6), "{}", said(&refused));
        signal(&begun.child, Signal::CONT);
        assert!(begun.child.wait().unwrap().success());
        return begun.whole();
    }
    signal(&begun.child, Signal::STOP);
    let refused = ran(begun.estate.path(), &begun.store, "bob", &["resume"]);
    assert_eq!(refused.status.code(), Some(6), "its lease is not over: {}", said(&refused));
    std::thread::sleep(OVER);
    let (effects, written) = (begun.estate.effects().len(), steps(&begun.said));
    signal(&begun.child, Signal::CONT);
    begun.ends(4);
    assert_eq!(steps(&begun.said), written, "it recorded nothing more");
    // What it had asked for already may have come to its end; nothing new was asked for.
    assert!(begun.estate.effects().len() <= effects + 3);
    goes_on(&begun);
}

pub fn taken_over(server: &mut dyn Server) {
    let mut begun = begun(server, 6, SHORT);
    let run = begun.run();
    signal(&begun.child, Signal::STOP);
    let other = begun.estate.elsewhere();
    let unsure = ran(other.path(), &begun.store, "bob", &["takeover", &run]);
    assert_eq!(unsure.status.code(), Some(6), "{}", said(&unsure));
    assert!(said(&unsure).contains("ann on"), "{}", said(&unsure));
    let wrong = ran(other.path(), &begun.store, "bob", &["takeover", &run, "--confirm", "it"]);
    let sure = ["takeover", &run, "--confirm", &run, "--because", "its site burns"];
    let done = ran(other.path(), &begun.store, "bob", &sure);
    if server.process().is_none() {
        assert_eq!(done.status.code(), Some(6), "a lock cannot be taken: {}", said(&done));
        signal(&begun.child, Signal::CONT);
        assert!(begun.child.wait().unwrap().success());
        return begun.whole();
    }
    assert_eq!(wrong.status.code(), Some(9), "{}", said(&wrong));
    assert!(done.status.success(), "{}", said(&done));
    goes_on(&begun);
    let effects = begun.estate.effects();
    signal(&begun.child, Signal::CONT);
    let ended = begun.child.wait().unwrap().code();
    assert!(matches!(ended, Some(4 | 6)), "{}", begun.told());
    assert_eq!(begun.estate.effects(), effects, "whoever comes back does nothing more");
    let report = said(&ran(other.path(), &begun.store, "bob", &["report", &run]));
    assert!(report.contains("taken over by bob@") && report.contains("its site burns"), "{report}");
}

/// What happens to a store, and what brings it back.
type Fault = (fn(&mut Process), fn(&mut Process));

const PAUSED: Fault = (|process| process.pause(), |process| process.unpause());
const KILLED: Fault = (Process::kill, Process::start);
const STOPPED: Fault = (Process::stop, Process::start);

/// The store is away for a moment while steps are under way: the run goes on to its end, and nothing stands twice.
fn in_time(server: &mut dyn Server, (away, back): Fault) {
    let mut begun = begun(server, 4, PATIENT);
    let process = server.process().unwrap();
    away(process);
    std::thread::sleep(Duration::from_millis(700));
    begun.goes();
    back(process);
    begun.ends(0);
    begun.whole();
    each_once(&begun);
}

/// The store is away for longer than the grace time: the run stops as one that can be resumed, and later is.
fn too_late(server: &mut dyn Server, (away, back): Fault) {
    let mut begun = begun(server, 6, STRICT);
    let process = server.process().unwrap();
    away(process);
    begun.ends(4);
    let text = begun.told();
    assert!(text.contains("LB0819"), "{text}");
    let out = lifeboat(begun.estate.path(), &begun.store, "bob", &["history"]).output().unwrap();
    assert_eq!(out.status.code(), Some(74), "{}", said(&out));
    back(process);
    goes_on(&begun);
    each_once(&begun);
}

pub fn paused(server: &mut dyn Server) {
    in_time(server, PAUSED);
}

pub fn killed(server: &mut dyn Server) {
    in_time(server, KILLED);
}

pub fn stopped(server: &mut dyn Server) {
    in_time(server, STOPPED);
}

pub fn paused_long(server: &mut dyn Server) {
    too_late(server, PAUSED);
}

pub fn killed_long(server: &mut dyn Server) {
    too_late(server, KILLED);
}

pub fn stopped_long(server: &mut dyn Server) {
    too_late(server, STOPPED);
}

/// No step is intended or settled twice, in a journal whose chain holds.
fn each_once(begun: &Begun) {
    let store = begun.store.parse::<Place>().unwrap().open(Path::new("."), &Access::default()).unwrap();
    let found = store.read(&begun.run().parse().unwrap()).unwrap();
    let (mut settled, mut all) = (BTreeSet::new(), BTreeSet::new());
    for record in &found.records {
        if let Event::Settled { node, .. } = &record.event {
            assert!(settled.insert(node.0), "{node:?} is settled twice");
        }
        let text = serde_json::to_string(&(record.at, record.token, &record.event)).unwrap();
        assert!(all.insert(text), "record {} stands twice: {:?}", record.seq, record.event);
    }
    assert!(!settled.is_empty());
}

/// One write in the middle of the run is disturbed, and asked for again by a program that lives.
fn disturbed(server: &mut dyn Server, side: Side) {
    // What comes before the first steps: a lease, the claim, the plan, the head.
    const WRITE: usize = 8;
    let (estate, place) = (Estate::new(Some(6)), with(&server.place(), PATIENT));
    let port = server.process().unwrap().port();
    let proxy = Proxy::new(server.protocol().unwrap(), port, Some((WRITE, side)));
    let through = place.replace(&format!(":{port}/"), &format!(":{}/", proxy.port()));
    let (child, said) = started(estate.path(), &through, "ann", &APPLY);
    let mut begun = Begun { estate, store: place, child, said };
    begun.ends(0);
    assert!(proxy.reached(), "nothing was disturbed: {} writes", proxy.writes());
    begun.whole();
    each_once(&begun);
}

pub fn answer_lost(server: &mut dyn Server) {
    disturbed(server, Side::Lost);
}

pub fn answer_late(server: &mut dyn Server) {
    disturbed(server, Side::Late);
}

pub fn request_late(server: &mut dyn Server) {
    disturbed(server, Side::Stale);
}

/// A machine that dies without a word leaves a change half made; whoever goes on elsewhere does not wait for it for long.
pub fn dark(server: &mut dyn Server) {
    let (estate, place) = (Estate::new(Some(6)), with(&server.place(), STRICT));
    let port = server.process().unwrap().port();
    let proxy = Proxy::new(server.protocol().unwrap(), port, Some((8, Side::Dark)));
    let through = place.replace(&format!(":{port}/"), &format!(":{}/", proxy.port()));
    let (child, said) = started(estate.path(), &through, "ann", &APPLY);
    let mut begun = Begun { estate, store: place, child, said };
    while !proxy.reached() {
        begun.goes();
    }
    begun.child.kill().unwrap();
    begun.child.wait().unwrap();
    goes_on(&begun);
    each_once(&begun);
}
