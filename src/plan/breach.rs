//! What breaks a rule of a policy: a lawful plan, and one that the workspace does not want.

use crate::base::ReplicaName;
use crate::domain::Is;
use crate::plan::node::NodeId;
use serde::{Deserialize, Serialize};

/// A rule that is broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Breach {
    /// A machine may start before another one is as far as the rule says.
    Early {
        /// The replica that may start too early.
        replica: ReplicaName,
        /// The step that starts it.
        start: NodeId,
        /// The replica that must be first.
        first: ReplicaName,
        /// How far that one must be.
        is: Is,
        /// Why nothing keeps them apart.
        gap: Gap,
        /// How many more pairs break the rule in this plan.
        more: usize,
    },
    /// More replicas may be down at once than are allowed, and the plan brings it about.
    TooManyDown {
        /// Those that may be down, by name.
        down: Vec<ReplicaName>,
        /// How many of all that the rule selects are allowed.
        allowed: u32,
        /// The step with which the last of them goes down.
        from: NodeId,
        /// The step with which the first of them is back; `None` where that is not in the plan.
        until: Option<NodeId>,
    },
}

/// Why nothing keeps two replicas apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Gap {
    /// Nothing leads from the one to the other.
    Nothing,
    /// Something does, and it waits for less, or goes on where a step fails.
    Weak,
}
