//! Entries do not wait for each other in a circle. The shortest circle of each knot is shown, its edges in walking order.

use crate::diag::{Code, Finding};
use crate::document::{Key, Kind};
use crate::model::{FailoverPlan, Origins, Workspace};
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::{BTreeSet, VecDeque};

/// How many edges of a circle are shown with their places.
const SHOWN: usize = 8;

/// Finds circles in failover plans.
pub fn check(workspace: &Workspace, origins: &Origins, findings: &mut Vec<Finding>) {
    for plan in workspace.plans.values() {
        let edges = edges(plan);
        let graph = DiGraph::<(), (), usize>::from_edges(edges.iter().map(|(from, to, _)| (*from, *to)));
        let looped: BTreeSet<usize> = edges.iter().filter(|(f, t, _)| f == t).map(|(f, _, _)| *f).collect();
        for knot in kosaraju_scc(&graph) {
            let mut members: Vec<usize> = knot.iter().map(|n: &NodeIndex<usize>| n.index()).collect();
            members.sort_unstable();
            if members.len() == 1 && !members.iter().any(|n| looped.contains(n)) {
                continue;
            }
            findings.push(finding(plan, origins, &shortest(&members, &edges)));
        }
    }
}

/// The edges of a plan, from the one that waits to the one that it waits for, each with its position in `after`.
fn edges(plan: &FailoverPlan) -> Vec<(usize, usize, Option<usize>)> {
    let mut found = Vec::new();
    for (position, entry) in plan.sequence.iter().enumerate() {
        match &entry.after {
            // A gate waits for all entries before it.
            None if entry.gate.is_some() => {
                found.extend((0..position).map(|before| (position, before, None)))
            }
            None => found.extend(position.checked_sub(1).map(|before| (position, before, None))),
            Some(after) => {
                found.extend(after.iter().enumerate().map(|(i, a)| (position, a.entry, Some(i))));
            }
        }
    }
    found
}

/// The shortest circle within a knot: a breadth-first walk from its first member back to itself.
fn shortest(
    members: &[usize],
    edges: &[(usize, usize, Option<usize>)],
) -> Vec<(usize, usize, Option<usize>)> {
    let inside = |n: &usize| members.binary_search(n).is_ok();
    let from = |n: usize| edges.iter().filter(move |(f, t, _)| *f == n && inside(t));
    let mut best: Vec<(usize, usize, Option<usize>)> = Vec::new();
    // In a very large knot the circle through its first members is short enough to be understood.
    for start in members.iter().take(64) {
        let mut came: std::collections::BTreeMap<usize, (usize, usize, Option<usize>)> = Default::default();
        let mut open = VecDeque::from([*start]);
        'walk: while let Some(node) = open.pop_front() {
            for edge in from(node) {
                if edge.1 == *start {
                    let mut circle = vec![*edge];
                    let mut at = node;
                    while at != *start {
                        let Some(before) = came.get(&at) else { break };
                        circle.push(*before);
                        at = before.0;
                    }
                    circle.reverse();
                    if best.is_empty() || circle.len() < best.len() {
                        best = circle;
                    }
                    break 'walk;
                }
                if let std::collections::btree_map::Entry::Vacant(entry) = came.entry(edge.1) {
                    entry.insert(*edge);
                    open.push_back(edge.1);
                }
            }
        }
    }
    best
}

fn finding(plan: &FailoverPlan, origins: &Origins, circle: &[(usize, usize, Option<usize>)]) -> Finding {
    let name = |n: usize| plan.sequence.get(n).map_or("?", |e| e.name.as_str());
    let mut way: Vec<&str> = circle.iter().map(|(from, _, _)| name(*from)).collect();
    way.extend(circle.first().map(|(from, _, _)| name(*from)));
    let message = format!("entries wait for each other: {}", way.join(" → "));
    let mut finding = Finding::new(Code::Cycle, message);
    for (number, (from, to, after)) in circle.iter().take(SHOWN).enumerate() {
        let entry = [Key::Name("spec"), Key::Name("sequence"), Key::Index(*from)];
        let key = plan.sequence.get(*to).map_or("group", crate::model::Entry::key);
        let path = match after {
            Some(i) => [&entry[..], &[Key::Name("after"), Key::Index(*i), Key::Name(key)]].concat(),
            None => entry.to_vec(),
        };
        let how = if after.is_some() { "" } else { " by the order of the list" };
        let text = format!("{}. `{}` waits for `{}`{how}", number + 1, name(*from), name(*to));
        finding = finding.at(origins.at(Kind::FailoverPlan, plan.name.as_str(), &path), text);
    }
    if circle.len() > SHOWN {
        finding = finding.help(format!("and {} more", circle.len() - SHOWN));
    }
    finding.help("remove one of these edges")
}
