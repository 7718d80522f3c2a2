//! The single facts that a plan relied on. A sealed plan carries them; `apply` reads them again and compares fact by fact.

use crate::base::{PointId, ReplicaName};
use crate::domain::{Condition, Facts, Operation, Power, Role, Sight};
use crate::inventory::snapshot::{Inventory, Observed};
use serde::{Deserialize, Serialize};

/// Which fact.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FactName {
    /// What the replica is found to be, with the particulars of an interrupted operation.
    Condition,
    /// A machine's power.
    Power(Role),
    /// A machine's networks and addresses.
    Links(Role),
    /// The latest restore point.
    Latest,
    /// Whether a restore point is there.
    Point(PointId),
    /// The restore point the replica runs from.
    InUse,
    /// Where replication runs from.
    Source,
    /// The failback under way.
    Failback,
}

/// A fact as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactRead {
    /// Of which replica.
    pub replica: ReplicaName,
    /// Which fact.
    pub fact: FactName,
    /// Its value, in words that people can compare.
    pub value: String,
}

/// Reads one fact of a replica.
#[must_use]
pub fn read(observed: Option<&Observed>, fact: &FactName) -> String {
    let Some(observed) = observed else { return "not observed".to_owned() };
    let Some(facts) = &observed.facts else {
        return "recovery site does not answer".to_owned();
    };
    match fact {
        FactName::Condition => describe_condition(&observed.condition()),
        FactName::Power(role) => power(facts.vm(*role)).to_owned(),
        FactName::Links(role) => links(facts, *role),
        FactName::Latest => {
            facts.latest().map_or_else(|| "none".to_owned(), |p| format!("{} of {}", p.id, p.at))
        }
        FactName::Point(id) => (if facts.point(id).is_some() { "there" } else { "gone" }).to_owned(),
        FactName::InUse => facts.disk.in_use.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string),
        FactName::Source => facts.relation.source.to_string(),
        FactName::Failback => facts.relation.failback.as_ref().map_or_else(
            || "none".to_owned(),
            |f| format!("{:?} to {:?}, switchover {:?}", f.stage, f.target, f.switchover),
        ),
    }
}

/// The facts that are not any more what they were, each with its value now.
#[must_use]
pub fn changed<'a>(reads: &'a [FactRead], inventory: &Inventory) -> Vec<(&'a FactRead, String)> {
    reads
        .iter()
        .map(|r| (r, read(inventory.replicas.get(&r.replica), &r.fact)))
        .filter(|(r, now)| r.value != *now)
        .collect()
}

fn describe_condition(condition: &Condition) -> String {
    match condition {
        Condition::Whole(state) => state.name().to_owned(),
        Condition::PartWay(operation) => format!("part-way in {}", describe_operation(operation)),
        Condition::Foreign(foreign) => format!("{foreign:?}"),
        Condition::Unseen => "recovery site does not answer".to_owned(),
    }
}

fn describe_operation(operation: &Operation) -> String {
    match operation {
        Operation::Failover { point } => format!("failover to {point}"),
        other => other.kind().name().to_owned(),
    }
}

fn power(sight: &Sight) -> &'static str {
    match sight {
        Sight::Unseen => "site does not answer",
        Sight::Absent => "absent",
        Sight::Present(vm) => match vm.power {
            Power::On => "on",
            Power::Off => "off",
        },
    }
}

fn links(facts: &Facts, role: Role) -> String {
    let Some(vm) = facts.vm(role).facts() else {
        return power(facts.vm(role)).to_owned();
    };
    let one = |l: &crate::domain::Link| match l.address {
        Some(address) => format!("{} {address}", l.network),
        None => l.network.to_string(),
    };
    vm.links.iter().map(one).collect::<Vec<_>>().join(", ")
}
