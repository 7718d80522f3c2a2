//! `lifeboat validate`: reads and checks the documents; touches no site unless it is told to ask them.

use super::load::{Loaded, load};
use super::world::World;
use super::{Answer, Desk, Exit, Said, preflight};
use crate::diag::finding::sort;
use crate::report::words::count;

/// Carries the command out.
///
/// # Errors
/// An early end.
pub fn validate(desk: &Desk) -> Said {
    answer(desk, load(desk)?, "")
}

/// The same, and then asks the sites what would stand in the way of anything that could be asked of the replicas.
///
/// # Errors
/// An early end.
pub async fn with_sites(desk: &Desk) -> Said {
    let mut loaded = load(desk)?;
    if !loaded.unsound() {
        let world = World::open(desk, &loaded.workspace)?;
        loaded.findings.extend(preflight::of_all(&world, &loaded.workspace, &loaded.origins).await);
        sort(&mut loaded.findings);
    }
    answer(desk, loaded, " The sites were asked.")
}

fn answer(desk: &Desk, loaded: Loaded, asked: &str) -> Said {
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
        format!("{said}: no errors.{asked}\n")
    } else {
        String::new()
    };
    let json = desk.json(|| crate::report::json::findings(&loaded.findings, &loaded.sources));
    Ok(Answer { exit, human, json, findings: loaded.findings, sources: loaded.sources })
}
