//! A slice: the part of a runbook that a plan carries out, and what follows for the rest.

use crate::base::{EntryName, ReplicaName};
use serde::{Deserialize, Serialize};

/// The part of a runbook that was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Slice {
    /// These, with what they need to come up; everything where nothing is named. As it was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    /// Not these. As it was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
    /// What follows for others, in the order of the runbook.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub follows: Vec<Follows>,
}

/// What follows for a replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follows {
    /// The replica.
    pub replica: ReplicaName,
    /// The entry that it waits for in its failover plan.
    pub entry: EntryName,
    /// What becomes of it.
    pub what: Consequence,
}

/// What becomes of a replica whose failover plan is not carried out as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Consequence {
    /// It is left out as well: it does not come up without that entry.
    LeftOut,
    /// It comes up without that entry, because the documents say that it goes on.
    GoesOn,
    /// It stays where it is while that entry, which it waits for, moves.
    Stays,
}
