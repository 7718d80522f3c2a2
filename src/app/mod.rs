//! Floor 8: one file per command; each builds the parts and walks the road.

pub mod abort;
mod admission;
pub mod answer;
pub mod apply;
pub mod approvals;
pub mod approve;
pub mod carry;
mod commit;
pub mod drill;
mod drilled;
pub mod evidence;
mod forecast;
mod gate;
mod hold;
mod hooks;
pub mod import;
pub mod init;
mod load;
pub mod lock;
mod names;
mod people;
pub mod plan;
mod preflight;
mod prepare;
pub mod rebuild;
pub mod rehearse;
pub mod replicate;
pub mod resume;
pub mod runs;
mod seal;
pub mod settle;
pub mod show;
mod signers;
pub mod sim;
pub mod slice;
pub mod standing;
pub mod status;
pub mod stop;
mod store;
pub mod takeover;
mod undo;
pub mod validate;
pub mod verify;
mod world;

use crate::base::RunId;
use crate::diag::{Code, Finding, Sources};
pub use crate::journal::Access;
use crate::journal::local::write_whole;
use crate::journal::{Claim, JournalError};
use crate::provider::sim::SimError;
use crate::report::text::Options;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
pub use store::Asked;

/// How a command ended; the number is the process's exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do.
    Ok = 0,
    /// Errors in documents, names, graph, transitions; nothing changed.
    Invalid = 1,
    /// `plan --detailed-exitcode` has changes.
    Changes = 2,
    /// A step failed; the run can be resumed or aborted.
    Failed = 3,
    /// Stopped on request; the run can be resumed.
    Stopped = 4,
    /// The sealed plan no longer fits the world.
    Stale = 5,
    /// Another run holds one of its replicas.
    Locked = 6,
    /// An earlier run over these replicas is not finished.
    Unfinished = 7,
    /// A person must settle a step.
    InDoubt = 8,
    /// A confirmation, objective or policy refuses.
    Gated = 9,
    /// Done, with exceptions.
    Exceptions = 10,
    /// `verify` found that a run is not what was written.
    NotVerified = 11,
    /// A fault of Lifeboat itself.
    Internal = 70,
    /// A file, journal or store is unreadable or full.
    Io = 74,
}

impl Exit {
    /// The name that stands in JSON as `exit.reason`.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Invalid => "invalid",
            Self::Changes => "changes",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Stale => "stale",
            Self::Locked => "locked",
            Self::Unfinished => "unfinished",
            Self::InDoubt => "in-doubt",
            Self::Gated => "gated",
            Self::Exceptions => "exceptions",
            Self::NotVerified => "not-verified",
            Self::Internal => "internal",
            Self::Io => "io",
        }
    }
}

/// What a command has to say.
#[derive(Debug)]
pub struct Answer {
    /// How it ended.
    pub exit: Exit,
    /// For people, on standard output.
    pub human: String,
    /// For machines, on standard output; `Null` where there is none.
    pub json: Value,
    /// On standard error.
    pub findings: Vec<Finding>,
    /// The texts that the findings point into.
    pub sources: Sources,
}

impl Answer {
    /// A good end.
    #[must_use]
    pub fn ok(human: String, json: Value) -> Self {
        Self { exit: Exit::Ok, human, json, findings: Vec::new(), sources: Sources::default() }
    }

    /// An end with one finding and without a document.
    #[must_use]
    pub fn stop(exit: Exit, finding: Finding) -> Box<Self> {
        Box::new(Self::with(exit, vec![finding], Sources::default()))
    }

    /// An end with findings.
    #[must_use]
    pub fn with(exit: Exit, findings: Vec<Finding>, sources: Sources) -> Self {
        Self { exit, human: String::new(), json: Value::Null, findings, sources }
    }
}

/// A command's answer; an early end is an answer as well.
pub type Said = Result<Answer, Box<Answer>>;

/// Where a command is carried out, by whom, and how it is shown.
#[derive(Debug, Clone)]
pub struct Desk {
    /// The workspace's folder.
    pub folder: PathBuf,
    /// The person.
    pub person: String,
    /// The machine.
    pub host: String,
    /// Where runs are kept, as far as that was said.
    pub store: Asked,
    /// The environment, for the programs that are run for a plan.
    pub environment: Arc<BTreeMap<String, String>>,
    /// How views are shown.
    pub view: Options,
    /// Whether the answer is for a machine. Forms for machines are large and are made only then.
    pub machine: bool,
}

impl Desk {
    /// A form for machines, where one is asked for.
    fn json(&self, make: impl FnOnce() -> Value) -> Value {
        if self.machine { make() } else { Value::Null }
    }

    /// The workspace's own folder, for runs and the simulated world. Only commands that act write into it.
    #[must_use]
    pub fn own(&self) -> PathBuf {
        self.folder.join(".lifeboat")
    }

    /// Who runs.
    #[must_use]
    pub fn runner(&self) -> crate::run::Runner {
        crate::run::Runner {
            person: self.person.clone(),
            host: self.host.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// Words that change with time.
pub type Words = Arc<dyn Fn() -> String + Send + Sync>;

/// The person at the other end, while a command is carried out.
pub trait Screen: Send {
    /// A line for a change.
    fn line(&mut self, text: &str);
    /// How far a step has come, for a log; a terminal's bar says so by itself.
    fn progress(&mut self, text: &str);
    /// The numbers so far, for a bar that asks for its words as often as it is drawn; `None` at the end.
    fn tally(&mut self, words: Option<Words>);
    /// An event, for machines.
    fn event(&mut self, event: &Value);
    /// Something worth reading before a question, such as the plan.
    fn show(&mut self, text: &str);
    /// A question; `None` where nobody can answer.
    fn ask(&mut self, question: &str) -> Option<String>;
    /// The lines that are typed from now on; `None` where nobody can type. There are no questions of [`Screen::ask`] after that.
    fn hears(&mut self) -> Option<tokio::sync::broadcast::Sender<String>>;
}

/// A path as the user would write it.
fn shown(path: &Path) -> String {
    path.display().to_string()
}

impl From<JournalError> for Box<Answer> {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Io { path, source } => unwritable(&path, &source),
            JournalError::Damaged { path, record, what } => Answer::stop(
                Exit::Io,
                Finding::new(Code::JournalDamaged, damage(record, &what))
                    .about(shown(&path))
                    .help("nothing was changed; restore the file from a copy, or close the run with `lifeboat abort RUN --close --because TEXT` once its replicas were looked at"),
            ),
            JournalError::Version { path, found, known } => Answer::stop(
                Exit::Io,
                Finding::new(
                    Code::JournalVersion,
                    format!("what is recorded here has format {found}, and this version of Lifeboat knows {known}"),
                )
                    .about(shown(&path))
                    .help("nothing was changed; use the version of Lifeboat that wrote it, or a later one"),
            ),
            JournalError::Unreachable { store, why } => Answer::stop(
                Exit::Io,
                Finding::new(Code::StoreUnreachable, format!("the store does not answer: {why}"))
                    .about(store)
                    .help("look whether it runs, and whether this is its host and its port")
                    .help("nothing was begun that is not recorded; once the store answers, ask again"),
            ),
            JournalError::Refused { store, why } => Answer::stop(
                Exit::Io,
                Finding::new(Code::StoreUnreachable, format!("the store cannot be used: {why}"))
                    .about(store)
                    .help(access(&why))
                    .help("nothing was begun that is not recorded"),
            ),
            JournalError::Lost { store, grace, why } => Answer::stop(
                Exit::Stopped,
                Finding::new(Code::StoreLost, format!("the store has not answered for {grace}: {why}"))
                    .about(store)
                    .help("nothing new was started; what was under way has ended and is looked at by whoever goes on")
                    .help("once the store answers, `lifeboat resume` goes on with the run"),
            ),
            JournalError::Fenced { run, by } => fenced(&run, by.as_deref()),
            JournalError::Unknown(run) => Answer::stop(
                Exit::Invalid,
                Finding::new(Code::UnknownRun, format!("no run has the name `{run}`"))
                    .help("`lifeboat history` lists all runs"),
            ),
        }
    }
}

impl From<SimError> for Box<Answer> {
    fn from(error: SimError) -> Self {
        match error {
            SimError::Io { path, source } => unwritable(&path, &source),
            SimError::Damaged { path, line, what } => Answer::stop(
                Exit::Io,
                Finding::new(
                    Code::SimulatorDamaged,
                    format!("the simulator's world cannot be read at line {line}: {what}"),
                )
                .about(shown(&path))
                .help("`lifeboat sim reset` makes the world anew"),
            ),
            SimError::Version { path, found } => Answer::stop(
                Exit::Io,
                Finding::new(
                    Code::SimulatorDamaged,
                    format!("the simulator's world has format {found}, which is not known"),
                )
                .about(shown(&path))
                .help("`lifeboat sim reset` makes the world anew"),
            ),
            error @ SimError::Clocks => Answer::stop(
                Exit::Invalid,
                Finding::new(Code::UnknownValue, error.to_string()).help("say `clock` at one site only"),
            ),
        }
    }
}

/// What is damaged: a record, or what stands before the first one.
fn damage(record: u64, what: &str) -> String {
    match record {
        0 => format!("what is kept of the run is damaged: {what}"),
        _ => format!("the journal is damaged at record {record}: {what}"),
    }
}

/// Where what gives access comes from, by what is missed.
fn access(why: &str) -> &'static str {
    let lower = why.to_lowercase();
    if lower.contains("does not support tls") {
        "`sslmode=disable` in its address does without encryption"
    } else if ["certificate", "alert", "key", ".pem"].iter().any(|word| lower.contains(word)) {
        "LIFEBOAT_STORE_CA names the certificate of whoever vouches for the store; LIFEBOAT_STORE_CERT and LIFEBOAT_STORE_KEY name our own"
    } else if ["password", "authentication", "user"].iter().any(|word| lower.contains(word)) {
        "the user stands in the address; the password in LIFEBOAT_STORE_PASSWORD, or in the file that LIFEBOAT_STORE_PASSWORD_FILE names"
    } else {
        "whoever keeps the store can tell which database or prefix, and which rights, are meant for this; see docs/stores.md"
    }
}

/// A runner that may not go on: somebody else does, or its lease ran out while it was away.
fn fenced(run: &RunId, by: Option<&Claim>) -> Box<Answer> {
    let (exit, finding) = match by {
        Some(claim) => {
            let Claim { runner, process, .. } = claim;
            let what = format!("run {run} was taken over by {} on {}", runner.person, runner.host);
            let about = format!("process {process}, since {}", claim.since);
            (Exit::Locked, Finding::new(Code::LeaseLost, what).about(about))
        }
        None => {
            let what = format!("the lease on run {run} ran out while its runner was away");
            let finding = Finding::new(Code::LeaseLost, what);
            (Exit::Stopped, finding.help(format!("`lifeboat resume {run}` goes on with it")))
        }
    };
    Answer::stop(exit, finding.help("this runner has stopped, and starts nothing more"))
}

/// Writes a file that the user named, whole or not at all.
fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Box<Answer>> {
    write_whole(path, bytes).map_err(|error| match error {
        JournalError::Io { path, source } => unwritten(&path, &source),
        other => other.into(),
    })
}

/// A file that the user named and that could not be written.
fn unwritten(path: &Path, error: &std::io::Error) -> Box<Answer> {
    Answer::stop(
        Exit::Io,
        Finding::new(Code::StoreUnwritable, format!("the file cannot be written: {error}"))
            .about(shown(path))
            .help("nothing was changed; name another place, or make room"),
    )
}

/// The workspace's own folder, where it could not be read or written.
fn unwritable(path: &Path, error: &std::io::Error) -> Box<Answer> {
    use std::io::ErrorKind as E;
    let way = match error.kind() {
        E::StorageFull | E::FileTooLarge | E::QuotaExceeded => "make room there, and ask again",
        E::ReadOnlyFilesystem | E::PermissionDenied => {
            "ask where it can be written, as somebody who may; looking (`status`, `plan`, `history`, `report`, `lock`) needs no more than reading"
        }
        _ => "mend the folder, and ask again",
    };
    let what = format!("the workspace's own folder cannot be used: {error}");
    let finding = Finding::new(Code::StoreUnwritable, what).about(shown(path)).help(way);
    let recorded = "every step is recorded before it is taken: nothing was begun that is not recorded";
    Answer::stop(Exit::Io, finding.help(recorded))
}
