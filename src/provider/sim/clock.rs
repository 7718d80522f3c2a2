//! The simulated world's clock: virtual (it jumps to the next thing that happens as soon as nobody works), or faster than the wall.

use crate::base::Timestamp;
use crate::port::{Busy, Clock, Later};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A clock that costs no real time. While somebody holds a [`Busy`] and does not wait, time stands still; when all wait, it jumps to
/// the earliest moment that is waited for.
#[derive(Debug, Clone)]
pub struct VirtualClock(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    now: Timestamp,
    /// How many work and do not wait.
    busy: usize,
    next: u64,
    sleepers: BTreeMap<(Timestamp, u64), Waker>,
}

impl VirtualClock {
    /// A clock that stands at a time.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(State { now, busy: 0, next: 0, sleepers: BTreeMap::new() })))
    }

    /// Moves the clock to a time, never back.
    pub fn advance_to(&self, at: Timestamp) {
        let mut state = self.lock();
        state.now = state.now.max(at);
        state.wake_due();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A poisoned clock still tells a time that was right.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// One worker less. The last one lets time jump.
    fn rest(&mut self) {
        self.busy = self.busy.saturating_sub(1);
        if self.busy == 0
            && let Some((at, _)) = self.sleepers.keys().next().copied()
        {
            self.now = self.now.max(at);
            self.wake_due();
        }
    }

    /// Wakes who is due. The woken count as working from this moment on, not from when they are polled.
    fn wake_due(&mut self) {
        while let Some(entry) = self.sleepers.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            entry.remove().wake();
            self.busy += 1;
        }
    }
}

/// A wait. It counts as working before it is first polled, as waiting while it sleeps, and as working again afterwards.
struct Sleep {
    clock: VirtualClock,
    at: Timestamp,
    /// The place among the sleepers, while it sleeps.
    place: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut state = this.clock.lock();
        match this.place {
            None if this.at <= state.now => Poll::Ready(()),
            None => {
                let place = state.next;
                state.next += 1;
                state.sleepers.insert((this.at, place), context.waker().clone());
                this.place = Some(place);
                state.rest();
                Poll::Pending
            }
            Some(place) => match state.sleepers.get_mut(&(this.at, place)) {
                Some(waker) => {
                    waker.clone_from(context.waker());
                    Poll::Pending
                }
                None => {
                    this.place = None;
                    Poll::Ready(())
                }
            },
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let mut state = self.clock.lock();
            // Given up while it slept: its holder works again, if only to let go of its promise.
            if state.sleepers.remove(&(self.at, place)).is_some() {
                state.busy += 1;
            }
        }
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.lock().now
    }

    fn until(&self, at: Timestamp) -> Later<'_, ()> {
        Box::pin(Sleep { clock: self.clone(), at, place: None })
    }

    fn busy(&self) -> Busy {
        self.lock().busy += 1;
        let clock = self.clone();
        Busy::until(move || clock.lock().rest())
    }
}

/// A clock that runs so many times faster than the wall.
#[derive(Debug, Clone)]
pub struct ScaledClock {
    base: Timestamp,
    began: tokio::time::Instant,
    speed: f64,
}

impl ScaledClock {
    /// A clock that starts now at a time.
    #[must_use]
    pub fn new(base: Timestamp, speed: f64) -> Self {
        Self { base, began: tokio::time::Instant::now(), speed: if speed > 0.0 { speed } else { 1.0 } }
    }
}

impl Clock for ScaledClock {
    fn now(&self) -> Timestamp {
        let millis = self.began.elapsed().as_secs_f64() * 1000.0 * self.speed;
        // Exact for some 285,000 years.
        self.base.after(crate::base::Duration::from_millis(millis as u64))
    }

    fn until(&self, at: Timestamp) -> Later<'_, ()> {
        Box::pin(async move {
            while self.now() < at {
                let left = at.since(self.now()).as_millis() as f64 / self.speed;
                tokio::time::sleep(std::time::Duration::from_secs_f64(left.max(0.5) / 1000.0)).await;
            }
        })
    }

    fn busy(&self) -> Busy {
        Busy::nobody_cares()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Duration;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn sleepers_wake_in_their_order_and_a_day_costs_nothing() {
        let clock = VirtualClock::new(Timestamp::from_millis(0));
        let hold = clock.busy();
        let order = Arc::new(Mutex::new(Vec::new()));
        let tasks: Vec<_> = (0..200u64)
            .map(|i| {
                let (clock, busy, order) = (clock.clone(), clock.busy(), Arc::clone(&order));
                tokio::spawn(async move {
                    let hour = Duration::from_secs(3600 * (200 - i));
                    clock.until(Timestamp::from_millis(0).after(hour)).await;
                    order.lock().unwrap().push(clock.now());
                    drop(busy);
                })
            })
            .collect();
        drop(hold);
        for task in tasks {
            task.await.unwrap();
        }
        let order = order.lock().unwrap();
        assert!(order.is_sorted() && order.len() == 200);
        assert_eq!(order.last(), Some(&Timestamp::from_millis(200 * 3_600_000)));
    }

    #[tokio::test]
    async fn time_stands_still_while_somebody_works() {
        let clock = VirtualClock::new(Timestamp::from_millis(0));
        let hold = clock.busy();
        let (inner, busy) = (clock.clone(), clock.busy());
        let task = tokio::spawn(async move {
            inner.until(Timestamp::from_millis(10)).await;
            drop(busy);
        });
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        assert_eq!(clock.now(), Timestamp::from_millis(0));
        drop(hold);
        task.await.unwrap();
        assert_eq!(clock.now(), Timestamp::from_millis(10));
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_does_not_hold_the_clock() {
        let clock = VirtualClock::new(Timestamp::from_millis(0));
        let hold = clock.busy();
        let (inner, busy) = (clock.clone(), clock.busy());
        let given_up = tokio::spawn(async move {
            inner.until(Timestamp::from_millis(1_000_000)).await;
            drop(busy);
        });
        tokio::task::yield_now().await;
        given_up.abort();
        drop(given_up.await);
        let (inner, busy) = (clock.clone(), clock.busy());
        let task = tokio::spawn(async move {
            inner.until(Timestamp::from_millis(5)).await;
            drop(busy);
        });
        drop(hold);
        task.await.unwrap();
        assert_eq!(clock.now(), Timestamp::from_millis(5));
    }
}
