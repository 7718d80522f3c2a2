//! The record beside a replica, rebuilt from what stands there, where it was lost: as data. Its sentences are in `report`.

use crate::base::PointId;
use crate::domain::Facts;

/// What would be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// The facts as they will be.
    pub facts: Facts,
    /// Restore points that will be merged away by the next replication.
    pub expired: Vec<PointId>,
    /// Whether the replica's machine is gone and will be defined.
    pub defines: bool,
    /// What cannot be known, and what was taken instead.
    pub doubts: Vec<Doubt>,
}

impl Rebuilt {
    /// Whether the same would be written. That a machine was started meanwhile changes nothing of it.
    #[must_use]
    pub fn writes_the_same(&self, other: &Self) -> bool {
        let written = |r: &Self| (r.facts.points.clone(), r.facts.disk.clone(), r.facts.relation.clone());
        written(self) == written(other) && self.expired == other.expired && self.defines == other.defines
    }
}

/// What cannot be known of a record that was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// Since when the source's changes are known: the next copy compares the disks.
    Baseline,
    /// Why the restore points were made: all count as made by replication.
    Kinds,
    /// When restore points were made whose names do not tell: their files' time was taken.
    Times(Vec<PointId>),
    /// These have not a file for each disk, or do not stand in the chain: they do not count.
    NotWhole(Vec<PointId>),
    /// There are more than are kept, so that these may have been in the middle of being merged away.
    Merging(Vec<PointId>),
    /// Whether we stopped the source: undoing the failover will not start it.
    SourceStopped,
    /// Since when the replica serves: the time of its restore point was taken.
    Since,
    /// The source cannot be seen: its description is taken from the replica's machine, with the networks of that one.
    SourceUnseen,
    /// Whether a failback to another machine than the source was under way.
    OtherTarget,
    /// What the record said: it was there, and could not be read.
    Damaged(String),
}
