//! From raw shapes to the model: names resolved, selections made, defaults filled in, values read.
//!
//! All independent mistakes are found in one go. What is faulty is left out of the model, but still counts as declared, so that one
//! mistake is one error.

mod failover_plan;
mod hooks;
mod libvirt;
mod mappings;
mod names;
mod policy;
mod reader;
mod ready;
mod replica;
mod runbook;
mod site;

pub use libvirt::{Reached, reached};

use crate::base::{PlanName, ReplicaName, glob};
use crate::diag::{Code, Finding, Sources, finding::sort};
use crate::document::{Document, Key, Kind, Parsed, Shape};
use crate::model::{Origins, Workspace, check};
use rayon::prelude::*;
use reader::Reader;
use std::collections::BTreeMap;

/// What the documents mean, and what is wrong with them.
#[derive(Debug)]
pub struct Resolved {
    /// The model, of all documents that are sound.
    pub workspace: Workspace,
    /// The places.
    pub origins: Origins,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// Resolves the documents.
#[must_use]
pub fn resolve(parsed: Parsed, sources: &Sources) -> Resolved {
    let Parsed { documents, nameless, mut findings } = parsed;
    duplicates(&documents, &mut findings);
    let mut origins = Origins::new(documents, nameless);
    let mut workspace = Workspace::default();
    let each = |wanted: Kind| origins.documents().iter().filter(move |d| d.kind == wanted);
    for document in each(Kind::Site) {
        if let Some(Shape::Site(raw)) = &document.shape
            && let Some(site) =
                site::resolve(&mut Reader::new(document, &origins, sources, &mut findings), raw)
        {
            workspace.sites.entry(site.name.clone()).or_insert(site);
        }
    }
    let sites = &workspace.sites;
    // By far the most documents are replicas, each for itself; the plans are read beside them.
    let (labels, groups) = (Labels::new(&origins), hooks::Groups::new(&origins));
    let one = |document: &Document, findings: &mut Vec<Finding>| {
        let Some(Shape::Replica(raw)) = &document.shape else { return None };
        replica::resolve(&mut Reader::new(document, &origins, sources, findings), raw, sites)
    };
    let plan = |document: &Document, findings: &mut Vec<Finding>| {
        let Some(Shape::FailoverPlan(raw)) = &document.shape else { return None };
        failover_plan::resolve(
            &mut Reader::new(document, &origins, sources, findings),
            raw,
            (&labels, &groups),
        )
    };
    let (replicas, plans) = rayon::join(
        || apart(each(Kind::Replica).collect(), one),
        || apart(each(Kind::FailoverPlan).collect(), plan),
    );
    for replica in taken(replicas, &mut findings) {
        workspace.replicas.entry(replica.name.clone()).or_insert(replica);
    }
    for plan in taken(plans, &mut findings) {
        workspace.plans.entry(plan.name.clone()).or_insert(plan);
    }
    promises(&mut workspace);
    for document in each(Kind::Runbook) {
        if let Some(Shape::Runbook(raw)) = &document.shape {
            let mut reader = Reader::new(document, &origins, sources, &mut findings);
            if let Some(found) = runbook::resolve(&mut reader, raw, &labels, &workspace) {
                workspace.runbooks.entry(found.name.clone()).or_insert(found);
            }
        }
    }
    for document in each(Kind::Policy) {
        if let Some(Shape::Policy(raw)) = &document.shape {
            let mut reader = Reader::new(document, &origins, sources, &mut findings);
            if let Some(found) = policy::resolve(&mut reader, raw, (&labels, &groups)) {
                workspace.policies.entry(found.name.clone()).or_insert(found);
            }
        }
    }
    origins.forget_shapes();
    check::all(&workspace, &origins, &mut findings);
    sort(&mut findings);
    Resolved { workspace, origins, findings }
}

/// What a failover plan promises of all its replicas is promised of each of them. The shortest counts.
fn promises(workspace: &mut Workspace) {
    for plan in workspace.plans.values() {
        let Some(rpo) = plan.rpo else { continue };
        for name in plan.sequence.iter().flat_map(|entry| &entry.replicas) {
            if let Some(replica) = workspace.replicas.get_mut(name)
                && replica.rpo.is_none_or(|own| rpo < own)
            {
                (replica.rpo, replica.rpo_of) = (Some(rpo), Some(plan.name.clone()));
            }
        }
    }
}

/// What documents of one kind mean, each read apart from the others.
fn apart<T: Send>(
    documents: Vec<&Document>,
    read: impl Fn(&Document, &mut Vec<Finding>) -> Option<T> + Sync,
) -> Vec<(Option<T>, Vec<Finding>)> {
    let one = |document: &Document| {
        let mut findings = Vec::new();
        (read(document, &mut findings), findings)
    };
    documents.into_par_iter().map(one).collect()
}

/// The sound ones, in their order; what was found goes to the other findings.
fn taken<T>(read: Vec<(Option<T>, Vec<Finding>)>, findings: &mut Vec<Finding>) -> impl Iterator<Item = T> {
    read.into_iter().filter_map(|(found, mut more)| {
        findings.append(&mut more);
        found
    })
}

fn duplicates(documents: &[Document], findings: &mut Vec<Finding>) {
    let mut first: BTreeMap<(Kind, &str), &Document> = BTreeMap::new();
    let name = [Key::Name("metadata"), Key::Name("name")];
    for document in documents {
        let Some(before) = first.insert((document.kind, &document.name), document) else { continue };
        let message = format!("two {}s are named `{}`", document.kind.word(), document.name);
        findings.push(
            Finding::new(Code::DuplicateName, message)
                .at(Some(document.at(&name)), "here again")
                .at(Some(before.at(&name)), "here first")
                .help("rename one of them"),
        );
        first.insert((document.kind, &document.name), before);
    }
}

/// The labels of all replicas that are declared, to select by.
struct Labels<'a> {
    replicas: BTreeMap<&'a str, &'a BTreeMap<String, String>>,
    unsound: bool,
}

impl<'a> Labels<'a> {
    fn new(origins: &'a Origins) -> Self {
        let (mut replicas, mut unsound) = (BTreeMap::new(), origins.may_declare(Kind::Replica));
        for document in origins.documents().iter().filter(|d| d.kind == Kind::Replica) {
            match &document.shape {
                Some(Shape::Replica(raw)) => {
                    replicas.entry(document.name.as_str()).or_insert(&raw.metadata.labels);
                }
                _ => unsound = true,
            }
        }
        Self { replicas, unsound }
    }

    fn select(&self, wanted: &BTreeMap<String, String>) -> Vec<ReplicaName> {
        let fits = |labels: &BTreeMap<String, String>| wanted.iter().all(|(k, v)| labels.get(k) == Some(v));
        let fitting = self.replicas.iter().filter(|(_, labels)| fits(labels));
        fitting.filter_map(|(name, _)| ReplicaName::new(name).ok()).collect()
    }

    /// The replicas whose names fit a pattern.
    fn named(&self, pattern: &str) -> Vec<ReplicaName> {
        let fitting = self.replicas.keys().filter(|name| glob::fits(pattern, name));
        fitting.filter_map(|name| ReplicaName::new(name).ok()).collect()
    }

    /// Whether a replica could be selected by labels if its document were sound.
    const fn may_be_more(&self) -> bool {
        self.unsound
    }
}

/// The plan's name of a document that is sound enough to have one.
fn plan_name(text: &str) -> Option<PlanName> {
    PlanName::new(text).ok()
}
