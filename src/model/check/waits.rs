//! Waits that wait for less, or for more, than it seems.

use crate::diag::{Code, Finding};
use crate::document::{Key, Kind};
use crate::model::{Is, Origins, Workspace};

/// Finds edges that wait for `ready` where nobody says when that is, and delays that nobody waits for. A replica that many wait for
/// is one finding.
pub fn check(workspace: &Workspace, origins: &Origins, findings: &mut Vec<Finding>) {
    let mut said = std::collections::BTreeSet::new();
    for plan in workspace.plans.values() {
        let at = |path: &[Key<'_>]| origins.at(Kind::FailoverPlan, plan.name.as_str(), path);
        for (position, entry) in plan.sequence.iter().enumerate() {
            for (i, after) in entry.after.iter().flatten().enumerate().filter(|(_, a)| a.is == Is::Ready) {
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
                        .at(at(&path), "waits for ready")
                        .at(origins.name(Kind::Replica, replica.as_str()), "has no `ready`")
                        .help("say `ready: { all: [{ tcp: { port: 5432 } }], within: 5m }`; without it, the guest's answer counts"),
                );
            }
        }
        let last = plan.sequence.len().wrapping_sub(1);
        let delay = [Key::Name("spec"), Key::Name("sequence"), Key::Index(last), Key::KeyOf("delay")];
        let entry = at(&[Key::Name("spec"), Key::Name("sequence"), Key::Index(last)]);
        if let Some(place) = at(&delay)
            && Some(place) != entry
        {
            findings.push(
                Finding::new(Code::DelayIgnored, "the delay of the last entry is ignored")
                    .at(Some(place), "nothing comes after it")
                    .help("a delay runs from the start of an entry to the start of the next one"),
            );
        }
    }
}
