//! A clock that is behind what is recorded.

use super::*;

#[test]
fn a_run_that_is_taken_up_where_the_clock_is_behind_waits_no_longer_than_it_would() {
    let mut lab = Lab::new(acts(2), vec![Edge { plus: Duration::from_secs(5), ..done(0, 1) }]);
    let settled = Event::Settled { node: NodeId(0), how: How::Performed, moved: None };
    let before =
        [Event::Taken { runner: runner() }, Event::Intended { node: NodeId(0), attempt: 1 }, settled];
    let at = Timestamp::from_millis(0).after(Duration::from_mins(600));
    lab.journal.batches = vec![before.map(|event| (at, event)).to_vec()];
    let ended = lab.go().unwrap();
    assert_eq!((ended.outcome, lab.asked(), lab.now()), (Outcome::Completed, vec![1], 6));
    assert_eq!(ended.progress.took(), Duration::from_secs(6));
    let times: Vec<i64> = lab.journal.batches.iter().flatten().map(|(at, _)| at.as_millis() / 1000).collect();
    assert_eq!(times, [36_000, 36_000, 36_000, 0, 5, 6, 6, 6], "each record has the time of its own machine");
}
