//! What a host has that could be protected, before any document speaks of it.

use super::NetworkKind;
use crate::base::{ReplicaName, SiteName};
use crate::domain::VmRef;
use std::net::IpAddr;

/// What a host has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// Its machines, by name.
    pub machines: Vec<SurveyedVm>,
    /// The networks of its libvirt.
    pub networks: Vec<String>,
    /// What is known of the host itself; `None` where no command can be run on it.
    pub host: Option<SurveyedHost>,
}

/// A host, as far as it matters where machines and their disks are reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SurveyedHost {
    /// Its bridges, without those that libvirt made.
    pub bridges: Vec<String>,
    /// Its cards, bridges among them.
    pub cards: Vec<String>,
    /// Its addresses that another host could reach.
    pub addresses: Vec<IpAddr>,
}

/// A machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SurveyedVm {
    /// Its name, as the host has it.
    pub name: String,
    /// Its identity, which machines that were copied by hand share.
    pub uuid: String,
    /// Whether it is on.
    pub on: bool,
    /// Whether it starts with its host.
    pub autostart: bool,
    /// Whether its guest has an agent.
    pub agent: bool,
    /// Its disks: the device, as `vda`, and the format.
    pub disks: Vec<(String, String)>,
    /// The networks of its cards, each once.
    pub networks: Vec<Attached>,
    /// Why it cannot be replicated; `None` where it can.
    pub unfit: Option<String>,
    /// The replica that it is; or why its record cannot be read.
    pub replica: Option<Result<SurveyedReplica, String>>,
}

/// A network that a machine is on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attached {
    /// Its name, as documents call it.
    pub network: String,
    /// How; `None` where it needs nothing of its host.
    pub kind: Option<NetworkKind>,
}

/// What the record of a replica tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SurveyedReplica {
    /// Its name.
    pub name: ReplicaName,
    /// The machine that it is replicated from.
    pub source: VmRef,
    /// How many restore points it has.
    pub points: usize,
    /// The source's networks at the last replication.
    pub networks: Vec<Attached>,
    /// The networks that the replica was on instead of the source's, where it has served on others.
    pub mapped: Vec<(String, String)>,
}

/// One of the hosts of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SurveyedSite {
    /// The name that the site gets.
    pub name: SiteName,
    /// How its libvirt is reached.
    pub uri: String,
    /// The address in that.
    pub address: Option<IpAddr>,
    /// What it has.
    pub has: Survey,
}
