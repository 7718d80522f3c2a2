//! Tests on real guests: `cargo test --test libvirt`, as root, on a machine with libvirt and QEMU. They bring up two libvirt hosts
//! themselves and leave nothing behind. What is missing on the machine is named, and is a failure. The long one, which kills Lifeboat within
//! every step, takes ten minutes and is asked for by itself: `cargo test --test libvirt -- --ignored`.

#![allow(clippy::print_stderr, reason = "what is missing has to be said")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a story fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "real guests keep the time of the wall clock")]

mod autostart;
mod changed;
mod copies;
mod drill;
mod import;
mod kills;
mod lab;
mod machine;
mod outage;
mod party;
mod preflight;
mod quiesce;
mod raw;
mod rebuild;
mod selfcheck;
mod shop;
mod ssh;
mod steps;
mod stories;
mod targets;
mod workspace;

use lab::Lab;
use lab::session::Watcher;
use libtest_mimic::{Arguments, Conclusion, Trial};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let keep = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lab");
    let up = match how(&arguments, &keep) {
        Ok(How::Ended(code)) => return ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Ok(How::Listing) => Ok((None, None)),
        Ok(How::Namespaces) => Lab::up(&keep).map(|lab| (Some(lab), None)),
        Ok(How::Session) => Lab::session().map(|(lab, watcher)| (Some(lab), Some(watcher))),
        Err(why) => {
            eprintln!("the tests on real guests cannot run: {why}");
            return ExitCode::FAILURE;
        }
    };
    let (lab, watcher) = match up {
        Ok((lab, watcher)) => (Arc::new(lab), watcher),
        Err(why) => {
            eprintln!("the two sites do not come up: {why}");
            return ExitCode::FAILURE;
        }
    };
    let rights = watcher.is_none();
    // Two processors are not enough for the guests of two tests at once.
    arguments.test_threads = Some(1);
    let trial = |(name, test): stories::Test| {
        let lab = Arc::clone(&lab);
        let run = move || match &*lab {
            Some(lab) => test(lab).map_err(Into::into),
            None => Ok(()),
        };
        (name, Trial::test(name, run).with_ignored_flag(name == steps::LONG))
    };
    let trials = selfcheck::TESTS
        .into_iter()
        .chain(stories::TESTS)
        .chain(shop::TESTS)
        .chain(drill::TESTS)
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
        .chain(kills::TESTS)
        .chain(changed::TESTS)
        .chain(steps::TESTS)
        .map(trial);
    // Nothing is passed over in silence: what cannot run is named, and not counted among what was only not asked for.
    let (runs, cannot): (Vec<_>, Vec<_>) =
        trials.partition(|(name, _)| rights || lab::session::STORIES.contains(name));
    assert!(rights || runs.len() == lab::session::STORIES.len(), "a story that needs no rights is not there");
    let wanted = |name: &str| {
        let fits =
            |filter: &String| if arguments.exact { name == filter } else { name.contains(filter.as_str()) };
        arguments.filter.as_ref().is_none_or(fits) && !arguments.skip.iter().any(fits)
    };
    let cannot: Vec<&str> = cannot.iter().map(|(name, _)| *name).filter(|name| wanted(name)).collect();
    let conclusion = libtest_mimic::run(&arguments, runs.into_iter().map(|(_, trial)| trial).collect());
    let gone = watcher.map_or(Ok(()), Watcher::end);
    ended(&conclusion, &cannot, gone)
}

/// How this process runs.
enum How {
    /// It tells the names of the stories.
    Listing,
    /// Inside of the namespaces.
    Namespaces,
    /// In a lab without rights.
    Session,
    /// It has run inside of the namespaces, with this exit code.
    Ended(i32),
}

fn how(arguments: &Arguments, keep: &Path) -> Result<How, String> {
    if arguments.list {
        return Ok(How::Listing);
    }
    if lab::session::enter()? {
        return Ok(How::Session);
    }
    Ok(lab::enter(keep)?.map_or(How::Namespaces, How::Ended))
}

/// The exit code, with what could not run for lack of rights. Where nobody reads along, that is a failure.
fn ended(conclusion: &Conclusion, cannot: &[&str], gone: Result<(), String>) -> ExitCode {
    if let Err(why) = gone {
        eprintln!("{why}");
        return ExitCode::FAILURE;
    }
    if cannot.is_empty() {
        return conclusion.exit_code();
    }
    eprintln!(
        "NOT RUN, for this user may make no namespaces ({} stories; run the tests as root):",
        cannot.len()
    );
    cannot.iter().for_each(|name| eprintln!("  {name}"));
    if std::env::var_os("CI").is_some() { ExitCode::FAILURE } else { conclusion.exit_code() }
}
