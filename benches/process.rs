//! Whole-process figures: wall time as the median of some runs, and peak memory, of the release binary on generated workspaces.
//!
//! `cargo bench --bench process` measures up to 10,000 replicas, `cargo bench --bench process -- --all` up to 100,000.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark measures the wall clock and prints what it found"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use support::Shape;

const BINARY: &str = env!("CARGO_BIN_EXE_lifeboat");

fn main() -> std::io::Result<()> {
    let all = std::env::args().any(|a| a == "--all");
    let root = std::env::temp_dir().join(format!("lifeboat-bench-{}", std::process::id()));
    println!("{:44} {:>10} {:>10} {:>10} {:>10}", "command", "median", "least", "most", "peak MiB");
    show("lifeboat --version", &measure(11, &root, &["--version"], |_| Ok(()))?);
    let sizes: &[usize] = if all { &[1_000, 10_000, 100_000] } else { &[1_000, 10_000] };
    for shape in [Shape::Chain, Shape::Layers] {
        for count in sizes {
            let folder = root.join(format!("{}-{count}", shape.name()));
            support::write(&folder, shape, *count)?;
            let runs = if *count > 10_000 { 3 } else { 7 };
            for command in ["validate", "plan"] {
                let args: &[&str] = if command == "plan" { &["plan", "evacuate"] } else { &["validate"] };
                let found = measure(runs, &folder, args, |_| Ok(()))?;
                show(&format!("{command} of {count} as {}", shape.name()), &found);
            }
        }
    }
    let folder = root.join("apply");
    support::write(&folder, Shape::Layers, 1_000)?;
    let args = ["apply", "evacuate", "--confirm", "evacuate"];
    let found =
        measure(5, &folder, &args, |folder| match std::fs::remove_dir_all(folder.join(".lifeboat")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })?;
    show("apply of 1000 as layers, durable journal", &found);
    rehearsal(&root)?;
    std::fs::remove_dir_all(root)
}

/// The example of 200 machines, with all single failures and the usual number of draws.
fn rehearsal(root: &Path) -> std::io::Result<()> {
    let folder = root.join("estate");
    std::fs::create_dir_all(&folder)?;
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/estate");
    for entry in std::fs::read_dir(example)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), folder.join(entry.file_name()))?;
        }
    }
    let found = measure(5, &folder, &["rehearse", "evacuate-hall-a"], |_| Ok(()))?;
    show("rehearse of the estate, 200 machines", &found);
    Ok(())
}

struct Found {
    times: Vec<Duration>,
    peak: u64,
}

fn show(what: &str, found: &Found) {
    let ms = |d: Option<&Duration>| d.map_or(0.0, |d| d.as_secs_f64() * 1000.0);
    let times = &found.times;
    println!(
        "{what:44} {:>7.1} ms {:>7.1} ms {:>7.1} ms {:>10.1}",
        ms(times.get(times.len() / 2)),
        ms(times.first()),
        ms(times.last()),
        found.peak as f64 / 1024.0
    );
}

fn measure(
    runs: usize,
    folder: &Path,
    args: &[&str],
    prepare: impl Fn(&PathBuf) -> std::io::Result<()>,
) -> std::io::Result<Found> {
    std::fs::create_dir_all(folder)?;
    let mut found = Found { times: Vec::new(), peak: 0 };
    for run in 0..=runs {
        prepare(&folder.to_path_buf())?;
        let start = Instant::now();
        let mut child = Command::new(BINARY)
            .args(args)
            .current_dir(folder)
            .env_clear()
            .env("HOME", folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        // The first run warms the caches and is looked at; the others are left alone, for looking takes a processor away.
        let ended = if run == 0 { watched(&mut child, &mut found.peak)? } else { child.wait()? };
        let took = start.elapsed();
        if !ended.success() {
            return Err(std::io::Error::other(format!(
                "{args:?} in {} ended with {ended}",
                folder.display()
            )));
        }
        if run > 0 {
            found.times.push(took);
        }
    }
    found.times.sort();
    Ok(found)
}

/// The kernel keeps the peak, so asking now and then is enough; the last moment before the end may be missed.
fn watched(child: &mut Child, peak: &mut u64) -> std::io::Result<ExitStatus> {
    let status = format!("/proc/{}/status", child.id());
    loop {
        if let Some(ended) = child.try_wait()? {
            return Ok(ended);
        }
        let now = std::fs::read_to_string(&status).ok().and_then(|s| {
            s.lines().find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse().ok())
        });
        *peak = (*peak).max(now.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(1));
    }
}
