//! Every machine has one part in one replica.

use crate::diag::{Code, Finding};
use crate::document::{Key, Kind};
use crate::domain::VmRef;
use crate::model::{Origins, Workspace};
use std::collections::BTreeMap;

/// Finds machines that two replicas claim, and replicas that are their own source.
pub fn check(workspace: &Workspace, origins: &Origins, findings: &mut Vec<Finding>) {
    let mut claimed: BTreeMap<&VmRef, (&str, &'static str)> = BTreeMap::new();
    for replica in workspace.replicas.values() {
        let name = replica.name.as_str();
        let at = |name: &str, role: &'static str| {
            origins.at(Kind::Replica, name, &[Key::Name("spec"), Key::Name(role), Key::Name("vm")])
        };
        if replica.source == replica.replica {
            findings.push(
                Finding::new(Code::SameMachine, format!("`{name}` is its own source"))
                    .at(at(name, "replica"), "the same machine")
                    .at(at(name, "source"), "as here"),
            );
            continue;
        }
        for (vm, role) in [(&replica.source, "source"), (&replica.replica, "replica")] {
            if let Some((other, their)) = claimed.insert(vm, (name, role)) {
                findings.push(
                    Finding::new(Code::SharedMachine, format!("two replicas claim the machine {vm}"))
                        .at(at(name, role), format!("the {role} of `{name}`"))
                        .at(at(other, their), format!("the {their} of `{other}`")),
                );
            }
        }
    }
}
