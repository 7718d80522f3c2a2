//! `lifeboat status`: what each replica is, how far it is behind, and what may be done next.

use super::load::Loaded;
use super::prepare::documents;
use super::world::{World, subjects};
use super::{Answer, Desk, Said};
use crate::base::ReplicaName;
use crate::diag::Code;
use crate::journal::Claim;
use crate::report::{json, text};
use serde_json::json;

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
    let human = text::status(&loaded.workspace, &inventory, &only, &view);
    let json = desk.json(|| json::status(&loaded.workspace, &inventory, &only));
    Ok(with_runs(desk, Answer::ok(human, json)))
}

/// Says which runs are not over. What the replicas are is known without them: a store that is gone with its site does not hide that.
fn with_runs(desk: &Desk, mut answer: Answer) -> Answer {
    match unfinished(desk) {
        Ok(claims) => {
            for (claim, held) in &claims {
                answer.human.push_str(&line(claim, *held));
            }
            if let Some(json) = answer.json.as_object_mut() {
                let one = |(claim, held): &(Claim, bool)| json!({ "run": claim.run, "purpose": claim.purpose, "carriedOn": held });
                json.insert("runs".to_owned(), claims.iter().map(one).collect());
            }
            answer
        }
        Err(gone) => {
            answer.human.push_str("Which runs are under way is not known.\n");
            Answer { human: answer.human, json: answer.json, ..*gone }
        }
    }
}

fn unfinished(desk: &Desk) -> Result<Vec<(Claim, bool)>, Box<Answer>> {
    Ok(desk.store()?.claims()?)
}

fn line(claim: &Claim, held: bool) -> String {
    let Claim { run, purpose, runner, .. } = claim;
    if held {
        format!("Run {run} of {purpose} is under way, by {} on {}.\n", runner.person, runner.host)
    } else {
        format!("Run {run} of {purpose} is not finished. Next: lifeboat resume {run}\n")
    }
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
