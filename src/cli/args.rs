//! The command line's words.

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Plan and apply for virtual machine disaster recovery.
#[derive(Debug, Parser)]
#[command(name = "lifeboat", version, max_term_width = 100, arg_required_else_help = true)]
pub struct Args {
    /// The workspace's folder.
    #[arg(short = 'C', long, global = true, value_name = "DIR")]
    pub workspace: Option<PathBuf>,
    /// Where runs are kept: `file:FOLDER`, `postgres://USER@HOST/DATABASE`, `etcd://HOST:2379/PREFIX`.
    #[arg(long, global = true, value_name = "URL")]
    pub store: Option<String>,
    /// The form of what stands on standard output.
    #[arg(long, global = true, value_enum, default_value_t = Format::Human)]
    pub format: Format,
    /// Whether colours are used.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    /// No progress, only results and findings.
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Logs on standard error; twice for more.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// A form of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Human,
    /// One JSON value.
    Json,
    /// JSON lines: events as they happen, and the result as the last line.
    Jsonl,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a small commented workspace that runs at once on the built-in simulator.
    Init {
        /// The folder.
        dir: Option<PathBuf>,
    },
    /// Write the documents of libvirt hosts from what they have, commented where a person must decide.
    Import {
        /// The hosts: URIs of libvirt's, with a name for the site before it (recovery=qemu:///system) or not; the first is production, the
        /// second recovery. Without any, the workspace's own sites are looked at, and only what has no document yet is written.
        #[arg(value_name = "URI")]
        hosts: Vec<String>,
        /// The site that the machines of all others are replicated to.
        #[arg(long, value_name = "SITE")]
        recovery: Option<String>,
        /// Write them to a file (*.yaml) or a folder instead of showing them. Nothing is written over.
        #[arg(long, value_name = "PATH")]
        out: Option<PathBuf>,
    },
    /// Read and check the documents; touches no site unless told to.
    Validate {
        /// Ask the sites as well what would stand in the way there.
        #[arg(long)]
        sites: bool,
    },
    /// What each replica is, how far it is behind, and what may be done next.
    Status {
        /// The replicas; all where none is named.
        names: Vec<String>,
        /// Exit with 9 where a replica is further behind than its objective allows, or that cannot be told.
        #[arg(long, conflicts_with = "rebuild")]
        strict: bool,
        /// Show what the record beside a replica would be, rebuilt where it was lost.
        #[arg(long)]
        rebuild: bool,
        /// Write it; confirm with the replica's name.
        #[arg(long, value_name = "NAME", requires = "rebuild")]
        confirm: Option<String>,
    },
    /// Observe, plan, check and print; touches nothing.
    Plan {
        /// The runbook.
        runbook: String,
        /// Seal the plan into a file that `apply` takes.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Exit with 2 where there are changes.
        #[arg(long)]
        detailed_exitcode: bool,
        /// Do manual switchovers now.
        #[arg(long)]
        switchover: bool,
        /// Which part of the runbook.
        #[command(flatten)]
        part: Part,
        /// List everything one by one.
        #[arg(long)]
        all: bool,
        /// List every step with its reason.
        #[arg(long)]
        steps: bool,
    },
    /// Play a runbook through in virtual time: how long it takes, and what if something fails; touches nothing.
    Rehearse {
        /// The runbook.
        runbook: String,
        /// How many runs are drawn by chance.
        #[arg(long, value_name = "N", default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        draws: u32,
        /// From where the draws begin; the same seed gives the same bytes.
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u64,
        /// Exit with 9 where an objective is missed in more than 5 of 100 draws.
        #[arg(long)]
        strict: bool,
        /// Do manual switchovers now.
        #[arg(long)]
        switchover: bool,
        /// List every failure one by one, and the whole chain.
        #[arg(long)]
        all: bool,
    },
    /// Approve a sealed plan with an SSH key; without a key, show which approvals are there.
    Approve(Approve),
    /// Carry a runbook or a sealed plan out.
    Apply {
        /// The runbook, or the file of a sealed plan.
        what: String,
        /// Confirm with the runbook's name instead of being asked.
        #[arg(long, value_name = "NAME")]
        confirm: Option<String>,
        /// What is said of approvals.
        #[command(flatten)]
        consent: Consent,
        /// Do manual switchovers now.
        #[arg(long)]
        switchover: bool,
        /// Which part of the runbook.
        #[command(flatten)]
        part: Part,
        /// List everything one by one.
        #[arg(long)]
        all: bool,
        /// Show every step.
        #[arg(long)]
        steps: bool,
        /// When it stops.
        #[command(flatten)]
        stopping: Stopping,
    },
    /// Go on with a run that was cut off.
    Resume {
        /// The run; the only unfinished one where none is named.
        run: Option<String>,
        /// Switch over at another time than the run waits for: `now`, or a time as 2026-11-22T03:00:00Z.
        #[arg(long, value_name = "TIME")]
        switchover: Option<String>,
        /// Show every step.
        #[arg(long)]
        steps: bool,
        /// When it stops.
        #[command(flatten)]
        stopping: Stopping,
    },
    /// Answer a question that a run asks, also one that another machine carries on.
    Answer {
        /// The run, or `latest`.
        run: String,
        /// The gate, as `shop/open-to-customers` or `open-to-customers`.
        gate: String,
        /// The answer.
        answer: YesNo,
        /// Why.
        #[arg(long, value_name = "TEXT", value_parser = words)]
        because: String,
    },
    /// Ask a run to start nothing new, also one that another machine carries on.
    Stop {
        /// The run.
        run: String,
        /// Why.
        #[arg(long, value_name = "TEXT", value_parser = words)]
        because: Option<String>,
    },
    /// Take a run from a runner that does not carry it on any more.
    Takeover {
        /// The run.
        run: String,
        /// Take it though its lease is not over; confirm with the run's name.
        #[arg(long, value_name = "RUN")]
        confirm: Option<String>,
        /// Why.
        #[arg(long, value_name = "TEXT", value_parser = words)]
        because: Option<String>,
    },
    /// Show the way back from an unfinished run, and carry it out.
    Abort {
        /// The run.
        run: String,
        /// Confirm with the way back's name (`abort-RUN`) instead of being asked.
        #[arg(long, value_name = "NAME")]
        confirm: Option<String>,
        /// End the run and leave its replicas as they are.
        #[arg(long, requires = "because", conflicts_with = "confirm")]
        close: bool,
        /// Why it is closed.
        #[arg(long, value_name = "TEXT", value_parser = words)]
        because: Option<String>,
    },
    /// Say what became of a step in doubt.
    Settle {
        /// The run.
        run: String,
        /// The step, as `db-01/failover/power-on`.
        step: String,
        /// What became of it.
        verdict: Verdict,
        /// How you know.
        #[arg(long, value_name = "TEXT", value_parser = words)]
        because: String,
    },
    /// Try a failover plan on copies, on networks apart, while replication goes on; then remove them.
    Drill(Drill),
    /// One replication run, as from cron or a systemd timer.
    Replicate {
        /// The replicas.
        names: Vec<String>,
        /// Those of a failover plan.
        #[arg(long, value_name = "PLAN")]
        plan: Option<String>,
        /// Those with a label.
        #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
        labels: Vec<(String, String)>,
        /// All of them.
        #[arg(long)]
        all: bool,
    },
    /// List which runs hold which replicas, since when, and from where.
    Lock,
    /// What the names of replicas say, and whether they lead to the machines that serve.
    Names {
        /// The replicas; all where none is named.
        names: Vec<String>,
        /// Let those that lead to another machine of their replica lead to the one that serves.
        #[arg(long)]
        set: bool,
    },
    /// Past runs.
    History,
    /// One run: what was planned, done, and why.
    Report {
        /// The run, or `latest`.
        run: String,
        /// List every step.
        #[arg(long)]
        steps: bool,
        /// Write all that is kept of the run into one file, which `verify` checks on any machine.
        #[arg(long, value_name = "FILE", conflicts_with = "steps")]
        evidence: Option<PathBuf>,
    },
    /// Check that a run, or the evidence of one, is what was written; touches no site.
    Verify {
        /// The run, or `latest`, or the file of its evidence.
        what: String,
    },
    /// The documents as they are meant, with every default.
    Show {
        /// A kind: sites, replicas, plans, runbooks, policies.
        kind: Option<String>,
        /// A name.
        name: Option<String>,
    },
    /// The JSON Schema of the documents.
    Schema,
    /// A finding's code at length; all codes where none is named.
    Explain {
        /// The code.
        code: Option<String>,
    },
    /// Completion for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Look into the built-in simulator's world, and break it.
    Sim {
        /// What to do.
        #[command(subcommand)]
        command: SimCommand,
    },
}

fn label(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    pair.map(|(k, v)| (k.to_owned(), v.to_owned())).ok_or_else(|| "write KEY=VALUE".to_owned())
}

/// A reason stands in the record for good, so it is not empty.
fn words(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("say in words why".to_owned()) } else { Ok(text.to_owned()) }
}

/// How a run ends before its goal: when it stops by itself, and what is done where it fails.
#[derive(Debug, ClapArgs)]
pub struct Stopping {
    /// Stop at this time, or after so long: nothing new starts then.
    #[arg(long, value_name = "TIME")]
    pub deadline: Option<String>,
    /// How long what is under way may take to end after a stop; a minute where nothing is said.
    #[arg(long, value_name = "LENGTH")]
    pub grace: Option<String>,
    /// Where the runbook says `onFailure: undo`: confirm with its name that the way back is carried out too.
    #[arg(long, value_name = "NAME")]
    pub confirm_undo: Option<String>,
}

/// How a failover plan is drilled.
#[derive(Debug, ClapArgs)]
pub struct Drill {
    /// The failover plan.
    pub plan: String,
    /// How long the copies are kept once all of them are ready: a length as 30m, or until-key, when a person answers the run's question.
    #[arg(long, value_name = "LENGTH")]
    pub keep: Option<String>,
    /// The restore point: latest, a time as 2026-11-22T03:00:00Z, or a name.
    #[arg(long, value_name = "POINT")]
    pub restore_point: Option<String>,
    /// Which part of the plan.
    #[command(flatten)]
    pub part: Part,
    /// Only show what would be done.
    #[arg(long)]
    pub dry_run: bool,
    /// Remove what a drill left, and do nothing else.
    #[arg(long, conflicts_with_all = ["keep", "restore_point", "only", "without", "dry_run"])]
    pub clean: bool,
    /// Show every step.
    #[arg(long)]
    pub steps: bool,
    /// Stop at this time, or after so long: nothing new starts then, and the copies are removed.
    #[arg(long, value_name = "TIME")]
    pub deadline: Option<String>,
    /// How long what is under way may take to end after a stop; a minute where nothing is said.
    #[arg(long, value_name = "LENGTH")]
    pub grace: Option<String>,
}

/// Which part of a runbook.
#[derive(Debug, ClapArgs)]
pub struct Part {
    /// Only these, with what they need to come up: a name of a replica or group, a pattern as 'db-*', a label as tier=web.
    #[arg(long, value_name = "SELECTOR")]
    pub only: Vec<String>,
    /// Not these, nor what does not come up without them.
    #[arg(long, value_name = "SELECTOR")]
    pub without: Vec<String>,
}

/// A sealed plan that is approved.
#[derive(Debug, ClapArgs)]
pub struct Approve {
    /// The file of the sealed plan.
    pub file: PathBuf,
    /// The key, or the public half of one that an agent or a token has.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Who approves, as the allowed signers have it; without it the name at this machine.
    #[arg(long = "as", value_name = "NAME")]
    pub by: Option<String>,
    /// How long the approval lasts, at most 30d. Default 8h.
    #[arg(long = "for", value_name = "DURATION")]
    pub lasts: Option<String>,
    /// Why; part of what is signed.
    #[arg(long, value_name = "TEXT")]
    pub because: Option<String>,
    /// Confirm with the runbook's name instead of being asked.
    #[arg(long, value_name = "NAME", requires = "key")]
    pub confirm: Option<String>,
    /// List everything one by one.
    #[arg(long)]
    pub all: bool,
    /// List every step with its reason.
    #[arg(long)]
    pub steps: bool,
}

/// Approvals of a plan that is carried out.
#[derive(Debug, ClapArgs)]
pub struct Consent {
    /// An approval of the sealed plan that does not lie beside it.
    #[arg(long, value_name = "FILE")]
    pub approval: Vec<PathBuf>,
    /// Carry it out without the approvals that it needs; the run ends with exceptions.
    #[arg(long)]
    pub break_glass: bool,
    /// Why the glass is broken.
    #[arg(long, value_name = "TEXT")]
    pub because: Option<String>,
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Verdict {
    /// Its effect is there.
    Done,
    /// It shall be tried again.
    Retry,
    /// Its effect is not there and shall not be.
    Failed,
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum YesNo {
    /// It goes on.
    Yes,
    /// It does not.
    No,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnOff {
    /// On.
    On,
    /// Off.
    Off,
}

/// What is done with the simulated world.
#[derive(Debug, Subcommand)]
pub enum SimCommand {
    /// The time, and what goes wrong.
    Status,
    /// Let time pass.
    Advance {
        /// How much, as 15m.
        time: String,
    },
    /// Let something go wrong.
    Fault {
        /// What.
        #[command(subcommand)]
        fault: FaultArgs,
    },
    /// Nothing goes wrong any more.
    Heal,
    /// Power a machine on or off by hand.
    Power {
        /// The machine, as SITE/MACHINE.
        vm: String,
        /// On or off.
        to: OnOff,
    },
    /// Who wrote the blocks of a disk.
    Disk {
        /// The machine, as SITE/MACHINE.
        vm: String,
    },
    /// Make the world anew.
    Reset,
}

/// Something that goes wrong.
#[derive(Debug, Subcommand)]
pub enum FaultArgs {
    /// A site does not answer.
    Silent {
        /// The site.
        site: String,
    },
    /// An action fails, without an effect.
    Fails {
        /// Which action.
        #[command(flatten)]
        hit: Hit,
    },
    /// An action takes longer.
    Slow {
        /// So much longer.
        by: String,
        /// Which action.
        #[command(flatten)]
        hit: Hit,
    },
    /// An action's effect happens, and its answer is lost.
    AnswerLost {
        /// The recovery site falls silent with it.
        #[arg(long)]
        cut: bool,
        /// Which action.
        #[command(flatten)]
        hit: Hit,
    },
    /// A machine never gets ready.
    NeverReady {
        /// The machine, as SITE/MACHINE.
        vm: String,
    },
}

/// Which action of which replica, and how often.
#[derive(Debug, ClapArgs)]
pub struct Hit {
    /// The action, as power-on; any where none is named.
    #[arg(long)]
    pub action: Option<String>,
    /// The replica; any where none is named.
    #[arg(long)]
    pub replica: Option<String>,
    /// How often; always where nothing is said.
    #[arg(long)]
    pub times: Option<u32>,
}
