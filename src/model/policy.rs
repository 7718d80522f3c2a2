//! A policy: what must hold of every plan in the workspace.

use crate::base::{Duration, PolicyName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A policy. Each rule that is not set asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// Its name.
    pub name: PolicyName,
    /// Why it is there; shown with every refusal.
    pub because: String,
    /// Every replica must say its `rpo`.
    pub require_rpo: bool,
    /// Every failover plan must say its `rto`.
    pub require_rto: bool,
    /// No plan may lose more than this of a replica's data.
    pub max_loss: Option<Duration>,
    /// No plan may lose more of a replica's data than its `rpo`.
    pub enforce_rpo: bool,
    /// No plan may be predicted to take longer than its `rto`.
    pub enforce_rto: bool,
    /// No plan may do what cannot be undone.
    pub forbid_permanent: bool,
    /// Groups of people.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, Vec<String>>,
}
