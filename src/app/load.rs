//! The documents of a workspace: every `*.yaml` and `*.yml` below its folder, hidden folders and `target` left out.

use super::store::FILE;
use super::{Answer, Desk, Exit, shown, signers};
use crate::base::Digest;
use crate::diag::{Code, Finding, Severity, Sources, finding::sort};
use crate::document::{Document, Parsed, Shape};
use crate::journal::Place;
use crate::model::{Key, Kind, Origins, Workspace};
use std::path::{Path, PathBuf};

/// A workspace as it was read.
pub struct Loaded {
    /// The texts.
    pub sources: Sources,
    /// What they mean.
    pub workspace: Workspace,
    /// The places.
    pub origins: Origins,
    /// All findings, in their order.
    pub findings: Vec<Finding>,
    /// The files' digests.
    pub documents: Vec<(String, Digest)>,
    /// The allowed signers, as their file is.
    pub signers: Option<String>,
}

impl Loaded {
    /// Whether there are errors.
    pub fn unsound(&self) -> bool {
        self.findings.iter().any(|f| f.severity == Severity::Error)
    }

    /// For whoever needs no approvals: allowed signers that cannot be read stand in nobody's way.
    pub fn unsigned(mut self) -> Self {
        for finding in &mut self.findings {
            if matches!(finding.code, Code::SignersUnfit | Code::NeverApproved) {
                finding.severity = Severity::Warning;
            }
        }
        self
    }

    /// Ends the command where there are errors, but for those of allowed signers: whether they matter is known with the plan.
    pub fn sound_but_signers(self) -> Result<Self, Box<Answer>> {
        let signing = |f: &&Finding| matches!(f.code, Code::SignersUnfit | Code::NeverApproved);
        if self.findings.iter().filter(|f| !signing(f)).any(|f| f.severity == Severity::Error) {
            self.sound()
        } else {
            Ok(self)
        }
    }

    /// Ends the command where there are errors.
    pub fn sound(self) -> Result<Self, Box<Answer>> {
        if self.unsound() {
            Err(Box::new(Answer::with(Exit::Invalid, self.findings, self.sources)))
        } else {
            Ok(self)
        }
    }
}

/// Reads the workspace.
pub fn load(desk: &Desk) -> Result<Loaded, Box<Answer>> {
    let mut files = Vec::new();
    collect(&desk.folder, &mut files).map_err(|(path, error)| {
        let finding = Finding::new(Code::FileUnreadable, format!("the workspace cannot be read: {error}"));
        Answer::stop(Exit::Io, finding.about(shown(&path)).help("name the workspace's folder with -C"))
    })?;
    files.sort();
    let (mut sources, mut findings, mut documents) = (Sources::default(), Vec::new(), Vec::new());
    for path in files {
        let name = relative(&desk.folder, &path);
        let bytes = std::fs::read(&path).map_err(|error| {
            let finding = Finding::new(Code::FileUnreadable, format!("`{name}` cannot be read: {error}"));
            Answer::stop(Exit::Io, finding.about(shown(&path)))
        })?;
        documents.push((name.clone(), Digest::of(&bytes)));
        match String::from_utf8(bytes) {
            Ok(text) => drop(sources.add(name, text)),
            Err(error) => findings.push(
                Finding::new(Code::NotUtf8, format!("`{name}` is no UTF-8 text"))
                    .about(format!("byte {}", error.utf8_error().valid_up_to())),
            ),
        }
    }
    let mut parsed = crate::document::parse(&sources);
    let stores = addresses(&parsed, &sources);
    if !findings.is_empty() {
        parsed.unread();
    }
    if parsed.documents.is_empty() && parsed.findings.is_empty() && findings.is_empty() {
        findings.push(
            Finding::new(Code::NoDocuments, "the workspace has no documents")
                .about(shown(&desk.folder))
                .help("`lifeboat init` writes a small workspace; -C names another folder"),
        );
    }
    let resolved = crate::model::resolve(parsed, &sources);
    findings.extend(resolved.findings);
    findings.extend(stores.iter().enumerate().filter_map(|(nth, store)| store.wrong(nth, &resolved.origins)));
    let (workspace, origins) = (resolved.workspace, resolved.origins);
    // A policy that cannot be read may be the one that names them.
    let mut allowed = None;
    if findings.iter().all(|f| f.severity != Severity::Error) {
        match signers::read(&desk.folder, &workspace, &origins) {
            Ok((signers, more)) => {
                findings.extend(more);
                allowed = signers;
            }
            Err(finding) => findings.push(*finding),
        }
    }
    sort(&mut findings);
    Ok(Loaded { sources, workspace, origins, findings, documents, signers: allowed })
}

/// What a document says of the store.
struct Address {
    document: String,
    file: String,
    url: String,
}

fn addresses(parsed: &Parsed, sources: &Sources) -> Vec<Address> {
    let one = |document: &Document| {
        let Some(Shape::Store(store)) = &document.shape else { return None };
        let file = sources.get(document.file).map_or_else(String::new, |f| f.name.clone());
        Some(Address { document: document.name.clone(), file, url: store.spec.url.clone() })
    };
    parsed.documents.iter().filter_map(one).collect()
}

impl Address {
    /// Why it cannot be used: it must stand where every command looks for it, alone, and be an address.
    fn wrong(&self, nth: usize, origins: &Origins) -> Option<Finding> {
        let url = [Key::Name("spec"), Key::Name("url")];
        let (what, at) = if self.file != FILE {
            ("the store stands in another file".to_owned(), origins.name(Kind::Store, &self.document))
        } else if nth > 0 {
            ("there is more than one store".to_owned(), origins.name(Kind::Store, &self.document))
        } else {
            let why = self.url.parse::<Place>().err()?;
            (
                format!("the address of the store cannot be used: {why}"),
                origins.at(Kind::Store, &self.document, &url),
            )
        };
        let help = "a workspace has one store, in the file lifeboat.yaml in its own folder";
        let finding = Finding::new(Code::BadStore, what).help(help);
        // What is pointed at is shown, and logs are read by many.
        Some(if self.has_secret() { finding.about(self.file.clone()) } else { finding.at(at, "here") })
    }

    /// Whether a password may stand in it, in whatever form.
    fn has_secret(&self) -> bool {
        let authority = self.url.split_once("//").map_or(self.url.as_str(), |(_, rest)| rest);
        let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
        user.contains(':') || self.url.to_lowercase().contains("password")
    }
}

/// The first file that holds, or may hold, documents of a workspace in this folder.
pub fn first_document(folder: &Path) -> Option<PathBuf> {
    let mut files = Vec::new();
    // What cannot be read cannot be told from documents; writing will say what is wrong with the folder.
    collect(folder, &mut files).ok()?;
    files.sort();
    files.into_iter().next()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), (PathBuf, std::io::Error)> {
    let failed = |error| (folder.to_owned(), error);
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (path, name) = (entry.path(), entry.file_name());
        let hidden = name.to_str().is_none_or(|n| n.starts_with('.'));
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() && !hidden && name != "target" {
            collect(&path, files)?;
        } else if !kind.is_dir() && !hidden && path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            files.push(path);
        }
    }
    Ok(())
}

fn relative(folder: &Path, path: &Path) -> String {
    let parts = path.strip_prefix(folder).unwrap_or(path).components();
    parts.map(|c| c.as_os_str().to_string_lossy().into_owned()).collect::<Vec<_>>().join("/")
}
