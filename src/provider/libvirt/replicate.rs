//! Replication: a new restore point, and retention.

use super::case::{Case, Trouble, host_of};
use super::host::Host;
use super::leftover::end_programs;
use super::machine::{Identity, Machine, Rendering, Run};
use super::power;
use super::pull::{Layer, Pull, checkpoints, end_job};
use super::quiesce::{self, State};
use super::record::{Baseline, DiskFile, Record, Still};
use super::sight::{Layers, devices, shut_down};
use super::xml::parse;
use crate::base::{PointId, Timestamp};
use crate::domain::{Consistency, Quiesce, Role};

/// So many restore points are dropped down to, once there are [`DEEP`]. No replica may be told to keep more (`model::check::providers`).
const MOST: u32 = 20;
/// Planned failovers and commits add points without dropping any. libvirt cannot start a machine whose disk has some 28 layers: QEMU tells of
/// them one inside the other, and libvirt's reader of JSON ends at 32 levels ("nesting too deep", libvirt 11).
const DEEP: usize = 23;

/// The beginning of the names of a replica's checkpoints and exports.
#[must_use]
pub fn owner(case: &Case<'_>) -> String {
    format!("lifeboat.{}", case.replica)
}

/// Makes the replica's machine, off and with no disks yet, so that its record has a place.
///
/// # Errors
/// [`Trouble`], also where the source cannot be replicated.
pub async fn define(case: &mut Case<'_>) -> Result<(), Trouble> {
    let source = case.machine(Role::Source)?.clone();
    fit(case, &source)?;
    case.record.source_xml = source.tree.render();
    redefine(case, &source.links()).await
}

fn fit(case: &Case<'_>, source: &Machine) -> Result<(), Trouble> {
    let vm = case.vm(Role::Source);
    match source.unfit() {
        Some(why) => Err(Trouble::InTheWay(format!("{vm} cannot be replicated: {why}"))),
        None => Ok(()),
    }
}

/// Defines the replica's machine from what is recorded of its source, with the record in it. Its disks are those that it writes to when it
/// serves; while it does not, they are not there, and nobody can start it by mistake.
///
/// # Errors
/// [`Trouble`].
pub async fn redefine(case: &Case<'_>, links: &[crate::domain::Link]) -> Result<(), Trouble> {
    let failed = |e: super::xml::XmlError| Trouble::InTheWay(format!("the source's description: {e}"));
    let source = Machine::read(&case.record.source_xml, Run::Off).map_err(failed)?;
    let layers = case.layers()?;
    let disks: Vec<DiskFile> = devices(&case.record)
        .into_iter()
        .map(|dev| DiskFile { path: layers.running(&dev), dev, format: "qcow2".to_owned() })
        .collect();
    let (host, name) = case.place(Role::Replica)?;
    let identity = match case.own.machine() {
        Some(own) => Identity::Of(own),
        // At the host of the source there is a machine with its identity already.
        None if case.vm(Role::Source).site == case.vm(Role::Replica).site => Identity::New,
        None => Identity::Its,
    };
    let how =
        Rendering { name: &name, identity, disks: &disks, links: Some(links), record: Some(&case.record) };
    host.virsh_with(&["define"], &[("--file", &source.render(&how))]).await?;
    Ok(())
}

/// Makes a restore point; returns the moment of the source that it holds.
///
/// # Errors
/// [`Trouble`].
pub async fn create_point(
    case: &mut Case<'_>,
    how: (&PointId, Quiesce),
    now: Timestamp,
) -> Result<Timestamp, Trouble> {
    let (point, quiesce) = how;
    let source = case.machine(Role::Source)?.clone();
    fit(case, &source)?;
    lose_what_is_lost(case).await?;
    // Under a copy nothing is merged.
    if (case.record.points.len() >= DEEP || merging(&case.record)) && !super::drill::pins(case).await? {
        retain(case, if case.record.points.len() >= DEEP { MOST } else { u32::MAX }).await?;
    }
    // The host of a source that was not stopped by us may have been away when replication was resumed.
    if !case.record.relation.source_stopped {
        power::unguard(case, Role::Source).await?;
    }
    let (host, name) = case.place(Role::Source)?;
    case.record.starts =
        case.record.autostart.contains(&case.vm(Role::Source)) || power::starts(host, &name).await?;
    let was_off = power::is_to_be_opened(case, Role::Source, Some(source.run));
    let mut like = Consistency::Crash;
    if was_off {
        like = left(case, &source).await?;
        power::open(case, Role::Source).await?;
    }
    let checkpoint = format!("{}.{point}", owner(case));
    let at = match finished(case, &source, point, &checkpoint).await? {
        Some(at) => {
            // It would not have been made otherwise.
            if quiesce == Quiesce::Required && !was_off {
                like = Consistency::Application;
            }
            at
        }
        None => {
            let freeze = if was_off { None } else { freeze(case, &source, quiesce).await? };
            if copy(case, &source, (point, &checkpoint), freeze).await? {
                like = Consistency::Application;
            }
            case.record.frozen &= freeze.is_none();
            now
        }
    };
    if was_off {
        power::close(case, Role::Source).await?;
    }
    // The checkpoint before it is deleted by the next copy: until this one is written down, either would do.
    let tracked = source.disks().iter().any(DiskFile::tracks);
    case.record.baseline = tracked.then(|| Baseline { checkpoint, point: point.clone() });
    let description = source.tree.render();
    case.changed = case.record.source_xml != description;
    case.record.source_xml = description;
    case.record.still = match was_off {
        true => still(case, &source.disks()).await?.map(|files| Still { point: point.clone(), files }),
        false => None,
    };
    case.made = Some(like);
    Ok(at)
}

/// Forgets the latest restore points where their files are gone, as after a host lost its power in the wrong moment: nothing can be put
/// above them. Where nothing at all is left that is something else, such as a file system that is not mounted, and a person must look.
async fn lose_what_is_lost(case: &mut Case<'_>) -> Result<(), Trouble> {
    let (host, own) = (case.host(Role::Replica)?, case.layers()?);
    if case.record.points.is_empty() {
        return Ok(());
    }
    let found = super::sight::layers(host).await?;
    let devs = devices(&case.record);
    let whole = |point: &PointId| devs.iter().all(|dev| found.contains(&own.point(dev, point.as_str())));
    let kept = case.record.points.iter().rposition(|p| whole(&p.id)).map_or(0, |at| at + 1);
    if kept == 0 {
        return Err(Trouble::InTheWay(format!(
            "none of the restore points of {} is in {} of site {}: is its file system mounted? Where they are lost, undefine {} there, and              replication begins anew",
            case.replica,
            own.folder,
            host.site,
            case.vm(Role::Replica).vm,
        )));
    }
    for lost in case.record.points.drain(kept..) {
        tracing::warn!(replica = %case.replica, point = %lost.id, "its files are gone; it is no restore point any more");
    }
    Ok(())
}

/// What a source that is off left on its disks: as its guest did that shut down, or as after a crash.
async fn left(case: &Case<'_>, source: &Machine) -> Result<Consistency, Trouble> {
    let (host, name) = case.place(Role::Source)?;
    if shut_down(host, &name).await? {
        return Ok(Consistency::Clean);
    }
    // We put it off ourselves after reading its disks. They are as they were where nothing has written to them since.
    let latest = case.record.points.last().filter(|p| p.consistency == Consistency::Clean);
    let known = case.record.still.as_ref().filter(|s| latest.is_some_and(|p| p.id == s.point));
    let same = match known {
        Some(known) => still(case, &source.disks()).await?.is_some_and(|files| files == known.files),
        None => false,
    };
    Ok(if same { Consistency::Clean } else { Consistency::Crash })
}

/// Whether the source's guest is to be frozen, and whether it must be. That it may be frozen is written down first.
async fn freeze(case: &mut Case<'_>, source: &Machine, how: Quiesce) -> Result<Option<Quiesce>, Trouble> {
    let (host, name) = case.place(Role::Source)?;
    let mut state = if source.has_agent() { quiesce::state(host, &name).await } else { State::Unknown };
    if case.record.frozen && state == State::Frozen {
        quiesce::thawed(host, &name).await?;
        state = State::Thawed;
    }
    case.record.frozen &= state != State::Thawed;
    let why = match state {
        State::Thawed if source.run == Run::On => None,
        State::Thawed => Some("it is paused"),
        State::Frozen => Some("somebody else has frozen it"),
        State::Unknown if source.has_agent() => Some("its agent does not answer"),
        State::Unknown => Some("it has no channel to an agent"),
    };
    match (how, why) {
        (Quiesce::Never, _) => return Ok(None),
        (Quiesce::Required, Some(why)) => {
            return Err(Trouble::InTheWay(format!(
                "the guest of {name} cannot be frozen, as is required: {why}"
            )));
        }
        (Quiesce::Auto, Some(why)) => {
            if source.has_agent() {
                tracing::warn!(
                    machine = name,
                    why,
                    "the guest is not frozen; the restore point is as after a crash"
                );
            }
            return Ok(None);
        }
        (Quiesce::Auto | Quiesce::Required, None) => {}
    }
    case.record.frozen = true;
    case.write().await?;
    Ok(Some(how))
}

async fn copy(
    case: &Case<'_>,
    source: &Machine,
    how: (&PointId, &str),
    freeze: Option<Quiesce>,
) -> Result<bool, Trouble> {
    let (point, checkpoint) = how;
    let layers = case.layers()?;
    let (from, domain) = case.place(Role::Source)?;
    let latest = case.record.points.last().map(|p| p.id.as_str());
    let found = super::sight::layers(case.host(Role::Replica)?).await?;
    let layer = |disk: DiskFile| Layer {
        file: layers.point(&disk.dev, point.as_str()),
        // A disk that the source got since has nothing below.
        below: latest
            .filter(|latest| found.contains(&layers.point(&disk.dev, latest)))
            .map(|latest| (Layers::name(&disk.dev, latest), "qcow2".to_owned())),
        tracks: disk.tracks(),
        dev: disk.dev,
    };
    // Only above a point that is written down, and that the checkpoint is as old as or older than, do changes since it say all.
    let known = |b: &&Baseline| case.record.points.iter().any(|p| p.id == b.point);
    let baseline = case.record.baseline.as_ref().filter(known).map(|b| b.checkpoint.as_str());
    let pull = Pull {
        from,
        domain: &domain,
        to: case.host(Role::Replica)?,
        owner: &owner(case),
        since: baseline,
        new: checkpoint,
        keep: &baseline.into_iter().collect::<Vec<_>>(),
        disks: source.disks().into_iter().map(layer).collect(),
        meter: case.meter.as_ref(),
        freeze,
    };
    pull.run().await
}

/// Whether an earlier attempt came as far as that all layers are there, with the checkpoint of their moment, and only was not written down;
/// the moment.
async fn finished(
    case: &Case<'_>,
    source: &Machine,
    point: &PointId,
    checkpoint: &str,
) -> Result<Option<Timestamp>, Trouble> {
    let (from, domain) = case.place(Role::Source)?;
    if !checkpoints(from, &domain).await?.iter().any(|c| c == checkpoint) {
        return Ok(None);
    }
    let layers = case.layers()?;
    let found = super::sight::layers(case.host(Role::Replica)?).await?;
    if !source.disks().iter().all(|d| found.contains(&layers.point(&d.dev, point.as_str()))) {
        return Ok(None);
    }
    end_job(from, &domain, &owner(case)).await?;
    let command = ["checkpoint-dumpxml", "--domain", &domain, "--checkpointname", checkpoint, "--no-domain"];
    let text = from.ask(&command).await?;
    let seconds = parse(&text).ok().and_then(|c| c.child("creationTime")?.text().trim().parse::<i64>().ok());
    Ok(seconds.map(|s| Timestamp::from_millis(s.saturating_mul(1000))))
}

/// Inode, size and time of change of the source's disk files. `None` where one of them is a block device, whose times say nothing of what
/// was written to it.
///
/// # Errors
/// [`Trouble`].
pub async fn still(case: &Case<'_>, disks: &[DiskFile]) -> Result<Option<Vec<String>>, Trouble> {
    let head = ["stat", "-L", "-c", "%i %s %y %F"];
    let words: Vec<&str> = head.into_iter().chain(disks.iter().map(|d| d.path.as_str())).collect();
    let text = host_of(case.hosts, &case.vm(Role::Source))?.exec(&words).await?;
    let files: Vec<String> = text.lines().map(str::to_owned).collect();
    Ok(files.iter().all(|f| f.contains(" regular ")).then_some(files))
}

/// Drops restore points until no more than these are left. Those that go are written down as expired first, since their files are not whole
/// from the first byte that is merged into them.
///
/// # Errors
/// [`Trouble`].
pub async fn retain(case: &mut Case<'_>, keep: u32) -> Result<(), Trouble> {
    let excess = case.record.points.len().saturating_sub(keep as usize);
    if excess > 0 {
        let gone: Vec<PointId> = case.record.points.drain(..excess).map(|p| p.id).collect();
        case.record.expired.extend(gone);
        case.write().await?;
    }
    // A copy may have been begun in this moment; whoever begins one looks for what is written down here.
    if super::drill::pins(case).await? {
        return Ok(());
    }
    merge_expired(case).await
}

/// Merges expired points into the ones after them, the oldest first. One that was merged half before is merged again: the layer above it
/// is whole all the time.
async fn merge_expired(case: &mut Case<'_>) -> Result<(), Trouble> {
    let host = case.host(Role::Replica)?;
    let layers = case.layers()?;
    while let Some(old) = case.record.expired.first().cloned() {
        let next = case.record.expired.get(1).or_else(|| case.record.points.first().map(|p| &p.id)).cloned();
        let found = super::sight::layers(host).await?;
        for dev in devices(&case.record) {
            let below = layers.point(&dev, old.as_str());
            if !found.contains(&below) {
                continue;
            }
            match &next {
                Some(next) => {
                    let above = layers.point(&dev, next.as_str());
                    end_programs(host, &[&above]).await?;
                    let command = ["qemu-img", "commit", "-p", "-d", "-f", "qcow2", above.as_str()];
                    if let Some(meter) = &case.meter {
                        meter.part(allocated(host, &above).await?);
                    }
                    host.exec_long(&command, String::new(), &below, case.meter.as_ref()).await?;
                    host.exec(&["mv", "-f", &below, &above]).await?;
                    host.settle(&[&above]).await?;
                }
                None => drop(host.exec(&["rm", "-f", &below]).await?),
            }
        }
        case.record.expired.remove(0);
        case.write().await?;
    }
    Ok(())
}

/// How many bytes a file takes on its disk.
async fn allocated(host: &Host, file: &str) -> Result<u64, Trouble> {
    let blocks = host.exec(&["stat", "-c", "%b", file]).await?;
    // In blocks of 512 bytes, whatever the file system's own are.
    Ok(blocks.trim().parse::<u64>().unwrap_or_default() * 512)
}

/// The record's own part of a Retain: whether points are being merged.
#[must_use]
pub fn merging(record: &Record) -> bool {
    !record.expired.is_empty()
}
