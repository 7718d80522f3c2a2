//! `kind: Policy`.

use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What must hold of every plan in the workspace.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PolicySpec {
    /// Why it is there; shown with every refusal.
    pub because: String,
    /// The objectives that must be set: of every replica `rpo`, of every failover plan `rto`.
    #[serde(default)]
    pub require: Objectives,
    /// No plan may lose more than this of a replica's data, in time.
    pub max_loss: Option<String>,
    /// The objectives that no plan may miss.
    #[serde(default)]
    pub enforce: Objectives,
    /// What no plan may do.
    #[serde(default)]
    pub forbid: Forbid,
    /// Groups of people, by their names, for gates and approvals of the whole workspace.
    #[serde(default)]
    pub groups: BTreeMap<String, Vec<String>>,
}

/// Objectives.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Objectives {
    /// The recovery point objective.
    #[serde(default)]
    pub rpo: bool,
    /// The recovery time objective.
    #[serde(default)]
    pub rto: bool,
}

/// What is forbidden.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Forbid {
    /// Permanent failover.
    #[serde(default)]
    pub permanent: bool,
}
