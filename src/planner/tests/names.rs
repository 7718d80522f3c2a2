//! Names in plans: beside the machines' way, one after another, and at last where the machine serves.

use super::*;
use crate::domain::{IfFailed, NameServer, Once, RecordKind};
use crate::model::FollowingName;
use crate::plan::Edge;

/// All replicas with a name each, and what it says wherever they serve.
fn named_all() -> Workspace {
    let mut workspace = workspace();
    for (name, replica) in &mut workspace.replicas {
        let says = |what: &str| Some(format!("{what}.{name}.example"));
        replica.dns = vec![FollowingName {
            name: format!("{name}.example"),
            kind: RecordKind::Cname,
            server: NameServer {
                name: "main".parse().unwrap(),
                address: [10, 2, 0, 53].into(),
                port: 53,
                zone: "example".to_owned(),
                key: None,
            },
            ttl: 60,
            source: says("source"),
            replica: says("replica"),
            target: says("target"),
            once: Once::Ready,
            required: true,
            attempts: 3,
            within: Duration::from_secs(30),
        }];
    }
    workspace
}

/// The names of a replica's ordinary way, in the order of the plan.
fn names_of<'a>(plan: &'a Plan, replica: &str) -> Vec<(NodeId, &'a str)> {
    let ordinary = |leg: crate::plan::LegId| plan.leg(leg).is_some_and(|l| !l.only_on_failure);
    let one = |id: NodeId| match plan.node(id) {
        Some(node) if node.leg.is_some_and(ordinary) => match &node.work {
            Work::Cutover(cutover) if cutover.replica.as_str() == replica => Some((id, cutover.to.as_str())),
            _ => None,
        },
        _ => None,
    };
    plan.node_ids().filter_map(one).collect()
}

#[test]
fn from_every_condition_the_last_name_is_that_of_the_machine_that_serves_at_last() {
    let workspace = named_all();
    let (mut asked, mut twice) = (0, 0);
    for target in targets() {
        for facts in reachable(&target) {
            for (goal, keep) in State::ALL.into_iter().flat_map(|g| [(g, Keep::Source), (g, Keep::Replica)]) {
                let facts = alike(&facts);
                let Ok(plan) = planned_in(&workspace, &facts, &desired(goal, Some(keep), Via::Best, &target))
                else {
                    continue;
                };
                // Nothing but another name waits for a name, and that one whatever became of it.
                let free = |e: &Edge| plan.is_name(e.to) && e.if_failed == IfFailed::Continue;
                assert!(
                    plan.edges.iter().filter(|e| plan.is_name(e.from)).all(free),
                    "{:?} to {goal:?}",
                    facts[0]
                );
                let names = names_of(&plan, "db");
                let Some((_, says)) = names.last() else { continue };
                let (end, _) = walk(&plan, &facts);
                let moved = end[0].relation.source != vm("prod", "db");
                let other =
                    moved || end[0].relation.failback.as_ref().is_some_and(|f| f.target.other().is_some());
                let wanted = match goal {
                    State::Failover | State::ReadyToSwitch | State::Permanent => "replica.db.example",
                    State::Unprotected | State::Ready | State::Failback if other => "target.db.example",
                    State::Unprotected | State::Ready | State::Failback => "source.db.example",
                };
                assert_eq!(*says, wanted, "{:?} to {goal:?}", facts[0]);
                for pair in names.windows(2) {
                    let [(early, _), (late, _)] = pair else { continue };
                    let ordered =
                        |e: &Edge| e.from == *early && e.to == *late && e.if_failed == IfFailed::Continue;
                    assert!(plan.edges.iter().any(ordered), "{early} before {late}");
                    twice += 1;
                }
                asked += 1;
            }
        }
    }
    assert!(asked > 200 && twice > 0, "{asked}, {twice} of them with two names in a row");
}
