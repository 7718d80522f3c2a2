//! The edges between the replicas of one failover plan.
//!
//! Four kinds of operation move the serving machine: starts (failover, planned failover), switchovers, undo failover and undo
//! failback. For each of them the machines that serve from now on start in the plan's order, and the machines that served until
//! now stop against it. Before anything is stopped, everything is synchronised; before anything is committed, everything is
//! verified; before anything becomes permanent, everything is done. Until then, a failure costs nothing.

use super::draft::{Draft, Placed, Wire};
use super::legs::Placement;
use super::order::{self, After, Dependency};
use crate::base::Duration;
use crate::domain::{IfFailed, OperationKind};
use crate::inventory::Typical;
use crate::model::{FailoverPlan, UndoOrder};
use crate::plan::{Gate, NodeId, On, Work};

/// The operations between which one order holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Start,
    Switch,
    Undo,
    Unback,
}

impl Class {
    const ALL: [Self; 4] = [Self::Start, Self::Switch, Self::Undo, Self::Unback];

    const fn holds(self, kind: OperationKind) -> bool {
        match kind {
            OperationKind::Failover | OperationKind::PlannedFailover => matches!(self, Self::Start),
            OperationKind::Switchover => matches!(self, Self::Switch),
            OperationKind::UndoFailover => matches!(self, Self::Undo),
            OperationKind::UndoFailback => matches!(self, Self::Unback),
            OperationKind::Replicate
            | OperationKind::PermanentFailover
            | OperationKind::Failback
            | OperationKind::CommitFailback => false,
        }
    }
}

/// The replicas of one failover plan that go through the plan, entry by entry.
pub struct Group<'a> {
    /// The failover plan.
    pub plan: &'a FailoverPlan,
    /// For each entry of its sequence the replicas that change.
    pub entries: Vec<Vec<Placement>>,
}

impl Group<'_> {
    /// The wave of each entry.
    pub fn waves(&self) -> Vec<u32> {
        let present: Vec<bool> = self.entries.iter().map(|e| !e.is_empty()).collect();
        order::waves(&order::dependencies(self.plan, &present))
    }

    /// Draws all edges between the replicas; returns the gates.
    pub fn wire(&self, draft: &mut Draft) -> Vec<NodeId> {
        let gates = Class::ALL.into_iter().flat_map(|class| self.wire_class(draft, class)).collect();
        self.barriers(draft);
        gates
    }

    /// The gates among the machines that start: for each entry its node, where it is one. Whoever goes back is asked nothing.
    fn gates(&self, draft: &mut Draft, class: Class) -> Vec<Option<NodeId>> {
        let one = |entry: &crate::model::Entry| {
            let question = entry.gate.clone().filter(|_| matches!(class, Class::Start | Class::Switch))?;
            let gate = Gate { plan: self.plan.name.clone(), name: entry.name.clone(), question };
            Some(draft.node(Work::Gate(gate), None, &Typical::default()))
        };
        self.plan.sequence.iter().map(one).collect()
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
        let gates = self.gates(draft, class);
        let asks = gates.iter().any(Option::is_some);
        let starting: Vec<bool> = present.iter().zip(&gates).map(|(p, gate)| *p || gate.is_some()).collect();
        let stopping = order::dependencies(self.plan, &present);
        let stage = |entry: usize| legs.get(entry).zip(gates.get(entry).copied());
        for (entry, dependencies) in order::dependencies(self.plan, &starting).into_iter().enumerate() {
            for dependency in dependencies {
                let (Some(earlier), Some(later)) = (stage(dependency.entry), stage(entry)) else { continue };
                forward(draft, class, earlier, later, dependency);
                if !asks {
                    self.against(draft, class, earlier.0, later.0);
                }
            }
        }
        // Nobody is asked on the way down: there the gates are not there at all.
        let stopping = stopping.into_iter().enumerate().filter(|_| asks);
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

    /// The meeting points between the phases.
    fn barriers(&self, draft: &mut Draft) {
        let all = || self.entries.iter().flatten();
        let of = |kind: OperationKind| all().flat_map(|p| &p.legs).filter(move |(k, _)| *k == kind);
        let pair = |from: Vec<NodeId>, to: Vec<NodeId>, draft: &mut Draft| {
            if from.len() > 1 {
                draft.wire(&from, &to, Wire::DONE);
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
            let Some((_, commit)) = placement.legs.get(at) else { continue };
            let before = at.checked_sub(1).and_then(|b| placement.legs.get(b)).map(|(_, p)| p.last);
            verified.extend(placement.verified.last().copied().or(before));
            let first = NodeId(placement.verified.last().map_or(commit.first.0, |v| v.0 + 1));
            commits.push(first);
        }
        if verified.len() > 1 {
            draft.wire(&verified, &commits, Wire::DONE);
        }
    }
}

/// The legs of an entry, or its gate.
type Stage<'a> = (&'a Vec<Placed>, Option<NodeId>);

/// The machines that serve from now on start in the plan's order.
fn forward(draft: &mut Draft, class: Class, earlier: Stage<'_>, later: Stage<'_>, dependency: Dependency) {
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
    };
    draft.wire(&from, &starts(later), Wire { on, plus, if_failed: dependency.if_failed });
}

/// The machines that served until now stop against the plan's order: what depends on another one goes first.
fn backward(draft: &mut Draft, class: Class, earlier: &[Placed], later: &[Placed]) {
    let stops = |p: &Placed| match class {
        // Their places cover the whole leg up to its start: it begins when nothing has to be waited for any more.
        Class::Undo | Class::Unback => Some(p.first),
        Class::Start | Class::Switch => p.stop,
    };
    let from: Vec<NodeId> = later.iter().filter_map(|p| p.stop).collect();
    let to: Vec<NodeId> = earlier.iter().filter_map(stops).collect();
    draft.wire(&from, &to, Wire { if_failed: IfFailed::Block, ..Wire::DONE });
}
