//! The engine's run and the walk on the fold are one and the same: the same nodes at the same times, with the same end.

use super::*;
use crate::domain::{Ask, AtEnd, Check, IfFailed, Probe, Question, Script, Silence, When};
use crate::plan::{Around, Edge, Gate, Hook, On};
use crate::run::sample::{act, edge, limited, name, plan, quiet, ready};
use proptest::prelude::*;

/// A random plan of actions, waits and joins, with edges of all kinds, a limit, and times without equals.
fn case() -> impl Strategy<Value = (Plan, Vec<Duration>, Option<NodeId>)> {
    (2usize..14).prop_flat_map(|count| {
        let kinds = proptest::collection::vec(0u8..11, count);
        let pairs = proptest::collection::vec((0..count, 0..count, 0u8..8, 0u64..3), 0..28);
        let times = proptest::collection::vec(0u64..20_000, count);
        let limit = (1u32..4, any::<bool>());
        (kinds, pairs, times, limit, proptest::option::of(0..count)).prop_map(build)
    })
}

type Parts = (Vec<u8>, Vec<(usize, usize, u8, u64)>, Vec<u64>, (u32, bool), Option<usize>);

fn build((kinds, pairs, times, (size, gap), fails): Parts) -> (Plan, Vec<Duration>, Option<NodeId>) {
    let id = |n: usize| u32::try_from(n).unwrap();
    let works: Vec<Work> = kinds
        .iter()
        .enumerate()
        .map(|(position, kind)| match kind {
            0 => Work::Join,
            1 => quiet(times[position] / 1000),
            2 => ready(position, times[position] / 4000, 30),
            3 => asked(position, times[position]),
            8 => hook(position),
            9 => gate(position),
            10 => name(position, position.is_multiple_of(2)),
            _ => act(position),
        })
        .collect();
    let edges = pairs.into_iter().filter(|(a, b, ..)| a < b).map(|(from, to, kind, plus)| {
        let (on, if_failed) = match kind {
            0 => (On::Failed, IfFailed::Block),
            1 => (On::Started, IfFailed::Block),
            2 => (On::Started, IfFailed::Continue),
            3 | 4 => (On::Done, IfFailed::Continue),
            5 if to % 3 == 0 => (On::Done, IfFailed::Stop),
            _ => (On::Done, IfFailed::Block),
        };
        let plus = if on == On::Failed { Duration::ZERO } else { Duration::from_millis(plus * 1_777) };
        Edge { plus, ..edge(id(from), id(to), on, if_failed) }
    });
    let acting: Vec<(u32, u32)> = works
        .iter()
        .enumerate()
        .filter(|(_, w)| matches!(w, Work::Act(_)))
        .map(|(n, _)| (id(n), id(n)))
        .collect();
    // Two that end in one moment may be heard of one after the other by the engine, and the first takes the place that is free.
    let apart = |(position, millis): (usize, u64)| Duration::from_millis(millis * 16 + position as u64 + 1);
    let fails = fails.filter(|n| match works[*n] {
        Work::Act(_) | Work::Hook(_) | Work::Gate(_) | Work::Cutover(_) | Work::Wait(Wait::Ready { .. }) => {
            true
        }
        Work::Wait(Wait::Until { .. } | Wait::Quiet { .. }) | Work::Join => false,
    });
    let gap = gap.then_some(Duration::from_secs(7));
    let plan = limited(plan(works, edges.collect()), size, gap, &acting);
    let times = times.into_iter().enumerate().map(apart).map(|t| t.min(Duration::from_secs(60))).collect();
    (plan, times, fails.map(|n| NodeId(id(n))))
}

/// A program before or after nothing in particular.
fn hook(position: usize) -> Work {
    let fence = position.is_multiple_of(3);
    let script = Script {
        run: vec!["true".to_owned()],
        check: None,
        proof: fence.then(|| vec!["true".to_owned()]),
        env: BTreeMap::new(),
        secrets: BTreeMap::new(),
        within: Duration::from_mins(5),
        repeatable: position.is_multiple_of(2),
    };
    Work::Hook(Box::new(Hook {
        name: "h".parse().unwrap(),
        when: if fence {
            When::Fence
        } else if position.is_multiple_of(4) {
            When::After
        } else {
            When::Before
        },
        around: Around::Plan("p".parse().unwrap()),
        operation: None,
        legs: Vec::new(),
        script,
    }))
}

/// A question that silence answers in one of its ways.
fn gate(position: usize) -> Work {
    let question = Question {
        ask: "so?".to_owned(),
        who: Vec::new(),
        groups: Vec::new(),
        within: Duration::from_secs(31),
        otherwise: [Silence::Stop, Silence::Continue, Silence::No][position % 3],
    };
    Work::Gate(Box::new(Gate { plan: "p".parse().unwrap(), name: "g".parse().unwrap(), question }))
}

/// A wait for a machine with several questions, put together in one way or another.
fn asked(position: usize, chance: u64) -> Work {
    let Work::Wait(Wait::Ready { replica, vm, mut readiness }) = ready(position, chance / 7000, 30) else {
        unreachable!("it is a wait for a machine")
    };
    let secs = Duration::from_secs;
    let one = |stable: u64, within: u64| {
        Ask::One(Check {
            probe: Probe::Guest,
            every: secs(1 + chance % 3),
            stable: secs(stable),
            within: secs(within),
        })
    };
    let of = vec![one(0, 4), one(chance % 5, 11), one(2, 40)];
    readiness.ask = match chance % 4 {
        0 => Ask::All(of),
        1 => Ask::Any(of),
        2 => Ask::AtLeast { count: 2, of },
        _ => Ask::Any(vec![one(9, 12), Ask::All(of)]),
    };
    readiness.otherwise = [AtEnd::Stop, AtEnd::Continue, AtEnd::Ask][position % 3];
    Work::Wait(Wait::Ready { replica, vm, readiness })
}

fn both(plan: &Arc<Plan>, times: &[Duration], fails: Option<NodeId>) -> (Progress, Progress) {
    let at = Timestamp::from_millis(1_000_000);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let engine = runtime.block_on(driven(plan, at, times, fails)).unwrap();
    (engine, Stage::new(Arc::clone(plan), at).unwrap().walk(times, fails).unwrap())
}

/// Everything that can be told of a run.
fn told(progress: &Progress) -> Vec<String> {
    let node = |id: NodeId| {
        let times = (progress.started_at(id), progress.ended_at(id), progress.attempts(id));
        format!("{id} {:?} {times:?}", progress.status(id))
    };
    let mut told: Vec<String> = progress.plan().node_ids().map(node).collect();
    told.push(format!("{:?} {:?} {:?}", progress.outcome(), progress.span(), progress.stopping()));
    told
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_walk_is_what_the_engine_does((plan, times, fails) in case()) {
        let (engine, walked) = both(&Arc::new(plan), &times, fails);
        prop_assert_eq!(told(&engine), told(&walked));
    }
}
