//! Floor 7: the loop. It decides nothing: it asks the pure `run` what may start, and the facts whether an effect is there.
//!
//! The order of a step: *Intended* durable → effect asked for → effect observed → *Settled* durable → dependants may start.
//! Nodes that may start together share one write, and so do those that end together.

mod driver;
mod settle;
#[cfg(test)]
mod tests;
mod wait;

pub use driver::{Crash, Ended, EngineError, Run, Seen, Word, by_hand, drive};

use tokio::sync::watch;

/// How a run is asked to stop.
#[derive(Debug, Clone)]
pub struct StopSignal(watch::Receiver<bool>);

/// The other end of a [`StopSignal`].
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

/// A pair of them.
#[must_use]
pub fn stop_signal() -> (Stopper, StopSignal) {
    let (sender, receiver) = watch::channel(false);
    (Stopper(sender), StopSignal(receiver))
}

impl Stopper {
    /// Asks: nothing new starts, what runs may end.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl StopSignal {
    /// Whether somebody asked.
    #[must_use]
    pub fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when somebody asks; never, where nobody can any more.
    pub async fn asked(&mut self) {
        if self.0.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
