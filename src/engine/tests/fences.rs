//! Fences in a run: only a proof lets a machine start, it is asked again by whoever takes the run up, and what answers is not struck.

use super::aside::{Programs, hook, lab};
use super::*;
use crate::domain::{CopyFacts, Facts, IfFailed, Power, Relation, ReplicaDisk, VmFacts, When};
use crate::inventory::SiteSight;
use crate::plan::{Around, LegId};

/// A world in which the sources are seen so.
pub(super) fn seen(subjects: &[Subject], (source, answers): &(Sight, bool)) -> Inventory {
    let at = Timestamp::from_millis(0);
    let facts = |subject: &Subject| Facts {
        source: source.clone(),
        replica: Sight::Absent,
        target: None,
        points: Vec::new(),
        disk: ReplicaDisk::default(),
        relation: Relation::new(subject.placement.source.clone()),
        copy: CopyFacts::default(),
    };
    let one = |s: &Subject| (s.replica.clone(), Observed { facts: Some(facts(s)), ..observed() });
    let sight = SiteSight { at, silent: (!answers).then(|| "no route".to_owned()) };
    Inventory {
        at,
        sites: [("prod".parse().unwrap(), sight)].into(),
        replicas: subjects.iter().map(one).collect(),
    }
}

fn machine(power: Power) -> Sight {
    Sight::Present(VmFacts { power, links: Vec::new() })
}

fn fence() -> Work {
    let Work::Hook(mut hook) = hook(When::Fence, true) else { unreachable!("it is a hook") };
    (hook.script.run, hook.script.proof) = (vec!["off".to_owned()], Some(vec!["is-off".to_owned()]));
    (hook.around, hook.legs) = (Around::Site("prod".parse().unwrap()), vec![LegId(1)]);
    Work::Hook(hook)
}

/// What was run, in its order.
fn run(programs: &Programs) -> Vec<String> {
    programs.calls.lock().unwrap().iter().map(|call| call.argv[0].clone()).collect()
}

#[test]
fn only_the_proof_of_a_fence_lets_a_machine_start() {
    // The exit codes in their order, what is run, how the run ends, and whether the machine was started.
    for (codes, ran, outcome, starts) in [
        (&[0, 0][..], &["off", "is-off"][..], Outcome::Completed, true),
        (&[7, 0], &["off", "is-off"], Outcome::Completed, true),
        (&[0, 1, 0], &["off", "is-off", "is-off"], Outcome::Completed, true),
        (&[0, 1, 1, 0, 0], &["off", "is-off", "is-off", "off", "is-off"], Outcome::Completed, true),
        (&[0, 1, 1, 0, 1], &["off", "is-off", "is-off", "off", "is-off"], Outcome::Failed, false),
    ] {
        let (mut lab, programs) = lab(vec![fence(), act(1)], vec![done(0, 1)], codes);
        Arc::get_mut(&mut lab.plan).unwrap().nodes[0].attempts = 2;
        let ended = lab.go().unwrap();
        assert_eq!((ended.outcome, run(&programs)), (outcome, ran.iter().map(|r| (*r).to_owned()).collect()));
        assert_eq!(lab.asked() == [1], starts, "{codes:?}");
        let events = lab.journal.events();
        let proofs =
            events.iter().filter(|e| matches!(e, Event::Spoke { spoken, .. } if spoken.proof)).count();
        assert_eq!(proofs, ran.iter().filter(|r| **r == "is-off").count(), "each proof is kept");
    }
}

#[test]
fn a_fence_whose_runner_died_is_proven_first_and_not_struck_twice() {
    for (codes, ran) in [
        (&[0, 0, 0][..], &["off", "is-off", "is-off"][..]),
        (&[0, 0, 1, 0, 0], &["off", "is-off", "is-off", "off", "is-off"]),
    ] {
        let (mut lab, programs) = lab(vec![fence(), act(1)], vec![done(0, 1)], codes);
        lab.crash = Some(Crash::AfterEffects(1));
        assert!(matches!(lab.go(), Err(EngineError::Crashed)));
        lab.crash = None;
        assert_eq!(lab.go().unwrap().outcome, Outcome::Completed);
        assert_eq!(run(&programs), ran);
    }
}

#[test]
fn a_fence_may_be_killed_at_any_record() {
    for position in 1.. {
        let (mut lab, programs) = lab(vec![fence(), act(1)], vec![done(0, 1)], &[]);
        lab.crash = Some(Crash::AfterEvents(position));
        let died = lab.go().is_err();
        if !died || matches!(lab.journal.events().last(), Some(Event::Ended { .. })) {
            break;
        }
        lab.crash = None;
        assert_eq!(lab.go().unwrap().outcome, Outcome::Completed, "killed at {position}");
        let ran = run(&programs);
        assert!(ran.iter().filter(|r| *r == "off").count() <= 1, "killed at {position}: {ran:?}");
        assert!(lab.asked().len() <= 1, "killed at {position}");
    }
}

/// A run whose machine did not start after its fence was proven, with what its programs will say from then on.
fn failed_after_its_fence(later: &[i32]) -> (Lab, Arc<Programs>) {
    let (lab, programs) = lab(vec![fence(), act(1)], vec![done(0, 1)], &[]);
    let mut lab = lab.answers(1, (0..3).map(|_| fails()));
    assert_eq!(lab.go().unwrap().outcome, Outcome::Failed);
    assert_eq!((run(&programs), lab.asked()), (words(&["off", "is-off"]), vec![1, 1, 1]));
    programs.codes.lock().unwrap().extend(later);
    // Whoever resumes it wants the step tried again.
    let word = by_hand(NodeId(1), Word::Retry, "ann", "the run was resumed");
    lab.journal.batches.push(vec![(Timestamp::from_millis(0), word)]);
    (lab, programs)
}

fn words(all: &[&str]) -> Vec<String> {
    all.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn whoever_takes_a_run_up_asks_for_the_proof_again() {
    for (later, ran, outcome, starts) in [
        (&[0][..], &["is-off"][..], Outcome::Completed, 4),
        (&[1, 0, 0], &["is-off", "off", "is-off"], Outcome::Completed, 4),
        (&[1, 0, 1], &["is-off", "off", "is-off"], Outcome::Failed, 3),
    ] {
        let (mut lab, programs) = failed_after_its_fence(later);
        let ended = lab.go().unwrap();
        assert_eq!(run(&programs)[2..], words(ran));
        assert_eq!((ended.outcome, lab.asked().len()), (outcome, starts), "{later:?}");
        if outcome == Outcome::Failed {
            assert_eq!(ended.progress.status(NodeId(1)), Status::Blocked(NodeId(0)));
        }
        let again = lab.journal.events().into_iter().find_map(|event| match event {
            Event::Reopened { node: NodeId(0), person, because } => Some((person.clone(), because.clone())),
            _ => None,
        });
        let because = "the run was taken up, and its proof is from before".to_owned();
        assert_eq!(again, Some(("tester".to_owned(), because)));
    }
}

#[test]
fn what_is_over_needs_no_new_proof() {
    let (lab, programs) = lab(vec![fence(), act(1), act(2)], vec![done(0, 1), done(1, 2)], &[]);
    let mut lab = lab.answers(2, (0..3).map(|_| fails()));
    assert_eq!(lab.go().unwrap().outcome, Outcome::Failed);
    let word = by_hand(NodeId(2), Word::Retry, "ann", "the run was resumed");
    lab.journal.batches.push(vec![(Timestamp::from_millis(0), word)]);
    assert_eq!(lab.go().unwrap().outcome, Outcome::Completed);
    assert_eq!(run(&programs), words(&["off", "is-off"]));
}

#[test]
fn a_fence_that_is_not_needed_holds_no_second_attempt_up() {
    let edges = vec![edge(0, 1, On::Failed, IfFailed::Block), edge(1, 2, On::Done, IfFailed::Continue)];
    let (lab, programs) = lab(vec![act(0), fence(), act(2)], edges, &[]);
    let mut lab = lab.answers(2, [fails()]);
    let ended = lab.go().unwrap();
    assert_eq!((ended.outcome, run(&programs), lab.asked()), (Outcome::Completed, vec![], vec![0, 2, 2]));
    assert_eq!(ended.progress.status(NodeId(1)), Status::NotNeeded);
}

/// Killed at any record of the first runner and of the second: the machine never starts on a proof that is older than its runner.
#[test]
fn no_kill_lets_a_machine_start_on_an_old_proof() {
    let mut taken_back = 0;
    for first in 1..12 {
        for second in 1..12 {
            let (lab, programs) = lab(vec![fence(), act(1)], vec![done(0, 1)], &[]);
            let mut lab = lab.answers(1, [fails()]);
            lab.provider.looks.lock().unwrap().insert(1, [NOT_DONE].into());
            lab.crash = Some(Crash::AfterEvents(first));
            if lab.go().is_ok() || matches!(lab.journal.events().last(), Some(Event::Ended { .. })) {
                break;
            }
            if lab.journal.events().iter().any(|e| matches!(e, Event::Settled { node: NodeId(1), .. })) {
                break;
            }
            // From here on its host is back, and nothing takes it away any more.
            let before = lab.asked().len();
            programs.codes.lock().unwrap().extend([1; 100]);
            lab.crash = Some(Crash::AfterEvents(second));
            let died = lab.go();
            if died.is_err() && !matches!(lab.journal.events().last(), Some(Event::Ended { .. })) {
                lab.crash = None;
                assert_eq!(lab.go().unwrap().outcome, Outcome::Failed, "killed at {first} and {second}");
                taken_back += 1;
            }
            assert_eq!(lab.asked().len(), before, "killed at {first} and {second}");
        }
    }
    assert!(taken_back > 20, "{taken_back}");
}

#[test]
fn a_persons_word_stands_until_the_source_is_seen_running() {
    for (source, outcome, starts) in [
        (Sight::Unseen, Outcome::CompletedWithExceptions, true),
        (machine(Power::Off), Outcome::CompletedWithExceptions, true),
        (machine(Power::On), Outcome::Failed, false),
    ] {
        let (mut lab, programs) = lab(vec![fence(), act(1)], vec![done(0, 1)], &[0, 1]);
        assert_eq!(lab.go().unwrap().outcome, Outcome::Failed);
        let word = by_hand(NodeId(0), Word::Done, "ann", "the plug is in my hand");
        lab.journal.batches.push(vec![(Timestamp::from_millis(0), word)]);
        *lab.provider.sources.lock().unwrap() = Some((source.clone(), source != Sight::Unseen));
        let ended = lab.go().unwrap();
        assert_eq!((ended.outcome, lab.asked() == [1]), (outcome, starts), "{source:?}");
        assert_eq!(run(&programs), words(&["off", "is-off"]), "{source:?}: nothing was run after her word");
    }
}

#[test]
fn what_answers_is_not_struck() {
    for (source, answers, codes, ran, outcome) in [
        (Sight::Unseen, false, &[0, 0][..], &["off", "is-off"][..], Outcome::Completed),
        // Its own site says that it is off, which is a proof.
        (machine(Power::Off), true, &[], &[], Outcome::Completed),
        (machine(Power::On), true, &[], &[], Outcome::Failed),
        // The site answers, and of the machine nothing is known.
        (Sight::Unseen, true, &[0], &["is-off"], Outcome::Completed),
        (Sight::Unseen, true, &[1], &["is-off"], Outcome::Failed),
        // It has left its site, and may run elsewhere.
        (Sight::Absent, true, &[0], &["is-off"], Outcome::Completed),
        (Sight::Absent, true, &[1], &["is-off"], Outcome::Failed),
    ] {
        let (mut lab, programs) = lab(vec![fence(), act(1)], vec![done(0, 1)], codes);
        *lab.provider.sources.lock().unwrap() = Some((source.clone(), answers));
        assert_eq!(lab.go().unwrap().outcome, outcome, "{source:?}");
        assert_eq!(run(&programs), words(ran), "{source:?}");
        assert_eq!(lab.asked() == [1], outcome == Outcome::Completed, "{source:?}");
    }
    let (mut lab, _) = lab(vec![fence(), act(1)], vec![done(0, 1)], &[]);
    *lab.provider.sources.lock().unwrap() = Some((machine(Power::On), true));
    lab.go().unwrap();
    let why = lab.journal.events().into_iter().find_map(|event| match event {
        Event::Failed { why: FailedWhy::Action(Failure::Failed(why)), .. } => Some(why.clone()),
        _ => None,
    });
    assert_eq!(why.unwrap(), "prod answers again, and r1 runs there: abort this run and plan again");
}

/// A fence of one machine alone strikes no other, so that it may be used where the site answers and cannot tell of that machine.
#[test]
fn a_fence_of_one_machine_is_about_that_machine_alone() {
    let Work::Hook(mut own) = fence() else { unreachable!("it is a hook") };
    own.around = Around::Replica(crate::run::sample::replica(1));
    let (mut lab, programs) = lab(vec![Work::Hook(own), act(1)], vec![done(0, 1)], &[]);
    *lab.provider.sources.lock().unwrap() = Some((Sight::Unseen, true));
    assert_eq!(lab.go().unwrap().outcome, Outcome::Completed);
    assert_eq!(run(&programs), words(&["off", "is-off"]));
}

#[test]
fn a_look_that_hangs_holds_no_fence_up_for_long() {
    let (mut lab, programs) = lab(vec![fence(), act(1)], vec![done(0, 1)], &[]);
    Arc::get_mut(&mut lab.provider).unwrap().blind = true;
    assert_eq!(lab.go().unwrap().outcome, Outcome::Completed);
    // One look before the fence, a second for the machine, one look at the end.
    assert_eq!((run(&programs).len(), lab.now()), (2, 12 + 1 + 12));
}
