//! Who holds which replicas on this machine.
//!
//! Each run that is under way or unfinished has a file in `active/`. While its runner lives, that runner holds the operating system's lock on
//! the file, which dies with the process, however it dies. So a file that can be locked belongs to a run that nobody carries on:
//! it is unfinished. Looking and claiming happen under one more lock, so that two runners cannot both find the way free.

use crate::base::{ReplicaName, RunId, Timestamp};
use crate::journal::JournalError;
use crate::journal::local::content;
use crate::run::Runner;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// What the file of a run says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// The run.
    pub run: RunId,
    /// What it is for.
    pub purpose: String,
    /// The replicas that it holds.
    pub replicas: BTreeSet<ReplicaName>,
    /// Who runs it.
    pub runner: Runner,
    /// The process.
    pub process: u32,
    /// Since when, by the run's clock.
    pub since: Timestamp,
}

/// Why a claim is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Another runner holds one of the replicas.
    #[error("{} is held by run {}", .shared, .holder.run)]
    Held {
        /// One of the replicas that both want.
        shared: ReplicaName,
        /// The other run.
        holder: Box<Claim>,
    },
    /// An earlier run over one of the replicas is not finished.
    #[error("run {} over {} is not finished", .earlier.run, .shared)]
    Unfinished {
        /// One of the replicas that both want.
        shared: ReplicaName,
        /// The earlier run.
        earlier: Box<Claim>,
    },
    /// The folder could not be read or written.
    #[error(transparent)]
    Io(#[from] JournalError),
}

/// A claim that is held. Dropping it lets go of the lock; the run is then unfinished until it is released.
#[derive(Debug)]
pub struct Active {
    path: PathBuf,
    // Held for its lock alone.
    _file: File,
}

impl Active {
    /// Claims the replicas of a run, new or resumed.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn claim(own: &Path, claim: &Claim) -> Result<Self, Refusal> {
        let folder = own.join("active");
        std::fs::create_dir_all(&folder).map_err(JournalError::io(&folder))?;
        let gate = folder.join(".gate");
        let door = OpenOptions::new().create(true).truncate(false).write(true).open(&gate);
        let door = door.map_err(JournalError::io(&gate))?;
        door.lock().map_err(JournalError::io(&gate))?;
        for (path, other, held) in Self::others(&folder)? {
            let Some(shared) = other.replicas.intersection(&claim.replicas).next().cloned() else { continue };
            if other.run == claim.run && !held {
                continue;
            }
            let holder = Box::new(other);
            drop(path);
            return Err(if held {
                Refusal::Held { shared, holder }
            } else {
                Refusal::Unfinished { shared, earlier: holder }
            });
        }
        let path = folder.join(format!("{}.json", claim.run));
        let text = serde_json::to_vec(claim).map_err(|e| JournalError::io(&path)(e.into()))?;
        let take = || -> std::io::Result<File> {
            let mut file =
                OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path)?;
            file.try_lock().map_err(std::io::Error::from)?;
            file.set_len(0)?;
            file.write_all(&text)?;
            file.sync_all()?;
            Ok(file)
        };
        let file = take().map_err(JournalError::io(&path))?;
        Ok(Self { path, _file: file })
    }

    /// All claims, with whether their runner lives.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn all(own: &Path) -> Result<Vec<(Claim, bool)>, JournalError> {
        let found = Self::others(&own.join("active"))?;
        Ok(found.into_iter().map(|(_, claim, held)| (claim, held)).collect())
    }

    fn others(folder: &Path) -> Result<Vec<(PathBuf, Claim, bool)>, JournalError> {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(JournalError::io(folder)(error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.map_err(JournalError::io(folder))?.path();
            if path.extension().is_none_or(|e| e != "json") {
                continue;
            }
            let mut file = match OpenOptions::new().read(true).write(true).open(&path) {
                Ok(file) => file,
                // Released in this moment.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(JournalError::io(&path)(error)),
            };
            let held = file.try_lock().is_err();
            let text = content(&mut file).map_err(JournalError::io(&path))?;
            match serde_json::from_str::<Claim>(&text) {
                Ok(claim) => found.push((path, claim, held)),
                // A runner that was killed while it claimed: its run has not begun.
                Err(_) if !held => std::fs::remove_file(&path).map_err(JournalError::io(&path))?,
                Err(_) => {}
            }
        }
        found.sort_by(|a, b| a.1.run.cmp(&b.1.run));
        Ok(found)
    }

    /// Lets go of the replicas for good: the run is over.
    ///
    /// # Errors
    /// Where the file cannot be removed.
    pub fn release(self) -> Result<(), JournalError> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(JournalError::io(&self.path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Releases the claim of a run that nobody carries on any more.
    ///
    /// # Errors
    /// Where the file cannot be removed.
    pub fn forget(own: &Path, run: &RunId) -> Result<(), JournalError> {
        let path = own.join("active").join(format!("{run}.json"));
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(JournalError::io(&path)(error)),
            _ => Ok(()),
        }
    }
}
