//! `lifeboat replicate`: one replication run for some replicas, from cron or a systemd timer.

use super::apply::begin;
use super::carry::Manner;
use super::load::Loaded;
use super::prepare::{Asked, Prepared, documents, prepare};
use super::world::subjects;
use super::{Answer, Desk, Exit, Said, Screen};
use crate::base::ReplicaName;
use crate::diag::{Code, Finding, Sources};
use crate::document::check::nearest;
use crate::domain::{OnFailure, State};
use crate::model::{Desired, FailbackTerms, PointChoice, Subject, Via, Workspace};
use crate::plan::{Purpose, Unchanged};
use crate::report::refused::not_replicated;

/// Which replicas.
pub struct Ask {
    /// By name.
    pub names: Vec<String>,
    /// Those of a failover plan.
    pub plan: Option<String>,
    /// Those with these labels.
    pub labels: Vec<(String, String)>,
    /// All of them.
    pub all: bool,
}

/// Carries the command out.
///
/// # Errors
/// An early end.
pub async fn replicate(desk: &Desk, ask: &Ask, screen: &mut dyn Screen) -> Said {
    let loaded = documents(desk)?;
    let names = chosen(&loaded, ask)?;
    let asked = Asked {
        purpose: Purpose::Replicate,
        desired: vec![Desired {
            subject: Subject::Replicas(names),
            state: State::Ready,
            via: Via::Planned,
            point: PointChoice::Latest,
            keep: None,
            irreversible: false,
            failback: FailbackTerms::default(),
        }],
        switchover_now: false,
        on_failure: OnFailure::Hold,
        slice: None,
    };
    let prepared = prepare(desk, loaded, &asked).await?;
    guard(&prepared, screen).await;
    refuse_named(ask, &prepared)?;
    if prepared.plan.is_empty() {
        return Ok(super::plan::shown(desk, &prepared, false));
    }
    begin(desk, prepared, Manner::default(), screen).await
}

/// What runs again and again is what finds a host that has come back first. Its machines must not serve beside those that took their place.
async fn guard(prepared: &Prepared, screen: &mut dyn Screen) {
    let all = subjects(&prepared.loaded.workspace, &[]);
    for vm in prepared.world.provider().guard(&all).await {
        screen.line(&format!(
            "{vm} would have started with its host beside the machine that took its place; that is switched off"
        ));
    }
}

/// Who names a replica means that one: where it cannot be replicated, that must not look like success in a script.
fn refuse_named(ask: &Ask, prepared: &Prepared) -> Result<(), Box<Answer>> {
    let named = |one: &&Unchanged| ask.names.iter().any(|name| name == one.replica.as_str());
    let (workspace, inventory) = (&prepared.loaded.workspace, &prepared.inventory);
    let refused = prepared.plan.unchanged.iter().filter(named);
    let findings: Vec<Finding> = refused.map(|one| not_replicated(one, workspace, inventory)).collect();
    if findings.is_empty() {
        return Ok(());
    }
    Err(Box::new(Answer::with(Exit::Invalid, findings, Sources::default())))
}

fn chosen(loaded: &Loaded, ask: &Ask) -> Result<Vec<ReplicaName>, Box<Answer>> {
    let workspace = &loaded.workspace;
    let mut names: Vec<ReplicaName> = Vec::new();
    for name in &ask.names {
        match workspace.replicas.get_key_value(name.as_str()) {
            Some((name, _)) => names.extend(with_group(workspace, name)),
            None => {
                return Err(unknown(
                    Code::UnknownReplica,
                    "replica",
                    name,
                    workspace.replicas.keys().map(ReplicaName::as_str),
                ));
            }
        }
    }
    if let Some(plan) = &ask.plan {
        match workspace.plans.get(plan.as_str()) {
            Some(plan) => names.extend(plan.sequence.iter().flat_map(|e| e.replicas.iter().cloned())),
            None => {
                return Err(unknown(
                    Code::UnknownPlan,
                    "failover plan",
                    plan,
                    workspace.plans.keys().map(|p| p.as_str()),
                ));
            }
        }
    }
    if !ask.labels.is_empty() {
        let fits = |r: &&crate::model::Replica| ask.labels.iter().all(|(k, v)| r.labels.get(k) == Some(v));
        names.extend(workspace.replicas.values().filter(fits).map(|r| r.name.clone()));
    }
    if ask.all {
        names.extend(workspace.replicas.keys().cloned());
    }
    names.sort();
    names.dedup();
    if names.is_empty() {
        let (what, help) = if ask.labels.is_empty() {
            let ways = "name replicas, or say --all, --plan NAME or --label KEY=VALUE";
            ("no replica is chosen".to_owned(), ways)
        } else {
            let said: Vec<String> = ask.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
            (
                format!("no replica has the labels {}", said.join(", ")),
                "`lifeboat show replicas` lists them with their labels",
            )
        };
        return Err(Answer::stop(Exit::Invalid, Finding::new(Code::EmptySelection, what).help(help)));
    }
    Ok(names)
}

/// A replica with all of its consistency group: points that are made at different times have no common cut.
fn with_group(workspace: &Workspace, name: &ReplicaName) -> Vec<ReplicaName> {
    let groups = workspace.plans.values().flat_map(|plan| &plan.consistency);
    let group = groups.filter(|group| group.replicas.contains(name)).flat_map(|group| &group.replicas);
    std::iter::once(name).chain(group).cloned().collect()
}

/// A name that nothing has, with the nearest one.
pub fn unknown<'a>(code: Code, what: &str, name: &str, names: impl Iterator<Item = &'a str>) -> Box<Answer> {
    let finding = Finding::new(code, format!("no {what} is named `{name}`"));
    Answer::stop(
        Exit::Invalid,
        match nearest(name, names) {
            Some(near) => finding.help(format!("a {what} with a similar name is declared: {near}")),
            None => finding.help("`lifeboat show` lists what is declared"),
        },
    )
}
