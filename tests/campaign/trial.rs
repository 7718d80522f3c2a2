//! One kill, and what is left of it.

use crate::estate::{Estate, Operation};
use crate::place::{Kept, Spot};
use crate::program;
use crate::proxy::{Proxy, Side};
use crate::servers::bound;
use lifeboat::base::RunId;
use lifeboat::journal::{Found, JournalError};
use lifeboat::provider::sim::{Setup, Simulator};
use lifeboat::run::{Event, How};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The number of SIGKILL.
const KILLED: i32 = 9;

/// When the program is killed.
#[derive(Debug, Clone, Copy)]
pub enum Kill {
    /// As soon as so many records are written, in a folder.
    At(usize),
    /// At a write to a store elsewhere.
    Write(usize, Side),
    /// After so long, and what resumes it once more after half of that.
    After(Duration),
}

/// What was seen of a trial.
pub struct Seen {
    /// How many records were whole at the first death; `None` where there was no run yet.
    pub position: Option<usize>,
    /// Whether the last one was torn.
    pub torn: bool,
    /// How often it was killed.
    pub kills: usize,
    /// How many effects its run had in the end.
    pub effects: usize,
}

/// Estates that were led to where operations begin, each once: for a folder its machines, and what was done before.
#[derive(Default)]
pub struct Led(BTreeMap<(usize, bool, &'static [&'static str]), tempfile::TempDir>);

/// Where an operation begins, and what it comes to when nobody kills it.
pub struct Base<'a> {
    kept: &'a Kept,
    folder: &'a Path,
    command: Vec<String>,
    state: &'static str,
    /// The records of an undisturbed run.
    pub records: usize,
    /// Its writes to a store elsewhere; of a folder, 0.
    pub writes: usize,
    /// How long that took.
    pub took: Duration,
    effects: BTreeSet<u32>,
    end: Vec<(String, usize)>,
}

/// One trial's own folder, and its own place in the store.
struct Scene {
    folder: tempfile::TempDir,
    /// Another machine's folder, with the same sites and without documents.
    other: Option<tempfile::TempDir>,
    spot: Spot,
    /// The runs that were there before.
    before: BTreeSet<RunId>,
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

    /// A number from 0 on, below 1.
    fn share(&mut self) -> f64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40) as f64 / f64::from(1u32 << 24)
    }

    /// A time below another one.
    pub fn below(&mut self, limit: Duration) -> Duration {
        limit.mul_f64(self.share())
    }

    /// A whole number below another one.
    pub fn number(&mut self, limit: usize) -> usize {
        (self.share() * limit as f64) as usize
    }
}

fn folder() -> tempfile::TempDir {
    // SIGKILL takes nothing from a file system; where files are makes no difference but time.
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

fn lifeboat(at: &Path, spot: &Spot, words: &[String]) -> Command {
    let mut command = bound(program::path(), false);
    command.args(words).current_dir(at).env_clear().env("HOME", at).env("USER", "campaign");
    if let Some(address) = &spot.address {
        command.env("LIFEBOAT_STORE", address);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// What a command comes to. On a busy machine a store may be too slow to answer in time; then it is asked again, as a person would, but not
/// for ever: who is locked out stays so.
fn asked(command: impl Fn() -> Command) -> Output {
    let once = || command().stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let unanswered = |output: &Output| output.status.code() == Some(74) && told(output).contains("LB0818");
    let mut output = once();
    for _ in 0..2 {
        if unanswered(&output) {
            output = once();
        }
    }
    output
}

fn told(output: &Output) -> String {
    [output.stdout.as_slice(), &output.stderr].map(String::from_utf8_lossy).concat()
}

fn done(at: &Path, spot: &Spot, words: &[String]) -> Result<(), String> {
    let output = asked(|| lifeboat(at, spot, words));
    if output.status.success() {
        return Ok(());
    }
    Err(format!("`lifeboat {}`: {}, {}", words.join(" "), output.status, told(&output)))
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

/// Each replica's condition and how many restore points it has.
fn end(at: &Path, spot: &Spot) -> Result<Vec<(String, usize)>, String> {
    let status = words(&["status", "--format", "json"]);
    let output = asked(|| lifeboat(at, spot, &status));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).map_err(|e| e.to_string())?;
    let one = |r: &serde_json::Value| {
        let text = r["condition"]["text"].as_str().unwrap_or_default().to_owned();
        (text, r["points"].as_array().map_or(0, Vec::len))
    };
    Ok(json["replicas"].as_array().ok_or("no replicas")?.iter().map(one).collect())
}

/// The nodes of a run whose effects happened, by the world's own log; one that happened twice is an error.
fn effects(at: &Path, run: &RunId) -> Result<BTreeSet<u32>, String> {
    let world = Simulator::open(&at.join(".lifeboat/sim"), Setup::default()).map_err(|e| e.to_string())?;
    let mut nodes = BTreeSet::new();
    for line in world.effects().map_err(|e| e.to_string())? {
        let Some((of, node)) = line.key.split_once('#') else { continue };
        if of == run.as_str() && !nodes.insert(node.parse().map_err(|_| "a key without a node")?) {
            return Err(format!("the effect of {} of {} happened twice", line.key, line.replica));
        }
    }
    Ok(nodes)
}

/// Looks at a store; one that is too busy to answer is asked again.
fn look<T>(question: impl Fn() -> Result<T, JournalError>) -> Result<T, String> {
    let began = Instant::now();
    loop {
        match question() {
            Err(JournalError::Unreachable { .. }) if began.elapsed() < Duration::from_secs(60) => {}
            other => return other.map_err(|e| e.to_string()),
        }
    }
}

impl Scene {
    fn at(&self) -> &Path {
        self.folder.path()
    }

    /// The run that was not there before.
    fn run(&self) -> Result<Option<RunId>, String> {
        let store = self.spot.store(self.at());
        let runs = look(|| store.list())?;
        let mut fresh = runs.into_iter().filter(|run| !self.before.contains(run));
        let first = fresh.next();
        if fresh.next().is_some() { Err("there are two runs".to_owned()) } else { Ok(first) }
    }

    /// What its store has of a run: its records, of which the chain was looked at, and its journal's bytes.
    fn read(&self, run: &RunId) -> Result<(Found, Vec<u8>), String> {
        let store = self.spot.store(self.at());
        let found = look(|| store.read(run))?;
        let journal = look(|| store.raw(run))?.journal;
        Ok((found, journal))
    }

    /// The command that goes on with it, where somebody would type it.
    fn resume(&self) -> Command {
        lifeboat(self.other.as_ref().unwrap_or(&self.folder).path(), &self.spot, &words(&["resume"]))
    }

    /// Goes on with it to its end, if it has not come to its end already.
    fn resumed(&self) -> Result<(), String> {
        let output = asked(|| self.resume());
        let said = told(&output);
        let over = output.status.code() == Some(1) && said.contains("no run is unfinished");
        if output.status.success() || over {
            Ok(())
        } else {
            Err(format!("resume: {}, {said}", output.status))
        }
    }
}

impl Led {
    /// An estate where an operation begins.
    pub fn to(&mut self, estate: &Estate, operation: &Operation) -> Result<&Path, String> {
        let (machines, fresh, before) = (estate.machines, operation.fresh, operation.before);
        for done_before in 0..=before.len() {
            let steps = before.get(..done_before).unwrap_or_default();
            if self.0.contains_key(&(machines, fresh, steps)) {
                continue;
            }
            let folder = folder();
            if let Some((last, earlier)) = steps.split_last() {
                copy(self.0[&(machines, fresh, earlier)].path(), folder.path());
                done(folder.path(), &Kept::folder().spot(), &apply(last))?;
            } else {
                std::fs::write(folder.path().join("estate.yaml"), estate.documents(fresh)).unwrap();
            }
            self.0.insert((machines, fresh, steps), folder);
        }
        Ok(self.0[&(machines, fresh, before)].path())
    }
}

impl<'a> Base<'a> {
    /// Carries an operation out once.
    pub fn of(kept: &'a Kept, folder: &'a Path, operation: &Operation) -> Result<Self, String> {
        let command = operation.runbook.map_or_else(|| words(&["replicate", "--all"]), apply);
        let mut base = Self {
            kept,
            folder,
            command,
            state: operation.state,
            records: 0,
            writes: 0,
            took: Duration::ZERO,
            effects: BTreeSet::new(),
            end: Vec::new(),
        };
        let scene = base.scene()?;
        let (spot, proxy) = scene.spot.behind(None);
        let began = Instant::now();
        done(scene.at(), &spot, &base.command)?;
        base.took = began.elapsed();
        base.writes = proxy.map_or(0, |proxy| proxy.writes());
        let run = scene.run()?.ok_or("it began no run")?;
        base.records = scene.read(&run)?.0.records.len();
        base.effects = effects(scene.at(), &run)?;
        base.end = end(scene.at(), &scene.spot)?;
        let there = base.end.iter().all(|(text, _)| text == base.state);
        if there && !base.effects.is_empty() { Ok(base) } else { Err(format!("it ends as {:?}", base.end)) }
    }

    fn scene(&self) -> Result<Scene, String> {
        let (folder, spot) = (folder(), self.kept.spot());
        copy(self.folder, folder.path());
        let other = self.kept.is_elsewhere().then(|| {
            let other = self::folder();
            let (own, world) = (other.path().join(".lifeboat"), folder.path().join(".lifeboat/sim"));
            std::fs::create_dir_all(&world).unwrap();
            std::fs::create_dir(&own).unwrap();
            std::os::unix::fs::symlink(world, own.join("sim")).unwrap();
            other
        });
        let store = spot.store(folder.path());
        let before = look(|| store.list())?;
        Ok(Scene { folder, other, spot, before: before.into_iter().collect() })
    }

    /// Kills it, resumes it, and looks at what is left. `None` where it had ended before.
    pub fn trial(&self, kill: Kill) -> Result<Option<Seen>, String> {
        let scene = self.scene()?;
        match self.killed(&scene, kill) {
            Ok(seen) => Ok(seen),
            Err(why) => {
                let why = format!("{why}\n(its folder is kept: {})", scene.at().display());
                drop(scene.folder.keep());
                Err(why)
            }
        }
    }

    fn killed(&self, scene: &Scene, kill: Kill) -> Result<Option<Seen>, String> {
        let stop = if let Kill::Write(at, side) = kill { Some((at, side)) } else { None };
        let (spot, proxy) = if stop.is_some() { scene.spot.behind(stop) } else { (scene.spot.clone(), None) };
        let mut child = lifeboat(scene.at(), &spot, &self.command).spawn().unwrap();
        self.wait(&mut child, scene, kill, proxy.as_ref());
        child.kill().unwrap();
        if child.wait().unwrap().signal() != Some(KILLED) {
            return self.by_itself(scene);
        }
        let (mut kills, mut torn, mut position) = (1, false, None);
        let mut acknowledged = Vec::new();
        if let Some(run) = scene.run()? {
            let found = self.nothing_is_lost(scene, &run)?;
            acknowledged = found.1;
            let whole = acknowledged.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
            acknowledged.truncate(whole);
            (torn, position) = (found.0.torn, Some(found.0.records.len()));
            if let Kill::After(moment) = kill {
                let mut child = scene.resume().spawn().unwrap();
                std::thread::sleep(moment / 2);
                child.kill().unwrap();
                kills += usize::from(child.wait().unwrap().signal() == Some(KILLED));
                self.nothing_is_lost(scene, &run)?;
            }
            scene.resumed()?;
        } else {
            // What had not begun is asked for again, as a person would.
            done(scene.at(), &scene.spot, &self.command)?;
        }
        let run = scene.run()?.ok_or("its run is gone")?;
        let (found, after) = self.nothing_is_lost(scene, &run)?;
        if !after.starts_with(&acknowledged) {
            return Err("what was written before the kill is not what stands there now".to_owned());
        }
        if found.torn || !found.records.last().is_some_and(|last| last.event.ends_for_good()) {
            return Err("its journal has no end".to_owned());
        }
        let happened = effects(scene.at(), &run)?;
        if happened != self.effects {
            return Err(format!("effects of nodes {happened:?}, undisturbed {:?}", self.effects));
        }
        let end = end(scene.at(), &scene.spot)?;
        if end != self.end {
            return Err(format!("it ends as {end:?}, undisturbed as {:?}", self.end));
        }
        let store = scene.spot.store(scene.at());
        let left = look(|| store.claims())?;
        if !left.is_empty() {
            return Err(format!("it is still claimed: {left:?}"));
        }
        Ok(Some(Seen { position, torn, kills, effects: happened.len() }))
    }

    /// It had ended before, or was told by a store on a busy machine to come again: nobody was killed. It is left in order all the same.
    fn by_itself(&self, scene: &Scene) -> Result<Option<Seen>, String> {
        match scene.run()? {
            Some(_) => scene.resumed()?,
            None => done(scene.at(), &scene.spot, &self.command)?,
        }
        let end = end(scene.at(), &scene.spot)?;
        if end == self.end { Ok(None) } else { Err(format!("not killed, it ends as {end:?}")) }
    }

    /// Waits for the moment of the kill, or for its end.
    fn wait(&self, child: &mut Child, scene: &Scene, kill: Kill, proxy: Option<&Proxy>) {
        match kill {
            Kill::After(moment) => std::thread::sleep(moment),
            Kill::Write(..) => while !proxy.unwrap().reached() && child.try_wait().unwrap().is_none() {},
            Kill::At(records) => {
                let (mut journal, mut length) = (None, 0);
                while child.try_wait().unwrap().is_none() {
                    journal = journal.or_else(|| {
                        let run = scene.run().ok().flatten()?;
                        Some(scene.at().join(".lifeboat/runs").join(run.as_str()).join("journal.jsonl"))
                    });
                    let found = journal.as_ref().and_then(|path| path.metadata().ok()).map_or(0, |m| m.len());
                    if found > length {
                        length = found;
                        let text = journal.as_ref().and_then(|path| std::fs::read(path).ok());
                        if text.is_some_and(|t| t.iter().filter(|b| **b == b'\n').count() >= records) {
                            return;
                        }
                    }
                    std::thread::sleep(Duration::from_micros(100));
                }
            }
        }
    }

    /// Holds that whatever the journal says was performed has happened in the world, and that nothing has happened there whose beginning
    /// was not written before.
    fn nothing_is_lost(&self, scene: &Scene, run: &RunId) -> Result<(Found, Vec<u8>), String> {
        // What happens meanwhile is only more: nobody runs.
        let happened = effects(scene.at(), run)?;
        let (found, journal) = scene.read(run)?;
        let mut intended = BTreeSet::new();
        for record in &found.records {
            match &record.event {
                Event::Settled { node, how: How::Performed, .. }
                    if self.effects.contains(&node.0) && !happened.contains(&node.0) =>
                {
                    return Err(format!("record {} says that {} is done, and it is not", record.seq, node.0));
                }
                Event::Intended { node, .. } => drop(intended.insert(node.0)),
                _ => {}
            }
        }
        match happened.difference(&intended).next() {
            Some(node) => Err(format!("the effect of {node} happened, and nothing was written before")),
            None => Ok((found, journal)),
        }
    }
}
