//! Floor 7: the loop. It decides nothing: it asks the pure `run` what may start, and the facts whether an effect is there.
//!
//! The order of a step: *Intended* durable → effect asked for → effect observed → *Settled* durable → dependants may start.
//! Nodes that end together share one write, and with them those that may start because of it: both are durable before any of these is
//! asked for. So a chain costs one write a step, and whoever asks a run to stop while that is being written is heard right after it: what
//! it names as intended is still carried out.
//! Before it records a run's end it looks once what has become of the replicas, for the record alone.

mod aside;
mod driver;
mod fence;
mod ready;
mod report;
mod settle;
#[cfg(test)]
mod tests;
mod wait;
mod word;

pub use aside::{Aids, trouble};
pub use driver::{Crash, Ended, EngineError, Run, Seen, drive};
pub use word::{Word, by_hand};

use crate::run::StopWhy;
use tokio::sync::watch;

/// How a run is asked to stop.
#[derive(Debug, Clone)]
pub struct StopSignal(watch::Receiver<Option<StopWhy>>);

/// The other end of a [`StopSignal`].
#[derive(Debug, Clone)]
pub struct Stopper(watch::Sender<Option<StopWhy>>);

/// A pair of them.
#[must_use]
pub fn stop_signal() -> (Stopper, StopSignal) {
    let (sender, receiver) = watch::channel(None);
    (Stopper(sender), StopSignal(receiver))
}

impl Stopper {
    /// Asks: nothing new starts, what runs may end. The first one that asks is the reason.
    pub fn stop(&self, why: StopWhy) {
        self.0.send_if_modified(|asked| {
            let first = asked.is_none();
            asked.get_or_insert(why);
            first
        });
    }
}

impl StopSignal {
    /// Why, where somebody asked.
    #[must_use]
    pub fn why(&self) -> Option<StopWhy> {
        self.0.borrow().clone()
    }

    /// Returns when somebody asks; never, where nobody can any more.
    pub async fn asked(&mut self) {
        if self.0.wait_for(Option::is_some).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
