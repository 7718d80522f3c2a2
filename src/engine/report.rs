//! What workers tell the driver.

use crate::base::Duration;
use crate::domain::{Heard, Moving, Reply, Spoken};
use crate::engine::settle::Verdict;
use crate::engine::wait::Waited;
use crate::plan::NodeId;
use crate::port::{Busy, Clock, Order, Provider};
use std::convert::Infallible;
use tokio::sync::mpsc;

/// How often it is told how far an action has come.
const TOLD: Duration = Duration::from_secs(10);

/// What the driver is told.
pub enum Report {
    /// An action was asked for, and this is known of it.
    Acted(NodeId, Verdict),
    /// An action that an earlier runner asked for was looked at.
    Looked(NodeId, Verdict),
    /// A program ended, and said this.
    Ran(NodeId, Verdict, Vec<Spoken>),
    /// A question was answered, or nobody did.
    Answered(NodeId, Option<Reply>),
    /// A wait ended so.
    Waited(NodeId, Waited),
    /// A wait waits still; this was heard so far.
    Heard(NodeId, Vec<Heard>),
    /// A worker is gone without a word: it was given up, or it has a fault.
    Lost(NodeId),
    /// An action that moves data has come so far.
    Moving(NodeId, Moving),
    /// It is time to look what may start.
    Wake,
    /// The grace time is over.
    GraceOver,
    /// The run is not held any more, so the action was not asked for.
    Barred(NodeId),
}

impl Report {
    /// Whose report it is.
    pub const fn node(&self) -> Option<NodeId> {
        match self {
            Self::Acted(node, _)
            | Self::Looked(node, _)
            | Self::Ran(node, ..)
            | Self::Waited(node, _)
            | Self::Answered(node, _)
            | Self::Moving(node, _)
            | Self::Heard(node, _)
            | Self::Barred(node)
            | Self::Lost(node) => Some(*node),
            Self::Wake | Self::GraceOver => None,
        }
    }
}

/// Sends a worker's report, in any case: a worker that panics says that it is lost, and the run does not wait for it for ever.
pub struct Teller {
    /// Whose worker it is.
    pub node: NodeId,
    /// Where its report goes.
    pub outbox: mpsc::UnboundedSender<Message>,
    /// Its promise that it works.
    pub busy: Option<Busy>,
}

impl Teller {
    /// Sends what became of it.
    pub fn tell(mut self, report: Report) {
        self.send(report);
    }

    fn send(&mut self, report: Report) {
        if let Some(busy) = self.busy.take() {
            // The driver is gone only when the whole run is being dropped.
            drop(self.outbox.send((report, busy)));
        }
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.send(Report::Lost(self.node));
    }
}

/// A report holds the worker's promise that somebody works, so that a virtual clock stands still until it is dealt with.
pub type Message = (Report, Busy);

/// Tells from time to time how far an action has come that moves data.
pub async fn told(
    order: &Order,
    provider: &dyn Provider,
    clock: &dyn Clock,
    to: (&mpsc::UnboundedSender<Message>, Option<Busy>),
) -> Infallible {
    let (outbox, promise) = to;
    let Some(_promise) = promise else { return std::future::pending().await };
    loop {
        clock.until(clock.now().after(TOLD)).await;
        if let Some(moving) = provider.progress(&order.key).filter(|m| m.done < m.of) {
            // The driver is gone only when the whole run is being dropped.
            drop(outbox.send((Report::Moving(NodeId(order.key.node), moving), clock.busy())));
        }
    }
}
