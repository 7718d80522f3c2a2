//! What the checker finds wrong with a plan: always a fault of whoever made the plan, never of the user.

use crate::base::{EntryName, ReplicaName};
use crate::domain::{Condition, State, Unmet, invariant::Broken};
use crate::plan::node::NodeId;
use serde::{Deserialize, Serialize};

/// A violation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Violation {
    /// A cut of a consistency group is not what it says.
    Torn(EntryName),
    /// An edge, leg, slot or limit names something that is not there.
    Dangling(String),
    /// Nodes wait for each other.
    Cycle(Vec<NodeId>),
    /// Two actions on one replica have no order between them.
    Unordered(NodeId, NodeId),
    /// An action's requirements do not hold when it is its turn.
    Unmet {
        /// The action.
        node: NodeId,
        /// What is missing.
        unmet: Unmet,
    },
    /// An invariant is broken after an action.
    Broken {
        /// The action.
        node: NodeId,
        /// The invariant.
        broken: Broken,
    },
    /// The replica does not end where the plan says.
    Misses {
        /// The replica.
        replica: ReplicaName,
        /// What it would be.
        ends: Condition,
        /// What the plan says.
        wanted: State,
    },
    /// Something irreversible may happen before what it depends on.
    TooEarly {
        /// The irreversible node.
        node: NodeId,
        /// What must be before it.
        before: NodeId,
    },
    /// A replica would keep a place under a limit while it waits for another replica, which may wait for that place.
    WaitsWithPlace {
        /// The node that waits.
        node: NodeId,
        /// What it waits for.
        waits_for: NodeId,
    },
    /// What a drill makes would be there at its end.
    LeavesCopy(ReplicaName),
    /// Something waits for a name: no machine shall stay down because of one.
    WaitsForName {
        /// The node that waits.
        node: NodeId,
        /// The name.
        name: NodeId,
    },
    /// Data is lost that the plan does not name.
    UnnamedLoss(ReplicaName),
}
