//! The plan walked through in time, with its limits, taking every node's typical time: how long it takes, and along which path.

use crate::base::Duration;
use crate::plan::{Adjacency, CriticalStep, Edge, Leg, Limit, Node, NodeId, On};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};

/// When each node starts and ends.
#[derive(Debug)]
pub struct Schedule {
    times: Vec<Option<(u64, u64)>>,
    /// The node that each one had to wait for last.
    bound_by: Vec<Option<NodeId>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    /// A place is free again; before starts of the same time.
    Free { limit: u32, by: NodeId },
    /// A node's edges are met.
    Due(NodeId),
    /// One of the edges of a meeting point is met that needs only some of them.
    Met { join: NodeId, by: NodeId },
}

struct Place {
    free: u32,
    waiting: BTreeSet<NodeId>,
    /// The last `size` starts, for the gap.
    starts: VecDeque<u64>,
}

struct Walk<'a> {
    nodes: &'a [Node],
    edges: &'a [Edge],
    limits: &'a [Limit],
    adjacency: Adjacency,
    takes: Vec<Vec<u32>>,
    gives: Vec<Vec<u32>>,
    places: Vec<Place>,
    missing: Vec<u32>,
    earliest: Vec<(u64, Option<NodeId>)>,
    moments: BinaryHeap<Reverse<(u64, Moment)>>,
    schedule: Schedule,
}

/// Walks through the plan. Legs that run only on a failure are left out.
pub fn walk(nodes: &[Node], edges: &[Edge], limits: &[Limit], legs: &[Leg]) -> Schedule {
    let mut walk = Walk {
        nodes,
        edges,
        limits,
        adjacency: Adjacency::new(nodes.len(), edges),
        takes: vec![Vec::new(); nodes.len()],
        gives: vec![Vec::new(); nodes.len()],
        places: limits
            .iter()
            .map(|l| Place { free: l.size, waiting: BTreeSet::new(), starts: VecDeque::new() })
            .collect(),
        missing: Vec::with_capacity(nodes.len()),
        earliest: vec![(0, None); nodes.len()],
        moments: BinaryHeap::new(),
        schedule: Schedule { times: vec![None; nodes.len()], bound_by: vec![None; nodes.len()] },
    };
    walk.prepare(legs);
    while let Some(Reverse((at, moment))) = walk.moments.pop() {
        match moment {
            Moment::Free { limit, by } => walk.free(at, limit, by),
            Moment::Due(node) => walk.due(at, node),
            Moment::Met { join, by } => walk.met(at, join, by),
        }
    }
    walk.schedule
}

impl Walk<'_> {
    fn prepare(&mut self, legs: &[Leg]) {
        for slot in legs.iter().flat_map(|l| &l.slots) {
            if let (Some(takes), Some(gives)) =
                (self.takes.get_mut(slot.first.index()), self.gives.get_mut(slot.last.index()))
            {
                takes.push(slot.limit);
                gives.push(slot.limit);
            }
        }
        for (position, _) in (0u32..).zip(self.nodes) {
            let node = NodeId(position);
            let incoming = self.adjacency.incoming(node);
            let all = u32::try_from(incoming.len()).unwrap_or(u32::MAX);
            self.missing.push(self.needs(node).unwrap_or(all));
            if incoming.is_empty() {
                self.moments.push(Reverse((0, Moment::Due(node))));
            }
        }
    }

    fn due(&mut self, at: u64, node: NodeId) {
        let wanted = self.takes.get(node.index()).cloned().unwrap_or_default();
        for limit in &wanted {
            let Some(place) = self.places.get_mut(*limit as usize) else { continue };
            if place.free == 0 {
                place.waiting.insert(node);
                self.pass_on(at, &wanted);
                return;
            }
            let (size, gap) = self.limits.get(*limit as usize).map_or((1, None), |l| (l.size, l.gap));
            let before =
                place.starts.len().checked_sub(size.max(1) as usize).and_then(|i| place.starts.get(i));
            if let (Some(before), Some(gap)) = (before, gap)
                && before + gap.as_millis() > at
            {
                self.moments.push(Reverse((before + gap.as_millis(), Moment::Due(node))));
                return;
            }
        }
        for limit in &wanted {
            if let Some(place) = self.places.get_mut(*limit as usize) {
                place.free -= 1;
                place.starts.push_back(at);
            }
        }
        self.start(at, node);
    }

    /// A node that got a place under one limit and none under another leaves the first one to the next in line.
    fn pass_on(&mut self, at: u64, limits: &[u32]) {
        for limit in limits {
            let Some(place) = self.places.get_mut(*limit as usize) else { continue };
            if place.free > 0
                && let Some(next) = place.waiting.pop_first()
            {
                self.moments.push(Reverse((at, Moment::Due(next))));
            }
        }
    }

    fn start(&mut self, at: u64, node: NodeId) {
        let took = self.nodes.get(node.index()).map_or(0, |n| n.typical.as_millis());
        let end = at + took;
        if let Some(times) = self.schedule.times.get_mut(node.index()) {
            *times = Some((at, end));
        }
        let (earliest, by) = self.earliest.get(node.index()).copied().unwrap_or((0, None));
        if let Some(bound) = self.schedule.bound_by.get_mut(node.index())
            && (bound.is_none() || at == earliest)
        {
            *bound = by;
        }
        for limit in self.gives.get(node.index()).into_iter().flatten() {
            self.moments.push(Reverse((end, Moment::Free { limit: *limit, by: node })));
        }
        for position in self.adjacency.outgoing(node) {
            let Some(edge) = self.edges.get(*position as usize) else { continue };
            let met = match edge.on {
                On::Started => at + edge.plus.as_millis(),
                On::Done => end + edge.plus.as_millis(),
                On::Failed => continue,
            };
            if self.needs(edge.to).is_some() {
                self.moments.push(Reverse((met, Moment::Met { join: edge.to, by: node })));
                continue;
            }
            let (Some(missing), Some(earliest)) =
                (self.missing.get_mut(edge.to.index()), self.earliest.get_mut(edge.to.index()))
            else {
                continue;
            };
            if met >= earliest.0 {
                *earliest = (met, Some(node));
            }
            *missing -= 1;
            if *missing == 0 {
                self.moments.push(Reverse((earliest.0, Moment::Due(edge.to))));
            }
        }
    }

    fn needs(&self, node: NodeId) -> Option<u32> {
        self.nodes.get(node.index()).and_then(|n| n.needs)
    }

    /// The last edge that a meeting point needs starts it; those that come later change nothing.
    fn met(&mut self, at: u64, join: NodeId, by: NodeId) {
        let (Some(missing), Some(earliest)) =
            (self.missing.get_mut(join.index()), self.earliest.get_mut(join.index()))
        else {
            return;
        };
        if *missing > 0 {
            *missing -= 1;
            *earliest = (at, Some(by));
            if *missing == 0 {
                self.due(at, join);
            }
        }
    }

    fn free(&mut self, at: u64, limit: u32, by: NodeId) {
        let Some(place) = self.places.get_mut(limit as usize) else { return };
        place.free += 1;
        if let Some(next) = place.waiting.pop_first() {
            if let Some(bound) = self.schedule.bound_by.get_mut(next.index()) {
                *bound = Some(by);
            }
            self.moments.push(Reverse((at, Moment::Due(next))));
        }
    }
}

impl Schedule {
    /// When a node starts, from the plan's start; `None` where it runs only on a failure.
    pub fn start(&self, node: NodeId) -> Option<Duration> {
        self.times.get(node.index()).copied().flatten().map(|(start, _)| Duration::from_millis(start))
    }

    /// From the first start to the last end.
    pub fn total(&self) -> Duration {
        Duration::from_millis(self.times.iter().flatten().map(|(_, end)| *end).max().unwrap_or(0))
    }

    /// The chain of nodes that makes it so long: from the last one to end back over what each had to wait for.
    pub fn critical(&self) -> Vec<CriticalStep> {
        let last = (0u32..).zip(&self.times).filter_map(|(n, t)| t.map(|(_, end)| (end, Reverse(n)))).max();
        let mut path = Vec::new();
        let mut next = last.map(|(_, Reverse(n))| NodeId(n));
        while let Some(node) = next {
            let Some((start, end)) = self.times.get(node.index()).copied().flatten() else { break };
            let step =
                CriticalStep { node, start: Duration::from_millis(start), end: Duration::from_millis(end) };
            path.push(step);
            next =
                self.bound_by.get(node.index()).copied().flatten().filter(|_| path.len() <= self.times.len());
        }
        path.reverse();
        path
    }
}
