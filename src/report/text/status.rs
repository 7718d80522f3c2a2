//! What each replica is, since when, from which points, how far behind, and what may be done next.

use super::{Options, cuts, plan::short};
use crate::base::{Duration, NetworkName, ReplicaName, Timestamp};
use crate::domain::invariant::{Broken, broken};
use crate::domain::{Condition, Facts, PointKind, RestorePoint, State, condition};
use crate::inventory::{Inventory, Observed};
use crate::model::{Replica, Workspace};
use crate::report::{refused, table, words};

/// One replica's lag against its objective.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lag {
    /// How old the latest restore point is.
    pub is: Duration,
    /// How old it may be.
    pub allowed: Option<Duration>,
}

impl Lag {
    /// Whether it is older than allowed.
    #[must_use]
    pub fn exceeded(self) -> bool {
        self.allowed.is_some_and(|allowed| self.is > allowed)
    }
}

/// How far a replica is behind its source, where that means something: while replication runs.
#[must_use]
pub fn lag(replica: &Replica, observed: &Observed, inventory: &Inventory) -> Option<Lag> {
    let facts = observed.facts.as_ref()?;
    let ready = observed.condition() == Condition::Whole(State::Ready);
    let latest = facts.latest().filter(|_| ready)?;
    Some(Lag { is: inventory.at.since(latest.at), allowed: replica.rpo })
}

/// The network on which another machine runs beside the replica, where the document does not allow that.
#[must_use]
pub fn both_serve(replica: &Replica, observed: &Observed) -> Option<NetworkName> {
    let found = broken(observed.facts.as_ref()?, replica.both_may_run.is_some());
    found.into_iter().find_map(|b| match b {
        Broken::BothServe { network, .. } => Some(network),
        Broken::ReplicatedWhileServing => None,
    })
}

/// The table. `only` chooses replicas; all of them where it is empty.
#[must_use]
pub fn status(
    workspace: &Workspace,
    inventory: &Inventory,
    only: &[ReplicaName],
    options: &Options,
) -> String {
    let mut text = sites(inventory, options);
    let chosen = workspace.replicas.values().filter(|r| only.is_empty() || only.contains(&r.name));
    let mut rows = vec![
        ["", "replica", "state", "since", "points", "latest", "lag", "next"].map(str::to_owned).to_vec(),
    ];
    let (mut count, mut late, mut odd, mut serving) = (0, 0, 0, Vec::new());
    for replica in chosen {
        count += 1;
        let Some(observed) = inventory.replicas.get(&replica.name) else {
            rows.push(vec!["?".to_owned(), replica.name.to_string(), "not observed".to_owned()]);
            odd += 1;
            continue;
        };
        let lag = lag(replica, observed, inventory);
        let exceeded = lag.is_some_and(Lag::exceeded);
        late += usize::from(exceeded);
        let whole = observed.condition().whole().is_some();
        odd += usize::from(!whole);
        let both = both_serve(replica, observed);
        let mark = if exceeded || !whole || both.is_some() { "!" } else { "" };
        serving.extend(both.map(|network| (&replica.name, network)));
        rows.push(row(mark, replica, observed, inventory));
    }
    text.push('\n');
    text.extend(table::lines(&rows, "  ", options.room, &[]).into_iter().map(|l| l + "\n"));
    text.push('\n');
    for (name, network) in &serving {
        text.push_str(&format!(
            "{name}: another machine of it runs beside the replica on network {network}\n\n"
        ));
    }
    for (name, why) in inventory.replicas.iter().filter_map(|(name, o)| Some((name, o.why.as_ref()?))) {
        if only.is_empty() || only.contains(name) {
            text.push_str(&format!("{name} cannot be told: {why}\n\n"));
        }
    }
    let groups = cuts::status(workspace.plans.values(), inventory, only);
    if !groups.is_empty() {
        text.push_str("Consistency groups:\n");
        text.extend(groups.into_iter().map(|line| format!("  {line}\n")));
        text.push('\n');
    }
    for name in only.iter().take(LISTED) {
        points(name, inventory, options, &mut text);
    }
    let mut verdict = vec![words::count(count, "replica")];
    if late > 0 {
        verdict.push(format!("{late} behind the objective"));
    }
    if !serving.is_empty() {
        verdict.push(format!("{} served by two machines", serving.len()));
    }
    if odd > 0 {
        verdict.push(format!("{odd} in no whole state"));
    }
    text.push_str(&format!("{}.\n", verdict.join(", ")));
    options.finish(text)
}

/// Of so many replicas that are named, the restore points are listed.
const LISTED: usize = 10;

/// The restore points of a replica, which runbooks name.
fn points(name: &ReplicaName, inventory: &Inventory, options: &Options, text: &mut String) {
    let Some(facts) = inventory.replicas.get(name).and_then(|o| o.facts.as_ref()) else { return };
    let one = |point: &RestorePoint| {
        let kind = match point.kind {
            PointKind::Regular => "",
            PointKind::Helper => "of a planned failover",
            PointKind::Protective => "kept by a commit",
        };
        let used = if facts.disk.in_use.as_ref() == Some(&point.id) { "in use" } else { "" };
        let like = words::consistency(point.consistency);
        [point.id.as_str(), &point.at.to_string(), like, kind, used].map(str::to_owned).to_vec()
    };
    let rows: Vec<Vec<String>> = facts.points.iter().map(one).collect();
    if !rows.is_empty() {
        text.push_str(&format!("Restore points of {name}, the oldest first:\n"));
        text.extend(table::lines(&rows, "  ", options.room, &[]).into_iter().map(|l| l + "\n"));
        text.push('\n');
    }
}

fn sites(inventory: &Inventory, options: &Options) -> String {
    let site = |(name, sight): (&crate::base::SiteName, &crate::inventory::SiteSight)| match &sight.silent {
        None => format!("{name} read {}", options.read(sight.at)),
        Some(why) => format!("{name} does not answer (tried {}: {why})", options.read(sight.at)),
    };
    let all: Vec<String> = inventory.sites.iter().map(site).collect();
    format!("{}\n", all.join("  ·  "))
}

fn row(mark: &str, replica: &Replica, observed: &Observed, inventory: &Inventory) -> Vec<String> {
    let lag = lag(replica, observed, inventory);
    let when = |at: Timestamp| moment(at, inventory.at);
    let condition = observed.condition();
    let dash = || "-".to_owned();
    let facts = observed.facts.as_ref();
    vec![
        mark.to_owned(),
        replica.name.to_string(),
        short(&condition),
        facts.and_then(since).map_or_else(dash, when),
        facts.map_or_else(dash, |f| f.points.len().to_string()),
        facts.and_then(Facts::latest).map_or_else(dash, |p| when(p.at)),
        lag.map_or_else(dash, lag_words),
        refused::next_words(&condition),
    ]
}

fn lag_words(lag: Lag) -> String {
    let is = words::span(lag.is);
    lag.allowed.map_or_else(|| is.clone(), |allowed| format!("{is} of {allowed}"))
}

/// Since when it is so, in the states whose beginning the record beside the replica keeps.
fn since(facts: &Facts) -> Option<Timestamp> {
    match condition(facts) {
        Condition::Whole(State::Failover) => facts.relation.failed_over_at,
        Condition::Whole(State::Failback) => facts.relation.switched_at,
        _ => None,
    }
}

/// A time of today by the clock, any other one by its date and hour.
fn moment(at: Timestamp, now: Timestamp) -> String {
    let (text, today) = (at.to_string(), now.to_string());
    let (date, clock) = text.split_at_checked(10).unwrap_or((&text, ""));
    let clock: String = clock.chars().skip(1).take(5).collect();
    if today.starts_with(date) { format!("{clock}Z") } else { format!("{date} {clock}Z") }
}
