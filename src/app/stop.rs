//! `lifeboat stop RUN`: asks the runner of a run to start nothing new, from wherever its folder is seen.

use super::hold::over;
use super::{Answer, Desk, Exit, Said};
use crate::base::{Duration, Timestamp};
use crate::diag::{Code, Finding};
use crate::run::Wish;

/// Carries the command out. It does not wait for the end.
///
/// # Errors
/// A run that is over, or that nobody carries on.
pub fn stop(desk: &Desk, run: &str, because: Option<String>) -> Said {
    let id = super::runs::named(desk, run)?;
    let runs = desk.store()?;
    if runs.read(&id)?.progress.is_over() {
        return Err(over(&id));
    }
    if !runs.is_held(&id)? {
        let finding = Finding::new(Code::NothingToResume, format!("nobody carries run {id} on"));
        return Err(Answer::stop(
            Exit::Invalid,
            finding
                .help(format!("`lifeboat resume {id}` goes on with it"))
                .help(format!("`lifeboat abort {id}` shows the way back")),
        ));
    }
    let runner = desk.runner();
    runs.ask_to_stop(&id, &Wish { person: runner.person, host: runner.host, because })?;
    let text = format!(
        "Asked run {id} to stop: it starts nothing new, and what is under way has its grace time to end.\n\
         Next: lifeboat report {id}\n"
    );
    Ok(Answer::ok(text, serde_json::json!({ "format": 1, "type": "stopAsked", "run": id })))
}

fn bad(what: String) -> Box<Answer> {
    let finding = Finding::new(Code::BadTime, what);
    Answer::stop(Exit::Invalid, finding.help("write how long, like 45m, or a time like 2026-11-22T03:00:00Z"))
}

/// The time at which a run stops by itself: a time with a zone, or how long from a moment.
///
/// # Errors
/// A text that is neither.
pub fn time(text: &str, now: Timestamp) -> Result<Timestamp, Box<Answer>> {
    let length = Duration::said(text).map(|length| now.after(length));
    let time = length.or_else(|_| text.parse::<Timestamp>());
    time.map_err(|_| bad(format!("`{text}` is neither a time with a zone nor a length of time")))
}

/// The same, where it is still to come.
///
/// # Errors
/// A text that is neither, or a time that is past.
pub fn deadline(text: &str, now: Timestamp) -> Result<Timestamp, Box<Answer>> {
    let at = time(text, now)?;
    if at > now { Ok(at) } else { Err(bad(format!("the deadline {at} is past"))) }
}

/// How long what is under way may take to end.
///
/// # Errors
/// A text that is no length of time.
pub fn grace(text: &str) -> Result<Duration, Box<Answer>> {
    Duration::said(text).map_err(|error| {
        let finding = Finding::new(Code::BadTime, format!("the grace time: {error}"));
        Answer::stop(Exit::Invalid, finding.help("write how long, like 90s or 5m"))
    })
}
