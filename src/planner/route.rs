//! Which operations lead from what was seen to what is desired. Pure tables; what an operation needs from the world is asked later.

use crate::domain::state::leads_to;
use crate::domain::transition::transition;
use crate::domain::{Operation, OperationKind, Refusal, State};
use crate::model::Keep;
use crate::plan::Why;

/// One operation of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hop {
    /// A new operation.
    Do(OperationKind),
    /// The rest of the one that was interrupted.
    Complete(OperationKind),
    /// The way back of the one that was interrupted.
    TakeBack(OperationKind),
}

impl Hop {
    /// The operation.
    pub const fn operation(self) -> OperationKind {
        match self {
            Self::Do(operation) | Self::Complete(operation) | Self::TakeBack(operation) => operation,
        }
    }

    /// Why it is in the plan.
    pub const fn why(self) -> Why {
        match self {
            Self::Do(_) => Why::Desired,
            Self::Complete(_) => Why::Completes,
            Self::TakeBack(_) => Why::TakesBack,
        }
    }
}

/// What the document says about the way.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// The desired state.
    pub goal: State,
    /// Whose data survives.
    pub keep: Option<Keep>,
    /// The operation that a start needs: planned or not.
    pub start: OperationKind,
}

/// Why there is no route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blocked {
    /// The operation that the goal needs is refused.
    Refused(OperationKind, Refusal),
    /// Two routes keep different data; each with the word that chooses it.
    Ambiguous(Vec<(Keep, Vec<Hop>)>),
    /// What shall be kept is gone.
    NothingToKeep,
    /// The interrupted operation can only be completed, and the goal is another one.
    OnlyForward(OperationKind),
}

/// A route, or why there is none.
pub type Route = Result<Vec<Hop>, Blocked>;

/// The route from a whole state. `source_intact` tells whether the source's own data still exists in the Failback state (it does
/// unless the failback went to the source itself).
pub fn from_state(state: State, terms: &Terms, source_intact: bool) -> Route {
    use OperationKind as O;
    let keep = terms.keep;
    match (state, terms.goal) {
        (from, to) if from == to => Ok(Vec::new()),
        (State::Unprotected, State::Ready) => Ok(vec![Hop::Do(O::Replicate)]),
        (State::Unprotected, _) => Err(Blocked::Refused(terms.start, Refusal::NeverReplicated)),
        (State::Permanent, _) => Err(Blocked::Refused(needed(terms), Refusal::NotAReplica)),
        (_, State::Unprotected) => Err(Blocked::Refused(O::Replicate, Refusal::AlreadyRunning)),
        (State::Ready, State::Failover) => Ok(vec![Hop::Do(terms.start)]),
        (State::Ready, State::Permanent) => Ok(vec![Hop::Do(terms.start), Hop::Do(O::PermanentFailover)]),
        (State::Ready, State::ReadyToSwitch | State::Failback) => {
            Err(Blocked::Refused(O::Failback, Refusal::FailOverFirst))
        }
        (State::Failover, State::Ready) => {
            chosen(keep, vec![Hop::Do(O::UndoFailover)], failback_and_commit())
        }
        (State::Failover, State::ReadyToSwitch) => Ok(vec![Hop::Do(O::Failback)]),
        (State::Failover, State::Failback) => Ok(vec![Hop::Do(O::Failback), Hop::Do(O::Switchover)]),
        (State::Failover, State::Permanent) => Ok(vec![Hop::Do(O::PermanentFailover)]),
        (State::ReadyToSwitch, State::Ready) => {
            let source = vec![Hop::Do(O::UndoFailback), Hop::Do(O::UndoFailover)];
            chosen(keep, source, vec![Hop::Do(O::Switchover), Hop::Do(O::CommitFailback)])
        }
        (State::ReadyToSwitch, State::Failover) => Ok(vec![Hop::Do(O::UndoFailback)]),
        (State::ReadyToSwitch, State::Failback) => Ok(vec![Hop::Do(O::Switchover)]),
        (State::ReadyToSwitch, State::Permanent) => {
            Ok(vec![Hop::Do(O::UndoFailback), Hop::Do(O::PermanentFailover)])
        }
        (State::Failback, goal) => from_failback(goal, terms, source_intact),
        (State::Ready | State::Failover | State::ReadyToSwitch, _) => Ok(Vec::new()),
    }
}

/// From Failback, production serves. Committing keeps what it wrote and what the replica wrote before; everything that goes back
/// to the replica discards what production wrote since the switchover, so the document must say `keep: replica` for it.
fn from_failback(goal: State, terms: &Terms, source_intact: bool) -> Route {
    use OperationKind as O;
    let undo = Hop::Do(O::UndoFailback);
    match (goal, terms.keep) {
        (State::Ready, None | Some(Keep::Replica)) => Ok(vec![Hop::Do(O::CommitFailback)]),
        (State::Ready, Some(Keep::Source)) if source_intact => Ok(vec![undo, Hop::Do(O::UndoFailover)]),
        (State::Ready, Some(Keep::Source)) => Err(Blocked::NothingToKeep),
        (State::Failover, Some(Keep::Replica)) => Ok(vec![undo]),
        (State::Permanent, Some(Keep::Replica)) => Ok(vec![undo, Hop::Do(O::PermanentFailover)]),
        (State::ReadyToSwitch, Some(Keep::Replica)) => Ok(vec![undo, Hop::Do(O::Failback)]),
        (State::Failover | State::Permanent, _) => {
            let mut production = vec![Hop::Do(O::CommitFailback), Hop::Do(terms.start)];
            let mut replica = vec![undo];
            if goal == State::Permanent {
                production.push(Hop::Do(O::PermanentFailover));
                replica.push(Hop::Do(O::PermanentFailover));
            }
            chosen(terms.keep, production, replica)
        }
        (State::ReadyToSwitch, _) => Err(Blocked::Refused(O::Failback, Refusal::AlreadySwitched)),
        (State::Unprotected | State::Failback, _) => Ok(Vec::new()),
    }
}

fn failback_and_commit() -> Vec<Hop> {
    use OperationKind as O;
    vec![Hop::Do(O::Failback), Hop::Do(O::Switchover), Hop::Do(O::CommitFailback)]
}

fn chosen(keep: Option<Keep>, source: Vec<Hop>, replica: Vec<Hop>) -> Route {
    match keep {
        Some(Keep::Source) => Ok(source),
        Some(Keep::Replica) => Ok(replica),
        None => Err(Blocked::Ambiguous(vec![(Keep::Source, source), (Keep::Replica, replica)])),
    }
}

/// The operation by which one would enter the desired state.
fn needed(terms: &Terms) -> OperationKind {
    match terms.goal {
        State::Unprotected | State::Ready => OperationKind::Replicate,
        State::Failover => terms.start,
        State::ReadyToSwitch => OperationKind::Failback,
        State::Failback => OperationKind::Switchover,
        State::Permanent => OperationKind::PermanentFailover,
    }
}

/// What is known of an interrupted operation.
#[derive(Debug, Clone, Copy)]
pub struct Interrupted {
    /// Whether its rest can be carried out with the sites that answer.
    pub completable: bool,
    /// Whether the replica may have written already.
    pub replica_wrote: bool,
    /// Whether there is a restore point at all.
    pub has_points: bool,
    /// Whether the way back would take the goal's terms better: another restore point is asked for.
    pub other_point: bool,
}

/// The route from the middle of an operation: its rest or its way back, then on from there.
pub fn from_part_way(operation: &Operation, terms: &Terms, seen: Interrupted) -> Route {
    use OperationKind as O;
    let kind = operation.kind();
    let complete = || then(Hop::Complete(kind), leads_to(kind), terms);
    let back = |undo: OperationKind| then(Hop::TakeBack(undo), leads_to(undo), terms);
    let goal = terms.goal;
    match kind {
        O::Replicate if seen.completable || !seen.has_points => complete(),
        O::Replicate => back(O::UndoFailover),
        O::Failover | O::PlannedFailover => match goal {
            State::Ready | State::Unprotected if !seen.replica_wrote => back(O::UndoFailover),
            State::Ready | State::Unprotected => match terms.keep {
                Some(Keep::Source) => back(O::UndoFailover),
                Some(Keep::Replica) => complete(),
                None => chosen(
                    None,
                    vec![Hop::TakeBack(O::UndoFailover)],
                    [vec![Hop::Complete(kind)], failback_and_commit()].concat(),
                ),
            },
            // Another restore point, or a source that is gone by now: back to Ready first, as long as nothing was written.
            _ if (seen.other_point || !seen.completable) && !seen.replica_wrote => back(O::UndoFailover),
            _ => complete(),
        },
        O::UndoFailover | O::CommitFailback | O::UndoFailback | O::Drill | O::EndDrill => complete(),
        O::PermanentFailover if goal == State::Permanent => complete(),
        O::PermanentFailover => Err(Blocked::OnlyForward(kind)),
        O::Failback | O::Switchover => match (goal, terms.keep) {
            (State::Failover | State::Permanent, _) | (State::Ready, Some(Keep::Source)) => {
                back(O::UndoFailback)
            }
            (State::ReadyToSwitch, _) if kind == O::Switchover => back(O::UndoFailback),
            (State::Ready, None) => chosen(
                None,
                vec![Hop::TakeBack(O::UndoFailback), Hop::Do(O::UndoFailover)],
                [vec![Hop::Complete(kind)], rest_of_failback(kind)].concat(),
            ),
            _ => complete(),
        },
    }
}

fn rest_of_failback(kind: OperationKind) -> Vec<Hop> {
    use OperationKind as O;
    match kind {
        O::Failback => vec![Hop::Do(O::Switchover), Hop::Do(O::CommitFailback)],
        _ => vec![Hop::Do(O::CommitFailback)],
    }
}

fn then(first: Hop, reached: State, terms: &Terms) -> Route {
    let rest = from_state(reached, terms, true)?;
    Ok(std::iter::once(first).chain(rest).collect())
}

/// The shortest lawful way between two states, for the help of a refusal.
pub fn lawful(from: State, to: State) -> Vec<OperationKind> {
    let mut ways: Vec<(State, Vec<OperationKind>)> = vec![(from, Vec::new())];
    let mut seen = vec![from];
    let mut next = 0;
    while let Some((state, way)) = ways.get(next).cloned() {
        next += 1;
        if state == to {
            return way;
        }
        for operation in OperationKind::ALL {
            if let Ok(reached) = transition(state, operation)
                && !seen.contains(&reached)
            {
                seen.push(reached);
                ways.push((reached, [way.as_slice(), &[operation]].concat()));
            }
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(goal: State, keep: Option<Keep>) -> Terms {
        Terms { goal, keep, start: OperationKind::PlannedFailover }
    }

    /// Every route from every state is made of transitions that the table allows, and ends in the goal.
    #[test]
    fn routes_walk_the_transition_table() {
        for state in State::ALL {
            for goal in State::ALL {
                for keep in [None, Some(Keep::Source), Some(Keep::Replica)] {
                    let Ok(route) = from_state(state, &terms(goal, keep), true) else { continue };
                    let end = route.iter().try_fold(state, |at, hop| transition(at, hop.operation()));
                    assert_eq!(end, Ok(goal), "{state} to {goal} keeping {keep:?}: {route:?}");
                }
            }
        }
    }

    #[test]
    fn nothing_is_discarded_without_the_documents_word() {
        for (state, goal) in [
            (State::Failover, State::Ready),
            (State::ReadyToSwitch, State::Ready),
            (State::Failback, State::Failover),
        ] {
            let found = from_state(state, &terms(goal, None), true);
            assert!(
                matches!(found, Err(Blocked::Ambiguous(ref ways)) if ways.len() == 2),
                "{state} to {goal}"
            );
        }
    }

    #[test]
    fn what_the_failback_overwrote_cannot_be_kept() {
        let keep = terms(State::Ready, Some(Keep::Source));
        assert_eq!(from_state(State::Failback, &keep, false), Err(Blocked::NothingToKeep));
        assert!(from_state(State::Failback, &keep, true).is_ok());
    }

    #[test]
    fn the_lawful_way_is_the_shortest() {
        use OperationKind as O;
        assert_eq!(lawful(State::Failover, State::Failback), vec![O::Failback, O::Switchover]);
        assert_eq!(lawful(State::Permanent, State::Ready), Vec::new());
    }
}
