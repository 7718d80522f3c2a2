//! Time. Nothing below `app` reads the system's clock; tests and demonstrations pass one that costs no real time.

use crate::base::Timestamp;
use crate::port::Later;

/// A promise that somebody is still working: while one is held, a virtual clock does not move on.
pub struct Busy(Option<Box<dyn FnOnce() + Send>>);

impl Busy {
    /// For clocks that move by themselves.
    #[must_use]
    pub const fn nobody_cares() -> Self {
        Self(None)
    }

    /// Calls back when it is dropped.
    #[must_use]
    pub fn until(dropped: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(dropped)))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(dropped) = self.0.take() {
            dropped();
        }
    }
}

/// A clock.
pub trait Clock: Send + Sync {
    /// The time.
    fn now(&self) -> Timestamp;

    /// Waits until a time; at once where it has passed. Must be called by a holder of a [`Busy`], which counts as idle
    /// while it waits.
    fn until(&self, at: Timestamp) -> Later<'_, ()>;

    /// Says that somebody works from now on.
    fn busy(&self) -> Busy;
}
