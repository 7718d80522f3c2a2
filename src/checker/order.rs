//! One order for the actions on one replica, and nothing irreversible before what it depends on.
//!
//! "Behind" means: along edges that ask for *done* and that stop where it failed. An edge that goes on after a failure
//! (`continue`) gives no order here, for the next action would then meet other facts than those it was checked with.

use super::{Rescue, Track, is_action};
use crate::domain::IfFailed;
use crate::plan::{Adjacency, Edge, NodeId, On, Plan, Violation, Work};

/// How many nodes one question may look at. The actions of one replica are each other's neighbours in any sensible plan;
/// where they are farther apart than this, the answer is no, which refuses the plan and harms nobody.
const FARTHEST: usize = 4_096;

/// Answers whether a node is surely done before another one starts.
pub struct Reach<'a> {
    plan: &'a Plan,
    adjacency: Adjacency,
    /// For each node the last question that met it.
    met: Vec<u32>,
    question: u32,
}

impl<'a> Reach<'a> {
    /// Prepares the questions.
    pub fn new(plan: &'a Plan, adjacency: Adjacency) -> Self {
        Self { plan, adjacency, met: vec![0; plan.nodes.len()], question: 0 }
    }

    /// Whether `early` is done before `late` starts.
    pub(super) fn surely(&mut self, early: NodeId, late: NodeId) -> bool {
        self.reaches(early, late, |edge| edge.if_failed != IfFailed::Continue)
    }

    /// Whether nothing more becomes of `early` when `late` starts: it is done, or it failed, or it will not run.
    pub(super) fn over(&mut self, early: NodeId, late: NodeId) -> bool {
        self.reaches(early, late, |_| true)
    }

    fn reaches(&mut self, early: NodeId, late: NodeId, counts: fn(&Edge) -> bool) -> bool {
        if early == late {
            return true;
        }
        self.question += 1;
        let mut open = vec![late];
        let mut looked = 0;
        while let Some(at) = open.pop() {
            looked += 1;
            if looked > FARTHEST {
                return false;
            }
            // Of a meeting point that needs only some of its edges, none is sure.
            if self.plan.node(at).is_some_and(|n| n.needs.is_some()) {
                continue;
            }
            for edge in self.adjacency.incoming(at).iter().filter_map(|e| self.plan.edges.get(*e as usize)) {
                let strong = edge.on == On::Done && counts(edge);
                if strong && edge.from == early {
                    return true;
                }
                // Numbers grow along edges, so nothing before `early` can lead to it.
                if let Some(met) = self.met.get_mut(edge.from.index())
                    && strong
                    && edge.from > early
                    && *met != self.question
                {
                    *met = self.question;
                    open.push(edge.from);
                }
            }
        }
        false
    }
}

/// What is out of order on one replica.
pub fn violations(plan: &Plan, track: &Track<'_>, reach: &mut Reach<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    chain(plan, &track.normal, reach, &mut found);
    too_early(plan, &track.normal, reach, &mut found);
    for rescue in &track.on_failure {
        chain(plan, &rescue.nodes, reach, &mut found);
        too_early(plan, &rescue.nodes, reach, &mut found);
        apart(plan, track, rescue, reach, &mut found);
    }
    found
}

/// Each action is behind the one before it.
fn chain(plan: &Plan, nodes: &[NodeId], reach: &mut Reach<'_>, found: &mut Vec<Violation>) {
    let actions = || nodes.iter().copied().filter(|n| is_action(plan, *n));
    for (early, late) in actions().zip(actions().skip(1)) {
        // A copy is taken away whatever became of it; before that nothing is done to it any more.
        let ordered = if removes(plan, late) { reach.over(early, late) } else { reach.surely(early, late) };
        if !ordered {
            found.push(Violation::Unordered(early, late));
        }
    }
}

fn removes(plan: &Plan, node: NodeId) -> bool {
    matches!(plan.node(node).map(|n| &n.work), Some(Work::Act(step)) if step.action.removes_copy())
}

/// An irreversible action is behind every wait of its replica that stands before it, and behind the beginning of its own leg:
/// a wait is how a plan asks whether all is well.
fn too_early(plan: &Plan, nodes: &[NodeId], reach: &mut Reach<'_>, found: &mut Vec<Violation>) {
    let mut gates: Vec<NodeId> = Vec::new();
    for id in nodes.iter().copied() {
        let Some(node) = plan.node(id) else { continue };
        match &node.work {
            Work::Wait(_) => gates.push(id),
            Work::Act(step) if step.action.irreversible() => {
                let first = node.leg.and_then(|l| plan.leg(l)).map(|l| l.first);
                let missed = gates.iter().copied().chain(first).find(|before| !reach.surely(*before, id));
                found.extend(missed.map(|before| Violation::TooEarly { node: id, before }));
            }
            Work::Act(_) | Work::Hook(_) | Work::Gate(_) | Work::Cutover(_) | Work::Join => {}
        }
    }
}

/// What runs on a failure must not meet the ordinary way: the next action there is behind the node whose failure starts it.
fn apart(plan: &Plan, track: &Track<'_>, rescue: &Rescue, reach: &mut Reach<'_>, found: &mut Vec<Violation>) {
    for failing in rescue.after.iter().copied() {
        let next = track.normal.iter().copied().find(|n| *n > failing && is_action(plan, *n));
        if let Some(next) = next
            && !reach.surely(failing, next)
        {
            found.push(Violation::Unordered(failing, next));
        }
    }
}
