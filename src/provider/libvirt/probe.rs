//! Questions to guests: to the agent through libvirt, to a port from where Lifeboat runs.

use super::host::Host;
use super::machine::Run;
use crate::domain::Probe;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;

/// How long a port may take to answer.
const CONNECT: Duration = Duration::from_secs(3);

/// Whether a guest answers; `false` also where it cannot be asked.
pub async fn answers(host: &Host, name: &str, probe: &Probe) -> bool {
    match probe {
        Probe::Guest => {
            match super::sight::machine(host, name).await {
                // Nobody in there can be asked; that it runs is all that can be known. Documents that want more name a port.
                Ok(Some(machine)) if !machine.has_agent() => return machine.run == Run::On,
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return false,
            }
            let command = [
                "qemu-agent-command",
                "--domain",
                name,
                "--timeout",
                "5",
                "--cmd",
                "{\"execute\":\"guest-ping\"}",
            ];
            host.ask(&command).await.is_ok()
        }
        Probe::Tcp { port } => {
            for address in addresses(host, name).await {
                let connect = TcpStream::connect(SocketAddr::new(address, *port));
                if matches!(tokio::time::timeout(CONNECT, connect).await, Ok(Ok(_))) {
                    return true;
                }
            }
            false
        }
    }
}

/// The addresses of a guest: as its networks' leases say, or its agent, or what the host has heard on its networks.
async fn addresses(host: &Host, name: &str) -> Vec<IpAddr> {
    for source in ["lease", "agent", "arp"] {
        let text = host.ask(&["domifaddr", "--domain", name, "--source", source]).await.unwrap_or_default();
        let found: Vec<IpAddr> = text.lines().filter_map(address).collect();
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
