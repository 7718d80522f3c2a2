//! An edge: what must have happened before a node may start.

use crate::base::Duration;
use crate::domain::IfFailed;
use crate::plan::node::NodeId;
use serde::{Deserialize, Serialize};

/// What has to have happened to `from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum On {
    /// It has started (guide: a plan's delay runs from start to start).
    Started,
    /// It is done.
    Done,
    /// It has failed. Where it is done instead, `to` is not needed and is left out.
    Failed,
}

/// An edge between two nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Edge {
    /// The earlier node.
    pub from: NodeId,
    /// The node that waits.
    pub to: NodeId,
    /// What it waits for.
    pub on: On,
    /// How long after that it may start.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub plus: Duration,
    /// What happens where `from` failed or will not run.
    #[serde(default, skip_serializing_if = "is_default")]
    pub if_failed: IfFailed,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
fn is_zero(duration: &Duration) -> bool {
    *duration == Duration::ZERO
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
fn is_default(if_failed: &IfFailed) -> bool {
    *if_failed == IfFailed::Block
}

impl Edge {
    /// `to` starts when `from` is done, and not at all where that failed.
    #[must_use]
    pub const fn done(from: NodeId, to: NodeId) -> Self {
        Self { from, to, on: On::Done, plus: Duration::ZERO, if_failed: IfFailed::Block }
    }
}
