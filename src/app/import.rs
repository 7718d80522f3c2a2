//! `lifeboat import [URI…]`: the documents of hosts, from what they have; without a URI, those that a workspace's own sites lack.

use super::load::load;
use super::{Answer, Desk, Exit, Said, shown, unwritten};
use crate::base::SiteName;
use crate::diag::{Code, Finding};
use crate::model::{Workspace, reached};
use crate::port::{LibvirtSpec, ProviderSpec, SurveyedSite};
use crate::provider::libvirt::survey::{settings, survey};
use crate::report::import::{Documents, Import, documents};
use crate::report::words::count;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What is asked.
#[derive(Debug)]
pub struct Ask {
    /// The hosts: URIs of libvirt's, each with a name for its site before it (`name=URI`) or without. None: the sites of the workspace.
    pub hosts: Vec<String>,
    /// The site that the machines of the others are replicated to.
    pub recovery: Option<String>,
    /// Where the documents are written: a file, or a folder.
    pub out: Option<PathBuf>,
}

const EXAMPLE: &str = "write it like qemu:///system or recovery=qemu+ssh://root@kvm-b.example/system";
/// What sites are called where nothing is said, in the order of the hosts.
const NAMES: [&str; 2] = ["production", "recovery"];

/// Carries the command out.
///
/// # Errors
/// An early end.
pub async fn import(desk: &Desk, ask: &Ask) -> Said {
    // The hosts are not asked for what could not be written.
    let target = ask.out.as_deref().map(Target::new);
    if let Some(target) = &target {
        target.free(&["sites.yaml", "replicas.yaml", "runbooks.yaml"], ask.hosts.is_empty())?;
    }
    let loaded = if ask.hosts.is_empty() { Some(load(desk)?.sound()?) } else { None };
    let workspace = loaded.as_ref().map(|l| &l.workspace);
    let hosts = match workspace {
        Some(workspace) => of_workspace(workspace)?,
        None => of_uris(&ask.hosts)?,
    };
    let recovery = recovery(ask, &hosts, workspace)?;
    let mut sites = Vec::new();
    for (mut site, spec) in hosts {
        let typed = format!("virsh -c {} list --all", spec.uri);
        site.has = survey(&site.name, spec).await.map_err(|why| {
            Answer::stop(
                Exit::Invalid,
                Finding::new(Code::SiteSilent, why.to_string()).help(format!("try `{typed}`")),
            )
        })?;
        sites.push(site);
    }
    let made = documents(&Import { sites: &sites, recovery, workspace });
    let files = match &target {
        Some(target) if made.count > 0 => target.write(&made)?,
        _ => Vec::new(),
    };
    let json = desk.json(|| {
        let files: Vec<String> = files.iter().map(|f| shown(f)).collect();
        serde_json::json!({
            "format": 1, "type": "import", "replicas": made.replicas, "decide": made.open, "leftOut": made.left_out,
            "files": files, "text": made.whole(),
        })
    });
    Ok(Answer::ok(human(&made, &files, target.as_ref()), json))
}

fn human(made: &Documents, files: &[PathBuf], target: Option<&Target<'_>>) -> String {
    // Without a document there are only comments.
    if made.count == 0 {
        let texts: String = made.parts.iter().map(|(_, text)| text.as_str()).collect();
        return format!(
            "# Nothing is missing: every machine that can be replicated, and is on, has its document.\n{texts}"
        );
    }
    let Some(target) = target else { return made.whole() };
    let stops = match made.open {
        0 => String::new(),
        n => format!(", which stops at {} where nothing could be assumed", count(n, "place")),
    };
    let with = match target {
        Target::File(_) => String::new(),
        Target::Folder(folder) => format!(" -C {}", shown(folder)),
    };
    let names: Vec<String> = files.iter().map(|f| shown(f)).collect();
    format!(
        "Wrote {} with {}.\nNext: read it, decide what it asks for, and `lifeboat{with} validate`{stops}\n",
        names.join(", "),
        count(made.replicas, "replica")
    )
}

/// Where documents are written.
enum Target<'a> {
    File(&'a Path),
    Folder(&'a Path),
}

impl<'a> Target<'a> {
    /// A name that a workspace would read is that of a file.
    fn new(path: &'a Path) -> Self {
        let file = path.extension().is_some_and(|e| e == "yaml" || e == "yml");
        if file { Self::File(path) } else { Self::Folder(path) }
    }

    fn path(&self, part: &str) -> PathBuf {
        match self {
            Self::File(path) => path.to_path_buf(),
            Self::Folder(folder) => folder.join(part),
        }
    }

    /// Nothing that is there is written over; and new documents do not come to lie beside others that they know nothing of.
    fn free(&self, parts: &[&str], beside: bool) -> Result<(), Box<Answer>> {
        let there = parts.iter().map(|part| self.path(part)).find(|p| p.symlink_metadata().is_ok());
        let other = match self {
            Self::Folder(folder) if !beside => super::load::first_document(folder),
            Self::Folder(_) | Self::File(_) => None,
        };
        match there.or(other) {
            Some(path) => Err(taken(&path)),
            None => Ok(()),
        }
    }

    fn write(&self, made: &Documents) -> Result<Vec<PathBuf>, Box<Answer>> {
        if let Self::Folder(folder) = self {
            std::fs::create_dir_all(folder).map_err(|e| unwritten(folder, &e))?;
        }
        let texts: Vec<(PathBuf, String)> = match self {
            Self::File(path) => vec![(path.to_path_buf(), made.whole())],
            Self::Folder(_) => made.files().map(|(part, text)| (self.path(part), text)).collect(),
        };
        for (number, (path, text)) in texts.iter().enumerate() {
            if let Err(error) = create(path, text) {
                // All or nothing: what was written by this very command goes again.
                for (written, _) in texts.iter().take(number) {
                    drop(std::fs::remove_file(written));
                }
                let exists = error.kind() == std::io::ErrorKind::AlreadyExists;
                return Err(if exists { taken(path) } else { unwritten(path, &error) });
            }
        }
        Ok(texts.into_iter().map(|(path, _)| path).collect())
    }
}

/// Writes a file that is not there yet, whole or not at all.
fn create(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(path)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        drop(std::fs::remove_file(path));
    }
    written
}

fn taken(path: &Path) -> Box<Answer> {
    let finding = Finding::new(Code::WorkspaceExists, "there is such a file already").about(shown(path));
    Answer::stop(Exit::Invalid, finding.help("nothing was changed; name another file or folder"))
}

type Hosts = Vec<(SurveyedSite, LibvirtSpec)>;

fn of_uris(hosts: &[String]) -> Result<Hosts, Box<Answer>> {
    let (mut found, mut names) = (Hosts::new(), BTreeSet::new());
    for (position, host) in hosts.iter().enumerate() {
        // A URI has its own `=` in its parameters, behind its scheme.
        let (name, uri) = match host.split_once('=') {
            Some((name, uri)) if !name.contains(':') => (name.to_owned(), uri),
            _ => (
                NAMES.get(position).map_or_else(|| format!("host-{}", position + 1), |n| (*n).to_owned()),
                host.as_str(),
            ),
        };
        let stop =
            |code, what: String, help: &str| Answer::stop(Exit::Invalid, Finding::new(code, what).help(help));
        let name = SiteName::new(&name)
            .map_err(|e| stop(Code::BadName, format!("`{name}` is no name of a site: {e}"), EXAMPLE))?;
        let Some(way) = reached(uri) else {
            return Err(stop(
                Code::UnknownValue,
                format!("`{uri}` is no URI of libvirt's QEMU driver"),
                EXAMPLE,
            ));
        };
        if !names.insert(name.clone()) {
            let help = "say another name before a URI: recovery=qemu:///system";
            return Err(stop(Code::DuplicateName, format!("two sites are named `{name}`"), help));
        }
        let site = SurveyedSite { name, uri: uri.to_owned(), address: way.address, has: Default::default() };
        found.push((site, settings(uri, way.run)));
    }
    Ok(found)
}

fn of_workspace(workspace: &Workspace) -> Result<Hosts, Box<Answer>> {
    let host = |site: &crate::model::Site| match &site.provider {
        ProviderSpec::Libvirt(spec) => {
            let (name, uri) = (site.name.clone(), spec.uri.clone());
            Some((SurveyedSite { name, uri, address: None, has: Default::default() }, spec.clone()))
        }
        ProviderSpec::Simulator(_) => None,
    };
    let found: Hosts = workspace.sites.values().filter_map(host).collect();
    if found.is_empty() {
        let finding = Finding::new(Code::NoHosts, "the workspace has no site of libvirt to look at");
        return Err(Answer::stop(
            Exit::Invalid,
            finding.help("name the hosts: `lifeboat import qemu+ssh://root@kvm-a.example/system qemu:///system --out DIR`"),
        ));
    }
    Ok(found)
}

/// The site that machines are replicated to: the one that is named; the one that all replicas go to; the one called `recovery`; of hosts
/// that are named by their URIs, the second.
fn recovery(ask: &Ask, hosts: &Hosts, workspace: Option<&Workspace>) -> Result<SiteName, Box<Answer>> {
    let stop = |what: String| {
        let names: Vec<&str> = hosts.iter().map(|(site, _)| site.name.as_str()).collect();
        let help = format!("say which one with `--recovery SITE`: {}", names.join(", "));
        Answer::stop(Exit::Invalid, Finding::new(Code::NoHosts, what).help(help))
    };
    let find = |name: &str| hosts.iter().map(|(site, _)| &site.name).find(|n| n.as_str() == name).cloned();
    if let Some(name) = &ask.recovery {
        return find(name).ok_or_else(|| stop(format!("none of the hosts is the site `{name}`")));
    }
    let used: BTreeSet<&SiteName> =
        workspace.into_iter().flat_map(|w| w.replicas.values()).map(|r| &r.replica.site).collect();
    let usual = match used.first() {
        Some(only) if used.len() == 1 => Some((*only).clone()),
        _ => None,
    };
    let second = || match (workspace, hosts.as_slice()) {
        (None, [_, (second, _), ..]) => Some(second.name.clone()),
        // One host alone is that of production: the other one is to be named yet.
        (None, [_]) => SiteName::new(NAMES[1]).ok(),
        _ => None,
    };
    usual
        .or_else(|| find(NAMES[1]))
        .or_else(second)
        .ok_or_else(|| stop("which of the sites is the recovery site is not known".to_owned()))
}
