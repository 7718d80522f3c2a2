//! Waits by the clock for what says by itself when it is ready.

use crate::base::{Duration, ReplicaName};
use crate::diag::{Code, Finding};
use crate::document::{Key, Kind};
use crate::model::{Entry, FailoverPlan, Is, Origins, Workspace};

const SEQUENCE: [Key<'static>; 2] = [Key::Name("spec"), Key::Name("sequence")];

/// Finds times that a plan says, after the start of a replica that says when it is ready. The time that holds where nothing is said is not
/// spoken of: it is the guide's, and nobody chose it.
pub fn check(workspace: &Workspace, origins: &Origins, findings: &mut Vec<Finding>) {
    for plan in workspace.plans.values() {
        let speaks = |entry: &Entry| {
            let said = |name: &&ReplicaName| workspace.replicas.get(*name).is_some_and(|r| r.ready_said);
            entry.replicas.iter().find(said).cloned()
        };
        for (position, pair) in plan.sequence.windows(2).enumerate() {
            let [entry, next] = pair else { continue };
            let place = [&SEQUENCE[..], &[Key::Index(position), Key::Name("delay")]].concat();
            if next.after.is_none()
                && entry.delay > Duration::ZERO
                && let Some(replica) = speaks(entry)
                && said(origins, plan, &place)
            {
                findings.push(bare(origins, plan, (next, entry), entry.delay, (&place, &replica)));
            }
        }
        for (position, entry) in plan.sequence.iter().enumerate() {
            for (i, after) in entry.after.iter().flatten().enumerate() {
                let Some(before) = plan.sequence.get(after.entry) else { continue };
                if after.is == Is::Started
                    && after.plus > Duration::ZERO
                    && let Some(replica) = speaks(before)
                {
                    let edge = [Key::Index(position), Key::Name("after"), Key::Index(i), Key::Name("plus")];
                    let place = [&SEQUENCE[..], &edge].concat();
                    findings.push(bare(origins, plan, (entry, before), after.plus, (&place, &replica)));
                }
            }
        }
    }
}

/// Whether a plan's document says something at a path.
fn said(origins: &Origins, plan: &FailoverPlan, path: &[Key<'_>]) -> bool {
    let document = origins.document(Kind::FailoverPlan, plan.name.as_str());
    document.is_some_and(|d| d.root().find(path).is_some())
}

fn bare(
    origins: &Origins,
    plan: &FailoverPlan,
    entries: (&Entry, &Entry),
    time: Duration,
    at: (&[Key<'_>], &ReplicaName),
) -> Finding {
    let ((later, earlier), (path, replica)) = (entries, at);
    let kind = if earlier.replicas.len() == 1 && earlier.name.as_str() == replica.as_str() {
        "replica"
    } else {
        "group"
    };
    let message = format!("`{}` waits {time} though `{replica}` says when it is ready", later.name);
    let ready = [Key::Name("spec"), Key::KeyOf("ready")];
    Finding::new(Code::BareDelay, message)
        .at(origins.at(Kind::FailoverPlan, plan.name.as_str(), path), "a wait by the clock")
        .at(origins.at(Kind::Replica, replica.as_str(), &ready), "it can be asked")
        .help(format!("give `{}` `after: [{{ {kind}: {}, is: ready }}]`", later.name, earlier.name))
}
