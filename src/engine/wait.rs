//! Waits: they change nothing, and time comes from the clock alone.

use crate::base::Timestamp;
use crate::domain::{Readiness, VmRef, Wait};
use crate::engine::settle;
use crate::port::{Clock, Provider};

/// Waits; whether what was waited for came.
pub async fn wait(wait: &Wait, vm: Option<&VmRef>, provider: &dyn Provider, clock: &dyn Clock) -> bool {
    match wait {
        Wait::Until { at } => clock.until(*at).await,
        Wait::Quiet { time } => clock.until(clock.now().after(*time)).await,
        Wait::Ready { readiness, .. } => match vm {
            Some(vm) => return ready(readiness, vm, provider, clock).await,
            None => return false,
        },
    }
    true
}

async fn ready(readiness: &Readiness, vm: &VmRef, provider: &dyn Provider, clock: &dyn Clock) -> bool {
    let end = clock.now().after(readiness.within);
    let mut since: Option<Timestamp> = None;
    loop {
        let asked = clock.now();
        since = if answers(readiness, vm, provider, clock).await { since.or(Some(asked)) } else { None };
        let now = clock.now();
        if since.is_some_and(|s| now.since(s) >= readiness.stable) {
            return true;
        }
        if now >= end {
            return false;
        }
        // Asked again after the usual time, or just when the answer would have been stable, or when the time is over.
        let stable = since.map(|s| s.after(readiness.stable));
        let next = now.after(readiness.every.max(crate::base::Duration::from_millis(1)));
        let next = stable.map_or(next, |s| if s > now { s.min(next) } else { next });
        clock.until(next.min(end)).await;
    }
}

async fn answers(readiness: &Readiness, vm: &VmRef, provider: &dyn Provider, clock: &dyn Clock) -> bool {
    for probe in &readiness.all {
        if settle::within(clock, settle::ANSWER, provider.probe(vm, probe)).await != Some(true) {
            return false;
        }
    }
    true
}
