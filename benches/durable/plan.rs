//! Plans of steps that cost nothing, and the provider that performs them.

use lifeboat::base::{Duration, ReplicaName, Timestamp};
use lifeboat::domain::{Action, NotSo, OnFailure, Operation, Pause, Settled, State, Step, VmRef};
use lifeboat::inventory::Inventory;
use lifeboat::plan::{
    Edge, Forecast, Leg, LegId, Limit, LimitKind, Node, NodeId, Plan, Purpose, SlotUse, Why, Work,
};
use lifeboat::port::{Failure, Later, Look, Order, Placement, Provider, Question, Subject};
use std::future::ready;

/// How the steps depend on each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Each waits for the one before it.
    Chain,
    /// None waits for any other; so many may be under way at once, or all.
    FanOut(Option<u32>),
}

fn replica(i: u32) -> ReplicaName {
    format!("vm-{i:06}").parse().unwrap()
}

/// A plan of single steps, each of a replica of its own.
pub fn plan(shape: Shape, count: u32) -> Plan {
    let places = if let Shape::FanOut(Some(size)) = shape { Some(size) } else { None };
    let slots = |i: u32| places.map(|_| SlotUse { limit: 0, first: NodeId(i), last: NodeId(i) });
    let vm =
        |site: &str, i: u32| VmRef { site: site.parse().unwrap(), vm: format!("vm-{i:06}").parse().unwrap() };
    let placement = |i: u32| Placement {
        source: vm("production", i),
        replica: vm("recovery", i),
        target: None,
        both_may_run: false,
    };
    let leg = |i: u32| Leg {
        optional: false,
        quorum: None,
        replica: replica(i),
        operation: Operation::UndoFailover,
        to: State::Ready,
        why: Why::Desired,
        entry: None,
        first: NodeId(i),
        concluded: NodeId(i),
        last: NodeId(i),
        slots: slots(i).into_iter().collect(),
        only_on_failure: false,
    };
    let node = |i: u32| Node {
        needs: None,
        pause: Pause::default(),
        work: Work::Act(Step { replica: replica(i), action: Action::Hold }),
        leg: Some(LegId(i)),
        typical: Duration::from_secs(1),
        limit: Duration::from_secs(60),
        attempts: 3,
    };
    let limit = |size| Limit { kind: LimitKind::SiteStart("recovery".parse().unwrap()), size, gap: None };
    let edges = match shape {
        Shape::Chain => (1..count).map(|i| Edge::done(NodeId(i - 1), NodeId(i))).collect(),
        Shape::FanOut(_) => Vec::new(),
    };
    Plan {
        slice: None,
        on_failure: OnFailure::Hold,
        needs: Vec::new(),
        purpose: Purpose::Replicate,
        observed_at: Timestamp::from_millis(0),
        sites: Vec::new(),
        members: Vec::new(),
        unchanged: Vec::new(),
        legs: (0..count).map(leg).collect(),
        placements: (0..count).map(|i| (replica(i), placement(i))).collect(),
        nodes: (0..count).map(node).collect(),
        edges,
        limits: places.map(limit).into_iter().collect(),
        drilled: None,
        cuts: Vec::new(),
        warnings: Vec::new(),
        forecast: Forecast::default(),
        read: Vec::new(),
    }
}

/// Every action succeeds at once, so that what is left is the cost of the record.
pub struct Free;

impl Provider for Free {
    fn observe<'a>(&'a self, _: &'a [Subject]) -> Later<'a, Inventory> {
        Box::pin(ready(Inventory::default()))
    }

    fn perform<'a>(&'a self, _: &'a Order) -> Later<'a, Result<(), Failure>> {
        Box::pin(ready(Ok(())))
    }

    fn look<'a>(&'a self, _: &'a Order) -> Later<'a, Look> {
        Box::pin(ready(Look::Settled(Settled::Done)))
    }

    fn probe<'a>(&'a self, _: Question<'a>) -> Later<'a, Result<(), NotSo>> {
        Box::pin(ready(Ok(())))
    }
}
