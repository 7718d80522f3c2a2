//! Web servers on the loopback that say what they are told to.

use super::*;
use crate::domain::{Header, Tls};
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

const HERE: [IpAddr; 1] = [IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)];

async fn say(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), answer: &str) -> String {
    let mut request = vec![0; 2000];
    let length = stream.read(&mut request).await.unwrap_or(0);
    // Who was asked may be left alone in the middle of its answer.
    drop(stream.write_all(answer.as_bytes()).await);
    drop(stream.flush().await);
    String::from_utf8_lossy(&request[..length]).into_owned()
}

/// What is understood of a server that says this to whoever asks it; with what it was asked.
async fn asked(answer: &str, probe: HttpProbe) -> (Result<(), NotSo>, String) {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = server.local_addr().unwrap().port();
    let serve = async {
        let (mut stream, _) = server.accept().await.unwrap();
        say(&mut stream, answer).await
    };
    let probe = HttpProbe { port, ..probe };
    tokio::join!(ask(&probe, &HERE), serve)
}

fn plain() -> HttpProbe {
    HttpProbe::plain(0, "/healthz?deep=1")
}

#[tokio::test]
async fn a_web_server_is_asked_and_its_status_is_read() {
    let (said, request) = asked("HTTP/1.1 204 No Content\r\n\r\n", plain()).await;
    assert_eq!(said, Ok(()));
    assert!(request.starts_with("GET /healthz?deep=1 HTTP/1.1\r\n"), "{request}");
    // A redirection is an answer by itself; it is not followed.
    let moved = "HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(asked(moved, plain()).await.0, Err(NotSo::Status { is: 302 }));
    assert_eq!(asked(moved, HttpProbe { status: Some(302), ..plain() }).await.0, Ok(()));
    assert_eq!(asked("HTTP/1.0 503 No\r\n\r\nwords", plain()).await.0, Err(NotSo::Status { is: 503 }));
    for broken in ["", "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 2"] {
        let said = asked(broken, plain()).await.0;
        assert!(matches!(said, Err(NotSo::Garbled { .. })), "{broken}: {said:?}");
    }
    let (said, request) =
        asked("HTTP/1.1 200 OK\r\n\r\n", HttpProbe { method: Method::Head, ..plain() }).await;
    assert_eq!((said, request.starts_with("HEAD /healthz")), (Ok(()), true), "{request}");
}

#[tokio::test]
async fn a_body_and_a_header_are_held_against_what_is_expected() {
    let answer = "HTTP/1.1 200 OK\r\nX-Role: primary\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nstate:\r\n6\r\n up 12\r\n0\r\n\r\n";
    let body = |body| HttpProbe { body: Some(body), ..plain() };
    let contains = |text: &str| body(Saying::Contains(text.to_owned()));
    let matches = |text: &str| body(Saying::Matches(text.to_owned()));
    assert_eq!(asked(answer, contains("state: up")).await.0, Ok(()), "over the border of two pieces");
    assert_eq!(asked(answer, contains("down")).await.0, Err(NotSo::Body));
    assert_eq!(asked(answer, matches("up [0-9]+$")).await.0, Ok(()));
    assert_eq!(asked(answer, matches("^up")).await.0, Err(NotSo::Body));
    let header = |name: &str, is: Option<&str>| HttpProbe {
        header: Some(Header { name: name.to_owned(), is: is.map(str::to_owned) }),
        ..plain()
    };
    assert_eq!(asked(answer, header("x-role", Some("primary"))).await.0, Ok(()));
    assert_eq!(asked(answer, header("x-role", None)).await.0, Ok(()));
    let other = Err(NotSo::Header { is: Some("primary".to_owned()) });
    assert_eq!(asked(answer, header("x-role", Some("standby"))).await.0, other);
    assert_eq!(asked(answer, header("x-other", None)).await.0, Err(NotSo::Header { is: None }));
}

#[tokio::test]
async fn of_a_body_without_an_end_the_beginning_is_looked_at() {
    let answer = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(BODY + 100_000) + "needle");
    let contains = |text: &str| HttpProbe { body: Some(Saying::Contains(text.to_owned())), ..plain() };
    assert_eq!(asked(&answer, contains("needle")).await.0, Err(NotSo::Body));
    assert_eq!(asked(&answer, contains("xxx")).await.0, Ok(()));
}

#[tokio::test]
async fn one_that_never_answers_is_given_up_and_one_that_is_not_there_is_told() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = server.local_addr().unwrap().port();
    let probe = HttpProbe { port, ..plain() };
    let (said, ()) = tokio::join!(ask(&probe, &HERE), async {
        let (stream, _) = server.accept().await.unwrap();
        tokio::time::sleep(EXCHANGE + std::time::Duration::from_millis(500)).await;
        drop(stream);
    });
    assert_eq!(said, Err(NotSo::NoAnswer));
    drop(server);
    let refused = NotSo::Unconnected { why: "connection refused".to_owned() };
    assert_eq!(ask(&probe, &HERE).await, Err(refused));
}

/// A server with a certificate of its own making for a name.
struct Secure {
    acceptor: TlsAcceptor,
    folder: tempfile::TempDir,
}

impl Secure {
    fn new(name: &str) -> Self {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), made.cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        Self { acceptor: TlsAcceptor::from(Arc::new(config)), folder }
    }

    fn ca(&self) -> Option<String> {
        Some(self.folder.path().join("ca.pem").to_str().unwrap().to_owned())
    }

    /// What is understood of it, and what it was asked where anybody trusted it.
    async fn asked(&self, tls: Tls) -> (Result<(), NotSo>, Option<String>) {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = server.local_addr().unwrap().port();
        let serve = async {
            let (stream, _) = server.accept().await.unwrap();
            let mut stream = self.acceptor.accept(stream).await.ok()?;
            let request = say(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nup").await;
            Some(request)
        };
        let body = Some(Saying::Contains("up".to_owned()));
        let probe = HttpProbe { port, tls: Some(tls), body, ..plain() };
        tokio::join!(ask(&probe, &HERE), serve)
    }
}

fn tls(server_name: Option<&str>, ca: Option<String>, insecure: Option<&str>) -> Tls {
    Tls { server_name: server_name.map(str::to_owned), ca, insecure: insecure.map(str::to_owned) }
}

#[tokio::test]
async fn a_server_must_prove_to_be_who_it_must_be() {
    let server = Secure::new("shop.example");
    let (said, request) = server.asked(tls(Some("shop.example"), server.ca(), None)).await;
    let request = request.unwrap();
    assert_eq!(said, Ok(()));
    assert!(request.to_ascii_lowercase().contains("\r\nhost: shop.example:"), "{request}");
    let untrusted = |said: &(Result<(), NotSo>, Option<String>), why: &str| {
        assert!(matches!(&said.0, Err(NotSo::Untrusted { why: is }) if is.contains(why)), "{said:?}");
        assert_eq!(said.1, None, "nothing is asked of whom nobody trusts");
    };
    untrusted(&server.asked(tls(Some("other.example"), server.ca(), None)).await, "not valid for name");
    // Without a name it must be for the address.
    untrusted(&server.asked(tls(None, server.ca(), None)).await, "not valid for name");
    let other = Secure::new("shop.example");
    untrusted(&server.asked(tls(Some("shop.example"), other.ca(), None)).await, "");
    let (said, request) = server.asked(tls(None, None, Some("a lab"))).await;
    assert_eq!((said, request.is_some()), (Ok(()), true));
}

#[tokio::test]
async fn files_that_vouch_for_nobody_are_named() {
    let server = Secure::new("shop.example");
    let missing = server.folder.path().join("none.pem");
    let empty = server.folder.path().join("empty.pem");
    std::fs::write(&empty, "no certificate\n").unwrap();
    for path in [&missing, &empty] {
        let path: &Path = path;
        let (said, request) =
            server.asked(tls(Some("shop.example"), path.to_str().map(str::to_owned), None)).await;
        assert!(
            matches!(&said, Err(NotSo::CannotAsk { why }) if why.contains(path.to_str().unwrap())),
            "{said:?}"
        );
        assert_eq!(request, None);
    }
}

#[tokio::test]
async fn who_speaks_no_tls_is_told_from_who_is_not_trusted() {
    let terms = tls(None, None, Some("a lab"));
    let said = asked("SSH-2.0-OpenSSH_9.2\r\n", HttpProbe { tls: Some(terms), ..plain() }).await.0;
    assert!(matches!(said, Err(NotSo::Garbled { .. })), "{said:?}");
}
