//! A run as its store keeps it, and what it means: the frozen plan, the records, and the fold over them.

use crate::base::{Digest, RunId};
use crate::inventory::Inventory;
use crate::journal::JournalError;
use crate::journal::record::{Bad, Record, VERSION};
use crate::plan::{Plan, Purpose};
use crate::run::{Admission, Progress, Runner};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A run's plan as it was frozen when the run began, with all that a runner elsewhere needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Frozen {
    /// The format's version.
    pub format: u32,
    /// The run.
    pub run: RunId,
    /// The plan.
    pub plan: Plan,
    /// The providers' settings, as their own text.
    pub setup: serde_json::Value,
    /// The digests of the documents that it was made from: file and digest.
    pub documents: Vec<(String, Digest)>,
    /// The seal of the plan's file, where it was sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<Digest>,
    /// The sealed plan's text, so that its seal can be made again on any machine and by any later version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
    /// Who confirmed the plan by its name, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<Runner>,
    /// What let it begin, where its plan needs approvals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admission: Option<Admission>,
    /// What was observed of the plan's replicas right before the run began, once nobody else could change them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Inventory>,
}

impl Frozen {
    /// The run of which nothing has happened yet.
    #[must_use]
    pub fn begun(&self) -> Progress {
        Progress::new(Arc::new(self.plan.clone())).admitted(self.admission.clone().map(Arc::new))
    }
}

/// The bytes of a run: the same in every store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    /// Where the frozen plan is kept, for messages.
    pub plan_at: PathBuf,
    /// The frozen plan.
    pub plan: Vec<u8>,
    /// Where the journal is kept, for messages.
    pub journal_at: PathBuf,
    /// The journal: one record a line.
    pub journal: Vec<u8>,
}

/// What was read of a run.
#[derive(Debug)]
pub struct Found {
    /// Its frozen plan.
    pub frozen: Frozen,
    /// Its records.
    pub records: Vec<Record>,
    /// The fold over them.
    pub progress: Progress,
    /// Whether the last record was cut off by a kill.
    pub torn: bool,
    /// The digest of the last record.
    pub tip: Digest,
    /// The length of the whole records.
    pub(super) length: u64,
}

impl Found {
    /// The position and the token of the last record; of none, 0.
    pub(super) fn last(&self) -> (u64, u64) {
        self.records.last().map_or((0, 0), |r| (r.seq, r.token))
    }
}

impl Raw {
    /// Reads it.
    ///
    /// # Errors
    /// [`JournalError::Damaged`], [`JournalError::Version`].
    pub fn read(&self, run: &RunId) -> Result<Found, JournalError> {
        let frozen = self.frozen()?;
        if frozen.run != *run {
            let what = format!("it is the plan of run {}", frozen.run);
            return Err(JournalError::Damaged { path: self.plan_at.clone(), record: 0, what });
        }
        read_records(&self.journal_at, &self.journal, frozen, Digest::of(&self.plan))
    }

    /// The frozen plan.
    ///
    /// # Errors
    /// [`JournalError::Damaged`], [`JournalError::Version`].
    pub fn frozen(&self) -> Result<Frozen, JournalError> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let damaged = |what: String| JournalError::Damaged { path: self.plan_at.clone(), record: 0, what };
        let version: Version = serde_json::from_slice(&self.plan).map_err(|e| damaged(e.to_string()))?;
        if version.format != VERSION {
            let path = self.plan_at.clone();
            return Err(JournalError::Version { path, found: version.format, known: VERSION });
        }
        serde_json::from_slice(&self.plan).map_err(|e| damaged(e.to_string()))
    }

    /// What the run is for, without reading any more of it. A plan that cannot be read is for nothing.
    #[must_use]
    pub fn purpose(&self) -> Option<Purpose> {
        #[derive(Deserialize)]
        struct Head {
            plan: OfPlan,
        }
        #[derive(Deserialize)]
        struct OfPlan {
            purpose: Purpose,
        }
        serde_json::from_slice::<Head>(&self.plan).ok().map(|head| head.plan.purpose)
    }
}

/// Reads the records. A last line without its end is what a kill leaves behind; anything else that is wrong is damage.
fn read_records(path: &Path, bytes: &[u8], frozen: Frozen, first: Digest) -> Result<Found, JournalError> {
    let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |p| p + 1);
    let mut records = Vec::new();
    let mut tip = first;
    let mut token = 0;
    let mut progress = frozen.begun();
    for (position, line) in
        (1u64..).zip(bytes.get(..whole).unwrap_or_default().split_inclusive(|b| *b == b'\n'))
    {
        let damaged = |what: String| JournalError::Damaged { path: path.to_owned(), record: position, what };
        let line = std::str::from_utf8(line).map_err(|_| damaged(Bad::Form.to_string()))?;
        let line = line.strip_suffix('\n').unwrap_or(line);
        let (record, sum) = Record::read(line, position, tip).map_err(|bad| match bad {
            Bad::Version(found) => JournalError::Version { path: path.to_owned(), found, known: VERSION },
            bad => damaged(bad.to_string()),
        })?;
        if record.token < token {
            return Err(damaged(format!("its token is {}, after {token}", record.token)));
        }
        token = record.token;
        progress.apply(&record.event, record.at).map_err(|e| damaged(e.to_string()))?;
        tip = sum;
        records.push(record);
    }
    let torn = whole < bytes.len();
    Ok(Found { frozen, records, progress, torn, tip, length: whole as u64 })
}
