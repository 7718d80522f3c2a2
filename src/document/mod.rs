//! Floor 2: from YAML text to documents: spanned trees whose shape is checked, each with its raw values.

pub mod check;
pub mod node;
pub mod parse;
mod schema;
pub mod shape;
mod typed;

pub use node::{Key, Node, Value};
pub use schema::schema;
pub use shape::Shape;

use crate::diag::{FileId, Finding, Sources, Span};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// The kinds of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Where machines live.
    Site,
    /// One protected machine.
    Replica,
    /// A set of replicas with their order.
    FailoverPlan,
    /// A desired end state.
    Runbook,
    /// What must hold of every plan.
    Policy,
    /// Where runs are kept.
    Store,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Site, Self::Replica, Self::FailoverPlan, Self::Runbook, Self::Policy, Self::Store];

    /// The name as documents write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Site => "Site",
            Self::Replica => "Replica",
            Self::FailoverPlan => "FailoverPlan",
            Self::Runbook => "Runbook",
            Self::Policy => "Policy",
            Self::Store => "Store",
        }
    }

    /// The kind for people, in a sentence.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Replica => "replica",
            Self::FailoverPlan => "failover plan",
            Self::Runbook => "runbook",
            Self::Policy => "policy",
            Self::Store => "store",
        }
    }
}

/// A document whose kind and name could be read. Its shape is missing where it has errors: it still counts as declared, so that
/// nothing that refers to it is an error as well.
#[derive(Debug)]
pub struct Document {
    /// The file.
    pub file: FileId,
    /// The kind.
    pub kind: Kind,
    /// The name.
    pub name: String,
    /// The raw values.
    pub shape: Option<Shape>,
    text: Arc<str>,
    place: Range<usize>,
    root: OnceLock<Node>,
}

impl Document {
    /// The tree, for places. It is not kept for the many documents with nothing to say about, but read again when asked for.
    #[must_use]
    pub fn root(&self) -> &Node {
        self.root.get_or_init(|| {
            let text = self.text.get(self.place.clone()).unwrap_or("");
            parse::again(parse::Part { file: self.file, text, base: self.place.start })
        })
    }

    /// The place of the value at a path, or of the nearest part of the path that is there.
    #[must_use]
    pub fn at(&self, path: &[Key<'_>]) -> Span {
        self.root().at(path)
    }
}

/// What was read.
#[derive(Debug, Default)]
pub struct Parsed {
    /// The documents, in the order in which they stand.
    pub documents: Vec<Document>,
    /// The kinds of documents whose name could not be read; all kinds where not even the kind could.
    pub nameless: BTreeSet<Kind>,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

impl Parsed {
    /// Notes that something of the workspace could not be read at all.
    pub fn unread(&mut self) {
        self.nameless.extend(Kind::ALL);
    }

    fn append(&mut self, mut more: Self) {
        self.documents.append(&mut more.documents);
        self.nameless.append(&mut more.nameless);
        self.findings.append(&mut more.findings);
    }
}

/// More than one, so that a processor that is slower than the others does not keep them waiting.
const PARTS_A_PROCESSOR: usize = 4;

/// Reads all documents of all files. A faulty document does not silence the others.
#[must_use]
pub fn parse(sources: &Sources) -> Parsed {
    let checker = check::Checker::default();
    let count = rayon::current_num_threads() * PARTS_A_PROCESSOR;
    let parts: Vec<(&Arc<str>, parse::Part<'_>)> = sources
        .iter()
        .flat_map(|(file, source)| {
            let parts = parse::parts(file, &source.text, count);
            parts.into_iter().map(move |part| (&source.text, part))
        })
        .collect();
    let read = |(text, part): &(&Arc<str>, parse::Part<'_>)| {
        let mut parsed = Parsed::default();
        parse::trees(*part, &mut |tree, findings| {
            parsed.findings.append(findings);
            checker.document(text, part.file, tree, &mut parsed);
        });
        parsed
    };
    let read: Vec<Parsed> = parts.par_iter().map(read).collect();
    let mut parsed = Parsed::default();
    read.into_iter().for_each(|more| parsed.append(more));
    parsed
}
