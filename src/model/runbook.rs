//! A runbook: a named desired end state.

use crate::base::{Duration, PlanName, PointId, ReplicaName, RunbookName, Timestamp};
use crate::domain::{FailbackTarget, OnFailure, State, Switchover};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A runbook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Runbook {
    /// Its name.
    pub name: RunbookName,
    /// What shall be, on what terms.
    pub desired: Vec<Desired>,
    /// What is done where a run of it ends with a failure.
    pub on_failure: OnFailure,
}

/// A desired end state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Desired {
    /// Of what.
    pub subject: Subject,
    /// Which state.
    pub state: State,
    /// How a failover is done.
    pub via: Via,
    /// Which restore point an unplanned failover takes.
    pub point: PointChoice,
    /// Whose data survives where the routes differ in that.
    pub keep: Option<Keep>,
    /// Whether the document says that what cannot be undone may be done.
    pub irreversible: bool,
    /// How a failback is done.
    pub failback: FailbackTerms,
}

/// Of what a state is desired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Subject {
    /// Of all replicas of a failover plan, in its order.
    Plan(PlanName),
    /// Of these replicas, without an order between them.
    Replicas(Vec<ReplicaName>),
}

/// How a failover is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Via {
    /// Planned: nothing is lost; refused where the source does not answer.
    #[default]
    Planned,
    /// Unplanned: to a restore point.
    Unplanned,
    /// Planned where the source answers, otherwise unplanned.
    Best,
}

/// Which restore point.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PointChoice {
    /// The latest.
    #[default]
    Latest,
    /// The latest at or before a time.
    At(Timestamp),
    /// That one.
    Id(PointId),
}

/// Whose data survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Keep {
    /// What the source had: what the replica wrote is discarded.
    Source,
    /// What the replica wrote.
    Replica,
}

/// How a failback is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailbackTerms {
    /// Where to: for each replica that does not go to its original machine, the other one.
    pub targets: BTreeMap<ReplicaName, FailbackTarget>,
    /// When it switches over.
    pub switchover: Switchover,
    /// Whether the target is started at the end of the switchover (guide: "power on target VM").
    pub power_on: bool,
    /// What must hold before the commit.
    pub verify: Option<Verify>,
}

impl Default for FailbackTerms {
    fn default() -> Self {
        Self { targets: BTreeMap::new(), switchover: Switchover::Automatic, power_on: true, verify: None }
    }
}

/// What must hold before a failback is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verify {
    /// Whether the target must be ready.
    pub ready: bool,
    /// How long it must go on so.
    pub quiet: Duration,
    /// What is done where it is not so.
    pub otherwise: Otherwise,
}

/// What is done where a verification fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Otherwise {
    /// The run stops there; a person decides.
    #[default]
    Stop,
    /// The failback is undone.
    Undo,
}
