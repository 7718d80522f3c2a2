//! The world: a fold over its log.

use super::data;
use super::machine::{Blocks, Machine, Version, written};
use super::setup::{Born, Index, Setup, links};
use crate::base::{Digest, Duration, PointId, ReplicaName, RunId, SiteName, Timestamp, VmName};
use crate::domain::{
    Action, CopyFacts, Facts, Link, Power, RecordKind, Relation, ReplicaDisk, RestorePoint, Role, Sight,
    VmFacts, VmRef, cutover::is_same, effect,
};
use crate::port::{FaultSpec, Placement, SimRecord, SimVm};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// When, in the world.
    pub at: Timestamp,
    /// What.
    pub entry: Entry,
}

/// What happened to the world.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Entry {
    /// An action was asked for; its effect happens at `ends`.
    Asked(Box<Asked>),
    /// An action was made to fail, without an effect.
    Failed {
        /// The position of the fault.
        fault: usize,
        /// The action's key.
        key: String,
    },
    /// Something goes wrong from now on.
    Fault(FaultSpec),
    /// Nothing goes wrong any more.
    Healed,
    /// Time passed.
    Advanced,
    /// A name server was told what a name shall say.
    Named {
        /// The machine.
        vm: VmRef,
        /// The name, as it is compared.
        name: String,
        /// The kind of record.
        kind: RecordKind,
        /// What it says from now on.
        is: Vec<String>,
    },
    /// Somebody powered a machine on or off by hand.
    Power {
        /// The machine.
        vm: VmRef,
        /// On or off.
        to: Power,
    },
}

/// An action that was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// Its key.
    pub key: String,
    /// The replica.
    pub replica: ReplicaName,
    /// The action.
    pub action: Action,
    /// The machines.
    pub placement: Placement,
    /// When its effect happens.
    pub ends: Timestamp,
    /// The data that it moves until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moves: Option<Moves>,
    /// The fault that loses its answer, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<usize>,
    /// The site that falls silent with the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<SiteName>,
}

/// Data that an action moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moves {
    /// Since when.
    pub since: Timestamp,
    /// How much, in bytes.
    pub bytes: u64,
}

/// An effect that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectLine {
    /// The key of the action.
    pub key: String,
    /// The replica.
    pub replica: ReplicaName,
    /// The action.
    pub action: Action,
    /// When.
    pub at: Timestamp,
}

/// A time in which a machine ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The machine.
    pub vm: VmRef,
    /// From when.
    pub from: Timestamp,
    /// Until when; `None` while it runs.
    pub to: Option<Timestamp>,
    /// On which networks.
    pub networks: Vec<crate::base::NetworkName>,
}

/// What goes wrong, and how often it did.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) spec: FaultSpec,
    pub(super) used: u32,
}

/// A replica in the world.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) points: Vec<RestorePoint>,
    /// The blocks of each point; empty in a state that is only looked at.
    pub(super) point_blocks: Vec<Blocks>,
    pub(super) disk: ReplicaDisk,
    pub(super) relation: Relation,
    pub(super) protective: Option<Blocks>,
    /// What stands of a drill.
    pub(super) copy: CopyFacts,
}

impl State {
    /// Of a replica that the setup does not know: nothing is replicated, from nowhere.
    fn nothing() -> Self {
        Self {
            points: Vec::new(),
            point_blocks: Vec::new(),
            disk: ReplicaDisk::default(),
            relation: Relation::new(VmRef { site: SiteName::fixed("nowhere"), vm: VmName::fixed("nothing") }),
            protective: None,
            copy: CopyFacts::default(),
        }
    }
}

/// The world.
#[derive(Debug)]
pub(super) struct World {
    pub(super) setup: Setup,
    index: Index,
    pub(super) now: Timestamp,
    /// The time of the last line: the one that another process finds.
    pub(super) noted: Timestamp,
    machines: BTreeMap<VmRef, Machine>,
    states: BTreeMap<ReplicaName, State>,
    pub(super) faults: Vec<Fault>,
    pending: BTreeMap<(Timestamp, u64), Asked>,
    asked: BTreeMap<String, Asked>,
    pub(super) effects: Vec<EffectLine>,
    pub(super) served: Vec<Served>,
    cut: BTreeSet<SiteName>,
    sessions: u64,
    sequence: u64,
    /// Who has or had an address, made when it is first asked for. Whoever finds a machine here looks whether it still has it.
    spots: OnceLock<Spots>,
}

/// The machines that have or had an address.
pub(super) type Spots = BTreeMap<IpAddr, BTreeSet<VmRef>>;

fn note(spots: &mut Spots, vm: &VmRef, links: &[Link]) {
    for address in links.iter().filter_map(|link| link.address) {
        spots.entry(address).or_default().insert(vm.clone());
    }
}

impl World {
    pub(super) fn new(setup: Setup) -> Self {
        let faults = setup.faults().map(|f| Fault { spec: f.clone(), used: 0 }).collect();
        Self {
            index: Index::new(&setup),
            now: setup.begins(),
            noted: setup.begins(),
            machines: BTreeMap::new(),
            states: BTreeMap::new(),
            faults,
            pending: BTreeMap::new(),
            asked: BTreeMap::new(),
            effects: Vec::new(),
            served: Vec::new(),
            cut: BTreeSet::new(),
            sessions: 0,
            sequence: 0,
            spots: OnceLock::new(),
            setup,
        }
    }

    /// Takes a line of the log in.
    pub(super) fn apply(&mut self, line: &Line) {
        self.catch_up(line.at);
        self.noted = self.noted.max(line.at);
        match &line.entry {
            Entry::Asked(asked) => {
                self.sequence += 1;
                if let Some(fault) = asked.lost {
                    self.use_fault(fault);
                }
                self.asked.insert(asked.key.clone(), asked.as_ref().clone());
                self.pending.insert((asked.ends, self.sequence), asked.as_ref().clone());
            }
            Entry::Failed { fault, .. } => self.use_fault(*fault),
            Entry::Fault(spec) => self.faults.push(Fault { spec: spec.clone(), used: 0 }),
            Entry::Healed => {
                self.faults.clear();
                self.cut.clear();
            }
            Entry::Advanced => {}
            Entry::Named { vm, name, kind, is } => {
                let record = SimRecord { name: name.clone(), kind: *kind, is: is.clone() };
                self.rename(vm, record);
            }
            Entry::Power { vm, to } => self.power(vm, *to, line.at),
        }
    }

    /// Replaces a record of a name server.
    fn rename(&mut self, vm: &VmRef, record: SimRecord) {
        let Some(machine) = self.machine_mut(vm) else { return };
        let names = &mut Arc::make_mut(&mut machine.spec).names;
        names.retain(|r| r.kind != record.kind || !is_same(&r.name, &record.name));
        names.push(record);
    }

    fn use_fault(&mut self, position: usize) {
        if let Some(fault) = self.faults.get_mut(position) {
            fault.used += 1;
        }
    }

    /// Lets time pass: what was asked for and is due happens.
    pub(super) fn catch_up(&mut self, to: Timestamp) {
        while let Some(entry) = self.pending.first_entry() {
            let (at, _) = *entry.key();
            if at > to {
                break;
            }
            let asked = entry.remove();
            self.now = self.now.max(at);
            self.happen(&asked, at);
        }
        self.now = self.now.max(to);
    }

    fn happen(&mut self, asked: &Asked, at: Timestamp) {
        let Asked { key, replica, action, placement, cut, .. } = asked;
        let before = self.facts(replica, placement);
        data::change(self, replica, action, (placement, at));
        let mut after = effect(action, before.clone(), at);
        if matches!(action, Action::MakeCopy { .. }) {
            let run = key.rsplit_once('#').and_then(|(run, _)| RunId::new(run).ok());
            after.copy.by = run;
        }
        self.write_back(replica, placement, (&before, after), at);
        self.effects.push(EffectLine {
            key: key.clone(),
            replica: replica.clone(),
            action: action.clone(),
            at,
        });
        self.cut.extend(cut.clone());
    }

    fn write_back(
        &mut self,
        replica: &ReplicaName,
        placement: &Placement,
        facts: (&Facts, Facts),
        at: Timestamp,
    ) {
        let (before, after) = facts;
        // Where another machine becomes the source, the old one is nobody's any more, and stays as it is.
        let source = after.relation.source.clone();
        let drilled = placement.vm(Role::Copy);
        for role in [Role::Source, Role::Replica, Role::Target, Role::Copy] {
            let vm = match role {
                Role::Source => &source,
                Role::Replica => &placement.replica,
                Role::Target => match &placement.target {
                    Some(target) if before.target.is_some() && after.target.is_some() => target,
                    _ => continue,
                },
                Role::Copy => &drilled,
            };
            let (old, new) = (before.vm(role), after.vm(role));
            if let Sight::Present(new) = new {
                if *old == Sight::Absent {
                    self.create(vm, &source);
                }
                if old.facts().map(|f| &f.links) != Some(&new.links)
                    && let Some(machine) = self.machine_mut(vm)
                {
                    machine.links.clone_from(&new.links);
                    if let Some(spots) = self.spots.get_mut() {
                        note(spots, vm, &new.links);
                    }
                }
                self.power(vm, new.power, at);
            }
        }
        let Facts { points, disk, relation, copy, .. } = after;
        let state = self.state_mut(replica);
        (state.points, state.disk, state.relation, state.copy) = (points, disk, relation, copy);
    }

    fn power(&mut self, vm: &VmRef, to: Power, at: Timestamp) {
        let session = self.sessions + 1;
        let Some(machine) = self.machine_mut(vm) else { return };
        let ran = machine.running;
        machine.power(to, at, session);
        let networks = machine.links.iter().map(|l| l.network.clone()).collect();
        match (ran, to) {
            (None, Power::On) => {
                self.sessions = session;
                self.served.push(Served { vm: vm.clone(), from: at, to: None, networks });
            }
            (Some((from, _)), Power::Off) => {
                match self.served.iter_mut().rev().find(|s| s.vm == *vm && s.to.is_none()) {
                    Some(served) => served.to = Some(at),
                    None => self.served.push(Served { vm: vm.clone(), from, to: Some(at), networks }),
                }
            }
            (Some(_), Power::On) | (None, Power::Off) => {}
        }
    }

    /// Builds a machine with another one's configuration.
    pub(super) fn create(&mut self, vm: &VmRef, like: &VmRef) {
        if self.machines.contains_key(vm) {
            return;
        }
        let spec = match self.index.spec(&self.setup, vm) {
            (spec, Born::Source(_) | Born::Replica(_) | Born::Alone) => spec,
            (_, Born::Nowhere) => self.machine(like).map(|m| m.spec).unwrap_or_default(),
        };
        self.machines.insert(vm.clone(), Machine::new(spec, Vec::new()));
    }

    /// Takes a machine away.
    pub(super) fn remove(&mut self, vm: &VmRef) {
        self.machines.remove(vm);
    }

    /// When the sources have been running since, so that the first restore point is not their first moment.
    fn dawn(&self) -> Timestamp {
        self.setup.begins().before(Duration::from_mins(60 * 24 * 30))
    }

    /// A machine as it is; made from the setup where nothing has happened to it yet.
    pub(super) fn machine(&self, vm: &VmRef) -> Option<Machine> {
        if let Some(machine) = self.machines.get(vm) {
            return Some(machine.clone());
        }
        let (spec, born) = self.index.spec(&self.setup, vm);
        match born {
            Born::Source(name) => {
                let networks =
                    self.setup.replicas.get(&name).map(|r| r.networks.as_slice()).unwrap_or_default();
                let mut machine = Machine::new(Arc::clone(&spec), links(&spec, networks));
                machine.running = Some((self.dawn(), birth_session(vm)));
                Some(machine)
            }
            Born::Replica(name) if !self.born_points(&name).is_empty() => {
                Some(Machine::new(spec, Vec::new()))
            }
            Born::Alone => {
                let mut machine = Machine::new(Arc::clone(&spec), spec.links.clone());
                machine.running = spec.running.then(|| (self.dawn(), birth_session(vm)));
                Some(machine)
            }
            Born::Replica(_) | Born::Nowhere => None,
        }
    }

    /// The machines to which something has happened.
    pub(super) fn made(&self) -> impl Iterator<Item = &VmRef> {
        self.machines.keys()
    }

    pub(super) fn machine_mut(&mut self, vm: &VmRef) -> Option<&mut Machine> {
        if !self.machines.contains_key(vm) {
            let machine = self.machine(vm)?;
            self.machines.insert(vm.clone(), machine);
        }
        self.machines.get_mut(vm)
    }

    /// The machines that may have an address.
    pub(super) fn spots(&self) -> &Spots {
        self.spots.get_or_init(|| {
            let mut spots = Spots::new();
            for vm in self.all() {
                if let Sight::Present(seen) = self.truth(&vm) {
                    note(&mut spots, &vm, &seen.links);
                }
            }
            spots
        })
    }

    /// What is seen of a machine, without making its disk.
    pub(super) fn sight(&self, vm: &VmRef) -> Sight {
        if self.silent(&vm.site).is_some() { Sight::Unseen } else { self.truth(vm) }
    }

    /// What a machine is, whether its site answers or not, without making its disk.
    pub(super) fn truth(&self, vm: &VmRef) -> Sight {
        if let Some(machine) = self.machines.get(vm) {
            return machine.sight();
        }
        let (spec, born) = self.index.spec(&self.setup, vm);
        let seen = |power, links| Sight::Present(VmFacts { power, links });
        match born {
            Born::Source(name) => {
                let networks =
                    self.setup.replicas.get(&name).map(|r| r.networks.as_slice()).unwrap_or_default();
                seen(Power::On, links(&spec, networks))
            }
            Born::Replica(name) if !self.born_points(&name).is_empty() => seen(Power::Off, Vec::new()),
            Born::Alone => seen(if spec.running { Power::On } else { Power::Off }, spec.links.clone()),
            Born::Replica(_) | Born::Nowhere => Sight::Absent,
        }
    }

    /// What a machine is like.
    pub(super) fn spec(&self, vm: &VmRef) -> Arc<SimVm> {
        match self.machines.get(vm) {
            Some(machine) => Arc::clone(&machine.spec),
            None => self.index.spec(&self.setup, vm).0,
        }
    }

    /// The restore points that a replica has when the world begins.
    fn born_points(&self, replica: &ReplicaName) -> &[RestorePoint] {
        let setup = self.setup.replicas.get(replica);
        setup.map(|r| self.index.points(&r.replica.site)).unwrap_or_default()
    }

    /// A replica as it is; without blocks where nothing has happened to it yet.
    pub(super) fn state(&self, replica: &ReplicaName) -> std::borrow::Cow<'_, State> {
        match self.states.get(replica) {
            Some(state) => std::borrow::Cow::Borrowed(state),
            None => std::borrow::Cow::Owned(self.born(replica)),
        }
    }

    fn born(&self, replica: &ReplicaName) -> State {
        let setup = self.setup.replicas.get(replica);
        let source = setup.map(|r| r.source.clone());
        let source_links = match (setup, &source) {
            (Some(setup), Some(source)) => links(&self.spec(source), &setup.networks),
            _ => Vec::new(),
        };
        let mut state = State::nothing();
        state.points = self.born_points(replica).to_vec();
        state.relation.source_links = source_links;
        if let Some(source) = source {
            state.relation.source = source;
        }
        state
    }

    pub(super) fn state_mut(&mut self, replica: &ReplicaName) -> &mut State {
        let born =
            if self.states.contains_key(replica) { None } else { Some(self.born_with_blocks(replica)) };
        let entry = self.states.entry(replica.clone());
        entry.or_insert_with(|| born.unwrap_or_else(State::nothing))
    }

    fn born_with_blocks(&self, replica: &ReplicaName) -> State {
        let mut state = self.born(replica);
        let (source, dawn) = (&state.relation.source, self.dawn());
        let spec = self.index.spec(&self.setup, source).0;
        let empty = Arc::new(vec![Version::default(); spec.blocks.max(1) as usize]);
        let every = spec.writes.as_millis().max(1);
        let records = |p: &RestorePoint| p.at.since(dawn).as_millis() / every;
        state.point_blocks =
            state.points.iter().map(|p| written(&empty, birth_session(source), records(p))).collect();
        state
    }

    /// The blocks of a restore point.
    pub(super) fn point_blocks(&mut self, replica: &ReplicaName, point: &PointId) -> Option<Blocks> {
        let state = self.state_mut(replica);
        let position = state.points.iter().position(|p| p.id == *point)?;
        state.point_blocks.get(position).cloned()
    }

    /// All that can be seen of a replica.
    pub(super) fn facts(&self, replica: &ReplicaName, placement: &Placement) -> Facts {
        let state = self.state(replica);
        let other = match &state.relation.failback {
            Some(failback) => failback.target.other().cloned(),
            None => placement.target.clone().filter(|t| *t != state.relation.source),
        };
        Facts {
            source: self.sight(&state.relation.source),
            replica: self.sight(&placement.replica),
            target: other.map(|vm| self.sight(&vm)),
            points: state.points.clone(),
            disk: state.disk.clone(),
            relation: state.relation.clone(),
            copy: self.copy(&state.copy, placement),
        }
    }

    /// What can be seen of a drill's copy.
    fn copy(&self, copy: &CopyFacts, placement: &Placement) -> CopyFacts {
        let machine = match copy.point {
            Some(_) => self.sight(&placement.vm(Role::Copy)),
            None => Sight::Absent,
        };
        CopyFacts { machine, ..copy.clone() }
    }

    /// Why a site does not answer.
    pub(super) fn silent(&self, site: &SiteName) -> Option<String> {
        let told = self.faults.iter().any(|f| matches!(&f.spec, FaultSpec::Silent { site: s } if s == site));
        (told || self.cut.contains(site)).then(|| format!("site {site} does not answer"))
    }

    /// What was asked for under a key.
    pub(super) fn asked(&self, key: &str) -> Option<&Asked> {
        self.asked.get(key)
    }
}

/// The session in which a source has been running when the world begins: told from its name, so that it does not depend on who looks
/// first. The highest bit keeps it apart from sessions that are counted.
fn birth_session(vm: &VmRef) -> u64 {
    let digest = Digest::of(vm.to_string().as_bytes()).to_string();
    let number = digest.get(..15).and_then(|d| u64::from_str_radix(d, 16).ok()).unwrap_or(0);
    number | 1 << 63
}
