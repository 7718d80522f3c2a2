//! Power: on, off, and on only so that a machine's disks can be read.

use super::case::{Case, Hosts, Trouble, host_of};
use super::host::{Host, HostError};
use super::machine::Run;
use super::quiesce;
use super::record::DiskFile;
use super::replicate::owner;
use super::sight::{Roll, run_of};
use crate::base::Duration;
use crate::domain::{Replication, Role, VmRef};
use crate::port::Subject;
use tokio::time::Instant;

/// How often it is looked whether a guest has shut down.
const EVERY: std::time::Duration = std::time::Duration::from_millis(250);
/// After how long a guest is asked again to shut down: it may have been too early in its boot to hear.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(30);

/// Shuts the guest down, and powers off what still runs after the time.
///
/// # Errors
/// [`Trouble`].
pub async fn shut_down(case: &mut Case<'_>, role: Role, within: Duration) -> Result<(), Trouble> {
    let (host, name) = case.place(role)?;
    keep_off(case, role).await?;
    if role == Role::Source && case.record.frozen {
        // One that does not answer is powered off in the end, and that ends it as well.
        if let Err(why) = quiesce::thawed(host, &name).await {
            tracing::warn!(machine = name, %why, "the guest is shut down all the same");
        }
        case.record.frozen = false;
    }
    let began = Instant::now();
    let mut asked: Option<Instant> = None;
    loop {
        match run_of(host, &name).await? {
            None | Some(Run::Off) => return Ok(()),
            // A guest that stands still cannot shut down. One that was asked stands still in the moment before its QEMU ends by itself.
            Some(Run::Paused) if asked.is_none() => return destroy(host, &name).await,
            Some(Run::Paused | Run::On) => {}
        }
        if began.elapsed() >= within.to_std() {
            return destroy(host, &name).await;
        }
        if asked.is_none_or(|at| at.elapsed() >= AGAIN) {
            asked = Some(Instant::now());
            if let Err(why) = host.virsh(&["shutdown", "--domain", &name]).await {
                tracing::warn!(machine = name, %why, "the guest was not asked to shut down");
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Powers a machine off at once.
///
/// # Errors
/// [`Trouble`].
pub async fn off(case: &mut Case<'_>, role: Role) -> Result<(), Trouble> {
    let (host, name) = case.place(role)?;
    keep_off(case, role).await?;
    destroy(host, &name).await
}

/// Powers a machine off. A QEMU that ends by itself writes its bitmaps down; one that is killed loses them, so that is the last resort.
///
/// # Errors
/// [`Trouble`].
pub async fn destroy(host: &Host, name: &str) -> Result<(), Trouble> {
    let is_off = async || run_of(host, name).await.map(|run| matches!(run, None | Some(Run::Off)));
    for _ in 0..3 {
        if is_off().await? {
            return Ok(());
        }
        match host.virsh(&["destroy", "--domain", name, "--graceful"]).await {
            Ok(_) => return Ok(()),
            Err(HostError::Failed { why, .. }) => {
                tracing::debug!(machine = name, %why, "it does not end yet")
            }
            Err(error @ HostError::Unreachable { .. }) => return Err(error.into()),
        }
        // It may be ending already.
        tokio::time::sleep(EVERY * 4).await;
    }
    if !is_off().await? {
        host.virsh(&["destroy", "--domain", name]).await?;
    }
    Ok(())
}

/// A machine that was stopped on purpose must not come back with its host. That it did so before is written down.
async fn keep_off(case: &mut Case<'_>, role: Role) -> Result<(), Trouble> {
    let (host, name) = case.place(role)?;
    if role == Role::Replica || case.seen(role).machine().is_none() {
        return Ok(());
    }
    if starts(host, &name).await? {
        remember(case, role).await?;
        host.virsh(&["autostart", "--domain", &name, "--disable"]).await?;
    }
    Ok(())
}

async fn remember(case: &mut Case<'_>, role: Role) -> Result<(), Trouble> {
    let vm = case.vm(role);
    if !case.record.autostart.contains(&vm) {
        case.record.autostart.push(vm);
        case.write().await?;
    }
    Ok(())
}

/// Whether a machine starts with its host.
///
/// # Errors
/// [`Trouble`].
pub async fn starts(host: &Host, name: &str) -> Result<bool, Trouble> {
    let info = host.ask(&["dominfo", "--domain", name]).await?;
    Ok(info.lines().any(|l| l.starts_with("Autostart:") && l.trim_end().ends_with("enable")))
}

/// Sees to it that the source of a replica that is failed over does not come back with its host. Where its host does not answer, that is
/// left to [`guarded`].
///
/// # Errors
/// [`Trouble`].
pub async fn guard(case: &mut Case<'_>) -> Result<(), Trouble> {
    match case.seen(Role::Source).machine() {
        Some(_) => keep_off(case, Role::Source).await,
        None if case.record.starts => remember(case, Role::Source).await,
        None => Ok(()),
    }
}

/// Does what [`guard`] left to do: no machine that we stopped starts with its host while another one serves in its place, for now or for good.
/// Returns those for which there was something.
///
/// # Errors
/// [`Trouble`].
pub async fn guarded(hosts: &Hosts, subject: &Subject, roll: &Roll) -> Result<Vec<VmRef>, Trouble> {
    let case = Case::with(hosts, (&subject.replica, &subject.placement), roll, &[]).await?;
    let relation = &case.record.relation;
    let serves = |vm: &VmRef| *vm == relation.source && relation.replication == Replication::Active;
    let mut found = Vec::new();
    for vm in case.record.autostart.iter().filter(|vm| !serves(vm)) {
        let (host, name) = (host_of(hosts, vm)?, vm.vm.as_str());
        if !host.is_silent() && run_of(host, name).await?.is_some() && starts(host, name).await? {
            host.virsh(&["autostart", "--domain", name, "--disable"]).await?;
            found.push(vm.clone());
        }
    }
    Ok(found)
}

/// Lets a machine start with its host again, where we had switched that off and it is there.
///
/// # Errors
/// [`Trouble`].
pub async fn unguard(case: &mut Case<'_>, role: Role) -> Result<(), Trouble> {
    let vm = case.vm(role);
    if case.record.autostart.contains(&vm) && case.seen(role).machine().is_some() {
        let (host, name) = case.place(role)?;
        host.virsh(&["autostart", "--domain", &name]).await?;
        case.record.autostart.retain(|v| *v != vm);
    }
    Ok(())
}

/// Lets a machine that takes the source's place for good start with its host, where the source did.
///
/// # Errors
/// [`Trouble`].
pub async fn take_over(case: &mut Case<'_>, role: Role) -> Result<(), Trouble> {
    if role == Role::Replica {
        guard(case).await?;
    }
    if case.record.starts || case.record.autostart.contains(&case.vm(Role::Source)) {
        let (host, name) = case.place(role)?;
        host.virsh(&["autostart", "--domain", &name]).await?;
    }
    Ok(())
}

/// Powers a machine on. A replica, or a failback's target, gets a checkpoint before its first cycle: what it writes is then known.
///
/// # Errors
/// [`Trouble`].
pub async fn on(case: &mut Case<'_>, role: Role) -> Result<(), Trouble> {
    let (host, name) = case.place(role)?;
    let trace = match role {
        Role::Replica => (!case.record.traced).then_some("delta"),
        Role::Target => {
            let target = case.record.target.as_ref();
            let traces =
                target.is_some_and(|t| t.checkpoint.is_none() && t.disks.iter().any(DiskFile::tracks));
            traces.then_some("switched")
        }
        Role::Source | Role::Copy => None,
    };
    if run_of(host, &name).await? == Some(Run::Off) {
        let mut command = vec!["start", "--domain", name.as_str()];
        command.extend(trace.is_some().then_some("--paused"));
        host.virsh(&command).await?;
    }
    if run_of(host, &name).await? == Some(Run::Paused) {
        if let Some(word) = trace {
            let checkpoint = format!("{}.{word}", owner(case));
            trace_from_now(case, role, &checkpoint).await?;
        }
        host.virsh(&["resume", "--domain", &name]).await?;
    }
    unguard(case, role).await
}

/// Makes the checkpoint and writes it down, while the machine stands still.
async fn trace_from_now(case: &mut Case<'_>, role: Role, checkpoint: &str) -> Result<(), Trouble> {
    let (host, name) = case.place(role)?;
    if !super::pull::checkpoints(host, &name).await?.iter().any(|c| c == checkpoint) {
        // What a layer of ours knows goes with it into the disk below, which has to have a place for that.
        let target = case.record.target.as_ref().filter(|_| role == Role::Target);
        // A disk that is not named has no part in a checkpoint that names one.
        let kind = |d: &DiskFile| if d.tracks() { "bitmap" } else { "no" };
        let disks = target.into_iter().flat_map(|t| &t.disks);
        let specs: Vec<String> = disks.map(|d| format!("{},checkpoint={}", d.dev, kind(d))).collect();
        let mut command = vec!["checkpoint-create-as", "--domain", &name, "--name", checkpoint];
        command.extend(specs.iter().flat_map(|spec| ["--diskspec", spec.as_str()]));
        host.virsh(&command).await?;
    }
    match (role, &mut case.record.target) {
        (Role::Target, Some(target)) => target.checkpoint = Some(checkpoint.to_owned()),
        (Role::Replica, _) => case.record.traced = true,
        (Role::Target | Role::Source | Role::Copy, _) => {}
    }
    case.write().await
}

/// Whether a machine has to be put on for its disks' sake, as it is off, or was put on for that before. Whoever started it since has made it
/// run, and it is no longer what is written down.
pub fn is_to_be_opened(case: &mut Case<'_>, role: Role, run: Option<Run>) -> bool {
    let opened = case.record.paused == Some(role);
    match run {
        Some(Run::Off) => true,
        Some(Run::Paused) => opened,
        Some(Run::On) | None => {
            if opened {
                case.record.paused = None;
            }
            false
        }
    }
}

/// Whether a machine is on for its disks' sake alone.
#[must_use]
pub fn is_opened(case: &Case<'_>, role: Role) -> bool {
    let paused = case.seen(role).machine().is_some_and(|m| m.run == Run::Paused);
    paused && case.record.paused.is_some_and(|opened| case.vm(opened) == case.vm(role))
}

/// Puts a machine off that an earlier copy put on for its disks' sake and did not put off again: it holds on to disks, and to a description,
/// that may be others soon.
///
/// # Errors
/// [`Trouble`].
pub async fn end_opened(case: &mut Case<'_>) -> Result<(), Trouble> {
    let Some(role) = case.record.paused.filter(|role| is_opened(case, *role)) else { return Ok(()) };
    let (host, name) = case.place(role)?;
    destroy(host, &name).await?;
    case.record.paused = None;
    Ok(())
}

/// Puts a machine that is off on without letting its processors run, so that its disks can be read. That is written down first:
/// whoever finds it so knows that it does not serve.
///
/// # Errors
/// [`Trouble`].
pub async fn open(case: &mut Case<'_>, role: Role) -> Result<(), Trouble> {
    let (host, name) = case.place(role)?;
    if case.record.paused != Some(role) {
        case.record.paused = Some(role);
        case.write().await?;
    }
    match run_of(host, &name).await? {
        Some(Run::Off) => drop(host.virsh(&["start", "--domain", &name, "--paused"]).await?),
        Some(Run::Paused) => {}
        Some(Run::On) | None => {
            return Err(Trouble::InTheWay(format!("{} is not off any more", case.vm(role))));
        }
    }
    Ok(())
}

/// Puts it off again.
///
/// # Errors
/// [`Trouble`].
pub async fn close(case: &mut Case<'_>, role: Role) -> Result<(), Trouble> {
    let (host, name) = case.place(role)?;
    if run_of(host, &name).await? == Some(Run::On) {
        return Err(Trouble::InTheWay(format!("{} was started while its disks were read", case.vm(role))));
    }
    destroy(host, &name).await?;
    case.record.paused = None;
    case.write().await
}
