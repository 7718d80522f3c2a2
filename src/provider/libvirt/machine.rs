//! A domain's description: what Lifeboat reads from it, and the description of another machine rendered from it.

use super::record::{DiskFile, Record, put};
use super::xml::{Element, Node, XmlError, parse};
use crate::base::NetworkName;
use crate::domain::{Link, Power, VmFacts};

/// A machine as its host describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its description as it is kept for the next start.
    pub tree: Element,
    /// Whether it is on, and whether its processors stand still.
    pub run: Run,
}

/// Whether a machine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// It is off.
    Off,
    /// It is on and its processors stand still.
    Paused,
    /// It runs.
    On,
}

/// Which machine it is that is defined: libvirt refuses one of a name that is there with another UUID, and two of one UUID.
#[derive(Debug, Clone, Copy)]
pub enum Identity<'a> {
    /// The one that it is rendered from.
    Its,
    /// This one, which is there.
    Of(&'a Machine),
    /// A new one.
    New,
}

/// What a rendered machine is like.
#[derive(Debug)]
pub struct Rendering<'a> {
    /// Its name.
    pub name: &'a str,
    /// Which machine it is to its host.
    pub identity: Identity<'a>,
    /// Its disks; those that are not named stay as they are.
    pub disks: &'a [DiskFile],
    /// Its networks in the order of its cards. Where nothing is said it stays the machine that it is, with its networks and with what lies
    /// in its drives.
    pub links: Option<&'a [Link]>,
    /// The record that it carries.
    pub record: Option<&'a Record>,
}

impl Machine {
    /// Reads a description.
    ///
    /// # Errors
    /// A text that is no XML.
    pub fn read(text: &str, run: Run) -> Result<Self, XmlError> {
        Ok(Self { tree: parse(text)?, run })
    }

    fn devices(&self, name: &'static str) -> impl Iterator<Item = &Element> {
        let devices = self.tree.child("devices");
        devices.into_iter().flat_map(Element::elements).filter(move |e| e.name == name)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> String {
        self.tree.child("name").map(Element::text).unwrap_or_default()
    }

    /// The disks that its guest can write to.
    #[must_use]
    pub fn disks(&self) -> Vec<DiskFile> {
        self.devices("disk").filter(|d| is_disk(d)).filter_map(disk).collect()
    }

    /// The files besides its own disks that its host must have when it starts: what it boots from, and disks that it only reads or shares.
    #[must_use]
    pub fn needs(&self) -> Vec<String> {
        let os = self.tree.child("os");
        let boots = ["kernel", "initrd", "dtb"].into_iter().filter_map(|name| os?.child(name));
        let read =
            self.devices("disk").filter(|d| d.attribute("device").unwrap_or("disk") == "disk" && !is_disk(d));
        let read = read.filter_map(|d| d.of("source", "file").or_else(|| d.of("source", "dev")));
        boots.map(|e| e.text().trim().to_owned()).chain(read.map(str::to_owned)).collect()
    }

    /// Its network cards in their order.
    #[must_use]
    pub fn links(&self) -> Vec<Link> {
        self.devices("interface").map(|card| Link::on(network(card))).collect()
    }

    /// Whether it has a channel to a guest agent.
    #[must_use]
    pub fn has_agent(&self) -> bool {
        self.devices("channel").any(|c| c.of("target", "name") == Some("org.qemu.guest_agent.0"))
    }

    /// What planner and checker see of it.
    #[must_use]
    pub fn facts(&self) -> VmFacts {
        let power = if self.run == Run::Off { Power::Off } else { Power::On };
        VmFacts { power, links: self.links() }
    }

    /// Why it cannot be replicated; `None` where it can.
    #[must_use]
    pub fn unfit(&self) -> Option<String> {
        let os = self.tree.child("os");
        if os.is_some_and(|os| os.child("nvram").is_some() || os.attribute("firmware") == Some("efi")) {
            return Some(
                "it keeps UEFI variables in a file, which do not travel with its disks yet".to_owned(),
            );
        }
        if self.devices("tpm").next().is_some() {
            return Some("it has a TPM, whose state does not travel with its disks yet".to_owned());
        }
        let passed = |name| self.devices(name).next().is_some();
        let card = self.devices("interface").any(|card| card.attribute("type") == Some("hostdev"));
        if passed("hostdev") || passed("filesystem") || card {
            return Some(
                "a device or a folder of its host is passed through to it, which is no other host's"
                    .to_owned(),
            );
        }
        if let Some(lun) = self.devices("disk").find(|d| d.attribute("device") == Some("lun")) {
            let dev = lun.of("target", "dev").unwrap_or("?");
            return Some(format!(
                "its disk {dev} is a LUN that is passed through, which cannot be read beside it"
            ));
        }
        let odd = |d: &&Element| is_disk(d) && disk(d).is_none();
        if let Some(found) = self.devices("disk").find(odd) {
            let dev = found.of("target", "dev").unwrap_or("?");
            return Some(format!("its disk {dev} is neither a file nor a block device"));
        }
        if self.disks().is_empty() {
            return Some("it has no disk that could be replicated".to_owned());
        }
        let other = self.disks().into_iter().find(|d| !["qcow2", "raw"].contains(&d.format.as_str()));
        other.map(|d| format!("its disk {} has the format {}, neither qcow2 nor raw", d.dev, d.format))
    }

    /// The description of a machine that is made from this one. Disks are rendered anew, never patched: what libvirt noted of their
    /// layers would make a machine start on an empty disk.
    #[must_use]
    pub fn render(&self, how: &Rendering<'_>) -> String {
        let mut tree = self.tree.clone();
        tree.attributes.retain(|(name, _)| name != "id");
        tree.replace(Element::new("name").saying(how.name));
        match how.identity {
            Identity::Its => {}
            Identity::New => tree.remove("uuid"),
            Identity::Of(machine) => {
                tree.remove("uuid");
                tree.children.extend(machine.tree.child("uuid").cloned().map(Node::Element));
            }
        }
        let mut cards = how.links.into_iter().flatten();
        for device in tree.child_mut("devices").into_iter().flat_map(Element::elements_mut) {
            match device.name.as_str() {
                "disk" if is_disk(device) => render_disk(device, how.disks),
                // What lies in a drive at one site need not be there at another.
                "disk" if how.links.is_some() && device.attribute("device").is_some_and(|d| d != "disk") => {
                    device.remove("source");
                }
                "interface" if how.links.is_some() => render_card(device, cards.next()),
                _ => {}
            }
        }
        if let Some(metadata) = tree.child_mut("metadata") {
            metadata.children.retain(|node| !matches!(node, Node::Element(e) if super::record::is_ours(e)));
        }
        if let Some(record) = how.record {
            put(&mut tree, record);
        }
        tree.render()
    }
}

/// Whether a `<disk>` is one that the guest writes to and that is the machine's own.
pub fn is_disk(disk: &Element) -> bool {
    let device = disk.attribute("device").unwrap_or("disk");
    device == "disk" && ["readonly", "shareable", "transient"].iter().all(|word| disk.child(word).is_none())
}

fn disk(disk: &Element) -> Option<DiskFile> {
    let path = match disk.attribute("type")? {
        "file" => disk.of("source", "file")?,
        "block" => disk.of("source", "dev")?,
        _ => return None,
    };
    Some(DiskFile {
        dev: disk.of("target", "dev")?.to_owned(),
        path: path.to_owned(),
        format: disk.of("driver", "type").unwrap_or("raw").to_owned(),
    })
}

fn render_disk(disk: &mut Element, disks: &[DiskFile]) {
    let dev = disk.of("target", "dev").unwrap_or_default().to_owned();
    let Some(file) = disks.iter().find(|d| d.dev == dev) else { return };
    let (kind, key) = if file.path.starts_with("/dev/") { ("block", "dev") } else { ("file", "file") };
    disk.set("type", kind);
    for left in ["backingStore", "mirror", "source", "alias"] {
        disk.remove(left);
    }
    match disk.child_mut("driver") {
        Some(driver) => driver.set("type", file.format.as_str()),
        None => {
            let driver = Element::new("driver").with("name", "qemu").with("type", file.format.as_str());
            disk.children.insert(0, Node::Element(driver));
        }
    }
    let at = disk.children.len().min(1);
    let source = Element::new("source").with(key, file.path.as_str());
    disk.children.insert(at, Node::Element(source));
}

/// The attribute of a card's `<source>` that names its network, by the card's type.
fn network_key(card: &Element) -> &'static str {
    match card.attribute("type") {
        Some("bridge") => "bridge",
        Some("direct") => "dev",
        _ => "network",
    }
}

fn network(card: &Element) -> NetworkName {
    let named = card.of("source", network_key(card)).or_else(|| card.attribute("type"));
    NetworkName::new(named.unwrap_or("none")).unwrap_or_else(|_| NetworkName::fixed("none"))
}

fn render_card(card: &mut Element, link: Option<&Link>) {
    card.remove("alias");
    // The host names its end anew.
    card.remove("target");
    let key = network_key(card);
    if let (Some(link), Some(source)) = (link, card.child_mut("source"))
        && source.attribute(key).is_some()
    {
        // A port of one site's network means nothing at another.
        source.attributes.retain(|(name, _)| name != "portid" && name != "portgroup");
        source.set(key, link.network.as_str());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "<domain type='kvm' id='4'><name>db</name><uuid>u-1</uuid><os><type>hvm</type></os><devices>
        <disk type='file' device='disk'><driver name='qemu' type='qcow2' discard='unmap'/><source file='/i/db.qcow2' index='1'/>
          <backingStore/><target dev='vda' bus='virtio'/><serial>s1</serial></disk>
        <disk type='block' device='disk'><driver name='qemu' type='qcow2'/><source dev='/dev/vg/db'/><target dev='vdb'/></disk>
        <disk type='file' device='cdrom'><source file='/i/x.iso'/><target dev='sda'/><readonly/></disk>
        <interface type='network'><mac address='52:54:00:00:00:01'/><source network='lan' portid='p'/><target dev='vnet3'/></interface>
        <interface type='bridge'><source bridge='br1'/></interface></devices></domain>";

    fn machine() -> Machine {
        Machine::read(TEXT, Run::Off).unwrap()
    }

    fn file(dev: &str, path: &str) -> DiskFile {
        DiskFile { dev: dev.to_owned(), path: path.to_owned(), format: "qcow2".to_owned() }
    }

    #[test]
    fn disks_and_cards_are_read() {
        let machine = machine();
        assert_eq!(machine.disks(), [file("vda", "/i/db.qcow2"), file("vdb", "/dev/vg/db")]);
        let links: Vec<String> = machine.links().iter().map(|l| l.network.to_string()).collect();
        assert_eq!(links, ["lan", "br1"]);
        assert_eq!((machine.name().as_str(), machine.unfit()), ("db", None));
    }

    #[test]
    fn a_replica_is_rendered_with_disks_of_its_own() {
        let link = |name: &str| Link::on(NetworkName::new(name).unwrap());
        let links = [link("dr"), link("br9")];
        let text = machine().render(&Rendering {
            name: "db_replica",
            identity: Identity::New,
            disks: &[file("vda", "/r/vda.qcow2"), file("vdb", "/r/vdb.qcow2")],
            links: Some(&links),
            record: None,
        });
        let made = Machine::read(&text, Run::Off).unwrap();
        assert_eq!(made.disks(), [file("vda", "/r/vda.qcow2"), file("vdb", "/r/vdb.qcow2")]);
        assert_eq!(made.links(), links);
        for gone in ["backingStore", "<uuid", "x.iso", "vnet3", "portid", "id=\"4\"", "/dev/vg"] {
            assert!(!text.contains(gone), "{gone}: {text}");
        }
        for kept in ["discard=\"unmap\"", "<serial>s1</serial>", "52:54:00:00:00:01", ">db_replica<"] {
            assert!(text.contains(kept), "{kept}: {text}");
        }
    }

    #[test]
    fn what_does_not_travel_is_refused() {
        let with = |from: &str, to: &str| Machine::read(&TEXT.replace(from, to), Run::Off).unwrap().unfit();
        assert!(with("<type>hvm</type>", "<nvram>/v</nvram>").unwrap().contains("UEFI"));
        assert!(
            with("<interface type='bridge'>", "<tpm/><interface type='bridge'>").unwrap().contains("TPM")
        );
        assert!(with("type='block'", "type='network'").unwrap().contains("vdb"));
        assert!(with("type='block' device='disk'", "type='block' device='lun'").unwrap().contains("LUN"));
        assert!(with("type='qcow2'/>", "type='vmdk'/>").unwrap().contains("vmdk"));
        assert_eq!(with("type='qcow2'/>", "type='raw'/>"), None);
    }
}
