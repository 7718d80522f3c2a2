//! In a workspace with failover plans, a replica that no plan and no runbook names was perhaps forgotten.

use crate::base::ReplicaName;
use crate::diag::{Code, Finding};
use crate::document::Kind;
use crate::model::{Origins, Subject, Workspace};
use std::collections::BTreeSet;

/// Finds replicas that nothing names. A plan or runbook with errors may name them, so then nothing is said.
pub fn check(workspace: &Workspace, origins: &Origins, findings: &mut Vec<Finding>) {
    let whole = |kind, read: usize| origins.names(kind).count() == read;
    let sound =
        whole(Kind::FailoverPlan, workspace.plans.len()) && whole(Kind::Runbook, workspace.runbooks.len());
    if workspace.plans.is_empty() || !sound {
        return;
    }
    let in_plans = workspace.plans.values().flat_map(|p| &p.sequence).flat_map(|e| &e.replicas);
    let in_runbooks = workspace.runbooks.values().flat_map(|r| &r.desired).flat_map(|d| match &d.subject {
        Subject::Replicas(names) => names.as_slice(),
        Subject::Plan(_) => &[],
    });
    let named: BTreeSet<&ReplicaName> = in_plans.chain(in_runbooks).collect();
    for name in workspace.replicas.keys().filter(|name| !named.contains(name)) {
        let message = format!("the replica `{name}` stands in no failover plan and no runbook");
        findings.push(
            Finding::new(Code::ReplicaUnplanned, message)
                .at(origins.name(Kind::Replica, name.as_str()), "nothing fails it over")
                .help("put it into a plan's sequence, if it belongs to one"),
        );
    }
}
