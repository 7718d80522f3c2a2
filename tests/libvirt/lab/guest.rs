//! The guest that the tests boot: Debian's kernel for clouds, busybox, and a script as its only process. Both packages are fetched by
//! name with apt; nothing is installed.

use super::run::run;
use std::path::{Path, PathBuf};

const INIT: &str = include_str!("../guest/init");
/// What a guest under QEMU needs of the kernel's modules, in the order in which they are loaded.
const MODULES: [&str; 13] = [
    "virtio_ring",
    "virtio",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "virtio_blk",
    "virtio_console",
    "failover",
    "net_failover",
    "virtio_net",
    "button",
    "evdev",
    "crc32c-intel",
];

/// Makes kernel and initial disk in a folder, unless they are there for this very script already.
///
/// # Errors
/// A package cannot be fetched or unpacked.
pub fn build(folder: &Path) -> Result<(), String> {
    let made_from = folder.join("init");
    if std::fs::read_to_string(&made_from).is_ok_and(|text| text == INIT) {
        return Ok(());
    }
    let io = |e: std::io::Error| format!("{}: {e}", folder.display());
    let work = tempfile::tempdir().map_err(io)?;
    let tree = unpacked(work.path())?;
    let root = work.path().join("initrd");
    for name in ["bin", "modules", "proc", "sys", "dev", "etc", "root", "tmp"] {
        std::fs::create_dir_all(root.join(name)).map_err(io)?;
    }
    std::fs::copy(tree.join("bin/busybox"), root.join("bin/busybox")).map_err(io)?;
    std::fs::write(root.join("init"), INIT).map_err(io)?;
    run(&["chmod", "755", &text(&root.join("init")), &text(&root.join("bin/busybox"))])?;
    let mut order = String::new();
    for name in MODULES {
        let (underscore, dash) = (format!("{name}.ko"), format!("{}.ko", name.replace('_', "-")));
        let modules = text(&tree.join("lib/modules"));
        let found = run(&["find", &modules, "-name", &underscore, "-o", "-name", &dash])?;
        let Some(module) = found.lines().next() else { continue };
        let Some(file) = Path::new(module).file_name() else { continue };
        std::fs::copy(module, root.join("modules").join(file)).map_err(io)?;
        order.push_str(&format!("{}\n", file.to_string_lossy()));
    }
    std::fs::write(root.join("modules/order"), order).map_err(io)?;
    std::fs::create_dir_all(folder).map_err(io)?;
    let kernel = run(&["find", &text(&tree.join("boot")), "-name", "vmlinuz-*"])?;
    std::fs::copy(kernel.trim(), folder.join("vmlinuz")).map_err(io)?;
    let initrd = text(&folder.join("initrd"));
    // The list of files goes through a pipe within one shell; every word of it is ours.
    let pack = format!("cd '{}' && find . | cpio -o -H newc --quiet > '{initrd}'", root.display());
    run(&["sh", "-c", &pack])?;
    with_agent(work.path(), folder)?;
    std::fs::write(made_from, INIT).map_err(io)
}

/// Makes the initial disk of guests with an agent: the kernel unpacks what stands behind the first archive as well. Its libraries are those
/// of this machine, where QEMU itself needs them.
fn with_agent(work: &Path, folder: &Path) -> Result<(), String> {
    let io = |e: std::io::Error| format!("{}: {e}", work.display());
    let (debs, root) = (work.join("agent-debs"), work.join("agent"));
    std::fs::create_dir_all(&debs).map_err(io)?;
    let agent = fetched(&debs, &["qemu-guest-agent"])?.join("usr/sbin/qemu-ga");
    std::fs::create_dir_all(root.join("bin")).map_err(io)?;
    std::fs::copy(&agent, root.join("bin/qemu-ga")).map_err(io)?;
    for line in run(&["ldd", &text(&agent)])?.lines() {
        if line.contains("not found") {
            return Err(format!("the guest's agent needs a library: {}", line.trim()));
        }
        let Some(library) = line.split_whitespace().find(|word| word.starts_with('/')) else { continue };
        let place = root.join(library.trim_start_matches('/'));
        std::fs::create_dir_all(place.parent().unwrap_or(&root)).map_err(io)?;
        std::fs::copy(library, place).map_err(io)?;
    }
    let (first, both) = (text(&folder.join("initrd")), text(&folder.join("initrd-agent")));
    let pack = format!(
        "cd '{}' && {{ cat '{first}'; find . | cpio -o -H newc --quiet; }} > '{both}'",
        root.display()
    );
    run(&["sh", "-c", &pack]).map(drop)
}

fn unpacked(work: &Path) -> Result<PathBuf, String> {
    let depends = run(&["apt-cache", "depends", "linux-image-cloud-amd64"])?;
    let kernel = depends.lines().find_map(|l| l.trim().strip_prefix("Depends: "));
    let kernel = kernel.ok_or("linux-image-cloud-amd64 names no kernel; run `apt-get update`")?;
    fetched(work, &["busybox-static", kernel])
}

/// Fetches packages by their names and unpacks them into one tree.
fn fetched(work: &Path, packages: &[&str]) -> Result<PathBuf, String> {
    let fetch = format!("cd '{}' && apt-get -q download {}", work.display(), packages.join(" "));
    run(&["sh", "-c", &fetch])?;
    let tree = work.join("tree");
    for package in std::fs::read_dir(work).map_err(|e| e.to_string())?.flatten() {
        if package.path().extension().is_some_and(|e| e == "deb") {
            run(&["dpkg", "-x", &text(&package.path()), &text(&tree)])?;
        }
    }
    Ok(tree)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
