//! What happens in a run: the journal's records, and all that a report needs.

use crate::base::Timestamp;
use crate::domain::{Heard, Reply, Silence, Spoken, Transfer, Unmet};
use crate::inventory::Inventory;
use crate::plan::NodeId;
use crate::port::Failure;
use crate::run::outcome::Outcome;
use crate::run::progress::Status;
use serde::{Deserialize, Serialize};

/// Who runs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runner {
    /// The person.
    pub person: String,
    /// The machine.
    pub host: String,
    /// Lifeboat's version.
    pub version: String,
}

/// How a step came to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum How {
    /// It was asked for and seen to be there.
    Performed,
    /// It was in doubt, and a look showed that it is there.
    Found,
    /// A record of a name server was changed, and says what it shall.
    Replaced {
        /// What it said before.
        before: Vec<String>,
    },
    /// A person said so.
    ByHand {
        /// Who.
        person: String,
        /// Why.
        because: String,
    },
}

/// Why a run starts nothing new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StopWhy {
    /// Somebody asked where it runs.
    Asked,
    /// Somebody asked from elsewhere.
    AskedBy(Wish),
    /// The time is over that it was given.
    Deadline(Timestamp),
    /// The plan says that this failure stops everything.
    Failure(NodeId),
    /// Nobody answered this question in its time.
    Unanswered(NodeId),
}

impl StopWhy {
    /// Whether somebody wanted it, and nothing went wrong.
    #[must_use]
    pub const fn is_wanted(&self) -> bool {
        match self {
            Self::Asked | Self::AskedBy(_) | Self::Deadline(_) | Self::Unanswered(_) => true,
            Self::Failure(_) => false,
        }
    }
}

/// A person's word that a run shall stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wish {
    /// Who.
    pub person: String,
    /// From which machine.
    pub host: String,
    /// Why, where that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

impl Wish {
    /// A word that tells nothing, whoever left it.
    #[must_use]
    pub fn untold() -> Self {
        let nobody = || "?".to_owned();
        Self {
            person: nobody(),
            host: nobody(),
            because: Some("the word that was left tells no more".to_owned()),
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Event {
    /// A runner took the run up: the first one, or one that goes on.
    Taken {
        /// Who.
        runner: Runner,
    },
    /// The run was taken from a runner that had not let go of it.
    TakenOver {
        /// Who took it.
        runner: Runner,
        /// From whom, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Runner>,
        /// Whether the other's lease was not over: a person said that it shall be taken all the same.
        lives: bool,
        /// Why, where that was said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        because: Option<String>,
    },
    /// An action is going to be asked for. Durable before the request.
    Intended {
        /// The node.
        node: NodeId,
        /// Which attempt, from 1.
        attempt: u32,
    },
    /// The action's effect was seen.
    Settled {
        /// The node.
        node: NodeId,
        /// How it came to be done.
        how: How,
        /// The data that it moved, where it moved any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        moved: Option<Transfer>,
    },
    /// An attempt failed without an effect; there will be another one.
    Retrying {
        /// The node.
        node: NodeId,
        /// Why it failed.
        failure: Failure,
        /// When it is tried again.
        at: Timestamp,
    },
    /// The action failed for good, or the wait's time ran out.
    Failed {
        /// The node.
        node: NodeId,
        /// Why.
        why: FailedWhy,
    },
    /// Whether the effect is there cannot be seen.
    InDoubt {
        /// The node.
        node: NodeId,
        /// What is known.
        why: String,
    },
    /// A wait began.
    Waiting {
        /// The node.
        node: NodeId,
    },
    /// What was waited for is there.
    Met {
        /// The node.
        node: NodeId,
    },
    /// A wait's time ran out, or a name could not be changed, and the run goes on without it, as the document says.
    WentOn {
        /// The node.
        node: NodeId,
        /// What was heard last.
        heard: Vec<Heard>,
        /// Why it failed, where it was no wait.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<Failure>,
    },
    /// A program said something; recorded with how it ended.
    Spoke {
        /// The node.
        node: NodeId,
        /// What it said.
        spoken: Spoken,
    },
    /// A person answered a question.
    Answered {
        /// The node.
        node: NodeId,
        /// The answer.
        reply: Reply,
    },
    /// Nobody answered a question in its time, and it goes on as its document says.
    Unanswered {
        /// The node.
        node: NodeId,
        /// What the document says.
        so: Silence,
    },
    /// A failed step, or one in doubt, is tried again because a person asked for it; a fence that is done too, because the run was taken up.
    Reopened {
        /// The node.
        node: NodeId,
        /// Who.
        person: String,
        /// Why.
        because: String,
    },
    /// A person gave a wait for a time another one; the plan is that of the run with this time from here on.
    Rescheduled {
        /// The node.
        node: NodeId,
        /// The new time.
        at: Timestamp,
        /// Who.
        person: String,
    },
    /// Nothing new starts from here on.
    Stopping {
        /// Why.
        why: StopWhy,
    },
    /// What was observed of the plan's replicas when nothing ran any more, right before an end; of many replicas in several of these.
    Observed {
        /// The sites, and some of the replicas.
        inventory: Inventory,
    },
    /// What became of the replicas could not be observed before an end.
    NotObserved {
        /// Why.
        why: String,
    },
    /// The run ended; it may be taken up again where its outcome allows that.
    Ended {
        /// How.
        outcome: Outcome,
    },
    /// A person closed the run for good.
    Closed {
        /// Who.
        person: String,
        /// Why.
        because: String,
    },
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FailedWhy {
    /// The provider said why.
    Action(Failure),
    /// What must hold before it did not hold.
    Unmet(Unmet),
    /// It was not ready within its time.
    NotReady,
    /// It was not ready within its time, and this was heard last.
    Unready(Vec<Heard>),
    /// A person answered its question with no.
    SaidNo {
        /// Who.
        person: String,
        /// Why, where that was said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        because: Option<String>,
    },
    /// Nobody answered its question.
    Unanswered,
    /// A person said so.
    ByHand {
        /// Who.
        person: String,
        /// Why.
        because: String,
    },
}

impl Event {
    /// Whether nothing happens in the run after it, until somebody takes it up again.
    #[must_use]
    pub const fn is_end(&self) -> bool {
        matches!(self, Self::Ended { .. } | Self::Closed { .. })
    }

    /// Whether nothing can happen in the run after it.
    #[must_use]
    pub const fn ends_for_good(&self) -> bool {
        match self {
            Self::Ended { outcome } => outcome.is_final(),
            Self::Closed { .. } => true,
            _ => false,
        }
    }

    /// The node that it is about.
    #[must_use]
    pub const fn node(&self) -> Option<NodeId> {
        match self {
            Self::Intended { node, .. }
            | Self::Settled { node, .. }
            | Self::Retrying { node, .. }
            | Self::Failed { node, .. }
            | Self::InDoubt { node, .. }
            | Self::Waiting { node }
            | Self::Met { node }
            | Self::WentOn { node, .. }
            | Self::Spoke { node, .. }
            | Self::Answered { node, .. }
            | Self::Unanswered { node, .. }
            | Self::Reopened { node, .. }
            | Self::Rescheduled { node, .. } => Some(*node),
            Self::Taken { .. }
            | Self::TakenOver { .. }
            | Self::Stopping { .. }
            | Self::Observed { .. }
            | Self::NotObserved { .. }
            | Self::Ended { .. }
            | Self::Closed { .. } => None,
        }
    }
}

/// An event that cannot have happened at its place: the journal is not that of this plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IllegalEvent {
    /// Its node was not where it could have happened.
    #[error("{node} cannot be {event} while it is {status:?}")]
    Node {
        /// The node.
        node: NodeId,
        /// The event.
        event: &'static str,
        /// What the node was.
        status: Status,
    },
    /// The run was over by then.
    #[error("nothing can happen in a run that is over")]
    Over,
}
