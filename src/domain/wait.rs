//! What a plan can wait for.

use crate::base::{Duration, ReplicaName, Timestamp};
use crate::domain::fact::Role;
use serde::{Deserialize, Serialize};

/// A question to a guest or a port.
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
    Http {
        /// The port.
        port: u16,
        /// What it is asked for, as `/healthz`.
        path: String,
        /// The status that it answers with; any of success, 200 to 299, where nothing is said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
    },
}

impl std::fmt::Display for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Guest => f.write_str("guest"),
            Self::Tcp { port } => write!(f, "tcp {port}"),
            Self::Http { port, path, status: None } => write!(f, "http {port}{path}"),
            Self::Http { port, path, status: Some(status) } => write!(f, "http {port}{path} ({status})"),
        }
    }
}

/// When a machine is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// All of these answer,
    pub all: Vec<Probe>,
    /// without a break for so long,
    pub stable: Duration,
    /// asked so often,
    pub every: Duration,
    /// and within so much time.
    pub within: Duration,
}

/// A wait: it changes nothing, so it needs no intent in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Wait {
    /// Until a machine is ready.
    Ready {
        /// Whose machine.
        replica: ReplicaName,
        /// Which machine.
        vm: Role,
        /// When it is ready.
        readiness: Readiness,
    },
    /// Until a point in time.
    Until {
        /// The time.
        at: Timestamp,
    },
    /// So long.
    Quiet {
        /// How long.
        time: Duration,
    },
}

/// What is waited for: how far a machine that comes up must be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Is {
    /// The machine was powered on: its operation is done.
    Started,
    /// The machine is ready.
    #[default]
    Ready,
}

impl Is {
    /// The word for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Ready => "ready",
        }
    }
}

/// What becomes of what waits, where that which it waits for failed or will not run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum IfFailed {
    /// It does not start; unrelated branches go on.
    #[default]
    Block,
    /// It starts all the same, and the run ends with an exception.
    Continue,
    /// Nothing new starts in the whole run.
    Stop,
}
