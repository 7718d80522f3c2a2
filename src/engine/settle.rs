//! One action, from the request to what is known of it afterwards.

use crate::base::Duration;
use crate::domain::{Settled, Transfer};
use crate::port::{Clock, Failure, Look, Order, Provider};
use crate::run::How;

/// What is known of an action after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Its effect is there; the data that was moved for it.
    Done(How, Option<Transfer>),
    /// It failed without an effect.
    Failed(Failure),
    /// Nobody can tell.
    Unknown(String),
}

/// How often it is looked while an action is being carried out.
const EVERY: Duration = Duration::from_secs(1);
/// How long a look that cannot tell is repeated: long enough for a switch or a daemon to restart.
const PATIENCE: Duration = Duration::from_mins(1);

/// How much longer than its limit an action may take: the provider's own word about the limit comes first.
pub const SLACK: Duration = Duration::from_secs(5);
/// How long a look, or a question to a machine, may take.
pub const ANSWER: Duration = Duration::from_secs(30);

/// How long a look at the sites is waited for: a little more than a host has to answer a call.
pub const LOOK: Duration = Duration::from_secs(12);

/// Asks for the action and settles what comes of it.
pub async fn perform(order: &Order, provider: &dyn Provider, clock: &dyn Clock) -> Verdict {
    match within(clock, order.limit.plus(SLACK), provider.perform(order)).await {
        Some(Ok(())) => {
            let moved = provider.progress(&order.key).map(|m| Transfer::until(&m, clock.now()));
            Verdict::Done(How::Performed, moved)
        }
        Some(Err(failure @ (Failure::Refused(_) | Failure::Failed(_)))) => Verdict::Failed(failure),
        Some(Err(Failure::NoAnswer(why))) => look(order, provider, clock, why).await,
        None => {
            look(order, provider, clock, format!("the provider said nothing within {}", order.limit)).await
        }
    }
}

/// Waits for an answer, but not for ever: a provider that hangs must not hang the run. `None` where time ran out.
pub async fn within<T>(clock: &dyn Clock, limit: Duration, answer: impl Future<Output = T>) -> Option<T> {
    // The guard sleeps beside the one it guards, so it has a promise of its own. Whatever ends first, the sleeps are dropped before
    // the promise: a virtual clock never believes for a moment that nobody works.
    let _promise = clock.busy();
    let mut guard = clock.until(clock.now().after(limit));
    tokio::select! {
        biased;
        answer = answer => Some(answer),
        () = &mut guard => None,
    }
}

/// Looks whether an action is there that was asked for, by this runner or by one before it.
pub async fn look(order: &Order, provider: &dyn Provider, clock: &dyn Clock, why: String) -> Verdict {
    let began = clock.now();
    let mut blind_since = None;
    loop {
        let now = clock.now();
        let seen = within(clock, ANSWER, provider.look(order)).await;
        match seen.unwrap_or(Look::Settled(Settled::CannotTell)) {
            Look::Settled(Settled::Done) => return Verdict::Done(How::Found, None),
            Look::Settled(Settled::NotDone) => return Verdict::Failed(Failure::NoAnswer(why)),
            Look::Settled(Settled::CannotTell) => {
                if now.since(*blind_since.get_or_insert(now)) >= PATIENCE {
                    return Verdict::Unknown(why);
                }
            }
            Look::InProgress => {
                blind_since = None;
                if now.since(began) >= order.limit {
                    return Verdict::Unknown(format!("it is still under way after {}", order.limit));
                }
            }
        }
        clock.until(now.after(EVERY)).await;
    }
}
