//! Name servers: records are changed by UPDATE (RFC 2136) over TCP, signed with TSIG (RFC 8945), and asked before and after.
//!
//! What is asked for is guarded by the server itself: the change carries as its condition what the record was found to say. Whoever changes it
//! in between makes the server refuse, and the next attempt asks anew.

mod message;

use super::clock::SystemClock;
use super::prober::connected;
use super::secret::Secrets;
use crate::domain::{Cutover, NotSo, ServerKey};
use crate::port::{Clock, Failure, Later, Names, Pointed, Pointing};
use dns_message::base::Message;
use dns_message::base::iana::Rcode;
use dns_message::rdata::tsig::Time48;
use dns_message::tsig::{Algorithm, ClientTransaction, Key, KeyName, ValidationError};
use message::Wanted;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How long a name server has for one answer.
const ANSWER: Duration = Duration::from_secs(5);
/// A server that took a change may show it a little later; it is asked so often.
const LOOKS: u32 = 4;
/// And in such steps.
const PAUSE: Duration = Duration::from_millis(500);

/// Name servers, as this machine reaches them.
#[derive(Debug, Clone)]
pub struct NameServers {
    secrets: Secrets,
}

/// What went wrong with one exchange.
#[derive(Debug)]
enum Wrong {
    /// Nothing was sent.
    Unsent(String),
    /// It was sent, and nothing that can be believed came back.
    Unheard(String),
    /// The server said no.
    Refused(String),
}

impl Wrong {
    /// Of a question: nothing has changed whatever went wrong.
    fn asked(self) -> Failure {
        match self {
            Self::Unsent(why) | Self::Unheard(why) | Self::Refused(why) => Failure::Failed(why),
        }
    }

    /// Of a change: it may have been made where no answer came.
    fn told(self) -> Failure {
        match self {
            Self::Unsent(why) | Self::Refused(why) => Failure::Failed(why),
            Self::Unheard(why) => Failure::NoAnswer(why),
        }
    }
}

impl NameServers {
    /// With the secrets of a workspace.
    #[must_use]
    pub const fn new(secrets: Secrets) -> Self {
        Self { secrets }
    }

    fn key(&self, cutover: &Cutover) -> Result<Option<Arc<Key>>, String> {
        let Some(said) = &cutover.server.key else { return Ok(None) };
        let server = &cutover.server.name;
        let text = self.secrets.read(&said.secret).map_err(|why| format!("the key of {server} {why}"))?;
        // The text itself is not repeated: it is a secret, be it a bad one.
        let bytes: Vec<u8> = dns_message::utils::base64::decode(text.trim())
            .map_err(|_| format!("the key of {server} is not written in base 64"))?;
        if bytes.is_empty() {
            return Err(format!("the key of {server} is empty"));
        }
        let ServerKey { name, algorithm, .. } = said;
        let algorithm = match algorithm {
            crate::domain::KeyAlgorithm::HmacSha256 => Algorithm::Sha256,
            crate::domain::KeyAlgorithm::HmacSha384 => Algorithm::Sha384,
            crate::domain::KeyAlgorithm::HmacSha512 => Algorithm::Sha512,
        };
        let name: KeyName = name.parse().map_err(|_| format!("`{name}` is no name of a key"))?;
        let key = Key::new(algorithm, &bytes, name, None, None).map_err(|why| why.to_string())?;
        Ok(Some(Arc::new(key)))
    }

    async fn found(&self, cutover: &Cutover, key: Option<&Arc<Key>>) -> Result<Vec<String>, Wrong> {
        let asked = message::question(cutover).map_err(Wrong::Unsent)?;
        let answer = exchange(cutover, asked, key).await?;
        let server = &cutover.server.name;
        match answer.header().rcode() {
            Rcode::NXDOMAIN | Rcode::NOERROR if !answer.header().aa() => {
                Err(Wrong::Refused(format!("{server} is no authority for {}", cutover.name)))
            }
            Rcode::NXDOMAIN => Ok(Vec::new()),
            Rcode::NOERROR => message::records(&answer, cutover).map_err(Wrong::Unheard),
            code => Err(Wrong::Refused(format!("{server} does not tell what {} says: {code}", cutover.name))),
        }
    }

    async fn pointed(&self, cutover: &Cutover) -> Result<Pointed, Failure> {
        let key = self.key(cutover).map_err(Failure::Failed)?;
        let before = self.found(cutover, key.as_ref()).await.map_err(Wrong::asked)?;
        if cutover.is_done(&before) {
            return Ok(Pointed::Found);
        }
        if !cutover.is_own(&before) {
            return Err(Failure::Failed(somebody_elses(cutover, &before)));
        }
        let change = message::change(cutover, &before).map_err(Failure::Failed)?;
        let answer = exchange(cutover, change, key.as_ref()).await.map_err(Wrong::told)?;
        taken(cutover, answer.header().rcode()).map_err(Failure::Failed)?;
        let mut says = Vec::new();
        for look in 0..LOOKS {
            if look > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            says = self.found(cutover, key.as_ref()).await.map_err(Wrong::asked)?;
            if cutover.is_done(&says) {
                return Ok(Pointed::Replaced { before });
            }
        }
        let (server, name) = (&cutover.server.name, &cutover.name);
        Err(Failure::Failed(format!("{server} took the change of {name}, and it says {}", listed(&says))))
    }
}

/// What is said of a record that leads elsewhere.
#[must_use]
pub fn somebody_elses(cutover: &Cutover, says: &[String]) -> String {
    format!(
        "{} says {}, which is no machine of {}; it was left as it is",
        cutover.name,
        listed(says),
        cutover.replica
    )
}

fn listed(says: &[String]) -> String {
    if says.is_empty() { "nothing".to_owned() } else { says.join(", ") }
}

/// What a server says of a change.
fn taken(cutover: &Cutover, code: Rcode) -> Result<(), String> {
    let (server, zone, name) = (&cutover.server.name, &cutover.server.zone, &cutover.name);
    Err(match code {
        Rcode::NOERROR => return Ok(()),
        Rcode::REFUSED => {
            format!("{server} refuses to change {name}: its policy does not allow it (REFUSED)")
        }
        Rcode::NOTAUTH => format!("{server} does not serve {zone}, or not with that key (NOTAUTH)"),
        Rcode::NOTZONE => format!("{server} says that {name} is not in {zone} (NOTZONE)"),
        Rcode::NXRRSET | Rcode::YXRRSET | Rcode::NXDOMAIN | Rcode::YXDOMAIN => {
            format!("somebody else changed {name} meanwhile ({code})")
        }
        code => format!("{server} does not change {name}: {code}"),
    })
}

fn now() -> Time48 {
    // Signatures are made at the time of the wall, whatever clock a run goes by.
    Time48::from_u64(u64::try_from(SystemClock.now().as_millis() / 1000).unwrap_or(0))
}

/// Sends a message and hears its answer, signed where there is a key.
async fn exchange(
    cutover: &Cutover,
    wanted: Wanted,
    key: Option<&Arc<Key>>,
) -> Result<Message<Vec<u8>>, Wrong> {
    let server = &cutover.server;
    let mut wanted = wanted;
    let signed = match key {
        Some(key) => {
            let signed = ClientTransaction::request(Arc::clone(key), &mut wanted, now());
            Some(signed.map_err(|_| Wrong::Unsent("the message is too long to be signed".to_owned()))?)
        }
        None => None,
    };
    let asked = wanted.into_message();
    let unsent =
        |why: NotSo| Wrong::Unsent(format!("{} at {} {}", server.name, server.address, unreached(&why)));
    let stream = connected(SocketAddr::new(server.address, server.port)).await.map_err(unsent)?;
    let heard = tokio::time::timeout(ANSWER, told(stream, asked.as_slice())).await;
    let unheard = |why: String| Wrong::Unheard(format!("{} at {} {why}", server.name, server.address));
    let said = heard
        .map_err(|_| unheard("did not answer in time".to_owned()))?
        .map_err(|why| unheard(format!("did not answer: {}", why.kind())))?;
    let mut answer =
        Message::from_octets(said).map_err(|_| unheard("answered with what is no message".to_owned()))?;
    let header = answer.header();
    if header.id() != asked.header().id() || !header.qr() || header.opcode() != asked.header().opcode() {
        return Err(unheard("answered to another question".to_owned()));
    }
    if let Some(signed) = signed {
        let code = answer.header().rcode();
        signed.answer(&mut answer, now()).map_err(|why| unsigned(cutover, why, code))?;
    }
    Ok(answer)
}

async fn told(mut stream: tokio::net::TcpStream, asked: &[u8]) -> std::io::Result<Vec<u8>> {
    let length = u16::try_from(asked.len()).map_err(|_| std::io::ErrorKind::InvalidInput)?;
    stream.write_all(&[&length.to_be_bytes()[..], asked].concat()).await?;
    let length = stream.read_u16().await?;
    let mut said = vec![0; usize::from(length)];
    stream.read_exact(&mut said).await?;
    Ok(said)
}

fn unreached(why: &NotSo) -> String {
    match why {
        NotSo::Unconnected { why } => format!("cannot be reached: {why}"),
        _ => "does not answer".to_owned(),
    }
}

/// What it means that an answer is not signed as it should be.
fn unsigned(cutover: &Cutover, why: ValidationError, code: Rcode) -> Wrong {
    let server = &cutover.server.name;
    let key = cutover.server.key.as_ref().map_or("", |key| key.name.as_str());
    match why {
        ValidationError::ServerBadKey => Wrong::Refused(format!(
            "{server} does not know the key {key}, or not with that algorithm (BADKEY)"
        )),
        ValidationError::ServerBadSig => {
            Wrong::Refused(format!("{server} knows another key by the name {key} (BADSIG)"))
        }
        ValidationError::ServerBadTime { client, server: theirs } => Wrong::Refused(format!(
            "the clock of {server} is {} s off from this machine's (BADTIME)",
            u64::from(theirs).abs_diff(u64::from(client))
        )),
        // It may be anybody's, so nothing is known.
        ValidationError::ServerUnsigned if code != Rcode::NOERROR => {
            Wrong::Refused(format!("{server} says {code}, and does not sign it"))
        }
        why => Wrong::Unheard(format!("the answer of {server} cannot be believed: {why}")),
    }
}

impl Names for NameServers {
    fn point<'a>(&'a self, order: &'a Pointing) -> Later<'a, Result<Pointed, Failure>> {
        Box::pin(async move {
            let cutover = &order.cutover;
            let within = Duration::from_millis(cutover.within.as_millis());
            match tokio::time::timeout(within, self.pointed(cutover)).await {
                Ok(pointed) => pointed,
                Err(_) => Err(Failure::NoAnswer(format!("not done within {}", cutover.within))),
            }
        })
    }

    fn says<'a>(&'a self, cutover: &'a Cutover) -> Later<'a, Result<Vec<String>, String>> {
        Box::pin(async move {
            let key = self.key(cutover)?;
            self.found(cutover, key.as_ref()).await.map_err(|wrong| wrong.asked().to_string())
        })
    }

    fn ready(&self, cutover: &Cutover) -> Result<(), String> {
        self.key(cutover).map(drop)
    }
}

#[cfg(test)]
mod tests;
