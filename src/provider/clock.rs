//! The clock of those whose machines are real: the system's, read once, and from then on the time that passes, also while the machine
//! sleeps. Whoever sets the clock in the middle of a run, or has it jump, makes no limit and no wait longer or shorter.

use crate::base::Timestamp;
use crate::port::{Busy, Clock, Later};
use rustix::time::{ClockId, clock_gettime};
use std::sync::OnceLock;

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        static FIRST: OnceLock<(i64, i64)> = OnceLock::new();
        // Both of one moment.
        let (set, passed) = *FIRST.get_or_init(|| (millis(ClockId::Realtime), millis(ClockId::Boottime)));
        Timestamp::from_millis(set.saturating_add(millis(ClockId::Boottime).saturating_sub(passed)))
    }

    fn until(&self, at: Timestamp) -> Later<'_, ()> {
        let clock = *self;
        // In pieces: a timer does not count the time that the machine sleeps.
        Box::pin(async move {
            loop {
                let left = at.since(clock.now()).to_std();
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(std::time::Duration::from_secs(30))).await;
            }
        })
    }

    fn busy(&self) -> Busy {
        Busy::nobody_cares()
    }
}

fn millis(clock: ClockId) -> i64 {
    let time = clock_gettime(clock);
    time.tv_sec.saturating_mul(1000).saturating_add(time.tv_nsec / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_starts_with_the_time_of_day_and_never_goes_back() {
        let (of_day, mut last) = (millis(ClockId::Realtime), SystemClock.now());
        assert!((last.as_millis() - of_day).abs() < 60_000);
        for _ in 0..10_000 {
            let now = SystemClock.now();
            assert!(now >= last);
            last = now;
        }
    }
}
