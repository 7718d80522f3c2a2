//! References and directions: everything that the other checks, and the engine, take for granted.

use crate::plan::{Adjacency, Leg, LegId, Node, NodeId, On, Plan, SlotUse, Violation, Work};
use std::collections::{BTreeSet, VecDeque};

/// What is wrong with the plan's own references.
pub fn violations(plan: &Plan) -> Vec<Violation> {
    let mut found = Found(Vec::new());
    edges(plan, &mut found);
    legs(plan, &mut found);
    nodes(plan, &mut found);
    members(plan, &mut found);
    found.0
}

struct Found(Vec<Violation>);

impl Found {
    fn unless(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.0.push(Violation::Dangling(what()));
        }
    }
}

fn edges(plan: &Plan, found: &mut Found) {
    let mut backward = Vec::new();
    for (at, edge) in plan.edges.iter().enumerate() {
        let (from, to) = (plan.node(edge.from), plan.node(edge.to));
        found.unless(from.is_some() && to.is_some(), || {
            format!("edge {at} from {} to {} names a node that is not there", edge.from, edge.to)
        });
        let rescue = to.and_then(|n| n.leg).and_then(|l| plan.leg(l)).is_some_and(|l| l.only_on_failure);
        found.unless(edge.on != On::Failed || rescue, || {
            format!("edge {at} starts {} on a failure, and its leg runs without one too", edge.to)
        });
        if edge.from >= edge.to {
            backward.push(edge);
        }
    }
    if backward.is_empty() || !found.0.is_empty() {
        return;
    }
    let adjacency = Adjacency::new(plan.nodes.len(), &plan.edges);
    for edge in &backward {
        if let Some(way) = shortest(plan, &adjacency, edge.to, edge.from) {
            found.0.push(Violation::Cycle(way));
            return;
        }
    }
    for edge in backward {
        found.unless(false, || format!("the edge from {} to {} leads backward", edge.from, edge.to));
    }
}

/// The shortest way along edges.
fn shortest(plan: &Plan, adjacency: &Adjacency, from: NodeId, to: NodeId) -> Option<Vec<NodeId>> {
    let mut before: Vec<Option<NodeId>> = vec![None; plan.nodes.len()];
    let mut queue = VecDeque::from([from]);
    while let Some(at) = queue.pop_front() {
        if at == to {
            let step = |n: &NodeId| if *n == from { None } else { before.get(n.index()).copied().flatten() };
            let mut way: Vec<NodeId> = std::iter::successors(Some(to), step).collect();
            way.reverse();
            return Some(way);
        }
        for edge in adjacency.outgoing(at).iter().filter_map(|e| plan.edges.get(*e as usize)) {
            if let Some(cell) = before.get_mut(edge.to.index())
                && cell.is_none()
                && edge.to != from
            {
                *cell = Some(at);
                queue.push_back(edge.to);
            }
        }
    }
    None
}

fn legs(plan: &Plan, found: &mut Found) {
    for (id, leg) in (0..).map(LegId).zip(&plan.legs) {
        let own = |node: NodeId| plan.node(node).is_some_and(|n| n.leg == Some(id));
        found.unless(own(leg.first) && own(leg.concluded) && own(leg.last), || {
            format!("leg {} of {} does not hold its own first, concluding and last node", id.0, leg.replica)
        });
        found.unless(leg.first <= leg.concluded && leg.concluded <= leg.last, || {
            format!("leg {} of {} ends before it begins", id.0, leg.replica)
        });
        found.unless(plan.placements.contains_key(&leg.replica), || {
            format!("the machines of {} are not named", leg.replica)
        });
        let quorum = leg.quorum.map(|q| plan.node(q).is_some_and(|n| n.needs.is_some()));
        found.unless(quorum != Some(false), || {
            format!("leg {} of {} has no meeting point", id.0, leg.replica)
        });
        for slot in &leg.slots {
            slot_use(plan, leg, *slot, found);
        }
    }
    for (at, limit) in plan.limits.iter().enumerate() {
        found.unless(limit.size > 0, || format!("limit {at} lets nothing start"));
    }
}

fn slot_use(plan: &Plan, leg: &Leg, slot: SlotUse, found: &mut Found) {
    let there = (slot.limit as usize) < plan.limits.len();
    let nodes = plan.node(slot.first).is_some() && plan.node(slot.last).is_some();
    found.unless(there && nodes && slot.first <= slot.last, || {
        format!("a leg of {} takes a place that is not there, or never frees it", leg.replica)
    });
}

fn nodes(plan: &Plan, found: &mut Found) {
    let adjacency = Adjacency::new(plan.nodes.len(), &plan.edges);
    for (id, Node { work, leg, typical: _, limit: _, attempts, pause: _, needs }) in
        plan.node_ids().zip(&plan.nodes)
    {
        let own = leg.map(|l| plan.leg(l));
        found.unless(own != Some(None), || format!("{id} belongs to a leg that is not there"));
        if let Some(needs) = needs {
            let has = adjacency.incoming(id).len();
            let fits = *work == Work::Join && (1..=has).contains(&(*needs as usize));
            found.unless(fits, || format!("{id} needs {needs} of {has} edges"));
        }
        if let Work::Hook(hook) = work {
            let all = hook.legs.iter().all(|leg| plan.leg(*leg).is_some());
            found.unless(all && !hook.legs.is_empty(), || format!("{id} is about a leg that is not there"));
            found.unless(!hook.script.run.is_empty(), || format!("{id} runs no program"));
            let proven = hook.script.proof.as_ref().is_some_and(|argv| !argv.is_empty());
            found.unless(proven == hook.is_fence(), || {
                format!("{id} is a fence and has no proof, or the other way round")
            });
            found.unless(*attempts > 0, || format!("{id} is never tried"));
        }
        if let Work::Cutover(cutover) = work {
            let replica = own.flatten().map(|l| &l.replica);
            found.unless(replica == Some(&cutover.replica), || {
                format!("{id} leads to a machine of {} and belongs to no leg of it", cutover.replica)
            });
            found.unless(*attempts > 0, || format!("{id} is never tried"));
        }
        if let Work::Act(step) = work {
            let replica = own.flatten().map(|l| &l.replica);
            found.unless(replica == Some(&step.replica), || {
                format!("{id} acts on {} and belongs to no leg of it", step.replica)
            });
            found.unless(*attempts > 0, || format!("{id} is never tried"));
        }
    }
    let forecast = plan.forecast.critical.iter().map(|c| c.node).chain(plan.forecast.no_return);
    for node in forecast {
        found.unless(plan.node(node).is_some(), || format!("the forecast names {node}, which is not there"));
    }
}

fn members(plan: &Plan, found: &mut Found) {
    let mut replicas = BTreeSet::new();
    let mut claimed = BTreeSet::new();
    for member in &plan.members {
        let replica = &member.replica;
        found.unless(replicas.insert(replica), || format!("{replica} stands twice in the plan"));
        for id in &member.legs {
            let own = plan.leg(*id).is_some_and(|leg| leg.replica == *replica);
            found.unless(own && claimed.insert(*id), || {
                format!("{replica} names leg {}, which is not its own", id.0)
            });
        }
    }
    for unchanged in &plan.unchanged {
        let replica = &unchanged.replica;
        found.unless(replicas.insert(replica), || format!("{replica} stands twice in the plan"));
    }
    found.unless(claimed.len() == plan.legs.len(), || "a leg belongs to no replica of the plan".to_owned());
}
