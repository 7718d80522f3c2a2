//! Questions to guests: to the agent through libvirt, all others from where Lifeboat runs.

use super::host::Host;
use super::machine::Run;
use crate::domain::{NotSo, Probe};
use crate::port::Question;
use crate::provider::prober::{self, About};
use std::net::IpAddr;

/// Asks a question to a guest, or about it.
pub async fn ask(host: &Host, question: Question<'_>) -> Result<(), NotSo> {
    let Question { replica, vm, probe } = question;
    let name = vm.vm.as_str();
    match probe {
        Probe::Guest => guest(host, name).await,
        Probe::Tcp { .. } | Probe::Http(_) | Probe::Dns(_) | Probe::Command(_) => {
            let addresses = addresses(host, name).await;
            prober::ask(probe, About { replica, vm, addresses: &addresses }).await
        }
    }
}

async fn guest(host: &Host, name: &str) -> Result<(), NotSo> {
    match super::sight::machine(host, name).await {
        Ok(Some(machine)) if machine.run != Run::On => return Err(NotSo::Off),
        // Nobody in there can be asked; that it runs is all that can be known. Documents that want more name a port.
        Ok(Some(machine)) if !machine.has_agent() => return Ok(()),
        Ok(Some(_)) => {}
        Ok(None) | Err(_) => return Err(NotSo::Unseen),
    }
    let command =
        ["qemu-agent-command", "--domain", name, "--timeout", "5", "--cmd", "{\"execute\":\"guest-ping\"}"];
    host.ask(&command).await.map(drop).map_err(|_| NotSo::Silent)
}

/// The addresses of a guest: as its networks' leases say, or its agent, or what the host has heard on its networks.
async fn addresses(host: &Host, name: &str) -> Vec<IpAddr> {
    // An agent tells of all that is inside of its guest, such as bridges of containers, whose addresses are others' as well.
    let cards = host.ask(&["domiflist", "--domain", name]).await.unwrap_or_default();
    let own = |line: &&str| {
        let card = line.split_whitespace().nth(1);
        card.is_some_and(|card| cards.split_whitespace().any(|word| word.eq_ignore_ascii_case(card)))
    };
    for source in ["lease", "agent", "arp"] {
        let command = ["domifaddr", "--domain", name, "--full", "--source", source];
        let text = host.ask(&command).await.unwrap_or_default();
        let found: Vec<IpAddr> = text.lines().filter(own).filter_map(address).collect();
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

/// The address in a line of `virsh domifaddr`: ` vnet0  52:54:00:10:00:01  ipv4  10.20.0.11/24`.
fn address(line: &str) -> Option<IpAddr> {
    let address: IpAddr = line.split_whitespace().last()?.split('/').next()?.parse().ok()?;
    (!address.is_loopback()).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn an_address_is_read_from_its_line() {
        let line = " vnet0      52:54:00:10:00:01    ipv4         10.20.0.11/24";
        assert_eq!(address(line), "10.20.0.11".parse().ok());
        assert_eq!(address(" lo         00:00:00:00:00:00    ipv4         127.0.0.1/8"), None);
        assert_eq!(address(" -          -                    N/A          N/A"), None);
    }
}
