//! `lifeboat validate`: reads and checks the documents; touches no site.

use super::load::load;
use super::{Answer, Desk, Exit, Said};
use crate::report::words::count;

/// Carries the command out.
///
/// # Errors
/// An early end.
pub fn validate(desk: &Desk) -> Said {
    let loaded = load(desk)?;
    let exit = if loaded.unsound() { Exit::Invalid } else { Exit::Ok };
    let w = &loaded.workspace;
    let human = if exit == Exit::Ok {
        let counted = [
            (w.sites.len(), "site"),
            (w.replicas.len(), "replica"),
            (w.plans.len(), "failover plan"),
            (w.runbooks.len(), "runbook"),
        ];
        let said = counted.map(|(n, what)| count(n, what)).join(", ");
        format!("{said}: no errors.\n")
    } else {
        String::new()
    };
    let json = desk.json(|| crate::report::json::findings(&loaded.findings, &loaded.sources));
    Ok(Answer { exit, human, json, findings: loaded.findings, sources: loaded.sources })
}
