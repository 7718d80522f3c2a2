//! The stages of a plan, one by one and in this process: `cargo bench --bench stages`. It shows where time goes; the bars are measured
//! on the whole program (`process`).

#![expect(clippy::expect_used, reason = "a benchmark that cannot start has nothing to measure")]

#[path = "support/mod.rs"]
#[expect(dead_code, reason = "the other benchmark uses the rest")]
mod support;

use divan::Bencher;
use lifeboat::base::RunbookName;
use lifeboat::checker::check;
use lifeboat::diag::Sources;
use lifeboat::document::parse;
use lifeboat::inventory::Inventory;
use lifeboat::model::{Workspace, resolve};
use lifeboat::plan::{Plan, Purpose};
use lifeboat::planner::{Request, plan};
use lifeboat::port::{Placement, Provider, ProviderSpec, Subject};
use lifeboat::provider::sim::{ReplicaSetup, Setup, Simulator};
use support::Shape;

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SIZES: [usize; 2] = [1_000, 10_000];

fn main() {
    divan::main();
}

fn sources(count: usize) -> Sources {
    let mut sources = Sources::default();
    sources.add("all.yaml", support::documents(Shape::Layers, count));
    sources
}

fn workspace(count: usize) -> Workspace {
    let sources = sources(count);
    resolve(parse(&sources), &sources).workspace
}

fn observed(workspace: &Workspace) -> Inventory {
    let subjects: Vec<Subject> = workspace
        .replicas
        .values()
        .map(|r| Subject {
            replica: r.name.clone(),
            placement: Placement {
                source: r.source.clone(),
                replica: r.replica.clone(),
                target: None,
                both_may_run: false,
            },
        })
        .collect();
    let sites = workspace.sites.iter().filter_map(|(name, site)| match &site.provider {
        ProviderSpec::Simulator(spec) => Some((name.clone(), spec.clone())),
        ProviderSpec::Libvirt(_) => None,
    });
    let replicas = subjects.iter().map(|s| (s.replica.clone(), ReplicaSetup::new(s, Vec::new())));
    let setup = Setup { sites: sites.collect(), replicas: replicas.collect() };
    let folder = std::env::temp_dir().join("lifeboat-bench-looked-at-only");
    let simulator = Simulator::open(&folder, setup).expect("a new world opens");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
    runtime.block_on(simulator.observe(&subjects))
}

fn planned(workspace: &Workspace, inventory: &Inventory) -> Plan {
    let runbook: RunbookName = "evacuate".parse().expect("a name");
    let request = Request {
        workspace,
        inventory,
        purpose: &Purpose::Runbook(runbook.clone()),
        desired: &workspace.runbooks[&runbook].desired,
        switchover_now: false,
    };
    plan(&request).expect("a plan")
}

#[divan::bench(args = SIZES)]
fn read(bencher: Bencher<'_, '_>, count: usize) {
    let sources = sources(count);
    bencher.bench(|| parse(&sources));
}

#[divan::bench(args = SIZES, name = "resolve")]
fn resolving(bencher: Bencher<'_, '_>, count: usize) {
    let sources = sources(count);
    bencher.with_inputs(|| parse(&sources)).bench_values(|parsed| resolve(parsed, &sources));
}

#[divan::bench(args = SIZES)]
fn observe(bencher: Bencher<'_, '_>, count: usize) {
    let workspace = workspace(count);
    bencher.bench(|| observed(&workspace));
}

#[divan::bench(args = SIZES, name = "plan")]
fn planning(bencher: Bencher<'_, '_>, count: usize) {
    let workspace = workspace(count);
    let inventory = observed(&workspace);
    bencher.bench(|| planned(&workspace, &inventory));
}

#[divan::bench(args = SIZES, name = "check")]
fn checking(bencher: Bencher<'_, '_>, count: usize) {
    let workspace = workspace(count);
    let inventory = observed(&workspace);
    let plan = planned(&workspace, &inventory);
    bencher.bench(|| check(&plan, &inventory));
}
