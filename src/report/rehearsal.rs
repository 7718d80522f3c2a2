//! The stable form of a rehearsal for machines. It has no time of the day in it: the same plan, times and seed give the same bytes.

use crate::plan::{NodeId, Plan, Work};
use crate::rehearsal::{Known, Predicted, Rehearsal, Stretch, WhatIf};
use crate::report::json::FORMAT;
use crate::report::text::rehearsal::{ExitCode, lasting_name, next, spent_words};
use crate::report::words;
use serde_json::{Value, json};

/// The rehearsal.
#[must_use]
pub fn json(plan: &Plan, found: &Rehearsal, exit: &ExitCode) -> Value {
    let failures: Vec<Value> = found.failures.iter().map(|w| what_if(plan, w, exit)).collect();
    let mut all = times(plan, found);
    if let Some(all) = all.as_object_mut() {
        all.insert("format".to_owned(), FORMAT.into());
        all.insert("type".to_owned(), "rehearsal".into());
        all.insert("purpose".to_owned(), plan.purpose.to_string().into());
        all.insert("outcome".to_owned(), json!(found.outcome));
        all.insert("failures".to_owned(), failures.into());
    }
    all
}

/// How long it takes, and by what.
#[must_use]
pub fn times(plan: &Plan, found: &Rehearsal) -> Value {
    let of = |known: Known| found.known.get(&known).copied().unwrap_or(0);
    let plans: Vec<Value> = found
        .plans
        .iter()
        .map(|p| json!({ "plan": p.plan, "rto": p.rto, "missed": p.missed(), "takes": takes(p.takes) }))
        .collect();
    let chain: Vec<Value> = found.chain.iter().map(|s| stretch(plan, s)).collect();
    json!({
        "seed": found.chance.seed, "draws": found.chance.draws,
        "times": {
            "runs": found.runs, "own": of(Known::Own), "others": of(Known::Others), "planned": of(Known::Planned),
        },
        "takes": takes(found.takes), "plans": plans, "chain": chain,
        "critical": found.critical, "beyondLimit": found.beyond,
    })
}

fn takes(of: Predicted) -> Value {
    let Predicted { typical, p50, p95, longest } = of;
    json!({ "typical": typical, "p50": p50, "p95": p95, "longest": longest })
}

fn stretch(plan: &Plan, stretch: &Stretch) -> Value {
    let Stretch { node, spent, from, to, place } = stretch;
    json!({
        "node": node, "step": lasting_name(plan, *node), "spent": spent_words(*spent), "from": from, "to": to,
        "place": place,
    })
}

fn what_if(plan: &Plan, found: &WhatIf, exit: &ExitCode) -> Value {
    let WhatIf { node, replica, at, held, taken_back, through, stops, outcome, ends } = found;
    let (code, reason) = exit(*outcome);
    json!({
        "node": node, "step": lasting_name(plan, *node), "kind": kind(plan, *node), "replica": replica,
        "failsAt": at, "held": held, "takenBack": taken_back, "through": through, "stops": stops,
        "outcome": outcome, "exit": { "code": code, "reason": reason }, "ends": ends, "next": next(*outcome),
    })
}

fn kind(plan: &Plan, node: NodeId) -> &'static str {
    match plan.node(node).map(|n| &n.work) {
        Some(Work::Act(_)) => "action",
        Some(Work::Wait(_)) => "wait",
        Some(Work::Hook(hook)) => words::hook_kind(hook),
        Some(Work::Gate(_)) => "gate",
        Some(Work::Cutover(_)) => "name",
        Some(Work::Join) | None => "join",
    }
}
