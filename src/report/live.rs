//! A run as it goes: one line for each change that matters to a person. For many replicas the lines are summed up by wave, so that
//! what went wrong is never scrolled away.

use crate::base::{RunId, Timestamp};
use crate::domain::{Heard, Moving, Wait};
use crate::plan::{Leg, LegId, NodeId, Plan, Work};
use crate::report::text::beside;
use crate::report::text::run::{failed_words, failure_words, went_on};
use crate::report::{approvals, waits, words};
use crate::run::{Admission, Event, How, Outcome, Progress, Status};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// So many lines of what a program said are shown.
const HEARD: usize = 20;

/// With more replicas than this, waves are summed up.
const ONE_BY_ONE: usize = 30;

/// Makes lines of events. It keeps only what it needs to name durations and to say each thing once.
#[derive(Debug)]
pub struct Live {
    plan: Arc<Plan>,
    steps: bool,
    by_wave: bool,
    begun: BTreeMap<LegId, Timestamp>,
    waits: BTreeMap<NodeId, Timestamp>,
    waves: BTreeMap<u32, Wave>,
    first: Option<Timestamp>,
    /// The run, by which questions are answered.
    run: Option<RunId>,
}

#[derive(Debug, Default)]
struct Wave {
    of: BTreeSet<LegId>,
    begun: BTreeSet<LegId>,
    done: BTreeSet<LegId>,
}

impl Live {
    /// For a plan; `steps` shows every action.
    #[must_use]
    pub fn new(plan: Arc<Plan>, steps: bool) -> Self {
        let mut waves: BTreeMap<u32, Wave> = BTreeMap::new();
        for member in &plan.members {
            let wave = waves.entry(member.wave).or_default();
            let normal = |l: &LegId| plan.leg(*l).is_some_and(|l| !l.only_on_failure);
            wave.of.extend(member.legs.iter().copied().filter(normal));
        }
        let by_wave = plan.members.len() > ONE_BY_ONE && !steps;
        let (begun, waits) = (BTreeMap::new(), BTreeMap::new());
        Self { plan, steps, by_wave, begun, waits, waves, first: None, run: None }
    }

    /// The first line.
    #[must_use]
    pub fn opening(&mut self, run: &RunId, at: Timestamp) -> String {
        self.run = Some(run.clone());
        let steps = self.plan.nodes.iter().filter(|n| n.work != Work::Join).count();
        format!("{} run {run}  {}  {}", at.clock(), words::purpose(&self.plan), words::count(steps, "step"))
    }

    /// What let it begin, where its plan needs approvals.
    #[must_use]
    pub fn admission(&self, admission: &Admission) -> Vec<String> {
        let mark = if admission.glass.is_some() { '!' } else { '.' };
        approvals::lines(admission).into_iter().map(|line| format!("          {mark} {line}")).collect()
    }

    /// The lines that an event makes; often none.
    #[must_use]
    pub fn lines(&mut self, event: &Event, at: Timestamp) -> Vec<String> {
        self.first.get_or_insert(at);
        let line = |mark: char, text: String| format!("{} {mark} {text}", at.clock());
        let plan = Arc::clone(&self.plan);
        let name = |node: &NodeId| plan.node_name(*node);
        match event {
            Event::Taken { runner } => {
                vec![line('.', format!("taken up by {}@{}", runner.person, runner.host))]
            }
            Event::TakenOver { runner, from, lives, because } => {
                vec![line('!', words::taken_over(runner, from.as_ref(), *lives, because.as_deref()))]
            }
            Event::Intended { node, attempt } => self.intended(*node, *attempt, at),
            Event::Settled { node, how, .. } => self.settled(*node, how, at),
            Event::Retrying { node, failure, at: again } => {
                let why = failure_words(failure);
                vec![line('~', format!("{}: {why}; again at {}", name(node), again.clock()))]
            }
            Event::Failed { node, why } => {
                vec![line('x', format!("{} failed: {}", name(node), failed_words(&plan, *node, why)))]
            }
            Event::InDoubt { node, why } => {
                vec![line('?', format!("{} is in doubt: {why}", name(node)))]
            }
            Event::Waiting { node } => self.waiting(*node, at),
            Event::Met { node } => self.met(*node, at),
            Event::WentOn { node, heard, why } => {
                self.waits.remove(node);
                vec![line('!', format!("{}: {}", name(node), went_on(&plan, *node, (heard, why.as_ref()))))]
            }
            Event::Spoke { spoken, .. } if self.steps => {
                let said = beside::spoken(spoken, HEARD);
                said.into_iter().map(|text| format!("{}   {text}", at.clock())).collect()
            }
            Event::Spoke { .. } => Vec::new(),
            Event::Answered { node, reply } => {
                let mark = if reply.yes { '+' } else { 'x' };
                vec![line(mark, format!("{:<12} {}: {}", "gate", name(node), words::reply(reply)))]
            }
            Event::Unanswered { node, so } => {
                let so = words::silence(*so);
                vec![line('!', format!("{:<12} {}: nobody answered; {so}", "gate", name(node)))]
            }
            Event::Reopened { node, person, because } => {
                vec![line('~', format!("{}: {person} has it tried again: {because}", name(node)))]
            }
            Event::Rescheduled { node, at: to, person } => {
                vec![line('~', format!("{}: {person} has it wait until {to}", name(node)))]
            }
            Event::Stopping { why } => {
                vec![line('!', format!("stopping, {}: nothing new starts", words::stop(why, &self.plan)))]
            }
            Event::Observed { .. } => Vec::new(),
            Event::NotObserved { why } => {
                vec![line('!', format!("what became of the replicas was not observed: {why}"))]
            }
            Event::Ended { outcome } => vec![line(ended_mark(*outcome), outcome.word().to_owned())],
            Event::Closed { person, because } => vec![line('.', format!("closed by {person}: {because}"))],
        }
    }

    /// How far an action has come that moves data; nothing, where replicas are summed up.
    #[must_use]
    pub fn moving(&self, node: NodeId, moving: &Moving, at: Timestamp) -> Option<String> {
        let so_far = || format!("{}   {}: {}", at.clock(), self.action(node), words::moving(moving, at));
        (!self.by_wave).then(so_far)
    }

    /// What a wait has heard so far; nothing, where replicas are summed up.
    #[must_use]
    pub fn heard(&self, node: NodeId, heard: &[Heard], at: Timestamp) -> Option<String> {
        let whose = match self.plan.node(node).map(|n| &n.work) {
            Some(Work::Wait(Wait::Ready { replica, .. })) => replica.as_str(),
            _ => return None,
        };
        let so_far = || format!("{} . {:<12} {whose}: {}", at.clock(), "wait", waits::heard(heard));
        (!self.by_wave).then(so_far)
    }

    fn leg(&self, node: NodeId) -> Option<(LegId, Leg)> {
        let id = self.plan.node(node)?.leg?;
        Some((id, self.plan.leg(id)?.clone()))
    }

    fn action(&self, node: NodeId) -> String {
        match self.plan.node(node).map(|n| &n.work) {
            Some(Work::Act(step)) => format!("{:<12} {}", step.replica.as_str(), words::action(&step.action)),
            Some(Work::Hook(hook)) => format!("{:<12} {}", words::hook_kind(hook), words::hook(hook)),
            Some(Work::Cutover(cutover)) => format!("{:<12} {}", "name", words::cutover(cutover, None)),
            Some(Work::Wait(_) | Work::Gate(_) | Work::Join) | None => self.plan.node_name(node),
        }
    }

    fn intended(&mut self, node: NodeId, attempt: u32, at: Timestamp) -> Vec<String> {
        if matches!(self.plan.node(node).map(|n| &n.work), Some(Work::Hook(_))) {
            self.waits.insert(node, at);
            let again = if attempt > 1 { format!(" (attempt {attempt})") } else { String::new() };
            return vec![format!("{} > {}{again}", at.clock(), self.action(node))];
        }
        let Some((id, leg)) = self.leg(node) else { return Vec::new() };
        let mut lines = Vec::new();
        if let Entry::Vacant(vacant) = self.begun.entry(id) {
            vacant.insert(at);
            let wave = self.waves.values_mut().find(|w| w.of.contains(&id));
            let first = wave.is_some_and(|w| w.begun.insert(id) && w.begun.len() == 1);
            if self.by_wave {
                lines.extend(first.then(|| self.wave_line(id, at)).flatten());
            } else {
                let what = words::leg(&self.plan, &leg);
                lines.push(format!("{} > {:<12} {what}", at.clock(), leg.replica.as_str()));
            }
        }
        if self.steps || attempt > 1 {
            let again = if attempt > 1 { format!(" (attempt {attempt})") } else { String::new() };
            lines.push(format!("{}   {}{again}", at.clock(), self.action(node)));
        }
        lines
    }

    fn settled(&mut self, node: NodeId, how: &How, at: Timestamp) -> Vec<String> {
        let mut lines = Vec::new();
        match how {
            How::Performed => {}
            How::Replaced { before } if !self.by_wave => {
                if let Some(Work::Cutover(cutover)) = self.plan.node(node).map(|n| &n.work) {
                    let what = words::cutover(cutover, Some(before));
                    lines.push(format!("{} + {:<12} {what}", at.clock(), "name"));
                }
            }
            How::Replaced { .. } => {}
            How::Found => lines.push(format!("{} . {}: found done", at.clock(), self.plan.node_name(node))),
            How::ByHand { person, because } => {
                let name = self.plan.node_name(node);
                lines.push(format!("{} . {name}: {person} says it is done: {because}", at.clock()));
            }
        }
        if matches!(self.plan.node(node).map(|n| &n.work), Some(Work::Hook(_))) && *how == How::Performed {
            let took = self.waits.remove(&node).map(|since| words::span(at.since(since))).unwrap_or_default();
            lines.push(format!("{} + {:<53} {took}", at.clock(), self.action(node)));
        }
        let Some((id, leg)) = self.leg(node).filter(|(_, leg)| leg.concluded == node) else { return lines };
        let took = self.begun.get(&id).map(|since| words::span(at.since(*since))).unwrap_or_default();
        let wave = self.waves.values_mut().find(|w| w.of.contains(&id));
        let complete = wave.is_some_and(|w| {
            w.done.insert(id);
            tenth(w.done.len(), w.of.len())
        });
        if self.by_wave {
            lines.extend(complete.then(|| self.wave_line(id, at)).flatten());
        } else {
            let (replica, what) = (leg.replica.as_str(), leg.operation.kind());
            lines.push(format!(
                "{} + {replica:<12} {:<40} {took}",
                at.clock(),
                format!("{}, {what} done", leg.to)
            ));
        }
        lines
    }

    fn waiting(&mut self, node: NodeId, at: Timestamp) -> Vec<String> {
        self.waits.insert(node, at);
        if let Some(question) = self.plan.question(node) {
            let (name, run) = (self.plan.node_name(node), self.run.as_ref().map_or("latest", RunId::as_str));
            let clock = at.clock();
            return vec![
                format!("{clock} ? {:<12} {name}: {}", "gate", question.ask),
                format!(
                    "{clock}   asked: {}; until {}; {}",
                    words::who(question),
                    at.after(question.within),
                    words::silence(question.otherwise)
                ),
                format!(
                    "{clock}   lifeboat answer {run} {name} {} --because TEXT",
                    words::answers(&self.plan)
                ),
            ];
        }
        if self.by_wave {
            return Vec::new();
        }
        let Some(Work::Wait(wait)) = self.plan.node(node).map(|n| &n.work) else { return Vec::new() };
        let most = words::at_most(wait).map(|d| format!("  at most {d}")).unwrap_or_default();
        vec![format!("{} . {:<12} {}{most}", at.clock(), "wait", words::wait(wait))]
    }

    fn met(&mut self, node: NodeId, at: Timestamp) -> Vec<String> {
        let took = self.waits.remove(&node).map(|since| words::span(at.since(since))).unwrap_or_default();
        if self.by_wave {
            return Vec::new();
        }
        let Some(Work::Wait(wait)) = self.plan.node(node).map(|n| &n.work) else { return Vec::new() };
        vec![format!("{} + {:<12} {:<40} {took}", at.clock(), "wait", words::wait(wait))]
    }

    /// `wave 3: 12 of 50 done, 10 under way`.
    fn wave_line(&self, leg: LegId, at: Timestamp) -> Option<String> {
        let (number, wave) = self.waves.iter().find(|(_, w)| w.of.contains(&leg))?;
        let (done, of) = (wave.done.len(), wave.of.len());
        let mark = if done == of { '+' } else { '>' };
        let under_way = wave.begun.len().saturating_sub(done);
        let rest = of.saturating_sub(wave.begun.len().max(done));
        let rest = if rest > 0 { format!(", {rest} not begun") } else { String::new() };
        Some(format!("{} {mark} wave {number}: {done} of {of} done, {under_way} under way{rest}", at.clock()))
    }
}

/// Whether another tenth is done, or all.
const fn tenth(done: usize, of: usize) -> bool {
    let part = of.div_ceil(10);
    done == of || (part > 0 && done.is_multiple_of(part))
}

const fn ended_mark(outcome: Outcome) -> char {
    match outcome {
        Outcome::Completed => '+',
        Outcome::CompletedWithExceptions | Outcome::Stopped => '!',
        Outcome::Failed => 'x',
        Outcome::InDoubt => '?',
    }
}

/// The numbers for a bar at the foot of a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Steps and waits that are done.
    pub done: usize,
    /// All that may run.
    pub of: usize,
    /// Actions under way.
    pub under_way: usize,
    /// Steps that failed or are in doubt.
    pub bad: usize,
    /// The wait that has waited longest.
    pub waits: Option<Waits>,
    /// The actions under way that may move data.
    pub moving: Vec<NodeId>,
}

/// A wait that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waits {
    /// What for.
    pub what: String,
    /// Since when.
    pub since: Timestamp,
    /// When it is over at the latest, or exactly then for a wait that is for time alone.
    pub ends: Timestamp,
    /// Whether it may be over sooner.
    pub sooner: bool,
}

impl Waits {
    fn of(plan: &Plan, node: NodeId, since: Timestamp) -> Option<Self> {
        let found = plan.node(node)?;
        let (what, ends, sooner) = match &found.work {
            Work::Wait(wait) => match wait {
                Wait::Until { at } => (words::wait(wait), *at, false),
                Wait::Quiet { time } => (words::wait(wait), since.after(*time), false),
                Wait::Ready { .. } => (words::wait(wait), since.after(found.limit), true),
            },
            Work::Gate(gate) => (format!("an answer to {}", gate.name), since.after(found.limit), true),
            Work::Act(_) | Work::Hook(_) | Work::Cutover(_) | Work::Join => return None,
        };
        Some(Self { what, since, ends, sooner })
    }
}

fn moves(plan: &Plan, node: NodeId) -> bool {
    matches!(plan.node(node).map(|n| &n.work), Some(Work::Act(step)) if step.action.moves())
}

impl Tally {
    /// Counts.
    #[must_use]
    pub fn of(progress: &Progress) -> Self {
        let plan = progress.plan();
        let waiting = progress.nodes(|s| s == Status::Waiting);
        let oldest = waiting.filter_map(|n| Some((progress.started_at(n)?, n))).min();
        Self {
            done: progress.count(|s| s == Status::Done),
            of: progress.count(|s| s != Status::NotNeeded),
            under_way: progress.count(|s| matches!(s, Status::Running | Status::Retrying(_))),
            bad: progress.count(|s| matches!(s, Status::Failed | Status::InDoubt)),
            waits: oldest.and_then(|(since, node)| Waits::of(plan, node, since)),
            moving: progress.nodes(|s| s == Status::Running).filter(|n| moves(plan, *n)).collect(),
        }
    }

    /// The bar's words at a time, which goes on between two changes; with how far those have come that move data.
    #[must_use]
    pub fn words(&self, now: Timestamp, moving: &[Moving]) -> String {
        let Self { done, of, under_way, bad, waits, moving: _ } = self;
        let mut text = format!("{done} of {of} done, {under_way} under way");
        if *bad > 0 {
            text.push_str(&format!(", {bad} failed or in doubt"));
        }
        if let Some(all) = Moving::together(moving) {
            text.push_str(&format!(" · {}", words::moving(&all, now)));
        }
        if let Some(Waits { what, since, ends, sooner }) = waits {
            let most = if *sooner { "at most " } else { "" };
            let seconds =
                |time: crate::base::Duration| crate::base::Duration::from_secs(time.as_millis() / 1000);
            let (waited, left) = (seconds(now.since(*since)), seconds(ends.since(now)));
            text.push_str(&format!(" · waiting {waited}, {most}{left} more, for {what}"));
        }
        text
    }
}
