//! The stable forms for machines. Each begins with its format's version and its type; fields are only ever added.

use crate::base::ReplicaName;
use crate::diag::{Finding, Sources};
use crate::domain::transition::possible;
use crate::domain::{Condition, OperationKind};
use crate::inventory::{Inventory, Observed};
use crate::model::{Replica, Workspace};
use crate::plan::{NodeId, Plan, Work};
use crate::port::Rebuilt;
use crate::report::text::cuts;
use crate::report::text::rebuild::sentence;
use crate::report::text::run::{Past, Story, outcome_word};
use crate::report::text::status::{Lag, both_serve, lag};
use crate::report::words;
use crate::report::{approvals, diagnostic};
use serde_json::{Value, json};

/// The format's version.
pub const FORMAT: u32 = 1;

/// A plan: what a person is shown, and the whole graph. Durations are text with their unit, times RFC 3339.
#[must_use]
pub fn plan(plan: &Plan) -> Value {
    let members: Vec<Value> = plan.members.iter().map(|member| {
        let losses: Vec<Value> =
            member.loses.iter().map(|l| json!({ "kind": l.kind, "upto": l.upto, "text": words::loss(l) })).collect();
        let operations: Vec<Value> = member
            .legs
            .iter()
            .filter_map(|l| plan.leg(*l))
            .map(|l| json!({ "operation": l.operation.kind().name(), "to": l.to, "why": l.why, "onlyOnFailure": l.only_on_failure }))
            .collect();
        json!({
            "replica": member.replica, "plan": member.plan, "wave": member.wave,
            "now": condition(&member.now), "then": member.then, "haltsBefore": member.halts_before,
            "operations": operations, "loses": losses, "rpo": member.rpo, "typical": member.typical,
        })
    }).collect();
    let unchanged: Vec<Value> = plan
        .unchanged
        .iter()
        .map(|u| json!({ "replica": u.replica, "now": condition(&u.now), "why": u.why, "text": words::untouched(u.why) }))
        .collect();
    json!({
        "format": FORMAT, "type": "plan", "purpose": plan.purpose.to_string(), "slice": plan.slice, "onFailure": plan.on_failure, "observedAt": plan.observed_at,
        "sites": plan.sites, "changes": !plan.is_empty(), "members": members, "unchanged": unchanged,
        "steps": plan.node_ids().map(|id| step(plan, id)).collect::<Vec<_>>(),
        "needs": plan.needs, "edges": plan.edges, "limits": plan.limits, "cuts": plan.cuts, "warnings": plan.warnings, "forecast": plan.forecast,
    })
}

fn step(plan: &Plan, id: NodeId) -> Value {
    let Some(node) = plan.node(id) else { return Value::Null };
    let (kind, text) = match &node.work {
        Work::Act(step) => ("action", words::action(&step.action)),
        Work::Wait(wait) => ("wait", words::wait(wait)),
        Work::Hook(hook) => (words::hook_kind(hook), words::hook(hook)),
        Work::Gate(gate) => ("gate", words::gate(gate)),
        Work::Cutover(cutover) => ("name", words::cutover(cutover, None)),
        Work::Join => ("join", words::join(node.needs)),
    };
    let leg = node.leg.and_then(|l| plan.leg(l));
    json!({
        "id": id.0, "name": plan.node_name(id), "kind": kind, "text": text,
        "replica": leg.map(|l| &l.replica), "operation": leg.map(|l| l.operation.kind().name()),
        "typical": node.typical, "limit": node.limit, "attempts": node.attempts, "pause": node.pause,
        "irreversible": matches!(&node.work, Work::Act(s) if s.action.irreversible()),
    })
}

fn condition(found: &Condition) -> Value {
    json!({ "state": found.whole(), "text": words::condition(found) })
}

/// What each replica is.
#[must_use]
pub fn status(workspace: &Workspace, inventory: &Inventory, only: &[ReplicaName]) -> Value {
    let chosen = workspace.replicas.values().filter(|r| only.is_empty() || only.contains(&r.name));
    let replicas: Vec<Value> = chosen.map(|r| replica(r, inventory)).collect();
    json!({
        "format": FORMAT, "type": "status", "at": inventory.at, "sites": inventory.sites, "replicas": replicas,
        "consistency": cuts::json(workspace.plans.values(), inventory, only),
    })
}

fn replica(replica: &Replica, inventory: &Inventory) -> Value {
    let Some(observed) = inventory.replicas.get(&replica.name) else {
        return json!({ "replica": replica.name, "observed": false });
    };
    let lag = lag(replica, observed, inventory);
    let Observed { facts, why, typical: _ } = observed;
    let now = observed.condition();
    let next: Vec<&str> =
        now.whole().map(|s| possible(s).map(OperationKind::name).collect()).unwrap_or_default();
    json!({
        "replica": replica.name, "observed": true, "condition": condition(&now), "why": why,
        "source": facts.as_ref().map(|f| f.relation.source.to_string()),
        "points": facts.as_ref().map(|f| &f.points), "inUse": facts.as_ref().and_then(|f| f.disk.in_use.clone()),
        "failedOverAt": facts.as_ref().and_then(|f| f.relation.failed_over_at),
        "switchedAt": facts.as_ref().and_then(|f| f.relation.switched_at),
        "lag": lag.map(|l| l.is), "rpo": replica.rpo, "rpoOf": replica.rpo_of, "rpoExceeded": lag.is_some_and(Lag::exceeded),
        "possible": next, "bothServeOn": both_serve(replica, observed),
    })
}

/// A record as it would be written.
#[must_use]
pub fn rebuilt(replica: &ReplicaName, found: &Rebuilt) -> Value {
    let Rebuilt { facts, expired, defines, doubts } = found;
    json!({
        "replica": replica, "condition": condition(&crate::domain::condition(facts)), "definesMachine": defines,
        "points": facts.points, "expired": expired, "disk": facts.disk, "relation": facts.relation,
        "unknown": doubts.iter().map(sentence).collect::<Vec<_>>(),
    })
}

/// Records as they would be written.
#[must_use]
pub fn rebuilds(replicas: Vec<Value>) -> Value {
    json!({ "format": FORMAT, "type": "rebuild", "replicas": replicas })
}

/// One run with its events.
#[must_use]
pub fn run_report(story: Story<'_>) -> Value {
    let progress = story.progress;
    let plan = progress.plan();
    let summary = progress.summary();
    let name = |node: &NodeId| plan.node_name(*node);
    let not_run: Vec<Value> = summary
        .not_run
        .iter()
        .map(|n| json!({ "step": name(&n.node), "because": n.because.as_ref().map(name) }))
        .collect();
    let names = |nodes: &[NodeId]| nodes.iter().map(name).collect::<Vec<_>>();
    let events: Vec<Value> = story
        .events
        .iter()
        .map(|(at, event)| json!({ "at": at, "step": event.node().as_ref().map(name), "event": event }))
        .collect();
    json!({
        "format": FORMAT, "type": "run", "run": story.run, "purpose": plan.purpose.to_string(), "slice": plan.slice,
        "outcome": outcome_word(progress), "began": progress.span().map(|s| s.0), "took": progress.took(),
        "predicted": plan.forecast.total, "objective": plan.forecast.objective.as_ref().map(|o| o.1),
        "steps": summary.of, "done": summary.done, "failed": names(&summary.failed),
        "inDoubt": names(&summary.in_doubt), "notRun": not_run, "exceptions": names(&summary.exceptions),
        "drill": crate::report::drill::story_json(story),
        "admission": progress.admission().map(approvals::json), "events": events,
    })
}

/// The runs.
#[must_use]
pub fn history(runs: &[Past]) -> Value {
    let run = |p: &Past| {
        json!({
            "run": p.run, "purpose": p.purpose, "began": p.began, "took": p.took, "outcome": p.outcome,
            "done": p.steps.0, "steps": p.steps.1, "over": p.over, "approvedBy": p.approved_by, "glassBroken": p.glass,
        })
    };
    json!({ "format": FORMAT, "type": "history", "runs": runs.iter().map(run).collect::<Vec<_>>() })
}

/// Findings.
#[must_use]
pub fn findings(findings: &[Finding], sources: &Sources) -> Value {
    json!({ "format": FORMAT, "type": "findings", "findings": diagnostic::json(findings, sources) })
}
