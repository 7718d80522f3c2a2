//! The way to another host: one connection of ssh that all commands share. It is opened by the first of them and ends with this process;
//! where that is killed, half a minute later by itself.

use crate::base::Duration;
use crate::port::SshSpec;
use crate::provider::exec::{Call, ExecError, Output, run};
use std::sync::OnceLock;
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// How long opening a connection may take, with its own limit of 10 s for each address.
const OPENING: Duration = Duration::from_secs(15);

/// A connection that is opened when it is needed.
#[derive(Debug)]
pub struct Line {
    spec: SshSpec,
    /// The folder of its socket; `None` where there cannot be one, and each command connects by itself.
    folder: OnceLock<Option<TempDir>>,
    open: OnceCell<()>,
}

impl Line {
    /// A connection that is not open yet.
    #[must_use]
    pub fn new(spec: SshSpec) -> Self {
        Self { spec, folder: OnceLock::new(), open: OnceCell::new() }
    }

    /// Opens the connection, unless it is open.
    ///
    /// # Errors
    /// Why it cannot be opened, with what to do.
    pub async fn open(&self) -> Result<(), String> {
        let opened = self.open.get_or_try_init(async || {
            match run(Call { argv: self.words(&["true"]), silence: OPENING, ..Call::default() }).await {
                Ok(Output { code: Some(0), .. }) => Ok(()),
                Ok(output) => Err(self.refusal(&output)),
                Err(error @ ExecError::Start { .. }) => Err(format!("{error}; install the ssh client")),
                Err(error) => Err(error.to_string()),
            }
        });
        opened.await.copied()
    }

    /// The argument vector that runs another one at the other end.
    #[must_use]
    pub fn words(&self, argv: &[&str]) -> Vec<String> {
        [self.options(), self.command(argv)].concat()
    }

    fn options(&self) -> Vec<String> {
        let SshSpec { to: _, port, key, known_hosts } = &self.spec;
        let fixed = ["ssh", "-oBatchMode=yes", "-oConnectTimeout=10"];
        let alive = ["-oServerAliveInterval=5", "-oServerAliveCountMax=3"];
        let mut words: Vec<String> = fixed.into_iter().chain(alive).map(str::to_owned).collect();
        let folder =
            self.folder.get_or_init(|| tempfile::Builder::new().prefix("lifeboat-ssh-").tempdir().ok());
        if let Some(folder) = folder {
            words.extend(["-oControlMaster=auto".to_owned(), "-oControlPersist=30".to_owned()]);
            words.push(format!("-oControlPath={}/%C", folder.path().display()));
        }
        words.extend(port.map(|port| format!("-p{port}")));
        if let Some(key) = key {
            words.extend(["-oIdentitiesOnly=yes".to_owned(), format!("-i{key}")]);
        }
        if let Some(file) = known_hosts {
            words.extend(["-oStrictHostKeyChecking=yes", "-oGlobalKnownHostsFile=none"].map(str::to_owned));
            words.push(format!("-oUserKnownHostsFile=\"{file}\""));
        }
        words
    }

    /// The destination with a command. What ssh gets is joined by spaces and read by the shell of the other side: the one place with a shell in
    /// the way.
    fn command(&self, argv: &[&str]) -> Vec<String> {
        let head = ["--", self.spec.to.as_str(), "env", "LC_ALL=C"];
        head.into_iter().map(str::to_owned).chain(argv.iter().map(|word| quoted(word))).collect()
    }

    /// Why ssh does not come through, with what to do. Texts of OpenSSH, which are the same in all languages.
    fn refusal(&self, output: &Output) -> String {
        let SshSpec { to, port, key, known_hosts } = &self.spec;
        let has = |text: &str| output.err.contains(text);
        let at = port.map_or_else(|| to.clone(), |port| format!("{to}, port {port}"));
        let file = known_hosts.as_deref().unwrap_or("~/.ssh/known_hosts");
        let compare = "ask the host itself with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`";
        if has("IDENTIFICATION HAS CHANGED") {
            return format!(
                "the host key of {at} is another one than in {file}: somebody may stand in between. Find out which is right, {compare}, and \
                 put that one into {file}"
            );
        }
        if has("Host key verification failed") {
            return format!(
                "the host key of {at} is not known: get it with `ssh-keyscan`, {compare} whether it is right, and put it into {file}"
            );
        }
        if let Some(key) = key.as_ref().filter(|_| has("not accessible")) {
            return format!("there is no key {key} that could be read: name the file of the private key");
        }
        if has("Permission denied") {
            let which =
                key.as_ref().map_or_else(|| "no key of ssh's".to_owned(), |key| format!("not the key {key}"));
            return format!(
                "{at} takes {which}: put its public half into that user's authorized_keys (`ssh-copy-id`), and name a user who may manage libvirt"
            );
        }
        if ["Connection closed by", "Connection reset by", "Not allowed at this time"].into_iter().any(has) {
            return format!(
                "{at} ends the connection before anybody can log in: it does so for a while with those who failed to (PerSourcePenalties) and \
                 where too many come at once (MaxStartups). Try again in a minute; `journalctl -u ssh` on the host says which"
            );
        }
        let lines = || output.err.lines().map(str::trim).filter(|l| !l.is_empty());
        let said = lines().next_back().unwrap_or("ssh ended without a word");
        format!("{said}; try `ssh {}{to}` yourself", port.map(|p| format!("-p {p} ")).unwrap_or_default())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.open.get().is_none() {
            return;
        }
        let words = [self.options(), vec!["-Oexit".to_owned(), "--".to_owned(), self.spec.to.clone()]];
        let words = words.concat();
        let (program, arguments) = words.split_first().map_or(("", &[][..]), |(p, a)| (p.as_str(), a));
        let ended = std::process::Command::new(program).args(arguments).output();
        tracing::debug!(to = self.spec.to, ok = ended.is_ok_and(|o| o.status.success()), "connection closed");
    }
}

/// The URI under which the host itself knows the libvirt that a URI reaches over ssh; `None` where another way leads there.
#[must_use]
pub fn beyond(uri: &str) -> Option<String> {
    let kinds = ["qemu+ssh://", "qemu+libssh://", "qemu+libssh2://"];
    let (_, rest) = kinds.iter().find_map(|kind| uri.strip_prefix(kind))?.split_once('/')?;
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let socket = query.split('&').find_map(|p| p.strip_prefix("socket="));
    Some(match socket {
        Some(socket) => format!("qemu+unix:///{path}?socket={socket}"),
        None => format!("qemu:///{path}"),
    })
}

/// A word as a POSIX shell reads it back unchanged.
#[must_use]
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line {
        let some = |text: &str| Some(text.to_owned());
        Line::new(SshSpec {
            to: "root@b".to_owned(),
            port: Some(2222),
            key: some("/k"),
            known_hosts: some("/a b"),
        })
    }

    #[test]
    fn what_was_said_of_the_way_is_told_to_ssh() {
        let words = line().words(&["ls", "a b"]);
        for word in ["-p2222", "-i/k", "-oIdentitiesOnly=yes", "-oUserKnownHostsFile=\"/a b\""] {
            assert!(words.iter().any(|w| w == word), "{word}: {words:?}");
        }
        assert_eq!(words[words.len() - 6..], ["--", "root@b", "env", "LC_ALL=C", "ls", "'a b'"]);
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let refusal = |err: &str| line().refusal(&Output { err: err.to_owned(), ..Output::default() });
        for (said, expected) in [
            (
                "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
                "another one than in /a b",
            ),
            ("Host key verification failed.", "ssh-keyscan"),
            (
                "Warning: Identity file /k not accessible: No such file.\nroot@b: Permission denied (publickey).",
                "no key /k",
            ),
            ("root@b: Permission denied (publickey).", "authorized_keys"),
            (
                "kex_exchange_identification: read: Connection reset by peer\nConnection reset by 10.0.0.2 port 2222",
                "Try again in a minute",
            ),
            ("Connection closed by 10.0.0.2 port 2222", "PerSourcePenalties"),
            (
                "ssh: connect to host b port 2222: Connection refused",
                "Connection refused; try `ssh -p 2222 root@b`",
            ),
        ] {
            assert!(refusal(said).contains(expected), "{}", refusal(said));
        }
    }

    #[test]
    fn a_host_knows_its_own_libvirt_by_another_uri() {
        let uri = |text: &str| beyond(text);
        assert_eq!(uri("qemu+ssh://root@b:22/system?keyfile=/k").as_deref(), Some("qemu:///system"));
        assert_eq!(uri("qemu+ssh://b/session?socket=/s").as_deref(), Some("qemu+unix:///session?socket=/s"));
        assert_eq!(uri("qemu+libssh://b/system").as_deref(), Some("qemu:///system"));
        assert_eq!((uri("qemu:///system"), uri("qemu+tls://b/system")), (None, None));
    }
}
