//! A site as another host sees it: a real sshd in its namespaces, with keys of its own.

use super::run::{run, until};
use super::site::Site;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The port.
pub const PORT: u16 = 2222;

/// An sshd, and what a client needs for it. All of it goes with this value.
pub struct Sshd {
    server: Child,
    folder: tempfile::TempDir,
}

impl Sshd {
    /// Starts it at a site. Nothing of the machine's own settings and keys is used.
    ///
    /// # Errors
    /// A step of it does not work.
    pub fn at(site: &Site) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        let path = |name: &str| folder.path().join(name);
        for name in ["host", "key", "other"] {
            run(&["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", &text(&path(name))])?;
        }
        let known = |key: &str, file: &str| {
            let public = std::fs::read_to_string(path(&format!("{key}.pub"))).map_err(|e| e.to_string())?;
            let line = format!("[{}]:{PORT} {public}", site.design.address);
            std::fs::write(path(file), line).map_err(|e| e.to_string())
        };
        known("host", "known_hosts")?;
        known("other", "wrong_hosts")?;
        let settings = format!(
            "ListenAddress {}\nPort {PORT}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\nStrictModes no\n\
             PermitRootLogin prohibit-password\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n",
            site.design.address,
            text(&path("host")),
            text(&path("key.pub")),
        );
        let config = text(&path("sshd_config"));
        let write = |settings: &str| std::fs::write(&config, settings).map_err(|e| e.to_string());
        // Where it locks itself up before it knows who comes.
        std::fs::create_dir_all("/run/sshd").map_err(|e| e.to_string())?;
        let program = run(&["sh", "-c", "command -v sshd"])?;
        // Since OpenSSH 9.8 who failed is turned away for a while, and stories fail on purpose; older ones do not know the word.
        write(&format!("{settings}PerSourcePenalties no\n"))?;
        if run(&[program.trim(), "-t", "-f", &config]).is_err() {
            write(&settings)?;
        }
        let prefix = site.prefix();
        let (first, rest) = prefix.split_first().ok_or("no command")?;
        let server = Command::new(first)
            .args(rest)
            .args([program.trim(), "-D", "-e", "-f", &config])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(path("log")).map_err(|e| e.to_string())?)
            .spawn()
            .map_err(|e| format!("sshd: {e}"))?;
        let sshd = Self { server, folder };
        until("sshd", 10, || TcpStream::connect((site.design.address, PORT)).ok())?;
        Ok(sshd)
    }

    /// One of its files: `key`, `known_hosts`; `other`, a key that it does not take, and `wrong_hosts` with that as its host key.
    pub fn file(&self, name: &str) -> String {
        text(&self.folder.path().join(name))
    }

    /// How often somebody has logged in.
    pub fn logins(&self) -> usize {
        let log = std::fs::read_to_string(self.file("log")).unwrap_or_default();
        log.lines().filter(|line| line.starts_with("Accepted publickey")).count()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

fn text(path: &Path) -> String {
    PathBuf::from(path).to_string_lossy().into_owned()
}
