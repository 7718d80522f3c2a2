//! One kill, and what is left of it.

use crate::estate::{Estate, Operation};
use lifeboat::journal::Runs;
use lifeboat::provider::sim::{Setup, Simulator};
use lifeboat::run::{Event, How};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// When the program is killed.
#[derive(Debug, Clone, Copy)]
pub enum Kill {
    /// As soon as so many records are written.
    At(usize),
    /// After so long, and what resumes it once more after half of that.
    After(Duration),
}

/// What was seen of a trial.
pub struct Seen {
    /// How many records were whole at the first death.
    pub position: usize,
    /// Whether the last one was torn.
    pub torn: bool,
    /// How often it was killed.
    pub kills: usize,
    /// How many effects its run had in the end.
    pub effects: usize,
}

/// Where an operation begins, and what it comes to when nobody kills it.
pub struct Base {
    folder: tempfile::TempDir,
    command: Vec<String>,
    state: &'static str,
    /// The records of an undisturbed run.
    pub records: usize,
    /// How long that took.
    pub took: Duration,
    effects: BTreeSet<u32>,
    end: Vec<(String, usize)>,
}

/// Numbers that are the same for the same seed.
pub struct Random(u64);

impl Random {
    /// Those of a seed and a word.
    pub fn new(seed: u64, word: &str) -> Self {
        Self(
            word.bytes().fold(seed ^ 0x9e37_79b9_7f4a_7c15, |all, b| {
                (all ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
            }),
        )
    }

    /// A time below another one.
    pub fn below(&mut self, limit: Duration) -> Duration {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let share = (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40) as f64 / f64::from(1u32 << 24);
        limit.mul_f64(share)
    }
}

fn folder() -> tempfile::TempDir {
    // SIGKILL takes nothing from a file system; where files are makes no difference but time.
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

fn lifeboat(at: &Path, words: &[String]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
    command.args(words).current_dir(at).env_clear().env("HOME", at).env("USER", "campaign");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn done(at: &Path, words: &[String]) -> Result<(), String> {
    let output = lifeboat(at, words).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!("`lifeboat {}`: {}, {}", words.join(" "), output.status, String::from_utf8_lossy(&said)))
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}

fn apply(runbook: &str) -> Vec<String> {
    words(&["apply", runbook, "--confirm", runbook])
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let (path, name) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &name);
        } else {
            std::fs::copy(&path, &name).unwrap();
        }
    }
}

fn runs(at: &Path) -> BTreeSet<PathBuf> {
    let found = std::fs::read_dir(at.join(".lifeboat/runs")).into_iter().flatten().flatten();
    found.map(|entry| entry.path()).collect()
}

/// Each replica's condition and how many restore points it has.
fn end(at: &Path) -> Result<Vec<(String, usize)>, String> {
    let output =
        lifeboat(at, &words(&["status", "--format", "json"])).stdout(Stdio::piped()).output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).map_err(|e| e.to_string())?;
    let one = |r: &serde_json::Value| {
        let text = r["condition"]["text"].as_str().unwrap_or_default().to_owned();
        (text, r["points"].as_array().map_or(0, Vec::len))
    };
    Ok(json["replicas"].as_array().ok_or("no replicas")?.iter().map(one).collect())
}

/// The nodes of a run whose effects happened, by the world's own log; one that happened twice is an error.
fn effects(at: &Path, run: &str) -> Result<BTreeSet<u32>, String> {
    let world = Simulator::open(&at.join(".lifeboat/sim"), Setup::default()).map_err(|e| e.to_string())?;
    let mut nodes = BTreeSet::new();
    for line in world.effects().map_err(|e| e.to_string())? {
        let Some((of, node)) = line.key.split_once('#') else { continue };
        if of == run && !nodes.insert(node.parse().map_err(|_| "a key without a node")?) {
            return Err(format!("the effect of {} of {} happened twice", line.key, line.replica));
        }
    }
    Ok(nodes)
}

fn name(run: &Path) -> String {
    run.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

impl Base {
    /// Leads an estate to where the operation begins, and carries it out once.
    pub fn of(estate: &Estate, operation: &Operation) -> Result<Self, String> {
        let folder = folder();
        std::fs::write(folder.path().join("estate.yaml"), estate.documents(operation.fresh)).unwrap();
        for runbook in operation.before {
            done(folder.path(), &apply(runbook))?;
        }
        let command = operation.runbook.map_or_else(|| words(&["replicate", "--all"]), apply);
        let mut base = Self {
            folder,
            command,
            state: operation.state,
            records: 0,
            took: Duration::ZERO,
            effects: BTreeSet::new(),
            end: Vec::new(),
        };
        let copied = base.copy();
        let began = Instant::now();
        done(copied.path(), &base.command)?;
        base.took = began.elapsed();
        let run = base.run(copied.path()).ok_or("it began no run")?;
        base.records = std::fs::read_to_string(run.join("journal.jsonl")).unwrap().lines().count();
        base.effects = effects(copied.path(), &name(&run))?;
        base.end = end(copied.path())?;
        let there = base.end.iter().all(|(text, _)| text == base.state);
        if there && !base.effects.is_empty() { Ok(base) } else { Err(format!("it ends as {:?}", base.end)) }
    }

    fn copy(&self) -> tempfile::TempDir {
        let copied = folder();
        copy(self.folder.path(), copied.path());
        copied
    }

    /// The run that was not there before.
    fn run(&self, at: &Path) -> Option<PathBuf> {
        let before: BTreeSet<String> = runs(self.folder.path()).iter().map(|r| name(r)).collect();
        runs(at).into_iter().find(|run| !before.contains(&name(run)))
    }

    /// Kills it, resumes it, and looks at what is left. `None` where it had ended before.
    pub fn trial(&self, kill: Kill) -> Result<Option<Seen>, String> {
        let copied = self.copy();
        let kept = |why: String| format!("{why}\n(its folder is kept: {})", copied.path().display());
        match self.killed(copied.path(), kill) {
            Ok(seen) => Ok(seen),
            Err(why) => {
                let why = kept(why);
                drop(copied.keep());
                Err(why)
            }
        }
    }

    fn killed(&self, at: &Path, kill: Kill) -> Result<Option<Seen>, String> {
        let mut child = lifeboat(at, &self.command).spawn().unwrap();
        self.wait(&mut child, at, kill);
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            return Ok(None);
        }
        // What had not begun is asked for again, as a person would.
        let Some(run) = self.run(at).filter(|run| run.join("run.json").exists()) else {
            done(at, &self.command)?;
            return Ok(None);
        };
        let before = std::fs::read(run.join("journal.jsonl")).unwrap();
        let whole = before.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
        let acknowledged = before.get(..whole).unwrap_or_default();
        self.nothing_is_lost(at, &run)?;
        let mut kills = 1;
        if let Kill::After(moment) = kill {
            let mut child = lifeboat(at, &words(&["resume"])).spawn().unwrap();
            std::thread::sleep(moment / 2);
            child.kill().unwrap();
            kills += usize::from(!child.wait().unwrap().success());
            self.nothing_is_lost(at, &run)?;
        }
        let over = done(at, &words(&["resume"]));
        if let Err(why) = over.as_ref().map_err(|why| why.as_str())
            && !why.contains("no run is unfinished")
        {
            return Err(why.to_owned());
        }
        let after = std::fs::read(run.join("journal.jsonl")).unwrap();
        if !after.starts_with(acknowledged) {
            return Err("what was written before the kill is not what stands there now".to_owned());
        }
        let found = effects(at, &name(&run))?;
        if found != self.effects {
            return Err(format!("effects of nodes {found:?}, undisturbed {:?}", self.effects));
        }
        let end = end(at)?;
        if end != self.end {
            return Err(format!("it ends as {end:?}, undisturbed as {:?}", self.end));
        }
        let position = acknowledged.iter().filter(|b| **b == b'\n').count();
        Ok(Some(Seen { position, torn: whole < before.len(), kills, effects: found.len() }))
    }

    /// Waits for the moment of the kill, or for its end.
    fn wait(&self, child: &mut Child, at: &Path, kill: Kill) {
        match kill {
            Kill::After(moment) => std::thread::sleep(moment),
            Kill::At(records) => {
                let mut journal = None;
                while child.try_wait().unwrap().is_none() {
                    journal = journal.or_else(|| self.run(at)).filter(|run| run.exists());
                    let text = journal.as_ref().and_then(|run| std::fs::read(run.join("journal.jsonl")).ok());
                    if text.is_some_and(|t| t.iter().filter(|b| **b == b'\n').count() >= records) {
                        return;
                    }
                    std::thread::sleep(Duration::from_micros(200));
                }
            }
        }
    }

    /// Holds that whatever the journal says was performed has happened in the world, also now that nobody runs.
    fn nothing_is_lost(&self, at: &Path, run: &Path) -> Result<(), String> {
        let id = name(run).parse().map_err(|_| "a folder that is no run")?;
        let found = Runs::new(&at.join(".lifeboat")).read(&id).map_err(|e| e.to_string())?;
        let happened = effects(at, &name(run))?;
        for record in &found.records {
            if let Event::Settled { node, how: How::Performed, .. } = &record.event
                && self.effects.contains(&node.0)
                && !happened.contains(&node.0)
            {
                return Err(format!(
                    "record {} says that {} is done, and it did not happen",
                    record.seq, node.0
                ));
            }
        }
        Ok(())
    }
}
