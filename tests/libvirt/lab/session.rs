//! The same two hosts without any rights: two session daemons of an ordinary user, each with folders of its own. Machines without a guest
//! and without a network run there as they do elsewhere, which is enough for most of what Lifeboat does.

use super::run::run;
use super::site::Design;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The stories that need nothing but machines without a guest. All others need guests, networks, links that are cut, or other rights.
pub const STORIES: [&str; 16] = [
    "a_disk_that_was_merged_before_its_machine_died_is_not_merged_again",
    "a_source_that_is_made_anew_is_replicated_as_it_is_now",
    "a_failover_is_undone_and_one_is_made_permanent",
    "a_failback_is_undone_and_tried_again",
    "a_merge_that_was_begun_before_is_ended",
    "retention_keeps_what_the_points_say",
    "a_failover_begins_at_an_older_point_by_its_name_or_a_time",
    "a_failback_goes_to_the_machine_restored_elsewhere",
    "a_failback_goes_to_a_machine_that_is_built_anew",
    "a_switchover_waits_for_a_word_or_a_time",
    "a_copy_tells_how_many_bytes_it_moved_and_how_long_that_took",
    "a_raw_disk_beside_another_one_goes_there_and_back",
    "a_record_that_was_lost_is_rebuilt_from_what_stands_there",
    "an_import_is_a_workspace_that_works",
    "killed_between_any_two_steps_of_every_operation_it_is_resumed",
    "killed_within_any_step_of_every_operation_it_is_resumed",
];

/// What has to be on the machine: a program, and the package that brings it.
pub const NEEDED: [(&str, &str); 7] = [
    ("libvirtd", "libvirt-daemon-system"),
    ("virsh", "libvirt-clients"),
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("qemu-img", "qemu-utils"),
    ("qemu-io", "qemu-utils"),
    ("pkill", "procps"),
    ("setsid", "util-linux"),
];

/// Where everything of the lab is; its last part is found in no other path.
const PLACE: &str = "LIFEBOAT_LAB_PLACE";

/// Ends what was started in the lab as soon as the one who holds its input is gone, however that was, and takes the folder away.
const WATCH: &str = "trap '' INT TERM HUP; cat >/dev/null\n\
    until=100\n\
    while pkill -KILL -u \"$(id -u)\" -f \"^[^ ]*(libvirtd|qemu-|virsh)[^ ]* .*/$(basename \"$1\")/\"; do\n\
      until=$((until - 1)); [ $until -gt 0 ] || exit 1; sleep 0.1\n\
    done\n\
    rm -rf \"$1\"";

/// Takes the lab away at the end.
pub struct Watcher(Child);

impl Watcher {
    fn over(root: &Path) -> Result<Self, String> {
        // In a session of its own, for a terminal's signals are not for it.
        let child = Command::new("setsid")
            .args(["sh", "-c", WATCH, "watcher"])
            .arg(root)
            .stdin(Stdio::piped())
            .spawn()
            .map_err(|e| format!("setsid: {e}"))?;
        Ok(Self(child))
    }

    /// Takes everything away and waits until it is gone.
    ///
    /// # Errors
    /// Something is left.
    pub fn end(mut self) -> Result<(), String> {
        drop(self.0.stdin.take());
        let status = self.0.wait().map_err(|e| e.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("what was started is not gone: {status}")) }
    }
}

/// Whether the lab is one without rights. Where this user may make no namespaces, this very process goes on in an environment of the lab's:
/// nothing of the user's own libvirt is seen there, and none is started.
///
/// # Errors
/// Programs are missing, or there is no place for it.
pub fn enter() -> Result<bool, String> {
    if std::env::var_os(PLACE).is_some() {
        return Ok(true);
    }
    if std::env::var_os(super::INSIDE).is_some() || may_make_namespaces() {
        return Ok(false);
    }
    if run(&["id", "-u"])?.trim() == "0" {
        return Err(
            "root may make no namespaces here, and libvirt has no sessions for root: run it as another user"
                .to_owned(),
        );
    }
    super::there(&NEEDED)?;
    // Sockets have short names: at most 108 bytes.
    let root = tempfile::Builder::new().prefix("lb-").tempdir().map_err(|e| e.to_string())?.keep();
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    let why = Command::new(own)
        .args(std::env::args_os().skip(1))
        .env(PLACE, &root)
        .env("HOME", root.join("home"))
        .env("LIBVIRT_AUTOSTART", "0")
        .env_remove("LIBVIRT_DEFAULT_URI")
        .env("PATH", path())
        .exec();
    drop(std::fs::remove_dir_all(&root));
    Err(why.to_string())
}

/// Where programs are found, daemons as well.
fn path() -> String {
    let path = std::env::var_os("PATH").unwrap_or_default();
    format!("{}:/usr/sbin:/sbin", path.to_string_lossy())
}

/// The place of the lab, and who takes it away.
///
/// # Errors
/// It is not there.
pub fn place() -> Result<(PathBuf, Watcher), String> {
    let root = std::env::var_os(PLACE).map(PathBuf::from).ok_or("the lab has no place")?;
    let watcher = Watcher::over(&root)?;
    std::fs::create_dir_all(root.join("home")).map_err(|e| e.to_string())?;
    Ok((root, watcher))
}

/// Makes the folders and settings of a site.
///
/// # Errors
/// Of writing them.
pub fn configure(design: &Design, folder: &Path) -> std::io::Result<()> {
    for part in ["run", "cfg/libvirt", "cache", "data", "lib/images", "log"] {
        std::fs::create_dir_all(folder.join(part))?;
    }
    let daemon = format!(
        "auth_unix_rw = \"none\"\nhost_uuid = \"{}\"\nkeepalive_interval = 5\n\
         log_outputs = \"2:file:{}/log/libvirtd.log\"\n",
        design.uuid,
        folder.display()
    );
    std::fs::write(folder.join("cfg/libvirt/libvirtd.conf"), daemon)?;
    std::fs::write(folder.join("cfg/libvirt/qemu.conf"), "stdio_handler = \"file\"\nmax_core = 0\n")
}

/// The site's daemon, to be started.
pub fn daemon(folder: &Path) -> Command {
    let mut command = Command::new("libvirtd");
    command.arg("--config").arg(folder.join("cfg/libvirt/libvirtd.conf"));
    command.arg("--pid-file").arg(folder.join("run/libvirtd.pid"));
    for (name, part) in [
        ("HOME", ""),
        ("XDG_RUNTIME_DIR", "run"),
        ("XDG_CONFIG_HOME", "cfg"),
        ("XDG_CACHE_HOME", "cache"),
        ("XDG_DATA_HOME", "data"),
    ] {
        command.env(name, folder.join(part));
    }
    command
}

/// Whether this user may make the namespaces of the lab.
pub fn may_make_namespaces() -> bool {
    run(&["unshare", "--net", "--mount", "--pid", "--ipc", "--fork", "true"]).is_ok()
}
