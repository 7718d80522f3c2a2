//! Good plans built by hand pass; every single thing taken from them, or turned round in them, is found.

use super::check;
use crate::base::{Duration, ReplicaName, Timestamp, VmName};
use crate::domain::{
    Action, Condition, Facts, FailbackTarget, IfFailed, Link, Loss, LossKind, OnFailure, Operation, Pause,
    PointKind, Power, Readiness, Relation, ReplicaDisk, Replication, RestorePoint, Role, Sight, State, Step,
    Switchover, Unmet, VmFacts, VmRef, Wait,
};
use crate::inventory::{Inventory, Observed, Typical};
use crate::plan::{
    Edge, Forecast, Leg, LegId, Limit, LimitKind, Member, Node, NodeId, On, Plan, Purpose, SlotUse,
    Violation, Why, Work,
};
use std::collections::BTreeMap;

fn name() -> ReplicaName {
    "db".parse().unwrap()
}

fn vm(site: &str, vm: &str) -> VmRef {
    VmRef { site: site.parse().unwrap(), vm: VmName::new(vm).unwrap() }
}

fn machine(power: Power, networks: &[&str]) -> Sight {
    let links = networks.iter().map(|n| Link::on(n.parse().unwrap())).collect();
    Sight::Present(VmFacts { power, links })
}

fn ready() -> Facts {
    Facts {
        source: machine(Power::On, &["lan"]),
        replica: machine(Power::Off, &[]),
        target: None,
        points: vec![RestorePoint {
            id: "p1".parse().unwrap(),
            at: Timestamp::default(),
            kind: PointKind::Regular,
            consistency: crate::domain::Consistency::Crash,
        }],
        disk: ReplicaDisk::default(),
        relation: Relation {
            source: vm("prod", "db"),
            source_links: Vec::new(),
            replication: Replication::Active,
            source_stopped: false,
            failed_over_at: None,
            switched_at: None,
            intent: None,
            failback: None,
        },
        copy: crate::domain::CopyFacts::default(),
    }
}

fn inventory(facts: Facts) -> Inventory {
    let seen = Observed { facts: Some(facts), why: None, typical: Typical::default() };
    Inventory { replicas: [(name(), seen)].into(), ..Inventory::default() }
}

fn links() -> Vec<Link> {
    vec![Link::on("dr".parse().unwrap())]
}

fn planned() -> (Operation, Vec<Action>) {
    let (first, last): (crate::base::PointId, crate::base::PointId) =
        ("h1".parse().unwrap(), "h2".parse().unwrap());
    let operation = Operation::PlannedFailover { first: first.clone(), last: last.clone() };
    let copy =
        |point| Action::CreatePoint { point, kind: PointKind::Helper, quiesce: crate::domain::Quiesce::Auto };
    let actions = vec![
        Action::Begin { operation: operation.clone() },
        copy(first),
        Action::ShutDown { vm: Role::Source, within: Duration::from_mins(15) },
        copy(last.clone()),
        Action::Hold,
        Action::Revert { point: last },
        Action::StartDelta,
        Action::Connect { links: links() },
        Action::PowerOn { vm: Role::Replica },
        Action::Conclude { state: State::Failover },
    ];
    (operation, actions)
}

fn unplanned() -> (Operation, Vec<Action>) {
    let point: crate::base::PointId = "p1".parse().unwrap();
    let operation = Operation::Failover { point: point.clone() };
    let actions = vec![
        Action::Begin { operation: operation.clone() },
        Action::Hold,
        Action::Revert { point },
        Action::StartDelta,
        Action::Connect { links: links() },
        Action::PowerOn { vm: Role::Replica },
        Action::Conclude { state: State::Failover },
    ];
    (operation, actions)
}

fn permanent() -> (Operation, Vec<Action>) {
    let operation = Operation::PermanentFailover;
    let actions = vec![
        Action::Begin { operation: operation.clone() },
        Action::Merge,
        Action::Exclude,
        Action::Conclude { state: State::Permanent },
    ];
    (operation, actions)
}

fn failback() -> Vec<(State, Operation, Vec<Action>)> {
    let phase_one =
        Operation::Failback { target: FailbackTarget::Original, switchover: Switchover::Automatic };
    let phase_two = Operation::Switchover { power_on: true };
    let keep: crate::base::PointId = "kept".parse().unwrap();
    let commit = Operation::CommitFailback { keep: keep.clone() };
    let begin = |operation: &Operation| Action::Begin { operation: operation.clone() };
    vec![
        (
            State::ReadyToSwitch,
            phase_one.clone(),
            vec![
                begin(&phase_one),
                Action::ShutDown { vm: Role::Target, within: Duration::ZERO },
                Action::SnapshotTarget { phase: 1 },
                Action::Protect { phase: 1 },
                Action::SendChanges { phase: 1 },
                Action::Conclude { state: State::ReadyToSwitch },
            ],
        ),
        (
            State::Failback,
            phase_two.clone(),
            vec![
                begin(&phase_two),
                Action::SnapshotTarget { phase: 2 },
                Action::ShutDown { vm: Role::Replica, within: Duration::ZERO },
                Action::Protect { phase: 2 },
                Action::SendChanges { phase: 2 },
                Action::MergeTarget,
                Action::PowerOn { vm: Role::Target },
                Action::Conclude { state: State::Failback },
            ],
        ),
        (
            State::Ready,
            commit.clone(),
            vec![
                begin(&commit),
                Action::KeepProtective { point: keep },
                Action::Resume,
                Action::Conclude { state: State::Ready },
            ],
        ),
    ]
}

/// A plan for one replica: legs in their order, each followed by a wait for readiness where its machine was started.
struct Build {
    plan: Plan,
    last: Option<NodeId>,
}

impl Build {
    fn new(now: State, then: State) -> Self {
        let member = Member {
            replica: name(),
            plan: None,
            now: Condition::Whole(now),
            then,
            halts_before: None,
            wave: 1,
            legs: Vec::new(),
            loses: Vec::new(),
            rpo: None,
            typical: Duration::ZERO,
            both_may_run: None,
        };
        let placement = serde_json::json!({ "source": vm("prod", "db"), "replica": vm("dr", "db") });
        let placement = serde_json::from_value(placement).unwrap();
        let plan = Plan {
            purpose: Purpose::Replicate,
            slice: None,
            on_failure: OnFailure::Hold,
            needs: Vec::new(),
            observed_at: Timestamp::default(),
            sites: Vec::new(),
            members: vec![member],
            unchanged: Vec::new(),
            legs: Vec::new(),
            placements: BTreeMap::from([(name(), placement)]),
            nodes: Vec::new(),
            edges: Vec::new(),
            limits: Vec::new(),
            drilled: None,
            cuts: Vec::new(),
            warnings: Vec::new(),
            forecast: Forecast::default(),
            read: Vec::new(),
        };
        Self { plan, last: None }
    }

    fn push(&mut self, work: Work, leg: LegId) -> NodeId {
        let id = NodeId(u32::try_from(self.plan.nodes.len()).unwrap());
        let (typical, limit) = (Duration::ZERO, Duration::from_mins(1));
        self.plan.nodes.push(Node {
            work,
            leg: Some(leg),
            typical,
            limit,
            attempts: 1,
            pause: Pause::default(),
            needs: None,
        });
        if let Some(last) = self.last.replace(id) {
            self.plan.edges.push(Edge::done(last, id));
        }
        id
    }

    fn leg(mut self, to: State, operation: Operation, actions: Vec<Action>) -> Self {
        self.add(to, operation, actions, false);
        self
    }

    fn add(&mut self, to: State, operation: Operation, actions: Vec<Action>, on_failure: bool) -> NodeId {
        let id = LegId(u32::try_from(self.plan.legs.len()).unwrap());
        let starts = actions.iter().find_map(|a| match a {
            Action::PowerOn { vm } => Some(*vm),
            _ => None,
        });
        let first = NodeId(u32::try_from(self.plan.nodes.len()).unwrap());
        for action in actions {
            self.push(Work::Act(Step { replica: name(), action }), id);
        }
        let concluded = self.last.unwrap();
        if let Some(vm) = starts {
            let readiness = Readiness::guest(Duration::ZERO, Duration::from_secs(2), Duration::from_mins(5));
            self.push(Work::Wait(Wait::Ready { replica: name(), vm, readiness: Box::new(readiness) }), id);
        }
        let last = self.last.unwrap();
        self.plan.legs.push(Leg {
            replica: name(),
            operation,
            to,
            why: Why::Desired,
            entry: None,
            first,
            concluded,
            last,
            slots: Vec::new(),
            only_on_failure: on_failure,
            optional: false,
            quorum: None,
        });
        self.plan.members[0].legs.push(id);
        last
    }

    fn loses(mut self, kind: LossKind) -> Self {
        self.plan.members[0].loses.push(Loss { kind, upto: None });
        self
    }
}

fn planned_plan() -> Plan {
    let (operation, actions) = planned();
    Build::new(State::Ready, State::Failover).leg(State::Failover, operation, actions).plan
}

fn permanent_plan() -> Plan {
    let ((over, start), (ever, end)) = (unplanned(), permanent());
    let mut facts_off = Build::new(State::Ready, State::Permanent)
        .leg(State::Failover, over, start)
        .leg(State::Permanent, ever, end)
        .loses(LossKind::SourceAfterPoint)
        .loses(LossKind::RestorePoints);
    facts_off.last = None;
    facts_off.plan
}

/// Failback, switchover and commit, with the undo for a target that does not get ready.
fn return_plan() -> (Plan, Facts) {
    let (_, start) = planned();
    let facts = start
        .iter()
        .fold(ready(), |facts, action| crate::domain::effect(action, facts, Timestamp::default()));
    let mut build = Build::new(State::Failover, State::Ready);
    let mut waits = Vec::new();
    for (to, operation, actions) in failback() {
        waits.push(build.add(to, operation, actions, false));
    }
    build.last = None;
    let undo = Operation::UndoFailback;
    let actions = vec![
        Action::Begin { operation: undo.clone() },
        Action::PowerOff { vm: Role::Target },
        Action::RevertReplica,
        Action::RevertTarget,
        Action::PowerOn { vm: Role::Replica },
        Action::Unprotect,
        Action::Conclude { state: State::Failover },
    ];
    build.add(State::Failover, undo, actions, true);
    let first = build.plan.legs[3].first;
    build.plan.edges.push(Edge { on: On::Failed, ..Edge::done(waits[1], first) });
    (build.plan, facts)
}

fn good() -> Vec<(&'static str, Plan, Inventory)> {
    let (back, facts) = return_plan();
    vec![
        ("planned", planned_plan(), inventory(ready())),
        ("permanent", permanent_plan(), inventory(ready())),
        ("return", back, inventory(facts)),
    ]
}

/// Takes a node out; its neighbours are joined, the numbers close up.
fn without(plan: &Plan, gone: NodeId) -> Plan {
    let mut plan = plan.clone();
    let leads = |e: &&Edge| e.from == gone;
    let (after, before): (Vec<Edge>, Vec<Edge>) = (
        plan.edges.iter().filter(leads).copied().collect(),
        plan.edges.iter().filter(|e| e.to == gone).copied().collect(),
    );
    plan.edges.retain(|e| e.from != gone && e.to != gone);
    for b in &before {
        plan.edges.extend(after.iter().map(|a| Edge { from: b.from, to: a.to, ..*b }));
    }
    plan.nodes.remove(gone.index());
    let shift = |id: &mut NodeId| {
        if *id > gone {
            id.0 -= 1;
        }
    };
    for edge in &mut plan.edges {
        shift(&mut edge.from);
        shift(&mut edge.to);
    }
    for leg in &mut plan.legs {
        for id in [&mut leg.concluded, &mut leg.last] {
            if *id == gone {
                id.0 -= 1;
            }
        }
        [&mut leg.first, &mut leg.concluded, &mut leg.last].into_iter().for_each(shift);
    }
    plan
}

#[test]
fn good_plans_pass() {
    for (what, plan, inventory) in good() {
        assert_eq!(check(&plan, &inventory), Vec::new(), "{what}");
    }
}

#[test]
fn no_edge_can_be_missed_or_softened() {
    for (what, plan, inventory) in good() {
        // A wait at the very end gates nothing.
        let gates = |e: &&Edge| e.on == On::Done && plan.edges.iter().any(|f| f.from == e.to);
        for edge in plan.edges.iter().filter(gates) {
            let at = plan.edges.iter().position(|e| e == edge).unwrap();
            let mut gone = plan.clone();
            gone.edges.remove(at);
            let mut softer = plan.clone();
            softer.edges[at].if_failed = IfFailed::Continue;
            let mut sooner = plan.clone();
            sooner.edges[at].on = On::Started;
            for mutant in [gone, softer, sooner] {
                let found = check(&mutant, &inventory);
                let order =
                    |v: &Violation| matches!(v, Violation::Unordered(..) | Violation::TooEarly { .. });
                assert!(found.iter().any(order), "{what}: {edge:?} gives {found:?}");
            }
        }
    }
}

#[test]
fn no_action_can_be_missed() {
    for (what, plan, inventory) in good() {
        for id in plan.node_ids() {
            let Work::Act(step) = &plan.nodes[id.index()].work else { continue };
            let idle = match &step.action {
                // Its card stays unplugged, or its disk keeps a snapshot more: a poorer end, not an unsafe one.
                Action::Connect { .. } | Action::Unprotect => true,
                // The first helper point only makes the second one small.
                Action::CreatePoint { point, .. } => point.as_str() == "h1",
                // The source is off already after a planned failover.
                Action::ShutDown { vm: Role::Target, .. } => true,
                // The end is the state all the same: a target may stay off.
                Action::PowerOn { vm: Role::Target } => true,
                // Layers of snapshots that the state does not tell apart; the providers' own tests hold them.
                Action::RevertReplica | Action::RevertTarget => true,
                _ => false,
            };
            let found = check(&without(&plan, id), &inventory);
            assert_eq!(found.is_empty(), idle, "{what}: without {} {found:?}", plan.node_name(id));
        }
    }
}

#[test]
fn no_two_actions_can_change_places() {
    for (what, plan, inventory) in good() {
        for at in 1..plan.nodes.len() {
            let (early, late) = (&plan.nodes[at - 1], &plan.nodes[at]);
            let (Work::Act(one), Work::Act(two)) = (&early.work, &late.work) else { continue };
            if early.leg != late.leg {
                continue;
            }
            let mut turned = plan.clone();
            turned.nodes.swap(at - 1, at);
            let found = check(&turned, &inventory);
            let free = matches!(
                (one.action.word(), two.action.word()),
                ("start-delta", "connect")
                    | ("revert-replica", "revert-target")
                    | ("shut-down", "snapshot-target")
                    | ("snapshot-target", "shut-down")
                    | ("power-off", "revert-replica")
                    | ("power-on", "unprotect")
                    | ("connect", "power-on")
                    | ("create-point", "shut-down")
                    | ("revert-target", "power-on")
            );
            assert!(free || !found.is_empty(), "{what}: {} before {}", two.action.word(), one.action.word());
        }
    }
}

#[test]
fn what_is_referred_to_must_be_there() {
    let inventory = inventory(ready());
    let broken: [fn(&mut Plan); 9] = [
        |p| p.edges[0].to = NodeId(99),
        |p| p.legs[0].last = NodeId(99),
        |p| p.legs[0].replica = "app".parse().unwrap(),
        |p| p.nodes[0].leg = Some(LegId(7)),
        |p| p.nodes[0].leg = None,
        |p| p.members[0].legs.clear(),
        |p| p.members.push(p.members[0].clone()),
        |p| p.placements.clear(),
        |p| p.edges[2].on = On::Failed,
    ];
    for (at, spoil) in broken.into_iter().enumerate() {
        let mut plan = planned_plan();
        spoil(&mut plan);
        let found = check(&plan, &inventory);
        assert!(matches!(found.first(), Some(Violation::Dangling(_))), "{at}: {found:?}");
    }
}

#[test]
fn a_cycle_is_shown_as_the_shortest_one() {
    let mut plan = planned_plan();
    plan.edges.push(Edge::done(NodeId(5), NodeId(3)));
    let found = check(&plan, &inventory(ready()));
    assert_eq!(found, vec![Violation::Cycle(vec![NodeId(3), NodeId(4), NodeId(5)])]);
}

#[test]
fn an_end_that_is_not_reached_is_found() {
    let mut plan = planned_plan();
    plan.members[0].then = State::Ready;
    let (ends, wanted) = (Condition::Whole(State::Failover), State::Ready);
    assert_eq!(check(&plan, &inventory(ready())), vec![Violation::Misses { replica: name(), ends, wanted }]);
}

#[test]
fn a_loss_must_be_named() {
    for at in 0..2 {
        let mut plan = permanent_plan();
        plan.members[0].loses.remove(at);
        assert_eq!(check(&plan, &inventory(ready())), vec![Violation::UnnamedLoss(name())]);
    }
    let mut facts = ready();
    facts.points.clear();
    let found = check(&permanent_plan(), &inventory(facts));
    assert!(matches!(found[..], [Violation::Unmet { unmet: Unmet::NoPoint, .. }]), "{found:?}");
}

#[test]
fn both_may_serve_on_one_network_only_where_the_document_says_so() {
    let mut facts = ready();
    facts.source = machine(Power::On, &["lan", "dr"]);
    let (operation, actions) = unplanned();
    let mut plan = Build::new(State::Ready, State::Failover)
        .leg(State::Failover, operation, actions)
        .loses(LossKind::SourceAfterPoint)
        .plan;
    let found = check(&plan, &inventory(facts.clone()));
    assert!(matches!(found[..], [Violation::Broken { .. }]), "{found:?}");
    plan.members[0].both_may_run = Some("a drill".to_owned());
    assert_eq!(check(&plan, &inventory(facts)), Vec::new());
}

#[test]
fn a_replica_that_was_not_seen_is_not_touched() {
    let found = check(&planned_plan(), &Inventory::default());
    assert!(matches!(found[..], [Violation::Unmet { unmet: Unmet::Unseen, .. }]), "{found:?}");
}

#[test]
fn a_rescue_must_stand_on_the_facts_at_which_it_begins() {
    let (plan, facts) = return_plan();
    let rescue = plan.legs[3].first;
    // Started by a failure of the first leg, when nothing was switched over yet: its target still has its snapshot.
    let mut spoilt = plan.clone();
    let power_on = without(&spoilt, NodeId(rescue.0 + 1));
    let found = check(&power_on, &inventory(facts.clone()));
    assert!(matches!(found[..], [Violation::Unmet { unmet: Unmet::TargetRuns, .. }]), "{found:?}");
    spoilt.edges.retain(|e| e.on != On::Failed);
    spoilt.edges.push(Edge { on: On::Failed, ..Edge::done(NodeId(0), rescue) });
    let found = check(&spoilt, &inventory(facts));
    assert!(!found.is_empty(), "undoing what was never begun");
}

#[test]
fn a_replica_that_does_not_wait_for_its_fence_is_found() {
    let script = crate::domain::Script {
        run: vec!["off".to_owned()],
        check: None,
        proof: Some(vec!["is-off".to_owned()]),
        env: BTreeMap::new(),
        secrets: BTreeMap::new(),
        within: Duration::from_mins(1),
        repeatable: true,
    };
    let fence = crate::plan::Hook {
        name: "fence".parse().unwrap(),
        when: crate::domain::When::Fence,
        around: crate::plan::Around::Site("prod".parse().unwrap()),
        operation: None,
        legs: vec![LegId(0)],
        script,
    };
    let mut build = Build::new(State::Ready, State::Failover);
    let id = build.push(Work::Hook(Box::new(fence)), LegId(0));
    let (operation, actions) = planned();
    let mut plan = build.leg(State::Failover, operation, actions).plan;
    plan.nodes[id.index()].leg = None;
    // That all of the leg comes after it is not enough: whoever takes the run up has it proven for what waits by itself.
    let starts = |n: &NodeId| matches!(&plan.nodes[n.index()].work, Work::Act(s) if matches!(s.action, Action::PowerOn { .. }));
    let start = plan.node_ids().find(starts).unwrap();
    assert_eq!(check(&plan, &inventory(ready())), [Violation::Unordered(id, start)]);
    plan.edges.push(Edge::done(id, start));
    assert_eq!(check(&plan, &inventory(ready())), Vec::new());
    let mut unproven = plan.clone();
    if let Work::Hook(hook) = &mut unproven.nodes[id.index()].work {
        hook.script.proof = None;
    }
    assert!(matches!(&check(&unproven, &inventory(ready()))[..], [Violation::Dangling(_)]));
    // The start waits for it too, while the leg has a place: it was taken after the fence was done.
    let (first, last) = (plan.legs[0].first, plan.legs[0].last);
    plan.limits.push(Limit { kind: LimitKind::SiteStart("dr".parse().unwrap()), size: 1, gap: None });
    plan.legs[0].slots.push(SlotUse { limit: 0, first, last });
    plan.edges.push(Edge::done(id, last));
    assert_eq!(check(&plan, &inventory(ready())), Vec::new());
    plan.edges.retain(|edge| (edge.from, edge.to) != (id, first));
    let found = check(&plan, &inventory(ready()));
    assert!(found.contains(&Violation::WaitsWithPlace { node: last, waits_for: id }), "{found:?}");
    plan.edges.retain(|edge| edge.from != id);
    let both = [first, start].map(|node| Violation::Unordered(id, node));
    assert_eq!(check(&plan, &inventory(ready())), both);
}

#[test]
fn a_name_waits_for_its_machine_and_nothing_waits_for_a_name() {
    for goes_on in [None, Some(IfFailed::Block), Some(IfFailed::Continue)] {
        let (operation, actions) = planned();
        let mut build = Build::new(State::Ready, State::Failover).leg(State::Failover, operation, actions);
        let awaited = build.last.unwrap();
        let cutover = serde_json::json!({
            "replica": name(), "name": "www.shop.example", "type": "A", "ttl": 60, "to": "10.2.0.8",
            "server": { "name": "main", "address": "10.2.0.53", "port": 53, "zone": "shop.example" },
            "required": true, "attempts": 1, "within": Duration::from_secs(30),
        });
        let record = build.push(Work::Cutover(serde_json::from_value(cutover).unwrap()), LegId(0));
        let mut wanted = Vec::new();
        if let Some(if_failed) = goes_on {
            let node = build.push(Work::Wait(Wait::Quiet { time: Duration::ZERO }), LegId(0));
            build.plan.edges.pop();
            build.plan.edges.push(Edge::done(awaited, node));
            build.plan.edges.push(Edge { if_failed, ..Edge::done(record, node) });
            wanted.push(Violation::WaitsForName { node, name: record });
        }
        assert_eq!(check(&build.plan, &inventory(ready())), wanted, "{goes_on:?}");
    }
}
