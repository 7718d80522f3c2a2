//! The views of a person at a terminal: plan, status, run, history. Nothing here is wider than asked for.

pub mod beside;
pub mod cuts;
pub mod lock;
pub mod plan;
pub mod rebuild;
pub mod rehearsal;
pub mod run;
pub mod status;
pub mod steps;
pub mod verify;

pub use plan::plan;
pub use rebuild::rebuilt;
pub use rehearsal::rehearsal;
pub use run::{history, run_report};
pub use status::status;
pub use verify::{Verified, verified};

use crate::base::Timestamp;
use crate::plan::NodeId;
use std::collections::BTreeMap;

/// How a view is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// After how many columns sentences are broken.
    pub width: usize,
    /// How many columns a table may take; without an end in a file or a pipe, where nothing is cut.
    pub room: Option<usize>,
    /// Whether characters beyond ASCII may be used.
    pub unicode: bool,
    /// Whether everything is listed one by one: members beyond forty, replicas that stay as they are.
    pub all: bool,
    /// Whether every step is listed with its reason and what it waits for.
    pub steps: bool,
    /// The time now, for ages ("3 s ago"); without it the clock is shown.
    pub now: Option<Timestamp>,
    /// Where the documents come from ("commit 4f1c2e9, clean").
    pub origin: Option<String>,
    /// What the records said when they were asked, by the node that changes them.
    pub says: BTreeMap<NodeId, Vec<String>>,
    /// How many names of replicas that stay as they are lead elsewhere.
    pub elsewhere: usize,
    /// The command to type next; without it the usual one.
    pub next: Option<String>,
    /// How long runs of before say that the plan takes.
    pub measured: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            width: 100,
            room: None,
            unicode: true,
            all: false,
            steps: false,
            now: None,
            origin: None,
            says: BTreeMap::new(),
            elsewhere: 0,
            next: None,
            measured: None,
        }
    }
}

impl Options {
    /// The text in the characters that the stream can show.
    fn finish(&self, text: String) -> String {
        if self.unicode {
            return text;
        }
        let plain = [("→", "->"), ("…", "..."), ("·", "-"), ("≤", "<="), ("×", "x"), ("–", "-")];
        plain.into_iter().fold(text, |text, (fine, plain)| text.replace(fine, plain))
    }

    /// When something was read.
    fn read(&self, at: Timestamp) -> String {
        match self.now {
            Some(now) => format!("{} ago", super::words::span(now.since(at))),
            None => at.clock(),
        }
    }
}
