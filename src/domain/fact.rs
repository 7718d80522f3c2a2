//! What can be seen of one replica: its machines, its restore points, and the record kept beside it at the recovery site.

use crate::base::{NetworkName, PointId, RunId, SiteName, Timestamp, VmName};
use crate::domain::operation::{FailbackTarget, Operation, Switchover};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A virtual machine, named by its site and the name it has there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VmRef {
    /// Where it lives.
    pub site: SiteName,
    /// What the site calls it.
    pub vm: VmName,
}

impl std::fmt::Display for VmRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.site, self.vm)
    }
}

/// The part that a machine plays for one replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// The production machine that is replicated.
    Source,
    /// The machine at the recovery site.
    Replica,
    /// The machine that a failback goes to; the source itself unless the document names another.
    Target,
    /// The copy that a drill made.
    Copy,
}

/// Whether a machine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Power {
    /// It does not run.
    Off,
    /// It runs, however far its guest has come.
    On,
}

/// A network card: the network it is on, and the address its guest has there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Link {
    /// The network.
    pub network: NetworkName,
    /// The guest's address there, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The gateway that its guest shall use there, where the documents name one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    /// The name servers that its guest shall ask there, where the documents name some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<IpAddr>,
}

impl Link {
    /// A card of which no more is known than its network.
    #[must_use]
    pub const fn on(network: NetworkName) -> Self {
        Self { network, address: None, gateway: None, dns: Vec::new() }
    }
}

/// What is seen of a machine that exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmFacts {
    /// Whether it runs.
    pub power: Power,
    /// Its network cards in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
}

/// A look at a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Sight {
    /// Its site did not answer.
    Unseen,
    /// Its site answered: there is no such machine.
    Absent,
    /// Its site answered: it exists.
    Present(VmFacts),
}

impl Sight {
    /// The facts, where the machine was seen.
    #[must_use]
    pub fn facts(&self) -> Option<&VmFacts> {
        match self {
            Self::Present(facts) => Some(facts),
            Self::Unseen | Self::Absent => None,
        }
    }

    /// Whether the machine runs; `None` where its site did not answer.
    #[must_use]
    pub fn runs(&self) -> Option<bool> {
        match self {
            Self::Present(facts) => Some(facts.power == Power::On),
            Self::Absent => Some(false),
            Self::Unseen => None,
        }
    }
}

/// Why a restore point was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PointKind {
    /// By a replication run.
    Regular,
    /// By a planned failover, before and after the source was shut down (guide: "Planned failover").
    Helper,
    /// The protective snapshot that a commit kept (guide: "Commit failback").
    Protective,
}

/// What the data of a restore point is like for the programs that wrote it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Consistency {
    /// As after a power cut.
    #[default]
    Crash,
    /// The guest's file systems were frozen, and whatever its agent tells was told before.
    Application,
    /// The guest had shut down.
    Clean,
}

/// Whether a guest's file systems are frozen while a restore point is begun.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Quiesce {
    /// Where its agent answers.
    #[default]
    Auto,
    /// Never.
    Never,
    /// Always; no restore point is made where that cannot be.
    Required,
}

impl Quiesce {
    /// Whether nothing else was said.
    #[must_use]
    pub fn is_auto(&self) -> bool {
        *self == Self::Auto
    }
}

/// A restore point: a state of the source that the replica can be reverted to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestorePoint {
    /// Its name, unique within the replica.
    pub id: PointId,
    /// The moment of the source that it holds.
    pub at: Timestamp,
    /// Why it was made.
    pub kind: PointKind,
    /// What its data is like.
    #[serde(default)]
    pub consistency: Consistency,
}

/// Whether replication runs for a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Replication {
    /// It runs.
    Active,
    /// It waits until the replica is Ready again.
    Held,
    /// The source is excluded for good, after a permanent failover.
    Excluded,
}

/// The layers of the replica's disks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaDisk {
    /// The restore point the replica was reverted to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_use: Option<PointId>,
    /// Whether a running delta takes what the replica writes.
    pub delta: bool,
    /// The round (1 or 2) of the protective snapshot that a failback keeps on the replica.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protective: Option<u8>,
    /// Whether points and delta were merged into one flat chain.
    pub merged: bool,
}

/// How far a failback has come. The order of the variants is the order in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
    /// Recorded; nothing done to the target yet, or all of it taken back.
    Begun,
    /// Phase 1: the target has its working snapshot.
    Snapshotted,
    /// Phase 1: the replica has its protective snapshot.
    Protected,
    /// Phase 1 ends: the target has what the replica had at that snapshot.
    Synced,
    /// Phase 2: the target has a new working snapshot.
    Resnapshotted,
    /// Phase 2: the replica is off and has a new protective snapshot.
    Reprotected,
    /// Phase 2: the last differences are sent.
    Resynced,
    /// Phase 2 ends: the working snapshots are merged into the target's disks.
    Merged,
}

/// The failback under way, as recorded beside the replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailbackFacts {
    /// Where to.
    pub target: FailbackTarget,
    /// When phase 2 shall begin.
    pub switchover: Switchover,
    /// How far it has come.
    pub stage: Stage,
}

/// What must be remembered about a replica between runs. It stands at the recovery site beside the replica, so that any
/// runner anywhere finds it (principle 1 of the product).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Relation {
    /// The machine that is replicated from; after a failback to another machine was committed, that one.
    pub source: VmRef,
    /// The source's network cards at the last replication: what mapping and re-addressing start from when the source is gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source_links: Vec<Link>,
    /// Whether replication runs.
    pub replication: Replication,
    /// Whether we stopped the source, so that undoing starts it again.
    pub source_stopped: bool,
    /// When the replica was last started by a failover.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_over_at: Option<Timestamp>,
    /// When the target was started by a switchover.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switched_at: Option<Timestamp>,
    /// The operation that was begun and has not been concluded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Operation>,
    /// The failback under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failback: Option<FailbackFacts>,
}

impl Relation {
    /// The relation of a replica that nothing has happened to yet.
    #[must_use]
    pub const fn new(source: VmRef) -> Self {
        Self {
            source,
            source_links: Vec::new(),
            replication: Replication::Active,
            source_stopped: false,
            failed_over_at: None,
            switched_at: None,
            intent: None,
            failback: None,
        }
    }
}

/// What stands of the copy that a drill made; nothing of it, in the default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CopyFacts {
    /// The machine.
    pub machine: Sight,
    /// The restore point that it stands above; `Some` as long as anything of the copy is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point: Option<PointId>,
    /// The run that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<RunId>,
}

impl Default for CopyFacts {
    fn default() -> Self {
        Self { machine: Sight::Absent, point: None, by: None }
    }
}

impl CopyFacts {
    /// Whether nothing of a drill is there.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.point.is_none() && self.machine == Sight::Absent
    }

    /// The first network that the copy, with these cards, would share with another machine of its replica.
    #[must_use]
    pub fn reaches(links: &[Link], facts: &Facts) -> Option<NetworkName> {
        let others = [&facts.source, &facts.replica].into_iter().chain(facts.target.as_ref());
        let taken = others.filter_map(Sight::facts).flat_map(|vm| &vm.links);
        let taken: Vec<&NetworkName> =
            taken.chain(&facts.relation.source_links).map(|link| &link.network).collect();
        links.iter().map(|link| &link.network).find(|n| taken.contains(n)).cloned()
    }
}

/// All that was seen of one replica, by a recovery site that answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The machine replicated from ([`Relation::source`]).
    pub source: Sight,
    /// The machine at the recovery site.
    pub replica: Sight,
    /// The failback's target, where it is another machine than the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Sight>,
    /// The chain of restore points, oldest first.
    pub points: Vec<RestorePoint>,
    /// The layers of the replica's disks.
    pub disk: ReplicaDisk,
    /// The record beside the replica.
    pub relation: Relation,
    /// What stands of a drill.
    #[serde(default, skip_serializing_if = "CopyFacts::is_nothing")]
    pub copy: CopyFacts,
}

impl Facts {
    /// The machine in a role; the target is the source unless the failback goes to another machine.
    #[must_use]
    pub fn vm(&self, role: Role) -> &Sight {
        match role {
            Role::Source => &self.source,
            Role::Replica => &self.replica,
            Role::Target => self.target.as_ref().unwrap_or(&self.source),
            Role::Copy => &self.copy.machine,
        }
    }

    /// The same, to change it.
    pub fn vm_mut(&mut self, role: Role) -> &mut Sight {
        match role {
            Role::Source => &mut self.source,
            Role::Replica => &mut self.replica,
            Role::Target => self.target.as_mut().unwrap_or(&mut self.source),
            Role::Copy => &mut self.copy.machine,
        }
    }

    /// The latest restore point.
    #[must_use]
    pub fn latest(&self) -> Option<&RestorePoint> {
        self.points.last()
    }

    /// The restore point of that name.
    #[must_use]
    pub fn point(&self, id: &PointId) -> Option<&RestorePoint> {
        self.points.iter().find(|p| p.id == *id)
    }

    /// The latest restore point at or before a time (guide: "Running failover plans").
    #[must_use]
    pub fn point_at(&self, at: Timestamp) -> Option<&RestorePoint> {
        self.points.iter().filter(|p| p.at <= at).max_by_key(|p| p.at)
    }

    /// Whether the replica may have written into its running delta: it was started, or it is not known to be off.
    #[must_use]
    pub fn replica_wrote(&self) -> bool {
        self.disk.delta && (self.relation.failed_over_at.is_some() || self.replica.runs() != Some(false))
    }

    /// How far the failback under way has come.
    #[must_use]
    pub fn stage(&self) -> Option<Stage> {
        self.relation.failback.as_ref().map(|f| f.stage)
    }
}
