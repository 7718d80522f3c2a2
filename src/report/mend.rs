//! What mends networks, addresses, names and fences that were refused.

use crate::base::{NetworkName, SiteName};
use crate::domain::{Role, VmRef};

/// For a network without a mapping.
pub fn unmapped(network: &NetworkName) -> Vec<String> {
    vec![
        format!("add it:\n    networks: [{{ from: {network}, to: … }}]"),
        "or, for all replicas of that site, under `mappings` of the recovery site".to_owned(),
    ]
}

/// For two machines at one address.
pub fn apart(whom: &str) -> String {
    format!("{whom} another prefix under `addresses`, or another network under `networks`")
}

/// For a name that leads nowhere.
pub fn nowhere(name: &str, role: Role) -> String {
    let key = match role {
        Role::Source => "source",
        Role::Replica => "replica",
        Role::Target => "target",
        Role::Copy => "copy",
    };
    format!("say it:\n    dns: [{{ name: {name}, {key}: ADDRESS }}]")
}

/// For an address that a machine has.
pub fn taken(by: &VmRef) -> Vec<String> {
    vec![format!("stop {by} first, or fail it over in the same plan"), apart("or give the replica")]
}

/// Where a site answers and the fence of all of it would be needed.
pub fn site_answers(source: &VmRef) -> Vec<String> {
    vec![
        format!("see at {} why {} cannot be read, then plan again", source.site, source.vm),
        "or give the replica a fence of its own, which is about its source alone".to_owned(),
    ]
}

/// Where nothing says how a source is fenced.
pub fn no_fence(site: &SiteName) -> Vec<String> {
    vec![
        format!("say how in the site `{site}`: `fence: {{ run: [...], proof: [...] }}`"),
        "or say `source: leave` in the failover plan, once you are sure that it does not run".to_owned(),
    ]
}
