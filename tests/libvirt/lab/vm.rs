//! A guest at a site: its disks, its definition, what it says.

use super::run::{run, until};
use super::site::Site;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What a guest is like.
#[derive(Clone, Copy)]
pub struct Vm {
    /// Its name.
    pub name: &'static str,
    /// Its number: the last one of its hardware address, and its address on the network less ten.
    pub number: u8,
    /// How many disks it has, of 1 GiB each.
    pub disks: u8,
}

impl Vm {
    /// Makes its disks and defines it at a site, off.
    ///
    /// # Errors
    /// A step of it does not work.
    pub fn define(&self, site: &Site) -> Result<(), String> {
        let name = self.name;
        for disk in 0..self.disks {
            let raw = site.image("empty.raw").to_string_lossy().into_owned();
            if !std::path::Path::new(&raw).exists() {
                run(&[
                    "mke2fs",
                    "-q",
                    "-t",
                    "ext4",
                    "-E",
                    "lazy_itable_init=0,lazy_journal_init=0",
                    &raw,
                    "1G",
                ])?;
            }
            let file = site.image(&format!("{name}-vd{}.qcow2", letter(disk))).to_string_lossy().into_owned();
            run(&["qemu-img", "convert", "-f", "raw", "-O", "qcow2", &raw, &file])?;
        }
        site.virsh_with(&["define", "/dev/stdin"], Some(&self.xml(site.design.network))).map(drop)
    }

    /// The same, with a channel to an agent; whether there is one in the guest.
    ///
    /// # Errors
    /// A step of it does not work.
    pub fn define_with_channel(&self, site: &Site, agent: bool) -> Result<(), String> {
        self.define(site)?;
        let channel =
            "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel></devices>";
        let xml = self.xml(site.design.network).replace("</devices>", channel);
        let xml = if agent { xml.replace("boot/initrd<", "boot/initrd-agent<") } else { xml };
        site.virsh_with(&["define", "/dev/stdin"], Some(&xml)).map(drop)
    }

    /// Where it answers while it runs at a site.
    pub fn address(&self, site: &Site) -> SocketAddr {
        let text = format!("{}.{}:80", site.design.prefix, 10 + u16::from(self.number));
        text.parse().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 80)))
    }

    /// What it answers to a question over HTTP, within so many seconds.
    ///
    /// # Errors
    /// No answer.
    pub fn ask(&self, site: &Site, path: &str, seconds: u32) -> Result<String, String> {
        let address = self.address(site);
        until(&format!("{} at {address}{path}", self.name), seconds, || get(address, path))
    }

    fn xml(&self, network: &str) -> String {
        let Self { name, number, disks } = self;
        let disk = |n: u8| {
            let dev = letter(n);
            format!(
                "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>\
                 <source file='/var/lib/libvirt/images/{name}-vd{dev}.qcow2'/><target dev='vd{dev}' bus='virtio'/></disk>"
            )
        };
        let disks: String = (0..*disks).map(disk).collect();
        format!(
            "<domain type='qemu'><name>{name}</name><uuid>00000000-0000-4000-8000-0000000000{number:02x}</uuid>\
             <memory unit='MiB'>128</memory><vcpu>1</vcpu>\
             <os><type arch='x86_64' machine='q35'>hvm</type><kernel>/var/lib/libvirt/boot/vmlinuz</kernel>\
             <initrd>/var/lib/libvirt/boot/initrd</initrd><cmdline>console=ttyS0 quiet vm.name={name}</cmdline></os>\
             <features><acpi/><tcg><tb-cache unit='MiB'>64</tb-cache></tcg></features>\
             <cpu mode='custom'><model>qemu64</model></cpu>\
             <on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>destroy</on_crash>\
             <devices>{disks}<interface type='network'><mac address='52:54:00:10:00:{number:02x}'/>\
             <source network='{network}'/><model type='virtio'/><rom enabled='no'/></interface>\
             <serial type='file'><source path='/var/log/libvirt/qemu/{name}-serial.log'/></serial>\
             <memballoon model='none'/><controller type='usb' model='none'/><video><model type='none'/></video>\
             </devices></domain>"
        )
    }
}

fn letter(disk: u8) -> char {
    char::from(b'a' + disk)
}

fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(500)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", address.ip()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.contains(" 200 ").then(|| body.trim().to_owned())
}
