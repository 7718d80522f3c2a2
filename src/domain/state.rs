//! What a replica can be, and how that is read off the facts.

use crate::domain::fact::{Facts, Replication, Sight, Stage};
use crate::domain::operation::{Operation, OperationKind};
use serde::{Deserialize, Serialize};

/// A whole state of a replica (guide: "Failover and Failback for Replication").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum State {
    /// Never replicated: there is nothing at the recovery site.
    Unprotected,
    /// Standing by: off, with a chain of restore points; replication runs.
    Ready,
    /// Serving from a restore point, with a running delta above it.
    Failover,
    /// Still serving, while the failback target is synchronised and waits for the switchover.
    ReadyToSwitch,
    /// Off; the target serves, "sent but not published". The way back is still open.
    Failback,
    /// The production machine now; no restore points any more.
    Permanent,
}

impl State {
    /// All of them, in the order of the transition table's rows.
    pub const ALL: [Self; 6] = [
        Self::Unprotected,
        Self::Ready,
        Self::Failover,
        Self::ReadyToSwitch,
        Self::Failback,
        Self::Permanent,
    ];

    /// The state's name as documents write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unprotected => "Unprotected",
            Self::Ready => "Ready",
            Self::Failover => "Failover",
            Self::ReadyToSwitch => "ReadyToSwitch",
            Self::Failback => "Failback",
            Self::Permanent => "Permanent",
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// Facts that fit no state and that no operation of ours leaves behind: somebody else's hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Foreign {
    /// The replica runs without a running delta: it was started outside (guide: warning in "Failover").
    StartedOutside,
    /// The replica machine is gone though restore points or a record say that it was there.
    ReplicaGone,
    /// Replica and failback target run at once after the switchover.
    BothRun,
}

/// What a replica is found to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Condition {
    /// In a whole state.
    Whole(State),
    /// In the middle of an operation that nobody concluded.
    PartWay(Operation),
    /// As no operation leaves it.
    Foreign(Foreign),
    /// The recovery site did not answer.
    Unseen,
}

impl Condition {
    /// The whole state, where it is in one.
    #[must_use]
    pub const fn whole(&self) -> Option<State> {
        match self {
            Self::Whole(state) => Some(*state),
            Self::PartWay(_) | Self::Foreign(_) | Self::Unseen => None,
        }
    }
}

/// Reads the condition off the facts. A recorded intent comes first: whatever else is seen, that operation was begun and not
/// concluded. Without one the facts must fit a row of the state table; those that do not are completed to the operation
/// that leaves such facts behind, or are foreign.
#[must_use]
pub fn condition(facts: &Facts) -> Condition {
    if let Some(operation) = &facts.relation.intent {
        return Condition::PartWay(operation.clone());
    }
    let Some(runs) = facts.replica.runs() else {
        return Condition::Unseen;
    };
    if facts.relation.replication == Replication::Excluded && facts.disk.merged {
        return Condition::Whole(State::Permanent);
    }
    if facts.replica == Sight::Absent {
        return if facts.points.is_empty() && !facts.disk.delta {
            Condition::Whole(State::Unprotected)
        } else {
            Condition::Foreign(Foreign::ReplicaGone)
        };
    }
    if let Some(failback) = &facts.relation.failback {
        return in_failback(facts, failback.stage, runs);
    }
    match (&facts.disk.in_use, facts.disk.delta, runs) {
        (_, true, true) => Condition::Whole(State::Failover),
        // Off above a running delta: stopped or crashed while it served. Starting it again completes the failover.
        (Some(point), _, false) => Condition::PartWay(Operation::Failover { point: point.clone() }),
        (None, true, false) => Condition::PartWay(Operation::UndoFailover),
        (_, false, true) => Condition::Foreign(Foreign::StartedOutside),
        (None, false, false) if facts.points.is_empty() => Condition::Whole(State::Unprotected),
        (None, false, false) => Condition::Whole(State::Ready),
    }
}

fn in_failback(facts: &Facts, stage: Stage, replica_runs: bool) -> Condition {
    let target_runs = facts.vm(crate::domain::Role::Target).runs();
    match (stage, replica_runs) {
        (Stage::Merged, false) => Condition::Whole(State::Failback),
        (Stage::Merged, true) if target_runs == Some(true) => Condition::Foreign(Foreign::BothRun),
        (Stage::Merged, true) => Condition::PartWay(Operation::UndoFailback),
        (Stage::Synced, true) => Condition::Whole(State::ReadyToSwitch),
        (Stage::Synced | Stage::Resnapshotted | Stage::Reprotected | Stage::Resynced, _) => {
            Condition::PartWay(Operation::Switchover { power_on: true })
        }
        (Stage::Begun | Stage::Snapshotted | Stage::Protected, _) => match &facts.relation.failback {
            Some(f) => {
                Condition::PartWay(Operation::Failback { target: f.target.clone(), switchover: f.switchover })
            }
            None => Condition::Whole(State::Failover),
        },
    }
}

/// The state that an operation begins from. Part-way replicas came from there.
#[must_use]
pub const fn begins_from(operation: OperationKind) -> State {
    match operation {
        OperationKind::Replicate
        | OperationKind::Failover
        | OperationKind::PlannedFailover
        | OperationKind::Drill
        | OperationKind::EndDrill => State::Ready,
        OperationKind::UndoFailover | OperationKind::PermanentFailover | OperationKind::Failback => {
            State::Failover
        }
        OperationKind::Switchover => State::ReadyToSwitch,
        OperationKind::CommitFailback | OperationKind::UndoFailback => State::Failback,
    }
}

/// The state that an operation leads to.
#[must_use]
pub const fn leads_to(operation: OperationKind) -> State {
    match operation {
        OperationKind::Replicate
        | OperationKind::UndoFailover
        | OperationKind::CommitFailback
        | OperationKind::Drill
        | OperationKind::EndDrill => State::Ready,
        OperationKind::Failover | OperationKind::PlannedFailover | OperationKind::UndoFailback => {
            State::Failover
        }
        OperationKind::PermanentFailover => State::Permanent,
        OperationKind::Failback => State::ReadyToSwitch,
        OperationKind::Switchover => State::Failback,
    }
}
