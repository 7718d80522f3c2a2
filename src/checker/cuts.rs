//! A cut is what it says: each member goes to its point, the points are of the moments that were observed, and no further apart than allowed.

use crate::domain::Operation;
use crate::inventory::Inventory;
use crate::plan::{Cut, CutMember, Plan, Violation};

/// The cuts that are none.
pub fn violations(plan: &Plan, inventory: &Inventory) -> Vec<Violation> {
    let torn = plan.cuts.iter().filter(|cut| !holds(cut, plan, inventory));
    torn.map(|cut| Violation::Torn(cut.group.clone())).collect()
}

fn holds(cut: &Cut, plan: &Plan, inventory: &Inventory) -> bool {
    cut.skew() <= cut.max_skew && cut.members.iter().all(|member| goes(member, plan, inventory))
}

fn goes(member: &CutMember, plan: &Plan, inventory: &Inventory) -> bool {
    let facts = inventory.replicas.get(&member.replica).and_then(|o| o.facts.as_ref());
    let Some(facts) = facts else { return false };
    let seen = facts.point(&member.point).is_some_and(|point| point.at == member.at);
    let legs = plan.legs.iter().filter(|leg| leg.replica == member.replica);
    let mut to = legs.filter_map(|leg| match &leg.operation {
        Operation::Failover { point } | Operation::Drill { point } => Some(point),
        Operation::PlannedFailover { last, .. } => Some(last),
        Operation::Replicate { .. }
        | Operation::UndoFailover
        | Operation::PermanentFailover
        | Operation::Failback { .. }
        | Operation::Switchover { .. }
        | Operation::CommitFailback { .. }
        | Operation::UndoFailback
        | Operation::EndDrill => None,
    });
    let gone = match (to.next(), member.there) {
        (Some(point), _) => *point == member.point,
        (None, there) => there && facts.disk.in_use.as_ref() == Some(&member.point),
    };
    seen && gone
}
