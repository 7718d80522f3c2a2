//! Names that follow a machine: which records an operation's machine is to be found by, and what they say.

use super::case::Case;
use super::network;
use crate::domain::{Cutover, Facts, FailbackTarget, Link, OperationKind, RecordKind, Role, Sight};
use crate::model::FollowingName;
use crate::plan::RefusedWhy;

/// The machine that serves once an operation is done; `None` where that does not change.
const fn serves(kind: OperationKind) -> Option<Role> {
    match kind {
        OperationKind::Failover | OperationKind::PlannedFailover | OperationKind::UndoFailback => {
            Some(Role::Replica)
        }
        OperationKind::UndoFailover => Some(Role::Source),
        OperationKind::Switchover => Some(Role::Target),
        OperationKind::Replicate
        | OperationKind::PermanentFailover
        | OperationKind::Failback
        | OperationKind::CommitFailback
        | OperationKind::Drill
        | OperationKind::EndDrill => None,
    }
}

/// The cut-overs that belong to an operation. `facts` are those after it.
///
/// # Errors
/// A name for which nobody knows what it shall say.
pub fn cutovers(case: &Case<'_>, kind: OperationKind, facts: &Facts) -> Result<Vec<Cutover>, RefusedWhy> {
    let Some(role) = serves(kind) else { return Ok(Vec::new()) };
    case.replica.dns.iter().map(|name| cutover(case, name, role, facts)).collect()
}

fn cutover(case: &Case<'_>, name: &FollowingName, role: Role, facts: &Facts) -> Result<Cutover, RefusedWhy> {
    let says = |role: Role| says(case, name, role, facts);
    let Some(to) = says(role) else {
        return Err(RefusedWhy::NameNowhere { name: name.name.clone(), role });
    };
    let others = [Role::Source, Role::Replica, Role::Target].into_iter().filter_map(says);
    let mut from: Vec<String> = others.filter(|other| *other != to).collect();
    from.sort();
    from.dedup();
    Ok(Cutover {
        replica: case.replica.name.clone(),
        name: name.name.clone(),
        kind: name.kind,
        ttl: name.ttl,
        server: name.server.clone(),
        to,
        from,
        once: name.once,
        required: name.required,
        attempts: name.attempts,
        within: name.within,
    })
}

/// What a record says that leads to a machine: as the document says, or the machine's first address of the kind.
fn says(case: &Case<'_>, name: &FollowingName, role: Role, facts: &Facts) -> Option<String> {
    let elsewhere = facts.relation.failback.as_ref().map(|f| &f.target).or(match case.target() {
        FailbackTarget::Original => None,
        _ => Some(&FailbackTarget::Original),
    });
    let original = elsewhere.is_none_or(|target| *target == FailbackTarget::Original)
        && case.target() == FailbackTarget::Original;
    let (said, role) = match role {
        Role::Source => (&name.source, Role::Source),
        Role::Replica => (&name.replica, Role::Replica),
        Role::Target if original => (&name.source, Role::Source),
        Role::Target => (&name.target, Role::Target),
        // No name leads to a copy.
        Role::Copy => return None,
    };
    if let Some(said) = said {
        return Some(said.clone());
    }
    let first = |links: &[Link]| {
        let of = |link: &Link| link.address.filter(|a| a.is_ipv4() == (name.kind == RecordKind::A));
        links.iter().find_map(of).map(|address| address.to_string())
    };
    if name.kind == RecordKind::Cname {
        return None;
    }
    let seen = |sight: &Sight| sight.facts().and_then(|vm| first(&vm.links));
    match role {
        Role::Source => seen(&facts.source).or_else(|| first(&facts.relation.source_links)),
        // Before it serves it has no address, and then the one that it gets.
        Role::Replica => seen(&facts.replica)
            .or_else(|| network::links(case.replica, facts).ok().and_then(|links| first(&links))),
        Role::Target => facts.target.as_ref().and_then(seen),
        Role::Copy => None,
    }
}
