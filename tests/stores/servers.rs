//! PostgreSQL and etcd of the tests' own: on loopback, in temporary folders, ended with whoever started them.

use crate::proxy::Protocol;
use rustix::process::{Pid, Signal, kill_process};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

/// A store as the tests use it.
pub trait Server: Send {
    /// An address in it that nobody has used yet.
    fn place(&mut self) -> String;
    /// What is spoken with it, where it is elsewhere.
    fn protocol(&self) -> Option<Protocol>;
    /// The process, where it is one.
    fn process(&mut self) -> Option<&mut Process>;
}

/// A server's process, to be started, stopped and killed.
pub struct Process {
    program: PathBuf,
    words: Vec<String>,
    /// Whether it refuses to be run by root.
    nobody: bool,
    folder: PathBuf,
    port: u16,
    child: Option<Child>,
}

/// Debian's number for the user and the group that own nothing.
pub const NOBODY: u32 = 65534;

pub fn root() -> bool {
    rustix::process::getuid().is_root()
}

/// A program by its name, also where Debian keeps the servers of PostgreSQL.
pub fn program(name: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path.split(':').map(PathBuf::from).chain(versions.map(|v| v.path().join("bin")));
    folders.map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Whether all programs are there that the servers need; what is missing is said.
pub fn installed() -> bool {
    let needed = ["initdb", "postgres", "psql", "etcd", "setpriv"];
    let missing: Vec<&str> = needed.into_iter().filter(|name| program(name).is_none()).collect();
    if !missing.is_empty() {
        eprintln!("the tests over all stores cannot run without {}", missing.join(", "));
        eprintln!("on Debian: apt-get install postgresql etcd-server util-linux");
    }
    missing.is_empty()
}

pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// What is asked of the thread that starts the servers, and where it puts the answer.
type Order = (Command, Sender<std::io::Result<Child>>);

/// Starts a server from a thread that lasts as long as this process: a server dies with the thread that starts it.
fn spawned(command: Command) -> Child {
    static KEEPER: OnceLock<Sender<Order>> = OnceLock::new();
    let keeper = KEEPER.get_or_init(|| {
        let (sender, orders) = std::sync::mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, answer) in orders {
                drop(answer.send(command.spawn()));
            }
        });
        sender
    });
    let (sender, answer) = std::sync::mpsc::channel();
    keeper.send((command, sender)).unwrap();
    answer.recv().unwrap().unwrap()
}

/// A program that dies with the thread that starts it, and is nobody where it refuses to be root.
pub fn bound(program: &Path, nobody: bool) -> Command {
    let mut command = Command::new("setpriv");
    if nobody && root() {
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    }
    command.arg("--pdeathsig=KILL").arg(program);
    command
}

/// A folder for a server: in memory where there is much of it, so that what is waited for is never a busy disk.
fn room() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let free = Command::new("df").args(["--output=avail", "-k"]).arg(memory).output();
    let free = free.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    let free = free.split_whitespace().last().and_then(|kib| kib.parse::<u64>().ok());
    if free.is_some_and(|kib| kib > 4 << 20) { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }
        .unwrap()
}

impl Process {
    /// One that was not started yet, with its words and the port on which it answers.
    pub fn new(program: PathBuf, words: Vec<String>, nobody: bool, (folder, port): (&Path, u16)) -> Self {
        Self { program, words, nobody, folder: folder.to_owned(), port, child: None }
    }

    fn command(&self) -> Command {
        let mut command = bound(&self.program, self.nobody);
        command.args(&self.words).current_dir(&self.folder).stdin(Stdio::null());
        let log = std::fs::File::options().create(true).append(true).open(self.folder.join("log")).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        command
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts it, and waits until it answers.
    pub fn start(&mut self) {
        self.child = Some(spawned(self.command()));
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(30), "{} does not start", self.program.display());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// As it was before a test that failed.
    pub fn recover(&mut self) {
        if self.child.is_none() {
            self.start();
        }
        self.unpause();
    }

    fn send(&self, signal: Signal) {
        let child = self.child.as_ref().unwrap();
        kill_process(Pid::from_child(child), signal).unwrap();
    }

    /// Ends it in order.
    pub fn stop(&mut self) {
        self.send(Signal::INT);
        self.child.take().unwrap().wait().unwrap();
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        self.send(Signal::KILL);
        self.child.take().unwrap().wait().unwrap();
        // The servers' own children notice by themselves, and a new one waits for them.
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
            assert!(began.elapsed() < Duration::from_secs(30));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Lets it do nothing for a while: itself, and the processes that it has for those who are connected.
    pub fn pause(&self) {
        self.send(Signal::STOP);
        self.to_children(Signal::STOP);
    }

    /// Lets it go on.
    pub fn unpause(&self) {
        self.to_children(Signal::CONT);
        self.send(Signal::CONT);
    }

    fn to_children(&self, signal: Signal) {
        let own = self.child.as_ref().unwrap().id();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Some(process) = entry.file_name().to_str().and_then(|n| n.parse::<i32>().ok()) else {
                continue;
            };
            let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            // The name stands in brackets; after it come the state and the parent.
            let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1));
            if parent.and_then(|p| p.parse().ok()) == Some(own) {
                // It may have ended meanwhile.
                let _ended = kill_process(Pid::from_raw(process).unwrap(), signal);
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // In order: PostgreSQL leaves shared memory behind where it is killed.
        if self.child.is_some() {
            self.unpause();
            self.stop();
        }
    }
}

/// The local folder.
pub struct Folder {
    pub folder: tempfile::TempDir,
    used: usize,
}

impl Folder {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), used: 0 }
    }
}

impl Server for Folder {
    fn place(&mut self) -> String {
        self.used += 1;
        format!("file:{}/{}", self.folder.path().display(), self.used)
    }

    fn protocol(&self) -> Option<Protocol> {
        None
    }

    fn process(&mut self) -> Option<&mut Process> {
        None
    }
}

/// PostgreSQL.
pub struct Postgres {
    process: Process,
    _folder: tempfile::TempDir,
    used: usize,
}

impl Postgres {
    /// Makes a cluster, and starts it.
    pub fn new() -> Self {
        let folder = room();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        if root() {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let data = folder.path().join("data");
        let made = bound(&program("initdb").unwrap(), true)
            .args(["-A", "trust", "-U", "dr", "-E", "UTF8", "--no-sync", "-D"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = free_port();
        let words = [
            "-D",
            data.to_str().unwrap(),
            "-p",
            &port.to_string(),
            "-k",
            folder.path().to_str().unwrap(),
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "max_connections=200",
            // In files of its own folder: a server that is killed leaves the other kind behind.
            "-c",
            "dynamic_shared_memory_type=mmap",
        ];
        let words = words.map(str::to_owned).to_vec();
        let program = program("postgres").unwrap();
        let mut process =
            Process { program, words, nobody: true, folder: folder.path().to_owned(), port, child: None };
        process.start();
        Self { process, _folder: folder, used: 0 }
    }
}

/// So many schemas are made at once.
const SCHEMAS: usize = 100;

impl Postgres {
    /// Makes the next schemas, as soon as the server does more than listen.
    fn schemas(&self) {
        let (first, last) = (self.used, self.used + SCHEMAS - 1);
        let made = format!(
            "DO $$ BEGIN FOR n IN {first}..{last} LOOP EXECUTE format('CREATE SCHEMA t%s', n); END LOOP; END $$"
        );
        let (port, began) = (self.process.port.to_string(), Instant::now());
        loop {
            let output = Command::new(program("psql").unwrap())
                .args(["-X", "-q", "-h", "127.0.0.1", "-p", &port, "-U", "dr", "-d", "postgres", "-c", &made])
                .output()
                .unwrap();
            if output.status.success() {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "{}", String::from_utf8_lossy(&output.stderr));
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Server for Postgres {
    fn place(&mut self) -> String {
        if self.used.is_multiple_of(SCHEMAS) {
            self.schemas();
        }
        self.used += 1;
        let (schema, port) = (self.used - 1, self.process.port);
        format!("postgres://dr@127.0.0.1:{port}/postgres?sslmode=disable&options=-csearch_path%3Dt{schema}")
    }

    fn protocol(&self) -> Option<Protocol> {
        Some(Protocol::Postgres)
    }

    fn process(&mut self) -> Option<&mut Process> {
        Some(&mut self.process)
    }
}

/// etcd.
pub struct Etcd {
    process: Process,
    _folder: tempfile::TempDir,
    used: usize,
}

impl Etcd {
    /// Starts one member.
    pub fn new() -> Self {
        let folder = room();
        let (port, peer) = (free_port(), free_port());
        let (client, peer) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{peer}"));
        let words = [
            "--data-dir",
            folder.path().join("data").to_str().unwrap(),
            "--listen-client-urls",
            &client,
            "--advertise-client-urls",
            &client,
            "--listen-peer-urls",
            &peer,
            "--initial-advertise-peer-urls",
            &peer,
            "--initial-cluster",
            &format!("default={peer}"),
            "--quota-backend-bytes",
            "8000000000",
        ]
        .map(str::to_owned)
        .to_vec();
        let program = program("etcd").unwrap();
        let mut process =
            Process { program, words, nobody: false, folder: folder.path().to_owned(), port, child: None };
        process.start();
        Self { process, _folder: folder, used: 0 }
    }
}

impl Server for Etcd {
    fn place(&mut self) -> String {
        self.used += 1;
        format!("etcd://127.0.0.1:{}/t{}", self.process.port, self.used)
    }

    fn protocol(&self) -> Option<Protocol> {
        Some(Protocol::Etcd)
    }

    fn process(&mut self) -> Option<&mut Process> {
        Some(&mut self.process)
    }
}
