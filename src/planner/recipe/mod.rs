//! Recipes: the actions of each operation, in the order of the guide, and what is left of them where some are there already.

mod failback;
mod failover;

use crate::base::{Duration, Timestamp};
use crate::domain::{
    Action, Facts, Link, Operation, PointKind, Quiesce, Role, Settled, State, effect, settled,
};

/// What a recipe needs besides the operation.
#[derive(Debug, Clone)]
pub struct Particulars {
    /// How many restore points stay.
    pub keep: u32,
    /// How long a guest may take to shut down.
    pub shutdown: Duration,
    /// Whether the source's file systems are frozen for a restore point.
    pub quiesce: Quiesce,
    /// The replica's network cards when it serves.
    pub links: Vec<Link>,
    /// Whether the source is powered off before an unplanned failover.
    pub stop_source: bool,
}

/// All actions of an operation, from its beginning to its conclusion.
pub fn actions(operation: &Operation, with: &Particulars, facts: &Facts) -> Vec<Action> {
    if let Some(actions) = of_copy(operation, with) {
        return actions;
    }
    let (middle, end) = match operation {
        Operation::Replicate { point } => (
            vec![
                Action::CreatePoint { point: point.clone(), kind: PointKind::Regular, quiesce: with.quiesce },
                Action::Retain { keep: with.keep },
            ],
            State::Ready,
        ),
        Operation::Failover { point } => (failover::unplanned(point, with), State::Failover),
        Operation::PlannedFailover { first, last } => {
            (failover::planned(first, last, with, facts), State::Failover)
        }
        Operation::UndoFailover => {
            let end = if facts.points.is_empty() { State::Unprotected } else { State::Ready };
            (failover::undo(facts), end)
        }
        Operation::PermanentFailover => (vec![Action::Merge, Action::Exclude], State::Permanent),
        Operation::Failback { target, .. } => (failback::phase_one(target, with), State::ReadyToSwitch),
        Operation::Switchover { power_on } => (failback::phase_two(*power_on, with), State::Failback),
        Operation::CommitFailback { keep } => (failback::commit(keep, facts), State::Ready),
        Operation::UndoFailback => (failback::undo(), State::Failover),
        // They have no beginning and no end beside the replica, and stand above.
        Operation::Drill { .. } | Operation::EndDrill => (Vec::new(), State::Ready),
    };
    let begin = Action::Begin { operation: operation.clone() };
    std::iter::once(begin).chain(middle).chain([Action::Conclude { state: end }]).collect()
}

/// The actions on a copy. Of the replica they change nothing, so nothing is recorded beside it.
fn of_copy(operation: &Operation, with: &Particulars) -> Option<Vec<Action>> {
    match operation {
        Operation::Drill { point } => Some(vec![
            Action::MakeCopy { point: point.clone(), links: with.links.clone() },
            Action::PowerOn { vm: Role::Copy },
        ]),
        Operation::EndDrill => Some(vec![Action::PowerOff { vm: Role::Copy }, Action::RemoveCopy]),
        _ => None,
    }
}

/// What is left of a recipe: walking it over the facts, each action that is there already is left out.
/// Returns the actions with the facts behind them.
pub fn remaining(actions: Vec<Action>, facts: Facts, at: Timestamp) -> (Vec<Action>, Facts) {
    let mut left = Vec::with_capacity(actions.len());
    let mut facts = facts;
    for action in actions {
        if settled(&action, &facts) != Settled::Done {
            facts = effect(&action, facts, at);
            left.push(action);
        }
    }
    (left, facts)
}

/// The action with which an operation stops the machine that serves until now.
pub fn stops(operation: &Operation, action: &Action) -> bool {
    match operation {
        Operation::PlannedFailover { .. } => matches!(action, Action::ShutDown { vm: Role::Source, .. }),
        Operation::Switchover { .. } => matches!(action, Action::ShutDown { vm: Role::Replica, .. }),
        Operation::UndoFailover => matches!(action, Action::PowerOff { vm: Role::Replica }),
        Operation::UndoFailback => matches!(action, Action::PowerOff { vm: Role::Target }),
        Operation::Replicate { .. }
        | Operation::Failover { .. }
        | Operation::PermanentFailover
        | Operation::Failback { .. }
        | Operation::CommitFailback { .. }
        | Operation::Drill { .. }
        | Operation::EndDrill => false,
    }
}

/// Whether an action belongs to the part of an operation that starts the machine which serves from now on. That part
/// waits for the entries before it.
pub fn starts(operation: &Operation, action: &Action) -> bool {
    match operation {
        Operation::Failover { .. } => true,
        // All copies are made at once: from then on their restore points stay where they are.
        Operation::Drill { .. } => matches!(action, Action::PowerOn { vm: Role::Copy }),
        Operation::PlannedFailover { .. } => matches!(
            action,
            Action::Hold
                | Action::Revert { .. }
                | Action::StartDelta
                | Action::Connect { .. }
                | Action::PowerOn { .. }
                | Action::Conclude { .. }
        ),
        Operation::Switchover { .. } => {
            matches!(action, Action::PowerOn { vm: Role::Target } | Action::Conclude { .. })
        }
        // Where no source has to be started, nothing is waited for: an undo that fails elsewhere must not leave this one part-way.
        Operation::UndoFailover => matches!(action, Action::PowerOn { vm: Role::Source }),
        Operation::UndoFailback => {
            matches!(
                action,
                Action::PowerOn { vm: Role::Replica } | Action::Unprotect | Action::Conclude { .. }
            )
        }
        Operation::Replicate { .. }
        | Operation::PermanentFailover
        | Operation::Failback { .. }
        | Operation::CommitFailback { .. }
        | Operation::EndDrill => false,
    }
}
