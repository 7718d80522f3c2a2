//! Names that follow a machine, and the name servers that are told.

use super::bounds::{Bounded, HostName};
use super::hooks::Secret;
use super::words::{FollowingWord, KeyAlgorithmWord, OnceWord};
use schemars::JsonSchema;
use serde::Deserialize;
use std::num::NonZeroU16;

/// A name server that takes changes (RFC 2136), over TCP.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NameServer {
    /// What replicas call it.
    pub name: String,
    /// Where it is: the primary of its zone.
    pub address: String,
    /// Its port. Default 53.
    pub port: Option<NonZeroU16>,
    /// The zone in which it takes changes.
    pub zone: HostName,
    /// What changes are signed with (TSIG). Default: they are not signed.
    pub key: Option<ServerKey>,
}

/// A key that a name server knows.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerKey {
    /// Its name there.
    pub name: HostName,
    /// How it signs. Default `hmac-sha256`.
    pub algorithm: Option<KeyAlgorithmWord>,
    /// Where the key itself is, in base 64.
    pub secret: Secret,
}

/// A name that leads to the machine that serves: after a failover to the replica, after the way back to the source again.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FollowingName {
    /// The name.
    pub name: HostName,
    /// The kind of record. Default `A`.
    #[serde(rename = "type")]
    pub kind: Option<FollowingWord>,
    /// The name server that is told. Default: the only one in whose zone the name is.
    pub server: Option<String>,
    /// How long others may remember it. Default 1m.
    pub ttl: Option<String>,
    /// What it says while the source serves. Default: the address of the source.
    pub source: Option<String>,
    /// What it says while the replica serves. Default: the address that the replica gets.
    pub replica: Option<String>,
    /// What it says after a failback to another machine than the source. Default: the address of that machine.
    pub target: Option<String>,
    /// From when on it leads to a machine that was started. Default `ready`.
    pub once: Option<OnceWord>,
    /// Whether the run fails where the name cannot be changed. Default true; `false` makes it an exception.
    pub required: Option<bool>,
    /// How often it is tried again. Default 3.
    pub retries: Option<Bounded<0, 20>>,
    /// How long one attempt may take. Default 30s.
    pub within: Option<String>,
}
