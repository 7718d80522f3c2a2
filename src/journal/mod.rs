//! Floor 6: the record of a run: an append-only file whose records are chained by their digests, and who may write it.

pub mod active;
pub mod local;
pub mod record;
#[cfg(test)]
mod tests;

pub use active::{Active, Claim, Refusal};
pub use local::{Frozen, LocalJournal, Runs};
pub use record::Record;

use crate::base::Timestamp;
use crate::run::Event;
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

/// Where a run's events go. Other stores than the local folder will implement it.
pub trait Journal: Send {
    /// Makes events durable, in their order; returns when they are.
    ///
    /// # Errors
    /// [`JournalError`]; then none of them counts, and nothing may start.
    fn append(&mut self, events: &[(Timestamp, Event)]) -> Result<(), JournalError>;
}
