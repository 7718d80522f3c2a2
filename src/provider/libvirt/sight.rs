//! Looking: which machines a host has, what they are like, and what of a replica's layers is on its disk.

use super::host::{Host, HostError};
use super::machine::{Machine, Run};
use super::record::Record;
use crate::base::ReplicaName;
use std::collections::{BTreeMap, BTreeSet};

/// What tells the power of all machines of a host at once, and waits for none that is busy.
pub const POWER: [&str; 3] = ["domstats", "--state", "--nowait"];

/// The machines of a host by their names, with their power.
#[derive(Debug, Clone, Default)]
pub struct Roll(BTreeMap<String, Run>);

impl Roll {
    /// Asks a host for its machines.
    ///
    /// # Errors
    /// [`HostError`].
    pub async fn call(host: &Host) -> Result<Self, HostError> {
        Ok(Self::of(&host.ask(&POWER).await?))
    }

    /// Those of an answer to [`POWER`]: a line with the name, and one with the number of the state.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut found = BTreeMap::new();
        let mut name = None;
        for line in text.lines() {
            if let Some(quoted) = line.strip_prefix("Domain: '") {
                name = quoted.strip_suffix('\'').map(str::to_owned);
            } else if let Some(state) = line.trim().strip_prefix("state.state=")
                && let Some(name) = name.take()
            {
                // virDomainState: 3 is paused and 5 shut off; in all others there is a QEMU, also where the guest crashed or sleeps.
                let run = match state {
                    "5" => Run::Off,
                    "3" => Run::Paused,
                    _ => Run::On,
                };
                found.insert(name, run);
            }
        }
        Self(found)
    }

    /// The names of all machines.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
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

/// Whether a machine that is off was shut down by its guest, and not powered off or lost.
///
/// # Errors
/// [`HostError`].
pub async fn shut_down(host: &Host, name: &str) -> Result<bool, HostError> {
    Ok(host.ask(&["domstate", "--domain", name, "--reason"]).await?.contains("(shutdown)"))
}

/// The names of the layers in the folders of all replicas of a host.
///
/// # Errors
/// [`HostError`].
pub async fn layers(host: &Host) -> Result<BTreeSet<String>, HostError> {
    let folder = host.spec.folder.as_str();
    let found =
        host.look(&["find", folder, "-mindepth", "2", "-maxdepth", "2", "-name", "*.qcow2", "-print"]).await;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_states_are_read() {
        let text = "Domain: 'db-01'\n  state.state=1\n  state.reason=5\n\nDomain: 'it's off'\n  state.state=5\n  state.reason=1\n\n\
                    Domain: 'still'\n  state.state=3\n  state.reason=1\n\nDomain: 'asleep'\n  state.state=7\n";
        let expected =
            [("asleep", Run::On), ("db-01", Run::On), ("it's off", Run::Off), ("still", Run::Paused)];
        assert_eq!(Roll::of(text).0, expected.map(|(name, run)| (name.to_owned(), run)).into());
        assert_eq!(Roll::of("").0, BTreeMap::new());
    }
}
