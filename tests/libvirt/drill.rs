//! Drills on real machines: copies above restore points, on a network that leads nowhere, beside replication and a failover.

use crate::lab::Lab;
use crate::lab::run::until;
use crate::lab::site::Site;
use crate::machine::{Blank, in_step, keep, layer, nothing_left, same, virsh, write};
use crate::stories::{BLANK, Test};
use crate::workspace::{Running, Workspace};
use std::time::Duration;

/// The stories.
pub const TESTS: [Test; 2] = [
    ("a_drill_runs_beside_replication_and_a_failover_and_leaves_nothing", beside),
    ("a_drill_that_is_killed_at_any_step_is_gone_on_with_and_leaves_nothing", killed),
];

const NETWORK: &str = "apart";

/// A network that leads nowhere.
fn network(site: &Site) {
    if virsh(site, &["net-list", "--all", "--name"]).lines().any(|l| l.trim() == NETWORK) {
        return;
    }
    let xml =
        format!("<network><name>{NETWORK}</name><bridge name='br-{NETWORK}' stp='off' delay='0'/></network>");
    site.virsh_with(&["net-define", "/dev/stdin"], Some(&xml)).unwrap();
    virsh(site, &["net-start", NETWORK]);
}

fn no_network(site: &Site) {
    virsh(site, &["net-destroy", NETWORK]);
    virsh(site, &["net-undefine", NETWORK]);
}

fn workspace(lab: &Lab, vm: Blank, to: &str) -> Workspace {
    let workspace = Workspace::new(lab, &[vm.name], BLANK);
    let recovery = std::fs::read_to_string(workspace.path("workspace.yaml")).unwrap();
    let at = recovery.find("metadata: { name: recovery }").unwrap();
    let (before, after) = recovery.split_at(at);
    let with = format!("spec:\n  drill: {{ networks: [{{ from: dr, to: {to} }}] }}\n");
    std::fs::write(
        workspace.path("workspace.yaml"),
        before.to_owned() + &after.replacen("spec:\n", &with, 1),
    )
    .unwrap();
    workspace
}

fn copy(vm: Blank) -> String {
    format!("{}_drill", vm.replica())
}

fn is_there(site: &Site, domain: &str) -> bool {
    virsh(site, &["list", "--all", "--name"]).lines().any(|l| l.trim() == domain)
}

/// Starts a drill that waits for a person, and waits until its copy is ready.
fn drill(workspace: &Workspace) -> Result<Running, String> {
    let drill = workspace.start(&["drill", "all", "--keep", "until-key"]);
    until("the drill asks whether its copies may go", 60, || {
        workspace.lifeboat(&["status"]).text.contains("all/remove:").then_some(())
    })?;
    Ok(drill)
}

/// The drill of which there is one.
fn run_of(workspace: &Workspace) -> String {
    let json = workspace.json(&["history"]);
    let runs = json["runs"].as_array().unwrap();
    let run = runs.iter().rfind(|r| r["purpose"] == "drill-all").unwrap();
    run["run"].as_str().unwrap().to_owned()
}

fn beside(lab: &Lab) -> Result<(), String> {
    let vm = Blank { name: "drill1", number: 0x51 };
    let (a, b) = (&lab.production, &lab.recovery);
    vm.start(a);
    network(b);
    let workspace = workspace(lab, vm, NETWORK);
    for n in 1..5u8 {
        write(a, vm.name, 0, (n, 10, 4));
        workspace.replicate();
    }
    let points = workspace.points(vm.name);
    assert_eq!(points.len(), 4);
    let last = points.last().unwrap();
    let kept = ["vda", "vdb"].map(|dev| keep(b, &layer(vm.name, dev, last)));
    let under_way = drill(&workspace)?;
    let copy = copy(vm);
    assert_eq!(virsh(b, &["domstate", &copy]), "running");
    let described = virsh(b, &["dumpxml", &copy]);
    assert!(
        described.contains(&format!("network='{NETWORK}'")) && !described.contains("network='dr'"),
        "{described}"
    );
    // The copy writes, and replication goes on.
    write(b, &copy, 0, (0x77, 10, 2));
    write(a, vm.name, 0, (9, 30, 2));
    workspace.replicate();
    workspace.replicate();
    assert_eq!(workspace.points(vm.name).len(), 6, "nothing is dropped under a copy");
    workspace.lifeboat(&["drill", "all"]).ends(6).says("LB0801");
    // A failover does not wait for it.
    workspace.apply("evacuate");
    assert_eq!(
        (virsh(b, &["domstate", &vm.replica()]), virsh(b, &["domstate", &copy])),
        ("running".into(), "running".into())
    );
    in_step(lab, &workspace, vm.name, &["vda", "vdb"], "a failover beside a drill");
    workspace.lifeboat(&["apply", "forever", "--confirm", "forever"]).ends(1).says("LB0851");
    let run = run_of(&workspace);
    workspace.lifeboat(&["answer", &run, "remove", "yes", "--because", "seen"]).ends(0);
    under_way.ended().ends(0).says("passed: 1 of 1 ready").says("nothing is left");
    assert!(!is_there(b, &copy));
    for (dev, kept) in ["vda", "vdb"].into_iter().zip(&kept) {
        same((b, &layer(vm.name, dev, last)), (b, kept), "the point under the copy");
    }
    workspace.apply("undo");
    workspace.replicate();
    assert_eq!(workspace.points(vm.name).len(), 4, "what was too many is dropped afterwards");
    workspace.lifeboat(&["status"]).ends(0).says("Plan all was last drilled ");
    nothing_left(lab, &workspace, vm.name);
    // A network that leads elsewhere is no network apart.
    let elsewhere = "<network><name>leads</name><forward mode='open'/><bridge name='br-leads' stp='off' delay='0'/></network>";
    b.virsh_with(&["net-define", "/dev/stdin"], Some(elsewhere))?;
    virsh(b, &["net-start", "leads"]);
    workspace.edit("workspace.yaml", "to: apart", "to: leads");
    workspace
        .lifeboat(&["drill", "all"])
        .ends(3)
        .says("it leads elsewhere (forward mode open)")
        .says("nothing is left");
    assert!(!is_there(b, &copy));
    virsh(b, &["net-destroy", "leads"]);
    virsh(b, &["net-undefine", "leads"]);
    nothing_left(lab, &workspace, vm.name);
    virsh(a, &["destroy", vm.name]);
    no_network(b);
    Ok(())
}

fn killed(lab: &Lab) -> Result<(), String> {
    let vm = Blank { name: "drill2", number: 0x52 };
    let (a, b) = (&lab.production, &lab.recovery);
    vm.start(a);
    network(b);
    let workspace = workspace(lab, vm, NETWORK);
    write(a, vm.name, 0, (1, 10, 4));
    workspace.replicate();
    let mut kills = 0;
    for after in [0, 120] {
        for step in 0..4 {
            if !workspace.kill_at(&["drill", "all"], step, Duration::from_millis(after)) {
                continue;
            }
            kills += 1;
            // One that was killed after its last record has nothing left to do.
            let said = workspace.lifeboat(&["resume"]);
            assert!(
                said.code == 0 || said.text.contains("no run is unfinished"),
                "step {step}: {}",
                said.text
            );
            assert!(!is_there(b, &copy(vm)), "step {step}");
            nothing_left(lab, &workspace, vm.name);
        }
    }
    assert!(kills >= 5, "{kills} kills");
    // One that nobody goes on with is cleaned up by whoever asks.
    let under_way = drill(&workspace)?;
    under_way.killed();
    assert!(is_there(b, &copy(vm)));
    workspace.lifeboat(&["status"]).ends(0).says("A drill's copy of drill2 of run ");
    workspace.lifeboat(&["drill", "all", "--clean"]).ends(0).says("nothing is left");
    assert!(!is_there(b, &copy(vm)));
    nothing_left(lab, &workspace, vm.name);
    workspace.lifeboat(&["drill", "all"]).ends(0).says("passed: 1 of 1 ready");
    virsh(a, &["destroy", vm.name]);
    no_network(b);
    Ok(())
}
