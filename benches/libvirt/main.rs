//! What moving real machines costs, beside the same commands typed by hand: `cargo bench --bench libvirt`, as root, on a machine with libvirt and
//! QEMU. It brings up two hosts in namespaces as the tests do, and leaves nothing behind. Everything is shown and nothing is judged.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a benchmark measures the wall clock and prints what it found"
)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]
#![allow(dead_code, reason = "the lab is that of the tests, which use more of it")]

mod hand;
#[path = "../../tests/libvirt/lab/mod.rs"]
mod lab;
#[path = "../../tests/libvirt/machine.rs"]
mod machine;
#[path = "../../tests/libvirt/workspace.rs"]
mod workspace;

use hand::Hand;
use lab::Lab;
use lab::run::run;
use lab::site::Site;
use lab::vm::Vm;
use machine::{Blank, answer, virsh, write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use workspace::Workspace;

/// Each figure is the median of so many.
const ROUNDS: usize = 3;
const MIB: f64 = 1_048_576.0;
const BLANK: &str = "shutdown: { within: 1s }\n  ready: { all: [{ guest: {} }], every: 200ms, within: 15s }";
const HTTP: &str = "ready: { all: [{ http: { path: /healthz } }], every: 200ms, within: 90s }";

type Part = (&'static str, fn(&Lab));

/// What is measured; a word after the command chooses one.
const PARTS: [Part; 3] = [("copies", copies), ("failover", failover), ("many", many)];

fn main() -> ExitCode {
    let keep = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lab");
    let lab = match lab::enter(&keep) {
        Ok(Some(code)) => return ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Ok(None) => Lab::up(&keep),
        Err(why) => Err(why),
    };
    match lab {
        Ok(lab) => {
            println!("{:58} {:>9} {:>9} {:>7}  all of ours, all by hand", "", "ours", "by hand", "ratio");
            let chosen = std::env::args().skip(1).find(|a| !a.starts_with('-'));
            for (name, part) in PARTS {
                if chosen.as_ref().is_none_or(|c| c == name) {
                    part(&lab);
                }
            }
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("the two sites do not come up: {why}");
            ExitCode::FAILURE
        }
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

fn median(times: &[Duration]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted[sorted.len() / 2].as_secs_f64()
}

fn show(what: &str, ours: &[Duration], by_hand: &[Duration]) {
    let (one, other) = (median(ours), median(by_hand));
    let list = |all: &[Duration]| {
        all.iter().map(|t| format!("{:.2}", t.as_secs_f64())).collect::<Vec<_>>().join(" ")
    };
    println!("{what:58} {one:>7.2} s {other:>7.2} s {:>7.2}  {}, {}", one / other, list(ours), list(by_hand));
}

/// Bytes that a site got over the link to the other one.
fn received(site: &Site) -> f64 {
    let text = site.exec(&["cat", "/sys/class/net/wan/statistics/rx_bytes"]).unwrap();
    text.trim().parse().unwrap()
}

fn sent(what: &str, bytes: f64, changed: f64) {
    println!("{what:58} {:>5.1} MiB {:>5.1} MiB {:>7.2}", bytes / MIB, changed, bytes / MIB / changed);
}

/// Full copies, increments, and what goes over the link.
fn copies(lab: &Lab) {
    let (a, b) = (&lab.production, &lab.recovery);
    let (mut full, mut by_hand) = (Vec::new(), Vec::new());
    let (mut more, mut more_by_hand) = (Vec::new(), Vec::new());
    let (mut bytes, mut back) = (Vec::new(), Vec::new());
    // Both sides get a machine that nobody has read from: the first copy of one takes longer than those after it.
    for (round, [name, plain]) in
        [["bench-1", "hand-1"], ["bench-2", "hand-2"], ["bench-3", "hand-3"]].into_iter().enumerate()
    {
        let number = 2 * u8::try_from(round).unwrap();
        let (vm, plain) = (hand::bed(a, name, number), hand::bed(a, plain, number + 1));
        let workspace = Workspace::new(lab, &[name], BLANK);
        let hand = Hand::new(lab, plain.name, round);
        by_hand.push(timed(|| hand.full()));
        full.push(timed(|| workspace.replicate()));
        for vm in [vm, plain] {
            write(a, vm.name, 0, (7, 600, 16));
        }
        more_by_hand.push(timed(|| hand.increment()));
        let before = received(b);
        more.push(timed(|| workspace.replicate()));
        bytes.push(received(b) - before);
        workspace.apply("evacuate");
        write(b, &vm.replica(), 0, (9, 700, 16));
        let before = received(a);
        workspace.apply("return");
        back.push(received(a) - before);
        virsh(a, &["destroy", name]);
        virsh(a, &["destroy", plain.name]);
    }
    show("full copy, 256 MiB of 1 GiB", &full, &by_hand);
    show("increment, 16 MiB of 1 GiB", &more, &more_by_hand);
    let middle = |mut all: Vec<f64>| {
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    println!();
    sent("bytes over the link for 16 MiB changed: increment", middle(bytes), 16.0);
    sent("bytes over the link for 16 MiB changed: failback", middle(back), 16.0);
    println!();
}

/// From the command to the web server's answer.
fn failover(lab: &Lab) {
    let vm = Vm { name: "bench-vm", number: 7, disks: 1 };
    let (a, b) = (&lab.production, &lab.recovery);
    vm.define(a).unwrap();
    virsh(a, &["start", vm.name]);
    answer(vm, a, "fill?one:16");
    let workspace = Workspace::new(lab, &[vm.name], HTTP);
    workspace.replicate();
    let (mut ours, mut by_hand) = (Vec::new(), Vec::new());
    let (mut planned, mut planned_by_hand) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let hand = Hand::new(lab, vm.name, 0);
        // The source is left running: the operator says that it is gone.
        run(&["kill", "-9", a.exec(&["cat", "/run/libvirt/qemu/bench-vm.pid"]).unwrap().trim()]).unwrap();
        by_hand.push(timed(|| {
            hand.fail_over();
            vm.ask(b, "/healthz", 60).unwrap();
        }));
        hand.undo();
        ours.push(timed(|| workspace.apply("lost")));
        workspace.apply("undo");
        if virsh(a, &["domstate", vm.name]) == "shut off" {
            virsh(a, &["start", vm.name]);
        }
        vm.ask(a, "/healthz", 60).unwrap();
        workspace.replicate();
        planned_by_hand.push(timed(|| {
            hand.evacuate();
            vm.ask(b, "/healthz", 60).unwrap();
        }));
        hand.undo();
        virsh(a, &["start", vm.name]);
        vm.ask(a, "/healthz", 60).unwrap();
        workspace.replicate();
        planned.push(timed(|| workspace.apply("evacuate")));
        workspace.apply("undo");
        vm.ask(a, "/healthz", 60).unwrap();
    }
    show("failover, from the command to the answer", &ours, &by_hand);
    show("planned failover, from the command to the answer", &planned, &planned_by_hand);
    println!();
    virsh(a, &["destroy", vm.name]);
}

/// Ten machines at once, and the same one after another.
fn many(lab: &Lab) {
    const NAMES: [&str; 10] =
        ["ten-0", "ten-1", "ten-2", "ten-3", "ten-4", "ten-5", "ten-6", "ten-7", "ten-8", "ten-9"];
    let a = &lab.production;
    for (number, name) in (100u8..).zip(NAMES) {
        Blank { name, number }.start(a);
        write(a, name, 0, (1, 10, 8));
    }
    let all = Workspace::new(lab, &NAMES, BLANK);
    all.replicate();
    let singles: Vec<Workspace> = NAMES.iter().map(|name| Workspace::new(lab, &[name], BLANK)).collect();
    let each = |work: &dyn Fn(&Workspace)| timed(|| singles.iter().for_each(work));
    let change = |pattern: u8| NAMES.iter().for_each(|name| write(a, name, 0, (pattern, 40, 4)));
    change(2);
    let one_by_one = each(&|w| w.replicate());
    change(3);
    let at_once = timed(|| all.replicate());
    println!("{:58} {:>9} {:>9}", "ten machines", "at once", "singly");
    let line = |what: &str, one: Duration, other: Duration| {
        println!("{what:58} {:>7.2} s {:>7.2} s", one.as_secs_f64(), other.as_secs_f64());
    };
    line("  increment of 4 MiB each", at_once, one_by_one);
    let one_by_one = each(&|w| drop(w.apply("evacuate")));
    let back_singly = each(&|w| drop(w.apply("return")));
    let at_once = timed(|| all.apply("evacuate"));
    let back = timed(|| all.apply("return"));
    line("  planned failover", at_once, one_by_one);
    line("  failback and commit", back, back_singly);
    for name in NAMES {
        virsh(a, &["destroy", name]);
    }
}
