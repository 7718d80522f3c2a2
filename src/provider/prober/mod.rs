//! Questions that are asked from where Lifeboat runs: to ports, web servers and name servers, and by commands. Providers share them; what only a
//! provider can ask, its guests' agents, it asks itself.

mod command;
mod dns;
mod http;
mod tcp;
mod tls;

use crate::base::ReplicaName;
use crate::domain::{NotSo, Probe, VmRef};
use std::net::IpAddr;
use std::time::Duration;

/// How long a port may take to be connected to, and a name server to answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a web server may take for its whole answer.
const EXCHANGE: Duration = Duration::from_secs(5);

/// What a question is about.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// The replica.
    pub replica: &'a ReplicaName,
    /// Its machine.
    pub vm: &'a VmRef,
    /// The addresses of that machine.
    pub addresses: &'a [IpAddr],
}

/// Asks a question that can be asked from here.
///
/// # Errors
/// Why it is not answered as it should be.
pub async fn ask(probe: &Probe, about: About<'_>) -> Result<(), NotSo> {
    match probe {
        // Nobody hears a guest from here.
        Probe::Guest => Err(NotSo::Silent),
        Probe::Tcp { port } => tcp::ask(*port, about.addresses).await,
        Probe::Http(http) => http::ask(http, about.addresses).await,
        Probe::Dns(dns) => dns::ask(dns, about.addresses).await,
        Probe::Command(command) => command::ask(command, about).await,
    }
}

/// Whether one of some addresses answers as it should; otherwise what is wrong with the last one.
async fn any<F: Future<Output = Result<(), NotSo>>>(
    addresses: &[IpAddr],
    one: impl Fn(IpAddr) -> F,
) -> Result<(), NotSo> {
    let mut wrong = NotSo::NoAddress;
    for address in addresses {
        match one(*address).await {
            Ok(()) => return Ok(()),
            Err(why) => wrong = why,
        }
    }
    Err(wrong)
}
