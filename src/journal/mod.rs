//! Floor 6: the record of a run, whose records are chained by their digests; where it is kept; and who may write it.

mod active;
pub mod claim;
mod format;
pub mod lease;
pub mod local;
pub mod place;
pub mod raw;
pub mod record;
pub mod shared;
pub mod store;
#[cfg(test)]
mod tests;
mod tip;
pub mod verify;

pub use claim::{Claim, Refusal, Way};
pub use lease::Lease;
pub use local::{Local, Runs};
pub use place::{Access, Place};
pub use raw::{Found, Frozen, Raw};
pub use record::Record;
pub use store::{Hold, Journal, Kept, Store, Topic};
pub use tip::Tip;

use crate::base::{Duration, RunId};
use std::path::PathBuf;

/// Why the journal could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file could not be read or written; the disk may be full.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A record is not what was written.
    #[error("{path}, record {record}: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The record's position, from 1; its line in the file.
        record: u64,
        /// What is wrong with it.
        what: String,
    },
    /// A format that this version does not know.
    #[error("{path} has format {found}; this version knows {known}")]
    Version {
        /// The file.
        path: PathBuf,
        /// The format found.
        found: u32,
        /// The format known.
        known: u32,
    },
    /// A store elsewhere does not answer.
    #[error("{store}: {why}")]
    Unreachable {
        /// The store.
        store: String,
        /// Why.
        why: String,
    },
    /// A store elsewhere will not: it does not know who asks, or we do not trust it.
    #[error("{store}: {why}")]
    Refused {
        /// The store.
        store: String,
        /// Why.
        why: String,
    },
    /// A store elsewhere was lost in the middle of a run, for longer than the grace time.
    #[error("{store} did not answer for {grace}: {why}")]
    Lost {
        /// The store.
        store: String,
        /// How long it was waited for.
        grace: Duration,
        /// The last that was known.
        why: String,
    },
    /// The lease of a runner is over; nothing of it counts any more.
    #[error("run {run} is not held any more")]
    Fenced {
        /// The run.
        run: RunId,
        /// Who holds it now.
        by: Option<Box<Claim>>,
    },
    /// There is no such run.
    #[error("there is no run {0}")]
    Unknown(String),
}

impl JournalError {
    /// An error of the system at a file.
    pub fn io(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}
