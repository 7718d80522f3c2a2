//! A `virsh` that stays open: a question costs it a millisecond, and a new process with a new connection twenty to some hundred (over ssh).
//!
//! It reads a command a line and writes what it says to both its streams. Where an answer ends is known by a mark that it is told to write
//! after each command; no answer can hold it, as it is made up for each shell.

use crate::base::Duration;
use crate::provider::exec::{ExecError, LAST_WORDS, Output};
use crate::provider::group::Group;
use std::hash::{BuildHasher, RandomState};
use std::process::Stdio;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::Instant;

/// What it is called where it fails.
const PROGRAM: &str = "virsh";
/// A longer line is for a process of its own: the reader of lines in `virsh` is slow with them.
const LONGEST: usize = 32 << 10;
/// So long after a command nobody asks whether the connection is still there.
const FRESH: std::time::Duration = std::time::Duration::from_secs(1);
/// What it writes by itself when its connection broke and was made anew; no command failed by that.
const ASIDES: [&str; 2] = ["error: Disconnected from ", "error: Reconnected to the hypervisor"];

/// An open shell.
#[derive(Debug)]
pub struct Shell {
    _group: Group,
    _child: Child,
    input: ChildStdin,
    out: Stream<ChildStdout>,
    err: Stream<ChildStderr>,
    mark: String,
    count: u64,
    used: Instant,
}

/// One of its streams with what was read of it and does not belong to an answer yet.
#[derive(Debug)]
struct Stream<R> {
    pipe: R,
    held: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Stream<R> {
    /// What comes before a text, which is taken away with it.
    async fn before(&mut self, end: &str) -> std::io::Result<String> {
        let mut from = 0;
        loop {
            let rest = self.held.get(from..).unwrap_or_default();
            if let Some(at) = rest.windows(end.len()).position(|w| w == end.as_bytes()) {
                let text =
                    String::from_utf8_lossy(self.held.get(..from + at).unwrap_or_default()).into_owned();
                self.held.drain(..from + at + end.len());
                return Ok(text);
            }
            from = (self.held.len() + 1).saturating_sub(end.len());
            if self.pipe.read_buf(&mut self.held).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

impl Stream<ChildStderr> {
    /// The complaints of one that ended.
    async fn rest(&mut self) -> String {
        let all = async { while self.pipe.read_buf(&mut self.held).await.is_ok_and(|n| n > 0) {} };
        // What it started may hold the pipe open.
        if tokio::time::timeout(LAST_WORDS, all).await.is_err() {
            tracing::debug!("the last words of a shell were not waited for");
        }
        let text = String::from_utf8_lossy(&self.held).into_owned();
        let lines = text.lines().map(|l| l.strip_prefix("error: ").unwrap_or(l).trim());
        lines.filter(|l| !l.is_empty()).collect::<Vec<_>>().join("; ")
    }
}

/// The words as one line that `virsh` reads back as these words; `None` where it would not, or is slow to.
#[must_use]
pub fn line(words: &[&str]) -> Option<String> {
    let plain = |c: u8| c == b' ' || c.is_ascii_graphic();
    let sound = words.iter().all(|w| w.bytes().all(plain));
    // One that works for long would keep the shell from others.
    let long = words.contains(&"--wait");
    let quoted = |w: &&str| format!("'{}'", w.replace('\'', r"'\''"));
    let line = words.iter().map(quoted).collect::<Vec<_>>().join(" ");
    (sound && !long && line.len() <= LONGEST).then_some(line)
}

impl Shell {
    /// Opens one by an argument vector without a command; its connection is made by its first command. `None` where this `virsh` does not repeat
    /// what it reads, and its answers cannot be told apart.
    ///
    /// # Errors
    /// [`ExecError`].
    pub async fn open(argv: Vec<String>, silence: Duration) -> Result<Option<Self>, ExecError> {
        let (program, arguments) = argv.split_first().map_or(("", &[][..]), |(p, a)| (p.as_str(), a));
        let start = |why| ExecError::Start { program: program.to_owned(), why };
        let mut child = Command::new(program)
            .args(arguments)
            .env("LC_ALL", "C")
            .env("TERM", "dumb")
            .env("VIRSH_HISTSIZE", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(start)?;
        let group = Group::of(&child);
        let (Some(input), Some(out), Some(err)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Ok(None);
        };
        let mark = format!("lifeboat-{:016x}", RandomState::new().hash_one(child.id()));
        let out = Stream { pipe: out, held: Vec::new() };
        let err = Stream { pipe: err, held: Vec::new() };
        let mut shell =
            Self { _group: group, _child: child, input, out, err, mark, count: 0, used: Instant::now() };
        let said = shell.say("echo hello", silence).await?;
        Ok((said.out == "hello").then_some(shell))
    }

    /// Whether it was used a moment ago.
    #[must_use]
    pub fn fresh(&self) -> bool {
        self.used.elapsed() < FRESH
    }

    /// Runs a command. It has failed where it complained.
    ///
    /// # Errors
    /// [`ExecError`]; the shell cannot be used after that.
    pub async fn say(&mut self, line: &str, silence: Duration) -> Result<Output, ExecError> {
        let exchanged = tokio::time::timeout(silence.to_std(), self.exchange(line)).await;
        self.used = Instant::now();
        match exchanged {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(why)) => {
                let complaint = self.err.rest().await;
                let why = if complaint.is_empty() { why.to_string() } else { complaint };
                Err(ExecError::Broken { program: PROGRAM.to_owned(), why })
            }
            Err(_) => Err(ExecError::Silent { program: PROGRAM.to_owned(), after: silence }),
        }
    }

    async fn exchange(&mut self, line: &str) -> std::io::Result<Output> {
        self.count += 1;
        let (begin, end) =
            (format!("{}-{}-a", self.mark, self.count), format!("{}-{}-z", self.mark, self.count));
        let script = format!("echo {begin}\n{line}\necho {end}\necho --err {end}\n");
        self.input.write_all(script.as_bytes()).await?;
        // Each command stands before what it says, as it was read.
        self.out.before(&format!("echo {begin}\n{begin}")).await?;
        self.out.before("\n").await?;
        let (prompt, last) = ("virsh # ", format!("echo {end}\n{end}"));
        let out = self.out.before(&last).await?;
        let out = out.strip_suffix(prompt).unwrap_or(&out).to_owned();
        let err = self.err.before(&format!("error: {end}\n")).await?;
        let err: String =
            err.split_inclusive('\n').filter(|l| !ASIDES.iter().any(|aside| l.starts_with(aside))).collect();
        let failed = err.lines().any(|l| l.starts_with("error: "));
        Ok(Output { code: Some(i32::from(failed)), out, err })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HERE: [&str; 4] = ["virsh", "-q", "-c", "test:///default"];
    const LIMIT: Duration = Duration::from_secs(10);

    /// `None` on a machine without libvirt's client.
    async fn shell() -> Option<Shell> {
        match Shell::open(HERE.map(str::to_owned).to_vec(), LIMIT).await {
            Ok(shell) => shell,
            Err(ExecError::Start { .. }) => None,
            Err(why) => panic!("{why}"),
        }
    }

    #[tokio::test]
    async fn answers_are_told_apart_and_complaints_are_failures() {
        let Some(mut shell) = shell().await else { return };
        for _ in 0..3 {
            let output = shell.say("'list' '--name'", LIMIT).await.unwrap();
            assert_eq!((output.code, output.out.trim()), (Some(0), "test"));
            let output = shell.say("'dumpxml' 'no such'", LIMIT).await.unwrap();
            assert_eq!((output.code, output.out.trim()), (Some(1), ""));
            assert!(output.err.contains("failed to get domain 'no such'"), "{}", output.err);
            assert_eq!(shell.say("'no-such-command'", LIMIT).await.unwrap().code, Some(1));
            let xml = shell.say("'dumpxml' 'test'", LIMIT).await.unwrap();
            assert!(
                xml.out.starts_with("<domain") && xml.out.trim_end().ends_with("</domain>"),
                "{}",
                xml.out
            );
        }
    }

    #[tokio::test]
    async fn a_long_record_comes_back_as_it_was_written() {
        let Some(mut shell) = shell().await else { return };
        let record = "a \\\\ b \\n it's {\\\"x\\\": 1} ; # $(y) ".repeat(400);
        let text = format!("<r>{}</r>", record.replace('"', "&quot;"));
        let words = ["metadata", "test", "https://x/y", "--key", "k", "--set", &text];
        let output = shell.say(&line(&words).unwrap(), LIMIT).await.unwrap();
        assert_eq!(output.code, Some(0), "{}", output.err);
        let read = shell.say("'metadata' 'test' 'https://x/y'", LIMIT).await.unwrap();
        assert_eq!(read.out.trim(), format!("<r>{record}</r>"));
    }

    #[tokio::test]
    async fn a_shell_that_says_nothing_is_given_up() {
        let Some(mut shell) = shell().await else { return };
        let error = shell.say("'event' '--all' '--loop'", Duration::from_millis(300)).await.unwrap_err();
        assert!(matches!(error, ExecError::Silent { .. }), "{error}");
    }

    #[tokio::test]
    async fn why_a_connection_is_not_there_is_said() {
        if shell().await.is_none() {
            return;
        }
        let argv = ["virsh", "-q", "-c", "qemu+unix:///system?socket=/nowhere"].map(str::to_owned).to_vec();
        let error = Shell::open(argv, LIMIT).await.err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.contains("failed to connect to the hypervisor"), "{error}");
    }

    #[test]
    fn what_a_line_cannot_carry_is_refused() {
        for word in ["a\nb", "a\tb", "ä", "\u{1b}[A", "a\0b"] {
            assert_eq!(line(&["echo", word]), None, "{word:?}");
        }
        assert_eq!(line(&["blockcommit", "vm", "--wait"]), None);
        assert_eq!(line(&["echo", &"x".repeat(LONGEST)]), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn any_words_arrive(words in proptest::collection::vec("[ -~]{1,30}", 1..4)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let said = runtime.block_on(async {
                let mut shell = shell().await?;
                let words: Vec<&str> = ["echo", "--"].into_iter().chain(words.iter().map(String::as_str)).collect();
                Some(shell.say(&line(&words)?, LIMIT).await.unwrap())
            });
            if let Some(said) = said {
                prop_assert_eq!((said.code, said.out), (Some(0), words.join(" ")), "{}", said.err);
            }
        }
    }
}
