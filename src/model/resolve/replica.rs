//! `kind: Replica`.

use super::hooks::{fence, hooks};
use super::mappings::mapping;
use super::names;
use super::reader::Reader;
use super::ready::readiness;
use crate::base::{Duration, NetworkName, SiteName};
use crate::document::Key;
use crate::document::shape::ReplicaDocument;
use crate::document::shape::bounds::Bounded;
use crate::document::shape::words::QuiesceWord;
use crate::domain::Quiesce;
use crate::model::{Mapping, Replica, Site};
use std::collections::BTreeMap;

fn key(name: &'static str) -> [Key<'static>; 2] {
    [Key::Name("spec"), Key::Name(name)]
}

/// Reads a replica. `sites` are those that are sound.
pub fn resolve(
    reader: &mut Reader<'_>,
    raw: &ReplicaDocument,
    sites: &BTreeMap<SiteName, Site>,
) -> Option<Replica> {
    let name = reader.own_name(&raw.metadata);
    let spec = &raw.spec;
    let source = reader.machine(&spec.source.site, &spec.source.vm, &key("source"));
    let twin = spec.replica.vm.clone().unwrap_or_else(|| format!("{}_replica", spec.source.vm));
    let replica = reader.machine(&spec.replica.site, &twin, &key("replica"));
    let rpo = reader.maybe_duration(
        spec.objectives.rpo.as_deref(),
        &[Key::Name("spec"), Key::Name("objectives"), Key::Name("rpo")],
    );
    let Mapping { mut networks, mut addresses } =
        mapping(reader, (&spec.networks, &spec.addresses), &[Key::Name("spec")]);
    let own_networks = networks.len();
    // Its own word comes first, and the first that fits counts.
    if let Some(more) =
        sites.get(spec.replica.site.as_str()).and_then(|s| s.mappings.get(spec.source.site.as_str()))
    {
        let own = |from: &NetworkName| spec.networks.iter().any(|m| m.from == from.as_str());
        networks.extend(more.networks.iter().filter(|(from, _)| !own(from)).cloned());
        addresses.extend(more.addresses.iter().cloned());
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
        own_networks,
        addresses,
        dns: names::following(reader, &spec.dns, sites),
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
