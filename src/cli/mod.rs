//! Floor 9: arguments in, streams and exit code out. The only place that reads the environment and prints.

mod args;
mod output;

use crate::app::carry::Manner;
use crate::app::settle::Word;
use crate::app::sim::Power;
use crate::app::{self, Access, Answer, Asked, Desk, Exit, Said};
use crate::diag::{Code, Finding};
use args::{Approve, Args, Command, Consent, FaultArgs, Hit, Part, SimCommand, Stopping, Verdict};
use clap::{CommandFactory, Parser};
use output::{Output, Terminal};
use std::path::{Path, PathBuf};

/// clap's own 2 would collide with `changes`.
const USAGE: u8 = 64;

/// Runs the program; returns its exit code.
#[must_use]
pub fn main() -> u8 {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let usage = error.use_stderr();
            // The stream may be closed; there is nobody left to tell.
            drop(error.print());
            return if usage { USAGE } else { 0 };
        }
    };
    logging(args.verbose);
    let output = Output::new(&args);
    let desk = match desk(&args, &output) {
        Ok(desk) => desk,
        Err(early) => return output.answer(&early),
    };
    let said =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| command(args.command, &desk, &output)));
    let answer = match said {
        Ok(Ok(answer)) => answer,
        Ok(Err(early)) => *early,
        Err(_) => *Answer::stop(
            Exit::Internal,
            Finding::new(Code::CheckerRefuses, "this is a fault of Lifeboat, not of yours")
                .about(format!("Lifeboat {}", env!("CARGO_PKG_VERSION")))
                .help("a run under way can be taken up with `lifeboat resume`; please report what was typed"),
        ),
    };
    output.answer(&answer)
}

fn logging(verbose: u8) {
    let level = match verbose {
        0 => return,
        1 => "lifeboat=info",
        _ => "lifeboat=debug",
    };
    let filter = tracing_subscriber::EnvFilter::new(level);
    // A second call would fail, and there is none.
    drop(tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init());
}

#[expect(clippy::disallowed_methods, reason = "the environment is read here and nowhere else")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|v| !v.is_empty())
}

/// All of it, for the programs that are run for a plan.
fn whole_environment() -> std::collections::BTreeMap<String, String> {
    std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect()
}

/// What is said of the store outside of the documents.
fn store(args: &Args) -> Result<Asked, Box<Answer>> {
    let said = args.store.clone().map(|url| (url, "--store"));
    let address = said.or_else(|| environment("LIFEBOAT_STORE").map(|url| (url, "LIFEBOAT_STORE")));
    let file = |name: &str| environment(name).map(PathBuf::from);
    let password = match (environment("LIFEBOAT_STORE_PASSWORD"), file("LIFEBOAT_STORE_PASSWORD_FILE")) {
        (Some(password), _) => Some(password),
        (None, Some(path)) => Some(secret(&path)?),
        (None, None) => None,
    };
    let identity = match (file("LIFEBOAT_STORE_CERT"), file("LIFEBOAT_STORE_KEY")) {
        (Some(own), Some(key)) => Some((own, key)),
        (None, None) => None,
        (own, _) => {
            let (said, missing) = if own.is_some() { ("CERT", "KEY") } else { ("KEY", "CERT") };
            let what = format!("LIFEBOAT_STORE_{said} is set, and LIFEBOAT_STORE_{missing} is not");
            let finding = Finding::new(Code::BadStore, what);
            return Err(Answer::stop(Exit::Invalid, finding.help("a certificate and its key go together")));
        }
    };
    Ok(Asked::new(address, Access { password, authority: file("LIFEBOAT_STORE_CA"), identity }))
}

fn secret(path: &Path) -> Result<String, Box<Answer>> {
    let unreadable = |error: std::io::Error| {
        let what = format!("the file that LIFEBOAT_STORE_PASSWORD_FILE names cannot be read: {error}");
        let finding = Finding::new(Code::FileUnreadable, what).about(path.display().to_string());
        Answer::stop(Exit::Io, finding.help("it holds the password of the store, in one line"))
    };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn desk(args: &Args, output: &Output) -> Result<Desk, Box<Answer>> {
    let folder = args.workspace.clone().unwrap_or_else(|| PathBuf::from("."));
    let host = std::fs::read_to_string("/etc/hostname").map(|h| h.trim().to_owned());
    Ok(Desk {
        folder,
        person: environment("USER")
            .or_else(|| environment("LOGNAME"))
            .unwrap_or_else(|| "unknown".to_owned()),
        host: host.ok().filter(|h| !h.is_empty()).unwrap_or_else(|| "unknown".to_owned()),
        store: store(args)?,
        environment: std::sync::Arc::new(whole_environment()),
        view: output.view(args),
        machine: output.machine(),
    })
}

fn command(command: Command, desk: &Desk, output: &Output) -> Said {
    let mut screen = Terminal::new(output);
    match command {
        Command::Init { dir } => {
            let folder = dir.unwrap_or_else(|| desk.folder.clone());
            app::init::init(&Desk { folder, ..desk.clone() })
        }
        Command::Import { hosts, recovery, out } => {
            wait(app::import::import(desk, &app::import::Ask { hosts, recovery, out }))
        }
        Command::Validate { sites: false } => app::validate::validate(desk),
        Command::Validate { sites: true } => wait(app::validate::with_sites(desk)),
        Command::Status { names, rebuild: true, confirm, .. } => {
            wait(app::rebuild::rebuild(desk, &app::rebuild::Ask { names, confirm }))
        }
        Command::Status { names, rebuild: false, strict, .. } => {
            wait(app::status::status(desk, &names, strict))
        }
        Command::Plan { runbook, out, detailed_exitcode, switchover, part, .. } => {
            let ask =
                app::plan::Ask { runbook, out, detailed: detailed_exitcode, switchover, slice: slice(part) };
            wait(app::plan::plan(desk, &ask))
        }
        Command::Rehearse { runbook, draws, seed, strict, switchover, .. } => {
            let chance = app::rehearse::Chance { seed, draws };
            wait(app::rehearse::rehearse(desk, &app::rehearse::Ask { runbook, chance, strict, switchover }))
        }
        Command::Approve(asked) => wait(app::approve::approve(desk, approval(asked), &mut screen)),
        Command::Apply { what, confirm, consent, switchover, part, steps, stopping, .. } => {
            let (slice, terms, manner) = (slice(part), terms(consent), manner(steps, stopping));
            let ask = app::apply::Ask { what, confirm, switchover, slice, terms, manner };
            wait(app::apply::apply(desk, ask, &mut screen))
        }
        Command::Resume { run, switchover, steps, stopping } => {
            let ask = app::resume::Ask { run, switchover, manner: manner(steps, stopping) };
            wait(app::resume::resume(desk, ask, &mut screen))
        }
        Command::Answer { run, gate, answer, because } => {
            let yes = answer == args::YesNo::Yes;
            app::answer::answer(desk, app::answer::Ask { run, gate, yes, because })
        }
        Command::Stop { run, because } => app::stop::stop(desk, &run, because),
        Command::Takeover { run, confirm, because } => {
            app::takeover::takeover(desk, &app::takeover::Ask { run, confirm, because })
        }
        Command::Abort { run, confirm, close, because } => {
            let close = close.then(|| because.unwrap_or_default());
            wait(app::abort::abort(desk, &app::abort::Ask { run, confirm, close }, &mut screen))
        }
        Command::Settle { run, step, verdict, because } => {
            app::settle::settle(desk, &app::settle::Ask { run, step, word: word(verdict), because })
        }
        Command::Drill(said) => wait(app::drill::drill(desk, drill(said), &mut screen)),
        Command::Replicate { names, plan, labels, all } => {
            let ask = app::replicate::Ask { names, plan, labels, all };
            wait(app::replicate::replicate(desk, &ask, &mut screen))
        }
        Command::Lock => app::lock::lock(desk),
        Command::Names { names, set } => wait(app::standing::names(desk, &app::standing::Ask { names, set })),
        Command::History => app::runs::history(desk),
        Command::Report { run, evidence: Some(file), .. } => app::evidence::export(desk, &run, &file),
        Command::Verify { what } => wait(app::verify::verify(desk, &what)),
        Command::Report { run, .. } => app::runs::report(desk, &run),
        Command::Show { kind, name } => app::show::show(desk, kind.as_deref().map(|k| (k, name.as_deref()))),
        Command::Schema => Ok(schema()),
        Command::Explain { code } => explain(code.as_deref()),
        Command::Completions { shell } => Ok(completions(shell)),
        Command::Sim { command } => app::sim::sim(desk, &simulator(command)),
    }
}

fn drill(said: args::Drill) -> app::drill::Ask {
    let args::Drill { plan, keep, restore_point: point, part, dry_run: dry, clean, steps, deadline, grace } =
        said;
    let manner = Manner { steps, deadline, grace, undo: None };
    app::drill::Ask { plan, keep, point, clean, dry, slice: slice(part), manner }
}

fn completions(shell: clap_complete::Shell) -> Answer {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "lifeboat", &mut text);
    Answer::ok(String::from_utf8_lossy(&text).into_owned(), serde_json::Value::Null)
}

fn manner(steps: bool, stopping: Stopping) -> Manner {
    let Stopping { deadline, grace, confirm_undo: undo } = stopping;
    Manner { steps, deadline, grace, undo }
}

fn terms(consent: Consent) -> app::approvals::Terms {
    let Consent { approval: files, break_glass: glass, because } = consent;
    app::approvals::Terms { files, glass, because }
}

fn approval(asked: Approve) -> app::approve::Ask {
    let Approve { file, key, by, lasts, because, confirm, all: _, steps: _ } = asked;
    app::approve::Ask { file, key, by, lasts, because, confirm }
}

const fn word(verdict: Verdict) -> Word {
    match verdict {
        Verdict::Done => Word::Done,
        Verdict::Retry => Word::Retry,
        Verdict::Failed => Word::Failed,
    }
}

fn slice(part: Part) -> app::slice::Ask {
    app::slice::Ask { only: part.only, without: part.without }
}

/// Runs a command that waits: two workers are enough, because the work is done at the sites.
fn wait(said: impl Future<Output = Said>) -> Said {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(said),
        Err(error) => {
            let finding = Finding::new(Code::StoreUnwritable, format!("no threads can be started: {error}"));
            Err(Answer::stop(Exit::Io, finding))
        }
    }
}

fn schema() -> Answer {
    let schema = app::show::schema();
    let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    Answer::ok(text + "\n", schema)
}

fn explain(code: Option<&str>) -> Said {
    let Some(text) = code else {
        let list: Vec<serde_json::Value> = Code::ALL
            .iter()
            .map(|c| serde_json::json!({ "code": c.as_str(), "severity": c.severity().word(), "title": c.title() }))
            .collect();
        let json = serde_json::json!({ "format": 1, "type": "codes", "codes": list });
        return Ok(Answer::ok(crate::report::explain::list(), json));
    };
    match text.parse::<Code>() {
        Ok(code) => {
            let page = crate::report::explain::page(code);
            let json =
                serde_json::json!({ "format": 1, "type": "code", "code": code.as_str(), "page": page });
            Ok(Answer::ok(page, json))
        }
        Err(()) => {
            let finding = Finding::new(Code::UnknownCode, format!("no finding has the code `{text}`"));
            Err(Answer::stop(
                Exit::Invalid,
                finding.help("`lifeboat explain` without a code lists all of them"),
            ))
        }
    }
}

fn simulator(command: SimCommand) -> app::sim::Ask {
    use app::sim::{Ask, FaultAsk, HitAsk};
    let hit = |hit: Hit| HitAsk { action: hit.action, replica: hit.replica, times: hit.times };
    match command {
        SimCommand::Status => Ask::Status,
        SimCommand::Advance { time } => Ask::Advance(time),
        SimCommand::Heal => Ask::Heal,
        SimCommand::Reset => Ask::Reset,
        SimCommand::Disk { vm } => Ask::Disk(vm),
        SimCommand::Power { vm, to } => {
            Ask::Power(vm, if to == args::OnOff::On { Power::On } else { Power::Off })
        }
        SimCommand::Fault { fault } => Ask::Fault(match fault {
            FaultArgs::Silent { site } => FaultAsk::Silent(site),
            FaultArgs::Fails { hit: h } => FaultAsk::Fails(hit(h)),
            FaultArgs::Slow { by, hit: h } => FaultAsk::Slow(hit(h), by),
            FaultArgs::AnswerLost { cut, hit: h } => FaultAsk::AnswerLost(hit(h), cut),
            FaultArgs::NeverReady { vm } => FaultAsk::NeverReady(vm),
        }),
    }
}
