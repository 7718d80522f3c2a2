//! A rehearsal: how long the runbook takes and how sure that is, what takes the time, and what one failure would hold up.

use super::Options;
use crate::base::{Duration, ReplicaName};
use crate::plan::{LegId, LimitKind, NodeId, Plan, Work};
use crate::rehearsal::{Known, Rehearsal, Spent, Stretch, WhatIf};
use crate::report::{table, words};
use crate::run::Outcome;
use std::collections::BTreeMap;

/// So many rows the table of failures has, and the chain, unless everything is asked for.
const ROWS: usize = 12;

/// The exit code of an outcome, with its name.
pub type ExitCode = dyn Fn(Outcome) -> (u8, &'static str);

/// The rehearsal as text.
#[must_use]
pub fn rehearsal(plan: &Plan, found: &Rehearsal, exit: &ExitCode, options: &Options) -> String {
    let mut text = format!("Rehearsal of {}  ·  {}", plan.purpose, draws(found));
    if plan.is_empty() {
        text.push_str("\n\n  Nothing to do: every replica is what it shall be, or waits for a person.\n");
        return options.finish(text);
    }
    text.push_str(&format!("\n  {}\n\n", known(found)));
    times(found, options, &mut text);
    text.push('\n');
    chain(plan, found, options, &mut text);
    text.push('\n');
    failures(plan, found, exit, options, &mut text);
    text.push('\n');
    text.push_str(&verdict(plan, found, options));
    options.finish(text)
}

/// What measured times say of a plan, in a sentence.
#[must_use]
pub fn measured(plan: &Plan, found: &Rehearsal) -> String {
    let takes = found.takes;
    let on = found.chain.iter().filter_map(|s| plan.node(s.node)?.leg);
    let names = on.filter_map(|leg| plan.leg(leg)).map(|leg| &leg.replica).collect();
    format!(
        "As measured in {}: usually {}, 95 of 100 times within {}: {}.",
        words::count(found.runs, "run"),
        takes.typical.rounded(),
        takes.p95.rounded(),
        super::plan::path(names)
    )
}

fn draws(found: &Rehearsal) -> String {
    format!("{}, seed {}", words::count(found.chance.draws as usize, "draw"), found.chance.seed)
}

fn known(found: &Rehearsal) -> String {
    let of = |known: Known| found.known.get(&known).copied().unwrap_or(0);
    let (own, others, planned) = (of(Known::Own), of(Known::Others), of(Known::Planned));
    let all = own + others + planned;
    if found.runs == 0 || own + others == 0 {
        return format!("times as planned, for nothing was measured yet ({})", words::count(all, "step"));
    }
    let as_planned = if planned > 0 { format!(", of {planned} as planned") } else { String::new() };
    let runs = words::count(found.runs, "run");
    format!("times of {own} steps measured in {runs}, of {others} at other replicas{as_planned}")
}

/// Shares in whole hundredths.
fn percent(part: u64, whole: u64) -> String {
    format!("{} %", (u128::from(part) * 100 + u128::from(whole) / 2) / u128::from(whole.max(1)))
}

fn times(found: &Rehearsal, options: &Options, text: &mut String) {
    let heads = ["", "done in", "typical", "p50", "p95", "longest", "objective"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    let row = |mark: &str, name: &str, takes: crate::rehearsal::Predicted, rto: String| {
        let all = [takes.typical, takes.p50, takes.p95, takes.longest];
        let mut cells = vec![mark.to_owned(), name.to_owned()];
        cells.extend(all.map(|t| t.rounded().to_string()));
        cells.push(rto);
        cells
    };
    for plan in &found.plans {
        let mark = if plan.missed() { "!" } else { "" };
        let rto = plan.rto.map_or_else(|| "-".to_owned(), |rto| rto.to_string());
        rows.push(row(mark, plan.plan.as_str(), plan.takes, rto));
    }
    if found.plans.len() != 1 {
        rows.push(row("", "everything", found.takes, String::new()));
    }
    text.extend(table::lines(&rows, "  ", options.room, &[]).into_iter().map(|l| l + "\n"));
    if found.beyond > 0 {
        let share = percent(u64::from(found.beyond), u64::from(found.chance.draws));
        text.push_str(&format!("  ! in {share} of the draws a step would not have ended within its limit\n"));
    }
}

/// What stands behind each other on the chain and is shown as one.
struct Part {
    what: String,
    replica: Option<ReplicaName>,
    place: Option<LimitKind>,
    from: Duration,
    took: Duration,
}

fn chain(plan: &Plan, found: &Rehearsal, options: &Options, text: &mut String) {
    let parts = parts(plan, &found.chain);
    let total = found.takes.typical;
    let heads = ["from", "takes", "share", "critical", "the chain that takes the time"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    let keep = if options.all { parts.len() } else { ROWS };
    let (first, last) = (keep.div_ceil(2), keep / 2);
    for (position, part) in parts.iter().enumerate() {
        if parts.len() > keep && position == first {
            let hidden = &parts[first..parts.len() - last];
            let took = hidden.iter().fold(Duration::ZERO, |sum, p| sum.plus(p.took));
            let more = format!("… {} more (--all shows them)", hidden.len());
            let share = percent(took.as_millis(), total.as_millis());
            rows.push(vec![String::new(), took.rounded().to_string(), share, String::new(), more]);
        }
        if parts.len() <= keep || position < first || position >= parts.len() - last {
            rows.push(part_row(part, found, total));
        }
    }
    text.extend(table::lines(&rows, "  ", options.room, &[4]).into_iter().map(|l| l + "\n"));
    let mut spent: BTreeMap<Spent, u64> = BTreeMap::new();
    for stretch in &found.chain {
        *spent.entry(stretch.spent).or_insert(0) += stretch.took().as_millis();
    }
    let mut spent: Vec<(Spent, u64)> = spent.into_iter().collect();
    spent.sort_by_key(|(what, took)| (std::cmp::Reverse(*took), *what));
    let shares = spent
        .iter()
        .map(|(what, took)| format!("{} {}", spent_words(*what), percent(*took, total.as_millis())));
    text.push_str(&format!("  It goes to: {}\n", shares.collect::<Vec<_>>().join(", ")));
}

fn part_row(part: &Part, found: &Rehearsal, total: Duration) -> Vec<String> {
    let critical = part.replica.as_ref().and_then(|r| found.critical.get(r)).copied().unwrap_or(0);
    let critical = percent(u64::from(critical), u64::from(found.chance.draws));
    let place = part.place.as_ref().map(|kind| format!(", once there is a place {}", limit(kind)));
    vec![
        part.from.rounded().to_string(),
        part.took.rounded().to_string(),
        percent(part.took.as_millis(), total.as_millis()),
        if part.replica.is_some() { critical } else { String::new() },
        format!("{}{}", part.what, place.unwrap_or_default()),
    ]
}

fn limit(kind: &LimitKind) -> String {
    match kind {
        LimitKind::PlanStart(plan) => format!("among the starts of {plan}"),
        LimitKind::PlanUndo(plan) => format!("among the undos of {plan}"),
        LimitKind::SiteStart(site) => format!("among the starts at {site}"),
        LimitKind::SiteUndo(site) => format!("among the undos at {site}"),
    }
}

fn parts(plan: &Plan, chain: &[Stretch]) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut last: Option<(Option<LegId>, Spent)> = None;
    for stretch in chain {
        let leg = plan.node(stretch.node).and_then(|n| n.leg);
        // The actions of one operation are one part, whatever they are spent on.
        let kind = match stretch.spent {
            Spent::Moving | Spent::ShuttingDown | Spent::Steps => Spent::Steps,
            other @ (Spent::Ready | Spent::Appointed | Spent::Delay) => other,
        };
        match parts.last_mut() {
            Some(part) if last == Some((leg, kind)) && stretch.place.is_none() => {
                part.took = part.took.plus(stretch.took());
            }
            _ => parts.push(part(plan, stretch, kind)),
        }
        last = Some((leg, kind));
    }
    parts
}

fn part(plan: &Plan, stretch: &Stretch, kind: Spent) -> Part {
    let leg = plan.node(stretch.node).and_then(|n| n.leg).and_then(|l| plan.leg(l));
    let replica = leg.map(|l| l.replica.clone());
    let who = replica.as_ref().map_or_else(|| "all of these".to_owned(), ToString::to_string);
    let what = match kind {
        Spent::Steps if leg.is_none() => what(plan, stretch.node),
        Spent::Moving | Spent::ShuttingDown | Spent::Steps => {
            format!("{who}: {}", leg.map_or("", |l| l.operation.kind().name()))
        }
        Spent::Ready => format!("{who}: until it is ready"),
        Spent::Appointed => match plan.node(stretch.node).map(|n| &n.work) {
            Some(Work::Wait(wait)) => format!("{who}: {}", words::wait(wait)),
            Some(Work::Act(_) | Work::Hook(_) | Work::Gate(_) | Work::Cutover(_) | Work::Join) | None => who,
        },
        Spent::Delay => format!("{who}: the delay before it"),
    };
    Part { what, replica, place: stretch.place.clone(), from: stretch.from, took: stretch.took() }
}

/// What time is spent on.
#[must_use]
pub const fn spent_words(spent: Spent) -> &'static str {
    match spent {
        Spent::Moving => "moving data",
        Spent::ShuttingDown => "shutting down",
        Spent::Steps => "other steps",
        Spent::Ready => "waiting until ready",
        Spent::Appointed => "appointed times",
        Spent::Delay => "delays",
    }
}

/// What fails, in words without the replica's name.
fn what(plan: &Plan, node: NodeId) -> String {
    let Some(found) = plan.node(node) else { return node.to_string() };
    let operation = found.leg.and_then(|l| plan.leg(l)).map_or("", |l| l.operation.kind().name());
    match &found.work {
        Work::Act(step) => format!("{operation}: {}", step_word(plan, node, step.action.word())),
        Work::Wait(_) => format!("{operation}: not ready in time"),
        Work::Hook(hook) => format!("{} {}", words::hook_kind(hook), plan.node_name(node)),
        Work::Gate(_) => format!("nobody answers {}", plan.node_name(node)),
        Work::Cutover(cutover) => format!("{operation}: {} does not follow", cutover.name),
        Work::Join => node.to_string(),
    }
}

/// An action's word with the part that it concerns, without the name of a point, which is a time.
fn step_word(plan: &Plan, node: NodeId, word: &str) -> String {
    let name = plan.node_name(node);
    let last = name.rsplit('/').next().unwrap_or(word);
    if last.starts_with("create-point") { word.to_owned() } else { last.to_owned() }
}

/// The name of a node, the same whenever the plan is made: that of a restore point is left out of it.
#[must_use]
pub fn lasting_name(plan: &Plan, node: NodeId) -> String {
    let name = plan.node_name(node);
    name.find("/create-point").map_or(name.clone(), |at| format!("{}/create-point", &name[..at]))
}

/// What to type after a failure, with the run's name to be put in.
#[must_use]
pub const fn next(outcome: Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Completed => None,
        Outcome::CompletedWithExceptions => Some("lifeboat report RUN"),
        Outcome::Stopped | Outcome::Failed => Some("lifeboat resume RUN"),
        Outcome::InDoubt => Some("lifeboat settle RUN"),
    }
}

fn failures(plan: &Plan, found: &Rehearsal, exit: &ExitCode, options: &Options, text: &mut String) {
    let mut groups: Vec<(String, Vec<&WhatIf>)> = Vec::new();
    let mut known: BTreeMap<(String, usize, usize, Outcome), usize> = BTreeMap::new();
    for failure in &found.failures {
        let what = what(plan, failure.node);
        let key = (what.clone(), failure.held.len(), failure.taken_back.len(), failure.outcome);
        let at = *known.entry(key).or_insert(groups.len());
        match groups.get_mut(at).filter(|_| !options.all) {
            Some((_, alike)) => alike.push(failure),
            None => groups.push((what, vec![failure])),
        }
    }
    let heads = ["if this fails for good", "of", "at", "holds up", "then", "after", "exit", "next"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    let shown = if options.all { groups.len() } else { ROWS };
    for (what, alike) in groups.iter().take(shown) {
        rows.push(failure_row(what, alike, exit));
    }
    text.extend(table::lines(&rows, "  ", options.room, &[0, 1]).into_iter().map(|l| l + "\n"));
    let hidden: usize = groups.iter().skip(shown).map(|(_, alike)| alike.len()).sum();
    if hidden > 0 {
        text.push_str(&format!(
            "  … and {} that hold up less (--all shows them)\n",
            words::count(hidden, "failure")
        ));
    }
}

fn failure_row(what: &str, alike: &[&WhatIf], exit: &ExitCode) -> Vec<String> {
    let name = |w: &WhatIf| w.replica.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    let of = match alike {
        [one] => name(one),
        [first, .., last] => format!("{} … {} ({} replicas)", name(first), name(last), alike.len()),
        [] => String::new(),
    };
    let Some(first) = alike.first() else { return Vec::new() };
    let at = alike.iter().filter_map(|w| w.at).max();
    let ends = alike.iter().map(|w| w.ends).max().unwrap_or_default();
    let held = match (first.held.len(), first.taken_back.len()) {
        (0, 0) => "nobody else".to_owned(),
        (held, 0) => words::count(held, "replica"),
        (0, back) => format!("{back} taken back"),
        (held, back) => format!("{held}, {back} taken back"),
    };
    let then = if first.stops && first.outcome != Outcome::Stopped {
        format!("{}, stopped", first.outcome.word())
    } else {
        first.outcome.word().to_owned()
    };
    vec![
        what.to_owned(),
        of,
        at.map_or_else(|| "-".to_owned(), |at| at.rounded().to_string()),
        held,
        then,
        ends.rounded().to_string(),
        exit(first.outcome).0.to_string(),
        next(first.outcome).unwrap_or("-").to_owned(),
    ]
}

fn verdict(plan: &Plan, found: &Rehearsal, options: &Options) -> String {
    let total = plan.members.len();
    let worst = found.failures.first().map(|w| {
        let held = w.held.len();
        match &w.replica {
            Some(own) => {
                format!("the worst (at {own}) holds up {held} of {} others", total.saturating_sub(1))
            }
            None => format!("the worst holds up {held} of {total}"),
        }
    });
    let rehearsed = words::count(found.failures.len(), "failure");
    let missed: Vec<String> = found.plans.iter().filter(|p| p.missed()).map(|p| p.plan.to_string()).collect();
    let said = found.plans.iter().any(|p| p.rto.is_some());
    let objectives = match missed.as_slice() {
        [] if said => "every objective is kept at p95".to_owned(),
        [] => "no objective is set".to_owned(),
        some => format!("missed at p95: {}", some.join(", ")),
    };
    format!(
        "95 of 100 runs are done within {}: {objectives}.\n{rehearsed} rehearsed{}.\nNext: lifeboat apply {}{}\n",
        found.takes.p95.rounded(),
        worst.map(|w| format!("; {w}")).unwrap_or_default(),
        plan.purpose,
        options.next.as_deref().unwrap_or_default(),
    )
}
