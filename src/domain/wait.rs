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

/// What is done where a run ends with a failure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnFailure {
    /// Everything stays where it is, and a person decides.
    #[default]
    Hold,
    /// The way back is planned and shown; it is carried out where a person gave the word for it in advance.
    Undo,
}

/// How long it is waited before something is tried again: the first pause, and how much longer each one is than the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// The first pause.
    pub every: Duration,
    /// How many times as long each further one is.
    pub factor: u32,
}

impl Default for Pause {
    /// 2 s, 4 s, 8 s …
    fn default() -> Self {
        Self { every: Duration::from_secs(2), factor: 2 }
    }
}

impl Pause {
    /// No pause grows beyond this; one that is said to be longer stays as it is.
    const LONGEST: Duration = Duration::from_mins(10);

    /// The pause after so many attempts, of which the first is 1.
    #[must_use]
    pub fn after(self, attempts: u32) -> Duration {
        let times = u64::from(self.factor.max(1)).saturating_pow(attempts.saturating_sub(1));
        let grown = Duration::from_millis(self.every.as_millis().saturating_mul(times));
        grown.min(Self::LONGEST.max(self.every))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_by_their_factor_up_to_ten_minutes() {
        let seconds = |pause: Pause| [1, 2, 3, 4, 99].map(|n| pause.after(n).as_millis() / 1000);
        assert_eq!(seconds(Pause::default()), [2, 4, 8, 16, 600]);
        assert_eq!(seconds(Pause { every: Duration::from_secs(30), factor: 1 }), [30; 5]);
        assert_eq!(seconds(Pause { every: Duration::from_secs(200), factor: 4 }), [200, 600, 600, 600, 600]);
        assert_eq!(seconds(Pause { every: Duration::from_mins(20), factor: 2 }), [1200; 5]);
    }
}
