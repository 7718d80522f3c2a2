//! Drills: each replica's copy is made and started in the plan's order, kept for a while, and removed whatever became of it.

use super::case::{Case, Decision};
use super::conflicts::Serving;
use super::draft::{Draft, Wire};
use super::itinerary::{Itinerary, LegDraft, Note};
use super::legs::Placement;
use super::network;
use super::order::{self, After};
use super::recipe::{self, Particulars};
use super::{Request, Traveller};
use crate::base::{Duration, EntryName, PointId};
use crate::domain::{
    Action, Condition, CopyFacts, Facts, IfFailed, Link, Operation, OperationKind, Question, Refusal, Role,
    Silence, State, Wait, transition,
};
use crate::inventory::{FactName, Typical};
use crate::model::{DrillSite, FailoverPlan, Hooks, PointChoice, Replica, Workspace};
use crate::plan::{
    DrillRefused, Drilled, Gate, Kept, Purpose, Refused, RefusedWhy, Shape, Untouched, Why, Work,
};
use std::collections::BTreeSet;

/// How long it is waited for a person to say that copies may go. A drill that was forgotten must not run for ever.
const FORGOTTEN: Duration = Duration::from_mins(12 * 60);

/// What is asked of a replica's copy.
#[derive(Debug, Clone, Copy)]
pub enum Drills<'a> {
    /// That it is made, tried, and removed. With the networks apart of the recovery site, where it has any.
    Try(Option<&'a DrillSite>),
    /// That it is removed.
    Remove,
}

/// What a plan of this purpose asks of copies.
pub fn asked<'a>(request: &Request<'a>, replica: &Replica) -> Option<Drills<'a>> {
    match request.purpose {
        Purpose::Drill { .. } => {
            let site = request.workspace.sites.get(&replica.replica.site);
            Some(Drills::Try(site.and_then(|s| s.drill.as_ref())))
        }
        Purpose::EndDrill { .. } => Some(Drills::Remove),
        Purpose::Runbook(_) | Purpose::Replicate | Purpose::Abort(_) => None,
    }
}

/// Decides what is to be done with a replica's copy.
pub fn decide(case: &Case<'_>, drills: Drills<'_>) -> Result<Decision, Box<Refused>> {
    let now = case.condition();
    let Some(facts) = case.facts() else {
        // What is in no failover plan is looked at for what an older drill may have left, and is in nobody's way.
        if matches!(drills, Drills::Remove) && case.plan.is_none() {
            return Ok(Decision::Leave(now, Untouched::NotNamed));
        }
        let site = case.replica.replica.site.clone();
        return Err(case.refused(RefusedWhy::RecoveryUnseen(site)));
    };
    match drills {
        Drills::Remove if facts.copy.is_nothing() => Ok(Decision::Leave(now, Untouched::AlreadyThere)),
        Drills::Remove => Ok(Decision::Go(now.clone(), Box::new(removed(case, facts, &now)))),
        Drills::Try(site) => {
            stands_by(&now).map_err(|refusal| {
                let (operation, lawful) = (OperationKind::Drill, Vec::new());
                case.refused(RefusedWhy::NotPossible { operation, refusal, lawful })
            })?;
            let itinerary = tried(case, facts, site).map_err(|why| case.refused(why))?;
            Ok(Decision::Go(now, Box::new(itinerary)))
        }
    }
}

/// A replica that is being replicated stands by as well: replication goes on while a drill does.
fn stands_by(now: &Condition) -> Result<(), Refusal> {
    match now {
        Condition::PartWay(operation) if operation.kind() == OperationKind::Replicate => Ok(()),
        Condition::Whole(state) => transition::transition(*state, OperationKind::Drill).map(drop),
        Condition::PartWay(_) | Condition::Foreign(_) | Condition::Unseen => Err(Refusal::MustBeReady),
    }
}

fn removed(case: &Case<'_>, facts: &Facts, now: &Condition) -> Itinerary {
    let leg = leg(Operation::EndDrill, case, Vec::new(), facts);
    itinerary(case, facts, (now, vec![leg]))
}

fn tried(case: &Case<'_>, facts: &Facts, site: Option<&DrillSite>) -> Result<Itinerary, RefusedWhy> {
    if !facts.copy.is_nothing() {
        return Err(RefusedWhy::Drill(DrillRefused::CopyThere));
    }
    let (point, older) = point(case, facts)?;
    let links = links(case, facts, site)?;
    let drill = leg(Operation::Drill { point: point.clone() }, case, links, facts);
    let after = drill
        .actions
        .iter()
        .fold(facts.clone(), |facts, action| crate::domain::effect(action, facts, case.inventory.at));
    let end = leg(Operation::EndDrill, case, Vec::new(), &after);
    let now = case.condition();
    let mut itinerary = itinerary(case, facts, (&now, vec![drill, end]));
    // Which point it is was decided; that it is there still is what the plan relies on. What replicates meanwhile changes all else.
    itinerary.reads = vec![FactName::Point(point)];
    itinerary.notes.extend(older.then_some(Note::OlderPoint));
    Ok(itinerary)
}

fn itinerary(case: &Case<'_>, facts: &Facts, (now, legs): (&Condition, Vec<LegDraft>)) -> Itinerary {
    let placement = case.placement(facts);
    Itinerary {
        serving: Serving::of(case, &placement, &legs),
        legs,
        then: now.whole().unwrap_or(State::Ready),
        halts_before: None,
        loses: Vec::new(),
        placement,
        reads: Vec::new(),
        notes: Vec::new(),
        on_failed_verification: None,
    }
}

fn leg(operation: Operation, case: &Case<'_>, links: Vec<Link>, facts: &Facts) -> LegDraft {
    let replica = case.replica;
    let (keep, shutdown, quiesce) = (replica.retention, replica.shutdown, replica.quiesce);
    let with = Particulars { keep, shutdown, quiesce, links, stop_source: false };
    // A clean-up is whole in any case: that a copy is off now does not say that it is off then.
    let actions = recipe::actions(&operation, &with, facts);
    let awaits = (operation.kind() == OperationKind::Drill).then_some(Role::Copy);
    let to = case.condition().whole().unwrap_or(State::Ready);
    LegDraft {
        operation,
        why: Why::Asked,
        to,
        actions,
        not_before: None,
        awaits,
        fence: None,
        names: Vec::new(),
    }
}

/// The restore point that the copy stands above, and whether there is a later one.
fn point(case: &Case<'_>, facts: &Facts) -> Result<(PointId, bool), RefusedWhy> {
    let oldest = || facts.points.first().map(|p| (p.id.clone(), p.at));
    let by_cut = case.cut.cloned().map(PointChoice::Id);
    let found = match by_cut.as_ref().unwrap_or(&case.desired.point) {
        PointChoice::Latest => {
            facts.latest().ok_or(RefusedWhy::NoPointAt { at: case.inventory.at, oldest: None })?
        }
        PointChoice::At(at) => {
            facts.point_at(*at).ok_or_else(|| RefusedWhy::NoPointAt { at: *at, oldest: oldest() })?
        }
        PointChoice::Id(id) => facts.point(id).ok_or_else(|| RefusedWhy::NoSuchPoint(id.clone()))?,
    };
    Ok((found.id.clone(), facts.latest().is_some_and(|latest| latest.id != found.id)))
}

/// The copy's network cards, on networks apart.
fn links(case: &Case<'_>, facts: &Facts, site: Option<&DrillSite>) -> Result<Vec<Link>, RefusedWhy> {
    let serving = network::links(case.replica, facts).map_err(RefusedWhy::NetworkUnmapped)?;
    let (drill, none) = (|why| RefusedWhy::Drill(why), DrillSite::default());
    let links = network::apart(site.unwrap_or(&none), &serving).map_err(|network| {
        drill(DrillRefused::NoNetwork { network, site: case.replica.replica.site.clone() })
    })?;
    let serves = serving.iter().map(|l| &l.network).find(|n| links.iter().any(|l| l.network == **n)).cloned();
    if let Some(network) = CopyFacts::reaches(&links, facts).or(serves) {
        return Err(drill(DrillRefused::NotApart(network)));
    }
    let source = facts.source.facts().map(|vm| vm.links.as_slice()).unwrap_or(&facts.relation.source_links);
    let taken = |address| source.iter().chain(&serving).any(|l| l.address == Some(address));
    match links.iter().filter_map(|l| l.address).find(|address| taken(*address)) {
        Some(address) => Err(drill(DrillRefused::SameAddress(address))),
        None => Ok(links),
    }
}

/// The replicas whose copies would be on a network, or at an address, of any machine that there is or will be. Of its own replica each case
/// knows; a wrong mapping leads to those of others as well.
pub(super) fn not_apart(travellers: &[Traveller<'_>], request: &Request<'_>) -> Vec<Refused> {
    if !matches!(request.purpose, Purpose::Drill { .. }) {
        return Vec::new();
    }
    let (mut networks, mut addresses) = (BTreeSet::new(), BTreeSet::new());
    for replica in request.workspace.replicas.values() {
        networks.extend(replica.networks.iter().flat_map(|(from, to)| [from.clone(), to.clone()]));
        let facts = request.inventory.replicas.get(&replica.name).and_then(|o| o.facts.as_ref());
        let Some(facts) = facts else { continue };
        let serving = network::links(replica, facts).unwrap_or_default();
        let seen = [Role::Source, Role::Replica, Role::Target].map(|role| facts.vm(role).facts());
        let seen = seen.into_iter().flatten().flat_map(|vm| &vm.links).chain(&facts.relation.source_links);
        for link in seen.chain(&serving) {
            networks.insert(link.network.clone());
            addresses.extend(link.address);
        }
    }
    let mut refused = Vec::new();
    for traveller in travellers {
        let actions = traveller.itinerary.legs.iter().flat_map(|leg| &leg.actions);
        let links = actions.filter_map(|action| match action {
            Action::MakeCopy { links, .. } => Some(links),
            _ => None,
        });
        let links: Vec<&Link> = links.flatten().collect();
        let reached = links.iter().find(|l| networks.contains(&l.network));
        // One copy answers for another one as well as a machine does.
        let doubled = links.iter().filter_map(|l| l.address).find(|address| !addresses.insert(*address));
        let why = match (reached, doubled) {
            (Some(link), _) => DrillRefused::NotApart(link.network.clone()),
            (None, Some(address)) => DrillRefused::SameAddress(address),
            (None, None) => continue,
        };
        refused.push(*traveller.case.refused(RefusedWhy::Drill(why)));
    }
    refused
}

/// Puts the end of a drill behind its beginning: the copies are kept where all of them are ready, and removed in any case.
pub fn close<'a>(draft: &mut Draft, purpose: &Purpose, placements: impl Iterator<Item = &'a Placement>) {
    let Purpose::Drill { plan, keep } = purpose else { return };
    let (mut tried, mut removed) = (Vec::new(), Vec::new());
    for (kind, placed) in placements.flat_map(|p| &p.legs) {
        match kind {
            OperationKind::Drill => tried.push(placed.last),
            OperationKind::EndDrill => removed.push(placed.first),
            _ => {}
        }
    }
    let in_any_case = Wire { if_failed: IfFailed::Continue, ..Wire::DONE };
    let mut ends = tried.clone();
    if let Some(work) = keeping(plan, *keep).filter(|_| !tried.is_empty()) {
        let kept = draft.node(work, None, &Typical::default());
        draft.meet(&tried, &[kept], Wire::DONE);
        ends.push(kept);
    }
    draft.wire(&ends, &removed, in_any_case);
}

fn keeping(plan: &crate::base::PlanName, keep: Kept) -> Option<Work> {
    match keep {
        Kept::Not => None,
        Kept::For(time) => Some(Work::Wait(Wait::Quiet { time })),
        Kept::UntilKey => Some(Work::Gate(Box::new(Gate {
            plan: plan.clone(),
            name: EntryName::fixed("remove"),
            question: Question {
                ask: "All copies are ready. May they be removed? They stay until somebody says yes."
                    .to_owned(),
                who: Vec::new(),
                groups: Vec::new(),
                within: FORGOTTEN,
                otherwise: Silence::Continue,
            },
        }))),
    }
}

/// What a drill is made of, for later comparison; `None` for every other purpose.
pub fn drilled(workspace: &Workspace, purpose: &Purpose) -> Option<Box<Drilled>> {
    let Purpose::Drill { plan, .. } = purpose else { return None };
    let plan = workspace.plans.get(plan)?;
    let replicas = plan.sequence.iter().flat_map(|e| &e.replicas).filter_map(|r| workspace.replicas.get(r));
    let own = replicas.map(|r| (r.name.to_string(), &r.hooks));
    let entries = plan.sequence.iter().map(|e| (e.name.to_string(), &e.hooks));
    let all = [(plan.name.to_string(), &plan.hooks)].into_iter().chain(entries).chain(own);
    let drilled = Drilled {
        commit: None,
        rto: plan.rto,
        shape: shape(workspace, plan),
        hooks_left_out: all.flat_map(|(around, hooks)| left_out(&around, hooks)).collect(),
        gates_left_out: plan.sequence.iter().filter(|e| e.gate.is_some()).map(|e| e.name.clone()).collect(),
    };
    Some(Box::new(drilled))
}

fn left_out(around: &str, hooks: &Hooks) -> Vec<String> {
    let all = hooks.before.iter().chain(&hooks.after);
    let left = all.filter(|hook| !hook.operations.contains(&OperationKind::Drill));
    left.map(|hook| format!("{around}/{}", hook.name)).collect()
}

/// The shape of a failover plan.
#[must_use]
pub fn shape(workspace: &Workspace, plan: &FailoverPlan) -> Shape {
    let mut shape = Shape::default();
    let all = vec![true; plan.sequence.len()];
    for (entry, dependencies) in plan.sequence.iter().zip(order::dependencies(plan, &all)) {
        shape.entries.insert(entry.name.clone(), entry.replicas.iter().cloned().collect());
        for dependency in dependencies {
            let Some(before) = plan.sequence.get(dependency.entry) else { continue };
            let after = match dependency.event {
                After::Start(time) => format!("{time} after the start of {}", before.name),
                After::Started(time) => format!("{time} after {} is started", before.name),
                After::Ready(time) => format!("{time} after {} is ready", before.name),
                After::Committed(time) => format!("{time} after {} is committed", before.name),
            };
            let failed = match dependency.if_failed {
                IfFailed::Block => "else not at all",
                IfFailed::Continue => "else all the same",
                IfFailed::Stop => "else everything stops",
            };
            shape.edges.insert(format!("{} {after}, {failed}", entry.name));
        }
        for replica in entry.replicas.iter().filter_map(|r| workspace.replicas.get(r)) {
            shape.waits.insert(replica.name.clone(), replica.ready.clone());
        }
    }
    shape
}

/// An operation that takes restore points away, or makes them part of something else, under a copy.
pub fn in_the_way(facts: &Facts, actions: &[Action], kind: OperationKind) -> Option<RefusedWhy> {
    let takes = actions.iter().any(|action| matches!(action, Action::Merge));
    (takes && !facts.copy.is_nothing()).then_some(RefusedWhy::Drill(DrillRefused::InTheWay(kind)))
}
