//! The preflight of one replica: whether its machines can be read, and whether they can be started where they shall be.

use super::case::{Case, Hosts, Trouble, host_of};
use super::host::{Host, HostError};
use super::machine::{Machine, Run, is_disk};
use super::preflight_site::{View, file_system, unanswered};
use super::preflight_text::{Guests, holds};
use super::replicate::owner;
use super::xml::{Element, parse};
use crate::base::{NetworkName, SiteName};
use crate::domain::{Action, Link, Role};
use crate::port::{Errand, Hitch, NetworkKind, Obstacle, Room};
use std::collections::{BTreeMap, BTreeSet};

/// At least this much should be free where something grows, whatever machines hold: 1 GiB.
pub const LEAST: u64 = 1 << 30;

/// What was seen of the sites.
pub type Views = BTreeMap<SiteName, View>;

/// What an errand asks of the machines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Machines whose disks are read.
    pub reads: BTreeSet<Role>,
    /// Machines at whose host layers are written.
    pub writes: BTreeSet<Role>,
    /// Machines that are started, be it only so that their disks can be read.
    pub starts: BTreeSet<Role>,
    /// The replica's networks, where the errand says them.
    pub links: Option<Vec<Link>>,
    /// Those of a drill's copy.
    pub apart: Option<Vec<Link>>,
}

/// What the actions ask of the machines.
#[must_use]
pub fn needs(actions: &[Action]) -> Needs {
    let mut needs = Needs::default();
    for action in actions {
        match action {
            Action::CreatePoint { .. } => {
                needs.reads.insert(Role::Source);
                needs.writes.insert(Role::Replica);
            }
            Action::SendChanges { .. } => {
                needs.reads.insert(Role::Replica);
                needs.writes.insert(Role::Target);
            }
            Action::PowerOn { vm } => drop(needs.starts.insert(*vm)),
            Action::Connect { links } => needs.links = Some(links.clone()),
            Action::MakeCopy { links, .. } => {
                needs.apart = Some(links.clone());
                needs.writes.insert(Role::Replica);
            }
            Action::StartDelta | Action::Retain { .. } | Action::Merge => {
                needs.writes.insert(Role::Replica);
            }
            Action::CreateTarget | Action::SnapshotTarget { .. } => drop(needs.writes.insert(Role::Target)),
            Action::KeepProtective { .. } => needs.writes.extend([Role::Replica, Role::Target]),
            Action::Begin { .. }
            | Action::ShutDown { .. }
            | Action::PowerOff { .. }
            | Action::Hold
            | Action::Resume
            | Action::Exclude
            | Action::Revert { .. }
            | Action::DropDelta
            | Action::Protect { .. }
            | Action::MergeTarget
            | Action::RevertTarget
            | Action::RevertReplica
            | Action::Unprotect
            | Action::SetSwitchover { .. }
            | Action::Reassign
            | Action::Conclude { .. }
            | Action::RemoveCopy => {}
        }
    }
    needs
}

/// What an errand adds to what grows at the sites, and what stands in its way.
#[derive(Debug, Default)]
pub struct Found {
    /// What stands in the way.
    pub hitches: Vec<Hitch>,
    /// Where, what for, and how many bytes the disks in question hold.
    pub grows: Vec<(SiteName, Room, u64)>,
}

/// One errand, while it is looked at.
struct Look<'a> {
    case: Case<'a>,
    errand: &'a Errand,
    views: &'a Views,
    needs: Needs,
    found: Found,
}

/// Looks at one errand.
pub async fn look(hosts: &Hosts, errand: &Errand, views: &Views) -> Found {
    let subject = &errand.subject;
    let placement = &subject.placement;
    let (Ok(recovery), Some(view)) = (host_of(hosts, &placement.replica), views.get(&placement.replica.site))
    else {
        return Found::default();
    };
    let case = match Case::with(hosts, (&subject.replica, placement), &view.roll, &[]).await {
        Ok(case) => case,
        Err(why) => {
            let mut hitch = match &why {
                Trouble::Host(error) => unanswered(recovery, "its machine", error),
                Trouble::Record(_) | Trouble::InTheWay(_) => {
                    let failed = HostError::Failed {
                        site: recovery.site.clone(),
                        what: String::new(),
                        why: why.to_string(),
                    };
                    unanswered(recovery, "its record", &failed)
                }
            };
            hitch.replica = Some(subject.replica.clone());
            hitch.fatal = true;
            return Found { hitches: vec![hitch], ..Found::default() };
        }
    };
    let mut look = Look { case, errand, views, needs: needs(&errand.actions), found: Found::default() };
    look.all().await;
    look.found
}

impl Look<'_> {
    async fn all(&mut self) {
        let source = self.machine(Role::Source).await;
        let other = match self.case.target {
            Some(_) => self.machine(Role::Target).await,
            None => source.clone(),
        };
        let own = self.case.own.machine().cloned();
        let recorded = Machine::read(&self.case.record.source_xml, Run::Off).ok();
        if self.needs.reads.contains(&Role::Source)
            && let Some(source) = &source
        {
            self.readable(source).await;
        }
        if self.needs.reads.contains(&Role::Source) && source.as_ref().is_some_and(|s| s.run == Run::Off) {
            self.needs.starts.insert(Role::Source);
        }
        // What the replica is rendered from.
        let like = source.clone().or(recorded).or(own.clone());
        for role in self.needs.starts.clone() {
            let (machine, links) = match role {
                Role::Source => (source.as_ref(), None),
                Role::Target => (other.as_ref().or(like.as_ref()), None),
                // Its networks are looked at when it is made: they have to lead nowhere besides.
                Role::Copy => (like.as_ref(), self.needs.apart.clone()),
                Role::Replica => {
                    (like.as_ref(), self.needs.links.clone().or(own.as_ref().map(Machine::links)))
                }
            };
            if let Some(machine) = machine {
                self.runs_there(role, machine).await;
                self.connected(role, machine, links);
            }
        }
        if self.needs.writes.contains(&Role::Target)
            && let Some(target) = &other
        {
            self.room_beside(target).await;
        }
    }

    /// A machine of the errand; `None` also where its site is not looked at.
    async fn machine(&mut self, role: Role) -> Option<Machine> {
        let vm = self.case.vm(role);
        let (view, host) = (self.views.get(&vm.site)?, self.case.host(role).ok()?);
        match view.roll.machine(host, vm.vm.as_str()).await {
            Ok(machine) => machine,
            Err(why) => {
                self.say(unanswered(host, &format!("the machine {}", vm.vm), &why));
                None
            }
        }
    }

    fn say(&mut self, mut hitch: Hitch) {
        hitch.replica = Some(self.errand.subject.replica.clone());
        self.found.hitches.push(hitch);
    }

    fn add(&mut self, host: &Host, what: Obstacle, fatal: bool, mend: Option<String>) {
        self.say(Hitch { site: host.site.clone(), replica: None, what, fatal, mend });
    }

    /// Whether the source's disks can be read, and how much they hold.
    async fn readable(&mut self, source: &Machine) {
        let Ok((host, name)) = self.case.place(Role::Source) else { return };
        let vm = self.case.vm(Role::Source);
        if let Some(why) = source.unfit() {
            self.add(host, Obstacle::Unfit { vm: vm.clone(), why }, true, make_fit(host, &name, source));
        }
        let asked: [&[&str]; 4] = [
            &["domblkinfo", "--domain", &name, "--all"],
            &["domjobinfo", "--domain", &name],
            &["snapshot-list", "--domain", &name, "--name"],
            &["checkpoint-list", "--domain", &name, "--name"],
        ];
        let said = match host.ask_all(&asked).await {
            Ok(said) => said,
            Err(why) => return self.say(unanswered(host, &format!("the machine {name}"), &why)),
        };
        let answer = |n: usize| said.get(n).map_or("", String::as_str).trim();
        let names = |n: usize| -> Vec<String> {
            answer(n).lines().filter(|l| !l.is_empty()).map(str::to_owned).collect()
        };
        let held = holds(answer(0));
        let first = self.case.record.points.is_empty();
        let replica = self.case.vm(Role::Replica).site;
        let layers = if first { Room::FirstCopies } else { Room::Changes };
        self.found.grows.extend([(replica, layers, held), (vm.site.clone(), Room::Scratch, held)]);
        self.job(host, &name, answer(1)).await;
        let (snapshots, mut marks) = (names(2), names(3));
        if let Some(one) = snapshots.first() {
            let mend = host.typed_virsh(&["snapshot-delete", &name, one]);
            self.add(host, Obstacle::Snapshots { vm: vm.clone(), names: snapshots }, false, Some(mend));
        }
        let ours = format!("{}.", owner(&self.case));
        marks.retain(|name| !name.starts_with(&ours));
        if let Some(one) = marks.first() {
            let mend = host.typed_virsh(&["checkpoint-delete", &name, one]);
            self.add(host, Obstacle::Checkpoints { vm, names: marks }, false, Some(mend));
        }
    }

    /// A job of somebody else's. One of our own that was left over is ended by the next copy.
    async fn job(&mut self, host: &Host, name: &str, text: &str) {
        let Some(operation) = operation(text) else { return };
        if operation == "Backup"
            && let Ok(text) = host.ask(&["backup-dumpxml", "--domain", name]).await
            && is_ours(&text, &owner(&self.case))
        {
            return;
        }
        let what = Obstacle::Job { vm: self.case.vm(Role::Source), what: operation };
        self.add(host, what, true, Some(host.typed_virsh(&["domjobabort", name])));
    }

    /// Whether the host of a role can run the machine.
    async fn runs_there(&mut self, role: Role, machine: &Machine) {
        let vm = self.case.vm(role);
        let (Some(view), Ok(host)) = (self.views.get(&vm.site), self.case.host(role)) else { return };
        let kind = kind(machine);
        for lack in lacks(&kind, &view.guests) {
            let (value, mend) = match lack {
                "virtualisation" => {
                    let load = host.typed(&["modprobe", "-a", "kvm_intel", "kvm_amd"]);
                    (&kind.virtualisation, Some(load).filter(|_| kind.virtualisation == "kvm"))
                }
                "machine type" => {
                    let newer = ["apt-get", "install", "--only-upgrade", "qemu-system-x86"];
                    (&kind.machine, Some(host.typed(&newer)))
                }
                "emulator" => {
                    if host.look(&["find", "-H", &kind.emulator, "-maxdepth", "0"]).await.is_ok() {
                        continue;
                    }
                    let own = view.guests.get(&kind.arch).map_or("", |g| g.emulator.as_str());
                    (&kind.emulator, Some(host.typed(&["ln", "-s", own, &kind.emulator])))
                }
                _ => (&kind.arch, None),
            };
            let what = Obstacle::MachineType { vm: vm.clone(), what: format!("{lack} {value}") };
            self.add(host, what, true, mend);
        }
        for file in machine.needs() {
            // What cannot be told here is told by other findings.
            if matches!(host.exists(&file).await, Ok(false)) {
                let what = Obstacle::MachineType { vm: vm.clone(), what: format!("file {file}") };
                self.add(host, what, true, None);
            }
        }
    }

    /// Whether the networks are there that a machine is to be on.
    fn connected(&mut self, role: Role, machine: &Machine, links: Option<Vec<Link>>) {
        let vm = self.case.vm(role);
        let (Some(view), Ok(host)) = (self.views.get(&vm.site), self.case.host(role)) else { return };
        let kinds = cards(machine);
        let links = links.unwrap_or_else(|| machine.links());
        let wanted: BTreeSet<(NetworkName, NetworkKind)> =
            links.into_iter().zip(kinds).filter_map(|(link, kind)| Some((link.network, kind?))).collect();
        for (network, kind) in wanted {
            let name = network.as_str();
            let (active, mend) = match kind {
                NetworkKind::Network if view.active.contains(name) => continue,
                NetworkKind::Network => {
                    let start = host.typed_virsh(&["net-start", name]);
                    (view.active.clone(), Some(start).filter(|_| view.inactive.contains(name)))
                }
                NetworkKind::Bridge | NetworkKind::Device => match &view.cards {
                    Some(cards) if !cards.contains(name) => {
                        let make = host.typed(&["ip", "link", "add", "name", name, "up", "type", "bridge"]);
                        (cards.clone(), Some(make).filter(|_| kind == NetworkKind::Bridge))
                    }
                    _ => continue,
                },
            };
            let exists = view.inactive.contains(name) && kind == NetworkKind::Network;
            let active = active.into_iter().collect();
            let what = Obstacle::Network { network, kind, exists, active, vm: vm.clone() };
            self.add(host, what, true, mend);
        }
    }

    /// The layers of a failback grow beside the target's own disks.
    async fn room_beside(&mut self, target: &Machine) {
        let Ok(host) = self.case.host(Role::Target) else { return };
        let folder = |path: &str| path.rsplit_once('/').map_or("/", |(folder, _)| folder).to_owned();
        let folders: BTreeSet<String> = target.disks().iter().map(|d| folder(&d.path)).collect();
        for path in folders.into_iter().filter(|f| !f.starts_with("/dev")) {
            let Some(mount) = file_system(host, &path).await else { continue };
            if mount.free < LEAST {
                let look = host.typed(&["du", "-xh", "--max-depth=1", &path]);
                let what = Obstacle::Space { path, free: mount.free, wanted: LEAST, what: Room::Changes };
                self.add(host, what, false, Some(look));
            }
        }
    }
}

/// What of a machine its host has to know.
#[derive(Debug, Default, PartialEq, Eq)]
struct Kind {
    arch: String,
    machine: String,
    virtualisation: String,
    emulator: String,
}

fn kind(machine: &Machine) -> Kind {
    let tree = &machine.tree;
    let of = |name: &str| {
        let found = tree.child("os").and_then(|os| os.of("type", name));
        found.unwrap_or_default().to_owned()
    };
    let emulator = tree.child("devices").and_then(|d| d.child("emulator"));
    Kind {
        arch: of("arch"),
        machine: of("machine"),
        virtualisation: tree.attribute("type").unwrap_or_default().to_owned(),
        emulator: emulator.map(Element::text).unwrap_or_default(),
    }
}

/// What of a machine's kind a host does not know of. A host that told nothing lacks nothing; another emulator than its own may be there.
fn lacks(kind: &Kind, guests: &BTreeMap<String, Guests>) -> Vec<&'static str> {
    if guests.is_empty() || kind.arch.is_empty() {
        return Vec::new();
    }
    let Some(guests) = guests.get(&kind.arch) else { return vec!["architecture"] };
    let unknown = |name: &String, known: &BTreeSet<String>| !name.is_empty() && !known.contains(name);
    let lacks = [
        (unknown(&kind.virtualisation, &guests.types), "virtualisation"),
        (unknown(&kind.machine, &guests.machines), "machine type"),
        (!kind.emulator.is_empty() && kind.emulator != guests.emulator, "emulator"),
    ];
    lacks.into_iter().filter(|(lacks, _)| *lacks).map(|(_, what)| what).collect()
}

/// How a machine's cards are connected, in their order; `None` for one that needs nothing of its host.
#[must_use]
pub fn cards(machine: &Machine) -> Vec<Option<NetworkKind>> {
    let devices = machine.tree.child("devices").into_iter().flat_map(Element::elements);
    let kind = |card: &Element| match card.attribute("type") {
        Some("network") => Some(NetworkKind::Network),
        Some("bridge") => Some(NetworkKind::Bridge),
        Some("direct") => Some(NetworkKind::Device),
        _ => None,
    };
    devices.filter(|e| e.name == "interface").map(kind).collect()
}

/// The command after which a machine can be replicated, where one alone is enough.
fn make_fit(host: &Host, name: &str, machine: &Machine) -> Option<String> {
    let (devices, os) = (machine.tree.child("devices")?, machine.tree.child("os"));
    let firmware =
        os.is_some_and(|os| os.child("nvram").is_some() || os.attribute("firmware") == Some("efi"));
    let passed = |d: &Element| {
        ["tpm", "hostdev", "filesystem"].contains(&d.name.as_str())
            || d.attribute("device") == Some("lun")
            || d.attribute("type") == Some("hostdev")
    };
    if firmware || devices.elements().any(passed) {
        return None;
    }
    let odd = |d: &&Element| {
        d.name == "disk" && is_disk(d) && !matches!(d.attribute("type"), Some("file" | "block"))
    };
    if let Some(dev) = devices.elements().find(odd).and_then(|d| d.of("target", "dev")) {
        return Some(host.typed_virsh(&["detach-disk", name, dev, "--config"]));
    }
    let other = machine.disks().into_iter().find(|d| !["qcow2", "raw"].contains(&d.format.as_str()))?;
    let new = format!("{}.qcow2", other.path);
    Some(host.typed(&["qemu-img", "convert", "-f", &other.format, "-O", "qcow2", &other.path, &new]))
}

/// The operation that `virsh domjobinfo` tells of; `None` where there is no job.
fn operation(text: &str) -> Option<String> {
    let of = |key: &str| text.lines().find_map(|l| l.strip_prefix(key)).map(str::trim);
    let kind = of("Job type:").filter(|kind| !matches!(*kind, "None" | "Completed"))?;
    Some(of("Operation:").unwrap_or(kind).to_owned())
}

/// Whether a backup is one of this replica's.
fn is_ours(text: &str, owner: &str) -> bool {
    let disks = parse(text).ok().and_then(|b| b.child("disks").cloned());
    let ours = |d: &Element| {
        let export = d.attribute("exportname").and_then(|name| name.strip_prefix(owner));
        export.is_some_and(|rest| rest.starts_with('.'))
    };
    disks.is_some_and(|disks| disks.elements().any(ours))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::libvirt::preflight_text::guests;

    const CAPABILITIES: &str = "<capabilities><guest><os_type>hvm</os_type><arch name='x86_64'><emulator>/usr/bin/qemu-system-x86_64</emulator>
        <machine canonical='pc-q35-7.2'>q35</machine><domain type='qemu'/></arch></guest></capabilities>";
    const JOB: &str =
        "Job type:         Unbounded   \nOperation:        Backup      \nTime elapsed:     38           ms\n";
    const BACKUP: &str = "<domainbackup mode='pull'><server transport='tcp' name='10.0.0.1' port='10809'/><disks>
        <disk name='vda' backup='yes' type='file' backupmode='full' exportname='lifeboat.db.p1.vda' index='7'/>
        <disk name='vdb' backup='no'/></disks></domainbackup>";

    fn machine(kind: &str, arch: &str, machine: &str, emulator: &str) -> Machine {
        let text = format!(
            "<domain type='{kind}'><name>db</name><os><type arch='{arch}' machine='{machine}'>hvm</type></os><devices>
             <emulator>{emulator}</emulator><interface type='network'><source network='lan'/></interface>
             <interface type='user'/><interface type='bridge'><source bridge='br1'/></interface></devices></domain>"
        );
        Machine::read(&text, Run::Off).unwrap()
    }

    #[test]
    fn a_host_lacks_what_it_does_not_tell_of() {
        let known = guests(CAPABILITIES);
        let own = "/usr/bin/qemu-system-x86_64";
        let lack = |m: Machine| lacks(&kind(&m), &known);
        assert_eq!(lack(machine("qemu", "x86_64", "pc-q35-7.2", own)), [""; 0]);
        assert_eq!(lack(machine("kvm", "x86_64", "q35", own)), ["virtualisation"]);
        assert_eq!(
            lack(machine("qemu", "x86_64", "pc-q35-9.9", "/usr/bin/kvm")),
            ["machine type", "emulator"]
        );
        assert_eq!(lack(machine("qemu", "riscv64", "virt", "")), ["architecture"]);
        assert!(lacks(&kind(&machine("kvm", "x86_64", "q35", "")), &BTreeMap::new()).is_empty());
    }

    #[test]
    fn only_cards_that_need_something_of_their_host_have_a_kind() {
        let found = cards(&machine("qemu", "x86_64", "q35", ""));
        assert_eq!(found, [Some(NetworkKind::Network), None, Some(NetworkKind::Bridge)]);
    }

    #[test]
    fn jobs_are_told_apart() {
        assert_eq!(operation(JOB), Some("Backup".to_owned()));
        assert_eq!(operation("Job type:         None        \n"), None);
        assert!(is_ours(BACKUP, "lifeboat.db"));
        // Another replica's name may begin like this one's.
        assert!(!is_ours(BACKUP, "lifeboat.d") && !is_ours("", "lifeboat.db"));
    }

    #[test]
    fn a_planned_failover_reads_the_source_and_starts_the_replica() {
        let actions = [
            Action::ShutDown { vm: Role::Source, within: crate::base::Duration::ZERO },
            Action::CreatePoint {
                point: "p1".parse().unwrap(),
                kind: crate::domain::PointKind::Helper,
                quiesce: crate::domain::Quiesce::Auto,
            },
            Action::StartDelta,
            Action::PowerOn { vm: Role::Replica },
        ];
        let one = |role| BTreeSet::from([role]);
        let expected = Needs {
            reads: one(Role::Source),
            writes: one(Role::Replica),
            starts: one(Role::Replica),
            links: None,
            apart: None,
        };
        assert_eq!(needs(&actions), expected);
        // Without the source nothing is asked of its host.
        assert_eq!(needs(&actions[2..]), Needs { reads: BTreeSet::new(), ..expected });
    }
}
