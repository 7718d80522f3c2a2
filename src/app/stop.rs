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
        "Asked run {id} to stop: it starts nothing new, and what is under way has a minute to end.\n\
         Next: lifeboat report {id}\n"
    );
    Ok(Answer::ok(text, serde_json::json!({ "format": 1, "type": "stopAsked", "run": id })))
}

/// The time at which a run stops by itself: a time with a zone, or how long from now.
///
/// # Errors
/// A text that is neither, or a time that is past.
pub fn deadline(text: &str, now: Timestamp) -> Result<Timestamp, Box<Answer>> {
    let bad = |what: String| {
        let finding = Finding::new(Code::BadTime, what);
        Answer::stop(
            Exit::Invalid,
            finding.help("write how long, like 45m, or a time like 2026-11-22T03:00:00Z"),
        )
    };
    let length = text.parse::<Duration>().map(|length| now.after(length));
    match length.or_else(|_| text.parse::<Timestamp>()) {
        Ok(at) if at > now => Ok(at),
        Ok(at) => Err(bad(format!("the deadline {at} is past"))),
        Err(_) => Err(bad(format!("`{text}` is neither a time with a zone nor a length of time"))),
    }
}
