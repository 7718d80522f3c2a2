//! Name servers.

use super::{PATIENCE, tcp};
use crate::domain::{DnsProbe, NotSo, RecordKind};
use dns_message::base::iana::Rcode;
use dns_message::base::message_builder::{MessageBuilder, PushError};
use dns_message::base::{Message, Name, Rtype};
use dns_message::rdata::AllRecordData;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;

/// How long an answer is waited for before the question is asked again: a datagram may be lost.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(1);

/// Whether a name server answers as it should: the one that is named, or the machine itself.
pub async fn ask(probe: &DnsProbe, addresses: &[IpAddr]) -> Result<(), NotSo> {
    let named = probe.server.map(|server| [server]);
    let servers = named.as_ref().map_or(addresses, |one| one.as_slice());
    super::any(servers, |server| async move {
        let found = tokio::time::timeout(PATIENCE, found(probe, SocketAddr::new(server, probe.port)));
        judged(probe, found.await.unwrap_or(Err(NotSo::NoAnswer))?)
    })
    .await
}

/// The records of a name.
async fn found(probe: &DnsProbe, server: SocketAddr) -> Result<Vec<String>, NotSo> {
    let asked = question(probe).map_err(|why| NotSo::CannotAsk { why })?;
    let answer = by_datagram(&asked, server).await?;
    // What does not fit into a datagram is told over a connection.
    let answer = if answer.header().tc() { by_stream(&asked, server).await? } else { answer };
    match answer.header().rcode() {
        Rcode::NOERROR => records(&answer, probe.kind).map_err(|why| NotSo::Garbled { why }),
        other => Err(NotSo::Refused { code: other.to_string() }),
    }
}

fn judged(probe: &DnsProbe, found: Vec<String>) -> Result<(), NotSo> {
    let bare = |text: &str| text.trim_end_matches('.').to_ascii_lowercase();
    let there = |wanted: &String| found.iter().any(|is| bare(is) == bare(wanted));
    if !found.is_empty() && probe.expect.iter().all(there) {
        Ok(())
    } else {
        Err(NotSo::Records { are: found })
    }
}

fn question(probe: &DnsProbe) -> Result<Message<Vec<u8>>, String> {
    let name: Name<Vec<u8>> = probe.name.parse().map_err(|why| format!("{}: {why}", probe.name))?;
    let mut message = MessageBuilder::new_vec();
    message.header_mut().set_rd(true);
    message.header_mut().set_id(u16::try_from(RandomState::new().hash_one(0) & 0xffff).unwrap_or_default());
    let mut message = message.question();
    message.push((name, kind(probe.kind))).map_err(|why: PushError| why.to_string())?;
    Ok(message.into_message())
}

const fn kind(kind: RecordKind) -> Rtype {
    match kind {
        RecordKind::A => Rtype::A,
        RecordKind::Aaaa => Rtype::AAAA,
        RecordKind::Cname => Rtype::CNAME,
        RecordKind::Mx => Rtype::MX,
        RecordKind::Ns => Rtype::NS,
        RecordKind::Ptr => Rtype::PTR,
        RecordKind::Soa => Rtype::SOA,
        RecordKind::Srv => Rtype::SRV,
        RecordKind::Txt => Rtype::TXT,
    }
}

async fn by_datagram(asked: &Message<Vec<u8>>, server: SocketAddr) -> Result<Message<Vec<u8>>, NotSo> {
    let cannot = |why: std::io::Error| tcp::unconnected(&why);
    let any: IpAddr = if server.is_ipv4() { [0, 0, 0, 0].into() } else { [0u16; 8].into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).await.map_err(cannot)?;
    socket.connect(server).await.map_err(cannot)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        socket.send(asked.as_slice()).await.map_err(cannot)?;
        let answer = async {
            loop {
                let length = socket.recv(&mut buffer).await.map_err(cannot)?;
                let said = buffer.get(..length).unwrap_or_default().to_vec();
                // Words of somebody else, or to another question, are passed over.
                if let Some(answer) = Message::from_octets(said).ok().filter(|said| said.is_answer(asked)) {
                    return Ok(answer);
                }
            }
        };
        if let Ok(answer) = tokio::time::timeout(AGAIN, answer).await {
            return answer;
        }
    }
}

async fn by_stream(asked: &Message<Vec<u8>>, server: SocketAddr) -> Result<Message<Vec<u8>>, NotSo> {
    let cannot = |why: std::io::Error| tcp::unconnected(&why);
    let garbled = |why: &str| NotSo::Garbled { why: why.to_owned() };
    let mut stream = tcp::connected(server).await?;
    let length = u16::try_from(asked.as_slice().len()).map_err(|_| garbled("the question is too long"))?;
    stream.write_all(&[&length.to_be_bytes()[..], asked.as_slice()].concat()).await.map_err(cannot)?;
    let length = stream.read_u16().await.map_err(cannot)?;
    let mut said = vec![0; usize::from(length)];
    stream.read_exact(&mut said).await.map_err(cannot)?;
    let answer = Message::from_octets(said).map_err(|_| garbled("the answer is cut off"))?;
    if answer.is_answer(asked) { Ok(answer) } else { Err(garbled("the answer is to another question")) }
}

/// The records of a kind in an answer, as they are written.
fn records(answer: &Message<Vec<u8>>, wanted: RecordKind) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for record in answer.answer().map_err(|e| e.to_string())? {
        let record = record.map_err(|e| e.to_string())?;
        if record.rtype() == kind(wanted) {
            let record = record.to_any_record::<AllRecordData<_, _>>().map_err(|e| e.to_string())?;
            found.push(record.data().to_string());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
