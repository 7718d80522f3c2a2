//! What the plan is expected to take.

use crate::base::{Duration, PlanName};
use crate::plan::node::NodeId;
use serde::{Deserialize, Serialize};

/// A stretch of the critical path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CriticalStep {
    /// The node.
    pub node: NodeId,
    /// When it starts, from the plan's start.
    pub start: Duration,
    /// When it ends.
    pub end: Duration,
}

/// How long, along which path, and from where on there is no way back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Forecast {
    /// From the first start to the last end, typically.
    pub total: Duration,
    /// The chain of nodes that makes it so long, from start to end.
    pub critical: Vec<CriticalStep>,
    /// The shortest recovery time objective among the failover plans, and whose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<(PlanName, Duration)>,
    /// The first node, in time, that nothing of ours can take back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_return: Option<NodeId>,
    /// How many waves there are.
    pub waves: u32,
}
