//! Tests of what is made above all stores elsewhere, on one in memory whose answers can be lost.

use super::memory::{Fault, Memory};
use super::*;
use crate::base::Timestamp;
use crate::journal::lease::awake_or_asleep;
use crate::journal::raw::Frozen;
use crate::journal::record::Record;
use crate::plan::NodeId;
use crate::run::sample::{act, done, plan};
use crate::run::{Event, Outcome, Runner, StopWhy};

const TERMS: Terms = Terms { lease: Duration::from_secs(60), grace: Duration::from_millis(600) };

fn runner(person: &str) -> Runner {
    Runner { person: person.to_owned(), host: "here".to_owned(), version: "0".to_owned() }
}

fn claim(run: &str, person: &str) -> Claim {
    let replicas = ["r0".parse().unwrap()].into();
    let (purpose, since) = ("test".to_owned(), Timestamp::from_millis(0));
    Claim {
        run: run.parse().unwrap(),
        purpose,
        replicas,
        copies: false,
        runner: runner(person),
        process: 1,
        since,
    }
}

fn frozen(run: &str) -> Frozen {
    let plan = plan(vec![act(0), act(1)], vec![done(0, 1)]);
    let setup = serde_json::json!({ "k": "x".repeat(2 * LARGEST) });
    Frozen {
        format: 1,
        run: run.parse().unwrap(),
        plan,
        setup,
        documents: Vec::new(),
        seal: None,
        sealed: None,
        confirmed: None,
        admission: None,
        before: None,
    }
}

fn taken(person: &str) -> [(Timestamp, Event); 1] {
    [(Timestamp::from_millis(1), Event::Taken { runner: runner(person) })]
}

/// A store in memory with a run of ann's, and what she holds.
type Lab = (Arc<Memory>, Shared, Box<dyn Hold>, Box<dyn Journal>, RunId);

fn lab() -> Lab {
    let memory = Arc::new(Memory::default());
    let store = Shared::new(Arc::clone(&memory) as Arc<dyn Kv>, TERMS);
    let hold = store.claim(&claim("r-1", "ann"), Way::Plain).unwrap();
    let mut journal = store.create(&frozen("r-1")).unwrap();
    journal.append(&taken("ann")).unwrap();
    (memory, store, hold, journal, "r-1".parse().unwrap())
}

fn elsewhere(memory: &Arc<Memory>) -> Shared {
    Shared::new(Arc::clone(memory) as Arc<dyn Kv>, TERMS)
}

#[test]
fn an_answer_that_was_lost_is_found_and_the_record_stands_once() {
    let (memory, store, _hold, mut journal, run) = lab();
    memory.fault(Fault::AnswerLost);
    journal.append(&taken("ann")).unwrap();
    journal.append(&taken("ann")).unwrap();
    let found = store.read(&run).unwrap();
    assert_eq!(found.records.len(), 3);
    assert_eq!(found.frozen, frozen("r-1"), "a plan in pieces is put together");
}

#[test]
fn a_store_that_is_away_is_waited_for_and_given_up_when_the_grace_time_is_over() {
    let (memory, store, _hold, mut journal, run) = lab();
    memory.fault(Fault::Deaf(2));
    journal.append(&taken("ann")).unwrap();
    memory.fault(Fault::Deaf(usize::MAX));
    assert!(matches!(journal.append(&taken("ann")), Err(JournalError::Lost { .. })));
    memory.fault(Fault::Deaf(0));
    assert_eq!(store.read(&run).unwrap().records.len(), 2);
    // Nobody else came meanwhile: the same runner may go on.
    journal.append(&taken("ann")).unwrap();
}

#[test]
fn whoever_was_taken_over_writes_nothing_more_and_is_told_by_whom() {
    let (memory, _store, hold, mut journal, run) = lab();
    let bobs = elsewhere(&memory);
    let refused = bobs.claim(&claim("r-1", "bob"), Way::Plain);
    assert!(matches!(refused, Err(Refusal::Held { holder, .. }) if holder.runner.person == "ann"));
    let bobs_hold = bobs.claim(&claim("r-1", "bob"), Way::Seize).unwrap();
    let before = memory.keys();
    match journal.append(&taken("ann")) {
        Err(JournalError::Fenced { by: Some(by), .. }) => assert_eq!(by.runner.person, "bob"),
        other => panic!("{other:?}"),
    }
    assert!(!journal.lease().holds(), "and it starts nothing more");
    assert_eq!(memory.keys(), before);
    // Her letting go takes nothing from him.
    drop(hold);
    let (_, mut bobs_journal) = bobs.open(&run).unwrap();
    bobs_journal.append(&taken("bob")).unwrap();
    let tokens: Vec<u64> = bobs.read(&run).unwrap().records.iter().map(|r| r.token).collect();
    assert_eq!(tokens, [1, 2], "the token grows with every grant");
    bobs_hold.release().unwrap();
    assert_eq!(bobs.claims().unwrap(), []);
}

#[test]
fn a_lease_that_is_over_bars_its_runner_also_where_nobody_came_after_it() {
    let (memory, store, _hold, mut journal, _) = lab();
    memory.remove("alive/r-1/");
    assert!(matches!(journal.append(&taken("ann")), Err(JournalError::Fenced { by: None, .. })));
    assert!(!journal.lease().holds());
    assert!(!store.is_held(&"r-1".parse().unwrap()).unwrap());
    assert!(matches!(
        elsewhere(&memory).claim(&claim("r-2", "bob"), Way::Plain),
        Err(Refusal::Unfinished { .. })
    ));
}

#[test]
fn a_lease_is_renewed_for_as_long_as_it_is_held() {
    let memory = Arc::new(Memory::default());
    let terms = Terms { lease: Duration::from_millis(300), grace: Duration::from_millis(100) };
    let store = Shared::new(Arc::clone(&memory) as Arc<dyn Kv>, terms);
    let hold = store.claim(&claim("r-1", "ann"), Way::Plain).unwrap();
    let mut journal = store.create(&frozen("r-1")).unwrap();
    let began = awake_or_asleep();
    while awake_or_asleep() < began + 900 {
        assert!(store.is_held(&"r-1".parse().unwrap()).unwrap());
        std::thread::yield_now();
    }
    journal.append(&taken("ann")).unwrap();
    drop(hold);
    assert!(!store.is_held(&"r-1".parse().unwrap()).unwrap(), "letting go is seen at once");
}

#[test]
fn records_that_are_gone_from_the_end_are_missed_and_a_changed_one_is_found() {
    let (memory, store, _hold, mut journal, run) = lab();
    journal.append(&taken("ann")).unwrap();
    journal.append(&taken("ann")).unwrap();
    memory.edit("log/r-1/000000000002", |text| text[20] ^= 1);
    assert!(matches!(store.read(&run), Err(JournalError::Damaged { record: 2, .. })));
    memory.edit("log/r-1/000000000002", |text| text[20] ^= 1);
    assert_eq!(store.read(&run).unwrap().records.len(), 3);
    memory.remove("log/r-1/000000000003");
    assert!(matches!(store.read(&run), Err(JournalError::Damaged { record: 3, .. })));
    memory.remove("log/r-1/000000000002");
    assert!(matches!(store.read(&run), Err(JournalError::Damaged { record: 2, .. })));
}

/// One who can write to the store and knows the format: the record is well formed and follows the last one, and the head knows nothing of it.
#[test]
fn a_record_that_no_runner_wrote_is_found_also_at_the_end() {
    let (memory, store, _hold, mut journal, run) = lab();
    journal.append(&taken("ann")).unwrap();
    let found = store.read(&run).unwrap();
    let event = Event::Stopping { why: StopWhy::Asked };
    let at = Timestamp::from_millis(9);
    let forged = Record { v: 1, seq: 3, at, token: 1, prev: found.tip, event };
    let key = "log/r-1/000000000002";
    memory.edit(key, |text| text.extend_from_slice(forged.line().unwrap().0.as_bytes()));
    assert!(matches!(store.read(&run), Err(JournalError::Damaged { record: 3, .. })));
    assert!(matches!(store.raw(&run), Err(JournalError::Damaged { record: 3, .. })));
    memory.edit(key, |text| text.truncate(text.len() - 9));
    assert!(matches!(store.read(&run), Err(JournalError::Damaged { record: 3, .. })), "nothing is torn here");
    let other = "log/r-1/000000000001";
    memory.edit(other, |text| text.extend(text.clone()));
    assert!(
        matches!(store.read(&run), Err(JournalError::Damaged { record: 2, .. })),
        "the place of the first"
    );
}

#[test]
fn a_claim_without_a_run_is_nothing_once_its_runner_is_gone_and_so_is_one_of_a_run_that_is_over() {
    let (memory, store, hold, mut journal, _) = lab();
    journal.append(&[(Timestamp::from_millis(2), Event::Ended { outcome: Outcome::Completed })]).unwrap();
    drop(hold);
    assert_eq!(store.claims().unwrap(), []);
    drop(store.claim(&claim("r-2", "ann"), Way::Plain).unwrap());
    assert_eq!(store.claims().unwrap(), [], "it never began");
    let _hold = elsewhere(&memory).claim(&claim("r-3", "bob"), Way::Plain).unwrap();
    assert_eq!(store.claims().unwrap(), [(claim("r-3", "bob"), true)]);
    assert!(!memory.keys().iter().any(|k| k.starts_with("claim/r-1") || k.starts_with("claim/r-2")));
}

#[test]
fn of_many_who_claim_at_once_one_gets_it() {
    let memory = Arc::new(Memory::default());
    let barrier = std::sync::Barrier::new(8);
    let won: Vec<Box<dyn Hold>> = std::thread::scope(|scope| {
        let one = |n: usize| {
            let (memory, barrier) = (&memory, &barrier);
            scope.spawn(move || {
                let store = elsewhere(memory);
                barrier.wait();
                match store.claim(&claim(&format!("run-{n}"), "ann"), Way::Plain) {
                    Ok(hold) => Some(hold),
                    Err(Refusal::Held { .. }) => None,
                    Err(other) => panic!("{other}"),
                }
            })
        };
        let all: Vec<_> = (0..8).map(one).collect();
        all.into_iter().filter_map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(won.len(), 1);
}

#[test]
fn a_process_of_this_machine_that_is_gone_is_known_to_be_gone() {
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let of_child = Origin::of_process(child.id()).unwrap();
    assert!(!of_child.is_gone() && !Origin::of_this_process().unwrap().is_gone());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(of_child.is_gone());
}

#[test]
fn a_claim_and_a_head_of_tomorrow_are_refused_by_their_number() {
    for key in ["claim/r-1/", "head/r-1/"] {
        let (memory, store, hold, _journal, run) = lab();
        drop(hold);
        memory.edit(key, |text| {
            let newer = String::from_utf8(text.clone()).unwrap().replacen("\"format\":1", "\"format\":2", 1);
            assert_ne!(newer.as_bytes(), text.as_slice());
            *text = newer.into_bytes();
        });
        let refused = store.claim(&claim("r-2", "bob"), Way::Plain);
        let Err(Refusal::Store(JournalError::Version { path, found: 2, known: 1 })) = refused else {
            panic!("{refused:?}")
        };
        assert!(path.display().to_string().ends_with(key.trim_end_matches('/')), "{}", path.display());
        assert_eq!(key == "head/r-1/", matches!(store.read(&run), Err(JournalError::Version { .. })));
    }
}

#[test]
fn of_two_answers_the_first_counts_also_where_the_store_did_not_say_so() {
    let (memory, store, _hold, _journal, run) = lab();
    let answer = |store: &Shared, word: &[u8]| store.leave_first_word(&run, Topic::Answer(NodeId(1)), word);
    memory.fault(Fault::AnswerLost);
    assert!(answer(&store, b"ann").unwrap(), "it finds its own word");
    assert!(!answer(&elsewhere(&memory), b"bob").unwrap());
    assert_eq!(store.word(&run, Topic::Answer(NodeId(1))), Some(b"ann".to_vec()));
}
