//! A replica: one protected machine.

use crate::base::{Duration, NetworkName, PlanName, ReplicaName};
use crate::domain::{Quiesce, Readiness, VmRef};
use crate::model::{Fence, Hooks};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A replica.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replica {
    /// Its name.
    pub name: ReplicaName,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The production machine.
    pub source: VmRef,
    /// The machine at the recovery site.
    pub replica: VmRef,
    /// How many restore points are kept (guide: 1 to 28, 7 by default).
    pub retention: u32,
    /// How much may be lost, in time: by its own document, or by that of a failover plan that has it, where that is shorter.
    pub rpo: Option<Duration>,
    /// The failover plan whose objective that is, where it is not the replica's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpo_of: Option<PlanName>,
    /// Which recovery network stands for which production network.
    pub networks: Vec<(NetworkName, NetworkName)>,
    /// How addresses change with the move.
    pub addresses: Vec<AddressRule>,
    /// When it is ready; as soon as its guest answers where nothing is said. The flag says whether the document said it.
    pub ready: Readiness,
    /// Whether the document says when it is ready.
    pub ready_said: bool,
    /// How long a guest may take to shut down before it is powered off (guide: 15 minutes).
    pub shutdown: Duration,
    /// Whether its guest's file systems are frozen for a restore point.
    #[serde(default)]
    pub quiesce: Quiesce,
    /// Before and after it is failed over, or brought back.
    #[serde(default, skip_serializing_if = "Hooks::is_empty")]
    pub hooks: Hooks,
    /// How its source alone is taken away for sure while its site does not answer; counts before the site's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<Fence>,
    /// Why source and replica may serve at once, where they may.
    pub both_may_run: Option<String>,
}

/// Addresses in one prefix become those in another of the same length; the host part stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressRule {
    /// The production prefix's network address.
    pub from: IpAddr,
    /// The recovery prefix's network address, of the same family.
    pub to: IpAddr,
    /// The length of both prefixes in bits.
    pub bits: u8,
    /// The gateway at the recovery site.
    pub gateway: Option<IpAddr>,
}
