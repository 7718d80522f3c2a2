//! A failover plan: which replicas, in which order, with which waits and limits.

use crate::base::{Duration, EntryName, PlanName, ReplicaName};
use crate::domain::{IfFailed, Is, Pause, Question};
use crate::model::Hooks;
use serde::{Deserialize, Serialize};

/// A failover plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailoverPlan {
    /// Its name.
    pub name: PlanName,
    /// How long it may take.
    pub rto: Option<Duration>,
    /// How much each of its replicas may lose, in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpo: Option<Duration>,
    /// How many are started at once (guide: 10).
    pub start_limit: u32,
    /// How many are undone at once (guide: 5).
    pub undo_limit: u32,
    /// A group of undos starts no sooner than this after the one before (guide: 10 s).
    pub undo_gap: Duration,
    /// When a place under the start limit is free again.
    pub slot: Slot,
    /// In which order an undo goes.
    pub undo_order: UndoOrder,
    /// What happens to a running source in an unplanned failover.
    pub source: SourceTreatment,
    /// The replicas that go back to one moment together, or not at all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consistency: Vec<ConsistencyGroup>,
    /// Before and after the whole plan.
    #[serde(default, skip_serializing_if = "Hooks::is_empty")]
    pub hooks: Hooks,
    /// The entries in the order of the list.
    pub sequence: Vec<Entry>,
}

/// Replicas whose data belongs together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsistencyGroup {
    /// Its name.
    pub name: EntryName,
    /// Its members, by name.
    pub replicas: Vec<ReplicaName>,
    /// How far the moments of their restore points may be apart.
    pub max_skew: Duration,
}

/// When a place under a limit is free again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Slot {
    /// When the machine's failover is done.
    #[default]
    Done,
    /// When the machine is ready.
    Ready,
}

/// In which order an undo goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum UndoOrder {
    /// Against the order of the dependencies.
    #[default]
    Reverse,
    /// In the order of the list (guide: "Undoing failover by failover plans").
    List,
}

/// What happens to a source that may be running when its replica is started without a planned failover.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceTreatment {
    /// Nothing (guide: a plan never powers sources off).
    #[default]
    Leave,
    /// It is powered off where its site answers.
    PowerOff,
    /// The same; and where its site does not answer, it is fenced.
    Fence,
}

/// An entry of the sequence: one replica, a group, or a gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Its name: the group's, the replica's, or the gate's.
    pub name: EntryName,
    /// Its replicas, by name; a group's start at once.
    pub replicas: Vec<ReplicaName>,
    /// What is asked, where it is a gate. It has no replicas then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Question>,
    /// Before and after its replicas.
    #[serde(default, skip_serializing_if = "Hooks::is_empty")]
    pub hooks: Hooks,
    /// From its start to the start of the next entry in the list (guide: 60 s).
    pub delay: Duration,
    /// What it waits for instead of the order of the list.
    pub after: Option<Vec<After>>,
    /// What happens to what waits for this entry where it fails, unless the edge says otherwise.
    pub on_failure: IfFailed,
    /// Whether the run fails where it fails.
    pub required: bool,
    /// How many of its replicas must come up; all where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<u32>,
    /// How often its actions are tried again; as usual where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<Retries>,
}

/// How often an action is tried, and after which pauses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retries {
    /// How often it is tried, the first time included.
    pub attempts: u32,
    /// How long it is waited before each further time.
    pub pause: Pause,
}

impl Entry {
    /// The key under which documents name it.
    #[must_use]
    pub fn key(&self) -> &'static str {
        if self.gate.is_some() {
            "gate"
        } else if self.replicas.iter().any(|r| r.as_str() == self.name.as_str()) {
            "replica"
        } else {
            "group"
        }
    }
}

/// An edge between entries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct After {
    /// The position of the entry that it waits for.
    pub entry: usize,
    /// What it waits for.
    pub is: Is,
    /// How long after that.
    pub plus: Duration,
    /// What happens where that entry fails.
    pub if_failed: IfFailed,
}
