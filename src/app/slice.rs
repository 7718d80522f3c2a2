//! Which replicas of a runbook `--only` and `--without` mean.

use super::{Answer, Exit};
use crate::base::{ReplicaName, glob};
use crate::diag::{Code, Finding};
use crate::document::check::nearest;
use crate::model::{Desired, Subject, Workspace};
use crate::planner::Selected;
use std::collections::{BTreeMap, BTreeSet};

/// What part of a runbook is asked for, in the words of the command line.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// These, with what they need to come up.
    pub only: Vec<String>,
    /// Not these.
    pub without: Vec<String>,
}

impl Ask {
    /// Whether the whole runbook is meant.
    pub const fn is_whole(&self) -> bool {
        self.only.is_empty() && self.without.is_empty()
    }
}

/// The replicas that a runbook names, each with the names of its entries.
fn named<'a>(
    desired: &'a [Desired],
    workspace: &'a Workspace,
) -> BTreeMap<&'a ReplicaName, BTreeSet<&'a str>> {
    let mut found: BTreeMap<&ReplicaName, BTreeSet<&str>> = BTreeMap::new();
    for desired in desired {
        match &desired.subject {
            Subject::Replicas(names) => found.extend(names.iter().map(|name| (name, BTreeSet::new()))),
            Subject::Plan(name) => {
                for entry in workspace.plans.get(name).into_iter().flat_map(|p| &p.sequence) {
                    for replica in &entry.replicas {
                        found.entry(replica).or_default().insert(entry.name.as_str());
                    }
                }
            }
        }
    }
    found
}

/// Finds what is meant; `None` where it is the whole runbook.
///
/// # Errors
/// A selector that fits nothing in the runbook.
pub fn selected(
    ask: &Ask,
    desired: &[Desired],
    workspace: &Workspace,
) -> Result<Option<Selected>, Box<Answer>> {
    if ask.is_whole() {
        return Ok(None);
    }
    let named = named(desired, workspace);
    let all = |selectors: &[String]| -> Result<BTreeSet<ReplicaName>, Box<Answer>> {
        let mut found = BTreeSet::new();
        for selector in selectors {
            let fits: Vec<ReplicaName> = named
                .iter()
                .filter(|(r, e)| means(selector, r, e, workspace))
                .map(|(r, _)| (*r).clone())
                .collect();
            if fits.is_empty() {
                return Err(nothing(selector, &named));
            }
            found.extend(fits);
        }
        Ok(found)
    };
    let only = if ask.only.is_empty() { None } else { Some(all(&ask.only)?) };
    let without = all(&ask.without)?;
    Ok(Some(Selected { only, without, said: (ask.only.clone(), ask.without.clone()) }))
}

/// Whether a selector means a replica: by a label, by its name, or by the name of its entry.
fn means(selector: &str, replica: &ReplicaName, entries: &BTreeSet<&str>, workspace: &Workspace) -> bool {
    match selector.split_once('=') {
        Some((label, value)) => {
            let labels = workspace.replicas.get(replica).map(|r| &r.labels);
            labels.and_then(|l| l.get(label)).is_some_and(|found| glob::fits(value, found))
        }
        None => glob::fits(selector, replica.as_str()) || entries.iter().any(|e| glob::fits(selector, e)),
    }
}

fn nothing(selector: &str, named: &BTreeMap<&ReplicaName, BTreeSet<&str>>) -> Box<Answer> {
    let finding =
        Finding::new(Code::SliceUnfit, format!("the runbook names nothing that `{selector}` selects"));
    let names = named.iter().flat_map(|(r, e)| e.iter().copied().chain([r.as_str()]));
    let names: BTreeSet<&str> = names.collect();
    let finding = match nearest(selector, names.iter().copied()) {
        Some(near) => finding.help(format!("it names something similar: {near}")),
        None => finding.help(
            "a selector is a name of a replica or group, a pattern as `db-*`, or a label as `tier=web`",
        ),
    };
    Answer::stop(Exit::Invalid, finding)
}

/// A sealed plan is what it is.
pub fn sealed() -> Box<Answer> {
    let finding = Finding::new(Code::SliceUnfit, "a sealed plan is carried out whole");
    Answer::stop(
        Exit::Invalid,
        finding.help(
            "seal the slice itself: `lifeboat plan RUNBOOK --only SELECTOR --out FILE`; nothing was changed",
        ),
    )
}
