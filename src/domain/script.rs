//! What people add to a plan: programs that it runs, and questions that it asks. Values alone; nothing here runs anything.

use crate::base::Duration;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A program: an argument list, never a shell's text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Script {
    /// The program and its arguments. One with a slash in it is looked for from the workspace's folder.
    pub run: Vec<String>,
    /// Its twin that changes nothing and says whether it would succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Vec<String>>,
    /// What proves that it did its work, of a fence: a program that changes nothing, and whose success alone counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Vec<String>>,
    /// What is added to its environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// What is added to its environment and shown nowhere.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, Secret>,
    /// How long it may take before it is ended, with all that it started.
    pub within: Duration,
    /// Whether running it twice equals running it once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repeatable: bool,
}

/// Where a secret is found; never the secret itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Secret {
    /// In a variable of the environment.
    Env(String),
    /// In a file, from the workspace's folder.
    File(String),
}

/// On which side of what it is about a hook stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum When {
    /// Before it; where the hook fails, it does not begin.
    Before,
    /// After it; where the hook fails, that is an exception.
    After,
    /// Before a replica starts whose source cannot be seen: it takes the source away for sure. Where that is not proven, the replica stays off.
    Fence,
}

impl When {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
            Self::Fence => "fence",
        }
    }
}

/// What a program said, as far as it is kept: the end of it, with secrets masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spoken {
    /// Its exit code; `None` where a signal ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// The end of what it said on both its streams.
    pub text: String,
    /// How many bytes before that are not kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u64,
    /// Whether it is what a fence's proof said.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub proof: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
const fn is_zero(bytes: &u64) -> bool {
    *bytes == 0
}

/// A question to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// What is asked.
    pub ask: String,
    /// Who may answer; anybody where nobody is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub who: Vec<String>,
    /// The groups of which they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// How long an answer is waited for.
    pub within: Duration,
    /// What silence means.
    pub otherwise: Silence,
}

impl Question {
    /// Whether a person may answer.
    #[must_use]
    pub fn may_answer(&self, person: &str) -> bool {
        self.who.is_empty() || self.who.iter().any(|name| name == person)
    }
}

/// What it means that nobody answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Silence {
    /// Nothing new starts; whoever resumes the run is asked again.
    #[default]
    Stop,
    /// As if the answer had been yes; the run ends with an exception.
    Continue,
    /// As if the answer had been no.
    No,
}

/// A person's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reply {
    /// Whether it goes on.
    pub yes: bool,
    /// Who.
    pub person: String,
    /// From which machine.
    pub host: String,
    /// Why, where that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}
