//! What a provider is told about its sites: the settings of each kind of provider.

use crate::base::{Duration, ReplicaName, SiteName, Timestamp, VmName};
use crate::domain::Link;
use serde::{Deserialize, Serialize};

/// Who speaks to a site, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ProviderSpec {
    /// The built-in simulator.
    Simulator(SimulatorSpec),
}

impl ProviderSpec {
    /// The provider's name as documents write it. Source and replica must be at sites of one provider.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Simulator(_) => "simulator",
        }
    }
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
    /// Its network cards.
    pub links: Vec<Link>,
    /// How many blocks its disk has.
    pub blocks: u32,
    /// How often a running guest writes a block.
    pub writes: Duration,
    /// How long copying changes takes.
    pub sync: Duration,
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
