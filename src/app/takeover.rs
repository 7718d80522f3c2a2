//! `lifeboat takeover RUN`: takes a run from a runner that does not carry it on any more, or is not to.

use super::carry::{claim, refused};
use super::hold::{Held, hold_as_it_is, over, settings};
use super::world::World;
use super::{Answer, Desk, Exit, Said};
use crate::base::RunId;
use crate::diag::{Code, Finding};
use crate::journal::{Claim, Frozen, Refusal, Way};
use crate::run::Event;
use serde_json::json;

/// What `takeover` is asked.
pub struct Ask {
    /// The run.
    pub run: String,
    /// The run's name, with which a person confirms that it is taken from a runner whose lease is not over.
    pub confirm: Option<String>,
    /// Why.
    pub because: Option<String>,
}

/// Carries the command out. It does not go on with the run.
///
/// # Errors
/// A run that is over; one whose lease is not over, where nobody confirmed; a store whose locks end with their process alone.
pub fn takeover(desk: &Desk, ask: &Ask) -> Said {
    let id = super::runs::named(desk, &ask.run)?;
    let store = desk.store()?;
    let found = store.read(&id)?;
    if found.progress.is_over() {
        return Err(over(&id));
    }
    let holder = store.claims()?.into_iter().find(|(claim, _)| claim.run == id);
    let lives = holder.as_ref().is_some_and(|(_, held)| *held);
    if let (Some((holder, true)), false) = (&holder, ask.confirm.as_deref() == Some(id.as_str())) {
        return Err(unconfirmed(&id, holder, ask.confirm.as_deref()));
    }
    let mut held = if lives { seize(desk, &id, &found.frozen)? } else { hold_as_it_is(desk, &id)? };
    let from = holder.map(|(claim, _)| claim.runner);
    let (runner, because) = (desk.runner(), ask.because.clone());
    let event = Event::TakenOver { runner, from: from.clone(), lives, because };
    held.journal.append(&[(held.world.clock().now(), event)])?;
    let of = from.map_or_else(String::new, |r| format!(" from {} on {}", r.person, r.host));
    let text =
        format!("Took run {id} over{of}; whoever held it starts nothing more. Next: lifeboat resume {id}\n");
    Ok(Answer::ok(text, json!({ "format": 1, "type": "takenOver", "run": id })))
}

/// Takes it in hand though its runner lives.
fn seize(desk: &Desk, run: &RunId, frozen: &Frozen) -> Result<Held, Box<Answer>> {
    let store = desk.store()?;
    let world = World::from_settings(desk, settings(&frozen.setup)?)?;
    let active = store.claim(&claim(desk, run, &frozen.plan, &world), Way::Seize).map_err(seized)?;
    let (found, journal) = store.open(run)?;
    if found.progress.is_over() {
        active.release()?;
        return Err(over(run));
    }
    Ok(Held { world, active, found, journal })
}

fn unconfirmed(run: &RunId, holder: &Claim, said: Option<&str>) -> Box<Answer> {
    let Claim { runner, process, since, .. } = holder;
    let what = match said {
        Some(said) => format!("`{said}` is not the name of the run that is to be taken over, `{run}`"),
        None => format!("run {run} is under way, and its lease is not over"),
    };
    let finding = Finding::new(if said.is_some() { Code::ConfirmMismatch } else { Code::Locked }, what)
        .about(format!("by {} on {} (process {process}), since {since}", runner.person, runner.host))
        .help(format!("`lifeboat stop {run}` asks it to end by itself"))
        .help(format!("to take it all the same: `lifeboat takeover {run} --confirm {run}`; a step that it has begun may still take effect"));
    Answer::stop(if said.is_some() { Exit::Gated } else { Exit::Locked }, finding)
}

/// A lock of the operating system cannot be taken from a process that lives.
fn seized(refusal: Refusal) -> Box<Answer> {
    match refusal {
        Refusal::Held { holder, .. } => {
            let Claim { run, process, runner, .. } = *holder;
            let what = format!("run {run} is held by process {process} on {}, which lives", runner.host);
            let finding = Finding::new(Code::Locked, what)
                .help(format!("end that process; `lifeboat resume {run}` then goes on"))
                .help("runs in a folder are held by a lock that ends with its process; PostgreSQL and etcd hold them by leases");
            Answer::stop(Exit::Locked, finding)
        }
        other => refused(other),
    }
}
