//! Running a program: an argument vector, never a shell's text; a limit on the time without progress; and nothing of it left running.

use crate::base::Duration;
use crate::provider::group::Group;
use crate::provider::meter::Meter;
use std::process::Stdio;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::Instant;

/// How much of a program's complaints is kept.
const KEPT: usize = 16 << 10;
/// How much a program may say on standard output: the map of a fragmented disk of many TiB is far below.
const LONGEST: usize = 512 << 20;
/// How long words are waited for that were said before a program's end. One that it started and left behind may hold its pipes open.
pub const LAST_WORDS: std::time::Duration = std::time::Duration::from_millis(200);

/// What is to be run.
#[derive(Debug, Clone, Default)]
pub struct Call {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// What it reads on standard input.
    pub input: Vec<u8>,
    /// What is added to the runner's environment.
    pub env: Vec<(String, String)>,
    /// The folder that it runs in; the runner's own where nothing is said.
    pub folder: Option<String>,
    /// After how long without a sign of progress it counts as hanging. Whatever it writes is a sign.
    pub silence: Duration,
    /// A command whose answer changes while there is progress; for programs that work for long without a word.
    pub sign: Option<Vec<String>>,
    /// Whether it goes on to its end also where nobody waits for it any more: it takes back what it did.
    pub finishes: bool,
    /// Who listens to what it says on standard output, while it says it.
    pub meter: Option<Arc<Meter>>,
    /// Whether nobody wants to know what it says on standard output.
    pub unheard: bool,
}

/// What a program that ended said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// Its exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// The end of standard error.
    pub err: String,
}

/// Why there is no output.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The program could not be started.
    #[error("`{program}` cannot be started: {why}")]
    Start {
        /// The program.
        program: String,
        /// The system's word.
        why: std::io::Error,
    },
    /// It gave no sign for too long and was ended.
    #[error("`{program}` gave no sign of progress for {after} and was ended")]
    Silent {
        /// The program.
        program: String,
        /// How long.
        after: Duration,
    },
    /// It ended before its answer did.
    #[error("`{program}` broke off: {why}")]
    Broken {
        /// The program.
        program: String,
        /// Its last complaint, or the system's word.
        why: String,
    },
    /// It said more than can be taken.
    #[error("`{program}` says more than {LONGEST} bytes")]
    TooMuch {
        /// The program.
        program: String,
    },
}

/// The pipes of a program, and what came out of them.
struct Pipes {
    input: Option<ChildStdin>,
    left: Vec<u8>,
    out: Vec<u8>,
    err: Vec<u8>,
    meter: Option<Arc<Meter>>,
    unheard: bool,
}

/// Runs a program until it ends.
///
/// # Errors
/// [`ExecError`]; a program that ends with another code than 0 is no error here.
pub async fn run(call: Call) -> Result<Output, ExecError> {
    let Call { argv, input, env, folder, silence, sign, finishes, meter, unheard } = call;
    let (program, arguments) = argv.split_first().map_or(("", &[][..]), |(p, a)| (p.as_str(), a));
    let program = program.to_owned();
    let mut command = Command::new(&program);
    if let Some(folder) = folder {
        command.current_dir(folder);
    }
    let mut child = command
        .args(arguments)
        .env("LC_ALL", "C")
        .envs(env)
        .stdin(if input.is_empty() { Stdio::null() } else { Stdio::piped() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(!finishes)
        .spawn()
        .map_err(|why| ExecError::Start { program: program.clone(), why })?;
    let mut group = Group::of(&child);
    if finishes {
        group.release();
    }
    let (out, err) = (Vec::new(), Vec::new());
    let mut pipes = Pipes { input: child.stdin.take(), left: input, out, err, meter, unheard };
    let code = pipes.attend(&mut child, &program, (silence, sign)).await?;
    group.release();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Output { code, out: text(pipes.out), err: text(pipes.err) })
}

impl Pipes {
    /// Feeds and reads until the program has ended.
    async fn attend(
        &mut self,
        child: &mut Child,
        program: &str,
        limit: (Duration, Option<Vec<String>>),
    ) -> Result<Option<i32>, ExecError> {
        let (silence, sign) = limit;
        let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
        let (mut first, mut second) = (vec![0; 1 << 16], vec![0; 1 << 12]);
        let mut moved = Instant::now();
        let mut seen: Option<String> = None;
        let mut ended: Option<Option<i32>> = None;
        loop {
            if let (Some(code), true) = (ended, out.is_none() && err.is_none()) {
                return Ok(code);
            }
            let pause = if ended.is_some() { LAST_WORDS } else { pause(silence, sign.is_some(), moved) };
            tokio::select! {
                n = take(&mut out, &mut first), if out.is_some() => {
                    let said = first.get(..n).unwrap_or_default();
                    if let Some(meter) = &self.meter {
                        meter.hear(said);
                    }
                    if !self.unheard {
                        self.out.extend_from_slice(said);
                    }
                    if self.out.len() > LONGEST {
                        return Err(ExecError::TooMuch { program: program.to_owned() });
                    }
                    if n == 0 { out = None }
                }
                n = take(&mut err, &mut second), if err.is_some() => {
                    self.err.extend_from_slice(second.get(..n).unwrap_or_default());
                    self.err.drain(..self.err.len().saturating_sub(KEPT));
                    if n == 0 { err = None }
                }
                () = feed(&mut self.input, &mut self.left), if self.input.is_some() => {}
                status = child.wait(), if ended.is_none() => {
                    ended = Some(status.ok().and_then(|s| s.code()));
                }
                () = tokio::time::sleep(pause) => {
                    if let Some(code) = ended {
                        return Ok(code);
                    }
                    let now = match &sign {
                        Some(argv) => ask(argv.clone(), silence).await,
                        None => None,
                    };
                    if now.is_some() && now != seen {
                        seen = now;
                        moved = Instant::now();
                    } else if moved.elapsed() >= silence.to_std() {
                        return Err(ExecError::Silent { program: program.to_owned(), after: silence });
                    }
                    continue;
                }
            }
            moved = Instant::now();
        }
    }
}

/// Until when nobody has to look: the end of the silence, or an eighth of it where there is a sign to look at.
fn pause(silence: Duration, sign: bool, moved: Instant) -> std::time::Duration {
    let left = silence.to_std().saturating_sub(moved.elapsed()).max(std::time::Duration::from_millis(5));
    if sign { left.min(silence.to_std() / 8) } else { left }
}

/// What the command for a sign answers.
async fn ask(argv: Vec<String>, silence: Duration) -> Option<String> {
    let call = Call { argv, silence: Duration::from_millis(silence.as_millis() / 4), ..Call::default() };
    let output = Box::pin(run(call)).await.ok()?;
    (output.code == Some(0)).then_some(output.out)
}

async fn take<R: AsyncRead + Unpin>(pipe: &mut Option<R>, into: &mut [u8]) -> usize {
    match pipe {
        // A pipe that cannot be read is one that says nothing any more.
        Some(pipe) => pipe.read(into).await.unwrap_or(0),
        None => 0,
    }
}

/// Writes a piece of what the program reads, and closes its input after the last one. A program that does not want it says so by its end.
async fn feed(pipe: &mut Option<ChildStdin>, left: &mut Vec<u8>) {
    let Some(input) = pipe else { return };
    match input.write(left).await {
        Ok(n) if n > 0 && n < left.len() => drop(left.drain(..n)),
        Ok(_) | Err(_) => *pipe = None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(argv: &[&str], millis: u64) -> Call {
        let argv = argv.iter().map(|a| (*a).to_owned()).collect();
        Call { argv, silence: Duration::from_millis(millis), ..Call::default() }
    }

    #[tokio::test]
    async fn a_program_gets_its_input_and_its_words_are_heard() {
        let input = "x".repeat(300_000);
        let output = run(Call { input: input.clone().into_bytes(), ..call(&["cat"], 5000) }).await.unwrap();
        assert_eq!((output.code, output.out == input), (Some(0), true));
        let output = run(call(&["ls", "/there is no; such $(folder)"], 5000)).await.unwrap();
        assert_eq!(output.code, Some(2));
        assert!(output.err.contains("/there is no; such $(folder)"), "{}", output.err);
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let error = run(call(&["no-such-program"], 1000)).await.unwrap_err();
        assert!(error.to_string().starts_with("`no-such-program` cannot be started"), "{error}");
    }

    #[tokio::test]
    async fn one_that_hangs_is_ended_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("pid");
        let script = format!("sleep 77 & echo $! >'{}'; wait", mark.display());
        let error = run(call(&["sh", "-c", &script], 400)).await.unwrap_err();
        assert!(matches!(error, ExecError::Silent { .. }), "{error}");
        let pid = std::fs::read_to_string(mark).unwrap();
        for _ in 0..100 {
            let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
            if state.is_empty() || state.contains(") Z ") {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("what it started lives on");
    }

    #[tokio::test]
    async fn a_sign_of_progress_keeps_it_alive() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("grows");
        let file = file.to_str().unwrap();
        let script = format!("for i in 1 2 3 4 5 6 7 8; do echo $i >>{file}; sleep 0.1; done");
        let sign = Some(vec!["cat".to_owned(), file.to_owned()]);
        let output = run(Call { sign, ..call(&["sh", "-c", &script], 400) }).await.unwrap();
        assert_eq!(output.code, Some(0));
    }

    #[tokio::test]
    async fn one_left_behind_with_the_pipes_is_not_waited_for() {
        let began = Instant::now();
        let output = run(call(&["sh", "-c", "setsid sleep 3 & echo done"], 10_000)).await.unwrap();
        assert_eq!(output.out, "done\n");
        assert!(began.elapsed() < std::time::Duration::from_secs(2));
    }
}
