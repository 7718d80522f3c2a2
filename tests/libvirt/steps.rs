//! Lifeboat is killed between any two steps of every operation, and resumed to the goal. What was written before is read afterwards through
//! the machine that serves.

use crate::lab::Lab;
use crate::lab::site::Site;
use crate::machine::{Blank, in_step, nothing_left, virsh, write};
use crate::party::{DEVS, flush};
use crate::stories::{BLANK, Test};
use crate::workspace::Workspace;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The stories.
pub const TESTS: [Test; 2] =
    [("killed_between_any_two_steps_of_every_operation_it_is_resumed", between), (LONG, within)];

/// It takes eight minutes.
pub const LONG: &str = "killed_within_any_step_of_every_operation_it_is_resumed";

const REPLICATE: [&str; 2] = ["replicate", "--all"];
/// So many kills there must be at least.
const LEAST: usize = 60;

/// A machine that is led through its operations, each killed at one step.
struct Walk<'a> {
    lab: &'a Lab,
    vm: Blank,
    workspace: Workspace,
    round: &'a Round,
}

/// All operations once, with one way of killing.
struct Round {
    /// How long a step has begun before the kill.
    after: Duration,
    /// The number of the first machine; there are fourteen.
    base: u8,
    kills: AtomicUsize,
}

impl Round {
    fn vm(&self, number: u8) -> Blank {
        let number = self.base + number;
        // A story's machines live as long as the process.
        Blank { name: Box::leak(format!("walk{number:02x}").into_boxed_str()), number }
    }
}

impl<'a> Walk<'a> {
    fn new(lab: &'a Lab, round: &'a Round, number: u8) -> Self {
        let vm = round.vm(number);
        vm.start(&lab.production);
        write(&lab.production, vm.name, 0, (1, 10, 4));
        Self { lab, vm, workspace: Workspace::new(lab, &[vm.name], BLANK), round }
    }

    /// Does it with a kill at that step, and ends in that state; whether it had that step. `None` kills nothing.
    fn go(&self, arguments: &[&str], step: Option<usize>, state: &str) -> bool {
        let arguments: Vec<&str> = match arguments {
            [runbook] => vec!["apply", runbook, "--confirm", runbook],
            _ => arguments.to_vec(),
        };
        let what = format!("{}: {arguments:?} at {step:?}", self.vm.name);
        let reached = match step {
            None => {
                self.workspace.lifeboat(&arguments).ends(0);
                false
            }
            Some(step) => self.workspace.kill_at(&arguments, step, self.round.after),
        };
        if reached {
            self.round.kills.fetch_add(1, Ordering::Relaxed);
            let said = self.workspace.lifeboat(&["resume"]);
            // One that was killed after its last record has nothing left to do.
            assert!(said.code == 0 || said.text.contains("no run is unfinished"), "{what}: {}", said.text);
        }
        assert_eq!(self.workspace.state(self.vm.name), state, "{what}");
        reached
    }

    /// Writes a MiB through the machine that serves, so that it outlives it.
    fn write(&self, site: &Site, domain: &str, pattern: u8, at: u32) {
        write(site, domain, 0, (pattern, at, 1));
        flush(site, domain);
    }

    /// The last point is what the source holds, and nothing is left over.
    fn ends(&self, source: &str) {
        self.go(&["evacuate"], None, "Failover");
        let last = self.workspace.points(self.vm.name).pop().unwrap_or_default();
        for dev in DEVS {
            let (disk, point) =
                (format!("{source}-{dev}.qcow2"), crate::machine::layer(self.vm.name, dev, &last));
            crate::machine::same((&self.lab.production, &disk), (&self.lab.recovery, &point), self.vm.name);
        }
        nothing_left(self.lab, &self.workspace, self.vm.name);
        virsh(&self.lab.recovery, &["destroy", &self.vm.replica()]);
    }
}

/// Whether a running machine has this at that place.
fn reads(site: &Site, domain: &str, pattern: u8, at: u32) -> bool {
    flush(site, domain);
    let disks = virsh(site, &["domblklist", domain]);
    let path = disks.lines().find_map(|l| l.trim().strip_prefix("vda")).unwrap_or_default().trim();
    // Nobody but this story writes, and all of that is on the disk: it can be read beside the machine.
    let read = format!("read -P {pattern} {at}M 1M");
    match site.exec(&["qemu-io", "-r", "-U", "-f", "qcow2", "-c", &read, path]) {
        Ok(_) => true,
        // What differs is an exit code without a complaint.
        Err(why) if why.ends_with("exit status: 1, ") => false,
        Err(why) => panic!("{why}"),
    }
}

fn pattern(step: usize, base: u8) -> u8 {
    base + u8::try_from(step).unwrap_or(0)
}

/// Replication, planned failover, undone.
fn there_and_undone(walk: &Walk<'_>) {
    let (a, b, vm) = (&walk.lab.production, &walk.lab.recovery, walk.vm);
    walk.go(&REPLICATE, None, "Ready");
    for step in 0.. {
        let (kept, dropped) = (pattern(step, 10), pattern(step, 110));
        walk.write(a, vm.name, kept, 30);
        let mut any = walk.go(&REPLICATE, Some(step), "Ready");
        any |= walk.go(&["evacuate"], Some(step), "Failover");
        assert_eq!(virsh(a, &["domstate", vm.name]), "shut off");
        in_step(walk.lab, &walk.workspace, vm.name, &DEVS, "a planned failover");
        assert!(reads(b, &vm.replica(), kept, 30), "{} step {step}: lost on the way there", vm.name);
        walk.write(b, &vm.replica(), dropped, 40);
        any |= walk.go(&["undo"], Some(step), "Ready");
        assert_eq!(virsh(b, &["domstate", &vm.replica()]), "shut off");
        assert!(reads(a, vm.name, kept, 30) && !reads(a, vm.name, dropped, 40), "{} step {step}", vm.name);
        if !any {
            break;
        }
    }
    walk.ends(vm.name);
}

/// Unplanned failover, to the latest point and to an older one; failback, undone from both of its states, and committed.
fn lost_and_brought_back(walk: &Walk<'_>) {
    let (a, b, vm) = (&walk.lab.production, &walk.lab.recovery, walk.vm);
    let target = "failback: { target: original, switchover: ";
    walk.workspace.runbook("begin", &format!("{{ plan: all, state: ReadyToSwitch, {target} manual }} }}"));
    walk.workspace.runbook("there", &format!("{{ plan: all, state: Failback, {target} automatic }} }}"));
    walk.write(a, vm.name, 9, 30);
    walk.go(&REPLICATE, None, "Ready");
    for step in 0.. {
        let (older, newer, lost, kept) =
            (pattern(step, 9), pattern(step, 10), pattern(step, 110), pattern(step, 60));
        let point = walk.workspace.points(vm.name).pop().unwrap_or_default();
        walk.write(a, vm.name, newer, 30);
        walk.go(&REPLICATE, None, "Ready");
        walk.write(a, vm.name, lost, 50);
        let mut any = walk.go(&["lost"], Some(step), "Failover");
        assert!(reads(b, &vm.replica(), newer, 30) && !reads(b, &vm.replica(), lost, 50), "step {step}");
        walk.go(&["undo"], None, "Ready");
        let at = format!("restorePoint: {{ id: {point} }}");
        walk.workspace.runbook("older", &format!("{{ plan: all, state: Failover, via: unplanned, {at} }}"));
        any |= walk.go(&["older"], Some(step), "Failover");
        assert!(reads(b, &vm.replica(), older, 30), "step {step}: not the older point");
        walk.write(b, &vm.replica(), kept, 60);
        any |= walk.go(&["begin"], Some(step), "ReadyToSwitch");
        any |= walk.go(&["stay"], Some(step), "Failover");
        assert!(reads(b, &vm.replica(), kept, 60), "step {step}: lost in a failback's first phase");
        walk.go(&["begin"], None, "ReadyToSwitch");
        any |= walk.go(&["there"], Some(step), "Failback");
        assert!(reads(a, vm.name, kept, 60), "step {step}: lost on the way back");
        any |= walk.go(&["stay"], Some(step), "Failover");
        assert!(reads(b, &vm.replica(), kept, 60), "step {step}: lost as the failback was undone");
        walk.go(&["there"], None, "Failback");
        any |= walk.go(&["commit"], Some(step), "Ready");
        assert!(
            reads(a, vm.name, kept, 60) && reads(a, vm.name, older, 30),
            "step {step}: lost in the commit"
        );
        // The next round's older point holds what this one's newer should have.
        walk.write(a, vm.name, newer, 30);
        walk.go(&REPLICATE, None, "Ready");
        if !any {
            break;
        }
    }
    walk.ends(vm.name);
}

/// Failback to another machine and again to the first one, at one go.
fn to_another(walk: &Walk<'_>, other: Blank) {
    let (a, b, vm) = (&walk.lab.production, &walk.lab.recovery, walk.vm);
    other.start(a);
    virsh(a, &["destroy", other.name, "--graceful"]);
    walk.go(&REPLICATE, None, "Ready");
    let mut names = [vm.name, other.name];
    for step in 0.. {
        let kept = pattern(step, 10);
        walk.go(&["evacuate"], None, "Failover");
        walk.write(b, &vm.replica(), kept, 30);
        names.reverse();
        let target =
            format!("{{ elsewhere: [{{ replica: {}, site: production, vm: {} }}] }}", vm.name, names[0]);
        let failback = format!("failback: {{ target: {target}, switchover: automatic }}");
        walk.workspace.runbook("home", &format!("{{ plan: all, state: Ready, keep: replica, {failback} }}"));
        let any = walk.go(&["home"], Some(step), "Ready");
        assert!(reads(a, names[0], kept, 30), "step {step}: lost on the way to another machine");
        assert_eq!(virsh(a, &["domstate", names[1]]), "shut off");
        if !any {
            break;
        }
    }
    walk.ends(names[0]);
}

/// The first replication and the permanent failover, which a machine lives through once.
fn first_and_last(lab: &Lab, round: &Round) {
    for step in 0..10u8 {
        let walk = Walk::new(lab, round, 4 + step);
        let (a, b, vm) = (&lab.production, &lab.recovery, walk.vm);
        let at = Some(usize::from(step));
        let mut any = walk.go(&REPLICATE, at, "Ready");
        walk.go(&["evacuate"], None, "Failover");
        in_step(lab, &walk.workspace, vm.name, &DEVS, "after the first replication");
        walk.write(b, &vm.replica(), 7, 30);
        any |= walk.go(&["forever"], at, "Permanent");
        assert!(
            reads(b, &vm.replica(), 7, 30) && reads(b, &vm.replica(), 1, 10),
            "step {step}: lost in the merge"
        );
        let folder = b.sees(&format!("lifeboat/{}", vm.name));
        let left = b.exec(&["find", &folder, "-type", "f"]).unwrap_or_default();
        assert_eq!(left.lines().count(), 2, "one file for each disk: {left}");
        virsh(b, &["destroy", &vm.replica()]);
        virsh(a, &["undefine", vm.name, "--checkpoints-metadata"]);
        if !any {
            return;
        }
    }
    panic!("an operation of more than ten steps");
}

fn every(lab: &Lab, after: u64, base: u8) -> usize {
    let round = Round { after: Duration::from_millis(after), base, kills: AtomicUsize::new(0) };
    let broke = std::thread::scope(|scope| {
        let walks = [
            scope.spawn(|| there_and_undone(&Walk::new(lab, &round, 0))),
            scope.spawn(|| lost_and_brought_back(&Walk::new(lab, &round, 1))),
            scope.spawn(|| to_another(&Walk::new(lab, &round, 2), round.vm(3))),
            scope.spawn(|| first_and_last(lab, &round)),
        ];
        walks.map(|walk| walk.join()).into_iter().find_map(Result::err)
    });
    if let Some(why) = broke {
        std::panic::resume_unwind(why);
    }
    round.kills.into_inner()
}

fn enough(kills: usize) -> Result<(), String> {
    eprintln!("{kills} kills");
    if kills < LEAST { Err(format!("only {kills} kills")) } else { Ok(()) }
}

fn between(lab: &Lab) -> Result<(), String> {
    enough(every(lab, 0, 0xb0))
}

/// A moment later, the effect is on its way, done and not recorded, or recorded.
fn within(lab: &Lab) -> Result<(), String> {
    enough(every(lab, 40, 0xc0) + every(lab, 150, 0xd0) + every(lab, 500, 0xe0))
}
