//! The driver: one task that alone orders journal and effects. Workers own only their step.

mod looks;

use crate::base::{Duration, RunId, Timestamp};
use crate::domain::{AtEnd, Heard, Moving, Pause, Spoken, Wait};
use crate::engine::report::{Message, Report, Teller, told};
use crate::engine::settle::{self, Verdict};
use crate::engine::wait::{Waited, wait};
use crate::engine::{Aids, StopSignal, aside};
use crate::journal::{Journal, JournalError};
use crate::plan::{NodeId, Work};
use crate::port::{ActionKey, Busy, Clock, Failure, Order, Pointing, Provider};
use crate::run::{Event, FailedWhy, IllegalEvent, Outcome, Progress, Runner, Status, StopWhy, outcome};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

/// A run to drive. A new one and a resumed one differ in their progress alone.
pub struct Run<'a> {
    /// Its name.
    pub id: RunId,
    /// Who runs it.
    pub runner: Runner,
    /// What has happened so far.
    pub progress: Progress,
    /// Where events go before anything else happens.
    pub journal: &'a mut dyn Journal,
    /// Who performs.
    pub provider: Arc<dyn Provider>,
    /// Who runs programs, and who answers.
    pub aids: Aids,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How it is asked to stop.
    pub stop: StopSignal,
    /// When it stops by itself.
    pub deadline: Option<Timestamp>,
    /// How long steps under way may take to end after that.
    pub grace: Duration,
    /// Who watches: every event once it is durable, with the run as it is after all that became durable with it.
    pub watch: &'a mut (dyn FnMut(Timestamp, Seen<'_>, &Progress) + Send),
    /// Where the runner shall die, to test what it leaves behind.
    pub crash: Option<Crash>,
}

/// What there is to watch.
#[derive(Debug, Clone, Copy)]
pub enum Seen<'a> {
    /// An event that is durable.
    Event(&'a Event),
    /// All events of one write have been shown.
    Written,
    /// An action moves data, and has come so far. Nothing follows from it, and it is not recorded.
    Moving(NodeId, Moving),
    /// A wait waits still; this was heard so far. It is not recorded either.
    Heard(NodeId, &'a [Heard]),
}

/// A point at which the runner dies: fault injection is a public feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// Once so many events are durable in this run of the engine.
    AfterEvents(usize),
    /// Once so many effects were asked for and came back, before they are recorded.
    AfterEffects(usize),
}

/// How the drive ended.
#[derive(Debug)]
pub struct Ended {
    /// The outcome.
    pub outcome: Outcome,
    /// The fold over everything that happened.
    pub progress: Progress,
}

/// Why the engine could not go on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The journal could not be written: nothing may happen that is not recorded.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// An event of the engine's own did not fit its plan.
    #[error(transparent)]
    Illegal(#[from] IllegalEvent),
    /// The runner died where it was told to.
    #[error("the runner died as it was told to")]
    Crashed,
    /// Steps wait for each other.
    #[error("nothing is under way, nothing has failed, and {0} cannot start")]
    Stuck(String),
}

struct Driver<'a> {
    run: Run<'a>,
    workers: JoinSet<()>,
    acting: BTreeSet<NodeId>,
    waits: BTreeMap<NodeId, AbortHandle>,
    inbox: mpsc::UnboundedReceiver<Message>,
    outbox: mpsc::UnboundedSender<Message>,
    /// What the progress has taken in and what is not durable yet. Nothing comes of it before it is.
    noted: Vec<(Timestamp, Event)>,
    durable: usize,
    effects: usize,
    /// Fences that runners before this one began.
    begun: BTreeSet<NodeId>,
    /// It was asked to stop.
    asked: bool,
    /// The driver's own promise that it works; it has none while it waits for a report.
    busy: Option<Busy>,
}

/// Drives a run until nothing runs any more.
///
/// # Errors
/// [`EngineError`]; the run is then unfinished and can be taken up again.
pub async fn drive(run: Run<'_>) -> Result<Ended, EngineError> {
    let (outbox, inbox) = mpsc::unbounded_channel();
    let busy = Some(run.clock.busy());
    let mut driver = Driver {
        run,
        workers: JoinSet::new(),
        acting: BTreeSet::new(),
        waits: BTreeMap::new(),
        inbox,
        outbox,
        noted: Vec::new(),
        durable: 0,
        effects: 0,
        begun: BTreeSet::new(),
        asked: false,
        busy,
    };
    let outcome = driver.walk().await;
    if let Err(EngineError::Journal(JournalError::Lost { .. })) = &outcome {
        driver.let_end().await;
    }
    // Whoever still sleeps is gone before time may go on: it stands where the run ended.
    driver.workers.shutdown().await;
    Ok(Ended { outcome: outcome?, progress: driver.run.progress })
}

impl Driver<'_> {
    /// Folds events in, to be made durable with what follows from them. Nothing else in the engine changes the run.
    fn note(&mut self, events: impl IntoIterator<Item = Event>) -> Result<(), EngineError> {
        let at = self.run.clock.now();
        for event in events {
            self.run.progress.apply(&event, at)?;
            self.noted.push((at, event));
        }
        Ok(())
    }

    /// Makes everything durable that was noted, in one write, and shows it.
    fn write(&mut self) -> Result<(), EngineError> {
        if self.noted.is_empty() {
            return Ok(());
        }
        let mut events = std::mem::take(&mut self.noted);
        if let Some(Crash::AfterEvents(last)) = self.run.crash {
            events.truncate(last.saturating_sub(self.durable));
        }
        self.run.journal.append(&events)?;
        self.durable += events.len();
        for (at, event) in &events {
            (self.run.watch)(*at, Seen::Event(event), &self.run.progress);
        }
        (self.run.watch)(self.run.clock.now(), Seen::Written, &self.run.progress);
        match self.run.crash {
            Some(Crash::AfterEvents(last)) if self.durable >= last => Err(EngineError::Crashed),
            _ => Ok(()),
        }
    }

    /// What an earlier runner asked for and did not settle is looked at before anything else.
    fn settle_left_over(&mut self) {
        let left: Vec<NodeId> =
            self.run.progress.nodes(|s| matches!(s, Status::Running | Status::InDoubt)).collect();
        for node in left {
            if let Some(order) = self.order(node) {
                let (provider, clock) = (Arc::clone(&self.run.provider), Arc::clone(&self.run.clock));
                self.acting.insert(node);
                self.spawn(node, async move {
                    let why = "the runner before was cut off".to_owned();
                    Report::Looked(node, settle::look(&order, provider.as_ref(), clock.as_ref(), why).await)
                });
            } else if let Some(verdict) =
                aside::left_over(self.run.progress.plan(), node, "the runner before was cut off")
            {
                self.acting.insert(node);
                self.spawn(node, async move { Report::Looked(node, verdict) });
            }
        }
    }

    async fn walk(&mut self) -> Result<Outcome, EngineError> {
        self.note([Event::Taken { runner: self.run.runner.clone() }])?;
        self.write()?;
        self.prove_anew().await?;
        self.settle_left_over();
        loop {
            let wake = self.start_what_may()?;
            if self.acting.is_empty() && self.waits.is_empty() && wake.is_none() {
                break;
            }
            self.write()?;
            let deadline = self.run.deadline.filter(|_| !self.asked);
            let timer = wake.into_iter().chain(deadline).min().map(|at| self.spawn_at(at, Report::Wake));
            drop(self.busy.take());
            let message = tokio::select! {
                biased;
                () = self.run.stop.asked(), if !self.asked => None,
                message = self.inbox.recv() => message,
            };
            self.busy = Some(self.run.clock.busy());
            if let Some(timer) = timer {
                timer.abort();
            }
            while self.workers.try_join_next().is_some() {}
            match message {
                Some(first) => self.take_in(first)?,
                None => self.stop_as_asked()?,
            }
        }
        if let Some(node) = self.stuck() {
            self.write()?;
            return Err(EngineError::Stuck(self.run.progress.plan().node_name(node)));
        }
        let stopped = self.run.progress.stopping().is_some_and(StopWhy::is_wanted);
        let outcome = outcome(&self.run.progress, stopped);
        // It may take a while, and what has ended is to be durable meanwhile.
        self.write()?;
        let last = self.look_back().await;
        self.note(last.into_iter().chain([Event::Ended { outcome }]))?;
        self.write()?;
        Ok(outcome)
    }

    /// Nothing new starts, waits are given up, and what is under way has the grace time to end.
    fn stop_as_asked(&mut self) -> Result<(), EngineError> {
        self.asked = true;
        let why = self.run.stop.why().or_else(|| self.overdue()).unwrap_or(StopWhy::Asked);
        self.note([Event::Stopping { why }])?;
        self.write()?;
        self.give_waits_up();
        self.spawn_at(self.run.clock.now().after(self.run.grace), Report::GraceOver);
        Ok(())
    }

    /// Where nothing can be recorded any more, what is under way has the grace time to end: whoever goes on finds it whole.
    async fn let_end(&mut self) {
        self.give_waits_up();
        self.spawn_at(self.run.clock.now().after(self.run.grace), Report::GraceOver);
        while !self.acting.is_empty() {
            drop(self.busy.take());
            let message = self.inbox.recv().await;
            self.busy = Some(self.run.clock.busy());
            match message {
                Some((Report::GraceOver, _)) | None => return,
                Some((report, _)) => {
                    if let Some(node) = report.node().filter(|_| !matches!(report, Report::Moving(..))) {
                        self.acting.remove(&node);
                    }
                }
            }
        }
    }

    /// A step that could neither start nor was told not to, though nothing has failed: the checker lets no plan through in which steps wait
    /// for each other.
    fn stuck(&self) -> Option<NodeId> {
        let progress = &self.run.progress;
        let summary = progress.summary();
        let reason =
            progress.stopping().is_some() || !summary.failed.is_empty() || !summary.in_doubt.is_empty();
        if reason { None } else { progress.nodes(Status::is_open).next() }
    }

    fn overdue(&self) -> Option<StopWhy> {
        self.run.deadline.filter(|at| *at <= self.run.clock.now()).map(StopWhy::Deadline)
    }

    /// Of a run that stops, nothing follows from what it waits for; whoever resumes it waits anew.
    fn give_waits_up(&mut self) {
        for wait in std::mem::take(&mut self.waits).into_values() {
            wait.abort();
        }
    }

    /// Starts everything that may start now; returns when something else may. What has ended and what may start because of that share one
    /// write: both are durable before anything of it begins.
    fn start_what_may(&mut self) -> Result<Option<Timestamp>, EngineError> {
        loop {
            if let Some(node) = self.run.progress.must_stop() {
                self.note([Event::Stopping { why: StopWhy::Failure(node) }])?;
                self.give_waits_up();
            }
            // Whoever asks while records are being made durable is heard before anything else starts.
            if (self.run.stop.why().is_some() || self.overdue().is_some()) && !self.asked {
                self.stop_as_asked()?;
            }
            let next = self.run.progress.next(self.run.clock.now());
            if next.start.is_empty() {
                return Ok(next.wake);
            }
            let plan = Arc::clone(self.run.progress.plan());
            let events = next.start.iter().filter_map(|node| match &plan.node(*node)?.work {
                Work::Act(_) | Work::Hook(_) | Work::Cutover(_) => {
                    Some(Event::Intended { node: *node, attempt: self.run.progress.attempts(*node) + 1 })
                }
                Work::Wait(_) | Work::Gate(_) => Some(Event::Waiting { node: *node }),
                Work::Join => None,
            });
            let events: Vec<Event> = events.collect();
            self.note(events)?;
            self.write()?;
            for node in next.start {
                self.start(node);
            }
        }
    }

    fn start(&mut self, node: NodeId) {
        let (provider, clock) = (Arc::clone(&self.run.provider), Arc::clone(&self.run.clock));
        let plan = Arc::clone(self.run.progress.plan());
        match plan.node(node).map(|n| &n.work) {
            Some(Work::Act(_)) => self.act(node),
            Some(Work::Wait(what)) => {
                let what = what.clone();
                let vm = match &what {
                    Wait::Ready { replica, vm, .. } => {
                        plan.placements.get(replica).map(|p| p.vm(*vm).into_owned())
                    }
                    Wait::Until { .. } | Wait::Quiet { .. } => None,
                };
                let (outbox, promise) = (self.outbox.clone(), Arc::clone(&clock));
                let handle = self.spawn(node, async move {
                    let tell = move |heard| {
                        // The driver is gone only when the whole run is being dropped.
                        drop(outbox.send((Report::Heard(node, heard), promise.busy())));
                    };
                    let (provider, clock) = (provider.as_ref(), clock.as_ref());
                    Report::Waited(node, wait(&what, vm.as_ref(), provider, clock, &tell).await)
                });
                self.waits.insert(node, handle);
            }
            Some(Work::Hook(hook)) => {
                let mut calls =
                    aside::calls(&plan, (node, hook), &self.run.id, self.run.progress.attempts(node));
                calls.again |= self.begun.contains(&node);
                let (scripts, lease) = (Arc::clone(&self.run.aids.scripts), self.run.journal.lease());
                self.acting.insert(node);
                self.spawn(node, async move {
                    if !lease.holds() {
                        return Report::Barred(node);
                    }
                    let sites = (provider.as_ref(), clock.as_ref());
                    let (verdict, spoken) = aside::run(&calls, scripts.as_ref(), sites).await;
                    Report::Ran(node, verdict, spoken)
                });
            }
            Some(Work::Cutover(cutover)) => {
                let order = Pointing { node: node.0, cutover: (**cutover).clone() };
                let (names, lease) = (Arc::clone(&self.run.aids.names), self.run.journal.lease());
                self.acting.insert(node);
                self.spawn(node, async move {
                    if !lease.holds() {
                        return Report::Barred(node);
                    }
                    Report::Acted(node, aside::point(&order, names.as_ref(), clock.as_ref()).await)
                });
            }
            Some(Work::Gate(_)) => {
                let Some(asked) = aside::asked(&plan, node, &self.run.id) else { return };
                let answers = Arc::clone(&self.run.aids.answers);
                let handle = self.spawn(node, async move {
                    Report::Answered(node, aside::ask(&asked, answers.as_ref(), clock.as_ref()).await)
                });
                self.waits.insert(node, handle);
            }
            Some(Work::Join) | None => {}
        }
    }

    fn act(&mut self, node: NodeId) {
        let Some(order) = self.order(node) else { return };
        let (provider, clock) = (Arc::clone(&self.run.provider), Arc::clone(&self.run.clock));
        let (outbox, lease) = (self.outbox.clone(), self.run.journal.lease());
        self.acting.insert(node);
        self.spawn(node, async move {
            // Between the record and this moment the whole process may have slept.
            if !lease.holds() {
                return Report::Barred(node);
            }
            let (provider, clock) = (provider.as_ref(), clock.as_ref());
            // Whoever tells sleeps beside the action itself, so it has a promise of its own, from before the action begins.
            let promise = order.step.action.moves().then(|| clock.busy());
            tokio::select! {
                biased;
                verdict = settle::perform(&order, provider, clock) => Report::Acted(node, verdict),
                never = told(&order, provider, clock, (&outbox, promise)) => match never {},
            }
        });
    }

    fn order(&self, node: NodeId) -> Option<Order> {
        let plan = self.run.progress.plan();
        let found = plan.node(node)?;
        let Work::Act(step) = &found.work else { return None };
        let placement = plan.placements.get(&step.replica)?.clone();
        let key = ActionKey { run: self.run.id.clone(), node: node.0 };
        Some(Order { key, step: step.clone(), placement, limit: found.limit })
    }

    fn spawn(&mut self, node: NodeId, work: impl Future<Output = Report> + Send + 'static) -> AbortHandle {
        let teller = Teller { node, outbox: self.outbox.clone(), busy: Some(self.run.clock.busy()) };
        tracing::debug!(run = %self.run.id, node = node.0, "started");
        self.workers.spawn(async move {
            let report = work.await;
            teller.tell(report);
        })
    }

    /// Reports at a time.
    fn spawn_at(&mut self, at: Timestamp, report: Report) -> AbortHandle {
        let (clock, outbox, busy) = (Arc::clone(&self.run.clock), self.outbox.clone(), self.run.clock.busy());
        self.workers.spawn(async move {
            clock.until(at).await;
            drop(outbox.send((report, busy)));
        })
    }

    /// Takes in the first report and all that came with it, in the order of the plan.
    fn take_in(&mut self, first: Message) -> Result<(), EngineError> {
        let mut messages = vec![first];
        while let Ok(more) = self.inbox.try_recv() {
            messages.push(more);
        }
        messages.sort_by_key(|(report, _)| report.node().map_or(u32::MAX, |n| n.0));
        let mut events = Vec::new();
        for (report, _) in &messages {
            self.translate(report, &mut events);
        }
        if messages.iter().any(|(report, _)| matches!(report, Report::Barred(_))) {
            return Err(JournalError::Fenced { run: self.run.id.clone(), by: None }.into());
        }
        if let Some(Crash::AfterEffects(last)) = self.run.crash
            && self.effects >= last
        {
            return Err(EngineError::Crashed);
        }
        self.note(events)?;
        // Silence at a gate may have stopped the run.
        if self.run.progress.stopping().is_some() {
            self.give_waits_up();
        }
        Ok(())
    }

    /// What a report means for the run; nothing, where its node was given up before it came.
    fn translate(&mut self, report: &Report, events: &mut Vec<Event>) {
        match report {
            Report::Wake | Report::Barred(_) => {}
            Report::Moving(node, moving) => {
                (self.run.watch)(self.run.clock.now(), Seen::Moving(*node, *moving), &self.run.progress);
            }
            Report::GraceOver => self.grace_over(events),
            Report::Heard(node, heard) if self.waits.contains_key(node) => {
                (self.run.watch)(self.run.clock.now(), Seen::Heard(*node, heard), &self.run.progress);
            }
            Report::Heard(..) => {}
            Report::Waited(node, waited) => {
                if self.waits.remove(node).is_some() {
                    events.push(ended(*node, waited));
                }
            }
            Report::Acted(node, verdict) => {
                if self.acting.remove(node) {
                    self.effects += 1;
                    events.push(self.verdict(*node, verdict));
                }
            }
            Report::Ran(node, verdict, spoken) => {
                if self.acting.remove(node) {
                    self.effects += 1;
                    let spoke = |spoken: &Spoken| Event::Spoke { node: *node, spoken: spoken.clone() };
                    events.extend(spoken.iter().map(spoke));
                    events.push(self.verdict(*node, verdict));
                }
            }
            Report::Answered(node, reply) => {
                if self.waits.remove(node).is_some() {
                    events.extend(aside::answered(self.run.progress.plan(), *node, reply.as_ref()));
                }
            }
            Report::Looked(node, verdict) => {
                if self.acting.remove(node) {
                    events.push(match verdict {
                        // That its runner died is no failure of the step: it is asked for at once, however often it was tried.
                        Verdict::Failed(failure) => {
                            let at = self.run.clock.now();
                            Event::Retrying { node: *node, failure: failure.clone(), at }
                        }
                        Verdict::Done(..) | Verdict::Unknown(_) => self.verdict(*node, verdict),
                    });
                }
            }
            Report::Lost(node) => {
                if self.acting.remove(node) {
                    events.push(Event::InDoubt {
                        node: *node,
                        why: "its worker ended without a word".to_owned(),
                    });
                } else if self.waits.remove(node).is_some() {
                    events.push(Event::Failed { node: *node, why: FailedWhy::NotReady });
                }
            }
        }
    }

    /// What becomes of a step after an attempt.
    fn verdict(&self, node: NodeId, verdict: &Verdict) -> Event {
        match verdict {
            Verdict::Done(how, moved) => Event::Settled { node, how: how.clone(), moved: *moved },
            Verdict::Unknown(why) => Event::InDoubt { node, why: why.clone() },
            Verdict::Failed(Failure::Refused(unmet)) => Event::Failed { node, why: FailedWhy::Unmet(*unmet) },
            Verdict::Failed(failure) => {
                let attempts = self.run.progress.attempts(node);
                let node_of = self.run.progress.plan().node(node);
                let (allowed, pause) = node_of.map_or((1, Pause::default()), |n| (n.attempts, n.pause));
                if attempts < allowed {
                    let at = self.run.clock.now().after(pause.after(attempts));
                    Event::Retrying { node, failure: failure.clone(), at }
                } else if self.run.progress.plan().goes_on_without(node) {
                    Event::WentOn { node, heard: Vec::new(), why: Some(failure.clone()) }
                } else {
                    Event::Failed { node, why: FailedWhy::Action(failure.clone()) }
                }
            }
        }
    }

    /// Steps that are still under way are left in doubt.
    fn grace_over(&mut self, events: &mut Vec<Event>) {
        self.workers.abort_all();
        for node in std::mem::take(&mut self.acting) {
            if self.run.progress.status(node) == Status::Running {
                let (why, at) = ("the grace time is over", self.run.clock.now());
                events.push(match aside::left_over(self.run.progress.plan(), node, why) {
                    Some(Verdict::Failed(failure)) => Event::Retrying { node, failure, at },
                    Some(Verdict::Unknown(why)) => Event::InDoubt { node, why },
                    Some(Verdict::Done(..)) | None => Event::InDoubt { node, why: why.to_owned() },
                });
            }
        }
    }
}

/// What the end of a wait means for the run.
fn ended(node: NodeId, waited: &Waited) -> Event {
    match waited {
        Waited::Met => Event::Met { node },
        Waited::Nothing => Event::Failed { node, why: FailedWhy::NotReady },
        Waited::Over(heard, AtEnd::Continue) => Event::WentOn { node, heard: heard.clone(), why: None },
        // A person who is asked answers by resuming the run, or by settling the wait.
        Waited::Over(heard, AtEnd::Stop | AtEnd::Ask) => {
            Event::Failed { node, why: FailedWhy::Unready(heard.clone()) }
        }
    }
}
