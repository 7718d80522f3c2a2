//! A consistency group has members that its plan brings up, and nobody is in two of them.

use crate::base::ReplicaName;
use crate::diag::{Code, Finding};
use crate::document::{Key, Kind};
use crate::model::{ConsistencyGroup, FailoverPlan, Origins, Workspace};
use std::collections::BTreeMap;

/// Finds groups that cannot be meant so.
pub fn check(workspace: &Workspace, origins: &Origins, findings: &mut Vec<Finding>) {
    let mut member_of: BTreeMap<&ReplicaName, (&FailoverPlan, usize)> = BTreeMap::new();
    for plan in workspace.plans.values() {
        let at = |plan: &FailoverPlan, position: usize, key: &'static str| {
            let path = [Key::Name("spec"), Key::Name("consistency"), Key::Index(position), Key::Name(key)];
            origins.at(Kind::FailoverPlan, plan.name.as_str(), &path)
        };
        for (position, group) in plan.consistency.iter().enumerate() {
            let before = plan.consistency.iter().take(position).position(|g| g.name == group.name);
            if let Some(before) = before {
                findings.push(
                    unfit(format!("two consistency groups of `{}` are named `{}`", plan.name, group.name))
                        .at(at(plan, position, "name"), "here again")
                        .at(at(plan, before, "name"), "here first")
                        .help("rename one of them"),
                );
            }
            findings.extend(members(plan, group).map(|f| f.at(at(plan, position, "replicas"), "these")));
            for replica in &group.replicas {
                let Some((other, first)) = member_of.insert(replica, (plan, position)) else { continue };
                findings.push(
                    unfit(format!("`{replica}` is in two consistency groups"))
                        .at(at(plan, position, "replicas"), "here again")
                        .at(at(other, first, "replicas"), "here first")
                        .help("one moment for both: make them one group"),
                );
            }
        }
    }
}

fn unfit(message: String) -> Finding {
    Finding::new(Code::ConsistencyUnfit, message)
}

/// What is wrong with the members of a group by itself.
fn members(plan: &FailoverPlan, group: &ConsistencyGroup) -> Option<Finding> {
    let name = &group.name;
    // One that selects nothing is an error of its own.
    if let [one] = group.replicas.as_slice() {
        let finding = unfit(format!("the consistency group `{name}` has `{one}` alone"));
        return Some(finding.help("a group is of two replicas or more"));
    }
    let named = |replica: &ReplicaName| plan.sequence.iter().any(|e| e.replicas.contains(replica));
    let missing = group.replicas.iter().find(|replica| !named(replica))?;
    let message =
        format!("the consistency group `{name}` has `{missing}`, which `{}` does not bring up", plan.name);
    Some(unfit(message).help("put it into the plan's sequence, or take it out of the group"))
}
