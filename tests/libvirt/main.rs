//! Tests on real guests: `cargo test --test libvirt`, as root, on a machine with libvirt and QEMU. They bring up two libvirt hosts
//! themselves and leave nothing behind. What is missing on the machine is named, and is a failure. The long one, which kills Lifeboat at every
//! step, takes twenty minutes and is asked for by itself: `cargo test --test libvirt -- --ignored`.

#![allow(clippy::print_stderr, reason = "what is missing has to be said")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a story fails by panicking")]

mod autostart;
mod copies;
mod import;
mod lab;
mod machine;
mod outage;
mod preflight;
mod quiesce;
mod raw;
mod rebuild;
mod selfcheck;
mod shop;
mod ssh;
mod stories;
mod targets;
mod workspace;

use lab::Lab;
use libtest_mimic::{Arguments, Trial};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let keep = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lab");
    if !arguments.list {
        match lab::enter(&keep) {
            Ok(Some(code)) => return ExitCode::from(u8::try_from(code).unwrap_or(1)),
            Ok(None) => {}
            Err(why) => {
                eprintln!("the tests on real guests cannot run: {why}");
                return ExitCode::FAILURE;
            }
        }
    }
    let lab = if arguments.list { None } else { Some(Lab::up(&keep)) };
    let lab = match lab.transpose() {
        Ok(lab) => Arc::new(lab),
        Err(why) => {
            eprintln!("the two sites do not come up: {why}");
            return ExitCode::FAILURE;
        }
    };
    // Two processors are not enough for the guests of two tests at once.
    arguments.test_threads = Some(1);
    let trial = |(name, test): stories::Test| {
        let lab = Arc::clone(&lab);
        let run = move || match &*lab {
            Some(lab) => test(lab).map_err(Into::into),
            None => Ok(()),
        };
        Trial::test(name, run).with_ignored_flag([stories::LONG, outage::LONG].contains(&name))
    };
    let trials = selfcheck::TESTS
        .into_iter()
        .chain(stories::TESTS)
        .chain(shop::TESTS)
        .chain(preflight::TESTS)
        .chain(rebuild::TESTS)
        .chain(import::TESTS)
        .chain(ssh::TESTS)
        .chain(copies::TESTS)
        .chain(raw::TESTS)
        .chain(targets::TESTS)
        .chain(quiesce::TESTS)
        .chain(outage::TESTS)
        .chain(autostart::TESTS)
        .map(trial)
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}
