//! `kind: FailoverPlan`.

use super::hooks::{Groups, hooks, question};
use super::reader::Reader;
use super::{Labels, plan_name};
use crate::base::{Duration, EntryName, ReplicaName};
use crate::diag::{Code, Finding};
use crate::document::Key;
use crate::document::check::nearest;
use crate::document::shape::FailoverPlanDocument;
use crate::document::shape::bounds::Bounded;
use crate::document::shape::failover_plan as raw;
use crate::document::shape::hooks::Gate;
use crate::document::shape::words::{IfFailedWord, IsWord, SlotWord, SourceWord, UndoOrderWord};
use crate::domain::{IfFailed, Pause};
use crate::model::{
    After, ConsistencyGroup, Entry, FailoverPlan, Hooks, Is, Retries, Slot, SourceTreatment, UndoOrder,
};
use std::collections::BTreeMap;
use std::num::NonZeroU32;

const SEQUENCE: [Key<'static>; 2] = [Key::Name("spec"), Key::Name("sequence")];
/// Guide: a plan's delay, 60 s by default.
const DELAY: Duration = Duration::from_secs(60);

/// Reads a failover plan.
pub fn resolve(
    reader: &mut Reader<'_>,
    raw: &FailoverPlanDocument,
    named: (&Labels<'_>, &Groups<'_>),
) -> Option<FailoverPlan> {
    let _: Option<EntryName> = reader.own_name(&raw.metadata);
    let name = plan_name(&raw.metadata.name);
    let spec = &raw.spec;
    let key = |a: &'static str, b: &'static str| [Key::Name("spec"), Key::Name(a), Key::Name(b)];
    let rto = reader.maybe_duration(spec.objectives.rto.as_deref(), &key("objectives", "rto"));
    let rpo = reader.maybe_duration(spec.objectives.rpo.as_deref(), &key("objectives", "rpo"));
    let undo_gap = reader.duration(
        spec.limits.undo_every.as_deref(),
        Duration::from_secs(10),
        &key("limits", "undoEvery"),
    );
    if spec.sequence.is_empty() {
        let finding = Finding::new(Code::EmptySequence, "the sequence is empty");
        reader.find(finding.at(Some(reader.at(&SEQUENCE)), "nothing to fail over"));
    }
    let mut sequence = Vec::with_capacity(spec.sequence.len());
    let all = spec.retries.as_ref().map(|r| retries(reader, r, &[Key::Name("spec"), Key::Name("retries")]));
    for (position, raw) in spec.sequence.iter().enumerate() {
        let entry = entry(reader, raw, position, named);
        sequence.push(entry.map(|entry| Entry { retries: entry.retries.or(all), ..entry }));
    }
    last_delay(reader, &spec.sequence);
    twice(reader, &sequence);
    let positions = positions(reader, &sequence);
    let mut resolved = Vec::with_capacity(sequence.len());
    let on_failure: Vec<IfFailed> =
        sequence.iter().map(|e| e.as_ref().map_or(IfFailed::Block, |e| e.on_failure)).collect();
    for (position, (entry, raw)) in sequence.into_iter().zip(&spec.sequence).enumerate() {
        let Some(mut entry) = entry else { continue };
        entry.after = raw.after.as_ref().map(|after| {
            let one = |(i, raw): (usize, &raw::After)| {
                after_edge(reader, raw, (position, i), (&positions, &on_failure))
            };
            after.iter().enumerate().filter_map(one).collect()
        });
        resolved.push(entry);
    }
    let plan = FailoverPlan {
        name: name?,
        rto,
        rpo,
        start_limit: spec.limits.start.map_or(10, NonZeroU32::get),
        undo_limit: spec.limits.undo.map_or(5, NonZeroU32::get),
        undo_gap,
        slot: match spec.slot_free_at {
            None | Some(SlotWord::Done) => Slot::Done,
            Some(SlotWord::Ready) => Slot::Ready,
        },
        undo_order: match spec.undo_order {
            None | Some(UndoOrderWord::Reverse) => UndoOrder::Reverse,
            Some(UndoOrderWord::List) => UndoOrder::List,
        },
        source: match spec.source {
            None | Some(SourceWord::Leave) => SourceTreatment::Leave,
            Some(SourceWord::PowerOff) => SourceTreatment::PowerOff,
            Some(SourceWord::Fence) => SourceTreatment::Fence,
        },
        consistency: groups(reader, &spec.consistency, named.0),
        hooks: hooks(reader, &spec.hooks, &[Key::Name("spec"), Key::Name("hooks")]),
        sequence: resolved,
    };
    reader.sound().then_some(plan)
}

/// Reads the consistency groups. What they mean together is a check of its own.
fn groups(reader: &mut Reader<'_>, raw: &[raw::Consistency], labels: &Labels<'_>) -> Vec<ConsistencyGroup> {
    let mut found = Vec::with_capacity(raw.len());
    for (position, raw) in raw.iter().enumerate() {
        let key = |name: &'static str| {
            [Key::Name("spec"), Key::Name("consistency"), Key::Index(position), Key::Name(name)]
        };
        let name: Option<EntryName> = reader.name(&raw.name, &key("name"));
        let replicas = reader.select(&raw.replicas, labels, &key("replicas"));
        let max_skew = reader.maybe_duration(Some(&raw.max_skew), &key("maxSkew"));
        let group = name.zip(max_skew);
        found.extend(group.map(|(name, max_skew)| ConsistencyGroup { name, replicas, max_skew }));
    }
    found
}

fn entry(
    reader: &mut Reader<'_>,
    raw: &raw::Entry,
    position: usize,
    named: (&Labels<'_>, &Groups<'_>),
) -> Option<Entry> {
    let (labels, groups) = named;
    let here = [&SEQUENCE[..], &[Key::Index(position)]].concat();
    let key = |name: &'static str| [&here[..], &[Key::Name(name)]].concat();
    let kinds =
        [("replica", raw.replica.is_some()), ("group", raw.group.is_some()), ("gate", raw.gate.is_some())];
    let which = reader.one_of(&kinds, &here)?;
    if let Some(gate) = &raw.gate {
        return gate_entry(reader, raw, gate, (&here, groups));
    }
    let text = raw.replica.as_deref().or(raw.group.as_deref())?;
    let delay = reader.duration(raw.delay.as_deref(), DELAY, &key("delay"));
    let replicas: Vec<ReplicaName> = match (&raw.replicas, which) {
        (None, "replica") => reader.replica(text, &key("replica")).into_iter().collect(),
        (Some(selection), "group") => reader.select(selection, labels, &key("replicas")),
        (Some(_), _) => {
            let place = reader.at(&[&here[..], &[Key::KeyOf("replicas")]].concat());
            let finding = Finding::new(Code::OneOf, "`replicas` belongs to a `group`");
            reader.find(finding.at(Some(place), "this entry is one `replica`"));
            Vec::new()
        }
        (None, _) => {
            let finding = Finding::new(Code::MissingKey, "the key `replicas` is missing in a group");
            reader.find(finding.at(Some(reader.at(&key("group"))), "which replicas does it have?"));
            Vec::new()
        }
    };
    let name: Option<EntryName> = reader.name(text, &key(which));
    let required = raw.required.unwrap_or(true);
    // What may fail holds nobody up.
    let usual = if required { IfFailed::Block } else { IfFailed::Continue };
    let on_failure = raw.on_failure.map_or(usual, if_failed);
    if !required && on_failure != IfFailed::Continue {
        let place = |name| Some(reader.at(&[&here[..], &[Key::KeyOf(name)]].concat()));
        let finding = Finding::new(
            Code::FailureUnfit,
            format!("`{text}` may fail, and its failure holds others up"),
        )
        .at(place("onFailure"), "what waits for it does not start")
        .at(place("required"), "and it may fail")
        .help("take one of the two out; an edge that cannot go on without it says `ifFailed: block` itself");
        reader.find(finding);
    }
    let at_least = at_least(reader, raw, replicas.len(), &here);
    let retries = raw.retries.as_ref().map(|r| retries(reader, r, &key("retries")));
    let hooks = hooks(reader, &raw.hooks, &key("hooks"));
    let (gate, after) = (None, None);
    Some(Entry { name: name?, replicas, gate, hooks, delay, after, on_failure, required, at_least, retries })
}

/// How many of a group are needed.
fn at_least(reader: &mut Reader<'_>, raw: &raw::Entry, count: usize, here: &[Key<'_>]) -> Option<u32> {
    let needed = raw.at_least?.get();
    let message = match raw.group {
        None => "`atLeast` says something of a group, and this entry is one replica".to_owned(),
        // Of a group whose replicas are not known another finding tells.
        Some(_) if count == 0 || needed as usize <= count => return Some(needed),
        Some(_) => format!("at least {needed} of a group of {count} can never come up"),
    };
    let place = reader.at(&[here, &[Key::KeyOf("atLeast")]].concat());
    reader.find(Finding::new(Code::FailureUnfit, message).at(Some(place), "here"));
    None
}

/// How often an action is tried.
fn retries(reader: &mut Reader<'_>, raw: &raw::Retries, path: &[Key<'_>]) -> Retries {
    let usual = Pause::default();
    let every = reader.duration(raw.every.as_deref(), usual.every, &[path, &[Key::Name("every")]].concat());
    let factor = raw.factor.map_or(usual.factor, Bounded::get);
    Retries { attempts: raw.count.get() + 1, pause: Pause { every, factor } }
}

/// What is waited for; ready where nothing is said.
const fn is(word: Option<IsWord>) -> Is {
    match word {
        None | Some(IsWord::Ready) => Is::Ready,
        Some(IsWord::Started) => Is::Started,
        Some(IsWord::Committed) => Is::Committed,
    }
}

/// A gate: it has no replicas, so nothing of what is said of replicas fits it.
fn gate_entry(
    reader: &mut Reader<'_>,
    raw: &raw::Entry,
    gate: &Gate,
    at: (&[Key<'_>], &Groups<'_>),
) -> Option<Entry> {
    let (here, groups) = at;
    let path = [here, &[Key::Name("gate")]].concat();
    let hooks = !raw.hooks.before.is_empty() || !raw.hooks.after.is_empty();
    for (key, said) in [
        ("delay", raw.delay.is_some()),
        ("replicas", raw.replicas.is_some()),
        ("hooks", hooks),
        ("required", raw.required.is_some()),
        ("atLeast", raw.at_least.is_some()),
        ("retries", raw.retries.is_some()),
    ] {
        if said {
            let place = reader.at(&[here, &[Key::KeyOf(key)]].concat());
            let finding = Finding::new(Code::BadHook, format!("`{key}` says nothing for a gate"));
            reader.find(finding.at(Some(place), "a gate asks people, and starts nothing itself"));
        }
    }
    let name: Option<EntryName> = reader.name(&gate.name, &[&path[..], &[Key::Name("name")]].concat());
    let gate = Some(question(reader, gate, groups, &path));
    let on_failure = raw.on_failure.map_or(IfFailed::Block, if_failed);
    let (replicas, hooks) = (Vec::new(), Hooks::default());
    Some(Entry {
        name: name?,
        replicas,
        gate,
        hooks,
        delay: Duration::ZERO,
        after: None,
        on_failure,
        required: true,
        at_least: None,
        retries: None,
    })
}

const fn if_failed(word: IfFailedWord) -> IfFailed {
    match word {
        IfFailedWord::Block => IfFailed::Block,
        IfFailedWord::Continue => IfFailed::Continue,
        IfFailedWord::Stop => IfFailed::Stop,
    }
}

/// Nothing starts after the last entry, so nothing waits for its delay.
fn last_delay(reader: &mut Reader<'_>, sequence: &[raw::Entry]) {
    let Some(position) = sequence.len().checked_sub(1) else { return };
    if sequence.get(position).is_some_and(|last| last.delay.is_some()) {
        let delay = [&SEQUENCE[..], &[Key::Index(position), Key::KeyOf("delay")]].concat();
        let finding = Finding::new(Code::DelayIgnored, "the delay of the last entry is ignored")
            .at(Some(reader.at(&delay)), "nothing comes after it")
            .help("a delay runs from the start of an entry to the start of the next one");
        reader.find(finding);
    }
}

/// A replica stands in one entry only.
fn twice(reader: &mut Reader<'_>, sequence: &[Option<Entry>]) {
    let mut first: BTreeMap<&ReplicaName, usize> = BTreeMap::new();
    for (position, entry) in sequence.iter().enumerate() {
        for replica in entry.iter().flat_map(|e| &e.replicas) {
            let Some(before) = first.insert(replica, position) else { continue };
            let at = |p: usize| Some(reader.at(&[&SEQUENCE[..], &[Key::Index(p)]].concat()));
            let finding = Finding::new(Code::EntryTwice, format!("`{replica}` stands twice in the sequence"))
                .at(at(position), "here again")
                .at(at(before), "here first");
            reader.find(finding);
            first.insert(replica, before);
        }
    }
}

/// The entries by their names.
fn positions(reader: &mut Reader<'_>, sequence: &[Option<Entry>]) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for (position, entry) in sequence.iter().enumerate() {
        let Some(entry) = entry else { continue };
        if let Some(before) = found.insert(entry.name.to_string(), position)
            && !entry.replicas.iter().any(|r| r.as_str() == entry.name.as_str())
        {
            let at = |p: usize| Some(reader.at(&[&SEQUENCE[..], &[Key::Index(p)]].concat()));
            let finding = Finding::new(Code::EntryTwice, format!("two entries are named `{}`", entry.name))
                .at(at(position), "here again")
                .at(at(before), "here first");
            reader.find(finding);
        }
    }
    found
}

fn after_edge(
    reader: &mut Reader<'_>,
    raw: &raw::After,
    at: (usize, usize),
    entries: (&BTreeMap<String, usize>, &[IfFailed]),
) -> Option<After> {
    let here = [&SEQUENCE[..], &[Key::Index(at.0), Key::Name("after"), Key::Index(at.1)]].concat();
    let kinds =
        [("replica", raw.replica.is_some()), ("group", raw.group.is_some()), ("gate", raw.gate.is_some())];
    let which = reader.one_of(&kinds, &here)?;
    if let ("gate", Some(IsWord::Started)) = (which, raw.is) {
        let place = reader.at(&[&here[..], &[Key::Name("is")]].concat());
        let finding = Finding::new(Code::BadHook, "a gate does not start: it is answered, or it is not");
        reader.find(
            finding
                .at(Some(place), "here")
                .help("leave `is` out: it is waited for until it is answered with yes"),
        );
    }
    let place = [&here[..], &[Key::Name(which)]].concat();
    let name = raw.replica.as_deref().or(raw.group.as_deref()).or(raw.gate.as_deref())?;
    let plus =
        reader.duration(raw.plus.as_deref(), Duration::ZERO, &[&here[..], &[Key::Name("plus")]].concat());
    let (positions, on_failure) = entries;
    let Some(entry) = positions.get(name).copied() else {
        let finding =
            Finding::new(Code::UnknownEntry, format!("no entry of this sequence is named `{name}`"))
                .at(Some(reader.at(&place)), "not in this sequence");
        let near = nearest(name, positions.keys().map(String::as_str));
        reader.find(match near {
            Some(near) => finding.help(format!("an entry with a similar name: {near}")),
            None => {
                finding.help("an edge leads from an entry of the same sequence: a replica, a group or a gate")
            }
        });
        return None;
    };
    let is = is(raw.is);
    let default = on_failure.get(entry).copied().unwrap_or_default();
    Some(After { entry, is, plus, if_failed: raw.if_failed.map_or(default, if_failed) })
}
