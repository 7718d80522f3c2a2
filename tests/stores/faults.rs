//! The real program, and what goes wrong around it: its machine dies, it sleeps, it is taken over, the store goes away.

use crate::estate::{Estate, lifeboat, ran, said, started, until};
use crate::servers::Server;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

const APPLY: [&str; 4] = ["apply", "moved", "--confirm", "moved"];

/// The address with a lease that is short enough to be waited for.
fn short(place: &str) -> String {
    if place.starts_with("file:") {
        return place.to_owned();
    }
    let and = if place.contains('?') { '&' } else { '?' };
    format!("{place}{and}lease=4s&grace=2s")
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn steps(said: &Path) -> usize {
    std::fs::read_to_string(said).unwrap_or_default().matches("\"intended\"").count()
}

/// A run in real time that has begun some steps.
struct Begun {
    estate: Estate,
    store: String,
    child: Child,
    said: PathBuf,
}

fn begun(server: &mut dyn Server) -> Begun {
    let (estate, store) = (Estate::new(true), short(&server.place()));
    let words = [APPLY.as_slice(), &["--format", "jsonl"]].concat();
    let (mut child, said) = started(estate.path(), &store, "ann", &words);
    until("no step begins", || {
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none(), "{}", std::fs::read_to_string(&said).unwrap());
        steps(&said) >= 3
    });
    Begun { estate, store, child, said }
}

impl Begun {
    fn run(&self) -> String {
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

/// Resumes it on another machine, and holds that it then is whole.
fn goes_on(begun: &Begun) {
    let other = begun.estate.elsewhere();
    let done = ran(other.path(), &begun.store, "bob", &["resume"]);
    assert!(done.status.success(), "{}", said(&done));
    begun.whole();
}

pub fn elsewhere(server: &mut dyn Server) {
    let mut begun = begun(server);
    begun.child.kill().unwrap();
    begun.child.wait().unwrap();
    goes_on(&begun);
}

pub fn slept(server: &mut dyn Server) {
    let mut begun = begun(server);
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
    std::thread::sleep(Duration::from_millis(4500));
    let (effects, written) = (begun.estate.effects().len(), steps(&begun.said));
    signal(&begun.child, Signal::CONT);
    let code = begun.child.wait().unwrap().code();
    assert_eq!(code, Some(4), "{}", std::fs::read_to_string(&begun.said).unwrap());
    assert_eq!(steps(&begun.said), written, "it recorded nothing more");
    // What it had asked for already may have come to its end; nothing new was asked for.
    assert!(begun.estate.effects().len() <= effects + 3);
    goes_on(&begun);
}

pub fn taken_over(server: &mut dyn Server) {
    let mut begun = begun(server);
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
    assert!(
        matches!(begun.child.wait().unwrap().code(), Some(4 | 6)),
        "{}",
        std::fs::read_to_string(&begun.said).unwrap()
    );
    assert_eq!(begun.estate.effects(), effects, "whoever comes back does nothing more");
    let report = said(&ran(other.path(), &begun.store, "bob", &["report", &run]));
    assert!(report.contains("taken over by bob@") && report.contains("its site burns"), "{report}");
}

pub fn comes_back(server: &mut dyn Server) {
    let mut begun = begun(server);
    let Some(process) = server.process() else {
        return drop(begun.child.wait());
    };
    process.pause();
    std::thread::sleep(Duration::from_millis(700));
    process.unpause();
    std::thread::sleep(Duration::from_millis(300));
    process.kill();
    process.start();
    let code = begun.child.wait().unwrap().code();
    assert_eq!(code, Some(0), "{}", std::fs::read_to_string(&begun.said).unwrap());
    begun.whole();
}

pub fn stays_away(server: &mut dyn Server) {
    let mut begun = begun(server);
    let Some(process) = server.process() else {
        return drop(begun.child.wait());
    };
    process.stop();
    let code = begun.child.wait().unwrap().code();
    let text = std::fs::read_to_string(&begun.said).unwrap();
    assert_eq!(code, Some(4), "{text}");
    assert!(text.contains("LB0819"), "{text}");
    let out = lifeboat(begun.estate.path(), &begun.store, "bob", &["history"]).output().unwrap();
    assert_eq!(out.status.code(), Some(74), "{}", said(&out));
    process.start();
    // etcd gives every lease its whole time again when it starts.
    std::thread::sleep(Duration::from_millis(4500));
    goes_on(&begun);
}
