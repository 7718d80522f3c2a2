//! `kind: Policy`.

use super::Labels;
use super::hooks::{Groups, operation};
use super::reader::Reader;
use crate::base::EntryName;
use crate::diag::{Code, Finding};
use crate::document::Key;
use crate::document::shape::PolicyDocument;
use crate::document::shape::policy as raw;
use crate::document::shape::words::{RuleIsWord, SeverityWord};
use crate::domain::{Demand, Is, OperationKind};
use crate::model::{DrilledWithin, Policy, Rule};
use std::collections::{BTreeMap, BTreeSet};

const RULES: [Key<'static>; 2] = [Key::Name("spec"), Key::Name("rules")];

/// What a policy selects from: the replicas by their labels, and the people by their groups.
type Named<'a> = (&'a Labels<'a>, &'a Groups<'a>);

/// Reads a policy.
pub fn resolve(reader: &mut Reader<'_>, raw: &PolicyDocument, named: Named<'_>) -> Option<Policy> {
    let name = reader.own_name(&raw.metadata);
    let spec = &raw.spec;
    let max_loss =
        reader.maybe_duration(spec.max_loss.as_deref(), &[Key::Name("spec"), Key::Name("maxLoss")]);
    let mut rules = Vec::with_capacity(spec.rules.len());
    for (position, raw) in spec.rules.iter().enumerate() {
        rules.extend(rule(reader, raw, position, named));
    }
    twice(reader, &rules);
    if spec.signers.as_ref().is_some_and(|file| file.trim().is_empty()) {
        let place = reader.at(&[Key::Name("spec"), Key::Name("signers")]);
        let finding = Finding::new(Code::SignersUnfit, "the allowed signers stand in no file");
        reader.find(finding.at(Some(place), "names none").help("name a file, from the workspace's folder"));
    }
    let drilled = spec.drilled.as_ref().and_then(|raw| drilled(reader, raw));
    let policy = Policy {
        name: name?,
        drilled,
        because: spec.because.clone(),
        require_rpo: spec.require.rpo,
        require_rto: spec.require.rto,
        max_loss,
        enforce_rpo: spec.enforce.rpo,
        enforce_rto: spec.enforce.rto,
        forbid_permanent: spec.forbid.permanent,
        forbid_unfenced: spec.forbid.unfenced,
        rules,
        groups: spec.groups.clone(),
        signers: spec.signers.clone(),
    };
    reader.sound().then_some(policy)
}

/// Drills are counted in days, of which no other length has any: a day has not always as many hours.
fn drilled(reader: &mut Reader<'_>, raw: &raw::Drilled) -> Option<DrilledWithin> {
    let days = raw.within.strip_suffix('d').and_then(|text| text.parse::<u32>().ok());
    let text = days.map_or_else(|| raw.within.clone(), |days| format!("{}h", u64::from(days) * 24));
    let within = [Key::Name("spec"), Key::Name("drilled"), Key::Name("within")];
    let within = reader.maybe_duration(Some(&text), &within)?;
    Some(DrilledWithin { within, warns: raw.severity != Some(SeverityWord::Error) })
}

fn rule(reader: &mut Reader<'_>, raw: &raw::Rule, position: usize, named: Named<'_>) -> Option<Rule> {
    let labels = named.0;
    let here = [&RULES[..], &[Key::Index(position)]].concat();
    let key = |name: &'static str| [&here[..], &[Key::Name(name)]].concat();
    let name: Option<EntryName> = reader.name(&raw.name, &key("name"));
    if raw.because.trim().is_empty() {
        let finding =
            Finding::new(Code::MissingKey, format!("the rule `{}` says not why it is there", raw.name));
        reader.find(
            finding.at(Some(reader.at(&key("because"))), "empty").help("whoever is refused must know why"),
        );
    }
    let present = [
        ("before", raw.before.is_some()),
        ("atMostDown", raw.at_most_down.is_some()),
        ("approved", raw.approved.is_some()),
    ];
    let which = reader.one_of(&present, &here)?;
    let path = key(which);
    let under = |name: &'static str| [&path[..], &[Key::Name(name)]].concat();
    let demand = match (&raw.before, &raw.at_most_down, &raw.approved) {
        (Some(before), _, _) => Demand::Before {
            first: reader.select(&before.first, labels, &under("first")),
            then: reader.select(&before.then, labels, &under("then")),
            is: match before.is {
                None | Some(RuleIsWord::Ready) => Is::Ready,
                Some(RuleIsWord::Started) => Is::Started,
            },
        },
        (None, Some(most), _) => {
            Demand::AtMostDown { of: reader.select(&most.of, labels, &under("of")), count: most.count }
        }
        (None, None, Some(asked)) => approved(reader, asked, named, &path),
        (None, None, None) => return None,
    };
    let warns = raw.severity == Some(SeverityWord::Warning);
    Some(Rule { name: name?, position, because: raw.because.clone(), warns, demand })
}

/// Whose approvals are wanted, and of which plans.
fn approved(reader: &mut Reader<'_>, raw: &raw::Approved, named: Named<'_>, path: &[Key<'_>]) -> Demand {
    let (labels, groups) = named;
    let key = |name: &'static str| [path, &[Key::Name(name)]].concat();
    let said = raw.by.as_ref();
    let who = groups.people(reader, said, &key("by"));
    let count = raw.count.get();
    if said.is_some() && reader.sound() && who.len() < count as usize {
        let message = format!("{count} people must approve, and {} may", who.len());
        reader.find(
            Finding::new(Code::NeverApproved, message)
                .at(Some(reader.at(&key("by"))), "names too few")
                .at(Some(reader.at(&key("count"))), "asks for more")
                .help("name more people, or leave `by` out: then every allowed signer counts"),
        );
    }
    let mut operations = BTreeSet::new();
    for (position, word) in raw.operations.iter().flat_map(|list| list.iter()).enumerate() {
        let operation = operation(*word);
        if operation == OperationKind::Replicate {
            let here = [&key("operations")[..], &[Key::Index(position)]].concat();
            let finding = Finding::new(Code::NeverApproved, "a replication run is never asked for approvals");
            reader.find(finding.at(Some(reader.at(&here)), "here").help("leave it out"));
        }
        operations.insert(operation);
    }
    Demand::Approved {
        count,
        who,
        groups: said.map(|by| by.groups.clone()).unwrap_or_default(),
        operations: operations.into_iter().collect(),
        of: raw.of.as_ref().map(|selection| reader.select(selection, labels, &key("of"))),
    }
}

/// A rule is known by its name.
fn twice(reader: &mut Reader<'_>, rules: &[Rule]) {
    let mut first: BTreeMap<&EntryName, usize> = BTreeMap::new();
    for rule in rules {
        let at = |p: usize| Some(reader.at(&[&RULES[..], &[Key::Index(p), Key::Name("name")]].concat()));
        match first.get(&rule.name) {
            Some(before) => {
                let finding = Finding::new(Code::RuleTwice, format!("two rules are named `{}`", rule.name))
                    .at(at(rule.position), "here again")
                    .at(at(*before), "here first")
                    .help("rename one of them");
                reader.find(finding);
            }
            None => drop(first.insert(&rule.name, rule.position)),
        }
    }
}
