//! The messages: what a record says, and what it shall say.

use crate::domain::{Cutover, RecordKind};
use dns_message::base::iana::{Class, Opcode};
use dns_message::base::message_builder::{AdditionalBuilder, MessageBuilder};
use dns_message::base::rdata::UnknownRecordData;
use dns_message::base::{Message, Name, Rtype, ToName, Ttl};
use dns_message::rdata::AllRecordData;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, Ipv6Addr};

/// A message that is complete but for its signature.
pub type Wanted = AdditionalBuilder<Vec<u8>>;

type Data = UnknownRecordData<Vec<u8>>;

fn name(text: &str) -> Result<Name<Vec<u8>>, String> {
    text.parse().map_err(|why| format!("{text}: {why}"))
}

fn kind(kind: RecordKind) -> Result<Rtype, String> {
    match kind {
        RecordKind::A => Ok(Rtype::A),
        RecordKind::Aaaa => Ok(Rtype::AAAA),
        RecordKind::Cname => Ok(Rtype::CNAME),
        RecordKind::Mx
        | RecordKind::Ns
        | RecordKind::Ptr
        | RecordKind::Soa
        | RecordKind::Srv
        | RecordKind::Txt => Err("records of that kind do not follow a machine".to_owned()),
    }
}

/// What a record says, as it stands in messages.
fn data(of: RecordKind, text: &str) -> Result<Data, String> {
    let bad = |why: &dyn std::fmt::Display| format!("{text}: {why}");
    let octets = match of {
        RecordKind::A => text.parse::<Ipv4Addr>().map_err(|why| bad(&why))?.octets().to_vec(),
        RecordKind::Aaaa => text.parse::<Ipv6Addr>().map_err(|why| bad(&why))?.octets().to_vec(),
        _ => name(text)?.into_octets(),
    };
    Data::from_octets(kind(of)?, octets).map_err(|why| bad(&why))
}

/// A message of no other one's number.
fn begun(opcode: Opcode) -> MessageBuilder<Vec<u8>> {
    let mut message = MessageBuilder::new_vec();
    let number = u16::try_from(RandomState::new().hash_one(0) & 0xffff).unwrap_or_default();
    message.header_mut().set_id(number);
    message.header_mut().set_opcode(opcode);
    message
}

const LONG: &str = "the message is too long";

/// What does the record say?
///
/// # Errors
/// A name that cannot stand in a message.
pub fn question(cutover: &Cutover) -> Result<Wanted, String> {
    let mut message = begun(Opcode::QUERY).question();
    message.push((name(&cutover.name)?, kind(cutover.kind)?)).map_err(|_| LONG.to_owned())?;
    Ok(message.additional())
}

/// The record shall say this alone, where it still says what was found (RFC 2136, sections 2.4 and 2.5).
///
/// # Errors
/// A name or an address that cannot stand in a message.
pub fn change(cutover: &Cutover, found: &[String]) -> Result<Wanted, String> {
    let (owner, rtype) = (name(&cutover.name)?, kind(cutover.kind)?);
    let long = |_| LONG.to_owned();
    let empty = || Data::from_octets(rtype, Vec::new()).map_err(|why| why.to_string());
    let mut zone = begun(Opcode::UPDATE).question();
    zone.push((name(&cutover.server.zone)?, Rtype::SOA)).map_err(long)?;
    let mut conditions = zone.answer();
    if found.is_empty() {
        conditions.push((&owner, Class::NONE, Ttl::from_secs(0), empty()?)).map_err(long)?;
    }
    for said in found {
        let said = data(cutover.kind, said)?;
        conditions.push((&owner, Class::IN, Ttl::from_secs(0), said)).map_err(long)?;
    }
    let mut changes = conditions.authority();
    changes.push((&owner, Class::ANY, Ttl::from_secs(0), empty()?)).map_err(long)?;
    let to = data(cutover.kind, &cutover.to)?;
    changes.push((&owner, Class::IN, Ttl::from_secs(cutover.ttl), to)).map_err(long)?;
    Ok(changes.additional())
}

/// What a record says. A name that is only another one's name says so, whatever kind was asked for.
///
/// # Errors
/// An answer that cannot be read.
pub fn records(answer: &Message<Vec<u8>>, cutover: &Cutover) -> Result<Vec<String>, String> {
    let unread =
        |why: &dyn std::fmt::Display| format!("the answer of {} cannot be read: {why}", cutover.server.name);
    let (owner, rtype) = (name(&cutover.name)?, kind(cutover.kind)?);
    let mut found = Vec::new();
    for record in answer.answer().map_err(|why| unread(&why))? {
        let record = record.map_err(|why| unread(&why))?;
        if !record.owner().name_eq(&owner) {
            continue;
        }
        let of = record.rtype();
        let record = record.to_any_record::<AllRecordData<_, _>>().map_err(|why| unread(&why))?;
        let text = record.data().to_string();
        let text = text.trim_end_matches('.');
        if of == rtype {
            found.push(text.to_owned());
        } else if of == Rtype::CNAME {
            found.push(format!("(a name for {text})"));
        }
    }
    found.sort();
    Ok(found)
}
