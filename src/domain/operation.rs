//! The operations of the guide, with what each needs to know before it begins.

use crate::base::{PointId, Timestamp};
use crate::domain::fact::VmRef;
use serde::{Deserialize, Serialize};

/// Which operation, without its particulars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OperationKind {
    /// A replication run.
    Replicate,
    /// Failover to a restore point; what the source wrote since is not in it.
    Failover,
    /// Failover after the source was synchronised and shut down; nothing is lost.
    PlannedFailover,
    /// Back to the source; what the replica wrote is discarded.
    UndoFailover,
    /// The replica becomes the production machine for good.
    PermanentFailover,
    /// Failback, phase 1: the target is synchronised while the replica serves.
    Failback,
    /// Failback, phase 2: the target takes over.
    Switchover,
    /// The failback stands; replication resumes.
    CommitFailback,
    /// Back to the replica.
    UndoFailback,
    /// A copy of the replica is made and started, apart from everything else. The replica stays what it is.
    Drill,
    /// The copy is removed.
    EndDrill,
}

impl OperationKind {
    /// Those of the guide, in the order of the transition table's columns. The other two change nothing of a replica.
    pub const ALL: [Self; 9] = [
        Self::Replicate,
        Self::Failover,
        Self::PlannedFailover,
        Self::UndoFailover,
        Self::PermanentFailover,
        Self::Failback,
        Self::Switchover,
        Self::CommitFailback,
        Self::UndoFailback,
    ];

    /// Whether it is about the copy of a drill alone.
    #[must_use]
    pub const fn is_of_copy(self) -> bool {
        matches!(self, Self::Drill | Self::EndDrill)
    }

    /// The guide's name of it, for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Replicate => "replicate",
            Self::Failover => "failover",
            Self::PlannedFailover => "planned failover",
            Self::UndoFailover => "undo failover",
            Self::PermanentFailover => "permanent failover",
            Self::Failback => "failback",
            Self::Switchover => "switchover",
            Self::CommitFailback => "commit failback",
            Self::UndoFailback => "undo failback",
            Self::Drill => "drill",
            Self::EndDrill => "end drill",
        }
    }
}

impl std::fmt::Display for OperationKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// Where a failback goes to (guide: "Failback", destination types).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FailbackTarget {
    /// The original machine; differences are sent.
    Original,
    /// The original machine, already restored at another place; differences are sent.
    Elsewhere(VmRef),
    /// A new machine built from the replica; everything is sent.
    Recovered(VmRef),
}

impl FailbackTarget {
    /// The machine, where it is another one than the original.
    #[must_use]
    pub fn other(&self) -> Option<&VmRef> {
        match self {
            Self::Original => None,
            Self::Elsewhere(vm) | Self::Recovered(vm) => Some(vm),
        }
    }
}

/// When a failback switches over (guide: "Failback", switchover).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Switchover {
    /// As soon as phase 1 is done.
    Automatic,
    /// At a time, or as soon as phase 1 is done where that is later.
    At(Timestamp),
    /// When a person says so.
    Manual,
}

/// An operation with its particulars: all that a runner must know to go on with it after another one died.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Operation {
    /// A replication run that makes a restore point.
    Replicate {
        /// The new restore point.
        point: PointId,
    },
    /// Failover to a restore point.
    Failover {
        /// The restore point.
        point: PointId,
    },
    /// Planned failover.
    PlannedFailover {
        /// The first helper point, made while the source runs.
        first: PointId,
        /// The second helper point, made after the source was shut down; the replica runs from it.
        last: PointId,
    },
    /// Undo failover.
    UndoFailover,
    /// Permanent failover.
    PermanentFailover,
    /// Failback, phase 1.
    Failback {
        /// Where to.
        target: FailbackTarget,
        /// When phase 2 shall begin.
        switchover: Switchover,
    },
    /// Failback, phase 2.
    Switchover {
        /// Whether the target is started at its end.
        power_on: bool,
    },
    /// Commit failback.
    CommitFailback {
        /// The name that the protective snapshot gets as a restore point.
        keep: PointId,
    },
    /// Undo failback.
    UndoFailback,
    /// A copy above a restore point.
    Drill {
        /// The restore point.
        point: PointId,
    },
    /// The copy is removed.
    EndDrill,
}

impl Operation {
    /// Which operation it is.
    #[must_use]
    pub const fn kind(&self) -> OperationKind {
        match self {
            Self::Replicate { .. } => OperationKind::Replicate,
            Self::Failover { .. } => OperationKind::Failover,
            Self::PlannedFailover { .. } => OperationKind::PlannedFailover,
            Self::UndoFailover => OperationKind::UndoFailover,
            Self::PermanentFailover => OperationKind::PermanentFailover,
            Self::Failback { .. } => OperationKind::Failback,
            Self::Switchover { .. } => OperationKind::Switchover,
            Self::CommitFailback { .. } => OperationKind::CommitFailback,
            Self::UndoFailback => OperationKind::UndoFailback,
            Self::Drill { .. } => OperationKind::Drill,
            Self::EndDrill => OperationKind::EndDrill,
        }
    }
}
