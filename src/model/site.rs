//! A site: where machines live, and who speaks to it.

use crate::base::{NetworkName, SiteName};
use crate::domain::NameServer;
use crate::model::{AddressRule, Fence};
use crate::port::ProviderSpec;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Site {
    /// Its name.
    pub name: SiteName,
    /// Who speaks to it.
    pub provider: ProviderSpec,
    /// The networks on which copies are tried, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<DrillSite>,
    /// How many replicas may be started at once, over all plans.
    pub start_limit: Option<u32>,
    /// How many may be undone at once, over all plans.
    pub undo_limit: Option<u32>,
    /// How all its machines are taken away for sure while it does not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<Fence>,
    /// How replicas at this site are connected whose document says nothing else, by the site of their sources.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub mappings: BTreeMap<SiteName, Mapping>,
    /// Name servers that take changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub name_servers: Vec<NameServer>,
}

/// How machines of one site are connected at another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// Which network stands for which.
    pub networks: Vec<(NetworkName, NetworkName)>,
    /// How addresses change.
    pub addresses: Vec<AddressRule>,
}

/// The networks apart on which a drill tries its copies.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DrillSite {
    /// Which network apart stands for which one on which replicas serve.
    pub networks: Vec<(NetworkName, NetworkName)>,
    /// How the addresses that replicas have when they serve change once more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<AddressRule>,
}
