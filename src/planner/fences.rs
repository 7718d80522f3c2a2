//! Fences as nodes. A fence is run as early as it may: before the plan's machines start, so that no source writes into what already serves
//! elsewhere, and a fence that fails leaves its replicas as they were. One that is about a whole site is run once for all of them.

use super::Request;
use super::case::Case;
use super::draft::{Draft, Wire};
use crate::base::{ReplicaName, SiteName};
use crate::domain::{Action, Condition, Facts, OperationKind, Role, Sight, State, When};
use crate::inventory::{Observed, Typical};
use crate::model::{Fence, Replica, SourceTreatment, Workspace};
use crate::plan::{Around, Hook, LegId, NodeId, Plan, RefusedWhy, Warning, Work};
use std::collections::{BTreeMap, BTreeSet};

/// A fence in the draft.
#[derive(Debug, Clone)]
pub struct Placed {
    /// Its node.
    pub node: NodeId,
    /// The legs that wait for it.
    pub legs: BTreeSet<LegId>,
}

/// What must be fenced before a leg, where its document wants that and its source cannot be seen. A source that is seen is powered off by its
/// own site, which also says when it is off.
///
/// # Errors
/// Nothing says how the source is fenced, or only a fence of its whole site would do, and that site answers.
pub fn needed(
    case: &Case<'_>,
    (kind, actions): (OperationKind, &[Action]),
    facts: &Facts,
) -> Result<Option<Around>, RefusedWhy> {
    let fences = case.plan.is_some_and(|plan| plan.source == SourceTreatment::Fence);
    let takes_over = matches!(kind, OperationKind::Failover | OperationKind::PlannedFailover);
    let starts = actions.iter().any(|a| matches!(a, Action::PowerOn { vm: Role::Replica }));
    if !(fences && takes_over && starts && facts.source == Sight::Unseen) {
        return Ok(None);
    }
    // After a failback to another machine it is that one which may still run, and the replica's own fence is about the one before it.
    let source = &facts.relation.source;
    if case.replica.fence.is_some() && *source == case.replica.source {
        return Ok(Some(Around::Replica(case.replica.name.clone())));
    }
    match case.workspace.sites.get(&source.site) {
        // One machine that cannot be read is no reason to take down a whole site that serves.
        Some(found) if found.fence.is_some() && case.inventory.answers(&source.site) => {
            Err(RefusedWhy::SiteAnswers(source.clone()))
        }
        Some(found) if found.fence.is_some() => Ok(Some(Around::Site(source.site.clone()))),
        Some(_) | None => Err(RefusedWhy::NoFence(source.clone())),
    }
}

/// Places the fences of all replicas.
pub fn place<'a>(
    draft: &mut Draft,
    workspace: &Workspace,
    legs: impl Iterator<Item = (Option<&'a Around>, &'a super::draft::Placed)>,
) -> Vec<Placed> {
    let mut wanted: BTreeMap<&Around, Vec<&super::draft::Placed>> = BTreeMap::new();
    for (around, leg) in legs {
        if let Some(around) = around {
            wanted.entry(around).or_default().push(leg);
        }
    }
    let mut placed = Vec::with_capacity(wanted.len());
    for (around, legs) in wanted {
        let Some(fence) = fence(workspace, around) else { continue };
        let ids: BTreeSet<LegId> = legs.iter().map(|leg| leg.leg).collect();
        let node = push(draft, fence, around, &ids);
        // The replica's start waits for it by itself too: where the run is taken up, the fence is proven anew, and the leg may have begun.
        let held: BTreeSet<NodeId> =
            legs.iter().flat_map(|leg| [leg.first].into_iter().chain(starts(draft, leg))).collect();
        let held: Vec<NodeId> = held.into_iter().collect();
        draft.wire(&[node], &held, Wire::DONE);
        placed.push(Placed { node, legs: ids });
    }
    placed
}

/// The nodes that start the replica of a leg.
fn starts(draft: &Draft, leg: &super::draft::Placed) -> Vec<NodeId> {
    let starts = |id: &NodeId| {
        let work = draft.nodes.get(id.index()).map(|node| &node.work);
        matches!(work, Some(Work::Act(step)) if matches!(step.action, Action::PowerOn { vm: Role::Replica }))
    };
    (leg.first.0..=leg.last.0).map(NodeId).filter(starts).collect()
}

fn fence<'a>(workspace: &'a Workspace, around: &Around) -> Option<&'a Fence> {
    match around {
        Around::Replica(name) => workspace.replicas.get(name)?.fence.as_ref(),
        Around::Site(name) => workspace.sites.get(name)?.fence.as_ref(),
        Around::Plan(_) | Around::Entry(..) => None,
    }
}

fn push(draft: &mut Draft, fence: &Fence, around: &Around, legs: &BTreeSet<LegId>) -> NodeId {
    let work = Work::Hook(Box::new(Hook {
        name: crate::base::EntryName::fixed("fence"),
        when: When::Fence,
        around: around.clone(),
        operation: None,
        legs: legs.iter().copied().collect(),
        script: fence.script.clone(),
    }));
    let node = draft.node(work, None, &Typical::default());
    if let Some(made) = draft.nodes.get_mut(node.index()) {
        (made.typical, made.attempts) = (fence.typical, fence.attempts);
    }
    node
}

/// The fences that are about some legs alone: what stands before all of these stands before the fence too.
pub fn within<'a>(fences: &'a [Placed], legs: &'a BTreeSet<LegId>) -> impl Iterator<Item = NodeId> + use<'a> {
    fences.iter().filter(|fence| fence.legs.is_subset(legs)).map(|fence| fence.node)
}

/// The fences of whole sites that take down machines which the plan does not bring up: sources, and replicas that stand in for others.
/// They serve still, as far as is known.
pub fn others(request: &Request<'_>, plan: &Plan) -> Vec<Warning> {
    let members: BTreeSet<&ReplicaName> = plan.members.iter().map(|m| &m.replica).collect();
    let sites = plan.nodes.iter().filter_map(|node| match &node.work {
        Work::Hook(hook) => match &hook.around {
            Around::Site(site) => Some(site),
            Around::Plan(_) | Around::Entry(..) | Around::Replica(_) => None,
        },
        Work::Act(_) | Work::Wait(_) | Work::Gate(_) | Work::Cutover(_) | Work::Join => None,
    });
    let of = |site: &SiteName| {
        let others = request.workspace.replicas.values().filter(|replica| {
            let observed = request.inventory.replicas.get(&replica.name);
            !members.contains(&replica.name) && goes_down(replica, observed, site)
        });
        let replicas: Vec<ReplicaName> = others.map(|replica| replica.name.clone()).collect();
        (!replicas.is_empty()).then(|| Warning::FencesOthers { site: site.clone(), replicas })
    };
    sites.filter_map(of).collect()
}

/// Whether a machine of a replica goes down with a site that serves, or may do so for all that is known.
fn goes_down(replica: &Replica, observed: Option<&Observed>, site: &SiteName) -> bool {
    let facts = observed.and_then(|o| o.facts.as_ref());
    let source = facts.map_or(&replica.source, |facts| &facts.relation.source);
    let elsewhere = matches!(
        observed.map(Observed::condition),
        Some(Condition::Whole(State::Failover | State::ReadyToSwitch | State::Permanent))
    );
    let stands_in = facts.is_none_or(|facts| facts.replica.runs() != Some(false));
    (source.site == *site && !elsewhere) || (replica.replica.site == *site && stands_in)
}
