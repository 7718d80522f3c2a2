//! Names that follow a machine: what a record of a name server shall say once another machine serves. Values alone.

use crate::base::{Duration, EntryName, ReplicaName};
use crate::domain::{RecordKind, Secret};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A name server that takes changes (RFC 2136).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NameServer {
    /// What the documents call it.
    pub name: EntryName,
    /// Where it is.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// The zone in which it takes changes, without the dot at its end.
    pub zone: String,
    /// What changes are signed with (TSIG, RFC 8945).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<ServerKey>,
}

impl NameServer {
    /// Whether a name is in its zone.
    #[must_use]
    pub fn holds(&self, name: &str) -> bool {
        let (name, zone) = (bare(name), bare(&self.zone));
        name == zone || name.strip_suffix(&zone).is_some_and(|rest| rest.ends_with('.'))
    }
}

/// A key that a name server knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerKey {
    /// Its name, as the server knows it.
    pub name: String,
    /// What it signs with.
    pub algorithm: KeyAlgorithm,
    /// Where the key itself is, in base 64.
    pub secret: Secret,
}

/// How a key signs. What is broken or going out of use, MD5 and SHA-1, is not among them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyAlgorithm {
    /// With SHA-256.
    #[default]
    HmacSha256,
    /// With SHA-384.
    HmacSha384,
    /// With SHA-512.
    HmacSha512,
}

/// From when on a name leads to a machine that was started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Once {
    /// As soon as it was started.
    Started,
    /// When it is ready.
    #[default]
    Ready,
}

/// The change of a name's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cutover {
    /// Whose machine it leads to.
    pub replica: ReplicaName,
    /// The name, without the dot at its end.
    pub name: String,
    /// The kind of record.
    #[serde(rename = "type")]
    pub kind: RecordKind,
    /// How long others may remember it, in seconds.
    pub ttl: u32,
    /// Who is told.
    pub server: NameServer,
    /// What the record shall say, and nothing else.
    pub to: String,
    /// What it may say before: what leads to another machine of this replica. A record that says something else is somebody else's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<String>,
    /// Whether it leads to a replica at the address of its source: where both run, whoever asks finds either.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kept: bool,
    /// From when on.
    #[serde(default)]
    pub once: Once,
    /// Whether the run fails where it cannot be done.
    pub required: bool,
    /// How often it is tried.
    pub attempts: u32,
    /// How long one attempt may take.
    pub within: Duration,
}

impl Cutover {
    /// The word for it, by which faults of the simulator name it.
    pub const WORD: &'static str = "cut-over";

    /// Whether a record says what it shall.
    #[must_use]
    pub fn is_done(&self, says: &[String]) -> bool {
        matches!(says, [one] if is_same(one, &self.to))
    }

    /// Whether a record is this replica's to change: nobody's yet, or one that leads to its machines alone.
    #[must_use]
    pub fn is_own(&self, says: &[String]) -> bool {
        let own = |one: &String| self.from.iter().chain([&self.to]).any(|known| is_same(known, one));
        says.iter().all(own)
    }
}

/// A name as it is compared: in lower case, without the dot at its end.
#[must_use]
pub fn bare(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// Whether two names are one, however they are written.
#[must_use]
pub fn is_same(one: &str, other: &str) -> bool {
    one.trim_end_matches('.').eq_ignore_ascii_case(other.trim_end_matches('.'))
}

/// A name, for tests of this floor and of those above.
#[cfg(test)]
pub(crate) mod sample {
    use super::*;

    pub(crate) fn server(zone: &str) -> NameServer {
        NameServer {
            name: EntryName::new("main").unwrap(),
            address: [127, 0, 0, 1].into(),
            port: 53,
            zone: zone.to_owned(),
            key: None,
        }
    }

    pub(crate) fn cutover() -> Cutover {
        Cutover {
            replica: ReplicaName::new("web").unwrap(),
            name: "www.shop.example".to_owned(),
            kind: RecordKind::A,
            ttl: 60,
            server: server("shop.example"),
            to: "10.2.0.8".to_owned(),
            from: vec!["10.1.0.8".to_owned()],
            kept: false,
            once: Once::Ready,
            required: true,
            attempts: 1,
            within: Duration::from_secs(30),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::sample::{cutover, server};

    #[test]
    fn a_zone_holds_its_own_name_and_those_below() {
        let zone = server("shop.example");
        for (name, held) in [
            ("shop.example", true),
            ("WWW.Shop.Example.", true),
            ("a.b.shop.example", true),
            ("workshop.example", false),
            ("example", false),
        ] {
            assert_eq!(zone.holds(name), held, "{name}");
        }
    }

    #[test]
    fn a_record_is_done_own_or_somebody_elses() {
        let says = |all: &[&str]| all.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        for (found, done, own) in [
            (&["10.2.0.8"][..], true, true),
            (&["10.1.0.8"], false, true),
            (&[], false, true),
            (&["10.1.0.8", "10.2.0.8"], false, true),
            (&["10.9.9.9"], false, false),
            (&["10.2.0.8", "10.9.9.9"], false, false),
        ] {
            let found = says(found);
            assert_eq!((cutover().is_done(&found), cutover().is_own(&found)), (done, own), "{found:?}");
        }
    }
}
