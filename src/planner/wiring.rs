//! The edges between the replicas of one failover plan.
//!
//! Four kinds of operation move the serving machine: starts (failover, planned failover), switchovers, undo failover and undo
//! failback. For each of them the machines that serve from now on start in the plan's order, and the machines that served until
//! now stop against it. The copies of a drill start as the replicas would.
//!
//! Before anything is stopped, everything is synchronised; before anything is committed, everything is
//! verified; before anything becomes permanent, everything is done. Until then, a failure costs nothing.

use super::draft::{Draft, Placed, Wire};
use super::fences;
use super::legs::Placement;
use super::order::{self, After, Dependency};
use crate::base::Duration;
use crate::domain::{IfFailed, OperationKind};
use crate::inventory::Typical;
use crate::model::{FailoverPlan, UndoOrder};
use crate::plan::{Gate, LegId, NodeId, On, Work};
use std::collections::BTreeSet;

/// The operations between which one order holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Start,
    Switch,
    Undo,
    Unback,
    Drill,
}

impl Class {
    const ALL: [Self; 5] = [Self::Start, Self::Switch, Self::Undo, Self::Unback, Self::Drill];

    const fn holds(self, kind: OperationKind) -> bool {
        match kind {
            OperationKind::Failover | OperationKind::PlannedFailover => matches!(self, Self::Start),
            OperationKind::Switchover => matches!(self, Self::Switch),
            OperationKind::UndoFailover => matches!(self, Self::Undo),
            OperationKind::UndoFailback => matches!(self, Self::Unback),
            OperationKind::Drill => matches!(self, Self::Drill),
            OperationKind::Replicate
            | OperationKind::PermanentFailover
            | OperationKind::Failback
            | OperationKind::CommitFailback
            | OperationKind::EndDrill => false,
        }
    }
}

/// The replicas of one failover plan that go through the plan, entry by entry.
pub struct Group<'a> {
    /// The failover plan.
    pub plan: &'a FailoverPlan,
    /// For each entry of its sequence the replicas that change.
    pub entries: Vec<Vec<Placement>>,
    /// For each entry how many replicas are what they shall be already.
    pub there: Vec<u32>,
    /// The fences of the whole draft.
    pub fences: &'a [fences::Placed],
}

impl Group<'_> {
    /// The wave of each entry.
    pub fn waves(&self) -> Vec<u32> {
        let present: Vec<bool> = self.entries.iter().map(|e| !e.is_empty()).collect();
        order::waves(&order::dependencies(self.plan, &present))
    }

    /// Draws all edges between the replicas; returns the gates.
    pub fn wire(&self, draft: &mut Draft) -> Vec<NodeId> {
        self.quorums(draft);
        let gates = Class::ALL.into_iter().flat_map(|class| self.wire_class(draft, class)).collect();
        self.wire_commits(draft);
        self.barriers(draft);
        gates
    }

    /// The gates among the machines that start: for each entry its node, where it is one. An undo asks nothing, and neither does a gate behind
    /// which nobody starts though others stand there.
    fn gates(&self, draft: &mut Draft, class: Class, present: &[bool]) -> Vec<Option<NodeId>> {
        let asks = matches!(class, Class::Start | Class::Switch)
            && self.plan.sequence.iter().any(|entry| entry.gate.is_some());
        let all = if asks { vec![true; self.plan.sequence.len()] } else { Vec::new() };
        let declared = if asks { order::dependencies(self.plan, &all) } else { Vec::new() };
        let is_needed = |entry: usize| {
            let behind = order::behind(entry, &declared);
            let mut others = behind.iter().filter(|e| !self.is_gate(**e)).peekable();
            others.peek().is_none() || others.any(|e| present.get(*e) == Some(&true))
        };
        let one = |(position, entry): (usize, &crate::model::Entry)| {
            let question = entry.gate.clone().filter(|_| asks && is_needed(position))?;
            let gate = Gate { plan: self.plan.name.clone(), name: entry.name.clone(), question };
            Some(draft.node(Work::Gate(Box::new(gate)), None, &Typical::default()))
        };
        self.plan.sequence.iter().enumerate().map(one).collect()
    }

    fn is_gate(&self, entry: usize) -> bool {
        self.plan.sequence.get(entry).is_some_and(|e| e.gate.is_some())
    }

    /// A gate before which nothing stands is asked before anything behind it begins, also before a source is stopped. What stops, stops
    /// before anything starts, so that no other gate can stand before that.
    fn gates_in_front(
        &self,
        draft: &mut Draft,
        gates: &[Option<NodeId>],
        dependencies: &[Vec<Dependency>],
        legs: &[Vec<Placed>],
    ) {
        for (entry, gate) in gates.iter().enumerate() {
            let (Some(gate), Some(before)) = (gate, dependencies.get(entry)) else { continue };
            if !before.is_empty() {
                continue;
            }
            let if_failed = self.plan.sequence.get(entry).map(|e| e.on_failure).unwrap_or_default();
            let behind = order::behind(entry, dependencies);
            let legs: Vec<&Placed> = behind.iter().filter_map(|e| legs.get(*e)).flatten().collect();
            let mut firsts: Vec<NodeId> = legs.iter().map(|p| p.first).collect();
            // Whoever says no does not want a source taken away either.
            let ids: BTreeSet<LegId> = legs.iter().map(|p| p.leg).collect();
            firsts.extend(fences::within(self.fences, &ids));
            draft.wire(&[*gate], &firsts, Wire { if_failed, ..Wire::DONE });
        }
    }

    /// How many of an entry's replicas that change must come well through, where that is not all of them.
    fn needs(&self, entry: usize) -> Option<u32> {
        let at_least = self.plan.sequence.get(entry)?.at_least?;
        let there = self.there.get(entry).copied().unwrap_or(0);
        let changing = u32::try_from(self.entries.get(entry)?.len()).unwrap_or(u32::MAX);
        let needs = at_least.saturating_sub(there);
        (needs < changing).then_some(needs)
    }

    /// Groups of which not all are needed get a meeting point over their whole ways. Where enough are there already, all may fail.
    fn quorums(&self, draft: &mut Draft) {
        for (entry, placements) in self.entries.iter().enumerate() {
            let Some(needs) = self.needs(entry) else { continue };
            let ends: Vec<NodeId> =
                placements.iter().filter_map(|p| p.legs.last()).map(|(_, p)| p.last).collect();
            let quorum = (needs > 0).then(|| draft.quorum(&ends, On::Done, needs));
            for (_, placed) in placements.iter().flat_map(|p| &p.legs) {
                if let Some(leg) = draft.legs.get_mut(placed.leg.index()) {
                    leg.quorum = quorum;
                    leg.optional |= quorum.is_none();
                }
            }
        }
    }

    fn legs(&self, entry: usize, class: Class) -> Vec<Placed> {
        let placements = self.entries.get(entry).into_iter().flatten();
        let legs = placements.flat_map(|p| &p.legs).filter(|(kind, _)| class.holds(*kind));
        legs.map(|(_, placed)| *placed).collect()
    }

    fn wire_class(&self, draft: &mut Draft, class: Class) -> Vec<NodeId> {
        let legs: Vec<Vec<Placed>> = (0..self.entries.len()).map(|e| self.legs(e, class)).collect();
        let present: Vec<bool> = legs.iter().map(|l| !l.is_empty()).collect();
        if !present.contains(&true) {
            return Vec::new();
        }
        let gates = self.gates(draft, class, &present);
        let asks = gates.iter().any(Option::is_some);
        let starting: Vec<bool> = present.iter().zip(&gates).map(|(p, gate)| *p || gate.is_some()).collect();
        let stopping = order::dependencies(self.plan, &present);
        let waited = self.waited_for(&starting);
        let apart = asks || waited != starting;
        let stage = |entry: usize| legs.get(entry).zip(gates.get(entry).copied());
        let starts = order::dependencies_past(self.plan, &starting, &waited);
        self.gates_in_front(draft, &gates, &starts, &legs);
        for (entry, dependencies) in starts.into_iter().enumerate() {
            for dependency in dependencies {
                let (Some(earlier), Some(later)) = (stage(dependency.entry), stage(entry)) else { continue };
                forward(draft, class, (earlier, self.needs(dependency.entry)), later, dependency);
                if !apart {
                    self.against(draft, class, earlier.0, later.0);
                }
            }
        }
        // Nobody is asked on the way down: there the gates are not there at all. And a group that counts by what is there already stops in its place.
        let stopping = stopping.into_iter().enumerate().filter(|_| apart);
        for (entry, dependency) in stopping.flat_map(|(e, all)| all.into_iter().map(move |d| (e, d))) {
            if let (Some(earlier), Some(later)) = (legs.get(dependency.entry), legs.get(entry)) {
                self.against(draft, class, earlier, later);
            }
        }
        gates.into_iter().flatten().collect()
    }

    /// What stops, stops against the plan's order, unless an undo goes by the list.
    fn against(&self, draft: &mut Draft, class: Class, earlier: &[Placed], later: &[Placed]) {
        if class == Class::Undo && self.plan.undo_order == UndoOrder::List {
            let firsts = |legs: &[Placed]| legs.iter().map(|p| p.first).collect::<Vec<_>>();
            draft.wire(&firsts(earlier), &firsts(later), Wire { on: On::Started, ..Wire::DONE });
        } else {
            backward(draft, class, earlier, later);
        }
    }

    /// What makes a move final goes in the order of the edges that wait for it. Everything else of such an edge is an edge that waits for ready.
    fn wire_commits(&self, draft: &mut Draft) {
        let finals: Vec<Vec<(NodeId, NodeId)>> =
            self.entries.iter().map(|e| e.iter().filter_map(final_leg).collect()).collect();
        let present: Vec<bool> = finals.iter().map(|f| !f.is_empty()).collect();
        if !present.contains(&true) {
            return;
        }
        let waited = self.waited_for(&present);
        for (later, dependencies) in finals.iter().zip(order::dependencies_past(self.plan, &present, &waited))
        {
            for dependency in dependencies {
                let After::Committed(plus) = dependency.event else { continue };
                let earlier = finals.get(dependency.entry).map(Vec::as_slice).unwrap_or_default();
                let from: Vec<NodeId> = earlier.iter().map(|(_, concluded)| *concluded).collect();
                let to: Vec<NodeId> = later.iter().map(|(first, _)| *first).collect();
                let wire = Wire { plus, if_failed: dependency.if_failed, ..Wire::DONE };
                wait_for(draft, (&from, self.needs(dependency.entry)), &to, wire);
            }
        }
    }

    /// Which of some entries are waited for: not those of which enough are there already.
    fn waited_for(&self, entries: &[bool]) -> Vec<bool> {
        entries.iter().enumerate().map(|(entry, there)| *there && self.needs(entry) != Some(0)).collect()
    }

    /// The meeting points between the phases.
    fn barriers(&self, draft: &mut Draft) {
        let all = || self.entries.iter().flatten();
        let of = |kind: OperationKind| all().flat_map(|p| &p.legs).filter(move |(k, _)| *k == kind);
        let pair = |from: Vec<NodeId>, to: Vec<NodeId>, draft: &mut Draft| {
            if from.len() > 1 {
                draft.meet(&from, &to, Wire::DONE);
            }
        };
        let planned = || of(OperationKind::PlannedFailover).filter(|(_, p)| p.stop.is_some());
        let synced = planned().filter_map(|(_, p)| p.before_stop).collect();
        pair(synced, planned().filter_map(|(_, p)| p.stop).collect(), draft);
        let synced = of(OperationKind::Failback).map(|(_, p)| p.concluded).collect();
        pair(synced, of(OperationKind::Switchover).map(|(_, p)| p.first).collect(), draft);
        self.commit_barrier(draft);
        let permanent = |p: &&Placement| p.legs.iter().any(|(k, _)| *k == OperationKind::PermanentFailover);
        let before = all().filter(permanent).filter_map(|p| {
            let at = p.legs.iter().position(|(k, _)| *k == OperationKind::PermanentFailover)?;
            p.legs.get(at.checked_sub(1)?).map(|(_, placed)| placed.last)
        });
        pair(before.collect(), of(OperationKind::PermanentFailover).map(|(_, p)| p.first).collect(), draft);
    }

    /// Commits wait until every replica of the plan is verified. The verification is the beginning of the commit's own leg, so
    /// the barrier stands behind it.
    fn commit_barrier(&self, draft: &mut Draft) {
        let mut verified = Vec::new();
        let mut commits = Vec::new();
        for placement in self.entries.iter().flatten() {
            let Some(at) = placement.legs.iter().position(|(k, _)| *k == OperationKind::CommitFailback)
            else {
                continue;
            };
            let before = at.checked_sub(1).and_then(|b| placement.legs.get(b)).map(|(_, p)| p.last);
            verified.extend(placement.verified.last().copied().or(before));
            commits.extend(final_leg(placement).map(|(first, _)| first));
        }
        if verified.len() > 1 {
            draft.meet(&verified, &commits, Wire::DONE);
        }
    }
}

/// The first and the last node of what makes a replica's move final. The verification is the beginning of a commit's own leg, and no part of it.
fn final_leg(placement: &Placement) -> Option<(NodeId, NodeId)> {
    let is_final =
        |k: OperationKind| matches!(k, OperationKind::CommitFailback | OperationKind::PermanentFailover);
    let (kind, leg) = placement.legs.iter().find(|(k, _)| is_final(*k))?;
    let verified = placement.verified.last().filter(|_| *kind == OperationKind::CommitFailback);
    Some((NodeId(verified.map_or(leg.first.0, |v| v.0 + 1)), leg.concluded))
}

/// The legs of an entry, or its gate.
type Stage<'a> = (&'a Vec<Placed>, Option<NodeId>);

/// The machines that serve from now on start in the plan's order.
fn forward(
    draft: &mut Draft,
    class: Class,
    (earlier, needs): (Stage<'_>, Option<u32>),
    later: Stage<'_>,
    dependency: Dependency,
) {
    let starts =
        |(legs, gate): Stage<'_>| legs.iter().filter_map(|p| p.start).chain(gate).collect::<Vec<_>>();
    let (before, gate) = earlier;
    let ends = |of: fn(&Placed) -> NodeId| {
        before.iter().filter(|p| p.start.is_some()).map(of).chain(gate).collect::<Vec<_>>()
    };
    let started: fn(&Placed) -> NodeId = |p| p.concluded;
    let ready: fn(&Placed) -> NodeId = |p| p.last;
    let (from, on, plus) = match (class, dependency.event) {
        // Sources that come back after an undo have no wait for readiness of their own, and no delays.
        (Class::Undo, _) => (ends(started), On::Done, Duration::ZERO),
        (_, After::Start(delay)) => (starts(earlier), On::Started, delay),
        (_, After::Started(plus)) => (ends(started), On::Done, plus),
        (_, After::Ready(plus)) => (ends(ready), On::Done, plus),
        // Its quiet time counts from the commit.
        (_, After::Committed(_)) => (ends(ready), On::Done, Duration::ZERO),
    };
    let wire = Wire { on, plus, if_failed: dependency.if_failed };
    wait_for(draft, (&from, needs), &starts(later), wire);
}

/// Draws edges from some nodes, of which all are needed or so many.
fn wait_for(draft: &mut Draft, (from, needs): (&[NodeId], Option<u32>), to: &[NodeId], wire: Wire) {
    match needs {
        None => draft.wire(from, to, wire),
        // Enough of them are there already.
        Some(0) => {}
        // As soon as so many are, the others are not waited for.
        Some(needs) if !from.is_empty() => {
            let quorum = draft.quorum(from, wire.on, needs);
            draft.wire(&[quorum], to, Wire { on: On::Done, ..wire });
        }
        Some(_) => {}
    }
}

/// The machines that served until now stop against the plan's order: what depends on another one goes first.
fn backward(draft: &mut Draft, class: Class, earlier: &[Placed], later: &[Placed]) {
    let stops = |p: &Placed| match class {
        // Their places cover the whole leg up to its start: it begins when nothing has to be waited for any more.
        Class::Undo | Class::Unback => Some(p.first),
        Class::Start | Class::Switch | Class::Drill => p.stop,
    };
    let from: Vec<NodeId> = later.iter().filter_map(|p| p.stop).collect();
    let to: Vec<NodeId> = earlier.iter().filter_map(stops).collect();
    draft.meet(&from, &to, Wire { if_failed: IfFailed::Block, ..Wire::DONE });
}
