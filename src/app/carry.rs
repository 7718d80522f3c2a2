//! Carrying a run out: claim, journal, engine, and what is seen of it meanwhile.

use super::people::aids;
use super::stop::{deadline, grace, time};
use super::world::World;
use super::{Answer, Desk, Exit, Screen, Words};
use crate::base::{Duration, ReplicaName, RunId, Timestamp};
use crate::diag::{Code, Finding};
use crate::domain::Moving;
use crate::engine::{EngineError, Run, Seen, StopSignal, Stopper, drive, stop_signal};
use crate::journal::claim::free as free_among;
use crate::journal::{Claim, Hold, Journal, JournalError, Refusal, Store, Topic, Way};
use crate::plan::{NodeId, Plan, Purpose, Work};
use crate::port::ActionKey;
use crate::provider::group::end_listed;
use crate::report::approvals;
use crate::report::live::{Live, Tally};
use crate::report::text;
use crate::report::text::Options;
use crate::report::text::run::{Story, failed_words};
use crate::report::words::count;
use crate::run::{Event, Outcome, Progress, Status, StopWhy};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

/// How long steps under way may take to end after a stop was asked for, where nothing else is said.
const GRACE: Duration = Duration::from_secs(60);
/// How often it is looked whether somebody left word that the run shall stop.
const LOOK: std::time::Duration = std::time::Duration::from_millis(500);

/// What a run claims: the replicas of its plan.
pub fn claim(desk: &Desk, run: &RunId, plan: &Plan, world: &World) -> Claim {
    Claim {
        run: run.clone(),
        purpose: plan.purpose.to_string(),
        replicas: replicas(plan),
        copies: plan.purpose.is_of_copies(),
        runner: desk.runner(),
        process: std::process::id(),
        since: world.clock().now(),
    }
}

/// Claims them.
pub fn claimed(desk: &Desk, claim: &Claim, way: Way<'_>) -> Result<Box<dyn Hold>, Box<Answer>> {
    desk.store()?.claim(claim, way).map_err(refused)
}

/// Whether the replicas of a plan could be claimed now: who is shown a plan and asked for its name shall be able to carry it out.
pub fn free(desk: &Desk, plan: &Plan) -> Result<(), Box<Answer>> {
    free_among(desk.store()?.claims()?, &replicas(plan), plan.purpose.is_of_copies()).map_err(refused)
}

/// The same for some replicas.
pub fn free_of(desk: &Desk, replicas: &BTreeSet<ReplicaName>) -> Result<(), Box<Answer>> {
    free_among(desk.store()?.claims()?, replicas, false).map_err(refused)
}

fn replicas(plan: &Plan) -> BTreeSet<ReplicaName> {
    plan.members.iter().map(|m| m.replica.clone()).collect()
}

/// Why replicas cannot be claimed, with the way out.
pub fn refused(refusal: Refusal) -> Box<Answer> {
    let source = |claim: &Claim| {
        let Claim { run, purpose, runner, process, since, .. } = claim;
        format!(
            "run {run} of {purpose}, by {} on {} (process {process}), since {since}",
            runner.person, runner.host
        )
    };
    match refusal {
        Refusal::Held { shared, holder } => Answer::stop(
            Exit::Locked,
            Finding::new(Code::Locked, format!("`{shared}` is held by another run"))
                .about(source(&holder))
                .help(format!("wait until it ends, or `lifeboat stop {}`; nothing was changed", holder.run)),
        ),
        Refusal::Unfinished { shared, earlier } => Answer::stop(
            Exit::Unfinished,
            Finding::new(Code::Unfinished, format!("an earlier run over `{shared}` is not finished"))
                .about(source(&earlier))
                .help(format!("`lifeboat resume {}` goes on with it", earlier.run))
                .help(format!("`lifeboat abort {}` shows the way back", earlier.run))
                .help(format!(
                    "for another goal: `lifeboat abort {} --close --because TEXT`, then apply that",
                    earlier.run
                ))
                .help(format!(
                    "for another switchover time: `lifeboat resume {} --switchover TIME`, or `now`",
                    earlier.run
                )),
        ),
        Refusal::Store(error) => error.into(),
    }
}

/// A run that is ready to be driven.
pub struct Ready {
    /// Its name.
    pub id: RunId,
    /// The claim on its replicas.
    pub active: Box<dyn Hold>,
    /// Its journal.
    pub journal: Box<dyn Journal>,
    /// What happened so far.
    pub progress: Progress,
    /// How it is driven.
    pub manner: Manner,
}

/// How a run is driven.
#[derive(Debug, Default)]
pub struct Manner {
    /// Whether every step is shown.
    pub steps: bool,
    /// When it stops by itself: a time, or how long it may take.
    pub deadline: Option<String>,
    /// How long what is under way may take to end after a stop.
    pub grace: Option<String>,
    /// The name with which a person confirms in advance that a failure is undone.
    pub undo: Option<String>,
}

impl Manner {
    /// Looks at the words of what was asked for, before anything else is done.
    ///
    /// # Errors
    /// A deadline or a grace time that is none.
    pub fn sound(&self) -> Result<(), Box<Answer>> {
        let text = self.deadline.as_deref();
        text.map(|text| time(text, Timestamp::default())).transpose()?;
        self.grace().map(drop)
    }

    /// The same once the time is known, before anything is begun.
    ///
    /// # Errors
    /// A deadline that is past as well.
    pub fn check(&self, world: &World) -> Result<(), Box<Answer>> {
        self.sound()?;
        let text = self.deadline.as_deref();
        text.map(|text| deadline(text, world.clock().now())).transpose().map(drop)
    }

    fn grace(&self) -> Result<Duration, Box<Answer>> {
        self.grace.as_deref().map_or(Ok(GRACE), grace)
    }
}

/// Drives a run and reports it.
pub async fn carry(
    desk: &Desk,
    world: &World,
    ready: Ready,
    screen: &mut dyn Screen,
) -> Result<Answer, Box<Answer>> {
    let Ready { id, active, mut journal, progress, manner } = ready;
    let grace = manner.grace()?;
    let deadline = manner.deadline.map(|text| deadline(&text, world.clock().now())).transpose()?;
    let mut live = Live::new(Arc::clone(progress.plan()), manner.steps);
    screen.line(&live.opening(&id, world.clock().now()));
    admitted(desk, &id, &progress, (&live, screen));
    let (stopper, stop) = stop_signal();
    let runs = desk.store()?;
    forget_words(runs.as_ref(), &id, progress.plan())?;
    let mut wishes = JoinSet::new();
    wishes.spawn(on_signal(stopper.clone(), cleans_up(progress.plan())));
    wishes.spawn(watch_word(stopper, runs, id.clone()));
    let plan = Arc::clone(progress.plan());
    let aids = aids(desk, &plan, world, screen)?;
    let ended = drive(Run {
        id: id.clone(),
        runner: desk.runner(),
        progress,
        journal: journal.as_mut(),
        provider: world.provider(),
        aids,
        clock: world.clock(),
        stop,
        grace,
        deadline,
        watch: &mut |at, seen, progress| {
            match seen {
                Seen::Event(event) => {
                    live.lines(event, at).iter().for_each(|line| screen.line(line));
                    in_flight(event, progress, grace).iter().for_each(|line| screen.line(line));
                }
                // Counted once a write: that looks at every step of the plan.
                Seen::Written => screen.tally(Some(tally(world, &id, progress))),
                Seen::Moving(node, moving) => {
                    live.moving(node, &moving, at).iter().for_each(|line| screen.progress(line));
                }
                Seen::Heard(node, heard) => {
                    live.heard(node, heard, at).iter().for_each(|line| screen.line(line));
                }
            }
            if desk.machine
                && let Some((step, event)) = machine(seen, &plan)
            {
                screen.event(&json!({ "at": at, "run": id, "step": step, "event": event }));
            }
        },
        crash: None,
    })
    .await;
    drop(wishes);
    world.close()?;
    let ended = ended.map_err(|error| engine_failed(error, &id))?;
    screen.tally(None);
    let mut answer = report(desk, &id, ended.outcome)?;
    if ended.outcome.is_final()
        && let Err(error) = active.release()
    {
        // The run is over, and whoever comes next takes its claim away.
        let left: Box<Answer> = error.into();
        answer.findings.extend(left.findings);
    }
    Ok(answer)
}

/// Says what let a run begin, where its plan needs approvals.
fn admitted(desk: &Desk, run: &RunId, progress: &Progress, (live, screen): (&Live, &mut dyn Screen)) {
    let Some(admission) = progress.admission() else { return };
    live.admission(admission).iter().for_each(|line| screen.line(line));
    if desk.machine {
        let event = json!({ "type": "admitted", "admission": approvals::json(admission) });
        screen.event(&json!({ "at": admission.at, "run": run, "step": null, "event": event }));
    }
}

/// Takes away what was left for the runner before: the word to stop, and answers to an earlier asking. Nobody answers before it is asked again.
fn forget_words(runs: &dyn Store, id: &RunId, plan: &Plan) -> Result<(), JournalError> {
    runs.forget_stop(id)?;
    let gates = plan.node_ids().filter(|node| plan.question(*node).is_some());
    gates.into_iter().try_for_each(|node| runs.forget_word(id, Topic::Answer(node)))
}

/// What a stop that somebody wanted waits for, and what a second one does.
fn in_flight(event: &Event, progress: &Progress, grace: Duration) -> Option<String> {
    let Event::Stopping { why } = event else { return None };
    let running = progress.count(|status| status == Status::Running);
    (why.is_wanted() && running > 0).then(|| {
        let steps = count(running, "step");
        format!("          {steps} under way may take {grace} to end; a second Ctrl-C ends at once, and `lifeboat resume` looks what became of them")
    })
}

/// What is seen, for machines, with the name of its step.
fn machine(seen: Seen<'_>, plan: &Plan) -> Option<(Option<String>, Value)> {
    match seen {
        Seen::Event(event) => Some((event.node().map(|n| plan.node_name(n)), json!(event))),
        Seen::Written => None,
        Seen::Moving(node, moving) => {
            Some((Some(plan.node_name(node)), json!({ "type": "moving", "node": node, "moving": moving })))
        }
        Seen::Heard(node, heard) => {
            Some((Some(plan.node_name(node)), json!({ "type": "heard", "node": node, "heard": heard })))
        }
    }
}

/// The words of the bar, which ask the provider how far it has come.
fn tally(world: &World, run: &RunId, progress: &Progress) -> Words {
    let (tally, clock, provider) = (Tally::of(progress), world.clock(), world.provider());
    let keys: Vec<ActionKey> =
        tally.moving.iter().map(|node| ActionKey { run: run.clone(), node: node.0 }).collect();
    Arc::new(move || {
        let moving: Vec<Moving> = keys.iter().filter_map(|key| provider.progress(key)).collect();
        tally.words(clock.now(), &moving)
    })
}

fn engine_failed(error: EngineError, run: &RunId) -> Box<Answer> {
    match error {
        EngineError::Journal(
            error @ (JournalError::Io { .. }
            | JournalError::Unreachable { .. }
            | JournalError::Refused { .. }),
        ) => {
            let mut answer: Box<Answer> = error.into();
            let way = format!("then `lifeboat resume {run}` goes on where its record ends");
            answer.findings = answer.findings.into_iter().map(|finding| finding.help(way.clone())).collect();
            answer
        }
        EngineError::Journal(error) => error.into(),
        error @ (EngineError::Illegal(_) | EngineError::Stuck(_) | EngineError::Crashed) => Answer::stop(
            Exit::Internal,
            Finding::new(Code::CheckerRefuses, format!("this is a fault of Lifeboat: {error}"))
                .about(format!("run {run}, Lifeboat {}", env!("CARGO_PKG_VERSION")))
                .help("the journal is complete; please report it together with the run's folder"),
        ),
    }
}

/// The exit code of an outcome.
pub const fn exit_of(outcome: Outcome) -> Exit {
    match outcome {
        Outcome::Completed => Exit::Ok,
        Outcome::CompletedWithExceptions => Exit::Exceptions,
        Outcome::Stopped => Exit::Stopped,
        Outcome::Failed => Exit::Failed,
        Outcome::InDoubt => Exit::InDoubt,
    }
}

/// The report of a run that just ended, with the exit code of its outcome.
pub fn report(desk: &Desk, run: &RunId, outcome: Outcome) -> Result<Answer, Box<Answer>> {
    let found = desk.store()?.read(run)?;
    let events: Vec<_> = found.records.iter().map(|r| (r.at, r.event.clone())).collect();
    let story = Story { run, progress: &found.progress, events: &events };
    let view = Options { next: None, ..desk.view.clone() };
    let mut answer =
        Answer::ok(text::run_report(story, &view), desk.json(|| crate::report::json::run_report(story)));
    answer.exit = exit_of(outcome);
    if !outcome.is_final() {
        answer.findings = trouble(run, &found.progress, &events);
    }
    Ok(answer)
}

/// So many reasons are findings of their own.
const REASONS: usize = 5;

/// Steps that failed or are in doubt, with their way out; those of one reason together, for a site that falls silent has one for all.
fn trouble(run: &RunId, progress: &Progress, events: &[(Timestamp, Event)]) -> Vec<Finding> {
    let summary = progress.summary();
    let plan = progress.plan();
    let mut why: BTreeMap<NodeId, String> = BTreeMap::new();
    for (_, event) in events {
        match event {
            Event::Failed { node, why: reason } => why.insert(*node, failed_words(plan, *node, reason)),
            Event::InDoubt { node, why: reason } => why.insert(*node, reason.clone()),
            _ => None,
        };
    }
    let together = |nodes: &[NodeId]| {
        let mut groups: Vec<(String, Vec<NodeId>)> = Vec::new();
        for node in nodes {
            let reason = why.get(node).cloned().unwrap_or_default();
            match groups.iter_mut().find(|(other, _)| *other == reason) {
                Some((_, nodes)) => nodes.push(*node),
                None => groups.push((reason, vec![*node])),
            }
        }
        if groups.len() > REASONS {
            let others = groups.split_off(REASONS).into_iter().flat_map(|(_, nodes)| nodes).collect();
            groups.push((format!("`lifeboat report {run} --steps` tells why each"), others));
        }
        groups
    };
    let named = |nodes: &[NodeId]| {
        let name = nodes.first().map(|n| plan.node_name(*n)).unwrap_or_default();
        let more = nodes.len().saturating_sub(1);
        (
            if more == 0 {
                format!("`{name}`")
            } else {
                format!("`{name}` and {}", count(more, "more step"))
            },
            name,
        )
    };
    let failed = together(&summary.failed).into_iter().map(|(why, nodes)| {
        let (names, _) = named(&nodes);
        Finding::new(Code::StepFailed, format!("{names} failed: {why}"))
            .about(format!("run {run}"))
            .help(format!("`lifeboat resume {run}` tries again, `lifeboat abort {run}` shows the way back"))
    });
    let doubtful = together(&summary.in_doubt).into_iter().map(|(why, nodes)| {
        let (names, first) = named(&nodes);
        let finding =
            Finding::new(Code::StepInDoubt, format!("whether {names} took effect is not known: {why}"))
                .about(format!("run {run}"));
        let settle = format!("`lifeboat settle {run} {first} done|retry|failed --because TEXT`");
        // Nobody can look how far a program came, but whoever wrote it.
        if nodes.iter().any(|n| matches!(plan.node(*n).map(|n| &n.work), Some(Work::Hook(_)))) {
            return finding.help(format!("look how far the program came, and say {settle}"));
        }
        finding
            .help("once its site answers, `lifeboat resume` looks by itself")
            .help(format!("otherwise look there, and say {settle}"))
    });
    failed.chain(doubtful).collect()
}

/// What signals have asked this process for. It is heard from the first run on until the process ends: also between a run and its way back.
fn signals() -> StopSignal {
    static HEARD: OnceLock<StopSignal> = OnceLock::new();
    let heard = HEARD.get_or_init(|| {
        let (stopper, stop) = stop_signal();
        // From here on none is missed, whenever the task that waits for them gets its first turn.
        if let Ok(signals) = Signals::listen() {
            tokio::spawn(watch_signals(signals, stopper));
        }
        stop
    });
    heard.clone()
}

/// Whether a signal has asked this process to stop.
#[must_use]
pub fn is_interrupted() -> bool {
    signals().why().is_some()
}

/// Whether somebody who asked a drill to stop asked for this, its clean-up: that goes on, and a second time ends it as well.
fn cleans_up(plan: &Plan) -> bool {
    is_interrupted() && matches!(plan.purpose, Purpose::EndDrill { .. })
}

/// Asks a run to stop as soon as a signal asks for it.
async fn on_signal(stopper: Stopper, deaf: bool) {
    if deaf {
        return;
    }
    let mut signals = signals();
    signals.asked().await;
    stopper.stop(StopWhy::Asked);
}

/// The signals that a run listens to.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Option<Signal>,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let hangup = if is_deaf_to_hangup() { None } else { signal(SignalKind::hangup()).ok() };
        Ok(Self { interrupt, terminate, hangup })
    }
}

/// The first signal asks the run to stop; the second one ends the process at once, and leaves what is under way in doubt. That the terminal
/// is gone asks as well and never ends at once: it is told more than once, and together with others.
async fn watch_signals(signals: Signals, stopper: Stopper) {
    let Signals { mut interrupt, mut terminate, mut hangup } = signals;
    let mut asked = false;
    loop {
        let hung_up = async {
            match &mut hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        let code = tokio::select! {
            _ = interrupt.recv() => 130,
            _ = terminate.recv() => 143,
            _ = hung_up => {
                stopper.stop(StopWhy::Asked);
                continue;
            }
        };
        if asked {
            end_listed();
            std::process::exit(code);
        }
        asked = true;
        stopper.stop(StopWhy::Asked);
    }
}

/// Whether somebody started it so that it outlives its terminal, as `nohup` does.
fn is_deaf_to_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // One bit a signal, from 1; the terminal's is the first.
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// Stops the run when somebody leaves word for it.
async fn watch_word(stopper: Stopper, runs: Arc<dyn Store>, run: RunId) {
    loop {
        let (store, of) = (Arc::clone(&runs), run.clone());
        // A store elsewhere may take its time, and the steps of the run shall not wait for it.
        let word = tokio::task::spawn_blocking(move || store.asked_to_stop(&of)).await;
        if let Ok(Some(wish)) = word {
            return stopper.stop(StopWhy::AskedBy(wish));
        }
        tokio::time::sleep(LOOK).await;
    }
}
