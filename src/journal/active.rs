//! Who holds which replicas on this machine.
//!
//! Each run that is under way or unfinished has a file in `active/`. While its runner lives, that runner holds the operating system's lock on
//! the file, which dies with the process, however it dies. So a file that can be locked belongs to a run that nobody carries on:
//! it is unfinished. Looking and claiming happen under one more lock, so that two runners cannot both find the way free.

use crate::base::RunId;
use crate::journal::claim::{Claim, Refusal, Way, admit};
use crate::journal::format;
use crate::journal::local::{Runs, content, sync_folder};
use crate::journal::{Hold, JournalError};
use crate::run::{Event, Runner};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A claim that is held. Dropping it lets go of the lock; the run is then unfinished until it is released.
#[derive(Debug)]
pub struct Active {
    path: PathBuf,
    // Held for its lock alone.
    _file: File,
}

impl Active {
    /// Claims the replicas of a run, new or resumed.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn claim(own: &Path, claim: &Claim, way: Way<'_>) -> Result<Self, Refusal> {
        let folder = own.join("active");
        std::fs::create_dir_all(&folder).map_err(JournalError::io(&folder))?;
        let _gate = Gate::enter(&folder)?;
        admit(others(own, &folder)?, claim, way)?;
        let path = folder.join(format!("{}.json", claim.run));
        let text = format::write(claim).map_err(|e| JournalError::io(&path)(e.into()))?;
        let take = || -> std::io::Result<File> {
            let mut file =
                OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path)?;
            file.try_lock().map_err(std::io::Error::from)?;
            // Never empty in between: what stands there until now may be all that says that a run is unfinished.
            file.write_all(&text)?;
            file.set_len(text.len() as u64)?;
            file.sync_all()?;
            Ok(file)
        };
        let file = take().map_err(JournalError::io(&path))?;
        sync_folder(&folder)?;
        Ok(Self { path, _file: file })
    }

    /// All claims by their runs' names, with whether their runner lives.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn all(own: &Path) -> Result<Vec<(Claim, bool)>, JournalError> {
        let folder = own.join("active");
        if !folder.exists() {
            return Ok(Vec::new());
        }
        let _gate = Gate::look_in(&folder)?;
        others(own, &folder)
    }

    /// Whether the runner of a run lives, whatever the claims say.
    ///
    /// # Errors
    /// Where that cannot be told.
    pub fn is_held(own: &Path, run: &RunId) -> Result<bool, JournalError> {
        let folder = own.join("active");
        if !folder.exists() {
            return Ok(false);
        }
        let _gate = Gate::look_in(&folder)?;
        let path = folder.join(format!("{run}.json"));
        Ok(open(&path)?.is_some_and(|(_, held)| held))
    }

    /// Releases the claim of a run that nobody carries on any more.
    ///
    /// # Errors
    /// Where the file cannot be removed.
    pub fn forget(own: &Path, run: &RunId) -> Result<(), JournalError> {
        remove(&own.join("active").join(format!("{run}.json")))
    }
}

impl Hold for Active {
    fn release(self: Box<Self>) -> Result<(), JournalError> {
        remove(&self.path)
    }
}

/// Whoever is inside is alone in looking, claiming and releasing.
struct Gate {
    // Held for its lock alone, which ends with it.
    _door: File,
}

impl Gate {
    fn enter(folder: &Path) -> Result<Self, JournalError> {
        let path = folder.join(".gate");
        let door = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let door = door.map_err(JournalError::io(&path))?;
        door.lock().map_err(JournalError::io(&path))?;
        Ok(Self { _door: door })
    }

    /// For somebody who only looks, and may not be allowed to write here. `None` where nobody has ever claimed anything.
    fn look_in(folder: &Path) -> Result<Option<Self>, JournalError> {
        let path = folder.join(".gate");
        let door = match File::open(&path) {
            Ok(door) => door,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(JournalError::io(&path)(error)),
        };
        door.lock_shared().map_err(JournalError::io(&path))?;
        Ok(Some(Self { _door: door }))
    }
}

fn remove(path: &Path) -> Result<(), JournalError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    if !folder.exists() {
        return Ok(());
    }
    let _gate = Gate::enter(folder)?;
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(JournalError::io(path)(error)),
        _ => sync_folder(folder),
    }
}

/// What the folder says, to somebody inside the gate. Claims of runs that were never begun, or are over, are taken away.
fn others(own: &Path, folder: &Path) -> Result<Vec<(Claim, bool)>, JournalError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(JournalError::io(folder))? {
        let path = entry.map_err(JournalError::io(folder))?.path();
        let run = path.file_stem().and_then(|n| n.to_str()).and_then(|n| RunId::new(n).ok());
        let Some(run) = run.filter(|_| path.extension().is_some_and(|e| e == "json")) else { continue };
        let Some((mut file, held)) = open(&path)? else { continue };
        if !held && is_nothing(own, &run) {
            // It means nothing, whether it can be taken away or not.
            drop(std::fs::remove_file(&path));
            continue;
        }
        let text = content(&mut file).map_err(JournalError::io(&path))?;
        found.push((read(&path, &text)?.map_or_else(|| rebuilt(own, &path, &run), Ok)?, held));
    }
    found.sort_by(|a, b| a.0.run.cmp(&b.0.run));
    Ok(found)
}

/// The file of a claim, and whether its runner lives. `None` where it is gone: of several who look, one may just have taken it away.
fn open(path: &Path) -> Result<Option<(File, bool)>, JournalError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(JournalError::io(path)(error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(Some((file, false))),
        Err(TryLockError::WouldBlock) => Ok(Some((file, true))),
        Err(TryLockError::Error(error)) => Err(JournalError::io(path)(error)),
    }
}

/// Whether a runner was killed between claiming and beginning, or between the end of its run and letting go.
fn is_nothing(own: &Path, run: &RunId) -> bool {
    let runs = Runs::new(own);
    !runs.exists(run) || runs.read(run).is_ok_and(|found| found.progress.is_over())
}

/// The claim at the beginning of a text; `None` where it tells nothing. What follows it is the end of a longer one that stood there before
/// a kill.
fn read(path: &Path, text: &str) -> Result<Option<Claim>, JournalError> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
    drop(values.next());
    let text = text.get(..values.byte_offset()).unwrap_or_default();
    match format::read(path, text.as_bytes()) {
        Ok(claim) => Ok(Some(claim)),
        Err(JournalError::Damaged { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The claim of a run whose file tells nothing any more: damaged is never read as absent, and the run itself knows its replicas.
fn rebuilt(own: &Path, path: &Path, run: &RunId) -> Result<Claim, JournalError> {
    let damaged = |_| JournalError::Damaged {
        path: path.to_owned(),
        record: 1,
        what: "it is no claim, and its run cannot be read either".to_owned(),
    };
    let found = Runs::new(own).read(run).map_err(damaged)?;
    let taken = found.records.iter().rev().find_map(|r| match &r.event {
        Event::Taken { runner } => Some((runner.clone(), r.at)),
        _ => None,
    });
    let plan = &found.frozen.plan;
    let nobody = || Runner { person: "?".to_owned(), host: "?".to_owned(), version: "?".to_owned() };
    let (runner, since) = taken.unwrap_or_else(|| (nobody(), plan.observed_at));
    let replicas = plan.placements.keys().cloned().collect();
    Ok(Claim {
        run: run.clone(),
        purpose: plan.purpose.to_string(),
        replicas,
        copies: plan.purpose.is_of_copies(),
        runner,
        process: 0,
        since,
    })
}
