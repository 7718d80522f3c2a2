//! The atomic actions that operations are made of. An action is *ensured*, not "done": asking for it twice equals asking once,
//! and the facts tell whether it is there.

use crate::base::{Duration, PointId, ReplicaName};
use crate::domain::fact::{Link, PointKind, Quiesce, Role};
use crate::domain::operation::{Operation, Switchover};
use crate::domain::state::State;
use serde::{Deserialize, Serialize};

/// An action on one replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The replica.
    pub replica: ReplicaName,
    /// What shall hold of it afterwards.
    pub action: Action,
}

/// One atomic, ensured action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Record the operation beside the replica, before its first effect.
    Begin {
        /// The operation.
        operation: Operation,
    },
    /// Read what changed on the source since the last point and write it as a new restore point.
    CreatePoint {
        /// The new point.
        point: PointId,
        /// Why it is made.
        kind: PointKind,
        /// Whether the guest's file systems are frozen for it.
        #[serde(default, skip_serializing_if = "Quiesce::is_auto")]
        quiesce: Quiesce,
    },
    /// Drop the oldest restore points until no more than these are left.
    Retain {
        /// How many stay.
        keep: u32,
    },
    /// Shut the guest down; power off what still runs after the time.
    ShutDown {
        /// Which machine.
        vm: Role,
        /// How long the guest may take (guide: 15 minutes).
        within: Duration,
    },
    /// Power a machine off at once.
    PowerOff {
        /// Which machine.
        vm: Role,
    },
    /// Power a machine on.
    PowerOn {
        /// Which machine.
        vm: Role,
    },
    /// Hold replication.
    Hold,
    /// Let replication run again.
    Resume,
    /// Exclude the source from replication for good.
    Exclude,
    /// Revert the replica's disks to a restore point.
    Revert {
        /// The point.
        point: PointId,
    },
    /// Put a new running delta above the point in use.
    StartDelta,
    /// Drop the running delta and what the replica wrote into it.
    DropDelta,
    /// Give the replica its networks and addresses.
    Connect {
        /// Its network cards in their order.
        links: Vec<Link>,
    },
    /// Merge delta and restore points into the replica's disks.
    Merge,
    /// Build an empty machine with the replica's configuration as the failback's target.
    CreateTarget,
    /// A working snapshot on the target.
    SnapshotTarget {
        /// The phase of the failback, 1 or 2.
        phase: u8,
    },
    /// A protective snapshot on the replica.
    Protect {
        /// The phase of the failback, 1 or 2.
        phase: u8,
    },
    /// Send what differs from the replica to the target.
    SendChanges {
        /// The phase of the failback, 1 or 2.
        phase: u8,
    },
    /// Merge the working snapshots into the target's disks.
    MergeTarget,
    /// Drop the target's working snapshots: it is again what it was before the failback.
    RevertTarget,
    /// Revert the replica to the protective snapshot of phase 2.
    RevertReplica,
    /// Drop the protective snapshot, keeping what the replica wrote.
    Unprotect,
    /// Change when the failback switches over.
    SetSwitchover {
        /// The new mode.
        switchover: Switchover,
    },
    /// The failback's target takes the source's place in replication.
    Reassign,
    /// Keep the protective snapshot as a restore point.
    KeepProtective {
        /// The name it gets.
        point: PointId,
    },
    /// Make a copy of the machine above a restore point, on networks of its own. Chain, record and replica stay as they are.
    MakeCopy {
        /// The point.
        point: PointId,
        /// Its network cards in their order.
        links: Vec<Link>,
    },
    /// Remove the copy with all that it wrote.
    RemoveCopy,
    /// Record that the operation is concluded.
    Conclude {
        /// The state reached.
        state: State,
    },
}

impl Action {
    /// A short word for keys, in lower case with hyphens; and for documents that name an action.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Begin { .. } => "begin",
            Self::CreatePoint { .. } => "create-point",
            Self::Retain { .. } => "retain",
            Self::ShutDown { .. } => "shut-down",
            Self::PowerOff { .. } => "power-off",
            Self::PowerOn { .. } => "power-on",
            Self::Hold => "hold",
            Self::Resume => "resume",
            Self::Exclude => "exclude",
            Self::Revert { .. } => "revert",
            Self::StartDelta => "start-delta",
            Self::DropDelta => "drop-delta",
            Self::Connect { .. } => "connect",
            Self::Merge => "merge",
            Self::CreateTarget => "create-target",
            Self::SnapshotTarget { .. } => "snapshot-target",
            Self::Protect { .. } => "protect",
            Self::SendChanges { .. } => "send-changes",
            Self::MergeTarget => "merge-target",
            Self::RevertTarget => "revert-target",
            Self::RevertReplica => "revert-replica",
            Self::Unprotect => "unprotect",
            Self::SetSwitchover { .. } => "set-switchover",
            Self::Reassign => "reassign",
            Self::KeepProtective { .. } => "keep-protective",
            Self::MakeCopy { .. } => "make-copy",
            Self::RemoveCopy => "remove-copy",
            Self::Conclude { .. } => "conclude",
        }
    }

    /// All the words, for documents that name an action (the simulator's faults).
    pub const WORDS: [&'static str; 28] = [
        "begin",
        "create-point",
        "retain",
        "shut-down",
        "power-off",
        "power-on",
        "hold",
        "resume",
        "exclude",
        "revert",
        "start-delta",
        "drop-delta",
        "connect",
        "merge",
        "create-target",
        "snapshot-target",
        "protect",
        "send-changes",
        "merge-target",
        "revert-target",
        "revert-replica",
        "unprotect",
        "set-switchover",
        "reassign",
        "keep-protective",
        "make-copy",
        "remove-copy",
        "conclude",
    ];

    /// The machine whose power the action changes, if it does that.
    #[must_use]
    pub const fn machine(&self) -> Option<Role> {
        match self {
            Self::ShutDown { vm, .. } | Self::PowerOff { vm } | Self::PowerOn { vm } => Some(*vm),
            _ => None,
        }
    }

    /// Whether it concerns the copy of a drill alone. Such an action has no operation recorded beside the replica: of the replica it changes nothing.
    #[must_use]
    pub const fn is_of_copy(&self) -> bool {
        matches!(
            self,
            Self::MakeCopy { .. }
                | Self::RemoveCopy
                | Self::PowerOn { vm: Role::Copy }
                | Self::PowerOff { vm: Role::Copy }
                | Self::ShutDown { vm: Role::Copy, .. }
        )
    }

    /// Whether it takes a copy away, or leads there: it may follow whatever became of what was done before it.
    #[must_use]
    pub const fn removes_copy(&self) -> bool {
        matches!(self, Self::RemoveCopy | Self::PowerOff { vm: Role::Copy })
    }

    /// Whether it moves data, and may take long for that.
    #[must_use]
    pub const fn moves(&self) -> bool {
        matches!(
            self,
            Self::CreatePoint { .. }
                | Self::SendChanges { .. }
                | Self::Retain { .. }
                | Self::Merge
                | Self::MergeTarget
                | Self::KeepProtective { .. }
        )
    }

    /// Whether nothing of ours can bring back what the action takes away.
    #[must_use]
    pub const fn irreversible(&self) -> bool {
        matches!(
            self,
            Self::Merge | Self::Exclude | Self::DropDelta | Self::Reassign | Self::KeepProtective { .. }
        )
    }
}
