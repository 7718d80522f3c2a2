//! Drills in words: why none can be made, what came of one, and what it left.

use crate::base::{Duration, PlanName, RunId, Timestamp};
use crate::diag::{Code, Finding};
use crate::inventory::Inventory;
use crate::model::{DrilledWithin, Policy, Workspace};
use crate::plan::drill::Changed;
use crate::plan::{DrillRefused, Drilled, Kept, NodeId, Plan, Purpose};
use crate::report::text::run::failed_words;
use crate::report::{Story, words};
use crate::run::{Drill, Event, Left, Progress, Verdict, last_look};
use serde_json::{Value, json};

/// The code of a refusal.
#[must_use]
pub const fn code(why: &DrillRefused) -> Code {
    match why {
        DrillRefused::NoNetwork { .. } => Code::DrillNoNetwork,
        DrillRefused::NotApart(_) | DrillRefused::SameAddress(_) => Code::DrillNotApart,
        DrillRefused::CopyThere => Code::CopyThere,
        DrillRefused::InTheWay(_) => Code::CopyInTheWay,
    }
}

/// Why a replica cannot be drilled, or why a drill is in its way.
#[must_use]
pub fn refused(why: &DrillRefused, who: &str) -> String {
    match why {
        DrillRefused::NoNetwork { network, site } => format!(
            "{who} cannot be drilled: it serves on network {network}, and site {site} names no network apart for that"
        ),
        DrillRefused::NotApart(network) => {
            format!(
                "{who} cannot be drilled: its copy would be on network {network}, which is not apart from its machines"
            )
        }
        DrillRefused::SameAddress(address) => format!(
            "{who} cannot be drilled: its copy would have the address {address}, and what is asked there would be answered by another machine"
        ),
        DrillRefused::CopyThere => format!("{who} cannot be drilled: the copy of an earlier drill is there"),
        DrillRefused::InTheWay(operation) => {
            format!(
                "{operation} of {who} takes restore points away, and the copy of a drill stands above them"
            )
        }
    }
}

/// The way out.
#[must_use]
pub fn help(why: &DrillRefused) -> Vec<String> {
    match why {
        DrillRefused::NoNetwork { network, site } => vec![format!(
            "name one in the document of site {site}:\n    drill: {{ networks: [{{ from: {network}, to: … }}] }}"
        )],
        DrillRefused::NotApart(_) => {
            vec![
                "name a network under the site's `drill` that nothing else is on and that leads nowhere"
                    .to_owned(),
            ]
        }
        DrillRefused::SameAddress(_) => vec![
            "say under the site's `drill` how addresses change: `addresses: [{ from: …, to: … }]`".to_owned(),
        ],
        DrillRefused::CopyThere | DrillRefused::InTheWay(_) => {
            vec!["`lifeboat drill PLAN --clean` removes what a drill left".to_owned()]
        }
    }
}

/// What a plan says of its drill, before anything is done.
#[must_use]
pub fn foretold(plan: &Plan) -> Vec<String> {
    let Purpose::Drill { keep, .. } = &plan.purpose else { return Vec::new() };
    let kept = match keep {
        Kept::Not => "once all of them are ready".to_owned(),
        Kept::For(time) => format!("{time} after all of them are ready"),
        Kept::UntilKey => "once all of them are ready and a person says so".to_owned(),
    };
    let mut lines = vec![
        format!(
            "copies on networks apart; replicas, sources and restore points stay as they are, and replication goes on"
        ),
        format!("the copies are removed {kept}, and in any case where one of them is not"),
    ];
    lines.extend(left_out(plan));
    lines
}

/// What of its plan a drill does not try.
fn left_out(plan: &Plan) -> Option<String> {
    let drilled = plan.drilled.as_ref()?;
    let hooks = (!drilled.hooks_left_out.is_empty()).then(|| {
        words::count(drilled.hooks_left_out.len(), "hook")
            + &format!(" ({})", drilled.hooks_left_out.join(", "))
    });
    let gates: Vec<&str> = drilled.gates_left_out.iter().map(|g| g.as_str()).collect();
    let gates =
        (!gates.is_empty()).then(|| words::count(gates.len(), "gate") + &format!(" ({})", gates.join(", ")));
    let both: Vec<String> = hooks.into_iter().chain(gates).collect();
    (!both.is_empty()).then(|| format!("not tried: {}", both.join(", ")))
}

/// What came of a drill, and what it left, for the report of its run.
#[must_use]
pub fn story(story: Story<'_>) -> Vec<String> {
    let plan = story.progress.plan();
    let over = story.progress.outcome().is_some() || story.progress.is_closed();
    let Some(drill) = crate::run::drill(story.progress, story.events) else {
        let ends = matches!(plan.purpose, Purpose::EndDrill { .. }) && over;
        return if ends { proof(&Left::of(plan, last_look(story.events).as_ref())) } else { Vec::new() };
    };
    let drilled = plan.drilled.as_ref();
    let allowed = drilled.and_then(|d| d.rto).filter(|_| drill.verdict == Verdict::Passed);
    let allowed = allowed.map_or_else(String::new, |rto| match drill.took > rto {
        true => format!(", longer than the objective of {rto}"),
        false => format!(", within the objective of {rto}"),
    });
    let mut lines = vec![verdict(&drill) + &allowed];
    if let Some(drilled) = drilled {
        let commit = drilled.commit.as_ref().map_or_else(String::new, |c| format!("at {c}: "));
        let shape = &drilled.shape;
        lines.push(format!(
            "{commit}{} of {} tried, {} of the plan",
            drill.of,
            words::count(shape.waits.len(), "replica"),
            words::count(shape.edges.len(), "edge"),
        ));
    }
    lines.extend(left_out(plan));
    if over {
        lines.extend(proof(&drill.left));
    }
    lines
}

/// How a drill went, in a line.
#[must_use]
pub fn verdict(drill: &Drill) -> String {
    let Drill { verdict, ready, of, took, .. } = drill;
    match verdict {
        Verdict::Passed => format!("passed: {ready} of {of} ready in {}", words::span(*took)),
        Verdict::Failed => format!("failed: {ready} of {of} ready"),
        Verdict::Unfinished => format!("not finished: {ready} of {of} ready"),
    }
}

/// What was seen of copies when nothing ran any more.
fn proof(left: &Left) -> Vec<String> {
    if left.is_nothing() {
        return vec![
            "nothing is left: each replica was looked at, and no copy, disk or network of a drill is there"
                .to_owned(),
        ];
    }
    let copies = left.copies.iter().map(|(replica, copy)| {
        let what = if copy.machine.facts().is_some() { "its copy" } else { "a part of its copy" };
        let by = copy.by.as_ref().map_or_else(String::new, |run| format!(", made by run {run}"));
        format!("left: {replica}: {what}{by}")
    });
    let unseen =
        left.unseen.iter().map(|replica| format!("not seen: {replica}: its recovery site did not answer"));
    copies.chain(unseen).collect()
}

/// A drill that did not pass, with what failed first of each copy.
#[must_use]
pub fn failed(
    drill: &Drill,
    (run, plan): (&RunId, &PlanName),
    progress: &Progress,
    events: &[(Timestamp, Event)],
) -> Finding {
    let why = |node: NodeId| {
        events.iter().rev().find_map(|(_, event)| match event {
            Event::Failed { node: of, why } if *of == node => Some(failed_words(progress.plan(), node, why)),
            _ => None,
        })
    };
    let failed = drill.missing.iter().find_map(|(replica, node)| Some((replica, why(*node)?)));
    let message = match failed {
        Some((replica, why)) => format!("the drill of `{plan}` failed: `{replica}` {why}"),
        None => format!("the drill of `{plan}` failed: {} of {} were ready", drill.ready, drill.of),
    };
    Finding::new(Code::DrillFailed, message).about(format!("run {run}")).help(format!(
        "`lifeboat report {run} --steps` tells of every step; production and replicas were not touched"
    ))
}

/// What a drill left.
#[must_use]
pub fn left(left: &Left, (run, plan): (&RunId, &PlanName)) -> Finding {
    let names: Vec<String> = left.copies.iter().map(|(replica, _)| format!("`{replica}`")).collect();
    let message = if names.is_empty() {
        let unseen: Vec<String> = left.unseen.iter().map(|r| format!("`{r}`")).collect();
        format!("it is not known whether something of a drill is left of {}", unseen.join(", "))
    } else {
        format!("copies of a drill are left of {}", names.join(", "))
    };
    Finding::new(Code::DrillLeft, message)
        .about(format!("run {run}"))
        .help(format!("`lifeboat drill {plan} --clean` looks again, and removes what is left"))
}

/// The last drill of a failover plan.
#[derive(Debug, Clone)]
pub struct Past {
    /// Its run.
    pub run: RunId,
    /// What came of it.
    pub drill: Drill,
    /// What it was made of.
    pub drilled: Option<Drilled>,
    /// What has changed since.
    pub changed: Option<Changed>,
}

/// How long ago something was: days from two days on.
fn ago(length: Duration) -> String {
    let days = length.as_millis() / (24 * 60 * 60 * 1000);
    if days >= 2 { format!("{days} days ago") } else { format!("{} ago", words::span(length)) }
}

/// When a failover plan was drilled last, how it went, and what has changed since.
#[must_use]
pub fn last(plan: &PlanName, past: Option<&Past>, now: Timestamp) -> String {
    let Some(Past { run, drill, drilled, changed }) = past else {
        return format!("Plan {plan} was never drilled. Next: lifeboat drill {plan}");
    };
    let commit = drilled.as_ref().and_then(|d| d.commit.as_ref());
    let commit = commit.map_or_else(String::new, |c| match c.strip_prefix("documents ") {
        Some(digest) => format!(" with documents {digest}"),
        None => format!(" at commit {c}"),
    });
    let since = changed.map_or_else(String::new, |changed| format!("; {}", since(changed)));
    format!(
        "Plan {plan} was last drilled {}{commit}, {}{since}. Run {run}.",
        ago(now.since(drill.at)),
        verdict(drill).replace(": ", ", ")
    )
}

/// What has changed since a drill.
fn since(changed: Changed) -> String {
    let Changed { edges, replicas, waits } = changed;
    let count = |n: usize, what: &str| (n > 0).then(|| words::count(n, what));
    let parts: Vec<String> = [count(edges, "edge"), count(replicas, "replica"), count(waits, "wait")]
        .into_iter()
        .flatten()
        .collect();
    if parts.is_empty() {
        "the plan is the same since".to_owned()
    } else {
        format!("{} changed since", parts.join(", "))
    }
}

/// The same for machines.
#[must_use]
pub fn last_json(plan: &PlanName, past: Option<&Past>) -> Value {
    let Some(Past { run, drill, drilled, changed }) = past else {
        return json!({ "plan": plan, "run": null });
    };
    json!({
        "plan": plan, "run": run, "at": drill.at, "passed": drill.verdict == Verdict::Passed, "ready": drill.ready,
        "of": drill.of, "took": drill.took, "commit": drilled.as_ref().and_then(|d| d.commit.as_ref()),
        "changed": changed, "hooksLeftOut": drilled.as_ref().map(|d| &d.hooks_left_out),
        "gatesLeftOut": drilled.as_ref().map(|d| &d.gates_left_out),
    })
}

/// What came of a drill, for machines; `null` where a run was none.
#[must_use]
pub fn story_json(story: Story<'_>) -> Value {
    let left = |left: &Left| {
        let copies: Vec<Value> =
            left.copies.iter().map(|(r, copy)| json!({ "replica": r, "copy": copy })).collect();
        json!({ "nothing": left.is_nothing(), "copies": copies, "unseen": left.unseen })
    };
    match crate::run::drill(story.progress, story.events) {
        Some(drill) => json!({
            "verdict": match drill.verdict {
                Verdict::Passed => "passed",
                Verdict::Failed => "failed",
                Verdict::Unfinished => "unfinished",
            },
            "ready": drill.ready, "of": drill.of, "took": drill.took,
            "madeOf": story.progress.plan().drilled,
            "left": left(&drill.left),
        }),
        None if matches!(story.progress.plan().purpose, Purpose::EndDrill { .. }) => {
            json!({ "left": left(&Left::of(story.progress.plan(), last_look(story.events).as_ref())) })
        }
        None => Value::Null,
    }
}

/// Copies that are there, each with what removes it; as a line, and for machines.
#[must_use]
pub fn left_over(workspace: &Workspace, inventory: &Inventory) -> Vec<(String, Value)> {
    let seen = inventory.replicas.iter().filter_map(|(name, o)| Some((name, &o.facts.as_ref()?.copy)));
    let there = seen.filter(|(_, copy)| !copy.is_nothing());
    let one = |(name, copy): (&crate::base::ReplicaName, &crate::domain::CopyFacts)| {
        let plan = workspace.plans.values().find(|p| p.sequence.iter().any(|e| e.replicas.contains(name)));
        // What is in no plan is removed with any of them.
        let plan = plan.or_else(|| workspace.plans.values().next());
        let plan = plan.map_or_else(|| "PLAN".to_owned(), |p| p.name.to_string());
        let runs = if copy.machine.runs() == Some(true) { "runs" } else { "is there" };
        let by = copy.by.as_ref().map_or_else(String::new, |run| format!(" of run {run}"));
        let line = format!(
            "A drill's copy of {name}{by} {runs}. Where that drill is over: lifeboat drill {plan} --clean"
        );
        (line, json!({ "replica": name, "copy": copy }))
    };
    there.map(one).collect()
}

/// A failover plan whose last drill is too long ago for a policy.
#[must_use]
pub fn stale(
    plan: &PlanName,
    past: Option<&Past>,
    (policy, rule): (&Policy, DrilledWithin),
    now: Timestamp,
) -> Option<Finding> {
    let days = |length: Duration| {
        let hours = length.as_millis() / 3_600_000;
        if hours >= 48 && hours.is_multiple_of(24) {
            format!("{} days", hours / 24)
        } else {
            length.to_string()
        }
    };
    let what = match past {
        None => "was never drilled".to_owned(),
        Some(past) if past.drill.verdict != Verdict::Passed => {
            format!("failed its last drill, {}", ago(now.since(past.drill.at)))
        }
        Some(past) if now.since(past.drill.at) > rule.within => {
            format!("was drilled {}", ago(now.since(past.drill.at)))
        }
        Some(_) => return None,
    };
    let message = format!(
        "failover plan `{plan}` {what}; policy `{}` asks for a drill every {}",
        policy.name,
        days(rule.within)
    );
    Some(Finding::new(Code::NotDrilled, message).help(format!("`lifeboat drill {plan}` tries it on copies")))
}
