//! One record: a line of JSON with its position, its time, the token of the runner, the digest of the record before it, and its own.
//!
//! Format 1: `{"v":1,"seq":…,"at":…,"token":…,"prev":…,"event":{…},"sum":…}`. `sum` is the SHA-256 of the line without it,
//! that is of everything before `,"sum"`, closed with `}`. `prev` is the `sum` of the record before, and for the first one the digest of the
//! frozen plan's file: an edited, removed or inserted record is found, and so is a journal that was put beside another plan.
//!
//! Within format 1 fields that may be absent and kinds of events are added, and none is taken away or given another meaning: what was
//! written before is read as it was. `observed` and `notObserved` came after the first version, and so did `sealed`, `confirmed`, `before` and
//! `admission` of the frozen plan, whose format has the same number. A version that does not know a kind of event cannot read its record, and says so.

use crate::base::{Digest, Timestamp};
use crate::run::Event;
use serde::{Deserialize, Serialize};

/// The format's version.
pub const VERSION: u32 = 1;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The format's version.
    pub v: u32,
    /// The position, from 1.
    pub seq: u64,
    /// When it was written, by the run's clock.
    pub at: Timestamp,
    /// The token of the runner; it grows each time the run is taken up.
    pub token: u64,
    /// The digest of the record before.
    pub prev: Digest,
    /// What happened.
    pub event: Event,
}

/// Why a line is no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Bad {
    /// The line is cut off or is no JSON.
    #[error("the line is not a record")]
    Form,
    /// The digest is not that of the line.
    #[error("its digest is not that of its text")]
    Sum,
    /// The version is not known.
    #[error("format {0} is not known")]
    Version(u32),
    /// The position is not the next one.
    #[error("its position is {found}, expected {expected}")]
    Position {
        /// The position found.
        found: u64,
        /// The position expected.
        expected: u64,
    },
    /// It does not follow the record before it.
    #[error("it does not follow the record before it")]
    Chain,
}

impl Record {
    /// The line, with its end, and its digest.
    ///
    /// # Errors
    /// Where the event cannot be written as JSON, which no event of ours is.
    pub fn line(&self) -> Result<(String, Digest), serde_json::Error> {
        let body = serde_json::to_string(self)?;
        let sum = Digest::of(body.as_bytes());
        let open = body.strip_suffix('}').unwrap_or(&body);
        Ok((format!("{open},\"sum\":\"{sum}\"}}\n"), sum))
    }

    /// Reads a line without its end.
    ///
    /// # Errors
    /// [`Bad`].
    pub fn read(line: &str, expected: u64, prev: Digest) -> Result<(Self, Digest), Bad> {
        let (body, own) = body(line)?;
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        let Version { v } = serde_json::from_str(&body).map_err(|_| Bad::Form)?;
        if v != VERSION {
            return Err(Bad::Version(v));
        }
        let record: Self = serde_json::from_str(&body).map_err(|_| Bad::Form)?;
        if record.seq != expected {
            return Err(Bad::Position { found: record.seq, expected });
        }
        if record.prev != prev {
            return Err(Bad::Chain);
        }
        Ok((record, own))
    }
}

/// The text of a line that its digest is taken of, and that digest, where it is the one that the line ends with.
///
/// # Errors
/// [`Bad::Form`], [`Bad::Sum`].
pub(super) fn body(line: &str) -> Result<(String, Digest), Bad> {
    const TAIL: usize = ",\"sum\":\"\"}".len() + 64;
    let cut = line.len().checked_sub(TAIL).ok_or(Bad::Form)?;
    let (open, tail) = (line.get(..cut).ok_or(Bad::Form)?, line.get(cut..).ok_or(Bad::Form)?);
    let sum = tail.strip_prefix(",\"sum\":\"").and_then(|t| t.strip_suffix("\"}")).ok_or(Bad::Form)?;
    let body = format!("{open}}}");
    let own = Digest::of(body.as_bytes());
    // Compared as text: what could be written in two ways could be changed unseen.
    if sum != own.to_string() {
        return Err(if sum.parse::<Digest>().is_ok() { Bad::Sum } else { Bad::Form });
    }
    Ok((body, own))
}
