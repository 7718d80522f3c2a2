//! Waits: they change nothing, and time comes from the clock alone.

use crate::domain::{AtEnd, Heard, Readiness, VmRef, Wait};
use crate::engine::ready;
use crate::port::{Clock, Provider};

/// How a wait ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waited {
    /// What was waited for is there.
    Met,
    /// The time is over; what was heard last, and what the document says of that.
    Over(Vec<Heard>, AtEnd),
    /// There is nothing to wait for.
    Nothing,
}

/// Who is told what is still missing.
pub type Tell<'a> = &'a (dyn Fn(Vec<Heard>) + Send + Sync);

/// Waits.
pub async fn wait(
    wait: &Wait,
    vm: Option<&VmRef>,
    provider: &dyn Provider,
    clock: &dyn Clock,
    tell: Tell<'_>,
) -> Waited {
    match wait {
        Wait::Until { at } => clock.until(*at).await,
        Wait::Quiet { time } => clock.until(clock.now().after(*time)).await,
        Wait::Ready { readiness, replica, .. } => {
            let Some(vm) = vm else { return Waited::Nothing };
            let Readiness { ask, within, otherwise } = &**readiness;
            let ready = ready::Asker { replica, vm, provider, clock };
            return match ready.until_met(ask, *within, tell).await {
                Ok(()) => Waited::Met,
                Err(heard) => Waited::Over(heard, *otherwise),
            };
        }
    }
    Waited::Met
}
