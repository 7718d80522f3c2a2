//! What shares a write, and what a death inside one leaves.

use super::*;

#[test]
fn a_chain_costs_one_write_a_step_and_steps_that_start_together_one_for_all() {
    let mut chain = Lab::new(acts(50), (1..50).map(|i| done(i - 1, i)).collect());
    assert_eq!(chain.go().unwrap().outcome, Outcome::Completed);
    // One for taking it up, one for the first intent, one for the end of the run; the others have an end and what follows from it.
    assert_eq!(chain.journal.batches.len(), 53);
    let mut fan = Lab::new(acts(50), Vec::new());
    assert_eq!(fan.go().unwrap().outcome, Outcome::Completed);
    assert_eq!(fan.journal.batches[1].len(), 50);
}

#[test]
fn cut_off_inside_a_write_that_has_an_end_and_an_intent_nothing_of_the_intent_has_happened() {
    // Taken, intended and settled are durable, and the intent beside them is not.
    let mut lab = Lab::new(acts(2), vec![done(0, 1)]);
    lab.crash = Some(Crash::AfterEvents(3));
    assert!(matches!(lab.go(), Err(EngineError::Crashed)));
    assert_eq!((lab.asked(), lab.journal.events().len()), (vec![0], 3));
    // All four are durable, and the runner dies before it asks.
    let mut lab = Lab::new(acts(2), vec![done(0, 1)]).looks(1, [NOT_DONE]);
    lab.crash = Some(Crash::AfterEvents(4));
    assert!(matches!(lab.go(), Err(EngineError::Crashed)));
    assert_eq!((lab.asked(), lab.journal.events().len()), (vec![0], 4));
    lab.crash = None;
    assert_eq!(lab.go().unwrap().outcome, Outcome::Completed);
    assert_eq!(lab.asked(), [0, 1], "asked for once");
}
