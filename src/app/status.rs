//! `lifeboat status`: what each replica is, how far it is behind, and what may be done next.

use super::load::Loaded;
use super::prepare::documents;
use super::world::{World, subjects};
use super::{Answer, Desk, Said};
use crate::base::{ReplicaName, RunId};
use crate::diag::Code;
use crate::report::text::run::{Story, open_gates};
use crate::report::{json, text};

/// Carries the command out.
///
/// # Errors
/// An early end.
pub async fn status(desk: &Desk, names: &[String]) -> Said {
    let loaded = documents(desk)?;
    let only = chosen(&loaded, names)?;
    let world = World::open(desk, &loaded.workspace)?;
    let inventory = world.observe(&subjects(&loaded.workspace, &[])).await;
    let view = text::Options { now: Some(inventory.at), ..desk.view.clone() };
    let mut human = text::status(&loaded.workspace, &inventory, &only, &view);
    for (claim, held) in desk.store()?.claims()? {
        let (run, purpose) = (&claim.run, &claim.purpose);
        human.push_str(&if held {
            format!(
                "Run {run} of {purpose} is under way, by {} on {}.\n",
                claim.runner.person, claim.runner.host
            ) + &asked(desk, run)?
        } else {
            format!("Run {run} of {purpose} is not finished. Next: lifeboat resume {run}\n")
        });
    }
    Ok(Answer::ok(human, desk.json(|| json::status(&loaded.workspace, &inventory, &only))))
}

/// What a run under way asks people.
fn asked(desk: &Desk, run: &RunId) -> Result<String, Box<Answer>> {
    let found = desk.store()?.read(run)?;
    let events: Vec<_> = found.records.iter().map(|r| (r.at, r.event.clone())).collect();
    let story = Story { run, progress: &found.progress, events: &events };
    Ok(open_gates(story, found.progress.plan()).into_iter().map(|line| format!("  {line}\n")).collect())
}

/// The replicas of these names, each once.
pub fn chosen(loaded: &Loaded, names: &[String]) -> Result<Vec<ReplicaName>, Box<Answer>> {
    let mut only = Vec::new();
    for name in names {
        match loaded.workspace.replicas.get_key_value(name.as_str()) {
            Some((name, _)) if only.contains(name) => {}
            Some((name, _)) => only.push(name.clone()),
            None => {
                let known = loaded.workspace.replicas.keys().map(ReplicaName::as_str);
                return Err(super::replicate::unknown(Code::UnknownReplica, "replica", name, known));
            }
        }
    }
    Ok(only)
}
