//! `lifeboat rehearse RUNBOOK`: the plan in virtual time. It observes as `plan` does, reads the journals of past runs, and writes nothing.

use super::carry::exit_of;
use super::forecast::{history, missed, objectives};
use super::load::Loaded;
use super::prepare::{Prepared, documents, prepare, runbook};
use super::{Answer, Desk, Exit, Said};
use crate::base::{Duration, PlanName, RunId, Timestamp};
use crate::diag::{Code, Finding, Severity};
use crate::domain::Wait;
use crate::engine::{Aids, EngineError, Run, Seen, drive, stop_signal};
use crate::journal::{Journal, JournalError};
use crate::model::{Key, Kind};
use crate::plan::{NodeId, Plan, Work};
use crate::port::{Clock, Provider};
use crate::provider::dry::Dry;
use crate::provider::sim::clock::VirtualClock;
pub use crate::rehearsal::Chance;
use crate::rehearsal::times::{expected, middle};
use crate::rehearsal::{self, History, Rehearsal, Stage};
use crate::report::{self, text};
use crate::run::{Event, Progress};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What `rehearse` is asked.
pub struct Ask {
    /// The runbook.
    pub runbook: String,
    /// How the draws are made.
    pub chance: Chance,
    /// Whether a missed objective has an exit code of its own.
    pub strict: bool,
    /// Whether manual switchovers shall be done now.
    pub switchover: bool,
}

/// Carries the command out.
///
/// # Errors
/// An early end.
pub async fn rehearse(desk: &Desk, ask: &Ask) -> Said {
    let loaded = documents(desk)?;
    let mut asked = runbook(&loaded, &ask.runbook).map_err(|early| not_a_run(desk, ask, early))?;
    asked.switchover_now = ask.switchover;
    let prepared = prepare(desk, loaded, &asked).await?;
    let (history, mut findings) = history(&*desk.store()?)?;
    let Prepared { loaded, plan, inventory, .. } = prepared;
    let plan = Arc::new(plan);
    let objectives = objectives(&loaded);
    let found = tokio::task::spawn_blocking({
        let (plan, chance) = (Arc::clone(&plan), ask.chance);
        move || rehearsed(plan, inventory.at, &history, &objectives, chance)
    })
    .await;
    let found = found.map_err(|e| fault(&e.to_string()))?.map_err(|e| fault(&e.to_string()))?;
    let gated = judge(&found, &loaded, ask.strict, &mut findings);
    let view =
        text::Options { next: ask.switchover.then(|| " --switchover".to_owned()), ..desk.view.clone() };
    let mut answer = Answer::ok(
        text::rehearsal(&plan, &found, &exit_code, &view),
        desk.json(|| report::rehearsal::json(&plan, &found, &exit_code)),
    );
    if gated {
        answer.exit = Exit::Gated;
    }
    answer.findings = findings;
    answer.sources = loaded.sources;
    Ok(answer)
}

/// A run's name where a runbook's is wanted: what it was made from is what can be rehearsed.
fn not_a_run(desk: &Desk, ask: &Ask, mut early: Box<Answer>) -> Box<Answer> {
    let found = desk.store().ok().and_then(|s| s.list().ok()).unwrap_or_default();
    if found.iter().any(|run| run.as_str() == ask.runbook) {
        let what = format!("`{}` is a run; a runbook is what can be rehearsed", ask.runbook);
        early.findings = vec![
            Finding::new(Code::UnknownRunbook, what)
                .help(format!("`lifeboat report {}` tells how long it took", ask.runbook)),
        ];
    }
    early
}

fn exit_code(outcome: crate::run::Outcome) -> (u8, &'static str) {
    let exit = exit_of(outcome);
    (exit as u8, exit.reason())
}

fn fault(what: &str) -> Box<Answer> {
    let finding = Finding::new(Code::CheckerRefuses, format!("this is a fault of Lifeboat: {what}"));
    Answer::stop(Exit::Internal, finding.help("nothing was touched; please report it with the documents"))
}

/// The whole rehearsal. It has a thread of its own: the engine's tasks take turns on it, so that one seed gives the same bytes.
fn rehearsed(
    plan: Arc<Plan>,
    at: Timestamp,
    history: &History,
    objectives: &BTreeMap<PlanName, Duration>,
    chance: Chance,
) -> Result<Rehearsal, EngineError> {
    let expected = expected(&plan, history);
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.map_err(|e| JournalError::io(std::path::Path::new("threads"))(e))?;
    let base = runtime.block_on(driven(&plan, at, &middle(&expected), None))?;
    let stage = Stage::new(plan, at)?;
    let found = rehearsal::timed(&stage, &base, (&expected, history), objectives, chance)?;
    Ok(Rehearsal { failures: rehearsal::failures(&stage, &expected)?, ..found })
}

/// A journal that nobody reads.
struct Unwritten;

impl Journal for Unwritten {
    fn append(&mut self, _events: &[(Timestamp, Event)]) -> Result<(), JournalError> {
        Ok(())
    }
}

/// The real engine over a plan, with a provider that only takes its time, and a clock that costs none.
async fn driven(
    plan: &Arc<Plan>,
    at: Timestamp,
    times: &[Duration],
    fails: Option<NodeId>,
) -> Result<Progress, EngineError> {
    let clock: Arc<dyn Clock> = Arc::new(VirtualClock::new(at));
    let dry = Arc::new(Dry::new(Arc::clone(&clock), times.to_vec(), fails.map(|n| n.0)));
    let (_stopper, stop) = stop_signal();
    let told = |node: NodeId, at: Timestamp| {
        let Some(Work::Wait(Wait::Ready { replica, vm, .. })) = plan.node(node).map(|n| &n.work) else {
            return;
        };
        if let Some(placement) = plan.placements.get(replica).filter(|_| fails != Some(node)) {
            let takes = times.get(node.index()).copied().unwrap_or_default();
            dry.answers(&placement.vm(*vm), at.after(takes));
        }
    };
    let ended = drive(Run {
        id: RunId::new("rehearsal").map_err(|_| JournalError::Unknown("rehearsal".to_owned()))?,
        runner: crate::run::Runner {
            person: "rehearsal".to_owned(),
            host: "rehearsal".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
        progress: Progress::new(Arc::clone(plan)),
        journal: &mut Unwritten,
        aids: Aids {
            scripts: Arc::clone(&dry) as _,
            answers: Arc::clone(&dry) as _,
            names: Arc::clone(&dry) as _,
        },
        provider: Arc::clone(&dry) as Arc<dyn Provider>,
        clock,
        stop,
        deadline: None,
        grace: Duration::ZERO,
        watch: &mut |at, seen, _| {
            // Just before the engine begins to ask.
            if let Seen::Event(Event::Waiting { node }) = seen {
                told(*node, at);
            }
        },
        crash: None,
    })
    .await?;
    Ok(ended.progress)
}

/// Says which objectives are missed; whether the command ends with that.
fn judge(found: &Rehearsal, loaded: &Loaded, strict: bool, findings: &mut Vec<Finding>) -> bool {
    let mut gated = false;
    if !found.outcome.is_final() {
        gated = strict;
        let severity = if strict { Severity::Error } else { Severity::Warning };
        let what = format!("the run would end as {} though nothing fails", found.outcome.word());
        let finding = Finding::new(Code::StepFailed, what);
        let help = "a wait runs out by itself: its machine takes longer than `within` allows";
        findings.push(Finding { severity, ..finding }.help(help));
    }
    for plan in found.plans.iter().filter(|p| p.missed()) {
        let enforcing: Vec<_> = loaded.workspace.policies.values().filter(|p| p.enforce_rto).collect();
        let refuses = strict || !enforcing.is_empty();
        gated |= refuses;
        let mut finding = missed(plan, found, loaded);
        finding.severity = if refuses { Severity::Error } else { Severity::Warning };
        for policy in enforcing {
            let path = [Key::Name("spec"), Key::Name("enforce"), Key::Name("rto")];
            let place = loaded.origins.at(Kind::Policy, policy.name.as_str(), &path);
            finding = finding.at(place, policy.because.clone());
        }
        findings.push(finding);
    }
    gated
}

#[cfg(test)]
mod tests;
