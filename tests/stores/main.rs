//! Tests over all stores: `cargo test --test stores`. PostgreSQL and etcd are started here, on loopback and in temporary folders; where one
//! is not installed that is a failure, and it is said. `-- --ignored` runs the long forms.

#![allow(clippy::print_stderr, reason = "what is missing has to be said, and how the races ended")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(
    clippy::disallowed_methods,
    reason = "real servers keep the time of the wall clock, and are found on the PATH"
)]

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

/// What every store does through its port.
const PORT: &[(&str, Test)] = &[
    ("what_is_written_is_read_and_only_by_whom_it_is_held", conformance::written_and_read),
    ("one_holds_and_others_are_refused_until_it_lets_go", conformance::held),
    ("of_two_stores_on_one_place_each_sees_what_the_other_did", conformance::seen_from_elsewhere),
    ("a_word_to_stop_arrives", conformance::word),
];

/// What the program does with every store.
const PROGRAM: &[(&str, Test)] = &[
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

/// What takes long.
const LONG: &[(&str, Test)] = &[("two_hundred_rounds_of_many_at_once", races::many)];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    if !arguments.list && !servers::installed() {
        return ExitCode::FAILURE;
    }
    let _program = program::copied();
    let servers: Vec<Kept> = if arguments.list {
        Vec::new()
    } else {
        let all: [Box<dyn Server>; 3] =
            [Box::new(Folder::new()), Box::new(Postgres::new()), Box::new(Etcd::new())];
        all.map(|server| Arc::new(Mutex::new(server))).into()
    };
    // A lock of the folder that this process lets go of is for a moment still held by a process that another thread is about to start.
    let alone = Arguments { test_threads: Some(1), ..arguments.clone() };
    let first = libtest_mimic::run(&alone, trials(&servers, PORT));
    // The tests of one store one after another, those of all stores side by side: nearly all of their time they wait.
    let beside = Arguments { test_threads: Some(4), ..arguments };
    let mut rest = trials(&servers, PROGRAM);
    rest.extend(trials(&servers, FAULTS).into_iter().filter(|trial| !trial.name().starts_with("folder")));
    rest.extend(access::trials());
    rest.extend(trials(&servers, LONG).into_iter().map(|trial| trial.with_ignored_flag(true)));
    let second = libtest_mimic::run(&beside, rest);
    if first.has_failed() || second.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// A server that one test uses at a time.
type Kept = Arc<Mutex<Box<dyn Server>>>;

/// Some tests over all stores; without servers, their names.
fn trials(servers: &[Kept], tests: &[(&str, Test)]) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (title, test) in tests {
        for (store, name) in ["folder", "postgres", "etcd"].into_iter().enumerate() {
            let (server, test) = (servers.get(store).cloned(), *test);
            let run = move || {
                let server = server.ok_or("there is no server")?;
                let mut server = server.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                if let Some(process) = server.process() {
                    process.recover();
                }
                test(server.as_mut());
                Ok(())
            };
            trials.push(Trial::test(format!("{name}::{title}"), run));
        }
    }
    trials
}
