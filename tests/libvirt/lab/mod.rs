//! Two libvirt hosts on one machine, for tests: all of it lives in namespaces and in memory, and is gone with the process that made
//! it, however that ends.

pub mod guest;
pub mod run;
pub mod session;
pub mod site;
pub mod sshd;
pub mod vm;

use run::run;
use session::Watcher;
use site::{Design, Site};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The address outside of both sites: where Lifeboat runs.
pub const OUTSIDE: &str = "10.99.0.254";
/// Set for the process that runs inside of the namespaces.
const INSIDE: &str = "LIFEBOAT_LAB_INSIDE";
/// Everything of the lab, in memory.
const ROOT: &str = "/run/lab";

const PRODUCTION: Design = Design {
    name: "production",
    address: "10.99.0.1",
    network: "prod",
    prefix: "10.10.0",
    uuid: "aaaaaaaa-1111-4222-8333-0123456789ab",
    port: 10_809,
};
const RECOVERY: Design = Design {
    name: "recovery",
    address: "10.99.0.2",
    network: "dr",
    prefix: "10.20.0",
    uuid: "bbbbbbbb-1111-4222-8333-0123456789ab",
    port: 10_841,
};

/// What has to be on the machine: a program, and the package that brings it.
const NEEDED: [(&str, &str); 13] = [
    ("libvirtd", "libvirt-daemon-system"),
    ("virsh", "libvirt-clients"),
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("qemu-img", "qemu-utils"),
    ("qemu-io", "qemu-utils"),
    ("qemu-nbd", "qemu-utils"),
    ("dnsmasq", "dnsmasq-base"),
    ("mke2fs", "e2fsprogs"),
    ("ip", "iproute2"),
    ("cpio", "cpio"),
    ("unshare", "util-linux"),
    ("sshd", "openssh-server"),
    ("ssh-keygen", "openssh-client"),
];

/// Both sites, up.
pub struct Lab {
    /// Where the sources live.
    pub production: Site,
    /// Where the replicas live.
    pub recovery: Site,
}

/// Enters the namespaces: runs this program once more inside of them, and returns its exit code. `None` inside.
///
/// # Errors
/// Rights or programs are missing, each named.
pub fn enter(keep: &Path) -> Result<Option<i32>, String> {
    if std::env::var_os(INSIDE).is_some() {
        return Ok(None);
    }
    there(&NEEDED)?;
    guest::build(&keep.join("guest"))?;
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    let status = Command::new("unshare")
        .args(["--net", "--mount", "--pid", "--ipc", "--fork", "--kill-child", "--mount-proc"])
        // A shell as the first process, for it takes in what daemons leave behind.
        .args(["--propagation", "private", "sh", "-c", "\"$0\" \"$@\"; exit $?"])
        .arg(own)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "1")
        .status()
        .map_err(|e| format!("unshare: {e}"))?;
    if status.code() == Some(1) && !session::may_make_namespaces() {
        return Err("namespaces need root: run it with sudo".to_owned());
    }
    Ok(Some(status.code().unwrap_or(1)))
}

fn there(needed: &[(&str, &str)]) -> Result<(), String> {
    // Ordinary users often do not look where daemons are.
    let command = |program: &str| format!("PATH=\"$PATH:/usr/sbin:/sbin\"; command -v {program}");
    let missing: Vec<String> = needed
        .iter()
        .filter(|(program, _)| run(&["sh", "-c", &command(program)]).is_err())
        .map(|(program, package)| format!("{program} (package {package})"))
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("not on this machine: {}", missing.join(", "))) }
}

impl Lab {
    /// Brings both sites up without rights; inside of a place for them only. They are gone once the watcher is at its end.
    ///
    /// # Errors
    /// A step of it does not work.
    pub fn session() -> Result<(Self, Watcher), String> {
        let (root, watcher) = session::place()?;
        let up = |design: Design| Site::session(Design { address: "127.0.0.1", ..design }, &root);
        Ok((Self { production: up(PRODUCTION)?, recovery: up(RECOVERY)? }, watcher))
    }

    /// Brings both sites up; inside of the namespaces only.
    ///
    /// # Errors
    /// A step of it does not work.
    pub fn up(keep: &Path) -> Result<Self, String> {
        run(&["mount", "-t", "tmpfs", "-o", "size=6G", "tmpfs", "/run"])?;
        for folder in ["/run/netns", "/run/lock", "/run/libvirt", ROOT] {
            std::fs::create_dir_all(folder).map_err(|e| format!("{folder}: {e}"))?;
        }
        // A host whose own name leads nowhere lets every start of a guest take ten seconds more.
        let host = run(&["hostname"])?;
        let hosts = format!("127.0.0.1 localhost {}\n", host.trim());
        std::fs::write("/run/lab/hosts", hosts).map_err(|e| e.to_string())?;
        run(&["mount", "--bind", "/run/lab/hosts", "/etc/hosts"])?;
        at_home_in_the_lab()?;
        run(&["ip", "link", "set", "lo", "up"])?;
        run(&["ip", "link", "add", "wanbr", "type", "bridge"])?;
        run(&["ip", "addr", "add", &format!("{OUTSIDE}/24"), "dev", "wanbr"])?;
        run(&["ip", "link", "set", "wanbr", "up"])?;
        run(&["sysctl", "-qw", "net.ipv4.ip_forward=1"])?;
        let (root, guest) = (PathBuf::from(ROOT), keep.join("guest"));
        let up = |design: Design| {
            let cache = keep.join("cache").join(design.name);
            Site::up(design, &root, &cache, &guest)
        };
        Ok(Self { production: up(PRODUCTION)?, recovery: up(RECOVERY)? })
    }
}

/// Gives root a home of the lab's: what people have set up for their ssh and their shell neither helps nor disturbs.
fn at_home_in_the_lab() -> Result<(), String> {
    let failed = |e: std::io::Error| format!("/etc/passwd: {e}");
    let users = std::fs::read_to_string("/etc/passwd").map_err(failed)?;
    let root = |line: &str| match line.split(':').collect::<Vec<_>>().as_slice() {
        ["root", _, id, group, name, _, shell] => format!("root:x:{id}:{group}:{name}:{ROOT}/home:{shell}\n"),
        _ => format!("{line}\n"),
    };
    let users: String = users.lines().map(root).collect();
    std::fs::create_dir_all(format!("{ROOT}/home")).map_err(failed)?;
    std::fs::write("/run/lab/passwd", users).map_err(failed)?;
    run(&["mount", "--bind", "/run/lab/passwd", "/etc/passwd"]).map(drop)
}
