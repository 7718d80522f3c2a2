//! What a rule demands of every plan, with its selections made. The checker holds plans against it.

use crate::base::ReplicaName;
use crate::domain::operation::OperationKind;
use crate::domain::wait::Is;
use serde::{Deserialize, Serialize};

/// What a rule demands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Demand {
    /// In a plan that brings up both, each of `first` is that far before any of `then` starts.
    Before {
        /// The ones that come first, by name.
        first: Vec<ReplicaName>,
        /// The ones that come after them, by name.
        then: Vec<ReplicaName>,
        /// How far the first ones must be.
        is: Is,
    },
    /// No plan brings it about that more of these are down at once. What is down when a plan begins is not the plan's doing.
    AtMostDown {
        /// Of which, by name.
        of: Vec<ReplicaName>,
        /// How many.
        count: u32,
    },
    /// A plan of this kind is carried out once so many people have approved it. It says nothing of the plan itself.
    Approved {
        /// How many people.
        count: u32,
        /// Who counts; whoever is among the allowed signers where nobody is named.
        who: Vec<String>,
        /// The groups of which they are.
        groups: Vec<String>,
        /// Plans that have one of these operations; all where none is named.
        operations: Vec<OperationKind>,
        /// Plans that change one of these replicas; all where nothing is selected.
        of: Option<Vec<ReplicaName>>,
    },
}
