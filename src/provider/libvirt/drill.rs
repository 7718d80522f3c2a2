//! The copy of a drill: a machine of its own above a restore point, on networks from which nothing leads anywhere.
//!
//! ```text
//!   vda.p1.qcow2 ◄─ vda.p2.qcow2 ◄─ vda.p3.qcow2        restore points; replication goes on above them
//!                        ▲
//!                   vda.~drill.qcow2                    what the copy writes
//! ```
//!
//! Nothing of it stands in the replica's record: replication may write that at the same time. The copy carries a mark of its own, which
//! is there before its first file and goes after its last one. Restore points are not merged while the mark is there: whoever merges writes
//! down first what is to go, and looks for the mark then; whoever makes a copy sets the mark first, and looks then for what is to go.

use super::case::{Case, Trouble};
use super::host::Host;
use super::machine::{Identity, Machine, Rendering, Run, is_disk};
use super::power;
use super::record::DiskFile;
use super::sight::{Layers, Roll, devices, layers, machine};
use super::xml::{Element, Node, parse};
use crate::base::{PointId, ReplicaName, RunId};
use crate::domain::{Action, CopyFacts, Facts, Link, Role, Settled, Sight, requires, settled};
use crate::port::{Failure, Order};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The XML namespace of the mark.
const NAMESPACE: &str = "https://lifeboat.dev/xmlns/drill/1";
/// The prefix that libvirt writes before it.
const PREFIX: &str = "lifeboat-drill";
/// The format that this version writes, and the only one that it reads.
const FORMAT: u32 = 1;
/// What stands in the place of a restore point in the names of a copy's files. No point can be called so.
const LAYER: &str = "~drill";

/// The mark of a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mark {
    format: u32,
    replica: ReplicaName,
    point: PointId,
    run: RunId,
}

impl Mark {
    /// The mark of a machine; `None` where it has none that this version knows.
    fn of(domain: &Element) -> Option<Self> {
        let ours = |e: &&Element| {
            e.attributes.iter().any(|(name, value)| name.starts_with("xmlns") && value == NAMESPACE)
        };
        let mark = domain.child("metadata")?.elements().find(ours)?;
        let mark: Self = serde_json::from_str(&mark.text()).ok()?;
        (mark.format == FORMAT).then_some(mark)
    }

    fn put(&self, domain: &mut Element) {
        // It is made of texts and a number: writing it cannot fail.
        let text = serde_json::to_string(self).unwrap_or_default();
        let mut mark = Element::new("drill").saying(text);
        mark.name = format!("{PREFIX}:drill");
        let mark = mark.with(&format!("xmlns:{PREFIX}"), NAMESPACE);
        domain.replace(Element::new("metadata").and(mark));
    }
}

/// The file that a copy writes to.
fn file(own: &Layers, dev: &str) -> String {
    own.point(dev, LAYER)
}

/// The files of a copy that a host has, whatever disks its replica has now.
fn files<'a>(own: &Layers, found: &'a BTreeSet<String>) -> impl Iterator<Item = &'a String> {
    let (inside, end) = (format!("{}/", own.folder), format!(".{LAYER}.qcow2"));
    let own = found.range(inside.clone()..).take_while(move |path| path.starts_with(&inside));
    own.filter(move |path| path.ends_with(&end))
}

/// What stands of a copy, from the machines and the files that a host was seen to have.
///
/// # Errors
/// [`Trouble`], also where a machine stands in its place that is none of Lifeboat's.
pub async fn seen(case: &Case<'_>, roll: &Roll, found: &BTreeSet<String>) -> Result<CopyFacts, Trouble> {
    let (host, name) = case.place(Role::Copy)?;
    let own = case.layers()?;
    let files: BTreeSet<&String> = files(&own, found).collect();
    let there = roll.machine(host, &name).await?;
    let Some(mark) = there.as_ref().and_then(|m| Mark::of(&m.tree)).filter(|m| m.replica == case.replica)
    else {
        // Files without a machine: somebody undefined it. They are a drill's all the same.
        let point = (!files.is_empty()).then(|| PointId::fixed("unknown"));
        return Ok(CopyFacts { machine: Sight::Absent, point, by: None });
    };
    let whole = devices(&case.record).iter().all(|dev| files.contains(&file(&own, dev)));
    let machine = match there.filter(|_| whole) {
        Some(machine) => Sight::Present(machine.facts()),
        // Of a copy that is half there nothing can run.
        None => Sight::Absent,
    };
    Ok(CopyFacts { machine, point: Some(mark.point), by: Some(mark.run) })
}

/// Whether a copy, or a part of one, stands above the restore points of a replica.
///
/// # Errors
/// [`Trouble`].
pub async fn pins(case: &Case<'_>) -> Result<bool, Trouble> {
    Ok(!look(case).await?.is_nothing())
}

async fn look(case: &Case<'_>) -> Result<CopyFacts, Trouble> {
    let host = case.host(Role::Copy)?;
    let (roll, found) = (Roll::call(host).await?, layers(host).await?);
    seen(case, &roll, &found).await
}

/// The facts with what stands of the copy.
///
/// # Errors
/// [`Trouble`].
pub async fn facts(case: &Case<'_>) -> Result<Facts, Trouble> {
    let copy = look(case).await?;
    Ok(Facts { copy, ..case.facts_on_disk().await? })
}

/// Carries out an action on a copy. The replica's record is read and never written.
///
/// # Errors
/// [`Failure`].
pub async fn carry_out(case: &mut Case<'_>, order: &Order) -> Result<(), Failure> {
    let facts = facts(case).await?;
    let action = &order.step.action;
    if settled(action, &facts) == Settled::Done {
        return Ok(());
    }
    requires(action, &facts).map_err(Failure::Refused)?;
    match action {
        Action::MakeCopy { point, links } => make(case, order, (point, links)).await?,
        Action::PowerOn { .. } => start(case).await?,
        Action::PowerOff { .. } | Action::ShutDown { .. } => {
            let (host, name) = case.place(Role::Copy)?;
            power::destroy(host, &name).await?;
        }
        Action::RemoveCopy => remove(case).await?,
        _ => {}
    }
    Ok(())
}

async fn make(case: &Case<'_>, order: &Order, what: (&PointId, &[Link])) -> Result<(), Trouble> {
    let (point, links) = what;
    let (host, name) = case.place(Role::Copy)?;
    for link in links {
        leads_nowhere(host, link.network.as_str()).await?;
    }
    let there = machine(host, &name).await?;
    if there.as_ref().is_some_and(|m| Mark::of(&m.tree).is_none_or(|mark| mark.replica != case.replica)) {
        return Err(Trouble::InTheWay(format!(
            "a machine {name} is at site {} that is no copy of {}: rename it, or remove it",
            host.site, case.replica
        )));
    }
    let mark = Mark {
        format: FORMAT,
        replica: case.replica.clone(),
        point: point.clone(),
        run: order.key.run.clone(),
    };
    let text = describe(case, &mark, links, there.as_ref())?;
    host.virsh_with(&["define"], &[("--file", &text)]).await?;
    // From here on nobody begins to merge. Somebody may have begun before.
    let again = Case::read(case.hosts, &case.replica, &case.placement, &[]).await?;
    if !again.record.expired.is_empty() || again.record.points.iter().all(|p| p.id != *point) {
        undefine(host, &name).await?;
        let why =
            "restore points are being dropped; `lifeboat replicate` completes that where it was cut off";
        return Err(Trouble::InTheWay(why.to_owned()));
    }
    let own = case.layers()?;
    for dev in devices(&case.record) {
        let (layer, below) = (file(&own, &dev), Layers::name(&dev, point.as_str()));
        let part = format!("{layer}.part");
        host.exec(&["rm", "-f", &part]).await?;
        host.exec(&["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", &below, &part]).await?;
        host.exec(&["mv", "-f", &part, &layer]).await?;
    }
    Ok(())
}

/// A network of libvirt's that is up and leads nowhere: no `forward` in its description.
async fn leads_nowhere(host: &Host, network: &str) -> Result<(), Trouble> {
    let text = host.ask(&["net-dumpxml", "--network", network]).await?;
    let failed = |why: String| Trouble::InTheWay(format!("network {network} of site {}: {why}", host.site));
    let tree = parse(&text).map_err(|e| failed(e.to_string()))?;
    if let Some(forward) = tree.child("forward") {
        let mode = forward.attribute("mode").unwrap_or("nat");
        return Err(failed(format!(
            "it leads elsewhere (forward mode {mode}), so a copy on it would not be apart; a drill's network has no `forward`"
        )));
    }
    Ok(())
}

/// The description of the copy: the source's as of the last restore point, with files and networks of its own. Hardware addresses stay, as
/// guests go by them; the networks are apart.
fn describe(
    case: &Case<'_>,
    mark: &Mark,
    links: &[Link],
    there: Option<&Machine>,
) -> Result<String, Trouble> {
    let failed = |e: super::xml::XmlError| Trouble::InTheWay(format!("the source's description: {e}"));
    let source = Machine::read(&case.record.source_xml, Run::Off).map_err(failed)?;
    let (own, name) = (case.layers()?, case.vm(Role::Copy).vm.as_str().to_owned());
    let disks: Vec<DiskFile> = devices(&case.record)
        .into_iter()
        .map(|dev| DiskFile { path: file(&own, &dev), dev, format: "qcow2".to_owned() })
        .collect();
    let identity = there.map_or(Identity::New, Identity::Of);
    let how = Rendering { name: &name, identity, disks: &disks, links: Some(links), record: None };
    let mut tree = parse(&source.render(&how)).map_err(failed)?;
    if let Some(devices) = tree.child_mut("devices") {
        // What others write to as well is no copy's to write to.
        let shared = |e: &Element| {
            e.name == "disk"
                && !is_disk(e)
                && (e.child("shareable").is_some() || e.attribute("device") == Some("lun"))
        };
        devices.children.retain(|node| !matches!(node, Node::Element(e) if shared(e)));
        let mut links = links.iter();
        let mut left = Vec::new();
        for card in devices.elements_mut().filter(|e| e.name == "interface") {
            match links.next() {
                Some(link) => connect(card, link),
                None => left.push(card.clone()),
            }
        }
        devices.children.retain(|node| !matches!(node, Node::Element(e) if left.contains(e) || leads(e)));
    }
    // What its source gives QEMU past libvirt may be a network that nobody here knows of.
    tree.children.retain(|node| !matches!(node, Node::Element(e) if e.name.starts_with("qemu:")));
    mark.put(&mut tree);
    Ok(tree.render())
}

/// Whether a device leads out of the machine to something that is not the host's own: a line over the network or a socket, a device that is
/// passed on. The guest agent's channel goes to libvirt itself.
fn leads(device: &Element) -> bool {
    let lines =
        ["serial", "parallel", "console", "channel", "redirdev", "smartcard", "rng", "vsock", "shmem"];
    let harmless = ["pty", "null", "vc", "spicevmc", "random", "builtin"];
    let kind =
        device.attribute("type").or_else(|| device.child("backend").and_then(|b| b.attribute("model")));
    let agent = device.child("target").and_then(|t| t.attribute("name")) == Some("org.qemu.guest_agent.0");
    lines.contains(&device.name.as_str()) && !agent && !kind.is_some_and(|kind| harmless.contains(&kind))
}

/// Puts a card on a network of libvirt's, whatever it was on: a bridge or a card of the host would lead elsewhere.
fn connect(card: &mut Element, link: &Link) {
    card.set("type", "network");
    let keeps = ["mac", "model", "address", "boot", "driver", "mtu"];
    card.children.retain(|node| matches!(node, Node::Element(e) if keeps.contains(&e.name.as_str())));
    card.children.push(Node::Element(Element::new("source").with("network", link.network.as_str())));
}

async fn start(case: &Case<'_>) -> Result<(), Trouble> {
    let (host, name) = case.place(Role::Copy)?;
    match machine(host, &name).await?.map(|m| m.run) {
        Some(Run::Off) => drop(host.virsh(&["start", "--domain", &name]).await?),
        Some(Run::Paused) => drop(host.virsh(&["resume", "--domain", &name]).await?),
        Some(Run::On) => {}
        None => return Err(Trouble::InTheWay(format!("the copy {name} is not there"))),
    }
    Ok(())
}

/// Removes the files of a copy, and then the machine with its mark.
async fn remove(case: &Case<'_>) -> Result<(), Trouble> {
    let (host, name) = case.place(Role::Copy)?;
    let own = case.layers()?;
    let found = layers(host).await?;
    for path in files(&own, &found) {
        host.exec(&["rm", "-f", path]).await?;
    }
    for dev in devices(&case.record) {
        host.exec(&["rm", "-f", &format!("{}.part", file(&own, &dev))]).await?;
    }
    let there = machine(host, &name).await?;
    if there.is_some_and(|m| Mark::of(&m.tree).is_some_and(|mark| mark.replica == case.replica)) {
        undefine(host, &name).await?;
    }
    Ok(())
}

async fn undefine(host: &Host, name: &str) -> Result<(), Trouble> {
    host.virsh(&["undefine", "--domain", name, "--checkpoints-metadata"]).await?;
    Ok(())
}
