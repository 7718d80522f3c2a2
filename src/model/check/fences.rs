//! A failover plan that fences needs a fence for each of its sources: that of the replica, or that of the source's site.

use crate::diag::{Code, Finding};
use crate::document::{Key, Kind};
use crate::model::{Origins, SourceTreatment, Workspace};

/// So many replicas are named.
const NAMED: usize = 4;

/// Finds plans with `source: fence` that have sources without a fence; of each plan once, for all of them.
pub fn check(workspace: &Workspace, origins: &Origins, findings: &mut Vec<Finding>) {
    for plan in workspace.plans.values().filter(|plan| plan.source == SourceTreatment::Fence) {
        let named = plan.sequence.iter().flat_map(|e| &e.replicas);
        let bare: Vec<_> = named
            .filter_map(|name| workspace.replicas.get(name))
            // A site with errors may have one.
            .filter(|r| r.fence.is_none())
            .filter(|r| workspace.sites.get(&r.source.site).is_some_and(|site| site.fence.is_none()))
            .collect();
        let Some(first) = bare.first() else { continue };
        let names: Vec<&str> = bare.iter().take(NAMED).map(|r| r.name.as_str()).collect();
        let more = bare.len().checked_sub(NAMED).filter(|n| *n > 0);
        let more = more.map_or_else(String::new, |n| format!(" and {n} more"));
        let message = format!(
            "the failover plan `{}` fences, and nothing says how for {}{more}",
            plan.name,
            names.join(", ")
        );
        let site = first.source.site.as_str();
        findings.push(
            Finding::new(Code::FenceMissing, message)
                .at(
                    origins.at(
                        Kind::FailoverPlan,
                        plan.name.as_str(),
                        &[Key::Name("spec"), Key::Name("source")],
                    ),
                    "a source whose site does not answer shall be fenced",
                )
                .at(origins.name(Kind::Site, site), format!("the source of `{}` is here", first.name))
                .help(format!(
                    "say in the site `{site}` how all its machines are taken away, or in the replica how its source alone is: \
                     `fence: {{ run: [./ipmi.sh, off], proof: [./ipmi.sh, is-off] }}`"
                )),
        );
    }
}
