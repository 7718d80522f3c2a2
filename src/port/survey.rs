//! What a host has that could be protected, before any document speaks of it.

use crate::base::{ReplicaName, SiteName};
use crate::domain::VmRef;

/// What a host has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// Its machines, by name.
    pub machines: Vec<SurveyedVm>,
    /// Its networks that machines can be connected to.
    pub networks: Vec<String>,
}

/// A machine that somebody made there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SurveyedVm {
    /// Its name, as the host has it.
    pub name: String,
    /// Its identity, which machines that were copied by hand share.
    pub uuid: String,
    /// Whether it is on.
    pub on: bool,
    /// Whether its guest has an agent.
    pub agent: bool,
    /// The networks of its cards, each once.
    pub networks: Vec<String>,
    /// Why it cannot be replicated; `None` where it can.
    pub unfit: Option<String>,
    /// The replica that it is, with its source.
    pub replica: Option<(ReplicaName, VmRef)>,
}

/// One of the two hosts of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SurveyedSite {
    /// The name that the site gets.
    pub name: SiteName,
    /// How its libvirt is reached.
    pub uri: String,
    /// What it has.
    pub has: Survey,
}
