//! Every node of a plan: what it does, why it is there, what it waits for.

use crate::plan::{Adjacency, Edge, NodeId, On, Plan, Work};
use crate::report::{table, words};

/// So many things that a node waits for are named.
const NAMED: usize = 4;

/// The list of all nodes.
#[must_use]
pub fn list(plan: &Plan, room: Option<usize>) -> String {
    let adjacency = Adjacency::new(plan.nodes.len(), &plan.edges);
    let mut text = String::new();
    let mut met = vec![false; plan.legs.len()];
    let wide = plan.nodes.len().to_string().len() + 1;
    for (id, node) in plan.node_ids().zip(&plan.nodes) {
        if let Some(leg) = node.leg
            && let Some(met) = met.get_mut(leg.index())
            && !std::mem::replace(met, true)
            && let Some(leg) = plan.leg(leg)
        {
            let operation = words::leg(plan, leg);
            let why = words::why(&leg.why);
            text.push_str(&format!("  {}: {operation} to {}, {why}\n", leg.replica, leg.to));
        }
        let what = match &node.work {
            Work::Act(step) => format!("{}: {}", step.replica, words::action(&step.action)),
            Work::Wait(wait) => format!("wait: {}", words::wait(wait)),
            Work::Hook(hook) => format!("{}: {}", words::hook_kind(hook), words::hook(hook)),
            Work::Gate(gate) => format!("gate: {}", words::gate(gate)),
            Work::Cutover(cutover) => format!("name: {}", words::cutover(cutover, None)),
            Work::Join => words::join(node.needs),
        };
        let irreversible = matches!(&node.work, Work::Act(step) if step.action.irreversible());
        let mark = if irreversible { '^' } else { ' ' };
        let after = after(plan, &adjacency, id);
        let line = format!("  {mark} {:>wide$}  {what}{after}", id.to_string());
        text.push_str(&table::fitted(&line, room));
        text.push('\n');
    }
    text
}

fn after(plan: &Plan, adjacency: &Adjacency, id: NodeId) -> String {
    let edges: Vec<&Edge> =
        adjacency.incoming(id).iter().filter_map(|e| plan.edges.get(*e as usize)).collect();
    // The step right above it needs no word.
    if let [one] = edges.as_slice()
        && one.from.0 + 1 == id.0
        && one.on == On::Done
        && one.plus.as_millis() == 0
    {
        return String::new();
    }
    if edges.is_empty() {
        return String::new();
    }
    let mut named: Vec<String> = edges.iter().take(NAMED).map(|e| edge(e)).collect();
    if edges.len() > NAMED {
        named.push(format!("{} more", edges.len() - NAMED));
    }
    format!("   (after {})", named.join(", "))
}

fn edge(edge: &Edge) -> String {
    let plus = if edge.plus.as_millis() == 0 { String::new() } else { format!(" + {}", edge.plus) };
    match edge.on {
        On::Done => format!("{}{plus}", edge.from),
        On::Started => format!("{} has started{plus}", edge.from),
        On::Failed => format!("{} has failed{plus}", edge.from),
    }
}
