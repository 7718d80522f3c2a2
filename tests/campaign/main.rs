//! The crash campaign: the real program is killed with SIGKILL at every position of its journal and at random moments inside its steps, over
//! every operation; then it is resumed. After each kill the goal must be reached, no effect may have happened twice, and nothing that was
//! acknowledged may be lost: by the journal, and by the simulated world's own log.
//!
//! `cargo test --test campaign` kills some hundred times; `cargo test --test campaign -- full` does what `docs/reliability.md` shows.
//! A number chooses the seed of the random moments.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its table is what it is for")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a trial fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "moments of the wall clock are what is chosen here")]

mod estate;
mod trial;

use estate::{Estate, Operation};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use trial::{Base, Kill, Seen};

/// How much is done.
struct Size {
    /// How often each position is tried, on three machines.
    positions: usize,
    /// How many random moments there are for each operation, on three machines.
    moments: usize,
    /// The same on fifty.
    fifty: usize,
}

const SHORT: Size = Size { positions: 1, moments: 5, fifty: 2 };
const FULL: Size = Size { positions: 2, moments: 40, fifty: 25 };

/// What all trials of an operation came to.
#[derive(Default)]
struct Row {
    records: usize,
    positions: std::collections::BTreeSet<usize>,
    kills: usize,
    torn: usize,
    effects: usize,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|w| w == "--list") {
        return ExitCode::SUCCESS;
    }
    let size = if words.iter().any(|w| w == "full") { FULL } else { SHORT };
    let seed = words.iter().find_map(|w| w.parse().ok()).unwrap_or(1);
    println!("| machines | operation | records | positions hit | kills | torn | effects | twice | lost |");
    println!("|---|---|---|---|---|---|---|---|---|");
    let (small, large) = (Estate::new(3), Estate::new(50));
    let mut kills = 0;
    for operation in estate::OPERATIONS {
        for (estate, positions, moments) in [(&small, size.positions, size.moments), (&large, 0, size.fifty)]
        {
            match all(estate, operation, (positions, moments), seed) {
                Ok(row) => {
                    kills += row.kills;
                    println!(
                        "| {} | {} | {} | {} | {} | {} | {} | 0 | 0 |",
                        estate.machines,
                        operation.name,
                        row.records,
                        if positions == 0 { "-".to_owned() } else { row.positions.len().to_string() },
                        row.kills,
                        row.torn,
                        row.effects
                    );
                }
                Err(why) => {
                    eprintln!("{} on {} machines: {why}", operation.name, estate.machines);
                    return ExitCode::FAILURE;
                }
            }
        }
    }
    println!("\n{kills} kills, all resumed to the goal (seed {seed}).");
    ExitCode::SUCCESS
}

/// All trials of one operation, two at a time.
fn all(estate: &Estate, operation: &Operation, size: (usize, usize), seed: u64) -> Result<Row, String> {
    let base = Base::of(estate, operation)?;
    let (positions, moments) = size;
    let mut plan: Vec<Kill> = Vec::new();
    for _ in 0..positions {
        plan.extend((1..=base.records).map(Kill::At));
    }
    let mut random = trial::Random::new(seed, operation.name);
    plan.extend((0..moments).map(|_| Kill::After(random.below(base.took))));
    let row = Mutex::new(Row { records: base.records, ..Row::default() });
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..2 {
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
    row.positions.insert(seen.position);
}
