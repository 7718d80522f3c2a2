//! `lifeboat abort RUN`: the way back from a run, as a new plan that is shown before anything is done; or the run's end as it is.

use super::apply::{begin_back, confirm, still_fits, worded};
use super::hold::{hold_as_it_is, over};
use super::prepare::{Asked, Prepared, documents, prepare};
use super::{Answer, Desk, Exit, Said, Screen};
use crate::base::{PlanName, ReplicaName, RunId};
use crate::diag::{Code, Finding, Sources};
use crate::domain::{Condition, OnFailure, State};
use crate::journal::JournalError;
use crate::model::{Desired, FailbackTerms, Keep, PointChoice, Subject, Via, Workspace};
use crate::plan::{Member, Plan, Purpose};
use crate::port::Placement;
use std::collections::{BTreeMap, BTreeSet};

/// What `abort` is asked.
pub struct Ask {
    /// The run.
    pub run: String,
    /// The name with which a person confirms.
    pub confirm: Option<String>,
    /// Whether everything stays as it is, and why.
    pub close: Option<String>,
}

/// Carries the command out.
///
/// # Errors
/// An early end.
pub async fn abort(desk: &Desk, ask: &Ask, screen: &mut dyn Screen) -> Said {
    let id = super::runs::named(desk, &ask.run)?;
    if let Some(because) = &ask.close {
        return close(desk, &id, because);
    }
    let found = desk.store()?.read(&id)?;
    if found.progress.is_over() {
        return Err(over(&id));
    }
    at_rest(desk, &id)?;
    let prepared = way_back(desk, &id, &found.frozen.plan).await?;
    let shown = super::plan::shown(desk, &prepared, false);
    screen.show(&shown.human);
    worded(desk, &prepared.warned, &prepared.loaded.sources, screen);
    if prepared.plan.is_empty() {
        return close(desk, &id, "nothing had changed");
    }
    confirm(&prepared.plan, ask.confirm.as_deref(), screen)?;
    // While a person thought about it the world may have moved; then the old run must stay the one that holds the replicas.
    still_fits(&prepared.plan, &prepared.world).await?;
    let from = hold_as_it_is(desk, &id)?;
    begin_back(desk, prepared, from, screen).await
}

/// The way back of a run, as it would be shown.
///
/// # Errors
/// There is none.
pub async fn shown(desk: &Desk, id: &RunId) -> Said {
    let found = desk.store()?.read(id)?;
    let prepared = way_back(desk, id, &found.frozen.plan).await?;
    let mut answer = super::plan::shown(desk, &prepared, false);
    answer.findings = prepared.warned;
    answer.sources = prepared.loaded.sources;
    Ok(answer)
}

/// Plans the way back from what is observed now.
async fn way_back(desk: &Desk, id: &RunId, plan: &Plan) -> Result<Prepared, Box<Answer>> {
    let mut loaded = documents(desk)?;
    let desired = back(id, plan, &mut loaded.workspace)?;
    let purpose = Purpose::Abort(id.clone());
    let asked = Asked { purpose, desired, switchover_now: true, on_failure: OnFailure::Hold, slice: None };
    prepare(desk, loaded, &asked).await
}

/// The states before the run. What the replicas wrote goes where they stood by before; where they served, it stays.
///
/// The failover plans give the order, but only the replicas of the run go back: the plans of the workspace lose the others.
fn back(run: &RunId, plan: &Plan, workspace: &mut Workspace) -> Result<Vec<Desired>, Box<Answer>> {
    declared(run, plan, workspace)?;
    let mut states: BTreeMap<&PlanName, BTreeSet<State>> = BTreeMap::new();
    let mut through: BTreeMap<&PlanName, BTreeSet<&ReplicaName>> = BTreeMap::new();
    for member in &plan.members {
        if let Some(name) = &member.plan {
            states.entry(name).or_default().insert(before(member));
            through.entry(name).or_default().insert(&member.replica);
        }
    }
    let mut ordered: BTreeMap<PlanName, BTreeSet<ReplicaName>> = BTreeMap::new();
    for (name, group) in &mut workspace.plans {
        let went = through.remove(name).filter(|_| states.get(name).is_some_and(|s| s.len() == 1));
        let went = went.unwrap_or_default();
        for entry in &mut group.sequence {
            entry.replicas.retain(|r| went.contains(r));
            ordered.entry(name.clone()).or_default().extend(entry.replicas.iter().cloned());
        }
    }
    let mut desired: Vec<Desired> = Vec::new();
    let mut named: BTreeSet<&PlanName> = BTreeSet::new();
    for member in &plan.members {
        let group =
            member.plan.as_ref().filter(|p| ordered.get(*p).is_some_and(|o| o.contains(&member.replica)));
        match group {
            Some(name) if named.insert(name) => {
                desired.push(as_before(Subject::Plan(name.clone()), before(member)));
            }
            Some(_) => {}
            None => desired.push(as_before(Subject::Replicas(vec![member.replica.clone()]), before(member))),
        }
    }
    Ok(desired)
}

/// The state in which a replica was, or from which what it was found in goes.
fn before(member: &Member) -> State {
    let state = match &member.now {
        Condition::Whole(state) => *state,
        Condition::PartWay(operation) => crate::domain::state::begins_from(operation.kind()),
        Condition::Foreign(_) | Condition::Unseen => State::Ready,
    };
    if state == State::Unprotected { State::Ready } else { state }
}

fn as_before(subject: Subject, state: State) -> Desired {
    Desired {
        subject,
        state,
        via: Via::Planned,
        point: PointChoice::Latest,
        keep: Some(if state == State::Ready { Keep::Source } else { Keep::Replica }),
        irreversible: false,
        failback: FailbackTerms::default(),
    }
}

/// The way back is planned from the documents: a replica that they do not name any more, or as another machine, would stay where the
/// run left it, and nobody would hold it.
fn declared(run: &RunId, plan: &Plan, workspace: &Workspace) -> Result<(), Box<Answer>> {
    let one = |(name, placement): (&ReplicaName, &Placement)| {
        let what = match workspace.replicas.get(name).map(|r| &r.replica) {
            Some(vm) if *vm == placement.replica => return None,
            Some(vm) => format!("`{name}` is {} in the run, and {vm} in the documents", placement.replica),
            None => format!("`{name}` is in the run, and no document declares it any more"),
        };
        Some(
            Finding::new(Code::UnknownReplica, what)
                .about(format!("run {run}"))
                .help("the way back needs its document as it was when the run began; nothing was changed")
                .help(format!("or bring it back by hand, and `lifeboat abort {run} --close --because TEXT`")),
        )
    };
    let findings: Vec<Finding> = plan.placements.iter().filter_map(one).collect();
    if findings.is_empty() {
        return Ok(());
    }
    Err(Box::new(Answer::with(Exit::Invalid, findings, Sources::default())))
}

fn close(desk: &Desk, run: &RunId, because: &str) -> Said {
    end(desk, run, because)?;
    let text = format!("Closed run {run}; its replicas stay as they are. Next: lifeboat status\n");
    Ok(Answer::ok(text, serde_json::json!({ "format": 1, "type": "closed", "run": run })))
}

/// Ends a run for good. A run whose journal is damaged is let go without a record: there is no sound place for one.
fn end(desk: &Desk, run: &RunId, because: &str) -> Result<(), Box<Answer>> {
    match desk.store()?.read(run) {
        Ok(_) => return hold_as_it_is(desk, run)?.close(desk, because),
        Err(JournalError::Damaged { .. }) => {}
        // What cannot be read today, for want of rights or by an older version, may be sound tomorrow.
        Err(error) => return Err(error.into()),
    }
    at_rest(desk, run)?;
    Ok(desk.store()?.forget(run)?)
}

/// Nobody carries the run on.
fn at_rest(desk: &Desk, run: &RunId) -> Result<(), Box<Answer>> {
    if !desk.store()?.is_held(run)? {
        return Ok(());
    }
    let finding = Finding::new(Code::Locked, format!("run {run} is under way"));
    Err(Answer::stop(Exit::Locked, finding.help("stop it with Ctrl-C where it runs; nothing was changed")))
}
