//! Plans built by hand, for the tests of run, journal and engine.

use crate::base::{Duration, ReplicaName, Timestamp};
use crate::domain::{
    Action, Cutover, IfFailed, NameServer, OnFailure, Once, Operation, Pause, RecordKind, Role, State, Step,
    VmRef, Wait,
};
use crate::plan::{
    Edge, Forecast, Leg, LegId, Limit, LimitKind, Node, NodeId, On, Plan, Purpose, SlotUse, Why, Work,
};
use crate::port::Placement;
use std::collections::BTreeMap;

/// The replica of a plan's n-th leg.
pub(crate) fn replica(leg: usize) -> ReplicaName {
    format!("r{leg}").parse().unwrap()
}

/// An action that every leg of these plans is made of.
pub(crate) fn act(leg: usize) -> Work {
    Work::Act(Step { replica: replica(leg), action: Action::Hold })
}

/// A name that follows the machine of a leg.
pub(crate) fn name(leg: usize, required: bool) -> Work {
    Work::Cutover(Box::new(Cutover {
        replica: replica(leg),
        name: "www.shop.example".to_owned(),
        kind: RecordKind::A,
        ttl: 60,
        server: NameServer {
            name: "main".parse().unwrap(),
            address: [10, 2, 0, 53].into(),
            port: 53,
            zone: "shop.example".to_owned(),
            key: None,
        },
        to: "10.2.0.8".to_owned(),
        from: vec!["10.1.0.8".to_owned()],
        kept: false,
        once: Once::Ready,
        required,
        attempts: 3,
        within: Duration::from_mins(5),
    }))
}

/// A plan of single actions, one leg each; a third of one may be a wait or a join afterwards.
pub(crate) fn plan(works: Vec<Work>, edges: Vec<Edge>) -> Plan {
    let nodes = works.into_iter().enumerate().map(|(i, work)| Node {
        leg: (work != Work::Join).then(|| LegId(u32::try_from(i).unwrap())),
        work,
        typical: Duration::from_secs(1),
        limit: Duration::from_secs(60),
        attempts: 3,
        pause: Pause::default(),
        needs: None,
    });
    let nodes: Vec<Node> = nodes.collect();
    let leg = |i: usize| {
        let node = NodeId(u32::try_from(i).unwrap());
        Leg {
            replica: replica(i),
            operation: Operation::UndoFailover,
            to: State::Ready,
            why: Why::Desired,
            entry: None,
            first: node,
            concluded: node,
            last: node,
            slots: Vec::new(),
            only_on_failure: false,
            optional: false,
            quorum: None,
        }
    };
    let vm =
        |site: &str, i: usize| VmRef { site: site.parse().unwrap(), vm: format!("r{i}").parse().unwrap() };
    let placement =
        |i| Placement { source: vm("prod", i), replica: vm("dr", i), target: None, both_may_run: false };
    Plan {
        purpose: Purpose::Replicate,
        slice: None,
        on_failure: OnFailure::Hold,
        needs: Vec::new(),
        observed_at: Timestamp::from_millis(0),
        sites: Vec::new(),
        members: Vec::new(),
        unchanged: Vec::new(),
        legs: (0..nodes.len()).map(leg).collect(),
        placements: (0..nodes.len()).map(|i| (replica(i), placement(i))).collect::<BTreeMap<_, _>>(),
        nodes,
        edges,
        limits: Vec::new(),
        drilled: None,
        cuts: Vec::new(),
        warnings: Vec::new(),
        forecast: Forecast::default(),
        read: Vec::new(),
    }
}

/// Puts stretches of nodes, each made one leg, under a limit.
pub(crate) fn limited(mut plan: Plan, size: u32, gap: Option<Duration>, stretches: &[(u32, u32)]) -> Plan {
    let limit = u32::try_from(plan.limits.len()).unwrap();
    plan.limits.push(Limit { kind: LimitKind::SiteStart("dr".parse().unwrap()), size, gap });
    for (first, last) in stretches {
        let (leg, first, last) = (LegId(*first), NodeId(*first), NodeId(*last));
        for node in &mut plan.nodes[first.index()..=last.index()] {
            node.leg = Some(leg);
        }
        let leg = &mut plan.legs[leg.index()];
        (leg.first, leg.concluded, leg.last) = (first, last, last);
        leg.slots.push(SlotUse { limit, first, last });
    }
    plan
}

/// An edge that waits for the end of the earlier node.
pub(crate) fn done(from: u32, to: u32) -> Edge {
    Edge::done(NodeId(from), NodeId(to))
}

/// An edge of any kind.
pub(crate) fn edge(from: u32, to: u32, on: On, if_failed: IfFailed) -> Edge {
    Edge { on, if_failed, ..done(from, to) }
}

/// A wait for so many seconds.
pub(crate) fn quiet(seconds: u64) -> Work {
    Work::Wait(Wait::Quiet { time: Duration::from_secs(seconds) })
}

/// A wait for a replica's machine.
pub(crate) fn ready(leg: usize, stable: u64, within: u64) -> Work {
    let readiness = crate::domain::Readiness::guest(
        Duration::from_secs(stable),
        Duration::from_secs(2),
        Duration::from_secs(within),
    );
    Work::Wait(Wait::Ready { replica: replica(leg), vm: Role::Replica, readiness: Box::new(readiness) })
}
