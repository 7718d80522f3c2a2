//! What a hook is told: as JSON on its standard input, and in short in its environment.

use crate::base::{ReplicaName, RunId};
use crate::domain::{Action, Link};
use crate::plan::{Around, Hook, LegId, Plan, Purpose, Work};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The version of the form.
const FORMAT: u32 = 1;

/// On which occasion a hook is called.
#[derive(Debug, Clone, Copy)]
pub struct Occasion<'a> {
    /// The run; none at plan time.
    pub run: Option<&'a RunId>,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// Whether its check is called.
    pub check: bool,
    /// Whether its proof is called.
    pub proof: bool,
}

/// What a hook is told.
#[must_use]
pub fn context(plan: &Plan, hook: &Hook, occasion: Occasion<'_>) -> (Value, BTreeMap<String, String>) {
    let runbook = match &plan.purpose {
        Purpose::Runbook(name) => Some(name.to_string()),
        Purpose::Replicate | Purpose::Abort(_) | Purpose::Drill { .. } | Purpose::EndDrill { .. } => None,
    };
    let mut site = None;
    let (of_plan, entry, replica) = match &hook.around {
        Around::Plan(plan) => (Some(plan.to_string()), None, None),
        Around::Entry(plan, entry) => (Some(plan.to_string()), Some(entry.to_string()), None),
        Around::Site(name) => {
            site = Some(name.to_string());
            (None, None, None)
        }
        Around::Replica(replica) => {
            let member = plan.members.iter().find(|m| m.replica == *replica);
            (member.and_then(|m| m.plan.as_ref()).map(ToString::to_string), None, Some(replica.to_string()))
        }
    };
    let legs: Vec<_> = hook.legs.iter().filter_map(|id| plan.leg(*id)).collect();
    let operations: BTreeSet<&str> = legs.iter().map(|leg| leg.operation.kind().name()).collect();
    let operation = operations.first().filter(|_| operations.len() == 1).copied();
    let links = links(plan, hook);
    let mut of: BTreeMap<&ReplicaName, Vec<&str>> = BTreeMap::new();
    for leg in &legs {
        of.entry(&leg.replica).or_default().push(leg.operation.kind().name());
    }
    let one = |(replica, operations): (&&ReplicaName, &Vec<&str>)| {
        json!({
            "replica": replica, "operations": operations, "machines": plan.placements.get(*replica),
            "addresses": links.get(*replica).map_or(&[][..], |links| links.as_slice()),
        })
    };
    let placements = of.keys().filter_map(|replica| plan.placements.get(*replica));
    let vms = placements.flat_map(|p| [Some(&p.source), Some(&p.replica), p.target.as_ref()]);
    let sites: BTreeSet<&str> = vms.flatten().map(|vm| vm.site.as_str()).collect();
    let whole = json!({
        "format": FORMAT, "run": occasion.run, "purpose": plan.purpose.to_string(), "runbook": runbook,
        "hook": hook.name, "when": hook.when, "check": occasion.check, "proof": occasion.proof, "site": site, "attempt": occasion.attempt,
        "plan": of_plan, "entry": entry, "replica": replica,
        "operation": operation, "operations": operations, "sites": sites,
        "replicas": of.iter().map(one).collect::<Vec<_>>(),
    });
    let machine =
        |name: &str, vm: Option<&crate::domain::VmRef>| (name.to_owned(), vm.map(ToString::to_string));
    let own = replica.as_deref().and_then(|r| plan.placements.iter().find(|(name, _)| name.as_str() == r));
    let own = own.map(|(_, placement)| placement);
    let short = [
        ("LIFEBOAT_RUN".to_owned(), occasion.run.map(ToString::to_string)),
        ("LIFEBOAT_PURPOSE".to_owned(), Some(plan.purpose.to_string())),
        ("LIFEBOAT_RUNBOOK".to_owned(), runbook),
        ("LIFEBOAT_WHEN".to_owned(), Some(hook.when.word().to_owned())),
        ("LIFEBOAT_CHECK".to_owned(), occasion.check.then(|| "1".to_owned())),
        ("LIFEBOAT_PROOF".to_owned(), occasion.proof.then(|| "1".to_owned())),
        ("LIFEBOAT_SITE".to_owned(), site),
        ("LIFEBOAT_ATTEMPT".to_owned(), Some(occasion.attempt.to_string())),
        ("LIFEBOAT_PLAN".to_owned(), of_plan),
        ("LIFEBOAT_ENTRY".to_owned(), entry),
        ("LIFEBOAT_OPERATION".to_owned(), operation.map(str::to_owned)),
        machine("LIFEBOAT_SOURCE", own.map(|p| &p.source)),
        machine("LIFEBOAT_MACHINE", own.map(|p| &p.replica)),
        machine("LIFEBOAT_TARGET", own.and_then(|p| p.target.as_ref())),
        ("LIFEBOAT_REPLICA".to_owned(), replica),
    ];
    (whole, short.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}

/// The network cards that the replicas get, where that is decided in the legs of a hook.
fn links<'a>(plan: &'a Plan, hook: &Hook) -> BTreeMap<&'a ReplicaName, &'a Vec<Link>> {
    let legs: BTreeSet<LegId> = hook.legs.iter().copied().collect();
    let own = plan.nodes.iter().filter(|node| node.leg.is_some_and(|leg| legs.contains(&leg)));
    own.filter_map(|node| match &node.work {
        Work::Act(step) => match &step.action {
            Action::Connect { links } | Action::MakeCopy { links, .. } => Some((&step.replica, links)),
            _ => None,
        },
        Work::Wait(_) | Work::Hook(_) | Work::Gate(_) | Work::Cutover(_) | Work::Join => None,
    })
    .collect()
}
