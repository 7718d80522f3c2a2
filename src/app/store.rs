//! Where the runs of a workspace are kept: what `--store` says, then `LIFEBOAT_STORE`, then the `Store` in `lifeboat.yaml`, then its own folder.

use super::{Answer, Desk, Exit, shown};
use crate::diag::{Code, Finding, Severity, Sources};
use crate::document::{Kind, Shape};
use crate::journal::{Access, Place, Store};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// The one file in which the store may stand: it is read by commands that need no other document.
pub const FILE: &str = "lifeboat.yaml";

/// What was said about the store where the program was started; opened when it is needed, and once.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The address, and where it stands.
    pub address: Option<(String, &'static str)>,
    /// What gives access.
    pub access: Access,
    open: Arc<OnceLock<Arc<dyn Store>>>,
}

impl Asked {
    /// What was said.
    #[must_use]
    pub fn new(address: Option<(String, &'static str)>, access: Access) -> Self {
        Self { address, access, open: Arc::default() }
    }
}

impl Desk {
    /// Where runs are kept.
    ///
    /// # Errors
    /// An address that is none; a document that cannot be read.
    pub fn store(&self) -> Result<Arc<dyn Store>, Box<Answer>> {
        if let Some(store) = self.store.open.get() {
            return Ok(Arc::clone(store));
        }
        let place = match &self.store.address {
            Some((address, from)) => parsed(address, from)?,
            None => documented(&self.folder)?.unwrap_or(Place::Folder(None)),
        };
        let place = match place {
            Place::Folder(Some(folder)) => Place::Folder(Some(self.folder.join(folder))),
            other => other,
        };
        let store = place.open(&self.own(), &self.store.access)?;
        Ok(Arc::clone(self.store.open.get_or_init(|| store)))
    }
}

fn parsed(address: &str, from: &str) -> Result<Place, Box<Answer>> {
    address.parse().map_err(|why: String| {
        let finding = Finding::new(Code::BadStore, format!("the address of the store in {from} cannot be used: {why}"));
        Answer::stop(
            Exit::Invalid,
            finding
                .help("write file:FOLDER, postgres://USER@HOST/DATABASE or etcd://HOST:2379/PREFIX")
                .help("a password stands in LIFEBOAT_STORE_PASSWORD, or in a file that LIFEBOAT_STORE_PASSWORD_FILE names"),
        )
    })
}

/// What the document says. Where it is there and cannot be read, the runs are nowhere: nobody shall look in the wrong place and find the
/// way free.
fn documented(folder: &Path) -> Result<Option<Place>, Box<Answer>> {
    let path: PathBuf = folder.join(FILE);
    let Ok(text) = std::fs::read_to_string(&path) else {
        return if path.exists() { Err(unreadable(&path)) } else { Ok(None) };
    };
    if !text.contains(Kind::Store.name()) {
        return Ok(None);
    }
    let mut sources = Sources::default();
    sources.add(FILE.to_owned(), text);
    let parsed = crate::document::parse(&sources);
    let stores: Vec<_> = parsed.documents.iter().filter(|d| d.kind == Kind::Store).collect();
    let wrong = stores.iter().any(|d| d.shape.is_none()) || stores.is_empty();
    let errors: Vec<Finding> =
        parsed.findings.into_iter().filter(|f| f.severity == Severity::Error).collect();
    if wrong && !errors.is_empty() {
        return Err(Box::new(Answer::with(Exit::Invalid, errors, sources)));
    }
    if stores.len() > 1 {
        let finding = Finding::new(Code::BadStore, "there is more than one store").about(FILE);
        return Err(Answer::stop(
            Exit::Invalid,
            finding.help("nobody can tell where the runs are; keep one"),
        ));
    }
    let address = stores.iter().find_map(|d| match &d.shape {
        Some(Shape::Store(store)) => Some(store.spec.url.clone()),
        _ => None,
    });
    address.map(|address| self::parsed(&address, FILE)).transpose()
}

fn unreadable(path: &Path) -> Box<Answer> {
    let finding = Finding::new(Code::FileUnreadable, "it cannot be told where the runs are kept");
    Answer::stop(Exit::Io, finding.about(shown(path)).help("say --store, or make the file readable"))
}
