//! `kind: Runbook`.

use super::Selection;
use super::bounds::NonEmpty;
use super::words::{KeepWord, OnFailureWord, OtherwiseWord, StateWord, ViaWord};
use schemars::JsonSchema;
use serde::Deserialize;

/// A named desired end state.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RunbookSpec {
    /// What shall be, on what terms.
    pub desired: Vec<Desired>,
    /// What is done where a run of it ends with a failure. Default hold.
    pub on_failure: Option<OnFailureWord>,
}

/// A desired state of exactly one of `plan`, `replica` and `replicas`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Desired {
    /// Of all replicas of a failover plan, in its order.
    pub plan: Option<String>,
    /// Of one replica.
    pub replica: Option<String>,
    /// Of some replicas, without an order.
    pub replicas: Option<Selection>,
    /// Which state.
    pub state: StateWord,
    /// How a failover is done. Default planned.
    pub via: Option<ViaWord>,
    /// Which restore point an unplanned failover takes: `latest`, `{ at: TIME }` or `{ id: NAME }`. Default latest.
    pub restore_point: Option<PointWord>,
    /// Whose data survives, where the routes differ in that.
    pub keep: Option<KeepWord>,
    /// That what cannot be undone may be done. `state: Permanent` needs it.
    #[serde(default)]
    pub irreversible: bool,
    /// How a failback is done.
    pub failback: Option<Failback>,
}

/// Which restore point.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum PointWord {
    /// The newest.
    Latest,
    /// The newest at or before a time with a zone.
    At(String),
    /// The one of this name.
    Id(String),
}

/// How a failback is done.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Failback {
    /// Where to: `original`, `{ elsewhere: [...] }` or `{ recovered: [...] }`, the latter two with the machine for each replica. Default original.
    pub target: Option<TargetWord>,
    /// When it switches over: `automatic`, `manual` or `{ at: TIME }`. Default automatic.
    pub switchover: Option<SwitchoverWord>,
    /// Whether the target is started at the end of the switchover. Default true.
    pub power_on: Option<bool>,
    /// What must hold before the commit.
    pub verify: Option<Verify>,
}

/// Where a failback goes to.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum TargetWord {
    /// The production machine where it is.
    Original,
    /// The production machine, restored at another place before.
    Elsewhere(NonEmpty<TargetMachine>),
    /// A machine that is built anew.
    Recovered(NonEmpty<TargetMachine>),
}

/// The machine that a replica fails back to.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct TargetMachine {
    /// The replica.
    pub replica: String,
    /// The site.
    pub site: String,
    /// The machine's name there.
    pub vm: String,
}

/// When a failback switches over.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum SwitchoverWord {
    /// As soon as production is synchronised.
    Automatic,
    /// When a person says so.
    Manual,
    /// At a time with a zone.
    At(String),
}

/// What must hold before a failback is committed.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// Whether the target must be ready. Default true.
    pub ready: Option<bool>,
    /// How long it must go on so. Default 0s.
    pub quiet: Option<String>,
    /// What is done where it is not so. Default stop.
    pub otherwise: Option<OtherwiseWord>,
}
