//! etcd, by its JSON gateway (3.4 or later): names and values in base64, numbers of 64 bits as texts, what is false left out.

use super::bridge::Bridge;
use super::kv::{Check, Kv, KvError, Pair, Version, Write};
use crate::base::Duration;
use crate::journal::{Access, JournalError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

/// So many values are asked for at once.
const PAGE: usize = 100;
/// So long is waited for one member, before the next one is tried.
const CONNECT: std::time::Duration = std::time::Duration::from_secs(2);

/// A cluster.
#[derive(Debug)]
pub struct Etcd {
    place: String,
    prefix: String,
    bridge: Bridge,
    /// For everything but renewing.
    main: Arc<Mutex<Line>>,
    /// For renewing, which waits for nobody.
    renewing: Arc<Mutex<Line>>,
    /// etcd's own leases behind the values that last for a time.
    leases: std::sync::Mutex<BTreeMap<String, String>>,
}

/// How it is reached, and a connection that is open.
struct Line {
    hosts: Vec<String>,
    tls: Option<TlsConnector>,
    user: Option<(String, String)>,
    open: Option<(String, SendRequest<Whole>)>,
    token: Option<String>,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

/// A body that is there whole.
#[derive(Debug)]
struct Whole(Option<Bytes>);

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |b| b.len() as u64))
    }
}

fn no_answer(why: impl std::fmt::Display) -> KvError {
    KvError::NoAnswer(why.to_string())
}

/// What became of a connection.
fn broken(host: &str, error: &(dyn std::error::Error + 'static)) -> KvError {
    let why = super::tls::whole(error);
    if super::tls::is_final(&why) {
        return KvError::Refused(format!("{host}: {why}"));
    }
    let other = why.contains("message") || why.contains("handshake eof");
    KvError::NoAnswer(format!("{host}: {why}{}", if other { "; is it etcd, and tls as there?" } else { "" }))
}

impl Etcd {
    /// The cluster of an address. It is not yet asked anything.
    ///
    /// # Errors
    /// Certificates that cannot be read; a user without a password.
    pub fn new(
        hosts: &[String],
        prefix: &str,
        (user, tls): (Option<&str>, bool),
        access: &Access,
    ) -> Result<Self, JournalError> {
        let place = format!("etcd://{}/{}", hosts.join(","), prefix.trim_end_matches('/'));
        let tls =
            if tls { Some(TlsConnector::from(Arc::new(super::tls::config(&place, access)?))) } else { None };
        let user = match (user, &access.password) {
            (None, _) => None,
            (Some(user), Some(password)) => Some((user.to_owned(), password.clone())),
            (Some(_), None) => {
                let why = "the user has no password".to_owned();
                return Err(JournalError::Refused { store: place, why });
            }
        };
        let line = || {
            let (hosts, tls, user) = (hosts.to_vec(), tls.clone(), user.clone());
            Arc::new(Mutex::new(Line { hosts, tls, user, open: None, token: None }))
        };
        let bridge = Bridge::new(&place)?;
        let (main, renewing) = (line(), line());
        Ok(Self {
            place,
            prefix: prefix.to_owned(),
            bridge,
            main,
            renewing,
            leases: std::sync::Mutex::default(),
        })
    }

    fn ask(&self, line: &Arc<Mutex<Line>>, path: &'static str, question: Value) -> Result<Value, KvError> {
        let line = Arc::clone(line);
        self.bridge.wait(async move { line.lock().await.ask(path, &question).await })
    }

    fn key(&self, key: &str) -> String {
        STANDARD.encode(format!("{}{key}", self.prefix))
    }

    fn leases(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        // Nothing is done under the lock that could leave half of it.
        self.leases.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn pair(&self, found: &Value) -> Result<Pair, KvError> {
        let bytes =
            |name: &str| STANDARD.decode(text(found, name)).map_err(|e| KvError::Refused(e.to_string()));
        let key = String::from_utf8(bytes("key")?).map_err(|e| KvError::Refused(e.to_string()))?;
        let key = key.strip_prefix(&self.prefix).unwrap_or(&key).to_owned();
        Ok(Pair { key, value: bytes("value")?, version: number(found, "mod_revision")? })
    }
}

/// A text of an answer; an empty one is left out by the gateway.
fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, name: &str) -> Result<u64, KvError> {
    text(value, name).parse().map_err(|_| KvError::Refused(format!("the answer has no number `{name}`")))
}

/// The first name after all that begin so.
fn after(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    vec![0]
}

impl Line {
    /// Asks the member that answered last, or each in turn.
    async fn ask(&mut self, path: &str, question: &Value) -> Result<Value, KvError> {
        self.connected().await?;
        if let (Some((user, password)), None) = (&self.user, &self.token) {
            let who = json!({ "name": user, "password": password });
            let answer = self.send("/v3/auth/authenticate", &who).await?;
            self.token = Some(text(&answer, "token").to_owned());
        }
        let answer = self.send(path, question).await;
        if answer.is_err() {
            // A token is worth nothing to a member that was started anew, and a connection that failed to nobody.
            (self.open, self.token) = (None, None);
        }
        answer
    }

    async fn connected(&mut self) -> Result<(), KvError> {
        if let Some((_, sender)) = &mut self.open
            && sender.ready().await.is_ok()
        {
            return Ok(());
        }
        let mut last = no_answer("no member is named");
        for host in self.hosts.clone() {
            match tokio::time::timeout(CONNECT, self.connect(&host)).await {
                Ok(Ok(sender)) => {
                    self.open = Some((host, sender));
                    return Ok(());
                }
                Ok(Err(error)) => last = broken(&host, error.as_ref()),
                Err(_) => last = no_answer(format!("{host} does not answer")),
            }
        }
        Err(last)
    }

    async fn connect(
        &self,
        host: &str,
    ) -> Result<SendRequest<Whole>, Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        // A connection ends with its sender, and its error is told to whoever waits for an answer.
        match &self.tls {
            None => {
                let (sender, connection) = handshake(TokioIo::new(stream)).await?;
                tokio::spawn(async move { drop(connection.await) });
                Ok(sender)
            }
            Some(tls) => {
                let name = host.rsplit_once(':').map_or(host, |(name, _)| name).to_owned();
                let stream = tls.connect(ServerName::try_from(name)?, stream).await?;
                let (sender, connection) = handshake(TokioIo::new(stream)).await?;
                tokio::spawn(async move { drop(connection.await) });
                Ok(sender)
            }
        }
    }

    async fn send(&mut self, path: &str, question: &Value) -> Result<Value, KvError> {
        let Some((host, sender)) = &mut self.open else { return Err(no_answer("no connection")) };
        let mut request =
            Request::post(path).header(HOST, host.as_str()).header(CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token);
        }
        let request = request.body(Whole(Some(question.to_string().into()))).map_err(no_answer)?;
        let response = sender.send_request(request).await.map_err(|e| broken(host, &e))?;
        let status = response.status();
        let mut body = response.into_body();
        let mut bytes = Vec::new();
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            if let Ok(data) = frame.map_err(|e| broken(host, &e))?.into_data() {
                bytes.extend_from_slice(&data);
            }
        }
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if status == StatusCode::OK && answer.get("error").is_none() {
            return Ok(answer);
        }
        let code = answer.get("code").and_then(Value::as_u64).unwrap_or_default();
        let why = match text(&answer, "error") {
            "" => format!("{host} answered {status}; is it etcd, 3.4 or later?"),
            error => error.to_owned(),
        };
        // Too late, too much, given up, not now, and a token that is too old: asking again may help.
        let passing = status.is_server_error() && !matches!(code, 3 | 5 | 7)
            || matches!(code, 1 | 4 | 8 | 10 | 14 | 16);
        Err(if passing && !why.contains("authentication failed") {
            KvError::NoAnswer(why)
        } else {
            KvError::Refused(why)
        })
    }
}

impl Kv for Etcd {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn range(&self, prefix: &str) -> Result<Vec<Pair>, KvError> {
        let whole = format!("{}{prefix}", self.prefix);
        let end = STANDARD.encode(after(whole.as_bytes()));
        let mut from = self.key(prefix);
        let mut found: Vec<Pair> = Vec::new();
        loop {
            let question = json!({ "key": from, "range_end": end, "limit": PAGE });
            let answer = self.ask(&self.main, "/v3/kv/range", question)?;
            let pairs = answer.get("kvs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            for pair in pairs {
                found.push(self.pair(pair)?);
            }
            match found.last() {
                Some(last) if answer.get("more").and_then(Value::as_bool) == Some(true) => {
                    from = self.key(&format!("{}\0", last.key));
                }
                _ => return Ok(found),
            }
        }
    }

    fn commit(&self, checks: &[Check], writes: &[Write]) -> Result<Option<Version>, KvError> {
        let compare: Vec<Value> = checks
            .iter()
            .map(|(key, version)| {
                let version = version.unwrap_or_default().to_string();
                json!({ "target": "MOD", "result": "EQUAL", "key": self.key(key), "mod_revision": version })
            })
            .collect();
        let mut success = Vec::new();
        for write in writes {
            success.push(match write {
                Write::Put(key, value) => {
                    json!({ "request_put": { "key": self.key(key), "value": STANDARD.encode(value) } })
                }
                Write::Delete(key) => {
                    self.leases().remove(key);
                    json!({ "request_delete_range": { "key": self.key(key) } })
                }
                Write::Lease(key, value, time) => {
                    let seconds = time.as_millis().div_ceil(1000);
                    let granted = self.ask(&self.main, "/v3/lease/grant", json!({ "TTL": seconds }))?;
                    let lease = text(&granted, "ID").to_owned();
                    self.leases().insert(key.clone(), lease.clone());
                    let put =
                        json!({ "key": self.key(key), "value": STANDARD.encode(value), "lease": lease });
                    json!({ "request_put": put })
                }
            });
        }
        let answer = self.ask(&self.main, "/v3/kv/txn", json!({ "compare": compare, "success": success }))?;
        if answer.get("succeeded").and_then(Value::as_bool) != Some(true) {
            return Ok(None);
        }
        number(answer.get("header").unwrap_or(&Value::Null), "revision").map(Some)
    }

    fn renew(&self, key: &str, version: Version, _: Duration) -> Result<bool, KvError> {
        let Some(lease) = self.leases().get(key).cloned() else { return Ok(false) };
        let kept = self.ask(&self.renewing, "/v3/lease/keepalive", json!({ "ID": lease }))?;
        let left = kept.get("result").map_or("", |r| text(r, "TTL"));
        if left.is_empty() || left == "0" {
            return Ok(false);
        }
        // The lease may live on while its value is somebody else's.
        let found = self.ask(&self.renewing, "/v3/kv/range", json!({ "key": self.key(key) }))?;
        let found = found.get("kvs").and_then(|all| all.get(0)).map(|pair| number(pair, "mod_revision"));
        Ok(found.transpose()? == Some(version))
    }
}
