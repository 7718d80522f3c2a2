//! Names of replicas that stay as they are. A plan sets names with what it starts; one that was missed, because a run was closed or somebody
//! changed it, is found here, and set by `lifeboat names --set`.

use super::carry::free_of;
use super::names::heard;
use super::prepare::{Prepared, documents};
use super::status::chosen;
use super::world::{World, subjects};
use super::{Answer, Desk, Exit, Said};
use crate::base::{EntryName, ReplicaName};
use crate::diag::{Code, Finding, Severity};
use crate::domain::Cutover;
use crate::plan::{Purpose, Work};
use crate::planner::standing;
use crate::port::{Names, Pointed, Pointing};
use crate::report::words;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What `names` is asked.
pub struct Ask {
    /// The replicas; all where none is named.
    pub names: Vec<String>,
    /// Whether names that lead elsewhere are set.
    pub set: bool,
}

/// Asks what the names say that a plan was asked about and leaves alone.
pub async fn of_plan(names: &Arc<dyn Names>, prepared: &Prepared) -> Vec<Finding> {
    let Prepared { plan, inventory, loaded, .. } = prepared;
    if !matches!(plan.purpose, Purpose::Runbook(_)) {
        return Vec::new();
    }
    let moved = plan.nodes.iter().filter_map(|node| match &node.work {
        Work::Cutover(cutover) => Some(cutover),
        _ => None,
    });
    let (mut moving, mut known) = (BTreeSet::new(), BTreeSet::new());
    for cutover in moved {
        moving.insert(&cutover.replica);
        known.insert(&cutover.server.name);
    }
    let resting = plan.unchanged.iter().filter(|u| !u.why.is_outside()).map(|u| &u.replica);
    let replicas = resting.chain(plan.members.iter().map(|m| &m.replica)).filter(|r| !moving.contains(*r));
    let wanted = replicas.flat_map(|name| {
        let replica = loaded.workspace.replicas.get(name);
        let facts = inventory.replicas.get(name).and_then(|o| o.facts.as_ref());
        replica.zip(facts).map(|(replica, facts)| standing(replica, facts)).unwrap_or_default()
    });
    let mut silent = BTreeSet::new();
    let mut findings = Vec::new();
    for found in asked(names, wanted.collect()).await {
        let server = &found.cutover.server.name;
        match &found.is {
            Is::Right => {}
            // One word of a server that does not answer is enough.
            Is::Unknown(_) if known.contains(server) || !silent.insert(server.clone()) => {}
            Is::Elsewhere(_) | Is::Others(_) | Is::Unknown(_) => findings.push(found.finding()),
        }
    }
    findings
}

/// What a name says, against what it is to say.
enum Is {
    /// What it shall.
    Right,
    /// Nothing, or what leads to another machine of the replica.
    Elsewhere(Vec<String>),
    /// What is none of the replica's machines.
    Others(Vec<String>),
    /// That is not known.
    Unknown(String),
}

struct Found {
    cutover: Cutover,
    is: Is,
}

impl Found {
    fn new(cutover: Cutover, said: Result<Vec<String>, String>) -> Self {
        let is = match said {
            Err(why) => Is::Unknown(why),
            Ok(says) if cutover.is_done(&says) => Is::Right,
            Ok(says) if cutover.is_own(&says) => Is::Elsewhere(says),
            Ok(says) => Is::Others(says),
        };
        Self { cutover, is }
    }

    fn finding(&self) -> Finding {
        let Cutover { name, to, replica, .. } = &self.cutover;
        let wrong = |says: &[String]| {
            let says = if says.is_empty() { "nothing".to_owned() } else { says.join(", ") };
            Finding::new(
                Code::NameElsewhere,
                format!("{name} says {says}, and the machine of `{replica}` that serves is found at {to}"),
            )
        };
        match &self.is {
            Is::Elsewhere(says) => {
                wrong(says).help(format!("`lifeboat names {replica} --set` lets it say {to}"))
            }
            Is::Others(says) => wrong(says)
                .help("that is no machine of this replica, so that it is left alone; let it say otherwise by hand")
                .help(format!("or name it in the replica: `dns: [{{ name: {name}, source: … }}]`")),
            Is::Unknown(why) => {
                let what = format!("it is not known what {name} says: {why}");
                let mut finding = Finding::new(Code::NameServerUnfit, what);
                finding.severity = Severity::Warning;
                finding.help("this plan changes no name there; `lifeboat names` asks again")
            }
            Is::Right => wrong(std::slice::from_ref(to)),
        }
    }

    fn line(&self) -> String {
        match &self.is {
            Is::Right => format!("  {}", words::cutover(&self.cutover, None)),
            Is::Elsewhere(says) => format!("! {}", words::cutover(&self.cutover, Some(says))),
            Is::Others(says) => {
                format!("! {}, somebody else's", words::cutover(&self.cutover, Some(says)))
            }
            Is::Unknown(why) => format!("? {}, {why}", words::cutover(&self.cutover, None)),
        }
    }

    fn json(&self) -> Value {
        let Cutover { replica, name, kind, to, server, .. } = &self.cutover;
        let (is, says, why) = match &self.is {
            Is::Right => ("right", Some(vec![to.clone()]), None),
            Is::Elsewhere(says) => ("elsewhere", Some(says.clone()), None),
            Is::Others(says) => ("others", Some(says.clone()), None),
            Is::Unknown(why) => ("unknown", None, Some(why)),
        };
        json!({ "replica": replica, "name": name, "type": kind.word(), "server": server.name, "to": to, "says": says, "is": is, "why": why })
    }
}

async fn asked(names: &Arc<dyn Names>, wanted: Vec<Cutover>) -> Vec<Found> {
    let mut servers: BTreeMap<EntryName, Vec<(usize, Cutover)>> = BTreeMap::new();
    for (position, cutover) in wanted.iter().enumerate() {
        servers.entry(cutover.server.name.clone()).or_default().push((position, cutover.clone()));
    }
    let mut said: BTreeMap<usize, _> =
        heard(names, servers).await.into_iter().map(|(position, _, said)| (position, said)).collect();
    let each = wanted.into_iter().enumerate().map(|(position, cutover)| {
        let unasked = || Err(format!("{} does not answer", cutover.server.name));
        let said = said.remove(&position).unwrap_or_else(unasked);
        Found::new(cutover, said)
    });
    each.collect()
}

/// Carries `lifeboat names` out: shows what names say, and sets those that lead elsewhere where that is wanted.
///
/// # Errors
/// An early end; replicas that a run holds, which sets their names itself.
pub async fn names(desk: &Desk, ask: &Ask) -> Said {
    let loaded = documents(desk)?;
    let only = chosen(&loaded, &ask.names)?;
    let world = World::open(desk, &loaded.workspace)?;
    let inventory = world.observe(&subjects(&loaded.workspace, &[])).await;
    let chosen = loaded.workspace.replicas.values();
    let chosen = chosen.filter(|r| !r.dns.is_empty() && (only.is_empty() || only.contains(&r.name)));
    let (mut wanted, mut untold) = (Vec::new(), Vec::new());
    for replica in chosen {
        let facts = inventory.replicas.get(&replica.name).and_then(|o| o.facts.as_ref());
        let found = facts.map(|facts| standing(replica, facts)).unwrap_or_default();
        if found.len() < replica.dns.len() {
            untold.push(replica.name.clone());
        }
        wanted.extend(found);
    }
    let servers = world.names(desk);
    let mut all = asked(&servers, wanted).await;
    let mut lines: Vec<String> = Vec::new();
    if ask.set {
        all = set(desk, &servers, all, &mut lines).await?;
        world.close()?;
    }
    lines.extend(all.iter().map(Found::line));
    lines.extend(untold.iter().map(|r| {
        format!("? {r}: which machine serves, or its address, is not known; `lifeboat status {r}` says more")
    }));
    let wrong: Vec<&Found> = all.iter().filter(|found| !matches!(found.is, Is::Right)).collect();
    let next = wrong.iter().any(|found| matches!(found.is, Is::Elsewhere(_)));
    lines.push(match (wrong.len(), all.len() + untold.len()) {
        (0, 0) => "No replica here has a name that follows it (`dns`).".to_owned(),
        (0, _) if untold.is_empty() => "All names lead where they shall.".to_owned(),
        (count, _) => format!("{} to look at.", words::count(count + untold.len(), "name")),
    });
    if next {
        lines.push("Next: lifeboat names --set".to_owned());
    }
    let rows: Vec<Value> = all.iter().map(Found::json).collect();
    let json = json!({ "format": 1, "type": "names", "names": rows, "untold": untold });
    let mut answer = Answer::ok(format!("{}\n", lines.join("\n")), json);
    if ask.set && !wrong.is_empty() {
        answer.exit = Exit::Failed;
        answer.findings = wrong.iter().map(|found| found.finding()).collect();
    }
    Ok(answer)
}

/// Sets the names that lead to another machine of their replica. Each is asked again before and after, so that a second call does no harm.
async fn set(
    desk: &Desk,
    servers: &Arc<dyn Names>,
    all: Vec<Found>,
    lines: &mut Vec<String>,
) -> Result<Vec<Found>, Box<Answer>> {
    let wrong = all.iter().filter(|found| matches!(found.is, Is::Elsewhere(_)));
    let replicas: BTreeSet<ReplicaName> = wrong.map(|found| found.cutover.replica.clone()).collect();
    free_of(desk, &replicas)?;
    let mut after = Vec::with_capacity(all.len());
    for (node, found) in (0u32..).zip(all) {
        let Found { cutover, is: Is::Elsewhere(_) } = &found else {
            after.push(found);
            continue;
        };
        let cutover = cutover.clone();
        let is = match servers.point(&Pointing { node, cutover: cutover.clone() }).await {
            Ok(Pointed::Found) => Is::Right,
            Ok(Pointed::Replaced { before }) => {
                lines.push(format!("+ {}", words::cutover(&cutover, Some(&before))));
                Is::Right
            }
            Err(failure) => Is::Unknown(failure.to_string()),
        };
        after.push(Found { cutover, is });
    }
    Ok(after)
}
