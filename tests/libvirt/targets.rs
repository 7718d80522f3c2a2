//! Where a failover begins and where a failback ends: older points, a machine restored elsewhere, one that is built anew; and when it
//! switches over.

use crate::lab::Lab;
use crate::lab::run::run;
use crate::machine::{Blank, in_step, is, keep, layer, nothing_left, same, virsh, write};
use crate::stories::{BLANK, Test};
use crate::workspace::Workspace;
use std::time::{Duration, Instant};

/// The stories.
pub const TESTS: [Test; 4] = [
    ("a_failover_begins_at_an_older_point_by_its_name_or_a_time", older),
    ("a_failback_goes_to_the_machine_restored_elsewhere", elsewhere),
    ("a_failback_goes_to_a_machine_that_is_built_anew", recovered),
    ("a_switchover_waits_for_a_word_or_a_time", switchover),
];

const DEVS: [&str; 2] = ["vda", "vdb"];

fn blank(lab: &Lab, name: &'static str, number: u8) -> (Blank, Workspace) {
    let vm = Blank { name, number };
    vm.start(&lab.production);
    write(&lab.production, name, 0, (1, 10, 32));
    write(&lab.production, name, 1, (2, 20, 16));
    let workspace = Workspace::new(lab, &[name], BLANK);
    workspace.replicate();
    (vm, workspace)
}

fn older(lab: &Lab) -> Result<(), String> {
    let (vm, workspace) = blank(lab, "vm41", 41);
    let (a, b) = (&lab.production, &lab.recovery);
    for n in 3..5u8 {
        write(a, vm.name, 0, (n, 12, 2));
        write(a, vm.name, 1, (n, 22, 1));
        workspace.replicate();
        // Two points of one second cannot be told apart by a time in seconds.
        std::thread::sleep(Duration::from_secs(2));
    }
    let points = workspace.points(vm.name);
    let held: Vec<[String; 2]> =
        points.iter().map(|p| DEVS.map(|dev| keep(b, &layer(vm.name, dev, p)))).collect();
    let holds = |point: usize, what: &str| {
        for (dev, kept) in DEVS.into_iter().zip(&held[point]) {
            same((b, &layer(vm.name, dev, "~running")), (b, kept), what);
        }
    };
    let by_name =
        format!("{{ plan: all, state: Failover, via: unplanned, restorePoint: {{ id: {} }} }}", points[0]);
    workspace.runbook("by-name", &by_name);
    workspace.apply("by-name");
    is(b, &vm.replica(), &workspace, ("running", "Failover"));
    is(a, vm.name, &workspace, ("running", "Failover"));
    holds(0, "the oldest point");
    write(b, &vm.replica(), 0, (9, 12, 1));
    workspace.apply("undo");
    is(b, &vm.replica(), &workspace, ("shut off", "Ready"));
    assert_eq!(workspace.points(vm.name), points);
    // Any time between two points means the one before it.
    let moments = workspace.moments(vm.name);
    let at = second_after(moments[1], moments[2])?;
    let by_time = format!("{{ plan: all, state: Failover, via: unplanned, restorePoint: {{ at: {at} }} }}");
    workspace.runbook("by-time", &by_time);
    workspace.apply("by-time");
    holds(1, "the point before that time");
    write(b, &vm.replica(), 0, (7, 13, 1));
    write(a, vm.name, 1, (8, 40, 1));
    // The source ran on, and the newest point has what the replica never had: both go.
    workspace.apply("return");
    is(a, vm.name, &workspace, ("running", "Ready"));
    is(b, &vm.replica(), &workspace, ("shut off", "Ready"));
    for (point, kept) in points.iter().zip(&held) {
        for (dev, kept) in DEVS.into_iter().zip(kept) {
            same((b, &layer(vm.name, dev, point)), (b, kept), "a point is what it was");
        }
    }
    in_step_now(lab, &workspace, &vm, "after the return from an older point");
    Ok(())
}

/// The second after the first moment, which must be before the second one.
fn second_after(first: u64, second: u64) -> Result<String, String> {
    if first + 1 >= second {
        return Err(format!("the points are too near to each other: {first}, {second}"));
    }
    run(&["date", "-u", "-d", &format!("@{}", first + 1), "+%Y-%m-%dT%H:%M:%SZ"]).map(|t| t.trim().to_owned())
}

/// Replicates, moves over, and compares. The replica is off at the end.
fn in_step_now(lab: &Lab, workspace: &Workspace, vm: &Blank, what: &str) {
    write(&lab.production, vm.name, 0, (6, 14, 1));
    workspace.replicate();
    small(lab, workspace, vm);
    workspace.apply("evacuate");
    in_step(lab, workspace, vm.name, &DEVS, what);
    nothing_left(lab, workspace, vm.name);
    virsh(&lab.recovery, &["destroy", &vm.replica()]);
}

/// The last point holds changes alone, which are some MiB of 48.
#[track_caller]
fn small(lab: &Lab, workspace: &Workspace, vm: &Blank) {
    let last = workspace.points(vm.name).pop().unwrap();
    for dev in DEVS {
        let file = lab.recovery.image(&layer(vm.name, dev, &last)).display().to_string();
        let kib: u32 = run(&["du", "-k", &file]).unwrap().split_whitespace().next().unwrap().parse().unwrap();
        assert!(kib < 8 << 10, "{dev} of the last point takes {kib} KiB");
    }
}

/// The documents of a failback to another machine, to each state.
fn runbooks(workspace: &Workspace, target: &str) {
    let failback = |when: &str| format!("failback: {{ target: {target}, switchover: {when} }}");
    for (name, state, when) in [
        ("begin", "state: ReadyToSwitch", "manual"),
        ("there", "state: Failback", "automatic"),
        ("home", "state: Ready, keep: replica", "automatic"),
    ] {
        workspace.runbook(name, &format!("{{ plan: all, {state}, {} }}", failback(when)));
    }
}

/// Both phases, undone after each, then for good; the target's disks are these files below the folder of images.
fn to_another(lab: &Lab, vm: &Blank, workspace: &Workspace, target: &str, file: impl Fn(&str) -> String) {
    let (a, b) = (&lab.production, &lab.recovery);
    workspace.apply("evacuate");
    write(b, &vm.replica(), 0, (3, 12, 1));
    let source = DEVS.map(|dev| keep(a, &vm.disk(dev)));
    workspace.apply("begin");
    is(b, &vm.replica(), workspace, ("running", "ReadyToSwitch"));
    workspace.apply("stay");
    is(b, &vm.replica(), workspace, ("running", "Failover"));
    write(b, &vm.replica(), 1, (4, 21, 1));
    workspace.apply("there");
    assert_eq!(virsh(a, &["domstate", target]), "running");
    is(b, &vm.replica(), workspace, ("shut off", "Failback"));
    workspace.apply("stay");
    is(b, &vm.replica(), workspace, ("running", "Failover"));
    assert_ne!(a.virsh(&["domstate", target]).unwrap_or_default().trim(), "running");
    write(b, &vm.replica(), 0, (5, 13, 1));
    workspace.apply("home");
    assert_eq!(
        (virsh(a, &["domstate", target]).as_str(), workspace.state(vm.name).as_str()),
        ("running", "Ready")
    );
    assert_eq!(virsh(a, &["domstate", vm.name]), "shut off");
    for (dev, kept) in DEVS.into_iter().zip(&source) {
        same((a, &vm.disk(dev)), (a, kept), "the old source is left alone");
    }
    // Replication follows the machine that serves, with changes alone.
    write(a, target, 0, (6, 14, 1));
    workspace.replicate();
    small(lab, workspace, vm);
    workspace.apply("evacuate");
    assert_eq!(virsh(a, &["domstate", target]), "shut off");
    let last = workspace.points(vm.name).pop().unwrap();
    for dev in DEVS {
        same((a, &file(dev)), (b, &layer(vm.name, dev, &last)), "the target and the last point");
    }
    nothing_left(lab, workspace, vm.name);
    virsh(b, &["destroy", &vm.replica()]);
}

fn elsewhere(lab: &Lab) -> Result<(), String> {
    let (vm, workspace) = blank(lab, "vm42", 42);
    let a = &lab.production;
    // It was restored from an old backup: much is the same, some is not.
    let other = Blank { name: "vm42-restored", number: 43 };
    other.start(a);
    write(a, other.name, 0, (1, 10, 30));
    write(a, other.name, 0, (8, 60, 4));
    virsh(a, &["destroy", other.name, "--graceful"]);
    let before = DEVS.map(|dev| keep(a, &other.disk(dev)));
    let target = "{ elsewhere: [{ replica: vm42, site: production, vm: vm42-restored }] }";
    runbooks(&workspace, target);
    workspace.apply("evacuate");
    workspace.apply("begin");
    workspace.apply("stay");
    for (dev, kept) in DEVS.into_iter().zip(&before) {
        same((a, &other.disk(dev)), (a, kept), "the target is what it was");
    }
    workspace.apply("undo");
    to_another(lab, &vm, &workspace, other.name, |dev| other.disk(dev));
    Ok(())
}

fn recovered(lab: &Lab) -> Result<(), String> {
    let (vm, workspace) = blank(lab, "vm44", 44);
    runbooks(&workspace, "{ recovered: [{ replica: vm44, site: production, vm: vm44-new }] }");
    to_another(lab, &vm, &workspace, "vm44-new", |dev| format!("lifeboat/vm44-new/{dev}.qcow2"));
    Ok(())
}

fn switchover(lab: &Lab) -> Result<(), String> {
    let (vm, workspace) = blank(lab, "vm45", 45);
    let (a, b) = (&lab.production, &lab.recovery);
    let back = "plan: all, state: Ready, keep: replica, failback: { target: original, switchover:";
    workspace.runbook("by-hand", &format!("{{ {back} manual }} }}"));
    workspace.apply("evacuate");
    write(b, &vm.replica(), 0, (3, 12, 1));
    workspace.apply("by-hand");
    is(b, &vm.replica(), &workspace, ("running", "ReadyToSwitch"));
    is(a, vm.name, &workspace, ("shut off", "ReadyToSwitch"));
    // What it writes until the word is given comes along.
    write(b, &vm.replica(), 1, (4, 21, 2));
    workspace.lifeboat(&["apply", "by-hand", "--confirm", "by-hand", "--switchover"]).ends(0);
    is(a, vm.name, &workspace, ("running", "Ready"));
    is(b, &vm.replica(), &workspace, ("shut off", "Ready"));
    workspace.apply("evacuate");
    in_step(lab, &workspace, vm.name, &DEVS, "after a switchover by hand");
    write(b, &vm.replica(), 0, (5, 15, 1));
    let at = run(&["date", "-u", "-d", "20 seconds", "+%Y-%m-%dT%H:%M:%SZ"])?;
    workspace.runbook("by-time", &format!("{{ {back} {{ at: {} }} }} }}", at.trim()));
    let began = Instant::now();
    workspace.apply("by-time");
    assert!(began.elapsed().as_secs() >= 18, "it did not wait: {:?}", began.elapsed());
    is(a, vm.name, &workspace, ("running", "Ready"));
    in_step_now(lab, &workspace, &vm, "after a switchover at a time");
    Ok(())
}
