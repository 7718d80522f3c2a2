//! `lifeboat lock`: who holds which replicas.

use super::{Answer, Desk, Said};
use crate::report::text::lock::{Hold, locks};
use serde_json::json;

/// Carries the command out.
///
/// # Errors
/// An early end.
pub fn lock(desk: &Desk) -> Said {
    let hold = |(claim, held): (crate::journal::Claim, bool)| Hold {
        run: claim.run,
        purpose: claim.purpose,
        replicas: claim.replicas.into_iter().collect(),
        runner: claim.runner,
        process: claim.process,
        since: claim.since,
        carried_on: held,
    };
    let holds: Vec<Hold> = desk.store()?.claims()?.into_iter().map(hold).collect();
    let value = json!({ "format": 1, "type": "locks", "locks": holds });
    Ok(Answer::ok(locks(&holds, &desk.view), value))
}
