//! What an operation takes away, as data that a plan can show and a person can weigh.

use crate::base::Duration;
use serde::{Deserialize, Serialize};

/// What is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LossKind {
    /// What the source wrote after the restore point.
    SourceAfterPoint,
    /// What the replica wrote since it was failed over.
    ReplicaSinceFailover,
    /// What production wrote since the switchover.
    ProductionSinceSwitchover,
    /// The restore points and with them the way back.
    RestorePoints,
}

/// One thing that is lost, and how much in time, where that can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// What.
    pub kind: LossKind,
    /// At most so much, in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upto: Option<Duration>,
}
