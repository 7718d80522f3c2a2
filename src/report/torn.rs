//! Consistency groups that would be torn apart: why, and what to do.

use crate::diag::Code;
use crate::plan::{Apart, Torn};
use crate::report::words;

/// The code of it.
#[must_use]
pub const fn code(torn: &Torn) -> Code {
    match torn {
        Torn::LeftApart { .. } | Torn::TooFar { bound: true, .. } => Code::MixedCut,
        Torn::TooFar { bound: false, .. } => Code::NoCut,
    }
}

/// Why, of a replica that was asked for.
#[must_use]
pub fn message(torn: &Torn, who: &str) -> String {
    match torn {
        Torn::LeftApart { group, other, how } => {
            let other = match how {
                Apart::Stays => format!("`{other}` stays as it is"),
                Apart::Planned => format!("`{other}` is failed over with all that it has"),
                Apart::NoPoint => format!("`{other}` has no restore point"),
                Apart::Unseen => format!("`{other}` cannot be seen: its recovery site does not answer"),
            };
            format!("{who} would go back to a restore point, and of its consistency group `{group}` {other}")
        }
        Torn::TooFar { group, early, late, allowed, .. } => {
            let ends = early.as_ref().zip(late.as_ref()).map_or_else(String::new, |(early, late)| {
                let apart = words::span(late.at.since(early.at));
                format!(
                    ": the nearest that they come are {} of {} ({}) and {} of {} ({}), {apart} apart; {allowed} is allowed",
                    early.point, early.replica, early.at, late.point, late.replica, late.at
                )
            });
            format!("the consistency group `{group}` of {who} has no common cut{ends}")
        }
    }
}

/// What to do.
#[must_use]
pub fn help(torn: &Torn) -> Vec<String> {
    match torn {
        Torn::LeftApart { how: Apart::Planned, .. } => {
            vec!["`via: unplanned` brings all of the group to one moment".to_owned()]
        }
        Torn::LeftApart { how: Apart::NoPoint, other, .. } => {
            vec![format!("`lifeboat replicate {other}` makes the first one, while its source answers")]
        }
        Torn::LeftApart { how: Apart::Unseen, .. } => vec![
            "wait for that site; or take the replica out of the group, with whoever answers for the data".to_owned(),
        ],
        Torn::LeftApart { how: Apart::Stays, other, .. } => vec![
            format!("fail `{other}` over in the same plan"),
            "or change the group, with whoever answers for the data".to_owned(),
        ],
        Torn::TooFar { bound: true, .. } => vec![
            "one of them serves from its point already, or is asked for by its name: take that one back first, or choose by `{ at: TIME }`"
                .to_owned(),
        ],
        Torn::TooFar { bound: false, .. } => vec![
            "`lifeboat replicate` of one member makes points of all of the group, while their sources answer".to_owned(),
            "or raise `maxSkew`, with whoever answers for the data".to_owned(),
        ],
    }
}
