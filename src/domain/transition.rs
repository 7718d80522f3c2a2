//! The one transition function: the table of `docs/lifecycle.md`, cell by cell.

use crate::domain::operation::OperationKind;
use crate::domain::state::{State, leads_to};
use serde::{Deserialize, Serialize};

/// Why an operation is not possible in a state. A closed list: each has its sentence in `report`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Refusal {
    /// The replica was never replicated.
    NeverReplicated,
    /// There is no failover or failback to undo.
    NothingToUndo,
    /// The replica is Ready: fail over first.
    FailOverFirst,
    /// A failover starts from Ready alone.
    MustBeReady,
    /// Replication is held until the replica is Ready again.
    Held,
    /// There is no failback: start one first.
    StartFailbackFirst,
    /// A failback is under way: undo it first.
    UndoFailbackFirst,
    /// The failback is already running.
    AlreadyRunning,
    /// Phase 1 alone is done: switch over first.
    SwitchOverFirst,
    /// The switchover is already done.
    AlreadySwitched,
    /// The source is excluded from replication.
    Excluded,
    /// It was failed over for good: it is not a replica any more.
    NotAReplica,
}

/// Where an operation leads from a state.
///
/// # Errors
/// The [`Refusal`] of that cell of the table.
pub const fn transition(state: State, operation: OperationKind) -> Result<State, Refusal> {
    use OperationKind as O;
    use Refusal as R;
    let refusal = match (state, operation) {
        (State::Unprotected | State::Ready, O::Replicate)
        | (State::Ready, O::Failover | O::PlannedFailover)
        | (State::Failover, O::UndoFailover | O::PermanentFailover | O::Failback)
        | (State::ReadyToSwitch, O::Switchover | O::UndoFailback)
        | (State::Failback, O::CommitFailback | O::UndoFailback)
        | (State::Ready, O::Drill) => return Ok(leads_to(operation)),
        // What a drill left is removed whatever became of the replica since.
        (_, O::EndDrill) => return Ok(state),
        (
            State::Unprotected,
            O::Failover
            | O::PlannedFailover
            | O::UndoFailover
            | O::PermanentFailover
            | O::Failback
            | O::Switchover
            | O::CommitFailback
            | O::UndoFailback
            | O::Drill,
        ) => R::NeverReplicated,
        (State::Ready, O::UndoFailover | O::UndoFailback) => R::NothingToUndo,
        (State::Ready, O::PermanentFailover | O::Failback | O::Switchover | O::CommitFailback) => {
            R::FailOverFirst
        }
        (State::Failover | State::ReadyToSwitch | State::Failback, O::Replicate) => R::Held,
        (
            State::Failover | State::ReadyToSwitch | State::Failback,
            O::Failover | O::PlannedFailover | O::Drill,
        ) => R::MustBeReady,
        (State::Failover, O::Switchover | O::CommitFailback) => R::StartFailbackFirst,
        (State::Failover, O::UndoFailback) => R::NothingToUndo,
        (State::ReadyToSwitch | State::Failback, O::UndoFailover | O::PermanentFailover) => {
            R::UndoFailbackFirst
        }
        (State::ReadyToSwitch | State::Failback, O::Failback) => R::AlreadyRunning,
        (State::ReadyToSwitch, O::CommitFailback) => R::SwitchOverFirst,
        (State::Failback, O::Switchover) => R::AlreadySwitched,
        (State::Permanent, O::Replicate) => R::Excluded,
        (
            State::Permanent,
            O::Failover
            | O::PlannedFailover
            | O::UndoFailover
            | O::PermanentFailover
            | O::Failback
            | O::Switchover
            | O::CommitFailback
            | O::UndoFailback
            | O::Drill,
        ) => R::NotAReplica,
    };
    Err(refusal)
}

/// The operations that are possible in a state, in the table's order.
pub fn possible(state: State) -> impl Iterator<Item = OperationKind> {
    OperationKind::ALL.into_iter().filter(move |op| transition(state, *op).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the design, row by row: the new state, or `-` for a refusal.
    const TABLE: [(State, [&str; 9]); 6] = [
        (State::Unprotected, ["Ready", "-", "-", "-", "-", "-", "-", "-", "-"]),
        (State::Ready, ["Ready", "Failover", "Failover", "-", "-", "-", "-", "-", "-"]),
        (State::Failover, ["-", "-", "-", "Ready", "Permanent", "ReadyToSwitch", "-", "-", "-"]),
        (State::ReadyToSwitch, ["-", "-", "-", "-", "-", "-", "Failback", "-", "Failover"]),
        (State::Failback, ["-", "-", "-", "-", "-", "-", "-", "Ready", "Failover"]),
        (State::Permanent, ["-", "-", "-", "-", "-", "-", "-", "-", "-"]),
    ];

    #[test]
    fn the_table_is_the_designs() {
        for (state, row) in TABLE {
            for (operation, cell) in OperationKind::ALL.into_iter().zip(row) {
                let found = transition(state, operation).map_or("-", State::name);
                assert_eq!(found, cell, "{state} {operation}");
            }
        }
    }
}
