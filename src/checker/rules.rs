//! Plans held against the rules of policies: who surely comes up before whom, and how many may be down at once.
//!
//! A plan fixes an order in part, so its middle states are many. Both questions are answered for all of them at once: "surely before"
//! goes along edges that stop where something fails, and the most that can be down together is the largest set of outages of which none
//! surely ends before another begins.

use super::{Track, tracks};
use crate::base::ReplicaName;
use crate::domain::{Action, Demand, Facts, IfFailed, Is, OperationKind, Role, State, Wait, effect};
use crate::inventory::Inventory;
use crate::plan::{Adjacency, Breach, Gap, LegId, NodeId, On, Plan, Work};
use std::collections::{BTreeMap, BTreeSet};

/// How many marks one pass over the plan carries along.
const MARKS: usize = 64;

/// Whether a plan breaks what a rule demands; where it does so more than once, the first place by name.
#[must_use]
pub fn breach(plan: &Plan, inventory: &Inventory, demand: &Demand) -> Option<Breach> {
    match demand {
        Demand::Before { first, then, is } => before(plan, (first, then), *is),
        Demand::AtMostDown { of, count } => at_most_down(plan, inventory, of, *count),
        Demand::Approved { .. } => None,
    }
}

/// Whether a plan is one that is carried out with approvals alone. Every operation counts, also one that runs on a failure only.
#[must_use]
pub fn is_approved(plan: &Plan, demand: &Demand) -> bool {
    let Demand::Approved { operations, of, .. } = demand else { return false };
    let selected = |replica: &ReplicaName| of.as_ref().is_none_or(|names| names.contains(replica));
    let permanent = permanent(plan);
    (0..).map(LegId).zip(&plan.legs).any(|(id, leg)| {
        let kind = leg.operation.kind();
        let wanted = operations.is_empty()
            || operations.contains(&kind)
            || (permanent.contains(&id) && operations.contains(&OperationKind::PermanentFailover));
        selected(&leg.replica) && wanted
    })
}

/// The legs that take the way back away for good, by what they do and not by what they are called.
#[must_use]
pub fn permanent(plan: &Plan) -> BTreeSet<LegId> {
    let does = plan.nodes.iter().filter_map(|node| match &node.work {
        Work::Act(step) if matches!(step.action, Action::Merge | Action::Exclude) => node.leg,
        Work::Act(_) | Work::Wait(_) | Work::Hook(_) | Work::Cutover(_) | Work::Gate(_) | Work::Join => None,
    });
    let said = (0..).map(LegId).zip(&plan.legs).filter(|(_, leg)| {
        leg.operation.kind() == OperationKind::PermanentFailover || leg.to == State::Permanent
    });
    does.chain(said.map(|(id, _)| id)).collect()
}

/// A machine that a plan starts.
#[derive(Debug, Clone, Copy)]
struct Up {
    role: Role,
    start: Option<NodeId>,
    ready: Option<NodeId>,
}

impl Up {
    fn reached(self, is: Is) -> Option<NodeId> {
        match is {
            Is::Started => self.start,
            // A rule asks for no more than that.
            Is::Ready | Is::Committed => self.ready.or(self.start),
        }
    }
}

/// The machines that a replica's ordinary way starts, each with the first wait for its readiness.
fn ups(plan: &Plan, track: &Track<'_>) -> Vec<Up> {
    let mut found: Vec<Up> = Vec::new();
    for id in track.normal.iter().copied() {
        match plan.node(id).map(|n| &n.work) {
            Some(Work::Act(step)) => {
                if let Action::PowerOn { vm } = step.action {
                    found.push(Up { role: vm, start: Some(id), ready: None });
                }
            }
            Some(Work::Wait(Wait::Ready { vm, .. })) => {
                match found.iter_mut().rev().find(|u| u.role == *vm) {
                    Some(up) => drop(up.ready.get_or_insert(id)),
                    // It runs already, and whether it is ready is still waited for.
                    None if !commits(plan, id) => found.push(Up { role: *vm, start: None, ready: Some(id) }),
                    None => {}
                }
            }
            Some(
                Work::Wait(Wait::Until { .. } | Wait::Quiet { .. })
                | Work::Hook(_)
                | Work::Gate(_)
                | Work::Cutover(_)
                | Work::Join,
            )
            | None => {}
        }
    }
    found
}

/// Whether a wait is asked before a commit: the machine came up in an earlier plan, and was ready then.
fn commits(plan: &Plan, node: NodeId) -> bool {
    let leg = plan.node(node).and_then(|n| n.leg).and_then(|l| plan.leg(l));
    leg.is_some_and(|l| l.operation.kind() == OperationKind::CommitFailback)
}

fn before(plan: &Plan, (first, then): (&[ReplicaName], &[ReplicaName]), is: Is) -> Option<Breach> {
    let tracks = tracks(plan);
    let of = |names: &[ReplicaName]| {
        let names: BTreeSet<&ReplicaName> = names.iter().collect();
        let wanted = tracks.iter().filter(move |t| names.contains(&t.member.replica));
        let mut found: Vec<(&ReplicaName, Up)> =
            wanted.flat_map(|t| ups(plan, t).into_iter().map(|up| (&t.member.replica, up))).collect();
        found.sort_by_key(|(name, up)| (*name, up.start));
        found
    };
    let marks: Vec<(&ReplicaName, Role, NodeId)> =
        of(first).into_iter().filter_map(|(name, up)| Some((name, up.role, up.reached(is)?))).collect();
    let starts: Vec<(&ReplicaName, Role, NodeId)> =
        of(then).into_iter().filter_map(|(name, up)| Some((name, up.role, up.start?))).collect();
    let adjacency = Adjacency::new(plan.nodes.len(), &plan.edges);
    let mut early: Option<(&ReplicaName, NodeId, &ReplicaName, NodeId)> = None;
    let mut count = 0;
    for chunk in marks.chunks(MARKS).filter(|_| !starts.is_empty()) {
        let nodes: Vec<NodeId> = chunk.iter().map(|(_, _, node)| *node).collect();
        let surely = carried(plan, &adjacency, &nodes, Carry::Surely);
        for (replica, role, start) in &starts {
            let passed = surely.get(start.index()).copied().unwrap_or(0);
            for (bit, (name, _, node)) in chunk.iter().enumerate().filter(|(_, m)| m.1 == *role) {
                if passed & (1 << bit) == 0 && name != replica {
                    count += 1;
                    early.get_or_insert((replica, *start, name, *node));
                }
            }
        }
    }
    let (replica, start, first, node) = early?;
    let somehow = carried(plan, &adjacency, &[leg_start(plan, node)], Carry::Somehow);
    let leads = somehow.get(start.index()).is_some_and(|mask| *mask != 0);
    Some(Breach::Early {
        replica: replica.clone(),
        start,
        first: first.clone(),
        is,
        gap: if leads { Gap::Weak } else { Gap::Nothing },
        more: count - 1,
    })
}

fn leg_start(plan: &Plan, node: NodeId) -> NodeId {
    plan.node(node).and_then(|n| n.leg).and_then(|l| plan.leg(l)).map_or(node, |leg| leg.first)
}

/// What a pass over the plan carries along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carry {
    /// The marks that are surely done before a node starts.
    Surely,
    /// The marks that lead to a node by any edges, also such as wait for less.
    Somehow,
}

/// For each node the marks that lead to it. Edges lead forward, so one pass in the order of the nodes is enough.
fn carried(plan: &Plan, adjacency: &Adjacency, marks: &[NodeId], how: Carry) -> Vec<u64> {
    let mut own: BTreeMap<NodeId, u64> = BTreeMap::new();
    for (bit, node) in marks.iter().take(MARKS).enumerate() {
        *own.entry(*node).or_default() |= 1 << bit;
    }
    let mut passed = vec![0u64; plan.nodes.len()];
    for node in plan.node_ids() {
        let incoming = adjacency.incoming(node).iter().filter_map(|e| plan.edges.get(*e as usize));
        // Of a meeting point that needs only some of its edges, what all of them bring along is sure.
        let some = how == Carry::Surely && plan.node(node).is_some_and(|n| n.needs.is_some());
        let mut mask = if some { u64::MAX } else { 0 };
        for edge in incoming {
            let before = passed.get(edge.from.index()).copied().unwrap_or(0);
            let itself = own.get(&edge.from).copied().unwrap_or(0);
            let brings = match (how, edge.on, edge.if_failed) {
                (Carry::Surely, _, IfFailed::Continue) | (Carry::Surely, On::Failed, _) => 0,
                (Carry::Surely, On::Started, IfFailed::Block | IfFailed::Stop) => before,
                (Carry::Surely, On::Done, IfFailed::Block | IfFailed::Stop) => before | itself,
                (Carry::Somehow, _, _) => before | itself,
            };
            mask = if some { mask & brings } else { mask | brings };
        }
        if let Some(cell) = passed.get_mut(node.index()) {
            *cell = mask;
        }
    }
    passed
}

/// A stretch in which no machine of a replica runs.
#[derive(Debug, Clone, Copy)]
struct Outage<'a> {
    replica: &'a ReplicaName,
    /// The step with which it begins; `None` where it was there before the plan.
    from: Option<NodeId>,
    /// The step with which it ends; `None` where the plan does not end it.
    until: Option<NodeId>,
}

fn runs(facts: &Facts) -> bool {
    [Role::Source, Role::Replica, Role::Target].iter().any(|role| facts.vm(*role).runs() == Some(true))
}

/// The outages of a replica on its ordinary way. A machine that is waited for is down until it is ready.
fn outages<'a>(plan: &Plan, inventory: &Inventory, track: &Track<'a>) -> Vec<Outage<'a>> {
    let replica = &track.member.replica;
    let Some(mut facts) = inventory.replicas.get(replica).and_then(|o| o.facts.clone()) else {
        return vec![Outage { replica, from: None, until: None }];
    };
    let mut found: Vec<Outage<'a>> = Vec::new();
    let mut open = (!runs(&facts)).then_some(Outage { replica, from: None, until: None });
    for id in track.normal.iter().copied() {
        let Some(Work::Act(step)) = plan.node(id).map(|n| &n.work) else { continue };
        facts = effect(&step.action, facts, inventory.at);
        match (open, runs(&facts)) {
            (None, false) => open = Some(Outage { replica, from: Some(id), until: None }),
            (Some(outage), true) => {
                found.push(Outage { until: Some(id), ..outage });
                open = None;
            }
            (None, true) | (Some(_), false) => {}
        }
    }
    found.extend(open);
    let ups = ups(plan, track);
    let ready = |start| ups.iter().find(|u| u.start == Some(start)).and_then(|u| u.reached(Is::Ready));
    for outage in &mut found {
        outage.until = outage.until.map(|start| ready(start).unwrap_or(start));
    }
    found
}

fn at_most_down(plan: &Plan, inventory: &Inventory, of: &[ReplicaName], count: u32) -> Option<Breach> {
    let wanted: BTreeSet<&ReplicaName> = of.iter().collect();
    let tracks = tracks(plan);
    let moving: Vec<&Track<'_>> = tracks.iter().filter(|t| wanted.contains(&t.member.replica)).collect();
    let moves: BTreeSet<&ReplicaName> = moving.iter().map(|t| &t.member.replica).collect();
    let facts = |name: &ReplicaName| inventory.replicas.get(name).and_then(|o| o.facts.as_ref());
    // What cannot be seen counts as down: nobody knows better.
    let resting: Vec<&ReplicaName> =
        wanted.iter().copied().filter(|r| !moves.contains(r) && !facts(r).is_some_and(runs)).collect();
    let outages: Vec<Outage<'_>> = moving.iter().flat_map(|t| outages(plan, inventory, t)).collect();
    let at_first = resting.len() + outages.iter().filter(|o| o.from.is_none()).count();
    let allowed = usize::try_from(count).unwrap_or(usize::MAX).max(at_first);
    if resting.len() + outages.len() <= allowed {
        return None;
    }
    let together = most_together(plan, &outages);
    if resting.len() + together.len() <= allowed {
        return None;
    }
    let from = together.iter().filter_map(|o| o.from).max()?;
    let until = together.iter().filter_map(|o| o.until).min();
    let mut down: Vec<ReplicaName> = resting.into_iter().cloned().collect();
    down.extend(together.iter().map(|o| o.replica.clone()));
    down.sort();
    Some(Breach::TooManyDown { down, allowed: count, from, until })
}

/// The largest set of outages of which none surely ends before another begins: all of them can be at one moment. It is found as
/// the smallest number of chains that hold all outages, by matching each with one that surely comes after it (Dilworth, König).
fn most_together<'a>(plan: &Plan, outages: &[Outage<'a>]) -> Vec<Outage<'a>> {
    let adjacency = Adjacency::new(plan.nodes.len(), &plan.edges);
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); outages.len()];
    let ended: Vec<(usize, NodeId)> =
        outages.iter().enumerate().filter_map(|(i, o)| Some((i, o.until?))).collect();
    for chunk in ended.chunks(MARKS) {
        let nodes: Vec<NodeId> = chunk.iter().map(|(_, node)| *node).collect();
        let surely = carried(plan, &adjacency, &nodes, Carry::Surely);
        for (later, from) in outages.iter().enumerate().filter_map(|(i, o)| Some((i, o.from?))) {
            let passed = surely.get(from.index()).copied().unwrap_or(0);
            for (_, (earlier, _)) in chunk.iter().enumerate().filter(|(bit, _)| passed & (1 << bit) != 0) {
                if let Some(row) = after.get_mut(*earlier) {
                    row.push(later);
                }
            }
        }
    }
    apart(&after).into_iter().filter_map(|i| outages.get(i)).copied().collect()
}

/// The largest set of which none comes after another; `after` holds for each one all that come after it.
fn apart(after: &[Vec<usize>]) -> Vec<usize> {
    let matching = Matching::greatest(after);
    let (left, right) = matching.reached(after);
    (0..after.len()).filter(|i| left.get(*i) == Some(&true) && right.get(*i) == Some(&false)).collect()
}

/// Who comes next after whom, each at most once on either side.
struct Matching {
    next: Vec<Option<usize>>,
    previous: Vec<Option<usize>>,
}

impl Matching {
    fn greatest(after: &[Vec<usize>]) -> Self {
        let mut matching = Self { next: vec![None; after.len()], previous: vec![None; after.len()] };
        for start in 0..after.len() {
            matching.augment(after, start);
        }
        matching
    }

    /// Finds a partner for one more, re-arranging the others where that helps: a breadth-first walk over alternating steps.
    fn augment(&mut self, after: &[Vec<usize>], start: usize) {
        let mut came: Vec<Option<usize>> = vec![None; after.len()];
        let mut open = std::collections::VecDeque::from([start]);
        while let Some(left) = open.pop_front() {
            for right in after.get(left).into_iter().flatten().copied() {
                match came.get_mut(right) {
                    Some(cell) if cell.is_none() => *cell = Some(left),
                    _ => continue,
                }
                match self.previous.get(right).copied().flatten() {
                    Some(taken) => open.push_back(taken),
                    None => return self.turn(&came, right),
                }
            }
        }
    }

    /// Takes the steps of an augmenting way, from its end back to its start.
    fn turn(&mut self, came: &[Option<usize>], end: usize) {
        let mut right = Some(end);
        while let Some(at) = right {
            let Some(left) = came.get(at).copied().flatten() else { return };
            right = self.next.get_mut(left).and_then(|next| next.replace(at));
            if let Some(previous) = self.previous.get_mut(at) {
                *previous = Some(left);
            }
        }
    }

    /// What alternating steps reach from those without a next one: on the left, and on the right.
    fn reached(&self, after: &[Vec<usize>]) -> (Vec<bool>, Vec<bool>) {
        let mut left: Vec<bool> = self.next.iter().map(Option::is_none).collect();
        let mut right = vec![false; after.len()];
        let mut open: Vec<usize> = (0..after.len()).filter(|i| left.get(*i) == Some(&true)).collect();
        while let Some(at) = open.pop() {
            for to in after.get(at).into_iter().flatten().copied() {
                if let Some(cell) = right.get_mut(to).filter(|met| !**met) {
                    *cell = true;
                    let Some(previous) = self.previous.get(to).copied().flatten() else { continue };
                    if let Some(cell) = left.get_mut(previous).filter(|met| !**met) {
                        *cell = true;
                        open.push(previous);
                    }
                }
            }
        }
        (left, right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Who comes after whom, with everything that follows from it.
    fn closed(pairs: &[(usize, usize)], count: usize) -> Vec<Vec<usize>> {
        let mut after = vec![BTreeSet::new(); count];
        for from in (0..count).rev() {
            for (_, to) in pairs.iter().filter(|(a, b)| *a == from && *b > from) {
                let more = after[*to].clone();
                after[from].extend(more);
                after[from].insert(*to);
            }
        }
        after.into_iter().map(|row| row.into_iter().collect()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(600))]

        #[test]
        fn no_larger_set_is_apart_than_the_one_that_is_found(
            count in 0..11usize,
            pairs in prop::collection::vec((0..11usize, 0..11usize), 0..30),
        ) {
            let pairs: Vec<_> = pairs.into_iter().filter(|(a, b)| *a < count && *b < count).collect();
            let after = closed(&pairs, count);
            let lone = |set: &[usize]| set.iter().all(|i| set.iter().all(|j| !after[*i].contains(j)));
            let found = apart(&after);
            prop_assert!(lone(&found));
            let all = (0..1usize << count).map(|bits| (0..count).filter(|i| bits & (1 << i) != 0).collect::<Vec<_>>());
            let most = all.filter(|set| lone(set)).map(|set| set.len()).max().unwrap();
            prop_assert_eq!(found.len(), most);
        }
    }
}
