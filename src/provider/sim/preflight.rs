//! What would stand in the way in the simulated world: machines at the addresses that others shall get.

use super::world::World;
use crate::base::{NetworkName, ReplicaName};
use crate::domain::{Action, Link, Power, Role, VmRef};
use crate::port::{Errand, Hitch, Obstacle, Scope};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// A machine that shall have an address, and of which replica.
struct Claim<'a> {
    errand: &'a Errand,
    vm: &'a VmRef,
}

/// Looks at all machines that run, where any address is wanted.
pub fn preflight(world: &World, scope: &Scope) -> Vec<Hitch> {
    let mut claims: BTreeMap<(NetworkName, IpAddr), Vec<Claim<'_>>> = BTreeMap::new();
    let mut stopped: BTreeSet<&VmRef> = BTreeSet::new();
    for errand in &scope.errands {
        let placement = &errand.subject.placement;
        if errand.fenced {
            stopped.insert(&placement.source);
        }
        for action in &errand.actions {
            if let Action::PowerOff { vm } | Action::ShutDown { vm, .. } = action {
                stopped.extend(placement.named(*vm));
            }
        }
        for (vm, links) in wanted(world, errand) {
            for link in links {
                if let Some(address) = link.address {
                    claims.entry((link.network, address)).or_default().push(Claim { errand, vm });
                }
            }
        }
    }
    if claims.is_empty() {
        return Vec::new();
    }
    let mut hitches = Vec::new();
    for vm in world.all().into_iter().filter(|vm| !stopped.contains(vm)) {
        // A site that does not answer may run its machines all the same.
        let truth = world.truth(&vm);
        let Some(machine) = truth.facts().filter(|m| m.power == Power::On) else { continue };
        for link in &machine.links {
            let Some(address) = link.address else { continue };
            let spot = (link.network.clone(), address);
            let claimed = claims.get(&spot).into_iter().flatten();
            hitches.extend(claimed.filter_map(|claim| hitch(claim, &vm, &spot)));
        }
    }
    hitches.sort_by(|a, b| (&a.site, &a.replica).cmp(&(&b.site, &b.replica)));
    hitches
}

/// The machines that an errand starts, with the network cards that they have then.
fn wanted<'a>(world: &World, errand: &'a Errand) -> Vec<(&'a VmRef, Vec<Link>)> {
    let placement = &errand.subject.placement;
    let mut found = Vec::new();
    let mut connected: Option<&Vec<Link>> = None;
    for action in &errand.actions {
        match action {
            Action::Connect { links } => connected = Some(links),
            Action::PowerOn { vm } => {
                // The copy of a drill is on networks apart.
                let Some(named) = placement.named(*vm) else { continue };
                let links = match (vm, connected) {
                    (Role::Replica, Some(links)) => links.clone(),
                    (Role::Replica | Role::Source | Role::Target | Role::Copy, _) => {
                        let truth = world.truth(named);
                        truth.facts().map(|f| f.links.clone()).unwrap_or_default()
                    }
                };
                found.push((named, links));
            }
            _ => {}
        }
    }
    found
}

/// A machine in the way of a claim. Networks of one name are one network for the machines of a replica, and for others at one site.
fn hitch(claim: &Claim<'_>, by: &VmRef, (network, address): &(NetworkName, IpAddr)) -> Option<Hitch> {
    let Claim { errand, vm } = claim;
    let placement = &errand.subject.placement;
    let own = *by == placement.source || placement.target.as_ref() == Some(by) || *by == placement.replica;
    if by == *vm || !(own || by.site == vm.site) {
        return None;
    }
    let what = Obstacle::Answers {
        vm: (*vm).clone(),
        address: *address,
        network: Some(network.clone()),
        by: Some(by.clone()),
    };
    let replica: ReplicaName = errand.subject.replica.clone();
    let fatal = !(own && placement.both_may_run);
    Some(Hitch { site: vm.site.clone(), replica: Some(replica), what, fatal, mend: None })
}
