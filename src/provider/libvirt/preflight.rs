//! The preflight: what would stand in the way of a plan, asked before anything is done. All sites are asked at once, then all replicas at
//! once, within what each host may be asked at a time.

use super::case::Hosts;
use super::preflight_machine::{Found, LEAST, Needs, Views, look, needs};
use super::preflight_site::{View, Wanted, hitch, view};
use crate::base::SiteName;
use crate::domain::{Action, Role};
use crate::port::{Clock, Errand, Expected, Hitch, Obstacle, Room, Scope};
use crate::provider::prober::{self, Presence};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::task::JoinSet;

/// Asks the sites what would stand in the way.
pub async fn preflight(hosts: &Arc<Hosts>, clock: &Arc<dyn Clock>, scope: &Scope) -> Vec<Hitch> {
    let mut views = Views::new();
    let mut asked = JoinSet::new();
    for (site, wanted) in wanted(scope) {
        let (hosts, clock) = (Arc::clone(hosts), Arc::clone(clock));
        asked.spawn(async move {
            let seen = match hosts.get(&site) {
                Some(host) => view(host, wanted, &*clock).await,
                None => View::default(),
            };
            (site, seen)
        });
    }
    while let Some(done) = asked.join_next().await {
        views.extend(done.ok());
    }
    let views = Arc::new(views);
    let mut looks = JoinSet::new();
    for errand in &scope.errands {
        let (hosts, views, errand) = (Arc::clone(hosts), Arc::clone(&views), errand.clone());
        looks.spawn(async move { look(&hosts, &errand, &views).await });
    }
    let mut hitches: Vec<Hitch> = views.values().flat_map(|v| v.hitches.iter().cloned()).collect();
    let mut grows = Vec::new();
    while let Some(done) = looks.join_next().await {
        let Found { hitches: found, grows: more } = done.unwrap_or_default();
        hitches.extend(found);
        grows.extend(more);
    }
    hitches.extend(room(hosts, &views, &grows));
    hitches.extend(taken(scope).await);
    once_silent(hitches)
}

/// What is wanted of each site that shall be asked.
fn wanted(scope: &Scope) -> BTreeMap<SiteName, Wanted> {
    let mut wanted: BTreeMap<SiteName, Wanted> =
        scope.sites.iter().map(|site| (site.clone(), Wanted::default())).collect();
    for errand in &scope.errands {
        let Needs { reads, writes, starts, links: _, apart: _ } = needs(&errand.actions);
        let site = |role: &Role| errand.subject.placement.vm(*role).site.clone();
        let mut note = |roles: &BTreeSet<Role>, of: fn(&mut Wanted) -> &mut bool| {
            for role in roles {
                *of(wanted.entry(site(role)).or_default()) = true;
            }
        };
        note(&reads, |w| &mut w.reads);
        // One that is off is put on to be read.
        note(&reads, |w| &mut w.starts);
        note(&writes, |w| &mut w.writes);
        note(&starts, |w| &mut w.starts);
    }
    wanted.retain(|site, _| !scope.silent.contains(site));
    wanted
}

/// So many addresses are tried at once.
const AT_ONCE: usize = 64;

/// The addresses that are asked for: where a replica is started, and neither it nor a source at the same address is stopped before.
fn expected(scope: &Scope) -> Vec<(&Errand, Expected)> {
    let powers_on = |e: &&Errand| !e.fenced && e.actions.contains(&Action::PowerOn { vm: Role::Replica });
    let stops = |e: &Errand, role: Role| {
        let stops =
            |a: &Action| matches!(a, Action::PowerOff { vm } | Action::ShutDown { vm, .. } if *vm == role);
        e.actions.iter().any(stops)
    };
    let each = scope.errands.iter().filter(powers_on).filter(|e| !stops(e, Role::Replica));
    let each = each.flat_map(|e| e.expects.iter().map(move |expected| (e, *expected)));
    each.filter(|(e, expected)| !(expected.kept && stops(e, Role::Source))).collect()
}

/// Whether what was heard refuses the plan: only where it may be the source itself, which runs on at an address that it shares with its replica. A
/// connection that is turned away may be a firewall's word, and an address that only a name tells may be a load balancer's.
fn is_fatal(errand: &Errand, expected: Expected, presence: Presence) -> bool {
    presence == Presence::There && expected.kept && !errand.subject.placement.both_may_run
}

/// Whether somebody is at an address that a replica's machine is to have, asked from here.
async fn taken(scope: &Scope) -> Vec<Hitch> {
    let wanted = expected(scope);
    let mut hitches = Vec::new();
    for some in wanted.chunks(AT_ONCE) {
        let mut tries = JoinSet::new();
        for (position, (_, Expected { address, .. })) in some.iter().enumerate() {
            let address = *address;
            tries.spawn(async move { (position, prober::presence(address).await) });
        }
        while let Some(heard) = tries.join_next().await {
            let Ok((position, presence)) = heard else { continue };
            let Some((errand, at)) = some.get(position).filter(|_| presence != Presence::Nobody) else {
                continue;
            };
            let placement = &errand.subject.placement;
            let (vm, address) = (placement.replica.clone(), at.address);
            hitches.push(Hitch {
                site: vm.site.clone(),
                replica: Some(errand.subject.replica.clone()),
                what: Obstacle::Answers { vm, address, network: None, by: None },
                fatal: is_fatal(errand, *at, presence),
                mend: None,
            });
        }
    }
    hitches
}

/// Whether there is room for what grows in the folders of the sites: all of a first copy, and a tenth of the others.
fn room(hosts: &Hosts, views: &Views, grows: &[(SiteName, Room, u64)]) -> Vec<Hitch> {
    let one = |(site, view): (&SiteName, &View)| {
        let (host, mount) = (hosts.get(site)?, view.mount.as_ref()?);
        let sum = |of: Room| -> Option<u64> {
            let mut of = grows.iter().filter(|g| g.0 == *site && g.1 == of).peekable();
            of.peek()?;
            Some(of.map(|g| g.2).fold(0, u64::saturating_add))
        };
        let (first, changes, scratch) = (sum(Room::FirstCopies), sum(Room::Changes), sum(Room::Scratch));
        let tenth = |held: Option<u64>| held.unwrap_or(0) / 10;
        let copies = first.unwrap_or(0);
        let wanted = copies.saturating_add(LEAST.max(tenth(changes).saturating_add(tenth(scratch))));
        let what = match (first, changes, scratch) {
            (Some(_), _, _) => Room::FirstCopies,
            (None, None, Some(_)) => Room::Scratch,
            (None, _, _) => Room::Changes,
        };
        if mount.free >= wanted {
            return None;
        }
        let path = host.spec.folder.clone();
        let look = host.typed(&["df", "-h", &mount.at]);
        let fatal = mount.free < copies;
        let wanted = if fatal { copies } else { wanted };
        Some(hitch(host, Obstacle::Space { path, free: mount.free, wanted, what }, fatal, Some(look)))
    };
    views.iter().filter_map(one).collect()
}

/// A site that fell silent is said once, whatever it was asked.
fn once_silent(hitches: Vec<Hitch>) -> Vec<Hitch> {
    let mut silent = BTreeSet::new();
    let told = |h: &Hitch| !matches!(h.what, Obstacle::Silent { .. }) || silent.insert(h.site.clone());
    let mut kept: Vec<Hitch> = hitches.into_iter().filter(told).collect();
    kept.sort_by_key(|h| (h.site.clone(), h.replica.clone()));
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::VmRef;
    use crate::port::{Placement, Subject};

    fn errand(kept: bool, actions: &[Action]) -> Errand {
        let vm = |site: &str, name: &str| VmRef { site: site.parse().unwrap(), vm: name.parse().unwrap() };
        let (source, replica) = (vm("prod", "web"), vm("dr", "web"));
        let placement = Placement { source, replica, target: None, both_may_run: false };
        let mut actions = actions.to_vec();
        actions.push(Action::PowerOn { vm: Role::Replica });
        let expects = vec![Expected { address: [10, 2, 0, 8].into(), kept }];
        let subject = Subject { replica: "web".parse().unwrap(), placement };
        Errand { subject, actions, expects, fenced: false }
    }

    /// Which addresses are asked for, and what refuses a plan: a source that may run on where its replica is to be found.
    #[test]
    fn only_a_source_that_runs_on_at_the_address_of_its_replica_refuses_a_plan() {
        let off = |vm| Action::PowerOff { vm };
        let (source, replica) = ([off(Role::Source)], [off(Role::Replica)]);
        for (kept, actions, asked, fatal) in [
            (true, &[][..], true, true),
            (false, &[], true, false),
            (true, &source, false, true),
            (false, &source, true, false),
            (true, &replica, false, true),
            (false, &replica, false, false),
        ] {
            let scope = Scope { errands: vec![errand(kept, actions)], ..Scope::default() };
            assert_eq!(!expected(&scope).is_empty(), asked, "{kept} {actions:?}");
            let [errand] = &scope.errands[..] else { panic!("one errand") };
            let at = errand.expects[0];
            assert_eq!(is_fatal(errand, at, Presence::There), fatal, "{kept} {actions:?}");
            assert!(!is_fatal(errand, at, Presence::TurnedAway));
            let mut both = errand.clone();
            both.subject.placement.both_may_run = true;
            assert!(!is_fatal(&both, at, Presence::There));
        }
    }
}
