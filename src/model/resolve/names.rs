//! Names that follow a machine, and the name servers that are told.

use super::hooks::secret;
use super::reader::Reader;
use super::ready::{OFTEN, at_least};
use crate::base::{Duration, SiteName};
use crate::diag::{Code, Finding};
use crate::document::check::nearest;
use crate::document::shape::bounds::Bounded;
use crate::document::shape::names as raw;
use crate::document::shape::words::{FollowingWord, KeyAlgorithmWord, OnceWord};
use crate::document::{Key, Kind};
use crate::domain::{KeyAlgorithm, NameServer, Once, RecordKind, ServerKey};
use crate::model::{FollowingName, Site};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU16;

const TTL: Duration = Duration::from_mins(1);
const WITHIN: Duration = Duration::from_secs(30);
/// A longer time is read as zero by others (RFC 2181, section 8).
const LONGEST: u32 = i32::MAX.unsigned_abs();

fn plain(name: &str) -> String {
    name.trim_end_matches('.').to_owned()
}

/// The name servers of a site.
pub(super) fn servers(reader: &mut Reader<'_>, raw: &[raw::NameServer]) -> Vec<NameServer> {
    let mut found = Vec::new();
    for (position, server) in raw.iter().enumerate() {
        let path = [Key::Name("spec"), Key::Name("nameServers"), Key::Index(position)];
        let key = |end: &'static str| [&path[..], &[Key::Name(end)]].concat();
        let name = reader.name(&server.name, &key("name"));
        let address = reader.address(&server.address, &key("address"));
        let signs = match &server.key {
            None => None,
            Some(said) => {
                let at = [&key("key")[..], &[Key::Name("secret")]].concat();
                let Some(secret) = secret(reader, &said.secret, &at) else { continue };
                let algorithm = match said.algorithm {
                    None | Some(KeyAlgorithmWord::HmacSha256) => KeyAlgorithm::HmacSha256,
                    Some(KeyAlgorithmWord::HmacSha384) => KeyAlgorithm::HmacSha384,
                    Some(KeyAlgorithmWord::HmacSha512) => KeyAlgorithm::HmacSha512,
                };
                Some(ServerKey { name: plain(said.name.as_str()), algorithm, secret })
            }
        };
        let Some((name, address)) = name.zip(address) else { continue };
        let (port, zone) = (server.port.map_or(53, NonZeroU16::get), plain(server.zone.as_str()));
        found.push(NameServer { name, address, port, zone, key: signs });
    }
    found
}

/// The names that follow a replica's machines. `sites` are those that are sound.
pub(super) fn following(
    reader: &mut Reader<'_>,
    raw: &[raw::FollowingName],
    sites: &BTreeMap<SiteName, Site>,
) -> Vec<FollowingName> {
    let mut found = Vec::new();
    for (position, one) in raw.iter().enumerate() {
        let path = [Key::Name("spec"), Key::Name("dns"), Key::Index(position)];
        let key = |end: &'static str| [&path[..], &[Key::Name(end)]].concat();
        let name = plain(one.name.as_str());
        let server = server(reader, one, sites, &path);
        let ttl = reader.duration(one.ttl.as_deref(), TTL, &key("ttl"));
        let within = reader.duration(one.within.as_deref(), WITHIN, &key("within"));
        at_least(reader, &key("within"), Some(within), OFTEN);
        let kind = match one.kind {
            None | Some(FollowingWord::A) => RecordKind::A,
            Some(FollowingWord::Aaaa) => RecordKind::Aaaa,
            Some(FollowingWord::Cname) => RecordKind::Cname,
        };
        let mut says = |said: &Option<String>, end: &'static str| {
            said.as_deref().and_then(|text| value(reader, text, kind, &key(end)))
        };
        let source = says(&one.source, "source");
        let replica = says(&one.replica, "replica");
        let target = says(&one.target, "target");
        if kind == RecordKind::Cname && (one.source.is_none() || one.replica.is_none()) {
            let finding =
                Finding::new(Code::NameUnfit, format!("nobody says what `{name}` is another name for"));
            reader.find(
                finding
                    .at(Some(reader.at(&key("type"))), "a name for another name")
                    .help("say both: `source: db.prod.example, replica: db.dr.example`"),
            );
        }
        let Some(server) = server else { continue };
        found.push(FollowingName {
            name,
            kind,
            server,
            ttl: u32::try_from(ttl.as_millis() / 1000).unwrap_or(LONGEST).min(LONGEST),
            source,
            replica,
            target,
            once: match one.once {
                Some(OnceWord::Started) => Once::Started,
                None | Some(OnceWord::Ready) => Once::Ready,
            },
            required: one.required.unwrap_or(true),
            attempts: one.retries.map_or(3, Bounded::get) + 1,
            within,
        });
    }
    found
}

/// What a record of a kind shall say.
fn value(reader: &mut Reader<'_>, text: &str, kind: RecordKind, path: &[Key<'_>]) -> Option<String> {
    let address: Option<IpAddr> = text.parse().ok();
    let fits = match kind {
        RecordKind::A => address.is_some_and(|a| a.is_ipv4()),
        RecordKind::Aaaa => address.is_some_and(|a| a.is_ipv6()),
        _ => address.is_none() && crate::document::shape::bounds::HostName::try_from(text.to_owned()).is_ok(),
    };
    if fits {
        return Some(address.map_or_else(|| plain(text), |a| a.to_string()));
    }
    let what = match kind {
        RecordKind::A => "no IPv4 address",
        RecordKind::Aaaa => "no IPv6 address",
        _ => "no name of a host",
    };
    let finding = Finding::new(Code::NameUnfit, format!("`{text}` is {what}"));
    reader.find(finding.at(Some(reader.at(path)), "this is what the record would say"));
    None
}

/// The name server that is told: the one that is named, or the only one in whose zone the name is.
fn server(
    reader: &mut Reader<'_>,
    one: &raw::FollowingName,
    sites: &BTreeMap<SiteName, Site>,
    path: &[Key<'_>],
) -> Option<NameServer> {
    let all = || sites.values().flat_map(|s| &s.name_servers);
    // What a site with errors declares is not known.
    let unsound =
        reader.origins.may_declare(Kind::Site) || reader.origins.names(Kind::Site).count() != sites.len();
    let name = one.name.as_str();
    let at = |end: &'static str| [path, &[Key::Name(end)]].concat();
    let Some(said) = &one.server else {
        let fitting: Vec<&NameServer> = all().filter(|s| s.holds(name)).collect();
        if let [only] = fitting.as_slice() {
            return Some((*only).clone());
        }
        if !unsound {
            let message = match fitting.len() {
                0 => format!("no name server has a zone in which `{name}` is"),
                n => format!("{n} name servers have a zone in which `{name}` is"),
            };
            let finding = Finding::new(Code::UnknownNameServer, message);
            let finding = finding.at(Some(reader.at(&at("name"))), "nobody is named to be told of it");
            reader.find(match fitting.first() {
                None => {
                    finding.help("a site declares name servers: `nameServers: [{ name, address, zone }]`")
                }
                Some(first) => finding.help(format!("say which one: `server: {}`", first.name)),
            });
        }
        return None;
    };
    let Some(found) = all().find(|s| s.name.as_str() == said) else {
        let near = nearest(said, all().map(|s| s.name.as_str())).map(str::to_owned);
        if near.is_some() || !unsound {
            let finding = Finding::new(Code::UnknownNameServer, format!("no name server is named `{said}`"))
                .at(Some(reader.at(&at("server"))), "not declared");
            reader.find(match near {
                Some(near) => finding.help(format!("a name server with a similar name is declared: {near}")),
                None => {
                    finding.help("a site declares name servers: `nameServers: [{ name, address, zone }]`")
                }
            });
        }
        return None;
    };
    if !found.holds(name) {
        let finding =
            Finding::new(Code::NameUnfit, format!("`{name}` is not in the zone of {said}, {}", found.zone));
        reader.find(finding.at(Some(reader.at(&at("name"))), "this name"));
        return None;
    }
    Some(found.clone())
}
