//! Floor 5: a plan rehearsed in time, before it is needed: how long it will take, by what, and what one failure would hold up. Pure.
//!
//! Its times come from past runs ([`history`]), or from the plan where nothing was measured; by chance they are drawn ([`draw`]). One run is
//! walked through on the fold of real runs ([`walk`]); the chain that made it so long is read off it ([`timeline`]); and each failure that
//! means something of its own is a run by itself ([`what_if`]).

pub mod draw;
pub mod history;
#[cfg(test)]
mod tests;
pub mod timeline;
pub mod times;
pub mod walk;
pub mod what_if;

pub use history::{History, Known};
pub use timeline::{Shape, Spent, Stretch, Timeline};
pub use times::Expected;
pub use walk::Stage;
pub use what_if::WhatIf;

use crate::base::{Duration, PlanName, ReplicaName};
use crate::plan::NodeId;
use crate::run::{IllegalEvent, Outcome, Progress};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// How the draws are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chance {
    /// From where they begin.
    pub seed: u64,
    /// How many.
    pub draws: u32,
}

/// A time with its spread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Predicted {
    /// With every step at its middle time.
    pub typical: Duration,
    /// Half of the draws take no longer.
    pub p50: Duration,
    /// Nineteen of twenty take no longer.
    pub p95: Duration,
    /// The longest of the draws.
    pub longest: Duration,
}

/// The time of a failover plan against its objective: from the run's begin until the last of its replicas is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanTime {
    /// The failover plan.
    pub plan: PlanName,
    /// How long it may take.
    pub rto: Option<Duration>,
    /// How long it takes.
    pub takes: Predicted,
}

impl PlanTime {
    /// Whether it takes longer than it may in more than one of twenty cases.
    #[must_use]
    pub fn missed(&self) -> bool {
        self.rto.is_some_and(|rto| self.takes.p95 > rto)
    }
}

/// What a rehearsal shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsal {
    /// How the draws were made.
    pub chance: Chance,
    /// From how many past runs times were learned.
    pub runs: usize,
    /// How many nodes' times are known from where.
    pub known: BTreeMap<Known, usize>,
    /// How the run ends where nothing fails.
    pub outcome: Outcome,
    /// How long it takes.
    pub takes: Predicted,
    /// The same for each failover plan.
    pub plans: Vec<PlanTime>,
    /// The chain that makes it so long, at typical times.
    pub chain: Vec<Stretch>,
    /// In how many of the draws a replica stands on the chain.
    pub critical: BTreeMap<ReplicaName, u32>,
    /// In how many of the draws a step would not have ended within its limit.
    pub beyond: u32,
    /// What single failures mean, the worst first.
    pub failures: Vec<WhatIf>,
}

/// What one draw shows.
struct Drawn {
    total: Duration,
    plans: Vec<Duration>,
    critical: BTreeSet<NodeId>,
    cut: bool,
}

/// What single failures mean, the worst first, at typical times.
///
/// # Errors
/// A fault of the walk itself.
pub fn failures(stage: &Stage, expected: &[Expected]) -> Result<Vec<WhatIf>, IllegalEvent> {
    let (plan, middle) = (stage.plan(), times::middle(expected));
    let subjects = what_if::subjects(plan, &Shape::new(plan));
    let found = subjects.par_iter().map(|node| what_if::what_if(stage, &middle, *node));
    let mut found: Vec<WhatIf> = found.collect::<Result<_, _>>()?;
    what_if::sort(&mut found, plan);
    Ok(found)
}

/// How long a run takes, and by what; of single failures tells [`failures`]. `base` is the run at typical times.
///
/// # Errors
/// A fault of the walk itself.
pub fn timed(
    stage: &Stage,
    base: &Progress,
    (expected, history): (&[Expected], &History),
    objectives: &BTreeMap<PlanName, Duration>,
    chance: Chance,
) -> Result<Rehearsal, IllegalEvent> {
    let shape = Shape::new(stage.plan());
    let line = Timeline::new(base, &shape);
    let one = |draw: u32| -> Result<Drawn, IllegalEvent> {
        let (times, cut) = times::drawn(expected, chance.seed, draw);
        let walked = stage.walk(&times, None)?;
        let line = Timeline::new(&walked, &shape);
        let critical = line.chain().into_iter().map(|s| s.node).collect();
        Ok(Drawn { total: line.total(), plans: line.of_plans(), critical, cut })
    };
    let draws: Vec<Drawn> = (0..chance.draws).into_par_iter().map(one).collect::<Result<_, _>>()?;
    let takes = predicted(line.total(), draws.iter().map(|d| d.total).collect());
    let typical = line.of_plans();
    let plan_time = |(position, name): (usize, &PlanName)| PlanTime {
        plan: name.clone(),
        rto: objectives.get(name).copied(),
        takes: predicted(
            typical.get(position).copied().unwrap_or_default(),
            draws.iter().filter_map(|d| d.plans.get(position).copied()).collect(),
        ),
    };
    let mut known = BTreeMap::new();
    for from in expected.iter().filter_map(|e| e.known) {
        *known.entry(from).or_insert(0) += 1;
    }
    Ok(Rehearsal {
        chance,
        runs: history.runs(),
        known,
        outcome: base.outcome().unwrap_or(Outcome::Failed),
        takes,
        plans: shape.plans().iter().enumerate().map(plan_time).collect(),
        chain: line.chain(),
        critical: critical(stage, &draws),
        beyond: u32::try_from(draws.iter().filter(|d| d.cut).count()).unwrap_or(u32::MAX),
        failures: Vec::new(),
    })
}

fn predicted(typical: Duration, mut drawn: Vec<Duration>) -> Predicted {
    drawn.sort_unstable();
    let rank = |percent| history::rank(&drawn, percent).unwrap_or(typical);
    Predicted { typical, p50: rank(50), p95: rank(95), longest: rank(100) }
}

/// In how many draws each replica stands on the chain.
fn critical(stage: &Stage, draws: &[Drawn]) -> BTreeMap<ReplicaName, u32> {
    let plan = stage.plan();
    let of = |node: NodeId| plan.node(node).and_then(|n| n.leg).and_then(|l| plan.leg(l)).map(|l| &l.replica);
    let mut found = BTreeMap::new();
    for draw in draws {
        let replicas: BTreeSet<&ReplicaName> = draw.critical.iter().filter_map(|n| of(*n)).collect();
        for replica in replicas {
            *found.entry(replica.clone()).or_insert(0) += 1;
        }
    }
    found
}
