//! What came of a drill, and what it left: read off its run alone.

use crate::base::{Duration, ReplicaName, RunId, Timestamp};
use crate::domain::{CopyFacts, OperationKind};
use crate::inventory::Inventory;
use crate::plan::{Leg, NodeId, Plan, Purpose};
use crate::run::event::Event;
use crate::run::progress::{Progress, Status};

/// What is known of a drill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drill {
    /// Whether it passed.
    pub verdict: Verdict,
    /// How many copies were ready.
    pub ready: usize,
    /// Of how many.
    pub of: usize,
    /// The first step of each copy's way that failed, or was never done.
    pub missing: Vec<(ReplicaName, NodeId)>,
    /// From its beginning until the last copy was ready.
    pub took: Duration,
    /// When the last copy was ready, or when something happened last.
    pub at: Timestamp,
    /// What it left.
    pub left: Left,
}

/// Whether a drill passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All copies were ready that have to be.
    Passed,
    /// One that has to be was not.
    Failed,
    /// It did not come so far as that it could be told.
    Unfinished,
}

/// What the last look of a run says of copies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Left {
    /// The copies that are there, or parts of them.
    pub copies: Vec<(ReplicaName, CopyFacts)>,
    /// Replicas of which nothing could be seen.
    pub unseen: Vec<ReplicaName>,
}

impl Left {
    /// Whether it is proved that nothing is left.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.copies.is_empty() && self.unseen.is_empty()
    }

    /// What some facts say of the copies of a plan's replicas; `None` as facts means that nobody looked.
    #[must_use]
    pub fn of(plan: &Plan, seen: Option<&Inventory>) -> Self {
        let mut left = Self::default();
        for replica in plan.placements.keys() {
            let facts = seen.and_then(|i| i.replicas.get(replica)).and_then(|o| o.facts.as_ref());
            match facts {
                None => left.unseen.push(replica.clone()),
                Some(facts) if facts.copy.is_nothing() => {}
                Some(facts) => left.copies.push((replica.clone(), facts.copy.clone())),
            }
        }
        left
    }

    /// The runs that made what is left.
    #[must_use]
    pub fn by(&self) -> Vec<&RunId> {
        let mut runs: Vec<&RunId> = self.copies.iter().filter_map(|(_, copy)| copy.by.as_ref()).collect();
        runs.sort();
        runs.dedup();
        runs
    }
}

/// What was observed right before the last end of a run.
#[must_use]
pub fn last_look(events: &[(Timestamp, Event)]) -> Option<Inventory> {
    let from = events.iter().rposition(|(_, e)| matches!(e, Event::Taken { .. })).unwrap_or(0);
    let parts = events.get(from..).unwrap_or_default().iter().filter_map(|(_, event)| match event {
        Event::Observed { inventory } => Some(inventory.clone()),
        _ => None,
    });
    parts.reduce(Inventory::and)
}

/// What a run says of its drill; `None` where it is none.
#[must_use]
pub fn drill(progress: &Progress, events: &[(Timestamp, Event)]) -> Option<Drill> {
    let plan = progress.plan();
    if !matches!(plan.purpose, Purpose::Drill { .. }) {
        return None;
    }
    let tried: Vec<&Leg> =
        plan.legs.iter().filter(|leg| leg.operation.kind() == OperationKind::Drill).collect();
    let is_done = |node: NodeId| progress.status(node) == Status::Done;
    let (ready, not): (Vec<&Leg>, Vec<&Leg>) = tried.iter().copied().partition(|leg| is_done(leg.last));
    let excused = |leg: &&Leg| leg.optional || leg.quorum.is_some_and(is_done);
    let open = |leg: &&Leg| progress.status(leg.last).is_open();
    let verdict = if not.iter().all(excused) && !ready.is_empty() {
        Verdict::Passed
    } else if not.iter().filter(|leg| !excused(leg)).any(open) && !any_failed(progress, &not) {
        Verdict::Unfinished
    } else {
        Verdict::Failed
    };
    let (began, last) = progress.span().unwrap_or_default();
    let at = ready.iter().filter_map(|leg| progress.ended_at(leg.last)).max();
    let at = at.filter(|_| verdict == Verdict::Passed).unwrap_or(last);
    let look = last_look(events);
    Some(Drill {
        verdict,
        ready: ready.len(),
        of: tried.len(),
        missing: not.iter().map(|leg| (leg.replica.clone(), missing(progress, leg))).collect(),
        took: at.since(began),
        at,
        left: Left::of(plan, look.as_ref()),
    })
}

fn any_failed(progress: &Progress, legs: &[&Leg]) -> bool {
    legs.iter().any(|leg| steps(progress.plan(), leg).any(|node| progress.status(node) == Status::Failed))
}

/// The steps of a leg: others may stand between them.
fn steps<'a>(plan: &'a Plan, leg: &'a Leg) -> impl Iterator<Item = NodeId> + 'a {
    let own = |node: &NodeId| {
        let of = plan.node(*node).and_then(|n| n.leg).and_then(|l| plan.leg(l));
        of.is_some_and(|of| of.first == leg.first)
    };
    (leg.first.0..=leg.last.0).map(NodeId).filter(own)
}

/// The first step of a leg that is not done: why the others are not is told by it.
fn missing(progress: &Progress, leg: &Leg) -> NodeId {
    let mut steps = steps(progress.plan(), leg);
    steps.find(|n| progress.status(*n) != Status::Done).unwrap_or(leg.last)
}
