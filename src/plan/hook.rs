//! Hooks and gates: the nodes at which a plan turns to people's programs, and to people.

use crate::base::{Duration, EntryName, PlanName, ReplicaName, SiteName};
use crate::domain::{OperationKind, Question, Script, When};
use crate::plan::member::LegId;
use serde::{Deserialize, Serialize};

/// A program that is run before or after something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hook {
    /// Its name among its like.
    pub name: EntryName,
    /// On which side of it.
    pub when: When,
    /// What it is about.
    pub around: Around,
    /// The operation, where it is about that one alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationKind>,
    /// The legs that it is about.
    pub legs: Vec<LegId>,
    /// The program.
    pub script: Script,
}

/// What a hook is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Around {
    /// A whole failover plan.
    Plan(PlanName),
    /// An entry of its sequence.
    Entry(PlanName, EntryName),
    /// One replica; of a fence, its source alone.
    Replica(ReplicaName),
    /// A whole site with all its machines; of a fence alone.
    Site(SiteName),
}

impl Hook {
    /// Whether it is a fence: it counts as done when its proof says so.
    #[must_use]
    pub fn is_fence(&self) -> bool {
        self.when == When::Fence
    }

    /// How long one attempt may take: of a fence its program and its proof, which is asked once more before a further attempt.
    #[must_use]
    pub fn longest(&self) -> Duration {
        let within = self.script.within;
        if self.is_fence() { within.plus(within).plus(within) } else { within }
    }

    /// Its name among the steps of a plan: `shop/web/before-drain`, `site/production/fence`.
    #[must_use]
    pub fn step_name(&self) -> String {
        let around = match &self.around {
            Around::Plan(plan) => plan.to_string(),
            Around::Entry(plan, entry) => format!("{plan}/{entry}"),
            Around::Replica(replica) => replica.to_string(),
            Around::Site(site) => format!("site/{site}"),
        };
        if self.is_fence() {
            return format!("{around}/{}", self.when.word());
        }
        let operation = self.operation.map(|kind| format!("/{}", kind.name().replace(' ', "-")));
        format!("{around}{}/{}-{}", operation.unwrap_or_default(), self.when.word(), self.name)
    }
}

/// A question between the entries of a failover plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gate {
    /// The failover plan.
    pub plan: PlanName,
    /// Its name there.
    pub name: EntryName,
    /// What is asked.
    pub question: Question,
}
