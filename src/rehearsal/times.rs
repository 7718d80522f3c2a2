//! How long each node of a plan takes in a rehearsal.

use crate::base::Duration;
use crate::domain::{Check, Readiness, Standing, Wait};
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
        Work::Wait(Wait::Ready { readiness, .. }) => uncertain(
            history.of(plan, id),
            node.typical.minus(readiness.ask.steady()),
            longest_answer(readiness),
        ),
        Work::Hook(_) | Work::Cutover(_) => uncertain(None, node.typical, node.limit),
        Work::Wait(Wait::Quiet { time }) => Expected::fixed(*time),
        // It ends by the clock; and people answer at once.
        Work::Wait(Wait::Until { .. }) | Work::Gate(_) | Work::Join => Expected::fixed(Duration::ZERO),
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

/// What becomes of a question to a machine that answers from a time on: when it is met, and when it is given up where it is not.
struct Course {
    met: Option<Duration>,
    end: Duration,
}

impl Course {
    /// It is asked now and then, never without a pause, and once more at the very end; and must go on being answered.
    fn of(check: &Check, within: Duration, answers: Option<Duration>) -> Self {
        let (every, end) = (check.every.as_millis().max(1), check.within.min(within));
        let first = |answers: Duration| {
            Duration::from_millis(answers.as_millis().div_ceil(every).saturating_mul(every)).min(end)
        };
        let since = answers.filter(|answers| *answers <= end).map(first);
        Self { met: since.map(|since| since.plus(check.stable)).filter(|met| *met <= end), end }
    }

    /// The longest time until an answer with which it is met.
    fn longest(check: &Check, within: Duration) -> Duration {
        let (every, end) = (check.every.as_millis().max(1), check.within.min(within));
        if check.stable == Duration::ZERO {
            return end;
        }
        Duration::from_millis(end.minus(check.stable).as_millis() / every * every)
    }

    fn standing(&self, at: Duration) -> Standing {
        match self.met {
            Some(met) if met <= at => Standing::Met,
            Some(_) => Standing::Open,
            None if self.end <= at => Standing::Over,
            None => Standing::Open,
        }
    }
}

/// How long a wait for a machine takes that answers after a time, or never; whether it is ready then. The same reckoning as the engine's.
#[must_use]
pub fn waited(readiness: &Readiness, answers: Option<Duration>) -> (Duration, bool) {
    let Readiness { ask, within, otherwise: _ } = readiness;
    let courses: Vec<Course> =
        ask.checks().into_iter().map(|check| Course::of(check, *within, answers)).collect();
    let mut moments: Vec<Duration> = courses.iter().map(|c| c.met.unwrap_or(c.end)).collect();
    moments.push(Duration::ZERO);
    moments.sort_unstable();
    let known = |moment: Duration| {
        let each: Vec<Standing> = courses.iter().map(|c| c.standing(moment)).collect();
        match ask.standing(&each) {
            Standing::Met => Some((moment, true)),
            Standing::Over => Some((moment, false)),
            Standing::Open => None,
        }
    };
    moments.into_iter().find_map(known).unwrap_or((*within, false))
}

/// The longest time until a machine answers with which a wait for it still ends well.
fn longest_answer(readiness: &Readiness) -> Duration {
    let mut longest: Vec<Duration> =
        readiness.ask.checks().into_iter().map(|check| Course::longest(check, readiness.within)).collect();
    longest.sort_unstable();
    let mut from_the_longest = longest.into_iter().rev();
    from_the_longest.find(|answers| waited(readiness, Some(*answers)).1).unwrap_or_default()
}
