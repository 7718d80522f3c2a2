//! Which machines become documents, which wait for a person's word, and which are left out.

use super::Import;
use super::yaml::said;
use crate::base::{ReplicaName, SiteName, VmName};
use crate::model::Workspace;
use crate::port::{Attached, NetworkKind, SurveyedReplica, SurveyedSite, SurveyedVm};
use std::collections::BTreeSet;

/// A replica to be written.
#[derive(Debug)]
pub struct Draft {
    /// The document's name.
    pub name: String,
    /// What it is about, for a comment.
    pub about: String,
    /// Why it stands there as a comment alone.
    pub aside: Option<String>,
    /// The source's site and machine.
    pub source: (SiteName, String),
    /// The replica's site, and its machine; or why no name for it is known.
    pub replica: (SiteName, Result<String, String>),
    /// The networks: from, to; or what to decide.
    pub networks: Vec<(String, Result<String, String>)>,
    /// How many restore points there are, where that is known.
    pub points: usize,
    /// Whether the guest has an agent.
    pub agent: bool,
}

/// What an import found.
#[derive(Debug, Default)]
pub struct Gathered {
    /// The replicas.
    pub drafts: Vec<Draft>,
    /// Sites that replicas name and that nobody asked.
    pub absent: BTreeSet<SiteName>,
    /// What has no document, with the reason.
    pub left_out: Vec<String>,
}

/// The record that stands beside a replica.
struct Recorded<'a> {
    site: &'a SurveyedSite,
    vm: &'a SurveyedVm,
    record: &'a SurveyedReplica,
}

struct Gatherer<'a> {
    import: &'a Import<'a>,
    records: Vec<Recorded<'a>>,
    names: BTreeSet<String>,
    replicas: BTreeSet<(SiteName, String)>,
    found: Gathered,
}

/// Goes over all machines.
pub fn gather(import: &Import<'_>) -> Gathered {
    let read = |site| move |vm| Some(Recorded { site, vm, record: vm.replica.as_ref()?.as_ref().ok()? });
    let records: Vec<Recorded<'_>> =
        import.sites.iter().flat_map(|site| site.has.machines.iter().filter_map(read(site))).collect();
    let replicas = import.workspace.into_iter().flat_map(|w| w.replicas.values());
    let names =
        replicas.clone().map(|r| r.name.to_string()).chain(records.iter().map(|r| r.record.name.to_string()));
    let mut gatherer = Gatherer {
        import,
        names: names.collect(),
        replicas: replicas.map(|r| (r.replica.site.clone(), r.replica.vm.to_string())).collect(),
        found: Gathered::default(),
        records: Vec::new(),
    };
    gatherer.restored(&records);
    gatherer.records = records;
    for site in import.sites {
        gatherer.site(site);
    }
    gatherer.found
}

impl<'a> Gatherer<'a> {
    /// Replicas that are there already.
    fn restored(&mut self, records: &[Recorded<'a>]) {
        let mut seen: BTreeSet<&ReplicaName> = BTreeSet::new();
        for Recorded { site, vm, record } in records {
            if self.declared(&record.name) {
                continue;
            }
            let place = format!("{}/{}", site.name, said(&vm.name));
            if self.documented(&site.name, &vm.name) || !seen.insert(&record.name) {
                let other = "and another machine is called so: look which one it is";
                self.leave(format!("{place} says that it is the replica {}, {other}", record.name));
                continue;
            }
            let source = self.import.sites.iter().find(|s| s.name == record.source.site);
            if source.is_none() {
                self.need(&record.source.site);
            }
            let machine =
                source.and_then(|s| s.has.machines.iter().find(|m| m.name == record.source.vm.as_str()));
            let gone = if source.is_some() && machine.is_none() { "; its source is not there" } else { "" };
            let networks = machine.map_or(record.networks.as_slice(), |m| m.networks.as_slice());
            let networks =
                networks.iter().map(|n| (n.network.clone(), self.mapping(source, site, n, &record.mapped)));
            let draft = Draft {
                name: record.name.to_string(),
                about: format!("from the record beside {place}{gone}"),
                aside: None,
                source: (record.source.site.clone(), record.source.vm.to_string()),
                replica: (site.name.clone(), Ok(vm.name.clone())),
                networks: networks.collect(),
                points: record.points,
                agent: vm.agent,
            };
            self.found.drafts.push(draft);
        }
    }

    /// The machines of a site.
    fn site(&mut self, site: &'a SurveyedSite) {
        let mut own = Vec::new();
        for vm in &site.has.machines {
            let place = format!("{}/{}", site.name, said(&vm.name));
            if let Some(Err(why)) = &vm.replica {
                let help = "`lifeboat status NAME --rebuild` shows what it would be";
                self.leave(format!("{place} is a replica that cannot be told: {}; {help}", said(why)));
            } else if vm.replica.is_some()
                || self.documented(&site.name, &vm.name)
                || self.is_source(site, vm)
            {
                continue;
            } else if site.name == self.import.recovery {
                own.push(said(&vm.name));
            } else if let Some(why) = &vm.unfit {
                self.leave(format!("{place} is left out: {}", said(why)));
            } else if let Err(why) = VmName::new(&vm.name) {
                self.leave(format!("{place} is left out: documents cannot name it, {why}"));
            } else {
                self.machine(site, vm);
            }
        }
        if !own.is_empty() {
            let names = own.join(", ");
            self.leave(format!("machines of {} itself are not replicated anywhere: {names}", site.name));
        }
    }

    fn machine(&mut self, site: &'a SurveyedSite, vm: &'a SurveyedVm) {
        let to = self.import.recovery.clone();
        self.need(&to);
        let aside = self.stray(vm).or_else(|| self.twin(vm)).or_else(|| {
            let off = "it is off: a failover would start it at the recovery site";
            (!vm.on).then(|| off.to_owned())
        });
        let there = self.recovery().cloned();
        let mapping = |n: &Attached| {
            let to = match &there {
                Some(there) => self.mapping(Some(site), there, n, &[]),
                None => Err("a network there".to_owned()),
            };
            (n.network.clone(), to)
        };
        let networks = vm.networks.iter().map(mapping).collect();
        let draft = Draft {
            name: self.fresh(&vm.name),
            about: about(site, vm),
            aside,
            source: (site.name.clone(), vm.name.clone()),
            replica: (to, self.twin_name(&vm.name)),
            networks,
            points: 0,
            agent: vm.agent,
        };
        self.found.drafts.push(draft);
    }

    fn leave(&mut self, why: String) {
        self.found.left_out.push(why);
    }

    /// A document will name this site.
    fn need(&mut self, site: &SiteName) {
        let asked = self.import.sites.iter().any(|s| s.name == *site);
        let declared = self.import.workspace.is_some_and(|w| w.sites.contains_key(site));
        if !asked && !declared {
            self.found.absent.insert(site.clone());
        }
    }

    fn recovery(&self) -> Option<&'a SurveyedSite> {
        self.import.sites.iter().find(|s| s.name == self.import.recovery)
    }

    fn declared(&self, name: &ReplicaName) -> bool {
        self.import.workspace.is_some_and(|w| w.replicas.contains_key(name))
    }

    /// Whether a document names the machine.
    fn documented(&self, site: &SiteName, vm: &str) -> bool {
        let names = |w: &Workspace| {
            let machines = w.replicas.values().flat_map(|r| [&r.source, &r.replica]);
            machines.into_iter().any(|m| m.site == *site && m.vm.as_str() == vm)
        };
        self.import.workspace.is_some_and(names)
    }

    fn is_source(&self, site: &SurveyedSite, vm: &SurveyedVm) -> bool {
        let of =
            |r: &Recorded<'_>| r.record.source.site == site.name && r.record.source.vm.as_str() == vm.name;
        self.records.iter().any(of)
    }

    /// A replica whose source may be this machine, under another name of its site.
    fn stray(&self, vm: &SurveyedVm) -> Option<String> {
        let unknown = |r: &&Recorded<'_>| self.found.absent.contains(&r.record.source.site);
        let like = |r: &&Recorded<'_>| r.record.source.vm.as_str() == vm.name || r.vm.uuid == vm.uuid;
        let found = self.records.iter().filter(unknown).find(like)?;
        let Recorded { site, vm, record } = found;
        let source = &record.source.site;
        Some(format!(
            "{}/{} is the replica of a machine like it at a site {source}; where that is this host, import it as {source}=URI",
            site.name,
            said(&vm.name)
        ))
    }

    /// A machine at the recovery site that may be a copy of this one.
    fn twin(&self, vm: &SurveyedVm) -> Option<String> {
        let site = self.recovery()?;
        let others = || site.has.machines.iter().filter(|o| o.replica.is_none());
        let same_name = others().find(|o| o.name == vm.name).map(|o| (o, "name"));
        let same_id = || others().find(|o| o.uuid == vm.uuid && !vm.uuid.is_empty()).map(|o| (o, "UUID"));
        let (other, what) = same_name.or_else(same_id)?;
        let place = format!("{}/{}", site.name, said(&other.name));
        Some(format!("{place} has the same {what} and is no replica of Lifeboat's: look what it is"))
    }

    /// A name for the replica's machine.
    fn twin_name(&mut self, vm: &str) -> Result<String, String> {
        let to = &self.import.recovery;
        let plain = format!("{vm}_replica");
        let there = |name: &str| {
            self.recovery().is_some_and(|site| site.has.machines.iter().any(|other| other.name == name))
        };
        if there(&plain) {
            return Err(format!("a name that is free; {} is there and not its replica", said(&plain)));
        }
        let numbered = (2u32..).map(|n| format!("{plain}-{n}"));
        let free = |name: &String| !there(name) && !self.replicas.contains(&(to.clone(), name.clone()));
        let name = std::iter::once(plain.clone()).chain(numbered).find(free).unwrap_or(plain);
        self.replicas.insert((to.clone(), name.clone()));
        Ok(name)
    }

    /// The network of the other site that stands for one of the source's: the one that the replica was on; the one of the same name; the
    /// only one, where there is no other at either site.
    fn mapping(
        &self,
        source: Option<&SurveyedSite>,
        there: &SurveyedSite,
        from: &Attached,
        mapped: &[(String, String)],
    ) -> Result<String, String> {
        let Some(kind) = from.kind else { return Ok(from.network.clone()) };
        if let Some((_, to)) = mapped.iter().find(|(network, _)| *network == from.network) {
            return Ok(to.clone());
        }
        let what = match kind {
            NetworkKind::Network => "network",
            NetworkKind::Bridge => "bridge",
            NetworkKind::Device => "card",
        };
        let Some(others) = networks(there, kind) else {
            return Err(format!("a {what} of its host, on which no command could be run"));
        };
        if others.contains(&from.network) {
            return Ok(from.network.clone());
        }
        let alone =
            source.and_then(|site| networks(site, kind)).is_some_and(|own| own == [from.network.clone()]);
        match &others[..] {
            [] => Err(format!("a {what} there; it has none yet")),
            [only] if alone => Ok(only.clone()),
            all => Err(format!("one of {}", all.iter().map(|n| said(n)).collect::<Vec<_>>().join(", "))),
        }
    }

    /// A name for a document that nobody has yet, made from a machine's.
    fn fresh(&mut self, vm: &str) -> String {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let words = vm.split(|c| !good(c)).filter(|w| !w.is_empty()).collect::<Vec<_>>().join("-");
        let plain: String = words.chars().take(150).collect();
        let plain = plain.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let base = if plain.is_empty() { "machine" } else { plain };
        let numbered = (2u32..).map(|n| format!("{base}-{n}"));
        let free = std::iter::once(base.to_owned()).chain(numbered).find(|n| !self.names.contains(n));
        let name = free.unwrap_or_else(|| base.to_owned());
        self.names.insert(name.clone());
        name
    }
}

/// What a machine can be connected to at a site; `None` where that is not known.
fn networks(site: &SurveyedSite, kind: NetworkKind) -> Option<Vec<String>> {
    let host = site.has.host.as_ref();
    match kind {
        NetworkKind::Network => Some(site.has.networks.clone()),
        NetworkKind::Bridge => host.map(|h| h.bridges.clone()),
        NetworkKind::Device => host.map(|h| h.cards.clone()),
    }
}

fn about(site: &SurveyedSite, vm: &SurveyedVm) -> String {
    let disk = |(dev, format): &(String, String)| {
        let all = if format == "raw" { ", read whole for each restore point" } else { "" };
        format!("{} ({}{all})", said(dev), said(format))
    };
    let disks: Vec<String> = vm.disks.iter().map(disk).collect();
    let starts = if vm.autostart { "; starts with its host" } else { "" };
    format!("{} at {}: {}{starts}", said(&vm.name), site.name, disks.join(", "))
}
