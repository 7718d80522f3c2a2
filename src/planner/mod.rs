//! Floor 5: from what is observed and what is desired to a plan. Pure: the same values give the same bytes.

mod case;
mod conflicts;
mod cuts;
mod draft;
pub mod drill;
mod estimate;
mod fences;
mod hooks;
mod itinerary;
mod legs;
mod limits;
mod names;
pub mod network;
mod order;
mod recipe;
mod route;
mod schedule;
mod slice;
#[cfg(test)]
mod tests;
mod wiring;

use crate::base::{Duration, PlanName, ReplicaName};
use crate::domain::{Action, Condition, IfFailed, OnFailure};
use crate::inventory::{FactName, FactRead, Inventory, Observed, read};
use crate::model::{Desired, FailoverPlan, Subject, Workspace};
use crate::plan::{
    Cut, Follows, Forecast, Member, NodeId, Plan, Purpose, Refused, SitesRead, Slice, Unchanged, Untouched,
    Warning, Work,
};
use case::{Case, Decision, decide};
use draft::{Draft, Wire};
use itinerary::{Itinerary, Note};
use legs::Placement;
pub use names::standing;
use rayon::prelude::*;
pub use slice::Selected;
use std::collections::{BTreeMap, BTreeSet};
use wiring::Group;

/// What a plan is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The documents' meaning.
    pub workspace: &'a Workspace,
    /// What was observed.
    pub inventory: &'a Inventory,
    /// What the plan is for.
    pub purpose: &'a Purpose,
    /// The desired states.
    pub desired: &'a [Desired],
    /// Whether a person said that manual switchovers shall be done now.
    pub switchover_now: bool,
}

/// A replica that goes through the plan.
struct Traveller<'a> {
    case: Case<'a>,
    now: Condition,
    itinerary: Box<Itinerary>,
    placement: Placement,
    wave: u32,
}

/// Makes the plan.
///
/// # Errors
/// All refusals at once, in the order of the runbook.
pub fn plan(request: &Request<'_>) -> Result<Plan, Vec<Refused>> {
    sliced(request, None)
}

/// Makes the plan of a part of what is asked for.
///
/// # Errors
/// All refusals at once, in the order of the runbook. What is left out refuses nothing.
pub fn sliced(request: &Request<'_>, selected: Option<&Selected>) -> Result<Plan, Vec<Refused>> {
    let Sorted { mut travellers, unchanged, follows, cuts } = sort_out(request, selected)?;
    let mut draft = Draft::for_replicas(travellers.len());
    for traveller in &mut travellers {
        traveller.placement = legs::place(&mut draft, &traveller.case, &traveller.itinerary);
        limits::limit(&mut draft, request.workspace, &traveller.case, &traveller.placement);
    }
    let legs = travellers.iter().flat_map(|t| {
        let drafted = t.itinerary.legs.iter().map(|leg| leg.fence.as_ref());
        drafted.zip(t.placement.legs.iter().map(|(_, placed)| placed))
    });
    let fences = fences::place(&mut draft, request.workspace, legs);
    wire_groups(&mut draft, &mut travellers, (&unchanged, &fences));
    drill::close(&mut draft, request.purpose, travellers.iter().map(|t| &t.placement));
    draft.number();
    let slice = selected.map(|Selected { said: (only, without), .. }| Slice {
        only: only.clone(),
        without: without.clone(),
        follows,
    });
    let mut plan = Plan { slice, ..finish(request, draft, travellers, unchanged) };
    plan.cuts = cuts;
    plan.read.extend(cuts::relied(&plan, request));
    plan.read.sort_by(|a, b| (&a.replica, &a.fact).cmp(&(&b.replica, &b.fact)));
    plan.read.dedup();
    plan.warnings.extend(fences::others(request, &plan));
    plan.warnings.sort();
    Ok(plan)
}

/// Who moves, who does not, and what that means for others.
struct Sorted<'a> {
    travellers: Vec<Traveller<'a>>,
    unchanged: Vec<Unchanged>,
    follows: Vec<Follows>,
    cuts: Vec<Cut>,
}

/// Decides for every replica that is named; the others are left alone.
fn sort_out<'a>(request: &Request<'a>, selected: Option<&Selected>) -> Result<Sorted<'a>, Vec<Refused>> {
    let (mut travellers, mut unchanged, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    let cases = cases(request);
    let named: BTreeSet<&ReplicaName> = cases.iter().map(|c| &c.replica.name).collect();
    let decided: Vec<_> = cases.par_iter().map(decide).collect();
    let cut = selected.map(|selected| slice::cut(&cases, &decided, selected)).unwrap_or_default();
    let chosen = cuts::choose(request, &cases, &decided, &cut.out);
    refused.extend(chosen.refused);
    for (position, (case, decided)) in cases.iter().zip(decided).enumerate() {
        let case = &Case { cut: chosen.points.get(&case.replica.name).copied(), ..*case };
        let decided = if case.cut.is_some() && decided.is_ok() { decide(case) } else { decided };
        if let Some(why) = cut.out.get(position).copied().flatten() {
            let now = case.condition();
            unchanged.push(Unchanged { replica: case.replica.name.clone(), now, why });
            continue;
        }
        match decided {
            Ok(Decision::Leave(now, why)) => {
                unchanged.push(Unchanged { replica: case.replica.name.clone(), now, why });
            }
            Ok(Decision::Go(now, itinerary)) => travellers.push(Traveller {
                case: *case,
                now,
                itinerary,
                placement: Placement::default(),
                wave: 1,
            }),
            Err(why) => refused.push(*why),
        }
    }
    if refused.is_empty() {
        refused = conflicts::find(&travellers, request.workspace, request.inventory);
        refused.extend(drill::not_apart(&travellers, request));
    }
    if !refused.is_empty() {
        return Err(refused);
    }
    for (name, observed) in &request.inventory.replicas {
        if !named.contains(name) {
            let now = observed.condition();
            unchanged.push(Unchanged { replica: name.clone(), now, why: Untouched::NotNamed });
        }
    }
    unchanged.sort_by(|a, b| a.replica.cmp(&b.replica));
    Ok(Sorted { travellers, unchanged, follows: cut.follows, cuts: chosen.cuts })
}

/// Every replica that the runbook names, in its order and in the order of the plans' sequences.
fn cases<'a>(request: &Request<'a>) -> Vec<Case<'a>> {
    let mut cases = Vec::new();
    for (position, desired) in request.desired.iter().enumerate() {
        let case = |name: &ReplicaName, plan: Option<&'a FailoverPlan>, entry: Option<usize>| {
            let replica = request.workspace.replicas.get(name)?;
            let observed = request.inventory.replicas.get(name);
            let (inventory, switchover_now) = (request.inventory, request.switchover_now);
            Some(Case {
                replica,
                observed,
                cut: None,
                workspace: request.workspace,
                inventory,
                desired,
                position,
                plan,
                entry,
                switchover_now,
                drills: drill::asked(request, replica),
                purpose: request.purpose,
            })
        };
        match &desired.subject {
            Subject::Plan(name) => {
                let Some(plan) = request.workspace.plans.get(name) else { continue };
                for (at, entry) in plan.sequence.iter().enumerate() {
                    cases.extend(entry.replicas.iter().filter_map(|r| case(r, Some(plan), Some(at))));
                }
            }
            Subject::Replicas(names) => cases.extend(names.iter().filter_map(|r| case(r, None, None))),
        }
    }
    cases
}

/// Draws the edges between the replicas of each failover plan, and reads the waves off them.
fn wire_groups(
    draft: &mut Draft,
    travellers: &mut [Traveller<'_>],
    (unchanged, fences): (&[Unchanged], &[fences::Placed]),
) {
    let resting = unchanged.iter().filter(|u| u.why == Untouched::AlreadyThere);
    let resting: BTreeSet<&ReplicaName> = resting.map(|u| &u.replica).collect();
    let there = |entry: &crate::model::Entry| {
        let count = entry.replicas.iter().filter(|r| resting.contains(r)).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    };
    let mut groups: BTreeMap<usize, Group<'_>> = BTreeMap::new();
    for traveller in travellers.iter() {
        let (Some(plan), Some(entry)) = (traveller.case.plan, traveller.case.entry) else { continue };
        let group = groups.entry(traveller.case.position).or_insert_with(|| Group {
            plan,
            entries: vec![Vec::new(); plan.sequence.len()],
            there: plan.sequence.iter().map(there).collect(),
            fences,
        });
        if let Some(entry) = group.entries.get_mut(entry) {
            entry.push(traveller.placement.clone());
        }
    }
    together(draft, travellers);
    let mut waves = BTreeMap::new();
    for (position, group) in &groups {
        let gates = group.wire(draft);
        hooks::of_plan(draft, group, &gates);
        waves.insert(*position, group.waves());
    }
    for traveller in travellers.iter() {
        let replica = traveller.case.replica;
        hooks::of_replica(draft, &replica.hooks, &replica.name, &traveller.placement);
    }
    for traveller in travellers {
        let wave = waves.get(&traveller.case.position).and_then(|w| w.get(traveller.case.entry?));
        traveller.wave = wave.copied().unwrap_or(1);
    }
}

/// The restore points of a consistency group are made at once in a replication run, as far as the limits let them: each member is prepared
/// before the first one is copied.
fn together(draft: &mut Draft, travellers: &[Traveller<'_>]) {
    let replicates = travellers.iter().filter(|t| t.case.replicates());
    let placed: BTreeMap<&ReplicaName, &Placement> =
        replicates.map(|t| (&t.case.replica.name, &t.placement)).collect();
    let Some(first) = travellers.first().filter(|_| !placed.is_empty()) else { return };
    let groups = first.case.workspace.plans.values().flat_map(|plan| &plan.consistency);
    for group in groups {
        let members: Vec<&Placement> =
            group.replicas.iter().filter_map(|name| placed.get(name).copied()).collect();
        let copies: Vec<NodeId> = members.iter().filter_map(|placement| copy(draft, placement)).collect();
        // Without its record nothing begins; where one is not recorded the others go on.
        let prepared: Vec<NodeId> = copies.iter().filter_map(|n| n.0.checked_sub(1).map(NodeId)).collect();
        if copies.len() > 1 {
            let wire = Wire { if_failed: IfFailed::Continue, ..Wire::DONE };
            draft.wire(&prepared, &copies, wire);
        }
    }
}

/// The node that makes the restore point of a replication run, where something of the same leg stands before it.
fn copy(draft: &Draft, placement: &Placement) -> Option<NodeId> {
    let (_, placed) = placement.legs.first()?;
    // The nodes of a leg stand behind each other until the plan is numbered.
    (placed.first.0 + 1..=placed.last.0).map(NodeId).find(|id| {
        draft.nodes.get(id.index()).is_some_and(
            |n| matches!(&n.work, Work::Act(step) if matches!(step.action, Action::CreatePoint { .. })),
        )
    })
}

fn finish(
    request: &Request<'_>,
    draft: Draft,
    mut travellers: Vec<Traveller<'_>>,
    unchanged: Vec<Unchanged>,
) -> Plan {
    travellers.sort_by(|a, b| (a.wave, &a.case.replica.name).cmp(&(b.wave, &b.case.replica.name)));
    let schedule = schedule::walk(&draft.nodes, &draft.edges, &draft.limits, &draft.legs);
    // A drill takes as long as its copies are kept; what it says of the objective stands in its report.
    let objective = objective(&travellers).filter(|_| !request.purpose.is_of_copies());
    let waves = travellers.iter().map(|t| t.wave).max().unwrap_or(0);
    let irreversible = (0u32..).zip(&draft.nodes).filter_map(|(position, node)| match &node.work {
        Work::Act(step) if step.action.irreversible() => {
            schedule.start(NodeId(position)).map(|start| (start, NodeId(position)))
        }
        Work::Act(_) | Work::Wait(_) | Work::Hook(_) | Work::Gate(_) | Work::Cutover(_) | Work::Join => None,
    });
    let forecast = Forecast {
        no_return: irreversible.min().map(|(_, node)| node),
        total: schedule.total(),
        critical: schedule.critical(),
        objective,
        waves,
    };
    let read = reads(request.inventory, &travellers, &unchanged);
    let mut took = vec![Duration::ZERO; draft.legs.len()];
    for node in &draft.nodes {
        if let Some(sum) = node.leg.and_then(|leg| took.get_mut(leg.index())) {
            *sum = sum.plus(node.typical);
        }
    }
    Plan {
        purpose: request.purpose.clone(),
        slice: None,
        on_failure: OnFailure::Hold,
        needs: Vec::new(),
        observed_at: request.inventory.at,
        sites: sites(request.inventory),
        cuts: Vec::new(),
        warnings: warnings(&travellers, &forecast),
        members: travellers.iter().map(|t| member(t, &took)).collect(),
        placements: travellers
            .iter()
            .map(|t| (t.case.replica.name.clone(), t.itinerary.placement.clone()))
            .collect(),
        unchanged,
        legs: draft.legs,
        nodes: draft.nodes,
        edges: draft.edges,
        limits: draft.limits,
        drilled: drill::drilled(request.workspace, request.purpose),
        forecast,
        read,
    }
}

fn sites(inventory: &Inventory) -> Vec<SitesRead> {
    let read = |(site, sight): (&crate::base::SiteName, &crate::inventory::SiteSight)| SitesRead {
        site: site.clone(),
        at: sight.at,
        silent: sight.silent.clone(),
    };
    inventory.sites.iter().map(read).collect()
}

fn member(traveller: &Traveller<'_>, took: &[Duration]) -> Member {
    let Traveller { case, now, itinerary, placement, wave } = traveller;
    let ordinary = placement.legs.iter().filter_map(|(_, placed)| took.get(placed.leg.index()));
    let typical = ordinary.fold(Duration::ZERO, |sum, leg| sum.plus(*leg));
    Member {
        replica: case.replica.name.clone(),
        plan: case.plan.map(|p| p.name.clone()),
        now: now.clone(),
        then: itinerary.then,
        halts_before: itinerary.halts_before,
        wave: *wave,
        legs: placement.all.clone(),
        loses: itinerary.loses.clone(),
        rpo: case.replica.rpo,
        typical,
        both_may_run: case.replica.both_may_run.clone(),
    }
}

fn objective(travellers: &[Traveller<'_>]) -> Option<(PlanName, Duration)> {
    let plans = travellers.iter().filter_map(|t| t.case.plan);
    plans.filter_map(|p| p.rto.map(|rto| (rto, &p.name))).min().map(|(rto, name)| (name.clone(), rto))
}

fn reads(inventory: &Inventory, travellers: &[Traveller<'_>], unchanged: &[Unchanged]) -> Vec<FactRead> {
    let one = |replica: &ReplicaName, observed: Option<&Observed>, fact: &FactName| FactRead {
        replica: replica.clone(),
        fact: fact.clone(),
        value: read(observed, fact),
    };
    let moving = travellers
        .par_iter()
        .flat_map_iter(|t| t.itinerary.reads.iter().map(|f| one(&t.case.replica.name, t.case.observed, f)));
    let resting = unchanged
        .par_iter()
        .filter(|u| !u.why.is_outside())
        .map(|u| one(&u.replica, inventory.replicas.get(&u.replica), &FactName::Condition));
    let mut reads: Vec<FactRead> = moving.chain(resting).collect();
    reads.par_sort_by(|a, b| (&a.replica, &a.fact).cmp(&(&b.replica, &b.fact)));
    reads
}

fn warnings(travellers: &[Traveller<'_>], forecast: &Forecast) -> Vec<Warning> {
    let mut found = BTreeSet::new();
    for traveller in travellers {
        let name = || traveller.case.replica.name.clone();
        for note in &traveller.itinerary.notes {
            found.insert(match note {
                Note::SourceLeftRunning => Warning::SourceLeftRunning(name()),
                Note::SourceUnseen => Warning::SourceUnseen(name()),
                Note::MayBothServe(network) => Warning::MayBothServe(name(), network.clone()),
                Note::OlderPoint => Warning::OlderPoint(name()),
                Note::SourceStaysOff => Warning::SourceStaysOff(name()),
                Note::SourceNotServing(why) => Warning::SourceNotServing { replica: name(), why: *why },
                Note::NameLeftOut { name: which, role } => {
                    Warning::NameLeftOut { replica: name(), name: which.clone(), role: *role }
                }
            });
        }
        if !traveller.itinerary.loses.is_empty() {
            found.insert(Warning::LosesData(name()));
        }
        let recorded = traveller.case.facts().map(|f| &f.relation.source);
        if recorded.is_some_and(|source| *source != traveller.case.replica.source) {
            found.insert(Warning::SourceMoved(name()));
        }
    }
    if let Some((plan, rto)) = &forecast.objective
        && forecast.total > *rto
    {
        found.insert(Warning::RtoMissed(plan.clone()));
    }
    found.into_iter().collect()
}
