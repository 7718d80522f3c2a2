//! Web servers.

use super::{EXCHANGE, tcp, tls};
use crate::domain::{HttpProbe, Method, NotSo, Saying};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, HeaderMap, USER_AGENT};
use hyper::rt::{Read, Write};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use regex::bytes::Regex;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};

/// So much of a body is looked at.
const BODY: usize = 1 << 20;

/// What a web server answered.
#[derive(Debug)]
struct Found {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// Whether a web server answers as it should at one of the addresses.
pub async fn ask(probe: &HttpProbe, addresses: &[IpAddr]) -> Result<(), NotSo> {
    super::any(addresses, |address| async move {
        let found = tokio::time::timeout(EXCHANGE, found(probe, SocketAddr::new(address, probe.port)));
        judged(probe, &found.await.unwrap_or(Err(NotSo::NoAnswer))?)
    })
    .await
}

async fn found(probe: &HttpProbe, address: SocketAddr) -> Result<Found, NotSo> {
    let stream = tcp::connected(address).await?;
    match &probe.tls {
        None => exchange(probe, address.to_string(), TokioIo::new(stream)).await,
        Some(terms) => {
            let host = match &terms.server_name {
                Some(name) if address.port() == 443 => name.clone(),
                Some(name) => format!("{name}:{}", address.port()),
                None => address.to_string(),
            };
            exchange(probe, host, TokioIo::new(tls::over(stream, address.ip(), terms).await?)).await
        }
    }
}

async fn exchange(
    probe: &HttpProbe,
    host: String,
    stream: impl Read + Write + Send + Unpin,
) -> Result<Found, NotSo> {
    let garbled = |why: hyper::Error| NotSo::Garbled { why: why.to_string() };
    let (mut sender, connection) = http1::handshake(stream).await.map_err(garbled)?;
    let method = match probe.method {
        Method::Get => hyper::Method::GET,
        Method::Head => hyper::Method::HEAD,
    };
    let request = Request::builder()
        .method(method)
        .uri(&probe.path)
        .header(HOST, host)
        .header(USER_AGENT, concat!("lifeboat/", env!("CARGO_PKG_VERSION")))
        .header(CONNECTION, "close")
        .body(String::new())
        .map_err(|why| NotSo::CannotAsk { why: why.to_string() })?;
    let reading = async {
        let answer = sender.send_request(request).await.map_err(garbled)?;
        let (head, body) = answer.into_parts();
        let body = if probe.body.is_some() { read(body).await.map_err(garbled)? } else { Vec::new() };
        Ok(Found { status: head.status, headers: head.headers, body })
    };
    let mut reading = pin!(reading);
    tokio::select! {
        found = &mut reading => found,
        // A server that closes has said all that it says; what it said waits in the other half.
        _ = connection => reading.await,
    }
}

/// The beginning of a body.
async fn read(mut body: Incoming) -> Result<Vec<u8>, hyper::Error> {
    let mut read = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        if let Ok(data) = frame?.into_data() {
            read.extend_from_slice(&data);
        }
        if read.len() > BODY {
            read.truncate(BODY);
            break;
        }
    }
    Ok(read)
}

fn judged(probe: &HttpProbe, found: &Found) -> Result<(), NotSo> {
    let is = found.status.as_u16();
    if !probe.status.map_or(found.status.is_success(), |wanted| wanted == is) {
        return Err(NotSo::Status { is });
    }
    if let Some(header) = &probe.header {
        let said =
            found.headers.get(&header.name).map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned());
        let right = match &header.is {
            Some(wanted) => said.as_ref() == Some(wanted),
            None => said.is_some(),
        };
        if !right {
            return Err(NotSo::Header { is: said });
        }
    }
    let says = match &probe.body {
        None => true,
        Some(Saying::Contains(text)) => {
            let text = text.as_bytes();
            text.is_empty() || found.body.windows(text.len()).any(|part| part == text)
        }
        Some(Saying::Matches(pattern)) => {
            let pattern = Regex::new(pattern).map_err(|why| NotSo::CannotAsk { why: why.to_string() })?;
            pattern.is_match(&found.body)
        }
    };
    if says { Ok(()) } else { Err(NotSo::Body) }
}

#[cfg(test)]
mod tests;
