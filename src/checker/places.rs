//! Places under limits are held where nothing waits for another replica: else two could wait for each other for ever.

use crate::domain::IfFailed;
use crate::plan::{Edge, NodeId, On, Plan, Violation, Work};
use std::collections::BTreeSet;

/// Where a leg waits for another replica between taking a place and giving it back.
pub fn violations(plan: &Plan) -> Vec<Violation> {
    let replica = |id: NodeId| plan.node(id)?.leg.and_then(|leg| plan.leg(leg)).map(|leg| &leg.replica);
    // A fence that stands before the whole leg was done when the place was taken. The leg waits for it in its middle as well, because
    // whoever takes the run up has it proven anew.
    let fences = fenced(plan);
    let mut found = Vec::new();
    for edge in plan.edges.iter().filter(|e| e.on != On::Failed) {
        let Some(leg) = plan.node(edge.to).and_then(|node| node.leg).and_then(|leg| plan.leg(leg)) else {
            continue;
        };
        let holds = leg.slots.iter().any(|slot| slot.first < edge.to && edge.to <= slot.last);
        // A meeting point belongs to nobody.
        if holds && replica(edge.from) != Some(&leg.replica) && !fences.contains(&(edge.from, leg.first)) {
            found.push(Violation::WaitsWithPlace { node: edge.to, waits_for: edge.from });
        }
    }
    found
}

/// The fences, each with what waits for it by itself.
pub fn fenced(plan: &Plan) -> BTreeSet<(NodeId, NodeId)> {
    let fence =
        |id: NodeId| matches!(plan.node(id).map(|n| &n.work), Some(Work::Hook(hook)) if hook.is_fence());
    let strong = |edge: &&Edge| edge.on == On::Done && edge.if_failed == IfFailed::Block;
    plan.edges.iter().filter(|e| fence(e.from)).filter(strong).map(|e| (e.from, e.to)).collect()
}
