//! A name has one machine that it follows, and a name server one name.

use crate::diag::{Code, Finding};
use crate::document::{Key, Kind};
use crate::domain::{RecordKind, cutover::bare};
use crate::model::{Origins, Workspace};
use std::collections::BTreeMap;

/// A replica that claims a name, the position of the name in its document, and the kind of record.
type Claim<'a> = (&'a str, usize, RecordKind);

/// Finds names that follow two machines, and name servers of one name.
pub fn check(workspace: &Workspace, origins: &Origins, findings: &mut Vec<Finding>) {
    let mut known: BTreeMap<&str, (&str, usize)> = BTreeMap::new();
    for site in workspace.sites.values() {
        for (position, server) in site.name_servers.iter().enumerate() {
            let at = |(site, position): (&str, usize)| {
                let path = ["spec", "nameServers", "", "name"]
                    .map(|key| if key.is_empty() { Key::Index(position) } else { Key::Name(key) });
                origins.at(Kind::Site, site, &path)
            };
            let here = (site.name.as_str(), position);
            if let Some(first) = known.insert(server.name.as_str(), here) {
                let message = format!("two name servers are named `{}`", server.name);
                let finding = Finding::new(Code::NameServerTwice, message).at(at(here), "here again");
                findings.push(finding.at(at(first), "here first").help("rename one of them"));
            }
        }
    }
    let mut claimed: BTreeMap<(String, &str), Vec<Claim<'_>>> = BTreeMap::new();
    for replica in workspace.replicas.values() {
        for (position, name) in replica.dns.iter().enumerate() {
            let at = |replica: &str, position: usize| {
                let path = [Key::Name("spec"), Key::Name("dns"), Key::Index(position), Key::Name("name")];
                origins.at(Kind::Replica, replica, &path)
            };
            let own = replica.name.as_str();
            let claims = claimed.entry((bare(&name.name), name.server.name.as_str())).or_default();
            // Beside a name for another name nothing may stand (RFC 1034, section 3.6.2).
            let clash = claims.iter().find(|(_, _, kind)| {
                *kind == name.kind || *kind == RecordKind::Cname || name.kind == RecordKind::Cname
            });
            if let Some((other, first, _)) = clash {
                let message = format!("the name `{}` follows two machines", name.name);
                findings.push(
                    Finding::new(Code::NameTwice, message)
                        .at(at(own, position), format!("that of `{own}`"))
                        .at(at(other, *first), format!("that of `{other}`"))
                        .help("give each machine a name of its own, and let a load balancer or several names lead to all of them"),
                );
            }
            claims.push((own, position, name.kind));
        }
    }
}
