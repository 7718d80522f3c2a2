//! Questions side by side, each with its own times, without any real waiting.

use super::*;
use crate::domain::{Ask, AtEnd, Check, Readiness, VmRef, Wait};
use crate::engine::ready::Asker;

/// Ports that answer at times.
#[derive(Default)]
struct Ports {
    clock: Jumping,
    /// From when to when a port answers, in seconds.
    up: BTreeMap<u16, Vec<(i64, i64)>>,
    /// Ports that never say anything.
    hang: Vec<u16>,
    asked: Mutex<BTreeMap<u16, Vec<i64>>>,
}

impl Provider for Ports {
    fn observe<'a>(&'a self, _: &'a [Subject]) -> Later<'a, Inventory> {
        unreachable!("a wait observes nothing")
    }
    fn perform<'a>(&'a self, _: &'a Order) -> Later<'a, Result<(), Failure>> {
        unreachable!("a wait changes nothing")
    }
    fn look<'a>(&'a self, _: &'a Order) -> Later<'a, Look> {
        unreachable!("a wait changes nothing")
    }
    fn probe<'a>(&'a self, question: Question<'a>) -> Later<'a, Result<(), NotSo>> {
        Box::pin(async move {
            let Probe::Tcp { port } = question.probe else { unreachable!("only ports are asked here") };
            let now = self.clock.now().as_millis() / 1000;
            self.asked.lock().unwrap().entry(*port).or_default().push(now);
            if self.hang.contains(port) {
                self.clock.until(Timestamp::from_millis(i64::MAX)).await;
            }
            let up =
                self.up.get(port).is_some_and(|up| up.iter().any(|(from, to)| (*from..*to).contains(&now)));
            if up { Ok(()) } else { Err(NotSo::Off) }
        })
    }
}

fn check(port: u16, every: u64, stable: u64, within: u64) -> Ask {
    let seconds = Duration::from_secs;
    let (every, stable, within) = (seconds(every), seconds(stable), seconds(within));
    Ask::One(Check { probe: Probe::Tcp { port }, every, stable, within })
}

/// What became of a wait.
struct Found {
    met: Result<(), Vec<Heard>>,
    at: i64,
    asked: BTreeMap<u16, Vec<i64>>,
    told: Vec<Vec<Heard>>,
}

fn found(ports: Ports, ask: &Ask, within: u64) -> Found {
    let vm = VmRef { site: "dr".parse().unwrap(), vm: "db-01".parse().unwrap() };
    let (replica, told) = ("db-01".parse().unwrap(), Mutex::new(Vec::new()));
    let tell = |heard| told.lock().unwrap().push(heard);
    let asker = Asker { replica: &replica, vm: &vm, provider: &ports, clock: &ports.clock };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let met = runtime.block_on(async {
        let _promise = ports.clock.busy();
        asker.until_met(ask, Duration::from_secs(within), &tell).await
    });
    let at = ports.clock.now().as_millis() / 1000;
    assert_eq!(ports.clock.0.lock().unwrap().busy, 0, "every promise was kept");
    Found { met, at, asked: ports.asked.into_inner().unwrap(), told: told.into_inner().unwrap() }
}

fn up(times: &[(u16, i64, i64)]) -> Ports {
    let mut ports = Ports::default();
    for (port, from, to) in times {
        ports.up.entry(*port).or_default().push((*from, *to));
    }
    ports
}

fn answers(found: &Found) -> Vec<&Answered> {
    found.met.as_ref().unwrap_err().iter().map(|heard| &heard.answer).collect()
}

#[test]
fn all_are_asked_side_by_side_each_as_often_as_it_says() {
    let ask = Ask::All(vec![check(1, 2, 0, 60), check(2, 5, 4, 60)]);
    let found = found(up(&[(1, 0, 99), (2, 8, 99)]), &ask, 60);
    assert_eq!((found.met, found.at), (Ok(()), 14));
    assert_eq!(found.asked[&1][..7], [0, 2, 4, 6, 8, 10, 12]);
    assert_eq!(found.asked[&2], [0, 5, 10, 14], "once more just when it is stable");
}

#[test]
fn one_of_some_is_enough_or_so_many() {
    let ports = || up(&[(1, 50, 99), (2, 10, 99), (3, 20, 99)]);
    let of = || (1..=3).map(|port| check(port, 1, 0, 60)).collect::<Vec<_>>();
    assert_eq!(found(ports(), &Ask::Any(of()), 60).at, 10);
    assert_eq!(found(ports(), &Ask::AtLeast { count: 2, of: of() }, 60).at, 20);
    assert_eq!(found(ports(), &Ask::All(of()), 60).at, 50);
    let nested = Ask::All(vec![Ask::Any(of()), check(3, 1, 5, 60)]);
    assert_eq!(found(ports(), &nested, 60).at, 25);
}

#[test]
fn they_must_be_so_at_one_time() {
    // The first is gone before the second is there, and comes back.
    let ask = Ask::All(vec![check(1, 1, 0, 60), check(2, 1, 0, 60)]);
    assert_eq!(found(up(&[(1, 0, 10), (2, 20, 99), (1, 30, 99)]), &ask, 60).at, 30);
}

#[test]
fn one_that_hangs_holds_up_no_other_and_not_the_end() {
    let hang = |ask: &Ask, within| found(Ports { hang: vec![1], ..up(&[(2, 40, 99)]) }, ask, within);
    let (first, second) = (check(1, 1, 0, 300), check(2, 1, 0, 300));
    let found = hang(&Ask::Any(vec![first.clone(), second.clone()]), 300);
    assert_eq!((found.met, found.at), (Ok(()), 40));
    assert_eq!(found.asked[&1], [0, 31], "half a minute is enough for an answer");
    let found = hang(&Ask::All(vec![first, second]), 50);
    assert_eq!(answers(&found), [&Answered::Not(NotSo::NoAnswer), &Answered::Met]);
    assert!((50..=55).contains(&found.at), "{}", found.at);
}

#[test]
fn one_is_given_up_at_its_own_time_and_the_whole_when_it_cannot_be_met_any_more() {
    let ask = |within| Ask::All(vec![check(1, 1, 0, within), check(2, 1, 0, 300)]);
    let lost = found(up(&[(1, 20, 999)]), &ask(10), 300);
    assert_eq!((answers(&lost), lost.at), (vec![&Answered::Not(NotSo::Off); 2], 10));
    // One that was met in its time may fail for a moment later.
    let late = found(up(&[(1, 5, 12), (1, 20, 999), (2, 30, 999)]), &ask(10), 300);
    assert_eq!((late.met, late.at), (Ok(()), 30));
    // Where others will do, it is not asked any more.
    let other = Ask::Any(vec![check(1, 1, 0, 3), check(2, 1, 0, 300)]);
    let other = found(up(&[(1, 10, 999), (2, 20, 999)]), &other, 300);
    assert_eq!((other.met, other.at, &other.asked[&1][..]), (Ok(()), 20, &[0, 1, 2, 3][..]));
}

#[test]
fn it_is_told_from_time_to_time_what_is_missing() {
    let ask = Ask::All(vec![check(1, 1, 0, 300), check(2, 1, 60, 300)]);
    let found = found(up(&[(1, 100, 999), (2, 40, 999)]), &ask, 300);
    let not = Answered::Not(NotSo::Off);
    let unsteady = Answered::Unsteady { stable: Duration::from_secs(60) };
    let told: Vec<Vec<&Answered>> =
        found.told.iter().map(|h| h.iter().map(|h| &h.answer).collect()).collect();
    // At 30, 60 and 90 s; once all is well it is over.
    assert_eq!(told, [vec![&not, &not], vec![&not, &unsteady]]);
    assert_eq!((found.met, found.at), (Ok(()), 100));
}

fn never_ready(otherwise: AtEnd) -> Lab {
    let wait = |leg| {
        let Work::Wait(Wait::Ready { replica, vm, readiness }) = ready(leg, 5, 30) else { unreachable!() };
        let readiness = Box::new(Readiness { otherwise, ..*readiness });
        Work::Wait(Wait::Ready { replica, vm, readiness })
    };
    Lab::new(vec![wait(0), act(1)], vec![done(0, 1)])
}

#[test]
fn the_run_goes_on_without_it_where_the_document_says_so_and_that_is_an_exception() {
    let mut lab = never_ready(AtEnd::Continue);
    let ended = lab.go().unwrap();
    assert_eq!(ended.outcome, Outcome::CompletedWithExceptions);
    assert_eq!(ended.progress.status(NodeId(1)), Status::Done);
    assert_eq!(ended.progress.summary().exceptions, [NodeId(0)]);
    let heard = vec![Heard { probe: Probe::Guest, answer: Answered::Not(NotSo::Silent) }];
    assert!(lab.journal.events().contains(&&Event::WentOn { node: NodeId(0), heard, why: None }));
    // Whoever reads the journal later sees the same.
    let mut again = Progress::new(Arc::clone(&lab.plan));
    for (at, event) in lab.journal.batches.iter().flatten() {
        let text = serde_json::to_string(event).unwrap();
        again.apply(&serde_json::from_str(&text).unwrap(), *at).unwrap();
    }
    assert_eq!((again.outcome(), again.summary()), (Some(ended.outcome), ended.progress.summary()));
}

#[test]
fn where_a_person_decides_the_wait_has_failed_until_somebody_does() {
    for otherwise in [AtEnd::Stop, AtEnd::Ask] {
        let mut lab = never_ready(otherwise);
        let ended = lab.go().unwrap();
        assert_eq!(ended.outcome, Outcome::Failed);
        assert_eq!(ended.progress.status(NodeId(1)), Status::Blocked(NodeId(0)));
        let done = by_hand(NodeId(0), Word::Done, "tester", "it serves");
        lab.journal.batches.push(vec![(Timestamp::from_millis(40_000), done)]);
        assert_eq!(lab.go().unwrap().outcome, Outcome::CompletedWithExceptions);
    }
}

#[test]
fn a_machine_is_ready_when_it_has_answered_without_a_break_for_so_long() {
    let wait = |up: &[(i64, i64)]| {
        let mut lab = Lab::new(vec![ready(0, 5, 30), act(1)], vec![done(0, 1)]);
        *lab.provider.up.lock().unwrap() = up.to_vec();
        let ended = lab.go().unwrap();
        let why = lab.journal.events().into_iter().find_map(|e| match e {
            Event::Failed { why, .. } => Some(why.clone()),
            _ => None,
        });
        (ended.outcome, why, ended.progress.ended_at(NodeId(0)).unwrap().as_millis() / 1000)
    };
    assert_eq!(wait(&[(0, 99)]), (Outcome::Completed, None, 5));
    // Up at 4, gone at 8, up again at 10: stable from then on.
    assert_eq!(wait(&[(4, 8), (10, 99)]), (Outcome::Completed, None, 15));
    let heard = |answer| Some(FailedWhy::Unready(vec![Heard { probe: Probe::Guest, answer }]));
    assert_eq!(wait(&[]), (Outcome::Failed, heard(Answered::Not(NotSo::Silent)), 30));
    let unsteady = Answered::Unsteady { stable: Duration::from_secs(5) };
    assert_eq!(wait(&[(27, 99)]), (Outcome::Failed, heard(unsteady), 30), "too late to be stable");
}
