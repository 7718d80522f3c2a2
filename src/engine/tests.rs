//! Tests of the engine with a scripted provider and a clock that costs no time.

mod ready;

use super::*;
use crate::base::{Duration, RunId, Timestamp};
use crate::domain::{Answer as Answered, Heard, NotSo, Probe, Settled, Sight};
use crate::inventory::{Inventory, Observed, Typical};
use crate::journal::{Journal, JournalError};
use crate::plan::{Edge, NodeId, On, Plan, Work};
use crate::port::{Clock, Failure, Later, Look, Order, Provider, Question, Subject};
use crate::run::sample::{act, done, edge, limited, plan, quiet, ready};
use crate::run::{Event, FailedWhy, How, Outcome, Progress, Runner, Status, StopWhy};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

mod aside;
mod clock;
mod fences;
mod look;
mod names;
mod writes;

/// A clock that jumps to the next moment somebody waits for, once nobody works. The smallest one that keeps the port's promises.
#[derive(Clone, Default)]
struct Jumping(Arc<Mutex<Jump>>);

#[derive(Default)]
struct Jump {
    now: u64,
    busy: i64,
    ids: u64,
    sleepers: BTreeMap<(u64, u64), Waker>,
}

impl Jumping {
    fn rest(&self) {
        let mut jump = self.0.lock().unwrap();
        jump.busy -= 1;
        assert!(jump.busy >= 0, "every promise is given before it is broken");
        if jump.busy == 0
            && let Some(((at, _), waker)) = jump.sleepers.pop_first()
        {
            jump.now = jump.now.max(at);
            jump.busy = 1;
            waker.wake();
        }
    }
}

struct Nap(Jumping, u64, Option<u64>);

impl Future for Nap {
    type Output = ();
    fn poll(mut self: std::pin::Pin<&mut Self>, context: &mut std::task::Context<'_>) -> Poll<()> {
        let clock = self.0.clone();
        let mut jump = clock.0.lock().unwrap();
        match self.2 {
            None if self.1 <= jump.now => return Poll::Ready(()),
            None => {
                jump.ids += 1;
                let id = jump.ids;
                jump.sleepers.insert((self.1, id), context.waker().clone());
                self.2 = Some(id);
            }
            Some(id) => {
                return match jump.sleepers.get_mut(&(self.1, id)) {
                    Some(waker) => {
                        waker.clone_from(context.waker());
                        Poll::Pending
                    }
                    None => {
                        self.2 = None;
                        Poll::Ready(())
                    }
                };
            }
        }
        drop(jump);
        clock.rest();
        Poll::Pending
    }
}

impl Drop for Nap {
    fn drop(&mut self) {
        if let Some(id) = self.2 {
            let mut jump = self.0.0.lock().unwrap();
            if jump.sleepers.remove(&(self.1, id)).is_some() {
                jump.busy += 1;
            }
        }
    }
}

impl Clock for Jumping {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.0.lock().unwrap().now).unwrap())
    }
    fn until(&self, at: Timestamp) -> Later<'_, ()> {
        Box::pin(Nap(self.clone(), u64::try_from(at.as_millis()).unwrap(), None))
    }
    fn busy(&self) -> crate::port::Busy {
        self.0.lock().unwrap().busy += 1;
        let clock = self.clone();
        crate::port::Busy::until(move || clock.rest())
    }
}

/// What the provider says to one request.
#[derive(Debug, Clone)]
enum Answer {
    After(u64, Result<(), Failure>),
    Never,
    Panic,
}

/// A provider that says what it is told to; without a script every action takes a second and succeeds.
#[derive(Default)]
struct Scripted {
    clock: Jumping,
    answers: Mutex<BTreeMap<u32, VecDeque<Answer>>>,
    looks: Mutex<BTreeMap<u32, VecDeque<Look>>>,
    /// From when to when machines answer.
    up: Mutex<Vec<(i64, i64)>>,
    asked: Mutex<Vec<u32>>,
    /// Whether a look at the end of the run is never answered.
    blind: bool,
    /// What is seen of the sources, and whether their site answers.
    sources: Mutex<Option<(Sight, bool)>>,
    probes: Mutex<Vec<i64>>,
}

fn observed() -> Observed {
    Observed { facts: None, why: None, typical: Typical::default() }
}

impl Provider for Scripted {
    fn observe<'a>(&'a self, subjects: &'a [Subject]) -> Later<'a, Inventory> {
        Box::pin(async move {
            if self.blind {
                self.clock.until(self.clock.now().after(Duration::from_mins(10_000))).await;
            }
            if let Some(source) = &*self.sources.lock().unwrap() {
                return fences::seen(subjects, source);
            }
            let seen = |s: &Subject| (s.replica.clone(), observed());
            let stranger = ("stranger".parse().unwrap(), observed());
            let replicas = subjects.iter().map(seen).chain([stranger]).collect();
            Inventory { at: self.clock.now(), sites: BTreeMap::new(), replicas }
        })
    }

    fn perform<'a>(&'a self, order: &'a Order) -> Later<'a, Result<(), Failure>> {
        Box::pin(async move {
            let node = order.key.node;
            self.asked.lock().unwrap().push(node);
            let answer = self.answers.lock().unwrap().get_mut(&node).and_then(VecDeque::pop_front);
            match answer.unwrap_or(Answer::After(1, Ok(()))) {
                Answer::After(seconds, answer) => {
                    self.clock.until(self.clock.now().after(Duration::from_secs(seconds))).await;
                    answer
                }
                Answer::Never => {
                    self.clock.until(self.clock.now().after(Duration::from_mins(10_000))).await;
                    Ok(())
                }
                Answer::Panic => panic!("a fault of the provider"),
            }
        })
    }

    fn look<'a>(&'a self, order: &'a Order) -> Later<'a, Look> {
        Box::pin(async move {
            let mut looks = self.looks.lock().unwrap();
            let script = looks.get_mut(&order.key.node);
            // The last word stands.
            let last = |s: &mut VecDeque<Look>| if s.len() > 1 { s.pop_front() } else { s.front().copied() };
            script.and_then(last).unwrap_or(Look::Settled(Settled::Done))
        })
    }

    fn probe<'a>(&'a self, _: Question<'a>) -> Later<'a, Result<(), NotSo>> {
        Box::pin(async move {
            let now = self.clock.now().as_millis() / 1000;
            self.probes.lock().unwrap().push(now);
            let up = self.up.lock().unwrap().iter().any(|(from, to)| (*from..*to).contains(&now));
            if up { Ok(()) } else { Err(NotSo::Silent) }
        })
    }
}

/// A journal in memory, which may be full.
#[derive(Default)]
struct Memory {
    batches: Vec<Vec<(Timestamp, Event)>>,
    full_after: Option<usize>,
    /// The write during which somebody asks the run to stop.
    stops: Option<(usize, Stopper)>,
}

impl Journal for Memory {
    fn append(&mut self, events: &[(Timestamp, Event)]) -> Result<(), JournalError> {
        if self.full_after.is_some_and(|full| self.batches.len() >= full) {
            let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
            return Err(JournalError::io(std::path::Path::new("journal.jsonl"))(full));
        }
        if let Some((_, stopper)) = self.stops.take_if(|(during, _)| *during == self.batches.len()) {
            stopper.stop(StopWhy::Asked);
        }
        self.batches.push(events.to_vec());
        Ok(())
    }
}

impl Memory {
    fn events(&self) -> Vec<&Event> {
        self.batches.iter().flatten().map(|(_, e)| e).collect()
    }
}

fn runner() -> Runner {
    Runner { person: "tester".to_owned(), host: "here".to_owned(), version: "0".to_owned() }
}

/// The parts of a run; what a test does not say is as usual.
struct Lab {
    plan: Arc<Plan>,
    provider: Arc<Scripted>,
    journal: Memory,
    grace: Duration,
    /// The moment at which somebody asks the run to stop, in seconds.
    stop_at: Option<u64>,
    /// The write during which somebody does.
    stop_in_write: Option<usize>,
    crash: Option<Crash>,
    aids: Aids,
}

impl Lab {
    fn new(works: Vec<Work>, edges: Vec<Edge>) -> Self {
        Self {
            plan: Arc::new(plan(works, edges)),
            provider: Arc::new(Scripted::default()),
            journal: Memory::default(),
            grace: Duration::from_secs(60),
            stop_at: None,
            stop_in_write: None,
            crash: None,
            aids: Aids::default(),
        }
    }

    fn answers(self, node: u32, answers: impl IntoIterator<Item = Answer>) -> Self {
        self.provider.answers.lock().unwrap().insert(node, answers.into_iter().collect());
        self
    }

    fn looks(self, node: u32, looks: impl IntoIterator<Item = Look>) -> Self {
        self.provider.looks.lock().unwrap().insert(node, looks.into_iter().collect());
        self
    }

    fn go(&mut self) -> Result<Ended, EngineError> {
        let mut progress = Progress::new(Arc::clone(&self.plan));
        for (at, event) in self.journal.batches.iter().flatten() {
            progress.apply(event, *at).unwrap();
        }
        let clock = self.provider.clock.clone();
        let (stopper, stop) = stop_signal();
        if self.stop_at == Some(0) {
            stopper.stop(StopWhy::Asked);
        }
        let mut stopper = Some(stopper);
        self.journal.stops = self.stop_in_write.zip(stopper.take_if(|_| self.stop_in_write.is_some()));
        let run = Run {
            id: RunId::new("r").unwrap(),
            runner: runner(),
            progress,
            journal: &mut self.journal,
            provider: Arc::clone(&self.provider) as Arc<dyn Provider>,
            aids: self.aids.clone(),
            clock: Arc::new(clock.clone()),
            stop,
            grace: self.grace,
            deadline: None,
            watch: &mut |_, _, _| {},
            crash: self.crash,
        };
        let stop_at = self.stop_at.filter(|at| *at > 0);
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async move {
            if let Some((at, stopper)) = stop_at.zip(stopper) {
                let busy = clock.busy();
                tokio::spawn(async move {
                    clock.until(Timestamp::from_millis(0).after(Duration::from_secs(at))).await;
                    stopper.stop(StopWhy::Asked);
                    // The driver has heard it before time goes on.
                    for _ in 0..10 {
                        tokio::task::yield_now().await;
                    }
                    drop(busy);
                });
            }
            drive(run).await
        })
    }

    fn asked(&self) -> Vec<u32> {
        self.provider.asked.lock().unwrap().clone()
    }

    fn now(&self) -> i64 {
        self.provider.clock.now().as_millis() / 1000
    }
}

fn acts(count: usize) -> Vec<Work> {
    (0..count).map(act).collect()
}

fn no_answer() -> Answer {
    Answer::After(1, Err(Failure::NoAnswer("silent".to_owned())))
}

fn fails() -> Answer {
    Answer::After(1, Err(no()))
}

const DONE: Look = Look::Settled(Settled::Done);
const NOT_DONE: Look = Look::Settled(Settled::NotDone);
const CANNOT_TELL: Look = Look::Settled(Settled::CannotTell);

#[test]
fn the_intent_is_durable_before_the_request_and_the_end_before_dependants() {
    let mut lab = Lab::new(acts(3), vec![done(0, 2), done(1, 2)]);
    assert_eq!(lab.go().unwrap().outcome, Outcome::Completed);
    let intended = |node| Event::Intended { node: NodeId(node), attempt: 1 };
    let settled = |node| Event::Settled { node: NodeId(node), how: How::Performed, moved: None };
    let batches: Vec<Vec<Event>> =
        lab.journal.batches.iter().map(|b| b.iter().map(|(_, e)| e.clone()).collect()).collect();
    // What starts together shares a write.
    assert_eq!(batches[0], [Event::Taken { runner: runner() }]);
    assert_eq!(batches[1], [intended(0), intended(1)]);
    // So do what ends and what may start because of it: never an intent before the end that it waits for.
    assert_eq!(
        batches[2..batches.len() - 1],
        [vec![settled(0)], vec![settled(1), intended(2)], vec![settled(2)]]
    );
    // What became of the replicas of the plan, and of no others, is recorded together with the end.
    let [Event::Observed { inventory }, Event::Ended { outcome: Outcome::Completed }] =
        batches.last().unwrap().as_slice()
    else {
        panic!("{batches:?}");
    };
    let names: Vec<&str> = inventory.replicas.keys().map(|r| r.as_str()).collect();
    assert_eq!((names, inventory.at), (vec!["r0", "r1", "r2"], Timestamp::from_millis(2000)));
}

#[test]
fn nothing_is_asked_for_that_could_not_be_recorded() {
    for (full, asked) in [(0, vec![]), (1, vec![]), (2, vec![0]), (3, vec![0, 1])] {
        let mut lab = Lab::new(acts(2), vec![done(0, 1)]);
        lab.journal.full_after = Some(full);
        assert!(matches!(lab.go(), Err(EngineError::Journal(JournalError::Io { .. }))), "{full}");
        assert_eq!(lab.asked(), asked, "full after {full} writes");
    }
}

#[test]
fn what_fails_is_tried_again_after_growing_pauses_until_its_attempts_are_used() {
    let mut lab = Lab::new(acts(1), Vec::new()).answers(0, [fails(), fails()]);
    assert_eq!(lab.go().unwrap().outcome, Outcome::Completed);
    assert_eq!((lab.asked().len(), lab.now()), (3, 1 + 2 + 1 + 4 + 1));
    let mut lab = Lab::new(acts(2), vec![done(0, 1)]).answers(0, [fails(), fails(), fails()]);
    let ended = lab.go().unwrap();
    assert_eq!((ended.outcome, lab.asked()), (Outcome::Failed, vec![0, 0, 0]));
    assert_eq!(ended.progress.status(NodeId(1)), Status::Blocked(NodeId(0)));
}

#[test]
fn a_refusal_is_final_at_once() {
    let refused = Answer::After(0, Err(Failure::Refused(crate::domain::Unmet::Stage)));
    let mut lab = Lab::new(acts(1), Vec::new()).answers(0, [refused]);
    assert_eq!(lab.go().unwrap().outcome, Outcome::Failed);
    assert_eq!(lab.asked(), [0]);
}

#[test]
fn without_an_answer_it_is_looked() {
    let found = |looks: &[Look]| {
        let mut lab = Lab::new(acts(1), Vec::new()).answers(0, [no_answer()]).looks(0, looks.to_vec());
        let outcome = lab.go().unwrap().outcome;
        let found =
            lab.journal.events().into_iter().any(|e| matches!(e, Event::Settled { how: How::Found, .. }));
        (outcome, found, lab.asked().len())
    };
    assert_eq!(found(&[DONE]), (Outcome::Completed, true, 1));
    assert_eq!(found(&[NOT_DONE]), (Outcome::Completed, false, 2));
    assert_eq!(found(&[Look::InProgress, Look::InProgress, DONE]), (Outcome::Completed, true, 1));
    assert_eq!(found(&[CANNOT_TELL, CANNOT_TELL, DONE]), (Outcome::Completed, true, 1));
    assert_eq!(found(&[CANNOT_TELL]), (Outcome::InDoubt, false, 1));
    assert_eq!(found(&[Look::InProgress]), (Outcome::InDoubt, false, 1));
}

#[test]
fn a_provider_that_hangs_or_has_a_fault_does_not_hang_the_run() {
    let mut lab = Lab::new(acts(2), Vec::new()).answers(0, [Answer::Never]).looks(0, [CANNOT_TELL]);
    let ended = lab.go().unwrap();
    assert_eq!(ended.outcome, Outcome::InDoubt);
    assert_eq!(ended.progress.status(NodeId(1)), Status::Done);
    assert!(lab.now() < 200, "{}", lab.now());
    // It may well have been done: the next runner looks.
    let mut lab = Lab::new(acts(2), vec![done(0, 1)]).answers(0, [Answer::Panic]);
    assert_eq!(lab.go().unwrap().outcome, Outcome::InDoubt);
    assert_eq!(lab.go().unwrap().outcome, Outcome::Completed);
    assert_eq!(lab.asked(), [0, 1]);
}

#[test]
fn dying_again_and_again_uses_up_no_attempts() {
    let mut lab = Lab::new(acts(1), Vec::new()).looks(0, [NOT_DONE]);
    for _ in 0..5 {
        // Killed when the intent is durable, each time.
        lab.crash = Some(Crash::AfterEvents(if lab.journal.batches.is_empty() { 2 } else { 3 }));
        assert!(matches!(lab.go(), Err(EngineError::Crashed)));
    }
    lab.crash = None;
    assert_eq!(lab.go().unwrap().outcome, Outcome::Completed);
    assert_eq!(lab.asked(), [0]);
}

#[test]
fn asked_to_stop_it_starts_nothing_gives_waits_up_and_lets_steps_end() {
    let works = vec![act(0), act(1), quiet(3600), act(3)];
    let mut lab = Lab::new(works, vec![done(0, 1), done(2, 3)]).answers(0, [Answer::After(20, Ok(()))]);
    lab.stop_at = Some(5);
    let ended = lab.go().unwrap();
    assert_eq!((ended.outcome, lab.now()), (Outcome::Stopped, 20));
    assert_eq!(ended.progress.status(NodeId(0)), Status::Done);
    assert_eq!(lab.asked(), [0]);
    assert!(lab.journal.events().contains(&&Event::Stopping { why: StopWhy::Asked }));
    // Taken up again it goes on where it was; the wait begins anew.
    lab.stop_at = None;
    assert_eq!(lab.go().unwrap().outcome, Outcome::Completed);
    assert_eq!((lab.asked(), lab.now()), (vec![0, 1, 3], 20 + 3600 + 1));
}

#[test]
fn asked_to_stop_before_it_began_it_does_nothing() {
    let mut lab = Lab::new(acts(2), Vec::new());
    lab.stop_at = Some(0);
    assert_eq!(lab.go().unwrap().outcome, Outcome::Stopped);
    assert!(lab.asked().is_empty());
}

#[test]
fn asked_to_stop_while_a_record_is_being_written_it_starts_nothing_more() {
    for during in 0..4 {
        let mut lab = Lab::new(acts(5), (1..5).map(|i| done(i - 1, i)).collect());
        lab.stop_in_write = Some(during);
        assert_eq!(lab.go().unwrap().outcome, Outcome::Stopped);
        // Writes: taken; then the intent of each step, with the end of the one before it. What is intended when it is heard still runs.
        assert!(lab.asked().len() <= during, "stopped in write {during}: {:?}", lab.asked());
    }
}

#[test]
fn what_is_under_way_after_the_grace_time_is_in_doubt_and_looked_at_by_the_next_runner() {
    let mut lab = Lab::new(acts(2), vec![done(0, 1)]).answers(0, [Answer::After(50, Ok(()))]);
    (lab.stop_at, lab.grace) = (Some(5), Duration::from_secs(10));
    let ended = lab.go().unwrap();
    assert_eq!((ended.outcome, lab.now()), (Outcome::InDoubt, 15));
    lab.stop_at = None;
    assert_eq!(lab.go().unwrap().outcome, Outcome::Completed);
    assert_eq!(lab.asked(), [0, 1], "it was found, not asked for again");
}

#[test]
fn a_failure_that_stops_everything_lets_steps_end_and_starts_nothing() {
    let edges = vec![edge(0, 1, On::Done, crate::domain::IfFailed::Stop), done(2, 3)];
    let refused = Answer::After(1, Err(Failure::Refused(crate::domain::Unmet::Stage)));
    let slow = Answer::After(9, Ok(()));
    let mut lab = Lab::new(acts(4), edges).answers(0, [refused]).answers(2, [slow]);
    let ended = lab.go().unwrap();
    assert_eq!((ended.outcome, lab.asked()), (Outcome::Failed, vec![0, 2]));
    assert_eq!(ended.progress.status(NodeId(2)), Status::Done);
    assert_eq!(ended.progress.status(NodeId(3)), Status::Pending);
}

#[test]
fn a_failure_that_stops_everything_ends_what_is_waited_for_and_a_later_stop_hides_it_not() {
    let edges = vec![edge(0, 1, On::Done, crate::domain::IfFailed::Stop)];
    let fails = || (0..3).map(|_| fails());
    let mut lab = Lab::new([acts(2), vec![ready(2, 1, 3600)]].concat(), edges.clone()).answers(0, fails());
    let ended = lab.go().unwrap();
    assert_eq!((ended.outcome, ended.progress.status(NodeId(2))), (Outcome::Failed, Status::Waiting));
    assert!(lab.now() < 60, "nobody waits for an hour for what changes nothing: {}", lab.now());
    let mut lab =
        Lab::new(acts(2), Vec::new()).answers(0, fails()).answers(1, [Answer::After(30, Err(no()))]);
    lab.stop_at = Some(20);
    assert_eq!(lab.go().unwrap().outcome, Outcome::Failed);
}

fn no() -> Failure {
    Failure::Failed("once".to_owned())
}

#[test]
fn a_doubt_that_a_resumed_run_resolves_stops_nothing() {
    let edges = vec![edge(0, 1, On::Done, crate::domain::IfFailed::Stop)];
    for (look, asked) in [(DONE, vec![0, 1]), (NOT_DONE, vec![0, 0, 1])] {
        let mut lab = Lab::new(acts(2), edges.clone()).answers(0, [no_answer()]).looks(0, [CANNOT_TELL]);
        assert_eq!(lab.go().unwrap().outcome, Outcome::InDoubt);
        lab = lab.looks(0, [look]);
        let ended = lab.go().unwrap();
        assert_eq!((ended.outcome, lab.asked()), (Outcome::Completed, asked), "{look:?}");
    }
    // One that stays stops everything again.
    let mut lab = Lab::new(acts(3), edges).answers(0, [no_answer()]).looks(0, [CANNOT_TELL]);
    for stops in 1..3 {
        assert_eq!(lab.go().unwrap().outcome, Outcome::InDoubt);
        let stopping = |e: &&&Event| matches!(e, Event::Stopping { why: StopWhy::Failure(NodeId(0)) });
        assert_eq!(lab.journal.events().iter().filter(stopping).count(), stops);
    }
}

#[test]
fn two_runs_of_one_plan_write_the_same_journal() {
    let journal = || {
        let works = vec![act(0), act(1), ready(2, 3, 60), act(3), act(4)];
        let edges = vec![done(0, 3), done(1, 3), done(2, 4)];
        let mut lab = Lab::new(works, edges).answers(1, [fails(), no_answer()]);
        *lab.provider.up.lock().unwrap() = vec![(7, 999)];
        lab.go().unwrap();
        lab.journal.batches
    };
    assert_eq!(journal(), journal());
}

/// The world of the crash test: effects by node, seen by looks.
#[test]
fn cut_at_any_record_the_run_reaches_the_same_end_and_asks_for_nothing_that_is_there() {
    let lab = || {
        let works = vec![act(0), act(1), quiet(2), act(3), act(4), act(5)];
        let edges =
            vec![done(0, 2), done(2, 3), done(1, 4), edge(4, 5, On::Failed, crate::domain::IfFailed::Block)];
        Lab::new(works, edges).answers(1, [fails()])
    };
    let mut whole = lab();
    let end = whole.go().unwrap();
    let all: Vec<(Timestamp, Event)> = whole.journal.batches.concat();
    for cut in 1..all.len() {
        for effect_is_there in [false, true] {
            let mut again = lab();
            let before = &all[..cut];
            if before.iter().any(|(_, e)| matches!(e, Event::Retrying { .. })) {
                again = again.answers(1, []);
            }
            again.journal.batches = vec![before.to_vec()];
            again.provider.clock.0.lock().unwrap().now =
                u64::try_from(before[cut - 1].0.as_millis()).unwrap();
            let last = |node: NodeId| before.iter().rev().map(|(_, e)| e).find(|e| e.node() == Some(node));
            let open: Vec<NodeId> =
                (0..6).map(NodeId).filter(|n| matches!(last(*n), Some(Event::Intended { .. }))).collect();
            for node in &open {
                let look = if effect_is_there { DONE } else { NOT_DONE };
                again = again.looks(node.0, [look]);
            }
            let ended = again.go().unwrap();
            assert_eq!(ended.outcome, end.outcome, "cut after {cut}");
            for node in (0..6).map(NodeId) {
                assert_eq!(ended.progress.status(node), end.progress.status(node), "{node}, cut after {cut}");
                let was_done = matches!(last(node), Some(Event::Settled { .. }));
                if was_done || (effect_is_there && open.contains(&node)) {
                    assert!(!again.asked().contains(&node.0), "{node} asked for twice, cut after {cut}");
                }
            }
        }
    }
}

#[test]
fn steps_that_wait_for_each_other_are_a_fault_that_is_named() {
    let mut lab = Lab::new(acts(3), vec![done(0, 1), done(2, 1)]);
    // The first leg keeps the only place while it waits for the other one, which needs it.
    let plan = limited(Plan::clone(&lab.plan), 1, None, &[(0, 1), (2, 2)]);
    lab.plan = Arc::new(plan);
    let error = lab.go().unwrap_err();
    assert!(matches!(&error, EngineError::Stuck(node) if node == &lab.plan.node_name(NodeId(1))), "{error}");
    assert_eq!(lab.asked(), [0]);
}
