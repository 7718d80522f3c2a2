//! Names that follow a machine, told to a real name server: `cargo test --test names`. BIND is started here, on loopback and in a temporary
//! folder; where it is not installed that is a failure, and it is said.

#![allow(clippy::print_stderr, reason = "what is missing has to be said")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(
    clippy::disallowed_methods,
    reason = "a real server keeps the time of the wall clock, and is found on the PATH"
)]

use libtest_mimic::{Arguments, Trial};
use lifeboat::base::{Duration, EntryName, ReplicaName};
use lifeboat::domain::{Cutover, KeyAlgorithm, NameServer, Once, RecordKind, Secret, ServerKey};
use lifeboat::port::{Failure, Names, Pointed, Pointing};
use lifeboat::provider::names::NameServers;
use lifeboat::provider::secret::Secrets;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Instant;

/// The keys that the server knows, and one that it does not: their names, how they sign, and what they are.
const KEYS: &[(&str, &str, &str)] = &[
    ("lifeboat", "hmac-sha256", "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MTI="),
    ("longer", "hmac-sha384", "bG9uZ2VybG9uZ2VybG9uZ2VybG9uZ2VybG9uZ2VybG9uZ2VybG9uZ2Vy"),
    ("longest", "hmac-sha512", "bG9uZ2VzdGxvbmdlc3Rsb25nZXN0bG9uZ2VzdGxvbmdlc3Rsb25nZXN0bG9uZ2VzdA=="),
];

/// The server, with all that it serves.
struct Bind {
    folder: tempfile::TempDir,
    port: u16,
    child: Child,
}

fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let all = path.split(':').chain(["/usr/sbin", "/sbin"]).map(PathBuf::from);
    all.map(|folder| folder.join(name)).find(|path| path.is_file())
}

impl Bind {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let at = folder.path().display();
        let keys = KEYS.iter().map(|(name, algorithm, secret)| {
            format!("key {name} {{ algorithm {algorithm}; secret \"{secret}\"; }};\n")
        });
        let names = KEYS.iter().map(|(name, ..)| format!("key {name}; ")).collect::<String>();
        let text = format!(
            "options {{ directory \"{at}\"; pid-file none; session-keyfile none; recursion no; dnssec-validation no;
               listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; allow-query {{ any; }}; }};
             controls {{ }};
             {}
             zone \"shop.example\" {{ type primary; file \"shop\"; allow-update {{ {names} }}; }};
             zone \"closed.example\" {{ type primary; file \"closed\"; }};
             zone \"open.example\" {{ type primary; file \"open\"; allow-update {{ any; }}; }};\n",
            keys.collect::<String>()
        );
        std::fs::write(folder.path().join("named.conf"), text).unwrap();
        for zone in ["shop", "closed", "open"] {
            let text = format!(
                "$TTL 60\n@ SOA ns.{zone}.example. root.{zone}.example. 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n\
                 www A 10.1.0.8\nround A 10.1.0.8\nround A 10.9.9.9\nother A 198.51.100.7\nalias CNAME www\n"
            );
            std::fs::write(folder.path().join(zone), text).unwrap();
        }
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(program("named").unwrap());
        command.args(["-g", "-n", "1", "-c"]).arg(folder.path().join("named.conf"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let bind = Self { folder, port, child };
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            let log = || std::fs::read_to_string(bind.folder.path().join("log")).unwrap_or_default();
            assert!(began.elapsed().as_secs() < 30, "named does not start:\n{}", log());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        bind
    }
}

impl Drop for Bind {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn free_port() -> u16 {
    // Both kinds must be free: the server wants the two of them.
    loop {
        let stream = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let at: SocketAddr = stream.local_addr().unwrap();
        if UdpSocket::bind(at).is_ok() {
            return at.port();
        }
    }
}

fn names() -> NameServers {
    let environment: BTreeMap<String, String> =
        KEYS.iter().map(|(name, _, secret)| (name.to_uppercase(), (*secret).to_owned())).collect();
    let environment = environment.into_iter().chain([
        ("WRONG".to_owned(), "d3Jvbmd3cm9uZ3dyb25nd3Jvbmd3cm9uZ3dyb25nd3I=".to_owned()),
        ("GARBLED".to_owned(), "not base 64, but secret".to_owned()),
    ]);
    NameServers::new(Secrets { folder: PathBuf::from("/"), environment: environment.collect() })
}

fn key(name: &str, algorithm: KeyAlgorithm, variable: &str) -> Option<ServerKey> {
    Some(ServerKey { name: name.to_owned(), algorithm, secret: Secret::Env(variable.to_owned()) })
}

/// `www` of a zone shall lead to the replica.
fn cutover(port: u16, zone: &str) -> Cutover {
    Cutover {
        replica: ReplicaName::new("web-01").unwrap(),
        name: format!("www.{zone}"),
        kind: RecordKind::A,
        ttl: 30,
        server: NameServer {
            name: EntryName::new("main").unwrap(),
            address: Ipv4Addr::LOCALHOST.into(),
            port,
            zone: zone.to_owned(),
            key: key("lifeboat", KeyAlgorithm::HmacSha256, "LIFEBOAT"),
        },
        to: "10.2.0.8".to_owned(),
        from: vec!["10.1.0.8".to_owned()],
        kept: false,
        once: Once::Ready,
        required: true,
        attempts: 1,
        within: Duration::from_secs(20),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn point(cutover: &Cutover) -> Result<Pointed, Failure> {
    let order = Pointing { node: 0, cutover: cutover.clone() };
    runtime().block_on(async { names().point(&order).await })
}

/// What the server itself says, asked without a key.
fn says(cutover: &Cutover) -> Vec<String> {
    let mut open = cutover.clone();
    open.server.key = None;
    runtime().block_on(async { names().says(&open).await }).unwrap()
}

#[track_caller]
fn fails(cutover: &Cutover, with: &str) {
    let why = point(cutover).unwrap_err().to_string();
    assert!(why.contains(with), "{why}");
    assert!(KEYS.iter().all(|(.., secret)| !why.contains(secret)), "{why}");
}

fn replaced(before: &[&str]) -> Result<Pointed, Failure> {
    Ok(Pointed::Replaced { before: before.iter().map(|b| (*b).to_owned()).collect() })
}

fn there_and_back() {
    let bind = Bind::start();
    let there = cutover(bind.port, "shop.example");
    assert_eq!(point(&there), replaced(&["10.1.0.8"]));
    assert_eq!(says(&there), ["10.2.0.8"]);
    assert_eq!(point(&there), Ok(Pointed::Found), "to do it twice equals doing it once");
    let (to, from) = (there.from[0].clone(), vec![there.to.clone()]);
    let back = Cutover { to, from, ..there };
    assert_eq!(point(&back), replaced(&["10.2.0.8"]));
    assert_eq!(says(&back), ["10.1.0.8"]);
}

fn kinds() {
    let bind = Bind::start();
    let www = cutover(bind.port, "shop.example");
    let new = Cutover { name: "NEW.shop.example".to_owned(), ..www.clone() };
    assert_eq!(point(&new), replaced(&[]), "a name that was not there");
    assert_eq!(says(&new), ["10.2.0.8"]);
    let six = Cutover { kind: RecordKind::Aaaa, to: "fd00:2::8".to_owned(), from: Vec::new(), ..www.clone() };
    assert_eq!(point(&six), replaced(&[]));
    assert_eq!(says(&six), ["fd00:2::8"]);
    assert_eq!(says(&www), ["10.1.0.8"], "the other kind of the same name is left alone");
    let alias = Cutover {
        name: "alias.shop.example".to_owned(),
        kind: RecordKind::Cname,
        to: "new.shop.example".to_owned(),
        from: vec!["www.shop.example".to_owned()],
        ..www.clone()
    };
    assert_eq!(point(&alias), replaced(&["www.shop.example"]));
    assert_eq!(says(&alias), ["new.shop.example"]);
    assert_eq!(point(&alias), Ok(Pointed::Found));
    let through = Cutover { name: "alias.shop.example".to_owned(), ..www.clone() };
    fails(&through, "a name for new.shop.example");
    let over = Cutover { kind: RecordKind::Cname, to: "new.shop.example".to_owned(), ..www };
    // The server says yes and does nothing (RFC 2136, section 3.4.2.2): only asking again tells.
    fails(&over, "took the change");
}

fn keys() {
    let bind = Bind::start();
    let www = cutover(bind.port, "shop.example");
    let with = |key: Option<ServerKey>| {
        let mut www = www.clone();
        www.server.key = key;
        www
    };
    fails(&with(key("lifeboat", KeyAlgorithm::HmacSha256, "WRONG")), "BADSIG");
    fails(&with(key("unknown", KeyAlgorithm::HmacSha256, "LIFEBOAT")), "BADKEY");
    fails(&with(key("lifeboat", KeyAlgorithm::HmacSha512, "LIFEBOAT")), "BADKEY");
    fails(&with(key("lifeboat", KeyAlgorithm::HmacSha256, "MISSING")), "the variable MISSING is not set");
    fails(&with(key("lifeboat", KeyAlgorithm::HmacSha256, "GARBLED")), "not written in base 64");
    fails(&with(None), "REFUSED");
    assert_eq!(says(&www), ["10.1.0.8"], "nothing was changed");
    let mut to = www.clone();
    for (name, algorithm) in [("longer", KeyAlgorithm::HmacSha384), ("longest", KeyAlgorithm::HmacSha512)] {
        to.server.key = key(name, algorithm, &name.to_uppercase());
        assert!(matches!(point(&to), Ok(Pointed::Replaced { .. })), "{name}");
        std::mem::swap(&mut to.to, &mut to.from[0]);
    }
    let mut open = cutover(bind.port, "open.example");
    open.server.key = None;
    assert_eq!(point(&open), replaced(&["10.1.0.8"]), "who asks for no key gets along without one");
}

fn refused() {
    let bind = Bind::start();
    let closed = cutover(bind.port, "closed.example");
    fails(&closed, "REFUSED");
    assert_eq!(says(&closed), ["10.1.0.8"]);
    fails(&cutover(bind.port, "elsewhere.example"), "REFUSED");
    // The zone that is named is none of the server's, and the name is.
    let mut wrong = cutover(bind.port, "shop.example");
    wrong.server.zone = "example".to_owned();
    fails(&wrong, "NOTAUTH");
    let mut outside = cutover(bind.port, "shop.example");
    outside.server.zone = "open.example".to_owned();
    fails(&outside, "NOTZONE");
    assert_eq!(says(&outside), ["10.1.0.8"]);
}

fn somebody_elses() {
    let bind = Bind::start();
    let other = Cutover { name: "other.shop.example".to_owned(), ..cutover(bind.port, "shop.example") };
    fails(&other, "says 198.51.100.7, which is no machine of web-01");
    assert_eq!(says(&other), ["198.51.100.7"]);
    let round = Cutover { name: "round.shop.example".to_owned(), ..other };
    fails(&round, "says 10.1.0.8, 10.9.9.9");
    assert_eq!(says(&round), ["10.1.0.8", "10.9.9.9"]);
}

/// Two at once: the server itself lets the later one do nothing that it did not see.
fn races() {
    let bind = Bind::start();
    let www = cutover(bind.port, "shop.example");
    for round in 0..20 {
        let mine = |n: u8| Cutover {
            to: format!("10.2.{round}.{n}"),
            from: says(&www).into_iter().chain((1..=4).map(|n| format!("10.2.{round}.{n}"))).collect(),
            ..www.clone()
        };
        let all: Vec<Cutover> = (1..=4).map(mine).collect();
        let ended: Vec<_> = all
            .into_iter()
            .map(|one| std::thread::spawn(move || (one.to.clone(), point(&one))))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect();
        let mut seen: Vec<Vec<String>> = Vec::new();
        for (to, ended) in ended {
            match ended {
                Ok(Pointed::Replaced { before }) => {
                    assert!(!seen.contains(&before), "{to}: two replaced {before:?}");
                    seen.push(before);
                }
                Ok(Pointed::Found) => panic!("{to} was not there"),
                // It was changed under its feet, before or after its own change.
                Err(why) => {
                    let why = why.to_string();
                    assert!(
                        why.contains("somebody else changed") || why.contains("took the change"),
                        "{why}"
                    );
                }
            }
        }
        assert_eq!(says(&www).len(), 1);
    }
}

fn silent() {
    let port = free_port();
    let began = Instant::now();
    fails(&cutover(port, "shop.example"), "cannot be reached: connection refused");
    assert!(began.elapsed().as_secs() < 5);
    // Somebody listens, and says nothing.
    let deaf = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = deaf.local_addr().unwrap().port();
    let began = Instant::now();
    fails(&cutover(port, "shop.example"), "did not answer in time");
    assert!(began.elapsed().as_secs() < 15);
    let short = Cutover { within: Duration::from_secs(1), ..cutover(port, "shop.example") };
    fails(&short, "not done within 1s");
    // A server that dies and comes back is told again.
    let bind = Bind::start();
    let www = cutover(bind.port, "shop.example");
    let (port, mut bind) = (bind.port, bind);
    bind.child.kill().unwrap();
    bind.child.wait().unwrap();
    fails(&www, "cannot be reached");
    let mut command = Command::new(program("named").unwrap());
    command.args(["-g", "-n", "1", "-c"]).arg(bind.folder.path().join("named.conf"));
    bind.child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() && began.elapsed().as_secs() < 30 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(point(&www), replaced(&["10.1.0.8"]));
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    if !arguments.list && program("named").is_none() {
        eprintln!("the tests over a name server cannot run without named");
        eprintln!("on Debian: apt-get install bind9");
        return ExitCode::FAILURE;
    }
    let tests: [(&str, fn()); 7] = [
        ("a_name_goes_there_and_back", there_and_back),
        ("every_kind_of_record_follows", kinds),
        ("a_key_must_be_the_right_one", keys),
        ("what_a_server_refuses_is_said", refused),
        ("what_leads_to_somebody_else_is_left_alone", somebody_elses),
        ("of_several_at_once_none_undoes_what_it_did_not_see", races),
        ("a_server_that_is_silent_is_given_up_in_time", silent),
    ];
    let trial = |(name, test): (&str, fn())| {
        let test = Arc::new(test);
        Trial::test(name, move || {
            test();
            Ok(())
        })
    };
    libtest_mimic::run(&arguments, tests.into_iter().map(trial).collect()).exit_code()
}
