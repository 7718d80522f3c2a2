//! `kind: Runbook`.

use super::Labels;
use super::reader::Reader;
use crate::base::{Duration, PointId, ReplicaName};
use crate::diag::{Code, Finding};
use crate::document::shape::RunbookDocument;
use crate::document::shape::runbook::{self as raw, Failback, PointWord, SwitchoverWord, TargetWord};
use crate::document::shape::words::{KeepWord, OnFailureWord, OtherwiseWord, StateWord, ViaWord};
use crate::document::{Key, Kind};
use crate::domain::{FailbackTarget, OnFailure, State, Switchover};
use crate::model::{
    Desired, FailbackTerms, Keep, Otherwise, PointChoice, Runbook, Subject, Verify, Via, Workspace,
};
use std::collections::BTreeMap;

/// Reads a runbook.
pub fn resolve(
    reader: &mut Reader<'_>,
    raw: &RunbookDocument,
    labels: &Labels<'_>,
    workspace: &Workspace,
) -> Option<Runbook> {
    let name = reader.own_name(&raw.metadata);
    if raw.spec.desired.is_empty() {
        let place = reader.at(&[Key::Name("spec"), Key::Name("desired")]);
        reader
            .find(Finding::new(Code::EmptySequence, "the runbook desires nothing").at(Some(place), "empty"));
    }
    let mut desired = Vec::new();
    for (position, raw) in raw.spec.desired.iter().enumerate() {
        let path = [Key::Name("spec"), Key::Name("desired"), Key::Index(position)];
        desired.extend(one(reader, raw, &path, labels));
    }
    twice(reader, &desired, workspace);
    let on_failure = match raw.spec.on_failure {
        None | Some(OnFailureWord::Hold) => OnFailure::Hold,
        Some(OnFailureWord::Undo) => OnFailure::Undo,
    };
    let runbook = Runbook { name: name?, desired, on_failure };
    reader.sound().then_some(runbook)
}

fn one(
    reader: &mut Reader<'_>,
    raw: &raw::Desired,
    path: &[Key<'_>],
    labels: &Labels<'_>,
) -> Option<Desired> {
    let key = |name: &'static str| [path, &[Key::Name(name)]].concat();
    let present = [
        ("plan", raw.plan.is_some()),
        ("replica", raw.replica.is_some()),
        ("replicas", raw.replicas.is_some()),
    ];
    let subject = match reader.one_of(&present, path) {
        Some("plan") => {
            let name = raw.plan.as_deref()?;
            let known = reader.refers(Kind::FailoverPlan, name, &key("plan"));
            known.then(|| super::plan_name(name)).flatten().map(Subject::Plan)
        }
        Some("replica") => {
            reader.replica(raw.replica.as_deref()?, &key("replica")).map(|r| Subject::Replicas(vec![r]))
        }
        Some(_) => Some(Subject::Replicas(reader.select(raw.replicas.as_ref()?, labels, &key("replicas")))),
        None => None,
    };
    let state = state(raw.state);
    let point = point(reader, raw.restore_point.as_ref(), &key("restorePoint"));
    let failback = terms(reader, raw.failback.as_ref(), &key("failback"));
    let desired = Desired {
        subject: subject?,
        state,
        via: match raw.via {
            None | Some(ViaWord::Planned) => Via::Planned,
            Some(ViaWord::Unplanned) => Via::Unplanned,
            Some(ViaWord::Best) => Via::Best,
        },
        point,
        keep: raw.keep.map(|keep| match keep {
            KeepWord::Source => Keep::Source,
            KeepWord::Replica => Keep::Replica,
        }),
        irreversible: raw.irreversible,
        failback,
    };
    fitting(reader, raw, &desired, path);
    Some(desired)
}

const fn state(word: StateWord) -> State {
    match word {
        StateWord::Ready => State::Ready,
        StateWord::Failover => State::Failover,
        StateWord::ReadyToSwitch => State::ReadyToSwitch,
        StateWord::Failback => State::Failback,
        StateWord::Permanent => State::Permanent,
    }
}

/// Terms that cannot be meant together.
fn fitting(reader: &mut Reader<'_>, raw: &raw::Desired, desired: &Desired, path: &[Key<'_>]) {
    let key = |name: &'static str| [path, &[Key::KeyOf(name)]].concat();
    let value = |name: &'static str| [path, &[Key::Name(name)]].concat();
    let state = desired.state;
    if desired.point != PointChoice::Latest && desired.via != Via::Unplanned {
        let finding = Finding::new(Code::PointNeedsUnplanned, "a planned failover cannot choose a restore point")
            .at(Some(reader.at(&key("restorePoint"))), "chosen here")
            .help("say `via: unplanned`, or leave `restorePoint` out: a planned failover makes its own, and loses nothing");
        reader.find(finding);
    }
    let mut useless = |name: &'static str, said: bool, useful: bool, why: &str| {
        if said && !useful {
            let finding =
                Finding::new(Code::TermWithoutUse, format!("`{name}` says nothing for `state: {state}`"));
            let finding = finding
                .at(Some(reader.at(&key(name))), why)
                .at(Some(reader.at(&value("state"))), "asked for here");
            reader.find(finding.help(format!("take `{name}` out")));
        }
    };
    let starts = matches!(state, State::Failover | State::Permanent);
    useless("via", raw.via.is_some(), starts, "it says how a failover is done");
    useless(
        "restorePoint",
        raw.restore_point.is_some() && desired.via == Via::Unplanned,
        starts,
        "it says where a failover starts from",
    );
    let back = matches!(state, State::Ready | State::ReadyToSwitch | State::Failback);
    useless("failback", raw.failback.is_some(), back, "it says how a failback is done");
    useless(
        "irreversible",
        raw.irreversible,
        state == State::Permanent,
        "nothing that is asked for is irreversible",
    );
    let discards = desired.keep == Some(Keep::Source) && raw.failback.is_some();
    if discards && back {
        let finding = Finding::new(Code::TermWithoutUse, "`failback` says nothing with `keep: source`")
            .at(Some(reader.at(&key("failback"))), "it says how a failback is done")
            .at(Some(reader.at(&value("keep"))), "this undoes the failover instead")
            .help("take `failback` out, or say `keep: replica`");
        reader.find(finding);
    }
    if state == State::Permanent && !desired.irreversible {
        let finding =
            Finding::new(Code::IrreversibleUnsaid, "a permanent failover is not marked irreversible")
                .at(Some(reader.at(&value("state"))), "it deletes all restore points and the way back")
                .help("add `irreversible: true` beside it");
        reader.find(finding);
    }
}

fn point(reader: &mut Reader<'_>, raw: Option<&PointWord>, path: &[Key<'_>]) -> PointChoice {
    let found = match raw {
        Some(PointWord::At(text)) => {
            reader.time(text, &[path, &[Key::Name("at")]].concat()).map(PointChoice::At)
        }
        Some(PointWord::Id(text)) => {
            let id: Option<PointId> = reader.name(text, &[path, &[Key::Name("id")]].concat());
            id.map(PointChoice::Id)
        }
        Some(PointWord::Latest) | None => None,
    };
    found.unwrap_or(PointChoice::Latest)
}

fn terms(reader: &mut Reader<'_>, raw: Option<&Failback>, path: &[Key<'_>]) -> FailbackTerms {
    let Some(raw) = raw else { return FailbackTerms::default() };
    let key = |name: &'static str| [path, &[Key::Name(name)]].concat();
    let switchover = match &raw.switchover {
        Some(SwitchoverWord::At(text)) => {
            let time = reader.time(text, &[&key("switchover")[..], &[Key::Name("at")]].concat());
            time.map_or(Switchover::Automatic, Switchover::At)
        }
        Some(SwitchoverWord::Manual) => Switchover::Manual,
        Some(SwitchoverWord::Automatic) | None => Switchover::Automatic,
    };
    let quiet = [&key("verify")[..], &[Key::Name("quiet")]].concat();
    let verify = raw.verify.as_ref().map(|v| Verify {
        ready: v.ready.unwrap_or(true),
        quiet: reader.duration(v.quiet.as_deref(), Duration::ZERO, &quiet),
        otherwise: match v.otherwise {
            None | Some(OtherwiseWord::Stop) => Otherwise::Stop,
            Some(OtherwiseWord::Undo) => Otherwise::Undo,
        },
    });
    let targets = targets(reader, raw.target.as_ref(), &key("target"));
    FailbackTerms { targets, switchover, power_on: raw.power_on.unwrap_or(true), verify }
}

fn targets(
    reader: &mut Reader<'_>,
    raw: Option<&TargetWord>,
    path: &[Key<'_>],
) -> BTreeMap<ReplicaName, FailbackTarget> {
    let (kind, machines, make): (_, _, fn(_) -> _) = match raw {
        Some(TargetWord::Elsewhere(machines)) => ("elsewhere", machines, FailbackTarget::Elsewhere),
        Some(TargetWord::Recovered(machines)) => ("recovered", machines, FailbackTarget::Recovered),
        Some(TargetWord::Original) | None => return BTreeMap::new(),
    };
    let mut found = BTreeMap::new();
    for (position, machine) in machines.iter().enumerate() {
        let here = [path, &[Key::Name(kind), Key::Index(position)]].concat();
        let replica = reader.replica(&machine.replica, &[&here[..], &[Key::Name("replica")]].concat());
        let vm = reader.machine(&machine.site, &machine.vm, &here);
        let Some((replica, target)) = replica.zip(vm.map(make)) else { continue };
        if found.insert(replica.clone(), target).is_some() {
            let finding = Finding::new(Code::GoalTwice, format!("two targets are named for `{replica}`"));
            reader.find(finding.at(Some(reader.at(&here)), "here again").help("keep one of the two"));
        }
    }
    found
}

/// A replica is asked for one state only.
fn twice(reader: &mut Reader<'_>, desired: &[Desired], workspace: &Workspace) {
    let mut first: BTreeMap<&ReplicaName, usize> = BTreeMap::new();
    for (position, desired) in desired.iter().enumerate() {
        let replicas: Vec<&ReplicaName> = match &desired.subject {
            Subject::Replicas(names) => names.iter().collect(),
            Subject::Plan(name) => {
                let plan = workspace.plans.get(name);
                plan.into_iter().flat_map(|p| &p.sequence).flat_map(|e| &e.replicas).collect()
            }
        };
        for replica in replicas {
            let Some(before) = first.insert(replica, position) else { continue };
            if before == position {
                continue;
            }
            let at = |p: usize| {
                Some(reader.at(&[Key::Name("spec"), Key::Name("desired"), Key::Index(p), Key::Name("state")]))
            };
            let finding =
                Finding::new(Code::GoalTwice, format!("the runbook asks two things of `{replica}`"))
                    .at(at(position), "here this")
                    .at(at(before), "here that")
                    .help("a replica has one desired state in a runbook");
            reader.find(finding);
            first.insert(replica, before);
        }
    }
}
