//! Machines in the middle of a copy, of every kind at once: the link is made so slow that nobody can miss it.

use crate::lab::Lab;
use crate::lab::run::{run, until};
use crate::machine::{Blank, in_step, nothing_left, virsh, write};
use crate::stories::BLANK;
use crate::workspace::{Running, Workspace};
use std::os::unix::fs::MetadataExt;

/// The disks of all machines.
pub const DEVS: [&str; 2] = ["vda", "vdb"];
/// How much each copy sends.
const MIB: u32 = 40;
/// How fast each copy is: so slow that all of them meet in the middle on a busy machine as well.
const MBIT: u32 = 16;

/// What a machine is in the middle of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Copy {
    /// Its first replication, of all that it has.
    Full,
    /// A replication of what changed.
    Changes,
    /// A replication without a checkpoint to begin from, which compares.
    Compare,
    /// The first phase of a failback.
    FirstPhase,
    /// The second one.
    SecondPhase,
}

impl Copy {
    /// Whether it leads to the recovery site.
    pub fn out(self) -> bool {
        matches!(self, Self::Full | Self::Changes | Self::Compare)
    }
}

/// A machine that shall be in the middle of something.
pub struct Party<'a> {
    lab: &'a Lab,
    /// The machine.
    pub vm: Blank,
    /// Its workspace.
    pub workspace: Workspace,
    /// What it is in the middle of.
    pub copy: Copy,
}

impl<'a> Party<'a> {
    /// The machine in a workspace of its own.
    pub fn new(lab: &'a Lab, vm: Blank, copy: Copy) -> Self {
        Self::with(lab, vm, copy, Workspace::new(lab, &[vm.name], BLANK))
    }

    /// The machine, running and with a restore point, unless it begins with its first one.
    pub fn with(lab: &'a Lab, vm: Blank, copy: Copy, workspace: Workspace) -> Self {
        vm.start(&lab.production);
        workspace.runbook(
            "by-hand",
            "{ plan: all, state: Ready, keep: replica, failback: { target: original, switchover: manual } }",
        );
        if copy != Copy::Full {
            workspace.replicate();
        }
        Self { lab, vm, workspace, copy }
    }

    /// The site and the domain that serve, and that the copy reads from.
    pub fn serving(&self) -> (&'a crate::lab::site::Site, String) {
        match self.copy.out() {
            true => (&self.lab.production, self.vm.name.to_owned()),
            false => (&self.lab.recovery, self.vm.replica()),
        }
    }

    /// Brings it to the state from which its copy begins, and writes what that sends. What was written is on the disk.
    pub fn prepare(&self, pattern: u8) {
        let (site, domain) = self.serving();
        let failed_over = self.copy != Copy::Full && self.workspace.state(self.vm.name) == "Failover";
        match (self.copy.out(), failed_over) {
            (true, true) => drop(self.workspace.apply("undo")),
            (false, false) => drop(self.workspace.apply("evacuate")),
            (true, false) | (false, true) => {}
        }
        if self.copy == Copy::SecondPhase {
            self.workspace.apply("by-hand");
        }
        if virsh(site, &["domstate", &domain]) == "shut off" {
            virsh(site, &["start", &domain]);
        }
        write(site, &domain, 0, (pattern, 30, MIB));
        flush(site, &domain);
        if self.copy == Copy::Compare {
            for name in virsh(site, &["checkpoint-list", &domain, "--name"]).lines().filter(|l| !l.is_empty())
            {
                virsh(site, &["checkpoint-delete", &domain, name]);
            }
        }
    }

    /// Begins the copy.
    pub fn start(&self) -> Running {
        self.workspace.start(match self.copy {
            Copy::Full | Copy::Changes | Copy::Compare => &["replicate", "--all"],
            Copy::FirstPhase => &["apply", "return", "--confirm", "return"],
            Copy::SecondPhase => &["apply", "by-hand", "--confirm", "by-hand", "--switchover"],
        })
    }

    /// How many MiB the unfinished layer holds at the host that receives.
    pub fn received(&self) -> Option<u64> {
        let (site, folder, begins) = match self.copy {
            Copy::Full | Copy::Changes | Copy::Compare => {
                (&self.lab.recovery, format!("lifeboat/{}", self.vm.name), "vda.".to_owned())
            }
            Copy::FirstPhase => {
                (&self.lab.production, String::new(), format!("{}.lifeboat-1", self.vm.disk("vda")))
            }
            Copy::SecondPhase => {
                (&self.lab.production, String::new(), format!("{}.lifeboat-2", self.vm.disk("vda")))
            }
        };
        let files = std::fs::read_dir(site.image(&folder)).ok()?.flatten();
        let mut parts = files.filter(|f| {
            let name = f.file_name().to_string_lossy().into_owned();
            name.starts_with(&begins) && name.ends_with(".part")
        });
        Some((parts.next()?.metadata().ok()?.blocks() * 512) >> 20)
    }

    /// Whether some of it has come, and some has not.
    pub fn in_the_middle(&self) -> bool {
        self.received().is_some_and(|mib| (2..u64::from(MIB) - 6).contains(&mib))
    }

    /// Both sides hold the same, with what was written last, and nothing is left over. The replica serves at the end.
    pub fn whole(&self, pattern: u8, what: &str) {
        let (a, vm, workspace) = (&self.lab.production, self.vm, &self.workspace);
        assert_eq!(workspace.state(vm.name), "Ready", "{what}");
        workspace.apply("evacuate");
        in_step(self.lab, workspace, vm.name, &DEVS, what);
        holds(a, &vm.disk("vda"), (pattern, 30, MIB), what);
        nothing_left(self.lab, workspace, vm.name);
    }
}

/// Holds that an image of a machine that is off has this at that place.
#[track_caller]
pub fn holds(site: &crate::lab::site::Site, image: &str, written: (u8, u32, u32), what: &str) {
    let (pattern, at, mib) = written;
    let (file, read) = (site.image(image).display().to_string(), format!("read -P {pattern} {at}M {mib}M"));
    let said = run(&["qemu-io", "-r", "-f", "qcow2", "-c", &read, &file]);
    assert!(said.as_ref().is_ok_and(|s| !s.contains("failed")), "{what}: {image}: {said:?}");
}

/// Makes what was written outlive its QEMU, as a guest does that syncs.
#[track_caller]
pub fn flush(site: &crate::lab::site::Site, domain: &str) {
    let command = "qemu-io -d /machine/peripheral/virtio-disk0/virtio-backend \"flush\"";
    let said = virsh(site, &["qemu-monitor-command", domain, "--hmp", command]);
    assert!(!said.contains("rror"), "{said}");
}

/// Makes the link between the sites slow, or what it was.
pub fn slow(lab: &Lab, parties: &[Party<'_>], slow: bool) -> Result<(), String> {
    for (site, out) in [(&lab.production, true), (&lab.recovery, false)] {
        let count = parties.iter().filter(|p| p.copy.out() == out).count();
        let mbit = u32::try_from(count).unwrap_or(1) * MBIT;
        if mbit > 0 {
            site.throttle(slow.then_some(mbit))?;
        }
    }
    Ok(())
}

/// Starts all of them, and returns when all are in the middle. Where a busy machine lets them miss each other they are let through, and all is
/// prepared anew: with other data in between, or there would be nothing to copy.
pub fn begin(lab: &Lab, parties: &[Party<'_>], pattern: u8) -> Result<Vec<Running>, String> {
    for _ in 0..3 {
        slow(lab, parties, true)?;
        let running: Vec<Running> = parties.iter().map(Party::start).collect();
        let all = || parties.iter().all(Party::in_the_middle).then_some(());
        if until("all copies to be in the middle", 40, all).is_ok() {
            return Ok(running);
        }
        slow(lab, parties, false)?;
        running.into_iter().for_each(|r| drop(r.ended().ends(0)));
        each(parties, |p| p.prepare(pattern ^ 0x80));
        let between: Vec<Running> = parties.iter().map(Party::start).collect();
        between.into_iter().for_each(|r| drop(r.ended().ends(0)));
        each(parties, |p| p.prepare(pattern));
    }
    Err("they never are in the middle all at once".to_owned())
}

/// Does something with all of them at once.
pub fn each(parties: &[Party<'_>], act: impl Fn(&Party<'_>) + Sync) {
    std::thread::scope(|scope| {
        let works: Vec<_> = parties.iter().map(|party| scope.spawn(|| act(party))).collect();
        for (work, party) in works.into_iter().zip(parties) {
            if let Err(why) = work.join() {
                std::panic::resume_unwind(Box::new(format!(
                    "{:?} of {}: {}",
                    party.copy,
                    party.vm.name,
                    said(&why)
                )));
            }
        }
    });
}

fn said(why: &Box<dyn std::any::Any + Send>) -> String {
    let text = why.downcast_ref::<String>().cloned();
    text.or_else(|| why.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default()
}
