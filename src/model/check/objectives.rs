//! Objectives that a policy asks for are set.

use crate::diag::{Code, Finding};
use crate::document::{Key, Kind};
use crate::model::{Origins, Workspace};

/// Where an objective may stand as well.
fn elsewhere(objective: &str) -> &'static str {
    if objective == "rpo" { ", or to that of a failover plan which has it" } else { "" }
}

/// Finds replicas without `rpo` and failover plans without `rto` where a policy asks for them.
pub fn check(workspace: &Workspace, origins: &Origins, findings: &mut Vec<Finding>) {
    for policy in workspace.policies.values() {
        let rule = |name: &'static str| {
            let path = [Key::Name("spec"), Key::Name("require"), Key::Name(name)];
            origins.at(Kind::Policy, policy.name.as_str(), &path)
        };
        let missing = |what: &str, name: &str, kind: Kind, objective: &'static str| {
            Finding::new(
                Code::ObjectiveMissing,
                format!("{what} `{name}` has no {objective}, and policy `{}` asks for it", policy.name),
            )
            .at(origins.name(kind, name), "no objective")
            .at(rule(objective), policy.because.clone())
            .help(format!("add `objectives: {{ {objective}: … }}` to its spec{}", elsewhere(objective)))
        };
        if policy.require_rpo {
            let without = workspace.replicas.values().filter(|r| r.rpo.is_none());
            findings.extend(without.map(|r| missing("replica", r.name.as_str(), Kind::Replica, "rpo")));
        }
        if policy.require_rto {
            let without = workspace.plans.values().filter(|p| p.rto.is_none());
            findings.extend(
                without.map(|p| missing("failover plan", p.name.as_str(), Kind::FailoverPlan, "rto")),
            );
        }
    }
}
