//! `lifeboat drill PLAN`: the plan against copies on networks apart, while replication goes on; and the removal of what a drill left.

use super::apply::{begin, begin_back, worded};
use super::carry::Manner;
use super::hold::hold_as_it_is;
use super::load::Loaded;
use super::prepare::{Asked, Prepared, documents, prepare};
use super::{Answer, Desk, Exit, Said, Screen, carry, commit, slice};
use crate::base::{Duration, PlanName, ReplicaName, RunId};
use crate::diag::{Code, Finding};
use crate::domain::{OnFailure, State};
use crate::journal::{Found, Refusal};
use crate::model::{Desired, FailbackTerms, PointChoice, Subject, Via};
use crate::plan::{Kept, Plan, Purpose};
use crate::report;
use crate::run::{Outcome, Verdict};
use serde_json::json;
use std::collections::BTreeSet;

/// What `drill` is asked.
pub struct Ask {
    /// The failover plan.
    pub plan: String,
    /// How long the copies are kept: a length, or `until-key`.
    pub keep: Option<String>,
    /// Which restore point: `latest`, a time, or a name.
    pub point: Option<String>,
    /// Whether only what a drill left is removed.
    pub clean: bool,
    /// Whether the plan is only shown.
    pub dry: bool,
    /// Which part of the plan.
    pub slice: slice::Ask,
    /// How it is driven.
    pub manner: Manner,
}

/// Carries the command out.
///
/// # Errors
/// An early end.
pub async fn drill(desk: &Desk, ask: Ask, screen: &mut dyn Screen) -> Said {
    ask.manner.sound()?;
    let keep = kept(ask.keep.as_deref())?;
    let point = chosen(ask.point.as_deref())?;
    let loaded = documents(desk)?;
    let name = named(&loaded, &ask.plan)?;
    if ask.clean {
        return clean(desk, loaded, &name, screen).await;
    }
    if ask.slice.is_whole() {
        alone(desk, &loaded, &name)?;
    }
    let commit = commit::of(desk, &loaded.documents);
    let purpose = Purpose::Drill { plan: name.clone(), keep };
    let mut asked = Asked { desired: vec![desired(Subject::Plan(name), point)], ..nothing_but(purpose) };
    asked.slice = slice::selected(&ask.slice, &asked.desired, &loaded.workspace)?;
    let mut prepared = prepare(desk, loaded, &asked).await?;
    if let Some(drilled) = &mut prepared.plan.drilled {
        drilled.commit = Some(commit);
    }
    let shown = super::plan::shown(desk, &prepared, false);
    if prepared.plan.is_empty() {
        return Ok(shown);
    }
    ask.manner.check(&prepared.world)?;
    carry::free(desk, &prepared.plan)?;
    let (prepared, found) = super::plan::looked_at(desk, prepared).await?;
    if ask.dry {
        let mut shown = shown;
        shown.findings.extend(found);
        shown.sources = prepared.loaded.sources;
        return Ok(shown);
    }
    screen.show(&shown.human);
    worded(desk, &found, &prepared.loaded.sources, screen);
    begin(desk, prepared, ask.manner, screen).await
}

/// Two drills of one replica do not run at once. Asked before anything is planned: the copy of the other one is no leftover.
fn alone(desk: &Desk, loaded: &Loaded, name: &PlanName) -> Result<(), Box<Answer>> {
    let plan = loaded.workspace.plans.get(name);
    let own: BTreeSet<&ReplicaName> =
        plan.iter().flat_map(|p| &p.sequence).flat_map(|entry| &entry.replicas).collect();
    for (holder, lives) in desk.store()?.claims()? {
        let shared = holder.replicas.iter().find(|replica| own.contains(replica)).cloned();
        if let Some(shared) = shared.filter(|_| lives && holder.copies) {
            return Err(carry::refused(Refusal::Held { shared, holder: Box::new(holder) }));
        }
    }
    Ok(())
}

fn nothing_but(purpose: Purpose) -> Asked {
    Asked { purpose, desired: Vec::new(), switchover_now: false, on_failure: OnFailure::Hold, slice: None }
}

fn desired(subject: Subject, point: PointChoice) -> Desired {
    Desired {
        subject,
        state: State::Ready,
        via: Via::Unplanned,
        point,
        keep: None,
        irreversible: false,
        failback: FailbackTerms::default(),
    }
}

fn named(loaded: &Loaded, plan: &str) -> Result<PlanName, Box<Answer>> {
    let plans = &loaded.workspace.plans;
    let found = plans.get_key_value(plan).map(|(name, _)| name.clone());
    found.ok_or_else(|| {
        super::replicate::unknown(
            Code::UnknownPlan,
            "failover plan",
            plan,
            plans.keys().map(PlanName::as_str),
        )
    })
}

/// How long copies are kept.
fn kept(text: Option<&str>) -> Result<Kept, Box<Answer>> {
    match text {
        None => Ok(Kept::Not),
        Some("until-key") => Ok(Kept::UntilKey),
        Some(text) => match text.parse::<Duration>() {
            Ok(Duration::ZERO) => Ok(Kept::Not),
            Ok(time) => Ok(Kept::For(time)),
            Err(_) => {
                let finding = Finding::new(Code::BadDuration, format!("`{text}` is no length of time"));
                Err(Answer::stop(Exit::Invalid, finding.help("write `--keep 30m`, or `--keep until-key`")))
            }
        },
    }
}

fn chosen(text: Option<&str>) -> Result<PointChoice, Box<Answer>> {
    match text {
        None | Some("latest") => Ok(PointChoice::Latest),
        Some(text) => match (text.parse(), text.parse()) {
            (Ok(at), _) => Ok(PointChoice::At(at)),
            (Err(_), Ok(id)) => Ok(PointChoice::Id(id)),
            (Err(_), Err(_)) => {
                let finding =
                    Finding::new(Code::NoPoint, format!("`{text}` is no time and no restore point"));
                Err(Answer::stop(
                    Exit::Invalid,
                    finding.help("write `latest`, a time as 2026-11-22T03:00:00Z, or a restore point's name"),
                ))
            }
        },
    }
}

/// Removes what a drill left: of a run that is not finished, or of one that is over.
async fn clean(desk: &Desk, loaded: Loaded, name: &PlanName, screen: &mut dyn Screen) -> Said {
    let purposes = [format!("drill-{name}"), format!("end-drill-{name}")];
    let claims = desk.store()?.claims()?;
    let of_plan = claims.into_iter().find(|(claim, _)| claim.copies && purposes.contains(&claim.purpose));
    match of_plan {
        Some((holder, true)) => {
            let shared = holder.replicas.first().cloned().unwrap_or_else(|| ReplicaName::fixed("nothing"));
            Err(carry::refused(Refusal::Held { shared, holder: Box::new(holder) }))
        }
        Some((claim, false)) => end(desk, &claim.run, screen).await,
        None => {
            let purpose = Purpose::EndDrill { plan: name.clone(), run: None };
            // A replica that was taken out of its plan since may have a copy all the same.
            let plans = &loaded.workspace.plans;
            let planned: BTreeSet<&ReplicaName> =
                plans.values().flat_map(|p| &p.sequence).flat_map(|entry| &entry.replicas).collect();
            let others = loaded.workspace.replicas.keys().filter(|replica| !planned.contains(replica));
            let others: Vec<ReplicaName> = others.cloned().collect();
            let subjects = [Subject::Plan(name.clone()), Subject::Replicas(others.clone())];
            let desired = subjects.map(|subject| desired(subject, PointChoice::Latest)).into();
            let asked = Asked { desired, ..nothing_but(purpose) };
            let prepared = prepare(desk, loaded, &asked).await?;
            let facts = |name: &ReplicaName| prepared.inventory.replicas.get(name)?.facts.as_ref();
            for unseen in others.iter().filter(|name| facts(name).is_none()) {
                screen.line(&format!(
                    "! {unseen} is in no failover plan and cannot be seen: a copy of it may be left"
                ));
            }
            if prepared.plan.is_empty() {
                return Ok(nothing_left(name, None));
            }
            screen.show(&super::plan::shown(desk, &prepared, false).human);
            begin(desk, prepared, Manner::default(), screen).await
        }
    }
}

fn nothing_left(plan: &PlanName, run: Option<&RunId>) -> Answer {
    let json = json!({ "format": 1, "type": "drillEnd", "plan": plan, "run": run, "left": [] });
    Answer::ok(format!("Nothing is left of a drill of {plan}.\n"), json)
}

/// Ends a drill that is not finished: what it made is removed, and its run is closed.
///
/// # Errors
/// An early end.
pub async fn end(desk: &Desk, run: &RunId, screen: &mut dyn Screen) -> Said {
    let found = desk.store()?.read(run)?;
    let plan = &found.frozen.plan;
    let name = match &plan.purpose {
        Purpose::Drill { plan, .. } | Purpose::EndDrill { plan, .. } => plan.clone(),
        Purpose::Runbook(_) | Purpose::Replicate | Purpose::Abort(_) => return Err(super::hold::over(run)),
    };
    let loaded = documents(desk)?;
    let members: Vec<ReplicaName> = plan.members.iter().map(|m| m.replica.clone()).collect();
    if let Some(gone) = members.iter().find(|name| !loaded.workspace.replicas.contains_key(*name)) {
        let what = format!("`{gone}` is not declared any more, and run {run} made a copy of it");
        let help = format!(
            "declare it again until `lifeboat drill {name} --clean` has removed the copy; nothing was changed"
        );
        return Err(Answer::stop(Exit::Invalid, Finding::new(Code::UnknownReplica, what).help(help)));
    }
    let purpose = Purpose::EndDrill { plan: name.clone(), run: Some(run.clone()) };
    let asked = Asked {
        desired: vec![desired(Subject::Replicas(members), PointChoice::Latest)],
        ..nothing_but(purpose)
    };
    let prepared: Prepared = prepare(desk, loaded, &asked).await?;
    let from = hold_as_it_is(desk, run)?;
    if prepared.plan.is_empty() {
        from.close(desk, "nothing of it is left")?;
        return Ok(nothing_left(&name, Some(run)));
    }
    screen.show(&super::plan::shown(desk, &prepared, false).human);
    Box::pin(begin_back(desk, prepared, from, screen)).await
}

/// What is done after a run that was a drill, or the end of one: what it left is removed, and it is told what came of it.
///
/// # Errors
/// An early end.
pub async fn after(desk: &Desk, run: &RunId, mut said: Answer, screen: &mut dyn Screen) -> Said {
    let found = desk.store()?.read(run)?;
    match &found.frozen.plan.purpose {
        Purpose::Drill { plan, .. } => {
            let plan = plan.clone();
            judge(&found, run, &plan, &mut said);
            // Whoever stops a drill wants it gone, and one that failed with something left as well. What is in doubt a person must look at first.
            let unfinished = !found.progress.is_over() && said.exit != Exit::InDoubt;
            if unfinished && began(&found) {
                screen.line(&format!("what the drill made is removed: end-drill-{plan}"));
                let end = end(desk, run, screen).await;
                told(&mut said, end);
            }
            Ok(said)
        }
        Purpose::EndDrill { .. } => {
            left(&found, run, &mut said);
            Ok(said)
        }
        Purpose::Runbook(_) | Purpose::Replicate | Purpose::Abort(_) => Ok(said),
    }
}

/// Whether anything was asked for.
fn began(found: &Found) -> bool {
    found.records.iter().any(|r| matches!(r.event, crate::run::Event::Intended { .. }))
}

/// The exit code and the findings of a drill.
fn judge(found: &Found, run: &RunId, plan: &PlanName, said: &mut Answer) {
    let events: Vec<_> = found.records.iter().map(|r| (r.at, r.event.clone())).collect();
    let Some(drill) = crate::run::drill(&found.progress, &events) else { return };
    if drill.verdict == Verdict::Failed {
        said.findings = vec![report::drill::failed(&drill, (run, plan), &found.progress, &events)];
        if said.exit == Exit::Exceptions {
            said.exit = Exit::Failed;
        }
    }
    if found.progress.is_over() && !drill.left.is_nothing() {
        said.findings.push(report::drill::left(&drill.left, (run, plan)));
        said.exit = if said.exit == Exit::Ok { Exit::Exceptions } else { said.exit };
    }
}

/// What the end of a drill left all the same.
fn left(found: &Found, run: &RunId, said: &mut Answer) {
    let events: Vec<_> = found.records.iter().map(|r| (r.at, r.event.clone())).collect();
    let plan: &Plan = &found.frozen.plan;
    let Purpose::EndDrill { plan: name, .. } = &plan.purpose else { return };
    let left = crate::run::Left::of(plan, crate::run::last_look(&events).as_ref());
    if found.progress.outcome() == Some(Outcome::Completed) && !left.is_nothing() {
        said.findings.push(report::drill::left(&left, (run, name)));
        said.exit = Exit::Exceptions;
    }
}

/// The end of a drill beside what came of it.
fn told(said: &mut Answer, end: Said) {
    match end {
        Ok(end) => {
            said.human.push_str(&format!("\n{}", end.human));
            if let Some(json) = said.json.as_object_mut() {
                json.insert("end".to_owned(), end.json);
            }
            for finding in &mut said.findings {
                finding.help = vec!["what it made is removed; that is told below".to_owned()];
            }
            if !matches!(end.exit, Exit::Ok) {
                said.exit = end.exit;
            }
            said.findings.extend(end.findings);
        }
        Err(early) => {
            said.findings.extend(early.findings);
            said.sources = early.sources;
        }
    }
}
