//! What an action loses, told from the facts alone.

use crate::domain::{Action, Facts, LossKind, Operation, Role};

/// The loss that an action brings about on these facts, where it does. What a replication run drops beyond retention is
/// what retention asks for and no loss.
pub fn of(action: &Action, facts: &Facts) -> Option<LossKind> {
    let relation = &facts.relation;
    match action {
        Action::Revert { point } => {
            // A point made after the source was stopped holds all that it ever wrote.
            let planned =
                matches!(&relation.intent, Some(Operation::PlannedFailover { last, .. }) if last == point);
            let whole = planned && facts.source.runs() != Some(true);
            let already = facts.disk.in_use.as_ref() == Some(point);
            (!whole && !already).then_some(LossKind::SourceAfterPoint)
        }
        Action::DropDelta => {
            (facts.disk.delta && relation.failed_over_at.is_some()).then_some(LossKind::ReplicaSinceFailover)
        }
        Action::Merge => (!facts.points.is_empty()).then_some(LossKind::RestorePoints),
        Action::RevertTarget | Action::RevertReplica | Action::PowerOn { vm: Role::Replica } => {
            relation.switched_at.is_some().then_some(LossKind::ProductionSinceSwitchover)
        }
        Action::CreatePoint { point, .. } => {
            // The helper point that the replica is going to start from, made while the source still writes.
            let last =
                matches!(&relation.intent, Some(Operation::PlannedFailover { last, .. }) if last == point);
            (last && facts.source.runs() == Some(true)).then_some(LossKind::SourceAfterPoint)
        }
        Action::Begin { .. }
        | Action::Retain { .. }
        | Action::ShutDown { .. }
        | Action::PowerOff { .. }
        | Action::PowerOn { vm: Role::Source | Role::Target | Role::Copy }
        | Action::Hold
        | Action::Resume
        | Action::Exclude
        | Action::StartDelta
        | Action::Connect { .. }
        | Action::CreateTarget
        | Action::SnapshotTarget { .. }
        | Action::Protect { .. }
        | Action::SendChanges { .. }
        | Action::MergeTarget
        | Action::Unprotect
        | Action::SetSwitchover { .. }
        | Action::Reassign
        | Action::KeepProtective { .. }
        | Action::MakeCopy { .. }
        | Action::RemoveCopy
        | Action::Conclude { .. } => None,
    }
}
