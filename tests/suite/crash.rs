//! Killed between any two records, and after any effect whose answer is lost: the run is taken up again, reaches the same end, and does
//! nothing twice. Every operation, on a plan of three.

use crate::world::{Faults, NAMES, World, desired, name, noon, planned, ready};
use lifeboat::base::{Duration, ReplicaName, RunId};
use lifeboat::domain::{Condition, Facts, FailbackTarget, State, condition};
use lifeboat::engine::{Aids, Crash, EngineError, Run, Word, by_hand, drive, stop_signal};
use lifeboat::journal::{Frozen, Journal, Runs};
use lifeboat::model::{Desired, Keep, Via};
use lifeboat::plan::Plan;
use lifeboat::port::Clock;
use lifeboat::provider::sim::clock::VirtualClock;
use lifeboat::run::{Outcome, Progress, Runner, Status};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

pub type World3 = BTreeMap<ReplicaName, Facts>;

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

fn runner() -> Runner {
    Runner { person: "tester".to_owned(), host: "here".to_owned(), version: "0".to_owned() }
}

pub fn freeze(folder: &Path, plan: &Plan) -> RunId {
    let run: RunId = "run-1".parse().unwrap();
    let frozen = Frozen {
        format: 1,
        run: run.clone(),
        plan: plan.clone(),
        setup: serde_json::Value::Null,
        documents: Vec::new(),
        seal: None,
        sealed: None,
        confirmed: None,
        admission: None,
        before: None,
    };
    Runs::new(folder).create(&frozen).unwrap();
    run
}

/// Takes the run up, as a new process would: everything it knows comes from the folder.
pub fn go_on(
    folder: &Path,
    run: &RunId,
    world: &Arc<World>,
    clock: &VirtualClock,
    crash: Option<Crash>,
) -> Result<(Outcome, Progress), EngineError> {
    let (found, mut journal) = Runs::new(folder).open(run).unwrap();
    if let Some(outcome) = found.progress.outcome().filter(|_| found.progress.is_over()) {
        return Ok((outcome, found.progress));
    }
    let (_stopper, stop) = stop_signal();
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    let provider = Arc::clone(world) as Arc<dyn lifeboat::port::Provider>;
    let ended = runtime().block_on(drive(Run {
        id: run.clone(),
        runner: runner(),
        progress: found.progress,
        journal: &mut journal,
        provider,
        aids: Aids::default(),
        clock,
        stop,
        grace: Duration::from_secs(60),
        deadline: None,
        watch: &mut |_, _, _| {},
        crash,
    }))?;
    Ok((ended.outcome, ended.progress))
}

/// The operations, each as facts to start from and a desired state that it leads to.
fn operations() -> Vec<(&'static str, World3, Desired)> {
    let target = FailbackTarget::Original;
    let at = |state, keep, via| desired(state, keep, via, &target);
    let ready: World3 = NAMES.iter().map(|n| (name(n), ready(n))).collect();
    let over = reach(&ready, &at(State::Failover, None, Via::Planned));
    let synced = reach(&over, &at(State::ReadyToSwitch, None, Via::Planned));
    let switched = reach(&over, &at(State::Failback, None, Via::Planned));
    let fresh = ready.iter().map(|(n, f)| {
        let facts = Facts { points: Vec::new(), replica: lifeboat::domain::Sight::Absent, ..f.clone() };
        (n.clone(), facts)
    });
    vec![
        ("replicate", fresh.collect(), at(State::Ready, None, Via::Planned)),
        ("failover", ready.clone(), at(State::Failover, None, Via::Unplanned)),
        ("planned failover", ready, at(State::Failover, None, Via::Planned)),
        ("undo failover", over.clone(), at(State::Ready, Some(Keep::Source), Via::Planned)),
        ("permanent failover", over.clone(), at(State::Permanent, None, Via::Planned)),
        ("failback", over.clone(), at(State::ReadyToSwitch, None, Via::Planned)),
        ("switchover", synced.clone(), at(State::Failback, None, Via::Planned)),
        ("commit failback", switched.clone(), at(State::Ready, None, Via::Planned)),
        ("undo failback", switched, at(State::Failover, Some(Keep::Replica), Via::Planned)),
        ("undo failback before the switchover", synced, at(State::Failover, None, Via::Planned)),
        ("failback to a recovered machine", over, {
            let recovered = FailbackTarget::Recovered(crate::world::vm("prod", "x"));
            desired(State::Ready, Some(Keep::Replica), Via::Planned, &recovered)
        }),
    ]
}

fn reach(facts: &World3, wanted: &Desired) -> World3 {
    let folder = crate::world::folder();
    let plan = planned(facts, wanted, noon()).unwrap();
    let clock = VirtualClock::new(noon());
    let world = Arc::new(World::new(facts.clone(), Faults::default(), Arc::new(clock.clone())));
    let run = freeze(folder.path(), &plan);
    let (outcome, progress) = go_on(folder.path(), &run, &world, &clock, None).unwrap();
    assert_eq!(outcome, Outcome::Completed, "{:?}", progress.summary());
    world.facts()
}

/// Only what a person would compare: times differ between runs.
fn essence(facts: &World3) -> Vec<(ReplicaName, Condition, Vec<String>, Option<bool>)> {
    let one = |(n, f): (&ReplicaName, &Facts)| {
        let points = f.points.iter().map(|p| p.id.to_string()).collect();
        (n.clone(), condition(f), points, f.source.runs())
    };
    facts.iter().map(one).collect()
}

pub fn no_effect_twice(world: &World, what: &str) {
    let effects = world.effects();
    let once: BTreeSet<&u32> = effects.iter().map(|(node, _)| node).collect();
    assert_eq!(once.len(), effects.len(), "{what}: an effect happened twice in {effects:#?}");
}

#[test]
fn killed_between_any_two_records_and_taken_up_again() {
    let mut kills = 0;
    for (what, facts, wanted) in operations() {
        let plan = planned(&facts, &wanted, noon()).unwrap();
        let end = essence(&reach(&facts, &wanted));
        for position in 1.. {
            let folder = crate::world::folder();
            let run = freeze(folder.path(), &plan);
            let clock = VirtualClock::new(noon());
            let world = Arc::new(World::new(facts.clone(), Faults::default(), Arc::new(clock.clone())));
            let crash = Some(Crash::AfterEvents(position));
            let died = go_on(folder.path(), &run, &world, &clock, crash);
            if died.is_ok() {
                break;
            }
            kills += 1;
            let (outcome, _) = go_on(folder.path(), &run, &world, &clock, None).unwrap();
            assert_eq!(outcome, Outcome::Completed, "{what} killed after record {position}");
            assert_eq!(essence(&world.facts()), end, "{what} killed after record {position}");
            no_effect_twice(&world, what);
        }
    }
    assert!(kills > 500, "{kills} kills");
}

#[test]
fn killed_after_any_effect_before_it_is_recorded() {
    let mut kills = 0;
    for (what, facts, wanted) in operations() {
        let plan = planned(&facts, &wanted, noon()).unwrap();
        let end = essence(&reach(&facts, &wanted));
        for position in 1.. {
            let folder = crate::world::folder();
            let run = freeze(folder.path(), &plan);
            let clock = VirtualClock::new(noon());
            let world = Arc::new(World::new(facts.clone(), Faults::default(), Arc::new(clock.clone())));
            let died = go_on(folder.path(), &run, &world, &clock, Some(Crash::AfterEffects(position)));
            if died.is_ok() {
                break;
            }
            kills += 1;
            let (outcome, _) = go_on(folder.path(), &run, &world, &clock, None).unwrap();
            assert_eq!(outcome, Outcome::Completed, "{what} killed after effect {position}");
            assert_eq!(essence(&world.facts()), end, "{what} killed after effect {position}");
            no_effect_twice(&world, what);
        }
    }
    assert!(kills > 200, "{kills} kills");
}

#[test]
fn every_answer_lost_and_every_step_failing_once_changes_nothing() {
    for (what, facts, wanted) in operations() {
        let plan = planned(&facts, &wanted, noon()).unwrap();
        let end = essence(&reach(&facts, &wanted));
        for (lost, fails) in [(true, false), (false, true)] {
            let all: BTreeSet<usize> = (1..10_000).collect();
            let odd: BTreeSet<usize> = (1..10_000).filter(|n| n % 2 == 1).collect();
            let faults = Faults {
                lost_answers: if lost { all } else { BTreeSet::new() },
                failures: if fails { odd } else { BTreeSet::new() },
                ..Faults::default()
            };
            let folder = crate::world::folder();
            let run = freeze(folder.path(), &plan);
            let clock = VirtualClock::new(noon());
            let world = Arc::new(World::new(facts.clone(), faults, Arc::new(clock.clone())));
            let (mut outcome, _) = go_on(folder.path(), &run, &world, &clock, None).unwrap();
            if fails {
                // Three requests at once may each hit the odd ones until their attempts are used up; a person goes on.
                for _ in 0..10 {
                    if outcome == Outcome::Completed {
                        break;
                    }
                    reopen(folder.path(), &run);
                    outcome = go_on(folder.path(), &run, &world, &clock, None).unwrap().0;
                }
                assert!(outcome.is_final(), "{what}: {outcome:?}");
            } else {
                assert_eq!(outcome, Outcome::Completed, "{what}");
            }
            assert_eq!(essence(&world.facts()), end, "{what}");
            no_effect_twice(&world, what);
        }
    }
}

fn reopen(folder: &Path, run: &RunId) {
    let (found, mut journal) = Runs::new(folder).open(run).unwrap();
    let failed = found.progress.nodes(|s| s == Status::Failed);
    let events: Vec<_> = failed.map(|n| (noon(), by_hand(n, Word::Retry, "tester", "resumed"))).collect();
    journal.append(&events).unwrap();
}

#[test]
fn what_cannot_be_seen_is_in_doubt_and_a_person_settles_it() {
    let facts: World3 = NAMES.iter().map(|n| (name(n), ready(n))).collect();
    let wanted = desired(State::Failover, None, Via::Unplanned, &FailbackTarget::Original);
    let plan = planned(&facts, &wanted, noon()).unwrap();
    let folder = crate::world::folder();
    let run = freeze(folder.path(), &plan);
    let clock = VirtualClock::new(noon());
    let faults = Faults { lost_answers: [4].into(), blind: true, ..Faults::default() };
    let world = Arc::new(World::new(facts, faults, Arc::new(clock.clone())));
    let (outcome, progress) = go_on(folder.path(), &run, &world, &clock, None).unwrap();
    assert_eq!(outcome, Outcome::InDoubt);
    let doubt: Vec<_> = progress.nodes(|s| s == Status::InDoubt).collect();
    assert_eq!(doubt.len(), 1);
    let (_, mut journal) = Runs::new(folder.path()).open(&run).unwrap();
    let word = by_hand(doubt[0], Word::Done, "tester", "seen on the console");
    journal.append(&[(clock.now(), word)]).unwrap();
    world.set_faults(Faults::default());
    let (outcome, _) = go_on(folder.path(), &run, &world, &clock, None).unwrap();
    assert_eq!(outcome, Outcome::CompletedWithExceptions);
    no_effect_twice(&world, "settled by hand");
    assert!(world.facts().values().all(|f| condition(f) == Condition::Whole(State::Failover)));
}

#[test]
fn a_machine_that_never_gets_ready_blocks_what_depends_on_it_and_nothing_else() {
    let facts: World3 = NAMES.iter().map(|n| (name(n), ready(n))).collect();
    let over = reach(&facts, &desired(State::Failover, None, Via::Planned, &FailbackTarget::Original));
    let wanted = desired(State::Ready, Some(Keep::Replica), Via::Planned, &FailbackTarget::Original);
    let plan = planned(&over, &wanted, noon()).unwrap();
    let folder = crate::world::folder();
    let run = freeze(folder.path(), &plan);
    let clock = VirtualClock::new(noon());
    let faults = Faults { never_ready: [crate::world::vm("prod", "web")].into(), ..Faults::default() };
    let world = Arc::new(World::new(over, faults, Arc::new(clock.clone())));
    let (outcome, _) = go_on(folder.path(), &run, &world, &clock, None).unwrap();
    // Its verification failed, so its failback is undone, and nothing of the group is committed.
    assert_eq!(outcome, Outcome::CompletedWithExceptions);
    let found: Vec<_> = world.facts().values().map(condition).collect();
    assert_eq!(found[2], Condition::Whole(State::Failover), "web is back at the recovery site");
    assert_eq!(found[0], Condition::Whole(State::Failback), "app waits for a person");
}
