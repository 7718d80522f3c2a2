//! Names in a run: recorded first, never in doubt, and done without where the document says so.

use super::*;
use crate::domain::Cutover;
use crate::port::{Names, Pointed, Pointing};
use crate::run::sample::name;

/// A name server that ends as it is told to, and otherwise says what it was told.
#[derive(Default)]
struct Server {
    clock: Jumping,
    answers: Mutex<VecDeque<Result<Pointed, Failure>>>,
    hangs: bool,
    says: Mutex<Vec<String>>,
    asked: Mutex<u32>,
}

impl Names for Server {
    fn point<'a>(&'a self, order: &'a Pointing) -> Later<'a, Result<Pointed, Failure>> {
        Box::pin(async move {
            *self.asked.lock().unwrap() += 1;
            if self.hangs {
                self.clock.until(self.clock.now().after(Duration::from_mins(10_000))).await;
            }
            self.clock.until(self.clock.now().after(Duration::from_secs(1))).await;
            let told = self.answers.lock().unwrap().pop_front();
            if let Some(Err(failure)) = told {
                return Err(failure);
            }
            let mut says = self.says.lock().unwrap();
            let (before, to) = (says.clone(), vec![order.cutover.to.clone()]);
            if before == to {
                return Ok(Pointed::Found);
            }
            *says = to;
            Ok(Pointed::Replaced { before })
        })
    }

    fn says<'a>(&'a self, _: &'a Cutover) -> Later<'a, Result<Vec<String>, String>> {
        let says = self.says.lock().unwrap().clone();
        Box::pin(std::future::ready(Ok(says)))
    }
}

/// An action, the name that follows, and an action that waits for the name.
fn lab(required: bool, failures: usize) -> (Lab, Arc<Server>) {
    let works = vec![act(0), name(1, required), act(2)];
    let mut lab = Lab::new(works, vec![done(0, 1), done(1, 2)]);
    let silent = || Err(Failure::Failed("main does not answer".to_owned()));
    let server = Server {
        clock: lab.provider.clock.clone(),
        answers: Mutex::new((0..failures).map(|_| silent()).collect()),
        says: Mutex::new(vec!["10.1.0.8".to_owned()]),
        ..Server::default()
    };
    let server = Arc::new(server);
    lab.aids.names = Arc::clone(&server) as Arc<dyn Names>;
    (lab, server)
}

fn of_the_name(lab: &Lab) -> Vec<Event> {
    lab.journal.events().into_iter().filter(|e| e.node() == Some(NodeId(1))).cloned().collect()
}

#[test]
fn a_name_is_recorded_before_it_is_changed_and_with_what_it_said() {
    let (mut lab, server) = lab(true, 0);
    assert_eq!(lab.go().unwrap().outcome, Outcome::Completed);
    let node = NodeId(1);
    let how = How::Replaced { before: vec!["10.1.0.8".to_owned()] };
    let expected = vec![Event::Intended { node, attempt: 1 }, Event::Settled { node, how, moved: None }];
    assert_eq!(of_the_name(&lab), expected);
    assert_eq!((lab.asked(), *server.says.lock().unwrap() == ["10.2.0.8"]), (vec![0, 2], true));
}

#[test]
fn a_name_that_fails_is_tried_again_and_then_fails_the_run_or_is_done_without() {
    let (mut again, server) = lab(true, 2);
    assert_eq!(again.go().unwrap().outcome, Outcome::Completed);
    assert_eq!(*server.asked.lock().unwrap(), 3);
    let (mut fails, _) = lab(true, 3);
    let ended = fails.go().unwrap();
    assert_eq!(
        (ended.outcome, fails.asked()),
        (Outcome::Failed, vec![0]),
        "what waits for it does not start"
    );
    let (mut without, _) = lab(false, 3);
    let ended = without.go().unwrap();
    assert_eq!((ended.outcome, without.asked()), (Outcome::CompletedWithExceptions, vec![0, 2]));
    let why = Some(Failure::Failed("main does not answer".to_owned()));
    assert_eq!(
        of_the_name(&without).last(),
        Some(&Event::WentOn { node: NodeId(1), heard: Vec::new(), why })
    );
    // Whoever takes the failed run up tries it again.
    let resumed = fails.go().unwrap();
    assert_eq!((resumed.outcome, fails.asked()), (Outcome::Failed, vec![0]), "it failed for good");
}

#[test]
fn a_name_whose_runner_died_is_asked_again_and_never_in_doubt() {
    for crash in (0..6).map(Crash::AfterEvents).chain((0..3).map(Crash::AfterEffects)) {
        let (mut lab, server) = lab(true, 0);
        lab.crash = Some(crash);
        let first = lab.go();
        lab.crash = None;
        // Where it does not die, it is through already.
        let ended = first.or_else(|_| lab.go()).unwrap();
        assert_eq!(ended.outcome, Outcome::Completed, "{crash:?}");
        assert_eq!(*server.says.lock().unwrap(), ["10.2.0.8"], "{crash:?}");
        let changed = of_the_name(&lab)
            .into_iter()
            .filter(|e| matches!(e, Event::Settled { how: How::Replaced { .. } | How::Found, .. }));
        assert_eq!(changed.count(), 1, "{crash:?}");
    }
}

#[test]
fn a_server_that_hangs_is_given_up_and_after_a_stop_the_name_is_not_in_doubt() {
    let hanging = |stop_at: Option<u64>| {
        let (mut lab, server) = lab(true, 0);
        lab.stop_at = stop_at;
        let hanging = Server { clock: server.clock.clone(), hangs: true, ..Server::default() };
        lab.aids.names = Arc::new(hanging);
        lab
    };
    let mut late = hanging(None);
    assert_eq!(late.go().unwrap().outcome, Outcome::Failed);
    assert!(late.now() > 3 * 300 && late.now() < 3 * 320, "{}", late.now());
    let mut stopped = hanging(Some(10));
    assert_eq!(stopped.go().unwrap().outcome, Outcome::Stopped);
    let last = of_the_name(&stopped).pop();
    assert!(matches!(last, Some(Event::Retrying { failure: Failure::NoAnswer(_), .. })), "{last:?}");
}
