//! Hooks and gates in plans: from every condition to every goal, at their places.

use super::*;
use crate::domain::{OperationKind, Question, Script, Silence};
use crate::model::Hook;
use crate::plan::{Edge, On};

fn hook(name: &str, operations: &[OperationKind]) -> Hook {
    let script = Script {
        run: vec!["true".to_owned()],
        check: None,
        proof: None,
        env: BTreeMap::new(),
        secrets: BTreeMap::new(),
        within: Duration::from_mins(10),
        repeatable: false,
    };
    let (name, operations) = (name.parse().unwrap(), operations.to_vec());
    Hook { name, script, attempts: 1, typical: Duration::from_secs(5), operations }
}

fn around(operations: &[OperationKind]) -> Hooks {
    let two = || vec![hook("one", operations), hook("two", operations)];
    Hooks { before: two(), after: two() }
}

/// The three replicas with hooks around the plan, the second entry and its replica, and a gate before the last one.
fn hooked(operations: &[OperationKind]) -> Workspace {
    let mut workspace = workspace();
    let shop = workspace.plans.values_mut().next().unwrap();
    shop.hooks = around(operations);
    shop.sequence[1].hooks = around(operations);
    let question = Question {
        ask: "Go on?".to_owned(),
        who: Vec::new(),
        groups: Vec::new(),
        within: Duration::from_mins(60),
        otherwise: Silence::Stop,
    };
    let gate = Entry {
        name: "go".parse().unwrap(),
        replicas: Vec::new(),
        gate: Some(question),
        hooks: Hooks::default(),
        delay: Duration::ZERO,
        after: None,
        on_failure: crate::domain::IfFailed::Block,
        required: true,
        at_least: None,
        retries: None,
    };
    shop.sequence.insert(2, gate);
    workspace.replicas.get_mut(NAMES[1]).unwrap().hooks = around(operations);
    workspace
}

fn names(plan: &Plan) -> Vec<String> {
    plan.node_ids().map(|id| plan.node_name(id)).collect()
}

fn over(keep: Option<Keep>, state: State, via: Via) -> Desired {
    desired(state, keep, via, &FailbackTarget::Original)
}

fn edges(plan: &Plan, from: &str, on: On) -> Vec<Edge> {
    let from = number(plan, from);
    plan.edges.iter().filter(|e| e.from == from && e.on == on).copied().collect()
}

#[test]
fn from_every_condition_a_plan_with_hooks_is_lawful_and_names_each_step_once() {
    let mut asked = 0;
    for operations in [&[][..], &OperationKind::ALL[..]] {
        let workspace = hooked(operations);
        for facts in reachable(&FailbackTarget::Original) {
            for goal in State::ALL {
                for keep in [Keep::Source, Keep::Replica] {
                    let facts = alike(&facts);
                    let wanted = over(Some(keep), goal, Via::Best);
                    let Ok(plan) = planned_in(&workspace, &facts, &wanted) else { continue };
                    walk(&plan, &facts);
                    let beside = plan.nodes.iter().zip(names(&plan));
                    let beside: Vec<String> = beside
                        .filter(|(node, _)| matches!(node.work, Work::Hook(_)))
                        .map(|(_, name)| name)
                        .collect();
                    let once: BTreeSet<&String> = beside.iter().collect();
                    assert_eq!(once.len(), beside.len(), "{beside:?}");
                    let plain = planned(&facts, &wanted).unwrap();
                    assert_eq!(plain.legs.len(), plan.legs.len());
                    let copies = |leg: &crate::plan::Leg| leg.operation.kind() == OperationKind::Replicate;
                    let silent = operations.is_empty() && plan.legs.iter().all(copies);
                    assert_eq!(plan.is_empty() || silent, beside.is_empty(), "{beside:?}");
                    asked += beside.len();
                }
            }
        }
    }
    assert!(asked > 500, "{asked}");
}

#[test]
fn hooks_stand_where_they_are_said() {
    let facts: Vec<Facts> = NAMES.iter().map(|n| ready(n)).collect();
    let plan = planned_in(&hooked(&[]), &facts, &over(None, State::Failover, Via::Planned)).unwrap();
    let second = NAMES[1];
    for (early, late) in [
        ("shop/before-one".to_owned(), "shop/before-two".to_owned()),
        ("shop/before-two".to_owned(), format!("shop/{second}/before-one")),
        (format!("shop/{second}/before-one"), format!("shop/{second}/before-two")),
        (format!("shop/{second}/before-two"), format!("{second}/before-one")),
        (format!("{second}/before-one"), format!("{second}/before-two")),
        (format!("{second}/before-two"), format!("{second}/planned-failover/begin")),
        (format!("{second}/planned-failover/conclude"), format!("shop/{second}/after-one")),
        (format!("shop/{second}/after-one"), format!("shop/{second}/after-two")),
        ("shop/go".to_owned(), "shop/after-one".to_owned()),
        ("shop/after-one".to_owned(), "shop/after-two".to_owned()),
    ] {
        assert!(before(&plan, &early, &late), "{early} before {late}: {:#?}", names(&plan));
    }
    for name in NAMES {
        assert!(before(&plan, "shop/before-two", &format!("{name}/planned-failover/begin")), "{name}");
        assert!(before(&plan, &format!("{name}/planned-failover/conclude"), "shop/after-one"), "{name}");
    }
    // The other replicas do not wait for what is about the second one before they are synchronised.
    assert!(!before(&plan, &format!("{second}/before-one"), &format!("{}/planned-failover/begin", NAMES[0])));
    // What comes after a hook afterwards goes on where it fails.
    let after = edges(&plan, &format!("{second}/after-one"), On::Done);
    assert!(!after.is_empty() && after.iter().all(|e| e.if_failed == crate::domain::IfFailed::Continue));
}

#[test]
fn a_gate_lets_start_and_asks_nothing_on_the_way_down() {
    let facts: Vec<Facts> = NAMES.iter().map(|n| ready(n)).collect();
    let plan = planned_in(&hooked(&[]), &facts, &over(None, State::Failover, Via::Planned)).unwrap();
    let (first, last) = (NAMES[0], NAMES[2]);
    for name in &NAMES[..2] {
        assert!(before(&plan, &format!("{name}/planned-failover/conclude"), "shop/go"), "{name}");
    }
    assert!(before(&plan, "shop/go", &format!("{last}/planned-failover/power-on")));
    assert!(!before(&plan, "shop/go", &format!("{last}/planned-failover/shut-down-source")));
    // The order in which the sources stop is what it is without a gate.
    let stops = |name: &str| format!("{name}/planned-failover/shut-down-source");
    assert!(before(&plan, &stops(last), &stops(NAMES[1])) && before(&plan, &stops(NAMES[1]), &stops(first)));
    let (up, _) = walk(&plan, &facts);
    let undo = planned_in(&hooked(&[]), &up, &over(Some(Keep::Source), State::Ready, Via::Planned)).unwrap();
    assert!(!names(&undo).contains(&"shop/go".to_owned()));
    assert!(names(&undo).contains(&"shop/before-one".to_owned()));
}

#[test]
fn a_hook_of_one_operation_waits_for_the_one_before() {
    let facts: Vec<Facts> = NAMES.iter().map(|n| ready(n)).collect();
    let up = planned(&facts, &over(None, State::Failover, Via::Planned)).unwrap();
    let (up, _) = walk(&up, &facts);
    let workspace = hooked(&[OperationKind::Switchover]);
    let plan = planned_in(&workspace, &up, &over(Some(Keep::Replica), State::Ready, Via::Planned)).unwrap();
    let second = NAMES[1];
    let hooks: Vec<String> = names(&plan).into_iter().filter(|n| n.contains("before-one")).collect();
    assert_eq!(hooks.len(), 3, "{hooks:?}");
    for hook in hooks {
        assert!(hook.contains("/switchover/"), "{hook}");
        assert!(before(&plan, &format!("{second}/failback/conclude"), &hook), "{hook}");
        assert!(before(&plan, &hook, &format!("{second}/switchover/begin")), "{hook}");
    }
    // A replica's own hook after its switchover comes before its commit, and does not hold it up.
    let after = number(&plan, &format!("{second}/switchover/after-two"));
    let next: Vec<&Edge> = plan.edges.iter().filter(|e| e.from == after).collect();
    assert!(!next.is_empty() && next.iter().all(|e| e.if_failed == crate::domain::IfFailed::Continue));
}
