//! The lab itself: two hosts with guests that answer, write, and shut down when asked.

use crate::lab::Lab;
use crate::lab::run::until;
use crate::lab::site::Site;
use crate::lab::vm::Vm;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

type Test = (&'static str, fn(&Lab) -> Result<(), String>);

/// The tests.
pub const TESTS: [Test; 3] = [
    ("a_guest_boots_writes_and_shuts_down", guest),
    ("a_guest_outlives_its_libvirtd", daemon),
    ("a_cut_link_separates_the_sites", link),
];

const VM: Vm = Vm { name: "probe", number: 20, disks: 2 };

fn guest(lab: &Lab) -> Result<(), String> {
    let site = &lab.production;
    VM.define(site)?;
    site.virsh(&["start", VM.name])?;
    let status = VM.ask(site, "/cgi-bin/status", 60)?;
    if !status.starts_with("name=probe boots=1 ") {
        return Err(status);
    }
    until("three records on the second disk", 20, || {
        let records = VM.ask(site, "/data2/records", 5).ok()?;
        (records.lines().count() >= 3).then_some(())
    })?;
    site.virsh(&["shutdown", VM.name, "--mode", "acpi"])?;
    until("the guest to shut down", 30, || is(site, "shut off").then_some(()))?;
    site.virsh(&["undefine", VM.name]).map(drop)
}

fn daemon(lab: &Lab) -> Result<(), String> {
    let site = &lab.recovery;
    VM.define(site)?;
    site.virsh(&["start", VM.name, "--paused"])?;
    site.kill_daemon();
    if site.virsh(&["list"]).is_ok() {
        return Err("a libvirtd that was killed answers".to_owned());
    }
    site.start_daemon()?;
    if !is(site, "paused") {
        return Err("the guest did not outlive its libvirtd".to_owned());
    }
    site.virsh(&["destroy", VM.name])?;
    site.virsh(&["undefine", VM.name]).map(drop)
}

fn link(lab: &Lab) -> Result<(), String> {
    // Nobody listens there, and a host that is reached says so.
    let address: SocketAddr =
        format!("{}:9", lab.recovery.design.address).parse().map_err(|_| "no address".to_owned())?;
    let reach = || match TcpStream::connect_timeout(&address, Duration::from_secs(1)) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Some(()),
        _ => None,
    };
    until("the recovery site", 10, reach)?;
    lab.recovery.link(false)?;
    let cut = reach().is_none();
    lab.recovery.link(true)?;
    until("the link to come back", 10, reach)?;
    if cut { Ok(()) } else { Err("a cut link lets packets through".to_owned()) }
}

fn is(site: &Site, state: &str) -> bool {
    site.virsh(&["domstate", VM.name]).is_ok_and(|s| s.trim() == state)
}
