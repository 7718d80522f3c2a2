//! What a plan needs before it may be carried out: people who approve it.

use crate::base::{EntryName, PolicyName};
use serde::{Deserialize, Serialize};

/// The approvals that a rule wants of a plan. They are part of the plan, so its seal covers them, and it needs them also where no documents are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Need {
    /// The policy.
    pub policy: PolicyName,
    /// Its rule.
    pub rule: EntryName,
    /// Why it is there.
    pub because: String,
    /// How many people must approve.
    pub count: u32,
    /// Who counts; whoever is among the allowed signers where nobody is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub who: Vec<String>,
    /// The groups of which they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Whether a plan without them is carried out all the same, and that is said.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub warns: bool,
}

impl Need {
    /// Whether somebody's approval counts for it.
    #[must_use]
    pub fn asks(&self, person: &str) -> bool {
        self.who.is_empty() || self.who.iter().any(|name| name == person)
    }
}
