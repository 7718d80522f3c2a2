//! Guests with an agent are frozen for the moment of a restore point, and never stay so.

use crate::lab::Lab;
use crate::lab::run::{run, until};
use crate::lab::site::Site;
use crate::lab::vm::Vm;
use crate::machine::{answer, layer, virsh};
use crate::stories::Test;
use crate::workspace::Workspace;
use std::time::{Duration, Instant};

/// The stories.
pub const TESTS: [Test; 3] = [
    ("a_guest_is_frozen_for_the_moment_of_a_restore_point", frozen),
    ("a_guest_without_an_agent_behind_its_channel_is_copied_as_it_is", nobody),
    ("a_guest_is_thawed_though_lifeboat_is_killed", killed),
];

const READY: &str = "quiesce: auto\n  ready: { all: [{ tcp: { port: 80 } }], every: 500ms, within: 90s }";

/// What the agent says of the guest's file systems.
fn state(site: &Site, vm: Vm) -> String {
    let status = r#"{"execute":"guest-fsfreeze-status"}"#;
    let said = site.virsh(&["qemu-agent-command", vm.name, "--timeout", "5", "--cmd", status]);
    said.unwrap_or_default().trim().to_owned()
}

/// A guest with its agent, up.
fn up(site: &Site, vm: Vm) -> Result<(), String> {
    virsh(site, &["start", vm.name]);
    until("the agent", 60, || state(site, vm).contains("thawed").then_some(()))
}

/// The marks of a replica's restore points, oldest first.
fn marks(workspace: &Workspace, vm: Vm) -> Vec<String> {
    let points = workspace.status(vm.name)["points"].as_array().cloned().unwrap_or_default();
    points.iter().filter_map(|p| p["consistency"].as_str().map(str::to_owned)).collect()
}

/// Whether the file system of the latest point was left in the middle of its work.
fn torn(lab: &Lab, workspace: &Workspace, vm: Vm) -> Result<bool, String> {
    let point = workspace.points(vm.name).pop().ok_or("no point")?;
    let path = |name: &str| lab.recovery.image(name).display().to_string();
    let copy = path("point.raw");
    run(&["qemu-img", "convert", "-U", "-O", "raw", &path(&layer(vm.name, "vda", &point)), &copy])?;
    Ok(run(&["dumpe2fs", "-h", &copy])?.contains("needs_recovery"))
}

fn frozen(lab: &Lab) -> Result<(), String> {
    let vm = Vm { name: "ga1", number: 16, disks: 1 };
    let a = &lab.production;
    vm.define_with_channel(a, true)?;
    up(a, vm)?;
    let workspace = Workspace::new(lab, &[vm.name], READY);
    answer(vm, a, "fill?one:4");
    workspace.replicate();
    assert_eq!(
        (marks(&workspace, vm), answer(vm, a, "freezes")),
        (vec!["application".to_owned()], "1,1".to_owned())
    );
    assert!(!torn(lab, &workspace, vm)?, "a file system that was frozen has nothing to recover");
    workspace.lifeboat(&["status", vm.name]).ends(0).says("application-consistent");
    // An agent that hangs holds nothing up.
    answer(vm, a, "agent?STOP");
    let began = Instant::now();
    workspace.lifeboat(&["-v", "replicate", "--all"]).ends(0).says("its agent does not answer");
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
    assert_eq!(marks(&workspace, vm), ["application", "crash"]);
    assert!(torn(lab, &workspace, vm)?, "this one was in the middle of its work");
    // Where it must be frozen there is no point without.
    workspace.edit("workspace.yaml", "quiesce: auto", "quiesce: required");
    workspace
        .lifeboat(&["replicate", "--all"])
        .ends(3)
        .says("cannot be frozen, as is required: its agent does not answer");
    answer(vm, a, "agent?CONT");
    until("the agent", 30, || state(a, vm).contains("thawed").then_some(()))?;
    workspace.lifeboat(&["resume"]).ends(0);
    assert_eq!(marks(&workspace, vm), ["application", "crash", "application"]);
    workspace.edit("workspace.yaml", "quiesce: required", "quiesce: never");
    workspace.replicate();
    assert_eq!(answer(vm, a, "freezes"), "2,2");
    workspace.apply("evacuate");
    assert_eq!(
        marks(&workspace, vm).split_last().map(|(last, rest)| (last.as_str(), rest.len())),
        Some(("clean", 5))
    );
    assert!(!torn(lab, &workspace, vm)?);
    virsh(&lab.recovery, &["destroy", "ga1_replica"]);
    Ok(())
}

fn nobody(lab: &Lab) -> Result<(), String> {
    let vm = Vm { name: "ga2", number: 17, disks: 1 };
    let a = &lab.production;
    vm.define_with_channel(a, false)?;
    virsh(a, &["start", vm.name]);
    let workspace = Workspace::new(lab, &[vm.name], READY);
    answer(vm, a, "fill?one:1");
    workspace.lifeboat(&["-v", "replicate", "--all"]).ends(0).says("its agent does not answer");
    assert_eq!(marks(&workspace, vm), ["crash"]);
    virsh(a, &["destroy", vm.name]);
    Ok(())
}

fn killed(lab: &Lab) -> Result<(), String> {
    let vm = Vm { name: "ga3", number: 18, disks: 1 };
    let a = &lab.production;
    vm.define_with_channel(a, true)?;
    up(a, vm)?;
    let workspace = Workspace::new(lab, &[vm.name], READY);
    workspace.replicate();
    let freezing = || {
        until("a freeze", 30, || {
            let [froze, thawed] =
                [0, 1].map(|n| answer(vm, a, "freezes").split(',').nth(n).map(str::to_owned));
            (froze != thawed).then_some(())
        })
    };
    // Killed while the guest freezes: what it had begun is gone on with.
    answer(vm, a, "freezes?3");
    assert!(workspace.kill_at(
        &["apply", "evacuate", "--confirm", "evacuate"],
        1,
        Duration::from_millis(1500)
    ));
    until("the guest to be thawed", 30, || (answer(vm, a, "freezes") == "2,2").then_some(()))?;
    assert!(state(a, vm).contains("thawed"));
    workspace.lifeboat(&["resume"]).ends(0);
    workspace.apply("undo");
    until("the agent", 60, || state(a, vm).contains("thawed").then_some(()))?;
    // All that it had begun is killed with it: the guest freezes, and stays so until the next attempt.
    answer(vm, a, "freezes?3");
    assert!(workspace.kill_at(
        &["apply", "evacuate", "--confirm", "evacuate"],
        1,
        Duration::from_millis(1500)
    ));
    freezing()?;
    for pid in run(&["pgrep", "-f", "fsfreeze-freeze"])?.lines() {
        run(&["kill", "-9", pid])?;
    }
    until("the guest to be frozen", 30, || state(a, vm).contains("frozen").then_some(()))?;
    answer(vm, a, "freezes?0");
    workspace.lifeboat(&["resume"]).ends(0);
    assert_eq!(marks(&workspace, vm).last().map(String::as_str), Some("clean"));
    virsh(&lab.recovery, &["destroy", "ga3_replica"]);
    Ok(())
}
