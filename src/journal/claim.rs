//! Who holds which replicas: what a claim says, and when one stands in the way of another.

use crate::base::{ReplicaName, RunId, Timestamp};
use crate::journal::JournalError;
use crate::run::Runner;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a run says of itself while it is under way or unfinished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// The run.
    pub run: RunId,
    /// What it is for.
    pub purpose: String,
    /// The replicas that it holds.
    pub replicas: BTreeSet<ReplicaName>,
    /// Whether it holds the copies alone that a drill made of them: the replicas themselves are in nobody's way then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub copies: bool,
    /// Who runs it.
    pub runner: Runner,
    /// The process.
    pub process: u32,
    /// Since when, by the run's clock.
    pub since: Timestamp,
}

/// How a claim treats what is in its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way<'a> {
    /// Whoever holds one of the replicas stands in the way.
    Plain,
    /// The replicas are handed over: what the run beside it holds is in nobody's way. Of the two runs one is the other's way back, and
    /// whoever claims either of them closes the one that is left.
    Beside(&'a RunId),
    /// The run is taken from its runner, whether that lives or not. Only where a store can refuse what the other still writes.
    Seize,
}

/// Why a claim is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Another runner holds one of the replicas.
    #[error("{} is held by run {}", .shared, .holder.run)]
    Held {
        /// One of the replicas that both want.
        shared: ReplicaName,
        /// The other run.
        holder: Box<Claim>,
    },
    /// An earlier run over one of the replicas is not finished.
    #[error("run {} over {} is not finished", .earlier.run, .shared)]
    Unfinished {
        /// One of the replicas that both want.
        shared: ReplicaName,
        /// The earlier run.
        earlier: Box<Claim>,
    },
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] JournalError),
}

/// What stands in the way of a claim among others, each with whether its runner lives.
///
/// # Errors
/// [`Refusal`].
pub fn admit(others: Vec<(Claim, bool)>, claim: &Claim, way: Way<'_>) -> Result<(), Refusal> {
    for (other, held) in others {
        if way == Way::Beside(&other.run) {
            continue;
        }
        let same = other.run == claim.run;
        let shared =
            other.replicas.intersection(&claim.replicas).next().filter(|_| other.copies == claim.copies);
        let Some(shared) = shared.or(other.replicas.first().filter(|_| same)).cloned() else { continue };
        match (held, same) {
            (true, true) if way == Way::Seize => {}
            (true, _) => return Err(Refusal::Held { shared, holder: Box::new(other) }),
            (false, true) => {}
            (false, false) => return Err(Refusal::Unfinished { shared, earlier: Box::new(other) }),
        }
    }
    Ok(())
}

/// Whether a new run over some replicas, or over their `copies` alone, would be refused, asked before anybody thinks about its plan. Only a claim makes sure.
///
/// # Errors
/// [`Refusal`].
pub fn free(
    others: Vec<(Claim, bool)>,
    replicas: &BTreeSet<ReplicaName>,
    copies: bool,
) -> Result<(), Refusal> {
    for (other, held) in others.into_iter().filter(|(other, _)| other.copies == copies) {
        let Some(shared) = other.replicas.intersection(replicas).next().cloned() else { continue };
        let other = Box::new(other);
        return Err(match held {
            true => Refusal::Held { shared, holder: other },
            false => Refusal::Unfinished { shared, earlier: other },
        });
    }
    Ok(())
}
