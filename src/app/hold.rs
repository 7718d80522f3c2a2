//! Taking an unfinished run in hand: only one that is neither over nor damaged, and only by one at a time.

use super::carry::{claim, claimed};
use super::world::{Settings, World};
use super::{Answer, Desk, Exit};
use crate::base::RunId;
use crate::diag::{Code, Finding};
use crate::journal::{Found, Hold, Journal, Way};
use crate::plan::{Plan, Purpose};
use crate::run::Event;

/// An unfinished run, held for as long as this is kept.
pub struct Held {
    /// The sites as it froze them.
    pub world: World,
    /// The claim.
    pub active: Box<dyn Hold>,
    /// What is recorded of it.
    pub found: Found,
    /// Where its next records go.
    pub journal: Box<dyn Journal>,
}

/// Why a run is closed whose way back is there.
pub const WAY_BACK: &str = "its way back was begun";

impl Held {
    /// Closes it for good, and lets go of its replicas.
    ///
    /// # Errors
    /// Where that cannot be recorded; it is then unfinished as before.
    pub fn close(self, desk: &Desk, because: &str) -> Result<(), Box<Answer>> {
        let Self { world, active, mut journal, .. } = self;
        let event = Event::Closed { person: desk.person.clone(), because: because.to_owned() };
        journal.append(&[(world.clock().now(), event)])?;
        Ok(active.release()?)
    }
}

/// Takes a run in hand that is to be carried on, or whose steps are to be settled.
///
/// # Errors
/// A run that is over, held by another, or damaged. A run keeps its claim from before its first record until its last one: one that
/// is not over and has none is one whose last records are gone.
pub fn hold(desk: &Desk, run: &RunId) -> Result<Held, Box<Answer>> {
    let claimed = desk.store()?.claims()?.iter().any(|(claim, _)| claim.run == *run);
    let found = desk.store()?.read(run)?;
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
    let runs = desk.store()?;
    let found = runs.read(run)?;
    if found.progress.is_over() {
        return Err(over(run));
    }
    let world = World::from_settings(desk, settings(&found.frozen.setup)?)?;
    let before = before_of(desk, &found.frozen.plan)?;
    let way = before.as_ref().map_or(Way::Plain, Way::Beside);
    let active = claimed(desk, &claim(desk, run, &found.frozen.plan, &world), way)?;
    if let Some(before) = &before {
        hand_over(desk, before, run)?;
    }
    let (found, journal) = runs.open(run)?;
    // Between looking and claiming somebody may have ended it.
    if found.progress.is_over() {
        active.release()?;
        return Err(over(run));
    }
    Ok(Held { world, active, found, journal })
}

/// The run whose way back a plan is, where it still has its claim: its runner was killed when the way back was there already and the
/// run before was not yet closed.
fn before_of(desk: &Desk, plan: &Plan) -> Result<Option<RunId>, Box<Answer>> {
    let before = match &plan.purpose {
        Purpose::Abort(before) | Purpose::EndDrill { run: Some(before), .. } => before,
        Purpose::Runbook(_) | Purpose::Replicate | Purpose::Drill { .. } | Purpose::EndDrill { .. } => {
            return Ok(None);
        }
    };
    let claims = desk.store()?.claims()?;
    Ok(claims.iter().any(|(claim, _)| claim.run == *before).then(|| before.clone()))
}

/// Closes the run before, whose replicas its way back holds from now on.
fn hand_over(desk: &Desk, before: &RunId, to: &RunId) -> Result<(), Box<Answer>> {
    let runs = desk.store()?;
    let frozen = runs.read(before)?.frozen;
    let world = World::from_settings(desk, settings(&frozen.setup)?)?;
    let active = claimed(desk, &claim(desk, before, &frozen.plan, &world), Way::Beside(to))?;
    let (found, journal) = runs.open(before)?;
    if found.progress.is_over() {
        return Ok(active.release()?);
    }
    Held { world, active, found, journal }.close(desk, WAY_BACK)
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
pub fn settings(value: &serde_json::Value) -> Result<Settings, Box<Answer>> {
    serde_json::from_value(value.clone()).map_err(|error| {
        let finding =
            Finding::new(Code::JournalDamaged, format!("the run's settings cannot be read: {error}"));
        Answer::stop(Exit::Io, finding)
    })
}
