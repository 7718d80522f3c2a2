//! A run as it went: the outcome first, then each replica, then what failed and what did not run because of whom.

use super::{Options, beside};
use crate::base::{Duration, ReplicaName, RunId, Timestamp};
use crate::domain::{AtEnd, Heard, Question, Transfer, Wait};
use crate::plan::{Leg, Node, NodeId, Plan, Work};
use crate::port::Failure;
use crate::report::{approvals, table, waits, words};
use crate::run::{Event, FailedWhy, How, Outcome, Progress, Status};
use std::collections::{BTreeMap, BTreeSet};

/// A run as it was recorded.
#[derive(Debug, Clone, Copy)]
pub struct Story<'a> {
    /// Its name.
    pub run: &'a RunId,
    /// The fold over its events.
    pub progress: &'a Progress,
    /// Its events with their times.
    pub events: &'a [(Timestamp, Event)],
}

/// So many lines of one kind are shown unless every step is.
const LINES: usize = 12;

/// The report of one run.
#[must_use]
pub fn run_report(story: Story<'_>, options: &Options) -> String {
    let plan = story.progress.plan();
    let mut text = opening(story, plan);
    text.push('\n');
    text.extend(replicas(story, plan, options).into_iter().map(|l| l + "\n"));
    for (title, lines) in [
        ("Drill", crate::report::drill::story(story)),
        ("Steps", if options.steps { steps(story, plan, options) } else { Vec::new() }),
        ("Common cuts", super::cuts::list(plan, options.steps)),
        ("Asked now", open_gates(story, plan)),
        ("What hooks said", said(story, plan, options)),
        ("Failed", failures(story, plan, Status::Failed)),
        ("In doubt", failures(story, plan, Status::InDoubt)),
        ("Did not run", not_run(story, plan, options)),
        ("Approvals", story.progress.admission().map(approvals::lines).unwrap_or_default()),
        ("Answers", answers(story, plan)),
        (special(story), exceptions(story, plan)),
        ("Runners", runners(story)),
    ] {
        if lines.is_empty() {
            continue;
        }
        let more = if options.steps { 0 } else { lines.len().saturating_sub(LINES) };
        let shown = lines.len() - more;
        text.push_str(&format!("\n{title}\n"));
        text.extend(lines.into_iter().take(shown).map(|l| format!("  {l}\n")));
        if more > 0 {
            text.push_str(&format!("  and {more} more (lifeboat report {} --steps)\n", story.run));
        }
    }
    text.push_str(&format!("\n{}", closing(story)));
    options.finish(text)
}

/// The outcome's word; a run without one is under way or was cut off.
#[must_use]
pub fn outcome_word(progress: &Progress) -> &'static str {
    match progress.outcome() {
        _ if progress.is_closed() => "closed",
        Some(outcome) => outcome.word(),
        None => "not ended",
    }
}

/// Every step with its name, which `settle` takes, in the order of the plan.
fn steps(story: Story<'_>, plan: &Plan, options: &Options) -> Vec<String> {
    let progress = story.progress;
    let needed = plan.node_ids().filter(|n| plan.node(*n).is_some_and(|node| node.work != Work::Join));
    let (moved, replaced) = (moved(story.events), replaced(story.events, plan));
    let row = |node: NodeId| {
        let result = match progress.status(node) {
            Status::Pending => "not begun",
            Status::Running => "under way",
            Status::Waiting => "waits",
            Status::Retrying(_) => "is tried again",
            Status::Done => "done",
            Status::Failed => "failed",
            Status::InDoubt => "in doubt",
            Status::Blocked(_) => "not run",
            Status::NotNeeded => return None,
        };
        let (from, to) = (progress.started_at(node), progress.ended_at(node));
        let took = from.zip(to).map_or_else(|| "-".to_owned(), |(from, to)| words::span(to.since(from)));
        let began = from.map_or_else(|| "-".to_owned(), Timestamp::clock);
        let attempts = progress.attempts(node);
        let tries = if attempts > 1 { format!("{attempts} attempts") } else { String::new() };
        let moved = moved.get(&node).map(words::moved).or_else(|| replaced.get(&node).cloned());
        let moved = moved.unwrap_or_default();
        Some(vec![plan.node_name(node), result.to_owned(), began, took, moved, tries])
    };
    let rows: Vec<Vec<String>> = needed.filter_map(row).collect();
    table::lines(&rows, "", options.room, &[])
}

/// What each name said before, and says since.
fn replaced(events: &[(Timestamp, Event)], plan: &Plan) -> BTreeMap<NodeId, String> {
    let one = |(_, event): &(Timestamp, Event)| match event {
        Event::Settled { node, how: How::Replaced { before }, .. } => match &plan.node(*node)?.work {
            Work::Cutover(cutover) => Some((*node, words::cutover(cutover, Some(before)))),
            _ => None,
        },
        _ => None,
    };
    events.iter().filter_map(one).collect()
}

/// What each step moved.
fn moved(events: &[(Timestamp, Event)]) -> BTreeMap<NodeId, Transfer> {
    let one = |(_, event): &(Timestamp, Event)| match event {
        Event::Settled { node, moved: Some(moved), .. } => Some((*node, *moved)),
        _ => None,
    };
    events.iter().filter_map(one).collect()
}

fn opening(story: Story<'_>, plan: &Plan) -> String {
    let progress = story.progress;
    let took = words::span(progress.took());
    let mut text =
        format!("Run {} of {}: {} after {took}", story.run, words::purpose(plan), outcome_word(progress));
    if let Some((began, _)) = progress.span() {
        text.push_str(&format!(", begun {began}"));
    }
    text.push('\n');
    if let Some((name, limit)) = &plan.forecast.objective {
        let reached = progress.outcome().is_some_and(Outcome::is_final);
        let kept = match (reached, progress.took() <= *limit) {
            (true, true) => "kept",
            (false, true) => "not reached yet",
            (_, false) => "missed",
        };
        let predicted = plan.forecast.total.rounded();
        text.push_str(&format!("Objective of {name}: {limit}, {kept} ({took}; predicted {predicted})\n"));
    }
    let summary = progress.summary();
    text.push_str(&format!("{} of {} done", summary.done, words::count(summary.of, "step")));
    for (n, word) in [
        (summary.failed.len(), "failed"),
        (summary.in_doubt.len(), "in doubt"),
        (summary.not_run.len(), "not run"),
        (summary.exceptions.len(), "with exceptions"),
    ] {
        if n > 0 {
            text.push_str(&format!(", {n} {word}"));
        }
    }
    text.push_str(".\n");
    text
}

fn replicas(story: Story<'_>, plan: &Plan, options: &Options) -> Vec<String> {
    let mut rows = vec![["", "replica", "what", "result", "started", "took"].map(str::to_owned).to_vec()];
    let mut nodes: Vec<Vec<NodeId>> = vec![Vec::new(); plan.legs.len()];
    for (id, node) in plan.node_ids().zip(&plan.nodes) {
        if let Some(own) = node.leg.and_then(|l| nodes.get_mut(l.index())) {
            own.push(id);
        }
    }
    for member in &plan.members {
        let mut name = Some(member.replica.to_string());
        for id in &member.legs {
            let own = nodes.get(id.index()).map_or(&[][..], Vec::as_slice);
            let leg = plan.leg(*id);
            let Some(mut cells) = leg.and_then(|leg| leg_row(story.progress, leg, own)) else { continue };
            if let Some(cell) = cells.get_mut(1) {
                *cell = name.take().unwrap_or_default();
            }
            rows.push(cells);
        }
    }
    table::lines(&rows, "  ", options.room, &[2])
}

/// A leg's row; none for one that was not needed.
fn leg_row(progress: &Progress, leg: &Leg, own: &[NodeId]) -> Option<Vec<String>> {
    let nodes = || own.iter().copied();
    let is = |wanted: fn(Status) -> bool| nodes().any(|n| wanted(progress.status(n)));
    let (mark, result) = if is(|s| s == Status::InDoubt) {
        ("?", "in doubt")
    } else if is(|s| s == Status::Failed) {
        let over = |n: NodeId| matches!(progress.status(n), Status::Done | Status::NotNeeded);
        let named = nodes().all(|n| over(n) || progress.plan().is_name(n));
        let done = progress.status(leg.concluded) == Status::Done;
        (
            "x",
            if named {
                "done, name not set"
            } else if done {
                "done, not ready"
            } else {
                "failed"
            },
        )
    } else if nodes().all(|n| progress.status(n) == Status::NotNeeded) {
        return None;
    } else if progress.status(leg.last) == Status::Done {
        ("+", "done")
    } else if is(|s| matches!(s, Status::Blocked(_))) {
        // A machine that was shut down for what then could not go on is not as it was before.
        if is(|s| s == Status::Done) { ("!", "part-way") } else { ("-", "not run") }
    } else if nodes().all(|n| progress.status(n) == Status::Pending) {
        ("-", "not begun")
    } else if progress.outcome().is_some() {
        ("!", "part-way")
    } else {
        (">", "under way")
    };
    let started = nodes().filter_map(|n| progress.started_at(n)).min();
    let ended = nodes().filter_map(|n| progress.ended_at(n)).max();
    let took = started.zip(ended).map(|(from, to)| words::span(to.since(from)));
    let dash = || "-".to_owned();
    Some(vec![
        mark.to_owned(),
        String::new(),
        words::leg(progress.plan(), leg),
        result.to_owned(),
        started.map_or_else(dash, Timestamp::clock),
        took.unwrap_or_else(dash),
    ])
}

/// Why a step failed, in words.
#[must_use]
pub fn failed_words(plan: &Plan, node: NodeId, why: &FailedWhy) -> String {
    match why {
        FailedWhy::Action(failure) => failure_words(failure),
        FailedWhy::Unmet(unmet) => format!("not begun: {}", words::unmet(*unmet)),
        FailedWhy::NotReady => not_in_time(plan, node),
        FailedWhy::Unready(heard) => format!("{} ({})", not_in_time(plan, node), waits::heard(heard)),
        FailedWhy::SaidNo { person, because } => {
            let because = because.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
            format!("{person} says no{because}")
        }
        FailedWhy::Unanswered => "nobody answered in its time".to_owned(),
        FailedWhy::ByHand { person, because } => format!("{person} says that it failed: {because}"),
    }
}

fn not_in_time(plan: &Plan, node: NodeId) -> String {
    match plan.node(node) {
        Some(Node { work: Work::Wait(wait), limit, .. }) => {
            format!("not so within {limit}: {}", words::wait(wait))
        }
        _ => "not ready within its time".to_owned(),
    }
}

/// That a run went on without what was waited for, in words.
#[must_use]
pub fn went_on(plan: &Plan, node: NodeId, (heard, why): (&[Heard], Option<&Failure>)) -> String {
    if let Some(why) = why {
        return format!("the run goes on without it: {}", failure_words(why));
    }
    format!("the run goes on without it: {} ({})", not_in_time(plan, node), waits::heard(heard))
}

/// What the provider said.
#[must_use]
pub fn failure_words(failure: &Failure) -> String {
    match failure {
        Failure::Refused(unmet) => format!("refused: {}", words::unmet(*unmet)),
        Failure::Failed(text) => text.clone(),
        Failure::NoAnswer(text) => format!("no answer: {text}"),
    }
}

/// The steps that ended so, each with what was said of it last.
fn failures(story: Story<'_>, plan: &Plan, ended: Status) -> Vec<String> {
    let mut last: BTreeMap<NodeId, String> = BTreeMap::new();
    for (at, event) in story.events {
        match event {
            Event::Failed { node, why } => {
                last.insert(
                    *node,
                    format!("{} {}: {}", at.clock(), plan.node_name(*node), failed_words(plan, *node, why)),
                );
            }
            Event::InDoubt { node, why } => {
                let name = plan.node_name(*node);
                last.insert(*node, format!("{} {name}: {why}", at.clock()));
            }
            _ => {}
        }
    }
    last.into_iter().filter(|(node, _)| story.progress.status(*node) == ended).map(|(_, line)| line).collect()
}

/// What did not run, together by what kept it.
fn not_run(story: Story<'_>, plan: &Plan, options: &Options) -> Vec<String> {
    let mut groups: BTreeMap<Option<NodeId>, (usize, BTreeSet<&ReplicaName>)> = BTreeMap::new();
    let summary = story.progress.summary();
    for one in &summary.not_run {
        let (count, replicas) = groups.entry(one.because).or_default();
        *count += 1;
        let leg = plan.node(one.node).and_then(|n| n.leg).and_then(|l| plan.leg(l));
        replicas.extend(leg.map(|l| &l.replica));
    }
    let line = |(because, (n, replicas)): (Option<NodeId>, (usize, BTreeSet<&ReplicaName>))| {
        let why = match because {
            Some(node) if story.progress.status(node) == Status::InDoubt => {
                format!("because {} is in doubt", plan.node_name(node))
            }
            Some(node) => format!("because {} failed", plan.node_name(node)),
            None => "because the run ended before".to_owned(),
        };
        let steps = words::count(n, "step");
        // Hooks and gates are nobody's.
        if replicas.is_empty() {
            return format!("{steps} {why}");
        }
        format!("{steps} of {} {why}", some_names(&replicas, story.run, options))
    };
    groups.into_iter().map(line).collect()
}

fn some_names(names: &BTreeSet<&ReplicaName>, run: &RunId, options: &Options) -> String {
    let most = if options.steps { usize::MAX } else { 3 };
    let shown: Vec<&str> = names.iter().take(most).map(|n| n.as_str()).collect();
    let more = names.len().saturating_sub(shown.len());
    let text = shown.join(", ");
    if more == 0 { text } else { format!("{text} and {more} more (lifeboat report {run} --steps)") }
}

/// What people and failures did to the run's course is an exception only where its outcome counts it as one.
fn special(story: Story<'_>) -> &'static str {
    let counted = story.progress.outcome() == Some(Outcome::CompletedWithExceptions)
        || !story.progress.summary().exceptions.is_empty();
    if counted { "Exceptions" } else { "On the way" }
}

/// The questions that a run under way asks, each with how it is answered.
#[must_use]
pub fn open_gates(story: Story<'_>, plan: &Plan) -> Vec<String> {
    let progress = story.progress;
    if progress.outcome().is_some() || progress.is_closed() {
        return Vec::new();
    }
    let open = progress.nodes(|s| s == Status::Waiting).filter_map(|n| Some((n, plan.question(n)?)));
    let one = |(node, question): (NodeId, &Question)| {
        let (name, run) = (plan.node_name(node), story.run);
        let asked =
            story.events.iter().rev().find(|(_, e)| matches!(e, Event::Waiting { node: n } if *n == node));
        let until = asked.map(|(at, _)| format!(", until {}", at.after(question.within))).unwrap_or_default();
        [
            format!("{name}: {}", question.ask),
            format!("  asked: {}{until}; {}", words::who(question), words::silence(question.otherwise)),
            format!("  lifeboat answer {run} {name} {} --because TEXT", words::answers(plan)),
        ]
    };
    open.flat_map(one).collect()
}

/// What people answered.
fn answers(story: Story<'_>, plan: &Plan) -> Vec<String> {
    let one = |(at, event): &(Timestamp, Event)| match event {
        Event::Answered { node, reply } => {
            Some(format!("{} {}: {}", at.clock(), plan.node_name(*node), words::reply(reply)))
        }
        _ => None,
    };
    story.events.iter().filter_map(one).collect()
}

/// What the hooks said, where every step is shown; of those that failed in any case.
fn said(story: Story<'_>, plan: &Plan, options: &Options) -> Vec<String> {
    let mut lines = Vec::new();
    for (at, event) in story.events {
        let Event::Spoke { node, spoken } = event else { continue };
        // What a fence's proof said is why the replica was let start.
        if spoken.text.is_empty() || !(options.steps || spoken.proof || spoken.code != Some(0)) {
            continue;
        }
        let proof = if spoken.proof { ", its proof" } else { "" };
        lines.push(format!("{} {}{proof}", at.clock(), plan.node_name(*node)));
        let most = if options.steps { usize::MAX } else { 4 };
        lines.extend(beside::spoken(spoken, most).into_iter().map(|line| format!("  {line}")));
    }
    lines
}

fn exceptions(story: Story<'_>, plan: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    for (at, event) in story.events {
        let line = match event {
            Event::Settled { node, how: How::ByHand { person, because }, .. } => {
                format!("{}: {person} says that it is done: {because}", plan.node_name(*node))
            }
            Event::WentOn { node, heard, why } => {
                format!("{}: {}", plan.node_name(*node), went_on(plan, *node, (heard, why.as_ref())))
            }
            Event::Reopened { node, person, because } => {
                format!("{}: {person} had it tried again: {because}", plan.node_name(*node))
            }
            Event::Rescheduled { node, at, person } => {
                format!("{}: {person} had it wait until {at}", plan.node_name(*node))
            }
            Event::Unanswered { node, so } => {
                format!("{}: nobody answered; {}", plan.node_name(*node), words::silence(*so))
            }
            Event::Failed { node, why } if plan.is_afterwards(*node) => {
                format!("{} failed: {}", plan.node_name(*node), failed_words(plan, *node, why))
            }
            Event::Closed { person, because } => format!("{person} closed the run: {because}"),
            Event::TakenOver { runner, from, lives, because } => {
                words::taken_over(runner, from.as_ref(), *lives, because.as_deref())
            }
            Event::Stopping { why } => format!("stopped, {}", words::stop(why, plan)),
            _ => continue,
        };
        lines.push(format!("{} {line}", at.clock()));
    }
    lines
}

fn runners(story: Story<'_>) -> Vec<String> {
    let taken = story.events.iter().filter_map(|(at, event)| match event {
        Event::Taken { runner } => {
            Some(format!("{at} {}@{}, version {}", runner.person, runner.host, runner.version))
        }
        _ => None,
    });
    taken.collect()
}

fn closing(story: Story<'_>) -> String {
    let run = story.run;
    match story.progress.outcome() {
        _ if story.progress.is_closed() => "Closed. Plan again from what is observed now.\n".to_owned(),
        Some(Outcome::Completed) => {
            let plan = story.progress.plan();
            let halts = plan.members.iter().any(|m| m.halts_before.is_some());
            if halts {
                let (name, slice) = (&plan.purpose, words::typed(plan.slice.as_ref()));
                let next = match plan.needs.iter().any(|need| !need.warns) {
                    true => format!("lifeboat plan {name}{slice} --switchover --out {name}.plan"),
                    false => format!("lifeboat apply {name}{slice} --switchover"),
                };
                format!("Completed up to the switchover. Next: {next}\n")
            } else {
                "Completed. Next: lifeboat status\n".to_owned()
            }
        }
        Some(Outcome::CompletedWithExceptions) => {
            "Completed with exceptions: look at them above. Next: lifeboat status\n".to_owned()
        }
        Some(Outcome::Stopped | Outcome::Failed) | None => {
            let progress = story.progress;
            let waits = progress
                .plan()
                .node_ids()
                .any(|n| progress.plan().waits_until(n).is_some() && progress.status(n) == Status::Waiting);
            let now = format!("To switch over without waiting: lifeboat resume {run} --switchover now\n");
            let now = if waits { now } else { String::new() };
            let decides = waits_for_a_word(progress).map(|n| {
                format!(
                    "To go on without it: lifeboat settle {run} {} done --because TEXT\n",
                    progress.plan().node_name(n)
                )
            });
            let (decides, once_more) =
                decides.map_or((String::new(), ""), |line| (line, ", which waits once more,"));
            format!("{now}{decides}Next: lifeboat resume {run}{once_more}   or   lifeboat abort {run}\n")
        }
        Some(Outcome::InDoubt) => match story.progress.summary().in_doubt.first() {
            Some(node) => {
                let node = story.progress.plan().node_name(*node);
                format!(
                    "Next: once the site answers, lifeboat resume {run}, which looks by itself\n      or look there yourself, then lifeboat settle {run} {node} done|retry|failed --because TEXT\n"
                )
            }
            // A person has settled them since.
            None => format!("Next: lifeboat resume {run}\n"),
        },
    }
}

/// The first wait that has failed and of which a person decides.
fn waits_for_a_word(progress: &Progress) -> Option<NodeId> {
    let asks = |node: &NodeId| match progress.plan().node(*node).map(|n| &n.work) {
        Some(Work::Wait(Wait::Ready { readiness, .. })) => readiness.otherwise == AtEnd::Ask,
        _ => false,
    };
    progress.nodes(|s| s == Status::Failed).find(asks)
}

/// A run's line in the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// Its name.
    pub run: RunId,
    /// What it was for.
    pub purpose: String,
    /// When it began.
    pub began: Option<Timestamp>,
    /// How long it took.
    pub took: Duration,
    /// How it ended.
    pub outcome: String,
    /// Steps done, and of how many.
    pub steps: (usize, usize),
    /// Who approved it, by name.
    pub approved_by: Vec<String>,
    /// Whether it was begun without the approvals that its plan needs.
    pub glass: bool,
    /// Whether it is finished; unfinished ones stand first.
    pub over: bool,
}

impl Past {
    /// A run's line from its fold.
    #[must_use]
    pub fn new(run: RunId, progress: &Progress) -> Self {
        let summary = progress.summary();
        Self {
            run,
            purpose: words::purpose(progress.plan()),
            began: progress.span().map(|(began, _)| began),
            took: progress.took(),
            outcome: outcome_word(progress).to_owned(),
            steps: (summary.done, summary.of),
            approved_by: progress
                .admission()
                .iter()
                .flat_map(|a| &a.approvals)
                .map(|a| a.by.clone())
                .collect(),
            glass: progress.glass().is_some(),
            over: progress.is_over(),
        }
    }
}

/// How a run ended, and what let it begin.
fn outcome(past: &Past) -> String {
    let mut words = vec![past.outcome.clone()];
    words.extend(past.glass.then(|| "glass broken".to_owned()));
    words.extend(
        (!past.approved_by.is_empty()).then(|| format!("approved by {}", past.approved_by.join(", "))),
    );
    words.join("; ")
}

/// The runs, unfinished ones first, then the latest first.
#[must_use]
pub fn history(runs: &[Past], options: &Options) -> String {
    if runs.is_empty() {
        return "There has been no run.\n".to_owned();
    }
    let mut runs: Vec<&Past> = runs.iter().collect();
    runs.sort_by(|a, b| a.over.cmp(&b.over).then(b.began.cmp(&a.began)).then_with(|| b.run.cmp(&a.run)));
    let mut rows = vec![["", "run", "of", "began", "took", "outcome", "steps"].map(str::to_owned).to_vec()];
    for past in &runs {
        rows.push(vec![
            if past.over { " " } else { "!" }.to_owned(),
            past.run.to_string(),
            past.purpose.clone(),
            past.began.map_or_else(|| "-".to_owned(), |at| at.to_string()),
            words::span(past.took),
            outcome(past),
            format!("{} of {}", past.steps.0, past.steps.1),
        ]);
    }
    let mut text: String =
        table::lines(&rows, "  ", options.room, &[2]).into_iter().map(|l| l + "\n").collect();
    if let Some(open) = runs.iter().find(|r| !r.over) {
        text.push_str(&format!("Next: lifeboat resume {}\n", open.run));
    }
    options.finish(text)
}
