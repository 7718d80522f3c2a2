//! What was changed by others, or was left half done, between one command and the next.

use crate::lab::Lab;
use crate::lab::run::until;
use crate::machine::{Blank, in_step, is, nothing_left, virsh, write};
use crate::party::{Copy, DEVS, Party, begin, flush, holds, slow};
use crate::stories::{BLANK, Test};
use crate::workspace::Workspace;

/// The stories.
pub const TESTS: [Test; 3] = [
    ("a_disk_that_was_merged_before_its_machine_died_is_not_merged_again", half_merged),
    ("a_source_that_is_made_anew_is_replicated_as_it_is_now", made_anew),
    ("a_machine_that_was_put_on_for_its_disks_may_be_started", opened),
];

/// One of two disks is merged, and its guest writes to it; then the machine dies.
fn half_merged(lab: &Lab) -> Result<(), String> {
    let vm = Blank { name: "vm94", number: 0xa4 };
    let (a, b) = (&lab.production, &lab.recovery);
    vm.start(a);
    write(a, vm.name, 0, (1, 10, 8));
    let workspace = Workspace::new(lab, &[vm.name], BLANK);
    workspace.replicate();
    workspace.apply("evacuate");
    let replica = vm.replica();
    write(b, &replica, 0, (2, 10, 8));
    write(b, &replica, 1, (3, 10, 8));
    let point = workspace.points(vm.name).first().cloned().unwrap_or_default();
    let base = b.sees(&format!("lifeboat/{}/vda.{point}.qcow2", vm.name));
    for checkpoint in virsh(b, &["checkpoint-list", &replica, "--name"]).lines().filter(|l| !l.is_empty()) {
        virsh(b, &["checkpoint-delete", &replica, checkpoint]);
    }
    virsh(b, &["blockcommit", &replica, "vda", "--base", &base, "--active", "--wait", "--pivot"]);
    write(b, &replica, 0, (4, 12, 4));
    flush(b, &replica);
    virsh(b, &["destroy", &replica]);
    workspace.apply("forever");
    virsh(b, &["destroy", &replica]);
    let image = |dev: &str| format!("lifeboat/{}/{dev}.{point}.qcow2", vm.name);
    holds(b, &image("vda"), (2, 10, 2), "what was there before the merge");
    holds(b, &image("vda"), (4, 12, 4), "what was written after the merge");
    holds(b, &image("vdb"), (3, 10, 8), "the other disk");
    Ok(())
}

/// It has another identity, more memory, and a disk more.
fn made_anew(lab: &Lab) -> Result<(), String> {
    let vm = Blank { name: "vm95", number: 0xa5 };
    let (a, b) = (&lab.production, &lab.recovery);
    vm.start(a);
    let workspace = Workspace::new(lab, &[vm.name], BLANK);
    for n in 1..=2u8 {
        write(a, vm.name, 0, (n, 10, 4));
        workspace.replicate();
    }
    workspace.apply("lost");
    workspace.apply("undo");
    let text = virsh(a, &["dumpxml", vm.name, "--inactive"]);
    virsh(a, &["destroy", vm.name, "--graceful"]);
    virsh(a, &["undefine", vm.name, "--checkpoints-metadata"]);
    let file = a.image("vm95-vdc.qcow2").display().to_string();
    crate::lab::run::run(&["qemu-img", "create", "-q", "-f", "qcow2", &file, "64M"])?;
    let disk = format!(
        "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{}'/><target dev='vdc' bus='virtio'/></disk></devices>",
        a.sees("vm95-vdc.qcow2")
    );
    let number = format!("{:02x}</uuid>", vm.number);
    let memory = |kib: u32| format!(">{kib}</");
    let anew = text
        .replace(&number, "ee</uuid>")
        .replace(&memory(32 * 1024), &memory(48 * 1024))
        .replace("</devices>", &disk);
    a.virsh_with(&["define", "/dev/stdin"], Some(&anew))?;
    virsh(a, &["start", vm.name]);
    write(a, vm.name, 0, (3, 20, 4));
    write(a, vm.name, 2, (4, 20, 4));
    workspace.replicate();
    workspace.apply("evacuate");
    is(b, &vm.replica(), &workspace, ("running", "Failover"));
    in_step(lab, &workspace, vm.name, &["vda", "vdb", "vdc"], "with a new disk");
    let replica = virsh(b, &["dumpxml", &vm.replica()]);
    assert!(replica.contains(&memory(48 * 1024)), "{replica}");
    write(b, &vm.replica(), 2, (5, 30, 4));
    workspace.apply("return");
    workspace.apply("evacuate");
    in_step(lab, &workspace, vm.name, &["vda", "vdb", "vdc"], "after the way back");
    virsh(b, &["destroy", &vm.replica()]);
    Ok(())
}

/// Lifeboat dies while it reads the disks of a machine that is off, and a person lets that machine run.
fn opened(lab: &Lab) -> Result<(), String> {
    let (a, b) = (&lab.production, &lab.recovery);
    let party = [Party::new(lab, Blank { name: "vm96", number: 0xa6 }, Copy::Changes)];
    let [Party { vm, workspace, .. }] = &party;
    let paused = |site, name: &str| {
        until("it to stand still", 20, || (virsh(site, &["domstate", name]) == "paused").then_some(()))
    };
    party[0].prepare(10);
    virsh(a, &["destroy", vm.name, "--graceful"]);
    for running in begin(lab, &party, 10)? {
        running.killed();
    }
    slow(lab, &party, false)?;
    paused(a, vm.name)?;
    virsh(a, &["resume", vm.name]);
    write(a, vm.name, 0, (11, 112, 2));
    workspace.lifeboat(&["resume"]).ends(0);
    workspace.replicate();
    assert_eq!(virsh(a, &["domstate", vm.name]), "running");
    workspace.apply("evacuate");
    in_step(lab, workspace, vm.name, &DEVS, "after its source was started");
    // The same at the replica, whose failback is then undone.
    let back = [Party::with(
        lab,
        Blank { name: "vm97", number: 0xa7 },
        Copy::SecondPhase,
        Workspace::new(lab, &["vm97"], BLANK),
    )];
    back[0].prepare(12);
    for running in begin(lab, &back, 12)? {
        running.killed();
    }
    slow(lab, &back, false)?;
    let [Party { vm, workspace, .. }] = &back;
    paused(b, &vm.replica())?;
    let runs = std::fs::read_dir(workspace.path(".lifeboat/runs")).map_err(|e| e.to_string())?.flatten();
    let last = runs.map(|r| r.file_name().to_string_lossy().into_owned()).max().unwrap_or_default();
    workspace.lifeboat(&["abort", &last, "--close", "--because", "a test"]).ends(0);
    workspace.apply("stay");
    is(b, &vm.replica(), workspace, ("running", "Failover"));
    write(b, &vm.replica(), 0, (13, 112, 2));
    workspace.apply("return");
    is(a, vm.name, workspace, ("running", "Ready"));
    back[0].whole(12, "after a failback that was undone in the middle of its second phase");
    nothing_left(lab, workspace, vm.name);
    Ok(())
}
