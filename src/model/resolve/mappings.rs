//! Which network stands for which, and how addresses change: in replicas, and in sites for all replicas that say nothing else.

use super::reader::Reader;
use crate::base::NetworkName;
use crate::diag::{Code, Finding};
use crate::document::Key;
use crate::document::shape::replica::{AddressMap, NetworkMap};
use crate::model::{AddressRule, Mapping};
use std::net::IpAddr;

/// Reads mappings; `path` is that of the mapping around both lists.
pub(super) fn mapping(
    reader: &mut Reader<'_>,
    raw: (&[NetworkMap], &[AddressMap]),
    path: &[Key<'_>],
) -> Mapping {
    let of = |list: &'static str, position: usize| [path, &[Key::Name(list), Key::Index(position)]].concat();
    let mut networks: Vec<(NetworkName, NetworkName)> = Vec::new();
    for (position, map) in raw.0.iter().enumerate() {
        let key = |end: &'static str| [&of("networks", position)[..], &[Key::Name(end)]].concat();
        let (from, to) = (reader.name(&map.from, &key("from")), reader.name(&map.to, &key("to")));
        let Some((from, to)) = from.zip(to) else { continue };
        if let Some(first) = raw.0.iter().take(position).position(|m| m.from == map.from) {
            let earlier = [&of("networks", first)[..], &[Key::Name("from")]].concat();
            let finding = Finding::new(Code::MappedTwice, format!("the network `{from}` is mapped twice"))
                .at(Some(reader.at(&key("from"))), "here again")
                .at(Some(reader.at(&earlier)), "here first");
            reader.find(finding.help("one network has one successor; take one of the two out"));
        }
        networks.push((from, to));
    }
    let mut addresses: Vec<(AddressRule, usize)> = Vec::new();
    for (position, map) in raw.1.iter().enumerate() {
        let Some(rule) = rule(reader, map, &of("addresses", position)) else { continue };
        if let Some((_, first)) = addresses.iter().find(|(earlier, _)| earlier.covers(&rule)) {
            let at = |position| [&of("addresses", position)[..], &[Key::Name("from")]].concat();
            let message = format!("the rule for `{}` is never reached", map.from);
            let finding = Finding::new(Code::MappedTwice, message)
                .at(Some(reader.at(&at(position))), "all of these addresses")
                .at(Some(reader.at(&at(*first))), "fit this one first");
            reader.find(finding.help("the first rule that fits counts: put the narrower one first"));
        }
        addresses.push((rule, position));
    }
    Mapping { networks, addresses: addresses.into_iter().map(|(rule, _)| rule).collect() }
}

fn rule(reader: &mut Reader<'_>, raw: &AddressMap, path: &[Key<'_>]) -> Option<AddressRule> {
    let key = |end: &'static str| [path, &[Key::Name(end)]].concat();
    let from = prefix(reader, &raw.from, &key("from"));
    let to = prefix(reader, &raw.to, &key("to"));
    let mut guest = |text: &str, at: &[Key<'_>]| {
        let found = reader.address(text, at)?;
        if to.is_some_and(|(to, _)| to.is_ipv4() != found.is_ipv4()) {
            let message = format!("`{text}` and `{}` are not of one family", raw.to);
            let finding = Finding::new(Code::BadAddress, message).at(Some(reader.at(at)), "this address");
            reader.find(finding.at(Some(reader.at(&key("to"))), "for guests in this prefix"));
            return None;
        }
        Some(found)
    };
    let gateway = raw.gateway.as_deref().and_then(|text| guest(text, &key("gateway")));
    let servers = raw.dns.iter().enumerate();
    let dns = servers.filter_map(|(i, text)| guest(text, &[&key("dns")[..], &[Key::Index(i)]].concat()));
    let dns: Vec<IpAddr> = dns.collect();
    let ((from, bits), (to, other)) = (from?, to?);
    if bits != other || from.is_ipv4() != to.is_ipv4() {
        let message = format!("`{}` and `{}` are not of one length and family", raw.from, raw.to);
        reader.find(
            Finding::new(Code::BadAddress, message)
                .at(Some(reader.at(&key("to"))), "to this prefix")
                .at(Some(reader.at(&key("from"))), "from this one")
                .help("the host part of an address stays, so both prefixes need the same length"),
        );
        return None;
    }
    Some(AddressRule { from, to, bits, gateway, dns })
}

fn prefix(reader: &mut Reader<'_>, text: &str, path: &[Key<'_>]) -> Option<(IpAddr, u8)> {
    let parsed = text.split_once('/').and_then(|(address, bits)| {
        let address: IpAddr = address.parse().ok()?;
        let bits: u8 = bits.parse().ok()?;
        (bits <= if address.is_ipv4() { 32 } else { 128 }).then_some((address, bits))
    });
    if parsed.is_none() {
        let finding = Finding::new(Code::BadAddress, format!("`{text}` is no prefix"));
        reader.find(finding.at(Some(reader.at(path)), "here").help("write it like 10.1.0.0/16"));
    }
    parsed
}
