//! Questions that are asked from where Lifeboat runs: to ports, web servers and name servers, and by commands. Providers share them; what only a
//! provider can ask, its guests' agents, it asks itself.

mod command;
mod dns;
mod http;
mod tcp;
mod tls;

pub use tcp::{Presence, connected, presence};

use crate::base::ReplicaName;
use crate::domain::{NotSo, Probe, VmRef};
use std::future::poll_fn;
use std::net::IpAddr;
use std::task::Poll;
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

/// Whether one of some addresses answers as it should, all asked side by side: one that is dead does not take the others' time. Otherwise what
/// was wrong with the one that took longest.
async fn any<F: Future<Output = Result<(), NotSo>>>(
    addresses: &[IpAddr],
    one: impl Fn(IpAddr) -> F,
) -> Result<(), NotSo> {
    let mut open: Vec<_> = addresses.iter().map(|address| Some(Box::pin(one(*address)))).collect();
    let mut wrong = NotSo::NoAddress;
    poll_fn(|context| {
        for slot in &mut open {
            match slot.as_mut().map(|asked| asked.as_mut().poll(context)) {
                Some(Poll::Ready(Ok(()))) => return Poll::Ready(Ok(())),
                Some(Poll::Ready(Err(why))) => (wrong, *slot) = (why, None),
                Some(Poll::Pending) | None => {}
            }
        }
        if open.iter().any(Option::is_some) { Poll::Pending } else { Poll::Ready(Err(wrong.clone())) }
    })
    .await
}
