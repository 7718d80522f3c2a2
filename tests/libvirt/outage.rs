//! The link between the sites is cut in the middle of a copy: of a replication, and of both phases of a failback, all at the same moment.

use crate::lab::Lab;
use crate::lab::run::until;
use crate::lab::site::Site;
use crate::lab::sshd::Sshd;
use crate::machine::{Blank, in_step, is, nothing_left, virsh, write};
use crate::ssh;
use crate::stories::{BLANK, Test};
use crate::workspace::{Running, Said, Workspace, site_reached};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

/// The stories.
pub const TESTS: [Test; 1] = [(LONG, broken)];

/// It takes four minutes, and a busy machine moves what is in the middle of what.
pub const LONG: &str = "a_link_that_breaks_in_the_middle_of_a_copy_costs_time_alone";

const DEVS: [&str; 2] = ["vda", "vdb"];
/// How much each copy sends, and how fast: so slow that nobody can miss its middle.
const MIB: u32 = 48;
const MBIT: u32 = 24;
const OUTAGE: Duration = Duration::from_secs(20);

/// What a machine is in the middle of.
#[derive(Clone, Copy, PartialEq)]
enum Copy {
    Replication,
    FirstPhase,
    SecondPhase,
}

/// A machine that shall be in the middle of something.
struct Party<'a> {
    lab: &'a Lab,
    vm: Blank,
    workspace: Workspace,
    copy: Copy,
}

impl<'a> Party<'a> {
    /// The machine, with what has to be before its copy can begin.
    fn new(lab: &'a Lab, vm: Blank, copy: Copy, workspace: Workspace) -> Self {
        vm.start(&lab.production);
        workspace.runbook(
            "by-hand",
            "{ plan: all, state: Ready, keep: replica, failback: { target: original, switchover: manual } }",
        );
        workspace.replicate();
        Self { lab, vm, workspace, copy }
    }

    /// Writes what the copy sends, at the machine that serves, in the state from which the copy begins.
    fn prepare(&self, pattern: u8) {
        let replica = self.vm.replica();
        let (site, domain) = match self.copy {
            Copy::Replication => (&self.lab.production, self.vm.name),
            Copy::FirstPhase | Copy::SecondPhase => (&self.lab.recovery, replica.as_str()),
        };
        if self.copy != Copy::Replication {
            self.workspace.apply("evacuate");
        }
        if self.copy == Copy::SecondPhase {
            self.workspace.apply("by-hand");
        }
        write(site, domain, 0, (pattern, 30, MIB));
    }

    fn start(&self) -> Running {
        self.workspace.start(match self.copy {
            Copy::Replication => &["replicate", "--all"],
            Copy::FirstPhase => &["apply", "return", "--confirm", "return"],
            Copy::SecondPhase => &["apply", "by-hand", "--confirm", "by-hand", "--switchover"],
        })
    }

    /// How many MiB the unfinished layer holds at the host that receives.
    fn received(&self) -> Option<u64> {
        let (site, name) = match self.copy {
            Copy::Replication => (&self.lab.recovery, format!("lifeboat/{}", self.vm.name)),
            Copy::FirstPhase | Copy::SecondPhase => (&self.lab.production, String::new()),
        };
        let begins = match self.copy {
            Copy::Replication => "vda.".to_owned(),
            Copy::FirstPhase => format!("{}.lifeboat-1", self.vm.disk("vda")),
            Copy::SecondPhase => format!("{}.lifeboat-2", self.vm.disk("vda")),
        };
        let files = std::fs::read_dir(site.image(&name)).ok()?.flatten();
        let mut parts = files.filter(|f| {
            let name = f.file_name().to_string_lossy().into_owned();
            name.starts_with(&begins) && name.ends_with(".part")
        });
        Some(parts.next()?.metadata().ok()?.blocks() * 512 >> 20)
    }

    /// Both sides serve what they should, and hold the same; ends with the replica off.
    fn whole(&self, what: &str) {
        let (a, b) = (&self.lab.production, &self.lab.recovery);
        let (vm, workspace) = (self.vm, &self.workspace);
        is(a, vm.name, workspace, ("running", "Ready"));
        is(b, &vm.replica(), workspace, ("shut off", "Ready"));
        workspace.apply("evacuate");
        in_step(self.lab, workspace, vm.name, &DEVS, what);
        nothing_left(self.lab, workspace, vm.name);
        workspace.apply("undo");
    }
}

/// Starts all of them and cuts the link when all are in the middle; returns when it is certain that nothing moves any more.
fn cut(link: &Site, parties: &[Party<'_>]) -> Result<Vec<Running>, String> {
    let mut running: Vec<Running> = parties.iter().map(Party::start).collect();
    let middle =
        |party: &Party<'_>| party.received().is_some_and(|mib| (4..u64::from(MIB) - 8).contains(&mib));
    until("all copies to be in the middle", 60, || parties.iter().all(middle).then_some(()))?;
    link.link(false)?;
    std::thread::sleep(Duration::from_secs(1));
    let held: Vec<_> = parties.iter().map(Party::received).collect();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(held, parties.iter().map(Party::received).collect::<Vec<_>>(), "nothing comes through");
    assert!(parties.iter().all(middle) && running.iter_mut().all(Running::runs), "{held:?}");
    Ok(running)
}

fn broken(lab: &Lab) -> Result<(), String> {
    let (a, b) = (&lab.production, &lab.recovery);
    let sshd = Sshd::at(b)?;
    let vm = |name, number| Blank { name, number };
    let own = |name| Workspace::new(lab, &[name], BLANK);
    // What stays behind at the other end of a connection is nobody's child here.
    let by_ssh = Workspace::with(lab, site_reached("recovery", b, &ssh::way(b, &sshd)), &["vm51"], BLANK);
    let parties = [
        Party::new(lab, vm("vm51", 51), Copy::Replication, by_ssh),
        Party::new(lab, vm("vm52", 52), Copy::FirstPhase, own("vm52")),
        Party::new(lab, vm("vm53", 53), Copy::SecondPhase, own("vm53")),
    ];
    // Three silences: two give up in the time of the outage and try again; with the default one the copy goes on by itself.
    for (round, silence) in ["8s", "60s"].into_iter().enumerate() {
        let pattern = u8::try_from(10 + round).map_err(|e| e.to_string())?;
        parties.iter().for_each(|p| p.prepare(pattern));
        parties
            .iter()
            .for_each(|p| p.workspace.edit("workspace.yaml", "silence: 8s", &format!("silence: {silence}")));
        a.throttle(Some(MBIT))?;
        b.throttle(Some(2 * MBIT))?;
        let running = cut(a, &parties)?;
        std::thread::sleep(OUTAGE - Duration::from_secs(4));
        a.link(true)?;
        a.throttle(None)?;
        b.throttle(None)?;
        for (running, party) in running.into_iter().zip(&parties) {
            running.ended().ends(0);
            party.whole(&format!("after an outage with a silence of {silence}"));
        }
        parties
            .iter()
            .for_each(|p| p.workspace.edit("workspace.yaml", &format!("silence: {silence}"), "silence: 8s"));
    }
    parties.iter().for_each(|p| p.prepare(20));
    a.throttle(Some(MBIT))?;
    b.throttle(Some(2 * MBIT))?;
    let running = cut(a, &parties)?;
    let began = Instant::now();
    let said: Vec<Said> = running.into_iter().map(Running::ended).collect();
    let took = began.elapsed();
    for said in said {
        said.ends(3).says("is the way there open?").says("lifeboat resume");
    }
    assert!(took < Duration::from_secs(60), "it took {took:?} to say so");
    // The machines that were read from have not been held up: they take writes.
    write(a, "vm51", 1, (21, 40, 1));
    write(b, "vm52_replica", 1, (21, 40, 1));
    a.link(true)?;
    a.throttle(None)?;
    b.throttle(None)?;
    for party in &parties {
        party.workspace.lifeboat(&["resume"]).ends(0);
        party.whole("after an outage for good");
        virsh(a, &["destroy", party.vm.name]);
    }
    Ok(())
}
