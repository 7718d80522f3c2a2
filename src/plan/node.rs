//! A node: one action, one wait, one hook, one gate, one name, or a meeting point of edges.

use crate::base::{Duration, PlanName, SiteName};
use crate::domain::{Cutover, Pause, Step, Wait};
use crate::plan::hook::{Gate, Hook};
use crate::plan::member::LegId;
use serde::{Deserialize, Serialize};

/// A node's position in its plan. It is the node's identity in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The position as an index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl std::fmt::Display for NodeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// What a node does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Work {
    /// Perform an action.
    Act(Step),
    /// Wait for something.
    Wait(Wait),
    /// Run a program. Boxed, as what follows is: a plan has many actions and few of these, and each node is as large as the largest.
    Hook(Box<Hook>),
    /// Ask people.
    Gate(Box<Gate>),
    /// Let a name lead to the machine that serves.
    Cutover(Box<Cutover>),
    /// Nothing: done as soon as its edges are met. It keeps "all of these before all of those" linear, and is never journalled.
    Join,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// What it does.
    pub work: Work,
    /// The leg that it belongs to; a join between entries belongs to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leg: Option<LegId>,
    /// How long it typically takes.
    pub typical: Duration,
    /// How long one attempt may take.
    pub limit: Duration,
    /// How often it is tried at most.
    pub attempts: u32,
    /// How long it is waited before it is tried again.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub pause: Pause,
    /// How many of its edges must be met, where that is not all of them; of a meeting point only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<u32>,
}

fn is_usual(pause: &Pause) -> bool {
    *pause == Pause::default()
}

/// How many things may be under way at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// What it limits.
    pub kind: LimitKind,
    /// How many at once.
    pub size: u32,
    /// A group of `size` starts no sooner than this after the group before it (guide: 10 s between undo groups).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<Duration>,
}

/// What a limit limits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LimitKind {
    /// Starts of one failover plan.
    PlanStart(PlanName),
    /// Undos of one failover plan.
    PlanUndo(PlanName),
    /// Starts at one site, over all plans.
    SiteStart(SiteName),
    /// Undos at one site, over all plans.
    SiteUndo(SiteName),
}

/// A leg's use of a limit: a place is taken when `first` starts and is free again when `last` is settled or will not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotUse {
    /// The limit's position in the plan.
    pub limit: u32,
    /// The node that takes the place.
    pub first: NodeId,
    /// The node that frees it.
    pub last: NodeId,
}
