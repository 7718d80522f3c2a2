//! Lifeboat moves real machines: stories with guests that write, and with machines that are written to.

use crate::lab::Lab;
use crate::lab::run::run;
use crate::lab::vm::Vm;
use crate::machine::{Blank, answer, in_step, is, keep, layer, same, virsh, write};
use crate::workspace::Workspace;

/// A name and what it tells.
pub type Test = (&'static str, fn(&Lab) -> Result<(), String>);

/// The stories.
pub const TESTS: [Test; 7] = [
    ("a_guest_goes_there_and_back_and_nothing_is_lost", there_and_back),
    ("a_lost_source_costs_what_was_promised_and_is_brought_back_by_comparison", lost_source),
    ("a_failover_is_undone_and_one_is_made_permanent", undone_and_permanent),
    ("a_failback_is_undone_and_tried_again", failback_undone),
    ("a_merge_that_was_begun_before_is_ended", merge_begun),
    ("retention_keeps_what_the_points_say", retention),
    ("a_site_that_is_cut_off_is_said_to_be_silent", cut_off),
];

const HTTP: &str = "ready: { all: [{ tcp: { port: 80 } }], every: 500ms, within: 90s }";
/// A machine without a guest shuts down when it is told to, not when it is asked.
pub const BLANK: &str =
    "shutdown: { within: 1s }\n  ready: { all: [{ guest: {} }], every: 200ms, within: 15s }";

/// Two disks, changes on both sides, planned in both directions.
fn there_and_back(lab: &Lab) -> Result<(), String> {
    let vm = Vm { name: "vm1", number: 1, disks: 2 };
    let (a, b) = (&lab.production, &lab.recovery);
    vm.define(a)?;
    virsh(a, &["start", vm.name]);
    let workspace = Workspace::new(lab, &[vm.name], HTTP);
    let one = answer(vm, a, "fill?one:16");
    workspace.replicate();
    let two = answer(vm, a, "fill?two:4");
    workspace.replicate();
    workspace.apply("evacuate");
    assert_eq!((answer(vm, b, "sum?one"), answer(vm, b, "sum?two")), (one.clone(), two));
    in_step(lab, &workspace, vm.name, &["vda", "vdb"], "after the evacuation");
    let three = answer(vm, b, "fill?three:4");
    workspace.apply("return");
    assert_eq!((answer(vm, a, "sum?one"), answer(vm, a, "sum?three")), (one, three.clone()));
    for records in ["/data/records", "/data2/records"] {
        let text = vm.ask(a, records, 30)?;
        for (number, line) in (1..).zip(text.lines()) {
            assert!(line.starts_with(&format!("{number} ")), "record {number} of {records} is lost: {line}");
        }
    }
    // Replication goes on with changes alone.
    workspace.replicate();
    workspace.apply("evacuate");
    assert_eq!(answer(vm, b, "sum?three"), three);
    in_step(lab, &workspace, vm.name, &["vda", "vdb"], "after the return");
    virsh(b, &["destroy", "vm1_replica"]);
    Ok(())
}

fn lost_source(lab: &Lab) -> Result<(), String> {
    let vm = Vm { name: "vm2", number: 2, disks: 1 };
    let (a, b) = (&lab.production, &lab.recovery);
    vm.define(a)?;
    virsh(a, &["start", vm.name]);
    let workspace = Workspace::new(lab, &[vm.name], HTTP);
    let kept = answer(vm, a, "fill?kept:4");
    workspace.replicate();
    let lost = answer(vm, a, "fill?lost:4");
    let pid = a.exec(&["cat", "/run/libvirt/qemu/vm2.pid"])?;
    run(&["kill", "-9", pid.trim()])?;
    crate::lab::run::until("the machine is gone", 20, || {
        (virsh(a, &["domstate", vm.name]) == "shut off").then_some(())
    })?;
    workspace.apply("lost");
    assert_eq!(answer(vm, b, "sum?kept"), kept);
    assert_ne!(answer(vm, b, "sum?lost"), lost);
    let new = answer(vm, b, "fill?new:4");
    // The source has what was lost; it is compared, not believed.
    workspace.apply("return");
    assert_eq!((answer(vm, a, "sum?kept"), answer(vm, a, "sum?new")), (kept, new));
    workspace.apply("evacuate");
    in_step(lab, &workspace, vm.name, &["vda"], "after the return of a source that was lost");
    virsh(b, &["destroy", "vm2_replica"]);
    Ok(())
}

/// What a blank machine's disks hold is written by hand.
fn blank(lab: &Lab, name: &'static str, number: u8) -> (Blank, Workspace) {
    let vm = Blank { name, number };
    vm.start(&lab.production);
    write(&lab.production, name, 0, (1, 10, 8));
    write(&lab.production, name, 1, (2, 20, 4));
    let workspace = Workspace::new(lab, &[name], BLANK);
    workspace.replicate();
    (vm, workspace)
}

fn undone_and_permanent(lab: &Lab) -> Result<(), String> {
    let (vm, workspace) = blank(lab, "vm3", 3);
    let (a, b) = (&lab.production, &lab.recovery);
    workspace.apply("evacuate");
    is(a, vm.name, &workspace, ("shut off", "Failover"));
    write(b, &vm.replica(), 0, (9, 12, 1));
    workspace.apply("undo");
    is(a, vm.name, &workspace, ("running", "Ready"));
    workspace.apply("evacuate");
    in_step(lab, &workspace, vm.name, &["vda", "vdb"], "what the replica wrote is gone");
    write(b, &vm.replica(), 0, (7, 12, 1));
    workspace.apply("forever");
    is(b, &vm.replica(), &workspace, ("running", "Permanent"));
    virsh(b, &["destroy", &vm.replica(), "--graceful"]);
    let disks = virsh(b, &["domblklist", &vm.replica()]);
    let path = disks.lines().find_map(|l| l.trim().strip_prefix("vda")).unwrap().trim();
    let read =
        b.exec(&["qemu-io", "-f", "qcow2", "-c", "read -P 7 12M 1M", "-c", "read -P 1 13M 1M", path])?;
    assert!(!read.contains("failed"), "{read}");
    let left = b.exec(&["find", &b.sees("lifeboat/vm3"), "-type", "f"])?;
    assert_eq!(left.lines().count(), 2, "one file for each disk: {left}");
    Ok(())
}

fn failback_undone(lab: &Lab) -> Result<(), String> {
    let (vm, workspace) = blank(lab, "vm4", 4);
    let (a, b) = (&lab.production, &lab.recovery);
    workspace.apply("evacuate");
    let before = ["vda", "vdb"].map(|dev| keep(a, &vm.disk(dev)));
    write(b, &vm.replica(), 0, (3, 12, 1));
    workspace.apply("go-back");
    is(a, vm.name, &workspace, ("running", "Failback"));
    write(a, vm.name, 0, (4, 14, 1));
    workspace.apply("stay");
    is(a, vm.name, &workspace, ("shut off", "Failover"));
    for (dev, kept) in ["vda", "vdb"].into_iter().zip(&before) {
        same((a, &vm.disk(dev)), (a, kept), "the target is what it was");
    }
    write(b, &vm.replica(), 1, (5, 16, 1));
    workspace.apply("return");
    workspace.apply("evacuate");
    in_step(lab, &workspace, vm.name, &["vda", "vdb"], "after the second failback");
    virsh(b, &["destroy", &vm.replica()]);
    Ok(())
}

/// A runner was killed while it merged: the job runs on in the machine's QEMU and waits to be ended.
fn merge_begun(lab: &Lab) -> Result<(), String> {
    let (vm, workspace) = blank(lab, "vm8", 8);
    let (a, b) = (&lab.production, &lab.recovery);
    workspace.apply("evacuate");
    write(b, &vm.replica(), 0, (3, 12, 1));
    workspace.apply("go-back");
    let base = a.sees("vm8-vda.qcow2");
    virsh(a, &["blockcommit", vm.name, "vda", "--base", &base, "--active", "--wait", "--verbose"]);
    workspace.apply("commit");
    is(a, vm.name, &workspace, ("running", "Ready"));
    workspace.apply("evacuate");
    in_step(lab, &workspace, vm.name, &["vda", "vdb"], "after a merge in two pieces");
    virsh(b, &["destroy", &vm.replica()]);
    Ok(())
}

fn retention(lab: &Lab) -> Result<(), String> {
    let (vm, workspace) = blank(lab, "vm5", 5);
    let (a, b) = (&lab.production, &lab.recovery);
    let mut kept = Vec::new();
    for n in 0..6u8 {
        write(a, vm.name, 0, (n, 10 + u32::from(n), 2));
        // Zeroes over data are a change as well.
        write(a, vm.name, 1, (0, 20 + u32::from(n), 1));
        workspace.replicate();
        let point = workspace.points(vm.name).pop().unwrap();
        let copies = ["vda", "vdb"].map(|dev| (dev, keep(b, &layer(vm.name, dev, &point))));
        kept.push((point, copies));
    }
    let there: Vec<&String> = kept[2..].iter().map(|(p, _)| p).collect();
    assert_eq!(workspace.points(vm.name).iter().collect::<Vec<_>>(), there);
    for (point, copies) in &kept[2..] {
        for (dev, copy) in copies {
            same((b, &layer(vm.name, dev, point)), (b, copy), "a point after older ones are gone");
        }
    }
    virsh(a, &["destroy", vm.name]);
    Ok(())
}

fn cut_off(lab: &Lab) -> Result<(), String> {
    let (vm, workspace) = blank(lab, "vm6", 6);
    let (a, b) = (&lab.production, &lab.recovery);
    // Its daemon stands still: it neither answers nor refuses.
    let pid = a.exec(&["cat", "/run/libvirt/libvirtd.pid"])?;
    run(&["kill", "-STOP", pid.trim()])?;
    let said = workspace.lifeboat(&["status"]);
    run(&["kill", "-CONT", pid.trim()])?;
    said.ends(0).says("production does not answer");
    // The way between the sites breaks in the middle of a copy.
    write(a, vm.name, 0, (8, 30, 64));
    a.link(false)?;
    let said = workspace.lifeboat(&["replicate", "--all"]);
    a.link(true)?;
    assert_ne!(said.code, 0, "{}", said.text);
    workspace.lifeboat(&["resume"]).ends(0);
    workspace.apply("evacuate");
    in_step(lab, &workspace, vm.name, &["vda", "vdb"], "after the cut");
    virsh(b, &["destroy", &vm.replica()]);
    Ok(())
}
