//! A plan while it is being put together: nodes in any order, numbered anew at the end.

use crate::base::Duration;
use crate::domain::{IfFailed, Pause};
use crate::inventory::Typical;
use crate::plan::{Edge, Leg, LegId, Limit, LimitKind, Node, NodeId, On, SlotUse, Work};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// How an edge is drawn between two sets of nodes.
#[derive(Debug, Clone, Copy)]
pub struct Wire {
    /// What it waits for.
    pub on: On,
    /// How long after that.
    pub plus: Duration,
    /// What happens where the earlier one fails.
    pub if_failed: IfFailed,
}

impl Wire {
    /// After it is done, and only then.
    pub const DONE: Self = Self { on: On::Done, plus: Duration::ZERO, if_failed: IfFailed::Block };
}

/// A leg with the nodes that others are wired to.
#[derive(Debug, Clone, Copy)]
pub struct Placed {
    /// The leg.
    pub leg: LegId,
    /// Its first node.
    pub first: NodeId,
    /// The last node before the machine that serves until now is stopped, where there is one.
    pub before_stop: Option<NodeId>,
    /// The node that stops the machine that serves until now.
    pub stop: Option<NodeId>,
    /// The first node of the part that starts the machine which serves from now on.
    pub start: Option<NodeId>,
    /// The last node before that part.
    pub before_start: Option<NodeId>,
    /// The node at which its state is reached.
    pub concluded: NodeId,
    /// The wait for readiness, where there is one.
    pub awaited: Option<NodeId>,
    /// The last node that others wait for: that, or the wait for readiness. Names come beside it.
    pub last: NodeId,
}

/// The plan being put together.
#[derive(Debug, Default)]
pub struct Draft {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The edges.
    pub edges: Vec<Edge>,
    /// The legs.
    pub legs: Vec<Leg>,
    /// The limits.
    pub limits: Vec<Limit>,
    by_kind: BTreeMap<LimitKind, u32>,
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// About how many nodes a replica's way takes: nodes and edges are many, and to let them grow step by step copies them again and again.
const NODES_A_REPLICA: usize = 10;

impl Draft {
    /// An empty draft with room for the ways of some replicas.
    pub fn for_replicas(count: usize) -> Self {
        let room = count * NODES_A_REPLICA;
        Self {
            nodes: Vec::with_capacity(room),
            edges: Vec::with_capacity(room * 2),
            legs: Vec::with_capacity(count),
            ..Self::default()
        }
    }

    /// Adds a node.
    pub fn node(&mut self, work: Work, leg: Option<LegId>, typical: &Typical) -> NodeId {
        let id = NodeId(count(self.nodes.len()));
        let (typical, limit) = super::estimate::times(&work, typical);
        let attempts = match &work {
            Work::Act(_) => super::estimate::ATTEMPTS,
            Work::Cutover(cutover) => cutover.attempts,
            Work::Wait(_) | Work::Hook(_) | Work::Gate(_) | Work::Join => 1,
        };
        self.nodes.push(Node { work, leg, typical, limit, attempts, pause: Pause::default(), needs: None });
        id
    }

    /// The id that the next leg gets.
    pub fn next_leg(&self) -> LegId {
        LegId(count(self.legs.len()))
    }

    /// Adds an edge.
    pub fn edge(&mut self, from: NodeId, to: NodeId, wire: Wire) {
        let Wire { on, plus, if_failed } = wire;
        self.edges.push(Edge { from, to, on, plus, if_failed });
    }

    /// Lets a node wait for all that some other ones wait for, in their place. For a fence they go on to wait as well: whoever takes the run up
    /// has it proven anew for those that wait for it by themselves.
    pub fn redirect(&mut self, from: &BTreeSet<NodeId>, to: NodeId) {
        let mut kept = Vec::new();
        for edge in self.edges.iter_mut().filter(|e| from.contains(&e.to)) {
            let work = self.nodes.get(edge.from.index()).map(|node| &node.work);
            if matches!(work, Some(Work::Hook(hook)) if hook.is_fence()) {
                kept.push(*edge);
            }
            edge.to = to;
        }
        self.edges.extend(kept);
    }

    /// Lets all of the later nodes wait for all of the earlier ones. Many to many goes through a join, so that the number of
    /// edges stays linear.
    pub fn wire(&mut self, from: &[NodeId], to: &[NodeId], wire: Wire) {
        let from: Vec<(NodeId, IfFailed)> = from.iter().map(|f| (*f, wire.if_failed)).collect();
        self.wire_each(&from, to, wire);
    }

    /// The same between replicas that do not depend on each other and only meet: what may fail holds nobody up there.
    pub fn meet(&mut self, from: &[NodeId], to: &[NodeId], wire: Wire) {
        let mut quorums: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
        let mut all: Vec<(NodeId, IfFailed)> = Vec::with_capacity(from.len());
        for node in from.iter().copied() {
            let leg = self.leg_of(node);
            let quorum = leg.and_then(|l| l.quorum);
            let may_fail = quorum.is_some() || leg.is_some_and(|l| l.optional);
            all.push((node, if may_fail { IfFailed::Continue } else { wire.if_failed }));
            if let Some(quorum) = quorum {
                quorums.entry(quorum).or_default().push(node);
            }
        }
        // All of a group are waited for, and so many must have come well through.
        for (quorum, members) in quorums {
            let needs = self.nodes.get(quorum.index()).and_then(|n| n.needs).unwrap_or(1);
            all.push((self.quorum(&members, wire.on, needs), wire.if_failed));
        }
        self.wire_each(&all, to, wire);
    }

    /// A meeting point that is done once so many of the earlier nodes are.
    pub fn quorum(&mut self, from: &[NodeId], on: On, needs: u32) -> NodeId {
        let join = self.node(Work::Join, None, &Typical::default());
        if let Some(node) = self.nodes.get_mut(join.index()) {
            node.needs = Some(needs.clamp(1, count(from.len()).max(1)));
        }
        for from in from {
            self.edge(*from, join, Wire { on, ..Wire::DONE });
        }
        join
    }

    fn leg_of(&self, node: NodeId) -> Option<&Leg> {
        self.legs.get(self.nodes.get(node.index())?.leg?.index())
    }

    fn wire_each(&mut self, from: &[(NodeId, IfFailed)], to: &[NodeId], wire: Wire) {
        if from.len() < 2 || to.len() < 2 {
            for ((from, if_failed), to) in from.iter().flat_map(|f| to.iter().map(move |t| (*f, *t))) {
                self.edge(from, to, Wire { if_failed, ..wire });
            }
            return;
        }
        let join = self.node(Work::Join, None, &Typical::default());
        for (from, if_failed) in from {
            self.edge(*from, join, Wire { plus: Duration::ZERO, if_failed: *if_failed, ..wire });
        }
        for to in to {
            self.edge(join, *to, Wire { on: On::Done, plus: wire.plus, if_failed: IfFailed::Block });
        }
    }

    /// The position of a limit, made where it is not there yet.
    pub fn limit(&mut self, kind: LimitKind, size: u32, gap: Option<Duration>) -> u32 {
        if let Some(position) = self.by_kind.get(&kind) {
            return *position;
        }
        let position = count(self.limits.len());
        self.limits.push(Limit { kind: kind.clone(), size, gap });
        self.by_kind.insert(kind, position);
        position
    }

    /// Lets a leg use a limit between two of its nodes.
    pub fn slot(&mut self, leg: LegId, slot: SlotUse) {
        if let Some(leg) = self.legs.get_mut(leg.index()) {
            leg.slots.push(slot);
        }
    }

    /// Numbers the nodes so that every edge goes forward. Among nodes that could come next the one that was made first does, so
    /// that the numbering is the same for the same draft.
    pub fn number(&mut self) {
        let adjacency = crate::plan::Adjacency::new(self.nodes.len(), &self.edges);
        let mut missing: Vec<usize> =
            (0..count(self.nodes.len())).map(|n| adjacency.incoming(NodeId(n)).len()).collect();
        let free = missing.iter().enumerate().filter(|(_, m)| **m == 0);
        let mut next: BinaryHeap<Reverse<u32>> = free.map(|(n, _)| Reverse(count(n))).collect();
        let mut numbers = vec![NodeId(u32::MAX); self.nodes.len()];
        let mut order = Vec::with_capacity(self.nodes.len());
        while let Some(Reverse(node)) = next.pop() {
            if let Some(number) = numbers.get_mut(node as usize) {
                *number = NodeId(count(order.len()));
            }
            order.push(node);
            for edge in adjacency.outgoing(NodeId(node)) {
                let Some(to) = self.edges.get(*edge as usize).map(|e| e.to) else { continue };
                if let Some(left) = missing.get_mut(to.index()) {
                    *left -= 1;
                    if *left == 0 {
                        next.push(Reverse(to.0));
                    }
                }
            }
        }
        self.renumber(&numbers, &order);
    }

    fn renumber(&mut self, numbers: &[NodeId], order: &[u32]) {
        let new = |old: NodeId| numbers.get(old.index()).copied().unwrap_or(old);
        let mut old: Vec<Option<Node>> = std::mem::take(&mut self.nodes).into_iter().map(Some).collect();
        self.nodes = order.iter().filter_map(|n| old.get_mut(*n as usize).and_then(Option::take)).collect();
        for edge in &mut self.edges {
            edge.from = new(edge.from);
            edge.to = new(edge.to);
        }
        self.edges.sort_unstable_by_key(|e| (e.to, e.from, e.on, e.plus));
        self.edges.dedup();
        for leg in &mut self.legs {
            leg.first = new(leg.first);
            leg.concluded = new(leg.concluded);
            leg.last = new(leg.last);
            leg.quorum = leg.quorum.map(new);
            for slot in &mut leg.slots {
                slot.first = new(slot.first);
                slot.last = new(slot.last);
            }
        }
    }
}
