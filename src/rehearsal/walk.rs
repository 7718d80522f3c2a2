//! One run in virtual time on the fold of real runs: what may start, starts; what started, ends after its time. The engine's own loop without
//! its tasks, its journal and its provider; a test holds that in both the same nodes start and end at the same times, in the same way.

use crate::base::{Duration, Timestamp};
use crate::domain::{AtEnd, Silence, Wait};
use crate::plan::{NodeId, Plan, Work};
use crate::port::Failure;
use crate::rehearsal::times::waited;
use crate::run::{Event, FailedWhy, How, IllegalEvent, Progress, Runner, Status, StopWhy, outcome};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A run that is about to begin, to be walked through as often as wanted.
#[derive(Debug, Clone)]
pub struct Stage {
    begun: Progress,
    began: Timestamp,
}

impl Stage {
    /// A plan that begins at a time.
    ///
    /// # Errors
    /// None that can happen: a new run can be taken up.
    pub fn new(plan: Arc<Plan>, began: Timestamp) -> Result<Self, IllegalEvent> {
        let mut begun = Progress::new(plan);
        let nobody = || "rehearsal".to_owned();
        let runner = Runner { person: nobody(), host: nobody(), version: nobody() };
        begun.apply(&Event::Taken { runner }, began)?;
        Ok(Self { begun, began })
    }

    /// When it begins.
    #[must_use]
    pub const fn began(&self) -> Timestamp {
        self.began
    }

    /// The plan.
    #[must_use]
    pub const fn plan(&self) -> &Arc<Plan> {
        self.begun.plan()
    }

    /// Walks through it. `times` says how long each node takes, `fails` which one fails for good, after all its attempts.
    ///
    /// # Errors
    /// A fault of the walk itself: an event that the fold does not take.
    pub fn walk(&self, times: &[Duration], fails: Option<NodeId>) -> Result<Progress, IllegalEvent> {
        let walk =
            Walk { progress: self.begun.clone(), now: self.began, times, fails, ends: BTreeSet::new() };
        walk.walked()
    }
}

/// When a node ends, which, and whether it ends well.
type End = (Timestamp, NodeId, bool);

struct Walk<'a> {
    progress: Progress,
    now: Timestamp,
    times: &'a [Duration],
    fails: Option<NodeId>,
    ends: BTreeSet<End>,
}

impl Walk<'_> {
    fn walked(mut self) -> Result<Progress, IllegalEvent> {
        loop {
            let wake = self.start_what_may()?;
            let next = self.ends.first().map(|(at, ..)| *at).into_iter().chain(wake).min();
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            self.end_what_is_due()?;
        }
        let stopped = self.progress.stopping().is_some_and(StopWhy::is_wanted);
        let outcome = outcome(&self.progress, stopped);
        self.apply(&Event::Ended { outcome })?;
        Ok(self.progress)
    }

    fn apply(&mut self, event: &Event) -> Result<(), IllegalEvent> {
        self.progress.apply(event, self.now)
    }

    fn start_what_may(&mut self) -> Result<Option<Timestamp>, IllegalEvent> {
        if let Some(node) = self.progress.must_stop() {
            self.apply(&Event::Stopping { why: StopWhy::Failure(node) })?;
            self.give_waits_up();
        }
        loop {
            let next = self.progress.next(self.now);
            if next.start.is_empty() {
                return Ok(next.wake);
            }
            for node in next.start {
                self.start(node)?;
            }
        }
    }

    fn start(&mut self, node: NodeId) -> Result<(), IllegalEvent> {
        let plan = Arc::clone(self.progress.plan());
        let Some(found) = plan.node(node) else { return Ok(()) };
        let takes = self.times.get(node.index()).copied().unwrap_or(found.typical);
        let fails = self.fails == Some(node);
        let (event, end) = match &found.work {
            Work::Act(_) | Work::Hook(_) | Work::Cutover(_) => {
                let attempt = self.progress.attempts(node) + 1;
                (Event::Intended { node, attempt }, (self.now.after(takes), !fails))
            }
            Work::Wait(wait) => {
                let end = match wait {
                    Wait::Until { at } => (self.now.max(*at), true),
                    Wait::Quiet { time } => (self.now.after(*time), true),
                    Wait::Ready { readiness, .. } => {
                        let (took, ready) = waited(readiness, (!fails).then_some(takes));
                        (self.now.after(took), ready)
                    }
                };
                (Event::Waiting { node }, end)
            }
            Work::Gate(gate) => {
                let takes = if fails { gate.question.within } else { Duration::ZERO };
                (Event::Waiting { node }, (self.now.after(takes), !fails))
            }
            Work::Join => return Ok(()),
        };
        self.ends.insert((end.0, node, end.1));
        self.apply(&event)
    }

    /// What ends at one moment ends in the order of the plan.
    fn end_what_is_due(&mut self) -> Result<(), IllegalEvent> {
        while let Some((at, node, well)) = self.ends.first().copied().filter(|(at, ..)| *at <= self.now) {
            self.ends.remove(&(at, node, well));
            for event in self.ended(node, well) {
                self.apply(&event)?;
            }
            if self.progress.stopping().is_some() {
                self.give_waits_up();
            }
        }
        Ok(())
    }

    /// Nothing follows from what is waited for.
    fn give_waits_up(&mut self) {
        let progress = &self.progress;
        self.ends.retain(|(_, node, _)| progress.status(*node) != Status::Waiting);
    }

    fn ended(&self, node: NodeId, well: bool) -> Vec<Event> {
        let Some(found) = self.progress.plan().node(node) else { return Vec::new() };
        let failed = |why| Event::Failed { node, why };
        vec![match (&found.work, well) {
            (Work::Wait(_) | Work::Gate(_), true) => Event::Met { node },
            (Work::Wait(Wait::Ready { readiness, .. }), false) if readiness.otherwise == AtEnd::Continue => {
                Event::WentOn { node, heard: Vec::new(), why: None }
            }
            (Work::Wait(_), false) => failed(FailedWhy::NotReady),
            (Work::Gate(gate), false) => {
                return match gate.question.otherwise {
                    Silence::Stop => vec![Event::Stopping { why: StopWhy::Unanswered(node) }],
                    so @ Silence::Continue => vec![Event::Unanswered { node, so }, Event::Met { node }],
                    so @ Silence::No => vec![Event::Unanswered { node, so }, failed(FailedWhy::Unanswered)],
                };
            }
            (Work::Act(_) | Work::Hook(_) | Work::Cutover(_) | Work::Join, true) => {
                Event::Settled { node, how: How::Performed, moved: None }
            }
            (Work::Act(_) | Work::Hook(_) | Work::Cutover(_) | Work::Join, false) => {
                let failure = Failure::Failed("as rehearsed".to_owned());
                let attempts = self.progress.attempts(node);
                if attempts < found.attempts {
                    Event::Retrying { node, failure, at: self.now.after(found.pause.after(attempts)) }
                } else if self.progress.plan().goes_on_without(node) {
                    Event::WentOn { node, heard: Vec::new(), why: Some(failure) }
                } else {
                    failed(FailedWhy::Action(failure))
                }
            }
        }]
    }
}
