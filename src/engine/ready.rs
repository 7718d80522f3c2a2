//! Readiness: all questions are asked side by side, each as often as its document says, until the whole is met or cannot be met any more.

use crate::base::{Duration, ReplicaName, Timestamp};
use crate::domain::{Answer, Ask, Check, Heard, NotSo, Probe, Standing, VmRef};
use crate::engine::settle;
use crate::engine::wait::Tell;
use crate::port::{Clock, Provider, Question};
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

/// How often it is told what is missing, where that changes.
const TOLD: Duration = Duration::from_secs(30);
/// The last question of all may be asked at the end of the time; its answer is waited for no longer than this.
const LAST: Duration = Duration::from_secs(5);
/// How much longer than its own limit the runner's command may take: it is ended by whoever runs it.
const SLACK: Duration = Duration::from_secs(5);

/// Who asks whom.
#[derive(Clone, Copy)]
pub struct Asker<'a> {
    /// Whose machine.
    pub replica: &'a ReplicaName,
    /// The machine.
    pub vm: &'a VmRef,
    /// Who can ask it.
    pub provider: &'a dyn Provider,
    /// The time.
    pub clock: &'a dyn Clock,
}

/// What is known of one question.
#[derive(Debug, Clone)]
struct Known {
    /// Since when it is answered as it should be.
    since: Option<Timestamp>,
    /// Why it is not.
    why: NotSo,
    standing: Standing,
}

/// What is known of all questions of a wait.
struct Board<'a> {
    ask: &'a Ask,
    checks: Vec<&'a Check>,
    known: Mutex<Vec<Known>>,
}

impl<'a> Board<'a> {
    fn new(ask: &'a Ask) -> Self {
        let checks = ask.checks();
        let nothing = Known { since: None, why: NotSo::NoAnswer, standing: Standing::Open };
        Self { ask, known: Mutex::new(vec![nothing; checks.len()]), checks }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Known>> {
        // What is known is whole after every change.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn standing(&self) -> Standing {
        let each: Vec<Standing> = self.lock().iter().map(|known| known.standing).collect();
        self.ask.standing(&each)
    }

    /// Notes an answer; what is known of the question with it, and since when it is answered as it should be.
    fn note(&self, position: usize, answer: Result<(), NotSo>, at: Moment) -> (Standing, Option<Timestamp>) {
        let mut all = self.lock();
        let (Some(check), Some(known)) = (self.checks.get(position), all.get_mut(position)) else {
            return (Standing::Over, None);
        };
        match answer {
            Ok(()) => known.since = known.since.or(Some(at.asked)),
            Err(why) => (known.since, known.why) = (None, why),
        }
        let steady = known.since.is_some_and(|since| at.now.since(since) >= check.stable);
        known.standing = match (steady, at.now >= at.end) {
            (true, _) => Standing::Met,
            (false, true) => Standing::Over,
            (false, false) => Standing::Open,
        };
        (known.standing, known.since)
    }

    fn heard(&self) -> Vec<Heard> {
        let one = |(check, known): (&&Check, &Known)| {
            let answer = match (known.standing, known.since) {
                (Standing::Met, _) => Answer::Met,
                (Standing::Open | Standing::Over, Some(_)) => Answer::Unsteady { stable: check.stable },
                (Standing::Open | Standing::Over, None) => Answer::Not(known.why.clone()),
            };
            Heard { probe: check.probe.clone(), answer }
        };
        self.checks.iter().zip(self.lock().iter()).map(one).collect()
    }
}

/// When a question was asked, when it was answered, and when it is given up.
#[derive(Clone, Copy)]
struct Moment {
    asked: Timestamp,
    now: Timestamp,
    end: Timestamp,
}

type Part<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

impl Asker<'_> {
    /// Asks until the whole is met.
    ///
    /// # Errors
    /// What was heard last, where it was not met in time, or cannot be met any more.
    pub async fn until_met(&self, ask: &Ask, within: Duration, tell: Tell<'_>) -> Result<(), Vec<Heard>> {
        let (board, began) = (Board::new(ask), self.clock.now());
        let end = began.after(within);
        let mut parts: Vec<Part<'_>> = vec![Box::pin(self.tell(&board, tell))];
        for (position, check) in board.checks.iter().enumerate() {
            let first = began.after(check.within).min(end);
            parts.push(Box::pin(self.repeat(&board, (position, check), (first, end))));
        }
        // Whoever called sleeps beside those that ask, each of which has a promise of its own. It is the last to wake: they end by themselves.
        let longest = board.checks.iter().map(|check| limit(&check.probe)).max().unwrap_or_default();
        let mut guard = self.clock.until(end.after(longest.plus(LAST)));
        let met = poll_fn(|context| {
            for part in &mut parts {
                // None of them ends by itself.
                let _: Poll<()> = part.as_mut().poll(context);
                match board.standing() {
                    Standing::Met => return Poll::Ready(true),
                    Standing::Over => return Poll::Ready(false),
                    Standing::Open => {}
                }
            }
            guard.as_mut().poll(context).map(|()| false)
        });
        let met = met.await;
        // The sleep goes before the promises of the others do: a virtual clock never believes for a moment that nobody works.
        drop(guard);
        if met { Ok(()) } else { Err(board.heard()) }
    }

    /// Asks one question again and again.
    ///
    /// It is given up where it was never met by the first end; once it was, only the end of the whole counts.
    async fn repeat(&self, board: &Board<'_>, which: (usize, &Check), ends: (Timestamp, Timestamp)) {
        let (clock, (position, check), (mut end, last)) = (self.clock, which, ends);
        let _promise = clock.busy();
        let question = Question { replica: self.replica, vm: self.vm, probe: &check.probe };
        loop {
            let asked = clock.now();
            let most = limit(&check.probe).min(end.since(asked).max(LAST));
            let answer = settle::within(clock, most, self.provider.probe(question)).await;
            let now = clock.now();
            let known =
                board.note(position, answer.unwrap_or(Err(NotSo::NoAnswer)), Moment { asked, now, end });
            if board.standing() != Standing::Open {
                // Time stands still until that is seen.
                return pending().await;
            }
            // Asked again after the usual time, or just when the answer would have been stable, or when the time is over.
            let next = now.after(check.every.max(Duration::from_millis(1)));
            let next = match known {
                (Standing::Over, _) => now.after(Duration::from_millis(u64::MAX)),
                (Standing::Met, _) => {
                    end = last;
                    next
                }
                (Standing::Open, since) => {
                    let stable = since.map(|s| s.after(check.stable)).filter(|s| *s > now);
                    stable.map_or(next, |s| s.min(next)).min(end)
                }
            };
            clock.until(next).await;
        }
    }

    /// Tells from time to time what is missing.
    async fn tell(&self, board: &Board<'_>, tell: Tell<'_>) {
        let _promise = self.clock.busy();
        let mut told = Vec::new();
        loop {
            self.clock.until(self.clock.now().after(TOLD)).await;
            let heard = board.heard();
            if heard != told {
                told.clone_from(&heard);
                tell(heard);
            }
        }
    }
}

/// How long an answer may take.
fn limit(probe: &Probe) -> Duration {
    match probe {
        Probe::Command(command) => command.timeout.plus(SLACK),
        Probe::Guest | Probe::Tcp { .. } | Probe::Http(_) | Probe::Dns(_) => settle::ANSWER,
    }
}
