//! A source that is failed over does not come back with its host; whoever serves for good does.

use crate::lab::Lab;
use crate::lab::site::Site;
use crate::machine::{Blank, is, virsh, write};
use crate::stories::{BLANK, Test};
use crate::workspace::Workspace;

/// The stories.
pub const TESTS: [Test; 1] = [("a_source_that_is_failed_over_does_not_come_back_with_its_host", guarded)];

fn starts(site: &Site, name: &str) -> bool {
    virsh(site, &["list", "--all", "--autostart", "--name"]).lines().any(|l| l.trim() == name)
}

fn guarded(lab: &Lab) -> Result<(), String> {
    let vm = Blank { name: "auto1", number: 63 };
    let (a, b) = (&lab.production, &lab.recovery);
    vm.start(a);
    virsh(a, &["autostart", vm.name]);
    let both = || (starts(a, vm.name), starts(b, &vm.replica()));
    write(a, vm.name, 0, (1, 10, 4));
    let workspace = Workspace::new(lab, &[vm.name], BLANK);
    workspace.replicate();
    assert_eq!(both(), (true, false), "a replica that stands by stays off");
    // A source that runs on is left running, on another network; it does not come back with its host.
    workspace.apply("lost");
    is(a, vm.name, &workspace, ("running", "Failover"));
    assert_eq!(both(), (false, false));
    workspace.apply("undo");
    assert_eq!(both(), (true, false), "it is as it was");
    workspace.apply("evacuate");
    assert_eq!(both(), (false, false));
    workspace.apply("return");
    is(a, vm.name, &workspace, ("running", "Ready"));
    assert_eq!(both(), (true, false), "production serves again");
    // Its host is away, and is found by the next replication.
    a.kill_daemon();
    workspace.apply("lost");
    a.start_daemon()?;
    assert_eq!(both(), (true, false));
    workspace.lifeboat(&["replicate", "--all"]).ends(0).says("would have started with its host");
    assert_eq!(both(), (false, false));
    let said = workspace.lifeboat(&["replicate", "--all"]).ends(0);
    assert!(!said.text.contains("would have started"), "{}", said.text);
    workspace.apply("forever");
    assert_eq!(both(), (false, true), "the replica serves for good, as the source did");
    for (site, name) in [(a, vm.name.to_owned()), (b, vm.replica())] {
        virsh(site, &["destroy", &name]);
    }
    virsh(b, &["autostart", &vm.replica(), "--disable"]);
    Ok(())
}
