//! A host: its libvirt, asked by `virsh`, and commands that are run on it. Each call has a limit on the time without progress.
//!
//! Where libvirt is reached over ssh, `virsh` runs at the host like everything else, over the one connection.

use super::shell::{self, Shell};
use super::ssh::{Line, beyond, quoted};
use crate::base::{Duration, SiteName};
use crate::port::{LibvirtSpec, RunOn};
use crate::provider::exec::{Call, ExecError, Output, run};
use crate::provider::meter::Meter;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::NamedTempFile;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// How many questions a host is asked at once: enough to hide the way there, too few to fill its daemon's 20 workers.
const CALLS: usize = 8;
/// After how long it may answer again that it did not.
const FORGOTTEN: std::time::Duration = std::time::Duration::from_secs(60);
/// How many shells stay open over ssh: sshd lets ten commands share a connection (`MaxSessions`), and each more logs in by itself.
const SHELLS_THERE: usize = 3;
/// How long a host may take to answer a question that changes nothing.
const ANSWER: Duration = Duration::from_secs(15);

/// Why a host did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// It was not reached, or fell silent: whatever was asked for may have happened or not.
    #[error("host of site {site} does not answer: {why}")]
    Unreachable {
        /// The site.
        site: SiteName,
        /// What the tool that went there said.
        why: String,
    },
    /// It answered that it did not do it.
    #[error("on the host of site {site}, {what} failed: {why}")]
    Failed {
        /// The site.
        site: SiteName,
        /// What was asked for.
        what: String,
        /// What it said.
        why: String,
    },
}

/// A host of libvirt and QEMU.
#[derive(Debug)]
pub struct Host {
    /// Its site.
    pub site: SiteName,
    /// How it is reached.
    pub spec: LibvirtSpec,
    line: Option<Line>,
    calls: Semaphore,
    shells: Mutex<Vec<Shell>>,
    copies: Semaphore,
    busy: Mutex<BTreeSet<u16>>,
    silent: Mutex<Option<Instant>>,
}

/// A port of a host that nobody else of this process serves at while this is kept.
#[derive(Debug)]
pub struct Port<'a> {
    host: &'a Host,
    /// Its number.
    pub number: u16,
}

/// A file with a description.
enum Text {
    /// Here, where it goes with this value.
    Here(NamedTempFile),
    /// At the host.
    There(String),
}

impl Text {
    fn path(&self) -> &str {
        match self {
            Self::Here(file) => file.path().to_str().unwrap_or_default(),
            Self::There(path) => path,
        }
    }

    fn there(&self) -> Option<&str> {
        match self {
            Self::Here(_) => None,
            Self::There(path) => Some(path),
        }
    }
}

impl Drop for Port<'_> {
    fn drop(&mut self) {
        self.host.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

impl Host {
    /// A host with nothing under way.
    #[must_use]
    pub fn new(site: SiteName, spec: LibvirtSpec) -> Self {
        let copies = Semaphore::new(usize::try_from(spec.copies).unwrap_or(1));
        let line = match &spec.run {
            RunOn::Ssh(ssh) => Some(Line::new(ssh.clone())),
            RunOn::Local | RunOn::Prefix(_) => None,
        };
        Self {
            site,
            spec,
            line,
            calls: Semaphore::new(CALLS),
            shells: Mutex::default(),
            copies,
            busy: Mutex::default(),
            silent: Mutex::default(),
        }
    }

    /// Remembers whether it answered.
    pub fn heard<T>(&self, said: &Result<T, HostError>) {
        let silent = matches!(said, Err(HostError::Unreachable { .. })).then(Instant::now);
        *self.silent.lock().unwrap_or_else(PoisonError::into_inner) = silent;
    }

    /// Whether it did not answer a moment ago. Who only would like to know something of it does not ask again so soon: a failover must not
    /// wait for the host that it is there for.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        let silent = *self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        silent.is_some_and(|since| since.elapsed() < FORGOTTEN)
    }

    /// Asks libvirt a question that changes nothing.
    ///
    /// # Errors
    /// [`HostError`].
    pub async fn ask(&self, arguments: &[&str]) -> Result<String, HostError> {
        self.libvirt(arguments, ANSWER.min(self.spec.silence)).await
    }

    /// Asks libvirt several questions. An answer is empty where the question was answered by an error.
    ///
    /// # Errors
    /// [`HostError`].
    pub async fn ask_all(&self, questions: &[&[&str]]) -> Result<Vec<String>, HostError> {
        let mut answers = Vec::new();
        for question in questions {
            answers.push(match self.ask(question).await {
                Ok(answer) => answer,
                Err(HostError::Failed { .. }) => String::new(),
                Err(silent @ HostError::Unreachable { .. }) => return Err(silent),
            });
        }
        Ok(answers)
    }

    /// Tells libvirt to do something.
    ///
    /// # Errors
    /// [`HostError`].
    pub async fn virsh(&self, arguments: &[&str]) -> Result<String, HostError> {
        self.libvirt(arguments, self.spec.silence).await
    }

    /// Tells libvirt to do something with descriptions, which it reads from files: each with the option that takes it.
    ///
    /// # Errors
    /// [`HostError`].
    pub async fn virsh_with(&self, arguments: &[&str], texts: &[(&str, &str)]) -> Result<String, HostError> {
        let files = self.put_all(texts).await?;
        let done = self.libvirt(&with_files(arguments, texts, &files), self.spec.silence).await;
        self.take_away(&files).await?;
        done
    }

    /// The same as [`Self::virsh_with`], with something done before and after it in one go, also where one of them fails and where nobody
    /// waits for it any more. Returns what was said, and the complaints, which are no error here.
    ///
    /// # Errors
    /// [`HostError`] where libvirt is not reached.
    pub async fn virsh_between(
        &self,
        before: &[&[&str]],
        command: (&[&str], &[(&str, &str)]),
        after: &[&[&str]],
        silence: Duration,
    ) -> Result<(String, String), HostError> {
        let (arguments, texts) = command;
        let files = self.put_all(texts).await?;
        let words = with_files(arguments, texts, &files);
        let all = before.iter().copied().chain([words.as_slice()]).chain(after.iter().copied());
        // virsh reads such a text as a POSIX shell does.
        let one = |words: &[&str]| words.iter().map(|w| quoted(w)).collect::<Vec<_>>().join(" ");
        let text = all.map(one).collect::<Vec<_>>().join("; ");
        // That nobody hears it any more must not end it.
        let argv = self.virsh_behind(&["env", "--ignore-signal=PIPE,HUP"], &[&text]);
        let output = self.call(Call { argv, silence, finishes: true, ..Call::default() }, "virsh").await;
        self.take_away(&files).await?;
        let output = output?;
        let why = if output.err.trim().is_empty() { String::new() } else { reason(&output) };
        if gone(&output) || self.cut(&output) {
            return Err(HostError::Unreachable { site: self.site.clone(), why });
        }
        Ok((output.out, why))
    }

    async fn put_all(&self, texts: &[(&str, &str)]) -> Result<Vec<Text>, HostError> {
        let mut files = Vec::new();
        for (_, text) in texts {
            files.push(self.put(text).await?);
        }
        Ok(files)
    }

    async fn take_away(&self, files: &[Text]) -> Result<(), HostError> {
        let there: Vec<&str> = files.iter().filter_map(Text::there).collect();
        if !there.is_empty() {
            self.exec(&[&["rm", "-f"], there.as_slice()].concat()).await?;
        }
        Ok(())
    }

    /// Whether ssh ended by its own troubles.
    fn cut(&self, output: &Output) -> bool {
        self.line.is_some() && output.code == Some(255)
    }

    /// Writes a text to a file where `virsh` can read it.
    async fn put(&self, text: &str) -> Result<Text, HostError> {
        if self.uri_there().is_some() {
            let path = format!("/tmp/lifeboat-{:016x}.xml", RandomState::new().hash_one(text));
            let argv = self.there(&["dd", "status=none", "conv=excl", &format!("of={path}")]);
            let silence = self.spec.silence;
            self.end(Call { argv, input: text.as_bytes().to_vec(), silence, ..Call::default() }, "dd")
                .await?;
            return Ok(Text::There(path));
        }
        let written = NamedTempFile::new().and_then(|mut f| f.write_all(text.as_bytes()).map(|()| f));
        written.map(Text::Here).map_err(|why| HostError::Failed {
            site: self.site.clone(),
            what: "writing a description".to_owned(),
            why: why.to_string(),
        })
    }

    /// The URI of libvirt at the host itself, where `virsh` runs there.
    fn uri_there(&self) -> Option<String> {
        self.line.as_ref().and_then(|_| beyond(&self.spec.uri))
    }

    async fn libvirt(&self, arguments: &[&str], silence: Duration) -> Result<String, HostError> {
        let what = format!("virsh {}", arguments.first().copied().unwrap_or_default());
        self.connect().await?;
        let output = match shell::line(arguments) {
            Some(line) => self.in_shell(&line, silence).await,
            None => None,
        };
        let output = match output {
            Some(output) => output.map_err(|error| self.trouble(error, &what))?,
            None => {
                let call = Call { argv: self.virsh_with_head(arguments), silence, ..Call::default() };
                self.call(call, &what).await?
            }
        };
        if output.code == Some(0) {
            return Ok(output.out);
        }
        let why = reason(&output);
        Err(if self.cut(&output) || gone(&output) {
            HostError::Unreachable { site: self.site.clone(), why }
        } else {
            HostError::Failed { site: self.site.clone(), what, why }
        })
    }

    fn virsh_with_head(&self, arguments: &[&str]) -> Vec<String> {
        self.virsh_behind(&[], arguments)
    }

    /// A command of libvirt's behind another one that runs it.
    fn virsh_behind(&self, first: &[&str], arguments: &[&str]) -> Vec<String> {
        let there = self.uri_there();
        let uri = there.as_deref().unwrap_or(&self.spec.uri);
        let words = [first, &["virsh", "-q", "-k", "5", "-K", "3", "-c", uri], arguments].concat();
        match there {
            Some(_) => self.there(&words),
            None => words.iter().map(|w| (*w).to_owned()).collect(),
        }
    }

    /// Runs a command in a shell that is open and free, or in a new one; `None` where shells cannot be used.
    async fn in_shell(&self, line: &str, silence: Duration) -> Option<Result<Output, ExecError>> {
        let _place = self.calls.acquire().await.ok();
        let free = || self.shells.lock().unwrap_or_else(PoisonError::into_inner).pop();
        // The connection of one that waited may have ended meanwhile, with the daemon. It is tried before anything depends on it.
        while let Some(mut shell) = free() {
            let alive =
                shell.fresh() || shell.say("uri", ANSWER.min(silence)).await.is_ok_and(|o| o.code == Some(0));
            if alive {
                return Some(self.say(shell, line, silence).await);
            }
        }
        match Shell::open(self.virsh_with_head(&[]), silence).await {
            Ok(shell) => Some(self.say(shell?, line, silence).await),
            Err(error) => Some(Err(error)),
        }
    }

    async fn say(&self, mut shell: Shell, line: &str, silence: Duration) -> Result<Output, ExecError> {
        let began = Instant::now();
        let said = shell.say(line, silence).await;
        tracing::debug!(site = %self.site, took = ?began.elapsed(), ok = said.is_ok(), virsh = line);
        if said.as_ref().is_ok_and(|output| !gone(output)) {
            let mut shells = self.shells.lock().unwrap_or_else(PoisonError::into_inner);
            if self.line.is_none() || shells.len() < SHELLS_THERE {
                shells.push(shell);
            }
        }
        said
    }

    /// Runs a command on the host.
    ///
    /// # Errors
    /// [`HostError`].
    pub async fn exec(&self, argv: &[&str]) -> Result<String, HostError> {
        let call = Call { argv: self.there(argv), silence: self.spec.silence, ..Call::default() };
        self.end(call, argv.first().copied().unwrap_or_default()).await
    }

    /// Asks the host something by a command that changes nothing.
    ///
    /// # Errors
    /// [`HostError`].
    pub async fn look(&self, argv: &[&str]) -> Result<String, HostError> {
        let silence = ANSWER.min(self.spec.silence);
        let call = Call { argv: self.there(argv), silence, ..Call::default() };
        self.end(call, argv.first().copied().unwrap_or_default()).await
    }

    /// Whether a file is there.
    ///
    /// # Errors
    /// [`HostError`], also where that cannot be told.
    pub async fn exists(&self, path: &str) -> Result<bool, HostError> {
        match self.look(&["find", path, "-maxdepth", "0"]).await {
            Ok(_) => Ok(true),
            Err(HostError::Failed { why, .. }) if why.contains("No such file") => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes the names of files outlive a loss of power: a file that is renamed is safe, and its new name is not before its folder is.
    ///
    /// # Errors
    /// [`HostError`].
    pub async fn settle(&self, files: &[&str]) -> Result<(), HostError> {
        let folder = |file: &&str| file.rsplit_once('/').map_or("/", |(folder, _)| folder).to_owned();
        let folders: BTreeSet<String> = files.iter().map(folder).collect();
        let words = ["sync"].into_iter().chain(folders.iter().map(String::as_str));
        self.exec(&words.collect::<Vec<_>>()).await.map(drop)
    }

    /// A command on the host, as a person types it where Lifeboat runs.
    #[must_use]
    pub fn typed(&self, argv: &[&str]) -> String {
        let mut words: Vec<String> = match &self.spec.run {
            RunOn::Local => Vec::new(),
            RunOn::Prefix(words) => words.clone(),
            RunOn::Ssh(ssh) => {
                let port = ssh.port.map(|port| format!("-p{port}"));
                let key = ssh.key.as_ref().map(|key| format!("-i{key}"));
                let hosts = ssh.known_hosts.as_ref().map(|file| format!("-oUserKnownHostsFile={file}"));
                let head = ["ssh".to_owned()].into_iter().chain(port).chain(key).chain(hosts);
                head.chain([ssh.to.clone()]).collect()
            }
        };
        let ssh = matches!(self.spec.run, RunOn::Ssh(_));
        // The shell of the other side reads them as well.
        words.extend(argv.iter().map(|w| if ssh { quoted(w) } else { (*w).to_owned() }));
        words.iter().map(|w| quoted(w)).collect::<Vec<_>>().join(" ")
    }

    /// A command of libvirt's, as a person types it where Lifeboat runs.
    #[must_use]
    pub fn typed_virsh(&self, arguments: &[&str]) -> String {
        if let Some(uri) = self.uri_there() {
            return self.typed(&[&["virsh", "-c", &uri], arguments].concat());
        }
        let words = ["virsh", "-c", self.spec.uri.as_str()];
        words.iter().chain(arguments).map(|w| quoted(w)).collect::<Vec<_>>().join(" ")
    }

    /// Runs a command on the host that works for long, and into a file whose growth is a sign of progress. A meter listens to it.
    ///
    /// # Errors
    /// [`HostError`].
    pub async fn exec_long(
        &self,
        argv: &[&str],
        input: String,
        grows: &str,
        meter: Option<&Arc<Meter>>,
    ) -> Result<String, HostError> {
        let sign = Some(self.there(&["stat", "-c", "%b %Y", grows]));
        let silence = self.spec.silence;
        let (input, meter) = (input.into_bytes(), meter.map(Arc::clone));
        let call = Call { argv: self.there(argv), input, silence, sign, meter, ..Call::default() };
        self.end(call, argv.get(..2).unwrap_or(argv).join(" ").as_str()).await
    }

    async fn end(&self, call: Call, what: &str) -> Result<String, HostError> {
        let output = self.call(call, what).await?;
        match output.code {
            Some(0) => Ok(output.out),
            Some(_) if self.cut(&output) => {
                Err(HostError::Unreachable { site: self.site.clone(), why: reason(&output) })
            }
            _ => Err(HostError::Failed {
                site: self.site.clone(),
                what: what.to_owned(),
                why: reason(&output),
            }),
        }
    }

    async fn call(&self, call: Call, what: &str) -> Result<Output, HostError> {
        let short = call.sign.is_none();
        // Copies have places of their own; they must not keep questions from being asked.
        let _place = if short { self.calls.acquire().await.ok() } else { None };
        self.connect().await?;
        let (began, argv) = (Instant::now(), call.argv.join(" "));
        let output = run(call).await;
        tracing::debug!(site = %self.site, took = ?began.elapsed(), ok = output.is_ok(), argv);
        output.map_err(|error| self.trouble(error, what))
    }

    async fn connect(&self) -> Result<(), HostError> {
        let Some(line) = &self.line else { return Ok(()) };
        line.open().await.map_err(|why| HostError::Unreachable { site: self.site.clone(), why })
    }

    fn trouble(&self, error: ExecError, what: &str) -> HostError {
        // The program that was started may only be the way to the host.
        let why = match &error {
            ExecError::Silent { after, .. } => {
                format!("`{what}` gave no sign of progress for {after} and was ended")
            }
            ExecError::Broken { .. } | ExecError::Start { .. } | ExecError::TooMuch { .. } => {
                error.to_string()
            }
        };
        let site = self.site.clone();
        match error {
            ExecError::Silent { .. } | ExecError::Broken { .. } => HostError::Unreachable { site, why },
            ExecError::Start { .. } | ExecError::TooMuch { .. } => {
                HostError::Failed { site, what: what.to_owned(), why }
            }
        }
    }

    /// The argument vector that runs another one on the host.
    fn there(&self, argv: &[&str]) -> Vec<String> {
        let words = argv.iter().map(|w| (*w).to_owned());
        match (&self.line, &self.spec.run) {
            (Some(line), _) => line.words(argv),
            (None, RunOn::Prefix(prefix)) => prefix.iter().cloned().chain(words).collect(),
            (None, RunOn::Local | RunOn::Ssh(_)) => words.collect(),
        }
    }

    /// A place among the copies that the host takes part in at once.
    pub async fn copy_place(&self) -> Option<SemaphorePermit<'_>> {
        self.copies.acquire().await.ok()
    }

    /// A free port of the range, other than those that turned out to be taken; `None` where there is none.
    #[must_use]
    pub fn port(&self, taken: &BTreeSet<u16>) -> Option<Port<'_>> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, last) = (self.spec.data.first, self.spec.data.last);
        let number = (first..=last).find(|n| !busy.contains(n) && !taken.contains(n))?;
        busy.insert(number);
        Some(Port { host: self, number })
    }
}

/// A command with the files that it takes, each behind its option.
fn with_files<'a>(arguments: &[&'a str], texts: &[(&'a str, &str)], files: &'a [Text]) -> Vec<&'a str> {
    let options = texts.iter().zip(files).flat_map(|((option, _), file)| [*option, file.path()]);
    arguments.iter().copied().chain(options).collect()
}

/// Whether it says that the connection is not there, or not any more: texts of libvirt 9 to 11 in the C locale.
fn gone(output: &Output) -> bool {
    let texts = [
        "failed to connect to the hypervisor",
        "annot recv data",
        "End of file while reading data",
        "client socket is closed",
        "onnection closed due to keepalive timeout",
        "internal error: received hangup",
    ];
    output.code != Some(0) && texts.iter().any(|text| output.err.contains(text))
}

/// The reason in what a tool said: its last complaint, without the word that begins it.
fn reason(output: &Output) -> String {
    let lines = || output.err.lines().map(str::trim).filter(|l| !l.is_empty());
    let text = lines().map(|l| l.strip_prefix("error: ").unwrap_or(l)).collect::<Vec<_>>().join("; ");
    match (text.is_empty(), output.code) {
        (false, _) => text,
        (true, Some(code)) => format!("it ended with code {code}"),
        (true, None) => "a signal ended it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ssh::quoted;
    use super::*;
    use crate::port::{DataPath, SshSpec};

    fn host(run: RunOn) -> Host {
        let data = DataPath { address: "127.0.0.1".parse().unwrap(), first: 7, last: 8 };
        let spec = LibvirtSpec {
            uri: "qemu:///system".to_owned(),
            run,
            data,
            folder: "/srv".to_owned(),
            silence: Duration::from_secs(5),
            copies: 1,
        };
        Host::new(SiteName::fixed("here"), spec)
    }

    #[tokio::test]
    async fn words_arrive_as_they_are_said_also_through_a_shell() {
        let words = ["", "a b", "it's", "$(date)", "`x`", "a;b|c&d", "\\", "\"", "ü*?~"];
        let line = words.iter().map(|w| quoted(w)).collect::<Vec<_>>().join(" ");
        let out = host(RunOn::Local).exec(&["sh", "-c", &format!("printf '%s|' {line}")]).await;
        assert_eq!(out, Ok(words.map(|w| format!("{w}|")).concat()));
    }

    #[test]
    fn a_command_goes_the_way_of_its_host() {
        assert_eq!(host(RunOn::Local).there(&["ls", "a b"]), ["ls", "a b"]);
        let prefix = RunOn::Prefix(vec!["in".to_owned(), "b".to_owned()]);
        assert_eq!(host(prefix).there(&["ls", "a b"]), ["in", "b", "ls", "a b"]);
    }

    #[test]
    fn a_command_is_shown_as_a_person_types_it() {
        assert_eq!(host(RunOn::Local).typed(&["ls", "a b"]), "ls 'a b'");
        let ssh = SshSpec { to: "root@b".to_owned(), port: Some(2222), key: None, known_hosts: None };
        assert_eq!(
            host(RunOn::Ssh(ssh)).typed(&["ls", "-l", "a;b"]),
            r"ssh -p2222 root@b ls -l ''\''a;b'\'''"
        );
        let mut host = host(RunOn::Local);
        host.spec.uri = "qemu+unix:///system?socket=/s".to_owned();
        assert_eq!(
            host.typed_virsh(&["net-start", "dr"]),
            "virsh -c 'qemu+unix:///system?socket=/s' net-start dr"
        );
    }

    #[test]
    fn a_port_is_given_once_and_comes_back() {
        let host = host(RunOn::Local);
        let none = BTreeSet::new();
        let (first, second) = (host.port(&none).unwrap(), host.port(&none).unwrap());
        assert_eq!((first.number, second.number), (7, 8));
        assert!(host.port(&none).is_none());
        drop(first);
        assert!(host.port(&BTreeSet::from([7])).is_none());
        assert_eq!(host.port(&none).map(|p| p.number), Some(7));
    }

    #[tokio::test]
    async fn a_libvirt_that_is_not_there_is_unreachable() {
        let mut host = host(RunOn::Local);
        host.spec.uri = "qemu+unix:///system?socket=/nowhere".to_owned();
        let error = host.ask(&["list"]).await.unwrap_err();
        let missing = matches!(&error, HostError::Failed { why, .. } if why.contains("cannot be started"));
        assert!(missing || matches!(error, HostError::Unreachable { .. }), "{error}");
    }
}
