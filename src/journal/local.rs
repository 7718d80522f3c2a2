//! The local store: a folder `runs/<run>/` with the frozen plan (`run.json`), the journal (`journal.jsonl`) and, once it ended
//! or stopped, the journal's end (`tip.json`).

use crate::base::{Digest, RunId, Timestamp};
use crate::journal::active::Active;
use crate::journal::record::{Record, VERSION};
use crate::journal::{
    Claim, Found, Frozen, Hold, Journal, JournalError, Kept, Raw, Refusal, Store, Tip, Topic, Way,
};
use crate::run::Event;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The file that keeps a journal's end, beside it.
const TIP: &str = "tip.json";

/// The folder of all runs.
#[derive(Debug, Clone)]
pub struct Runs {
    folder: PathBuf,
}

impl Runs {
    /// The runs below a workspace's own folder.
    #[must_use]
    pub fn new(own: &Path) -> Self {
        Self { folder: own.join("runs") }
    }

    /// The names of all runs, oldest first.
    ///
    /// # Errors
    /// Where the folder is there and cannot be read.
    pub fn list(&self) -> Result<Vec<RunId>, JournalError> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(JournalError::io(&self.folder)(error)),
        };
        let mut runs = Vec::new();
        for entry in entries {
            let entry = entry.map_err(JournalError::io(&self.folder))?;
            if let Some(frozen) = trace(&entry.path()) {
                let name = entry.file_name().to_str().and_then(|n| RunId::new(n).ok());
                runs.extend(name.map(|name| (frozen.modified().ok(), name)));
            }
        }
        // A name begins with the second in which its run began; of runs of one second the files tell which was first.
        let second = |run: &RunId| run.as_str().split('-').next().unwrap_or_default().to_owned();
        runs.sort_by(|(a, one), (b, other)| (second(one), a, one).cmp(&(second(other), b, other)));
        Ok(runs.into_iter().map(|(_, run)| run).collect())
    }

    /// Whether there is such a run, readable or not.
    #[must_use]
    pub fn exists(&self, run: &RunId) -> bool {
        trace(&self.folder.join(run.as_str())).is_some()
    }

    /// Whether a name is taken: by a run, or by what a kill left behind of one that never began.
    #[must_use]
    pub fn is_taken(&self, run: &RunId) -> bool {
        self.folder.join(run.as_str()).exists()
    }

    /// Begins a run: its folder, its frozen plan, an empty journal, all durable.
    ///
    /// # Errors
    /// [`JournalError::Io`]. A name that is taken is an error of that kind as well (`AlreadyExists`).
    pub fn create(&self, frozen: &Frozen) -> Result<LocalJournal, JournalError> {
        std::fs::create_dir_all(&self.folder).map_err(JournalError::io(&self.folder))?;
        let folder = self.folder.join(frozen.run.as_str());
        std::fs::create_dir(&folder).map_err(JournalError::io(&folder))?;
        let text = serde_json::to_vec(frozen).map_err(|e| JournalError::io(&folder)(e.into()))?;
        let journal = folder.join("journal.jsonl");
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create_new(true)
            .open(&journal)
            .map_err(JournalError::io(&journal))?;
        file.sync_all().map_err(JournalError::io(&journal))?;
        write_whole(&folder.join("run.json"), &text)?;
        sync_folder(&self.folder)?;
        // The folder of all runs may itself be new.
        if let Some(own) = self.folder.parent() {
            sync_folder(own)?;
        }
        Ok(LocalJournal {
            run: frozen.run.clone(),
            path: journal,
            file,
            seq: 0,
            token: 1,
            tip: Digest::of(&text),
            length: 0,
            broken: false,
        })
    }

    /// Takes back a run that was created and in which nothing has happened.
    ///
    /// # Errors
    /// [`JournalError::Io`]; the run is then there or not, and never there in part.
    pub fn discard(&self, run: &RunId) -> Result<(), JournalError> {
        let folder = self.folder.join(run.as_str());
        let path = folder.join("run.json");
        std::fs::remove_file(&path).map_err(JournalError::io(&path))?;
        sync_folder(&folder)?;
        // Without its frozen plan it is no run; that the rest may stay behind changes nothing.
        drop(std::fs::remove_dir_all(&folder));
        Ok(())
    }

    /// Reads a run.
    ///
    /// # Errors
    /// [`JournalError::Unknown`], [`JournalError::Damaged`], [`JournalError::Version`], [`JournalError::Io`].
    pub fn read(&self, run: &RunId) -> Result<Found, JournalError> {
        self.raw(run)?.read(run)
    }

    fn raw(&self, run: &RunId) -> Result<Raw, JournalError> {
        let folder = self.folder.join(run.as_str());
        let path = folder.join("run.json");
        let plan = match std::fs::read(&path) {
            Ok(plan) => plan,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if trace(&folder).is_none() {
                    return Err(JournalError::Unknown(run.to_string()));
                }
                let what = "the plan is gone".to_owned();
                return Err(JournalError::Damaged { path, record: 0, what });
            }
            Err(error) => return Err(JournalError::io(&path)(error)),
        };
        let journal_at = folder.join("journal.jsonl");
        let journal = match std::fs::read(&journal_at) {
            Ok(journal) => journal,
            // It is there before the plan is: a run without it has lost it.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let what = "the journal is gone".to_owned();
                return Err(JournalError::Damaged { path: journal_at, record: 0, what });
            }
            Err(error) => return Err(JournalError::io(&journal_at)(error)),
        };
        Ok(Raw { plan_at: path, plan, journal_at, journal })
    }

    fn kept(&self, run: &RunId) -> Result<Kept, JournalError> {
        // The tip first: the journal may grow in between, and never does it shrink.
        let path = self.folder.join(run.as_str()).join(TIP);
        let tip = match std::fs::read(&path) {
            Ok(bytes) => Some((Tip::read(&bytes, &path, run)?, path)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(JournalError::io(&path)(error)),
        };
        Ok(Kept { raw: self.raw(run)?, tip })
    }

    /// Leaves word for the runner of a run, wherever it runs that sees this folder.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub fn leave_word(&self, run: &RunId, about: Topic, word: &[u8]) -> Result<(), JournalError> {
        write_whole(&self.word_at(run, about), word)
    }

    /// Leaves word where none was left; whether it was this one.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub fn leave_first_word(&self, run: &RunId, about: Topic, word: &[u8]) -> Result<bool, JournalError> {
        let path = self.word_at(run, about);
        // Each writes a file of its own; the name that counts is given to one of them only.
        let own =
            path.with_extension(format!("{}-{:?}.json", std::process::id(), std::thread::current().id()));
        write_whole(&own, word)?;
        let linked = std::fs::hard_link(&own, &path);
        drop(std::fs::remove_file(&own));
        match linked {
            Ok(()) => sync_folder(path.parent().unwrap_or(Path::new("."))).map(|()| true),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(JournalError::io(&path)(error)),
        }
    }

    /// The word that was left for the runner of a run. One that tells nothing is a word all the same: somebody left it.
    #[must_use]
    pub fn word(&self, run: &RunId, about: Topic) -> Option<Vec<u8>> {
        std::fs::read(self.word_at(run, about)).ok()
    }

    /// Takes the word away.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub fn forget_word(&self, run: &RunId, about: Topic) -> Result<(), JournalError> {
        let path = self.word_at(run, about);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(JournalError::io(&path)(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn word_at(&self, run: &RunId, about: Topic) -> PathBuf {
        self.folder.join(run.as_str()).join(format!("{about}.json"))
    }

    /// Opens a run to write on. What a kill cut off at the end is taken away.
    ///
    /// # Errors
    /// As [`Runs::read`].
    pub fn open(&self, run: &RunId) -> Result<(Found, LocalJournal), JournalError> {
        let found = self.read(run)?;
        let path = self.folder.join(run.as_str()).join("journal.jsonl");
        let file = OpenOptions::new().read(true).append(true).open(&path).map_err(JournalError::io(&path))?;
        if found.torn {
            file.set_len(found.length).map_err(JournalError::io(&path))?;
            file.sync_all().map_err(JournalError::io(&path))?;
        }
        let ((seq, token), tip, length) = (found.last(), found.tip, found.length);
        let (run, token) = (run.clone(), token + 1);
        Ok((found, LocalJournal { run, path, file, seq, token, tip, length, broken: false }))
    }
}

/// What says that a run is there: its plan or, where that is lost, a journal in which something happened. A folder with neither is what
/// a kill left behind before the run began: there never was such a run.
fn trace(folder: &Path) -> Option<Metadata> {
    let journal = || folder.join("journal.jsonl").metadata().ok().filter(|m| m.len() > 0);
    folder.join("run.json").metadata().ok().or_else(journal)
}

/// Writes a file so that it is there whole or not at all, also after a loss of power.
///
/// # Errors
/// [`JournalError::Io`].
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), JournalError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = folder.join(name);
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&new, path)
    };
    write().map_err(|error| {
        // What could not be written whole is of no use to anybody; that it may stay behind changes nothing.
        drop(std::fs::remove_file(&new));
        JournalError::io(path)(error)
    })?;
    sync_folder(folder)
}

pub(super) fn sync_folder(folder: &Path) -> Result<(), JournalError> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder).and_then(|f| f.sync_all()).map_err(JournalError::io(folder))
}

/// A journal that is being written.
#[derive(Debug)]
pub struct LocalJournal {
    run: RunId,
    path: PathBuf,
    file: File,
    seq: u64,
    token: u64,
    tip: Digest,
    length: u64,
    broken: bool,
}

impl LocalJournal {
    fn write(&mut self, text: &str) -> std::io::Result<()> {
        if self.broken {
            // What an earlier failed write left behind must not stand before a good record.
            self.file.set_len(self.length)?;
            self.file.seek(SeekFrom::End(0))?;
            self.broken = false;
        }
        self.file.write_all(text.as_bytes())?;
        self.file.sync_data()
    }

    /// Keeps the journal's end beside it when the run ends or stops. The record is durable by then and counts, so where this cannot
    /// be written nothing is lost but the means to find that records are missing.
    fn keep_tip(&self, over: bool) {
        let tip = Tip { format: VERSION, run: self.run.clone(), seq: self.seq, tip: self.tip, over };
        if let Ok(text) = serde_json::to_vec(&tip) {
            drop(write_whole(&self.path.with_file_name(TIP), &text));
        }
    }
}

impl Journal for LocalJournal {
    fn append(&mut self, events: &[(Timestamp, Event)]) -> Result<(), JournalError> {
        let (mut text, mut tip, mut seq) = (String::new(), self.tip, self.seq);
        for (at, event) in events {
            seq += 1;
            let record =
                Record { v: VERSION, seq, at: *at, token: self.token, prev: tip, event: event.clone() };
            let (line, sum) = record.line().map_err(|e| JournalError::io(&self.path)(e.into()))?;
            text.push_str(&line);
            tip = sum;
        }
        if let Err(error) = self.write(&text) {
            self.broken = true;
            // Best effort: a reader would take the rest for a torn record, and the next append cuts it off again.
            if self.file.set_len(self.length).is_ok() {
                self.broken = false;
            }
            return Err(JournalError::io(&self.path)(error));
        }
        (self.tip, self.seq) = (tip, seq);
        self.length += text.len() as u64;
        if let Some((_, last)) = events.last().filter(|(_, event)| event.is_end()) {
            self.keep_tip(last.ends_for_good());
        }
        Ok(())
    }
}

/// The local folder as a store: whoever holds a run has the operating system's lock on its claim.
#[derive(Debug, Clone)]
pub struct Local {
    own: PathBuf,
    runs: Runs,
}

impl Local {
    /// The store in a folder.
    #[must_use]
    pub fn new(own: &Path) -> Self {
        Self { own: own.to_owned(), runs: Runs::new(own) }
    }
}

impl Store for Local {
    fn place(&self) -> String {
        format!("the folder {}", self.own.display())
    }

    fn list(&self) -> Result<Vec<RunId>, JournalError> {
        self.runs.list()
    }

    fn is_taken(&self, run: &RunId) -> Result<bool, JournalError> {
        Ok(self.runs.is_taken(run))
    }

    fn create(&self, frozen: &Frozen) -> Result<Box<dyn Journal>, JournalError> {
        Ok(Box::new(self.runs.create(frozen)?))
    }

    fn discard(&self, run: &RunId) -> Result<(), JournalError> {
        self.runs.discard(run)
    }

    fn raw(&self, run: &RunId) -> Result<Raw, JournalError> {
        self.runs.raw(run)
    }

    fn kept(&self, run: &RunId) -> Result<Kept, JournalError> {
        self.runs.kept(run)
    }

    fn open(&self, run: &RunId) -> Result<(Found, Box<dyn Journal>), JournalError> {
        let (found, journal) = self.runs.open(run)?;
        Ok((found, Box::new(journal)))
    }

    fn leave_word(&self, run: &RunId, about: Topic, word: &[u8]) -> Result<(), JournalError> {
        self.runs.leave_word(run, about, word)
    }

    fn leave_first_word(&self, run: &RunId, about: Topic, word: &[u8]) -> Result<bool, JournalError> {
        self.runs.leave_first_word(run, about, word)
    }

    fn word(&self, run: &RunId, about: Topic) -> Option<Vec<u8>> {
        self.runs.word(run, about)
    }

    fn forget_word(&self, run: &RunId, about: Topic) -> Result<(), JournalError> {
        self.runs.forget_word(run, about)
    }

    fn claim(&self, claim: &Claim, way: Way<'_>) -> Result<Box<dyn Hold>, Refusal> {
        // The lock cannot be taken from a process that lives, so nothing can be seized here.
        let way = if way == Way::Seize { Way::Plain } else { way };
        Ok(Box::new(Active::claim(&self.own, claim, way)?))
    }

    fn claims(&self) -> Result<Vec<(Claim, bool)>, JournalError> {
        Active::all(&self.own)
    }

    fn is_held(&self, run: &RunId) -> Result<bool, JournalError> {
        Active::is_held(&self.own, run)
    }

    fn forget(&self, run: &RunId) -> Result<(), JournalError> {
        Active::forget(&self.own, run)
    }
}

/// Reads a file to its end; for locks that are files with a content.
pub(super) fn content(file: &mut File) -> std::io::Result<String> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::StopWhy;

    /// A disk that takes a part of a record and then nothing: the record does not count, and nothing stays before the next one.
    #[test]
    fn what_a_failed_write_left_behind_is_taken_away_before_the_next_record() {
        let folder = tempfile::tempdir().unwrap();
        let runs = Runs::new(folder.path());
        let run: RunId = "r".parse().unwrap();
        let plan = crate::run::sample::plan(Vec::new(), Vec::new());
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
        let mut journal = runs.create(&frozen).unwrap();
        let event = [(Timestamp::from_millis(5), Event::Stopping { why: StopWhy::Asked })];
        journal.append(&event).unwrap();
        let good = std::mem::replace(&mut journal.file, File::open(&journal.path).unwrap());
        assert!(matches!(journal.append(&event), Err(JournalError::Io { .. })));
        journal.file = good;
        journal.file.write_all(b"{\"v\":1,\"seq\":2,\"at").unwrap();
        journal.append(&event).unwrap();
        let found = runs.read(&run).unwrap();
        assert_eq!((found.records.len(), found.torn, journal.seq), (2, false, 2));
    }
}
