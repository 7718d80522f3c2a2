//! `lifeboat abort RUN`: the way back from a run, as a new plan that is shown before anything is done; or the run's end as it is.

use super::apply::{begin_back, confirm, still_fits, with, worded};
use super::hold::{hold_as_it_is, over};
use super::load::Loaded;
use super::prepare::{Asked, Prepared, documents, draft, planned};
use super::world::{World, subjects};
use super::{Answer, Desk, Exit, Said, Screen, hooks, names, preflight};
use crate::base::{PlanName, ReplicaName, RunId};
use crate::diag::{Code, Finding, Sources};
use crate::domain::{Condition, OnFailure, State};
use crate::journal::JournalError;
use crate::model::{Desired, FailbackTerms, Keep, PointChoice, Subject, Via, Workspace};
use crate::plan::{Member, Plan, Purpose, Refused, RefusedWhy};
use crate::port::Placement;
use crate::report::refused::sentence;
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
    if found.frozen.plan.purpose.is_of_copies() {
        return super::drill::end(desk, &id, screen).await;
    }
    let loaded = documents(desk).map_err(|answer| needed(&id, answer))?;
    let (prepared, stay) = way_back(desk, &id, &found.frozen.plan, loaded).await?;
    let shown = super::plan::shown(desk, &prepared, false);
    screen.show(&shown.human);
    worded(desk, &prepared.warned, &prepared.loaded.sources, screen);
    let stay: Vec<Finding> = stay.iter().map(|refused| stays(&id, refused)).collect();
    worded(desk, &stay, &Sources::default(), screen);
    let stay = (stay, Sources::default());
    if prepared.plan.is_empty() && stay.0.is_empty() {
        confirm(&prepared.plan, ask.confirm.as_deref(), screen)?;
        // While a person thought about it somebody else may have gone on with it.
        if desk.store()?.read(&id)?.records.len() != found.records.len() {
            let what = format!("run {id} went on while this was asked");
            let finding = Finding::new(Code::PlanStale, what).help("ask again; nothing was changed");
            return Err(Answer::stop(Exit::Stale, finding));
        }
        return close(desk, &id, "nothing had changed");
    }
    if prepared.plan.is_empty() {
        return with(desk, stay, Err(nothing_back(&id)));
    }
    let mut unfit = hooks::of_plan(desk, &prepared.plan).await;
    let asked = names::of_plan(&prepared.world, &prepared.world.names(desk), &prepared.plan).await;
    unfit.extend(asked.findings);
    if preflight::stops(&unfit) {
        return Err(Box::new(Answer::with(Exit::Invalid, unfit, Sources::default())));
    }
    worded(desk, &unfit, &Sources::default(), screen);
    if let Err(early) = confirm(&prepared.plan, ask.confirm.as_deref(), screen) {
        return with(desk, stay, Err(early));
    }
    // While a person thought about it the world may have moved; then the old run must stay the one that holds the replicas.
    still_fits(&prepared.plan, &prepared.world).await?;
    let from = hold_as_it_is(desk, &id)?;
    with(desk, stay, begin_back(desk, prepared, from, screen).await)
}

/// The way back is planned from the documents, which a run does not keep.
fn needed(run: &RunId, mut answer: Box<Answer>) -> Box<Answer> {
    if answer.findings.iter().any(|finding| finding.code == Code::NoDocuments) {
        let resume = format!("`lifeboat resume {run}` goes on with the run, and needs none");
        let help = |finding: Finding| {
            finding
                .help("the way back is planned from the documents: ask where they are")
                .help(resume.clone())
        };
        answer.findings = answer.findings.into_iter().map(help).collect();
    }
    answer
}

/// The way back of all replicas that can come back, and those that cannot.
async fn way_back(
    desk: &Desk,
    run: &RunId,
    plan: &Plan,
    mut loaded: Loaded,
) -> Result<(Prepared, Vec<Refused>), Box<Answer>> {
    declared(run, plan, &loaded.workspace)?;
    let world = World::open(desk, &loaded.workspace)?;
    let inventory = world.observe(&subjects(&loaded.workspace, &[])).await;
    let mut stay: Vec<Refused> = Vec::new();
    loop {
        let without = stay.iter().map(|refused| &refused.replica).collect();
        let desired = back(plan, &without, &mut loaded.workspace);
        let purpose = Purpose::Abort(run.clone());
        let asked =
            Asked { purpose, desired, switchover_now: true, on_failure: OnFailure::Hold, slice: None };
        let refused = draft(&loaded.workspace, &inventory, &asked).err().unwrap_or_default();
        let again = refused.iter().any(|r| stay.iter().any(|known| known.replica == r.replica));
        if refused.is_empty() || again || !refused.iter().all(is_for_good) {
            return Ok((planned(loaded, world, inventory, &asked)?, stay));
        }
        stay.extend(refused);
    }
}

/// Whether no way leads back, whatever is mended at the sites.
fn is_for_good(refused: &Refused) -> bool {
    match &refused.why {
        RefusedWhy::OnlyForward(_) | RefusedWhy::NotPossible { .. } | RefusedWhy::NothingToKeep => true,
        RefusedWhy::Ambiguous(_)
        | RefusedWhy::RecoveryUnseen(_)
        | RefusedWhy::ProductionUnseen { .. }
        | RefusedWhy::MachineAbsent { .. }
        | RefusedWhy::NoSuchPoint(_)
        | RefusedWhy::NoPointAt { .. }
        | RefusedWhy::Foreign(_)
        | RefusedWhy::NetworkUnmapped(_)
        | RefusedWhy::BothWouldServe(_)
        | RefusedWhy::NoFence(_)
        | RefusedWhy::SiteAnswers(_)
        | RefusedWhy::AddressShared { .. }
        | RefusedWhy::NameNowhere { .. }
        | RefusedWhy::AddressTaken { .. }
        | RefusedWhy::Torn(_)
        | RefusedWhy::TargetUnfit { .. }
        | RefusedWhy::TargetInUse { .. }
        | RefusedWhy::Drill(_)
        | RefusedWhy::LossOverPolicy { .. } => false,
    }
}

/// A replica that cannot come back and stays as it is.
fn stays(run: &RunId, refused: &Refused) -> Finding {
    let finding = Finding::new(
        Code::NoWayBack,
        format!("no way back for `{}`: {}", refused.replica, sentence(refused)),
    )
    .help("it stays as it is, and no run holds it then");
    match refused.why {
        RefusedWhy::OnlyForward(_) => {
            finding.help(format!("`lifeboat resume {run}` completes it instead, with all of the run"))
        }
        _ => finding,
    }
}

/// Why there is nothing to be carried out.
fn nothing_back(run: &RunId) -> Box<Answer> {
    let finding = Finding::new(Code::NothingToResume, format!("nothing of run {run} can be taken back"));
    Answer::stop(
        Exit::Invalid,
        finding.help(format!("`lifeboat resume {run}` goes on with it")).help(format!(
            "`lifeboat abort {run} --close --because TEXT` ends it, and leaves everything as it is"
        )),
    )
}

/// The way back of a run, as it would be shown.
///
/// # Errors
/// There is none.
pub async fn shown(desk: &Desk, id: &RunId) -> Said {
    let found = desk.store()?.read(id)?;
    let loaded = documents(desk).map_err(|answer| needed(id, answer))?;
    let (prepared, stay) = way_back(desk, id, &found.frozen.plan, loaded).await?;
    let mut answer = super::plan::shown(desk, &prepared, false);
    answer.findings = prepared.warned;
    answer.findings.extend(stay.iter().map(|refused| stays(id, refused)));
    answer.sources = prepared.loaded.sources;
    Ok(answer)
}

/// The states before the run. What the replicas wrote goes where they stood by before; where they served, it stays.
///
/// The failover plans give the order, but only the replicas of the run go back: the plans of the workspace lose the others.
fn back(plan: &Plan, without: &BTreeSet<&ReplicaName>, workspace: &mut Workspace) -> Vec<Desired> {
    let members: Vec<&Member> = plan.members.iter().filter(|m| !without.contains(&m.replica)).collect();
    let mut states: BTreeMap<&PlanName, BTreeSet<State>> = BTreeMap::new();
    let mut through: BTreeMap<&PlanName, BTreeSet<&ReplicaName>> = BTreeMap::new();
    for member in &members {
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
    for member in members {
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
    desired
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
    Err(Answer::stop(
        Exit::Locked,
        finding.help(format!("`lifeboat stop {run}` stops it; nothing was changed")),
    ))
}
