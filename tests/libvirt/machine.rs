//! What stories need besides the lab: machines without a guest, which boot in no time and are written to through their QEMU; and whether
//! two disks hold the same.

use crate::lab::Lab;
use crate::lab::run::run;
use crate::lab::site::Site;
use crate::lab::vm::Vm;
use crate::workspace::Workspace;

/// Asks a site's libvirt, which must answer.
#[track_caller]
pub fn virsh(site: &Site, argv: &[&str]) -> String {
    site.virsh(argv).unwrap().trim().to_owned()
}

/// What a guest answers, within a minute and a half.
#[track_caller]
pub fn answer(vm: Vm, site: &Site, question: &str) -> String {
    let said = vm.ask(site, &format!("/cgi-bin/{question}"), 90).unwrap();
    said.split_whitespace().next().unwrap_or_default().to_owned()
}

/// Holds that two images, as seen from outside of their sites, have the same contents.
#[track_caller]
pub fn same(one: (&Site, &str), other: (&Site, &str), what: &str) {
    let path = |(site, name): (&Site, &str)| site.image(name).display().to_string();
    let said = run(&["qemu-img", "compare", "-U", &path(one), &path(other)]);
    assert!(
        said.as_ref().is_ok_and(|s| s.contains("identical")),
        "{what}: {} and {}: {said:?}",
        one.1,
        other.1
    );
}

/// The layer of a restore point, below the folder of images.
pub fn layer(vm: &str, dev: &str, point: &str) -> String {
    format!("lifeboat/{vm}/{dev}.{point}.qcow2")
}

/// The latest restore point is what the source's disks hold; the source is off.
#[track_caller]
pub fn in_step(lab: &Lab, workspace: &Workspace, name: &str, devs: &[&str], what: &str) {
    let last = workspace.points(name).pop().unwrap();
    for dev in devs {
        let (source, point) = (format!("{name}-{dev}.qcow2"), layer(name, dev, &last));
        same((&lab.production, &source), (&lab.recovery, &point), what);
    }
}

/// A machine's power, and the state of its replica.
#[track_caller]
pub fn is(site: &Site, name: &str, workspace: &Workspace, expected: (&str, &str)) {
    let replica = name.trim_end_matches("_replica");
    assert_eq!((virsh(site, &["domstate", name]).as_str(), workspace.state(replica).as_str()), expected);
}

/// Nothing is left over: no unfinished file, no job, no layer or checkpoint that belongs to nobody.
#[track_caller]
pub fn nothing_left(lab: &Lab, workspace: &Workspace, name: &str) {
    let replica = format!("{name}_replica");
    for (site, domain) in [(&lab.production, name), (&lab.recovery, replica.as_str())] {
        let folder = site.sees("");
        let found = site.exec(&[
            "find",
            &folder,
            "-name",
            "*.part",
            "-o",
            "-name",
            "scratch.*",
            "-o",
            "-name",
            "*.xml",
        ]);
        let ours: Vec<String> =
            found.unwrap().lines().filter(|l| l.contains(name)).map(str::to_owned).collect();
        assert_eq!(ours, [""; 0], "files at {}", site.design.name);
        if virsh(site, &["list", "--all", "--name"]).lines().any(|l| l == domain) {
            assert!(site.virsh(&["backup-dumpxml", domain]).is_err(), "a backup runs on {domain}");
            let jobs = ["vda", "vdb"].map(|dev| site.virsh(&["blockjob", domain, dev, "--info", "--raw"]));
            // One that is off has none, and is said to be off.
            assert!(jobs.iter().flatten().all(|j| j.trim().is_empty()), "jobs on {domain}: {jobs:?}");
        }
    }
    // The processes of both sites are seen from everywhere.
    let programs = run(&["pgrep", "-a", "-f", &format!("^qemu-(img|io) .*{name}[-/.]")]);
    assert!(programs.is_err(), "programs are left: {programs:?}");
    let points = workspace.points(name);
    let found =
        lab.recovery.exec(&["find", &lab.recovery.sees(&format!("lifeboat/{name}")), "-type", "f"]).unwrap();
    for file in found.lines() {
        let name = file.rsplit('/').next().unwrap_or_default().trim_end_matches(".qcow2");
        let point = name.split_once('.').map_or(name, |(_, point)| point);
        assert!(
            point == "~running" || points.iter().any(|p| p == point),
            "{file} belongs to no point of {points:?}"
        );
    }
    // One checkpoint on the source: the baseline of the next replication. One more may stay until then.
    let checkpoints = virsh(&lab.production, &["checkpoint-list", name, "--name"]);
    let count = checkpoints.lines().filter(|l| !l.is_empty()).count();
    assert!(count <= 2, "checkpoints on {name}: {checkpoints}");
}

/// A machine with two disks whose processor finds nothing to boot.
#[derive(Debug, Clone, Copy)]
pub struct Blank {
    /// Its name.
    pub name: &'static str,
    /// Its number among the machines of a site.
    pub number: u8,
}

impl Blank {
    /// Makes its disks, defines it, starts it.
    pub fn start(self, site: &Site) {
        let disk = |dev: &str| {
            let name = self.disk(dev);
            let file = site.image(&name).display().to_string();
            run(&["qemu-img", "create", "-q", "-f", "qcow2", &file, "128M"]).unwrap();
            (dev.to_owned(), site.sees(&name), "qcow2")
        };
        self.start_with(site, &["vda", "vdb"].map(disk));
    }

    /// Defines it with disks that are there, each with its path at the site and its format, and starts it.
    pub fn start_with(self, site: &Site, disks: &[(String, String, &str)]) {
        let Self { name, number } = self;
        let disk = |(dev, path, format): &(String, String, &str)| {
            let (kind, key) = if path.starts_with("/dev/") { ("block", "dev") } else { ("file", "file") };
            format!(
                "<disk type='{kind}' device='disk'><driver name='qemu' type='{format}'/>\
                 <source {key}='{path}'/><target dev='{dev}' bus='virtio'/></disk>"
            )
        };
        let disks: String = disks.iter().map(disk).collect();
        let card = format!(
            "<interface type='network'><mac address='52:54:00:10:01:{number:02x}'/><source network='{}'/><model type='virtio'/>\
             <rom enabled='no'/></interface>",
            site.design.network
        );
        let card = if site.networked() { card } else { String::new() };
        let xml = format!(
            "<domain type='qemu'><name>{name}</name><uuid>00000000-0000-4000-8000-0000000001{number:02x}</uuid>\
             <memory unit='MiB'>32</memory><vcpu>1</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os>\
             <features><acpi/></features><cpu mode='custom'><model>qemu64</model></cpu><devices>{disks}{card}\
             <memballoon model='none'/><controller type='usb' model='none'/>\
             <video><model type='none'/></video></devices></domain>"
        );
        site.virsh_with(&["define", "/dev/stdin"], Some(&xml)).unwrap();
        virsh(site, &["start", name]);
    }

    /// The name of its replica.
    pub fn replica(self) -> String {
        format!("{}_replica", self.name)
    }

    /// Its disk, below the folder of images.
    pub fn disk(self, dev: &str) -> String {
        format!("{}-{dev}.qcow2", self.name)
    }
}

/// Writes so many MiB at an offset to a disk of a machine that is on, as its guest would.
#[track_caller]
pub fn write(site: &Site, domain: &str, disk: usize, what: (u8, u32, u32)) {
    let (pattern, at, mib) = what;
    let command = format!(
        "qemu-io -d /machine/peripheral/virtio-disk{disk}/virtio-backend \"write -P {pattern} {at}M {mib}M\""
    );
    let said = virsh(site, &["qemu-monitor-command", domain, "--hmp", &command]);
    assert!(!said.contains("rror") && !said.contains("failed"), "{said}");
}

/// Puts a copy of an image beside it, to compare with later.
#[track_caller]
pub fn keep(site: &Site, image: &str) -> String {
    let kept = format!("kept-{}", image.replace('/', "-"));
    let path = |name: &str| site.image(name).display().to_string();
    run(&["qemu-img", "convert", "-U", "-O", "qcow2", &path(image), &path(&kept)]).unwrap();
    kept
}
