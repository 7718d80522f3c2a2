//! Refusals of the planner, violations of the checker, warnings of a plan and the differences of a stale one, as findings:
//! what was observed and when, what is asked, what is possible from there, and the way that would be lawful.

use crate::base::{ReplicaName, RunbookName};
use crate::diag::{Code, Finding, Span};
use crate::domain::transition::{possible, transition};
use crate::domain::{Condition, Foreign, OperationKind};
use crate::inventory::{FactName, FactRead, Inventory};
use crate::model::{Key, Kind, Origins, Workspace};
use crate::plan::{NodeId, Plan, Refused, RefusedWhy, RouteOffer, Unchanged, Violation};
use crate::report::{drill, mend, torn, words};
use std::collections::BTreeMap;

/// Where things stand in the documents; the application looks that up in the origins.
pub trait Places {
    /// A key of one of the runbook's desired states, or the nearest thing around it.
    fn desired(&self, position: usize, key: &str) -> Option<Span>;
    /// A key of a replica's document, or the nearest thing around it.
    fn replica(&self, replica: &ReplicaName, key: &str) -> Option<Span>;
}

/// Places of what no document says.
#[derive(Debug, Clone, Copy)]
pub struct Nowhere;

impl Places for Nowhere {
    fn desired(&self, _: usize, _: &str) -> Option<Span> {
        None
    }
    fn replica(&self, _: &ReplicaName, _: &str) -> Option<Span> {
        None
    }
}

/// Places in the documents of a runbook.
#[derive(Debug, Clone, Copy)]
pub struct InDocuments<'a> {
    /// The places of all documents.
    pub origins: &'a Origins,
    /// The runbook; `None` where none was asked for.
    pub runbook: Option<&'a RunbookName>,
}

impl Places for InDocuments<'_> {
    fn desired(&self, position: usize, key: &str) -> Option<Span> {
        let at = |path: &[Key<'_>]| self.origins.at(Kind::Runbook, self.runbook?.as_str(), path);
        let around = [Key::Name("spec"), Key::Name("desired"), Key::Index(position)];
        let under = |key| at(&[around[0], around[1], around[2], Key::Name(key)]);
        // Where the key is left out, the state is what asks for it.
        under(key).filter(|found| Some(*found) != at(&around)).or_else(|| under("state"))
    }

    fn replica(&self, replica: &ReplicaName, key: &str) -> Option<Span> {
        let at = |path: &[Key<'_>]| self.origins.at(Kind::Replica, replica.as_str(), path);
        let found = at(&[Key::Name("spec"), Key::Name(key)]);
        let whole = at(&[Key::Name("spec")]);
        found.filter(|f| Some(*f) != whole).or_else(|| self.origins.name(Kind::Replica, replica.as_str()))
    }
}

/// The refusals as findings. Replicas that are refused for the very same reason share one.
#[must_use]
pub fn findings(
    refused: &[Refused],
    workspace: &Workspace,
    places: &dyn Places,
    inventory: &Inventory,
) -> Vec<Finding> {
    let mut groups: Vec<(Vec<&Refused>, Vec<String>)> = Vec::new();
    let mut known: BTreeMap<(usize, String, Vec<String>), usize> = BTreeMap::new();
    for one in refused {
        let key = (one.desired, said(one, "it", inventory), help(one));
        match known.get(&key).and_then(|at| groups.get_mut(*at)) {
            Some((all, _)) => all.push(one),
            None => {
                groups.push((vec![one], key.2.clone()));
                known.insert(key, groups.len() - 1);
            }
        }
    }
    let finding = |(all, help): (Vec<&Refused>, Vec<String>)| {
        let first = *all.first()?;
        let finding = Finding::new(code(&first.why), said(first, &names(&all), inventory));
        let (span, label) = place(first, places);
        let about = source((&first.replica, &first.now), all.len(), workspace, inventory);
        let finding = finding.at(span, label);
        let finding = match &first.why {
            RefusedWhy::AddressShared { with: other, .. } | RefusedWhy::AddressTaken { of: other, .. } => {
                finding.at(places.replica(other, "addresses"), format!("`{other}` has its address from here"))
            }
            _ => finding,
        };
        let finding = finding.about(about);
        Some(help.into_iter().fold(finding, Finding::help))
    };
    groups.into_iter().filter_map(finding).collect()
}

fn names(all: &[&Refused]) -> String {
    let name = |r: &&Refused| format!("`{}`", r.replica);
    match all {
        [one] => name(one),
        [one, two] => format!("{} and {}", name(one), name(two)),
        [one, two, rest @ ..] => format!("{}, {} and {} more", name(one), name(two), rest.len()),
        [] => String::new(),
    }
}

/// The code of each reason.
#[must_use]
pub const fn code(why: &RefusedWhy) -> Code {
    match why {
        RefusedWhy::NotPossible { .. }
        | RefusedWhy::NothingToKeep
        | RefusedWhy::MachineAbsent { .. }
        | RefusedWhy::OnlyForward(_) => Code::NoRoute,
        RefusedWhy::Ambiguous(_) => Code::Ambiguous,
        RefusedWhy::RecoveryUnseen(_) | RefusedWhy::ProductionUnseen { .. } => Code::SiteUnseen,
        RefusedWhy::NoSuchPoint(_) | RefusedWhy::NoPointAt { .. } => Code::NoPoint,
        RefusedWhy::Foreign(_) => Code::Foreign,
        RefusedWhy::NetworkUnmapped(_) => Code::NetworkUnmapped,
        RefusedWhy::BothWouldServe(_) => Code::BothWouldServe,
        RefusedWhy::AddressShared { .. } => Code::AddressShared,
        RefusedWhy::NameNowhere { .. } => Code::NameNowhere,
        RefusedWhy::AddressTaken { .. } => Code::AddressTaken,
        RefusedWhy::TargetUnfit { .. } | RefusedWhy::TargetInUse { .. } => Code::TargetUnfit,
        RefusedWhy::Drill(why) => drill::code(why),
        RefusedWhy::Torn(why) => torn::code(why),
        RefusedWhy::NoFence(_) | RefusedWhy::SiteAnswers(_) => Code::NoFence,
        RefusedWhy::LossOverPolicy { .. } => Code::LossOverObjective,
    }
}

/// The message; that of a site that answered, and could not tell of the replica, is the provider's own.
fn said(refused: &Refused, who: &str, inventory: &Inventory) -> String {
    let why = inventory.replicas.get(&refused.replica).and_then(|observed| observed.why.as_ref());
    match (&refused.why, why) {
        (RefusedWhy::RecoveryUnseen(_), Some(why)) => format!("{who} cannot be planned: {why}"),
        _ => message(refused, who),
    }
}

/// Why not, of a replica that was named already.
#[must_use]
pub fn sentence(refused: &Refused) -> String {
    message(refused, "it")
}

fn message(refused: &Refused, who: &str) -> String {
    let (now, asked) = (words::condition(&refused.now), refused.asked);
    match &refused.why {
        RefusedWhy::NotPossible { operation, refusal, .. } => {
            format!(
                "{who} cannot go from {now} to {asked}: {operation} is not possible, {}",
                words::refusal(*refusal)
            )
        }
        RefusedWhy::Ambiguous(ways) => {
            format!(
                "{} lead {who} from {now} to {asked}, and they keep different data",
                words::count(ways.len(), "way")
            )
        }
        RefusedWhy::NothingToKeep => {
            format!("{who} cannot go from {now} to {asked}: what shall be kept does not exist any more")
        }
        RefusedWhy::RecoveryUnseen(site) => {
            format!("{who} cannot be planned: its recovery site {site} does not answer")
        }
        RefusedWhy::ProductionUnseen { site, operation, .. } => {
            format!(
                "{who} cannot go from {now} to {asked}: {operation} needs site {site}, which does not answer"
            )
        }
        RefusedWhy::MachineAbsent { vm, operation } => {
            format!(
                "{who} cannot go from {now} to {asked}: {operation} needs machine {vm}, which does not exist"
            )
        }
        RefusedWhy::NoSuchPoint(point) => format!("{who} has no restore point {point}"),
        RefusedWhy::NoPointAt { at, oldest } => match oldest {
            Some((id, oldest)) => {
                format!("{who} has no restore point at or before {at}; its oldest, {id}, is of {oldest}")
            }
            None => format!("{who} has no restore point at all"),
        },
        RefusedWhy::Foreign(foreign) => {
            format!("{who} is as no operation leaves it: {}", words::foreign(*foreign))
        }
        RefusedWhy::NetworkUnmapped(network) => {
            format!(
                "{who} has a card on network {network}, and no mapping says where that leads at the recovery site"
            )
        }
        RefusedWhy::BothWouldServe(network) => {
            format!("source and replica of {who} would run on network {network} at once")
        }
        RefusedWhy::NameNowhere { name, role } => {
            format!("{name} shall lead to {} of {who}, and its address is not known", words::role(*role))
        }
        RefusedWhy::AddressShared { network, address, with } => {
            format!("{who} and `{with}` would both have the address {address} on network {network}")
        }
        RefusedWhy::AddressTaken { network, address, by, of } => {
            format!("{who} would get {address} on network {network}, which {by} of `{of}` has and keeps")
        }
        RefusedWhy::TargetUnfit { vm, exists: true } => {
            format!("{who} cannot be brought back to a new machine {vm}: it exists already")
        }
        RefusedWhy::TargetUnfit { vm, exists: false } => {
            format!("{who} cannot be brought back to {vm}: it does not exist")
        }
        RefusedWhy::TargetInUse { vm, replica } => {
            format!(
                "{who} cannot be brought back to {vm}: `{replica}` is replicated from it or brought back to it"
            )
        }
        RefusedWhy::Torn(why) => torn::message(why, who),
        RefusedWhy::NoFence(source) => {
            format!(
                "{who} cannot be failed over: its source {source} cannot be seen, and nothing says how it is fenced"
            )
        }
        RefusedWhy::SiteAnswers(source) => {
            format!(
                "{who} cannot be failed over: its source {source} cannot be seen, its site answers, and the fence of that site would take down all of it"
            )
        }
        RefusedWhy::OnlyForward(operation) => {
            format!("{who} cannot go to {asked}: {operation} was begun and can only be completed")
        }
        RefusedWhy::Drill(why) => drill::refused(why, who),
        RefusedWhy::LossOverPolicy { upto, allowed } => {
            format!("{who} would lose up to {}; {} is allowed", words::span(*upto), words::span(*allowed))
        }
    }
}

/// The words at the place in the document: why here.
fn place(refused: &Refused, places: &dyn Places) -> (Option<Span>, String) {
    let state = || (places.desired(refused.desired, "state"), format!("{} is asked for here", refused.asked));
    match &refused.why {
        RefusedWhy::NotPossible { .. }
        | RefusedWhy::Ambiguous(_)
        | RefusedWhy::RecoveryUnseen(_)
        | RefusedWhy::MachineAbsent { .. }
        | RefusedWhy::Foreign(_)
        | RefusedWhy::OnlyForward(_)
        | RefusedWhy::NoFence(_)
        | RefusedWhy::Torn(_)
        | RefusedWhy::SiteAnswers(_)
        | RefusedWhy::LossOverPolicy { .. } => state(),
        RefusedWhy::NothingToKeep => {
            (places.desired(refused.desired, "keep"), "this cannot be kept".to_owned())
        }
        RefusedWhy::ProductionUnseen { unplanned_would_do: true, .. } => {
            (places.desired(refused.desired, "via"), "a planned failover needs the source".to_owned())
        }
        RefusedWhy::ProductionUnseen { .. } => state(),
        RefusedWhy::NoSuchPoint(_) | RefusedWhy::NoPointAt { .. } => {
            (places.desired(refused.desired, "restorePoint"), "this point is asked for".to_owned())
        }
        RefusedWhy::Drill(_) => (places.replica(&refused.replica, "networks"), "of this replica".to_owned()),
        RefusedWhy::NetworkUnmapped(network) => {
            (places.replica(&refused.replica, "networks"), format!("{network} is not among these"))
        }
        RefusedWhy::NameNowhere { .. } => {
            (places.replica(&refused.replica, "dns"), "this name follows it".to_owned())
        }
        RefusedWhy::AddressShared { .. } | RefusedWhy::AddressTaken { .. } => {
            (places.replica(&refused.replica, "addresses"), "it gets its address here".to_owned())
        }
        RefusedWhy::BothWouldServe(_) => {
            (places.replica(&refused.replica, "networks"), "the replica gets its networks here".to_owned())
        }
        RefusedWhy::TargetUnfit { .. } | RefusedWhy::TargetInUse { .. } => {
            (places.desired(refused.desired, "failback"), "the target is named here".to_owned())
        }
    }
}

/// A replica that a replication run was asked for by its name, and that does not stand by.
#[must_use]
pub fn not_replicated(one: &Unchanged, workspace: &Workspace, inventory: &Inventory) -> Finding {
    let state = one.now.whole();
    let now = match &one.now {
        Condition::PartWay(operation) => format!("its {} is not concluded", operation.kind()),
        other => format!("it is {}", words::condition(other)),
    };
    let refusal = state.and_then(|state| transition(state, OperationKind::Replicate).err());
    let why = refusal.map_or_else(String::new, |refusal| format!(", and {}", words::refusal(refusal)));
    let message = format!("`{}` cannot be replicated: {now}{why}", one.replica);
    let finding =
        Finding::new(Code::NoRoute, message).about(source((&one.replica, &one.now), 1, workspace, inventory));
    let finding = state.map(from_here).into_iter().fold(finding, Finding::help);
    finding.help(
        "nothing was replicated; `--all`, `--plan` and `--label` leave it alone and replicate the others",
    )
}

/// What was read of a replica that stands for several, from where and when.
fn source(
    (replica, now): (&ReplicaName, &Condition),
    all: usize,
    workspace: &Workspace,
    inventory: &Inventory,
) -> String {
    let more = if all > 1 { format!(" and {} more", all - 1) } else { String::new() };
    let was = format!("replica {replica}{more}: {}", words::condition(now));
    let site = workspace.replicas.get(replica).map(|r| &r.replica.site);
    match site.and_then(|site| Some((site, inventory.sites.get(site)?))) {
        Some((site, seen)) => match &seen.silent {
            None => format!("{was}, {site} read {}", seen.at.clock()),
            Some(why) => format!("{was}, {site} tried {}: {why}", seen.at.clock()),
        },
        None => was,
    }
}

fn help(refused: &Refused) -> Vec<String> {
    let from = || refused.now.whole().map(from_here);
    match &refused.why {
        RefusedWhy::NotPossible { lawful, .. } => {
            let way = if lawful.is_empty() {
                format!("no operation leads from here to {}", refused.asked)
            } else {
                format!("the lawful way is {}", operations(lawful))
            };
            from().into_iter().chain([way]).collect()
        }
        RefusedWhy::Ambiguous(ways) => {
            let ways = ways.iter().map(offer);
            vec![ways.fold("say which one, beside the state:".to_owned(), |all, one| format!("{all}\n{one}"))]
        }
        RefusedWhy::NothingToKeep => {
            vec!["leave `keep` out, or ask for a state that the data which is left can reach".to_owned()]
        }
        RefusedWhy::RecoveryUnseen(site) => {
            vec![format!(
                "nothing can be done to a replica that cannot be seen; `lifeboat status` says when {site} answers again"
            )]
        }
        RefusedWhy::ProductionUnseen { unplanned_would_do: true, .. } => vec![
            "write `via: unplanned` to start from the latest restore point and lose what came after it"
                .to_owned(),
            "or `via: best`: planned where the source answers, otherwise unplanned".to_owned(),
        ],
        RefusedWhy::ProductionUnseen { site, .. } => {
            vec![format!("it can be planned when {site} answers again")]
        }
        RefusedWhy::MachineAbsent { .. } => vec![ABSENT.to_owned()],
        RefusedWhy::NoSuchPoint(_) => {
            vec![format!("`lifeboat status {}` lists the restore points", refused.replica)]
        }
        RefusedWhy::NoPointAt { oldest, .. } => match oldest {
            Some((_, at)) => vec![format!("ask for {at} or later, or for `latest`")],
            None => vec![format!("`lifeboat replicate {}` makes the first one", refused.replica)],
        },
        RefusedWhy::Foreign(foreign) => vec![put_back(*foreign, &refused.replica)],
        RefusedWhy::NetworkUnmapped(network) => mend::unmapped(network),
        RefusedWhy::Drill(why) => drill::help(why),
        RefusedWhy::BothWouldServe(_) => vec![
            "stop the source first: `via: planned`, or `source: power-off` or `fence` in the failover plan"
                .to_owned(),
            "or say in the replica's document why both may run: `bothMayRun: { because: \"…\" }`".to_owned(),
        ],
        RefusedWhy::NameNowhere { name, role } => vec![mend::nowhere(name, *role)],
        RefusedWhy::AddressShared { .. } => vec![mend::apart("give one of them")],
        RefusedWhy::AddressTaken { by, .. } => mend::taken(by),
        RefusedWhy::TargetInUse { .. } => vec!["name a machine of its own for each replica".to_owned()],
        RefusedWhy::TargetUnfit { exists: true, .. } => {
            vec!["name a machine that does not exist yet, or `elsewhere` for one that does".to_owned()]
        }
        RefusedWhy::TargetUnfit { .. } => {
            vec!["restore it first, or name it as `recovered` to have it built from the replica".to_owned()]
        }
        RefusedWhy::NoFence(source) => mend::no_fence(&source.site),
        RefusedWhy::Torn(why) => torn::help(why),
        RefusedWhy::SiteAnswers(source) => mend::site_answers(source),
        RefusedWhy::OnlyForward(operation) => vec![format!("ask for the state that {operation} leads to")],
        RefusedWhy::LossOverPolicy { .. } => {
            vec!["replicate first, or raise the objective with whoever answers for it".to_owned()]
        }
    }
}

const ABSENT: &str = "restore the machine, or name another target under `failback`";

fn put_back(foreign: Foreign, replica: &ReplicaName) -> String {
    match foreign {
        Foreign::ReplicaGone => format!(
            "put it back at its site; or `lifeboat status {replica} --rebuild` shows how it would be made anew from its restore points"
        ),
        Foreign::StartedOutside | Foreign::BothRun => {
            "somebody changed it outside Lifeboat; put it back at its site, then plan again".to_owned()
        }
    }
}

fn from_here(state: crate::domain::State) -> String {
    let list: Vec<&str> = possible(state).map(OperationKind::name).collect();
    if list.is_empty() {
        format!("from {state} nothing is possible any more")
    } else {
        format!("from {state} these are possible: {}", list.join(", "))
    }
}

fn operations(list: &[OperationKind]) -> String {
    list.iter().map(|o| o.name()).collect::<Vec<_>>().join(", then ")
}

fn offer(offer: &RouteOffer) -> String {
    let RouteOffer { say, operations: list, loses } = offer;
    let loses = match loses.as_slice() {
        [] => "loses nothing".to_owned(),
        some => format!("loses {}", some.iter().map(words::loss).collect::<Vec<_>>().join(" and ")),
    };
    format!("    {say:<16} {}\n{:21}{loses}", operations(list), "")
}

/// A violation: a fault of the planner, and said so.
#[must_use]
pub fn violation(violation: &Violation, plan: &Plan) -> Finding {
    let name = |node: &NodeId| plan.node_name(*node);
    let message = match violation {
        Violation::Dangling(what) => what.clone(),
        Violation::Cycle(nodes) => {
            format!("steps wait for each other: {}", nodes.iter().map(name).collect::<Vec<_>>().join(" → "))
        }
        Violation::Unordered(one, two) => {
            format!("{} and {} have no order between them", name(one), name(two))
        }
        Violation::Unmet { node, unmet } => {
            format!("{} could not be done: {}", name(node), words::unmet(*unmet))
        }
        Violation::Broken { node, broken } => format!("after {}, {}", name(node), words::broken(broken)),
        Violation::Misses { replica, ends, wanted } => {
            format!("{replica} would end as {} and not as {wanted}", words::condition(ends))
        }
        Violation::TooEarly { node, before } => {
            format!("{} cannot be undone and might start before {}", name(node), name(before))
        }
        Violation::WaitsWithPlace { node, waits_for } => {
            format!("{} would keep a place under a limit while it waits for {}", name(node), name(waits_for))
        }
        Violation::LeavesCopy(replica) => format!("the copy of {replica} would be left"),
        Violation::Torn(group) => format!("the cut of the consistency group {group} is not what it says"),
        Violation::WaitsForName { node, name: record } => {
            let (node, record) = (name(node), name(record));
            format!("{node} would wait for {record}, and no machine shall stay down because of a name")
        }
        Violation::UnnamedLoss(replica) => format!("{replica} would lose data that the plan does not name"),
    };
    Finding::new(Code::CheckerRefuses, message)
        .about(format!("plan {}", plan.purpose))
        .help("this is a fault of Lifeboat, not of your documents; nothing was touched; please report it with the plan")
}

/// What the world is not any more, fact by fact.
#[must_use]
pub fn stale(changed: &[(&FactRead, String)], plan: &Plan) -> Option<Finding> {
    let (first, _) = changed.first()?;
    let text = match changed {
        [_] => format!("a fact about {} is not what it was when the plan was made", first.replica),
        all => format!("{} are not what they were when the plan was made", words::count(all.len(), "fact")),
    };
    let finding = Finding::new(Code::PlanStale, text)
        .about(format!("plan {}, made from what was read {}", plan.purpose, plan.observed_at));
    let line = |(read, now): &(&FactRead, String)| {
        format!("\n    {}: {}: {}, now {now}", read.replica, fact(&read.fact), read.value)
    };
    let lines: String = changed.iter().take(20).map(line).collect();
    let finding = finding.help(format!("what it was then, and is now:{lines}"));
    Some(finding.help("plan again; the new plan may be the very same steps"))
}

fn fact(name: &FactName) -> String {
    match name {
        FactName::Condition => "its state".to_owned(),
        FactName::Power(role) => format!("the power of {}", words::role(*role)),
        FactName::Links(role) => format!("the networks of {}", words::role(*role)),
        FactName::Latest => "its latest restore point".to_owned(),
        FactName::Point(id) => format!("restore point {id}"),
        FactName::InUse => "the restore point in use".to_owned(),
        FactName::Source => "where it is replicated from".to_owned(),
        FactName::Failback => "its failback".to_owned(),
    }
}

/// An operation without the word that every way on from the same state shares.
const fn short(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::UndoFailover => "undo",
        OperationKind::PermanentFailover => "permanent",
        other => other.name(),
    }
}

/// Whether a replica can be acted on at all, in a word for a status line.
#[must_use]
pub fn next_words(condition: &Condition) -> String {
    match condition {
        Condition::Whole(state) => possible(*state).map(short).collect::<Vec<_>>().join(", "),
        Condition::PartWay(operation) => format!("complete or take back the {}", operation.kind()),
        Condition::Foreign(_) => "put it back at its site".to_owned(),
        Condition::Unseen => "wait for its site".to_owned(),
    }
}
