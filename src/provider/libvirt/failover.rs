//! Failover: the running delta, networks, and the merge that makes a replica the production machine for good.

use super::case::{Case, Trouble};
use super::host::Host;
use super::leftover::end_programs;
use super::machine::{Identity, Rendering, Run};
use super::pull::{checkpoints, delete_checkpoint};
use super::record::DiskFile;
use super::replicate::redefine;
use super::sight::{Layers, devices, layers, run_of};
use crate::base::PointId;
use crate::domain::{Link, Role};

/// Puts a new running delta above the point in use.
///
/// # Errors
/// [`Trouble`].
pub async fn start_delta(case: &mut Case<'_>) -> Result<(), Trouble> {
    let host = case.host(Role::Replica)?;
    let own = case.layers()?;
    let missing = || Trouble::InTheWay("no restore point is in use".to_owned());
    let point: PointId = case.record.disk.in_use.clone().ok_or_else(missing)?;
    for dev in devices(&case.record) {
        let (running, below) = (own.running(&dev), Layers::name(&dev, point.as_str()));
        let part = format!("{running}.part");
        host.exec(&["rm", "-f", &part]).await?;
        host.exec(&["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", &below, &part]).await?;
        host.exec(&["mv", "-f", &part, &running]).await?;
        host.settle(&[&running]).await?;
    }
    case.record.traced = false;
    Ok(())
}

/// Drops the running delta with what the replica wrote into it.
///
/// # Errors
/// [`Trouble`].
pub async fn drop_delta(case: &mut Case<'_>) -> Result<(), Trouble> {
    let host = case.host(Role::Replica)?;
    let own = case.layers()?;
    forget_checkpoints(case).await?;
    for dev in devices(&case.record) {
        host.exec(&["rm", "-f", &own.running(&dev)]).await?;
    }
    case.record.traced = false;
    Ok(())
}

/// Forgets the checkpoints of a replica that is off: their bitmaps are in layers that go, or that nobody writes to any more.
///
/// # Errors
/// [`Trouble`].
pub async fn forget_checkpoints(case: &Case<'_>) -> Result<(), Trouble> {
    let (host, name) = case.place(Role::Replica)?;
    for checkpoint in checkpoints(host, &name).await? {
        let command = ["checkpoint-delete", "--domain", &name, "--checkpointname", &checkpoint, "--metadata"];
        host.virsh(&command).await?;
    }
    Ok(())
}

/// Gives the replica its networks.
///
/// # Errors
/// [`Trouble`].
pub async fn connect(case: &Case<'_>, links: &[Link]) -> Result<(), Trouble> {
    redefine(case, links).await
}

/// Merges the running delta and the points below it into one disk each, and drops what is left of the chain.
///
/// # Errors
/// [`Trouble`].
pub async fn merge(case: &mut Case<'_>) -> Result<(), Trouble> {
    let (host, name) = case.place(Role::Replica)?;
    let own = case.layers()?;
    let points = case.record.points.iter().map(|p| &p.id);
    let chain: Vec<String> =
        case.record.expired.iter().chain(points).map(|p| p.as_str().to_owned()).collect();
    let Some(first) = chain.first() else {
        return Err(Trouble::InTheWay("there is no restore point to merge into".to_owned()));
    };
    if run_of(host, &name).await? != Some(Run::Off) {
        for checkpoint in checkpoints(host, &name).await?.iter().rev() {
            delete_checkpoint(host, &name, checkpoint).await?;
        }
    } else {
        forget_checkpoints(case).await?;
    }
    let mut disks = Vec::new();
    for dev in devices(&case.record) {
        let base = own.point(&dev, first);
        commit(host, &name, (&dev, &own.running(&dev)), &base).await?;
        disks.push(DiskFile { dev, path: base, format: "qcow2".to_owned() });
    }
    let machine = case.machine(Role::Replica)?;
    let how = Rendering {
        name: &name,
        identity: Identity::Its,
        disks: &disks,
        links: None,
        record: Some(&case.record),
    };
    host.virsh_with(&["define"], &[("--file", &machine.render(&how))]).await?;
    // By their names, the running delta first: another machine's disks may be in a folder that is called like the replica.
    let found = layers(host).await?;
    for dev in devices(&case.record) {
        let above = chain.iter().skip(1).rev().map(|point| own.point(&dev, point));
        for file in [own.running(&dev)].into_iter().chain(above).filter(|f| found.contains(f)) {
            host.exec(&["rm", "-f", &file]).await?;
        }
    }
    Ok(())
}

/// Merges all layers of a disk from the top one down into the base, whether the machine runs or not. A merge that was begun before is
/// gone on with.
///
/// # Errors
/// [`Trouble`].
pub async fn commit(host: &Host, name: &str, disk: (&str, &str), base: &str) -> Result<(), Trouble> {
    let (dev, top) = disk;
    // A disk that was merged while the machine ran is its own again, and its guest may have written to it since: merging the layer once more
    // would bring back what was there before.
    if source_of(host, name, dev).await?.as_deref() == Some(base) {
        return Ok(());
    }
    if run_of(host, name).await? == Some(Run::Off) {
        if host.exists(top).await? {
            end_programs(host, &[top]).await?;
            let command = ["qemu-img", "commit", "-p", "-d", "-f", "qcow2", "-b", base, top];
            host.exec_long(&command, String::new(), base, None).await?;
        }
        return Ok(());
    }
    if job_of(host, name, dev).await?.is_empty() {
        let command = [
            "blockcommit",
            "--domain",
            name,
            "--path",
            dev,
            "--base",
            base,
            "--active",
            "--verbose",
            "--wait",
        ];
        host.virsh(&command).await?;
    }
    pivot(host, name, dev, base).await
}

/// Ends a merge into the active disk: it is ready as soon as nothing is left but what is written meanwhile.
async fn pivot(host: &Host, name: &str, dev: &str, base: &str) -> Result<(), Trouble> {
    let mut before = String::new();
    let mut moved = tokio::time::Instant::now();
    loop {
        let pivoted = host.virsh(&["blockjob", "--domain", name, "--path", dev, "--pivot"]).await;
        if source_of(host, name, dev).await?.as_deref() == Some(base) {
            return Ok(());
        }
        let Err(why) = pivoted else { continue };
        let now = job_of(host, name, dev).await?;
        if now.is_empty() {
            return Err(why.into());
        }
        if now != before {
            (before, moved) = (now, tokio::time::Instant::now());
        } else if moved.elapsed() > host.spec.silence.to_std() {
            return Err(why.into());
        }
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
}

/// The job on a machine's disk with how far it has come; empty where there is none. The form for people goes to standard error.
async fn job_of(host: &Host, name: &str, dev: &str) -> Result<String, Trouble> {
    let text = host.ask(&["blockjob", "--domain", name, "--path", dev, "--info", "--raw"]).await?;
    Ok(text.trim().to_owned())
}

/// The file that a machine's disk is at this moment.
async fn source_of(host: &Host, name: &str, dev: &str) -> Result<Option<String>, Trouble> {
    let text = host.ask(&["domblklist", "--domain", name]).await?;
    let of = |line: &str| {
        let (found, path) = line.trim().split_once(char::is_whitespace)?;
        (found == dev).then(|| path.trim().to_owned())
    };
    Ok(text.lines().find_map(of))
}
