//! What a host has, asked of its libvirt alone.

use super::host::{Host, HostError};
use super::machine::{Machine, Run};
use super::record::Record;
use super::sight::Roll;
use crate::base::{Duration, SiteName};
use crate::port::{DataPath, LibvirtSpec, RunOn, Survey, SurveyedVm};
use std::net::{IpAddr, Ipv4Addr};

/// Looks at the host behind a URI.
///
/// # Errors
/// [`HostError`].
pub async fn survey(site: &SiteName, uri: &str) -> Result<Survey, HostError> {
    // Nothing is copied and nothing is run there: the rest of a host's settings is not asked for.
    let spec = LibvirtSpec {
        uri: uri.to_owned(),
        run: RunOn::Local,
        data: DataPath { address: IpAddr::V4(Ipv4Addr::LOCALHOST), first: 1, last: 1 },
        folder: "/".to_owned(),
        silence: Duration::from_secs(20),
        copies: 1,
    };
    let host = Host::new(site.clone(), spec);
    let roll = Roll::call(&host).await?;
    let mut machines = Vec::new();
    for name in roll.names() {
        // One that went meanwhile is none.
        if let Some(machine) = roll.machine(&host, name).await? {
            machines.push(surveyed(&machine));
        }
    }
    let text = host.ask(&["net-list", "--all", "--name"]).await?;
    let networks = text.lines().filter(|l| !l.is_empty()).map(str::to_owned).collect();
    Ok(Survey { machines, networks })
}

fn surveyed(machine: &Machine) -> SurveyedVm {
    let record = Record::of(&machine.tree).ok().flatten();
    let mut networks: Vec<String> = machine.links().iter().map(|l| l.network.to_string()).collect();
    networks.sort();
    networks.dedup();
    SurveyedVm {
        name: machine.name(),
        uuid: machine.tree.child("uuid").map(super::xml::Element::text).unwrap_or_default(),
        on: machine.run != Run::Off,
        agent: machine.has_agent(),
        networks,
        unfit: machine.unfit(),
        replica: record.map(|r| (r.replica, r.relation.source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_described_by_what_a_document_needs() {
        let text = "<domain><name>it's a db</name><uuid>u-1</uuid><devices><disk type='file' device='disk'><driver type='raw'/>\
                    <source file='/d'/><target dev='vda'/></disk><channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>\
                    <interface type='network'><source network='b'/></interface><interface type='bridge'><source bridge='a'/></interface>\
                    <interface type='network'><source network='b'/></interface></devices></domain>";
        let found = surveyed(&Machine::read(text, Run::Paused).unwrap());
        assert_eq!(
            (found.name.as_str(), found.uuid.as_str(), found.on, found.agent),
            ("it's a db", "u-1", true, true)
        );
        assert_eq!(found.networks, ["a", "b"]);
        assert_eq!(found.replica, None);
    }
}
