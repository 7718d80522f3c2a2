//! `lifeboat plan RUNBOOK`: observes, plans, checks, prints; touches nothing.

use super::approvals::signable;
use super::forecast::{self, Past};
use super::load::load;
use super::prepare::{Prepared, prepare, runbook};
use super::{Answer, Desk, Exit, Said, drilled, hooks, names, preflight, seal, slice, standing};
use crate::diag::{Code, Finding, Severity};
use crate::report::words::typed;
use crate::report::{json, text};
use std::path::PathBuf;

/// What `plan` is asked.
pub struct Ask {
    /// The runbook.
    pub runbook: String,
    /// Where to seal the plan.
    pub out: Option<PathBuf>,
    /// Whether changes have an exit code of their own.
    pub detailed: bool,
    /// Whether manual switchovers shall be done now.
    pub switchover: bool,
    /// Which part of it.
    pub slice: slice::Ask,
}

/// Carries the command out.
///
/// # Errors
/// An early end.
pub async fn plan(desk: &Desk, ask: &Ask) -> Said {
    let loaded = load(desk)?.sound_but_signers()?;
    let mut asked = runbook(&loaded, &ask.runbook)?;
    asked.switchover_now = ask.switchover;
    asked.slice = slice::selected(&ask.slice, &asked.desired, &loaded.workspace)?;
    let past = forecast::begin(desk);
    let mut prepared = prepare(desk, loaded, &asked).await?;
    prepared.loaded = signable(&prepared.plan.needs, prepared.loaded)?;
    let (prepared, found) = looked_at(desk, prepared).await?;
    let past = past.of(&prepared).await;
    let needs = needs(&prepared);
    let next = ask.out.as_deref().map(|path| match needs {
        true => format!("lifeboat approve {} --key KEY", super::shown(path)),
        false => format!("lifeboat apply {}", super::shown(path)),
    });
    let next = next.or_else(|| with_switchover(&prepared, ask.switchover));
    let mut answer = shown_next(desk, &prepared, next, Some(&past));
    if let Some(path) = &ask.out {
        let digest = seal::write(path, &prepared)?;
        let path = super::shown(path);
        answer.human = format!("Saved {path}, sha256 {}.\n\n{}", digest.short(), answer.human);
        if let Some(json) = answer.json.as_object_mut() {
            json.insert("sealed".to_owned(), serde_json::json!({ "file": path, "sha256": digest }));
        }
    }
    answer.findings.extend(found);
    answer.findings.extend(past.missed(&prepared.loaded));
    if ask.detailed && !prepared.plan.is_empty() {
        answer.exit = Exit::Changes;
    }
    let Prepared { loaded, world: _world, inventory, plan, .. } = prepared;
    answer.sources = loaded.sources;
    // The process ends with this answer. Taking a hundred thousand replicas apart piece by piece would be a tenth of its time.
    std::mem::forget((loaded.workspace, loaded.origins, inventory, plan));
    Ok(answer)
}

/// Asks the sites and the hooks what would stand in the way of a plan; ends where something must be mended first.
pub async fn looked_at(desk: &Desk, prepared: Prepared) -> Result<(Prepared, Vec<Finding>), Box<Answer>> {
    let mut found = preflight::of_plan(&prepared.world, &prepared.plan, Some(&prepared.loaded.origins)).await;
    found.extend(hooks::of_plan(desk, &prepared.plan).await);
    let world = &prepared.world;
    let asked = names::of_plan(world, &world.names(desk), &prepared.plan).await;
    found.extend(asked.findings);
    let beside = standing::of_plan(&world.names(desk), &prepared).await;
    let elsewhere = beside.iter().filter(|f| f.code == Code::NameElsewhere).count();
    found.extend(beside);
    let prepared = Prepared { says: asked.says, elsewhere, ..prepared };
    if preflight::stops(&found) {
        return Err(Box::new(Answer::with(Exit::Invalid, found, prepared.loaded.sources)));
    }
    found.extend(drilled::of_plan(desk, &prepared.plan, &prepared.loaded, prepared.inventory.at)?);
    found.extend(prepared.warned.iter().cloned());
    Ok((prepared, found))
}

/// A plan as it is shown; `switchover` where it was made with a person's word for manual switchovers, which applying it needs again.
pub fn shown(desk: &Desk, prepared: &Prepared, switchover: bool) -> Answer {
    shown_next(desk, prepared, with_switchover(prepared, switchover), None)
}

fn with_switchover(prepared: &Prepared, switchover: bool) -> Option<String> {
    let plan = &prepared.plan;
    let (name, slice) = (&plan.purpose, typed(plan.slice.as_ref()));
    switchover.then(|| match needs(prepared) {
        true => format!("lifeboat plan {name}{slice} --switchover --out {name}.plan"),
        false => format!("lifeboat apply {name}{slice} --switchover"),
    })
}

/// Whether it is carried out with approvals alone.
fn needs(prepared: &Prepared) -> bool {
    prepared.plan.needs.iter().any(|need| !need.warns)
}

fn shown_next(desk: &Desk, prepared: &Prepared, next: Option<String>, past: Option<&Past>) -> Answer {
    let plan = &prepared.plan;
    let (measured, says) = (past.and_then(|past| past.words(plan)), prepared.says.clone());
    let (now, elsewhere) = (Some(prepared.inventory.at), prepared.elsewhere);
    let view = text::Options { now, next, measured, says, elsewhere, ..desk.view.clone() };
    let mut answer = Answer::ok(text::plan(plan, &view), desk.json(|| json::plan(plan)));
    if let (Some(past), Some(json)) = (past, answer.json.as_object_mut()) {
        json.insert("measured".to_owned(), past.json(plan));
    }
    answer.findings = warnings(prepared);
    answer
}

/// What the documents warn of. The plan's own warnings stand in the plan.
fn warnings(prepared: &Prepared) -> Vec<Finding> {
    prepared.loaded.findings.iter().filter(|f| f.severity != Severity::Error).cloned().collect()
}
