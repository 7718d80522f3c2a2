//! Source and replica are at sites of one provider, and so are all sites of a workspace: they share a clock.

use crate::diag::{Code, Finding};
use crate::document::{Key, Kind};
use crate::model::{Origins, Workspace};

/// Finds replicas whose sites are of different providers.
pub fn check(workspace: &Workspace, origins: &Origins, findings: &mut Vec<Finding>) {
    let before = findings.len();
    replicas(workspace, origins, findings);
    retention(workspace, origins, findings);
    if findings.len() == before {
        sites(workspace, origins, findings);
    }
}

/// libvirt cannot start a machine whose disk has many more layers than this, and each restore point is one.
const LAYERS: u32 = 20;

fn retention(workspace: &Workspace, origins: &Origins, findings: &mut Vec<Finding>) {
    let layered = |r: &&crate::model::Replica| {
        workspace.sites.get(&r.replica.site).is_some_and(|s| s.provider.name() == "libvirt")
    };
    for replica in workspace.replicas.values().filter(layered).filter(|r| r.retention > LAYERS) {
        let at =
            origins.at(Kind::Replica, replica.name.as_str(), &[Key::Name("spec"), Key::Name("retention")]);
        let message =
            format!("{} restore points are more than the {LAYERS} of a libvirt site", replica.retention);
        findings.push(
            Finding::new(Code::OutOfRange, message)
                .at(at, "here")
                .help("each is a layer of a disk, and libvirt starts no machine with some 28 of them"),
        );
    }
}

fn sites(workspace: &Workspace, origins: &Origins, findings: &mut Vec<Finding>) {
    let Some(first) = workspace.sites.values().next() else { return };
    let (one, at) = (first.provider.name(), |site: &crate::model::Site| {
        origins.at(Kind::Site, site.name.as_str(), &[Key::Name("spec"), Key::Name("provider")])
    });
    if let Some(odd) = workspace.sites.values().find(|s| s.provider.name() != one) {
        let other = odd.provider.name();
        findings.push(
            Finding::new(
                Code::MixedWorkspace,
                format!("`{}` is a site of {other}, `{}` one of {one}", odd.name, first.name),
            )
            .at(at(odd), format!("a site of {other}"))
            .at(at(first), format!("a site of {one}"))
            .help("put them into two workspaces: simulated sites have a clock of their own"),
        );
    }
}

fn replicas(workspace: &Workspace, origins: &Origins, findings: &mut Vec<Finding>) {
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
