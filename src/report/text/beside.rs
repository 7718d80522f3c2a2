//! What a plan does beside the machines: the programs that it runs, the questions that it asks, the names that it changes.

use super::Options;
use crate::domain::{Once, Spoken, Wait};
use crate::plan::{Around, Hook, LegId, NodeId, Plan, Work};
use crate::report::{table, words};
use std::collections::BTreeSet;

/// So many of them are listed unless everything is asked for.
const ONE_BY_ONE: usize = 12;

/// How many hooks, gates and names there are, in words.
#[must_use]
pub fn numbers(plan: &Plan) -> Vec<String> {
    let hooks = plan.nodes.iter().filter(|n| matches!(&n.work, Work::Hook(h) if !h.is_fence())).count();
    let fences = plan.nodes.iter().filter(|n| matches!(&n.work, Work::Hook(h) if h.is_fence())).count();
    let gates = plan.nodes.iter().filter(|n| matches!(n.work, Work::Gate(_))).count();
    let names = plan.nodes.iter().zip(plan.node_ids()).filter(|(_, id)| ordinary(plan, *id));
    let names = names.filter(|(n, _)| matches!(n.work, Work::Cutover(_))).count();
    let counted = [(fences, "fence"), (hooks, "hook"), (gates, "gate"), (names, "name")];
    counted.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| words::count(n, what)).collect()
}

/// The hooks, gates and names, in the order of the plan.
pub fn list(plan: &Plan, options: &Options, text: &mut String) {
    // What comes back without being waited for is never heard to be ready.
    let waited: BTreeSet<LegId> = plan
        .nodes
        .iter()
        .filter(|n| matches!(n.work, Work::Wait(Wait::Ready { .. })))
        .filter_map(|n| n.leg)
        .collect();
    let line = |(id, node): (NodeId, &crate::plan::Node)| match &node.work {
        Work::Cutover(cutover) if ordinary(plan, id) => {
            let once = match cutover.once {
                Once::Ready if node.leg.is_some_and(|leg| waited.contains(&leg)) => "once it is ready",
                Once::Started | Once::Ready => "once it is started",
            };
            let before = options.says.get(&id).map(Vec::as_slice);
            let otherwise = if cutover.required { "" } else { ", goes on without" };
            Some(format!("name  {}, {once}{otherwise}", words::cutover(cutover, before)))
        }

        Work::Hook(hook) => {
            let checked = if hook.script.check.is_some() { ", checked" } else { "" };
            let (kind, longest) = (words::hook_kind(hook), hook.script.within);
            let of = if hook.is_fence() { fenced(hook) } else { String::new() };
            Some(format!("{kind:<5} {}  ≤ {longest}{checked}{of}", words::hook(hook)))
        }
        Work::Gate(gate) => {
            let (who, silence) = (words::who(&gate.question), words::silence(gate.question.otherwise));
            let within = gate.question.within;
            Some(format!("gate  {}: \"{}\"  {who}, ≤ {within}; {silence}", gate.name, gate.question.ask))
        }
        Work::Act(_) | Work::Wait(_) | Work::Cutover(_) | Work::Join => None,
    };
    let lines: Vec<String> = plan.node_ids().zip(&plan.nodes).filter_map(line).collect();
    let shown = if options.all { lines.len() } else { ONE_BY_ONE };
    let room = options.room.map(|room| room.saturating_sub(2));
    for line in lines.iter().take(shown) {
        text.push_str(&format!("  {}\n", table::fitted(line, room)));
    }
    if lines.len() > shown {
        text.push_str(&format!("  … and {} more of these (--all shows them)\n", lines.len() - shown));
    }
}

/// How many replicas wait for a fence of many.
fn fenced(hook: &Hook) -> String {
    match hook.around {
        Around::Site(_) => format!("; before {}", words::count(hook.legs.len(), "replica")),
        Around::Plan(_) | Around::Entry(..) | Around::Replica(_) => String::new(),
    }
}

/// Whether a node is on the ordinary way, and not only there for a failure.
fn ordinary(plan: &Plan, id: NodeId) -> bool {
    let leg = plan.node(id).and_then(|n| n.leg).and_then(|leg| plan.leg(leg));
    leg.is_none_or(|leg| !leg.only_on_failure)
}

/// What a program said, line by line; the last ones where there are too many.
#[must_use]
pub fn spoken(spoken: &Spoken, most: usize) -> Vec<String> {
    let lines: Vec<&str> = spoken.text.lines().collect();
    let over = lines.len().saturating_sub(most);
    let left = if spoken.left_out > 0 {
        format!("{} before, ", words::bytes(spoken.left_out))
    } else {
        String::new()
    };
    let mut shown = Vec::new();
    if over > 0 || spoken.left_out > 0 {
        shown.push(format!("| … {left}{} not shown", words::count(over, "line")));
    }
    shown.extend(lines.into_iter().skip(over).map(|line| format!("| {line}")));
    shown
}
