//! `lifeboat abort RUN`: the way back from a run, as a new plan that is shown before anything is done; or the run's end as it is.

use super::apply::{begin_back, confirm, still_fits};
use super::hold::{hold_as_it_is, over};
use super::prepare::{Asked, documents, prepare};
use super::{Answer, Desk, Exit, Said, Screen};
use crate::base::RunId;
use crate::diag::{Code, Finding};
use crate::domain::{Condition, State};
use crate::journal::{Active, JournalError, Runs};
use crate::model::{Desired, FailbackTerms, Keep, PointChoice, Subject, Via, Workspace};
use crate::plan::{Member, Plan, Purpose};

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
    let found = Runs::new(&desk.own()).read(&id)?;
    if found.progress.is_over() {
        return Err(over(&id));
    }
    let loaded = documents(desk)?;
    let desired = back(&found.frozen.plan, &loaded.workspace);
    let asked = Asked { purpose: Purpose::Abort(id.clone()), desired, switchover_now: true };
    let prepared = prepare(desk, loaded, &asked).await?;
    let shown = super::plan::shown(desk, &prepared, false);
    screen.show(&shown.human);
    if prepared.plan.is_empty() {
        return close(desk, &id, "nothing had changed");
    }
    confirm(&prepared.plan, ask.confirm.as_deref(), screen)?;
    // While a person thought about it the world may have moved; then the old run must stay the one that holds the replicas.
    still_fits(&prepared.plan, &prepared.world).await?;
    let from = hold_as_it_is(desk, &id)?;
    begin_back(desk, prepared, from, screen).await
}

/// The states before the run. What the replicas wrote goes where they stood by before; where they served, it stays.
fn back(plan: &Plan, workspace: &Workspace) -> Vec<Desired> {
    let before = |member: &Member| match &member.now {
        Condition::Whole(state) => *state,
        Condition::PartWay(operation) => crate::domain::state::begins_from(operation.kind()),
        Condition::Foreign(_) | Condition::Unseen => State::Ready,
    };
    let mut desired: Vec<Desired> = Vec::new();
    for member in &plan.members {
        let state = match before(member) {
            State::Unprotected => State::Ready,
            state => state,
        };
        let whole = member.plan.as_ref().filter(|name| {
            workspace.plans.contains_key(*name)
                && plan
                    .members
                    .iter()
                    .filter(|m| m.plan.as_ref() == Some(name))
                    .all(|m| before(m) == before(member))
        });
        let subject = match whole {
            Some(name) => Subject::Plan(name.clone()),
            None => Subject::Replicas(vec![member.replica.clone()]),
        };
        if desired.iter().any(|d| d.subject == subject) {
            continue;
        }
        let keep = if state == State::Ready { Keep::Source } else { Keep::Replica };
        desired.push(Desired {
            subject,
            state,
            via: Via::Planned,
            point: PointChoice::Latest,
            keep: Some(keep),
            irreversible: false,
            failback: FailbackTerms::default(),
        });
    }
    desired
}

fn close(desk: &Desk, run: &RunId, because: &str) -> Said {
    end(desk, run, because)?;
    let text = format!("Closed run {run}; its replicas stay as they are. Next: lifeboat status\n");
    Ok(Answer::ok(text, serde_json::json!({ "format": 1, "type": "closed", "run": run })))
}

/// Ends a run for good. A run whose journal is damaged is let go without a record: there is no sound place for one.
fn end(desk: &Desk, run: &RunId, because: &str) -> Result<(), Box<Answer>> {
    match Runs::new(&desk.own()).read(run) {
        Ok(_) => return hold_as_it_is(desk, run)?.close(desk, because),
        Err(JournalError::Damaged { .. }) => {}
        // What cannot be read today, for want of rights or by an older version, may be sound tomorrow.
        Err(error) => return Err(error.into()),
    }
    if Active::all(&desk.own())?.iter().any(|(claim, held)| claim.run == *run && *held) {
        let finding = Finding::new(Code::Locked, format!("run {run} is under way"));
        return Err(Answer::stop(Exit::Locked, finding.help("stop it with Ctrl-C where it runs")));
    }
    Ok(Active::forget(&desk.own(), run)?)
}
