//! Consistency groups. Where a member is failed over to a restore point, all of them go to one common cut: the newest there is whose points are
//! no further apart than the group allows. What is there already, or asked for by its name, the others have to come to.

use super::Request;
use super::case::{Case, Decision};
use crate::base::{PointId, ReplicaName};
use crate::domain::cut::{Choice, Set, newest, taken};
use crate::domain::{Condition, Facts, Operation, PointKind, State, condition};
use crate::inventory::{FactName, FactRead, read};
use crate::model::{ConsistencyGroup, FailoverPlan, PointChoice};
use crate::plan::{Apart, Cut, CutMember, Plan, Refused, RefusedWhy, Torn, Untouched, Why};
use std::collections::BTreeMap;

type Decided = Result<Decision, Box<Refused>>;

/// What the groups mean for a plan.
#[derive(Debug, Default)]
pub struct Chosen<'a> {
    /// The points of members that do not go to the one that they would take alone.
    pub points: BTreeMap<ReplicaName, &'a PointId>,
    /// The cuts.
    pub cuts: Vec<Cut>,
    /// The groups that would be torn apart; one refusal each.
    pub refused: Vec<Refused>,
}

/// What becomes of a member in this plan.
enum Fate<'a> {
    /// It goes to one of these points; to the only one, where that is fixed.
    Goes(Choice<'a>),
    /// It is at this point before the plan begins, and stays there.
    There(Choice<'a>),
    /// It is not brought to any point.
    Apart(Apart),
    /// It is no member any more as far as this plan goes: it was failed over for good, or with all that it had.
    Gone,
    /// It is refused already: that is said elsewhere.
    Unknown,
}

/// Chooses the cut of every group that the plan concerns.
pub fn choose<'a>(
    request: &Request<'a>,
    cases: &[Case<'a>],
    decided: &[Decided],
    out: &[Option<Untouched>],
) -> Chosen<'a> {
    let mut going: BTreeMap<&ReplicaName, usize> = BTreeMap::new();
    for (position, case) in cases.iter().enumerate() {
        if out.get(position).copied().flatten().is_none() {
            going.insert(&case.replica.name, position);
        }
    }
    let mut chosen = Chosen::default();
    for plan in request.workspace.plans.values() {
        for group in &plan.consistency {
            let fates: Vec<(&'a ReplicaName, Fate<'a>)> = group
                .replicas
                .iter()
                .map(|name| {
                    let position = going.get(name).copied();
                    let own = position.and_then(|p| Some((cases.get(p)?, decided.get(p)?)));
                    (name, fate(request, own, name))
                })
                .filter(|(_, fate)| !matches!(fate, Fate::Gone))
                .collect();
            let first = fates.iter().find(|(_, fate)| matches!(fate, Fate::Goes(_)));
            let Some(case) = first.and_then(|(name, _)| cases.get(*going.get(name)?)) else { continue };
            // One alone has nobody to fit to.
            if fates.len() < 2 || fates.iter().any(|(_, fate)| matches!(fate, Fate::Unknown)) {
                continue;
            }
            match together(group, &fates) {
                Ok(set) => add(&mut chosen, request, (plan, group), (set, &fates)),
                Err(why) => chosen.refused.push(*case.refused(RefusedWhy::Torn(why))),
            }
        }
    }
    chosen
}

fn fate<'a>(request: &Request<'a>, own: Option<(&Case<'a>, &Decided)>, replica: &'a ReplicaName) -> Fate<'a> {
    let facts = request.inventory.replicas.get(replica).and_then(|o| o.facts.as_ref());
    let Some(facts) = facts else {
        // Of a member that the plan names the refusal says that it cannot be seen; of another one nobody would.
        return if own.is_none() { Fate::Apart(Apart::Unseen) } else { Fate::Unknown };
    };
    let one = |id: &PointId| {
        let point = facts.point(id)?;
        Some(Choice { replica, points: vec![(point.at, &point.id)], fixed: true })
    };
    let (case, itinerary) = match own {
        Some((_, Err(_))) => return Fate::Unknown,
        Some((case, Ok(Decision::Go(_, itinerary)))) => (case, itinerary),
        Some((_, Ok(Decision::Leave(..)))) | None => return there(replica, facts),
    };
    let over = |operation: &Operation| {
        matches!(
            operation,
            Operation::Failover { .. } | Operation::PlannedFailover { .. } | Operation::Drill { .. }
        )
    };
    match itinerary.legs.iter().find(|leg| over(&leg.operation)).map(|leg| (&leg.operation, &leg.why)) {
        // Begun before: it goes on with the point that is recorded.
        Some((Operation::Failover { point }, Why::Completes)) => one(point).map_or(Fate::Unknown, Fate::Goes),
        // Copies are tried at the very cut to which a failover would go.
        Some((Operation::Failover { point } | Operation::Drill { point }, _))
            if facts.point(point).is_some() =>
        {
            Fate::Goes(free(case, facts, replica))
        }
        Some((Operation::PlannedFailover { last, .. }, Why::Completes)) => {
            one(last).map_or(Fate::Apart(Apart::Planned), Fate::There)
        }
        Some((Operation::PlannedFailover { .. }, _)) => Fate::Apart(Apart::Planned),
        // It goes to a point that this plan makes itself first.
        Some(_) => Fate::Unknown,
        None if itinerary.then == State::Ready || itinerary.then == State::Unprotected => {
            Fate::Apart(Apart::Stays)
        }
        None => there(replica, facts),
    }
}

/// The points that a member may go to, by the document's own word.
fn free<'a>(case: &Case<'a>, facts: &'a Facts, replica: &'a ReplicaName) -> Choice<'a> {
    let fits = |point: &&crate::domain::RestorePoint| match &case.desired.point {
        PointChoice::Latest => true,
        PointChoice::At(at) => point.at <= *at,
        PointChoice::Id(id) => point.id == *id,
    };
    let points = facts.points.iter().filter(fits).map(|point| (point.at, &point.id)).collect();
    Choice { replica, points, fixed: matches!(case.desired.point, PointChoice::Id(_)) }
}

/// What a member is that this plan does not fail over: it serves from a point already, or it stays with its source.
fn there<'a>(replica: &'a ReplicaName, facts: &'a Facts) -> Fate<'a> {
    match taken(facts) {
        _ if condition(facts) == Condition::Whole(State::Permanent) => Fate::Gone,
        // It lost nothing and went on since: no point of another one fits to what it is by now.
        Some(point) if point.kind == PointKind::Helper && condition(facts).whole().is_some() => Fate::Gone,
        Some(point) => Fate::There(Choice { replica, points: vec![(point.at, &point.id)], fixed: true }),
        None if facts.points.is_empty() => Fate::Apart(Apart::NoPoint),
        None => Fate::Apart(Apart::Stays),
    }
}

/// The cut of a group.
fn together(group: &ConsistencyGroup, fates: &[(&ReplicaName, Fate<'_>)]) -> Result<Set, Torn> {
    let mut members = Vec::with_capacity(fates.len());
    for (name, fate) in fates {
        match fate {
            Fate::Goes(choice) | Fate::There(choice) => members.push(choice.clone()),
            Fate::Apart(how) => {
                return Err(Torn::LeftApart { group: group.name.clone(), other: (*name).clone(), how: *how });
            }
            Fate::Gone | Fate::Unknown => {}
        }
    }
    newest(&members, group.max_skew).map_err(|nearest| {
        let nearest = nearest.unwrap_or(Set(Vec::new()));
        Torn::TooFar {
            group: group.name.clone(),
            early: nearest.early().cloned(),
            late: nearest.late().cloned(),
            allowed: group.max_skew,
            bound: members.iter().any(|m| m.fixed),
        }
    })
}

fn add<'a>(
    chosen: &mut Chosen<'a>,
    request: &Request<'a>,
    (plan, group): (&FailoverPlan, &ConsistencyGroup),
    (set, fates): (Set, &[(&'a ReplicaName, Fate<'a>)]),
) {
    let mut members = Vec::with_capacity(fates.len());
    for ((name, fate), point) in fates.iter().zip(set.0) {
        let facts = request.inventory.replicas.get(*name).and_then(|o| o.facts.as_ref());
        let newest = facts.and_then(Facts::latest).map_or(point.at, |latest| latest.at);
        if let (Fate::Goes(Choice { fixed: false, .. }), Some(own)) =
            (fate, facts.and_then(|f| f.point(&point.point)))
        {
            chosen.points.insert((*name).clone(), &own.id);
        }
        let there = matches!(fate, Fate::There(_));
        members.push(CutMember { replica: point.replica, point: point.point, at: point.at, newest, there });
    }
    let (group, max_skew) = (group.name.clone(), group.max_skew);
    chosen.cuts.push(Cut { group, plan: plan.name.clone(), max_skew, members });
}

/// The facts that a plan's cuts rely on beside those of its own members: from which points the others serve.
pub fn relied(plan: &Plan, request: &Request<'_>) -> Vec<FactRead> {
    let there = plan.cuts.iter().flat_map(|cut| &cut.members).filter(|member| member.there);
    let one = |member: &CutMember| {
        let observed = request.inventory.replicas.get(&member.replica);
        let fact = FactName::InUse;
        FactRead { replica: member.replica.clone(), value: read(observed, &fact), fact }
    };
    there.map(one).collect()
}
