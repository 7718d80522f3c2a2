//! `kind: Policy`.

use super::Selection;
use super::bounds::{Bounded, NonEmpty};
use super::hooks::Who;
use super::words::{HookOperationWord, RuleIsWord, SeverityWord};
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
    /// How long ago the last drill of every failover plan may be.
    pub drilled: Option<Drilled>,
    /// Groups of people, by their names, for gates and approvals of the whole workspace.
    #[serde(default)]
    pub groups: BTreeMap<String, Vec<String>>,
    /// The file of those who may sign approvals, as `ssh-keygen` reads it (ALLOWED SIGNERS in its manual), from the workspace's folder. A
    /// workspace has one.
    pub signers: Option<String>,
    /// Rules over the order of plans and over what they do on the way.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// How long ago the last drill of a failover plan may be; one that was never drilled, or whose last drill failed, breaks it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Drilled {
    /// So long, as `30d` or `36h`.
    pub within: String,
    /// Whether `plan` and `apply` refuse where it is longer. Default warning: an old drill is no reason not to fail over.
    pub severity: Option<SeverityWord>,
}

/// A rule: exactly one of `before`, `atMostDown` and `approved`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Rule {
    /// Its name, unique in the policy.
    pub name: String,
    /// Why it is there; shown where it is broken.
    pub because: String,
    /// How bad it is where it is broken. Default error.
    pub severity: Option<SeverityWord>,
    /// Some replicas come up before others.
    pub before: Option<Before>,
    /// No more than so many replicas are down at once on the way.
    pub at_most_down: Option<AtMostDown>,
    /// A plan is carried out once so many people have approved it.
    pub approved: Option<Approved>,
}

/// Some replicas come up before others, in every plan that has both.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Before {
    /// The ones that come first.
    pub first: Selection,
    /// The ones that come after them.
    pub then: Selection,
    /// What the first ones must be before the others start. Default ready.
    pub is: Option<RuleIsWord>,
}

/// No more than so many replicas are down at once, at any moment of a plan.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AtMostDown {
    /// Of which replicas.
    pub of: Selection,
    /// How many at most.
    pub count: u32,
}

/// A plan is sealed, approved by people with their SSH keys, and carried out then. Replication runs and ways back are not asked for it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approved {
    /// How many people must approve.
    pub count: Bounded<1, 100>,
    /// Whose approvals count, by their names among the allowed signers. Default: those of all.
    pub by: Option<Who>,
    /// Plans that have one of these operations. Default: all that change something.
    pub operations: Option<NonEmpty<HookOperationWord>>,
    /// Plans that change one of these replicas. Default: all.
    pub of: Option<Selection>,
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
    /// A failover that starts a replica while its source may still run: it is neither seen off, nor powered off, nor fenced.
    #[serde(default)]
    pub unfenced: bool,
}
