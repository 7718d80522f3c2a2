//! `kind: Replica`.

use super::bounds::Bounded;
use super::hooks::{Fence, Hooks};
use super::names::FollowingName;
use super::ready::Ready;
use super::words::QuiesceWord;
use schemars::JsonSchema;
use serde::Deserialize;

/// One protected machine.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ReplicaSpec {
    /// The production machine.
    pub source: Machine,
    /// The machine at the recovery site.
    pub replica: ReplicaMachine,
    /// How many restore points are kept. Default 7.
    pub retention: Option<Bounded<1, 28>>,
    /// What is promised of it.
    #[serde(default)]
    pub objectives: Objectives,
    /// Which recovery network stands for which production network. What is not named here is looked for in the `mappings` of its recovery
    /// site.
    #[serde(default)]
    pub networks: Vec<NetworkMap>,
    /// How addresses change with the move. What fits none of these is looked for in the `mappings` of its recovery site.
    #[serde(default)]
    pub addresses: Vec<AddressMap>,
    /// Names that lead to the machine that serves.
    #[serde(default)]
    pub dns: Vec<FollowingName>,
    /// When it is ready. Default: as soon as its guest answers, within 5m.
    pub ready: Option<Ready>,
    /// How its guest is shut down.
    #[serde(default)]
    pub shutdown: Shutdown,
    /// Whether the guest's file systems are frozen for the moment at which a restore point is begun. Default `auto`: where its agent
    /// answers.
    pub quiesce: Option<QuiesceWord>,
    /// Programs that are run before and after it is failed over, or brought back.
    #[serde(default)]
    pub hooks: Hooks,
    /// How its source alone is taken away for sure while its site does not answer, for failover plans that say `source: fence`. It counts
    /// before the site's own.
    pub fence: Option<Fence>,
    /// Source and replica may serve at once.
    pub both_may_run: Option<Because>,
}

/// A machine at a site.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// The site.
    pub site: String,
    /// Its name there.
    pub vm: String,
}

/// The machine at the recovery site.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplicaMachine {
    /// The site.
    pub site: String,
    /// Its name there. Default: the source's name with `_replica` behind it.
    pub vm: Option<String>,
}

/// What is promised of a replica.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Objectives {
    /// How much may be lost, in time (recovery point objective).
    pub rpo: Option<String>,
}

/// A recovery network for a production network.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkMap {
    /// The production network.
    pub from: String,
    /// The recovery network.
    pub to: String,
}

/// A recovery prefix for a production prefix; the host part of an address stays.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddressMap {
    /// The production prefix, as `10.1.0.0/16`.
    pub from: String,
    /// The recovery prefix, of the same length.
    pub to: String,
    /// The gateway at the recovery site.
    pub gateway: Option<String>,
    /// The name servers that guests ask at the recovery site.
    #[serde(default)]
    pub dns: Vec<String>,
}

/// How a guest is shut down.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Shutdown {
    /// How long it may take before the machine is powered off. Default 15m.
    pub within: Option<String>,
}

/// A reason.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Because {
    /// Why.
    pub because: String,
}
