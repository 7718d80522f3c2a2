//! What a drill is told to keep, and what it was made of: the shape of its failover plan, so that it can be told later what has changed since.

use crate::base::{Duration, EntryName, ReplicaName};
use crate::domain::Readiness;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How long the copies of a drill are kept once all of them are ready.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kept {
    /// Not at all.
    #[default]
    Not,
    /// So long.
    For(Duration),
    /// Until a person says that they may go.
    UntilKey,
}

impl Kept {
    /// Whether they are not kept.
    #[must_use]
    pub fn is_not(&self) -> bool {
        *self == Self::Not
    }
}

/// What a drill was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Drilled {
    /// The commit of the workspace, or a digest of its documents where it is in no repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// How long the failover plan may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rto: Option<Duration>,
    /// The shape of the failover plan.
    pub shape: Shape,
    /// The hooks that it does not run, as they are named in reports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks_left_out: Vec<String>,
    /// The gates that it does not ask.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates_left_out: Vec<EntryName>,
}

/// What of a failover plan a drill tries out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shape {
    /// The entries with their replicas.
    pub entries: BTreeMap<EntryName, BTreeSet<ReplicaName>>,
    /// Who waits for whom, in words.
    pub edges: BTreeSet<String>,
    /// When each replica is ready.
    pub waits: BTreeMap<ReplicaName, Readiness>,
}

/// How far a shape is from another one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Edges that are only in one of them.
    pub edges: usize,
    /// Replicas that are only in one of them, or in another entry.
    pub replicas: usize,
    /// Replicas that are ready otherwise.
    pub waits: usize,
}

impl Changed {
    /// Whether they are the same.
    #[must_use]
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

impl Shape {
    /// What is different in a later shape. An edge that waits for something else now counts as one.
    #[must_use]
    pub fn since(&self, later: &Self) -> Changed {
        let gone = self.edges.difference(&later.edges).count();
        let new = later.edges.difference(&self.edges).count();
        let places = |shape: &Self| -> BTreeSet<(ReplicaName, EntryName)> {
            let entries = shape.entries.iter();
            entries.flat_map(|(e, all)| all.iter().map(move |r| (r.clone(), e.clone()))).collect()
        };
        let (before, now) = (places(self), places(later));
        let moved: BTreeSet<&ReplicaName> = before.symmetric_difference(&now).map(|(r, _)| r).collect();
        let other =
            |(name, wait): &(&ReplicaName, &Readiness)| later.waits.get(*name).is_some_and(|w| w != *wait);
        Changed {
            edges: gone.max(new),
            replicas: moved.len(),
            waits: self.waits.iter().filter(other).count(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(edges: &[&str], entries: &[(&str, &[&str])]) -> Shape {
        let names = |all: &[&str]| all.iter().map(|r| r.parse().unwrap()).collect();
        Shape {
            entries: entries.iter().map(|(e, all)| (e.parse().unwrap(), names(all))).collect(),
            edges: edges.iter().map(|e| (*e).to_owned()).collect(),
            waits: BTreeMap::new(),
        }
    }

    #[test]
    fn what_is_different_is_counted_once() {
        let before = shape(&["web after app", "app after db"], &[("db", &["db"]), ("web", &["w1", "w2"])]);
        assert!(before.since(&before).is_nothing());
        let later = shape(&["web after app 30s", "app after db"], &[("db", &["db", "w2"]), ("web", &["w1"])]);
        assert_eq!(before.since(&later), Changed { edges: 1, replicas: 1, waits: 0 });
        let more = shape(&["web after app", "app after db", "x after db", "y after db"], &[("db", &["db"])]);
        assert_eq!(before.since(&more), Changed { edges: 2, replicas: 2, waits: 0 });
    }

    #[test]
    fn a_readiness_that_became_another_one_is_a_wait_that_changed() {
        let wait = |s: u64| Readiness::guest(Duration::ZERO, Duration::from_secs(2), Duration::from_secs(s));
        let with = |s: u64| Shape { waits: [("db".parse().unwrap(), wait(s))].into(), ..Shape::default() };
        assert_eq!(with(60).since(&with(90)).waits, 1);
        assert_eq!(with(60).since(&with(60)).waits, 0);
        assert_eq!(with(60).since(&Shape::default()).waits, 0, "that it is gone is told of the replica");
    }
}
