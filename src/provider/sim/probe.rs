//! Questions to simulated guests: they answer as the world was set up.

use super::machine::Machine;
use super::world::World;
use crate::domain::{DnsProbe, HttpProbe, Method, NotSo, Power, Probe, Saying, VmRef};
use crate::port::{FaultSpec, SimPage, copy_of};
use regex::bytes::Regex;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The port of name servers.
const NAMES: u16 = 53;

/// What is known of a machine that is asked.
pub struct Reply {
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// What it answers; nothing where the runner's own command must say.
    pub answer: Option<Result<(), NotSo>>,
}

/// Asks a machine.
pub fn ask(world: &World, vm: &VmRef, probe: &Probe) -> Reply {
    let machine = world.machine(vm);
    let addresses = machine.iter().flat_map(|m| &m.links).filter_map(|link| link.address).collect();
    // A guest that does not get ready does not get ready as a copy either.
    let hit = |faulty: &VmRef| *vm == *faulty || *vm == copy_of(faulty);
    let never = |f: &super::world::Fault| matches!(&f.spec, FaultSpec::NeverReady { site, vm: name } if hit(&VmRef { site: site.clone(), vm: name.clone() }));
    let answer = if world.silent(&vm.site).is_some() {
        Some(Err(NotSo::Unseen))
    } else if world.faults.iter().any(never) {
        Some(Err(NotSo::Silent))
    } else {
        match probe {
            Probe::Command(_) => None,
            Probe::Dns(DnsProbe { server: Some(server), .. }) => {
                let named = world.serving(*server);
                Some(named.map_or(Err(NotSo::NoAnswer), |(_, named)| answered(&named, world, probe)))
            }
            Probe::Guest | Probe::Tcp { .. } | Probe::Http(_) | Probe::Dns(_) => {
                Some(machine.map_or(Err(NotSo::Unseen), |machine| answered(&machine, world, probe)))
            }
        }
    };
    Reply { addresses, answer }
}

fn answered(machine: &Machine, world: &World, probe: &Probe) -> Result<(), NotSo> {
    let up = machine.running.map(|(since, _)| since.after(machine.spec.boot));
    let Some(up) = up else { return Err(NotSo::Off) };
    let booted = machine.booted(world.now);
    match probe {
        // Commands are no questions to the guest.
        Probe::Guest | Probe::Command(_) => {
            if booted {
                Ok(())
            } else {
                Err(NotSo::Silent)
            }
        }
        Probe::Tcp { .. } | Probe::Http(_) | Probe::Dns(_) if !booted => Err(NotSo::NoAnswer),
        Probe::Tcp { port } if listens(machine, *port) => Ok(()),
        Probe::Http(http) if listens(machine, http.port) => {
            let late = |page: &SimPage| world.now < up.after(page.late);
            web(machine, http, late)
        }
        Probe::Dns(dns) if listens(machine, dns.port) => names(machine, dns),
        Probe::Tcp { .. } | Probe::Http(_) | Probe::Dns(_) => {
            Err(NotSo::Unconnected { why: "connection refused".to_owned() })
        }
    }
}

/// Whether somebody listens at a port: one that is named, one with pages, or the name server's.
fn listens(machine: &Machine, port: u16) -> bool {
    let spec = &machine.spec;
    spec.ports.contains(&port)
        || spec.http.iter().any(|page| page.port == port)
        || port == NAMES && !spec.names.is_empty()
}

fn web(machine: &Machine, http: &HttpProbe, late: impl Fn(&SimPage) -> bool) -> Result<(), NotSo> {
    let mut pages = machine.spec.http.iter().filter(|page| page.port == http.port).peekable();
    // A web server without pages is content with whatever it is asked for.
    let content = pages.peek().is_none();
    let page = pages.find(|page| page.path == http.path);
    let status = match page {
        None if content => 200,
        None => 404,
        Some(page) if late(page) => 503,
        Some(page) => page.status,
    };
    let page = page.filter(|page| !late(page));
    if !http.status.map_or((200..300).contains(&status), |wanted| wanted == status) {
        return Err(NotSo::Status { is: status });
    }
    if let Some(wanted) = &http.header {
        let sent = page.and_then(|p| p.header.as_ref()).filter(|h| h.name.eq_ignore_ascii_case(&wanted.name));
        let is = sent.and_then(|header| header.is.clone());
        if sent.is_none() || wanted.is.is_some() && wanted.is != is {
            return Err(NotSo::Header { is });
        }
    }
    let body = match http.method {
        Method::Get => page.map_or("", |p| p.body.as_str()),
        Method::Head => "",
    };
    let says = match &http.body {
        None => true,
        Some(Saying::Contains(text)) => body.contains(text.as_str()),
        Some(Saying::Matches(pattern)) => {
            let pattern = Regex::new(pattern).map_err(|why| NotSo::CannotAsk { why: why.to_string() })?;
            pattern.is_match(body.as_bytes())
        }
    };
    if says { Ok(()) } else { Err(NotSo::Body) }
}

fn names(machine: &Machine, dns: &DnsProbe) -> Result<(), NotSo> {
    let bare = |text: &str| text.trim_end_matches('.').to_ascii_lowercase();
    let mut known =
        machine.spec.names.iter().filter(|record| bare(&record.name) == bare(&dns.name)).peekable();
    if known.peek().is_none() {
        return Err(NotSo::Refused { code: "NXDOMAIN".to_owned() });
    }
    let found: Vec<String> =
        known.filter(|record| record.kind == dns.kind).flat_map(|r| r.is.clone()).collect();
    let there = |wanted: &String| found.iter().any(|is| bare(is) == bare(wanted));
    if !found.is_empty() && dns.expect.iter().all(there) {
        Ok(())
    } else {
        Err(NotSo::Records { are: found })
    }
}

impl World {
    /// The machine that runs and has an address.
    pub(super) fn serving(&self, address: IpAddr) -> Option<(VmRef, Machine)> {
        let has = |vm: &VmRef| {
            let sight = self.sight(vm);
            let facts = sight.facts()?;
            let here = facts.power == Power::On && facts.links.iter().any(|l| l.address == Some(address));
            let machine = here.then(|| self.machine(vm)).flatten()?;
            Some((vm.clone(), machine))
        };
        self.spots().get(&address)?.iter().find_map(has)
    }

    /// All machines that documents name, and those that were made since.
    pub(super) fn all(&self) -> BTreeSet<VmRef> {
        let replicas = self.setup.replicas.values().flat_map(|r| [r.source.clone(), r.replica.clone()]);
        replicas.chain(self.listed()).chain(self.made().cloned()).collect()
    }

    /// The machines that the sites list.
    fn listed(&self) -> impl Iterator<Item = VmRef> {
        let of = |(site, spec): (&crate::base::SiteName, &crate::port::SimulatorSpec)| {
            let vm = |(vm, _): &(crate::base::VmName, _)| VmRef { site: site.clone(), vm: vm.clone() };
            spec.vms.iter().map(vm).collect::<Vec<_>>()
        };
        self.setup.sites.iter().flat_map(of)
    }
}
