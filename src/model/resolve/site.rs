//! `kind: Site`.

use super::hooks::fence;
use super::libvirt;
use super::mappings::mapping;
use super::names;
use super::reader::Reader;
use super::ready::record_kind;
use crate::base::{Duration, SiteName, VmName};
use crate::diag::{Code, Finding};
use crate::document::check::nearest;
use crate::document::shape::SiteDocument;
use crate::document::shape::bounds::{Bounded, HttpPath};
use crate::document::shape::site::{Card, Clock, Drill, Fault, Machine, Page, Simulator, SiteSpec};
use crate::document::{Key, Kind};
use crate::domain::{Action, Cutover, Header, Link, RecordKind};
use crate::model::{DrillSite, Mapping, Site};
use crate::port::{ClockSpec, FaultSpec, ProviderSpec, SimPage, SimRecord, SimVm, SimulatorSpec};
use std::collections::BTreeMap;
use std::num::{NonZeroU16, NonZeroU32};

const SIMULATOR: [Key<'static>; 3] = [Key::Name("spec"), Key::Name("provider"), Key::Name("simulator")];

/// Reads a site.
pub fn resolve(reader: &mut Reader<'_>, raw: &SiteDocument) -> Option<Site> {
    let name = reader.own_name(&raw.metadata);
    let spec = &raw.spec;
    let raw = &spec.provider;
    reader.one_of(
        &[("simulator", raw.simulator.is_some()), ("libvirt", raw.libvirt.is_some())],
        &[Key::Name("spec"), Key::Name("provider")],
    )?;
    let provider = match (&raw.simulator, &raw.libvirt) {
        (Some(raw), _) => ProviderSpec::Simulator(simulator(reader, raw)),
        (None, Some(raw)) => ProviderSpec::Libvirt(libvirt::resolve(reader, raw)?),
        (None, None) => return None,
    };
    let path = [Key::Name("spec"), Key::Name("fence")];
    let mappings = mappings(reader, spec);
    let drill = spec.drill.as_ref().map(|raw| drill(reader, raw));
    let site = Site {
        fence: spec.fence.as_ref().and_then(|raw| fence(reader, raw, &path)),
        name: name?,
        provider,
        drill,
        start_limit: spec.limits.start.map(NonZeroU32::get),
        undo_limit: spec.limits.undo.map(NonZeroU32::get),
        mappings,
        name_servers: names::servers(reader, &spec.name_servers),
    };
    reader.sound().then_some(site)
}

/// How replicas here are connected whose document says nothing else.
fn mappings(reader: &mut Reader<'_>, spec: &SiteSpec) -> BTreeMap<SiteName, Mapping> {
    let mut found = BTreeMap::new();
    for (position, raw) in spec.mappings.iter().enumerate() {
        let path = [Key::Name("spec"), Key::Name("mappings"), Key::Index(position)];
        let place = [&path[..], &[Key::Name("from")]].concat();
        let one = mapping(reader, (&raw.networks, &raw.addresses), &path);
        if !reader.refers(Kind::Site, &raw.from, &place) {
            continue;
        }
        let Ok(from) = SiteName::new(&raw.from) else { continue };
        if found.insert(from, one).is_some() {
            let message = format!("the machines of `{}` are mapped twice", raw.from);
            let finding = Finding::new(Code::MappedTwice, message).at(Some(reader.at(&place)), "here again");
            reader.find(finding.help("put both lists into one mapping"));
        }
    }
    found
}

/// The networks on which copies are tried.
fn drill(reader: &mut Reader<'_>, raw: &Drill) -> DrillSite {
    let at = [Key::Name("spec"), Key::Name("drill")];
    let Mapping { networks, addresses } = mapping(reader, (&raw.networks, &raw.addresses), &at);
    DrillSite { networks, addresses }
}

fn simulator(reader: &mut Reader<'_>, raw: &Simulator) -> SimulatorSpec {
    let key = |name: &'static str| [&SIMULATOR[..], &[Key::Name(name)]].concat();
    let clock = raw.clock.map(|clock| match clock {
        Clock::Speed(speed) => ClockSpec::Speed(speed.get()),
        Clock::Virtual => ClockSpec::Virtual,
    });
    let begins = raw.begins.as_deref().and_then(|text| reader.time(text, &key("begins")));
    let every = reader.duration(raw.every.as_deref(), Duration::from_mins(15), &key("every"));
    let defaults = machine(reader, &raw.defaults, &SimVm::default(), &key("defaults"));
    let mut vms = Vec::new();
    for (position, vm) in raw.vms.iter().enumerate() {
        let path = [&key("vms")[..], &[Key::Index(position)]].concat();
        let name: Option<VmName> = reader.name(&vm.name, &[&path[..], &[Key::Name("name")]].concat());
        let what = machine(reader, &vm.machine(), &defaults, &path);
        vms.extend(name.map(|name| (name, what)));
    }
    let mut faults = Vec::new();
    for (position, raw) in raw.faults.iter().enumerate() {
        let path = [&key("faults")[..], &[Key::Index(position)]].concat();
        faults.extend(fault(reader, raw, &path));
    }
    SimulatorSpec { clock, begins, points: raw.points.map_or(3, Bounded::get), every, defaults, vms, faults }
}

fn machine(reader: &mut Reader<'_>, raw: &Machine, defaults: &SimVm, path: &[Key<'_>]) -> SimVm {
    let key = |name: &'static str| [path, &[Key::Name(name)]].concat();
    let boot = reader.duration(raw.boot.as_deref(), defaults.boot, &key("boot"));
    let shutdown = reader.duration(raw.shutdown.as_deref(), defaults.shutdown, &key("shutdown"));
    let writes = reader.duration(raw.writes.as_deref(), defaults.writes, &key("writes"));
    let sync = reader.duration(raw.sync.as_deref(), defaults.sync, &key("sync"));
    let links = match &raw.networks {
        None => defaults.links.clone(),
        Some(cards) => cards
            .iter()
            .enumerate()
            .filter_map(|(i, card)| link(reader, card, &[&key("networks")[..], &[Key::Index(i)]].concat()))
            .collect(),
    };
    let http = match &raw.http {
        None => defaults.http.clone(),
        Some(pages) => (0..)
            .zip(pages)
            .map(|(i, raw)| page(reader, raw, &[&key("http")[..], &[Key::Index(i)]].concat()))
            .collect(),
    };
    let names = raw.names.as_ref().map(|records| {
        let one = |raw: &crate::document::shape::site::Record| SimRecord {
            name: raw.name.as_str().to_owned(),
            kind: raw.kind.map_or(RecordKind::A, record_kind),
            is: raw.is.clone(),
        };
        records.iter().map(one).collect()
    });
    SimVm {
        boot,
        shutdown,
        ports: raw.ports.clone().unwrap_or_else(|| defaults.ports.clone()),
        http,
        names: names.unwrap_or_else(|| defaults.names.clone()),
        links,
        running: raw.running.unwrap_or(defaults.running),
        blocks: raw.blocks.map_or(defaults.blocks, Bounded::get),
        writes,
        sync,
    }
}

fn page(reader: &mut Reader<'_>, raw: &Page, path: &[Key<'_>]) -> SimPage {
    let header = |raw: &crate::document::shape::site::PageHeader| Header {
        name: raw.name.as_str().to_owned(),
        is: Some(raw.is.clone()),
    };
    SimPage {
        port: raw.port.map_or(80, NonZeroU16::get),
        path: raw.path.as_ref().map_or("/", HttpPath::as_str).to_owned(),
        status: raw.status.and_then(|s| u16::try_from(s.get()).ok()).unwrap_or(200),
        body: raw.body.clone().unwrap_or_default(),
        header: raw.header.as_ref().map(header),
        late: reader.duration(raw.late.as_deref(), Duration::ZERO, &[path, &[Key::Name("late")]].concat()),
    }
}

fn link(reader: &mut Reader<'_>, card: &Card, path: &[Key<'_>]) -> Option<Link> {
    let network = reader.name(&card.network, &[path, &[Key::Name("network")]].concat());
    let place = [path, &[Key::Name("address")]].concat();
    let address = card.address.as_deref().map(|text| reader.address(text, &place));
    Some(Link { address: address.flatten(), ..Link::on(network?) })
}

fn fault(reader: &mut Reader<'_>, raw: &Fault, path: &[Key<'_>]) -> Option<FaultSpec> {
    let present = [
        ("silent", raw.silent.is_some()),
        ("fails", raw.fails.is_some()),
        ("slow", raw.slow.is_some()),
        ("answerLost", raw.answer_lost.is_some()),
        ("neverReady", raw.never_ready.is_some()),
    ];
    let which = reader.one_of(&present, path)?;
    let site = SiteName::new(&reader.document.name).ok()?;
    let inside = |name: &'static str| [path, &[Key::Name(which), Key::Name(name)]].concat();
    let action = |reader: &mut Reader<'_>, text: &Option<String>| match text {
        Some(text) if !Action::WORDS.contains(&text.as_str()) && text != Cutover::WORD => {
            let finding = Finding::new(Code::UnknownValue, format!("no action is named `{text}`"))
                .at(Some(reader.at(&inside("action"))), "not known");
            let near = nearest(text, Action::WORDS.into_iter());
            reader.find(match near {
                Some(near) => finding.help(format!("an action with a similar name: {near}")),
                None => finding.help(format!("the actions are {}", Action::WORDS.join(", "))),
            });
            None
        }
        text => text.clone(),
    };
    let replica = |reader: &mut Reader<'_>, text: &Option<String>| {
        text.as_deref().and_then(|name| reader.replica(name, &inside("replica")))
    };
    if raw.silent.is_some() {
        return Some(FaultSpec::Silent { site });
    }
    if let Some(hit) = &raw.fails {
        let (action, replica) = (action(reader, &hit.action), replica(reader, &hit.replica));
        return Some(FaultSpec::Fails { action, replica, times: hit.times });
    }
    if let Some(slow) = &raw.slow {
        let (action, replica) = (action(reader, &slow.action), replica(reader, &slow.replica));
        let by = reader.maybe_duration(Some(&slow.by), &inside("by"))?;
        return Some(FaultSpec::Slow { action, replica, by });
    }
    if let Some(lost) = &raw.answer_lost {
        let (action, replica) = (action(reader, &lost.action), replica(reader, &lost.replica));
        return Some(FaultSpec::AnswerLost { action, replica, times: lost.times, cut: lost.cut });
    }
    let vm = reader.name(&raw.never_ready.as_ref()?.vm, &inside("vm"))?;
    Some(FaultSpec::NeverReady { site, vm })
}
