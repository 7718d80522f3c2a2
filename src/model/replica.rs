//! A replica: one protected machine.

use crate::base::{Duration, NetworkName, PlanName, ReplicaName};
use crate::domain::{NameServer, Once, Quiesce, Readiness, RecordKind, VmRef};
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
    /// Which recovery network stands for which production network: its own mappings, then those of its recovery site. The first that fits
    /// counts.
    pub networks: Vec<(NetworkName, NetworkName)>,
    /// So many of them are its own.
    #[serde(skip)]
    pub own_networks: usize,
    /// How addresses change with the move, in the same order.
    pub addresses: Vec<AddressRule>,
    /// Names that lead to the machine that serves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<FollowingName>,
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

/// A name that leads to the machine that serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FollowingName {
    /// The name, without the dot at its end.
    pub name: String,
    /// The kind of record: an address, or another name.
    #[serde(rename = "type")]
    pub kind: RecordKind,
    /// Who is told.
    pub server: NameServer,
    /// How long others may remember it, in seconds.
    pub ttl: u32,
    /// What it says while the source serves, where the document says it.
    pub source: Option<String>,
    /// What it says while the replica serves, where the document says it.
    pub replica: Option<String>,
    /// What it says after a failback to another machine, where the document says it.
    pub target: Option<String>,
    /// From when on it leads to a machine that was started.
    pub once: Once,
    /// Whether the run fails where it cannot be changed.
    pub required: bool,
    /// How often it is tried.
    pub attempts: u32,
    /// How long one attempt may take.
    pub within: Duration,
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
    /// The name servers that guests ask there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<IpAddr>,
}

impl AddressRule {
    /// The address in the rule's new prefix with the same host part; `None` where the rule does not concern it.
    #[must_use]
    pub fn readdress(&self, address: IpAddr) -> Option<IpAddr> {
        if !self.concerns(address) {
            return None;
        }
        match (self.to, address) {
            (IpAddr::V4(to), IpAddr::V4(address)) => {
                let host = u32::MAX.checked_shr(u32::from(self.bits)).unwrap_or(0);
                Some(IpAddr::V4(((u32::from(to) & !host) | (u32::from(address) & host)).into()))
            }
            (IpAddr::V6(to), IpAddr::V6(address)) => {
                let host = u128::MAX.checked_shr(u32::from(self.bits)).unwrap_or(0);
                Some(IpAddr::V6(((u128::from(to) & !host) | (u128::from(address) & host)).into()))
            }
            _ => None,
        }
    }

    /// Whether an address is in the rule's old prefix.
    fn concerns(&self, address: IpAddr) -> bool {
        match (self.from, address) {
            (IpAddr::V4(from), IpAddr::V4(address)) => {
                let net = !u32::MAX.checked_shr(u32::from(self.bits)).unwrap_or(0);
                u32::from(address) & net == u32::from(from) & net
            }
            (IpAddr::V6(from), IpAddr::V6(address)) => {
                let net = !u128::MAX.checked_shr(u32::from(self.bits)).unwrap_or(0);
                u128::from(address) & net == u128::from(from) & net
            }
            _ => false,
        }
    }

    /// Whether all addresses that another rule concerns are concerned by this one.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.bits <= other.bits && self.concerns(other.from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(from: &str, to: &str, bits: u8) -> AddressRule {
        AddressRule {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            bits,
            gateway: None,
            dns: Vec::new(),
        }
    }

    #[test]
    fn the_host_part_stays() {
        for (from, to, bits, address, expected) in [
            ("10.1.0.0", "10.2.0.0", 16, "10.1.7.9", Some("10.2.7.9")),
            ("10.1.0.0", "10.2.0.0", 16, "10.3.7.9", None),
            ("0.0.0.0", "0.0.0.0", 0, "10.3.7.9", Some("10.3.7.9")),
            ("10.1.0.5", "10.2.0.6", 32, "10.1.0.5", Some("10.2.0.6")),
            ("fd00:1::", "fd00:2::", 64, "fd00:1::42", Some("fd00:2::42")),
            ("fd00:1::", "fd00:2::", 64, "10.1.0.1", None),
        ] {
            let found = rule(from, to, bits).readdress(address.parse().unwrap());
            assert_eq!(found, expected.map(|e| e.parse().unwrap()), "{address} by {from}/{bits}");
        }
    }

    #[test]
    fn a_wider_rule_covers_a_narrower_one() {
        let (wide, narrow) = (rule("10.1.0.0", "10.2.0.0", 16), rule("10.1.7.0", "10.9.7.0", 24));
        assert!(wide.covers(&narrow) && wide.covers(&wide));
        assert!(!narrow.covers(&wide));
        assert!(!wide.covers(&rule("10.3.7.0", "10.9.7.0", 24)));
        assert!(!wide.covers(&rule("fd00::", "fd01::", 64)));
    }
}
