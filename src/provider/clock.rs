//! The clock of those whose machines are real.

use crate::base::Timestamp;
use crate::port::{Busy, Clock, Later};

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the port's one implementation that reads it")]
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let millis = since.ok().and_then(|s| i64::try_from(s.as_millis()).ok());
        Timestamp::from_millis(millis.unwrap_or_default())
    }

    fn until(&self, at: Timestamp) -> Later<'_, ()> {
        let clock = *self;
        // In pieces: the clock may be set meanwhile.
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
