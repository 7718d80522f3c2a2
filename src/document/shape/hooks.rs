//! Hooks and gates, as failover plans and replicas write them.

use super::bounds::{Bounded, NonEmpty};
use super::words::{HookOperationWord, SilenceWord};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Programs that are run before and after.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hooks {
    /// Before it begins, one after another. Where one fails, it does not begin.
    #[serde(default)]
    pub before: Vec<Hook>,
    /// After it is done, one after another. Where one fails, that is an exception, and everything goes on.
    #[serde(default)]
    pub after: Vec<Hook>,
}

/// A program that is run.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Hook {
    /// Its name, for reports. Default: its position in the list.
    pub name: Option<String>,
    /// The program and its arguments; no shell reads them. A program with a slash in it is looked for from the workspace's folder.
    pub run: NonEmpty<String>,
    /// A program that changes nothing and says whether the other one would succeed; run by `plan` and `apply` before anything begins.
    pub check: Option<NonEmpty<String>>,
    /// How long it may take; then it is ended with all that it started. Default 10m.
    pub within: Option<String>,
    /// How often it is tried again where it fails. Default 0.
    pub retries: Option<Bounded<0, 20>>,
    /// Whether it may be run again where it is not known how far it came. Default: whether it has retries.
    pub repeatable: Option<bool>,
    /// The operations that it is about. Default: the whole way of the replicas, where they are not only replicated.
    pub operations: Option<NonEmpty<HookOperationWord>>,
    /// What is added to its environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// What is added to its environment and is secret.
    #[serde(default)]
    pub secrets: BTreeMap<String, Secret>,
    /// How long it takes, for the prediction. Default 5s.
    pub typical: Option<String>,
}

/// How a source is taken away for sure whose site does not answer.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Fence {
    /// The program that takes it away, and its arguments; no shell reads them. Running it twice must equal running it once.
    pub run: NonEmpty<String>,
    /// A program that changes nothing and ends well only where the source is away for sure. Its word alone lets a replica start.
    pub proof: NonEmpty<String>,
    /// A program that changes nothing and says whether the fence would work; run by `plan` and `apply` before anything begins.
    pub check: Option<NonEmpty<String>>,
    /// How long each of the two may take; then it is ended with all that it started. Default 1m.
    pub within: Option<String>,
    /// How often it is tried again where it is not proven, after 2s, 4s, 8s …; the proof is asked first then. Default 3.
    pub retries: Option<Bounded<0, 20>>,
    /// What is added to the environment of all of them.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// What is added to the environment and is secret.
    #[serde(default)]
    pub secrets: BTreeMap<String, Secret>,
    /// How long program and proof take, for the prediction. Default 10s.
    pub typical: Option<String>,
}

/// Where a secret is found; exactly one of the two.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// In a variable of the environment of whoever carries the run out.
    pub env: Option<String>,
    /// In a file, from the workspace's folder. A line end at its end does not count.
    pub file: Option<String>,
}

/// A question to people.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// Its name, by which it is answered and waited for.
    pub name: String,
    /// What is asked.
    pub ask: String,
    /// Who may answer. Default: anybody.
    pub who: Option<Who>,
    /// How long an answer is waited for. Default 1h.
    pub within: Option<String>,
    /// What silence means. Default stop.
    pub otherwise: Option<SilenceWord>,
}

/// People.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Who {
    /// By their names, as the machines that they work at know them.
    #[serde(default)]
    pub names: Vec<String>,
    /// By the groups that a policy declares.
    #[serde(default)]
    pub groups: Vec<String>,
}
