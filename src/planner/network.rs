//! The network cards of a replica that serves: the source's, mapped and re-addressed.

use crate::base::NetworkName;
use crate::domain::{Facts, Link, Sight};
use crate::model::{AddressRule, DrillSite, Replica};

/// The replica's network cards, or the source's network that has no mapping.
pub fn links(replica: &Replica, facts: &Facts) -> Result<Vec<Link>, NetworkName> {
    let source = match &facts.source {
        Sight::Present(vm) => &vm.links,
        // The source is gone: what it had at the last replication counts.
        Sight::Unseen | Sight::Absent => &facts.relation.source_links,
    };
    source.iter().map(|link| mapped((&replica.networks, &replica.addresses), link)).collect()
}

/// The network cards of a drill's copy: where the replica would serve, moved once more to networks apart; or the network that has no such
/// mapping.
pub fn apart(drill: &DrillSite, links: &[Link]) -> Result<Vec<Link>, NetworkName> {
    links.iter().map(|link| mapped((&drill.networks, &drill.addresses), link)).collect()
}

/// What stands for which network, and how addresses change.
type Rules<'a> = (&'a [(NetworkName, NetworkName)], &'a [AddressRule]);

fn mapped((networks, addresses): Rules<'_>, link: &Link) -> Result<Link, NetworkName> {
    let to = networks.iter().find(|(from, _)| *from == link.network).map(|(_, to)| to.clone());
    let network = to.ok_or_else(|| link.network.clone())?;
    let Some(old) = link.address else { return Ok(Link::on(network)) };
    let rule = addresses.iter().find_map(|rule| Some((rule, rule.readdress(old)?)));
    Ok(match rule {
        Some((rule, new)) => {
            Link { network, address: Some(new), gateway: rule.gateway, dns: rule.dns.clone() }
        }
        None => Link { address: Some(old), ..Link::on(network) },
    })
}
