//! What past runs tell of the time that a plan will take.

use super::load::Loaded;
use super::prepare::Prepared;
use super::{Answer, Desk};
use crate::base::{Duration, PlanName};
use crate::diag::{Code, Finding, Severity};
use crate::journal::{JournalError, Store};
use crate::model::{Key, Kind};
use crate::plan::Plan;
use crate::rehearsal::times::{expected, middle};
use crate::rehearsal::{Chance, History, Known, PlanTime, Rehearsal, Stage, timed};
use crate::report::{self, text, words};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Times are learned from so many runs, the latest.
const LATEST: usize = 20;

/// What the latest runs tell. One that cannot be read is left out, and is said to be.
///
/// # Errors
/// The store does not answer.
pub fn history(store: &dyn Store) -> Result<(History, Vec<Finding>), Box<Answer>> {
    let (mut history, mut findings) = (History::default(), Vec::new());
    let runs = store.list()?;
    for run in runs.iter().rev().take(LATEST).rev() {
        match store.read(run) {
            Ok(found) => {
                history.learn(&found.frozen.plan, found.records.iter().map(|r| (r.at, &r.event)));
            }
            Err(error @ JournalError::Unreachable { .. }) => return Err(error.into()),
            Err(error) => {
                let answer: Box<Answer> = error.into();
                let warn = |f: Finding| Finding { severity: Severity::Warning, ..f };
                findings.extend(
                    answer.findings.into_iter().map(|f| {
                        warn(f).help(format!("the times of run {run} are left out of the rehearsal"))
                    }),
                );
            }
        }
    }
    Ok((history, findings))
}

/// The recovery time objectives of the failover plans that have one.
pub fn objectives(loaded: &Loaded) -> BTreeMap<PlanName, Duration> {
    let plans = loaded.workspace.plans.values();
    plans.filter_map(|p| Some((p.name.clone(), p.rto?))).collect()
}

/// Says that a failover plan takes longer than it may.
pub fn missed(plan: &PlanTime, found: &Rehearsal, loaded: &Loaded) -> Finding {
    let rto = plan.rto.unwrap_or_default();
    let message = format!(
        "`{}` takes up to {} in 95 of 100 cases; its objective is {rto}",
        plan.plan,
        words::span(plan.takes.p95)
    );
    let path = [Key::Name("spec"), Key::Name("objectives"), Key::Name("rto")];
    let place = loaded.origins.at(Kind::FailoverPlan, plan.plan.as_str(), &path);
    Finding::new(Code::RtoMissed, message)
        .at(place, format!("by {} draws with seed {}", found.chance.draws, found.chance.seed))
        .help("the chain above takes the time: shorten what stands on it, or let more start at once")
}

/// Past runs that are being read, beside whatever else is done meanwhile.
pub struct Reading(tokio::sync::oneshot::Receiver<Option<History>>);

/// A plan is not kept waiting for a store that is silent longer than this.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(3);

/// Begins to read them. A thread by itself: the end of the program does not wait for it.
pub fn begin(desk: &Desk) -> Reading {
    let (tell, told) = tokio::sync::oneshot::channel();
    if let Ok(store) = desk.store() {
        std::thread::spawn(move || tell.send(history(&*store).ok().map(|(history, _)| history)));
    }
    Reading(told)
}

/// What is known of a plan's time from runs of before.
pub enum Past {
    /// Nothing: there are none, or nothing in them is like this plan's steps, or the plan is so large that drawing takes too long.
    Nothing,
    /// Whether there are any is not known.
    Unread,
    /// So much.
    Measured(Box<Rehearsal>),
}

/// So many draws are made. The seed is that of `rehearse`.
const CHANCE: Chance = Chance { seed: 1, draws: 100 };
/// Beyond so many steps nothing is drawn; `rehearse` takes its time.
const STEPS: usize = 20_000;

impl Reading {
    /// What they tell of a plan.
    pub async fn of(self, prepared: &Prepared) -> Past {
        let plan = &prepared.plan;
        if plan.is_empty() || plan.nodes.len() > STEPS {
            return Past::Nothing;
        }
        let Ok(Ok(Some(history))) = tokio::time::timeout(PATIENCE, self.0).await else {
            return Past::Unread;
        };
        let expected = expected(plan, &history);
        if !expected.iter().filter_map(|e| e.known).any(|known| known != Known::Planned) {
            return Past::Nothing;
        }
        let found = Stage::new(Arc::new(plan.clone()), prepared.inventory.at).and_then(|stage| {
            let base = stage.walk(&middle(&expected), None)?;
            timed(&stage, &base, (&expected, &history), &objectives(&prepared.loaded), CHANCE)
        });
        found.map_or(Past::Nothing, |found| Past::Measured(Box::new(found)))
    }
}

impl Past {
    /// The sentence of the plan.
    pub fn words(&self, plan: &Plan) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::Unread => Some("Past runs cannot be read; times are as documented.".to_owned()),
            Self::Measured(found) => Some(text::rehearsal::measured(plan, found)),
        }
    }

    /// The same for machines; null where nothing is known.
    pub fn json(&self, plan: &Plan) -> Value {
        match self {
            Self::Nothing | Self::Unread => Value::Null,
            Self::Measured(found) => report::rehearsal::times(plan, found),
        }
    }

    /// A warning for each objective that is missed in more than one of twenty cases.
    pub fn missed(&self, loaded: &Loaded) -> Vec<Finding> {
        let Self::Measured(found) = self else { return Vec::new() };
        let late = found.plans.iter().filter(|plan| plan.missed());
        late.map(|plan| Finding { severity: Severity::Warning, ..missed(plan, found, loaded) }).collect()
    }
}
