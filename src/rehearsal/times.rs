//! How long each node of a plan takes in a rehearsal.

use crate::base::Duration;
use crate::domain::{Readiness, Wait};
use crate::plan::{Node, NodeId, Plan, Work};
use crate::rehearsal::draw::Luck;
use crate::rehearsal::history::{History, Known, Quantiles};

/// Without a measure, a step takes no longer than so many times its typical time in nineteen of twenty cases.
const UNMEASURED: u64 = 2;

/// What is known of a node's time. Of a wait for a machine it is the time until that answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Its middle and its late time.
    pub of: Quantiles,
    /// The longest with which it does not count as failed.
    pub most: Duration,
    /// From where it is known; `None` where there is nothing to know: a time that a document says, or a join.
    pub known: Option<Known>,
}

impl Expected {
    const fn fixed(time: Duration) -> Self {
        Self { of: Quantiles { p50: time, p95: time }, most: time, known: None }
    }
}

/// What is known of all nodes of a plan.
#[must_use]
pub fn expected(plan: &Plan, history: &History) -> Vec<Expected> {
    let one = |(id, node): (NodeId, &Node)| match &node.work {
        Work::Act(_) => uncertain(history.of(plan, id), node.typical, node.limit),
        Work::Wait(Wait::Ready { readiness, .. }) => {
            uncertain(history.of(plan, id), node.typical.minus(readiness.stable), longest_answer(readiness))
        }
        Work::Wait(Wait::Quiet { time }) => Expected::fixed(*time),
        // It ends by the clock.
        Work::Wait(Wait::Until { .. }) | Work::Join => Expected::fixed(Duration::ZERO),
    };
    plan.node_ids().zip(&plan.nodes).map(one).collect()
}

fn uncertain(measured: Option<(Quantiles, Known)>, typical: Duration, most: Duration) -> Expected {
    let (of, known) = measured.unwrap_or_else(|| {
        let late = Duration::from_millis(typical.as_millis().saturating_mul(UNMEASURED));
        (Quantiles { p50: typical, p95: late }, Known::Planned)
    });
    Expected { of, most, known: Some(known) }
}

/// The middle times of all nodes.
#[must_use]
pub fn middle(expected: &[Expected]) -> Vec<Duration> {
    expected.iter().map(|e| e.of.p50.min(e.most)).collect()
}

/// Times by chance, and whether one of them had to be cut so that its step would not fail.
#[must_use]
pub fn drawn(expected: &[Expected], seed: u64, draw: u32) -> (Vec<Duration>, bool) {
    let mut luck = Luck::of(seed, draw);
    let mut cut = false;
    let mut one = |e: &Expected| {
        let time = luck.time(e.of);
        cut |= time > e.most;
        time.min(e.most)
    };
    let times = expected.iter().map(&mut one).collect();
    (times, cut)
}

/// How often a machine is asked whether it is ready, never without a pause: as the engine does.
fn every(readiness: &Readiness) -> u64 {
    readiness.every.as_millis().max(1)
}

/// How long a wait for a machine takes that answers after a time; whether it is ready then. It is asked now and then, and must go on
/// answering: the same reckoning as the engine's.
#[must_use]
pub fn waited(readiness: &Readiness, answers: Duration) -> (Duration, bool) {
    let asked = answers.as_millis().div_ceil(every(readiness)).saturating_mul(every(readiness));
    // At the very end it is asked once more.
    let asked = if answers <= readiness.within { asked.min(readiness.within.as_millis()) } else { asked };
    let ready = Duration::from_millis(asked).plus(readiness.stable);
    if ready <= readiness.within { (ready, true) } else { (readiness.within, false) }
}

/// The longest time until a machine answers with which a wait for it still ends well.
fn longest_answer(readiness: &Readiness) -> Duration {
    let left = readiness.within.minus(readiness.stable).as_millis();
    if readiness.stable == Duration::ZERO {
        return readiness.within;
    }
    Duration::from_millis(left / every(readiness) * every(readiness))
}
