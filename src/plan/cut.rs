//! The common cuts of a plan: for each consistency group the restore points that its members go to together.

use crate::base::{Duration, EntryName, PlanName, PointId, ReplicaName, Timestamp};
use crate::domain::cut::CutPoint;
use serde::{Deserialize, Serialize};

/// The cut of one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cut {
    /// The group.
    pub group: EntryName,
    /// The failover plan that declares it.
    pub plan: PlanName,
    /// How far its points may be apart.
    pub max_skew: Duration,
    /// Its members, in the order of the document.
    pub members: Vec<CutMember>,
}

/// What a member of a group goes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CutMember {
    /// The replica.
    pub replica: ReplicaName,
    /// Its restore point.
    pub point: PointId,
    /// The moment of the source that it holds.
    pub at: Timestamp,
    /// The moment of its newest one.
    pub newest: Timestamp,
    /// Whether it was there before this plan.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub there: bool,
}

impl Cut {
    /// The moment of its oldest point.
    #[must_use]
    pub fn from(&self) -> Timestamp {
        self.members.iter().map(|m| m.at).min().unwrap_or_default()
    }

    /// The moment of its newest point.
    #[must_use]
    pub fn to(&self) -> Timestamp {
        self.members.iter().map(|m| m.at).max().unwrap_or_default()
    }

    /// How far its points are apart.
    #[must_use]
    pub fn skew(&self) -> Duration {
        self.to().since(self.from())
    }
}

/// Why a member of a group would not be of the moment to which others go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Apart {
    /// The plan leaves it where it is.
    Stays,
    /// It is failed over without a loss.
    Planned,
    /// It has no restore point at all.
    NoPoint,
    /// Its recovery site does not answer.
    Unseen,
}

/// Why a group would be torn apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Torn {
    /// A member would go back to a restore point, and another one would not come along.
    LeftApart {
        /// The group.
        group: EntryName,
        /// The other member.
        other: ReplicaName,
        /// What becomes of that one.
        how: Apart,
    },
    /// Its members can be brought to no moment that is one.
    TooFar {
        /// The group.
        group: EntryName,
        /// The older end of the nearest set there is.
        early: Option<CutPoint>,
        /// Its newer end.
        late: Option<CutPoint>,
        /// How far apart they may be.
        allowed: Duration,
        /// Whether some member is bound to one point: it serves from it, or the document names it.
        bound: bool,
    },
}
