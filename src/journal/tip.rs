//! The end of a run's journal, kept outside of it: the chain shows every change but that its last records are missing.

use crate::base::{Digest, RunId};
use crate::journal::JournalError;
use crate::journal::record::VERSION;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What is known of the end of a journal. The journal may have grown since, and never has it shrunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tip {
    /// The format's version.
    pub format: u32,
    /// The run.
    pub run: RunId,
    /// The position of the record.
    pub seq: u64,
    /// Its digest; before the first record that of the frozen plan.
    pub tip: Digest,
    /// Whether the run was over with it.
    pub over: bool,
}

impl Tip {
    /// Reads one that a file holds.
    ///
    /// # Errors
    /// [`JournalError::Damaged`], also where it is that of another run; [`JournalError::Version`].
    pub fn read(bytes: &[u8], path: &Path, run: &RunId) -> Result<Self, JournalError> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let damaged = |what: String| {
            let what = format!("the journal's end that is kept here cannot be used: {what}");
            JournalError::Damaged { path: path.to_owned(), record: 0, what }
        };
        let version: Version = serde_json::from_slice(bytes).map_err(|e| damaged(e.to_string()))?;
        if version.format != VERSION {
            return Err(JournalError::Version {
                path: path.to_owned(),
                found: version.format,
                known: VERSION,
            });
        }
        let tip: Self = serde_json::from_slice(bytes).map_err(|e| damaged(e.to_string()))?;
        if tip.run != *run {
            return Err(damaged(format!("it is that of run {}", tip.run)));
        }
        Ok(tip)
    }
}
