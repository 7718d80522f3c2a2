//! Floor 2: from YAML text to documents: spanned trees whose shape is checked, each with its raw values.

pub mod check;
pub mod node;
pub mod parse;
mod schema;
pub mod shape;

pub use node::{Key, Node, Value};
pub use schema::schema;
pub use shape::Shape;

use crate::diag::{Code, FileId, Finding, Sources, Span};

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
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Site, Self::Replica, Self::FailoverPlan, Self::Runbook, Self::Policy];

    /// The name as documents write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Site => "Site",
            Self::Replica => "Replica",
            Self::FailoverPlan => "FailoverPlan",
            Self::Runbook => "Runbook",
            Self::Policy => "Policy",
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
    /// The tree, for places.
    pub root: Node,
    /// The raw values.
    pub shape: Option<Shape>,
}

impl Document {
    /// The place of the value at a path, or of the nearest part of the path that is there.
    #[must_use]
    pub fn at(&self, path: &[Key<'_>]) -> Span {
        self.root.at(path)
    }
}

/// Reads all documents of all files. A faulty document does not silence the others.
#[must_use]
pub fn parse(sources: &Sources) -> (Vec<Document>, Vec<Finding>) {
    let checker = match check::Checker::new() {
        Ok(checker) => checker,
        Err(why) => return (Vec::new(), vec![Finding::new(Code::YamlSyntax, why)]),
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let parts: Vec<parse::Part<'_>> =
        sources.iter().flat_map(|(file, source)| parse::parts(file, &source.text, threads)).collect();
    let read = |part: &parse::Part<'_>| {
        let (mut documents, mut findings) = (Vec::new(), Vec::new());
        for root in parse::trees(*part, &mut findings) {
            documents.extend(checker.document(part.file, root, &mut findings));
        }
        (documents, findings)
    };
    let (mut documents, mut findings) = (Vec::new(), Vec::new());
    // Many small files are read in a row; large ones are cut into one part for each processor.
    for batch in parts.chunks(threads) {
        let large = batch.len() > 1 && batch.iter().any(|p| p.text.len() >= parse::SMALLEST);
        let results: Vec<_> = if large {
            std::thread::scope(|scope| {
                let workers: Vec<_> = batch.iter().map(|part| scope.spawn(|| read(part))).collect();
                workers
                    .into_iter()
                    .zip(batch)
                    .map(|(w, part)| w.join().unwrap_or_else(|_| read(part)))
                    .collect()
            })
        } else {
            batch.iter().map(read).collect()
        };
        for (more, found) in results {
            documents.extend(more);
            findings.extend(found);
        }
    }
    (documents, findings)
}
