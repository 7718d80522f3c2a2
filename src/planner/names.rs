//! Names that follow a machine: which records an operation's machine is to be found by, and what they say.

use super::case::Case;
use super::itinerary::Note;
use super::network;
use crate::domain::{
    Condition, Cutover, Facts, FailbackTarget, Link, OperationKind, RecordKind, Role, State, VmRef, condition,
};
use crate::inventory::FactName;
use crate::model::{FollowingName, Replica};
use crate::plan::RefusedWhy;

/// The names that follow a machine.
#[derive(Debug, Default)]
pub struct Following {
    /// Their changes.
    pub names: Vec<Cutover>,
    /// The facts that say where they lead.
    pub reads: Vec<FactName>,
    /// Those that are left as they are, because nobody knows what they shall say.
    pub left_out: Vec<Note>,
}

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
/// A name that is required, and for which nobody knows what it shall say. An unplanned failover and a way back are refused for no name.
pub fn cutovers(case: &Case<'_>, kind: OperationKind, facts: &Facts) -> Result<Following, RefusedWhy> {
    let mut found = Following::default();
    let Some(role) = serves(kind) else { return Ok(found) };
    for name in &case.replica.dns {
        let (replica, before, wanted) = (case.replica, case.facts(), case.wanted_target());
        match cutover(&View { replica, before, wanted, name, facts }, role) {
            Some((cutover, reads)) => {
                found.names.push(cutover);
                found.reads.extend(reads);
            }
            // A failover from what is lost waits for no name, and neither does a way back.
            None if name.required && kind != OperationKind::Failover && !case.is_way_back() => {
                return Err(RefusedWhy::NameNowhere { name: name.name.clone(), role });
            }
            None => found.left_out.push(Note::NameLeftOut { name: name.name.clone(), role }),
        }
    }
    Ok(found)
}

/// What the names of a replica are to say while it stays as it is. Nothing where it is not whole: then a run is, or was, about it; and not what
/// nobody knows the address of.
#[must_use]
pub fn standing(replica: &Replica, facts: &Facts) -> Vec<Cutover> {
    let Condition::Whole(state) = condition(facts) else { return Vec::new() };
    let role = match state {
        State::Unprotected | State::Ready => Role::Source,
        State::Failover | State::ReadyToSwitch | State::Permanent => Role::Replica,
        State::Failback => Role::Target,
    };
    let view = |name| View { replica, before: Some(facts), wanted: None, name, facts };
    replica.dns.iter().filter_map(|name| cutover(&view(name), role)).map(|(cutover, _)| cutover).collect()
}

fn cutover(view: &View<'_>, role: Role) -> Option<(Cutover, Vec<FactName>)> {
    let View { replica, name, .. } = *view;
    let told = [Role::Source, Role::Replica, Role::Target].map(|role| (role, view.says(role)));
    let of = |role: Role| told.iter().find(|(of, _)| *of == role).and_then(|(_, says)| says.as_ref());
    let to = of(role)?.0.clone();
    let kept = role == Role::Replica && of(Role::Source).is_some_and(|(source, _)| *source == to);
    // What the document names is this replica's in any case, whichever machine it stands for by now.
    let said = [&name.source, &name.replica, &name.target].into_iter().flatten().cloned();
    let mut from: Vec<String> = told.iter().filter_map(|(_, says)| Some(says.as_ref()?.0.clone())).collect();
    from.extend(said);
    from.retain(|other| *other != to);
    from.sort();
    from.dedup();
    let reads = told.into_iter().filter_map(|(_, says)| says?.1).collect();
    let cutover = Cutover {
        replica: replica.name.clone(),
        name: name.name.clone(),
        kind: name.kind,
        ttl: name.ttl,
        server: name.server.clone(),
        to,
        from,
        kept,
        once: name.once,
        required: name.required,
        attempts: name.attempts,
        within: name.within,
    };
    Some((cutover, reads))
}

/// A name, and the machines that it may lead to.
struct View<'a> {
    replica: &'a Replica,
    /// As they were observed.
    before: Option<&'a Facts>,
    /// Where a failback is asked to go to.
    wanted: Option<&'a FailbackTarget>,
    name: &'a FollowingName,
    /// As they are when it is changed.
    facts: &'a Facts,
}

impl View<'_> {
    /// What the record says that leads to a machine: as the document says, or the machine's first address of the kind; with the fact that told it.
    fn says(&self, role: Role) -> Option<(String, Option<FactName>)> {
        let source = &self.facts.relation.source;
        let vm = match role {
            Role::Source => source,
            Role::Replica => &self.replica.replica,
            Role::Target => self.target().unwrap_or(source),
            // No name leads to a copy.
            Role::Copy => return None,
        };
        if let Some(said) = self.said(vm) {
            return Some((said.clone(), None));
        }
        if self.name.kind == RecordKind::Cname {
            return None;
        }
        self.seen(if vm == source { Role::Source } else { role })
    }

    /// Another machine that a failback goes to. What is recorded of one under way counts before what is asked for.
    fn target(&self) -> Option<&VmRef> {
        let recorded = [Some(self.facts), self.before].into_iter().flatten();
        match recorded.filter_map(|facts| facts.relation.failback.as_ref()).next() {
            Some(failback) => failback.target.other(),
            None => self.wanted?.other(),
        }
    }

    /// What the document says of a machine. After a failback to another machine the source is that one, and not what the document calls so.
    fn said(&self, vm: &VmRef) -> Option<&String> {
        let replica = self.replica;
        if *vm == replica.replica {
            self.name.replica.as_ref()
        } else if *vm == replica.source {
            self.name.source.as_ref()
        } else {
            self.name.target.as_ref()
        }
    }

    /// The first address of a machine: as it will be, or else as it was. Before a replica serves it has none, and then the one that it gets.
    fn seen(&self, role: Role) -> Option<(String, Option<FactName>)> {
        let of = |facts: &Facts| facts.vm(role).facts().and_then(|vm| self.first(&vm.links));
        let observed = self.before.and_then(of);
        let recorded = || match role {
            Role::Source => self.first(&self.facts.relation.source_links),
            Role::Replica => {
                network::links(self.replica, self.facts).ok().and_then(|links| self.first(&links))
            }
            Role::Target | Role::Copy => None,
        };
        let found = of(self.facts).or_else(recorded).or_else(|| observed.clone())?;
        let read = (observed.as_ref() == Some(&found)).then_some(FactName::Links(role));
        Some((found, read))
    }

    fn first(&self, links: &[Link]) -> Option<String> {
        let four = self.name.kind == RecordKind::A;
        let of = |link: &Link| link.address.filter(|a| a.is_ipv4() == four);
        links.iter().find_map(of).map(|address| address.to_string())
    }
}
