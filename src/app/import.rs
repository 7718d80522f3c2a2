//! `lifeboat import URI URI`: the documents of two hosts, from what they have.

use super::{Answer, Exit, Said, shown};
use crate::base::SiteName;
use crate::diag::{Code, Finding};
use crate::port::SurveyedSite;
use crate::provider::libvirt::survey::survey;
use crate::report::import::documents;
use std::path::Path;

/// Carries the command out. Each host is a URI of libvirt's, with a name for its site before it (`name=URI`) or without.
///
/// # Errors
/// An early end.
pub async fn import(hosts: &[String], out: Option<&Path>) -> Said {
    if let Some(out) = out.filter(|out| out.exists()) {
        let finding = Finding::new(Code::WorkspaceExists, "there is such a file already").about(shown(out));
        return Err(Answer::stop(Exit::Invalid, finding.help("nothing was changed; name another file")));
    }
    let mut found = Vec::new();
    for (host, name) in hosts.iter().zip(["production", "recovery"]) {
        found.push(look(host, name).await?);
    }
    let [production, recovery] = found.as_slice() else {
        let finding = Finding::new(Code::UnknownValue, "an import takes two hosts");
        return Err(Answer::stop(
            Exit::Invalid,
            finding.help("name the production host and the recovery host"),
        ));
    };
    if production.name == recovery.name {
        let finding = Finding::new(Code::UnknownValue, format!("both sites are called {}", recovery.name));
        return Err(Answer::stop(
            Exit::Invalid,
            finding.help("say another name before a URI: recovery=qemu:///system"),
        ));
    }
    let (text, count) = documents(production, recovery);
    let json = serde_json::json!({ "format": 1, "type": "import", "replicas": count, "file": out.map(shown), "text": text });
    let Some(out) = out else { return Ok(Answer::ok(text, json)) };
    super::write_file(out, text.as_bytes())?;
    let s = if count == 1 { "" } else { "s" };
    let human = format!(
        "Wrote {} with {count} replica{s}.\nNext: read it, decide what it asks for, and `lifeboat validate`\n",
        shown(out)
    );
    Ok(Answer::ok(human, json))
}

async fn look(host: &str, name: &'static str) -> Result<SurveyedSite, Box<Answer>> {
    // A URI has its own `=` in its parameters, behind its scheme.
    let (name, uri) = match host.split_once('=') {
        Some((name, uri)) if !name.contains(':') => (name, uri),
        _ => (name, host),
    };
    let wrong = |what: String, help: &str| {
        Answer::stop(Exit::Invalid, Finding::new(Code::UnknownValue, what).help(help))
    };
    let example = "write it like qemu:///system or recovery=qemu+ssh://root@kvm-b.example/system";
    let name =
        SiteName::new(name).map_err(|e| wrong(format!("`{name}` is no name of a site: {e}"), example))?;
    if !uri.starts_with("qemu") || !uri.contains("://") {
        return Err(wrong(format!("`{uri}` is no URI of libvirt's QEMU driver"), example));
    }
    let has = survey(&name, uri).await.map_err(|why| {
        let finding =
            Finding::new(Code::SiteSilent, why.to_string()).help(format!("try `virsh -c {uri} list --all`"));
        Answer::stop(Exit::Invalid, finding)
    })?;
    Ok(SurveyedSite { name, uri: uri.to_owned(), has })
}
