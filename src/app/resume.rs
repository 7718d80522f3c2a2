//! `lifeboat resume [RUN]`: goes on with a run that was cut off. It needs no documents: plan and settings are frozen with the run.

use super::carry::{Manner, Ready, carry, refused};
use super::hold::{Held, hold};
use super::{Answer, Desk, Exit, Said, Screen, drill, undo};
use crate::base::{RunId, Timestamp};
use crate::diag::{Code, Finding};
use crate::engine::{Word, by_hand};
use crate::journal::Refusal;
use crate::run::{Event, Progress, Status};

/// What `resume` is asked.
pub struct Ask {
    /// The run.
    pub run: Option<String>,
    /// Another time for the switchovers that it waits for.
    pub switchover: Option<String>,
    /// How it is driven.
    pub manner: Manner,
}

/// Carries the command out.
///
/// # Errors
/// An early end.
pub async fn resume(desk: &Desk, ask: Ask, screen: &mut dyn Screen) -> Said {
    ask.manner.sound()?;
    let time = ask.switchover.as_deref().map(time).transpose()?;
    let id = which(desk, ask.run.as_deref())?;
    let Held { world, active, found, mut journal } = hold(desk, &id)?;
    ask.manner.check(&world)?;
    undo::agreed(&found.frozen.plan, ask.manner.undo.as_deref())?;
    let (on_failure, word) = (found.frozen.plan.on_failure, ask.manner.undo.clone());
    if found.torn {
        screen.line("the last record was cut off by the kill; it never counted and is taken away");
    }
    let mut progress = found.progress;
    let now = world.clock().now();
    let again =
        progress.to_retry().map(|node| by_hand(node, Word::Retry, &desk.person, "the run was resumed"));
    let mut events: Vec<_> = again.map(|event| (now, event)).collect();
    if let Some(time) = time {
        let moved = rescheduled(&progress, time.unwrap_or(now), &desk.person);
        if moved.is_empty() {
            let finding =
                Finding::new(Code::NothingToResume, format!("no switchover of run {id} waits for a time"));
            return Err(Answer::stop(
                Exit::Invalid,
                finding.help(format!("`lifeboat resume {id}` goes on with it; nothing was changed")),
            ));
        }
        events.extend(moved.into_iter().map(|event| (now, event)));
    }
    if !events.is_empty() {
        journal.append(&events)?;
        for (at, event) in &events {
            progress.apply(event, *at).map_err(|e| super::runs::illegal(&id, &e))?;
        }
    }
    let ready = Ready { id: id.clone(), active, journal, progress, manner: ask.manner };
    let said = carry(desk, &world, ready, screen).await?;
    drop(world);
    let said = undo::after(desk, undo::Terms { on_failure, run: &id, word }, said, screen).await?;
    drill::after(desk, &id, said, screen).await
}

/// A time that a person types; none is now.
fn time(text: &str) -> Result<Option<Timestamp>, Box<Answer>> {
    if text == "now" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        let finding = Finding::new(Code::BadTime, format!("`{text}` is no time with a zone"));
        Answer::stop(Exit::Invalid, finding.help("write `now`, or a time like 2026-11-22T03:00:00Z"))
    })
}

/// Another time for every switchover that is still to come.
fn rescheduled(progress: &Progress, at: Timestamp, person: &str) -> Vec<Event> {
    let plan = progress.plan();
    let timed = plan.node_ids().filter(|n| plan.waits_until(*n).is_some());
    let open = timed.filter(|n| progress.status(*n) != Status::Done);
    open.map(|node| Event::Rescheduled { node, at, person: person.to_owned() }).collect()
}

/// The run that was named, or the only one that nobody carries on.
pub fn which(desk: &Desk, run: Option<&str>) -> Result<RunId, Box<Answer>> {
    if let Some(run) = run {
        return super::runs::named(desk, run);
    }
    let (held, open): (Vec<_>, Vec<_>) = desk.store()?.claims()?.into_iter().partition(|(_, held)| *held);
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
