//! What it costs that a run is durable: `cargo bench --bench durable`.
//!
//! The real engine with the real stores, over 1,000 steps that cost nothing themselves; and in turn with it, on the same disk and the same
//! server, the bare cost of the very bytes that the engine wrote, in the very groups in which it wrote them: *append and fdatasync* of a
//! file, *one prepared insert* each, *one put* each. A word after the command chooses a store. Everything lies in the system's
//! folder for temporary files: `TMPDIR` chooses the disk.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a benchmark measures the wall clock and prints what it found"
)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]
#![allow(dead_code, reason = "the servers are those of the tests, which use more of them")]

mod bare;
mod plan;
#[path = "../../tests/stores/proxy.rs"]
mod proxy;
#[path = "../../tests/stores/servers.rs"]
mod servers;

use lifeboat::base::{Duration as Span, RunId, Timestamp};
use lifeboat::engine::{Aids, Run, drive, stop_signal};
use lifeboat::journal::{
    Access, Claim, Frozen, Journal, JournalError, Lease, Place, Store, Way, record::VERSION,
};
use lifeboat::provider::clock::SystemClock;
use lifeboat::run::{Event, Outcome, Progress, Runner};
use plan::{Free, Shape};
use servers::{Etcd, Folder, Postgres, Server};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const STEPS: u32 = 1_000;
/// Each figure is the median of so many, ours and the bare ones in turn, after one that warms up.
const ROUNDS: usize = 9;
/// As many as a failover plan has where it says nothing.
const PLACES: u32 = 10;

const SHAPES: [(&str, Shape); 3] = [
    ("chain", Shape::Chain),
    ("fan-out, 10 at once", Shape::FanOut(Some(PLACES))),
    ("fan-out, all at once", Shape::FanOut(None)),
];

/// Writes through, and keeps how many events each write had.
struct Counting {
    journal: Box<dyn Journal>,
    writes: Vec<usize>,
}

impl Journal for Counting {
    fn append(&mut self, events: &[(Timestamp, Event)]) -> Result<(), JournalError> {
        self.writes.push(events.len());
        self.journal.append(events)
    }

    fn lease(&self) -> Lease {
        self.journal.lease()
    }
}

/// A run that was driven: how long that took, and the bytes of each of its writes.
struct Driven {
    took: Duration,
    groups: Vec<Vec<u8>>,
}

fn driven(store: &dyn Store, shape: Shape, name: &str) -> Driven {
    let (run, plan) = (RunId::new(name).unwrap(), plan::plan(shape, STEPS));
    let runner = Runner { person: "bench".to_owned(), host: "here".to_owned(), version: "0".to_owned() };
    let claim = Claim {
        run: run.clone(),
        purpose: plan.purpose.to_string(),
        replicas: plan.placements.keys().cloned().collect(),
        copies: false,
        runner: runner.clone(),
        process: std::process::id(),
        since: Timestamp::from_millis(0),
    };
    let frozen = Frozen {
        format: VERSION,
        run: run.clone(),
        plan,
        setup: serde_json::Value::Null,
        documents: Vec::new(),
        seal: None,
        sealed: None,
        confirmed: None,
        admission: None,
        before: None,
    };
    let hold = store.claim(&claim, Way::Plain).unwrap();
    let mut journal = Counting { journal: store.create(&frozen).unwrap(), writes: Vec::new() };
    let progress = Progress::new(Arc::new(frozen.plan));
    let (_stopper, stop) = stop_signal();
    // As the program has it.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let began = Instant::now();
    let ended = runtime.block_on(drive(Run {
        id: run.clone(),
        runner,
        progress,
        journal: &mut journal,
        provider: Arc::new(Free),
        aids: Aids::default(),
        clock: Arc::new(SystemClock),
        stop,
        deadline: None,
        grace: Span::from_secs(60),
        watch: &mut |_, _, _| {},
        crash: None,
    }));
    let took = began.elapsed();
    assert_eq!(ended.unwrap().outcome, Outcome::Completed);
    let raw = store.raw(&run).unwrap().journal;
    let mut lines = raw.split_inclusive(|b| *b == b'\n');
    let groups = journal.writes.iter().map(|count| lines.by_ref().take(*count).flatten().copied().collect());
    let groups = groups.collect();
    assert!(lines.next().is_none(), "every record was counted");
    hold.release().unwrap();
    Driven { took, groups }
}

/// A figure over all rounds.
struct Figure(Vec<f64>);

impl Figure {
    fn new(mut all: Vec<f64>) -> Self {
        all.sort_by(f64::total_cmp);
        Self(all)
    }

    fn median(&self) -> f64 {
        self.0[self.0.len() / 2]
    }

    fn show(&self, digits: usize) -> String {
        let (least, most) = (self.0[0], self.0[self.0.len() - 1]);
        format!("{:.digits$} ({least:.digits$}–{most:.digits$})", self.median())
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Measures one shape in one store, ours and the bare cost in turn.
fn measure(store: &dyn Store, name: &str, shape: Shape, bare: &dyn Fn(&[Vec<u8>]) -> Duration) {
    let (mut ours, mut bares, mut ratios, mut writes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let word = name.split_once(',').map_or(name, |(_, most)| most.trim()).replace(' ', "-");
        let found = driven(store, shape, &format!("{word}-{round}"));
        let alone = bare(&found.groups);
        if round > 0 {
            ours.push(millis(found.took));
            bares.push(millis(alone));
            ratios.push(found.took.as_secs_f64() / alone.as_secs_f64());
            writes.push(found.groups.len() as f64);
        }
    }
    let [ours, bares, ratios, writes] = [ours, bares, ratios, writes].map(Figure::new);
    let steps = f64::from(STEPS);
    println!(
        "{name:22} {:>8.0} {:>24} {:>18} {:>8.3} {:>24} {:>18}",
        steps / ours.median() * 1000.0,
        ours.show(1),
        writes.show(0),
        writes.median() / steps,
        bares.show(1),
        ratios.show(2),
    );
}

type Bare = Box<dyn Fn(&[Vec<u8>]) -> Duration>;

fn started(name: &str) -> (Box<dyn Server>, String, Bare) {
    let mut server: Box<dyn Server> = match name {
        "folder" => Box::new(Folder::new()),
        "postgres" => Box::new(Postgres::new()),
        _ => Box::new(Etcd::new()),
    };
    let place = server.place();
    let bare: Bare = match name {
        "folder" => {
            let folder = std::path::PathBuf::from(place.trim_start_matches("file:"));
            std::fs::create_dir_all(&folder).unwrap();
            Box::new(move |groups| bare::synced(&folder, groups))
        }
        "postgres" => {
            let url = place.clone();
            Box::new(move |groups| bare::inserted(&url, groups))
        }
        _ => {
            let host = place.trim_start_matches("etcd://").split('/').next().unwrap_or_default().to_owned();
            Box::new(move |groups| bare::put(&host, groups))
        }
    };
    (server, place, bare)
}

fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn main() {
    let chosen = std::env::args().skip(1).find(|a| !a.starts_with('-'));
    println!("{STEPS} steps, medians of {ROUNDS} (least–most), load before: {}", load());
    for name in ["folder", "postgres", "etcd"] {
        if chosen.as_deref().is_some_and(|c| c != name) {
            continue;
        }
        let (_server, place, bare) = started(name);
        let store = place.parse::<Place>().unwrap().open("unused".as_ref(), &Access::default()).unwrap();
        println!("\n{}", store.place());
        println!(
            "{:22} {:>8} {:>24} {:>18} {:>8} {:>24} {:>18}",
            "", "steps/s", "ours ms", "writes", "a step", "the same bytes, bare ms", "ratio"
        );
        for (name, shape) in SHAPES {
            measure(store.as_ref(), name, shape, &bare);
        }
    }
    println!("\nload after: {}", load());
}
