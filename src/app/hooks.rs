//! Hooks before anything begins: whether they could be started here, and what their check twins say.

use super::Desk;
use super::people::scripts;
use crate::diag::{Code, Finding};
use crate::engine::trouble;
use crate::plan::context::{Occasion, context};
use crate::plan::{Hook, NodeId, Plan, Purpose, Work};
use crate::port::{Call, Scripts};
use std::sync::Arc;
use tokio::task::JoinSet;

/// So many checks are run at once.
const AT_ONCE: usize = 8;

/// Looks at all hooks of a plan; what is found stops it.
pub async fn of_plan(desk: &Desk, plan: &Plan) -> Vec<Finding> {
    let processes = Arc::new(scripts(desk));
    let mut findings: Vec<(u32, Finding)> = Vec::new();
    let mut checks = JoinSet::new();
    let mut ended = |done: Option<Result<(u32, Option<String>), _>>| {
        if let Some(Ok::<_, tokio::task::JoinError>((node, Some(why)))) = done {
            findings.push((node, unfit(plan, NodeId(node), &why)));
        }
    };
    for node in plan.node_ids() {
        let Some(Work::Hook(hook)) = plan.node(node).map(|n| &n.work) else { continue };
        let programs = std::iter::once(&hook.script.run).chain(&hook.script.proof);
        let unready = programs.map(|argv| processes.ready(&called(plan, hook, argv.clone())));
        if let Some(why) = unready.filter_map(Result::err).next() {
            ended(Some(Ok((node.0, Some(why)))));
            continue;
        }
        let Some(check) = &hook.script.check else { continue };
        let (call, processes) = (called(plan, hook, check.clone()), Arc::clone(&processes));
        if checks.len() >= AT_ONCE {
            ended(checks.join_next().await);
        }
        checks.spawn(async move {
            let why = match processes.run(&call).await {
                Ok(ran) => trouble(&call, &ran).map(|why| format!("its check {why}")),
                Err(why) => Some(format!("its check {why}")),
            };
            (node.0, why)
        });
    }
    while let Some(done) = checks.join_next().await {
        ended(Some(done));
    }
    findings.sort_by_key(|(node, _)| *node);
    findings.into_iter().map(|(_, finding)| finding).collect()
}

fn unfit(plan: &Plan, node: NodeId, why: &str) -> Finding {
    let fences = matches!(plan.node(node).map(|n| &n.work), Some(Work::Hook(hook)) if hook.is_fence());
    let (what, name) = (if fences { "fence" } else { "hook" }, plan.node_name(node));
    let mend = "mend the program, or take it out of the document";
    Finding::new(Code::HookUnfit, format!("the {what} `{name}` would fail: {why}"))
        .about("on this machine, in the workspace's folder")
        .help(match &plan.purpose {
            Purpose::Abort(run) => {
                format!("the way back was not begun; {mend}, then `lifeboat abort {run}`")
            }
            Purpose::Runbook(_) | Purpose::Replicate | Purpose::Drill { .. } | Purpose::EndDrill { .. } => {
                format!("nothing was begun; {mend}")
            }
        })
}

/// The call of a hook at plan time.
fn called(plan: &Plan, hook: &Hook, argv: Vec<String>) -> Call {
    let (whole, short) = context(plan, hook, Occasion { run: None, attempt: 1, check: true, proof: false });
    let script = &hook.script;
    let mut env = script.env.clone();
    env.extend(short);
    let (secrets, within) = (script.secrets.clone(), script.within);
    Call { node: None, argv, env, secrets, input: whole.to_string().into_bytes(), within, proof: false }
}
