//! A run that was walked through, in time: when each node began and ended, and the chain of nodes and waits that made it so long.

use crate::base::{Duration, PlanName, ReplicaName, Timestamp};
use crate::domain::{Action, Wait};
use crate::plan::{Adjacency, LegId, LimitKind, NodeId, On, Plan, Work};
use crate::run::{Progress, Status};
use std::collections::BTreeMap;

/// What a stretch of the chain is spent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spent {
    /// Data is moved.
    Moving,
    /// A guest shuts down.
    ShuttingDown,
    /// Any other action.
    Steps,
    /// A machine is waited for until it is ready.
    Ready,
    /// A time of quiet, or a point in time.
    Appointed,
    /// A delay that the documents ask for between two entries, or between two groups under a limit.
    Delay,
}

/// A stretch of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// The node that it is spent at; for a delay the one that waits.
    pub node: NodeId,
    /// On what.
    pub spent: Spent,
    /// From the run's begin.
    pub from: Duration,
    /// Until.
    pub to: Duration,
    /// The limit, where the node had to wait for a place under it.
    pub place: Option<LimitKind>,
}

impl Stretch {
    /// How long it is.
    #[must_use]
    pub const fn took(&self) -> Duration {
        self.to.minus(self.from)
    }
}

/// What is looked up of a plan for each of many walks.
#[derive(Debug)]
pub struct Shape {
    adjacency: Adjacency,
    /// For each limit the stretches of the legs under it.
    under: Vec<Vec<(NodeId, NodeId)>>,
    /// For each node the failover plan that its replica belongs to, as a position among `plans`.
    of_plan: Vec<Option<usize>>,
    plans: Vec<PlanName>,
}

impl Shape {
    /// The shape of a plan.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let mut under = vec![Vec::new(); plan.limits.len()];
        for slot in plan.legs.iter().flat_map(|l| &l.slots) {
            if let Some(stretches) = under.get_mut(slot.limit as usize) {
                stretches.push((slot.first, slot.last));
            }
        }
        let mut plans: Vec<PlanName> = plan.members.iter().filter_map(|m| m.plan.clone()).collect();
        plans.sort();
        plans.dedup();
        let position = |name: &PlanName| plans.binary_search(name).ok();
        let of: BTreeMap<&ReplicaName, Option<usize>> =
            plan.members.iter().map(|m| (&m.replica, m.plan.as_ref().and_then(position))).collect();
        let of_leg = |leg: LegId| plan.leg(leg).and_then(|l| of.get(&l.replica).copied().flatten());
        let of_plan = plan.nodes.iter().map(|n| n.leg.and_then(of_leg)).collect();
        Self { adjacency: Adjacency::new(plan.nodes.len(), &plan.edges), under, of_plan, plans }
    }

    /// The failover plans that have replicas in it, by name.
    #[must_use]
    pub fn plans(&self) -> &[PlanName] {
        &self.plans
    }

    /// The edges of the plan, for walking along them.
    #[must_use]
    pub const fn adjacency(&self) -> &Adjacency {
        &self.adjacency
    }
}

/// When each node began and ended.
#[derive(Debug)]
pub struct Timeline<'a> {
    plan: &'a Plan,
    shape: &'a Shape,
    times: Vec<Option<(Timestamp, Timestamp)>>,
    began: Timestamp,
}

impl<'a> Timeline<'a> {
    /// Reads it off a run.
    #[must_use]
    pub fn new(progress: &'a Progress, shape: &'a Shape) -> Self {
        let plan = progress.plan().as_ref();
        let began = progress.span().map_or_else(Timestamp::default, |(began, _)| began);
        let mut line = Self { plan, shape, times: Vec::with_capacity(plan.nodes.len()), began };
        for (id, node) in plan.node_ids().zip(&plan.nodes) {
            let times = match (&node.work, progress.status(id)) {
                // Edges lead from lower to higher positions, so what a join waits for is known by now.
                (Work::Join, Status::Done) => {
                    let at = line.met(id).map_or(began, |(at, ..)| at);
                    Some((at, at))
                }
                _ => progress.started_at(id).zip(progress.ended_at(id)),
            };
            line.times.push(times);
        }
        line
    }

    fn times(&self, node: NodeId) -> Option<(Timestamp, Timestamp)> {
        self.times.get(node.index()).copied().flatten()
    }

    /// When the last edge of a node was met, from which node, and when that let go.
    fn met(&self, node: NodeId) -> Option<(Timestamp, NodeId, Timestamp)> {
        let edges = self.shape.adjacency.incoming(node).iter();
        let met = edges.filter_map(|position| {
            let edge = self.plan.edges.get(*position as usize)?;
            let (start, end) = self.times(edge.from)?;
            let let_go = match edge.on {
                On::Started => start,
                On::Done | On::Failed => end,
            };
            Some((let_go.after(edge.plus), edge.from, let_go))
        });
        // Of two at one moment the earlier in the plan.
        met.max_by_key(|(at, from, _)| (*at, std::cmp::Reverse(*from)))
    }

    /// From the begin to the end of the last node.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.times.iter().flatten().map(|(_, end)| end.since(self.began)).max().unwrap_or_default()
    }

    /// The same for each failover plan.
    #[must_use]
    pub fn of_plans(&self) -> Vec<Duration> {
        let mut ends = vec![Duration::ZERO; self.shape.plans.len()];
        for (times, plan) in self.times.iter().zip(&self.shape.of_plan) {
            if let (Some((_, end)), Some(latest)) = (times, plan.and_then(|p| ends.get_mut(p))) {
                *latest = end.since(self.began).max(*latest);
            }
        }
        ends
    }

    /// The chain, from begin to end, without a gap and without what took no time.
    #[must_use]
    pub fn chain(&self) -> Vec<Stretch> {
        let last = self.plan.node_ids().filter_map(|n| Some((self.times(n)?.1, std::cmp::Reverse(n)))).max();
        let mut chain = Vec::new();
        let mut next = last.map(|(end, node)| (node.0, end));
        // Each step goes to a node that began earlier, or to a lower one; a fault of this reckoning shall not turn in a circle.
        let mut left = 2 * self.times.len();
        while let Some((node, until)) = next.take().filter(|_| left > 0) {
            left -= 1;
            let Some((start, _)) = self.times(node) else { break };
            let before = self.before(node, start);
            let place = before.as_ref().and_then(|b| b.place.clone());
            self.push(&mut chain, Stretch { place, ..self.stretch(node, self.spent(node), start, until) });
            if let Some(Before { node: earlier, let_go, .. }) = before {
                self.push(&mut chain, self.stretch(node, Spent::Delay, let_go, start));
                next = Some((earlier, let_go));
            }
        }
        chain.reverse();
        chain
    }

    fn stretch(&self, node: NodeId, spent: Spent, from: Timestamp, to: Timestamp) -> Stretch {
        Stretch { node, spent, from: from.since(self.began), to: to.since(self.began), place: None }
    }

    fn push(&self, chain: &mut Vec<Stretch>, stretch: Stretch) {
        if stretch.from < stretch.to {
            chain.push(stretch);
        }
    }

    /// What a node had to wait for last: an edge, a place, or the gap between two groups.
    fn before(&self, node: NodeId, start: Timestamp) -> Option<Before> {
        let met = self.met(node);
        if let Some((at, from, let_go)) = met
            && at >= start
        {
            return Some(Before { node: from, let_go, place: None });
        }
        self.place(node, start).or_else(|| met.map(|(_, node, let_go)| Before { node, let_go, place: None }))
    }

    fn place(&self, node: NodeId, start: Timestamp) -> Option<Before> {
        let leg = self.plan.node(node)?.leg.and_then(|l| self.plan.leg(l))?;
        for slot in leg.slots.iter().filter(|s| s.first == node) {
            let limit = self.plan.limits.get(slot.limit as usize)?;
            let others = || self.shape.under.get(slot.limit as usize).into_iter().flatten();
            let freed = others().find(|(first, last)| {
                *first != node && self.times(*last).is_some_and(|(_, end)| end == start)
            });
            let apart = || {
                let gap = limit.gap?;
                let before = others().find(|(first, _)| {
                    *first != node && self.times(*first).is_some_and(|(at, _)| at.after(gap) == start)
                })?;
                Some((before.0, self.times(before.0)?.0))
            };
            let before = freed.map(|(_, last)| (*last, start)).or_else(apart);
            if let Some((node, let_go)) = before {
                return Some(Before { node, let_go, place: Some(limit.kind.clone()) });
            }
        }
        None
    }

    fn spent(&self, node: NodeId) -> Spent {
        match self.plan.node(node).map(|n| &n.work) {
            Some(Work::Act(step)) => match &step.action {
                Action::ShutDown { .. } => Spent::ShuttingDown,
                action if action.moves() => Spent::Moving,
                _ => Spent::Steps,
            },
            Some(Work::Wait(Wait::Ready { .. })) => Spent::Ready,
            Some(Work::Wait(Wait::Until { .. } | Wait::Quiet { .. })) => Spent::Appointed,
            Some(Work::Hook(_) | Work::Cutover(_)) => Spent::Steps,
            Some(Work::Gate(_) | Work::Join) | None => Spent::Delay,
        }
    }
}

/// What a node had to wait for.
struct Before {
    node: NodeId,
    let_go: Timestamp,
    place: Option<LimitKind>,
}
