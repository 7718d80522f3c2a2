//! What a provider is told about its sites: the settings of each kind of provider.

use crate::base::{Duration, ReplicaName, SiteName, Timestamp, VmName};
use crate::domain::{Header, Link, RecordKind};
use serde::{Deserialize, Serialize};

/// Who speaks to a site, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ProviderSpec {
    /// The built-in simulator.
    Simulator(SimulatorSpec),
    /// A host of libvirt and QEMU.
    Libvirt(LibvirtSpec),
}

impl ProviderSpec {
    /// The provider's name as documents write it. Source and replica must be at sites of one provider.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Simulator(_) => "simulator",
            Self::Libvirt(_) => "libvirt",
        }
    }
}

/// How a host of libvirt and QEMU is reached, and where it keeps what is Lifeboat's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LibvirtSpec {
    /// The URI that libvirt's own tools take, as `qemu+ssh://root@kvm-a/system`.
    pub uri: String,
    /// How a command is run on the host.
    pub run: RunOn,
    /// Where the other host reaches the disks that this one serves while they are copied.
    pub data: DataPath,
    /// The folder on the host for restore points, and for scratch files while a machine here is copied.
    pub folder: String,
    /// After how long without any sign of progress something counts as hanging.
    pub silence: Duration,
    /// How many copies this host takes part in at once.
    pub copies: u32,
}

/// How a command is run on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RunOn {
    /// The host is the machine that Lifeboat runs on.
    Local,
    /// Over ssh, with one connection that is kept open.
    Ssh(SshSpec),
    /// Behind these arguments.
    Prefix(Vec<String>),
}

/// Where ssh goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SshSpec {
    /// The destination, as `root@kvm-a` or a name of the user's ssh configuration.
    pub to: String,
    /// The port, where it is not the configured one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The file of the private key, where it is not the configured one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The file of the host keys that count, where it is not the configured ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_hosts: Option<String>,
}

/// Where a host serves disks while they are copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataPath {
    /// The address at which the other host reaches it.
    pub address: std::net::IpAddr,
    /// The first port of the range.
    pub first: u16,
    /// The last port of the range.
    pub last: u16,
}

/// How the simulated world's clock runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClockSpec {
    /// Waits cost no real time: the clock jumps to the next thing that happens.
    #[default]
    Virtual,
    /// So many times faster than the wall.
    Speed(f64),
}

/// What a simulated site is like. The world is made from this once; after that it lives in the workspace's own folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SimulatorSpec {
    /// How the clock runs. One world has one clock: all simulated sites must say the same, or nothing.
    pub clock: Option<ClockSpec>,
    /// When the world begins; 2026-01-01T00:00:00Z where nothing is said.
    pub begins: Option<Timestamp>,
    /// How many restore points every replica at this site has when the world begins.
    pub points: u32,
    /// How far these are apart; the latest is half of it old.
    pub every: Duration,
    /// What a machine is like that is not listed.
    pub defaults: SimVm,
    /// Machines that differ from the defaults, or that no replica names. A listed machine has all its values.
    pub vms: Vec<(VmName, SimVm)>,
    /// What goes wrong from the beginning.
    pub faults: Vec<FaultSpec>,
}

/// What a simulated machine is like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SimVm {
    /// From power-on until the guest answers.
    pub boot: Duration,
    /// How long the guest takes to shut down.
    pub shutdown: Duration,
    /// The TCP ports that answer once the guest is up.
    pub ports: Vec<u16>,
    /// What its web server answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<SimPage>,
    /// What its name server answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<SimRecord>,
    /// Its network cards.
    pub links: Vec<Link>,
    /// Whether it runs when the world begins, where no replica names it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub running: bool,
    /// How many blocks its disk has.
    pub blocks: u32,
    /// How often a running guest writes a block.
    pub writes: Duration,
    /// How long copying changes takes.
    pub sync: Duration,
}

/// What a simulated web server answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimPage {
    /// The port.
    pub port: u16,
    /// What it is asked for.
    pub path: String,
    /// The status.
    pub status: u16,
    /// The body.
    pub body: String,
    /// The header that it has besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<Header>,
    /// For so long after the guest is up it answers 503.
    pub late: Duration,
}

/// What a simulated name server knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimRecord {
    /// The name.
    pub name: String,
    /// The kind of record.
    #[serde(rename = "type")]
    pub kind: RecordKind,
    /// What it says.
    pub is: Vec<String>,
}

/// What goes wrong in the simulated world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FaultSpec {
    /// The site does not answer.
    Silent {
        /// The site.
        site: SiteName,
    },
    /// An action fails, without an effect.
    Fails {
        /// The action's word; any action where nothing is said.
        action: Option<String>,
        /// The replica; any where nothing is said.
        replica: Option<ReplicaName>,
        /// How often; always where nothing is said.
        times: Option<u32>,
    },
    /// An action takes longer.
    Slow {
        /// The action's word; any action where nothing is said.
        action: Option<String>,
        /// The replica; any where nothing is said.
        replica: Option<ReplicaName>,
        /// So much longer.
        by: Duration,
    },
    /// An action's effect happens and its answer is lost.
    AnswerLost {
        /// The action's word; any action where nothing is said.
        action: Option<String>,
        /// The replica; any where nothing is said.
        replica: Option<ReplicaName>,
        /// How often; always where nothing is said.
        times: Option<u32>,
        /// Whether the recovery site falls silent with it, so that nobody can look.
        cut: bool,
    },
    /// A machine's guest never gets ready.
    NeverReady {
        /// The machine's site.
        site: SiteName,
        /// The machine.
        vm: VmName,
    },
}
