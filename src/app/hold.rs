//! Taking an unfinished run in hand: only one that is neither over nor damaged, and only by one at a time.

use super::carry::claim;
use super::world::World;
use super::{Answer, Desk, Exit};
use crate::base::RunId;
use crate::diag::{Code, Finding};
use crate::journal::{Active, LocalJournal, Runs, local::Found};
use crate::provider::sim::Setup;

/// An unfinished run, held for as long as this is kept.
pub struct Held {
    /// The sites as it froze them.
    pub world: World,
    /// The claim.
    pub active: Active,
    /// What is recorded of it.
    pub found: Found,
    /// Where its next records go.
    pub journal: LocalJournal,
}

/// Takes a run in hand that is to be carried on, or whose steps are to be settled.
///
/// # Errors
/// A run that is over, held by another, or damaged. A run keeps its claim from before its first record until its last one: one that
/// is not over and has none is one whose last records are gone.
pub fn hold(desk: &Desk, run: &RunId) -> Result<Held, Box<Answer>> {
    let claimed = Active::all(&desk.own())?.iter().any(|(claim, _)| claim.run == *run);
    let found = Runs::new(&desk.own()).read(run)?;
    if !claimed && !found.progress.is_over() {
        let what =
            format!("run {run} is not over, and nothing holds its replicas: its last records are gone");
        return Err(Answer::stop(
            Exit::Io,
            Finding::new(Code::JournalDamaged, what)
                .help("nothing was changed; restore its folder from a copy")
                .help(format!(
                    "or look at its replicas and close it: `lifeboat abort {run} --close --because TEXT`"
                )),
        ));
    }
    hold_as_it_is(desk, run)
}

/// Takes a run in hand whose last records may be gone, to close it.
///
/// # Errors
/// A run that is over, held by another, or damaged.
pub fn hold_as_it_is(desk: &Desk, run: &RunId) -> Result<Held, Box<Answer>> {
    let runs = Runs::new(&desk.own());
    let found = runs.read(run)?;
    if found.progress.is_over() {
        return Err(over(run));
    }
    let world = World::from_setup(desk, setup(&found.frozen.setup)?)?;
    let active = claim(desk, run, &found.frozen.plan, &world)?;
    let (found, journal) = runs.open(run)?;
    // Between looking and claiming somebody may have ended it.
    if found.progress.is_over() {
        active.release()?;
        return Err(over(run));
    }
    Ok(Held { world, active, found, journal })
}

/// Why nothing can be done to a run that is over.
pub fn over(run: &RunId) -> Box<Answer> {
    let finding = Finding::new(Code::NothingToResume, format!("run {run} is over"));
    Answer::stop(
        Exit::Invalid,
        finding
            .help(format!("`lifeboat report {run}` tells how it ended"))
            .help("a runbook for the state before it is the way back"),
    )
}

/// The providers' settings of a frozen run.
fn setup(value: &serde_json::Value) -> Result<Setup, Box<Answer>> {
    serde_json::from_value(value.clone()).map_err(|error| {
        let finding =
            Finding::new(Code::JournalDamaged, format!("the run's settings cannot be read: {error}"));
        Answer::stop(Exit::Io, finding)
    })
}
