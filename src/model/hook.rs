//! Hooks and gates as they are meant.

use crate::base::{Duration, EntryName};
use crate::domain::{OperationKind, Script};
use serde::{Deserialize, Serialize};

/// The hooks of a failover plan, an entry or a replica.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hooks {
    /// Before it begins, in the order of the list.
    pub before: Vec<Hook>,
    /// After it is done, in the order of the list.
    pub after: Vec<Hook>,
}

impl Hooks {
    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }
}

/// How a source is taken away for sure whose site does not answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fence {
    /// The program with its proof.
    pub script: Script,
    /// How often it is tried at most.
    pub attempts: u32,
    /// How long both typically take.
    pub typical: Duration,
}

/// A hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hook {
    /// Its name among its like.
    pub name: EntryName,
    /// The program.
    pub script: Script,
    /// How often it is tried at most.
    pub attempts: u32,
    /// How long it typically takes.
    pub typical: Duration,
    /// The operations that it is about; all the way of the replicas where none is named, unless they are only replicated.
    pub operations: Vec<OperationKind>,
}
