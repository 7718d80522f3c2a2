//! Hooks and gates in a run: recorded first, in doubt where nobody can see, and silence as the document says.

use super::*;
use crate::domain::{IfFailed, Question, Reply, Script, Silence, Spoken, When};
use crate::plan::{Around, Gate, Hook};
use crate::port::{Answers, Asked, Busy, Call, Ran, Scripts};
use crate::run::sample::replica;

pub(super) fn hook(when: When, repeatable: bool) -> Work {
    Work::Hook(Box::new(Hook {
        name: "h".parse().unwrap(),
        when,
        around: Around::Replica(replica(0)),
        operation: None,
        legs: Vec::new(),
        script: Script {
            run: vec!["./h.sh".to_owned()],
            check: None,
            proof: None,
            env: BTreeMap::new(),
            secrets: BTreeMap::new(),
            within: Duration::from_mins(10),
            repeatable,
        },
    }))
}

fn gate(within: u64, otherwise: Silence) -> Work {
    let question = Question {
        ask: "Go on?".to_owned(),
        who: Vec::new(),
        groups: Vec::new(),
        within: Duration::from_secs(within),
        otherwise,
    };
    Work::Gate(Box::new(Gate { plan: "p".parse().unwrap(), name: "g".parse().unwrap(), question }))
}

/// Programs that end as they are told to; without a script each succeeds.
#[derive(Default)]
pub(super) struct Programs {
    clock: Jumping,
    pub(super) codes: Mutex<VecDeque<i32>>,
    hangs: bool,
    pub(super) calls: Mutex<Vec<Call>>,
}

impl Scripts for Programs {
    fn run<'a>(&'a self, call: &'a Call) -> Later<'a, Result<Ran, String>> {
        Box::pin(async move {
            self.calls.lock().unwrap().push(call.clone());
            if self.hangs {
                self.clock.until(self.clock.now().after(Duration::from_mins(10_000))).await;
            }
            let code = self.codes.lock().unwrap().pop_front().unwrap_or(0);
            let spoken =
                Spoken { code: Some(code), text: "one\ntwo\n".to_owned(), left_out: 0, proof: call.proof };
            Ok(Ran { late: false, spoken })
        })
    }
}

/// A person who answers after so many seconds.
struct Person(Jumping, u64, bool);

impl Answers for Person {
    fn answer<'a>(&'a self, _: &'a Asked) -> Later<'a, (Reply, Busy)> {
        Box::pin(async move {
            // Its own wait is beside the run's, so it makes a promise of its own.
            let promise = self.0.busy();
            self.0.until(self.0.now().after(Duration::from_secs(self.1))).await;
            let person = "ann".to_owned();
            (Reply { yes: self.2, person, host: "ops".to_owned(), because: None }, promise)
        })
    }
}

/// A lab with programs; hooks and gates belong to no leg, and a hook is tried once.
pub(super) fn lab(works: Vec<Work>, edges: Vec<Edge>, codes: &[i32]) -> (Lab, Arc<Programs>) {
    let mut lab = Lab::new(works, edges);
    for node in &mut Arc::get_mut(&mut lab.plan).unwrap().nodes {
        if matches!(node.work, Work::Hook(_) | Work::Gate(_)) {
            (node.leg, node.attempts) = (None, 1);
        }
    }
    let clock = lab.provider.clock.clone();
    let codes = Mutex::new(codes.iter().copied().collect());
    let programs = Arc::new(Programs { clock, codes, ..Programs::default() });
    lab.aids.scripts = Arc::clone(&programs) as Arc<dyn Scripts>;
    (lab, programs)
}

fn answered(mut lab: Lab, after: u64, yes: bool) -> Lab {
    lab.aids.answers = Arc::new(Person(lab.provider.clock.clone(), after, yes));
    lab
}

fn passing(from: u32, to: u32) -> Edge {
    edge(from, to, On::Done, IfFailed::Continue)
}

#[test]
fn a_hook_is_recorded_before_it_runs_and_with_what_it_said() {
    let (mut lab, programs) = lab(vec![hook(When::Before, false), act(1)], vec![done(0, 1)], &[]);
    assert_eq!(lab.go().unwrap().outcome, Outcome::Completed);
    let kinds: Vec<&str> = lab
        .journal
        .events()
        .iter()
        .filter(|e| e.node() == Some(NodeId(0)))
        .map(|event| match event {
            Event::Intended { .. } => "intended",
            Event::Spoke { spoken, .. } if spoken.text == "one\ntwo\n" => "spoke",
            Event::Settled { how: How::Performed, .. } => "settled",
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(kinds, ["intended", "spoke", "settled"]);
    assert_eq!((lab.asked(), lab.now()), (vec![1], 1), "a program takes no time of the virtual clock's");
    let calls = programs.calls.lock().unwrap();
    let told: serde_json::Value = serde_json::from_slice(&calls[0].input).unwrap();
    assert_eq!((&told["run"], &told["format"], &told["check"]), (&"r".into(), &1.into(), &false.into()));
    assert_eq!(calls[0].env["LIFEBOAT_RUN"], "r");
}

#[test]
fn a_failing_hook_before_blocks_and_one_after_is_an_exception() {
    let (mut lab, _) = lab(vec![hook(When::Before, false), act(1)], vec![done(0, 1)], &[3]);
    let ended = lab.go().unwrap();
    assert_eq!(
        (ended.outcome, ended.progress.status(NodeId(1))),
        (Outcome::Failed, Status::Blocked(NodeId(0)))
    );
    let why = lab.journal.events().into_iter().find_map(|e| match e {
        Event::Failed { why: FailedWhy::Action(Failure::Failed(text)), .. } => Some(text.clone()),
        _ => None,
    });
    assert_eq!(why.as_deref(), Some("`./h.sh` ended with 3: two"));

    let works = vec![act(0), hook(When::After, false), act(2)];
    let (mut lab, _) = self::lab(works, vec![done(0, 1), done(0, 2), passing(1, 2)], &[3]);
    let ended = lab.go().unwrap();
    assert_eq!(ended.outcome, Outcome::CompletedWithExceptions);
    assert_eq!((lab.asked(), ended.progress.summary().failed), (vec![0, 2], vec![NodeId(1)]));
}

/// A hook after something that failed neither runs nor makes an exception of the failure, nor a failure of an exception.
#[test]
fn a_hook_after_something_that_failed_changes_nothing_of_its_outcome() {
    let works = || vec![act(0), hook(When::After, false), act(2)];
    let fails = || (0..3).map(|_| Answer::After(1, Err(Failure::Failed("no".to_owned()))));
    let (lab, programs) = lab(works(), vec![done(0, 1), done(0, 2), passing(1, 2)], &[]);
    let ended = lab.answers(0, fails()).go().unwrap();
    assert_eq!(
        (ended.outcome, ended.progress.status(NodeId(2))),
        (Outcome::Failed, Status::Blocked(NodeId(0)))
    );
    assert_eq!(programs.calls.lock().unwrap().len(), 0);
    let (lab, _) = self::lab(works(), vec![done(0, 1), passing(0, 2), passing(1, 2)], &[]);
    let ended = lab.answers(0, fails()).go().unwrap();
    assert_eq!(
        (ended.outcome, ended.progress.status(NodeId(2))),
        (Outcome::CompletedWithExceptions, Status::Done)
    );
    assert_eq!(ended.progress.status(NodeId(1)), Status::Blocked(NodeId(0)));
}

#[test]
fn a_hook_is_tried_again_after_a_while() {
    let (mut lab, programs) = lab(vec![hook(When::Before, true)], Vec::new(), &[1, 1, 0]);
    Arc::get_mut(&mut lab.plan).unwrap().nodes[0].attempts = 3;
    assert_eq!(lab.go().unwrap().outcome, Outcome::Completed);
    assert_eq!((lab.now(), programs.calls.lock().unwrap().len()), (2 + 4, 3));
    assert_eq!(programs.calls.lock().unwrap()[2].env["LIFEBOAT_ATTEMPT"], "3");
}

#[test]
fn a_hook_whose_runner_died_is_in_doubt_unless_it_may_be_repeated() {
    for repeatable in [false, true] {
        let (mut lab, programs) = lab(vec![hook(When::Before, repeatable), act(1)], vec![done(0, 1)], &[]);
        lab.crash = Some(Crash::AfterEffects(1));
        assert!(matches!(lab.go(), Err(EngineError::Crashed)));
        assert_eq!(programs.calls.lock().unwrap().len(), 1);
        lab.crash = None;
        let ended = lab.go().unwrap();
        let again = programs.calls.lock().unwrap().len();
        if repeatable {
            assert_eq!((ended.outcome, again), (Outcome::Completed, 2));
            continue;
        }
        assert_eq!((ended.outcome, again, lab.asked()), (Outcome::InDoubt, 1, Vec::new()));
        let word = by_hand(NodeId(0), Word::Done, "ann", "seen");
        lab.journal.batches.push(vec![(Timestamp::from_millis(0), word)]);
        assert_eq!(lab.go().unwrap().outcome, Outcome::CompletedWithExceptions);
        assert_eq!(programs.calls.lock().unwrap().len(), 1, "it was not run again");
    }
}

#[test]
fn a_hook_that_outlasts_the_grace_time_is_in_doubt_or_will_be_run_again() {
    for (repeatable, outcome) in [(false, Outcome::InDoubt), (true, Outcome::Stopped)] {
        let (mut lab, _) = lab(vec![hook(When::Before, repeatable), act(1)], vec![done(0, 1)], &[]);
        let clock = lab.provider.clock.clone();
        lab.aids.scripts = Arc::new(Programs { clock, hangs: true, ..Programs::default() });
        lab.stop_at = Some(5);
        assert_eq!((lab.go().unwrap().outcome, lab.now()), (outcome, 65));
    }
}

#[test]
fn an_answer_is_recorded_with_the_person_and_decides() {
    let works = || vec![gate(60, Silence::Stop), act(1)];
    let (lab, _) = lab(works(), vec![done(0, 1)], &[]);
    let mut lab = answered(lab, 10, true);
    assert_eq!((lab.go().unwrap().outcome, lab.now()), (Outcome::Completed, 11));
    let reply = Reply { yes: true, person: "ann".to_owned(), host: "ops".to_owned(), because: None };
    assert!(lab.journal.events().contains(&&Event::Answered { node: NodeId(0), reply }));
    let (lab, _) = self::lab(works(), vec![done(0, 1)], &[]);
    let mut lab = answered(lab, 10, false);
    let ended = lab.go().unwrap();
    assert_eq!(
        (ended.outcome, ended.progress.status(NodeId(1))),
        (Outcome::Failed, Status::Blocked(NodeId(0)))
    );
    // Whoever resumes the run is asked again.
    assert_eq!(ended.progress.to_retry().collect::<Vec<_>>(), [NodeId(0)]);
}

#[test]
fn silence_means_what_the_document_says_and_takes_no_real_time() {
    let works = |otherwise| vec![gate(3600, otherwise), act(1)];
    for (otherwise, outcome, asked) in [
        (Silence::Stop, Outcome::Stopped, vec![]),
        (Silence::No, Outcome::Failed, vec![]),
        (Silence::Continue, Outcome::CompletedWithExceptions, vec![1]),
    ] {
        let (mut lab, _) = lab(works(otherwise), vec![done(0, 1)], &[]);
        let ended = lab.go().unwrap();
        assert_eq!((ended.outcome, lab.asked()), (outcome, asked), "{otherwise:?}");
        assert!(lab.now() >= 3600);
        if outcome == Outcome::Stopped {
            assert_eq!(ended.progress.stopping(), Some(&StopWhy::Unanswered(NodeId(0))));
            let mut again = answered(lab, 10, true);
            assert_eq!(again.go().unwrap().outcome, Outcome::Completed);
        }
    }
}

#[test]
fn silence_that_stops_gives_other_waits_up_and_lets_actions_end() {
    let works = vec![gate(10, Silence::Stop), quiet(1000), act(2)];
    let (lab, _) = lab(works, Vec::new(), &[]);
    let mut lab = lab.answers(2, [Answer::After(30, Ok(()))]);
    let ended = lab.go().unwrap();
    assert_eq!((ended.outcome, lab.now()), (Outcome::Stopped, 30));
    assert_eq!(ended.progress.status(NodeId(2)), Status::Done);
}

#[test]
fn a_run_that_is_stopped_at_a_gate_asks_again() {
    let (mut lab, _) = lab(vec![gate(3600, Silence::No), act(1)], vec![done(0, 1)], &[]);
    lab.stop_at = Some(5);
    let ended = lab.go().unwrap();
    assert_eq!((ended.outcome, ended.progress.summary().failed.len()), (Outcome::Stopped, 0));
    lab.stop_at = None;
    let mut lab = answered(lab, 1, true);
    assert_eq!(lab.go().unwrap().outcome, Outcome::Completed);
}
