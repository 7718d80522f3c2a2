//! What a host has, for an import.

use super::host::{Host, HostError};
use super::machine::{Machine, Run};
use super::preflight_machine::cards;
use super::record::Record;
use super::sight::Roll;
use super::xml::{Element, parse};
use crate::base::{Duration, SiteName};
use crate::port::{
    Attached, DataPath, LibvirtSpec, RunOn, Survey, SurveyedHost, SurveyedReplica, SurveyedVm,
};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

/// The settings of a host that no document speaks of yet: enough to look at it.
#[must_use]
pub fn settings(uri: &str, run: RunOn) -> LibvirtSpec {
    LibvirtSpec {
        uri: uri.to_owned(),
        run,
        // Nothing is copied, and nothing is written there.
        data: DataPath { address: IpAddr::V4(Ipv4Addr::LOCALHOST), first: 1, last: 1 },
        folder: "/".to_owned(),
        silence: Duration::from_secs(20),
        copies: 1,
    }
}

/// Looks at a host.
///
/// # Errors
/// [`HostError`].
pub async fn survey(site: &SiteName, spec: LibvirtSpec) -> Result<Survey, HostError> {
    let host = Host::new(site.clone(), spec);
    let roll = Roll::call(&host).await?;
    let starting = lines(&host.ask(&["list", "--all", "--autostart", "--name"]).await?);
    let mut machines = Vec::new();
    for name in roll.names() {
        let autostart = starting.iter().any(|n| n == name);
        match roll.machine(&host, name).await {
            Ok(Some(machine)) => machines.push(SurveyedVm { autostart, ..surveyed(&machine) }),
            // One that went meanwhile is none.
            Ok(None) => {}
            Err(HostError::Failed { why, .. }) => {
                machines.push(SurveyedVm {
                    name: name.to_owned(),
                    unfit: Some(why),
                    ..SurveyedVm::default()
                });
            }
            Err(silent @ HostError::Unreachable { .. }) => return Err(silent),
        }
    }
    let networks = lines(&host.ask(&["net-list", "--all", "--name"]).await?);
    let made = bridges_of(&host, &networks).await?;
    // Without a way to run commands there, libvirt alone is asked.
    let (addresses, bridges) = tokio::join!(
        host.look(&["ip", "-brief", "address"]),
        host.look(&["ip", "-brief", "link", "show", "type", "bridge"])
    );
    let around = addresses.ok().zip(bridges.ok()).map(|(a, b)| around(&a, &b, &made));
    Ok(Survey { machines, networks, host: around })
}

fn lines(text: &str) -> Vec<String> {
    text.lines().filter(|l| !l.is_empty()).map(str::to_owned).collect()
}

/// The bridges that libvirt made for its networks.
async fn bridges_of(host: &Host, networks: &[String]) -> Result<BTreeSet<String>, HostError> {
    let questions: Vec<[&str; 3]> = networks.iter().map(|n| ["net-dumpxml", "--network", n]).collect();
    let questions: Vec<&[&str]> = questions.iter().map(<[&str; 3]>::as_slice).collect();
    let said = host.ask_all(&questions).await?;
    Ok(said.iter().filter_map(|text| own_bridge(&parse(text).ok()?)).collect())
}

/// The bridge of a network, unless it is one of the host's that the network only names.
fn own_bridge(network: &Element) -> Option<String> {
    let lent = network.of("forward", "mode") == Some("bridge");
    network.of("bridge", "name").filter(|_| !lent).map(str::to_owned)
}

/// Reads what `ip -brief` tells: `eth0@if3 UP 192.0.2.10/24 fe80::1/64`.
fn around(addresses: &str, bridges: &str, made: &BTreeSet<String>) -> SurveyedHost {
    let name = |line: &str| line.split([' ', '@']).next().unwrap_or_default().to_owned();
    let mut host =
        SurveyedHost { bridges: lines(bridges).iter().map(|l| name(l)).collect(), ..SurveyedHost::default() };
    host.bridges.retain(|bridge| !made.contains(bridge));
    for line in addresses.lines() {
        let card = name(line);
        if !made.contains(&card) {
            let own = line.split_whitespace().skip(2).filter_map(|a| a.split('/').next()?.parse().ok());
            host.addresses.extend(own.filter(reachable));
        }
        host.cards.push(card);
    }
    host
}

/// Whether another host could reach it.
fn reachable(address: &IpAddr) -> bool {
    let near = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !near && !address.is_loopback() && !address.is_unspecified()
}

fn surveyed(machine: &Machine) -> SurveyedVm {
    let replica = match Record::of(&machine.tree) {
        Ok(record) => record.map(|record| Ok(known(machine, record))),
        Err(why) => Some(Err(why.to_string())),
    };
    SurveyedVm {
        name: machine.name(),
        uuid: machine.tree.child("uuid").map(Element::text).unwrap_or_default(),
        on: machine.run != Run::Off,
        autostart: false,
        agent: machine.has_agent(),
        disks: machine.disks().into_iter().map(|d| (d.dev, d.format)).collect(),
        networks: attached(machine),
        unfit: machine.unfit(),
        replica,
    }
}

fn attached(machine: &Machine) -> Vec<Attached> {
    let links = machine.links().into_iter().map(|l| l.network.to_string());
    let all: BTreeSet<Attached> =
        links.zip(cards(machine)).map(|(network, kind)| Attached { network, kind }).collect();
    all.into_iter().collect()
}

fn known(machine: &Machine, record: Record) -> SurveyedReplica {
    let source = Machine::read(&record.source_xml, Run::Off).ok();
    let names = |m: &Machine| m.links().into_iter().map(|l| l.network.to_string()).collect::<Vec<_>>();
    // Until it has served, a replica's machine names the networks of its source.
    let both = source.as_ref().map(names).unwrap_or_default().into_iter().zip(names(machine));
    let mapped: BTreeSet<(String, String)> = both.filter(|(from, to)| from != to).collect();
    SurveyedReplica {
        name: record.replica,
        source: record.relation.source,
        points: record.points.len(),
        networks: source.as_ref().map(attached).unwrap_or_default(),
        mapped: mapped.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::NetworkKind;

    /// Taken from a host with libvirt 11.3 after a failover, as it was said.
    const REPLICA: &str = include_str!("captured/replica.xml");
    const NETWORK: &str = include_str!("captured/network.xml");

    fn on(network: &str, kind: Option<NetworkKind>) -> Attached {
        Attached { network: network.to_owned(), kind }
    }

    fn read(text: &str) -> SurveyedVm {
        surveyed(&Machine::read(text, Run::Paused).unwrap())
    }

    #[test]
    fn a_machine_is_described_by_what_a_document_needs() {
        let found = read(
            "<domain><name>it's a db</name><uuid>u-1</uuid><devices><disk type='file' device='disk'><driver type='raw'/>\
             <source file='/d'/><target dev='vda'/></disk><channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>\
             <interface type='network'><source network='b'/></interface><interface type='bridge'><source bridge='a'/></interface>\
             <interface type='network'><source network='b'/></interface><interface type='user'/></devices></domain>",
        );
        assert_eq!(
            (found.name.as_str(), found.uuid.as_str(), found.on, found.agent),
            ("it's a db", "u-1", true, true)
        );
        let networks =
            [on("a", Some(NetworkKind::Bridge)), on("b", Some(NetworkKind::Network)), on("user", None)];
        assert_eq!(found.networks, networks);
        assert_eq!(found.disks, [("vda".to_owned(), "raw".to_owned())]);
        assert_eq!(found.replica, None);
    }

    #[test]
    fn a_replica_tells_whose_it_is_and_where_it_was_mapped_to() {
        let replica = read(REPLICA).replica.unwrap().unwrap();
        assert_eq!((replica.name.as_str(), replica.source.to_string().as_str()), ("im-1", "production/im-1"));
        assert_eq!(replica.points, 3);
        assert_eq!(replica.networks, [on("prod", Some(NetworkKind::Network))]);
        assert_eq!(replica.mapped, [("prod".to_owned(), "dr".to_owned())]);
        // Until it has served, its machine is on the networks of its source.
        let before = read(&REPLICA.replace("network='dr'", "network='prod'")).replica.unwrap().unwrap();
        assert_eq!(before.mapped, []);
        let damaged = read(&REPLICA.replace("\"format\":1,", "")).replica.unwrap();
        assert!(damaged.is_err_and(|why| why.contains("cannot be read")));
    }

    #[test]
    fn what_libvirt_made_is_neither_an_address_nor_a_bridge_to_choose() {
        let own = own_bridge(&parse(NETWORK).unwrap());
        assert_eq!(own.as_deref(), Some("br-prod"));
        let lent = "<network><forward mode='bridge'/><bridge name='br0'/></network>";
        assert_eq!(own_bridge(&parse(lent).unwrap()), None);
        let text = include_str!("captured/ip.txt");
        let found = around(text, "br-prod UP x <BROADCAST>\nbr0 UP y <UP>\n", &own.into_iter().collect());
        assert_eq!(found.bridges, ["br0"]);
        assert_eq!(found.cards, ["lo", "wan", "br-prod"]);
        assert_eq!(found.addresses, ["10.99.0.1".parse::<IpAddr>().unwrap()]);
    }
}
