//! One replica and what is asked of it: the unit that routes are decided for.

use super::drill::Drills;
use super::itinerary::{self, Itinerary};
use super::route::{self, Blocked, Hop, Interrupted, Terms};
use crate::base::{EntryName, PointId};
use crate::domain::{Condition, Facts, FailbackTarget, Operation, OperationKind, State};
use crate::inventory::{Inventory, Observed};
use crate::model::{Desired, Entry, FailoverPlan, PointChoice, Replica, Via, Workspace};
use crate::plan::{Purpose, Refused, RefusedWhy, RouteOffer, Untouched};
use crate::port::Placement;

/// One replica and what is asked of it.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The replica's document.
    pub replica: &'a Replica,
    /// What was seen of it.
    pub observed: Option<&'a Observed>,
    /// The restore point that its consistency group has chosen for it.
    pub cut: Option<&'a PointId>,
    /// The documents' meaning.
    pub workspace: &'a Workspace,
    /// All that was seen.
    pub inventory: &'a Inventory,
    /// What is asked.
    pub desired: &'a Desired,
    /// Which of the runbook's desired states that is.
    pub position: usize,
    /// The failover plan through which it was named, and its entry there.
    pub plan: Option<&'a FailoverPlan>,
    /// The position of its entry in the plan's sequence.
    pub entry: Option<usize>,
    /// Whether a person said that manual switchovers shall be done now.
    pub switchover_now: bool,
    /// What the plan is for.
    pub purpose: &'a Purpose,
    /// What is asked of a copy, where it is that.
    pub drills: Option<Drills<'a>>,
}

/// What is to be done with a replica.
#[derive(Debug, Clone)]
pub enum Decision {
    /// Nothing.
    Leave(Condition, Untouched),
    /// This.
    Go(Condition, Box<Itinerary>),
}

impl<'a> Case<'a> {
    /// Whether a replication run is asked for.
    pub const fn replicates(&self) -> bool {
        matches!(self.purpose, Purpose::Replicate)
    }

    /// The facts, where the recovery site answered.
    pub fn facts(&self) -> Option<&'a Facts> {
        self.observed.and_then(|o| o.facts.as_ref())
    }

    /// What it was found to be.
    pub fn condition(&self) -> Condition {
        self.observed.map_or(Condition::Unseen, Observed::condition)
    }

    /// The entry's name.
    pub fn entry_name(&self) -> Option<EntryName> {
        self.sequence_entry().map(|e| e.name.clone())
    }

    /// Its entry in the failover plan.
    pub fn sequence_entry(&self) -> Option<&'a Entry> {
        self.plan?.sequence.get(self.entry?)
    }

    /// Where a failback of this replica goes to.
    pub fn target(&self) -> FailbackTarget {
        self.wanted_target().cloned().unwrap_or(FailbackTarget::Original)
    }

    /// Where a failback of this replica goes to, where something is said of it.
    pub fn wanted_target(&self) -> Option<&'a FailbackTarget> {
        self.desired.failback.targets.get(&self.replica.name)
    }

    /// Whether it is on the way back from a run.
    pub const fn is_way_back(&self) -> bool {
        matches!(self.purpose, Purpose::Abort(_))
    }

    /// Its machines. The record beside the replica counts where it names others than the documents.
    pub fn placement(&self, facts: &Facts) -> Placement {
        let before = self.facts().unwrap_or(facts);
        let recorded = before.relation.failback.as_ref().and_then(|f| f.target.other().cloned());
        Placement {
            source: before.relation.source.clone(),
            replica: self.replica.replica.clone(),
            target: recorded.or_else(|| self.target().other().cloned()),
            both_may_run: self.replica.both_may_run.is_some(),
        }
    }

    /// A refusal of it.
    pub fn refused(&self, why: RefusedWhy) -> Box<Refused> {
        Box::new(Refused {
            replica: self.replica.name.clone(),
            desired: self.position,
            now: self.condition(),
            asked: self.desired.state,
            why,
        })
    }
}

/// Decides what is to be done with a replica.
pub fn decide(case: &Case<'_>) -> Result<Decision, Box<Refused>> {
    if let Some(drills) = case.drills {
        return super::drill::decide(case, drills);
    }
    let now = case.condition();
    let Some(facts) = case.facts() else {
        let site = case.replica.replica.site.clone();
        return Err(case.refused(RefusedWhy::RecoveryUnseen(site)));
    };
    if case.replicates() && !replicable(&now) {
        return Ok(Decision::Leave(now, Untouched::NotStandingBy));
    }
    let found = route_for(case, facts, &now)?;
    if found.is_empty()
        && !(now == Condition::Whole(State::ReadyToSwitch) && itinerary::other_time(case, facts))
    {
        return Ok(Decision::Leave(now, Untouched::AlreadyThere));
    }
    let mut itinerary = itinerary::build(case, facts, &found).map_err(|why| case.refused(why))?;
    if itinerary.legs.is_empty() {
        return Ok(Decision::Leave(now, Untouched::AwaitsSwitchover));
    }
    if case.replicates() {
        itinerary.legs.iter_mut().for_each(|leg| leg.why = crate::plan::Why::Asked);
    }
    if start_of(case, facts) == OperationKind::Failover && case.desired.via == Via::Best {
        let unplanned = itinerary.legs.iter_mut().filter(|l| l.operation.kind() == OperationKind::Failover);
        unplanned.for_each(|leg| leg.why = crate::plan::Why::SourceSilent);
    }
    Ok(Decision::Go(now, Box::new(itinerary)))
}

/// Whether a replication run concerns it. A replica that serves is held, and left alone: the other ones still get their run.
fn replicable(now: &Condition) -> bool {
    match now {
        Condition::Whole(State::Unprotected | State::Ready) | Condition::Foreign(_) => true,
        Condition::PartWay(operation) => operation.kind() == OperationKind::Replicate,
        Condition::Whole(_) | Condition::Unseen => false,
    }
}

fn route_for(case: &Case<'_>, facts: &Facts, now: &Condition) -> Result<Vec<Hop>, Box<Refused>> {
    let terms = Terms { goal: case.desired.state, keep: case.desired.keep, start: start_of(case, facts) };
    let route = match now {
        Condition::Whole(State::Ready) if case.replicates() => Ok(vec![Hop::Do(OperationKind::Replicate)]),
        Condition::Whole(state) => {
            let intact =
                facts.relation.failback.as_ref().is_none_or(|f| f.target != FailbackTarget::Original);
            route::from_state(*state, &terms, intact)
        }
        Condition::PartWay(operation) => {
            route::from_part_way(operation, &terms, interrupted(case, facts, operation))
        }
        Condition::Foreign(foreign) => return Err(case.refused(RefusedWhy::Foreign(*foreign))),
        Condition::Unseen => {
            let site = case.replica.replica.site.clone();
            return Err(case.refused(RefusedWhy::RecoveryUnseen(site)));
        }
    };
    route.map_err(|blocked| case.refused(explain(case, facts, now, blocked)))
}

/// Planned or not: what the document says, and for `best` whether the source answers.
fn start_of(case: &Case<'_>, facts: &Facts) -> OperationKind {
    match case.desired.via {
        Via::Planned => OperationKind::PlannedFailover,
        Via::Unplanned => OperationKind::Failover,
        Via::Best if facts.source.facts().is_some() => OperationKind::PlannedFailover,
        Via::Best => OperationKind::Failover,
    }
}

fn interrupted(case: &Case<'_>, facts: &Facts, operation: &Operation) -> Interrupted {
    let source = facts.source.facts().is_some();
    let (completable, other_point) = match operation {
        Operation::Replicate { .. } => (source, false),
        Operation::PlannedFailover { last, .. } => {
            let unplanned = case.desired.via == Via::Unplanned;
            (source || facts.point(last).is_some(), unplanned && case.desired.point != PointChoice::Latest)
        }
        Operation::Failover { point } => {
            let wanted = match &case.desired.point {
                PointChoice::Id(id) => id == point,
                PointChoice::At(at) => facts.point_at(*at).is_some_and(|p| p.id == *point),
                PointChoice::Latest => true,
            };
            (facts.point(point).is_some(), !wanted)
        }
        Operation::UndoFailover
        | Operation::PermanentFailover
        | Operation::Failback { .. }
        | Operation::Switchover { .. }
        | Operation::CommitFailback { .. }
        | Operation::UndoFailback
        | Operation::Drill { .. }
        | Operation::EndDrill => (true, false),
    };
    let has_points = !facts.points.is_empty();
    Interrupted { completable, replica_wrote: facts.replica_wrote(), has_points, other_point }
}

fn explain(case: &Case<'_>, facts: &Facts, now: &Condition, blocked: Blocked) -> RefusedWhy {
    match blocked {
        Blocked::Refused(operation, refusal) => {
            let lawful = now.whole().map(|from| route::lawful(from, case.desired.state)).unwrap_or_default();
            RefusedWhy::NotPossible { operation, refusal, lawful }
        }
        Blocked::Ambiguous(ways) => RefusedWhy::Ambiguous(
            ways.into_iter()
                .map(|(keep, route)| RouteOffer {
                    say: itinerary::word(keep),
                    operations: route.iter().map(|hop| hop.operation()).collect(),
                    loses: itinerary::losses(case, facts, &route),
                })
                .collect(),
        ),
        Blocked::NothingToKeep => RefusedWhy::NothingToKeep,
        Blocked::OnlyForward(operation) => RefusedWhy::OnlyForward(operation),
    }
}
