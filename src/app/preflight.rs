//! What would stand in the way at the sites: of a plan, before anything is confirmed or done, and of all that is declared.

use super::world::{World, subjects};
use crate::base::{PointId, ReplicaName, Timestamp};
use crate::diag::{Finding, Severity};
use crate::domain::{Action, OperationKind, PointKind, Quiesce, Role};
use crate::inventory::Inventory;
use crate::model::{Origins, Workspace};
use crate::plan::{LegId, Node, Plan, Work};
use crate::planner::network::links;
use crate::port::{Errand, Expected, Hitch, Obstacle, Scope, Subject};
use crate::report::preflight;
use std::collections::BTreeMap;

/// Asks the sites that the steps of a plan need. Those that did not answer when it was made are not asked again: the plan knows.
pub async fn of_plan(world: &World, plan: &Plan, origins: Option<&Origins>) -> Vec<Finding> {
    let errand = |(replica, placement): (&_, &_)| Errand {
        subject: Subject { replica: Clone::clone(replica), placement: Clone::clone(placement) },
        actions: Vec::new(),
        expects: Vec::new(),
        fenced: false,
    };
    let mut errands: Vec<Errand> = plan.placements.iter().map(errand).collect();
    let positions: BTreeMap<&ReplicaName, usize> = plan.placements.keys().zip(0..).collect();
    let of_leg: Vec<Option<usize>> =
        plan.legs.iter().map(|leg| positions.get(&leg.replica).copied()).collect();
    let position = |leg: LegId| of_leg.get(leg.index()).copied().flatten();
    for node in &plan.nodes {
        if let Work::Hook(hook) = &node.work {
            for leg in hook.legs.iter().filter(|_| hook.is_fence()) {
                if let Some(errand) = position(*leg).and_then(|p| errands.get_mut(p)) {
                    errand.fenced = true;
                }
            }
        }
        let Some(errand) = node.leg.and_then(position).and_then(|p| errands.get_mut(p)) else { continue };
        errand.actions.extend(action(plan, node).cloned());
        errand.expects.extend(expects(plan, node));
    }
    let scope = Scope {
        errands,
        silent: plan.sites.iter().filter(|s| s.silent.is_some()).map(|s| s.site.clone()).collect(),
        ..Scope::default()
    };
    ask(world, &scope, Vec::new(), origins).await
}

/// The address at which nobody may answer before a failover lets its replica have it, as a name tells it. A source that the failover stops first
/// may be there until then.
fn expects(plan: &Plan, node: &Node) -> Option<Expected> {
    let Work::Cutover(cutover) = &node.work else { return None };
    let kind = plan.leg(node.leg?)?.operation.kind();
    let kept = cutover.kept;
    let free = kind == OperationKind::Failover || kind == OperationKind::PlannedFailover && !kept;
    let address = cutover.to.parse().ok().filter(|_| free)?;
    Some(Expected { address, kept })
}

/// What a node does to its replica, where it is not only there for a verification that fails.
fn action<'a>(plan: &Plan, node: &'a Node) -> Option<&'a Action> {
    let spare = node.leg.and_then(|l| plan.leg(l)).is_some_and(|l| l.only_on_failure);
    match &node.work {
        Work::Act(step) if !spare => Some(&step.action),
        Work::Act(_) | Work::Wait(_) | Work::Hook(_) | Work::Gate(_) | Work::Cutover(_) | Work::Join => None,
    }
}

/// Asks all sites about all that could be asked of the replicas: to be replicated, to serve, and to be brought back.
pub async fn of_all(world: &World, workspace: &Workspace, origins: &Origins) -> Vec<Finding> {
    let subjects = subjects(workspace, &[]);
    let inventory = world.observe(&subjects).await;
    let silent = inventory.sites.iter().filter_map(|(site, seen)| {
        let what = Obstacle::Silent { why: seen.silent.clone()? };
        Some(Hitch { site: site.clone(), replica: None, what, fatal: true, mend: None })
    });
    let silent: Vec<Hitch> = silent.collect();
    let scope = Scope {
        errands: subjects.into_iter().map(|s| errand(s, workspace, &inventory)).collect(),
        sites: inventory.sites.keys().cloned().collect(),
        silent: silent.iter().map(|h| h.site.clone()).collect(),
    };
    ask(world, &scope, silent, Some(origins)).await
}

fn errand(mut subject: Subject, workspace: &Workspace, inventory: &Inventory) -> Errand {
    let facts = inventory.replicas.get(&subject.replica).and_then(|o| o.facts.as_ref());
    let declared = workspace.replicas.get(&subject.replica);
    if let Some(facts) = facts {
        subject.placement.source = facts.relation.source.clone();
    }
    // A network without a mapping is refused by the plan that would need it.
    let links = facts.zip(declared).and_then(|(facts, replica)| links(replica, facts).ok());
    let point = PointId::made_at(inventory.at, "");
    let mut actions = vec![
        Action::CreatePoint { point, kind: PointKind::Regular, quiesce: Quiesce::Auto },
        Action::StartDelta,
        Action::SendChanges { phase: 1 },
    ];
    // Whoever serves until then is stopped, or gone.
    actions.extend([Role::Source, Role::Replica].map(|vm| Action::PowerOff { vm }));
    actions.extend(links.map(|links| Action::Connect { links }));
    actions.extend([Role::Replica, Role::Target].map(|vm| Action::PowerOn { vm }));
    Errand { subject, actions, expects: Vec::new(), fenced: false }
}

async fn ask(world: &World, scope: &Scope, known: Vec<Hitch>, origins: Option<&Origins>) -> Vec<Finding> {
    let asked: Timestamp = world.clock().now().seconds();
    let mut hitches = known;
    hitches.extend(world.provider().preflight(scope).await);
    preflight::findings(&hitches, origins, asked)
}

/// Whether something must be mended first.
#[must_use]
pub fn stops(findings: &[Finding]) -> bool {
    findings.iter().any(|f| f.severity == Severity::Error)
}
