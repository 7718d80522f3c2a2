//! What stands in the way is found before anything is done, each with the command that mends it; the command is carried out, and it is gone.

use crate::lab::Lab;
use crate::lab::run::{run, until};
use crate::lab::site::Site;
use crate::machine::{Blank, virsh, write};
use crate::stories::Test;
use crate::workspace::Workspace;
use serde_json::Value;
use std::process::{Child, Command, Stdio};

/// The stories.
pub const TESTS: [Test; 2] = [
    ("what_stands_in_the_way_is_found_with_what_mends_it", found_and_mended),
    ("a_silent_source_does_not_stop_an_unplanned_failover", silent_source),
];

const BLANK: &str = "shutdown: { within: 1s }\n  ready: { all: [{ guest: {} }], every: 200ms, within: 15s }";
const FOLDER: &str = "/var/lib/libvirt/images/lifeboat";

/// What is found when the sites are asked: code, severity, the finding.
#[track_caller]
fn found(workspace: &Workspace, code: i32) -> Vec<(String, String, Value)> {
    let said = workspace.lifeboat(&["validate", "--sites", "--format", "json"]).ends(code);
    let json: Value = serde_json::from_str(&said.text).unwrap_or_else(|e| panic!("{e}: {}", said.text));
    let word = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let findings = json["findings"].as_array().unwrap();
    let all = findings.iter().map(|f| (word(f, "code"), word(f, "severity"), f.clone()));
    // The documents have warnings of their own.
    all.filter(|(code, _, _)| code.starts_with("LB09")).collect()
}

/// Exactly this is found; the command that mends it.
#[track_caller]
fn one(workspace: &Workspace, expected: (&str, &str), words: &str) -> String {
    let found = found(workspace, i32::from(expected.1 == "error"));
    assert!(
        matches!(&found[..], [(code, severity, _)] if (code.as_str(), severity.as_str()) == expected),
        "{found:#?}"
    );
    let finding = &found[0].2;
    assert!(finding["message"].as_str().unwrap().contains(words), "{finding:#}");
    let help = finding["help"][0].as_str().unwrap();
    help.split('`').nth(1).unwrap_or_default().to_owned()
}

/// Carries a command out as a person would, and nothing is found any more.
#[track_caller]
fn mended(workspace: &Workspace, command: &str) {
    run(&["sh", "-c", command]).unwrap();
    nothing(workspace);
}

/// Nothing stands in the way.
#[track_caller]
fn nothing(workspace: &Workspace) {
    let found = found(workspace, 0);
    assert!(found.is_empty(), "{found:#?}");
}

fn found_and_mended(lab: &Lab) -> Result<(), String> {
    let vm = Blank { name: "vm31", number: 31 };
    let (a, b) = (&lab.production, &lab.recovery);
    vm.start(a);
    write(a, vm.name, 0, (1, 10, 8));
    let workspace = Workspace::new(lab, &[vm.name], BLANK);
    nothing(&workspace);
    workspace.replicate();
    nothing(&workspace);
    assert!(!workspace.lifeboat(&["plan", "evacuate"]).ends(0).text.contains("[LB09"));
    network(&workspace, b);
    others(&workspace, a, vm.name)?;
    folder_and_room(&workspace, a)?;
    ports(&workspace, a)?;
    programs(&workspace, b)?;
    unfit(&workspace, a, vm.name)?;
    workspace.apply("evacuate");
    virsh(b, &["destroy", &vm.replica()]);
    Ok(())
}

fn network(workspace: &Workspace, b: &Site) {
    virsh(b, &["net-destroy", "dr"]);
    let command = one(workspace, ("LB0908", "error"), "network dr is not active at recovery");
    workspace.lifeboat(&["plan", "evacuate"]).ends(1).says("LB0908").says("net-start dr");
    let said = workspace.lifeboat(&["apply", "evacuate", "--confirm", "evacuate"]).ends(1);
    assert!(said.says("LB0908").text.contains("networks: [{ from: prod, to: dr }]"));
    assert_eq!(workspace.state("vm31"), "Ready");
    // A replication needs no network there.
    workspace.replicate();
    mended(workspace, &command);
}

/// Somebody else's snapshot, checkpoint, and backup.
fn others(workspace: &Workspace, a: &Site, name: &str) -> Result<(), String> {
    virsh(a, &["checkpoint-create-as", name, "nightly"]);
    let command = one(workspace, ("LB0911", "warning"), "nightly");
    workspace.replicate();
    mended(workspace, &command);
    virsh(a, &["snapshot-create-as", name, "before-upgrade", "--disk-only"]);
    let command = one(workspace, ("LB0911", "warning"), "before-upgrade");
    workspace.replicate();
    workspace.lifeboat(&["plan", "evacuate"]).ends(0).says("warning[LB0911]");
    mended(workspace, &command);
    let backup = "<domainbackup mode='pull'><server transport='unix' socket='/run/libvirt/theirs'/><disks>\
                  <disk name='vda' backup='yes' type='file' exportname='theirs'><scratch file='/run/libvirt/theirs.scratch'/></disk>\
                  <disk name='vdb' backup='no'/></disks></domainbackup>";
    a.virsh_with(&["backup-begin", name, "/dev/stdin"], Some(backup))?;
    let command = one(workspace, ("LB0911", "error"), "Backup");
    workspace.lifeboat(&["plan", "evacuate"]).ends(1).says("domjobabort vm31");
    mended(workspace, &command);
    Ok(())
}

fn folder_and_room(workspace: &Workspace, a: &Site) -> Result<(), String> {
    a.exec(&["mount", "-t", "tmpfs", "-o", "ro,size=2G", "tmpfs", FOLDER])?;
    let command = one(workspace, ("LB0905", "error"), "its file system takes no writes");
    mended(workspace, &command);
    a.exec(&["mount", "-o", "remount,size=16M", FOLDER])?;
    one(workspace, ("LB0906", "warning"), "has 16.0 MiB free");
    let command = [a.prefix().join(" "), format!("umount {FOLDER}")].join(" ");
    mended(workspace, &command);
    Ok(())
}

/// Serves a file at a port of the site until it is ended.
fn listen(site: &Site, port: &str) -> Result<Child, String> {
    let prefix = site.prefix();
    let (program, arguments) = prefix.split_first().ok_or("no command")?;
    let child = Command::new(program)
        .args(arguments)
        .args(["qemu-nbd", "--read-only", "--persistent", "--bind", site.design.address, "--port", port])
        .args(["--format", "raw", "/etc/hosts"])
        .stdin(Stdio::null())
        .spawn()
        .map_err(|e| e.to_string())?;
    until("somebody listens", 10, || {
        site.exec(&["ss", "-Htln"]).ok()?.contains(&format!(":{port} ")).then_some(())
    })?;
    Ok(child)
}

fn ports(workspace: &Workspace, a: &Site) -> Result<(), String> {
    let (before, after) = (
        format!("address: {} }}", a.design.address),
        format!("address: {}, first: 10809, last: 10809 }}, copies: 1", a.design.address),
    );
    workspace.edit("workspace.yaml", &before, &after);
    nothing(workspace);
    let mut child = listen(a, "10809")?;
    let command = one(workspace, ("LB0907", "error"), "0 are free");
    let shown = run(&["sh", "-c", &command])?;
    assert!(shown.contains("qemu-nbd"), "{shown}");
    child.kill().map_err(|e| e.to_string())?;
    child.wait().map_err(|e| e.to_string())?;
    nothing(workspace);
    workspace.edit("workspace.yaml", &after, &before);
    let wrong = before.replace(a.design.address, "192.0.2.7");
    workspace.edit("workspace.yaml", &before, &wrong);
    let found = found(workspace, 1);
    assert!(
        matches!(&found[..], [(code, _, f)] if code == "LB0907" && f["help"][0].as_str().unwrap().contains(a.design.address)),
        "{found:#?}"
    );
    workspace.edit("workspace.yaml", &wrong, &before);
    Ok(())
}

fn programs(workspace: &Workspace, b: &Site) -> Result<(), String> {
    b.exec(&["mount", "--bind", "/dev/null", "/usr/bin/qemu-io"])?;
    let command = one(workspace, ("LB0904", "error"), "qemu-io cannot be run at recovery");
    assert!(command.ends_with("apt-get install qemu-utils"), "{command}");
    workspace.lifeboat(&["plan", "evacuate"]).ends(1).says("LB0904");
    b.exec(&["umount", "/usr/bin/qemu-io"])?;
    nothing(workspace);
    Ok(())
}

/// A disk that cannot be replicated, in the machine's description for the next start.
fn unfit(workspace: &Workspace, a: &Site, name: &str) -> Result<(), String> {
    let disk = "<disk type='network' device='disk'><driver name='qemu' type='raw'/><source protocol='nbd' name='x'>\
                <host name='192.0.2.9' port='10809'/></source><target dev='vdc' bus='virtio'/></disk>";
    a.virsh_with(&["attach-device", name, "/dev/stdin", "--config"], Some(disk))?;
    let command = one(workspace, ("LB0909", "error"), "vdc");
    workspace.lifeboat(&["plan", "evacuate"]).ends(1).says("LB0909");
    mended(workspace, &command);
    Ok(())
}

/// A production site that does not answer is known, and nothing is asked of it again.
fn silent_source(lab: &Lab) -> Result<(), String> {
    let vm = Blank { name: "vm32", number: 32 };
    let (a, b) = (&lab.production, &lab.recovery);
    vm.start(a);
    let workspace = Workspace::new(lab, &[vm.name], BLANK);
    workspace.replicate();
    let pid = a.exec(&["cat", "/run/libvirt/libvirtd.pid"])?;
    run(&["kill", "-STOP", pid.trim()])?;
    let began = std::time::Instant::now();
    let planned = workspace.lifeboat(&["plan", "lost"]);
    let took = began.elapsed();
    let asked = workspace.lifeboat(&["validate", "--sites"]);
    let applied = workspace.lifeboat(&["apply", "lost", "--confirm", "lost"]);
    run(&["kill", "-CONT", pid.trim()])?;
    assert!(!planned.ends(0).says("production does not answer").text.contains("[LB09"));
    assert!(took.as_secs() < 12, "a site that is silent for 8 s was asked again: {took:?}");
    asked.ends(1).says("error[LB0901]").says("site production does not answer");
    applied.ends(0);
    assert_eq!(workspace.state(vm.name), "Failover");
    virsh(b, &["destroy", &vm.replica()]);
    virsh(a, &["destroy", vm.name]);
    Ok(())
}
