//! When each failover plan was drilled last, and what has changed since: for `status`, and for policies that ask for it.

use super::load::Loaded;
use super::{Answer, Desk, Exit};
use crate::base::{PlanName, Timestamp};
use crate::diag::{Finding, Severity};
use crate::domain::OperationKind;
use crate::inventory::Inventory;
use crate::model::{DrilledWithin, Key, Kind, Policy};
use crate::plan::{Plan, Purpose};
use crate::planner::drill::shape;
use crate::report::drill::{self, Past};
use crate::run::Verdict;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The last drill of each plan that came to a verdict. One of a part of a plan says nothing of the whole.
fn last(desk: &Desk, plans: &BTreeSet<&PlanName>) -> Result<BTreeMap<PlanName, Past>, Box<Answer>> {
    if plans.is_empty() {
        return Ok(BTreeMap::new());
    }
    let store = desk.store()?;
    let mut found: BTreeMap<PlanName, Past> = BTreeMap::new();
    for id in store.list()?.into_iter().rev() {
        if found.len() == plans.len() {
            break;
        }
        // A run that cannot be read is told of by `history`. Most are no drills, and their journals are not gone through.
        let Ok(raw) = store.raw(&id) else { continue };
        let Some(Purpose::Drill { plan: name, .. }) = &raw.purpose() else { continue };
        if !plans.contains(name) || found.contains_key(name) {
            continue;
        }
        let Ok(run) = raw.read(&id) else { continue };
        let plan = &run.frozen.plan;
        if plan.slice.is_some() {
            continue;
        }
        let events: Vec<_> = run.records.iter().map(|r| (r.at, r.event.clone())).collect();
        let drill = crate::run::drill(&run.progress, &events).filter(|d| d.verdict != Verdict::Unfinished);
        let drilled = plan.drilled.as_deref().cloned();
        found.extend(drill.map(|drill| (name.clone(), Past { run: id, drill, drilled, changed: None })));
    }
    Ok(found)
}

/// Whether anybody asks for drills here: sites have networks for them, or a policy wants them.
fn asks(loaded: &Loaded) -> bool {
    let workspace = &loaded.workspace;
    workspace.sites.values().any(|site| site.drill.is_some())
        || workspace.policies.values().any(|policy| policy.drilled.is_some())
}

/// The last drill of some failover plans, with what has changed since.
fn each(
    desk: &Desk,
    loaded: &Loaded,
    of: impl Fn(&PlanName) -> bool,
) -> Result<Vec<(PlanName, Option<Past>)>, Box<Answer>> {
    let plans = || loaded.workspace.plans.iter().filter(|(name, _)| of(name));
    let mut found = last(desk, &plans().map(|(name, _)| name).collect())?;
    let one = |(name, plan)| {
        let past = found.remove(name).map(|past| {
            let now = shape(&loaded.workspace, plan);
            Past { changed: past.drilled.as_ref().map(|then| then.shape.since(&now)), ..past }
        });
        (PlanName::clone(name), past)
    };
    Ok(plans().map(one).collect())
}

/// What `status` says of drills; nothing where nobody asks for them and nothing of one is there.
///
/// # Errors
/// Where the runs cannot be read.
pub fn told(
    desk: &Desk,
    loaded: &Loaded,
    inventory: &Inventory,
    answer: &mut Answer,
) -> Result<(), Box<Answer>> {
    let left = drill::left_over(&loaded.workspace, inventory);
    answer.human.extend(left.iter().map(|(line, _)| format!("{line}\n")));
    let mut json: Vec<Value> = Vec::new();
    if asks(loaded) {
        for (plan, past) in each(desk, loaded, |_| true)? {
            answer.human.push_str(&format!("{}\n", drill::last(&plan, past.as_ref(), inventory.at)));
            json.push(drill::last_json(&plan, past.as_ref()));
        }
    }
    if let Some(whole) = answer.json.as_object_mut() {
        whole.insert("drills".to_owned(), Value::Array(json));
        let left: Vec<Value> = left.into_iter().map(|(_, json)| json).collect();
        whole.insert("drillsLeft".to_owned(), json!(left));
    }
    Ok(())
}

/// The failover plans whose last drill is too long ago for a policy, of those that are asked about.
///
/// # Errors
/// Where the runs cannot be read.
pub fn stale(
    desk: &Desk,
    loaded: &Loaded,
    of: impl Fn(&PlanName) -> bool,
    now: Timestamp,
) -> Result<Vec<Finding>, Box<Answer>> {
    let policies = loaded.workspace.policies.values();
    let rules: Vec<(&Policy, DrilledWithin)> = policies.filter_map(|p| Some((p, p.drilled?))).collect();
    if rules.is_empty() {
        return Ok(Vec::new());
    }
    let drills = match each(desk, loaded, of) {
        Ok(drills) => drills,
        // A store that is gone with its site keeps nobody from a failover where the rule itself would not.
        Err(gone) if rules.iter().all(|(_, rule)| rule.warns) => {
            let warn = |finding: Finding| Finding { severity: Severity::Warning, ..finding };
            let help = "so it is not known when the failover plans were drilled last";
            return Ok(gone.findings.into_iter().map(|finding| warn(finding).help(help)).collect());
        }
        Err(gone) => return Err(gone),
    };
    let mut found = Vec::new();
    for (plan, past) in drills {
        for (policy, rule) in &rules {
            let path = [Key::Name("spec"), Key::Name("drilled")];
            let place = loaded.origins.at(Kind::Policy, policy.name.as_str(), &path);
            found.extend(drill::stale(&plan, past.as_ref(), (policy, *rule), now).map(|finding| {
                let mut finding = finding.at(place, policy.because.clone());
                if rule.warns {
                    finding.severity = Severity::Warning;
                }
                finding
            }));
        }
    }
    Ok(found)
}

/// What policies say of the drills of those failover plans that a plan carries out.
///
/// # Errors
/// They refuse it; or the runs cannot be read.
pub fn of_plan(
    desk: &Desk,
    plan: &Plan,
    loaded: &Loaded,
    now: Timestamp,
) -> Result<Vec<Finding>, Box<Answer>> {
    let of = carried_out(plan);
    let found = stale(desk, loaded, |plan| of.contains(plan), now)?;
    if found.iter().any(|finding| finding.severity == Severity::Error) {
        return Err(Box::new(Answer::with(Exit::Gated, found, loaded.sources.clone())));
    }
    Ok(found)
}

/// The failover plans that a plan carries out.
fn carried_out(plan: &Plan) -> BTreeSet<PlanName> {
    let starts =
        |kind: OperationKind| matches!(kind, OperationKind::Failover | OperationKind::PlannedFailover);
    let members = plan.members.iter().filter(|m| {
        let mut legs = m.legs.iter().filter_map(|l| plan.leg(*l));
        legs.any(|leg| starts(leg.operation.kind()))
    });
    members.filter_map(|m| m.plan.clone()).collect()
}
