//! Which runs hold which replicas, since when, and from where.

use super::Options;
use crate::base::{ReplicaName, RunId, Timestamp};
use crate::report::table;
use crate::report::words::count;
use crate::run::Runner;
use serde::Serialize;

/// What a run holds.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// The run.
    pub run: RunId,
    /// What it is for.
    pub purpose: String,
    /// The replicas.
    pub replicas: Vec<ReplicaName>,
    /// Who took them.
    pub runner: Runner,
    /// In which process.
    pub process: u32,
    /// Since when, by the run's clock.
    pub since: Timestamp,
    /// Whether that process lives.
    pub carried_on: bool,
}

/// The table.
#[must_use]
pub fn locks(holds: &[Hold], options: &Options) -> String {
    if holds.is_empty() {
        return "No run holds a replica.\n".to_owned();
    }
    let mut rows =
        vec![["", "run", "of", "replicas", "by", "on", "process", "since"].map(str::to_owned).to_vec()];
    for hold in holds {
        let more = hold.replicas.len().saturating_sub(1);
        let first = hold.replicas.first().map(ToString::to_string).unwrap_or_default();
        rows.push(vec![
            if hold.carried_on { "+" } else { "!" }.to_owned(),
            hold.run.to_string(),
            hold.purpose.clone(),
            if more == 0 { first } else { format!("{first} and {more} more") },
            hold.runner.person.clone(),
            hold.runner.host.clone(),
            if hold.carried_on { hold.process.to_string() } else { "ended".to_owned() },
            hold.since.to_string(),
        ]);
    }
    let mut text: String =
        table::lines(&rows, "  ", options.room, &[2]).into_iter().map(|l| l + "\n").collect();
    let held: usize = holds.iter().map(|h| h.replicas.len()).sum();
    text.push_str(&format!("\n{} held by {}.\n", count(held, "replica"), count(holds.len(), "run")));
    match holds.iter().find(|h| !h.carried_on) {
        Some(left) => {
            text.push_str(&format!("Nobody carries {} on. Next: lifeboat resume {}\n", left.run, left.run))
        }
        None => text.push_str(&format!(
            "Next: lifeboat stop {}\n",
            holds.first().map(|h| h.run.to_string()).unwrap_or_default()
        )),
    }
    options.finish(text)
}
