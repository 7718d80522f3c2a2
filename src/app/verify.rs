//! `lifeboat verify RUN or FILE`: whether a run, or the evidence of one, is what was written. No site is asked.

use super::admission;
use super::evidence::{self, Archive};
use super::hold::settings;
use super::{Answer, Desk, Exit, Said, runs, seal, shown};
use crate::base::RunId;
use crate::diag::{Code, Finding, Sources};
use crate::inventory::Inventory;
use crate::journal::verify::{Diagnosis, Fault, verify as diagnose};
use crate::journal::{Frozen, JournalError, Kept, Raw, Record, Tip};
use crate::report::text;
use crate::report::text::verify::{Look, Seal, Verified, json};
use crate::run::{Event, Outcome, Runner};
use serde_json::{Value, json as value};
use std::path::{Path, PathBuf};

/// Carries the command out.
///
/// # Errors
/// An early end, where nothing can be told.
pub async fn verify(desk: &Desk, what: &str) -> Said {
    let path = Path::new(what);
    let (mut examined, plan_at) = if path.is_file() || what.contains('/') {
        (of_file(path)?, path.to_owned())
    } else {
        let run = runs::named(desk, what)?;
        let kept = desk.store()?.kept(&run).map_err(gone)?;
        (of_run(desk, &run, &kept)?, kept.raw.plan_at)
    };
    admission::verify(&mut examined, &shown(&plan_at)).await;
    Ok(answer(desk, examined))
}

fn answer(desk: &Desk, examined: Examined) -> Answer {
    let Examined { verified, findings, .. } = examined;
    let exit = if findings.is_empty() { Exit::Ok } else { Exit::NotVerified };
    let mut answer = Answer::with(exit, findings, Sources::default());
    answer.human = text::verified(&verified, &desk.view);
    answer.json = desk.json(|| json(&verified));
    answer
}

/// A run that was examined.
pub struct Examined {
    /// Its frozen plan, where that can be read.
    pub frozen: Option<Frozen>,
    /// Its sound records.
    pub records: Vec<Record>,
    /// What is told of it.
    pub verified: Verified,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

impl Examined {
    /// One fault more, with its place.
    pub fn fault(&mut self, message: String, at: String, fault: Value) {
        let mut finding = Finding::new(Code::NotVerified, message.clone()).about(at.clone());
        if self.findings.is_empty() {
            finding = finding.help("nothing was changed; `lifeboat explain LB0821` tells what to do");
        }
        self.findings.push(finding);
        let mut fault = fault;
        if let Value::Object(map) = &mut fault {
            map.insert("message".to_owned(), message.into());
            map.insert("place".to_owned(), at.into());
        }
        self.verified.faults.push(fault);
    }
}

/// Examines a run where it is kept.
///
/// # Errors
/// Where it cannot be read, or its format is not known.
pub fn of_run(desk: &Desk, run: &RunId, kept: &Kept) -> Result<Examined, Box<Answer>> {
    let store = desk.store()?;
    let Kept { raw, tip } = kept;
    let mut examined = examine(raw, run, tip.as_ref(), 0)?;
    let ended = tip.as_ref().is_some_and(|(tip, _)| tip.seq >= examined.verified.records as u64);
    if examined.findings.is_empty() && !is_over(&examined) && !ended {
        // A run keeps its claim from before its first record until its last one.
        // Where the claims cannot be read, nothing is said of them.
        let claimed = store.claims().map_or(true, |all| all.iter().any(|(claim, _)| claim.run == *run));
        if !claimed {
            let message = "the run is not over and nothing holds its replicas: its last records were removed";
            examined.fault(message.to_owned(), shown(&raw.journal_at), value!({ "type": "endless" }));
        }
    }
    Ok(examined)
}

fn is_over(examined: &Examined) -> bool {
    examined.records.iter().any(|record| record.event.ends_for_good())
}

/// A part of a run that is gone, or that nobody can read, is not what was written.
pub fn gone(error: JournalError) -> Box<Answer> {
    match error {
        JournalError::Damaged { path, what, .. } => Answer::stop(
            Exit::NotVerified,
            Finding::new(Code::NotVerified, what)
                .about(shown(&path))
                .help("nothing was changed; `lifeboat explain LB0821` tells what to do"),
        ),
        error => error.into(),
    }
}

/// Examines evidence.
fn of_file(path: &Path) -> Result<Examined, Box<Answer>> {
    let bytes = std::fs::read(path).map_err(|error| {
        let finding = Finding::new(Code::FileUnreadable, format!("the file cannot be read: {error}"));
        Answer::stop(Exit::Io, finding.about(shown(path)))
    })?;
    let archive = evidence::open(&bytes, path)?;
    let Archive { run, digest, faults, journal_line, .. } = &archive;
    let raw = Raw {
        plan_at: path.to_owned(),
        plan: archive.part(evidence::PLAN).to_vec(),
        journal_at: path.to_owned(),
        journal: archive.part(evidence::JOURNAL).to_vec(),
    };
    let tip = archive.tip().map(|tip| (tip, PathBuf::from(evidence::SUMMARY)));
    let mut examined = examine(&raw, run, tip.as_ref(), *journal_line)?;
    examined.verified.file = Some(*digest);
    for (what, line) in faults {
        let at = line.map_or_else(|| shown(path), |line| format!("{}, line {line}", shown(path)));
        examined.fault(what.clone(), at, value!({ "type": "evidence" }));
    }
    for what in archive.strange(&examined) {
        examined.fault(what, shown(path), value!({ "type": "evidence" }));
    }
    Ok(examined)
}

/// Examines the bytes of a run. The journal may begin behind some lines of its file.
fn examine(
    raw: &Raw,
    run: &RunId,
    tip: Option<&(Tip, PathBuf)>,
    behind: u64,
) -> Result<Examined, Box<Answer>> {
    let (frozen, unreadable) = match raw.frozen() {
        Ok(frozen) => (Some(frozen), None),
        Err(JournalError::Damaged { what, .. }) => (None, Some(what)),
        Err(error) => return Err(error.into()),
    };
    let found = diagnose(raw, frozen.as_ref().map(|f| &f.plan), tip.map(|(tip, _)| tip));
    if let Some(format) = found.unknown {
        let (path, known) = (raw.journal_at.clone(), crate::journal::record::VERSION);
        return Err(JournalError::Version { path, found: format, known }.into());
    }
    let seal = frozen.as_ref().map_or(Ok(Seal::None), sealed);
    let verified = told(run, frozen.as_ref(), &found, tip, seal.clone().unwrap_or(Seal::Broken));
    let mut examined = Examined { frozen, records: found.records, verified, findings: Vec::new() };
    let plan_at = shown(&raw.plan_at);
    if let Some(what) = unreadable {
        let what = format!("the plan cannot be read: {what}");
        examined.fault(what, plan_at.clone(), value!({ "type": "plan" }));
    }
    if let Some(other) = examined.frozen.as_ref().map(|f| f.run.clone()).filter(|other| other != run) {
        let what = format!("it is the plan of run {other}");
        examined.fault(what, plan_at.clone(), value!({ "type": "plan" }));
    }
    for fault in &found.faults {
        // That a plan which cannot be read is another one says nothing more.
        if matches!(fault, Fault::Root { .. }) && examined.frozen.is_none() {
            continue;
        }
        let line = fault.line().map(|line| line + behind);
        let at = match line {
            Some(line) => format!("{}, line {line}", shown(&raw.journal_at)),
            None => plan_at.clone(),
        };
        let mut machine = serde_json::to_value(fault).unwrap_or_default();
        if let (Value::Object(map), Some(line)) = (&mut machine, line) {
            map.insert("line".to_owned(), line.into());
        }
        examined.fault(fault.to_string(), at, machine);
    }
    if let Err(what) = seal {
        examined.fault(what, plan_at, value!({ "type": "seal" }));
    }
    Ok(examined)
}

/// The seal of a run's plan, made again from the text that was sealed.
fn sealed(frozen: &Frozen) -> Result<Seal, String> {
    let (Some(kept), text) = (frozen.seal, frozen.sealed.as_deref()) else {
        return match frozen.sealed {
            None => Ok(Seal::None),
            Some(_) => Err("the sealed plan is there, and its seal is gone".to_owned()),
        };
    };
    let Some(text) = text else { return Ok(Seal::Unkept(kept)) };
    let (sealed, made) = match seal::open(text) {
        Ok(opened) => opened,
        Err(seal::Unsealed::Version(_)) => return Ok(Seal::Unkept(kept)),
        Err(seal::Unsealed::Edited | seal::Unsealed::Unreadable) => {
            return Err("the sealed plan was changed after it was sealed".to_owned());
        }
    };
    let same = sealed.plan == frozen.plan
        && sealed.documents == frozen.documents
        && settings(&frozen.setup).is_ok_and(|setup| setup == sealed.setup);
    if made != kept || !same {
        return Err("the run's plan is not the one that was sealed".to_owned());
    }
    Ok(Seal::Made(made))
}

/// What is told of a run.
fn told(
    run: &RunId,
    frozen: Option<&Frozen>,
    found: &Diagnosis,
    tip: Option<&(Tip, PathBuf)>,
    seal: Seal,
) -> Verified {
    let records = &found.records;
    let name =
        |path: &Path| path.file_name().map_or_else(|| shown(path), |n| n.to_string_lossy().into_owned());
    Verified {
        run: run.clone(),
        purpose: frozen.map(|f| f.plan.purpose.to_string()),
        records: records.len(),
        span: records.first().zip(records.last()).map(|(a, b)| (a.at, b.at)),
        plan: found.root,
        ends: found.ends,
        tip: tip.map(|(tip, at)| (tip.seq, name(at))),
        seal,
        outcome: outcome(records, frozen),
        runners: runners(records),
        confirmed: frozen.and_then(|f| f.confirmed.clone()),
        admission: frozen.and_then(|f| f.admission.clone()),
        signatures: None,
        before: before(frozen),
        after: after(records),
        torn: found.torn,
        file: None,
        faults: Vec::new(),
    }
}

/// How a run ended, in one word.
pub fn outcome(records: &[Record], frozen: Option<&Frozen>) -> String {
    let last = records.iter().rev().find_map(|record| match &record.event {
        Event::Closed { .. } => Some("closed".to_owned()),
        Event::Ended { outcome } => Some(outcome.word().to_owned()),
        Event::Taken { .. } | Event::TakenOver { .. } => Some("unfinished".to_owned()),
        _ => None,
    });
    // A step that was in doubt may have been settled since.
    let settled = frozen.filter(|_| last.as_deref() == Some(Outcome::InDoubt.word())).and_then(|frozen| {
        let mut progress = frozen.begun();
        let folded = records.iter().try_for_each(|r| progress.apply(&r.event, r.at));
        folded.is_ok_and(|()| progress.summary().in_doubt.is_empty()).then(|| "settled by hand".to_owned())
    });
    settled.or(last).unwrap_or_else(|| "not begun".to_owned())
}

/// Who took a run up, and when.
pub fn runners(records: &[Record]) -> Vec<(crate::base::Timestamp, Runner)> {
    let taken = records.iter().filter_map(|record| match &record.event {
        Event::Taken { runner } | Event::TakenOver { runner, .. } => Some((record.at, runner.clone())),
        _ => None,
    });
    taken.collect()
}

/// What was observed before a run began.
pub fn before(frozen: Option<&Frozen>) -> Look {
    let frozen = frozen.ok_or_else(|| "its plan cannot be read".to_owned())?;
    frozen.before.clone().ok_or_else(|| "the version that began it did not keep it".to_owned())
}

/// What was observed at the end of a run. What was observed before somebody took it up again is no end of it.
pub fn after(records: &[Record]) -> Look {
    let mut seen: Option<Look> = None;
    let mut parts = false;
    for record in records {
        match &record.event {
            Event::Observed { inventory } => {
                let before = seen.take().filter(|_| parts).and_then(Result::ok);
                seen = Some(Ok(
                    before.map_or_else(|| inventory.clone(), |b| Inventory::and(b, inventory.clone()))
                ));
            }
            Event::NotObserved { why } => seen = Some(Err(why.clone())),
            Event::Taken { .. } | Event::TakenOver { .. } => seen = None,
            _ => {}
        }
        parts = matches!(record.event, Event::Observed { .. });
    }
    let ended = records.iter().any(|record| record.event.is_end());
    seen.unwrap_or_else(|| {
        Err(if ended { "nobody looked when it ended" } else { "it has not ended" }.to_owned())
    })
}
