//! How long things took in runs of before.

use crate::base::{Duration, ReplicaName, Timestamp};
use crate::domain::{OperationKind, Role, Wait};
use crate::plan::{NodeId, Plan, Work};
use crate::run::{Event, How};
use std::collections::BTreeMap;

/// What was measured: an action within an operation, or the way of a machine until it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Measured {
    operation: Option<OperationKind>,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// An action of that word, at the machine of that part.
    Action(&'static str, Option<Role>),
    /// Until the machine of that part answers.
    Answer(Role),
}

/// The middle and the late one of some measured times: half of them are no longer than the first, nineteen of twenty no longer than the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantiles {
    /// Half are no longer.
    pub p50: Duration,
    /// Nineteen of twenty are no longer; of fewer than twenty, all.
    pub p95: Duration,
}

/// So few measured times say nothing of a replica by itself.
const FEW: usize = 3;

/// What past runs tell.
#[derive(Debug, Clone, Default)]
pub struct History {
    own: BTreeMap<(ReplicaName, Measured), Vec<Duration>>,
    all: BTreeMap<Measured, Vec<Duration>>,
    runs: usize,
}

/// From where a time is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Known {
    /// Measured at this very replica.
    Own,
    /// Measured at other replicas.
    Others,
    /// Never measured: as the plan expects it.
    Planned,
}

impl History {
    /// Takes in the events of a run. Only what was asked for and seen to be done is a measure: what a person settled, or a later runner
    /// found to be there, is not.
    pub fn learn<'a>(&mut self, plan: &Plan, events: impl IntoIterator<Item = (Timestamp, &'a Event)>) {
        let mut began: BTreeMap<NodeId, Timestamp> = BTreeMap::new();
        self.runs += 1;
        for (at, event) in events {
            match event {
                Event::Intended { node, .. } | Event::Waiting { node } => {
                    began.insert(*node, at);
                }
                Event::Settled { node, how: How::Performed, .. } | Event::Met { node } => {
                    if let Some(since) = began.remove(node) {
                        self.add(plan, *node, at.since(since));
                    }
                }
                Event::Taken { .. } => began.clear(),
                Event::TakenOver { .. }
                | Event::Settled { .. }
                | Event::Retrying { .. }
                | Event::WentOn { .. }
                | Event::Spoke { .. }
                | Event::Answered { .. }
                | Event::Unanswered { .. }
                | Event::Failed { .. }
                | Event::InDoubt { .. }
                | Event::Reopened { .. }
                | Event::Rescheduled { .. }
                | Event::Stopping { .. }
                | Event::Ended { .. }
                | Event::Closed { .. }
                | Event::Observed { .. }
                | Event::NotObserved { .. } => {}
            }
        }
    }

    fn add(&mut self, plan: &Plan, node: NodeId, took: Duration) {
        let Some((replica, measured)) = measured(plan, node) else { return };
        // Of a wait counts the time until the machine answered: how long it must go on answering is the document's.
        let took = match plan.node(node).map(|n| &n.work) {
            Some(Work::Wait(Wait::Ready { readiness, .. })) => took.minus(readiness.ask.steady()),
            _ => took,
        };
        self.own.entry((replica, measured)).or_default().push(took);
        self.all.entry(measured).or_default().push(took);
    }

    /// How many runs were learned from.
    #[must_use]
    pub const fn runs(&self) -> usize {
        self.runs
    }

    /// What is known of a node's time; `None` where nothing like it was measured.
    #[must_use]
    pub fn of(&self, plan: &Plan, node: NodeId) -> Option<(Quantiles, Known)> {
        let (replica, measured) = measured(plan, node)?;
        let enough = |times: &&Vec<Duration>| times.len() >= FEW;
        let own = self.own.get(&(replica, measured)).filter(enough);
        let others = || self.all.get(&measured).filter(enough);
        match own {
            Some(own) => Some((quantiles(own)?, Known::Own)),
            None => Some((quantiles(others()?)?, Known::Others)),
        }
    }
}

fn measured(plan: &Plan, node: NodeId) -> Option<(ReplicaName, Measured)> {
    let found = plan.node(node)?;
    let operation = found.leg.and_then(|l| plan.leg(l)).map(|l| l.operation.kind());
    match &found.work {
        Work::Act(step) => {
            let what = What::Action(step.action.word(), step.action.machine());
            Some((step.replica.clone(), Measured { operation, what }))
        }
        Work::Wait(Wait::Ready { replica, vm, .. }) => {
            Some((replica.clone(), Measured { operation, what: What::Answer(*vm) }))
        }
        // How long a program takes is said where it stands, and how long people think nobody knows.
        Work::Hook(_) | Work::Gate(_) | Work::Cutover(_) => None,
        Work::Wait(Wait::Until { .. } | Wait::Quiet { .. }) | Work::Join => None,
    }
}

/// The quantiles of times, by their ranks.
#[must_use]
pub fn quantiles(times: &[Duration]) -> Option<Quantiles> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    Some(Quantiles { p50: rank(&sorted, 50)?, p95: rank(&sorted, 95)? })
}

/// The smallest of sorted times that so many of a hundred are no longer than.
#[must_use]
pub fn rank(sorted: &[Duration], percent: usize) -> Option<Duration> {
    sorted.get((sorted.len() * percent).div_ceil(100).checked_sub(1)?).copied()
}
