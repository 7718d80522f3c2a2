//! What stands in the way at the sites, found before anything is done: as data, with the command that mends it. Its sentences are in `report`.

use crate::base::{Duration, NetworkName, ReplicaName, SiteName};
use crate::domain::{Action, VmRef};
use crate::port::Subject;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// What is looked at before anything is done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// What shall be done. The sites that it needs are asked.
    pub errands: Vec<Errand>,
    /// Sites that are asked whether an errand needs them or not.
    pub sites: BTreeSet<SiteName>,
    /// Sites that are known not to answer, and are not asked.
    pub silent: BTreeSet<SiteName>,
}

/// What shall be done to one replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errand {
    /// The replica, with its machines as the record beside it names them.
    pub subject: Subject,
    /// The actions, in their order.
    pub actions: Vec<Action>,
    /// The addresses that its replica's machine is to be found at, as far as documents say them, while nobody else shall be there.
    pub expects: Vec<Expected>,
    /// Whether its source is fenced before: then it is not in the way.
    pub fenced: bool,
}

/// An address at which a replica's machine is to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// The address.
    pub address: IpAddr,
    /// Whether its source is found there as well.
    pub kept: bool,
}

/// Something that stands in the way, or may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hitch {
    /// The site that was asked.
    pub site: SiteName,
    /// The replica, where it concerns one alone.
    pub replica: Option<ReplicaName>,
    /// What it is.
    pub what: Obstacle,
    /// Whether an action of the errand would fail for it. What is not needed now is only worth knowing.
    pub fatal: bool,
    /// The command that mends it, as a POSIX shell takes it where Lifeboat runs.
    pub mend: Option<String>,
}

/// What stands in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// The site stopped answering while it was asked.
    Silent {
        /// What was heard.
        why: String,
    },
    /// A program is too old.
    Version {
        /// The program.
        program: &'static str,
        /// Its version.
        found: String,
        /// The oldest that will do.
        least: &'static str,
    },
    /// The host cannot serve the disks of a machine while it runs.
    NoBackups,
    /// A program is missing.
    Tool {
        /// The program.
        program: &'static str,
        /// What was heard.
        why: String,
    },
    /// The folder for restore points and scratch files cannot be written.
    Folder {
        /// The folder, or the one above it that is there.
        path: String,
        /// Why not.
        why: FolderWhy,
    },
    /// There is little room.
    Space {
        /// Where.
        path: String,
        /// How much there is, in bytes.
        free: u64,
        /// How much is wanted, in bytes.
        wanted: u64,
        /// What for.
        what: Room,
    },
    /// The address at which the host's disks shall be read is none of its own.
    Address {
        /// The address.
        address: IpAddr,
        /// Those that it has.
        own: Vec<IpAddr>,
    },
    /// Others listen at ports of the range.
    Ports {
        /// The range.
        range: (u16, u16),
        /// Those that are taken.
        taken: Vec<u16>,
        /// How many copies are made at once.
        copies: u32,
    },
    /// A network that a machine is to be on is not there, or not active.
    Network {
        /// The network.
        network: NetworkName,
        /// The kind of it.
        kind: NetworkKind,
        /// Whether it is there.
        exists: bool,
        /// Those that are there and active.
        active: Vec<String>,
        /// The machine.
        vm: VmRef,
    },
    /// Somebody answers at an address that a machine shall get.
    Answers {
        /// The machine.
        vm: VmRef,
        /// The address.
        address: IpAddr,
        /// The network, where it is known.
        network: Option<NetworkName>,
        /// Who answers, where that is known.
        by: Option<VmRef>,
    },
    /// A machine cannot be replicated.
    Unfit {
        /// The machine.
        vm: VmRef,
        /// Why.
        why: String,
    },
    /// The host cannot run a machine of that kind.
    MachineType {
        /// The machine.
        vm: VmRef,
        /// What the host does not know: as `machine type pc-q35-9.9`.
        what: String,
    },
    /// Somebody else's work is under way on a machine.
    Job {
        /// The machine.
        vm: VmRef,
        /// What is under way, as libvirt calls it.
        what: String,
    },
    /// Somebody else's snapshots on a machine.
    Snapshots {
        /// The machine.
        vm: VmRef,
        /// Their names.
        names: Vec<String>,
    },
    /// Somebody else's checkpoints on a machine.
    Checkpoints {
        /// The machine.
        vm: VmRef,
        /// Their names.
        names: Vec<String>,
    },
    /// The host's clock is off.
    Clock {
        /// By so much at least.
        by: Duration,
        /// Whether it is ahead of Lifeboat's.
        ahead: bool,
    },
    /// What the host has cannot be told.
    Unknown {
        /// What was asked.
        what: String,
        /// What was heard.
        why: String,
    },
}

/// Why a folder cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FolderWhy {
    /// Its file system takes no writes at all.
    ReadOnly,
    /// Lifeboat has no right to.
    NoRight,
    /// There is something else of that name.
    NoFolder,
}

/// What room is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// The first copies of disks.
    FirstCopies,
    /// What changes: layers, and what replicas write.
    Changes,
    /// What guests overwrite while their disks are copied.
    Scratch,
}

/// How a machine is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NetworkKind {
    /// By a network of the host's libvirt.
    Network,
    /// By a bridge of the host.
    Bridge,
    /// Directly by a card of the host.
    Device,
}
