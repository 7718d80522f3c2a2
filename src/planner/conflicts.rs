//! Two machines at one address: found before anything is done, among those that a plan starts, and between them and those that run already.
//!
//! One machine of a replica and another one of the same replica are the matter of another rule, that both never serve on one network.

use super::Traveller;
use super::case::Case;
use super::itinerary::LegDraft;
use crate::base::{NetworkName, ReplicaName, SiteName};
use crate::domain::{Action, Facts, Link, Power, Role, Sight, VmRef, effect};
use crate::inventory::Inventory;
use crate::model::Workspace;
use crate::plan::{Refused, RefusedWhy};
use crate::port::Placement;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What a replica's way starts and stops.
#[derive(Debug, Clone, Default)]
pub struct Serving {
    /// The machines that it starts, with their network cards as they are then.
    pub starts: Vec<(VmRef, Vec<Link>)>,
    /// The machines that it stops.
    pub stops: Vec<VmRef>,
}

impl Serving {
    /// Of the legs of an itinerary.
    pub fn of(case: &Case<'_>, placement: &Placement, legs: &[LegDraft]) -> Self {
        let mut found = Self::default();
        let Some(facts) = case.facts() else { return found };
        let mut facts: Facts = facts.clone();
        for action in legs.iter().flat_map(|leg| &leg.actions) {
            facts = effect(action, facts, case.inventory.at);
            match action {
                Action::PowerOn { vm } => {
                    let links = facts.vm(*vm).facts().map(|f| f.links.clone()).unwrap_or_default();
                    let vm = placement.vm(*vm).into_owned();
                    found.stops.retain(|stopped| *stopped != vm);
                    found.starts.push((vm, links));
                }
                Action::PowerOff { vm } | Action::ShutDown { vm, .. } => {
                    let vm = placement.vm(*vm).into_owned();
                    found.starts.retain(|(started, _)| *started != vm);
                    found.stops.push(vm);
                }
                _ => {}
            }
        }
        found
    }
}

/// An address of a network of a site.
type Spot<'a> = (&'a SiteName, &'a NetworkName, IpAddr);

fn spots<'a>(vm: &'a VmRef, links: &'a [Link]) -> impl Iterator<Item = Spot<'a>> {
    links.iter().filter_map(|link| Some((&vm.site, &link.network, link.address?)))
}

/// The replicas of a plan whose machine would get an address that another one has, or gets as well.
pub fn find(travellers: &[Traveller<'_>], workspace: &Workspace, inventory: &Inventory) -> Vec<Refused> {
    let starts =
        |t: &'_ Traveller<'_>| t.itinerary.serving.starts.iter().any(|(vm, l)| spots(vm, l).next().is_some());
    if !travellers.iter().any(starts) {
        return Vec::new();
    }
    let stopped: BTreeSet<&VmRef> = travellers.iter().flat_map(|t| &t.itinerary.serving.stops).collect();
    let taken = taken(workspace, inventory, &stopped);
    let mut refused = Vec::new();
    let mut claimed: BTreeMap<Spot<'_>, &ReplicaName> = BTreeMap::new();
    for traveller in travellers {
        let own = &traveller.case.replica.name;
        let mut whys = Vec::new();
        for (vm, links) in &traveller.itinerary.serving.starts {
            for spot in spots(vm, links) {
                let (_, network, address) = spot;
                let network = network.clone();
                if let Some(other) = claimed.get(&spot).filter(|other| **other != own) {
                    whys.push(RefusedWhy::AddressShared { network, address, with: (*other).clone() });
                } else if let Some((by, of)) = taken.get(&spot).filter(|(_, of)| *of != own) {
                    let (by, of) = (by.clone(), (*of).clone());
                    whys.push(RefusedWhy::AddressTaken { network, address, by, of });
                }
                claimed.entry(spot).or_insert(own);
            }
        }
        // A machine with several cards in the way is refused once.
        refused.extend(whys.into_iter().next().map(|why| traveller.case.refused(why)).map(|r| *r));
    }
    refused
}

/// The addresses of the machines that run now, and that the plan does not stop.
fn taken<'a>(
    workspace: &'a Workspace,
    inventory: &'a Inventory,
    stopped: &BTreeSet<&VmRef>,
) -> BTreeMap<Spot<'a>, (VmRef, &'a ReplicaName)> {
    let mut taken = BTreeMap::new();
    for (name, observed) in &inventory.replicas {
        let (Some(facts), Some(replica)) = (&observed.facts, workspace.replicas.get(name)) else { continue };
        let target = facts.relation.failback.as_ref().and_then(|f| f.target.other());
        let machines = [
            (Some(&facts.relation.source), facts.vm(Role::Source)),
            (Some(&replica.replica), facts.vm(Role::Replica)),
            (target, facts.vm(Role::Target)),
        ];
        for (vm, sight) in machines {
            let (Some(vm), Sight::Present(seen)) = (vm, sight) else { continue };
            if seen.power == Power::On && !stopped.contains(vm) {
                for spot in spots(vm, &seen.links) {
                    taken.entry(spot).or_insert((vm.clone(), name));
                }
            }
        }
    }
    taken
}
