//! Failback: the same copies as replication, in the other direction, into layers above the target's own disks. These stay as they are
//! until the failback is committed, so that undoing it finds them so.

use super::case::{Case, Trouble};
use super::failover::{commit, forget_checkpoints};
use super::machine::{Identity, Machine, Rendering, Run};
use super::power;
use super::pull::{Layer, Pull, checkpoints, delete_checkpoint};
use super::record::{Baseline, DiskFile, TargetDisks};
use super::replicate::{self, owner};
use super::sight::{Layers, devices, run_of, shut_down};
use crate::base::{PointId, Timestamp};
use crate::domain::{Consistency, FailbackTarget, Role};

/// The layer of a phase above one of the target's disks.
fn work(disk: &DiskFile, phase: u8, folder: &str) -> String {
    if disk.path.starts_with("/dev/") {
        format!("{folder}/{}.lifeboat-{phase}.qcow2", disk.path.trim_start_matches('/').replace('/', "-"))
    } else {
        format!("{}.lifeboat-{phase}.qcow2", disk.path)
    }
}

/// Whether the target is a machine that was built from the replica: its disks are ours, and phase 1 fills them.
fn built(case: &Case<'_>) -> bool {
    let failback = case.record.relation.failback.as_ref();
    failback.is_some_and(|f| matches!(f.target, FailbackTarget::Recovered(_)))
}

fn target(case: &Case<'_>) -> Result<Vec<DiskFile>, Trouble> {
    let missing = || Trouble::InTheWay("the target's own disks are not written down".to_owned());
    Ok(kept(case).ok_or_else(missing)?.disks.clone())
}

/// What is written down of the target's own disks. What an earlier failback left may be those of another machine, whose host did not answer
/// when that failback was undone.
fn kept<'a>(case: &'a Case<'_>) -> Option<&'a TargetDisks> {
    case.record.target.as_ref().filter(|t| t.of == case.vm(Role::Target))
}

/// Builds an empty machine with the source's configuration as the target.
///
/// # Errors
/// [`Trouble`].
pub async fn create_target(case: &mut Case<'_>) -> Result<(), Trouble> {
    let (host, name) = case.place(Role::Target)?;
    let failed = |e: super::xml::XmlError| Trouble::InTheWay(format!("the source's description: {e}"));
    let source = Machine::read(&case.record.source_xml, Run::Off).map_err(failed)?;
    let file = |dev: String| {
        let path = format!("{}/{name}/{dev}.qcow2", host.spec.folder);
        DiskFile { dev, path, format: "qcow2".to_owned() }
    };
    let disks: Vec<DiskFile> = devices(&case.record).into_iter().map(file).collect();
    let links = source.links();
    let how =
        Rendering { name: &name, identity: Identity::New, disks: &disks, links: Some(&links), record: None };
    host.virsh_with(&["define"], &[("--file", &source.render(&how))]).await?;
    Ok(())
}

/// Begins to work above the target's disks: its description names the layers that phase 2 will end with. Until they are there, nobody can
/// start it by mistake and write below the layers.
///
/// # Errors
/// [`Trouble`].
pub async fn snapshot_target(case: &mut Case<'_>, phase: u8) -> Result<(), Trouble> {
    if phase != 1 {
        return Ok(());
    }
    let machine = case.machine(Role::Target)?.clone();
    let vm = case.vm(Role::Target);
    if kept(case).is_none() {
        let (disks, ours) = (machine.disks(), devices(&case.record));
        let devs: Vec<&String> = disks.iter().map(|d| &d.dev).collect();
        if devs != ours.iter().collect::<Vec<_>>() {
            return Err(Trouble::InTheWay(format!(
                "{vm} has not the disks of the replica, {}",
                ours.join(", ")
            )));
        }
        case.record.target = Some(TargetDisks { of: vm, disks, checkpoint: None, clean: false, read: None });
        case.write().await?;
    }
    let host = case.host(Role::Target)?;
    let above = |disk: DiskFile| DiskFile {
        path: work(&disk, 2, &host.spec.folder),
        dev: disk.dev,
        format: "qcow2".to_owned(),
    };
    drop_work(case).await?;
    let disks: Vec<DiskFile> = target(case)?.into_iter().map(above).collect();
    point_at(case, &machine, &disks).await
}

/// Defines the target with other disks.
async fn point_at(case: &Case<'_>, machine: &Machine, disks: &[DiskFile]) -> Result<(), Trouble> {
    if machine.disks() == disks {
        return Ok(());
    }
    let (host, name) = case.place(Role::Target)?;
    let how = Rendering { name: &name, identity: Identity::Its, disks, links: None, record: None };
    host.virsh_with(&["define"], &[("--file", &machine.render(&how))]).await?;
    Ok(())
}

/// Takes the layers above the target's disks away.
async fn drop_work(case: &Case<'_>) -> Result<(), Trouble> {
    let host = case.host(Role::Target)?;
    for disk in target(case)? {
        let (one, two) = (work(&disk, 1, &host.spec.folder), work(&disk, 2, &host.spec.folder));
        host.exec(&["rm", "-f", &one, &two]).await?;
    }
    Ok(())
}

/// Sends what differs. In phase 1 that is what the replica wrote, where the target's disks are still what the restore point was made from, and
/// otherwise what differs when both are read; in phase 2 what the replica wrote since.
///
/// # Errors
/// [`Trouble`].
pub async fn send(case: &mut Case<'_>, phase: u8, now: Timestamp) -> Result<(), Trouble> {
    let (from, domain) = case.place(Role::Replica)?;
    let run = run_of(from, &domain).await?;
    let was_off = power::is_to_be_opened(case, Role::Replica, run);
    if was_off {
        // Once we have put it on and off again, nothing tells any more how it ended.
        let clean = shut_down(from, &domain).await?;
        if let Some(target) = &mut case.record.target {
            target.clean |= clean && phase == 2;
        }
        power::open(case, Role::Replica).await?;
    }
    let to = case.host(Role::Target)?;
    let (built, folder) = (built(case), &to.spec.folder);
    let layer = |disk: DiskFile| {
        let own = (disk.path.clone(), disk.format.clone());
        let first = if built { own.clone() } else { (work(&disk, 1, folder), "qcow2".to_owned()) };
        match phase {
            1 => Layer { file: first.0, below: (!built).then_some(own), dev: disk.dev, tracks: true },
            _ => Layer { file: work(&disk, 2, folder), below: Some(first), dev: disk.dev, tracks: true },
        }
    };
    let owner = owner(case);
    let names = ["delta", "fb1", "fb2"].map(|word| format!("{owner}.{word}"));
    let [delta, one, two] = names.each_ref().map(String::as_str);
    let (since, new, keep) = match phase {
        1 => ((!built && in_step(case).await?).then_some(delta), one, vec![delta]),
        _ => (Some(one), two, vec![delta, one]),
    };
    let disks = target(case)?.into_iter().map(layer).collect();
    let pull = Pull {
        from,
        domain: &domain,
        to,
        owner: &owner,
        since,
        new,
        keep: &keep,
        disks,
        meter: case.meter.as_ref(),
        freeze: None,
    };
    pull.run().await?;
    if was_off {
        power::close(case, Role::Replica).await?;
    }
    if let Some(target) = &mut case.record.target {
        target.read = Some(now);
    }
    Ok(())
}

/// Whether the target's disks are still what the replica began from: the replica serves from the point that was made while the source was off,
/// nothing has written to the source's files since, and all that the replica wrote is known.
async fn in_step(case: &Case<'_>) -> Result<bool, Trouble> {
    let Some(still) = &case.record.still else { return Ok(false) };
    if !case.record.traced || case.record.disk.in_use.as_ref() != Some(&still.point) {
        return Ok(false);
    }
    // The description names layers by now; the files are those below them.
    if case.target.is_some() {
        return Ok(false);
    }
    Ok(replicate::still(case, &target(case)?).await?.is_some_and(|files| files == still.files))
}

/// Makes the target again what it was before the failback.
///
/// # Errors
/// [`Trouble`].
pub async fn revert_target(case: &mut Case<'_>) -> Result<(), Trouble> {
    if kept(case).is_none() {
        return Ok(());
    }
    let disks = target(case)?;
    let (host, name) = case.place(Role::Target)?;
    if let Some(machine) = case.seen(Role::Target).machine().cloned() {
        forget_switched(case).await?;
        if built(case) {
            host.virsh(&["undefine", "--domain", &name, "--checkpoints-metadata"]).await?;
        } else {
            point_at(case, &machine, &disks).await?;
        }
    }
    drop_work(case).await?;
    if built(case) {
        for disk in &disks {
            host.exec(&["rm", "-f", &disk.path]).await?;
        }
    }
    case.record.target = None;
    Ok(())
}

/// Forgets the checkpoint of the switchover on a target that is off; its bitmap is in a layer that goes.
async fn forget_switched(case: &Case<'_>) -> Result<(), Trouble> {
    let (host, name) = case.place(Role::Target)?;
    let switched = format!("{}.switched", owner(case));
    if checkpoints(host, &name).await?.contains(&switched) {
        let command = ["checkpoint-delete", "--domain", &name, "--checkpointname", &switched, "--metadata"];
        host.virsh(&command).await?;
    }
    Ok(())
}

/// Ends the protection of the replica: the checkpoints of the failback go, and a target that was switched over to becomes again what it
/// was, where its host answers. Where it does not, the next failback begins with that.
///
/// # Errors
/// [`Trouble`].
pub async fn unprotect(case: &mut Case<'_>) -> Result<(), Trouble> {
    let (host, name) = case.place(Role::Replica)?;
    if run_of(host, &name).await? == Some(Run::On) {
        for word in ["fb2", "fb1"] {
            let checkpoint = format!("{}.{word}", owner(case));
            if checkpoints(host, &name).await?.contains(&checkpoint) {
                delete_checkpoint(host, &name, &checkpoint).await?;
            }
        }
    }
    let off = case.seen(Role::Target).machine().is_some_and(|m| m.run == Run::Off);
    if off {
        revert_target(case).await?;
    }
    Ok(())
}

/// Commits: the layers are merged into the target's disks, and the replica's running delta becomes a restore point. Returns the moment that
/// it holds, where that is written down.
///
/// # Errors
/// [`Trouble`].
pub async fn keep_protective(case: &mut Case<'_>, point: &PointId) -> Result<Option<Timestamp>, Trouble> {
    merge_target(case).await?;
    let host = case.host(Role::Replica)?;
    let own = case.layers()?;
    let found = super::sight::layers(host).await?;
    let latest = case.record.points.last().map(|p| p.id.clone());
    for dev in devices(&case.record) {
        let running = own.running(&dev);
        if !found.contains(&running) {
            continue;
        }
        // A replica that served from an older point: its layer moves to the end of the chain, and says the same there.
        if let Some(latest) = latest.as_ref().filter(|l| case.record.disk.in_use.as_ref() != Some(l)) {
            let below = Layers::name(&dev, latest.as_str());
            let command = ["qemu-img", "rebase", "-p", "-f", "qcow2", "-F", "qcow2", "-b", &below, &running];
            host.exec_long(&command, String::new(), &running, None).await?;
        }
        host.exec(&["sync", &running]).await?;
        let kept = own.point(&dev, point.as_str());
        host.exec(&["mv", "-f", &running, &kept]).await?;
        host.settle(&[&kept]).await?;
    }
    forget_checkpoints(case).await?;
    let target = case.record.target.take();
    let read = target.as_ref().and_then(|t| t.read);
    let clean = target.as_ref().is_some_and(|t| t.clean);
    case.made = Some(if clean { Consistency::Clean } else { Consistency::Crash });
    let switched = target.and_then(|t| t.checkpoint);
    let switched = switched.map(|checkpoint| Baseline { checkpoint, point: point.clone() });
    // Without it the checkpoint from before the failover still knows all that changed since, and more.
    let before = case.record.baseline.take().filter(|_| case.target.is_none());
    case.record.baseline = switched.or(before);
    (case.record.still, case.record.traced) = (None, false);
    Ok(read)
}

/// Merges the layers above the target's disks into these.
async fn merge_target(case: &Case<'_>) -> Result<(), Trouble> {
    if kept(case).is_none() {
        return Ok(());
    }
    let (host, name) = case.place(Role::Target)?;
    let disks = target(case)?;
    for disk in &disks {
        let top = work(disk, 2, &host.spec.folder);
        commit(host, &name, (&disk.dev, &top), &disk.path).await?;
    }
    point_at(case, case.machine(Role::Target)?, &disks).await?;
    drop_work(case).await
}
