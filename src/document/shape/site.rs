//! `kind: Site`.

use super::bounds::{Bounded, HeaderName, HostName, HttpPath, Speed};
use super::hooks::Fence;
use super::libvirt::Libvirt;
use super::names::NameServer;
use super::replica::{AddressMap, NetworkMap};
use super::words::RecordWord;
use schemars::JsonSchema;
use serde::Deserialize;
use std::num::{NonZeroU16, NonZeroU32};

/// A place where machines live.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SiteSpec {
    /// Who speaks to it.
    pub provider: Provider,
    /// How many at once, over all plans.
    #[serde(default)]
    pub limits: Limits,
    /// How all its machines are taken away for sure while it does not answer, for failover plans that say `source: fence`.
    pub fence: Option<Fence>,
    /// How replicas at this site are connected whose document says nothing else.
    #[serde(default)]
    pub mappings: Vec<Mapping>,
    /// Name servers that take changes, for names that follow a machine. All replicas may use them, wherever they are.
    #[serde(default, rename = "nameServers")]
    pub name_servers: Vec<NameServer>,
    /// Where copies are tried.
    pub drill: Option<Drill>,
}

/// How the machines of one site are connected at another.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// The site of their sources.
    pub from: String,
    /// Which network stands for which.
    #[serde(default)]
    pub networks: Vec<NetworkMap>,
    /// How addresses change.
    #[serde(default)]
    pub addresses: Vec<AddressMap>,
}

/// Where `lifeboat drill` tries copies of replicas at this site: on networks apart, from which nothing leads anywhere.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Drill {
    /// Which network apart stands for which network on which replicas serve.
    #[serde(default)]
    pub networks: Vec<NetworkMap>,
    /// How the addresses that replicas have when they serve change once more.
    #[serde(default)]
    pub addresses: Vec<AddressMap>,
}

/// Who speaks to a site; exactly one.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// The built-in simulator.
    pub simulator: Option<Simulator>,
    /// A host of libvirt and QEMU.
    pub libvirt: Option<Libvirt>,
}

/// How many replicas at once at a site, over all plans.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Started at once.
    pub start: Option<NonZeroU32>,
    /// Undone at once.
    pub undo: Option<NonZeroU32>,
}

/// A simulated site.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Simulator {
    /// How the world's clock runs: `virtual` (waits cost no real time), or `{ speed: 60 }`.
    pub clock: Option<Clock>,
    /// When the world begins, as a time with a zone.
    pub begins: Option<String>,
    /// How many restore points each replica at this site has when the world begins. Default 3; 0 for none.
    pub points: Option<Bounded<0, 28>>,
    /// How far these are apart. Default 15m.
    pub every: Option<String>,
    /// What machines are like that are not listed.
    #[serde(default)]
    pub defaults: Machine,
    /// Machines that differ from the defaults, or that no replica names.
    #[serde(default)]
    pub vms: Vec<NamedMachine>,
    /// What goes wrong from the beginning.
    #[serde(default)]
    pub faults: Vec<Fault>,
}

/// How a world's clock runs.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum Clock {
    /// Waits cost no real time.
    Virtual,
    /// So many times as fast as the wall's.
    Speed(Speed),
}

/// What a simulated machine is like.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// From power-on until the guest answers. Default 20s.
    pub boot: Option<String>,
    /// How long the guest takes to shut down. Default 10s.
    pub shutdown: Option<String>,
    /// The TCP ports that answer once the guest is up.
    pub ports: Option<Vec<u16>>,
    /// What its web server answers. One that says nothing here answers 200 to everything, at the ports that answer.
    pub http: Option<Vec<Page>>,
    /// What its name server answers, at port 53.
    pub names: Option<Vec<Record>>,
    /// Its network cards.
    pub networks: Option<Vec<Card>>,
    /// Whether it runs when the world begins, where no replica names it. Default: it is off.
    pub running: Option<bool>,
    /// How many blocks its disk has. Default 64.
    pub blocks: Option<Bounded<1, 1_000_000>>,
    /// How often a running guest writes a block. Default 1s.
    pub writes: Option<String>,
    /// How long copying its changes takes. Default 20s.
    pub sync: Option<String>,
}

/// A simulated machine with its name.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedMachine {
    /// Its name at the site.
    pub name: String,
    /// From power-on until the guest answers.
    pub boot: Option<String>,
    /// How long the guest takes to shut down.
    pub shutdown: Option<String>,
    /// The TCP ports that answer once the guest is up.
    pub ports: Option<Vec<u16>>,
    /// What its web server answers.
    pub http: Option<Vec<Page>>,
    /// What its name server answers, at port 53.
    pub names: Option<Vec<Record>>,
    /// Its network cards.
    pub networks: Option<Vec<Card>>,
    /// Whether it runs when the world begins, where no replica names it.
    pub running: Option<bool>,
    /// How many blocks its disk has.
    pub blocks: Option<Bounded<1, 1_000_000>>,
    /// How often a running guest writes a block.
    pub writes: Option<String>,
    /// How long copying its changes takes.
    pub sync: Option<String>,
}

impl NamedMachine {
    /// The values without the name.
    #[must_use]
    pub fn machine(&self) -> Machine {
        let Self { name: _, boot, shutdown, ports, http, names, networks, running, blocks, writes, sync } =
            self.clone();
        Machine { boot, shutdown, ports, http, names, networks, running, blocks, writes, sync }
    }
}

/// What a simulated web server answers. A port with pages answers 404 to what is none of them.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// The port. Default 80.
    pub port: Option<NonZeroU16>,
    /// What it is asked for. Default `/`.
    pub path: Option<HttpPath>,
    /// The status. Default 200.
    pub status: Option<Bounded<100, 599>>,
    /// The body. Default: nothing.
    pub body: Option<String>,
    /// The header that it has besides.
    pub header: Option<PageHeader>,
    /// For so long after the guest is up it answers 503. Default 0s.
    pub late: Option<String>,
}

/// A header of a page.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PageHeader {
    /// Its name.
    pub name: HeaderName,
    /// Its value.
    pub is: String,
}

/// What a simulated name server knows.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The name.
    pub name: HostName,
    /// The kind of record. Default `A`.
    #[serde(rename = "type")]
    pub kind: Option<RecordWord>,
    /// What it says.
    pub is: Vec<String>,
}

/// A network card.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// The network.
    pub network: String,
    /// The guest's address there.
    pub address: Option<String>,
}

/// Something that goes wrong; exactly one.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Fault {
    /// This site does not answer.
    pub silent: Option<Silent>,
    /// An action fails, without an effect.
    pub fails: Option<Hit>,
    /// An action takes longer.
    pub slow: Option<Slow>,
    /// An action's effect happens and its answer is lost.
    pub answer_lost: Option<Lost>,
    /// A machine's guest never gets ready.
    pub never_ready: Option<NeverReady>,
}

/// This site does not answer.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Silent {}

/// Which action.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hit {
    /// The action, as `power-on`; any where nothing is said.
    pub action: Option<String>,
    /// The replica; any where nothing is said.
    pub replica: Option<String>,
    /// How often; always where nothing is said.
    pub times: Option<u32>,
}

/// Which action, and by how much.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slow {
    /// The action; any where nothing is said.
    pub action: Option<String>,
    /// The replica; any where nothing is said.
    pub replica: Option<String>,
    /// So much longer.
    pub by: String,
}

/// Which action, and whether the recovery site falls silent with it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lost {
    /// The action; any where nothing is said.
    pub action: Option<String>,
    /// The replica; any where nothing is said.
    pub replica: Option<String>,
    /// How often; always where nothing is said.
    pub times: Option<u32>,
    /// Whether the recovery site falls silent with it.
    #[serde(default)]
    pub cut: bool,
}

/// Which machine of this site.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NeverReady {
    /// The machine.
    pub vm: String,
}
