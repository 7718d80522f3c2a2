//! What every store must do, through its port.

use crate::estate::{Estate, ran, said};
use crate::servers::Server;
use lifeboat::base::{RunId, Timestamp};
use lifeboat::domain::Reply;
use lifeboat::journal::{Access, Claim, Frozen, JournalError, Place, Refusal, Runs, Store, Topic, Way};
use lifeboat::plan::NodeId;
use lifeboat::run::{Event, Outcome, Runner, StopWhy, Wish};
use std::path::Path;
use std::sync::Arc;

fn open(place: &str) -> Arc<dyn Store> {
    place.parse::<Place>().unwrap().open(Path::new("."), &Access::default()).unwrap()
}

fn runner(person: &str) -> Runner {
    Runner { person: person.to_owned(), host: "here".to_owned(), version: "0".to_owned() }
}

fn id(run: &str) -> RunId {
    run.parse().unwrap()
}

fn claim(run: &str, replicas: &[&str], person: &str) -> Claim {
    Claim {
        run: id(run),
        purpose: "test".to_owned(),
        replicas: replicas.iter().map(|r| r.parse().unwrap()).collect(),
        copies: false,
        runner: runner(person),
        process: std::process::id(),
        since: Timestamp::from_millis(0),
    }
}

/// A frozen plan of a real run.
fn frozen(run: &str) -> Frozen {
    let estate = Estate::new(None);
    let own = estate.path().join(".lifeboat");
    let done =
        ran(estate.path(), &format!("file:{}", own.display()), "ann", &["apply", "one", "--confirm", "one"]);
    assert!(done.status.success(), "{}", said(&done));
    let runs = Runs::new(&own);
    let first = runs.list().unwrap().remove(0);
    Frozen { run: id(run), ..runs.read(&first).unwrap().frozen }
}

fn event(second: i64, event: Event) -> (Timestamp, Event) {
    (Timestamp::from_millis(second * 1000), event)
}

fn taken(person: &str) -> Event {
    Event::Taken { runner: runner(person) }
}

pub fn written_and_read(server: &mut dyn Server) {
    let store = open(&server.place());
    let run = id("r-1");
    assert!(store.list().unwrap().is_empty() && !store.is_taken(&run).unwrap());
    assert!(matches!(store.read(&run), Err(JournalError::Unknown(_))));
    let frozen = frozen("r-1");
    let hold = store.claim(&claim("r-1", &["a", "b"], "ann"), Way::Plain).unwrap();
    let mut journal = store.create(&frozen).unwrap();
    let events = [event(1, taken("ann")), event(2, Event::Stopping { why: StopWhy::Asked })];
    journal.append(&events).unwrap();
    journal.append(&[]).unwrap();
    journal.append(&[event(3, Event::Ended { outcome: Outcome::Stopped })]).unwrap();
    let found = store.read(&run).unwrap();
    assert_eq!(found.frozen, frozen);
    assert_eq!(found.records.len(), 3);
    assert!(found.records.iter().all(|r| r.token == 1) && !found.torn);
    assert_eq!(found.records.iter().map(|r| r.seq).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(found.records.iter().take(2).map(|r| (r.at, r.event.clone())).collect::<Vec<_>>(), events);
    assert!(store.is_taken(&run).unwrap() && store.list().unwrap() == [run.clone()]);
    assert!(store.create(&frozen).is_err(), "a name is given once");
    drop((hold, journal));
    // Whoever takes it up has a larger token, and the first who held it writes no more.
    let hold = store.claim(&claim("r-1", &["a", "b"], "bob"), Way::Plain).unwrap();
    let (found, mut journal) = store.open(&run).unwrap();
    assert_eq!(found.records.len(), 3);
    journal.append(&[event(4, taken("bob"))]).unwrap();
    let tokens: Vec<u64> = store.read(&run).unwrap().records.iter().map(|r| r.token).collect();
    assert_eq!(tokens, [1, 1, 1, 2]);
    hold.release().unwrap();
    // One that is taken back was never there.
    let hold = store.claim(&claim("r-2", &["a"], "ann"), Way::Plain).unwrap();
    drop(store.create(&Frozen { run: id("r-2"), ..frozen }).unwrap());
    store.discard(&id("r-2")).unwrap();
    hold.release().unwrap();
    assert!(matches!(store.read(&id("r-2")), Err(JournalError::Unknown(_))));
    assert_eq!(store.list().unwrap(), [run]);
}

pub fn held(server: &mut dyn Server) {
    let place = server.place();
    let (ours, theirs) = (open(&place), open(&place));
    let first = claim("r-1", &["a", "b"], "ann");
    let hold = ours.claim(&first, Way::Plain).unwrap();
    drop(ours.create(&frozen("r-1")).unwrap());
    let refused = theirs.claim(&claim("r-2", &["b", "c"], "bob"), Way::Plain);
    match refused {
        Err(Refusal::Held { shared, holder }) => assert_eq!((shared.as_str(), *holder), ("b", first.clone())),
        other => panic!("{other:?}"),
    }
    assert!(matches!(theirs.claim(&first, Way::Plain), Err(Refusal::Held { .. })), "one runner a run");
    let beside = theirs.claim(&claim("r-3", &["c"], "bob"), Way::Plain).unwrap();
    assert!(theirs.is_held(&id("r-1")).unwrap() && !theirs.is_held(&id("r-2")).unwrap());
    assert_eq!(ours.claims().unwrap().len(), 2, "those that share nothing run side by side");
    beside.release().unwrap();
    drop(hold);
    assert_eq!(theirs.claims().unwrap(), [(first.clone(), false)]);
    let refused = theirs.claim(&claim("r-2", &["b", "c"], "bob"), Way::Plain);
    assert!(matches!(refused, Err(Refusal::Unfinished { earlier, .. }) if *earlier == first));
    let back = theirs.claim(&claim("r-4", &["a", "b"], "bob"), Way::Beside(&id("r-1")));
    drop(back.unwrap());
    theirs.forget(&id("r-1")).unwrap();
    theirs.claim(&claim("r-2", &["b", "c"], "bob"), Way::Plain).unwrap().release().unwrap();
    assert_eq!(ours.claims().unwrap(), []);
}

pub fn seen_from_elsewhere(server: &mut dyn Server) {
    let place = server.place();
    let (ours, theirs) = (open(&place), open(&place));
    let _hold = ours.claim(&claim("r-1", &["a"], "ann"), Way::Plain).unwrap();
    let mut journal = ours.create(&frozen("r-1")).unwrap();
    for second in 1..=150 {
        journal.append(&[event(second, taken("ann"))]).unwrap();
    }
    let found = theirs.read(&id("r-1")).unwrap();
    assert_eq!((found.records.len(), found.records.last().unwrap().seq), (150, 150));
    assert_eq!(theirs.raw(&id("r-1")).unwrap().journal, ours.raw(&id("r-1")).unwrap().journal);
}

pub fn word(server: &mut dyn Server) {
    let place = server.place();
    let (ours, theirs) = (open(&place), open(&place));
    let _hold = ours.claim(&claim("r-1", &["a"], "ann"), Way::Plain).unwrap();
    drop(ours.create(&frozen("r-1")).unwrap());
    ours.forget_stop(&id("r-1")).unwrap();
    assert_eq!(ours.asked_to_stop(&id("r-1")), None);
    let because = Some("the wrong site".to_owned());
    let wish = Wish { person: "bob".to_owned(), host: "there".to_owned(), because };
    theirs.ask_to_stop(&id("r-1"), &wish).unwrap();
    assert_eq!(ours.asked_to_stop(&id("r-1")), Some(wish));
    ours.forget_stop(&id("r-1")).unwrap();
    assert_eq!(ours.asked_to_stop(&id("r-1")), None);
    // An answer to one question is none to another, and no word to stop.
    let reply = Reply { yes: true, person: "bob".to_owned(), host: "there".to_owned(), because: None };
    assert!(theirs.leave_answer(&id("r-1"), NodeId(1), &reply).unwrap());
    // Of two answers the first one counts, and the other one is told so.
    let other = Reply { yes: false, person: "eve".to_owned(), ..reply.clone() };
    assert!(!ours.leave_answer(&id("r-1"), NodeId(1), &other).unwrap());
    assert_eq!(ours.answer(&id("r-1"), NodeId(1)), Some(reply));
    assert_eq!(ours.answer(&id("r-1"), NodeId(12)), None);
    assert_eq!(ours.asked_to_stop(&id("r-1")), None);
    ours.forget_word(&id("r-1"), Topic::Answer(NodeId(1))).unwrap();
    assert_eq!(theirs.answer(&id("r-1"), NodeId(1)), None);
}
