//! What stories need besides the lab: machines without a guest, which boot in no time and are written to through their QEMU; and whether
//! two disks hold the same.

use crate::lab::run::run;
use crate::lab::site::Site;
use crate::lab::vm::Vm;

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
        let Self { name, number } = self;
        let mut disks = String::new();
        for dev in ["vda", "vdb"] {
            let file = site.image(&format!("{name}-{dev}.qcow2")).display().to_string();
            run(&["qemu-img", "create", "-q", "-f", "qcow2", &file, "128M"]).unwrap();
            disks.push_str(&format!(
                "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>\
                 <source file='/var/lib/libvirt/images/{name}-{dev}.qcow2'/><target dev='{dev}' bus='virtio'/></disk>"
            ));
        }
        let xml = format!(
            "<domain type='qemu'><name>{name}</name><uuid>00000000-0000-4000-8000-0000000001{number:02x}</uuid>\
             <memory unit='MiB'>32</memory><vcpu>1</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os>\
             <features><acpi/></features><cpu mode='custom'><model>qemu64</model></cpu><devices>{disks}\
             <interface type='network'><mac address='52:54:00:10:01:{number:02x}'/><source network='{}'/><model type='virtio'/>\
             <rom enabled='no'/></interface><memballoon model='none'/><controller type='usb' model='none'/>\
             <video><model type='none'/></video></devices></domain>",
            site.design.network
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
