//! How long a run waits before it tries a step again.

use crate::base::Duration;

/// The pause after so many attempts: 2 s, 4 s, 8 s …, half a minute at most.
#[must_use]
pub fn pause(attempts: u32) -> Duration {
    Duration::from_secs(1 << attempts.min(5)).min(Duration::from_secs(30))
}
