//! The network cards of a replica that serves: the source's, mapped and re-addressed.

use crate::base::NetworkName;
use crate::domain::{Facts, Link, Sight};
use crate::model::{AddressRule, Replica};
use std::net::IpAddr;

/// The replica's network cards, or the source's network that has no mapping.
pub fn links(replica: &Replica, facts: &Facts) -> Result<Vec<Link>, NetworkName> {
    let source = match &facts.source {
        Sight::Present(vm) => &vm.links,
        // The source is gone: what it had at the last replication counts.
        Sight::Unseen | Sight::Absent => &facts.relation.source_links,
    };
    source.iter().map(|link| mapped(replica, link)).collect()
}

fn mapped(replica: &Replica, link: &Link) -> Result<Link, NetworkName> {
    let to = replica.networks.iter().find(|(from, _)| *from == link.network).map(|(_, to)| to.clone());
    let network = to.ok_or_else(|| link.network.clone())?;
    let address = link.address.map(|address| {
        replica.addresses.iter().find_map(|rule| readdressed(rule, address)).unwrap_or(address)
    });
    Ok(Link { network, address })
}

/// The address in the rule's new prefix with the same host part; `None` where the rule does not concern it.
fn readdressed(rule: &AddressRule, address: IpAddr) -> Option<IpAddr> {
    match (rule.from, rule.to, address) {
        (IpAddr::V4(from), IpAddr::V4(to), IpAddr::V4(address)) => {
            let host = u32::MAX.checked_shr(u32::from(rule.bits)).unwrap_or(0);
            let (from, to, address) = (u32::from(from), u32::from(to), u32::from(address));
            (address & !host == from & !host).then(|| IpAddr::V4(((to & !host) | (address & host)).into()))
        }
        (IpAddr::V6(from), IpAddr::V6(to), IpAddr::V6(address)) => {
            let host = u128::MAX.checked_shr(u32::from(rule.bits)).unwrap_or(0);
            let (from, to, address) = (u128::from(from), u128::from(to), u128::from(address));
            (address & !host == from & !host).then(|| IpAddr::V6(((to & !host) | (address & host)).into()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(from: &str, to: &str, bits: u8) -> AddressRule {
        AddressRule { from: from.parse().unwrap(), to: to.parse().unwrap(), bits, gateway: None }
    }

    #[test]
    fn the_host_part_stays() {
        for (from, to, bits, address, expected) in [
            ("10.1.0.0", "10.2.0.0", 16, "10.1.7.9", Some("10.2.7.9")),
            ("10.1.0.0", "10.2.0.0", 16, "10.3.7.9", None),
            ("0.0.0.0", "0.0.0.0", 0, "10.3.7.9", Some("10.3.7.9")),
            ("10.1.0.5", "10.2.0.6", 32, "10.1.0.5", Some("10.2.0.6")),
            ("fd00:1::", "fd00:2::", 64, "fd00:1::42", Some("fd00:2::42")),
            ("fd00:1::", "fd00:2::", 64, "10.1.0.1", None),
        ] {
            let found = readdressed(&rule(from, to, bits), address.parse().unwrap());
            assert_eq!(found, expected.map(|e| e.parse().unwrap()), "{address} by {from}/{bits}");
        }
    }
}
