//! The crash campaign: the real program is killed with SIGKILL at every position of its journal and at random moments inside its steps, over
//! every operation; then it is resumed. After each kill the goal must be reached, no effect may have happened twice, and nothing that was
//! acknowledged may be lost: by the journal, and by the simulated world's own log.
//!
//! `cargo test --test campaign` kills some hundred times; `cargo test --test campaign -- full` does what `docs/reliability.md` shows.
//! A number chooses the seed of the random moments, and `folder`, `postgres` or `etcd` one store of the three.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its table is what it is for")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a trial fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "moments of the wall clock are what is chosen here")]

mod estate;
mod place;
#[path = "../stores/program.rs"]
mod program;
#[path = "../stores/proxy.rs"]
#[expect(dead_code, reason = "whoever asks again is not killed")]
mod proxy;
#[path = "../stores/servers.rs"]
#[expect(dead_code, reason = "the servers are not disturbed here")]
mod servers;
mod trial;

use estate::Estate;
use place::Kept;
use proxy::Side;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use trial::{Base, Kill, Led, Random, Seen};

/// How much is done.
struct Size {
    /// Of how many positions, or writes to a store elsewhere, one is tried, on three machines.
    every: usize,
    /// How many random moments there are for each operation, on three machines.
    moments: usize,
    /// The same on fifty, and as many random writes to a store elsewhere.
    fifty: usize,
    /// Whether an operation is tried on fifty with one of the stores only.
    in_turn: bool,
}

/// Few enough for every change.
const SHORT: Size = Size { every: 5, moments: 2, fifty: 1, in_turn: true };
const FULL: Size = Size { every: 1, moments: 14, fifty: 6, in_turn: false };

/// So many trials go on at once: most of their time they wait for simulated machines.
const AT_ONCE: usize = 4;

/// What all trials of an operation came to.
#[derive(Default)]
struct Row {
    positions: std::collections::BTreeSet<usize>,
    kills: usize,
    torn: usize,
    effects: usize,
}

/// A store by its name, and how it is started.
type Kind = (&'static str, fn() -> Kept);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|w| w == "--list") {
        return ExitCode::SUCCESS;
    }
    if !servers::installed() {
        return ExitCode::FAILURE;
    }
    let size = if words.iter().any(|w| w == "full") { FULL } else { SHORT };
    let seed = words.iter().find_map(|w| w.parse().ok()).unwrap_or(1);
    let all: [Kind; 3] = [("folder", Kept::folder), ("postgres", Kept::postgres), ("etcd", Kept::etcd)];
    let named = |name: &str| words.iter().any(|w| w == name);
    let none = !all.iter().any(|(name, _)| named(name));
    let _program = program::copied();
    let mut kills = 0;
    let mut led = Led::default();
    for (turn, (_, start)) in all.iter().enumerate().filter(|(_, (name, _))| none || named(name)) {
        let turn = if size.in_turn { Some(turn + seed as usize) } else { None };
        match store(&start(), &mut led, (&size, turn), seed) {
            Ok(more) => kills += more,
            Err(why) => {
                eprintln!("{why}");
                return ExitCode::FAILURE;
            }
        }
    }
    println!("{kills} kills, all resumed to the goal (seed {seed}).");
    ExitCode::SUCCESS
}

/// All operations over one store; how many kills there were. With a turn, fifty machines are only for every third operation.
fn store(
    kept: &Kept,
    led: &mut Led,
    (size, turn): (&Size, Option<usize>),
    seed: u64,
) -> Result<usize, String> {
    println!("{}\n", kept.name);
    println!("| machines | operation | records | writes | positions hit | kills | torn | effects |");
    println!("|---|---|---|---|---|---|---|---|");
    let (small, large) = (Estate::new(3), Estate::new(50));
    let mut kills = 0;
    for (number, operation) in estate::OPERATIONS.iter().enumerate() {
        for (estate, every, moments) in [(&small, size.every, size.moments), (&large, 0, size.fifty)] {
            if every == 0 && turn.is_some_and(|turn| (number + turn) % 3 != 0) {
                continue;
            }
            let failed =
                |why| format!("{}, {} on {} machines: {why}", kept.name, operation.name, estate.machines);
            let begins = led.to(estate, operation).map_err(failed)?;
            let base = Base::of(kept, begins, operation).map_err(failed)?;
            let mut random = Random::new(seed, operation.name);
            let row = all(&base, &planned(&base, every, moments, &mut random)).map_err(failed)?;
            kills += row.kills;
            println!(
                "| {} | {} | {} | {} | {} | {} | {} | {} |",
                estate.machines,
                operation.name,
                base.records,
                base.writes,
                if every == 0 { "-".to_owned() } else { row.positions.len().to_string() },
                row.kills,
                row.torn,
                row.effects
            );
        }
    }
    println!("\n{kills} kills.\n");
    Ok(kills)
}

/// When the program is killed: at each position, or on either side of each write, as far as `every` says; and at random.
fn planned(base: &Base<'_>, every: usize, moments: usize, random: &mut Random) -> Vec<Kill> {
    let mut plan = Vec::new();
    if every > 0 && base.writes == 0 {
        plan.extend((1 + random.number(every)..=base.records).step_by(every).map(Kill::At));
    }
    if every > 0 && base.writes > 0 {
        let both = (1..=base.writes).flat_map(|at| [(at, Side::Before), (at, Side::After)]);
        // An odd step, so that both sides are tried.
        let step = if every == 1 { 1 } else { 2 * every - 1 };
        plan.extend(both.skip(random.number(step)).step_by(step).map(|(at, side)| Kill::Write(at, side)));
        plan.extend((1..=base.writes).skip(every).step_by(4 * every).map(|at| Kill::Write(at, Side::Dark)));
    }
    for _ in 0..moments {
        plan.push(Kill::After(random.below(base.took)));
        if every == 0 && base.writes > 0 {
            let side = if random.number(2) == 0 { Side::Before } else { Side::After };
            plan.push(Kill::Write(1 + random.number(base.writes), side));
        }
    }
    plan
}

/// All trials of one operation, some at a time.
fn all(base: &Base<'_>, plan: &[Kill]) -> Result<Row, String> {
    let row = Mutex::new(Row::default());
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(kill) = plan.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match base.trial(*kill) {
                        Ok(Some(seen)) => note(&mut row.lock().unwrap(), &seen),
                        // It had ended before.
                        Ok(None) => {}
                        Err(why) => {
                            next.store(plan.len(), Ordering::Relaxed);
                            failed.lock().unwrap().get_or_insert(format!("killed {kill:?}: {why}"));
                        }
                    }
                }
            });
        }
    });
    match failed.into_inner().unwrap() {
        Some(why) => Err(why),
        None => Ok(row.into_inner().unwrap()),
    }
}

fn note(row: &mut Row, seen: &Seen) {
    row.kills += seen.kills;
    row.torn += usize::from(seen.torn);
    row.effects += seen.effects;
    row.positions.extend(seen.position);
}
