//! People's programs as processes: each in a process group of its own, of which nothing is left at its end.

use crate::base::Duration;
use crate::domain::{Secret, Spoken};
use crate::port::{Call, Later, Ran, Scripts};
use crate::provider::exec::LAST_WORDS;
use crate::provider::group::Group;
use crate::provider::secret;
use rustix::process::Signal;
use std::collections::{BTreeMap, VecDeque};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};

/// So much of what a program says is kept: its end.
const KEPT: usize = 8 << 10;
/// How long a program has to end by itself once it was told that its time is over.
const GRACE: std::time::Duration = std::time::Duration::from_secs(5);
/// A shorter text is not masked: it would blot out half of what is said, and is no secret.
const SHORTEST_SECRET: usize = 4;
/// A line of a secret of many lines is masked from this length on: a shorter one may stand anywhere.
const SHORTEST_LINE: usize = 8;
/// How often it is looked whether anything of a group is there.
const LOOK: std::time::Duration = std::time::Duration::from_millis(50);
/// What stands for a secret.
const MASK: &str = "***";

/// Runs programs on this machine, in the workspace's folder.
#[derive(Debug, Clone)]
pub struct Processes {
    folder: PathBuf,
    environment: BTreeMap<String, String>,
}

impl Processes {
    /// In a folder, with an environment.
    #[must_use]
    pub const fn new(folder: PathBuf, environment: BTreeMap<String, String>) -> Self {
        Self { folder, environment }
    }

    /// Whether a call could be started: its program is there and may be run, and so are its secrets.
    ///
    /// # Errors
    /// What is missing.
    pub fn ready(&self, call: &Call) -> Result<(), String> {
        self.secrets(call)?;
        self.program(call).map(drop)
    }

    /// The program's file.
    fn program(&self, call: &Call) -> Result<PathBuf, String> {
        let name = call.argv.first().map_or("", String::as_str);
        if name.contains('/') {
            let folder = std::path::absolute(&self.folder).unwrap_or_else(|_| self.folder.clone());
            let path = folder.join(name.strip_prefix("./").unwrap_or(name));
            return match runnable(&path) {
                Ok(()) => Ok(path),
                Err(why) => Err(format!("`{name}` cannot be started: {} {why}", path.display())),
            };
        }
        let search = call.env.get("PATH").or_else(|| self.environment.get("PATH"));
        let folders = search.map_or("/usr/local/bin:/usr/bin:/bin", String::as_str);
        let found =
            folders.split(':').map(|folder| Path::new(folder).join(name)).find(|p| runnable(p).is_ok());
        found.ok_or_else(|| format!("`{name}` cannot be started: no folder of PATH has such a program"))
    }

    /// What the secrets of a call are.
    fn secrets(&self, call: &Call) -> Result<BTreeMap<String, String>, String> {
        let one = |(name, secret): (&String, &Secret)| {
            let value = secret::read(secret, &self.folder, &self.environment);
            let value = value.map_err(|why| format!("its secret {name} {why}"))?;
            Ok((name.clone(), value))
        };
        call.secrets.iter().map(one).collect()
    }

    async fn carry_out(&self, call: &Call) -> Result<Ran, String> {
        let (program, secrets) = (self.program(call)?, self.secrets(call)?);
        let name = call.argv.first().map_or("", String::as_str);
        let cannot = |why: std::io::Error| format!("`{name}` cannot be started: {why}");
        let inherited = self.environment.iter().filter(|(name, _)| !name.starts_with("LIFEBOAT_"));
        let hidden = hidden(&secrets, inherited.clone().chain(&call.env));
        let (reader, writer) = std::io::pipe().map_err(cannot)?;
        let mut command = Command::new(program);
        command
            .args(call.argv.get(1..).unwrap_or_default())
            .current_dir(&self.folder)
            .env_clear()
            .envs(inherited)
            .envs(&call.env)
            .envs(&secrets)
            .stdin(Stdio::piped())
            .stdout(writer.try_clone().map_err(cannot)?)
            .stderr(writer)
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(cannot)?;
        let group = Group::listed(&child);
        // Else this process would hold the pipe open itself.
        drop(command);
        let pipe = Receiver::from_owned_fd(OwnedFd::from(reader)).map_err(cannot)?;
        let input = child.stdin.take();
        let mut ear = Ear { pipe: Some(pipe), kept: VecDeque::new(), longest: longest(&hidden), heard: 0 };
        let feed = async {
            if let Some(mut input) = input {
                // A program that does not want it closes its end.
                drop(input.write_all(&call.input).await);
            }
            std::future::pending::<std::convert::Infallible>().await
        };
        let (late, status) = tokio::select! {
            ended = ear.attend(&mut child, &group, call.within) => ended,
            never = feed => match never {},
        };
        // Its time was over, and those that it started may tidy up as well.
        if late {
            ear.patience(&group).await;
        }
        // Whatever it started and did not end is ended with it.
        drop(group);
        ear.last_words().await;
        let code = status.and_then(|status| status.code().filter(|_| status.signal().is_none()));
        Ok(Ran { late, spoken: ear.spoken(code, &hidden) })
    }
}

impl Scripts for Processes {
    fn run<'a>(&'a self, call: &'a Call) -> Later<'a, Result<Ran, String>> {
        Box::pin(self.carry_out(call))
    }
}

/// Whether a file is a program that may be run; what is wrong with it.
fn runnable(path: &Path) -> Result<(), &'static str> {
    use std::os::unix::fs::PermissionsExt;
    match path.metadata() {
        Err(_) => Err("is not there"),
        Ok(file) if !file.is_file() => Err("is no file"),
        Ok(file) if file.permissions().mode() & 0o111 == 0 => Err("may not be executed (chmod +x)"),
        Ok(_) => Ok(()),
    }
}

/// Who listens to a program, and keeps the end of what it says.
struct Ear {
    pipe: Option<Receiver>,
    kept: VecDeque<u8>,
    /// The longest secret, of which a part could be cut off.
    longest: usize,
    heard: u64,
}

impl Ear {
    /// Listens until the program ends, or until it was ended because its time is over.
    async fn attend(
        &mut self,
        child: &mut Child,
        group: &Group,
        within: Duration,
    ) -> (bool, Option<std::process::ExitStatus>) {
        let mut end = tokio::time::Instant::now() + within.to_std();
        let mut signal = Some(Signal::TERM);
        loop {
            tokio::select! {
                biased;
                status = child.wait() => return (signal != Some(Signal::TERM), status.ok()),
                () = tokio::time::sleep_until(end) => {
                    match signal {
                        Some(first) if first == Signal::TERM => {
                            group.send(first);
                            (signal, end) = (Some(Signal::KILL), end + GRACE);
                        }
                        Some(last) => {
                            group.send(last);
                            (signal, end) = (None, end + GRACE);
                        }
                        // Not even that ended it: it hangs in the kernel, and nobody waits for it any more.
                        None => return (true, None),
                    }
                }
                () = self.hear(), if self.pipe.is_some() => {}
            }
        }
    }

    /// Takes in a piece of what is said.
    async fn hear(&mut self) {
        let Some(pipe) = &mut self.pipe else { return };
        let mut piece = [0; 1 << 14];
        match pipe.read(&mut piece).await {
            Ok(n) if n > 0 => {
                self.heard += n as u64;
                self.kept.extend(piece.get(..n).unwrap_or_default());
                let over = self.kept.len().saturating_sub(KEPT + self.longest);
                self.kept.drain(..over);
            }
            Ok(_) | Err(_) => self.pipe = None,
        }
    }

    /// Listens until nothing of a group is there, for a while.
    async fn patience(&mut self, group: &Group) {
        let until = tokio::time::Instant::now() + GRACE;
        while group.lives() && tokio::time::Instant::now() < until {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = self.hear(), if self.pipe.is_some() => {}
            }
        }
    }

    async fn last_words(&mut self) {
        let until = tokio::time::Instant::now() + LAST_WORDS;
        while self.pipe.is_some() && tokio::time::timeout_at(until, self.hear()).await.is_ok() {}
    }

    /// What is kept: without secrets, and without anything that would move a terminal's cursor.
    fn spoken(self, code: Option<i32>, hidden: &[String]) -> Spoken {
        let cut = self.heard > self.kept.len() as u64;
        let raw: Vec<u8> = self.kept.into();
        let mut text = String::from_utf8_lossy(&raw).into_owned();
        for secret in hidden {
            text = text.replace(secret.as_str(), MASK);
        }
        // A secret that was cut in two is not seen, so where something was cut off its possible rest goes too.
        let text = if cut { behind(&text, self.longest) } else { &text };
        let shown = behind(text, text.len().saturating_sub(KEPT));
        let whole = !cut && shown.len() == text.len();
        let left_out = if whole { 0 } else { self.heard.saturating_sub(shown.len() as u64) };
        Spoken { code, text: plain(shown), left_out, proof: false }
    }
}

/// The text without its first bytes, and without what is left of a character.
fn behind(text: &str, bytes: usize) -> &str {
    let from = (bytes..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    text.get(from..).unwrap_or_default()
}

fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.replace("\r\n", "\n").chars() {
        match c {
            '\n' | '\t' => plain.push(c),
            c if c.is_control() => plain.extend(c.escape_default()),
            c => plain.push(c),
        }
    }
    plain
}

fn longest(hidden: &[String]) -> usize {
    hidden.iter().map(String::len).max().unwrap_or(0)
}

/// What is masked: the secrets of the call, and the values of variables whose names look secret; the longest first.
fn hidden<'a>(
    secrets: &BTreeMap<String, String>,
    others: impl Iterator<Item = (&'a String, &'a String)>,
) -> Vec<String> {
    let named = others.filter(|(name, _)| looks_secret(name)).map(|(_, value)| value);
    let all: Vec<&String> = secrets.values().chain(named).collect();
    // A program may show a part of a secret of many lines.
    let lines = all.iter().flat_map(|v| v.lines()).map(str::trim).filter(|l| l.len() >= SHORTEST_LINE);
    let whole = all.iter().map(|v| v.as_str()).filter(|v| v.len() >= SHORTEST_SECRET);
    let mut found: Vec<String> = whole.chain(lines).map(str::to_owned).collect();
    found.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    found.dedup();
    found
}

fn looks_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let parts: Vec<&str> = name.split('_').collect();
    ["PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "TOKEN", "CREDENTIAL", "APIKEY"]
        .iter()
        .any(|w| name.contains(w))
        || parts.iter().any(|part| ["KEY", "PASS", "PWD"].contains(part)) && name != "PWD" && name != "OLDPWD"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, Processes) {
        let folder = tempfile::tempdir().unwrap();
        let environment = [
            ("PATH", "/usr/bin:/bin"),
            ("DB_PASSWORD", "hunter2hunter2"),
            ("LIFEBOAT_STORE_PASSWORD", "store-secret"),
        ];
        let environment = environment.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        let processes = Processes::new(folder.path().to_owned(), environment);
        (folder, processes)
    }

    fn call(script: &str, millis: u64) -> Call {
        let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
        Call { argv, within: Duration::from_millis(millis), ..Call::default() }
    }

    /// Whether a process is gone, or only waits to be reaped.
    async fn gone(pid: &str) -> bool {
        for _ in 0..100 {
            let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
            if state.is_empty() || state.contains(") Z ") {
                return true;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        false
    }

    #[tokio::test]
    async fn it_hears_both_streams_in_their_order_and_is_told_its_context() {
        let (folder, processes) = place();
        let mut call = call("cat; echo; echo two >&2; echo three; pwd; echo $WHO; exit 3", 5000);
        call.input = b"one".to_vec();
        call.env = [("WHO".to_owned(), "me".to_owned())].into();
        let ran = processes.run(&call).await.unwrap();
        let here = std::fs::canonicalize(folder.path()).unwrap();
        assert_eq!(ran.spoken.text, format!("one\ntwo\nthree\n{}\nme\n", here.display()));
        assert_eq!((ran.late, ran.spoken.code, ran.spoken.left_out), (false, Some(3), 0));
    }

    #[tokio::test]
    async fn one_that_ignores_the_first_signal_is_killed_with_its_children() {
        let (folder, processes) = place();
        let script = "trap '' TERM; (trap '' TERM; sleep 60) & echo $! >child; echo $$ >own; wait; sleep 60";
        let began = tokio::time::Instant::now();
        let ran = processes.run(&call(script, 300)).await.unwrap();
        assert!(ran.late && ran.spoken.code.is_none(), "{ran:?}");
        assert!(began.elapsed() >= GRACE, "it had its time to end by itself");
        for file in ["child", "own"] {
            assert!(
                gone(&std::fs::read_to_string(folder.path().join(file)).unwrap()).await,
                "{file} lives on"
            );
        }
    }

    #[tokio::test]
    async fn one_that_heeds_the_first_signal_may_clean_up() {
        let (_folder, processes) = place();
        let ran =
            processes.run(&call("trap 'echo cleaned; exit 7' TERM; sleep 60 & wait", 300)).await.unwrap();
        assert_eq!((ran.late, ran.spoken.code, ran.spoken.text.as_str()), (true, Some(7), "cleaned\n"));
    }

    #[tokio::test]
    async fn at_its_time_limit_its_children_may_clean_up_as_well() {
        let (folder, processes) = place();
        let child = "sh -c 'trap \"sleep 0.3; echo cleaned >log; exit\" TERM; while :; do sleep 0.05; done'";
        let ran = processes.run(&call(&format!("{child} & wait"), 300)).await.unwrap();
        assert!(ran.late, "{ran:?}");
        assert_eq!(std::fs::read_to_string(folder.path().join("log")).unwrap(), "cleaned\n");
    }

    #[tokio::test]
    async fn a_line_of_a_secret_is_masked_as_the_whole_is() {
        let (folder, processes) = place();
        std::fs::write(folder.path().join("pem"), "-----BEGIN-----\nMIIsecretline\nab\n-----END-----\n")
            .unwrap();
        let mut script = call("echo \"$CERT\" | sed -n 2,3p", 5000);
        script.secrets = [("CERT".to_owned(), Secret::File("pem".to_owned()))].into();
        assert_eq!(processes.run(&script).await.unwrap().spoken.text, "***\nab\n");
    }

    #[tokio::test]
    async fn what_it_leaves_behind_is_ended_and_not_waited_for() {
        let (folder, processes) = place();
        let began = tokio::time::Instant::now();
        let ran = processes.run(&call("sleep 60 & echo $! >child; echo done", 20_000)).await.unwrap();
        assert_eq!((ran.late, ran.spoken.code, ran.spoken.text.as_str()), (false, Some(0), "done\n"));
        assert!(began.elapsed() < std::time::Duration::from_secs(5));
        assert!(gone(&std::fs::read_to_string(folder.path().join("child")).unwrap()).await);
    }

    #[tokio::test]
    async fn dropping_it_ends_it() {
        let (folder, processes) = place();
        let call = call("echo $$ >own; sleep 60", 60_000);
        let path = folder.path().join("own");
        let started = async {
            while !std::fs::read_to_string(&path).is_ok_and(|pid| pid.ends_with('\n')) {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            ran = processes.run(&call) => panic!("{ran:?}"),
            () = started => {}
        }
        assert!(gone(&std::fs::read_to_string(path).unwrap()).await);
    }

    #[tokio::test]
    async fn of_much_the_end_is_kept_and_the_rest_is_counted() {
        let (_folder, processes) = place();
        let ran = processes
            .run(&call("head -c 104857600 /dev/zero | tr '\\0' x; echo the end", 60_000))
            .await
            .unwrap();
        assert!(ran.spoken.text.len() <= KEPT && ran.spoken.text.ends_with("xthe end\n"));
        assert_eq!(ran.spoken.left_out + ran.spoken.text.len() as u64, 104_857_600 + 8);
    }

    #[tokio::test]
    async fn secrets_are_masked_also_where_they_are_cut() {
        let (folder, processes) = place();
        std::fs::write(folder.path().join("token"), "from a file\n").unwrap();
        let mut script =
            call("echo $A $B $DB_PASSWORD $LIFEBOAT_STORE_PASSWORD.; printf '\\033[2Jx\\377'", 5000);
        script.secrets = [
            ("A".to_owned(), Secret::Env("DB_PASSWORD".to_owned())),
            ("B".to_owned(), Secret::File("token".to_owned())),
        ]
        .into();
        let ran = processes.run(&script).await.unwrap();
        assert_eq!(ran.spoken.text, "*** *** *** .\n\\u{1b}[2Jx\u{fffd}");
        // The end that is kept begins at each possible place of the secret.
        for shift in 0..20 {
            let script = format!("printf $DB_PASSWORD; head -c {} /dev/zero | tr '\\0' x", KEPT - 5 + shift);
            let ran = processes.run(&call(&script, 5000)).await.unwrap();
            assert!(!ran.spoken.text.contains("r2x") && !ran.spoken.text.contains("2x"), "{shift}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_started_says_why() {
        let (folder, processes) = place();
        std::fs::write(folder.path().join("plain.sh"), "#!/bin/sh\n").unwrap();
        let why = |program: &str| {
            let call = Call { argv: vec![program.to_owned()], ..call("", 1000) };
            processes.ready(&call).unwrap_err()
        };
        assert!(why("./plain.sh").ends_with("may not be executed (chmod +x)"), "{}", why("./plain.sh"));
        assert!(why("./gone.sh").ends_with("gone.sh is not there"), "{}", why("./gone.sh"));
        assert!(why("no-such-program").contains("no folder of PATH"), "{}", why("no-such-program"));
        assert!(why(".//").ends_with("is no file"), "{}", why(".//"));
        let mut unset = call("true", 1000);
        unset.secrets = [("A".to_owned(), Secret::Env("NOT_SET".to_owned()))].into();
        assert_eq!(
            processes.run(&unset).await.unwrap_err(),
            "its secret A is missing: the variable NOT_SET is not set"
        );
        unset.secrets = [("A".to_owned(), Secret::File("gone".to_owned()))].into();
        assert!(processes.ready(&unset).unwrap_err().starts_with("its secret A cannot be read from gone: "));
    }
}
