//! The record beside a replica is lost, and its machine: what stands there is enough to go on.

use crate::lab::Lab;
use crate::lab::site::Site;
use crate::machine::{Blank, keep, layer, same, virsh, write};
use crate::stories::Test;
use crate::workspace::Workspace;

/// The stories.
pub const TESTS: [Test; 1] = [("a_record_that_was_lost_is_rebuilt_from_what_stands_there", lost)];

const BLANK: &str = "shutdown: { within: 1s }\n  ready: { all: [{ guest: {} }], every: 200ms, within: 15s }";
const RECORD: &str = "https://lifeboat.dev/xmlns/replica/1";

fn forget(b: &Site, replica: &str) {
    virsh(b, &["metadata", replica, RECORD, "--config", "--remove"]);
}

fn rebuild(workspace: &Workspace, name: &str, state: &str) {
    workspace.lifeboat(&["status", name, "--rebuild"]).ends(0).says(state).says("What cannot be known");
    workspace.lifeboat(&["status", name, "--rebuild", "--confirm", "other"]).ends(9);
    workspace.lifeboat(&["status", name, "--rebuild", "--confirm", name]).ends(0).says("was written");
    assert_eq!(workspace.state(name), state);
    workspace.lifeboat(&["status", name, "--rebuild"]).ends(1).says("LB0914");
}

/// Whether the latest restore point is what the source holds, which is off.
fn in_step(lab: &Lab, workspace: &Workspace, vm: Blank, what: &str) {
    let last = workspace.points(vm.name).pop().unwrap();
    for dev in ["vda", "vdb"] {
        same((&lab.production, &vm.disk(dev)), (&lab.recovery, &layer(vm.name, dev, &last)), what);
    }
}

fn lost(lab: &Lab) -> Result<(), String> {
    let vm = Blank { name: "vm33", number: 33 };
    let (a, b) = (&lab.production, &lab.recovery);
    vm.start(a);
    let workspace = Workspace::new(lab, &[vm.name], BLANK);
    let mut kept = Vec::new();
    for n in 1..4u8 {
        write(a, vm.name, 0, (n, 10, 4));
        write(a, vm.name, 1, (n, 20 + u32::from(n), 2));
        workspace.replicate();
        let point = workspace.points(vm.name).pop().unwrap();
        kept.push(["vda", "vdb"].map(|dev| keep(b, &layer(vm.name, dev, &point))));
    }
    let points = workspace.points(vm.name);
    // The metadata alone.
    forget(b, &vm.replica());
    workspace.lifeboat(&["status"]).ends(0).says("lifeboat status vm33 --rebuild");
    workspace.lifeboat(&["plan", "evacuate"]).ends(1).says("lifeboat status vm33 --rebuild");
    rebuild(&workspace, vm.name, "Ready");
    assert_eq!(workspace.points(vm.name), points);
    write(a, vm.name, 0, (9, 12, 1));
    workspace.replicate();
    // The machine with it.
    let points = workspace.points(vm.name);
    virsh(b, &["undefine", &vm.replica()]);
    workspace.lifeboat(&["plan", "evacuate"]).ends(1).says("lifeboat status vm33 --rebuild");
    rebuild(&workspace, vm.name, "Ready");
    assert_eq!(workspace.points(vm.name), points);
    older(lab, &workspace, vm, (&points[1], &kept[1]))?;
    // What goes on from there is whole.
    write(a, vm.name, 1, (8, 40, 2));
    workspace.replicate();
    workspace.apply("evacuate");
    in_step(lab, &workspace, vm, "after a record that was lost three times");
    virsh(b, &["destroy", &vm.replica()]);
    Ok(())
}

/// Fails over to an older point, loses the record while the replica serves, and goes back.
fn older(lab: &Lab, workspace: &Workspace, vm: Blank, point: (&str, &[String; 2])) -> Result<(), String> {
    let b = &lab.recovery;
    let (id, kept) = point;
    workspace.edit(
        "workspace.yaml",
        "via: unplanned",
        &format!("via: unplanned, restorePoint: {{ id: {id} }}"),
    );
    workspace.apply("lost");
    for (dev, copy) in ["vda", "vdb"].into_iter().zip(kept) {
        same((b, &layer(vm.name, dev, "~running")), (b, copy), "an older point of a record that was rebuilt");
    }
    write(b, &vm.replica(), 0, (7, 50, 1));
    forget(b, &vm.replica());
    rebuild(workspace, vm.name, "Failover");
    workspace.apply("undo");
    assert_eq!(workspace.state(vm.name), "Ready");
    Ok(())
}
