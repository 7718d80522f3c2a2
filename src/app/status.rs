//! `lifeboat status`: what each replica is, how far it is behind, and what may be done next.

use super::load::Loaded;
use super::prepare::documents;
use super::world::{World, subjects};
use super::{Answer, Desk, Exit, Said, drilled};
use crate::base::{Duration, ReplicaName, RunId};
use crate::diag::{Code, Finding, Severity};
use crate::domain::{Condition, State};
use crate::inventory::Inventory;
use crate::journal::Claim;
use crate::model::{Key, Kind, Replica};
use crate::report::text::run::{Story, open_gates};
use crate::report::text::status::lag;
use crate::report::{json, text, words};
use serde_json::json;

/// Carries the command out.
///
/// # Errors
/// An early end.
pub async fn status(desk: &Desk, names: &[String], strict: bool) -> Said {
    let loaded = documents(desk)?;
    let only = chosen(&loaded, names)?;
    let world = World::open(desk, &loaded.workspace)?;
    let inventory = world.observe(&subjects(&loaded.workspace, &[])).await;
    let view = text::Options { now: Some(inventory.at), ..desk.view.clone() };
    let human = text::status(&loaded.workspace, &inventory, &only, &view);
    let json = desk.json(|| json::status(&loaded.workspace, &inventory, &only));
    let mut answer = with_runs(desk, Answer::ok(human, json));
    let stale = match drilled::told(desk, &loaded, &inventory, &mut answer) {
        Ok(()) if strict => drilled::stale(desk, &loaded, |_| only.is_empty(), inventory.at)?,
        // That the store is gone is told already.
        Ok(()) | Err(_) => Vec::new(),
    };
    if strict && answer.exit == Exit::Ok {
        let chosen = loaded.workspace.replicas.values().filter(|r| only.is_empty() || only.contains(&r.name));
        answer.findings = chosen.filter_map(|r| behind(r, &inventory, &loaded)).chain(stale).collect();
        if answer.findings.iter().any(|f| f.severity == Severity::Error) {
            answer.exit = Exit::Gated;
        }
        answer.sources = loaded.sources;
    }
    Ok(answer)
}

/// Says which runs are not over. What the replicas are is known without them: a store that is gone with its site does not hide that.
fn with_runs(desk: &Desk, mut answer: Answer) -> Answer {
    match unfinished(desk) {
        Ok(claims) => {
            for (claim, held) in &claims {
                answer.human.push_str(&line(claim, *held));
                if *held {
                    answer.human.push_str(&asked(desk, &claim.run).unwrap_or_default());
                }
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

/// Why the objective of a replica is not kept, or cannot be told to be. What serves is not replicated, and has nothing to be behind.
fn behind(replica: &Replica, inventory: &Inventory, loaded: &Loaded) -> Option<Finding> {
    let (name, rpo) = (&replica.name, replica.rpo?);
    let observed = inventory.replicas.get(name);
    let condition = observed.map_or(Condition::Unseen, crate::inventory::Observed::condition);
    let found = observed.and_then(|observed| lag(replica, observed, inventory));
    let message = match &condition {
        Condition::Whole(State::Ready | State::Unprotected) => match found {
            Some(found) if !found.exceeded() => return None,
            Some(found) => too_old(name, found.is, rpo),
            None => format!("`{name}` has no restore point; its objective is {rpo}"),
        },
        Condition::Whole(State::Failover | State::ReadyToSwitch | State::Failback | State::Permanent) => {
            return None;
        }
        Condition::PartWay(_) | Condition::Foreign(_) | Condition::Unseen => {
            let is = words::condition(&condition);
            format!("how far `{name}` is behind cannot be told ({is}); its objective is {rpo}")
        }
    };
    let path = [Key::Name("spec"), Key::Name("objectives"), Key::Name("rpo")];
    let place = match &replica.rpo_of {
        Some(plan) => loaded.origins.at(Kind::FailoverPlan, plan.as_str(), &path),
        None => loaded.origins.at(Kind::Replica, name.as_str(), &path),
    };
    Some(
        Finding::new(Code::BehindObjective, message)
            .at(place, "may be so old at the most")
            .help(format!("`lifeboat replicate {name}` makes a new restore point")),
    )
}

fn too_old(name: &ReplicaName, is: Duration, rpo: Duration) -> String {
    format!("the latest restore point of `{name}` is {} old; its objective is {rpo}", words::span(is))
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
