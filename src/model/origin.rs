//! Where the things of the model stand in the text. The only place above `document` that knows of spans.

use crate::diag::Span;
use crate::document::{Document, Key, Kind};
use std::collections::{BTreeMap, BTreeSet};

/// The places of all documents.
#[derive(Debug, Default)]
pub struct Origins {
    documents: Vec<Document>,
    by_name: BTreeMap<Kind, BTreeMap<String, usize>>,
    nameless: BTreeSet<Kind>,
}

impl Origins {
    /// Takes the documents; of several of one name the first counts. `nameless` are the kinds of those whose name could not be read.
    #[must_use]
    pub fn new(documents: Vec<Document>, nameless: BTreeSet<Kind>) -> Self {
        let mut by_name: BTreeMap<Kind, BTreeMap<String, usize>> = BTreeMap::new();
        for (position, document) in documents.iter().enumerate() {
            by_name.entry(document.kind).or_default().entry(document.name.clone()).or_insert(position);
        }
        Self { documents, by_name, nameless }
    }

    /// Lets go of the raw values once they are resolved; places do not need them.
    pub(super) fn forget_shapes(&mut self) {
        for document in &mut self.documents {
            document.shape = None;
        }
    }

    /// All documents, in their order.
    #[must_use]
    pub fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// The document of a kind and name.
    #[must_use]
    pub fn document(&self, kind: Kind, name: &str) -> Option<&Document> {
        let position = self.by_name.get(&kind)?.get(name)?;
        self.documents.get(*position)
    }

    /// Whether a document is declared, be it sound or not.
    #[must_use]
    pub fn declares(&self, kind: Kind, name: &str) -> bool {
        self.document(kind, name).is_some()
    }

    /// Whether a document of this kind could not even tell its name: then no name of the kind is known to be missing.
    #[must_use]
    pub fn may_declare(&self, kind: Kind) -> bool {
        self.nameless.contains(&kind)
    }

    /// The names of a kind that are declared.
    pub fn names(&self, kind: Kind) -> impl Iterator<Item = &str> {
        self.by_name.get(&kind).into_iter().flatten().map(|(name, _)| name.as_str())
    }

    /// The place of the value at a path, or of the nearest part of the path that is there.
    #[must_use]
    pub fn at(&self, kind: Kind, name: &str, path: &[Key<'_>]) -> Option<Span> {
        self.document(kind, name).map(|d| d.at(path))
    }

    /// The place of a document's name.
    #[must_use]
    pub fn name(&self, kind: Kind, name: &str) -> Option<Span> {
        self.at(kind, name, &[Key::Name("metadata"), Key::Name("name")])
    }
}
