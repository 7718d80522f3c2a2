//! Waits that wait for less than it seems.

use crate::diag::{Code, Finding};
use crate::document::{Key, Kind};
use crate::model::{Is, Origins, Workspace};

/// Finds edges that wait for `ready` where nobody says when that is. A replica that many wait for is one finding.
pub fn check(workspace: &Workspace, origins: &Origins, findings: &mut Vec<Finding>) {
    let mut said = std::collections::BTreeSet::new();
    for plan in workspace.plans.values() {
        for (position, entry) in plan.sequence.iter().enumerate() {
            for (i, after) in entry.after.iter().flatten().enumerate().filter(|(_, a)| a.is != Is::Started) {
                let Some(before) = plan.sequence.get(after.entry) else { continue };
                let silent =
                    |r: &&crate::base::ReplicaName| workspace.replicas.get(*r).is_some_and(|r| !r.ready_said);
                let Some(replica) = before.replicas.iter().find(silent) else { continue };
                if !said.insert(replica) {
                    continue;
                }
                let path = [
                    Key::Name("spec"),
                    Key::Name("sequence"),
                    Key::Index(position),
                    Key::Name("after"),
                    Key::Index(i),
                ];
                let message = format!(
                    "`{}` waits for `{}` to be ready, and `{replica}` does not say when it is",
                    entry.name, before.name
                );
                findings.push(
                    Finding::new(Code::NoReadiness, message)
                        .at(origins.at(Kind::FailoverPlan, plan.name.as_str(), &path), "waits for ready")
                        .at(origins.name(Kind::Replica, replica.as_str()), "has no `ready`")
                        .help("say `ready: { all: [{ tcp: { port: 5432 } }], within: 5m }`; without it, the guest's answer counts"),
                );
            }
        }
    }
}
