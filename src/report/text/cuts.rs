//! Common cuts as people read them: which moment a group goes back to, how far apart its members are, and what each gives up for it.

use crate::base::{ReplicaName, Timestamp};
use crate::domain::LossKind;
use crate::domain::cut::{Choice, Set, newest, taken};
use crate::inventory::Inventory;
use crate::model::{ConsistencyGroup, FailoverPlan};
use crate::plan::{Cut, CutMember, Plan};
use crate::report::words;
use serde_json::{Value, json};

/// So many members are listed one by one.
const MEMBERS: usize = 10;

/// The cuts of a plan; each group in a line, with a line for each member.
#[must_use]
pub fn list(plan: &Plan, all: bool) -> Vec<String> {
    plan.cuts.iter().flat_map(|cut| one(cut, plan, all)).collect()
}

fn one(cut: &Cut, plan: &Plan, all: bool) -> Vec<String> {
    let of = words::count(cut.members.len(), "replica");
    let mut lines = vec![format!(
        "cut of {} ({of}): as of {}, {} apart of {} allowed",
        cut.group,
        cut.to(),
        words::span(cut.skew()),
        cut.max_skew
    )];
    let shown = if all { cut.members.len() } else { MEMBERS };
    let widest = cut.members.iter().map(|m| m.replica.as_str().chars().count()).max().unwrap_or(0);
    for member in cut.members.iter().take(shown) {
        lines.push(format!(
            "  {:<widest$}  {}: {}",
            member.replica.as_str(),
            member.point,
            gives_up(member, plan)
        ));
    }
    if cut.members.len() > shown {
        lines.push(format!("  and {} more", cut.members.len() - shown));
    }
    lines
}

/// What a member gives up, and what its newest point alone would cost.
fn gives_up(member: &CutMember, plan: &Plan) -> String {
    if member.there {
        return "serves from there already".to_owned();
    }
    let own = plan.members.iter().find(|m| m.replica == member.replica);
    let losses = own.map(|m| m.loses.as_slice()).unwrap_or_default();
    let upto = losses.iter().find(|l| l.kind == LossKind::SourceAfterPoint).and_then(|l| l.upto);
    let upto = upto.unwrap_or_else(|| plan.observed_at.since(member.at));
    let more = member.newest.since(member.at);
    if member.newest <= member.at {
        return format!("gives up {}, with its newest point", words::span(upto));
    }
    format!("gives up {}; the newest alone would be {}", words::span(upto), words::span(upto.minus(more)))
}

/// The newest cut of each group, for a status.
#[must_use]
pub fn status<'a>(
    plans: impl Iterator<Item = &'a FailoverPlan>,
    inventory: &Inventory,
    only: &[ReplicaName],
) -> Vec<String> {
    let groups = plans.flat_map(|plan| plan.consistency.iter().map(move |group| (plan, group)));
    let wanted =
        |group: &ConsistencyGroup| only.is_empty() || group.replicas.iter().any(|r| only.contains(r));
    groups
        .filter(|(_, group)| wanted(group))
        .map(|(plan, group)| newest_words(plan, group, inventory))
        .collect()
}

/// The same for machines: the newest cut of each group, or none.
#[must_use]
pub fn json<'a>(
    plans: impl Iterator<Item = &'a FailoverPlan>,
    inventory: &Inventory,
    only: &[ReplicaName],
) -> Vec<Value> {
    let groups = plans.flat_map(|plan| plan.consistency.iter().map(move |group| (plan, group)));
    let wanted =
        |group: &ConsistencyGroup| only.is_empty() || group.replicas.iter().any(|r| only.contains(r));
    let one = |(plan, group): (&FailoverPlan, &ConsistencyGroup)| {
        let set = choices(group, inventory).ok().and_then(|members| newest(&members, group.max_skew).ok());
        json!({
            "group": group.name, "plan": plan.name, "maxSkew": group.max_skew,
            "skew": set.as_ref().map(Set::skew), "cut": set.map(|set| set.0),
        })
    };
    groups.filter(|(_, group)| wanted(group)).map(one).collect()
}

/// What the newest cut of a group is made of: the points of its members, or those from which they serve already.
///
/// # Errors
/// The members that have none.
pub fn choices<'a>(
    group: &'a ConsistencyGroup,
    inventory: &'a Inventory,
) -> Result<Vec<Choice<'a>>, Vec<&'a ReplicaName>> {
    let (mut found, mut bare) = (Vec::new(), Vec::new());
    for replica in &group.replicas {
        let facts = inventory.replicas.get(replica).and_then(|o| o.facts.as_ref());
        let serves = facts.and_then(taken);
        let points: Vec<(Timestamp, _)> = match (serves, facts) {
            (Some(point), _) => vec![(point.at, &point.id)],
            (None, Some(facts)) => facts.points.iter().map(|p| (p.at, &p.id)).collect(),
            (None, None) => Vec::new(),
        };
        if points.is_empty() {
            bare.push(replica);
        }
        found.push(Choice { replica, points, fixed: serves.is_some() });
    }
    if bare.is_empty() { Ok(found) } else { Err(bare) }
}

fn newest_words(plan: &FailoverPlan, group: &ConsistencyGroup, inventory: &Inventory) -> String {
    let name = format!("{} of {}", group.name, plan.name);
    let members = match choices(group, inventory) {
        Ok(members) => members,
        Err(bare) => {
            let names: Vec<&str> = bare.into_iter().take(4).map(ReplicaName::as_str).collect();
            return format!("! {name}: no common cut, for {} has no restore point", names.join(", "));
        }
    };
    match newest(&members, group.max_skew) {
        Ok(set) => {
            let late = set.late().map_or_else(String::new, |p| p.at.to_string());
            let old = set.early().map_or_else(String::new, |p| words::span(inventory.at.since(p.at)));
            let skew = words::span(set.skew());
            format!(
                "= {name}: newest cut as of {late}, {old} old, {skew} apart of {} allowed",
                group.max_skew
            )
        }
        Err(nearest) => {
            let ends = nearest.as_ref().and_then(|set| set.early().zip(set.late()));
            let ends = ends.map_or_else(String::new, |(early, late)| {
                format!(
                    "; the nearest are {} apart: {} of {} and {} of {}",
                    words::span(late.at.since(early.at)),
                    early.replica,
                    early.at,
                    late.replica,
                    late.at
                )
            });
            format!("! {name}: no common cut within {}{ends}", group.max_skew)
        }
    }
}
