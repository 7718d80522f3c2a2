//! What must never be, whoever planned it.

use crate::base::NetworkName;
use crate::domain::fact::{Facts, Replication, Role, Sight};
use serde::{Deserialize, Serialize};

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Broken {
    /// Production machine and replica run on one network at once.
    BothServe {
        /// The production machine's role.
        other: Role,
        /// The network they share.
        network: NetworkName,
    },
    /// Replication would write into a replica that serves.
    ReplicatedWhileServing,
}

/// The invariants that the facts break. `may_share` is the document's word that both may serve at once.
#[must_use]
pub fn broken(facts: &Facts, may_share: bool) -> Vec<Broken> {
    let mut found = Vec::new();
    if !may_share {
        let roles = if facts.target.is_some() { &[Role::Source, Role::Target][..] } else { &[Role::Source] };
        found.extend(roles.iter().filter_map(|role| {
            shared_network(facts.vm(*role), &facts.replica)
                .map(|network| Broken::BothServe { other: *role, network })
        }));
    }
    if facts.disk.delta && facts.relation.replication == Replication::Active {
        found.push(Broken::ReplicatedWhileServing);
    }
    found
}

/// The first network that both machines are on, where both run.
#[must_use]
pub fn shared_network(one: &Sight, other: &Sight) -> Option<NetworkName> {
    if one.runs() != Some(true) || other.runs() != Some(true) {
        return None;
    }
    let (one, other) = (one.facts()?, other.facts()?);
    let on = |network: &NetworkName| other.links.iter().any(|l| l.network == *network);
    one.links.iter().map(|l| &l.network).find(|n| on(n)).cloned()
}
