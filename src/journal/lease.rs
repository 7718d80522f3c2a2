//! How long a runner may believe that it holds a run without asking.
//!
//! Reckoned from before the request by a clock that goes on while the machine sleeps: whoever is suspended, with its process or with its
//! machine, finds its lease over when it wakes.

use crate::base::Duration;
use rustix::time::{ClockId, clock_gettime};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The time since the machine started, with the time that it slept, in milliseconds.
#[must_use]
pub fn awake_or_asleep() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    seconds.saturating_mul(1000) + u64::try_from(time.tv_nsec).unwrap_or_default() / 1_000_000
}

/// Whether a run is still held.
#[derive(Debug, Clone)]
pub struct Lease(Option<Arc<AtomicU64>>);

impl Lease {
    /// One that lasts as long as the process: a lock of the operating system.
    #[must_use]
    pub const fn of_process() -> Self {
        Self(None)
    }

    /// One that was granted by a request made at a moment, for so long from then.
    #[must_use]
    pub fn granted(asked: u64, time: Duration) -> Self {
        Self(Some(Arc::new(AtomicU64::new(asked.saturating_add(time.as_millis())))))
    }

    /// It was renewed, by a request made at a moment. What is over stays over.
    pub fn renewed(&self, asked: u64, time: Duration) {
        if let Some(until) = &self.0
            && self.holds()
        {
            until.store(asked.saturating_add(time.as_millis()), Ordering::SeqCst);
        }
    }

    /// It is over.
    pub fn end(&self) {
        if let Some(until) = &self.0 {
            until.store(0, Ordering::SeqCst);
        }
    }

    /// Whether it holds now.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.0.as_ref().is_none_or(|until| awake_or_asleep() < until.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_counts_from_its_request_and_what_is_over_stays_over() {
        assert!(Lease::of_process().holds());
        let now = awake_or_asleep();
        let lease = Lease::granted(now, Duration::from_mins(1));
        assert!(lease.holds());
        assert!(
            !Lease::granted(now.saturating_sub(2000), Duration::from_secs(1)).holds(),
            "the answer was late"
        );
        lease.end();
        lease.renewed(awake_or_asleep(), Duration::from_mins(1));
        assert!(!lease.holds());
    }
}
