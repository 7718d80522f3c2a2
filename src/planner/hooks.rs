//! Hooks as nodes: each stands before the first steps of what it is about, or after the last ones.
//!
//! A hook before something takes over what that waited for, so that it is run when the thing itself would have begun. One before a whole plan
//! waits for nothing: what is about all entries cannot wait for one of them. A hook after something passes on what that lets go on, but holds
//! nothing up where it fails.

use super::draft::{Draft, Placed, Wire};
use super::fences;
use super::legs::Placement;
use super::wiring::Group;
use crate::base::ReplicaName;
use crate::domain::{IfFailed, OperationKind, When};
use crate::model::{Hook, Hooks};
use crate::plan::{Around, Edge, LegId, NodeId, On, Work};
use std::collections::{BTreeMap, BTreeSet};

/// What a hook is about, as nodes.
#[derive(Debug, Default)]
struct Stretch {
    legs: Vec<LegId>,
    firsts: BTreeSet<NodeId>,
    lasts: BTreeSet<NodeId>,
    /// What is done before it on the same replicas.
    earlier: BTreeSet<NodeId>,
}

impl Stretch {
    /// The part of some replicas' ways that a hook is about: all of it, or the legs of one operation.
    fn of(placements: &[&Placement], kind: Option<OperationKind>) -> Self {
        let mut found = Self::default();
        for placement in placements {
            let fits = |(k, _): &&(OperationKind, Placed)| match kind {
                Some(kind) => *k == kind,
                None => true,
            };
            let mut before = None;
            let own: Vec<&Placed> = placement.legs.iter().filter(fits).map(|(_, p)| p).collect();
            for (_, leg) in &placement.legs {
                if own.first().is_some_and(|first| first.leg == leg.leg) {
                    break;
                }
                before = Some(leg.last);
            }
            if let (Some(first), Some(last)) = (own.first(), own.last()) {
                found.legs.extend(own.iter().map(|p| p.leg));
                found.firsts.insert(first.first);
                found.lasts.insert(last.last);
                found.earlier.extend(before);
            }
        }
        found
    }
}

/// The stretches of a hook: one for each operation that it names, or one for the whole way.
fn stretches(hook: &Hook, placements: &[&Placement]) -> Vec<(Option<OperationKind>, Stretch)> {
    let kinds: Vec<Option<OperationKind>> = if hook.operations.is_empty() {
        // A run that only replicates asks for no hook that does not name it, and a drill neither.
        let apart = |kind: OperationKind| kind == OperationKind::Replicate || kind.is_of_copy();
        if placements.iter().flat_map(|p| &p.legs).all(|(kind, _)| apart(*kind)) {
            Vec::new()
        } else {
            vec![None]
        }
    } else {
        hook.operations.iter().copied().map(Some).collect()
    };
    let each = kinds.into_iter().map(|kind| (kind, Stretch::of(placements, kind)));
    each.filter(|(_, stretch)| !stretch.legs.is_empty()).collect()
}

/// Places all hooks of the failover plan: its own and those of its entries.
pub fn of_plan(draft: &mut Draft, group: &Group<'_>, gates: &[NodeId]) {
    let all: Vec<&Placement> = group.entries.iter().flatten().collect();
    whole(draft, group, &all, gates);
    for (entry, placements) in group.plan.sequence.iter().zip(&group.entries) {
        let around = Around::Entry(group.plan.name.clone(), entry.name.clone());
        place(draft, &entry.hooks, &placements.iter().collect::<Vec<_>>(), &around);
    }
}

/// Places the hooks of one replica.
pub fn of_replica(draft: &mut Draft, hooks: &Hooks, replica: &ReplicaName, placement: &Placement) {
    place(draft, hooks, &[placement], &Around::Replica(replica.clone()));
}

/// The last hook of a list so far, for each operation. Hooks of one list follow each other where they are about the same: between different
/// operations the plan's own order counts, and another one would be a circle.
type Latest = BTreeMap<Option<OperationKind>, NodeId>;

/// The hooks around a whole plan.
fn whole(draft: &mut Draft, group: &Group<'_>, all: &[&Placement], gates: &[NodeId]) {
    let around = Around::Plan(group.plan.name.clone());
    let mut latest = Latest::new();
    for hook in &group.plan.hooks.before {
        for (kind, stretch) in stretches(hook, all) {
            let node = push(draft, hook, When::Before, (&around, kind, &stretch));
            let before = latest.get(&kind).or_else(|| latest.get(&None)).copied();
            let earlier: Vec<NodeId> = stretch.earlier.iter().copied().chain(before).collect();
            draft.wire(&earlier, &[node], Wire::DONE);
            let mut later: Vec<NodeId> = stretch.firsts.iter().copied().collect();
            later.extend(gates.iter().filter(|_| kind.is_none()));
            later.extend(fences::within(group.fences, &stretch.legs.iter().copied().collect()));
            draft.wire(&[node], &later, Wire::DONE);
            latest.insert(kind, node);
        }
    }
    let mut latest = Latest::new();
    for hook in &group.plan.hooks.after {
        for (kind, stretch) in stretches(hook, all) {
            let node = push(draft, hook, When::After, (&around, kind, &stretch));
            let mut earlier: Vec<NodeId> = stretch.lasts.iter().copied().collect();
            earlier.extend(gates.iter().filter(|_| kind.is_none()));
            draft.wire(&earlier, &[node], Wire::DONE);
            follow(draft, &mut latest, kind, node);
        }
    }
}

/// A hook after another one is run also where that one failed.
fn follow(draft: &mut Draft, latest: &mut Latest, kind: Option<OperationKind>, node: NodeId) {
    if let Some(before) = latest.insert(kind, node) {
        draft.edge(before, node, Wire { if_failed: IfFailed::Continue, ..Wire::DONE });
    }
}

/// The hooks around an entry or a replica.
fn place(draft: &mut Draft, hooks: &Hooks, placements: &[&Placement], around: &Around) {
    for hook in &hooks.before {
        for (kind, stretch) in stretches(hook, placements) {
            let node = push(draft, hook, When::Before, (around, kind, &stretch));
            // Whatever the first steps waited for, the hook waits for; and they wait for the hook.
            draft.redirect(&stretch.firsts, node);
            let firsts: Vec<NodeId> = stretch.firsts.into_iter().collect();
            draft.wire(&[node], &firsts, Wire::DONE);
        }
    }
    // What waited for the last steps before any of these hooks was there; the hooks themselves follow each other.
    let there = draft.edges.len();
    let mut latest = Latest::new();
    for hook in &hooks.after {
        for (kind, stretch) in stretches(hook, placements) {
            let node = push(draft, hook, When::After, (around, kind, &stretch));
            let own = |e: &&Edge| e.on == On::Done && stretch.lasts.contains(&e.from);
            let waiting: Vec<Edge> = draft.edges.iter().take(there).filter(own).copied().collect();
            for edge in waiting {
                let wire = Wire { plus: edge.plus, if_failed: IfFailed::Continue, ..Wire::DONE };
                draft.edge(node, edge.to, wire);
            }
            let lasts: Vec<NodeId> = stretch.lasts.into_iter().collect();
            draft.wire(&lasts, &[node], Wire::DONE);
            follow(draft, &mut latest, kind, node);
        }
    }
}

fn push(
    draft: &mut Draft,
    hook: &Hook,
    when: When,
    about: (&Around, Option<OperationKind>, &Stretch),
) -> NodeId {
    let (around, operation, stretch) = about;
    let work = Work::Hook(Box::new(crate::plan::Hook {
        name: hook.name.clone(),
        when,
        around: around.clone(),
        operation,
        legs: stretch.legs.clone(),
        script: hook.script.clone(),
    }));
    let node = draft.node(work, None, &crate::inventory::Typical::default());
    if let Some(made) = draft.nodes.get_mut(node.index()) {
        made.typical = hook.typical;
        made.attempts = hook.attempts;
    }
    node
}
