//! Failback in its two phases, its commit and its undo (guide: "Failback", "Commit failback", "Undo failback").

use super::Particulars;
use crate::base::PointId;
use crate::domain::{Action, Facts, FailbackTarget, Role};

/// Phase 1: the target is synchronised while the replica serves. The working snapshot stays until the switchover, so that
/// undoing finds the target as it was (the guide merges it here and makes a new one).
pub fn phase_one(target: &FailbackTarget, with: &Particulars) -> Vec<Action> {
    let build = matches!(target, FailbackTarget::Recovered(_)).then_some(Action::CreateTarget);
    build
        .into_iter()
        .chain([
            Action::ShutDown { vm: Role::Target, within: with.shutdown },
            Action::SnapshotTarget { phase: 1 },
            Action::Protect { phase: 1 },
            Action::SendChanges { phase: 1 },
        ])
        .collect()
}

/// Phase 2: the replica stops, the rest is sent, the target takes over.
pub fn phase_two(power_on: bool, with: &Particulars) -> Vec<Action> {
    [
        Action::SnapshotTarget { phase: 2 },
        Action::ShutDown { vm: Role::Replica, within: with.shutdown },
        Action::Protect { phase: 2 },
        Action::SendChanges { phase: 2 },
        Action::MergeTarget,
    ]
    .into_iter()
    .chain(power_on.then_some(Action::PowerOn { vm: Role::Target }))
    .collect()
}

/// Commit. For another target than the original, replication is rewritten *before* the replica is Ready again: no crash can then
/// leave the abandoned machine being replicated over the good one.
pub fn commit(keep: &PointId, facts: &Facts) -> Vec<Action> {
    let other = facts.relation.failback.as_ref().is_some_and(|f| f.target.other().is_some());
    other
        .then_some(Action::Reassign)
        .into_iter()
        .chain([Action::KeepProtective { point: keep.clone() }, Action::Resume])
        .collect()
}

/// Undo failback, from the switchover or from before it. The replica may start only when the target is off.
pub fn undo() -> Vec<Action> {
    vec![
        Action::PowerOff { vm: Role::Target },
        Action::RevertReplica,
        Action::RevertTarget,
        Action::PowerOn { vm: Role::Replica },
        Action::Unprotect,
    ]
}
