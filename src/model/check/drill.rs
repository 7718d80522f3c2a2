//! The networks on which copies are tried are nobody else's.

use crate::base::NetworkName;
use crate::diag::{Code, Finding, Severity};
use crate::document::{Key, Kind};
use crate::model::{Origins, Workspace};
use std::collections::BTreeSet;

/// Finds networks for drills on which machines are, or will be.
pub fn check(workspace: &Workspace, origins: &Origins, findings: &mut Vec<Finding>) {
    if workspace.sites.values().all(|site| site.drill.is_none()) {
        return;
    }
    let mapped = workspace.replicas.values().flat_map(|replica| &replica.networks);
    let used: BTreeSet<&NetworkName> = mapped.flat_map(|(from, to)| [from, to]).collect();
    for site in workspace.sites.values() {
        let networks = site.drill.iter().flat_map(|drill| &drill.networks);
        for (position, (_, to)) in networks.enumerate().filter(|(_, (_, to))| used.contains(to)) {
            let path = [
                Key::Name("spec"),
                Key::Name("drill"),
                Key::Name("networks"),
                Key::Index(position),
                Key::Name("to"),
            ];
            // A drill there is refused; nobody is kept from a failover by it.
            let finding = Finding {
                severity: Severity::Warning,
                ..Finding::new(
                    Code::DrillNotApart,
                    format!("copies would be on `{to}`, where replicas are mapped from or to"),
                )
            };
            findings.push(
                finding
                    .at(origins.at(Kind::Site, site.name.as_str(), &path), "not apart")
                    .help("name a network that nothing else is on"),
            );
        }
    }
}
