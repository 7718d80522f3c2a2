//! Rules for addresses where nobody can give a guest another address.

use crate::diag::{Code, Finding};
use crate::document::{Key, Kind};
use crate::model::{Origins, Workspace};
use crate::port::ProviderSpec;

/// Finds rules for addresses that no provider carries out.
pub fn check(workspace: &Workspace, origins: &Origins, findings: &mut Vec<Finding>) {
    let finding = |kind: Kind, name: &str, path: &[Key<'_>], site: &str| {
        let message = format!(
            "guests at {site} do not get these addresses: libvirt connects cards to networks, and no more"
        );
        Finding::new(Code::AddressesKept, message)
            .at(origins.at(kind, name, path), "this has no effect there")
            .help("let the recovery network's DHCP give them, by their hardware addresses, which stay; or a hook after the failover")
    };
    let real = |site: &crate::base::SiteName| {
        workspace.sites.get(site).is_some_and(|s| matches!(s.provider, ProviderSpec::Libvirt(_)))
    };
    for site in workspace.sites.values().filter(|s| real(&s.name)) {
        let Some(document) = origins.document(Kind::Site, site.name.as_str()) else { continue };
        for position in 0..site.mappings.len() {
            let path = ["spec", "mappings", "", "addresses"]
                .map(|key| if key.is_empty() { Key::Index(position) } else { Key::Name(key) });
            if document.root().find(&path).is_some() {
                findings.push(finding(Kind::Site, site.name.as_str(), &path, site.name.as_str()));
            }
        }
    }
    for replica in workspace.replicas.values().filter(|r| !r.addresses.is_empty() && real(&r.replica.site)) {
        let Some(document) = origins.document(Kind::Replica, replica.name.as_str()) else { continue };
        let path = [Key::Name("spec"), Key::Name("addresses")];
        if document.root().find(&path).is_some() {
            let site = replica.replica.site.as_str();
            findings.push(finding(Kind::Replica, replica.name.as_str(), &path, site));
        }
    }
}
