//! Tests of the fold: single rules on small plans, then all of them on random ones.

use super::sample::{act, done, edge, limited, plan};
use super::*;
use crate::base::{Duration, Timestamp};
use crate::domain::{IfFailed, Unmet};
use crate::plan::{Edge, NodeId, On, Plan, Work};
use crate::port::Failure;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn acts(count: usize) -> Vec<Work> {
    (0..count).map(act).collect()
}

fn intended(node: u32) -> Event {
    Event::Intended { node: NodeId(node), attempt: 1 }
}

fn settled(node: u32) -> Event {
    Event::Settled { node: NodeId(node), how: How::Performed, moved: None }
}

fn failed(node: u32) -> Event {
    Event::Failed { node: NodeId(node), why: FailedWhy::Unmet(Unmet::Stage) }
}

fn doubt(node: u32) -> Event {
    Event::InDoubt { node: NodeId(node), why: "no answer".to_owned() }
}

fn reopened(node: u32) -> Event {
    Event::Reopened { node: NodeId(node), person: "p".to_owned(), because: "b".to_owned() }
}

fn taken() -> Event {
    let text = || "x".to_owned();
    Event::Taken { runner: Runner { person: text(), host: text(), version: text() } }
}

fn fold(plan: Plan, events: &[Event]) -> Progress {
    let mut progress = Progress::new(Arc::new(plan));
    for (second, event) in (1..).zip(events) {
        progress.apply(event, at(second)).unwrap();
    }
    progress
}

fn may_start(progress: &Progress, second: i64) -> Vec<u32> {
    progress.next(at(second)).start.iter().map(|n| n.0).collect()
}

fn statuses(progress: &Progress) -> Vec<Status> {
    progress.plan().node_ids().map(|n| progress.status(n)).collect()
}

#[test]
fn what_depends_on_a_doubt_is_blocked_by_it_and_runs_once_it_is_cleared() {
    let small = || plan(acts(3), vec![done(0, 1), done(1, 2)]);
    let progress = fold(small(), &[intended(0), doubt(0)]);
    let blocked = Status::Blocked(NodeId(0));
    assert_eq!(statuses(&progress), [Status::InDoubt, blocked, blocked]);
    let not_run = progress.summary().not_run;
    assert!(not_run.iter().all(|n| n.because == Some(NodeId(0))) && not_run.len() == 2);
    assert_eq!(outcome(&progress, false), Outcome::InDoubt);

    let progress = fold(small(), &[intended(0), doubt(0), doubt(0), taken(), settled(0)]);
    assert_eq!(may_start(&progress, 9), [1]);
    assert_eq!(progress.status(NodeId(2)), Status::Pending);
}

#[test]
fn no_way_back_is_begun_for_a_doubt() {
    let answer = || plan(acts(2), vec![edge(0, 1, On::Failed, IfFailed::Block)]);
    let progress = fold(answer(), &[intended(0), doubt(0)]);
    assert_eq!(progress.status(NodeId(1)), Status::Blocked(NodeId(0)));
    let progress = fold(answer(), &[intended(0), doubt(0), failed(0)]);
    assert_eq!(may_start(&progress, 9), [1], "somebody said that it failed");
    let progress = fold(answer(), &[intended(0), settled(0)]);
    assert_eq!(progress.status(NodeId(1)), Status::NotNeeded);
    assert_eq!(outcome(&progress, false), Outcome::Completed);
}

#[test]
fn a_doubt_gives_its_place_to_others() {
    let two = limited(plan(acts(4), vec![done(0, 1), done(2, 3)]), 1, None, &[(0, 1), (2, 3)]);
    let progress = fold(two, &[intended(0), doubt(0)]);
    assert_eq!(may_start(&progress, 9), [2]);
}

#[test]
fn what_goes_on_in_any_case_goes_on_and_is_an_exception() {
    let three = || plan(acts(3), vec![edge(0, 1, On::Done, IfFailed::Continue), done(1, 2)]);
    for ending in [failed(0), doubt(0)] {
        let progress = fold(three(), &[intended(0), ending.clone(), doubt_again(&ending)]);
        assert_eq!(may_start(&progress, 9), [1], "{ending:?}");
    }
    let events = [intended(0), failed(0), intended(1), settled(1), intended(2), settled(2)];
    let progress = fold(three(), &events);
    assert_eq!(outcome(&progress, false), Outcome::CompletedWithExceptions);
    assert_eq!(progress.summary().exceptions, [NodeId(0)]);
    // The same after the run was taken up once more.
    let progress = fold(three(), &[&events[..], &[taken()]].concat());
    assert_eq!(outcome(&progress, false), Outcome::CompletedWithExceptions);
}

/// A doubt may be said twice, a failure may not: then something that changes nothing.
fn doubt_again(ending: &Event) -> Event {
    if matches!(ending, Event::InDoubt { .. }) { ending.clone() } else { taken() }
}

#[test]
fn a_failure_at_the_end_of_a_delay_edge_fails_the_run() {
    // The next entry waits only for the start of this one; that it started answers nothing.
    let two = plan(acts(2), vec![edge(0, 1, On::Started, IfFailed::Block)]);
    let progress = fold(two, &[intended(0), failed(0), intended(1), settled(1)]);
    assert_eq!(outcome(&progress, false), Outcome::Failed);
}

#[test]
fn a_failure_that_stops_everything_leaves_the_run_unfinished() {
    let edges = vec![edge(0, 1, On::Done, IfFailed::Stop), edge(0, 2, On::Failed, IfFailed::Block)];
    let three = || plan(acts(4), edges.clone());
    let progress = fold(three(), &[intended(0), failed(0)]);
    assert_eq!(progress.must_stop(), Some(NodeId(0)));
    assert!(may_start(&progress, 9).is_empty());
    let stopping = Event::Stopping { why: StopWhy::Failure(NodeId(0)) };
    let progress = fold(three(), &[intended(0), failed(0), stopping]);
    // There is a way back in the plan, but it did not run, and neither did 3.
    assert_eq!(outcome(&progress, false), Outcome::Failed);
}

#[test]
fn whoever_takes_a_run_up_goes_on_in_spite_of_the_failures_that_were_known() {
    let edges = vec![edge(0, 1, On::Done, IfFailed::Stop), done(2, 3)];
    let four = || plan(acts(4), edges.clone());
    let before = [intended(0), intended(2), failed(0), taken(), doubt(2), settled(2)];
    let progress = fold(four(), &before);
    assert_eq!(progress.must_stop(), None);
    assert_eq!(may_start(&progress, 9), [3]);
    // Tried again, it counts as new.
    let progress = fold(four(), &[&before[..], &[reopened(0), intended(0), failed(0)]].concat());
    assert_eq!(progress.must_stop(), Some(NodeId(0)));
}

#[test]
fn what_is_left_out_takes_along_only_what_is_there_for_its_sake() {
    let edges = vec![
        edge(0, 1, On::Failed, IfFailed::Block),
        done(1, 2),
        edge(2, 3, On::Done, IfFailed::Continue),
        edge(0, 3, On::Done, IfFailed::Continue),
    ];
    let progress = fold(plan(acts(4), edges), &[intended(0), settled(0)]);
    assert_eq!(statuses(&progress)[1..3], [Status::NotNeeded; 2]);
    assert_eq!(may_start(&progress, 9), [3]);
    assert!(progress.summary().exceptions.is_empty());
}

#[test]
fn a_step_is_blocked_by_what_failed_first_also_after_the_run_was_taken_up() {
    let later = Edge { plus: Duration::from_secs(10), ..edge(2, 3, On::Done, IfFailed::Continue) };
    let four = || plan(acts(4), vec![done(0, 2), done(1, 2), later]);
    // 1 fails at second 3, 0 at second 4.
    let events = [intended(0), intended(1), failed(1), failed(0)];
    for events in [&events[..], &[&events[..], &[taken()]].concat()] {
        let progress = fold(four(), events);
        assert_eq!(progress.status(NodeId(2)), Status::Blocked(NodeId(1)));
        assert_eq!(progress.next(at(5)).wake, Some(at(13)));
    }
}

#[test]
fn a_step_that_is_tried_again_has_all_its_attempts_and_is_no_exception() {
    let events = [intended(0), failed(0), reopened(0)];
    let progress = fold(plan(acts(1), Vec::new()), &events);
    assert_eq!(progress.attempts(NodeId(0)), 0);
    let progress = fold(plan(acts(1), Vec::new()), &[&events[..], &[intended(0), settled(0)]].concat());
    assert_eq!(outcome(&progress, false), Outcome::Completed);
}

#[test]
fn what_a_person_called_failed_and_what_is_on_its_way_back_is_not_tried_again() {
    let five = plan(acts(5), vec![edge(2, 4, On::Failed, IfFailed::Block)]);
    let because = FailedWhy::ByHand { person: "p".to_owned(), because: "b".to_owned() };
    let by_hand = Event::Failed { node: NodeId(1), why: because };
    let events = [intended(0), failed(0), intended(1), doubt(1), by_hand, intended(2), failed(2)];
    let retry = |more: &[Event]| {
        fold(five.clone(), &[&events[..], more].concat()).to_retry().map(|n| n.0).collect::<Vec<_>>()
    };
    assert_eq!(retry(&[]), [0, 2], "the way back has not begun");
    assert_eq!(retry(&[intended(4)]), [0]);
    assert!(retry(&[intended(4), settled(4), reopened(0)]).is_empty());
}

#[test]
fn what_is_tried_again_needs_a_place_again() {
    // Three legs of two steps, one place. Two fail in their second step and are tried again while the third one is under way.
    let legs = [(0, 1), (2, 3), (4, 5)];
    let three = limited(plan(acts(6), vec![done(0, 1), done(2, 3), done(4, 5)]), 1, None, &legs);
    let mut events = Vec::new();
    for first in [0, 2] {
        events.extend([intended(first), settled(first), intended(first + 1), failed(first + 1)]);
    }
    events.extend([intended(4), taken(), reopened(1), reopened(3)]);
    let progress = fold(three.clone(), &events);
    assert!(may_start(&progress, 99).is_empty(), "the place is taken");
    events.extend([settled(4), intended(5), settled(5)]);
    let progress = fold(three.clone(), &events);
    assert_eq!(may_start(&progress, 99), [1], "one of the two");
    events.push(intended(1));
    assert!(may_start(&fold(three.clone(), &events), 99).is_empty());
    events.push(settled(1));
    assert_eq!(may_start(&fold(three, &events), 99), [3]);
}

#[test]
fn groups_of_starts_keep_their_gap() {
    let gap = Duration::from_secs(10);
    let five = limited(plan(acts(5), Vec::new()), 2, Some(gap), &[(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]);
    let mut progress = Progress::new(Arc::new(five));
    let mut apply = |event: &Event, second| {
        progress.apply(event, at(second)).unwrap();
        progress.next(at(second))
    };
    apply(&intended(0), 0);
    apply(&intended(1), 4);
    apply(&settled(0), 5);
    let next = apply(&settled(1), 6);
    assert_eq!((next.start, next.wake), (Vec::new(), Some(at(10))), "10 s after the first of the group");
    let next = apply(&taken(), 10);
    assert_eq!((next.start, next.wake), (vec![NodeId(2)], Some(at(14))), "taking a run up forgets no start");
}

#[test]
fn a_journal_of_another_plan_is_found_out() {
    let progress = || Progress::new(Arc::new(plan(acts(2), vec![done(0, 1)])));
    for event in [settled(0), failed(0), doubt(1), reopened(0), intended(7)] {
        assert!(progress().apply(&event, at(1)).is_err(), "{event:?}");
    }
    let mut twice = progress();
    twice.apply(&intended(0), at(1)).unwrap();
    assert!(twice.apply(&intended(0), at(2)).is_err());
}

#[test]
fn nothing_happens_in_a_run_that_is_over() {
    let closed = Event::Closed { person: "p".to_owned(), because: "b".to_owned() };
    let ended = Event::Ended { outcome: Outcome::Completed };
    for last in [&closed, &ended] {
        let over = fold(plan(acts(1), Vec::new()), &[intended(0), last.clone()]);
        for event in [taken(), settled(0), failed(0), ended.clone(), closed.clone()] {
            let mut progress = over.clone();
            assert_eq!(progress.apply(&event, at(9)), Err(IllegalEvent::Over), "{event:?} after {last:?}");
            assert_eq!(progress.span(), over.span(), "what cannot have happened leaves no trace");
        }
    }
    let stopped = fold(plan(acts(1), Vec::new()), &[Event::Ended { outcome: Outcome::Stopped }, taken()]);
    assert_eq!(may_start(&stopped, 9), [0], "a run that was stopped is not over");
}

/// Three replicas of which two are needed, something that waits for them, and a meeting point over their whole ways.
fn two_of_three(if_failed: IfFailed) -> Plan {
    let works = vec![act(0), act(1), act(2), Work::Join, act(4)];
    let mut three = plan(works, vec![done(0, 3), done(1, 3), done(2, 3), edge(3, 4, On::Done, if_failed)]);
    three.nodes[3].needs = Some(2);
    for leg in &mut three.legs[..3] {
        leg.quorum = Some(NodeId(3));
    }
    three
}

#[test]
fn what_waits_for_some_of_a_group_goes_on_as_soon_as_so_many_are_there() {
    let block = || two_of_three(IfFailed::Block);
    assert!(may_start(&fold(block(), &[intended(0), intended(1), intended(2), settled(2)]), 99).is_empty());
    let two = [intended(0), intended(1), intended(2), settled(2), settled(0)];
    assert_eq!(may_start(&fold(block(), &two), 99), [4], "the third one is not waited for");
    assert_eq!(may_start(&fold(block(), &[&two[..], &[taken()]].concat()), 99), [4], "nor after a resume");
    let late = fold(block(), &[&two[..], &[intended(4), settled(4), failed(1)]].concat());
    assert_eq!(outcome(&late, false), Outcome::CompletedWithExceptions);
    assert_eq!(late.summary().exceptions, [NodeId(1)]);
    let early = [intended(0), intended(1), intended(2), failed(1), settled(0), settled(2)];
    assert_eq!(may_start(&fold(block(), &early), 99), [4], "one may fail");
    let all = [&early[..], &[intended(4), settled(4)]].concat();
    assert_eq!(outcome(&fold(block(), &all), false), Outcome::CompletedWithExceptions);
}

#[test]
fn too_few_of_a_group_are_what_its_edges_say_of_a_failure() {
    let events = [intended(0), intended(1), intended(2), failed(1), settled(0), failed(2)];
    let blocked = fold(two_of_three(IfFailed::Block), &events);
    assert_eq!(blocked.status(NodeId(4)), Status::Blocked(NodeId(2)));
    assert_eq!(outcome(&blocked, false), Outcome::Failed);
    let again = fold(
        two_of_three(IfFailed::Block),
        &[&events[..], &[taken(), reopened(2), intended(2), settled(2)]].concat(),
    );
    assert_eq!(may_start(&again, 99), [4], "what failed and was tried again counts");
    let goes_on = fold(two_of_three(IfFailed::Continue), &events);
    assert_eq!(may_start(&goes_on, 99), [4]);
    assert_eq!(outcome(&goes_on, false), Outcome::Failed, "the group is not there all the same");
    let stops = fold(two_of_three(IfFailed::Stop), &events);
    assert_eq!(stops.must_stop(), Some(NodeId(2)));
}

#[test]
fn what_may_fail_is_an_exception_unless_something_required_did_not_run_because_of_it() {
    let optional = |edges| {
        let mut plan = plan(acts(3), edges);
        plan.legs[0].optional = true;
        plan
    };
    let events = [intended(0), failed(0), intended(2), settled(2)];
    let goes_on = || vec![edge(0, 1, On::Done, IfFailed::Continue)];
    let on = fold(optional(goes_on()), &[&events[..], &[intended(1), settled(1)]].concat());
    assert_eq!(outcome(&on, false), Outcome::CompletedWithExceptions);
    assert_eq!(on.summary().exceptions, [NodeId(0)]);
    let held = fold(optional(vec![done(0, 1)]), &events);
    assert_eq!(outcome(&held, false), Outcome::Failed, "node 1 is required and did not run");
    let mut both = optional(vec![done(0, 1)]);
    both.legs[1].optional = true;
    assert_eq!(outcome(&fold(both, &events), false), Outcome::CompletedWithExceptions);
    let doubt = fold(optional(goes_on()), &[intended(0), doubt(0)]);
    assert_eq!(outcome(&doubt, false), Outcome::InDoubt, "nobody knows what it is");
}

/// What becomes of a node that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Done,
    DoneLate,
    Failed,
    RetriedOnce,
    InDoubt,
}

#[derive(Debug, Clone)]
struct Case {
    plan: Plan,
    fates: Vec<Fate>,
}

fn case() -> impl Strategy<Value = Case> {
    let fate = prop_oneof![
        6 => Just(Fate::Done),
        3 => Just(Fate::DoneLate),
        2 => Just(Fate::Failed),
        1 => Just(Fate::RetriedOnce),
        1 => Just(Fate::InDoubt),
    ];
    let on = prop_oneof![1 => Just(On::Started), 4 => Just(On::Done), 1 => Just(On::Failed)];
    let if_failed = prop_oneof![3 => Just(IfFailed::Block), 1 => Just(IfFailed::Continue)];
    let arrow = (any::<u16>(), any::<u16>(), on, if_failed, 0..4u64);
    let nodes = prop::collection::vec((fate, 0..8u8), 1..24);
    (nodes, prop::collection::vec(arrow, 0..40), 1..4u32, prop::option::of(1..9u64)).prop_map(
        |(nodes, arrows, size, gap)| {
            let count = nodes.len();
            let works = (0..count).map(|i| if nodes[i].1 == 0 { Work::Join } else { act(i) }).collect();
            let mut edges: BTreeMap<(usize, usize), Edge> = BTreeMap::new();
            for (a, b, on, if_failed, plus) in arrows {
                let (a, b) = (usize::from(a) % count, usize::from(b) % count);
                // A join is never failed itself.
                let on = if nodes[a.min(b)].1 == 0 { On::Done } else { on };
                if a != b {
                    let id = |n: usize| NodeId(u32::try_from(n).unwrap());
                    let (from, to) = (id(a.min(b)), id(a.max(b)));
                    let plus = Duration::from_secs(plus);
                    edges.insert((a.min(b), a.max(b)), Edge { from, to, on, plus, if_failed });
                }
            }
            let plan = plan(works, edges.into_values().collect());
            let single: Vec<(u32, u32)> =
                (0u32..).zip(&nodes).filter(|(_, n)| n.1 > 4).map(|(i, _)| (i, i)).collect();
            let plan = limited(plan, size, gap.map(Duration::from_secs), &single);
            Case { plan, fates: nodes.into_iter().map(|n| n.0).collect() }
        },
    )
}

/// Carries a plan out with the given fates, as the engine would, and checks limits and order on the way.
fn carry_out(case: &Case) -> (Progress, Vec<(Timestamp, Event)>) {
    let mut progress = Progress::new(Arc::new(case.plan.clone()));
    let mut log: Vec<(Timestamp, Event)> = Vec::new();
    let mut under_way: BTreeMap<(Timestamp, NodeId), Event> = BTreeMap::new();
    let mut starts: Vec<Timestamp> = Vec::new();
    let mut now = at(0);
    loop {
        let next = progress.next(now);
        for node in &next.start {
            let attempt = progress.attempts(*node) + 1;
            assert_started_lawfully(&progress, *node, now);
            let event = Event::Intended { node: *node, attempt };
            progress.apply(&event, now).unwrap();
            log.push((now, event));
            let id = node.0;
            let (after, event) = match (case.fates[node.index()], attempt) {
                (Fate::Done, _) | (Fate::RetriedOnce, 2..) => (1, settled(id)),
                (Fate::DoneLate, _) => (7, settled(id)),
                (Fate::Failed, _) => (2, failed(id)),
                (Fate::InDoubt, _) => (3, doubt(id)),
                (Fate::RetriedOnce, _) => {
                    let failure = Failure::Failed("once".to_owned());
                    (1, Event::Retrying { node: *node, failure, at: now.after(Duration::from_secs(3)) })
                }
            };
            under_way.insert((now.after(Duration::from_secs(after)), *node), event);
            if attempt == 1 && case.plan.legs[node.index()].slots.len() == 1 {
                starts.push(now);
            }
        }
        let limit = &case.plan.limits[0];
        let limited = |n: NodeId| case.plan.legs[n.index()].slots.len() == 1;
        let busy = progress.nodes(|s| matches!(s, Status::Running | Status::Retrying(_)));
        assert!(
            busy.filter(|n| limited(*n)).count() <= limit.size as usize,
            "no more than the limit at once"
        );
        if let Some(gap) = limit.gap {
            let size = limit.size as usize;
            assert!(starts.windows(size + 1).all(|w| w[size] >= w[0].after(gap)), "{starts:?}");
        }
        if !next.start.is_empty() {
            continue;
        }
        let ends = under_way.first_key_value().map(|((at, _), _)| *at);
        let Some(then) = ends.into_iter().chain(next.wake).min() else { break };
        assert!(then > now, "time goes on");
        now = then;
        while let Some(entry) = under_way.first_entry().filter(|e| e.key().0 <= now) {
            let event = entry.remove();
            progress.apply(&event, now).unwrap();
            log.push((now, event));
        }
    }
    (progress, log)
}

fn assert_started_lawfully(progress: &Progress, node: NodeId, now: Timestamp) {
    for edge in progress.plan().edges.iter().filter(|e| e.to == node) {
        let lawful = match (edge.on, progress.status(edge.from)) {
            (On::Done, Status::Done) | (On::Failed, Status::Failed) => {
                progress.ended_at(edge.from).is_none_or(|ended| now >= ended.after(edge.plus))
            }
            (On::Started, _) if progress.started_at(edge.from).is_some() => {
                progress.started_at(edge.from).is_some_and(|started| now >= started.after(edge.plus))
            }
            (On::Started, Status::Done) => true,
            (On::Done | On::Started, _) => edge.if_failed == IfFailed::Continue,
            (On::Failed, _) => false,
        };
        assert!(lawful, "{node} started against {edge:?}, which is {:?}", progress.status(edge.from));
    }
}

/// Which nodes run follows from the plan and the fates alone, edge by edge.
fn expected_to_run(case: &Case) -> Vec<bool> {
    #[derive(Clone, Copy, PartialEq)]
    enum End {
        Done,
        Failed,
        InDoubt,
        NotRun,
    }
    let mut ends: Vec<End> = Vec::new();
    for (index, node) in case.plan.nodes.iter().enumerate() {
        let runs = case.plan.edges.iter().filter(|e| e.to.index() == index).all(|e| {
            let from = ends[e.from.index()];
            match e.on {
                On::Started => from != End::NotRun || e.if_failed == IfFailed::Continue,
                On::Done => from == End::Done || e.if_failed == IfFailed::Continue,
                On::Failed => from == End::Failed,
            }
        });
        ends.push(match (runs, &node.work, case.fates[index]) {
            (false, _, _) => End::NotRun,
            (true, Work::Join, _) | (true, _, Fate::Done | Fate::DoneLate | Fate::RetriedOnce) => End::Done,
            (true, _, Fate::Failed) => End::Failed,
            (true, _, Fate::InDoubt) => End::InDoubt,
        });
    }
    ends.iter().map(|e| *e != End::NotRun).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_node_that_shall_run_runs_and_every_other_one_says_why_not(case in case()) {
        let (progress, _) = carry_out(&case);
        let ran: Vec<bool> = statuses(&progress).iter().map(|s| match s {
            Status::Done | Status::Failed | Status::InDoubt => true,
            Status::Blocked(_) | Status::NotNeeded => false,
            Status::Pending | Status::Running | Status::Waiting | Status::Retrying(_) => {
                panic!("nothing is left open, but {s:?} is")
            }
        }).collect();
        prop_assert_eq!(ran, expected_to_run(&case));
        let summary = progress.summary();
        let (done, failed, doubt) = (summary.done, summary.failed.len(), summary.in_doubt.len());
        prop_assert_eq!(done + failed + doubt + summary.not_run.len(), summary.of);
        prop_assert!(summary.not_run.iter().all(|n| n.because.is_some()));
    }

    #[test]
    fn the_same_plan_and_fates_give_the_same_run(case in case()) {
        prop_assert_eq!(carry_out(&case).1, carry_out(&case).1);
    }

    #[test]
    fn a_run_taken_up_after_any_record_may_start_what_the_first_one_might(case in case(), cut in any::<prop::sample::Index>()) {
        let (_, log) = carry_out(&case);
        let cut = cut.index(log.len() + 1);
        let mut progress = Progress::new(Arc::new(case.plan.clone()));
        for (at, event) in &log[..cut] {
            progress.apply(event, *at).unwrap();
        }
        let now = log.get(cut.saturating_sub(1)).map_or(at(0), |l| l.0);
        let mut again = progress.clone();
        again.apply(&taken(), now).unwrap();
        prop_assert_eq!(progress.next(now), again.next(now));
        let open = |p: &Progress| p.nodes(Status::is_open).collect::<Vec<_>>();
        prop_assert_eq!(open(&progress), open(&again));
    }
}

#[test]
fn ten_thousand_steps_cost_next_to_nothing() {
    // A thousand legs of ten steps, ten at once: counted, not timed, by what `next` is asked.
    let legs: Vec<(u32, u32)> = (0..1000).map(|l| (l * 10, l * 10 + 9)).collect();
    let edges = (0..10_000u32).filter(|n| n % 10 != 9).map(|n| done(n, n + 1)).collect();
    let mut progress = Progress::new(Arc::new(limited(plan(acts(10_000), edges), 10, None, &legs)));
    let mut rounds = 0;
    loop {
        let start = progress.next(at(rounds)).start;
        if start.is_empty() {
            break;
        }
        assert!(start.len() <= 10);
        for node in &start {
            progress.apply(&intended(node.0), at(rounds)).unwrap();
        }
        for node in start {
            progress.apply(&settled(node.0), at(rounds)).unwrap();
        }
        rounds += 1;
    }
    assert_eq!(rounds, 1000);
    assert_eq!(outcome(&progress, false), Outcome::Completed);
}

/// Runners on two machines, of which the second one's clock is an hour behind; then the first one again.
#[test]
fn a_clock_that_is_behind_holds_nothing_up_and_no_time_goes_back() {
    let pause = Edge { plus: Duration::from_secs(5), ..done(0, 1) };
    let mut progress = Progress::new(Arc::new(plan(acts(3), vec![pause])));
    let again = Event::Retrying { node: NodeId(2), failure: Failure::NoAnswer("x".to_owned()), at: at(3640) };
    for (second, event) in
        [(3600, taken()), (3601, intended(0)), (3601, intended(2)), (3610, settled(0)), (3612, again)]
    {
        progress.apply(&event, at(second)).unwrap();
    }
    progress.apply(&taken(), at(10)).unwrap();
    let next = progress.next(at(10));
    assert_eq!((next.start.len(), next.wake), (0, Some(at(13))), "3615 by the clock before");
    assert_eq!(may_start(&progress, 13), [1]);
    progress.apply(&intended(1), at(13)).unwrap();
    progress.apply(&settled(1), at(20)).unwrap();
    assert_eq!(may_start(&progress, 37), [] as [u32; 0]);
    assert_eq!(may_start(&progress, 38), [2]);
    let (began, ended) = (progress.started_at(NodeId(1)).unwrap(), progress.ended_at(NodeId(1)).unwrap());
    assert_eq!((ended.since(began), progress.took()), (Duration::from_secs(7), Duration::from_secs(22)));
    // Whoever has the right time goes on in it.
    progress.apply(&taken(), at(7200)).unwrap();
    progress.apply(&Event::Intended { node: NodeId(2), attempt: 2 }, at(7201)).unwrap();
    assert_eq!(progress.started_at(NodeId(1)), Some(at(3615)));
    assert_eq!(progress.took(), Duration::from_secs(3601));
}
