//! The fold: from the events of a run to what is done, what may start now, and what will not run any more.

mod answers;
mod begin;

use crate::base::{Duration, Timestamp};
use crate::domain::{IfFailed, Silence};
use crate::plan::{Adjacency, Edge, NodeId, On, Plan, Work};
use crate::run::admission::Admission;
use crate::run::event::{Event, FailedWhy, How, IllegalEvent, StopWhy};
use crate::run::outcome::Outcome;
use crate::run::places::Places;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What has become of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It has not started.
    Pending,
    /// Its effect was asked for.
    Running,
    /// It is being waited for.
    Waiting,
    /// It is tried again at that time.
    Retrying(Timestamp),
    /// It is done.
    Done,
    /// It failed for good.
    Failed,
    /// Whether its effect is there is not known.
    InDoubt,
    /// It will not run, because that node failed.
    Blocked(NodeId),
    /// It will not run, because what it answers did not happen.
    NotNeeded,
}

impl Status {
    /// Whether something may still become of it in this run.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Running | Self::Waiting | Self::Retrying(_) | Self::InDoubt)
    }
}

/// What may be done now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Next {
    /// Actions and waits that may start, in the order of the plan.
    pub start: Vec<NodeId>,
    /// The next time at which something else may start.
    pub wake: Option<Timestamp>,
}

/// A run so far.
#[derive(Debug, Clone)]
pub struct Progress {
    plan: Arc<Plan>,
    adjacency: Arc<Adjacency>,
    status: Vec<Status>,
    attempts: Vec<u32>,
    started: Vec<Option<Timestamp>>,
    ended: Vec<Option<Timestamp>>,
    by_hand: BTreeSet<NodeId>,
    /// Waits whose time ran out, and names that could not be changed, and the run went on.
    went_on: BTreeSet<NodeId>,
    /// Derived from the above: how many edges each node still waits for, from when on it may start, and who could start.
    missing: Vec<u32>,
    /// How many edges of a meeting point may still fail.
    spare: Vec<u32>,
    not_before: Vec<Timestamp>,
    due: BTreeSet<NodeId>,
    passed_over: BTreeSet<NodeId>,
    places: Places,
    stopping: Option<StopWhy>,
    must_stop: Option<NodeId>,
    /// Failures that were known when the run was taken up, which goes on in spite of them; doubts too, until looked at again.
    known: BTreeSet<NodeId>,
    outcome: Option<Outcome>,
    closed: bool,
    began: Option<Timestamp>,
    last: Option<Timestamp>,
    /// How far the clock of whoever carries the run on is behind those before: in a run time never goes back, and lengths stay lengths.
    behind: Duration,
    /// What let it begin, where its plan needs approvals.
    admission: Option<Arc<Admission>>,
}

impl Progress {
    /// A run of which nothing has happened yet.
    #[must_use]
    pub fn new(plan: Arc<Plan>) -> Self {
        let count = plan.nodes.len();
        let mut progress = Self {
            adjacency: Arc::new(Adjacency::new(count, &plan.edges)),
            status: vec![Status::Pending; count],
            attempts: vec![0; count],
            started: vec![None; count],
            ended: vec![None; count],
            by_hand: BTreeSet::new(),
            went_on: BTreeSet::new(),
            missing: Vec::new(),
            spare: Vec::new(),
            not_before: Vec::new(),
            due: BTreeSet::new(),
            passed_over: BTreeSet::new(),
            places: Places::new(&plan),
            stopping: None,
            must_stop: None,
            known: BTreeSet::new(),
            outcome: None,
            closed: false,
            began: None,
            last: None,
            behind: Duration::ZERO,
            admission: None,
            plan,
        };
        progress.derive();
        progress
    }

    /// The plan.
    #[must_use]
    pub const fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// What has become of a node.
    #[must_use]
    pub fn status(&self, node: NodeId) -> Status {
        self.status.get(node.index()).copied().unwrap_or(Status::NotNeeded)
    }

    /// How often a node was tried.
    #[must_use]
    pub fn attempts(&self, node: NodeId) -> u32 {
        self.attempts.get(node.index()).copied().unwrap_or(0)
    }

    /// When a node was started first.
    #[must_use]
    pub fn started_at(&self, node: NodeId) -> Option<Timestamp> {
        self.started.get(node.index()).copied().flatten()
    }

    /// When a node was done or failed.
    #[must_use]
    pub fn ended_at(&self, node: NodeId) -> Option<Timestamp> {
        self.ended.get(node.index()).copied().flatten()
    }

    /// When the run began and when something happened in it last.
    #[must_use]
    pub fn span(&self) -> Option<(Timestamp, Timestamp)> {
        self.began.zip(self.last)
    }

    /// Whether nothing new starts, and why.
    #[must_use]
    pub const fn stopping(&self) -> Option<&StopWhy> {
        self.stopping.as_ref()
    }

    /// The failure that, by the plan, must stop the run, where that is not recorded yet.
    #[must_use]
    pub const fn must_stop(&self) -> Option<NodeId> {
        if self.stopping.is_some() { None } else { self.must_stop }
    }

    /// How the run ended, where it ended.
    #[must_use]
    pub const fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    /// Whether the run is over for good.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.closed || self.outcome.is_some_and(Outcome::is_final)
    }

    /// Whether a person closed the run.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// How many actions and waits have a status.
    pub fn count(&self, holds: impl Fn(Status) -> bool) -> usize {
        let counted = self.plan.nodes.iter().zip(&self.status).filter(|(n, _)| n.work != Work::Join);
        counted.filter(|(_, s)| holds(**s)).count()
    }

    /// The nodes with a status, in the order of the plan.
    pub fn nodes(&self, holds: impl Fn(Status) -> bool) -> impl Iterator<Item = NodeId> {
        self.plan.node_ids().zip(&self.status).filter(move |(_, s)| holds(**s)).map(|(n, _)| n)
    }

    /// Takes an event in.
    ///
    /// # Errors
    /// [`IllegalEvent`] where it cannot have happened.
    pub fn apply(&mut self, event: &Event, at: Timestamp) -> Result<(), IllegalEvent> {
        if self.is_over() {
            return Err(IllegalEvent::Over);
        }
        let least = self.last.map_or(Duration::ZERO, |last| last.since(at));
        self.behind = if matches!(event, Event::Taken { .. }) { least } else { self.behind.max(least) };
        let at = at.after(self.behind);
        self.began.get_or_insert(at);
        self.last = Some(at);
        self.take_in(event, at)
    }

    fn take_in(&mut self, event: &Event, at: Timestamp) -> Result<(), IllegalEvent> {
        match event {
            Event::Taken { .. } => self.taken(),
            Event::TakenOver { .. } | Event::Observed { .. } | Event::NotObserved { .. } => {}
            Event::Intended { node, attempt } => {
                self.legal(*node, "started", |s| matches!(s, Status::Pending | Status::Retrying(_)))?;
                self.tried(*node, *attempt);
                self.begin(*node, Status::Running, at);
            }
            Event::Waiting { node } => {
                self.legal(*node, "waited for", |s| s == Status::Pending)?;
                self.begin(*node, Status::Waiting, at);
            }
            Event::Settled { node, how, .. } => {
                let before = self.legal(*node, "settled", |s| {
                    matches!(s, Status::Running | Status::InDoubt | Status::Retrying(_) | Status::Failed)
                })?;
                if matches!(how, How::ByHand { .. }) {
                    self.by_hand.insert(*node);
                }
                self.end(*node, Status::Done, at);
                self.follow(before, |s| s.done(*node, at));
            }
            Event::Met { node } => self.over(*node, "met", &[Status::Waiting], at)?,
            Event::WentOn { node, .. } => {
                self.over(*node, "gone on without", &[Status::Waiting, Status::Running], at)?;
                self.went_on.insert(*node);
            }
            Event::Retrying { node, at: again, .. } => {
                let before =
                    self.legal(*node, "retried", |s| matches!(s, Status::Running | Status::InDoubt))?;
                self.set(*node, Status::Retrying(again.after(self.behind)));
                self.follow(before, |s| {
                    s.due.insert(*node);
                });
            }
            Event::Failed { node, why } => {
                let before = self.legal(*node, "failed", |s| s.is_open() && s != Status::Pending)?;
                if matches!(why, FailedWhy::ByHand { .. }) {
                    self.by_hand.insert(*node);
                }
                self.known.remove(node);
                self.end(*node, Status::Failed, at);
                self.follow(before, |s| s.failed(*node, at));
            }
            Event::InDoubt { node, .. } => {
                let before =
                    self.legal(*node, "in doubt", |s| matches!(s, Status::Running | Status::InDoubt))?;
                self.known.remove(node);
                self.end(*node, Status::InDoubt, at);
                self.follow(before, |s| s.failed(*node, at));
            }
            Event::Spoke { node, .. } => drop(self.legal(*node, "heard", |s| s == Status::Running)?),
            Event::Answered { node, .. } | Event::Unanswered { node, .. } => {
                self.legal(*node, "answered", |s| s == Status::Waiting)?;
                if matches!(event, Event::Unanswered { so: Silence::Continue, .. }) {
                    self.by_hand.insert(*node);
                }
            }
            Event::Reopened { node, .. } => self.reopened(*node)?,
            Event::Rescheduled { node, at, .. } => {
                self.legal(*node, "given another time", |s| s != Status::Done)?;
                Arc::make_mut(&mut self.plan).reschedule(*node, *at);
            }
            Event::Stopping { why } => self.stopping = Some(why.clone()),
            Event::Ended { outcome } => self.outcome = Some(*outcome),
            Event::Closed { .. } => self.closed = true,
        }
        Ok(())
    }

    /// A step is over, and what waited for it may start.
    fn over(
        &mut self,
        node: NodeId,
        how: &'static str,
        from: &[Status],
        at: Timestamp,
    ) -> Result<(), IllegalEvent> {
        self.legal(node, how, |s| from.contains(&s))?;
        self.end(node, Status::Done, at);
        self.done(node, at);
        Ok(())
    }

    /// A runner takes the run up: waits begin anew.
    fn taken(&mut self) {
        self.stopping = None;
        self.must_stop = None;
        self.outcome = None;
        for status in &mut self.status {
            if matches!(status, Status::Waiting) {
                *status = Status::Pending;
            }
        }
        self.known = self.nodes(|s| matches!(s, Status::Failed | Status::InDoubt)).collect();
        self.derive();
    }

    fn legal(
        &self,
        node: NodeId,
        event: &'static str,
        lawful: impl Fn(Status) -> bool,
    ) -> Result<Status, IllegalEvent> {
        let status = self.status(node);
        let known = node.index() < self.status.len();
        if known && lawful(status) { Ok(status) } else { Err(IllegalEvent::Node { node, event, status }) }
    }

    /// Draws the consequences of an event. Where consequences of an earlier one have to be taken back, all of them are worked out anew.
    fn follow(&mut self, before: Status, consequences: impl FnOnce(&mut Self)) {
        match before {
            Status::Failed | Status::InDoubt => self.derive(),
            Status::Pending
            | Status::Running
            | Status::Waiting
            | Status::Retrying(_)
            | Status::Done
            | Status::Blocked(_)
            | Status::NotNeeded => consequences(self),
        }
    }

    fn tried(&mut self, node: NodeId, times: u32) {
        if let Some(count) = self.attempts.get_mut(node.index()) {
            *count = times;
        }
    }

    fn set(&mut self, node: NodeId, to: Status) {
        if let Some(status) = self.status.get_mut(node.index()) {
            *status = to;
        }
    }

    fn begin(&mut self, node: NodeId, to: Status, at: Timestamp) {
        let first = self.started_at(node).is_none();
        self.set(node, to);
        self.due.remove(&node);
        if first {
            if let Some(started) = self.started.get_mut(node.index()) {
                *started = Some(at);
            }
            self.fire(node, On::Started, at);
        }
        if let Some(ended) = self.ended.get_mut(node.index()) {
            *ended = None;
        }
        self.places.take(node, at);
    }

    fn end(&mut self, node: NodeId, to: Status, at: Timestamp) {
        self.set(node, to);
        self.due.remove(&node);
        if let Some(ended) = self.ended.get_mut(node.index()) {
            *ended = Some(at);
        }
    }

    /// Works out everything that follows from what happened: which edges are met, who is blocked, who may start.
    fn derive(&mut self) {
        let plan = Arc::clone(&self.plan);
        self.due.clear();
        self.passed_over.clear();
        self.must_stop = None;
        self.not_before = vec![Timestamp::from_millis(i64::MIN); plan.nodes.len()];
        let adjacency = Arc::clone(&self.adjacency);
        let has = |n: NodeId| u32::try_from(adjacency.incoming(n).len()).unwrap_or(u32::MAX);
        let needs = |n: NodeId| plan.node(n).and_then(|node| node.needs).unwrap_or_else(|| has(n));
        self.missing = plan.node_ids().map(needs).collect();
        self.spare = plan.node_ids().map(|n| has(n).saturating_sub(needs(n))).collect();
        for (status, node) in self.status.iter_mut().zip(&plan.nodes) {
            if matches!(status, Status::Blocked(_) | Status::NotNeeded) || node.work == Work::Join {
                *status = Status::Pending;
            }
        }
        let mut ends = Vec::new();
        for node in plan.node_ids() {
            if let Some(at) = self.started_at(node) {
                self.fire(node, On::Started, at);
            }
            match self.status(node) {
                Status::Done if self.is_join(node) => {}
                Status::Done | Status::Failed | Status::InDoubt => {
                    ends.push((self.ended_at(node).unwrap_or_default(), node));
                }
                Status::Pending if self.missing.get(node.index()) == Some(&0) => self.met(node),
                Status::Retrying(_) => {
                    self.due.insert(node);
                }
                Status::Pending
                | Status::Running
                | Status::Waiting
                | Status::Blocked(_)
                | Status::NotNeeded => {}
            }
        }
        // In the order in which they happened: who blocked a step, and since when, does not depend on when that is asked.
        ends.sort_unstable();
        for (at, node) in ends {
            if self.status(node) == Status::Done {
                self.done(node, at);
            } else {
                self.failed(node, at);
            }
        }
    }

    fn is_join(&self, node: NodeId) -> bool {
        self.plan.node(node).is_some_and(|n| n.work == Work::Join)
    }

    fn edges(&self, node: NodeId) -> Vec<Edge> {
        let positions = self.adjacency.outgoing(node);
        positions.iter().filter_map(|p| self.plan.edges.get(*p as usize)).copied().collect()
    }

    fn done(&mut self, node: NodeId, at: Timestamp) {
        self.places.give(node);
        for edge in self.edges(node) {
            match edge.on {
                On::Done => self.meet(edge, at),
                On::Failed => self.not_needed(edge.to, at),
                On::Started => {}
            }
        }
    }

    fn fire(&mut self, node: NodeId, on: On, at: Timestamp) {
        for edge in self.edges(node) {
            if edge.on == on {
                self.meet(edge, at);
            }
        }
    }

    fn meet(&mut self, edge: Edge, at: Timestamp) {
        let (Some(missing), Some(not_before)) =
            (self.missing.get_mut(edge.to.index()), self.not_before.get_mut(edge.to.index()))
        else {
            return;
        };
        *not_before = at.after(edge.plus).max(*not_before);
        *missing = missing.saturating_sub(1);
        if *missing == 0 && self.status(edge.to) == Status::Pending {
            self.met(edge.to);
        }
    }

    /// All edges of a node are met. A join is done with that.
    fn met(&mut self, node: NodeId) {
        if self.is_join(node) {
            let at = self.not_before.get(node.index()).copied().unwrap_or_default();
            self.set(node, Status::Done);
            self.fire(node, On::Started, at);
            self.done(node, at);
        } else {
            self.due.insert(node);
        }
    }

    /// What follows from a failure or a doubt: edges that go on all the same are met, answers to the failure may start (to a doubt
    /// they may not), the rest is blocked.
    fn failed(&mut self, node: NodeId, at: Timestamp) {
        let is_failure = self.status(node) == Status::Failed;
        let root = node;
        // A step fails for its whole leg: what the entry says of a failure stands on the edges of any of its steps.
        if !self.known.contains(&root) && !self.plan.is_name(root) && self.leg_stops(root) {
            self.must_stop.get_or_insert(root);
        }
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            self.places.give(node);
            let started = self.started_at(node).is_some();
            for edge in self.edges(node) {
                match (edge.on, edge.if_failed) {
                    (On::Started, _) if started => {}
                    (On::Failed, _) if node == root && is_failure => self.meet(edge, at),
                    (On::Failed, _) if node != root => self.not_needed(edge.to, at),
                    (On::Started | On::Done, IfFailed::Continue) => {
                        // A hook after something that will not run answers no failure: it only holds nothing up. Neither does a name that waits
                        // for another one.
                        if !self.plan.is_name(node) && (node == root || !self.plan.is_afterwards(node)) {
                            self.passed_over.insert(root);
                        }
                        self.meet(edge, at);
                    }
                    (On::Started | On::Done | On::Failed, if_failed) => {
                        if if_failed == IfFailed::Stop && !self.known.contains(&root) {
                            self.must_stop.get_or_insert(root);
                        }
                        if self.spares(edge.to) {
                            self.passed_over.insert(root);
                        } else if matches!(self.status(edge.to), Status::Pending | Status::Retrying(_)) {
                            self.due.remove(&edge.to);
                            self.set(edge.to, Status::Blocked(root));
                            open.push(edge.to);
                        }
                    }
                }
            }
        }
    }

    /// Whether a meeting point can do without one edge more.
    fn spares(&mut self, node: NodeId) -> bool {
        match self.spare.get_mut(node.index()) {
            Some(spare) if *spare > 0 => {
                *spare -= 1;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Whether an edge that leaves the leg of a node says that its failure stops everything.
    fn leg_stops(&self, node: NodeId) -> bool {
        let leg = self.plan.node(node).and_then(|n| n.leg);
        let own = |edge: &&Edge| leg.is_some() && self.plan.node(edge.from).and_then(|n| n.leg) == leg;
        self.plan.edges.iter().filter(own).any(|edge| edge.if_failed == IfFailed::Stop)
    }

    /// A node is left out, and with it what is there for its sake. What goes on in any case goes on.
    fn not_needed(&mut self, node: NodeId, at: Timestamp) {
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            if self.status(node) == Status::Pending {
                self.due.remove(&node);
                self.set(node, Status::NotNeeded);
                self.places.give(node);
                for edge in self.edges(node) {
                    match (edge.on, edge.if_failed) {
                        (On::Started | On::Done, IfFailed::Continue) => self.meet(edge, at),
                        (On::Started | On::Done | On::Failed, _) => open.push(edge.to),
                    }
                }
            }
        }
    }

    /// What may start at a time. Nothing while the run is stopping.
    #[must_use]
    pub fn next(&self, now: Timestamp) -> Next {
        let mut next = Next::default();
        if self.stopping.is_some() || self.must_stop.is_some() {
            return next;
        }
        let now = now.after(self.behind);
        let mut places = self.places.trial();
        let mut wake = |at: Timestamp| next.wake = Some(next.wake.map_or(at, |w: Timestamp| w.min(at)));
        let mut start = Vec::new();
        for node in &self.due {
            let not_before = match self.status(*node) {
                Status::Retrying(at) => at,
                _ => self.not_before.get(node.index()).copied().unwrap_or_default(),
            };
            if self.is_unproven(*node) {
                continue;
            }
            if not_before > now {
                wake(not_before);
                continue;
            }
            match places.try_take(&self.places, *node, now) {
                Ok(()) => start.push(*node),
                Err(Some(at)) => wake(at),
                Err(None) => {}
            }
        }
        next.wake = next.wake.map(|at| at.before(self.behind));
        next.start = start;
        next
    }

    /// How long the run took so far.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.span().map_or(Duration::ZERO, |(began, last)| last.since(began))
    }
}
