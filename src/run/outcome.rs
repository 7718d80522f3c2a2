//! How a run ended.

use crate::plan::NodeId;
use crate::run::progress::{Progress, Status};
use serde::{Deserialize, Serialize};

/// How a run ended. What was skipped or overridden never ends as plain "completed".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Everything was done.
    Completed,
    /// The end was reached with steps that failed, were skipped or settled by hand, or without the approvals that the plan needs.
    CompletedWithExceptions,
    /// It was stopped on request; it can be resumed.
    Stopped,
    /// A step failed, and what depends on it did not run; it can be resumed.
    Failed,
    /// The effect of a step is not known; a person must settle it.
    InDoubt,
}

impl Outcome {
    /// Whether the run is over for good.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::CompletedWithExceptions)
    }

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::CompletedWithExceptions => "completed with exceptions",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::InDoubt => "in doubt",
        }
    }
}

/// A node that did not run, and because of whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NotRun {
    /// The node.
    pub node: NodeId,
    /// The failed node that it depends on; `None` where the run was stopped before it.
    pub because: Option<NodeId>,
}

/// The numbers of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Actions and waits that are done.
    pub done: usize,
    /// Those that failed.
    pub failed: Vec<NodeId>,
    /// Those in doubt.
    pub in_doubt: Vec<NodeId>,
    /// Those that did not run.
    pub not_run: Vec<NotRun>,
    /// Those settled by a person, or passed over because the plan says `continue`.
    pub exceptions: Vec<NodeId>,
    /// All actions and waits, without those that were not needed.
    pub of: usize,
}

/// The outcome at the moment at which nothing runs any more.
#[must_use]
pub fn outcome(progress: &Progress, stopped: bool) -> Outcome {
    let summary = progress.summary();
    if !summary.in_doubt.is_empty() {
        return Outcome::InDoubt;
    }
    let unfinished = progress.count(Status::is_open) > 0;
    // A failure that something in the plan answers (`continue`, or a way back for it) is an exception; any other one fails the run,
    // also where somebody stopped it after that.
    let unanswered = summary.failed.iter().any(|node| !progress.is_answered(*node));
    if stopped && unfinished && !unanswered {
        return Outcome::Stopped;
    }
    let blocked = summary.not_run.iter().any(|n| n.because.is_some());
    if unanswered || unfinished || (blocked && summary.failed.is_empty()) {
        return Outcome::Failed;
    }
    if summary.failed.is_empty() && summary.exceptions.is_empty() && progress.glass().is_none() {
        Outcome::Completed
    } else {
        Outcome::CompletedWithExceptions
    }
}
