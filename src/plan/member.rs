//! The replicas of a plan: what each is, what it shall be, how it gets there, what that costs, and why.

use crate::base::{Duration, EntryName, PlanName, ReplicaName, SiteName, Timestamp};
use crate::domain::{Condition, Loss, Operation, State};
use crate::plan::node::{NodeId, SlotUse};
use serde::{Deserialize, Serialize};

/// A site as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SitesRead {
    /// The site.
    pub site: SiteName,
    /// When it was read, or tried.
    pub at: Timestamp,
    /// Why it did not answer; `None` where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent: Option<String>,
}

/// A leg's position in its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LegId(pub u32);

impl LegId {
    /// The position as an index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One operation of one replica's route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Leg {
    /// The replica.
    pub replica: ReplicaName,
    /// The operation.
    pub operation: Operation,
    /// The state it leads to.
    pub to: State,
    /// Why it is done.
    pub why: Why,
    /// Its entry in the failover plan's sequence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryName>,
    /// Its first node.
    pub first: NodeId,
    /// The node at which its state is reached.
    pub concluded: NodeId,
    /// Its last node: that, or the wait for readiness behind it.
    pub last: NodeId,
    /// The limits that it falls under.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slots: Vec<SlotUse>,
    /// Whether it runs only where something before it failed (`verify … otherwise: undo`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_on_failure: bool,
    /// Whether its failure is an exception and no failure of the run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// The meeting point of its group, where not all of that are needed: once it is done, a failure of this leg is an exception.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<NodeId>,
}

/// Why an operation is in the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Why {
    /// It is the way from the state that was seen to the desired one.
    Desired,
    /// It was begun and never concluded: this completes it.
    Completes,
    /// It was begun and never concluded: this is its way back.
    TakesBack,
    /// The source does not answer, so a planned failover is not possible, and the document allows the other.
    SourceSilent,
    /// It is what happens where the verification fails.
    VerificationFailed,
    /// A replication run was asked for.
    Asked,
}

/// A replica that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The replica.
    pub replica: ReplicaName,
    /// The failover plan through which it was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanName>,
    /// What it was found to be.
    pub now: Condition,
    /// What it shall be at the end of this plan.
    pub then: State,
    /// What the document asks for, where the plan ends before it: a manual switchover that was not given yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halts_before: Option<State>,
    /// Its wave, from 1: how many entries are before it.
    pub wave: u32,
    /// Its legs in their order.
    pub legs: Vec<LegId>,
    /// What is lost on the way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loses: Vec<Loss>,
    /// The objective for loss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpo: Option<Duration>,
    /// How long its own legs typically take.
    pub typical: Duration,
    /// Whether the document says, with a reason, that source and replica may serve at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub both_may_run: Option<String>,
}

/// A replica that stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unchanged {
    /// The replica.
    pub replica: ReplicaName,
    /// What it is.
    pub now: Condition,
    /// Why it stays so.
    pub why: Untouched,
}

/// Why a replica is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Untouched {
    /// It is what it shall be.
    AlreadyThere,
    /// It is synchronised and waits for a person to switch it over.
    AwaitsSwitchover,
    /// It is in Failover or beyond, or part-way: only what stands by is replicated (guide: such machines are skipped).
    NotStandingBy,
    /// The runbook does not name it.
    NotNamed,
    /// Nothing of the slice needs it.
    NotSelected,
    /// The slice leaves it out.
    LeftOut,
    /// It does not come up without something that the slice leaves out.
    NeedsLeftOut,
}

impl Untouched {
    /// Whether the plan has nothing to do with it: then nothing about it was relied on.
    #[must_use]
    pub const fn is_outside(self) -> bool {
        match self {
            Self::NotNamed | Self::NotSelected | Self::LeftOut | Self::NeedsLeftOut => true,
            Self::AlreadyThere | Self::AwaitsSwitchover | Self::NotStandingBy => false,
        }
    }
}
