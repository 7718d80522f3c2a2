//! Source and replica are at sites of one provider.

use crate::diag::{Code, Finding};
use crate::document::{Key, Kind};
use crate::model::{Origins, Workspace};

/// Finds replicas whose sites are of different providers.
pub fn check(workspace: &Workspace, origins: &Origins, findings: &mut Vec<Finding>) {
    for replica in workspace.replicas.values() {
        let sites = (workspace.sites.get(&replica.source.site), workspace.sites.get(&replica.replica.site));
        let (Some(source), Some(recovery)) = sites else { continue };
        let (one, other) = (source.provider.name(), recovery.provider.name());
        if one != other {
            let at = |role: &'static str| {
                let path = [Key::Name("spec"), Key::Name(role), Key::Name("site")];
                origins.at(Kind::Replica, replica.name.as_str(), &path)
            };
            findings.push(
                Finding::new(
                    Code::MixedProviders,
                    format!("`{}` is replicated from {one} to {other}", replica.name),
                )
                .at(at("replica"), format!("a site of {other}"))
                .at(at("source"), format!("a site of {one}")),
            );
        }
    }
}
