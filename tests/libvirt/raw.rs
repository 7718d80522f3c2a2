//! Disks that keep no track of what changes: raw files and block devices. They are compared each time.

use crate::copies::moved;
use crate::lab::Lab;
use crate::lab::run::run;
use crate::machine::in_step;
use crate::machine::{Blank, layer, same, virsh, write};
use crate::stories::{BLANK, Test};
use crate::workspace::Workspace;
use std::process::{Child, Command};

/// The stories.
pub const TESTS: [Test; 2] = [
    ("a_raw_disk_beside_another_one_goes_there_and_back", mixed),
    ("a_block_device_goes_there_and_back", device),
];

const MIB: u64 = 1 << 20;

fn mixed(lab: &Lab) -> Result<(), String> {
    let vm = Blank { name: "raw1", number: 61 };
    let (a, b) = (&lab.production, &lab.recovery);
    let file = |dev: &str, format: &'static str| {
        let name = format!("raw1-{dev}.qcow2");
        run(&["qemu-img", "create", "-q", "-f", format, &a.image(&name).display().to_string(), "128M"])?;
        Ok::<_, String>((dev.to_owned(), a.sees(&name), format))
    };
    // The name of a file says nothing of what it is.
    vm.start_with(a, &[file("vda", "raw")?, file("vdb", "qcow2")?]);
    let workspace = Workspace::new(lab, &[vm.name], BLANK);
    for round in 0..3u8 {
        write(a, vm.name, 0, (10 + round, 10 + u32::from(round), 8));
        write(a, vm.name, 1, (20 + round, 20 + 4 * u32::from(round), 4));
        workspace.replicate();
    }
    // 10 MiB of the raw disk are read and compared, and of the other one what changed.
    let last = moved(&workspace, "create-point");
    assert!(matches!(last[..], [bytes] if (14 * MIB..15 * MIB).contains(&bytes)), "{last:?}");
    assert_eq!(workspace.points(vm.name).len(), 3);
    workspace.apply("evacuate");
    in_step(lab, &workspace, vm.name, &["vda", "vdb"], "after the evacuation");
    write(b, &vm.replica(), 0, (5, 12, 1));
    write(b, &vm.replica(), 1, (6, 24, 1));
    workspace.apply("go-back");
    // The source's files are as they were: what the replica wrote is known.
    let sent = moved(&workspace, "send-changes");
    assert!(matches!(sent[..], [bytes, _] if bytes < 3 * MIB), "{sent:?}");
    write(a, vm.name, 0, (7, 40, 1));
    workspace.apply("commit");
    let info = run(&["qemu-img", "info", "-U", &a.image("raw1-vda.qcow2").display().to_string()])?;
    assert!(info.contains("file format: raw"), "{info}");
    write(a, vm.name, 0, (8, 41, 1));
    write(a, vm.name, 1, (9, 42, 1));
    workspace.replicate();
    let next = moved(&workspace, "create-point");
    assert!(
        matches!(next[..], [bytes] if bytes < 16 * MIB),
        "the other disk still tells what changed: {next:?}"
    );
    workspace.apply("evacuate");
    in_step(lab, &workspace, vm.name, &["vda", "vdb"], "after the return");
    let path = a.image("raw1-vda.qcow2").display().to_string();
    for (pattern, at) in [(10, 10), (5, 12), (7, 40), (8, 41)] {
        let question = format!("read -P {pattern} {at}M 1M");
        let read = run(&["qemu-io", "-r", "-f", "raw", "-c", &question, &path])?;
        assert!(!read.contains("failed"), "{question}: {read}");
    }
    virsh(b, &["destroy", &vm.replica()]);
    Ok(())
}

/// A loop device, which is taken away when the one who holds it open ends.
struct Loop {
    path: String,
    holder: Child,
}

impl Loop {
    fn of(file: &str) -> Result<Self, String> {
        run(&["truncate", "-s", "128M", file])?;
        let path = run(&["losetup", "--find", "--show", file])?.trim().to_owned();
        let holder = Command::new("sleep")
            .arg("infinity")
            .stdin(std::fs::File::open(&path).map_err(|e| e.to_string())?)
            .spawn();
        let holder = holder.map_err(|e| e.to_string())?;
        // It stays as long as it is open anywhere.
        run(&["losetup", "-d", &path])?;
        Ok(Self { path, holder })
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        drop(self.holder.kill());
        drop(self.holder.wait());
    }
}

fn device(lab: &Lab) -> Result<(), String> {
    let vm = Blank { name: "raw2", number: 62 };
    let (a, b) = (&lab.production, &lab.recovery);
    let file = a.image("raw2-vda.raw").display().to_string();
    let device = Loop::of(&file)?;
    vm.start_with(a, &[("vda".to_owned(), device.path.clone(), "raw")]);
    let workspace = Workspace::new(lab, &[vm.name], BLANK);
    for round in 0..3u8 {
        write(a, vm.name, 0, (10 + round, 10 + u32::from(round), 8));
        workspace.replicate();
    }
    workspace.apply("evacuate");
    let in_step = |what: &str| {
        let last = workspace.points(vm.name).pop().unwrap();
        // What the device holds, not what lies below it.
        same((a, "raw2-vda.raw"), (b, &layer(vm.name, "vda", &last)), what);
    };
    in_step("after the evacuation");
    write(b, &vm.replica(), 0, (5, 12, 1));
    // Somebody writes to the device at the source while it is off. Nothing but its contents shows that.
    run(&[
        "dd",
        "if=/dev/urandom",
        &format!("of={}", device.path),
        "bs=1M",
        "seek=80",
        "count=1",
        "conv=notrunc,fsync",
    ])?;
    workspace.apply("go-back");
    write(a, vm.name, 0, (7, 40, 1));
    workspace.apply("commit");
    let source = virsh(a, &["domblklist", vm.name]);
    assert!(source.contains(&device.path), "{source}");
    write(a, vm.name, 0, (8, 41, 1));
    workspace.replicate();
    workspace.apply("evacuate");
    in_step("after the return");
    for (pattern, at) in [(10, 10), (5, 12), (7, 40), (8, 41), (0, 80)] {
        let question = format!("read -P {pattern} {at}M 1M");
        let read = run(&["qemu-io", "-r", "-f", "raw", "-c", &question, &device.path])?;
        assert!(!read.contains("failed"), "{question}: {read}");
    }
    virsh(b, &["destroy", &vm.replica()]);
    Ok(())
}
