//! `kind: Replica`.

use super::hooks::{fence, hooks};
use super::reader::Reader;
use super::ready::readiness;
use crate::base::Duration;
use crate::diag::{Code, Finding};
use crate::document::Key;
use crate::document::shape::ReplicaDocument;
use crate::document::shape::bounds::Bounded;
use crate::document::shape::replica::AddressMap;
use crate::document::shape::words::QuiesceWord;
use crate::domain::Quiesce;
use crate::model::{AddressRule, Replica};
use std::net::IpAddr;

fn key(name: &'static str) -> [Key<'static>; 2] {
    [Key::Name("spec"), Key::Name(name)]
}

/// Reads a replica.
pub fn resolve(reader: &mut Reader<'_>, raw: &ReplicaDocument) -> Option<Replica> {
    let name = reader.own_name(&raw.metadata);
    let spec = &raw.spec;
    let source = reader.machine(&spec.source.site, &spec.source.vm, &key("source"));
    let twin = spec.replica.vm.clone().unwrap_or_else(|| format!("{}_replica", spec.source.vm));
    let replica = reader.machine(&spec.replica.site, &twin, &key("replica"));
    let rpo = reader.maybe_duration(
        spec.objectives.rpo.as_deref(),
        &[Key::Name("spec"), Key::Name("objectives"), Key::Name("rpo")],
    );
    let mut networks = Vec::new();
    for (position, map) in spec.networks.iter().enumerate() {
        let path =
            |end: &'static str| [&key("networks")[..], &[Key::Index(position), Key::Name(end)]].concat();
        let (from, to) = (reader.name(&map.from, &path("from")), reader.name(&map.to, &path("to")));
        networks.extend(from.zip(to));
    }
    let mut addresses = Vec::new();
    for (position, map) in spec.addresses.iter().enumerate() {
        addresses.extend(address(reader, map, position));
    }
    let ready = readiness(reader, spec.ready.as_ref());
    let within = [Key::Name("spec"), Key::Name("shutdown"), Key::Name("within")];
    let shutdown = reader.duration(spec.shutdown.within.as_deref(), Duration::from_mins(15), &within);
    let found = Replica {
        name: name?,
        labels: raw.metadata.labels.clone(),
        source: source?,
        replica: replica?,
        retention: spec.retention.map_or(7, Bounded::get),
        rpo,
        rpo_of: None,
        networks,
        addresses,
        ready,
        ready_said: spec.ready.is_some(),
        shutdown,
        quiesce: match spec.quiesce {
            None | Some(QuiesceWord::Auto) => Quiesce::Auto,
            Some(QuiesceWord::Never) => Quiesce::Never,
            Some(QuiesceWord::Required) => Quiesce::Required,
        },
        hooks: hooks(reader, &spec.hooks, &key("hooks")),
        fence: spec.fence.as_ref().and_then(|raw| fence(reader, raw, &key("fence"))),
        both_may_run: spec.both_may_run.as_ref().map(|b| b.because.clone()),
    };
    reader.sound().then_some(found)
}

fn address(reader: &mut Reader<'_>, raw: &AddressMap, position: usize) -> Option<AddressRule> {
    let path = |end: &'static str| [&key("addresses")[..], &[Key::Index(position), Key::Name(end)]].concat();
    let from = prefix(reader, &raw.from, &path("from"));
    let to = prefix(reader, &raw.to, &path("to"));
    let gateway = raw.gateway.as_deref().map(|text| reader.address(text, &path("gateway")));
    let ((from, bits), (to, other)) = (from?, to?);
    if bits != other || from.is_ipv4() != to.is_ipv4() {
        let message = format!("`{}` and `{}` are not of one length and family", raw.from, raw.to);
        reader.find(
            Finding::new(Code::BadAddress, message)
                .at(Some(reader.at(&path("to"))), "to this prefix")
                .at(Some(reader.at(&path("from"))), "from this one")
                .help("the host part of an address stays, so both prefixes need the same length"),
        );
        return None;
    }
    Some(AddressRule { from, to, bits, gateway: gateway.flatten() })
}

fn prefix(reader: &mut Reader<'_>, text: &str, path: &[Key<'_>]) -> Option<(IpAddr, u8)> {
    let parsed = text.split_once('/').and_then(|(address, bits)| {
        let address: IpAddr = address.parse().ok()?;
        let bits: u8 = bits.parse().ok()?;
        (bits <= if address.is_ipv4() { 32 } else { 128 }).then_some((address, bits))
    });
    if parsed.is_none() {
        let finding = Finding::new(Code::BadAddress, format!("`{text}` is no prefix"));
        reader.find(finding.at(Some(reader.at(path)), "here").help("write it like 10.1.0.0/16"));
    }
    parsed
}
