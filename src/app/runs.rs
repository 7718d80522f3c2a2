//! `lifeboat history` and `lifeboat report RUN`: what the journals tell.

use super::{Answer, Desk, Exit, Said};
use crate::base::RunId;
use crate::diag::{Code, Finding};
use crate::document::check::nearest;
use crate::journal::JournalError;
use crate::report::text::run::{Past, Story};
use crate::report::{json, text};
use crate::run::IllegalEvent;

/// Lists the runs. A damaged journal is a finding and does not hide the others.
///
/// # Errors
/// An early end.
pub fn history(desk: &Desk) -> Said {
    let runs = desk.store()?;
    let (mut past, mut findings) = (Vec::new(), Vec::new());
    for id in runs.list()? {
        match runs.read(&id) {
            Ok(found) => past.push(Past::new(id, &found.progress)),
            Err(error) => {
                let answer: Box<Answer> = error.into();
                findings.extend(answer.findings);
            }
        }
    }
    let mut answer = Answer::ok(text::history(&past, &desk.view), json::history(&past));
    if !findings.is_empty() {
        answer.exit = Exit::Io;
    }
    answer.findings = findings;
    Ok(answer)
}

/// Reports one run; `latest` is the one that began last.
///
/// # Errors
/// An early end.
pub fn report(desk: &Desk, run: &str) -> Said {
    let id = named(desk, run)?;
    let found = desk.store()?.read(&id)?;
    let events: Vec<_> = found.records.iter().map(|r| (r.at, r.event.clone())).collect();
    let story = Story { run: &id, progress: &found.progress, events: &events };
    Ok(Answer::ok(text::run_report(story, &desk.view), desk.json(|| json::run_report(story))))
}

/// The run of a name.
pub fn named(desk: &Desk, run: &str) -> Result<RunId, Box<Answer>> {
    let runs = desk.store()?.list()?;
    let found = if run == "latest" { runs.last() } else { runs.iter().find(|r| r.as_str() == run) };
    if let Some(found) = found {
        return Ok(found.clone());
    }
    let finding = Finding::new(Code::UnknownRun, format!("no run has the name `{run}`"));
    let near = nearest(run, runs.iter().map(RunId::as_str));
    Err(Answer::stop(
        Exit::Invalid,
        match near {
            Some(near) => finding.help(format!("a run with a similar name: {near}")),
            None => finding.help("`lifeboat history` lists all runs"),
        },
    ))
}

/// An event that does not fit its run: somebody wrote into the journal.
pub fn illegal(run: &RunId, error: &IllegalEvent) -> Box<Answer> {
    JournalError::Damaged { path: run.as_str().into(), record: 0, what: error.to_string() }.into()
}
