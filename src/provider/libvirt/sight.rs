//! Looking: which machines a host has, what they are like, and what of a replica's layers is on its disk.

use super::host::{Host, HostError};
use super::machine::{Machine, Run};
use super::record::Record;
use crate::base::ReplicaName;
use std::collections::{BTreeMap, BTreeSet};

/// The machines of a host by their names, with their power.
#[derive(Debug, Clone, Default)]
pub struct Roll(BTreeMap<String, Run>);

impl Roll {
    /// Asks a host for its machines.
    ///
    /// # Errors
    /// [`HostError`].
    pub async fn call(host: &Host) -> Result<Self, HostError> {
        let (all, on, paused) = tokio::try_join!(
            host.ask(&["list", "--all", "--name"]),
            host.ask(&["list", "--name"]),
            host.ask(&["list", "--state-paused", "--name"]),
        )?;
        let names = |text: &str| -> BTreeSet<String> {
            text.lines().filter(|l| !l.is_empty()).map(str::to_owned).collect()
        };
        let (on, paused) = (names(&on), names(&paused));
        let run = |name: &String| match (on.contains(name), paused.contains(name)) {
            (false, _) => Run::Off,
            (true, true) => Run::Paused,
            (true, false) => Run::On,
        };
        Ok(Self(names(&all).into_iter().map(|name| (name.clone(), run(&name))).collect()))
    }

    /// Reads one machine; `None` where there is none.
    ///
    /// # Errors
    /// [`HostError`], also where its description cannot be read.
    pub async fn machine(&self, host: &Host, name: &str) -> Result<Option<Machine>, HostError> {
        let Some(run) = self.0.get(name) else { return Ok(None) };
        let text = host.ask(&["dumpxml", "--domain", name, "--inactive"]).await?;
        let failed = |why: String| HostError::Failed {
            site: host.site.clone(),
            what: format!("reading the machine {name}"),
            why,
        };
        let machine = Machine::read(&text, *run).map_err(|e| failed(e.to_string()))?;
        // libvirt takes a number for the number of a running machine before it takes it for a name.
        if machine.name() != name {
            return Err(failed("its name is a number, under which libvirt finds another machine".to_owned()));
        }
        Ok(Some(machine))
    }
}

/// Reads one machine by itself.
///
/// # Errors
/// [`HostError`].
pub async fn machine(host: &Host, name: &str) -> Result<Option<Machine>, HostError> {
    Roll::call(host).await?.machine(host, name).await
}

/// Whether a machine runs; `None` where there is none.
///
/// # Errors
/// [`HostError`].
pub async fn run_of(host: &Host, name: &str) -> Result<Option<Run>, HostError> {
    Ok(Roll::call(host).await?.0.get(name).copied())
}

/// The names of the layers in the folders of all replicas of a host.
///
/// # Errors
/// [`HostError`].
pub async fn layers(host: &Host) -> Result<BTreeSet<String>, HostError> {
    let folder = host.spec.folder.as_str();
    let found =
        host.exec(&["find", folder, "-mindepth", "2", "-maxdepth", "2", "-name", "*.qcow2", "-print"]).await;
    match found {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        // Before the first replication there is no folder.
        Err(HostError::Failed { why, .. }) if why.contains("No such file") => Ok(BTreeSet::new()),
        Err(error) => Err(error),
    }
}

/// Where the layers of a replica are: one folder for each, one file for each disk and restore point.
#[derive(Debug, Clone)]
pub struct Layers {
    /// The folder.
    pub folder: String,
}

impl Layers {
    /// Those of a replica at its host.
    #[must_use]
    pub fn of(host: &Host, replica: &ReplicaName) -> Self {
        Self { folder: format!("{}/{replica}", host.spec.folder) }
    }

    /// The layer of a restore point, without its folder: layers name each other so, and the folder can move.
    #[must_use]
    pub fn name(dev: &str, point: &str) -> String {
        format!("{dev}.{point}.qcow2")
    }

    /// The layer of a restore point.
    #[must_use]
    pub fn point(&self, dev: &str, point: &str) -> String {
        format!("{}/{}", self.folder, Self::name(dev, point))
    }

    /// The running delta. A replica's own description always names it: where it is not there, nobody can start the replica by mistake
    /// and write into a restore point. No restore point can have this name, as names of points have no `~`.
    #[must_use]
    pub fn running(&self, dev: &str) -> String {
        self.point(dev, "~running")
    }
}

/// Takes out of the facts what the layers on the disk do not bear out: a point without all its files is none.
pub fn bear_out(
    record: &Record,
    layers: &Layers,
    found: &BTreeSet<String>,
    facts: &mut crate::domain::Facts,
) {
    let devs = devices(record);
    let there = |path: fn(&Layers, &str, &str) -> String, point: &str| {
        devs.iter().all(|dev| found.contains(&path(layers, dev, point)))
    };
    facts.points.retain(|p| there(|l, dev, point| l.point(dev, point), p.id.as_str()));
    facts.disk.delta &= there(|l, dev, _| l.running(dev), "");
}

/// The devices of a replica's disks.
#[must_use]
pub fn devices(record: &Record) -> Vec<String> {
    let machine = Machine::read(&record.source_xml, Run::Off);
    machine.map(|m| m.disks().into_iter().map(|d| d.dev).collect()).unwrap_or_default()
}
