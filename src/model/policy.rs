//! A policy: what must hold of every plan in the workspace.

use crate::base::{Duration, EntryName, PolicyName};
use crate::domain::Demand;
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
    /// Whether no replica may be started while its source may still run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forbid_unfenced: bool,
    /// How long ago the last drill of every failover plan may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drilled: Option<DrilledWithin>,
    /// Groups of people.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, Vec<String>>,
    /// The file of those who may sign approvals, from the workspace's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signers: Option<String>,
    /// Rules over the order of plans and over what they do on the way, in the order of the document.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
}

/// How long ago the last drill of a failover plan may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DrilledWithin {
    /// So long.
    pub within: Duration,
    /// Whether it is only said where it is longer: nobody is kept from failing over by an old drill unless the document wants that.
    pub warns: bool,
}

/// A rule of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Its name.
    pub name: EntryName,
    /// Its position in the document.
    pub position: usize,
    /// Why it is there.
    pub because: String,
    /// Whether a plan that breaks it is made all the same, and says so.
    pub warns: bool,
    /// What it demands.
    pub demand: Demand,
}
