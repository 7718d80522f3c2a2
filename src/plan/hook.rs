//! Hooks and gates: the nodes at which a plan turns to people's programs, and to people.

use crate::base::{EntryName, PlanName, ReplicaName};
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Around {
    /// A whole failover plan.
    Plan(PlanName),
    /// An entry of its sequence.
    Entry(PlanName, EntryName),
    /// One replica.
    Replica(ReplicaName),
}

impl Hook {
    /// Its name among the steps of a plan: `shop/web/before-drain`.
    #[must_use]
    pub fn step_name(&self) -> String {
        let around = match &self.around {
            Around::Plan(plan) => plan.to_string(),
            Around::Entry(plan, entry) => format!("{plan}/{entry}"),
            Around::Replica(replica) => replica.to_string(),
        };
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
