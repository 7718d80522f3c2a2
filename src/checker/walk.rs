//! The walk over one replica's actions: after each of them the replica could stay for hours, so each middle state counts.

use super::{Rescue, Track, losses};
use crate::base::Timestamp;
use crate::domain::invariant::{Broken, broken};
use crate::domain::{
    Action, Condition, CopyFacts, Facts, LossKind, Replication, State, Unmet, condition, effect, requires,
};
use crate::inventory::Inventory;
use crate::plan::{NodeId, Plan, Violation, Work};

/// What goes wrong on one replica.
pub fn violations(plan: &Plan, inventory: &Inventory, track: &Track<'_>) -> Vec<Violation> {
    let member = track.member;
    let facts = inventory.replicas.get(&member.replica).and_then(|o| o.facts.clone());
    let Some(facts) = facts else {
        // Nothing was seen of it, so nothing may be done to it.
        let first = track.normal.first().copied().unwrap_or(NodeId(0));
        return vec![Violation::Unmet { node: first, unmet: Unmet::Unseen }];
    };
    let began = Facts { copy: CopyFacts::default(), ..facts.clone() };
    let mut walk = Walk::new(plan, inventory.at, member.both_may_run.is_some(), facts);
    let mut found = Vec::new();
    let mut rescues: Vec<(NodeId, &Rescue)> =
        track.on_failure.iter().flat_map(|r| r.after.iter().map(move |after| (*after, r))).collect();
    rescues.sort_by_key(|(after, _)| *after);
    let mut rescues = rescues.into_iter().peekable();
    for node in track.normal.iter().copied() {
        // What failed has no effect: the rescue begins from the facts before it.
        while let Some((_, rescue)) = rescues.next_if(|(after, _)| *after <= node) {
            found.extend(rescued(&walk, rescue));
        }
        walk = match walk.step(node) {
            Ok(walk) => walk,
            Err(violation) => {
                found.push(violation);
                return found;
            }
        };
    }
    rescues.for_each(|(_, rescue)| found.extend(rescued(&walk, rescue)));
    if !walk.facts.copy.is_nothing() && track.normal.iter().any(|node| is_of_copy(plan, *node)) {
        found.push(Violation::LeavesCopy(member.replica.clone()));
    }
    if member.legs.iter().filter_map(|l| plan.leg(*l)).all(|l| l.operation.kind().is_of_copy()) {
        // Nothing but the copy may have changed.
        if (Facts { copy: CopyFacts::default(), ..walk.facts.clone() }) != began {
            let (ends, wanted) = (condition(&walk.facts), member.then);
            found.push(Violation::Misses { replica: member.replica.clone(), ends, wanted });
        }
        return found;
    }
    let ends = condition(&walk.facts);
    let wanted = member.then;
    // A replica that stands by and is not replicated would only look Ready.
    if wanted == State::Ready
        && ends == Condition::Whole(wanted)
        && walk.facts.relation.replication != Replication::Active
    {
        let node = track.normal.last().copied().unwrap_or(NodeId(0));
        found.push(Violation::Unmet { node, unmet: Unmet::Replication });
    } else if ends != Condition::Whole(wanted) {
        found.push(Violation::Misses { replica: member.replica.clone(), ends, wanted });
    }
    let named = |kind: &LossKind| member.loses.iter().any(|loss| loss.kind == *kind);
    if walk.lost.iter().any(|kind| !named(kind)) {
        found.push(Violation::UnnamedLoss(member.replica.clone()));
    }
    found
}

fn is_of_copy(plan: &Plan, node: NodeId) -> bool {
    matches!(plan.node(node).map(|n| &n.work), Some(Work::Act(step)) if step.action.is_of_copy())
}

/// A leg that runs on a failure, from the facts at which it would begin. What it loses is not a loss of the plan: it happens
/// only where the document's own word for that failure asks for it.
fn rescued(walk: &Walk<'_>, rescue: &Rescue) -> Option<Violation> {
    rescue.nodes.iter().try_fold(walk.clone(), |walk, node| walk.step(*node)).err()
}

#[derive(Debug, Clone)]
struct Walk<'a> {
    plan: &'a Plan,
    at: Timestamp,
    may_share: bool,
    facts: Facts,
    /// What was broken before; the plan is blamed for what it breaks itself.
    broken: Vec<Broken>,
    lost: Vec<LossKind>,
}

impl<'a> Walk<'a> {
    fn new(plan: &'a Plan, at: Timestamp, may_share: bool, facts: Facts) -> Self {
        let broken = broken(&facts, may_share);
        Self { plan, at, may_share, facts, broken, lost: Vec::new() }
    }

    fn step(mut self, id: NodeId) -> Result<Self, Violation> {
        let Some(node) = self.plan.node(id) else { return Ok(self) };
        let Work::Act(step) = &node.work else { return Ok(self) };
        let leg = node.leg.and_then(|l| self.plan.leg(l));
        let recorded = match &step.action {
            Action::Begin { operation } => leg.is_some_and(|l| l.operation == *operation),
            // It changes the record of an operation that is concluded.
            Action::SetSwitchover { .. } => true,
            // Of the replica nothing changes.
            action if action.is_of_copy() => true,
            _ => self.facts.relation.intent.is_some(),
        };
        let unmet = |unmet| Violation::Unmet { node: id, unmet };
        if !recorded {
            // An effect before its record: whoever comes after a crash would not know what was going on.
            return Err(unmet(Unmet::Intent));
        }
        requires(&step.action, &self.facts).map_err(unmet)?;
        if let Some(kind) = losses::of(&step.action, &self.facts)
            && !self.lost.contains(&kind)
        {
            self.lost.push(kind);
        }
        self.facts = effect(&step.action, self.facts, self.at);
        let now = broken(&self.facts, self.may_share);
        if let Some(new) = now.iter().find(|b| !self.broken.contains(b)) {
            return Err(Violation::Broken { node: id, broken: new.clone() });
        }
        self.broken = now;
        if let Some(leg) = leg.filter(|l| l.concluded == id && !l.operation.kind().is_of_copy()) {
            let ends = condition(&self.facts);
            if ends != Condition::Whole(leg.to) {
                return Err(Violation::Misses { replica: leg.replica.clone(), ends, wanted: leg.to });
            }
        }
        Ok(self)
    }
}
