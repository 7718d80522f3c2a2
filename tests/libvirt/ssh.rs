//! A site that is another host: reached over ssh, by a key from a file, with its host key checked.

use crate::lab::Lab;
use crate::lab::run::{run, until};
use crate::lab::site::Site;
use crate::lab::sshd::{PORT, Sshd};
use crate::machine::{Blank, in_step, is, nothing_left, virsh, write};
use crate::stories::{BLANK, Test};
use crate::workspace::{Workspace, site_reached};
use std::time::Instant;

/// The stories.
pub const TESTS: [Test; 3] = [
    ("a_site_is_reached_over_ssh_and_one_login_is_enough", by_ssh),
    ("a_site_is_reached_over_libssh", by_libssh),
    ("a_way_by_ssh_that_is_wrong_is_refused_and_says_what_to_do", refused),
];

/// The whole life of a machine at a site that is reached this way.
fn life(lab: &Lab, vm: Blank, way: &str) -> Workspace {
    let (a, b) = (&lab.production, &lab.recovery);
    vm.start(a);
    write(a, vm.name, 0, (1, 10, 8));
    let workspace = Workspace::with(lab, site_reached("recovery", b, way), &[vm.name], BLANK);
    workspace.replicate();
    write(a, vm.name, 1, (2, 20, 4));
    workspace.replicate();
    workspace.apply("evacuate");
    is(a, vm.name, &workspace, ("shut off", "Failover"));
    is(b, &vm.replica(), &workspace, ("running", "Failover"));
    in_step(lab, &workspace, vm.name, &["vda", "vdb"], "after the evacuation");
    write(b, &vm.replica(), 0, (3, 12, 4));
    workspace.apply("return");
    is(a, vm.name, &workspace, ("running", "Ready"));
    is(b, &vm.replica(), &workspace, ("shut off", "Ready"));
    write(a, vm.name, 0, (4, 14, 1));
    workspace.replicate();
    workspace.apply("evacuate");
    in_step(lab, &workspace, vm.name, &["vda", "vdb"], "after the return");
    nothing_left(lab, &workspace, vm.name);
    workspace
}

/// How a site is reached over its sshd, as a `Site` says it.
pub fn way(site: &Site, sshd: &Sshd) -> String {
    let address = site.design.address;
    format!(
        "uri: \"qemu+ssh://root@{address}:{PORT}/system\", run: {{ ssh: {{ to: root@{address}, port: {PORT}, key: {}, knownHosts: {} }} }}",
        sshd.file("key"),
        sshd.file("known_hosts")
    )
}

fn by_ssh(lab: &Lab) -> Result<(), String> {
    let vm = Blank { name: "ssh1", number: 21 };
    let b = &lab.recovery;
    let sshd = Sshd::at(b)?;
    let way = way(b, &sshd);
    let workspace = life(lab, vm, &way);
    // Dozens of commands, one login.
    let before = sshd.logins();
    workspace.apply("undo");
    assert_eq!(sshd.logins() - before, 1, "logins");
    // It was opened by the process that ended, and is gone.
    let alive = || run(&["pgrep", "-f", "^ssh: .*lifeboat-ssh.*mux"]).is_err().then_some(());
    until("the connection to end", 5, alive)?;
    assert_eq!(workspace.left_behind(), 0, "its temporary files are left");
    virsh(&lab.production, &["destroy", vm.name]);
    Ok(())
}

/// Everything stands in the URI, which a libvirt with libssh takes as it is.
fn by_libssh(lab: &Lab) -> Result<(), String> {
    let vm = Blank { name: "ssh2", number: 22 };
    let (a, b) = (&lab.production, &lab.recovery);
    let sshd = Sshd::at(b)?;
    let (key, known) = (sshd.file("key"), sshd.file("known_hosts"));
    let uri =
        format!("qemu+libssh://root@{}:{PORT}/system?keyfile={key}&known_hosts={known}", b.design.address);
    run(&["virsh", "-c", &uri, "list"])?;
    vm.start(a);
    let workspace =
        Workspace::with(lab, site_reached("recovery", b, &format!("uri: \"{uri}\"")), &[vm.name], BLANK);
    workspace.replicate();
    write(a, vm.name, 0, (1, 10, 8));
    workspace.apply("evacuate");
    in_step(lab, &workspace, vm.name, &["vda", "vdb"], "after the evacuation");
    virsh(b, &["destroy", &vm.replica()]);
    Ok(())
}

fn refused(lab: &Lab) -> Result<(), String> {
    let vm = Blank { name: "ssh3", number: 23 };
    vm.start(&lab.production);
    let b = &lab.recovery;
    let sshd = Sshd::at(b)?;
    let file = |name: &str| sshd.file(name);
    let nowhere = file("nowhere");
    for (user, port, key, known, says) in [
        ("root", PORT, file("key"), file("wrong_hosts"), "is another one than in"),
        ("root", PORT, file("key"), nowhere.clone(), "ssh-keyscan"),
        ("root", PORT, nowhere.clone(), file("known_hosts"), "there is no key"),
        ("root", PORT, file("other"), file("known_hosts"), "authorized_keys"),
        ("nobody-here", PORT, file("key"), file("known_hosts"), "a user who may manage libvirt"),
        ("root", PORT + 1, file("key"), file("known_hosts"), "Connection refused; try `ssh -p 2223"),
    ] {
        let to = format!("{user}@{}", b.design.address);
        let way = format!("uri: \"qemu+ssh://{to}:{port}/system?keyfile={key}&known_hosts={known}\"");
        let workspace = Workspace::with(lab, site_reached("recovery", b, &way), &[vm.name], BLANK);
        let began = Instant::now();
        workspace.lifeboat(&["status"]).ends(0).says("recovery does not answer").says(says);
        let said = workspace.lifeboat(&["replicate", "--all"]);
        assert!(said.code == 1 || said.code == 3, "{}", said.text);
        assert!(began.elapsed().as_secs() < 20, "{says}: {:?}", began.elapsed());
    }
    virsh(&lab.production, &["destroy", vm.name]);
    Ok(())
}
