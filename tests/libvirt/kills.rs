//! Everything that Lifeboat works with is killed in the middle of its work: the tools that copy, the daemons of both sites, the machines
//! themselves. It goes on by itself, or is resumed to the goal.

use crate::lab::Lab;
use crate::lab::run::{run, until};
use crate::lab::site::Site;
use crate::machine::{Blank, in_step, nothing_left, virsh, write};
use crate::party::{Copy, DEVS, Party, begin, each, flush, holds, slow};
use crate::stories::{BLANK, Test};
use crate::workspace::{Running, Workspace};
use std::time::Duration;

/// The stories.
pub const TESTS: [Test; 4] = [
    ("who_copies_is_killed_in_the_middle_of_every_copy", tools),
    ("a_daemon_is_killed_in_the_middle_of_every_copy", daemons),
    ("the_machine_is_killed_in_the_middle_of_every_copy", machines),
    ("a_merge_is_ended_whoever_was_killed_in_its_middle", merges),
];

/// A machine in the middle of each copy, with names of their own.
fn parties<'a>(lab: &'a Lab, names: [(&'static str, u8); 5]) -> [Party<'a>; 5] {
    let copies = [Copy::Changes, Copy::Compare, Copy::FirstPhase, Copy::SecondPhase, Copy::Full];
    let mut copies = copies.into_iter();
    names.map(|(name, number)| Party::new(lab, Blank { name, number }, copies.next().unwrap_or(Copy::Full)))
}

/// One blow that hits all copies in their middle; after that all of them reach their goal.
fn blow(
    lab: &Lab,
    parties: &[Party<'_>],
    what: (u8, &str),
    strike: impl FnOnce() -> Result<(), String>,
) -> Result<(), String> {
    let (pattern, what) = what;
    each(parties, |p| p.prepare(pattern));
    let running = begin(lab, parties, pattern)?;
    strike()?;
    slow(lab, parties, false)?;
    for (running, party) in running.into_iter().zip(parties) {
        goes_on(running, &party.workspace, &format!("{:?}, {what}", party.copy));
    }
    each(parties, |p| p.whole(pattern, what));
    Ok(())
}

/// It reaches its goal by itself, or when it is resumed.
fn goes_on(running: Running, workspace: &Workspace, what: &str) {
    let said = running.ended();
    eprintln!("{what}: {}", said.code);
    if said.code != 0 {
        assert!(said.code == 3 && said.text.contains("lifeboat resume"), "{what}: {}", said.text);
        let resumed = workspace.lifeboat(&["resume"]);
        assert_eq!(resumed.code, 0, "{what}: {}\nresumed: {}", said.text, resumed.text);
    }
}

fn pid(site: &Site, domain: &str) -> Result<String, String> {
    site.exec(&["cat", &format!("/run/libvirt/qemu/{domain}.pid")]).map(|p| p.trim().to_owned())
}

/// Ends them, and gives their room back: everything of the lab is in memory.
fn gone(lab: &Lab, parties: &[Party<'_>]) {
    let (a, b) = (&lab.production, &lab.recovery);
    for Party { vm, .. } in parties {
        virsh(b, &["destroy", &vm.replica()]);
        for dev in DEVS {
            drop(std::fs::remove_file(a.image(&vm.disk(dev))));
        }
        drop(std::fs::remove_dir_all(b.image(&format!("lifeboat/{}", vm.name))));
    }
}

fn tools(lab: &Lab) -> Result<(), String> {
    let names = [("vm61", 0x61), ("vm62", 0x62), ("vm63", 0x63), ("vm64", 0x64), ("vm65", 0x65)];
    let parties = parties(lab, names);
    let strike = || {
        let working = "^qemu-(img|io) .*vm6[1-5].*[.]part";
        let count = run(&["pgrep", "-c", "-f", working])?;
        run(&["pkill", "-KILL", "-f", working])?;
        if count.trim() == "5" { Ok(()) } else { Err(format!("{count} programs were copying")) }
    };
    blow(lab, &parties, (10, "its tool killed"), strike)?;
    gone(lab, &parties);
    Ok(())
}

fn daemons(lab: &Lab) -> Result<(), String> {
    let names = [("vm71", 0x71), ("vm72", 0x72), ("vm73", 0x73), ("vm74", 0x74), ("vm75", 0x75)];
    let parties = parties(lab, names);
    let (a, b) = (&lab.production, &lab.recovery);
    let strike = |site: &Site| {
        site.kill_daemon();
        std::thread::sleep(Duration::from_secs(3));
        site.start_daemon()
    };
    blow(lab, &parties, (10, "production's libvirtd killed"), || strike(a))?;
    let [changes, compare, first, second, _] = parties;
    let full = Party::new(lab, Blank { name: "vm76", number: 0x76 }, Copy::Full);
    let parties = [changes, compare, first, second, full];
    blow(lab, &parties, (11, "recovery's libvirtd killed"), || strike(b))?;
    gone(lab, &parties);
    Ok(())
}

fn machines(lab: &Lab) -> Result<(), String> {
    let names = [("vm81", 0x81), ("vm82", 0x82), ("vm83", 0x83), ("vm84", 0x84), ("vm85", 0x85)];
    let parties = parties(lab, names);
    let strike = || {
        for party in &parties {
            let (site, domain) = party.serving();
            run(&["kill", "-KILL", &pid(site, &domain)?])?;
        }
        Ok(())
    };
    blow(lab, &parties, (10, "its machine killed"), strike)?;
    gone(lab, &parties);
    Ok(())
}

/// Whom a merge loses.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Victim {
    Daemon,
    Machine,
}

fn merges(lab: &Lab) -> Result<(), String> {
    let (a, b) = (&lab.production, &lab.recovery);
    for (name, number, victim) in [("vm91", 0xa1, Victim::Daemon), ("vm92", 0xa2, Victim::Machine)] {
        let vm = Blank { name, number };
        vm.start(a);
        let workspace = Workspace::new(lab, &[name], BLANK);
        workspace.replicate();
        workspace.apply("evacuate");
        write(b, &vm.replica(), 0, (3, 10, 80));
        workspace.apply("go-back");
        write(a, name, 0, (4, 92, 20));
        flush(a, name);
        merge(&workspace, "commit", (a, name), victim)?;
        // A commit does not start a machine again that died in it.
        let power = if victim == Victim::Machine { "shut off" } else { "running" };
        assert_eq!(
            (virsh(a, &["domstate", name]).as_str(), workspace.state(name).as_str()),
            (power, "Ready")
        );
        if victim == Victim::Machine {
            virsh(a, &["start", name]);
        }
        workspace.apply("evacuate");
        in_step(lab, &workspace, name, &DEVS, &format!("{victim:?} killed in a commit"));
        holds(a, &vm.disk("vda"), (3, 10, 80), "what the replica wrote");
        holds(a, &vm.disk("vda"), (4, 92, 20), "what the target wrote");
        nothing_left(lab, &workspace, name);
        write(b, &vm.replica(), 0, (5, 10, 90));
        flush(b, &vm.replica());
        merge(&workspace, "forever", (b, &vm.replica()), victim)?;
        assert_eq!(workspace.state(name), "Permanent");
        if victim == Victim::Daemon {
            virsh(b, &["destroy", &vm.replica(), "--graceful"]);
        }
        let left = b.exec(&["find", &format!("/var/lib/libvirt/images/lifeboat/{name}"), "-type", "f"])?;
        assert_eq!(left.lines().count(), 2, "one file for each disk: {left}");
        let disk = virsh(b, &["domblklist", &vm.replica()]);
        let disk = disk.lines().find_map(|l| l.trim().strip_prefix("vda")).unwrap_or_default();
        let image = disk.trim().trim_start_matches("/var/lib/libvirt/images/").to_owned();
        holds(b, &image, (5, 10, 90), "what the replica wrote");
    }
    retention(lab)
}

/// Carries a runbook out and strikes as soon as libvirt has begun the merge of a disk.
fn merge(workspace: &Workspace, runbook: &str, whose: (&Site, &str), victim: Victim) -> Result<(), String> {
    let (site, domain) = whose;
    let (pid, status) = (pid(site, domain)?, site.status_of(domain));
    let mut running = workspace.start(&["apply", runbook, "--confirm", runbook]);
    let begun = || std::fs::read_to_string(&status).ok()?.contains("active-commit").then_some(());
    let mut tries = 0;
    while begun().is_none() {
        tries += 1;
        if tries > 30_000 || !running.runs() {
            return Err(format!("{runbook} of {domain} merges nothing: {}", running.ended().text));
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    match victim {
        Victim::Machine => drop(run(&["kill", "-KILL", &pid])?),
        Victim::Daemon => {
            site.kill_daemon();
            std::thread::sleep(Duration::from_secs(2));
            site.start_daemon()?;
        }
    }
    if victim == Victim::Machine {
        let off = || (virsh(site, &["domstate", domain]) == "shut off").then_some(());
        until("the machine is gone", 20, off)?;
    }
    goes_on(running, workspace, &format!("{runbook}, {victim:?} killed"));
    Ok(())
}

/// The tool that merges an expired point is killed, and then the daemon of the site.
fn retention(lab: &Lab) -> Result<(), String> {
    let (a, b) = (&lab.production, &lab.recovery);
    let vm = Blank { name: "vm93", number: 0xa3 };
    vm.start(a);
    let workspace = Workspace::new(lab, &[vm.name], BLANK);
    for n in 1..=4u8 {
        write(a, vm.name, 0, (n, 10, 100));
        workspace.replicate();
    }
    for (n, victim) in [(5u8, None), (6, Some(Victim::Daemon))] {
        write(a, vm.name, 0, (n, 10, 100));
        let mut running = workspace.start(&["replicate", "--all"]);
        let tool = stopped("qemu-img\0commit", &mut running)?;
        if victim.is_some() {
            b.kill_daemon();
            run(&["kill", "-CONT", &tool])?;
            std::thread::sleep(Duration::from_secs(2));
            b.start_daemon()?;
        } else {
            run(&["kill", "-KILL", &tool])?;
        }
        goes_on(running, &workspace, &format!("retention, {victim:?} killed"));
        assert_eq!(workspace.points(vm.name).len(), 4);
    }
    workspace.apply("evacuate");
    in_step(lab, &workspace, vm.name, &DEVS, "after retention was hit");
    nothing_left(lab, &workspace, vm.name);
    virsh(b, &["destroy", &vm.replica()]);
    Ok(())
}

/// Waits for a process whose arguments begin so, and makes it stand still.
fn stopped(arguments: &str, running: &mut Running) -> Result<String, String> {
    while running.runs() {
        for entry in std::fs::read_dir("/proc").map_err(|e| e.to_string())?.flatten() {
            let line = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
            if line.starts_with(arguments) {
                let pid = entry.file_name().to_string_lossy().into_owned();
                run(&["kill", "-STOP", &pid])?;
                return Ok(pid);
            }
        }
    }
    Err("nobody merges".to_owned())
}
