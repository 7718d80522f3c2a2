//! Tests of the rehearsal: what is learned, what is drawn, what waits, and what one failure holds up.

use super::history::{Quantiles, rank};
use super::times::{Expected, drawn, expected, middle, waited};
use super::*;
use crate::base::Timestamp;
use crate::domain::{Condition, IfFailed, Readiness, Role, State, Wait};
use crate::plan::{Edge, Member, On, Plan, Work};
use crate::run::sample::{act, done, edge, limited, plan, quiet, ready, replica};
use crate::run::{Event, How, Status};
use proptest::prelude::*;
use std::sync::Arc;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

/// A plan of single actions with a member for each, as a planner would make it.
fn with_members(mut plan: Plan) -> Plan {
    let member = |position: usize| Member {
        replica: replica(position),
        plan: None,
        now: Condition::Whole(State::Ready),
        then: State::Failover,
        halts_before: None,
        wave: 1,
        legs: vec![crate::plan::LegId(u32::try_from(position).unwrap())],
        loses: Vec::new(),
        rpo: None,
        typical: Duration::ZERO,
        both_may_run: None,
    };
    plan.members = (0..plan.legs.len()).map(member).collect();
    plan
}

fn stage(plan: Plan) -> Stage {
    Stage::new(Arc::new(plan), at(1000)).unwrap()
}

fn rehearsed(plan: Plan, chance: Chance) -> Rehearsal {
    let (stage, history) = (stage(plan), History::default());
    let expected = expected(stage.plan(), &history);
    let base = stage.walk(&middle(&expected), None).unwrap();
    let found = timed(&stage, &base, (&expected, &history), &BTreeMap::new(), chance).unwrap();
    Rehearsal { failures: failures(&stage, &expected).unwrap(), ..found }
}

fn events(times: &[(u32, i64, i64)]) -> Vec<(Timestamp, Event)> {
    let mut events = Vec::new();
    for (node, from, to) in times {
        let node = NodeId(*node);
        events.push((at(*from), Event::Intended { node, attempt: 1 }));
        events.push((at(*to), Event::Settled { node, how: How::Performed, moved: None }));
    }
    events
}

fn learn(history: &mut History, plan: &Plan, events: &[(Timestamp, Event)]) {
    history.learn(plan, events.iter().map(|(at, event)| (*at, event)));
}

#[test]
fn a_time_is_learned_at_the_replica_itself_or_at_others_and_not_from_too_few() {
    let two = plan(vec![act(0), act(1)], Vec::new());
    let mut history = History::default();
    learn(&mut history, &two, &events(&[(0, 0, 4)]));
    learn(&mut history, &two, &events(&[(0, 0, 6)]));
    assert_eq!(history.of(&two, NodeId(0)), None, "two are too few");
    learn(&mut history, &two, &events(&[(0, 0, 20)]));
    let found = Quantiles { p50: secs(6), p95: secs(20) };
    assert_eq!(history.of(&two, NodeId(0)), Some((found, Known::Own)));
    assert_eq!(history.of(&two, NodeId(1)), Some((found, Known::Others)));
    assert_eq!(history.runs(), 3);
    let all = expected(&two, &history);
    assert_eq!(middle(&all), [secs(6), secs(6)]);
}

#[test]
fn what_a_later_runner_found_or_a_person_said_is_no_measure() {
    let one = plan(vec![act(0)], Vec::new());
    let runner = || crate::run::Runner { person: "p".into(), host: "h".into(), version: "0".into() };
    let node = NodeId(0);
    let begun = (at(0), Event::Intended { node, attempt: 1 });
    let settled = |how| (at(9), Event::Settled { node, how, moved: None });
    let by_hand = How::ByHand { person: "p".into(), because: "b".into() };
    let mut history = History::default();
    for _ in 0..5 {
        learn(&mut history, &one, &[begun.clone(), settled(How::Found)]);
        learn(&mut history, &one, &[begun.clone(), settled(by_hand.clone())]);
        let taken = (at(5), Event::Taken { runner: runner() });
        learn(&mut history, &one, &[begun.clone(), taken, settled(How::Performed)]);
    }
    assert_eq!(history.of(&one, node), None);
}

#[test]
fn of_a_wait_the_time_until_the_answer_is_learned() {
    let wait = plan(vec![ready(0, 5, 60)], Vec::new());
    let mut history = History::default();
    let node = NodeId(0);
    let met = [(at(0), Event::Waiting { node }), (at(25), Event::Met { node })];
    (0..3).for_each(|_| learn(&mut history, &wait, &met));
    assert_eq!(history.of(&wait, node).unwrap().0.p50, secs(20));
    let walked = stage(wait.clone()).walk(&middle(&expected(&wait, &history)), None).unwrap();
    assert_eq!(walked.took(), secs(25), "and the rehearsed wait is as long as the measured ones");
}

#[test]
fn half_of_the_drawn_times_are_below_the_middle_and_a_twentieth_above_the_late_one() {
    let of = Quantiles { p50: secs(20), p95: secs(60) };
    let mut times: Vec<Duration> = (0..20_000).map(|draw| draw::Luck::of(7, draw).time(of)).collect();
    times.sort_unstable();
    let near = |percent, wanted: u64| {
        let found = rank(&times, percent).unwrap().as_millis();
        assert!(found.abs_diff(wanted) < wanted / 20, "{percent}: {found} is not near {wanted}");
    };
    near(50, 20_000);
    near(95, 60_000);
    let certain = Quantiles { p50: secs(3), p95: secs(3) };
    assert_eq!(draw::Luck::of(1, 1).time(certain), secs(3));
}

#[test]
fn steps_of_one_draw_share_half_of_their_luck() {
    let of = Quantiles { p50: secs(100), p95: secs(200) };
    let (mut both, mut one) = (0, 0);
    for draw in 0..20_000 {
        let mut luck = draw::Luck::of(3, draw);
        let late = [luck.time(of) > of.p50, luck.time(of) > of.p50];
        one += u32::from(late[0]);
        both += u32::from(late[0] && late[1]);
    }
    // Of normal numbers that correlate by a half, a third are both above their middles; of those that do not, a quarter.
    let share = f64::from(both) / f64::from(one);
    assert!((share - 2.0 / 3.0).abs() < 0.02, "{share}");
}

#[test]
fn a_drawn_time_never_makes_its_step_fail_and_that_it_would_have_is_counted() {
    let late = Expected {
        of: Quantiles { p50: secs(50), p95: secs(200) },
        most: secs(60),
        known: Some(Known::Planned),
    };
    let all: Vec<_> = (0..200).map(|draw| drawn(&[late], 1, draw)).collect();
    assert!(all.iter().all(|(times, _)| times[0] <= secs(60)));
    assert!(all.iter().any(|(_, cut)| *cut) && all.iter().any(|(_, cut)| !cut));
}

#[test]
fn the_chain_has_no_gap_and_says_who_waited_for_a_place() {
    let three = plan(vec![act(0), act(1), quiet(5)], vec![done(1, 2)]);
    let found = rehearsed(limited(three, 1, None, &[(0, 0), (1, 1)]), Chance { seed: 1, draws: 9 });
    let stretches: Vec<_> = found.chain.iter().map(|s| (s.node.0, s.from, s.to)).collect();
    assert_eq!(stretches, [(0, secs(0), secs(1)), (1, secs(1), secs(2)), (2, secs(2), secs(7))]);
    assert_eq!(found.chain.iter().map(|s| s.place.is_some()).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(found.takes.typical, secs(7));
}

#[test]
fn a_delay_between_two_stands_on_the_chain_as_a_delay() {
    let edge = Edge { on: On::Started, plus: secs(30), ..done(0, 1) };
    let found = rehearsed(plan(vec![act(0), act(1)], vec![edge]), Chance { seed: 1, draws: 1 });
    let spent: Vec<_> = found.chain.iter().map(|s| (s.spent, s.took())).collect();
    assert_eq!(spent, [(Spent::Delay, secs(30)), (Spent::Steps, secs(1))]);
}

#[test]
fn one_seed_gives_the_same_and_more_draws_do_not_change_what_is_not_drawn() {
    let works = || with_members(plan(vec![act(0), act(1), ready(2, 1, 60)], vec![done(0, 1), done(1, 2)]));
    let few = rehearsed(works(), Chance { seed: 5, draws: 50 });
    assert_eq!(few, rehearsed(works(), Chance { seed: 5, draws: 50 }));
    let more = rehearsed(works(), Chance { seed: 5, draws: 500 });
    assert_eq!(
        (few.takes.typical, &few.chain, &few.failures),
        (more.takes.typical, &more.chain, &more.failures)
    );
    assert!(more.takes.longest >= few.takes.longest, "the first draws are among the more");
    let other = rehearsed(works(), Chance { seed: 6, draws: 50 });
    assert_eq!(few.failures, other.failures);
    assert_ne!(few.takes, other.takes);
}

#[test]
fn a_failure_says_when_it_is_given_up_what_it_holds_up_and_how_the_run_ends() {
    let edges = vec![done(0, 1), done(1, 2)];
    let found = rehearsed(
        with_members(plan(vec![act(0), act(1), act(2), act(3)], edges)),
        Chance { seed: 1, draws: 1 },
    );
    let first = &found.failures[0];
    // Three attempts of a second each, two and four seconds between them.
    assert_eq!((first.node, first.at), (NodeId(0), Some(secs(9))));
    assert_eq!(first.held, [replica(1), replica(2)]);
    assert_eq!((first.through, first.outcome, first.stops), (1, Outcome::Failed, false));
    let last = found.failures.last().unwrap();
    assert!(last.held.is_empty());
}

#[test]
fn a_failure_that_stops_everything_says_so_and_one_with_an_answer_is_an_exception() {
    let stop = vec![edge(0, 1, On::Done, IfFailed::Stop)];
    let works = || vec![act(0), act(1), act(2), quiet(60)];
    let mut found = rehearsed(with_members(plan(works(), stop)), Chance { seed: 1, draws: 1 }).failures;
    found.sort_by_key(|w| w.node);
    assert!(found[0].stops && !found[1].stops);
    let mut answered =
        with_members(plan(vec![act(0), act(1)], vec![edge(0, 1, On::Failed, IfFailed::Block)]));
    answered.legs[1].only_on_failure = true;
    answered.members.pop();
    answered.members[0].legs.push(crate::plan::LegId(1));
    let found = rehearsed(answered, Chance { seed: 1, draws: 1 });
    assert_eq!(found.failures.len(), 1, "what runs only on a failure does not fail by itself");
    assert_eq!(found.failures[0].outcome, Outcome::CompletedWithExceptions);
}

#[test]
fn waits_that_can_run_out_and_the_steps_before_them_fail_each_by_themselves() {
    let works = vec![act(0), act(0), ready(0, 0, 30), quiet(5), act(1)];
    let mut plan = plan(works, vec![done(0, 1), done(1, 2), done(2, 3), done(3, 4)]);
    for node in &mut plan.nodes[..4] {
        node.leg = Some(crate::plan::LegId(0));
    }
    let shape = Shape::new(&plan);
    let chosen: Vec<u32> = what_if::subjects(&plan, &shape).iter().map(|n| n.0).collect();
    assert_eq!(chosen, [1, 2, 4], "two steps that mean the same are one; a time of quiet cannot fail");
}

#[test]
fn a_machine_is_asked_now_and_then_and_must_go_on_answering() {
    let readiness = |stable, every, within| Readiness::guest(secs(stable), secs(every), secs(within));
    let waited = |readiness: &Readiness, answers| waited(readiness, Some(answers));
    assert_eq!(waited(&readiness(0, 2, 60), secs(5)), (secs(6), true));
    assert_eq!(waited(&readiness(4, 2, 60), secs(5)), (secs(10), true));
    assert_eq!(waited(&readiness(4, 2, 9), secs(5)), (secs(9), false));
    assert_eq!(waited(&readiness(0, 20, 30), secs(29)), (secs(30), true), "it is asked once more at the end");
    assert_eq!(waited(&readiness(0, 20, 30), secs(31)), (secs(30), false));
    for (stable, every, within) in [(0, 2, 60), (4, 7, 60), (5, 2, 5), (0, 60, 30)] {
        let wait = Wait::Ready {
            replica: replica(0),
            vm: Role::Replica,
            readiness: Box::new(readiness(stable, every, within)),
        };
        let most = expected(&plan(vec![Work::Wait(wait)], Vec::new()), &History::default())[0].most;
        let of = readiness(stable, every, within);
        assert!(waited(&of, most).1, "the longest that counts as ready is ready");
        assert!(!waited(&of, most.plus(Duration::from_millis(1))).1, "and nothing longer is");
    }
}

/// A random plan of single actions, whose edges block or go on; and one of them, which fails.
fn case() -> impl Strategy<Value = (Plan, NodeId)> {
    (2usize..12).prop_flat_map(|count| {
        let pairs = proptest::collection::vec((0..count, 0..count, any::<bool>(), any::<bool>()), 0..24);
        (pairs, 0..count).prop_map(move |(pairs, fails)| {
            let edges = pairs.into_iter().filter(|(a, b, ..)| a < b).map(|(from, to, start, on)| {
                let id = |n: usize| u32::try_from(n).unwrap();
                let (on_what, if_failed) = (
                    if start { On::Started } else { On::Done },
                    if on { IfFailed::Continue } else { IfFailed::Block },
                );
                edge(id(from), id(to), on_what, if_failed)
            });
            let plan = with_members(plan((0..count).map(act).collect(), edges.collect()));
            (plan, NodeId(u32::try_from(fails).unwrap()))
        })
    })
}

/// Who cannot run when a node fails, straight from the rules of the edges: whoever waits, with an edge that blocks, for the end of what failed,
/// or for anything of what cannot run.
fn dependants(plan: &Plan, fails: NodeId) -> Vec<NodeId> {
    let mut out: Vec<NodeId> = Vec::new();
    for node in plan.node_ids() {
        let blocks = |e: &&Edge| {
            let ended = e.from == fails && e.on == On::Done;
            e.to == node && e.if_failed == IfFailed::Block && (ended || out.contains(&e.from))
        };
        if node != fails && plan.edges.iter().any(|e| blocks(&e)) {
            out.push(node);
        }
    }
    out
}

proptest! {
    #[test]
    fn a_failure_holds_up_exactly_those_that_depend_on_it((plan, fails) in case()) {
        let stage = stage(plan.clone());
        let times = vec![secs(1); plan.nodes.len()];
        let walked = stage.walk(&times, Some(fails)).unwrap();
        let blocked: Vec<NodeId> = walked.nodes(|s| matches!(s, Status::Blocked(_))).collect();
        prop_assert_eq!(&blocked, &dependants(&plan, fails));
        let found = what_if::what_if(&stage, &times, fails).unwrap();
        let names: Vec<ReplicaName> = blocked.iter().map(|n| replica(n.index())).collect();
        let mut sorted = names;
        sorted.sort();
        prop_assert_eq!(found.through, plan.nodes.len() - 1 - sorted.len());
        prop_assert_eq!(found.held, sorted);
    }

    #[test]
    fn the_chain_fills_the_whole_time((plan, _) in case(), millis in proptest::collection::vec(1u64..9_000, 12)) {
        let stage = stage(plan.clone());
        let times: Vec<Duration> = millis.into_iter().map(Duration::from_millis).collect();
        let walked = stage.walk(&times, None).unwrap();
        let shape = Shape::new(&plan);
        let line = Timeline::new(&walked, &shape);
        let chain = line.chain();
        prop_assert_eq!(chain.first().map(|s| s.from), Some(Duration::ZERO));
        prop_assert_eq!(chain.last().map(|s| s.to), Some(line.total()));
        prop_assert!(chain.windows(2).all(|w| w[0].to == w[1].from));
        prop_assert_eq!(line.total(), walked.took());
    }
}
