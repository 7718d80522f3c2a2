//! The port of the stores: where runs are kept, and who may write them.
//!
//! Its calls wait until the store has answered, also inside of the engine: nothing else may happen before a record is durable.

use crate::base::{Duration, RunId, Timestamp};
use crate::domain::Reply;
use crate::journal::claim::{Claim, Refusal, Way};
use crate::journal::raw::{Found, Frozen, Raw};
use crate::journal::{JournalError, Tip, format, lease::Lease};
use crate::plan::NodeId;
use crate::run::{Event, Wish};
use serde::Serialize;
use std::fmt::Debug;
use std::path::{Path, PathBuf};

/// What a word for the runner of a run is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// It shall stop.
    Stop,
    /// The answer to the question of a node.
    Answer(NodeId),
}

impl std::fmt::Display for Topic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stop => f.write_str("stop"),
            Self::Answer(node) => write!(f, "answer-{}", node.0),
        }
    }
}

/// A word as it is left. The values are plain ones of our own, so none of them has no form.
fn json(word: &impl Serialize) -> Vec<u8> {
    format::write(word).unwrap_or_default()
}

/// Where runs are kept.
pub trait Store: Send + Sync + Debug {
    /// What it is, for messages; no secret.
    fn place(&self) -> String;

    /// The names of all runs, oldest first.
    ///
    /// # Errors
    /// Where the store cannot be read.
    fn list(&self) -> Result<Vec<RunId>, JournalError>;

    /// Whether a name is taken: by a run, or by what a kill left behind of one that never began.
    ///
    /// # Errors
    /// Where the store cannot be read.
    fn is_taken(&self, run: &RunId) -> Result<bool, JournalError>;

    /// Begins a run that is claimed: its frozen plan and an empty journal, durable.
    ///
    /// # Errors
    /// Where it cannot be written, or the name is taken.
    fn create(&self, frozen: &Frozen) -> Result<Box<dyn Journal>, JournalError>;

    /// Takes back a run that was created and in which nothing has happened.
    ///
    /// # Errors
    /// Where it cannot be written; the run is then there or not, and never there in part.
    fn discard(&self, run: &RunId) -> Result<(), JournalError>;

    /// The bytes of a run.
    ///
    /// # Errors
    /// [`JournalError::Unknown`]; [`JournalError::Damaged`] where a part of it is gone; where the store cannot be read.
    fn raw(&self, run: &RunId) -> Result<Raw, JournalError>;

    /// All that is kept of a run, whether it fits together or not, with what is known of the journal's end from outside of it.
    ///
    /// # Errors
    /// As [`Store::raw`].
    fn kept(&self, run: &RunId) -> Result<Kept, JournalError>;

    /// Reads a run.
    ///
    /// # Errors
    /// As [`Store::raw`], and [`JournalError::Damaged`], [`JournalError::Version`].
    fn read(&self, run: &RunId) -> Result<Found, JournalError> {
        self.raw(run)?.read(run)
    }

    /// Opens a run that is claimed, to write on. What a kill cut off at the end is taken away.
    ///
    /// # Errors
    /// As [`Store::read`].
    fn open(&self, run: &RunId) -> Result<(Found, Box<dyn Journal>), JournalError>;

    /// Leaves word for the runner of a run, wherever it is.
    ///
    /// # Errors
    /// Where it cannot be written.
    fn leave_word(&self, run: &RunId, about: Topic, word: &[u8]) -> Result<(), JournalError>;

    /// Leaves word where none was left; whether it was this one that is left now. Of many who do so at once one is told that it was.
    ///
    /// # Errors
    /// Where it cannot be written.
    fn leave_first_word(&self, run: &RunId, about: Topic, word: &[u8]) -> Result<bool, JournalError>;

    /// The word that was left for the runner of a run. One that cannot be read is none.
    fn word(&self, run: &RunId, about: Topic) -> Option<Vec<u8>>;

    /// Takes a word away: it was for the runner before, or for an earlier question.
    ///
    /// # Errors
    /// Where it cannot be written.
    fn forget_word(&self, run: &RunId, about: Topic) -> Result<(), JournalError>;

    /// Leaves word for the runner of a run that it shall stop.
    ///
    /// # Errors
    /// Where it cannot be written.
    fn ask_to_stop(&self, run: &RunId, wish: &Wish) -> Result<(), JournalError> {
        self.leave_word(run, Topic::Stop, &json(wish))
    }

    /// The word that the runner of a run shall stop. One that tells nothing is a word all the same: somebody left it.
    fn asked_to_stop(&self, run: &RunId) -> Option<Wish> {
        let word = self.word(run, Topic::Stop)?;
        Some(format::read(Path::new("stop"), &word).unwrap_or_else(|_| Wish::untold()))
    }

    /// Takes that word away: it was for the runner before.
    ///
    /// # Errors
    /// Where it cannot be written.
    fn forget_stop(&self, run: &RunId) -> Result<(), JournalError> {
        self.forget_word(run, Topic::Stop)
    }

    /// Leaves an answer for the runner of a run; false where another one is there already.
    ///
    /// # Errors
    /// Where it cannot be written.
    fn leave_answer(&self, run: &RunId, node: NodeId, reply: &Reply) -> Result<bool, JournalError> {
        self.leave_first_word(run, Topic::Answer(node), &json(reply))
    }

    /// The answer that was left for the runner of a run.
    fn answer(&self, run: &RunId, node: NodeId) -> Option<Reply> {
        format::read(Path::new("answer"), &self.word(run, Topic::Answer(node))?).ok()
    }

    /// Claims the replicas of a run, new or resumed. A new run is claimed before it is created: a claim without a run is nothing.
    ///
    /// # Errors
    /// [`Refusal`].
    fn claim(&self, claim: &Claim, way: Way<'_>) -> Result<Box<dyn Hold>, Refusal>;

    /// All claims by their runs' names, with whether their runner lives. Claims of runs that were never begun, or are over, are none.
    ///
    /// # Errors
    /// Where the store cannot be read.
    fn claims(&self) -> Result<Vec<(Claim, bool)>, JournalError>;

    /// Whether the runner of a run lives, whatever the claims say.
    ///
    /// # Errors
    /// Where that cannot be told.
    fn is_held(&self, run: &RunId) -> Result<bool, JournalError>;

    /// Releases the claim of a run that nobody carries on any more.
    ///
    /// # Errors
    /// Where it cannot be written.
    fn forget(&self, run: &RunId) -> Result<(), JournalError>;

    /// How long a run under way waits for a store that does not answer.
    fn grace(&self) -> Duration {
        Duration::ZERO
    }
}

/// All that is kept of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its bytes.
    pub raw: Raw,
    /// Its end, where that is known, and where it is kept.
    pub tip: Option<(Tip, PathBuf)>,
}

/// A claim that is held. Dropping it lets go of the lease; the run is then unfinished until it is released.
pub trait Hold: Send + Debug {
    /// Lets go of the replicas for good: the run is over.
    ///
    /// # Errors
    /// Where that cannot be written.
    fn release(self: Box<Self>) -> Result<(), JournalError>;
}

/// Where a run's events go.
pub trait Journal: Send {
    /// Makes events durable, in their order; returns when they are.
    ///
    /// # Errors
    /// [`JournalError`]; then nothing may start, and whoever takes the run up reads what is there.
    fn append(&mut self, events: &[(Timestamp, Event)]) -> Result<(), JournalError>;

    /// Whether whoever writes still holds the run; asked before each effect.
    fn lease(&self) -> Lease {
        Lease::of_process()
    }
}
