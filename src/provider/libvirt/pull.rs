//! The one way in which data moves: the state of a machine at one moment becomes a new layer at another host. Replication and failback
//! are the same thing in two directions.
//!
//! The machine's own host serves the state of that moment over NBD (libvirt: a backup in pull mode, begun in one step with a checkpoint for
//! all its disks); the other host's `qemu-img` and `qemu-io` read it. A layer exists once it has its final name; whatever is called `*.part` is
//! rubbish.

use super::case::Trouble;
use super::host::{Host, HostError, Port};
use super::leftover::{end_programs, hang_up};
use super::quiesce;
use super::xml::{Element, parse};
use crate::domain::Quiesce;
use crate::provider::meter::Meter;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::sync::Arc;

/// One request of `qemu-io`: small enough to give a sign of progress on a slow link, large enough to cost no time (study: 8 to 64 MiB).
const CHUNK: u64 = 8 << 20;

/// How often a host that is not reached is tried again.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(1);

/// How soon it is looked first whether a backup has ended.
const SOON: std::time::Duration = std::time::Duration::from_millis(5);

/// What is to be copied, from where to where.
#[derive(Debug)]
pub struct Pull<'a> {
    /// The machine's host.
    pub from: &'a Host,
    /// The machine, which is on.
    pub domain: &'a str,
    /// The host that gets the layers.
    pub to: &'a Host,
    /// Whose work it is: the beginning of the names of checkpoints and exports.
    pub owner: &'a str,
    /// The checkpoint since which changes are sent; everything is compared where there is none.
    pub since: Option<&'a str>,
    /// The checkpoint that is made in the same moment, of the disks that keep track.
    pub new: &'a str,
    /// Checkpoints of the owner that must stay. Others are left over and are deleted.
    pub keep: &'a [&'a str],
    /// The disks.
    pub disks: Vec<Layer>,
    /// Where it is told how far it has come.
    pub meter: Option<&'a Arc<Meter>>,
    /// Whether the guest's file systems are frozen while the copy begins, and whether they must be; its agent answers.
    pub freeze: Option<Quiesce>,
}

/// A backup that was begun.
struct Begun<'a> {
    port: Port<'a>,
    /// The checkpoint since which it tells what changed.
    since: Option<&'a str>,
    /// Whether the guest was frozen.
    frozen: bool,
}

/// One disk of a copy.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Its device in the machine.
    pub dev: String,
    /// The file of the new layer.
    pub file: String,
    /// The layer below it, with its format; a full copy where there is none.
    pub below: Option<(String, String)>,
    /// Whether the disk keeps track of what changes. One that does not is compared each time.
    pub tracks: bool,
}

/// What is to be read of a disk.
#[derive(Debug)]
enum Work {
    /// All of its data, of so many bytes.
    Whole(u64),
    /// All of its data, of so many bytes, to find what differs from the layer below.
    Differences(u64),
    /// What changed.
    Changes(Vec<Extent>),
}

impl Work {
    fn bytes(&self) -> u64 {
        match self {
            Self::Whole(bytes) | Self::Differences(bytes) => *bytes,
            Self::Changes(extents) => extents.iter().map(|e| e.length).sum(),
        }
    }
}

/// A stretch of a disk, as `qemu-img map` tells it.
#[derive(Debug, Deserialize)]
struct Extent {
    start: u64,
    length: u64,
    data: bool,
}

impl Pull<'_> {
    /// Copies all disks. All layers are there when it returns, and the machine's host serves nothing any more. Returns whether the
    /// guest was frozen at the moment that they hold.
    ///
    /// # Errors
    /// [`Trouble`]; layers that are not whole have no final name.
    pub async fn run(&self) -> Result<bool, Trouble> {
        // Always in one order: two that each held one place and waited for the other's would wait for ever.
        let (first, second) =
            if self.from.site <= self.to.site { (self.from, self.to) } else { (self.to, self.from) };
        let _first = first.copy_place().await;
        let _second = if first.site == second.site { None } else { second.copy_place().await };
        end_job(self.from, self.domain, self.owner).await?;
        self.tidy_checkpoints().await?;
        // Whoever QEMU runs as has to come through it, whatever the host's umask says.
        self.from.exec(&["mkdir", "-p", "-m", "0711", &self.from.spec.folder]).await?;
        for layer in &self.disks {
            let folder = layer.file.rsplit_once('/').map_or("/", |(folder, _)| folder);
            self.to.exec(&["mkdir", "-p", "-m", "0711", &self.to.spec.folder, folder]).await?;
        }
        let Begun { port, since, frozen } = self.begin().await?;
        let copied = self.patiently(&port, since.is_some()).await;
        let ended = end_job(self.from, self.domain, self.owner).await;
        copied.and(ended).map(|()| frozen)
    }

    /// Deletes what is left over of the owner's checkpoints. Deleting one merges what it knows into the one before: nothing is lost.
    async fn tidy_checkpoints(&self) -> Result<(), Trouble> {
        for name in checkpoints(self.from, self.domain).await? {
            if is_of(&name, self.owner) && !self.keep.contains(&name.as_str()) {
                delete_checkpoint(self.from, self.domain, &name).await?;
            }
        }
        Ok(())
    }

    /// Begins the backup together with the new checkpoint, at a free port.
    async fn begin(&self) -> Result<Begun<'_>, Trouble> {
        let known = match self.since {
            Some(since) => checkpoints(self.from, self.domain).await?.iter().any(|c| c == since),
            None => false,
        };
        let mut since = self.since.filter(|_| known);
        let mut taken = BTreeSet::new();
        loop {
            let port = self.from.port(&taken).ok_or_else(|| {
                let (first, last) = (self.from.spec.data.first, self.from.spec.data.last);
                Trouble::InTheWay(format!("no port of {first} to {last} is free at site {}", self.from.site))
            })?;
            let why = match self.ask_for_backup(since, port.number).await {
                Ok(false) if self.freeze == Some(Quiesce::Required) => {
                    end_job(self.from, self.domain, self.owner).await?;
                    return Err(Trouble::InTheWay(format!(
                        "the guest of {} was not frozen, as is required",
                        self.domain
                    )));
                }
                Ok(frozen) => return Ok(Begun { port, since, frozen }),
                Err(Trouble::Host(HostError::Failed { why, .. })) => why,
                Err(trouble) => return Err(trouble),
            };
            let in_use = ["Address already in use", "Failed to bind"].iter().any(|t| why.contains(t));
            let broken =
                ["missing or broken bitmap", "inconsistent", "Bitmap"].iter().any(|t| why.contains(t));
            match since {
                _ if in_use => {
                    taken.insert(port.number);
                }
                // The machine's QEMU died with its bitmaps. What changed is found by comparing instead.
                Some(name) if broken => {
                    tracing::warn!(machine = self.domain, %why, "changes are not known any more; disks are compared");
                    delete_checkpoint(self.from, self.domain, name).await?;
                    since = None;
                }
                _ => return Err(Trouble::InTheWay(format!("{} cannot be copied: {why}", self.domain))),
            }
        }
    }

    async fn ask_for_backup(&self, since: Option<&str>, port: u16) -> Result<bool, Trouble> {
        let (backup, checkpoint) = (self.backup(since, port).render(), self.checkpoint().render());
        let files = [("--backupxml", backup.as_str()), ("--checkpointxml", checkpoint.as_str())];
        // Without a disk that keeps track there is nothing to be in a checkpoint.
        let some = if self.disks.iter().any(|d| d.tracks) { &files[..] } else { &files[..1] };
        let command = ["backup-begin", "--domain", self.domain];
        if self.freeze.is_none() {
            self.from.virsh_with(&command, some).await?;
            return Ok(false);
        }
        let (why, frozen) = quiesce::frozen(self.from, self.domain, (&command, some)).await?;
        // Only a backup tells whether what was complained of is that there is none.
        if !why.is_empty() && !self.serves().await? {
            let (site, what) = (self.from.site.clone(), "virsh backup-begin".to_owned());
            return Err(HostError::Failed { site, what, why }.into());
        }
        Ok(frozen)
    }

    /// Whether a backup of the owner's runs.
    async fn serves(&self) -> Result<bool, HostError> {
        match self.from.ask(&["backup-dumpxml", "--domain", self.domain]).await {
            Ok(text) => Ok(exports(&text).iter().any(|name| is_of(name, self.owner))),
            Err(HostError::Failed { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The description of the new checkpoint.
    fn checkpoint(&self) -> Element {
        let disk = |layer: &Layer| {
            let kind = if layer.tracks { "bitmap" } else { "no" };
            Element::new("disk").with("name", layer.dev.as_str()).with("checkpoint", kind)
        };
        let disks = self.disks.iter().map(disk).fold(Element::new("disks"), Element::and);
        Element::new("domaincheckpoint").and(Element::new("name").saying(self.new)).and(disks)
    }

    /// The description of the backup: all disks as of one moment, also where only some of them tell what changed.
    fn backup(&self, since: Option<&str>, port: u16) -> Element {
        let disk = |layer: &Layer| {
            let file = format!("{}/scratch.{}.{}", self.from.spec.folder, self.owner, layer.dev);
            let disk = Element::new("disk").with("name", layer.dev.as_str()).with("backup", "yes");
            let disk = disk.with("type", "file").with("exportname", self.export(layer));
            let disk = match since.filter(|_| layer.tracks) {
                Some(since) => disk.with("backupmode", "incremental").with("incremental", since),
                None => disk.with("backupmode", "full"),
            };
            disk.and(Element::new("scratch").with("file", file))
        };
        let disks = self.disks.iter().map(disk).fold(Element::new("disks"), Element::and);
        let address = self.from.spec.data.address.to_string();
        let server = Element::new("server").with("transport", "tcp").with("name", address);
        let backup = Element::new("domainbackup").with("mode", "pull");
        backup.and(server.with("port", port.to_string())).and(disks)
    }

    /// The name under which a disk is served; it is also the mark of whose work the backup is.
    fn export(&self, layer: &Layer) -> String {
        format!("{}.{}", self.new, layer.dev)
    }

    /// Copies; a host that cannot be reached at the beginning is tried for as long as one may be silent in the middle.
    async fn patiently(&self, port: &Port<'_>, changes: bool) -> Result<(), Trouble> {
        let began = tokio::time::Instant::now();
        loop {
            let Err(why) = self.copy(port, changes).await else { return Ok(()) };
            let apart = why.to_string().contains("Failed to connect to");
            if !apart || began.elapsed() >= self.to.spec.silence.to_std() {
                return Err(self.on_the_way(why, port));
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// A silence in a copy, with where it was copied from: most often it is the way there that is broken.
    fn on_the_way(&self, why: Trouble, port: &Port<'_>) -> Trouble {
        match why {
            Trouble::Host(HostError::Unreachable { site, why }) => {
                let (from, address) = (&self.from.site, self.from.spec.data.address);
                let why = format!(
                    "{why}; it read from site {from} at {address}, port {}: is the way there open?",
                    port.number
                );
                Trouble::Host(HostError::Unreachable { site, why })
            }
            Trouble::Host(HostError::Failed { .. }) | Trouble::Record(_) | Trouble::InTheWay(_) => why,
        }
    }

    async fn copy(&self, port: &Port<'_>, changes: bool) -> Result<(), Trouble> {
        let parts: Vec<String> = self.disks.iter().map(|l| format!("{}.part", l.file)).collect();
        let exports = self.disks.iter().map(|layer| self.export(layer));
        let ours: Vec<String> = parts.iter().cloned().chain(exports).collect();
        end_programs(self.to, &ours.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        let mut works = Vec::new();
        for layer in &self.disks {
            works.push(self.work(layer, port, changes).await?);
        }
        if let Some(meter) = self.meter {
            meter.expect(works.iter().map(Work::bytes).sum());
        }
        for (layer, work) in self.disks.iter().zip(&works) {
            if let Some(meter) = self.meter {
                meter.part(work.bytes());
            }
            self.one(layer, work, port).await?;
        }
        let words: Vec<&str> = ["sync"].into_iter().chain(parts.iter().map(String::as_str)).collect();
        self.to.exec(&words).await?;
        for (layer, part) in self.disks.iter().zip(&parts) {
            self.to.exec(&["mv", "-f", part, &layer.file]).await?;
        }
        self.to.settle(&self.disks.iter().map(|l| l.file.as_str()).collect::<Vec<_>>()).await?;
        if let Some(meter) = self.meter {
            meter.end();
        }
        Ok(())
    }

    fn address(&self, layer: &Layer, port: &Port<'_>) -> String {
        let address = match self.from.spec.data.address {
            std::net::IpAddr::V4(address) => address.to_string(),
            std::net::IpAddr::V6(address) => format!("[{address}]"),
        };
        format!("nbd://{address}:{}/{}", port.number, self.export(layer))
    }

    /// Copies one disk into its unfinished layer.
    async fn one(&self, layer: &Layer, work: &Work, port: &Port<'_>) -> Result<(), Trouble> {
        let (nbd, part) = (self.address(layer, port), format!("{}.part", layer.file));
        self.to.exec(&["rm", "-f", &part]).await?;
        let long = async |command: &[&str], input: String| {
            self.to.exec_long(command, input, &part, self.meter).await
        };
        let Some((file, format)) = &layer.below else {
            long(
                &["qemu-img", "convert", "-p", "-W", "-f", "raw", "-O", "qcow2", &nbd, &part],
                String::new(),
            )
            .await?;
            return Ok(());
        };
        self.to.exec(&["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", &nbd, &part]).await?;
        let Work::Changes(extents) = work else {
            let command = ["qemu-img", "rebase", "-p", "-f", "qcow2", "-F", format, "-b", file, &part];
            long(&command, String::new()).await?;
            return Ok(());
        };
        let script = script(extents);
        if !script.is_empty() {
            let said = long(&["qemu-io", "-C", "-f", "qcow2", &part], script).await?;
            if said.contains("failed") {
                return Err(Trouble::InTheWay(format!("reading {} broke off", layer.dev)));
            }
        }
        let command = ["qemu-img", "rebase", "-u", "-f", "qcow2", "-F", format, "-b", file, &part];
        self.to.exec(&command).await?;
        Ok(())
    }

    /// What is to be read of a disk, as the machine's host tells it.
    async fn work(&self, layer: &Layer, port: &Port<'_>, changes: bool) -> Result<Work, Trouble> {
        let data = async || {
            let extents = self.map(layer, port, "").await?;
            Ok::<u64, Trouble>(extents.iter().filter(|e| e.data).map(|e| e.length).sum())
        };
        Ok(match (&layer.below, changes && layer.tracks) {
            (None, _) => Work::Whole(data().await?),
            (Some(_), false) => Work::Differences(data().await?),
            (Some(_), true) => {
                let bitmap = format!(",x-dirty-bitmap=qemu:dirty-bitmap:backup-{}", layer.dev);
                let extents = self.map(layer, port, &bitmap).await?;
                // Seen through a bitmap, what is dirty shows as a hole.
                Work::Changes(extents.into_iter().filter(|e| !e.data).collect())
            }
        })
    }

    /// The stretches of a disk that is served.
    async fn map(&self, layer: &Layer, port: &Port<'_>, option: &str) -> Result<Vec<Extent>, Trouble> {
        let options = format!(
            "driver=nbd,server.type=inet,server.host={},server.port={},export={}{option}",
            self.from.spec.data.address,
            port.number,
            self.export(layer),
        );
        let text = self.to.exec(&["qemu-img", "map", "--output=json", "--image-opts", &options]).await?;
        serde_json::from_str(&text)
            .map_err(|e| Trouble::InTheWay(format!("qemu-img does not tell what is on {}: {e}", layer.dev)))
    }
}

/// What `qemu-io` is told to read.
fn script(extents: &[Extent]) -> String {
    let mut text = String::new();
    for extent in extents {
        let end = extent.start + extent.length;
        let mut at = extent.start;
        while at < end {
            let length = CHUNK.min(end - at);
            text.push_str(&format!("r {at} {length}\n"));
            at += length;
        }
    }
    text
}

/// The checkpoints of a machine.
///
/// # Errors
/// [`HostError`].
pub async fn checkpoints(host: &Host, domain: &str) -> Result<Vec<String>, HostError> {
    let text = host.ask(&["checkpoint-list", "--domain", domain, "--name", "--topological"]).await?;
    Ok(text.lines().filter(|l| !l.is_empty()).map(str::to_owned).collect())
}

/// Deletes a checkpoint, also one whose bitmaps are gone.
///
/// # Errors
/// [`HostError`].
pub async fn delete_checkpoint(host: &Host, domain: &str, name: &str) -> Result<(), HostError> {
    let command = ["checkpoint-delete", "--domain", domain, "--checkpointname", name];
    match host.virsh(&command).await {
        Ok(_) => Ok(()),
        Err(HostError::Failed { why, .. }) if !is_busy(&why) => {
            if checkpoints(host, domain).await?.iter().any(|c| c == name) {
                host.virsh(&[&command[..], &["--metadata"]].concat()).await?;
            }
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Whether a machine only has no time for it now: texts of libvirt 9 to 11 in the C locale.
fn is_busy(why: &str) -> bool {
    ["state change lock", "Timed out", "imeout"].iter().any(|text| why.contains(text))
}

/// Whether a name is one of an owner's.
fn is_of(name: &str, owner: &str) -> bool {
    name.strip_prefix(owner).is_some_and(|rest| rest.starts_with('.'))
}

/// The names under which a backup serves its disks.
fn exports(text: &str) -> Vec<String> {
    let of = |backup: Element| {
        let disks = backup.child("disks").into_iter().flat_map(Element::elements);
        disks.filter_map(|d| d.attribute("exportname")).map(str::to_owned).collect()
    };
    parse(text).map(of).unwrap_or_default()
}

/// Ends a backup of the owner's that runs on a machine, whoever began it.
///
/// # Errors
/// [`Trouble`], also where another job runs there.
pub async fn end_job(host: &Host, domain: &str, owner: &str) -> Result<(), Trouble> {
    let mut pause = SOON;
    for _ in 0..30 {
        let text = match host.ask(&["backup-dumpxml", "--domain", domain]).await {
            Ok(text) => text,
            Err(HostError::Failed { why, .. }) if is_busy(&why) => {
                tokio::time::sleep(SOON * 40).await;
                continue;
            }
            // No backup, or the machine is off, which ends them all.
            Err(HostError::Failed { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if !exports(&text).iter().any(|name| is_of(name, owner)) {
            return Err(Trouble::InTheWay(format!(
                "another backup runs on {domain}; wait for its end, or end it with `virsh domjobabort {domain}`"
            )));
        }
        hang_up(host, domain, &parse(&text).unwrap_or_default()).await?;
        // It ends a moment after it is told to.
        if let Err(why) = host.virsh(&["domjobabort", "--domain", domain]).await {
            tracing::debug!(%why, "a backup ended by itself");
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(SOON * 40);
    }
    Err(Trouble::InTheWay(format!("the backup on {domain} does not end")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_stretches_are_read_in_pieces() {
        let extent = |start, length| Extent { start, length, data: false };
        let text = script(&[extent(0, 512), extent(CHUNK, 2 * CHUNK + 1)]);
        let expected = [
            "r 0 512".to_owned(),
            format!("r {CHUNK} {CHUNK}"),
            format!("r {} {CHUNK}", 2 * CHUNK),
            format!("r {} 1", 3 * CHUNK),
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }
}
