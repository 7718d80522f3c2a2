//! Hooks and gates, and the groups of people that policies declare.

use super::reader::Reader;
use super::ready::{OFTEN, at_least};
use crate::base::{Duration, EntryName};
use crate::diag::{Code, Finding};
use crate::document::check::nearest;
use crate::document::shape::bounds::NonEmpty;
use crate::document::shape::hooks as raw;
use crate::document::shape::words::{HookOperationWord, SilenceWord};
use crate::document::{Key, Kind, Shape};
use crate::domain::{OperationKind, Question, Script, Secret, Silence};
use crate::model::{Fence, Hook, Hooks, Origins};
use std::collections::{BTreeMap, BTreeSet};

/// Guide: a script has ten minutes.
const WITHIN: Duration = Duration::from_mins(10);
const TYPICAL: Duration = Duration::from_secs(5);
/// A host answers its power switch within seconds, or not at all.
const FENCE_WITHIN: Duration = Duration::from_mins(1);
const FENCE_TYPICAL: Duration = Duration::from_secs(10);
/// With pauses of 2 s, 4 s and 8 s: what is told to go off needs a while until it is.
const FENCE_RETRIES: u32 = 3;
/// How long a person is waited for where nothing is said.
const ANSWER: Duration = Duration::from_mins(60);

/// The groups of people that all policies declare.
pub(super) struct Groups<'a> {
    groups: BTreeMap<&'a str, BTreeSet<&'a str>>,
    unsound: bool,
}

impl<'a> Groups<'a> {
    /// Those of the policies that are declared.
    pub(super) fn new(origins: &'a Origins) -> Self {
        let mut groups: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let mut unsound = origins.may_declare(Kind::Policy);
        for document in origins.documents().iter().filter(|d| d.kind == Kind::Policy) {
            match &document.shape {
                Some(Shape::Policy(policy)) => {
                    for (name, people) in &policy.spec.groups {
                        groups.entry(name).or_default().extend(people.iter().map(String::as_str));
                    }
                }
                _ => unsound = true,
            }
        }
        Self { groups, unsound }
    }

    /// The people who are named, by themselves or by their groups: each once, by name.
    pub(super) fn people(
        &self,
        reader: &mut Reader<'_>,
        said: Option<&raw::Who>,
        path: &[Key<'_>],
    ) -> Vec<String> {
        let mut who: BTreeSet<String> = said.iter().flat_map(|w| &w.names).cloned().collect();
        for (position, name) in said.iter().flat_map(|w| &w.groups).enumerate() {
            if let Some(people) = self.groups.get(name.as_str()) {
                who.extend(people.iter().map(|p| (*p).to_owned()));
                continue;
            }
            let near = nearest(name, self.groups.keys().copied());
            if near.is_none() && self.unsound {
                continue;
            }
            let here = [path, &[Key::Name("groups"), Key::Index(position)]].concat();
            let finding = Finding::new(Code::UnknownGroup, format!("no group of people is named `{name}`"))
                .at(Some(reader.at(&here)), "not declared");
            reader.find(match near {
                Some(near) => finding.help(format!("a group with a similar name is declared: {near}")),
                None => finding.help("a policy declares groups: `groups: { on-call: [ann, bob] }`"),
            });
        }
        who.into_iter().collect()
    }
}

/// Reads the hooks of something.
pub(super) fn hooks(reader: &mut Reader<'_>, raw: &raw::Hooks, path: &[Key<'_>]) -> Hooks {
    let mut read = |raw: &[raw::Hook], side: &'static str| {
        let mut names = BTreeSet::new();
        let mut found = Vec::new();
        for (position, one) in raw.iter().enumerate() {
            let here = [path, &[Key::Name(side), Key::Index(position)]].concat();
            let Some(hook) = hook(reader, one, position, &here) else { continue };
            if !names.insert(hook.name.clone()) {
                let finding =
                    Finding::new(Code::BadHook, format!("two hooks here are named `{}`", hook.name));
                reader.find(finding.at(Some(reader.at(&here)), "the second one"));
            }
            found.push(hook);
        }
        found
    };
    Hooks { before: read(&raw.before, "before"), after: read(&raw.after, "after") }
}

fn hook(reader: &mut Reader<'_>, raw: &raw::Hook, position: usize, path: &[Key<'_>]) -> Option<Hook> {
    let key = |name: &'static str| [path, &[Key::Name(name)]].concat();
    let number = (position + 1).to_string();
    let name: Option<EntryName> = reader.name(raw.name.as_deref().unwrap_or(&number), &key("name"));
    let within = reader.duration(raw.within.as_deref(), WITHIN, &key("within"));
    at_least(reader, &key("within"), Some(within), OFTEN);
    let typical = reader.duration(raw.typical.as_deref(), TYPICAL.min(within), &key("typical"));
    let retries = raw.retries.map_or(0, |r| r.get());
    sensible(reader, raw, path);
    let secrets = secrets(reader, &raw.secrets, path);
    let script = Script {
        run: raw.run.to_vec(),
        check: raw.check.as_ref().map(|words| words.to_vec()),
        proof: None,
        env: raw.env.clone(),
        secrets,
        within,
        repeatable: raw.repeatable.unwrap_or(retries > 0),
    };
    let operations: BTreeSet<OperationKind> =
        raw.operations.iter().flat_map(|list| list.iter()).map(|word| operation(*word)).collect();
    Some(Hook {
        name: name?,
        script,
        attempts: retries + 1,
        typical,
        operations: operations.into_iter().collect(),
    })
}

/// Reads a fence: a hook that may always be repeated, and has a proof.
pub(super) fn fence(reader: &mut Reader<'_>, raw: &raw::Fence, path: &[Key<'_>]) -> Option<Fence> {
    let key = |name: &'static str| [path, &[Key::Name(name)]].concat();
    let within = reader.duration(raw.within.as_deref(), FENCE_WITHIN, &key("within"));
    at_least(reader, &key("within"), Some(within), OFTEN);
    let typical = reader.duration(raw.typical.as_deref(), FENCE_TYPICAL.min(within), &key("typical"));
    let programs = [("run", Some(&raw.run)), ("check", raw.check.as_ref()), ("proof", Some(&raw.proof))];
    programs_fit(reader, &programs, path);
    variables(reader, (&raw.env, &raw.secrets), path);
    if raw.run.to_vec() == raw.proof.to_vec() {
        let finding = Finding::new(Code::FenceUnfit, "a fence cannot be its own proof");
        reader.find(
            finding
                .at(Some(reader.at(&key("proof"))), "the same as `run`")
                .help("name a program that changes nothing and says whether the source is away, like [./ipmi.sh, is-off]"),
        );
    }
    let secrets = secrets(reader, &raw.secrets, path);
    let script = Script {
        run: raw.run.to_vec(),
        check: raw.check.as_ref().map(|words| words.to_vec()),
        proof: Some(raw.proof.to_vec()),
        env: raw.env.clone(),
        secrets,
        within,
        repeatable: true,
    };
    Some(Fence { script, attempts: raw.retries.map_or(FENCE_RETRIES, |r| r.get()) + 1, typical })
}

/// Finds what does not go together in a hook, and what no program can be given.
fn sensible(reader: &mut Reader<'_>, raw: &raw::Hook, path: &[Key<'_>]) {
    let key = |name: &'static str| [path, &[Key::Name(name)]].concat();
    let again = raw.retries.is_some_and(|retries| retries.get() > 0);
    if raw.repeatable == Some(false) && again {
        let finding =
            Finding::new(Code::BadHook, "a hook with `retries` is run again, so it must be repeatable");
        reader.find(
            finding.at(Some(reader.at(&key("repeatable"))), "this says that it may not be run twice").help(
                "leave `retries` out, or make the program so that running it twice equals running it once",
            ),
        );
    }
    programs_fit(reader, &[("run", Some(&raw.run)), ("check", raw.check.as_ref())], path);
    variables(reader, (&raw.env, &raw.secrets), path);
}

/// Finds argument lists that begin with no program, or that none can be given.
fn programs_fit(
    reader: &mut Reader<'_>,
    programs: &[(&'static str, Option<&NonEmpty<String>>)],
    path: &[Key<'_>],
) {
    let key = |name: &'static str| [path, &[Key::Name(name)]].concat();
    for (what, words) in programs {
        let nothing = words.and_then(|w| w.first()).is_some_and(|program| program.trim().is_empty());
        if nothing || words.is_some_and(|w| w.iter().any(|word| word.contains('\0'))) {
            let finding = Finding::new(
                Code::BadHook,
                format!("`{what}` begins with no program, or has a word that none can be given"),
            );
            reader.find(
                finding
                    .at(Some(reader.at(&key(what))), "here")
                    .help("write it like [\"./freeze.sh\", \"--all\"]"),
            );
        }
    }
}

/// Finds names of variables that cannot be given.
fn variables(
    reader: &mut Reader<'_>,
    (env, secrets): (&BTreeMap<String, String>, &BTreeMap<String, raw::Secret>),
    path: &[Key<'_>],
) {
    let key = |name: &'static str| [path, &[Key::Name(name)]].concat();
    for variable in env.keys().chain(secrets.keys()) {
        let side = if env.contains_key(variable) { "env" } else { "secrets" };
        let good = !variable.is_empty() && variable.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let what = match (good, variable.starts_with("LIFEBOAT_")) {
            (true, false) => continue,
            (true, true) => format!("`{variable}` is a name that Lifeboat itself gives"),
            (false, _) => format!("`{variable}` is no name of a variable"),
        };
        let finding = Finding::new(Code::BadHook, what);
        reader
            .find(finding.at(Some(reader.at(&key(side))), "here").help("letters, digits and _ make a name"));
    }
}

/// Where a secret is.
pub(super) fn secret(reader: &mut Reader<'_>, raw: &raw::Secret, path: &[Key<'_>]) -> Option<Secret> {
    let said = reader.one_of(&[("env", raw.env.is_some()), ("file", raw.file.is_some())], path);
    match (said, &raw.env, &raw.file) {
        (Some("env"), Some(name), _) => Some(Secret::Env(name.clone())),
        (Some(_), _, Some(file)) => Some(Secret::File(file.clone())),
        _ => None,
    }
}

/// Where the secrets of a hook are.
fn secrets(
    reader: &mut Reader<'_>,
    raw: &BTreeMap<String, raw::Secret>,
    path: &[Key<'_>],
) -> BTreeMap<String, Secret> {
    let mut secrets = BTreeMap::new();
    for (variable, secret) in raw {
        let here = [path, &[Key::Name("secrets"), Key::Name(variable)]].concat();
        let Some(found) = self::secret(reader, secret, &here) else { continue };
        secrets.insert(variable.clone(), found);
    }
    secrets
}

pub(super) const fn operation(word: HookOperationWord) -> OperationKind {
    match word {
        HookOperationWord::Replicate => OperationKind::Replicate,
        HookOperationWord::Failover => OperationKind::Failover,
        HookOperationWord::PlannedFailover => OperationKind::PlannedFailover,
        HookOperationWord::UndoFailover => OperationKind::UndoFailover,
        HookOperationWord::PermanentFailover => OperationKind::PermanentFailover,
        HookOperationWord::Failback => OperationKind::Failback,
        HookOperationWord::Switchover => OperationKind::Switchover,
        HookOperationWord::CommitFailback => OperationKind::CommitFailback,
        HookOperationWord::UndoFailback => OperationKind::UndoFailback,
        HookOperationWord::Drill => OperationKind::Drill,
    }
}

/// Reads what a gate asks.
pub(super) fn question(
    reader: &mut Reader<'_>,
    raw: &raw::Gate,
    groups: &Groups<'_>,
    path: &[Key<'_>],
) -> Question {
    let key = |name: &'static str| [path, &[Key::Name(name)]].concat();
    let within = reader.duration(raw.within.as_deref(), ANSWER, &key("within"));
    at_least(reader, &key("within"), Some(within), OFTEN);
    if raw.ask.trim().is_empty() || raw.ask.chars().any(char::is_control) {
        let finding = Finding::new(Code::BadHook, "a gate asks in one line of words");
        reader.find(finding.at(Some(reader.at(&key("ask"))), "here"));
    }
    let said = raw.who.as_ref();
    let who = groups.people(reader, said, &key("who"));
    let unread = groups.unsound && said.is_some_and(|who| !who.groups.is_empty());
    if said.is_some() && who.is_empty() && reader.sound() && !unread {
        let finding = Finding::new(Code::BadHook, "nobody may answer this gate");
        reader.find(
            finding
                .at(Some(reader.at(&key("who"))), "names nobody")
                .help("leave `who` out, and anybody may answer"),
        );
    }
    Question {
        ask: raw.ask.clone(),
        who,
        groups: said.map(|w| w.groups.clone()).unwrap_or_default(),
        within,
        otherwise: match raw.otherwise {
            None | Some(SilenceWord::Stop) => Silence::Stop,
            Some(SilenceWord::Continue) => Silence::Continue,
            Some(SilenceWord::No) => Silence::No,
        },
    }
}
