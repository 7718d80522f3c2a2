//! Access to stores: passwords, certificates, and what is said where they are wrong. Servers of these tests' own, which ask who comes.

use crate::estate::{Estate, said};
use crate::servers::{self, NOBODY, Process, bound, free_port, program};
use libtest_mimic::{Failed, Trial};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const PASSWORD: &str = "right horse %41";

/// The tests, which need no server of the others.
pub fn trials() -> Vec<Trial> {
    let one = |name: &str, test: fn()| {
        Trial::test(name, move || -> Result<(), Failed> {
            test();
            Ok(())
        })
    };
    vec![
        one("access::postgres_by_password_and_by_certificate", postgres),
        one("access::etcd_by_password", etcd_by_password),
        one("access::etcd_by_certificate", etcd_by_certificate),
        one("access::what_is_no_such_store_is_said_in_seconds", nowhere),
        one("access::the_document_of_the_store_and_its_secrets", document),
    ]
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Certificates: of an authority, of a server on loopback, of the user `dr`, and of an authority that nobody knows.
struct Papers(tempfile::TempDir);

impl Papers {
    fn new() -> Self {
        let papers = Self(tempfile::tempdir().unwrap());
        std::fs::set_permissions(papers.0.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        for authority in ["ca", "other"] {
            papers.openssl(
                &["req", "-x509", "-days", "2"],
                &papers.key(authority, &format!("{authority}.pem")),
            );
        }
        for (name, alternative) in [("server", "IP:127.0.0.1"), ("dr", "DNS:dr")] {
            std::fs::write(papers.path("extension"), format!("subjectAltName={alternative}")).unwrap();
            papers.openssl(&["req"], &papers.key(name, &format!("{name}.csr")));
            let sign = ["x509", "-req", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"];
            let of = ["-extfile", "extension", "-in", &format!("{name}.csr"), "-out", &format!("{name}.pem")];
            papers.openssl(&sign, &of.map(str::to_owned));
        }
        if servers::root() {
            chown(papers.path("server.key"), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        papers
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn openssl(&self, words: &[&str], more: &[String]) {
        run(Command::new("openssl").args(words).args(more).current_dir(self.0.path()));
    }

    /// The words for a key of its own, the name on the paper, and where that goes.
    fn key(&self, name: &str, out: &str) -> [String; 11] {
        let (key, subject) = (format!("{name}.key"), format!("/CN={name}"));
        let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let [a, b, c, d, e] = curve;
        [a, b, c, d, e, "-keyout", &key, "-subj", &subject, "-out", out].map(str::to_owned)
    }

    /// What the environment says of whom to trust and who we are.
    fn environment(&self, authority: &str, own: Option<&str>) -> Vec<(&'static str, String)> {
        let mut environment = vec![("LIFEBOAT_STORE_CA", self.text(authority))];
        if let Some(own) = own {
            environment.push(("LIFEBOAT_STORE_CERT", self.text(&format!("{own}.pem"))));
            environment.push(("LIFEBOAT_STORE_KEY", self.text(&format!("{own}.key"))));
        }
        environment
    }
}

/// The program with an environment, within seconds, and without a word of the password.
fn asked(folder: &Path, words: &[&str], environment: &[(&'static str, String)]) -> Output {
    let began = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
    command
        .args(words)
        .args(["-v", "-v"])
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("USER", "ann");
    let output = command.envs(environment.iter().cloned()).stdin(Stdio::null()).output().unwrap();
    assert!(began.elapsed() < Duration::from_secs(20), "{words:?} took {:?}", began.elapsed());
    for secret in [PASSWORD, "right horse", "wrong one", "hunter2"] {
        assert!(!said(&output).contains(secret), "{}", said(&output));
    }
    output
}

#[track_caller]
fn works(store: &str, environment: &[(&'static str, String)]) {
    let folder = tempfile::tempdir().unwrap();
    let output = asked(folder.path(), &["history", "--store", store], environment);
    assert_eq!(output.status.code(), Some(0), "{store}: {}", said(&output));
}

/// It is refused with these words, and the way out.
#[track_caller]
fn refused(store: &str, environment: &[(&'static str, String)], words: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let output = asked(folder.path(), &["history", "--store", store], environment);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(74), "{store}: {text}");
    assert!(text.contains("[LB0818]"), "{store}: {text}");
    // The lines are broken where the terminal ends.
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in words {
        assert!(flat.contains(word), "{store}: `{word}` is not in {text}");
    }
}

fn password(text: &str) -> Vec<(&'static str, String)> {
    vec![("LIFEBOAT_STORE_PASSWORD", text.to_owned())]
}

/// A whole failover over a store; nothing that is kept or said knows the password.
fn applies(store: &str, environment: &[(&'static str, String)]) {
    let estate = Estate::new(None);
    for words in
        [&["apply", "one", "--confirm", "one"][..], &["report", "latest"], &["show"], &["status"], &["lock"]]
    {
        let output = asked(estate.path(), &[words, &["--store", store]].concat(), environment);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    }
}

/// PostgreSQL with users, with certificates or without, and two databases.
fn postgres_server(papers: Option<&Papers>) -> (Process, tempfile::TempDir, u16) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(folder.path().join("password"), format!("{PASSWORD}\n")).unwrap();
    if servers::root() {
        chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let data = folder.path().join("data");
    let secret = folder.path().join("password");
    let how = ["-A", "scram-sha-256", "-U", "dr", "-E", "UTF8", "--no-sync", "--pwfile"];
    run(bound(&program("initdb").unwrap(), true).args(how).arg(&secret).arg("-D").arg(&data));
    let certificates = if papers.is_some() { "hostssl cert all 127.0.0.1/32 cert\n" } else { "" };
    let rules = format!("local all all trust\n{certificates}host all all 127.0.0.1/32 scram-sha-256\n");
    std::fs::write(data.join("pg_hba.conf"), rules).unwrap();
    let port = free_port();
    let mut words: Vec<String> = [
        "-D",
        data.to_str().unwrap(),
        "-p",
        &port.to_string(),
        "-k",
        folder.path().to_str().unwrap(),
        "-c",
        "listen_addresses=127.0.0.1",
    ]
    .map(str::to_owned)
    .to_vec();
    if let Some(papers) = papers {
        for (option, file) in [("cert", "server.pem"), ("key", "server.key"), ("ca", "ca.pem")] {
            words.extend(["-c".to_owned(), format!("ssl_{option}_file={}", papers.text(file))]);
        }
        words.extend(["-c".to_owned(), "ssl=on".to_owned()]);
    }
    let mut process = Process::new(program("postgres").unwrap(), words, true, (folder.path(), port));
    process.start();
    let began = Instant::now();
    for database in ["runs", "cert", "least"] {
        let mut made = Command::new(program("createdb").unwrap());
        made.args(["-h", folder.path().to_str().unwrap(), "-p", &port.to_string(), "-U", "dr", database]);
        while !made.output().unwrap().status.success() {
            assert!(began.elapsed() < Duration::from_secs(30), "no database is made");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    (process, folder, port)
}

fn postgres() {
    let papers = Papers::new();
    let (_server, folder, port) = postgres_server(Some(&papers));
    let store = |database: &str, more: &str| format!("postgres://dr@127.0.0.1:{port}/{database}{more}");
    let plain = store("runs", "?sslmode=disable");
    applies(&plain, &password(PASSWORD));
    refused(&plain, &password("wrong one"), &["password authentication failed", "LIFEBOAT_STORE_PASSWORD"]);
    refused(&plain, &[], &["password missing", "LIFEBOAT_STORE_PASSWORD"]);
    let file =
        [("LIFEBOAT_STORE_PASSWORD_FILE", folder.path().join("password").to_str().unwrap().to_owned())];
    works(&plain, &file);
    refused(
        &store("none", "?sslmode=disable"),
        &password(PASSWORD),
        &["database \"none\" does not exist", "which database"],
    );
    // Encrypted: only where somebody vouches for the server whom we trust, and as soon as we say whom.
    let with = |authority: &str, own: Option<&str>| {
        [password(PASSWORD), papers.environment(authority, own)].concat()
    };
    for more in ["", "?sslmode=require"] {
        works(&store("runs", more), &with("ca.pem", None));
        refused(
            &store("runs", more),
            &with("other.pem", None),
            &["invalid peer certificate", "LIFEBOAT_STORE_CA"],
        );
    }
    refused(
        &store("runs", "?sslmode=require"),
        &password(PASSWORD),
        &["invalid peer certificate", "LIFEBOAT_STORE_CA"],
    );
    // Our own certificate.
    let certificate = store("cert", "?sslmode=require");
    works(&certificate, &papers.environment("ca.pem", Some("dr")));
    refused(
        &certificate,
        &papers.environment("ca.pem", None),
        &["requires a valid client certificate", "LIFEBOAT_STORE_CERT"],
    );
    refused(&certificate, &papers.environment("ca.pem", Some("other")), &["alert", "LIFEBOAT_STORE_CERT"]);
    refused(
        &certificate,
        &papers.environment("server.csr", None),
        &["no certificate is in it", "LIFEBOAT_STORE_CA"],
    );
    refused(&certificate, &papers.environment("none.pem", None), &["none.pem", "No such file"]);
    least_rights(folder.path(), port);
    // A server without encryption, of which it was asked.
    let (_server, _folder, port) = postgres_server(None);
    let store = format!("postgres://dr@127.0.0.1:{port}/runs");
    let no_tls = ["does not support TLS", "`sslmode=disable`"];
    works(&store, &password(PASSWORD));
    refused(&format!("{store}?sslmode=require"), &password(PASSWORD), &no_tls);
    refused(&store, &with("ca.pem", None), &no_tls);
}

/// Rights to one table that is there already, and to look at it alone: the statements are those of the page.
fn least_rights(folder: &Path, port: u16) {
    let page = include_str!("../../docs/stores.md");
    let made = page.split("```sql\n").find(|block| block.starts_with("CREATE TABLE")).unwrap();
    let made = made.split("```").next().unwrap().replace(" TO dr", " TO small");
    let users = ["small", "looker"].map(|user| format!("CREATE ROLE {user} LOGIN PASSWORD '{PASSWORD}';"));
    let rights = "REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO small, looker; GRANT SELECT ON lifeboat TO looker;";
    let sql = format!("{} {made} {rights}", users.concat());
    let mut psql = Command::new(program("psql").unwrap());
    psql.args(["-v", "ON_ERROR_STOP=1", "-U", "dr", "-d", "least", "-p", &port.to_string(), "-h"])
        .arg(folder);
    run(psql.args(["-c", &sql]));
    let least = |user: &str| format!("postgres://{user}@127.0.0.1:{port}/least?sslmode=disable");
    applies(&least("small"), &password(PASSWORD));
    works(&least("looker"), &password(PASSWORD));
    let estate = Estate::new(None);
    let words = ["apply", "one", "--confirm", "one", "--store", &least("looker")];
    let output = asked(estate.path(), &words, &password(PASSWORD));
    assert_eq!(output.status.code(), Some(74), "{}", said(&output));
    assert!(said(&output).contains("permission denied for table lifeboat"), "{}", said(&output));
}

/// etcd, with more words; it is waited for at its port.
fn etcd_server(scheme: &str, more: &[String]) -> (Process, tempfile::TempDir, u16) {
    let folder = tempfile::tempdir().unwrap();
    let (port, peer) = (free_port(), free_port());
    let (client, peer) = (format!("{scheme}://127.0.0.1:{port}"), format!("http://127.0.0.1:{peer}"));
    let data = folder.path().join("data");
    let words = [
        "--data-dir",
        data.to_str().unwrap(),
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
    ];
    let words = words.map(str::to_owned).into_iter().chain(more.iter().cloned()).collect();
    let mut process = Process::new(program("etcd").unwrap(), words, false, (folder.path(), port));
    process.start();
    (process, folder, port)
}

/// One request to etcd's gateway, asked again until it is granted.
fn gateway(port: u16, path: &str, body: &str) {
    let began = Instant::now();
    loop {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        drop(stream.read_to_string(&mut answer));
        if answer.starts_with("HTTP/1.1 200") {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{path}: {answer}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn etcd_by_password() {
    let (_server, _folder, port) = etcd_server("http", &[]);
    gateway(port, "/v3/auth/user/add", r#"{"name":"root","password":"hunter2"}"#);
    gateway(port, "/v3/auth/role/add", r#"{"name":"root"}"#);
    gateway(port, "/v3/auth/user/grant", r#"{"user":"root","role":"root"}"#);
    gateway(port, "/v3/auth/user/add", &format!(r#"{{"name":"dr","password":"{PASSWORD}"}}"#));
    gateway(port, "/v3/auth/role/add", r#"{"name":"dr"}"#);
    // From `team/` to before `team0`.
    let rights = r#"{"name":"dr","perm":{"permType":"READWRITE","key":"dGVhbS8=","range_end":"dGVhbTA="}}"#;
    gateway(port, "/v3/auth/role/grant", rights);
    gateway(port, "/v3/auth/user/grant", r#"{"user":"dr","role":"dr"}"#);
    gateway(port, "/v3/auth/enable", "{}");
    let store = |user: &str, prefix: &str| format!("etcd://{user}127.0.0.1:{port}/{prefix}");
    applies(&store("dr@", "team"), &password(PASSWORD));
    refused(
        &store("dr@", "team"),
        &password("wrong one"),
        &["authentication failed", "LIFEBOAT_STORE_PASSWORD"],
    );
    refused(&store("dr@", "team"), &[], &["the user has no password", "LIFEBOAT_STORE_PASSWORD"]);
    refused(&store("", "team"), &[], &["user name is empty", "the user stands in the address"]);
    refused(&store("dr@", "others"), &password(PASSWORD), &["permission denied", "which database or prefix"]);
}

fn etcd_by_certificate() {
    let papers = Papers::new();
    let words = [
        "--client-cert-auth".to_owned(),
        format!("--trusted-ca-file={}", papers.text("ca.pem")),
        format!("--cert-file={}", papers.text("server.pem")),
        format!("--key-file={}", papers.text("server.key")),
    ];
    let (_server, _folder, port) = etcd_server("https", &words);
    let store = |more: &str| format!("etcd://127.0.0.1:{port}/team{more}");
    let own = papers.environment("ca.pem", Some("dr"));
    let began = Instant::now();
    let folder = tempfile::tempdir().unwrap();
    while !asked(folder.path(), &["history", "--store", &store("")], &own).status.success() {
        assert!(began.elapsed() < Duration::from_secs(20), "etcd is not ready");
    }
    applies(&store("?tls=on"), &own);
    // Whoever says whom to trust wants it encrypted.
    works(&store(""), &own);
    refused(&store("?tls=on"), &[], &["invalid peer certificate", "LIFEBOAT_STORE_CA"]);
    refused(
        &store("?tls=on"),
        &papers.environment("other.pem", Some("dr")),
        &["invalid peer certificate", "LIFEBOAT_STORE_CA"],
    );
    refused(&store("?tls=on"), &papers.environment("ca.pem", None), &["LIFEBOAT_STORE_CERT"]);
    refused(&store("?tls=off"), &own, &["is it etcd, and tls as there?"]);
}

/// Nothing, something else, and somewhere that does not exist.
fn nowhere() {
    let (_server, _folder, postgres) = postgres_server(None);
    let (_server, _folder, etcd) = etcd_server("http", &[]);
    let host_and_port = "its host and its port";
    refused(
        &format!("postgres://dr@127.0.0.1:{}/runs", free_port()),
        &[],
        &["Connection refused", host_and_port],
    );
    refused(&format!("etcd://127.0.0.1:{}", free_port()), &[], &["Connection refused", host_and_port]);
    refused(
        &format!("postgres://dr@127.0.0.1:{etcd}/runs"),
        &password(PASSWORD),
        &["no answer within", host_and_port],
    );
    refused(&format!("etcd://127.0.0.1:{postgres}"), &[], &["is it etcd", host_and_port]);
    refused(&format!("etcd://127.0.0.1:{postgres}?tls=on"), &[], &["is it etcd", host_and_port]);
    refused("postgres://dr@nowhere.invalid/runs", &[], &["lookup", host_and_port]);
    // What acts begins nothing.
    let estate = Estate::new(None);
    let store = format!("etcd://127.0.0.1:{}", free_port());
    let output = asked(estate.path(), &["apply", "one", "--confirm", "one", "--store", &store], &[]);
    assert_eq!(output.status.code(), Some(74), "{}", said(&output));
    assert!(estate.effects().is_empty());
}

/// `lifeboat.yaml` with a store: wrong, with a secret in it, more than one, in another file; and what the environment lacks.
fn document() {
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str, stores: &[&str]| {
        let one = |(n, url): (usize, &&str)| {
            format!(
                "apiVersion: lifeboat/v1\nkind: Store\nmetadata: {{ name: s{n} }}\nspec: {{ url: \"{url}\" }}\n"
            )
        };
        let all: Vec<String> = stores.iter().enumerate().map(one).collect();
        std::fs::write(folder.path().join(file), all.join("---\n")).unwrap();
    };
    let says = |words: &[&str], environment: &[(&'static str, String)], code: i32, text: &[&str]| {
        let output = asked(folder.path(), words, environment);
        let flat = said(&output).split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(output.status.code(), Some(code), "{flat}");
        assert!(text.iter().all(|word| flat.contains(word)), "{text:?} is not in {flat}");
    };
    for (url, why) in [
        ("redis://cache", "known are file, postgres and etcd"),
        ("postgres://dr:hunter2@db/runs", "a password does not stand in an address"),
        ("mysql://dr:hunter2@db/runs", "known are file, postgres and etcd"),
        ("postgres://dr@db/runs?password=hunter2", "a password does not stand in an address"),
        ("postgres://dr@db/runs?sslmode=verify-full", "a certificate is always verified"),
        ("etcd://db?lease=1s", "is not between"),
    ] {
        write("lifeboat.yaml", &[url]);
        for words in [&["history"][..], &["resume"], &["validate"]] {
            says(words, &[], 1, &["[LB0817]", why]);
        }
        let show = asked(folder.path(), &["show"], &[]);
        assert!(!show.status.success(), "{}", said(&show));
    }
    write("lifeboat.yaml", &["file:a", "file:b"]);
    says(&["validate"], &[], 1, &["[LB0817]", "more than one store"]);
    says(&["history"], &[], 1, &["[LB0817]", "more than one store"]);
    write("lifeboat.yaml", &["file:a"]);
    says(&["history"], &[], 0, &["There has been no run."]);
    write("store.yaml", &["file:b"]);
    std::fs::remove_file(folder.path().join("lifeboat.yaml")).unwrap();
    says(&["validate"], &[], 1, &["[LB0817]", "in another file", "lifeboat.yaml"]);
    std::fs::remove_file(folder.path().join("store.yaml")).unwrap();
    // What the environment says comes before, and is looked at just as well.
    let missing = [("LIFEBOAT_STORE_PASSWORD_FILE", "/nowhere/password".to_owned())];
    says(
        &["history"],
        &missing,
        74,
        &["[LB0811]", "LIFEBOAT_STORE_PASSWORD_FILE", "/nowhere/password", "in one line"],
    );
    let half = [("LIFEBOAT_STORE_CERT", "own.pem".to_owned())];
    says(&["history"], &half, 1, &["[LB0817]", "LIFEBOAT_STORE_CERT is set, and LIFEBOAT_STORE_KEY is not"]);
    says(
        &["history"],
        &[("LIFEBOAT_STORE", "postgres://dr:hunter2@db/runs".to_owned())],
        1,
        &["LIFEBOAT_STORE", "a password does not stand"],
    );
}
