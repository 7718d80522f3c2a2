//! Floor 4: what must hold of any plan, whoever made it. The checker knows the actions' model in `domain` and no rule of the
//! planner: it never reads a recipe, and a fault of the planner cannot hide behind the same fault here.
//!
//! A plan is checked in three steps, and a later one only where the earlier one found nothing:
//! 1. [`structure`]: every reference leads somewhere, every edge leads forward (so nothing waits for itself).
//! 2. [`order`]: the actions on one replica stand in one order; what is irreversible comes behind every wait of its replica. [`places`]: nobody
//!    waits for another replica while holding a place that this one may need.
//! 3. [`walk`]: over the observed facts, action by action: what each needs, what must never be, what is lost, where it ends.

mod beside;
mod cuts;
mod losses;
mod order;
mod places;
mod rules;
mod structure;
mod walk;

pub use rules::{breach, is_approved, permanent};

use crate::inventory::Inventory;
use crate::plan::{Adjacency, LegId, Member, Node, NodeId, Plan, Violation, Work};
use rayon::prelude::*;

/// Checks a plan against the facts it was made from. An empty answer means that it is safe to run.
#[must_use]
pub fn check(plan: &Plan, inventory: &Inventory) -> Vec<Violation> {
    let found = structure::violations(plan);
    if !found.is_empty() {
        return found;
    }
    let tracks = tracks(plan);
    let mut found = places::violations(plan);
    found.extend(cuts::violations(plan, inventory));
    let ordered = || {
        let mut reach = order::Reach::new(plan, Adjacency::new(plan.nodes.len(), &plan.edges));
        let mut found: Vec<Violation> =
            tracks.iter().flat_map(|track| order::violations(plan, track, &mut reach)).collect();
        found.extend(beside::violations(plan, &mut reach));
        found
    };
    let walked = || tracks.par_iter().flat_map_iter(|t| walk::violations(plan, inventory, t)).collect();
    let (one, other): (Vec<Violation>, Vec<Violation>) = rayon::join(ordered, walked);
    found.extend(one.into_iter().chain(other));
    found
}

/// The nodes of one replica.
#[derive(Debug)]
struct Track<'a> {
    member: &'a Member,
    /// Its actions and waits that run where nothing fails, in the plan's order.
    normal: Vec<NodeId>,
    /// The legs that run on a failure: each with its nodes and the nodes whose failure starts it.
    on_failure: Vec<Rescue>,
}

/// A leg that runs on a failure.
#[derive(Debug)]
struct Rescue {
    nodes: Vec<NodeId>,
    after: Vec<NodeId>,
}

fn tracks(plan: &Plan) -> Vec<Track<'_>> {
    let mut tracks: Vec<Track<'_>> = plan
        .members
        .iter()
        .map(|member| Track { member, normal: Vec::new(), on_failure: Vec::new() })
        .collect();
    // Where the nodes of a leg go: to the normal way of its member, or to one of its rescues.
    let mut places: Vec<Option<(usize, Option<usize>)>> = vec![None; plan.legs.len()];
    for (at, track) in tracks.iter_mut().enumerate() {
        for id in &track.member.legs {
            let rescue = plan.leg(*id).is_some_and(|leg| leg.only_on_failure).then(|| {
                track.on_failure.push(Rescue { nodes: Vec::new(), after: Vec::new() });
                track.on_failure.len() - 1
            });
            if let Some(place) = places.get_mut(id.index()) {
                *place = Some((at, rescue));
            }
        }
    }
    let place = |leg: LegId| places.get(leg.index()).copied().flatten();
    for id in plan.node_ids() {
        let leg = plan.node(id).filter(|node| node.work != Work::Join).and_then(|node| node.leg);
        let Some((at, rescue)) = leg.and_then(&place) else { continue };
        let Some(track) = tracks.get_mut(at) else { continue };
        match rescue.and_then(|r| track.on_failure.get_mut(r)) {
            Some(rescue) => rescue.nodes.push(id),
            None => track.normal.push(id),
        }
    }
    for edge in plan.edges.iter().filter(|e| e.on == crate::plan::On::Failed) {
        let leg = plan.node(edge.to).and_then(|n| n.leg);
        let Some((at, Some(rescue))) = leg.and_then(&place) else { continue };
        if let Some(rescue) = tracks.get_mut(at).and_then(|t| t.on_failure.get_mut(rescue)) {
            rescue.after.push(edge.from);
        }
    }
    tracks
}

fn is_action(plan: &Plan, id: NodeId) -> bool {
    matches!(plan.node(id), Some(Node { work: Work::Act(_), .. }))
}

#[cfg(test)]
mod tests;
