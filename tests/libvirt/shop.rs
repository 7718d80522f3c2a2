//! The whole life of four machines, with the documents of `examples/libvirt/`: guests that write all the time, waits for their web servers, and
//! every disk compared.

use crate::lab::Lab;
use crate::lab::run::{run, until};
use crate::lab::site::Site;
use crate::lab::vm::Vm;
use crate::machine::in_step;
use crate::machine::{answer, virsh};
use crate::stories::Test;
use crate::workspace::Workspace;
use std::time::{SystemTime, UNIX_EPOCH};

/// The stories.
pub const TESTS: [Test; 1] = [("a_shop_of_four_machines_lives_through_everything", shop)];

const DB: Vm = Vm { name: "db-01", number: 11, disks: 2 };
const VMS: [Vm; 4] = [
    DB,
    Vm { name: "app-01", number: 12, disks: 1 },
    Vm { name: "web-01", number: 13, disks: 1 },
    Vm { name: "web-02", number: 14, disks: 1 },
];

/// Seconds that a record may lie on either side of a restore point's moment: the time of its own writing, and of the copy's beginning.
const EDGE: u64 = 3;

/// The four machines with what they shall hold.
struct Shop<'a> {
    lab: &'a Lab,
    workspace: Workspace,
    sums: Vec<(&'static str, &'static str, String)>,
}

impl Shop<'_> {
    /// Every guest writes a file.
    fn fill(&mut self, site: &Site, file: &'static str, mib: u32) {
        for vm in VMS {
            let sum = answer(vm, site, &format!("fill?{file}:{mib}"));
            self.sums.push((vm.name, file, sum));
        }
    }

    /// Every guest has every file that it ever wrote and that nobody gave up.
    #[track_caller]
    fn holds(&self, site: &Site, what: &str) {
        for vm in VMS {
            for (_, file, sum) in self.sums.iter().filter(|(name, _, _)| *name == vm.name) {
                let found = answer(vm, site, &format!("sum?{file}"));
                assert_eq!(found, *sum, "{what}: {file} of {}", vm.name);
            }
        }
    }

    /// The latest restore points are what the sources' disks hold, byte by byte.
    #[track_caller]
    fn in_step(&self, what: &str) {
        for vm in VMS {
            let devs = ["vda", "vdb"];
            in_step(self.lab, &self.workspace, vm.name, &devs[..usize::from(vm.disks)], what);
        }
    }

    #[track_caller]
    fn states(&self, state: &str) {
        for vm in VMS {
            assert_eq!(self.workspace.state(vm.name), state, "{}", vm.name);
        }
    }
}

/// The numbers and times of a guest's records, which must have no gap.
#[track_caller]
fn records(vm: Vm, site: &Site) -> Vec<u64> {
    let mut times = Vec::new();
    let files = ["/data/records", "/data2/records"];
    for file in &files[..usize::from(vm.disks)] {
        let text = vm.ask(site, file, 90).unwrap();
        times.clear();
        for (number, line) in (1..).zip(text.lines()) {
            assert!(line.starts_with(&format!("{number} ")), "{}: record {number} is lost: {line}", vm.name);
            times.extend(line.rsplit(' ').next().and_then(|t| t.parse::<u64>().ok()));
        }
        assert!(!times.is_empty());
    }
    times
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The power goes: what the guests had not copied is gone with it.
fn power_cut(site: &Site) -> Result<(), String> {
    for vm in VMS {
        let pid = site.exec(&["cat", &format!("/run/libvirt/qemu/{}.pid", vm.name)])?;
        run(&["kill", "-9", pid.trim()])?;
    }
    for vm in VMS {
        until("the machine is gone", 20, || {
            (virsh(site, &["domstate", vm.name]) == "shut off").then_some(())
        })?;
    }
    Ok(())
}

fn shop(lab: &Lab) -> Result<(), String> {
    let a = &lab.production;
    for vm in VMS {
        vm.define(a)?;
        virsh(a, &["start", vm.name]);
    }
    let mut shop = Shop { lab, workspace: Workspace::example(lab), sums: Vec::new() };
    for (file, mib) in [("one", 8), ("two", 4), ("three", 4)] {
        shop.fill(a, file, mib);
        shop.workspace.replicate();
    }
    there_and_back(&mut shop)?;
    damaged(&mut shop)?;
    lost_and_diverged(&mut shop)?;
    for_good(&shop)
}

/// Planned there, planned back, and replication goes on with what changed.
fn there_and_back(shop: &mut Shop<'_>) -> Result<(), String> {
    let (a, b) = (&shop.lab.production, &shop.lab.recovery);
    let before: Vec<usize> = VMS.iter().map(|vm| records(*vm, a).len()).collect();
    let said = shop.workspace.apply("evacuate");
    shop.states("Failover");
    shop.in_step("after the evacuation");
    shop.holds(b, "after the evacuation");
    // A web server starts when the application answers, and this one when the database does.
    let at = |what: &str| said.text.find(what).unwrap_or_else(|| panic!("{what}:\n{}", said.text));
    let on = "power the replica on";
    assert!(at("+ wait         db-01 ready") < at(&format!("app-01       {on}")), "{}", said.text);
    assert!(at("+ wait         app-01 ready") < at(&format!("web-01       {on}")), "{}", said.text);
    for (vm, before) in VMS.into_iter().zip(before) {
        assert!(records(vm, b).len() > before, "{} lost records", vm.name);
    }
    shop.fill(b, "four", 4);
    let there: Vec<usize> = VMS.iter().map(|vm| records(*vm, b).len()).collect();
    shop.workspace.apply("return");
    shop.states("Ready");
    shop.holds(a, "after the return");
    for (vm, there) in VMS.into_iter().zip(there) {
        assert!(records(vm, a).len() > there, "{} lost records on its way back", vm.name);
    }
    // Compared while nobody writes, and then with changes alone.
    for vm in VMS {
        virsh(a, &["shutdown", vm.name]);
    }
    for vm in VMS {
        until("the guest to shut down", 90, || {
            (virsh(a, &["domstate", vm.name]) == "shut off").then_some(())
        })?;
    }
    shop.workspace.replicate();
    shop.in_step("after the commit");
    for vm in VMS {
        virsh(a, &["start", vm.name]);
    }
    shop.fill(a, "five", 4);
    shop.workspace.replicate();
    Ok(())
}

/// Damage that is noticed late: from the points before it, and back to the sources when it was none.
fn damaged(shop: &mut Shop<'_>) -> Result<(), String> {
    let (a, b) = (&shop.lab.production, &shop.lab.recovery);
    // A whole second after the last point, as moments are told in whole seconds.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let moment = now();
    let damage = answer(DB, a, "fill?damage:4");
    shop.workspace.replicate();
    answer(DB, a, "fill?not-copied:4");
    let written: Vec<Vec<u64>> = VMS.iter().map(|vm| records(*vm, a)).collect();
    power_cut(a)?;
    let text = run(&["date", "-u", "-d", &format!("@{moment}"), "+%Y-%m-%dT%H:%M:%SZ"])?;
    shop.workspace.edit("runbooks.yaml", "2026-01-01T00:00:00Z", text.trim());
    shop.workspace.apply("damaged");
    shop.states("Failover");
    shop.holds(b, "at the point before the damage");
    assert_ne!(answer(DB, b, "sum?damage"), damage);
    for (vm, written) in VMS.into_iter().zip(written) {
        lost_what_was_promised(shop, vm, &written, moment);
    }
    shop.workspace.apply("undo");
    shop.states("Ready");
    for vm in VMS {
        if virsh(a, &["domstate", vm.name]) == "shut off" {
            virsh(a, &["start", vm.name]);
        }
    }
    shop.holds(a, "after the undo");
    assert_eq!(answer(DB, a, "sum?damage"), damage, "the source is what it was");
    Ok(())
}

/// What a replica has is what the source had written at the moment of the restore point, no less and no more.
#[track_caller]
fn lost_what_was_promised(shop: &Shop<'_>, vm: Vm, written: &[u64], moment: u64) {
    let point = shop.workspace.moments(vm.name).into_iter().rfind(|at| *at <= moment).unwrap();
    let kept = records(vm, &shop.lab.recovery);
    let boot = kept.iter().zip(written).take_while(|(kept, written)| kept == written).count();
    // What the replica itself has written since it runs comes after it.
    let kept = &written[..boot];
    let due = written.iter().filter(|at| **at + EDGE < point).count();
    assert!(kept.len() >= due, "{}: {} records of {due} before the restore point", vm.name, kept.len());
    assert!(kept.iter().all(|at| *at <= point + EDGE), "{}: records from after the restore point", vm.name);
}

/// The site is lost, comes back with what nobody has any more, and is made like the replicas by comparison.
fn lost_and_diverged(shop: &mut Shop<'_>) -> Result<(), String> {
    let (a, b) = (&shop.lab.production, &shop.lab.recovery);
    shop.fill(a, "six", 4);
    shop.workspace.replicate();
    let lost = answer(DB, a, "fill?lost:4");
    power_cut(a)?;
    shop.workspace.apply("lost");
    shop.holds(b, "after the loss");
    shop.fill(b, "seven", 4);
    shop.workspace.apply("return");
    shop.states("Ready");
    shop.holds(a, "after a failback by comparison");
    assert_ne!(answer(DB, a, "sum?lost"), lost);
    Ok(())
}

/// The replicas are production from now on.
fn for_good(shop: &Shop<'_>) -> Result<(), String> {
    let (a, b) = (&shop.lab.production, &shop.lab.recovery);
    shop.workspace.apply("evacuate");
    shop.in_step("after the last evacuation");
    shop.workspace.apply("stay");
    shop.states("Permanent");
    shop.holds(b, "for good");
    for vm in VMS {
        assert_eq!(virsh(a, &["domstate", vm.name]), "shut off");
        let left =
            b.exec(&["find", &format!("/var/lib/libvirt/images/lifeboat/{}", vm.name), "-type", "f"])?;
        assert_eq!(left.lines().count(), usize::from(vm.disks), "one file for each disk: {left}");
        virsh(b, &["destroy", &format!("{}_replica", vm.name)]);
    }
    Ok(())
}
