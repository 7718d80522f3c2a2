//! Places under limits are held where nothing waits for another replica: else two could wait for each other for ever.

use crate::plan::{NodeId, On, Plan, Violation};

/// Where a leg waits for another replica between taking a place and giving it back.
pub fn violations(plan: &Plan) -> Vec<Violation> {
    let replica = |id: NodeId| plan.node(id)?.leg.and_then(|leg| plan.leg(leg)).map(|leg| &leg.replica);
    let mut found = Vec::new();
    for edge in plan.edges.iter().filter(|e| e.on != On::Failed) {
        let Some(leg) = plan.node(edge.to).and_then(|node| node.leg).and_then(|leg| plan.leg(leg)) else {
            continue;
        };
        let holds = leg.slots.iter().any(|slot| slot.first < edge.to && edge.to <= slot.last);
        // A meeting point belongs to nobody.
        if holds && replica(edge.from) != Some(&leg.replica) {
            found.push(Violation::WaitsWithPlace { node: edge.to, waits_for: edge.from });
        }
    }
    found
}
