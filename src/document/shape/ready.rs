//! When a replica is ready: questions, put together.

use super::bounds::{AbsolutePath, Bounded, HeaderName, HostName, HttpPath, NonEmpty};
use super::replica::Because;
use super::words::{AtEndWord, MethodWord, RecordWord};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::num::{NonZeroU16, NonZeroU32};

/// When a replica is ready; exactly one of `all`, `any` and `atLeast`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Ready {
    /// All of these must answer.
    pub all: Option<Vec<Part>>,
    /// One of these must answer.
    pub any: Option<NonEmpty<Part>>,
    /// So many of these must answer.
    pub at_least: Option<AtLeast>,
    /// For so long without a break. Default 0s.
    pub stable: Option<String>,
    /// Asked so often. Default 2s.
    pub every: Option<String>,
    /// Within so much time. Default 5m.
    pub within: Option<String>,
    /// What happens where it is not ready by then. Default `stop`: the wait has failed.
    pub otherwise: Option<AtEndWord>,
}

/// A question, or questions put together; exactly one of `tcp`, `http`, `dns`, `command`, `guest`, `all`, `any` and `atLeast`. Its times are those
/// of what it stands in where it does not say them itself.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Part {
    /// A TCP port answers.
    pub tcp: Option<Tcp>,
    /// A web server answers.
    pub http: Option<Http>,
    /// A name server answers.
    pub dns: Option<Dns>,
    /// A command ends well that is run where Lifeboat runs.
    pub command: Option<Command>,
    /// The guest answers: its agent or heartbeat.
    pub guest: Option<Guest>,
    /// All of these.
    pub all: Option<NonEmpty<Self>>,
    /// One of these.
    pub any: Option<NonEmpty<Self>>,
    /// So many of these.
    pub at_least: Option<AtLeast>,
    /// For so long without a break.
    pub stable: Option<String>,
    /// Asked so often.
    pub every: Option<String>,
    /// Given up where it has not been so by then.
    pub within: Option<String>,
}

/// So many of some.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AtLeast {
    /// How many.
    pub count: NonZeroU32,
    /// Of which.
    pub of: NonEmpty<Part>,
}

/// A TCP port.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tcp {
    /// The port.
    pub port: NonZeroU16,
}

/// A web server.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// The port. Default 80, with `tls` 443.
    pub port: Option<NonZeroU16>,
    /// What it is asked for. Default `/`.
    pub path: Option<HttpPath>,
    /// How it is asked. Default `GET`.
    pub method: Option<MethodWord>,
    /// The status that it must answer with. By default any from 200 to 299. It is not followed anywhere else.
    pub status: Option<Bounded<100, 599>>,
    /// What its body must say, in the first MiB.
    pub body: Option<Body>,
    /// A header that it must answer with.
    pub header: Option<Header>,
    /// It speaks TLS.
    pub tls: Option<Tls>,
}

/// What a body must say; exactly one of `contains` and `matches`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Body {
    /// This stands in it.
    pub contains: Option<String>,
    /// This regular expression fits somewhere in it.
    pub matches: Option<String>,
}

/// A header of an answer.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Its name.
    pub name: HeaderName,
    /// Its value. Default: any.
    pub is: Option<String>,
}

/// Who a web server must prove to be. At most one of `ca` and `insecure`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Tls {
    /// The name that its certificate must be for. Default: the address of the machine.
    pub server_name: Option<HostName>,
    /// A file with the certificates that may vouch for it, where Lifeboat runs. Default: those of the system.
    pub ca: Option<AbsolutePath>,
    /// Nothing is checked.
    pub insecure: Option<Because>,
}

/// A name server.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dns {
    /// The name that it is asked for.
    pub name: HostName,
    /// The kind of record. Default `A`.
    #[serde(rename = "type")]
    pub kind: Option<RecordWord>,
    /// The address of the name server. Default: the machine itself.
    pub server: Option<String>,
    /// Its port. Default 53.
    pub port: Option<NonZeroU16>,
    /// What must be among the answers. Default: any answer will do.
    pub expect: Option<NonEmpty<String>>,
}

/// A command.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The program and its arguments. There is no shell.
    pub run: NonEmpty<String>,
    /// The folder that it runs in. Default: that of Lifeboat.
    #[serde(rename = "in")]
    pub folder: Option<AbsolutePath>,
    /// What is added to its environment. It is no place for secrets: it stands in every plan.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// How long it may take before it is ended with all that it started. Default 10s.
    pub timeout: Option<String>,
}

/// The guest.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Guest {}
