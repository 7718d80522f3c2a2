//! The record beside a replica as it would be written, where it was lost.

use super::Options;
use crate::base::{PointId, ReplicaName};
use crate::domain::condition;
use crate::port::{Doubt, Rebuilt};
use crate::report::{table, words};

/// What would be written, and what cannot be known.
#[must_use]
pub fn rebuilt(replica: &ReplicaName, found: &Rebuilt, options: &Options) -> String {
    let Rebuilt { facts, expired, defines, doubts } = found;
    let machine = if *defines { "its machine is gone and would be defined" } else { "its machine is there" };
    let mut text = format!("{replica}: {}; {machine}.\n", words::condition(&condition(facts)));
    let used = |id: &PointId| if facts.disk.in_use.as_ref() == Some(id) { "in use" } else { "" };
    let rows: Vec<Vec<String>> = facts
        .points
        .iter()
        .map(|p| vec![p.id.to_string(), p.at.to_string(), used(&p.id).to_owned()])
        .collect();
    text.push_str(&format!("  replicated from {}\n", facts.relation.source));
    text.push_str(&format!("  {}", words::count(rows.len(), "restore point")));
    text.push_str(if rows.is_empty() { "\n" } else { ", the oldest first:\n" });
    text.extend(table::lines(&rows, "    ", options.room, &[]).into_iter().map(|l| l + "\n"));
    if !expired.is_empty() {
        text.push_str(&format!("  merged away by the next replication: {}\n", names(expired)));
    }
    text.push_str("  What cannot be known:\n");
    text.extend(doubts.iter().map(|doubt| format!("  - {}\n", sentence(doubt))));
    options.finish(text)
}

fn names(points: &[PointId]) -> String {
    points.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What cannot be known, and what is taken instead.
#[must_use]
pub fn sentence(doubt: &Doubt) -> String {
    match doubt {
        Doubt::Baseline => {
            "since when the source's changes are known: the next copy compares the disks".to_owned()
        }
        Doubt::Kinds => "why restore points were made: all count as made by replication".to_owned(),
        Doubt::Times(points) => {
            format!("of what moment these are, whose names do not tell; their files' time is taken: {}", names(points))
        }
        Doubt::NotWhole(points) => {
            format!("what became of these, which have no place in the chain of each disk; they do not count: {}", names(points))
        }
        Doubt::Merging(points) => {
            format!("whether these, the next to be merged away, are still whole; they do not count: {}", names(points))
        }
        Doubt::SourceStopped => {
            "who stopped the source: undoing the failover will not start it".to_owned()
        }
        Doubt::Since => "since when the replica serves: the time of its restore point is taken".to_owned(),
        Doubt::SourceUnseen => {
            "what the source is like, which cannot be seen: the replica's description is taken, whose networks need a mapping to themselves"
                .to_owned()
        }
        Doubt::OtherTarget => "whether a failback to another machine was under way: none is taken to be".to_owned(),
        Doubt::Damaged(why) => format!("what the record said: {why}"),
    }
}
