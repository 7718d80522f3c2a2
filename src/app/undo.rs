//! `onFailure: undo`: what becomes of a run that ended with a failure. The way back is a plan of its own, made from what is observed
//! then; it is shown in any case, and carried out only where a person gave the word for it before the run began.

use super::abort::{Ask, abort, shown};
use super::carry::is_interrupted;
use super::{Answer, Desk, Exit, Said, Screen};
use crate::base::RunId;
use crate::diag::{Code, Finding};
use crate::domain::{AtEnd, OnFailure, Wait};
use crate::plan::{NodeId, Plan, Work};
use crate::run::{Progress, Status, StopWhy};

/// Looks at the word that was given in advance.
///
/// # Errors
/// A word for another plan, or for one that stays where it is.
pub fn agreed(plan: &Plan, word: Option<&str>) -> Result<(), Box<Answer>> {
    let Some(word) = word.map(str::trim) else { return Ok(()) };
    let name = plan.purpose.to_string();
    let (message, help) = match plan.on_failure {
        OnFailure::Hold => (
            format!("the way back of {name} is not asked for, so there is nothing to confirm"),
            "say `onFailure: undo` in the runbook, or leave `--confirm-undo` out; nothing was changed"
                .to_owned(),
        ),
        OnFailure::Undo if word != name => (
            format!("`{word}` is not the name of what would be undone, `{name}`"),
            format!("say `--confirm-undo {name}`; nothing was changed"),
        ),
        OnFailure::Undo => return Ok(()),
    };
    Err(Answer::stop(Exit::Gated, Finding::new(Code::ConfirmMismatch, message).help(help)))
}

/// What was said of the failure of a run.
pub struct Terms<'a> {
    /// What the runbook asks for.
    pub on_failure: OnFailure,
    /// The run.
    pub run: &'a RunId,
    /// The word that a person gave in advance.
    pub word: Option<String>,
}

/// What is done after a run that ended so. The exit code stays that of the failure where the way back was gone to its end: what was asked for is not there.
pub async fn after(desk: &Desk, terms: Terms<'_>, mut said: Answer, screen: &mut dyn Screen) -> Said {
    let Terms { on_failure, run, word } = terms;
    if said.exit != Exit::Failed || on_failure == OnFailure::Hold {
        return Ok(said);
    }
    let name = run.to_string();
    let word = match withheld(&desk.store()?.read(run)?.progress).filter(|_| word.is_some()) {
        Some(why) => {
            screen.line(&format!("{why}: the way back is shown, and not gone"));
            None
        }
        None => word,
    };
    let back = match word {
        None => shown(desk, run).await,
        Some(_) => {
            screen.line(&format!(
                "the run has failed, and its way back was confirmed in advance: abort-{name}"
            ));
            let ask = Ask { run: name.clone(), confirm: Some(format!("abort-{name}")), close: None };
            // A way back is a run as well, and it asks for no way back of its own.
            let back = Box::pin(abort(desk, &ask, screen)).await;
            if let Ok(back) = &back {
                told(desk, &mut said, back, &name);
            }
            back
        }
    };
    match back {
        Ok(back) => {
            said.human.push_str(&format!("\n{}", back.human));
            if let Some(json) = said.json.as_object_mut() {
                json.insert("back".to_owned(), back.json);
            }
            if !back.findings.is_empty() {
                said.sources = back.sources;
            }
            said.findings.extend(back.findings);
        }
        Err(early) => {
            // Why there is no way back, or why it ended early, beside what had failed. What had failed is half done all the same.
            said.findings.extend(early.findings);
            said.sources = early.sources;
        }
    }
    Ok(said)
}

/// Why a way back is not gone though it was confirmed: somebody wanted the run to stop, or its documents leave it to a person how it goes on.
fn withheld(progress: &Progress) -> Option<&'static str> {
    if is_interrupted() || progress.stopping().is_some_and(StopWhy::is_wanted) {
        return Some("it was asked to stop");
    }
    let plan = progress.plan();
    let asks = |node: NodeId| match plan.node(node).map(|n| &n.work) {
        Some(Work::Wait(Wait::Ready { readiness, .. })) => readiness.otherwise == AtEnd::Ask,
        Some(Work::Gate(_)) => true,
        Some(Work::Act(_) | Work::Wait(_) | Work::Hook(_) | Work::Cutover(_) | Work::Join) | None => false,
    };
    let failed: Vec<NodeId> = progress.nodes(|status| status == Status::Failed).collect();
    if failed.iter().any(|node| asks(*node)) {
        return Some("a person decides how it goes on");
    }
    // The machines are where they shall be, and `resume` tries the names again.
    let names = !failed.is_empty() && failed.iter().all(|node| plan.is_name(*node));
    names.then_some("nothing but names failed, and no machine goes back because of a name")
}

/// After the way back the run is closed: what its report and its findings advised is past. That what was asked for failed stays.
fn told(desk: &Desk, said: &mut Answer, back: &Answer, run: &str) {
    if let Ok(report) = super::runs::report(desk, run) {
        said.human = report.human;
    }
    for finding in &mut said.findings {
        finding.help = vec![format!("the way back of run {run} is told below")];
    }
    if matches!(back.exit, Exit::InDoubt | Exit::Stopped) {
        said.exit = back.exit;
    }
}
