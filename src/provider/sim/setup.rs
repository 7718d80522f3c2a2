//! What a world is made from.

use crate::base::{Duration, NetworkName, PointId, Timestamp};
use crate::domain::{Consistency, Link, PointKind, RestorePoint, VmRef};
use crate::port::{ClockSpec, FaultSpec, SimVm, SimulatorSpec, Subject};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What a world is made from: the simulated sites and the replicas on them. A world that exists keeps what it was made from; sites and
/// replicas that come later are added.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    /// The sites.
    pub sites: BTreeMap<crate::base::SiteName, SimulatorSpec>,
    /// The replicas.
    pub replicas: BTreeMap<crate::base::ReplicaName, ReplicaSetup>,
}

/// A replica of a world.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplicaSetup {
    /// The production machine.
    pub source: VmRef,
    /// The machine at the recovery site.
    pub replica: VmRef,
    /// The production networks; a source without network cards of its own has one on each.
    pub networks: Vec<NetworkName>,
}

impl ReplicaSetup {
    /// The replica of a subject.
    #[must_use]
    pub fn new(subject: &Subject, networks: Vec<NetworkName>) -> Self {
        Self {
            source: subject.placement.source.clone(),
            replica: subject.placement.replica.clone(),
            networks,
        }
    }
}

impl Setup {
    /// Adds what is new in another setup; whether anything was.
    pub fn grow(&mut self, other: Self) -> bool {
        let before = (self.sites.len(), self.replicas.len());
        for (name, site) in other.sites {
            self.sites.entry(name).or_insert(site);
        }
        for (name, replica) in other.replicas {
            self.replicas.entry(name).or_insert(replica);
        }
        before != (self.sites.len(), self.replicas.len())
    }

    /// When the world begins.
    pub(super) fn begins(&self) -> Timestamp {
        let said = self.sites.values().find_map(|s| s.begins);
        // 2026-01-01T00:00:00Z: a fixed beginning makes the same documents give the same world.
        said.unwrap_or(Timestamp::from_millis(1_767_225_600_000))
    }

    /// The restore points that the replicas at a site have when the world begins.
    fn points(&self, site: &SimulatorSpec) -> Vec<RestorePoint> {
        let every = site.every.as_millis();
        let back = |n: u64| Duration::from_millis(every / 2 + every.saturating_mul(n));
        let (kind, consistency) = (PointKind::Regular, Consistency::Application);
        let point = |at| RestorePoint { id: PointId::made_at(at, ""), at, kind, consistency };
        (0..u64::from(site.points)).rev().map(|n| point(self.begins().before(back(n)))).collect()
    }

    /// How the clock runs, and whether two sites say different things.
    pub(super) fn clock(&self) -> Result<ClockSpec, ()> {
        let mut said = self.sites.values().filter_map(|s| s.clock);
        let first = said.next();
        if said.any(|other| Some(other) != first) { Err(()) } else { Ok(first.unwrap_or_default()) }
    }

    /// What goes wrong from the beginning.
    pub(super) fn faults(&self) -> impl Iterator<Item = &FaultSpec> {
        self.sites.values().flat_map(|s| &s.faults)
    }
}

/// The setup in the form that looking things up needs.
#[derive(Debug)]
pub(super) struct Index {
    specs: HashMap<VmRef, Arc<SimVm>>,
    defaults: BTreeMap<crate::base::SiteName, Arc<SimVm>>,
    replicas: HashMap<VmRef, crate::base::ReplicaName>,
    sources: HashMap<VmRef, crate::base::ReplicaName>,
    points: BTreeMap<crate::base::SiteName, Vec<RestorePoint>>,
}

impl Index {
    pub(super) fn new(setup: &Setup) -> Self {
        let mut specs = HashMap::new();
        for (site, spec) in &setup.sites {
            for (vm, what) in &spec.vms {
                specs.insert(VmRef { site: site.clone(), vm: vm.clone() }, Arc::new(what.clone()));
            }
        }
        let defaults = setup.sites.iter().map(|(n, s)| (n.clone(), Arc::new(s.defaults.clone()))).collect();
        let of = |vm: fn(&ReplicaSetup) -> &VmRef| {
            setup.replicas.iter().map(|(n, r)| (vm(r).clone(), n.clone())).collect()
        };
        let points = setup.sites.iter().map(|(n, s)| (n.clone(), setup.points(s))).collect();
        Self { specs, defaults, replicas: of(|r| &r.replica), sources: of(|r| &r.source), points }
    }

    /// The restore points that replicas at a site have when the world begins.
    pub(super) fn points(&self, site: &crate::base::SiteName) -> &[RestorePoint] {
        self.points.get(site).map(Vec::as_slice).unwrap_or_default()
    }

    /// What a machine is like, and whether it is there when the world begins.
    pub(super) fn spec(&self, setup: &Setup, vm: &VmRef) -> (Arc<SimVm>, Born) {
        let listed = self.specs.get(vm).cloned();
        if let Some(name) = self.sources.get(vm) {
            let spec = listed.or_else(|| self.defaults.get(&vm.site).cloned());
            return (spec.unwrap_or_else(fallback), Born::Source(name.clone()));
        }
        if let Some(replica) = self.replicas.get(vm).and_then(|n| setup.replicas.get_key_value(n)) {
            // A replica's guest is its source's guest.
            let spec = listed.unwrap_or_else(|| self.spec(setup, &replica.1.source).0);
            return (spec, Born::Replica(replica.0.clone()));
        }
        match listed {
            Some(spec) => (spec, Born::Alone),
            None => (self.defaults.get(&vm.site).cloned().unwrap_or_else(fallback), Born::Nowhere),
        }
    }
}

/// How a machine comes into the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Born {
    /// As a running source.
    Source(crate::base::ReplicaName),
    /// As a replica, where it has restore points.
    Replica(crate::base::ReplicaName),
    /// As a machine that the site lists: it is there, and off unless it is said to run.
    Alone,
    /// Not at all.
    Nowhere,
}

/// For a site that is not simulated; such a machine is never born.
fn fallback() -> Arc<SimVm> {
    Arc::new(SimVm::default())
}

impl Default for SimVm {
    fn default() -> Self {
        Self {
            boot: Duration::from_secs(20),
            shutdown: Duration::from_secs(10),
            ports: Vec::new(),
            http: Vec::new(),
            names: Vec::new(),
            links: Vec::new(),
            running: false,
            blocks: 64,
            writes: Duration::from_secs(1),
            sync: Duration::from_secs(20),
        }
    }
}

/// The network cards of a source: its own, or one on each mapped network.
pub(super) fn links(spec: &SimVm, networks: &[NetworkName]) -> Vec<Link> {
    if spec.links.is_empty() {
        networks.iter().map(|n| Link::on(n.clone())).collect()
    } else {
        spec.links.clone()
    }
}
