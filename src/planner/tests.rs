//! Every reachable condition × every desired state × every `keep`: the plan reaches the goal by lawful actions, or is refused.

use super::*;
use crate::base::{EntryName, Timestamp, VmName};
use crate::domain::invariant::broken;
use crate::domain::{
    AtEnd, Facts, FailbackTarget, IfFailed, Link, OperationKind, Power, Readiness, Relation, ReplicaDisk,
    Replication, RestorePoint, Role, Sight, State, Switchover, VmFacts, VmRef, Wait, condition, effect,
    requires,
};
use crate::inventory::{Observed, SiteSight, Typical};
use crate::model::{
    After, Entry, FailbackTerms, Hooks, Is, Keep, Otherwise, PointChoice, Replica, Slot, SourceTreatment,
    UndoOrder, Verify, Via,
};
use crate::plan::{On, RefusedWhy};

const NAMES: [&str; 3] = ["db", "app", "web"];

mod beside;
mod cuts;
mod fences;
mod names;

fn name(text: &str) -> ReplicaName {
    ReplicaName::new(text).unwrap()
}

fn vm(site: &str, vm: &str) -> VmRef {
    VmRef { site: site.parse().unwrap(), vm: VmName::new(vm).unwrap() }
}

fn now() -> Timestamp {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

fn machine(power: Power, network: &str) -> Sight {
    let links = vec![Link::on(network.parse().unwrap())];
    Sight::Present(VmFacts { power, links })
}

fn point(id: &str, minutes_ago: u64) -> RestorePoint {
    let at = now().before(Duration::from_mins(minutes_ago));
    RestorePoint {
        id: id.parse().unwrap(),
        at,
        kind: crate::domain::PointKind::Regular,
        consistency: crate::domain::Consistency::Crash,
    }
}

fn ready(replica: &str) -> Facts {
    let mut resting = machine(Power::Off, "dr");
    if let Sight::Present(vm) = &mut resting {
        vm.links.clear();
    }
    Facts {
        source: machine(Power::On, "lan"),
        replica: resting,
        target: None,
        points: vec![point("p1", 40), point("p2", 20), point("p3", 5)],
        disk: ReplicaDisk::default(),
        relation: Relation {
            source: vm("prod", replica),
            source_links: vec![Link::on("lan".parse().unwrap())],
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

fn workspace() -> Workspace {
    let mut workspace = Workspace::default();
    for replica in NAMES {
        let readiness = Readiness::guest(Duration::ZERO, Duration::from_secs(2), Duration::from_mins(5));
        workspace.replicas.insert(
            name(replica),
            Replica {
                name: name(replica),
                labels: BTreeMap::new(),
                source: vm("prod", replica),
                replica: vm("dr", &format!("{replica}_replica")),
                retention: 7,
                rpo: None,
                rpo_of: None,
                networks: vec![("lan".parse().unwrap(), "dr".parse().unwrap())],
                own_networks: 1,
                dns: Vec::new(),
                addresses: Vec::new(),
                ready: readiness,
                ready_said: false,
                shutdown: Duration::from_mins(15),
                quiesce: crate::domain::Quiesce::Auto,
                hooks: Hooks::default(),
                fence: None,
                both_may_run: None,
            },
        );
    }
    let entry = |n: &&str| Entry {
        name: EntryName::new(n).unwrap(),
        replicas: vec![name(n)],
        gate: None,
        hooks: Hooks::default(),
        delay: Duration::from_secs(60),
        after: None,
        on_failure: crate::domain::IfFailed::Block,
        required: true,
        at_least: None,
        retries: None,
    };
    let plan = FailoverPlan {
        name: "shop".parse().unwrap(),
        rto: None,
        rpo: None,
        start_limit: 10,
        undo_limit: 5,
        undo_gap: Duration::from_secs(10),
        slot: Slot::Done,
        undo_order: UndoOrder::Reverse,
        source: SourceTreatment::Leave,
        consistency: Vec::new(),
        hooks: Hooks::default(),
        sequence: NAMES.iter().map(entry).collect(),
    };
    workspace.plans.insert(plan.name.clone(), plan);
    workspace
}

fn desired(state: State, keep: Option<Keep>, via: Via, target: &FailbackTarget) -> Desired {
    let targets = match target {
        FailbackTarget::Original => BTreeMap::new(),
        other => NAMES.iter().map(|n| (name(n), named(other, n))).collect(),
    };
    let verify = Some(Verify { ready: true, quiet: Duration::from_secs(30), otherwise: Otherwise::Undo });
    Desired {
        subject: Subject::Plan("shop".parse().unwrap()),
        state,
        via,
        point: PointChoice::Latest,
        keep,
        irreversible: true,
        failback: FailbackTerms { targets, switchover: Switchover::Automatic, power_on: true, verify },
    }
}

/// The facts of `db` as those of all three: each is brought back to a machine of its own.
fn alike(facts: &Facts) -> Vec<Facts> {
    let text = serde_json::to_string(facts).unwrap();
    NAMES
        .iter()
        .map(|n| serde_json::from_str(&text.replace("\"db-new\"", &format!("\"{n}-new\""))).unwrap())
        .collect()
}

fn named(target: &FailbackTarget, replica: &str) -> FailbackTarget {
    let other = vm("prod", &format!("{replica}-new"));
    match target {
        FailbackTarget::Original => FailbackTarget::Original,
        FailbackTarget::Elsewhere(_) => FailbackTarget::Elsewhere(other),
        FailbackTarget::Recovered(_) => FailbackTarget::Recovered(other),
    }
}

fn inventory(facts: &[Facts]) -> Inventory {
    let seen = SiteSight { at: now(), silent: None };
    // A site of which nothing is seen is silent.
    let dark = facts.iter().all(|f| f.source == Sight::Unseen);
    let prod = SiteSight { silent: dark.then(|| "no route".to_owned()), ..seen.clone() };
    Inventory {
        at: now(),
        sites: [("prod".parse().unwrap(), prod), ("dr".parse().unwrap(), seen)].into(),
        replicas: NAMES
            .iter()
            .zip(facts)
            .map(|(n, f)| {
                (name(n), Observed { facts: Some(f.clone()), why: None, typical: Typical::default() })
            })
            .collect(),
    }
}

fn planned(facts: &[Facts], desired: &Desired) -> Result<Plan, Vec<Refused>> {
    planned_in(&workspace(), facts, desired)
}

fn planned_in(workspace: &Workspace, facts: &[Facts], desired: &Desired) -> Result<Plan, Vec<Refused>> {
    let inventory = inventory(facts);
    let purpose = Purpose::Runbook("test".parse().unwrap());
    plan(&Request {
        workspace,
        inventory: &inventory,
        purpose: &purpose,
        desired: std::slice::from_ref(desired),
        switchover_now: false,
    })
}

/// Walks the plan in its order; every action must be lawful when its turn comes, in every middle state. Returns the facts at the end
/// and all the facts on the way of the first replica.
fn walk(plan: &Plan, facts: &[Facts]) -> (Vec<Facts>, Vec<Facts>) {
    let mut facts: BTreeMap<ReplicaName, Facts> =
        NAMES.iter().zip(facts).map(|(n, f)| (name(n), f.clone())).collect();
    let mut middle = Vec::new();
    for (edge, id) in plan.edges.iter().zip(0..) {
        assert!(edge.from < edge.to, "edge {id} goes backwards");
    }
    for id in plan.node_ids() {
        let node = plan.node(id).unwrap();
        let leg = node.leg.and_then(|l| plan.leg(l));
        if leg.is_some_and(|l| l.only_on_failure) {
            continue;
        }
        let Work::Act(step) = &node.work else { continue };
        let facts = facts.get_mut(&step.replica).unwrap();
        assert_eq!(requires(&step.action, facts), Ok(()), "{} in {:#?}", plan.node_name(id), facts);
        *facts = effect(&step.action, facts.clone(), now());
        assert_eq!(broken(facts, false), Vec::new(), "after {}", plan.node_name(id));
        if step.replica == name("db") {
            middle.push(facts.clone());
        }
    }
    for member in &plan.members {
        let end = condition(&facts[&member.replica]);
        assert_eq!(end, Condition::Whole(member.then), "{}", member.replica);
    }
    (NAMES.iter().map(|n| facts[&name(n)].clone()).collect(), middle)
}

/// All conditions that our own operations can leave behind: every whole state and every point between two actions.
fn reachable(target: &FailbackTarget) -> Vec<Facts> {
    let start: Vec<Facts> = NAMES.iter().map(|n| ready(n)).collect();
    let mut all = vec![start[0].clone()];
    let mut unprotected = start[0].clone();
    unprotected.points.clear();
    unprotected.replica = Sight::Absent;
    all.push(unprotected);
    let walks: [&[(State, Option<Keep>, Via)]; 6] = [
        &[(State::Failover, None, Via::Planned), (State::Ready, Some(Keep::Source), Via::Planned)],
        &[(State::Failover, None, Via::Unplanned), (State::Permanent, None, Via::Planned)],
        &[(State::Failover, None, Via::Planned), (State::Ready, Some(Keep::Replica), Via::Planned)],
        &[
            (State::Failover, None, Via::Planned),
            (State::Failback, None, Via::Planned),
            (State::Failover, Some(Keep::Replica), Via::Planned),
        ],
        &[
            (State::Failover, None, Via::Unplanned),
            (State::ReadyToSwitch, None, Via::Planned),
            (State::Failover, None, Via::Planned),
        ],
        &[(State::Failover, None, Via::Unplanned), (State::Ready, Some(Keep::Source), Via::Planned)],
    ];
    for stations in walks {
        let mut facts = start.clone();
        for (state, keep, via) in stations {
            let plan = planned(&facts, &desired(*state, *keep, *via, target)).unwrap();
            let (end, middle) = walk(&plan, &facts);
            all.extend(middle);
            facts = end;
        }
    }
    let mut seen = BTreeSet::new();
    all.retain(|facts| seen.insert(serde_json::to_string(facts).unwrap()));
    all
}

fn targets() -> [FailbackTarget; 3] {
    [
        FailbackTarget::Original,
        FailbackTarget::Elsewhere(vm("prod", "x")),
        FailbackTarget::Recovered(vm("prod", "x")),
    ]
}

#[test]
fn every_condition_reaches_every_goal_or_is_refused_with_a_reason() {
    let (mut reached, mut refused) = (0, 0);
    for target in targets() {
        for facts in reachable(&target) {
            for goal in State::ALL {
                for keep in [None, Some(Keep::Source), Some(Keep::Replica)] {
                    for via in [Via::Planned, Via::Unplanned, Via::Best] {
                        let facts = alike(&facts);
                        let wanted = desired(goal, keep, via, &target);
                        match planned(&facts, &wanted) {
                            Ok(plan) => {
                                let (end, _) = walk(&plan, &facts);
                                assert_eq!(condition(&end[0]), Condition::Whole(goal), "{:?}", facts[0]);
                                reached += 1;
                            }
                            Err(why) => {
                                assert_eq!(why.len(), 3);
                                refused += 1;
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(reached > 1000 && refused > 100, "{reached} reached, {refused} refused");
}

#[test]
fn a_dead_production_site_stops_no_unplanned_failover() {
    for facts in reachable(&FailbackTarget::Original) {
        let mut facts = facts;
        facts.source = Sight::Unseen;
        if !matches!(condition(&facts), Condition::Whole(State::Ready) | Condition::PartWay(_)) {
            continue;
        }
        if facts.relation.failback.is_some() || facts.disk.merged || facts.points.is_empty() {
            continue;
        }
        if matches!(condition(&facts), Condition::PartWay(ref o) if o.kind() == OperationKind::PermanentFailover)
        {
            continue;
        }
        let all = alike(&facts);
        let wanted = desired(State::Failover, None, Via::Best, &FailbackTarget::Original);
        let plan = planned(&all, &wanted).unwrap_or_else(|why| panic!("{why:?} from {facts:#?}"));
        walk(&plan, &all);
    }
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    let facts: Vec<Facts> = NAMES.iter().map(|n| ready(n)).collect();
    let wanted = desired(State::Failover, None, Via::Planned, &FailbackTarget::Original);
    let one = serde_json::to_vec(&planned(&facts, &wanted).unwrap()).unwrap();
    let two = serde_json::to_vec(&planned(&facts, &wanted).unwrap()).unwrap();
    assert_eq!(one, two);
}

fn number(plan: &Plan, name: &str) -> NodeId {
    plan.node_ids().find(|id| plan.node_name(*id) == name).unwrap_or_else(|| panic!("no {name}"))
}

fn before(plan: &Plan, earlier: &str, later: &str) -> bool {
    let (from, to) = (number(plan, earlier), number(plan, later));
    let mut reach = vec![false; plan.nodes.len()];
    reach[from.index()] = true;
    let mut edges = plan.edges.clone();
    edges.sort_by_key(|e| e.from);
    for edge in edges {
        if reach[edge.from.index()] {
            reach[edge.to.index()] = true;
        }
    }
    reach[to.index()]
}

#[test]
fn sources_stop_against_the_order_and_replicas_start_in_it() {
    let facts: Vec<Facts> = NAMES.iter().map(|n| ready(n)).collect();
    let wanted = desired(State::Failover, None, Via::Planned, &FailbackTarget::Original);
    let plan = planned(&facts, &wanted).unwrap();
    for (earlier, later) in [("db", "app"), ("app", "web")] {
        let stop = |n: &str| format!("{n}/planned-failover/shut-down-source");
        let hold = |n: &str| format!("{n}/planned-failover/hold");
        assert!(before(&plan, &stop(later), &stop(earlier)));
        assert!(before(&plan, &hold(earlier), &hold(later)));
    }
    let synced = plan.node_ids().find(|id| {
        matches!(&plan.node(*id).unwrap().work, Work::Act(s) if s.replica == name("web")
            && matches!(s.action, crate::domain::Action::CreatePoint { .. }))
    });
    let synced = plan.node_name(synced.unwrap());
    assert!(
        before(&plan, &synced, "db/planned-failover/shut-down-source"),
        "nothing stops before all are copied"
    );
    // 60 s from start to start: app starts a minute after db, web a minute after app.
    assert!(plan.forecast.total >= Duration::from_secs(120), "{}", plan.forecast.total);
    assert_eq!(plan.members.iter().map(|m| m.wave).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn a_failed_verification_has_its_way_back_in_the_plan() {
    let facts: Vec<Facts> = NAMES.iter().map(|n| ready(n)).collect();
    let over =
        planned(&facts, &desired(State::Failover, None, Via::Planned, &FailbackTarget::Original)).unwrap();
    let (facts, _) = walk(&over, &facts);
    let wanted = desired(State::Ready, Some(Keep::Replica), Via::Planned, &FailbackTarget::Original);
    let plan = planned(&facts, &wanted).unwrap();
    let undo: Vec<_> = plan.legs.iter().filter(|l| l.only_on_failure).collect();
    assert_eq!(undo.len(), 6, "one for the readiness, one for the quiet time, of each");
    for leg in undo {
        assert!(plan.edges.iter().any(|e| e.to == leg.first && e.on == On::Failed));
    }
}

#[test]
fn a_dead_source_is_refused_for_a_planned_failover_and_the_way_out_is_named() {
    let mut facts: Vec<Facts> = NAMES.iter().map(|n| ready(n)).collect();
    facts[1].source = Sight::Unseen;
    let wanted = desired(State::Failover, None, Via::Planned, &FailbackTarget::Original);
    let refused = planned(&facts, &wanted).unwrap_err();
    assert_eq!(refused.len(), 1);
    assert!(
        matches!(refused[0].why, RefusedWhy::ProductionUnseen { unplanned_would_do: true, .. }),
        "{refused:?}"
    );
}

#[test]
fn both_never_serve_on_one_network() {
    let mut facts: Vec<Facts> = NAMES.iter().map(|n| ready(n)).collect();
    facts[0].source = machine(Power::On, "dr");
    let mut workspace = workspace();
    let db = workspace.replicas.get_mut(&name("db")).unwrap();
    db.networks.push(("dr".parse().unwrap(), "dr".parse().unwrap()));
    let inventory = inventory(&facts);
    let purpose = Purpose::Runbook("test".parse().unwrap());
    let wanted = [desired(State::Failover, None, Via::Unplanned, &FailbackTarget::Original)];
    let request = Request {
        workspace: &workspace,
        inventory: &inventory,
        purpose: &purpose,
        desired: &wanted,
        switchover_now: false,
    };
    let refused = plan(&request).unwrap_err();
    assert!(matches!(refused[0].why, RefusedWhy::BothWouldServe(_)), "{refused:?}");
}

#[test]
fn a_manual_switchover_waits_for_a_persons_word() {
    let facts: Vec<Facts> = NAMES.iter().map(|n| ready(n)).collect();
    let over =
        planned(&facts, &desired(State::Failover, None, Via::Planned, &FailbackTarget::Original)).unwrap();
    let (facts, _) = walk(&over, &facts);
    let mut wanted = desired(State::Ready, Some(Keep::Replica), Via::Planned, &FailbackTarget::Original);
    wanted.failback.switchover = Switchover::Manual;
    let plan = planned(&facts, &wanted).unwrap();
    assert!(
        plan.members.iter().all(|m| m.then == State::ReadyToSwitch && m.halts_before == Some(State::Ready))
    );
    let (facts, _) = walk(&plan, &facts);
    let again = planned(&facts, &wanted).unwrap();
    assert!(again.is_empty());
    assert!(again.unchanged.iter().all(|u| u.why == Untouched::AwaitsSwitchover));
    assert_eq!(facts[0].vm(Role::Replica).runs(), Some(true), "the replica serves until then");
}

/// The workspace where each entry waits for the one before it in this way.
fn chained(is: Is, plus: u64) -> Workspace {
    let mut workspace = workspace();
    let plan = workspace.plans.values_mut().next().unwrap();
    for (before, entry) in plan.sequence.iter_mut().skip(1).enumerate() {
        let (plus, if_failed) = (Duration::from_secs(plus), IfFailed::Block);
        entry.after = Some(vec![After { entry: before, is, plus, if_failed }]);
    }
    workspace
}

#[test]
fn who_waits_for_a_commit_is_committed_after_it_and_started_when_the_other_is_ready() {
    let facts: Vec<Facts> = NAMES.iter().map(|n| ready(n)).collect();
    let over = desired(State::Failover, None, Via::Planned, &FailbackTarget::Original);
    let back = desired(State::Ready, Some(Keep::Replica), Via::Planned, &FailbackTarget::Original);
    let good = desired(State::Permanent, Some(Keep::Replica), Via::Planned, &FailbackTarget::Original);
    let (there, _) = walk(&planned(&facts, &over).unwrap(), &facts);
    for (wanted, commit) in [(back, "commit-failback/begin"), (good, "permanent-failover/exclude")] {
        let plans =
            [Is::Ready, Is::Committed].map(|is| planned_in(&chained(is, 7), &there, &wanted).unwrap());
        let [ready, committed] = &plans;
        for (earlier, later) in [("db", "app"), ("app", "web")] {
            let (earlier, later) = (format!("{earlier}/{commit}"), format!("{later}/{commit}"));
            assert!(before(committed, &earlier, &later), "{earlier} {later}");
            assert!(!before(ready, &earlier, &later) && !before(ready, &later, &earlier));
        }
        walk(committed, &there);
        let quiet = |plan: &Plan| plan.edges.iter().filter(|e| e.plus == Duration::from_secs(7)).count();
        assert_eq!(quiet(committed), 2, "the quiet time counts from the commit");
    }
    // Where nothing is committed, it is an edge that waits for ready.
    let [ready, committed] =
        [Is::Ready, Is::Committed].map(|is| planned_in(&chained(is, 0), &facts, &over).unwrap());
    assert_eq!(ready, committed);
}

#[test]
fn a_way_back_counts_more_than_going_on_without() {
    let facts: Vec<Facts> = NAMES.iter().map(|n| ready(n)).collect();
    let mut workspace = workspace();
    for replica in workspace.replicas.values_mut() {
        replica.ready.otherwise = AtEnd::Continue;
    }
    let ends = |plan: &Plan| -> Vec<AtEnd> {
        let end = |node: &crate::plan::Node| match &node.work {
            Work::Wait(Wait::Ready { readiness, .. }) => Some(readiness.otherwise),
            _ => None,
        };
        plan.nodes.iter().filter_map(end).collect()
    };
    let over = desired(State::Failover, None, Via::Planned, &FailbackTarget::Original);
    let over = planned_in(&workspace, &facts, &over).unwrap();
    assert_eq!(ends(&over), [AtEnd::Continue; 3]);
    let (facts, _) = walk(&over, &facts);
    let back = desired(State::Ready, Some(Keep::Replica), Via::Planned, &FailbackTarget::Original);
    let ends = ends(&planned_in(&workspace, &facts, &back).unwrap());
    // The switchover and the verification lead back where their wait fails; the ways back themselves go on.
    let each = [AtEnd::Stop, AtEnd::Stop, AtEnd::Continue, AtEnd::Continue];
    assert_eq!(ends, each.repeat(3));
}
