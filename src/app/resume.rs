//! `lifeboat resume [RUN]`: goes on with a run that was cut off. It needs no documents: plan and settings are frozen with the run.

use super::carry::{Ready, carry, refused};
use super::hold::{Held, hold};
use super::{Answer, Desk, Exit, Said, Screen};
use crate::base::RunId;
use crate::diag::{Code, Finding};
use crate::engine::{Word, by_hand};
use crate::journal::{Active, Journal, Refusal};

/// Carries the command out.
///
/// # Errors
/// An early end.
pub async fn resume(desk: &Desk, run: Option<&str>, steps: bool, screen: &mut dyn Screen) -> Said {
    let id = which(desk, run)?;
    let Held { world, active, found, mut journal } = hold(desk, &id)?;
    if found.torn {
        screen.line("the last record was cut off by the kill; it never counted and is taken away");
    }
    let mut progress = found.progress;
    let now = world.clock().now();
    let events: Vec<_> = progress
        .to_retry()
        .map(|node| (now, by_hand(node, Word::Retry, &desk.person, "the run was resumed")))
        .collect();
    if !events.is_empty() {
        journal.append(&events)?;
        for (at, event) in &events {
            progress.apply(event, *at).map_err(|e| super::runs::illegal(&id, &e))?;
        }
    }
    carry(desk, &world, Ready { id, active, journal, progress, steps }, screen).await
}

/// The run that was named, or the only one that nobody carries on.
pub fn which(desk: &Desk, run: Option<&str>) -> Result<RunId, Box<Answer>> {
    if let Some(run) = run {
        return super::runs::named(desk, run);
    }
    let (held, open): (Vec<_>, Vec<_>) = Active::all(&desk.own())?.into_iter().partition(|(_, held)| *held);
    if let (Some((holder, _)), true) = (held.into_iter().next(), open.is_empty())
        && let Some(shared) = holder.replicas.first().cloned()
    {
        return Err(refused(Refusal::Held { shared, holder: Box::new(holder) }));
    }
    let mut open: Vec<RunId> = open.into_iter().map(|(claim, _)| claim.run).collect();
    match (open.pop(), open.is_empty()) {
        (Some(run), true) => Ok(run),
        (None, _) => {
            let finding = Finding::new(Code::NothingToResume, "no run is unfinished");
            Err(Answer::stop(Exit::Invalid, finding.help("`lifeboat history` lists all runs")))
        }
        (Some(last), false) => {
            open.push(last);
            let names = open.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let finding = Finding::new(Code::UnknownRun, "several runs are unfinished");
            Err(Answer::stop(Exit::Invalid, finding.help(format!("name one of them: {names}"))))
        }
    }
}
