//! Questions by which it is known whether a machine is ready, and why one is not answered as it should be.

use crate::base::Duration;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A question to a guest, to a port of it, or about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Probe {
    /// The guest has booted: its agent or heartbeat answers.
    Guest,
    /// A TCP port answers.
    Tcp {
        /// The port.
        port: u16,
    },
    /// A web server answers.
    Http(HttpProbe),
    /// A name server answers.
    Dns(DnsProbe),
    /// A command of the runner's ends well.
    Command(CommandProbe),
}

/// What a web server is asked, and what it must answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpProbe {
    /// The port.
    pub port: u16,
    /// What it is asked for, as `/healthz`.
    pub path: String,
    /// How it is asked.
    #[serde(default)]
    pub method: Method,
    /// The status that it answers with; any of success, 200 to 299, where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What its body must say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Saying>,
    /// A header that it must answer with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<Header>,
    /// How it is known that it is the right one; without TLS where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
}

impl HttpProbe {
    /// Asked for a path at a port without TLS, and any success will do.
    #[must_use]
    pub fn plain(port: u16, path: &str) -> Self {
        let path = path.to_owned();
        Self { port, path, method: Method::Get, status: None, body: None, header: None, tls: None }
    }
}

/// How a web server is asked. A probe changes nothing, so there are no others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// For the whole answer.
    #[default]
    Get,
    /// For its head alone.
    Head,
}

/// What a text must say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Saying {
    /// This stands in it.
    Contains(String),
    /// This regular expression fits somewhere in it.
    Matches(String),
}

/// A header of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value; any where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is: Option<String>,
}

/// Who a server must prove to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// The name that its certificate must be for; the machine's address where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// The file of the certificates that may vouch for it; the system's where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// Why nothing is checked, where nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insecure: Option<String>,
}

/// What a name server is asked, and what it must answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DnsProbe {
    /// The name.
    pub name: String,
    /// The kind of record.
    #[serde(rename = "type")]
    pub kind: RecordKind,
    /// The name server; the machine itself where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<IpAddr>,
    /// Its port.
    pub port: u16,
    /// What must be among the answers; any answer will do where nothing is said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<String>,
}

/// A kind of record of a name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RecordKind {
    /// An IPv4 address.
    #[default]
    A,
    /// An IPv6 address.
    Aaaa,
    /// Another name for it.
    Cname,
    /// Who takes its mail.
    Mx,
    /// Its name servers.
    Ns,
    /// The name of an address.
    Ptr,
    /// The head of its zone.
    Soa,
    /// Where a service of it is.
    Srv,
    /// A text.
    Txt,
}

impl RecordKind {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
            Self::Mx => "MX",
            Self::Ns => "NS",
            Self::Ptr => "PTR",
            Self::Soa => "SOA",
            Self::Srv => "SRV",
            Self::Txt => "TXT",
        }
    }
}

/// A command that the runner runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommandProbe {
    /// The program and its arguments.
    pub run: Vec<String>,
    /// The folder that it runs in; the runner's own where nothing is said.
    #[serde(default, rename = "in", skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// What is added to the runner's environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// How long it may take before it is ended with all that it started.
    pub timeout: Duration,
}

impl std::fmt::Display for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Guest => f.write_str("guest"),
            Self::Tcp { port } => write!(f, "tcp {port}"),
            Self::Http(http) => {
                let word = if http.tls.is_some() { "https" } else { "http" };
                write!(f, "{word} {}{}", http.port, http.path)?;
                http.status.map_or(Ok(()), |status| write!(f, " ({status})"))
            }
            Self::Dns(DnsProbe { name, kind, server, .. }) => {
                write!(f, "dns {name} {}", kind.word())?;
                server.map_or(Ok(()), |server| write!(f, " at {server}"))
            }
            Self::Command(command) => {
                let program = command.run.first().map_or("", String::as_str);
                write!(f, "command {}", program.rsplit('/').next().unwrap_or(program))
            }
        }
    }
}

/// Why a question is not answered as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NotSo {
    /// The machine is not there, or its site does not answer.
    Unseen,
    /// The machine does not run.
    Off,
    /// The guest has not booted, or its agent does not answer.
    Silent,
    /// No address of the machine is known.
    NoAddress,
    /// Nobody listens, or the way there is cut.
    Unconnected {
        /// The system's word.
        why: String,
    },
    /// There was no answer in time.
    NoAnswer,
    /// The other side says what is no answer.
    Garbled {
        /// What is wrong with it.
        why: String,
    },
    /// The other side does not prove to be who it must be.
    Untrusted {
        /// What is wrong with its certificate.
        why: String,
    },
    /// A web server answers with another status.
    Status {
        /// The status.
        is: u16,
    },
    /// A web server's answer has another body.
    Body,
    /// A web server's answer has not that header, or another value in it.
    Header {
        /// The value, where the header is there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        is: Option<String>,
    },
    /// A name server refuses, or knows nothing of the name.
    Refused {
        /// Its word, as `NXDOMAIN`.
        code: String,
    },
    /// A name has other records.
    Records {
        /// Those that it has.
        are: Vec<String>,
    },
    /// A command ended with another code than 0.
    Exit {
        /// The code; `None` where a signal ended it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<i32>,
        /// The last line of what it said to standard error.
        said: String,
    },
    /// A command was ended with all that it started, because its time was over.
    Ended {
        /// How long it was given.
        after: Duration,
    },
    /// What is needed to ask is not there: a program, a file.
    CannotAsk {
        /// What.
        why: String,
    },
}
