//! A plan: what changes, in the order of execution; what is lost against what is allowed; where the way back ends; what to type next.

use super::{Options, beside, cuts, steps};
use crate::base::{Duration, ReplicaName};
use crate::domain::{Condition, Loss, LossKind, OnFailure, OperationKind, State, Wait};
use crate::plan::{
    Consequence, Leg, LegId, Member, Node, NodeId, Plan, Purpose, Unchanged, Untouched, Warning, Work,
};
use crate::report::{approvals, drill, table, waits, warned, words};
use std::collections::{BTreeMap, BTreeSet};

/// So many replicas are listed one by one; more are shown in groups that do the same.
const ONE_BY_ONE: usize = 40;
/// So many rows a table has at most, unless everything is asked for.
const ROWS: usize = 60;
/// So many lossy replicas are named one by one.
const LOSSES: usize = 10;

/// The plan as text.
#[must_use]
pub fn plan(plan: &Plan, options: &Options) -> String {
    let mut text = header(plan, options);
    if plan.members.is_empty() {
        text.push_str(&nothing(plan, options.elsewhere));
    } else {
        text.push('\n');
        changes(plan, options, &mut text);
        text.extend(drill::foretold(plan).into_iter().map(|line| format!("  ~ {line}\n")));
        beside::list(plan, options, &mut text);
    }
    unchanged(plan, options, &mut text);
    follows(plan, options, &mut text);
    if !plan.members.is_empty() {
        text.push('\n');
        text.extend(cuts::list(plan, options.all).into_iter().map(|line| format!("  {line}\n")));
        marks(plan, &mut text);
    }
    if options.steps {
        text.push('\n');
        text.push_str(&steps::list(plan, options.room));
    }
    text.push('\n');
    text.push_str(&verdict(plan, options));
    options.finish(text)
}

/// Why there is nothing to do.
fn nothing(plan: &Plan, elsewhere: usize) -> String {
    let why = if awaits_word(plan) {
        "\n  Nothing to do until a person says so: a manual switchover comes next.\n"
    } else if plan.purpose == Purpose::Replicate {
        "\n  Nothing to replicate: no replica that was named stands by.\n"
    } else if plan.slice.is_some() {
        "\n  Nothing to do in this slice.\n"
    } else {
        "\n  Nothing to do: every replica is what it shall be.\n"
    };
    match elsewhere {
        0 => why.to_owned(),
        1 => format!("{why}  But a name does not lead to the machine that serves: see below.\n"),
        n => format!("{why}  But {n} names do not lead to the machines that serve: see below.\n"),
    }
}

/// Whether a replica stands before a manual switchover.
fn awaits_word(plan: &Plan) -> bool {
    plan.unchanged.iter().any(|u| u.why == Untouched::AwaitsSwitchover)
}

fn header(plan: &Plan, options: &Options) -> String {
    let what = match &plan.purpose {
        Purpose::Runbook(_) => format!("Runbook {}", words::purpose(plan)),
        Purpose::Replicate => "Replicate".to_owned(),
        Purpose::Abort(run) => format!("Way back of run {run}"),
        Purpose::Drill { plan, .. } => format!("Drill of {plan}"),
        Purpose::EndDrill { plan, .. } => format!("End of the drill of {plan}"),
    };
    let sites = plan.sites.iter().map(|site| match &site.silent {
        None => format!("{} read {}", site.site, options.read(site.at)),
        Some(_) => format!("{} does not answer (tried {})", site.site, options.read(site.at)),
    });
    let sites = sites.collect::<Vec<_>>().join(", ");
    let parts = [Some(what), options.origin.clone(), Some(sites).filter(|s| !s.is_empty())];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let line = parts.join("  ·  ");
    if line.chars().count() <= options.width {
        format!("{line}\n")
    } else {
        format!("{}\n", parts.join("\n  "))
    }
}

/// What a row says of a replica; replicas with the same row can share it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    wave: u32,
    now: String,
    then: State,
    how: String,
    lossy: bool,
    allowed: Option<Duration>,
    waits: Vec<String>,
}

fn row(plan: &Plan, member: &Member) -> Row {
    Row {
        wave: member.wave,
        now: short(&member.now),
        then: member.then,
        how: how(plan, member),
        lossy: !member.loses.is_empty(),
        allowed: member.rpo,
        waits: Vec::new(),
    }
}

/// A condition in a word for a table.
#[must_use]
pub fn short(condition: &Condition) -> String {
    match condition {
        Condition::PartWay(_) => "part-way".to_owned(),
        Condition::Foreign(_) => "foreign".to_owned(),
        Condition::Whole(_) | Condition::Unseen => words::condition(condition),
    }
}

/// The operations of a replica in a word each.
fn how(plan: &Plan, member: &Member) -> String {
    let legs = member.legs.iter().filter_map(|l| plan.leg(*l)).filter(|l| !l.only_on_failure);
    let word = |leg: &Leg| {
        if plan.sets_switchover(leg) { "new time" } else { operation_word(leg.operation.kind()) }
    };
    let mut list: Vec<&str> = legs.map(word).collect();
    list.dedup();
    list.join(" + ")
}

const fn operation_word(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::Replicate => "replicate",
        OperationKind::Failover => "unplanned",
        OperationKind::PlannedFailover => "planned",
        OperationKind::UndoFailover => "undo",
        OperationKind::PermanentFailover => "permanent",
        OperationKind::Failback => "failback",
        OperationKind::Switchover => "switchover",
        OperationKind::CommitFailback => "commit",
        OperationKind::UndoFailback => "undo failback",
        OperationKind::Drill => "copy",
        OperationKind::EndDrill => "remove copy",
    }
}

fn changes(plan: &Plan, options: &Options, text: &mut String) {
    let waits = waits(plan);
    let grouped = plan.members.len() > ONE_BY_ONE && !options.all;
    let mut groups: Vec<(Row, Vec<&Member>)> = Vec::new();
    let mut known: BTreeMap<Row, usize> = BTreeMap::new();
    for member in &plan.members {
        let mut row = row(plan, member);
        if grouped {
            // Waits that differ in the replica's name alone are the same.
            row.waits =
                waits.get(&member.replica).into_iter().flatten().map(|w| wait_words(w, "each")).collect();
        }
        let at = *known.entry(row.clone()).or_insert(groups.len());
        match groups.get_mut(at).filter(|_| grouped) {
            Some((_, members)) => members.push(member),
            None => groups.push((row, vec![member])),
        }
    }
    let hidden = if grouped { groups.split_off(groups.len().min(ROWS)) } else { Vec::new() };
    let mut rows = vec![heads()];
    for (row, members) in &groups {
        rows.push(cells(row, members));
    }
    let lines = table::lines(&rows, "  ", options.room, &[4, 5]);
    let mut lines = lines.into_iter();
    text.extend(lines.next().map(|l| l + "\n"));
    for (line, (row, members)) in lines.zip(&groups) {
        text.push_str(&(line + "\n"));
        let of_one = members.first().filter(|_| members.len() == 1);
        let own = of_one.and_then(|m| Some((m, waits.get(&m.replica)?)));
        let own = own.map(|(m, waits)| waits.iter().map(|w| wait_words(w, m.replica.as_str())).collect());
        for wait in own.unwrap_or_else(|| row.waits.clone()) {
            let room = options.room.map(|room| room.saturating_sub(14));
            text.push_str(&format!("        wait  {}\n", table::fitted(&wait, room)));
        }
    }
    let hidden: usize = hidden.iter().map(|(_, members)| members.len()).sum();
    if hidden > 0 {
        text.push_str(&format!("  … and {} more (--all shows them)\n", words::count(hidden, "replica")));
    }
}

fn heads() -> Vec<String> {
    ["wave", "replica", "now", "then", "how", "loses", "allowed", "typical"].map(str::to_owned).to_vec()
}

fn cells(row: &Row, members: &[&Member]) -> Vec<String> {
    let name = match members {
        [one] => one.replica.to_string(),
        [first, .., last] => format!("{} … {} ({} replicas)", first.replica, last.replica, members.len()),
        [] => String::new(),
    };
    let loses = members.iter().flat_map(|m| &m.loses);
    let typical = members.iter().map(|m| m.typical).max().unwrap_or_default();
    vec![
        row.wave.to_string(),
        name,
        row.now.clone(),
        row.then.to_string(),
        row.how.clone(),
        loss_word(loses),
        row.allowed.map_or_else(|| "-".to_owned(), |d| d.to_string()),
        typical.rounded().to_string(),
    ]
}

/// The greatest loss in a word: `none`, `! 42 s`, `! points`.
pub fn loss_word<'a>(loses: impl Iterator<Item = &'a Loss>) -> String {
    let mut found = None;
    let mut points = false;
    for loss in loses {
        match loss.kind {
            LossKind::RestorePoints => points = true,
            LossKind::SourceAfterPoint
            | LossKind::ReplicaSinceFailover
            | LossKind::ProductionSinceSwitchover => {
                found = found.max(Some(loss.upto.unwrap_or(Duration::from_millis(u64::MAX))));
            }
        }
    }
    match (found, points) {
        (Some(Duration { .. }), _) if found == Some(Duration::from_millis(u64::MAX)) => "! all".to_owned(),
        (Some(upto), _) => format!("! {}", words::span(upto)),
        (None, true) => "! points".to_owned(),
        (None, false) => "none".to_owned(),
    }
}

/// The waits of each replica on the ordinary way.
fn waits(plan: &Plan) -> BTreeMap<ReplicaName, Vec<&Wait>> {
    let mut found: BTreeMap<ReplicaName, Vec<&Wait>> = BTreeMap::new();
    for node in &plan.nodes {
        let leg = node.leg.and_then(|l| plan.leg(l)).filter(|l| !l.only_on_failure);
        if let (Work::Wait(wait), Some(leg)) = (&node.work, leg) {
            let waits = found.entry(leg.replica.clone()).or_default();
            if waits.last() != Some(&wait) {
                waits.push(wait);
            }
        }
    }
    found
}

fn wait_words(wait: &Wait, who: &str) -> String {
    match wait {
        Wait::Ready { vm, readiness, .. } => {
            let whose = match vm {
                crate::domain::Role::Replica => who.to_owned(),
                crate::domain::Role::Source => format!("{who}'s source"),
                crate::domain::Role::Target => format!("{who}'s target"),
                crate::domain::Role::Copy => format!("{who}'s copy"),
            };
            let (what, end) = (waits::readiness(readiness), waits::at_end(readiness.otherwise));
            format!("{whose} ready: {what}  ≤ {}{end}", readiness.within)
        }
        Wait::Until { .. } | Wait::Quiet { .. } => format!("{who} {}", words::wait(wait)),
    }
}

fn unchanged(plan: &Plan, options: &Options, text: &mut String) {
    // A replication run is asked for some replicas; why each of them is not replicated is what its reader must know.
    let replicates = plan.purpose == Purpose::Replicate;
    let named = |u: &&Unchanged| !(replicates && u.why == Untouched::NotNamed);
    let stays: Vec<&Unchanged> = plan.unchanged.iter().filter(named).collect();
    if stays.is_empty() {
        return;
    }
    if !(options.all || replicates && stays.len() <= ONE_BY_ONE) {
        let stay = if stays.len() == 1 { "stays as it is" } else { "stay as they are" };
        let count = words::count(stays.len(), "replica");
        text.push_str(&format!("  = {count} {stay} (--all shows them, each with its reason)\n"));
        return;
    }
    let rows: Vec<Vec<String>> = stays
        .iter()
        .map(|u| {
            vec!["=".to_owned(), u.replica.to_string(), short(&u.now), words::untouched(u.why).to_owned()]
        })
        .collect();
    text.extend(table::lines(&rows, "  ", options.room, &[3]).into_iter().map(|l| l + "\n"));
}

/// What a slice means for others: what breaks, what goes on without something, what is left behind.
fn follows(plan: &Plan, options: &Options, text: &mut String) {
    let all = plan.slice.as_ref().map(|s| s.follows.as_slice()).unwrap_or_default();
    let shown = if options.all { all.len() } else { LOSSES };
    for one in all.iter().take(shown) {
        let mark = match one.what {
            Consequence::LeftOut => 'x',
            Consequence::GoesOn => '!',
            Consequence::Stays => '~',
        };
        text.push_str(&format!("  {mark} {}\n", words::follows(one)));
    }
    if all.len() > shown {
        text.push_str(&format!("  … and {} more such (--all shows them)\n", all.len() - shown));
    }
}

/// Losses, halts, and the point of no return.
fn marks(plan: &Plan, text: &mut String) {
    let lossy: Vec<&Member> = plan.members.iter().filter(|m| !m.loses.is_empty()).collect();
    for member in lossy.iter().take(LOSSES) {
        let why = source_words(plan, &member.replica);
        text.push_str(&format!("  ! {} loses {}{why}\n", member.replica, warned::losses(&member.loses)));
    }
    if lossy.len() > LOSSES {
        text.push_str(&format!("  ! and {} more that lose data\n", lossy.len() - LOSSES));
    }
    worth_a_look(plan, text);
    let halts: Vec<&Member> = plan.members.iter().filter(|m| m.halts_before.is_some()).collect();
    if let [first, rest @ ..] = halts.as_slice() {
        let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
        let before = first.halts_before.map_or("", State::name);
        let at = first.then;
        text.push_str(&format!(
            "  > at {at}, before {before}, until a person gives the word for the switchover: {}{more}\n",
            first.replica
        ));
    }
    let optional: BTreeSet<&str> =
        plan.legs.iter().filter(|l| l.optional).map(|l| l.replica.as_str()).collect();
    if !optional.is_empty() {
        let more = optional.len().checked_sub(LOSSES).filter(|n| *n > 0);
        let more = more.map_or_else(String::new, |n| format!(" and {n} more"));
        let names: Vec<&str> = optional.into_iter().take(LOSSES).collect();
        text.push_str(&format!("  ? may fail, which is an exception then: {}{more}\n", names.join(", ")));
    }
    if plan.on_failure == OnFailure::Undo {
        text.push_str("  < where it fails, the way back is shown; --confirm-undo has it carried out\n");
    }
    match plan.forecast.no_return.and_then(|node| Some((node, plan.node(node)?))) {
        Some((id, node)) => text.push_str(&format!("  ^ {}\n", no_return(plan, id, node))),
        None => text.push_str("  ^ no step is irreversible\n"),
    }
    for [what, why] in plan.needs.iter().map(approvals::need) {
        text.push_str(&format!("  # {what}\n    {why}\n"));
    }
}

/// What is known of the source of a replica that loses data.
fn source_words(plan: &Plan, replica: &ReplicaName) -> &'static str {
    let warned = |wanted: fn(ReplicaName) -> Warning| plan.warnings.contains(&wanted(replica.clone()));
    let shared = |w: &Warning| matches!(w, Warning::MayBothServe(of, _) if of == replica);
    if plan.warnings.iter().any(shared) {
        // It has a line of its own.
        ""
    } else if fenced(plan, replica) {
        "; its source does not answer and is fenced"
    } else if warned(Warning::SourceUnseen) {
        "; its source does not answer"
    } else if warned(Warning::SourceLeftRunning) {
        "; its source is left running"
    } else {
        ""
    }
}

/// Whether a fence stands before a replica's way.
fn fenced(plan: &Plan, replica: &ReplicaName) -> bool {
    let of = |leg: &LegId| plan.leg(*leg).is_some_and(|l| l.replica == *replica);
    let about = |node: &Node| matches!(&node.work, Work::Hook(h) if h.is_fence() && h.legs.iter().any(of));
    plan.nodes.iter().any(about)
}

/// The warnings that no loss stands for.
fn untold(plan: &Plan) -> Vec<&Warning> {
    let lossy: BTreeSet<&ReplicaName> =
        plan.members.iter().filter(|m| !m.loses.is_empty()).map(|m| &m.replica).collect();
    let told = |w: &&Warning| match w {
        Warning::LosesData(_) => true,
        Warning::SourceLeftRunning(r) | Warning::SourceUnseen(r) => lossy.contains(r),
        Warning::OlderPoint(_)
        | Warning::MayBothServe(..)
        | Warning::FencesOthers { .. }
        | Warning::SourceMoved(_)
        | Warning::SourceStaysOff(_)
        | Warning::SourceNotServing { .. }
        | Warning::NameLeftOut { .. }
        | Warning::RtoMissed(_) => false,
    };
    plan.warnings.iter().filter(|w| !told(w)).collect()
}

fn worth_a_look(plan: &Plan, text: &mut String) {
    let rest = untold(plan);
    for warning in rest.iter().take(LOSSES) {
        text.push_str(&format!("  ! {}\n", warned::warning(warning, plan).message));
    }
    if rest.len() > LOSSES {
        text.push_str(&format!("  ! and {} more warnings\n", rest.len() - LOSSES));
    }
}

fn no_return(plan: &Plan, id: NodeId, node: &Node) -> String {
    match &node.work {
        Work::Act(step) => {
            let word = words::action(&step.action);
            format!("no way back for {} from here on: {word} ({id})", step.replica)
        }
        Work::Wait(_) | Work::Hook(_) | Work::Gate(_) | Work::Cutover(_) | Work::Join => {
            format!("no way back from {} on", plan.node_name(id))
        }
    }
}

/// How many actions, waits and actions on failure there are.
fn numbers(plan: &Plan) -> (usize, usize, usize) {
    let (mut steps, mut waits, mut rescue) = (0, 0, 0);
    for node in &plan.nodes {
        let on_failure = node.leg.and_then(|l: LegId| plan.leg(l)).is_some_and(|l: &Leg| l.only_on_failure);
        match node.work {
            Work::Act(_) if on_failure => rescue += 1,
            Work::Act(_) => steps += 1,
            Work::Wait(_) if !on_failure => waits += 1,
            Work::Wait(_) | Work::Hook(_) | Work::Gate(_) | Work::Cutover(_) | Work::Join => {}
        }
    }
    (steps, waits, rescue)
}

fn verdict(plan: &Plan, options: &Options) -> String {
    let next = options.next.clone().unwrap_or_else(|| match &plan.purpose {
        Purpose::Runbook(name) => {
            let slice = words::typed(plan.slice.as_ref());
            match plan.needs.iter().any(|need| !need.warns) {
                true => format!("lifeboat plan {name}{slice} --out {name}.plan"),
                false => format!("lifeboat apply {name}{slice}"),
            }
        }
        Purpose::Replicate => "lifeboat replicate".to_owned(),
        Purpose::Abort(run) => format!("lifeboat abort {run}"),
        Purpose::Drill { plan, .. } => format!("lifeboat drill {plan}"),
        Purpose::EndDrill { plan, .. } => format!("lifeboat drill {plan} --clean"),
    });
    if plan.members.is_empty() {
        let next = if awaits_word(plan) { format!("Next: {next} --switchover\n") } else { String::new() };
        return format!("0 steps. {}\n{next}", warnings(plan));
    }
    let (steps, waits, rescue) = numbers(plan);
    let lossy = plan.members.iter().filter(|m| !m.loses.is_empty()).count();
    let mut parts = vec![words::count(steps, "step"), words::count(waits, "wait")];
    parts.extend(beside::numbers(plan));
    parts.push(words::count(plan.members.len(), "replica"));
    if lossy > 0 {
        parts.push(format!("{lossy} lossy"));
    }
    let on_failure = if rescue > 0 {
        format!(" {} more only on a failure.", words::count(rescue, "step"))
    } else {
        String::new()
    };
    let first = format!("{}.{on_failure}", parts.join(", "));
    let objective =
        plan.forecast.objective.as_ref().map_or_else(String::new, |(_, limit)| format!(" of {limit}"));
    let path = critical(plan);
    let total = plan.forecast.total.rounded();
    let path = format!("Critical path {total}{objective}: {path}.");
    let measured = options.measured.iter().cloned();
    let parts: Vec<String> =
        [first, path].into_iter().chain(measured).chain([format!(" {}", warnings(plan))]).collect();
    let line = joined(&parts, options.width);
    format!("{line}Next: {next}\n")
}

/// Sentences behind each other, on as few lines as they fit on.
fn joined(parts: &[String], width: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(last) if last.chars().count() + 1 + part.chars().count() <= width => {
                last.push(' ');
                last.push_str(part);
            }
            _ => lines.push(part.trim_start().to_owned()),
        }
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

/// How many warnings a reader finds above: what is said of a loss stands in the loss's own line.
fn warnings(plan: &Plan) -> String {
    let lossy = plan.members.iter().filter(|m| !m.loses.is_empty()).count();
    format!("0 errors, {}.", words::count(lossy + untold(plan).len(), "warning"))
}

/// The replicas along the critical path.
fn critical(plan: &Plan) -> String {
    let of = |node: NodeId| plan.node(node).and_then(|n| n.leg).and_then(|l| plan.leg(l)).map(|l| &l.replica);
    path(plan.forecast.critical.iter().filter_map(|c| of(c.node)).collect())
}

/// Replicas behind each other, those in the middle of a long row left out.
pub fn path(mut names: Vec<&ReplicaName>) -> String {
    names.dedup();
    match names.as_slice() {
        [] => "nothing waits".to_owned(),
        [a, b, c, .., y, z] if names.len() > 6 => format!("{a} → {b} → {c} → … → {y} → {z}"),
        some => some.iter().map(|n| n.as_str()).collect::<Vec<_>>().join(" → "),
    }
}
