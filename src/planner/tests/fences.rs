//! Fences in plans: where a source cannot be seen, once for a site, before all that it is about.

use super::*;
use crate::domain::{Action, OperationKind, Question, Script, Silence};
use crate::inventory::FactName;
use crate::model::{Fence, Hook, Site};
use crate::plan::{Edge, NotServing, RefusedWhy, Warning};

fn script(proof: Option<&str>) -> Script {
    Script {
        run: vec!["off".to_owned()],
        check: None,
        proof: proof.map(|p| vec![p.to_owned()]),
        env: BTreeMap::new(),
        secrets: BTreeMap::new(),
        within: Duration::from_mins(1),
        repeatable: true,
    }
}

fn fence() -> Fence {
    Fence { script: script(Some("is-off")), attempts: 4, typical: Duration::from_secs(10) }
}

fn hook(name: &str) -> Hook {
    Hook {
        name: name.parse().unwrap(),
        script: script(None),
        attempts: 1,
        typical: Duration::ZERO,
        operations: Vec::new(),
    }
}

fn site(name: &str, fence: Option<Fence>) -> Site {
    let provider: crate::port::ProviderSpec =
        crate::port::ProviderSpec::Simulator(crate::port::SimulatorSpec {
            clock: None,
            begins: None,
            points: 3,
            every: Duration::from_mins(15),
            defaults: crate::port::SimVm::default(),
            vms: Vec::new(),
            faults: Vec::new(),
        });
    Site {
        name: name.parse().unwrap(),
        provider,
        drill: None,
        start_limit: None,
        undo_limit: None,
        fence,
        mappings: BTreeMap::new(),
        name_servers: Vec::new(),
    }
}

/// The shop that fences, with a fence of its site.
fn shop() -> Workspace {
    let mut workspace = workspace();
    workspace.plans.values_mut().next().unwrap().source = SourceTreatment::Fence;
    for site in [site("prod", Some(fence())), site("dr", None)] {
        workspace.sites.insert(site.name.clone(), site);
    }
    workspace
}

fn unseen() -> Vec<Facts> {
    NAMES.iter().map(|n| Facts { source: Sight::Unseen, ..ready(n) }).collect()
}

fn unplanned() -> Desired {
    Desired {
        via: Via::Unplanned,
        ..desired(State::Failover, None, Via::Unplanned, &FailbackTarget::Original)
    }
}

fn fences(plan: &Plan) -> Vec<String> {
    let hooks =
        plan.node_ids().filter(|id| matches!(&plan.nodes[id.index()].work, Work::Hook(h) if h.is_fence()));
    hooks.map(|id| plan.node_name(id)).collect()
}

#[test]
fn a_silent_site_is_fenced_once_before_all_of_its_replicas() {
    let facts = unseen();
    let plan = planned_in(&shop(), &facts, &unplanned()).unwrap();
    assert_eq!(fences(&plan), ["site/prod/fence"]);
    for name in NAMES {
        assert!(before(&plan, "site/prod/fence", &format!("{name}/failover/begin")), "{name}");
    }
    let node = number(&plan, "site/prod/fence");
    assert!(plan.edges.iter().all(|e| e.to != node), "it waits for nobody's start");
    assert!(!plan.warnings.iter().any(|w| matches!(w, Warning::SourceUnseen(_) | Warning::MayBothServe(..))));
    walk(&plan, &facts);
    // The facts that it relies on are sealed: a source that is seen again makes another plan.
    let power = |r: &crate::inventory::FactRead| r.fact == FactName::Power(crate::domain::Role::Source);
    assert_eq!(plan.read.iter().filter(|r| power(r)).count(), 3);
}

#[test]
fn a_source_that_is_seen_is_not_fenced() {
    for (power, stops) in [(Power::On, 1), (Power::Off, 0)] {
        let mut facts = unseen();
        facts[0].source = machine(power, "lan");
        let mut workspace = shop();
        workspace.replicas.get_mut(NAMES[1]).unwrap().fence = Some(fence());
        // The site answers, and is not taken down because one of its machines cannot be read.
        let refused = planned_in(&workspace, &facts, &unplanned()).unwrap_err();
        assert!(
            matches!(&refused[..], [Refused { why: RefusedWhy::SiteAnswers(source), .. }] if *source == vm("prod", NAMES[2])),
            "{refused:?}"
        );
        workspace.replicas.get_mut(NAMES[2]).unwrap().fence = Some(fence());
        let plan = planned_in(&workspace, &facts, &unplanned()).unwrap();
        assert_eq!(fences(&plan).len(), 2, "each of its own: {:?}", fences(&plan));
        let first = plan.legs.iter().find(|l| l.replica.as_str() == NAMES[0]).unwrap();
        assert!(plan.nodes.iter().all(|n| match &n.work {
            Work::Hook(hook) => hook.legs.iter().all(|l| plan.legs[l.index()] != *first),
            _ => true,
        }));
        let offs = plan.nodes.iter().filter(|n| {
            matches!(&n.work, Work::Act(s) if matches!(s.action, Action::PowerOff { vm: crate::domain::Role::Source }))
        });
        assert_eq!(offs.count(), stops, "it is powered off by its own site");
        walk(&plan, &facts);
    }
}

/// A fence took it away and gave no word to its site: an undo does not start it, and says so.
#[test]
fn an_undo_after_a_fence_says_that_the_source_stays_off() {
    let facts = unseen();
    let (end, _) = walk(&planned_in(&shop(), &facts, &unplanned()).unwrap(), &facts);
    let undo = desired(State::Ready, Some(Keep::Source), Via::Best, &FailbackTarget::Original);
    for (source, told) in [
        (machine(Power::On, "lan"), None),
        (machine(Power::Off, "lan"), Some(NotServing::Off)),
        (Sight::Unseen, Some(NotServing::Unseen)),
        (Sight::Absent, Some(NotServing::Gone)),
    ] {
        let back: Vec<Facts> = end.iter().map(|f| Facts { source: source.clone(), ..f.clone() }).collect();
        let plan = planned_in(&shop(), &back, &undo).unwrap();
        assert!(plan.legs.iter().all(|l| l.operation.kind() == OperationKind::UndoFailover));
        let whys = plan.warnings.iter().filter_map(|w| match w {
            Warning::SourceNotServing { why, .. } => Some(*why),
            _ => None,
        });
        assert_eq!(whys.collect::<Vec<_>>(), told.map_or(vec![], |why| vec![why; 3]), "{:?}", plan.warnings);
    }
}

#[test]
fn a_source_that_nobody_can_fence_is_refused_and_one_that_is_left_is_told_of() {
    let mut workspace = shop();
    let facts = unseen();
    let mut moved = facts.clone();
    moved[0].relation.source = vm("annex", "db");
    let refused = planned_in(&workspace, &moved, &unplanned()).unwrap_err();
    assert!(
        matches!(&refused[0].why, RefusedWhy::NoFence(source) if source.to_string() == "annex/db"),
        "{refused:?}"
    );
    workspace.plans.values_mut().next().unwrap().source = SourceTreatment::Leave;
    let plan = planned_in(&workspace, &facts, &unplanned()).unwrap();
    assert_eq!(plan.warnings.iter().filter(|w| matches!(w, Warning::SourceUnseen(_))).count(), 3);
    let same = |r: &mut Replica| r.networks = vec![("lan".parse().unwrap(), "lan".parse().unwrap())];
    workspace.replicas.values_mut().for_each(same);
    let plan = planned_in(&workspace, &facts, &unplanned()).unwrap();
    let shared =
        plan.warnings.iter().filter(|w| matches!(w, Warning::MayBothServe(_, n) if n.as_str() == "lan"));
    assert_eq!(shared.count(), 3, "{:?}", plan.warnings);
}

#[test]
fn what_stands_before_the_whole_plan_stands_before_its_fences() {
    let mut workspace = shop();
    let plan = workspace.plans.values_mut().next().unwrap();
    plan.hooks.before = vec![hook("freeze")];
    plan.sequence[1].hooks.before = vec![hook("drain")];
    let question = Question {
        ask: "Is the hall gone?".to_owned(),
        who: Vec::new(),
        groups: Vec::new(),
        within: Duration::from_mins(60),
        otherwise: Silence::Stop,
    };
    let gate = Entry {
        name: "sure".parse().unwrap(),
        replicas: Vec::new(),
        gate: Some(question),
        after: None,
        ..plan.sequence[0].clone()
    };
    plan.sequence.insert(0, gate);
    let plan = planned_in(&workspace, &unseen(), &unplanned()).unwrap();
    for (early, late) in [
        ("shop/before-freeze", "shop/sure"),
        ("shop/before-freeze", "site/prod/fence"),
        ("shop/sure", "site/prod/fence"),
        ("site/prod/fence", "shop/web/before-drain"),
    ] {
        let late = late.replace("web", NAMES[1]);
        assert!(before(&plan, early, &late), "{early} before {late}");
    }
}

#[test]
fn from_every_condition_with_a_silent_site_a_plan_that_fences_is_lawful() {
    let mut fenced = 0;
    for facts in reachable(&FailbackTarget::Original) {
        let facts: Vec<Facts> =
            alike(&facts).into_iter().map(|f| Facts { source: Sight::Unseen, ..f }).collect();
        for goal in State::ALL {
            for keep in [Keep::Source, Keep::Replica] {
                let wanted = desired(goal, Some(keep), Via::Best, &FailbackTarget::Original);
                let Ok(plan) = planned_in(&shop(), &facts, &wanted) else { continue };
                walk(&plan, &facts);
                // Whatever starts a replica for a source that is not seen waits for its fence.
                for (id, node) in plan.node_ids().zip(&plan.nodes) {
                    let leg = node.leg.map(|l| &plan.legs[l.index()]);
                    let takes_over = leg.is_some_and(|l| {
                        matches!(l.operation.kind(), OperationKind::Failover | OperationKind::PlannedFailover)
                    });
                    let starts = matches!(&node.work, Work::Act(s)
                        if matches!(s.action, Action::PowerOn { vm: crate::domain::Role::Replica }));
                    if starts && takes_over {
                        assert!(before(&plan, "site/prod/fence", &plan.node_name(id)));
                        fenced += 1;
                    }
                }
            }
        }
    }
    assert!(fenced > 20, "{fenced}");
}

/// A failover that is begun anew is no undo: nobody is told to start a source beside its replica.
#[test]
fn what_fails_over_again_tells_nobody_to_start_its_source() {
    let mut again = 0;
    for facts in reachable(&FailbackTarget::Original) {
        for source in [Sight::Unseen, Sight::Absent, machine(Power::Off, "lan")] {
            let facts: Vec<Facts> =
                alike(&facts).into_iter().map(|f| Facts { source: source.clone(), ..f }).collect();
            let Ok(plan) = planned_in(&shop(), &facts, &unplanned()) else { continue };
            let undone = plan.legs.iter().any(|leg| leg.operation.kind() == OperationKind::UndoFailover);
            again += usize::from(undone);
            let told =
                |w: &Warning| matches!(w, Warning::SourceStaysOff(_) | Warning::SourceNotServing { .. });
            assert!(!plan.warnings.iter().any(told), "{:?}", plan.warnings);
        }
    }
    assert!(again > 0);
}

/// What stands before a replica takes the place of all that it waits for, but for its fence: its start waits for that by itself.
#[test]
fn a_hook_before_a_replica_or_an_entry_takes_no_fence_from_its_start() {
    for own in [false, true] {
        for before in [[true, false], [false, true], [true, true]] {
            let mut workspace = shop();
            for replica in workspace.replicas.values_mut() {
                replica.fence = own.then(fence);
                replica.hooks.before.extend(before[0].then(|| hook("note")));
            }
            for entry in &mut workspace.plans.values_mut().next().unwrap().sequence {
                entry.hooks.before.extend(before[1].then(|| hook("note")));
            }
            let facts = unseen();
            let plan = planned_in(&workspace, &facts, &unplanned()).unwrap();
            walk(&plan, &facts);
            for name in NAMES {
                let fence = if own { format!("{name}/fence") } else { "site/prod/fence".to_owned() };
                let (fence, start) =
                    (number(&plan, &fence), number(&plan, &format!("{name}/failover/power-on")));
                assert!(plan.edges.contains(&Edge::done(fence, start)), "{name}: {own} {before:?}");
            }
        }
    }
}

/// After a failback to another machine the replica's own fence would strike the host from which it was moved.
#[test]
fn the_fence_of_a_replica_is_about_the_source_of_its_document() {
    let mut workspace = shop();
    workspace.sites.insert("annex".parse().unwrap(), site("annex", None));
    for replica in workspace.replicas.values_mut() {
        replica.fence = Some(fence());
    }
    let mut facts = unseen();
    let of_its_own = |n: &str| format!("{n}/fence");
    assert_eq!(fences(&planned_in(&workspace, &facts, &unplanned()).unwrap()).len(), 3);
    facts[0].relation.source = vm("annex", "db-new");
    let refused = planned_in(&workspace, &facts, &unplanned()).unwrap_err();
    assert!(
        matches!(&refused[..], [Refused { why: RefusedWhy::NoFence(source), .. }] if source.to_string() == "annex/db-new"),
        "{refused:?}"
    );
    workspace.sites.insert("annex".parse().unwrap(), site("annex", Some(fence())));
    let plan = planned_in(&workspace, &facts, &unplanned()).unwrap();
    let mut found = fences(&plan);
    found.sort();
    assert_eq!(found, [of_its_own(NAMES[1]), "site/annex/fence".to_owned(), of_its_own(NAMES[2])]);
}

/// The source was shut down and may have been started since: what was seen then says nothing of now.
#[test]
fn a_planned_failover_is_completed_with_its_source_fenced_or_with_a_warning() {
    let start: Vec<Facts> = NAMES.iter().map(|n| ready(n)).collect();
    let planned_ones =
        planned(&start, &desired(State::Failover, None, Via::Planned, &FailbackTarget::Original));
    let (_, middle) = walk(&planned_ones.unwrap(), &start);
    let wanted = desired(State::Failover, None, Via::Best, &FailbackTarget::Original);
    let begins = |n: &crate::plan::Node| matches!(&n.work, Work::Act(s) if matches!(s.action, Action::PowerOn { vm: crate::domain::Role::Replica }));
    let mut completed = 0;
    for facts in middle {
        let facts: Vec<Facts> =
            alike(&facts).into_iter().map(|f| Facts { source: Sight::Unseen, ..f }).collect();
        let Ok(plan) = planned_in(&workspace(), &facts, &wanted) else { continue };
        let planned = plan.legs.iter().any(|l| l.operation.kind() == OperationKind::PlannedFailover);
        if !planned || !plan.nodes.iter().any(begins) {
            continue;
        }
        let unseen = plan.warnings.iter().filter(|w| matches!(w, Warning::SourceUnseen(_))).count();
        assert_eq!(unseen, 3, "{:?}", plan.warnings);
        let plan = planned_in(&shop(), &facts, &wanted).unwrap();
        assert_eq!(fences(&plan), ["site/prod/fence"]);
        // Its leg has begun already, and its start is what waits for the fence.
        let node = number(&plan, "site/prod/fence");
        let held = plan.node_ids().filter(|id| begins(&plan.nodes[id.index()]));
        for start in held {
            assert!(plan.edges.iter().any(|e| (e.from, e.to) == (node, start)), "{}", plan.node_name(start));
        }
        completed += 1;
    }
    assert!(completed > 0);
}

#[test]
fn a_fence_of_a_site_names_the_replicas_that_serve_there() {
    let mut workspace = shop();
    let like = workspace.replicas.get(NAMES[0]).unwrap().clone();
    // One that serves at the fenced site, one that rests there, and one of which nothing is known.
    for other in ["serving", "resting", "dark"] {
        let moved = Replica {
            name: name(other),
            source: vm("dr", other),
            replica: vm("prod", &format!("{other}_replica")),
            ..like.clone()
        };
        workspace.replicas.insert(name(other), moved);
    }
    let mut inventory = inventory(&unseen());
    let facts = |n: &str, replica: Sight| {
        let mut facts = Facts { replica, ..ready(n) };
        facts.relation.source = vm("dr", n);
        Observed { facts: Some(facts), why: None, typical: Typical::default() }
    };
    inventory.replicas.insert(name("serving"), facts("serving", machine(Power::On, "lan")));
    inventory.replicas.insert(name("resting"), facts("resting", machine(Power::Off, "lan")));
    inventory.replicas.insert(name("dark"), Observed { facts: None, why: None, typical: Typical::default() });
    let plan = plan(&Request {
        workspace: &workspace,
        inventory: &inventory,
        purpose: &Purpose::Runbook("test".parse().unwrap()),
        desired: &[unplanned()],
        switchover_now: false,
    });
    let warned = plan.unwrap().warnings.into_iter().find_map(|w| match w {
        Warning::FencesOthers { replicas, .. } => Some(replicas),
        _ => None,
    });
    assert_eq!(warned, Some(vec![name("dark"), name("serving")]));
}
