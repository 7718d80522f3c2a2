//! `lifeboat status --rebuild`: what the record beside a replica would be where it was lost; and writes it.

use super::carry::refused;
use super::prepare::documents;
use super::world::{World, subjects};
use super::{Answer, Desk, Exit, Said};
use crate::base::ReplicaName;
use crate::diag::{Code, Finding};
use crate::journal::claim;
use crate::model::Workspace;
use crate::port::{Failure, Rebuilt, Subject};
use crate::report::{json, text};
use std::collections::BTreeSet;

/// What is asked.
pub struct Ask {
    /// The replicas; all where none is named.
    pub names: Vec<String>,
    /// The replica whose record shall be written.
    pub confirm: Option<String>,
}

/// Carries the command out.
///
/// # Errors
/// An early end.
pub async fn rebuild(desk: &Desk, ask: &Ask) -> Said {
    let loaded = documents(desk)?;
    let only = super::status::chosen(&loaded, &ask.names)?;
    let world = World::open(desk, &loaded.workspace)?;
    let all = subjects(&loaded.workspace, &[]).into_iter();
    let asked: Vec<Subject> = all.filter(|s| only.is_empty() || only.contains(&s.replica)).collect();
    if let Some(name) = &ask.confirm {
        return match &asked[..] {
            [one] if one.replica.as_str() == name => write(desk, &world, &loaded.workspace, one).await,
            _ => Err(mismatch(name)),
        };
    }
    let (mut human, mut values, mut findings) = (String::new(), Vec::new(), Vec::new());
    for subject in &asked {
        match world.provider().rebuild(subject, keep(&loaded.workspace, &subject.replica)).await {
            Ok(found) => {
                human.push_str(&text::rebuilt(&subject.replica, &found, &desk.view));
                let name = &subject.replica;
                human.push_str(&format!("Next: lifeboat status {name} --rebuild --confirm {name}\n\n"));
                values.push(json::rebuilt(&subject.replica, &found));
            }
            Err(why) => findings.push(cannot(&subject.replica, &why)),
        }
    }
    let exit = if values.is_empty() && !findings.is_empty() { Exit::Invalid } else { Exit::Ok };
    let json = desk.json(|| json::rebuilds(values));
    Ok(Answer { exit, human, json, findings, sources: loaded.sources })
}

async fn write(desk: &Desk, world: &World, workspace: &Workspace, subject: &Subject) -> Said {
    let (name, keep) = (&subject.replica, keep(workspace, &subject.replica));
    claim::free(desk.store()?.claims()?, &BTreeSet::from([name.clone()]), false).map_err(refused)?;
    let stop = |why: Failure| Answer::stop(Exit::Invalid, cannot(name, &why));
    let found: Rebuilt = world.provider().rebuild(subject, keep).await.map_err(stop)?;
    world.provider().write_rebuilt(subject, keep, &found).await.map_err(stop)?;
    let shown = text::rebuilt(name, &found, &desk.view);
    let human = format!("{shown}The record of {name} was written. Next: lifeboat status {name}\n");
    Ok(Answer::ok(human, desk.json(|| json::rebuilds(vec![json::rebuilt(name, &found)]))))
}

fn keep(workspace: &Workspace, replica: &ReplicaName) -> u32 {
    workspace.replicas.get(replica).map_or(u32::MAX, |r| r.retention)
}

fn cannot(replica: &ReplicaName, why: &Failure) -> Finding {
    let why = why.to_string();
    Finding::new(Code::NotRebuilt, format!("the record of {replica} is not rebuilt: {why}"))
        .help("nothing was written; `lifeboat status` shows what is known of it")
}

fn mismatch(name: &str) -> Box<Answer> {
    let finding = Finding::new(
        Code::ConfirmMismatch,
        format!("`{name}` is not the one replica whose record shall be written"),
    );
    Answer::stop(
        Exit::Gated,
        finding.help(format!("`lifeboat status {name} --rebuild --confirm {name}`; nothing was changed")),
    )
}
