//! Every machine has one part in one replica; what a failback overwrites belongs to nobody else.

use crate::base::ReplicaName;
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
    targets(workspace, origins, &claimed, findings);
}

/// Finds failback targets that are a replica, the source of another one, or the target of two: their data would be overwritten.
fn targets(
    workspace: &Workspace,
    origins: &Origins,
    claimed: &BTreeMap<&VmRef, (&str, &'static str)>,
    findings: &mut Vec<Finding>,
) {
    for runbook in workspace.runbooks.values() {
        let mut taken: BTreeMap<&VmRef, &ReplicaName> = BTreeMap::new();
        for (position, desired) in runbook.desired.iter().enumerate() {
            let path = ["spec", "desired", "", "failback", "target"]
                .map(|step| if step.is_empty() { Key::Index(position) } else { Key::Name(step) });
            let at = origins.at(Kind::Runbook, runbook.name.as_str(), &path);
            for (replica, vm) in desired.failback.targets.iter().filter_map(|(r, t)| Some((r, t.other()?))) {
                let owner = match claimed.get(vm) {
                    Some((other, role)) if *role == "replica" || *other != replica.as_str() => {
                        Some(format!("it is the {role} of `{other}`"))
                    }
                    _ => taken
                        .insert(vm, replica)
                        .map(|other| format!("`{other}` is brought back to it as well")),
                };
                let Some(owner) = owner else { continue };
                let message = format!("`{replica}` cannot be brought back to {vm}: {owner}");
                findings.push(
                    Finding::new(Code::SharedMachine, message)
                        .at(at, "this failback would overwrite it")
                        .help("name a machine of its own for each replica"),
                );
            }
        }
    }
}
