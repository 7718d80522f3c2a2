//! What stands beside the actions. A hook before something is surely done before that begins, whatever the order of the plan: it may be what makes
//! it safe. A name waits for its machine, and nothing waits for a name.

use super::order::Reach;
use super::places::fenced;
use crate::base::ReplicaName;
use crate::domain::{Action, IfFailed, Role, When};
use crate::plan::{NodeId, Plan, Violation, Work};
use std::collections::BTreeMap;

/// The hooks that something they are about does not wait for.
pub fn violations(plan: &Plan, reach: &mut Reach<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    let fenced = fenced(plan);
    for id in plan.node_ids() {
        let Some(Work::Hook(hook)) = plan.node(id).map(|n| &n.work) else { continue };
        // The first leg of each replica and, behind it, the others.
        let mut firsts: BTreeMap<&ReplicaName, NodeId> = BTreeMap::new();
        let mut lasts: BTreeMap<&ReplicaName, NodeId> = BTreeMap::new();
        for leg in hook.legs.iter().filter_map(|leg| plan.leg(*leg)) {
            firsts.entry(&leg.replica).and_modify(|node| *node = leg.first.min(*node)).or_insert(leg.first);
            lasts.entry(&leg.replica).and_modify(|node| *node = leg.last.max(*node)).or_insert(leg.last);
        }
        let pairs: Vec<(NodeId, NodeId)> = match hook.when {
            When::Before => firsts.values().map(|first| (id, *first)).collect(),
            // No machine may start before its source is taken away for sure, by whichever of its legs.
            When::Fence => {
                hook.legs.iter().filter_map(|leg| plan.leg(*leg)).map(|leg| (id, leg.first)).collect()
            }
            When::After => lasts.values().map(|last| (*last, id)).collect(),
        };
        let missed = pairs.into_iter().filter(|(early, late)| !reach.surely(*early, *late));
        found.extend(missed.map(|(early, late)| Violation::Unordered(early, late)));
        // And its start waits by itself, so that whoever takes the run up has the fence proven anew.
        let legs = hook.legs.iter().filter(|_| hook.is_fence());
        let legs = legs.filter_map(|id| plan.leg(*id).map(|leg| (*id, leg)));
        // Nodes of other legs may stand between.
        let own = legs.flat_map(|(id, leg)| (leg.first.0..=leg.last.0).map(move |n| (id, NodeId(n))));
        let own = own.filter(|(leg, n)| plan.node(*n).and_then(|node| node.leg) == Some(*leg));
        let starts = own.map(|(_, n)| n).filter(|n| starts(plan, *n));
        let missed = starts.filter(|start| !fenced.contains(&(id, *start)));
        found.extend(missed.map(|start| Violation::Unordered(id, start)));
    }
    // A name never leads to a machine before the operation that starts it is concluded.
    for id in plan.node_ids() {
        let Some(node) = plan.node(id).filter(|n| matches!(n.work, Work::Cutover(_))) else { continue };
        let concluded = node.leg.and_then(|leg| plan.leg(leg)).map(|leg| leg.concluded);
        let missed = concluded.filter(|concluded| !reach.surely(*concluded, id));
        found.extend(missed.map(|concluded| Violation::Unordered(concluded, id)));
    }
    found.extend(plan.edges.iter().filter(|edge| plan.is_name(edge.from)).filter_map(|edge| {
        let free = plan.is_name(edge.to) && edge.if_failed == IfFailed::Continue;
        (!free).then_some(Violation::WaitsForName { node: edge.to, name: edge.from })
    }));
    found
}

/// Whether a node starts a replica.
fn starts(plan: &Plan, id: NodeId) -> bool {
    let work = plan.node(id).map(|node| &node.work);
    matches!(work, Some(Work::Act(step)) if matches!(step.action, Action::PowerOn { vm: Role::Replica }))
}
