//! Tests over all stores: `cargo test --test stores`. PostgreSQL and etcd are started here, on loopback and in temporary folders; where one
//! is not installed that is a failure, and it is said. `-- --ignored` runs the long forms.

#![allow(clippy::print_stderr, reason = "what is missing has to be said, and how the races ended")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod access;
mod conformance;
mod damage;
mod estate;
mod faults;
mod program;
#[expect(dead_code, reason = "who is killed at a write is killed in the campaign")]
mod proxy;
mod races;
mod servers;
mod stopping;

use libtest_mimic::{Arguments, Trial};
use servers::{Etcd, Folder, Postgres, Server};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

/// A test over one store.
type Test = fn(&mut dyn Server);

const TESTS: &[(&str, Test)] = &[
    ("what_is_written_is_read_and_only_by_whom_it_is_held", conformance::written_and_read),
    ("one_holds_and_others_are_refused_until_it_lets_go", conformance::held),
    ("of_two_stores_on_one_place_each_sees_what_the_other_did", conformance::seen_from_elsewhere),
    ("a_word_to_stop_arrives", conformance::word),
    ("a_run_goes_on_elsewhere_without_its_documents", faults::elsewhere),
    ("a_runner_that_slept_beyond_its_lease_does_nothing_more", faults::slept),
    ("a_runner_that_was_taken_over_does_nothing_more", faults::taken_over),
    ("a_run_is_stopped_from_another_machine_and_by_its_deadline", stopping::stopped),
    ("the_way_back_needs_documents_and_is_gone_from_anywhere", stopping::back),
    ("what_was_changed_past_the_program_is_found", damage::found),
    ("of_many_at_once_one_runs_and_the_others_are_told_who", races::few),
];

/// What can happen to a store that is elsewhere.
const FAULTS: &[(&str, Test)] = &[
    ("a_store_that_is_paused_for_a_moment_is_waited_for", faults::paused),
    ("a_store_that_is_killed_and_started_again_is_waited_for", faults::killed),
    ("a_store_that_is_stopped_and_started_again_is_waited_for", faults::stopped),
    ("a_store_that_is_paused_for_longer_stops_the_run", faults::paused_long),
    ("a_store_that_is_killed_and_stays_away_stops_the_run", faults::killed_long),
    ("a_store_that_is_stopped_and_stays_away_stops_the_run", faults::stopped_long),
    ("a_record_whose_answer_was_lost_stands_once", faults::answer_lost),
    ("a_record_whose_answer_is_late_stands_once", faults::answer_late),
    ("a_record_that_arrives_late_stands_once", faults::request_late),
    ("a_machine_that_dies_without_a_word_locks_nobody_out", faults::dark),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    if !arguments.list && !servers::installed() {
        return ExitCode::FAILURE;
    }
    let _program = program::copied();
    let started: [fn() -> Box<dyn Server>; 3] =
        [|| Box::new(Folder::new()), || Box::new(Postgres::new()), || Box::new(Etcd::new())];
    let mut trials = Vec::new();
    for (start, name) in started.into_iter().zip(["folder", "postgres", "etcd"]) {
        // Started by the first test that needs it.
        let server: Arc<Mutex<Option<Box<dyn Server>>>> = Arc::default();
        let with = |test: Test| {
            let server = Arc::clone(&server);
            move || {
                let mut server = server.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                let server = server.get_or_insert_with(start);
                if let Some(process) = server.process() {
                    process.recover();
                }
                test(server.as_mut());
                Ok(())
            }
        };
        let faults = if name == "folder" { &[] } else { FAULTS };
        let tests = TESTS.iter().chain(faults);
        trials.extend(tests.map(|(title, test)| Trial::test(format!("{name}::{title}"), with(*test))));
        let long = Trial::test(format!("{name}::two_hundred_rounds_of_many_at_once"), with(races::many));
        trials.push(long.with_ignored_flag(true));
    }
    trials.extend(access::trials());
    // What is measured in leases does not stand beside what is measured in processes.
    let arguments = Arguments { test_threads: Some(1), ..arguments };
    libtest_mimic::run(&arguments, trials).exit_code()
}
