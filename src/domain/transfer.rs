//! Data that an action moves: how far it has come, and what it was in the end.

use crate::base::{Duration, Timestamp};
use serde::{Deserialize, Serialize};

/// How far an action has come that moves data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moving {
    /// Bytes so far.
    pub done: u64,
    /// Bytes in all.
    pub of: u64,
    /// When the first of them moved.
    pub since: Timestamp,
    /// When the last of them had moved, where that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
}

impl Moving {
    /// Bytes a second so far; `None` before anything can be said.
    #[must_use]
    pub fn rate(&self, now: Timestamp) -> Option<u64> {
        rate(self.done, now.since(self.since))
    }

    /// How long the rest takes at the rate so far.
    #[must_use]
    pub fn left(&self, now: Timestamp) -> Option<Duration> {
        let (rest, gone) = (self.of.saturating_sub(self.done), now.since(self.since).as_millis());
        let millis = (u128::from(rest) * u128::from(gone)).checked_div(u128::from(self.done))?;
        u64::try_from(millis.div_ceil(1000)).ok().map(Duration::from_secs)
    }

    /// Several at once, as one.
    #[must_use]
    pub fn together(all: &[Self]) -> Option<Self> {
        let add = |one: Self, other: Self| Self {
            done: one.done + other.done,
            of: one.of + other.of,
            since: one.since.min(other.since),
            ended: one.ended.zip(other.ended).map(|(one, other)| one.max(other)),
        };
        all.iter().copied().reduce(add)
    }
}

/// The data that an action moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Bytes.
    pub bytes: u64,
    /// How long that took.
    pub took: Duration,
}

impl Transfer {
    /// What has moved by now.
    #[must_use]
    pub fn until(moving: &Moving, now: Timestamp) -> Self {
        Self { bytes: moving.done, took: moving.ended.unwrap_or(now).since(moving.since) }
    }

    /// Bytes a second.
    #[must_use]
    pub fn rate(&self) -> Option<u64> {
        rate(self.bytes, self.took)
    }
}

fn rate(bytes: u64, took: Duration) -> Option<u64> {
    let rate = (u128::from(bytes) * 1000).checked_div(u128::from(took.as_millis()))?;
    u64::try_from(rate).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_rest_follow_from_what_has_moved() {
        let at = |seconds| Timestamp::from_millis(0).after(Duration::from_secs(seconds));
        let moving = Moving { done: 100 << 20, of: 340 << 20, since: at(10), ended: None };
        assert_eq!(moving.rate(at(10)), None);
        assert_eq!(moving.rate(at(12)), Some(50 << 20));
        assert_eq!(moving.left(at(12)), Some(Duration::from_secs(5)));
        let later = Moving { done: 0, of: 60 << 20, since: at(12), ended: None };
        assert_eq!(later.left(at(13)), None, "nothing has moved");
        let both = Moving::together(&[moving, later]).unwrap();
        assert_eq!((both.done, both.of, both.since), (100 << 20, 400 << 20, at(10)));
        assert_eq!(Transfer::until(&moving, at(12)).rate(), Some(50 << 20));
        assert_eq!(Transfer { bytes: u64::MAX, took: Duration::from_millis(1) }.rate(), None);
    }
}
