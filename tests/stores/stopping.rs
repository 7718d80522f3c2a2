//! A run is stopped from another machine, by its own deadline, and brought back: over the store alone, whoever has the documents.

use crate::estate::{Estate, lifeboat, ran, said, started, until};
use crate::servers::Server;
use std::path::{Path, PathBuf};
use std::process::{Child, Output};

const APPLY: [&str; 5] = ["apply", "moved", "--confirm", "moved", "--format=jsonl"];

/// A run that has begun some steps.
fn begun(estate: &Estate, store: &str, more: &[&str]) -> (Child, PathBuf) {
    let (mut child, text) = started(estate.path(), store, "ann", &[APPLY.as_slice(), more].concat());
    until("no step begins", || {
        let words = std::fs::read_to_string(&text).unwrap();
        assert!(child.try_wait().unwrap().is_none(), "{words}");
        words.matches("\"intended\"").count() >= 3
    });
    (child, text)
}

fn run_of(folder: &Path, store: &str) -> String {
    let history = ran(folder, store, "bob", &["history", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&history.stdout).unwrap();
    json["runs"][0]["run"].as_str().unwrap().to_owned()
}

#[track_caller]
fn ends(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{}", said(output));
    said(output)
}

pub fn stopped(server: &mut dyn Server) {
    let (estate, store) = (Estate::new(Some(1)), server.place());
    let other = estate.elsewhere();
    let (mut child, text) = begun(&estate, &store, &[]);
    let run = run_of(other.path(), &store);
    let stop = ["stop", &run, "--because", "the wrong night"];
    let asked = ends(&ran(other.path(), &store, "bob", &stop), 0);
    assert!(asked.starts_with(&format!("Asked run {run} to stop")), "{asked}");
    let code = child.wait().unwrap().code();
    let words = std::fs::read_to_string(&text).unwrap();
    assert_eq!(code, Some(4), "{words}");
    let told = ends(&ran(other.path(), &store, "bob", &["report", &run]), 0);
    assert!(told.contains("as bob on ") && told.contains("the wrong night"), "{told}");
    // The word was for the runner before; nobody is there now to whom it could be left.
    ends(&ran(other.path(), &store, "bob", &["stop", &run]), 1);
    ends(&ran(other.path(), &store, "bob", &["resume", "--deadline", "1ms"]), 4);
    ends(&ran(other.path(), &store, "bob", &["resume"]), 0);
    let over = ends(&ran(other.path(), &store, "bob", &["stop", &run]), 1);
    assert!(over.contains("is over"), "{over}");
}

pub fn back(server: &mut dyn Server) {
    let (estate, store) = (Estate::new(None), server.place());
    let other = estate.elsewhere();
    let fault = ["sim", "fault", "fails", "--action", "power-on", "--replica", "a"];
    ends(&ran(estate.path(), &store, "ann", &fault), 0);
    ends(&ran(estate.path(), &store, "ann", &["apply", "one", "--confirm", "one"]), 3);
    ends(&ran(estate.path(), &store, "ann", &["sim", "heal"]), 0);
    let run = run_of(other.path(), &store);
    let confirm = format!("abort-{run}");
    let abort = ["abort", run.as_str(), "--confirm", &confirm];
    let needs = ends(&ran(other.path(), &store, "bob", &abort), 1);
    assert!(needs.contains("the way back is planned from the documents"), "{needs}");
    assert!(needs.contains(&format!("`lifeboat resume {run}`")), "{needs}");
    // Where the documents are, anybody may; the run that is left is closed for all.
    std::fs::copy(estate.path().join("estate.yaml"), other.path().join("estate.yaml")).unwrap();
    ends(&ran(other.path(), &store, "bob", &abort), 0);
    let report = ends(&ran(estate.path(), &store, "ann", &["report", &run]), 0);
    assert!(report.contains("its way back was begun"), "{report}");
    let locks = lifeboat(estate.path(), &store, "ann", &["lock"]).output().unwrap();
    assert!(ends(&locks, 0).contains("No run holds a replica."));
    let status = ends(&ran(estate.path(), &store, "ann", &["status"]), 0);
    assert!(!status.contains("Failover") && !status.contains("not finished"), "{status}");
}
