//! What has become of the replicas is looked at once before a run ends, and keeps no run from ending.

use super::*;

#[test]
fn a_run_ends_though_the_sites_do_not_say_what_became_of_it() {
    let mut lab = Lab::new(acts(1), Vec::new());
    Arc::get_mut(&mut lab.provider).unwrap().blind = true;
    assert_eq!(lab.go().unwrap().outcome, Outcome::Completed);
    assert_eq!(lab.now(), 13, "one second for the step, and twelve for the look");
    let events = lab.journal.events();
    assert!(
        matches!(events[events.len() - 2..], [Event::NotObserved { .. }, Event::Ended { .. }]),
        "{events:?}"
    );
}

#[test]
fn what_is_observed_of_many_replicas_is_recorded_in_parts() {
    let mut lab = Lab::new(acts(250), Vec::new());
    assert_eq!(lab.go().unwrap().outcome, Outcome::Completed);
    let parts = lab.journal.events().into_iter().filter_map(|e| match e {
        Event::Observed { inventory } => Some(inventory.clone()),
        _ => None,
    });
    let parts: Vec<Inventory> = parts.collect();
    assert_eq!(parts.iter().map(|p| p.replicas.len()).collect::<Vec<_>>(), [100, 100, 50]);
    assert_eq!(parts.into_iter().reduce(Inventory::and).unwrap().replicas.len(), 250);
}
