//! The sites behind the documents: simulated ones, all in one world, or hosts of libvirt.

use super::{Answer, Desk, Exit};
use crate::base::{ReplicaName, SiteName};
use crate::diag::{Code, Finding};
use crate::domain::FailbackTarget;
use crate::inventory::Inventory;
use crate::model::{Desired, Workspace};
use crate::port::{Clock, LibvirtSpec, Names, Placement, Provider, ProviderSpec, Subject};
use crate::provider::clock::SystemClock;
use crate::provider::libvirt::Libvirt;
use crate::provider::names::NameServers;
use crate::provider::secret::Secrets;
use crate::provider::sim::{ReplicaSetup, Setup, Simulator};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the sites are made from; frozen with every run and sealed with every plan, so that carrying it out needs no documents.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The simulated sites, and the replicas.
    #[serde(flatten)]
    pub setup: Setup,
    /// The hosts of libvirt.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub libvirt: BTreeMap<SiteName, LibvirtSpec>,
}

/// The sites.
pub struct World {
    provider: Arc<dyn Provider>,
    clock: Arc<dyn Clock>,
    simulator: Option<Arc<Simulator>>,
    /// What it was made from.
    pub settings: Settings,
}

impl World {
    /// The sites of a workspace.
    pub fn open(desk: &Desk, workspace: &Workspace) -> Result<Self, Box<Answer>> {
        let mut settings = Settings::default();
        for (name, site) in &workspace.sites {
            match &site.provider {
                ProviderSpec::Simulator(spec) => {
                    settings.setup.sites.insert(name.clone(), spec.clone());
                }
                ProviderSpec::Libvirt(spec) => {
                    settings.libvirt.insert(name.clone(), spec.clone());
                }
            }
        }
        let replicas = workspace.replicas.values().map(|r| {
            let setup =
                ReplicaSetup { source: r.source.clone(), replica: r.replica.clone(), networks: cards(r) };
            (r.name.clone(), setup)
        });
        settings.setup.replicas = replicas.collect();
        Self::from_settings(desk, settings)
    }

    /// The sites as a run froze them.
    pub fn from_settings(desk: &Desk, settings: Settings) -> Result<Self, Box<Answer>> {
        if !settings.libvirt.is_empty() {
            let clock: Arc<dyn Clock> = Arc::new(SystemClock);
            let provider = Arc::new(Libvirt::new(&settings.libvirt, Arc::clone(&clock)));
            return Ok(Self { provider, clock, simulator: None, settings });
        }
        let simulator = Arc::new(Simulator::open(&desk.own().join("sim"), settings.setup.clone())?);
        let provider = Arc::clone(&simulator) as Arc<dyn Provider>;
        Ok(Self { provider, clock: simulator.clock(), simulator: Some(simulator), settings })
    }

    /// The provider.
    pub fn provider(&self) -> Arc<dyn Provider> {
        Arc::clone(&self.provider)
    }

    /// Who changes what names say: name servers of the simulated world, or real ones.
    pub fn names(&self, desk: &Desk) -> Arc<dyn Names> {
        match &self.simulator {
            Some(simulator) => Arc::clone(simulator) as Arc<dyn Names>,
            None => Arc::new(NameServers::new(Secrets {
                folder: desk.folder.clone(),
                environment: desk.environment.as_ref().clone(),
            })),
        }
    }

    /// The time.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// The simulator, to look into and to break.
    ///
    /// # Errors
    /// Sites that are real.
    pub fn simulator(&self) -> Result<&Simulator, Box<Answer>> {
        self.simulator.as_deref().ok_or_else(|| {
            let finding = Finding::new(Code::NotSimulated, "the sites of this workspace are not simulated");
            Answer::stop(
                Exit::Invalid,
                finding.help("`lifeboat sim` is for sites of the provider simulator alone"),
            )
        })
    }

    /// Says that nothing more is done here.
    pub fn close(&self) -> Result<(), Box<Answer>> {
        match &self.simulator {
            Some(simulator) => Ok(simulator.close()?),
            None => Ok(()),
        }
    }

    /// Looks at some replicas.
    pub async fn observe(&self, subjects: &[Subject]) -> Inventory {
        self.provider.observe(subjects).await
    }

    /// The subjects of a frozen plan: the machines that it names, and for the others those of the setup.
    pub fn subjects(&self, placements: &BTreeMap<ReplicaName, Placement>) -> Vec<Subject> {
        let one = |(name, setup): (&ReplicaName, &ReplicaSetup)| {
            let target = placements.get(name).and_then(|p| p.target.clone());
            let placement = Placement {
                source: setup.source.clone(),
                replica: setup.replica.clone(),
                target,
                both_may_run: false,
            };
            Subject { replica: name.clone(), placement }
        };
        self.settings.setup.replicas.iter().map(one).collect()
    }
}

/// The networks that a simulated source is on whose site says nothing of it: those that its document maps, or the first one that its recovery
/// site maps.
fn cards(replica: &crate::model::Replica) -> Vec<crate::base::NetworkName> {
    let count = if replica.own_networks == 0 { 1 } else { replica.own_networks };
    replica.networks.iter().take(count).map(|(from, _)| from.clone()).collect()
}

/// All replicas of a workspace, with the other machines that failbacks go to.
pub fn subjects(workspace: &Workspace, desired: &[Desired]) -> Vec<Subject> {
    let mut targets: BTreeMap<&ReplicaName, &FailbackTarget> = BTreeMap::new();
    for desired in desired {
        targets.extend(&desired.failback.targets);
    }
    let one = |r: &crate::model::Replica| Subject {
        replica: r.name.clone(),
        placement: Placement {
            source: r.source.clone(),
            replica: r.replica.clone(),
            target: targets.get(&r.name).and_then(|t| t.other().cloned()),
            both_may_run: r.both_may_run.is_some(),
        },
    };
    workspace.replicas.values().map(one).collect()
}
