//! The sites behind the documents: today all of them are simulated, in one world.

use super::{Answer, Desk};
use crate::base::ReplicaName;
use crate::domain::FailbackTarget;
use crate::inventory::Inventory;
use crate::model::{Desired, Workspace};
use crate::port::{Clock, Placement, Provider, ProviderSpec, Subject};
use crate::provider::sim::{ReplicaSetup, Setup, Simulator};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The sites.
pub struct World {
    /// The simulator.
    pub simulator: Arc<Simulator>,
    /// What it was made from; frozen with every run, so that resuming needs no documents.
    pub setup: Setup,
}

impl World {
    /// The sites of a workspace.
    pub fn open(desk: &Desk, workspace: &Workspace) -> Result<Self, Box<Answer>> {
        let sites = workspace.sites.iter().map(|(name, site)| match &site.provider {
            ProviderSpec::Simulator(spec) => (name.clone(), spec.clone()),
        });
        let replicas = workspace.replicas.values().map(|r| {
            let setup = ReplicaSetup {
                source: r.source.clone(),
                replica: r.replica.clone(),
                networks: r.networks.iter().map(|(from, _)| from.clone()).collect(),
            };
            (r.name.clone(), setup)
        });
        Self::from_setup(desk, Setup { sites: sites.collect(), replicas: replicas.collect() })
    }

    /// The sites as a run froze them.
    pub fn from_setup(desk: &Desk, setup: Setup) -> Result<Self, Box<Answer>> {
        let simulator = Simulator::open(&desk.own().join("sim"), setup.clone())?;
        Ok(Self { simulator: Arc::new(simulator), setup })
    }

    /// The provider.
    pub fn provider(&self) -> Arc<dyn Provider> {
        Arc::clone(&self.simulator) as Arc<dyn Provider>
    }

    /// The time.
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.simulator.clock()
    }

    /// Looks at some replicas.
    pub async fn observe(&self, subjects: &[Subject]) -> Inventory {
        self.simulator.observe(subjects).await
    }

    /// The subjects of a frozen plan: the machines that it names, and for the others those of the setup.
    pub fn subjects(&self, placements: &BTreeMap<ReplicaName, Placement>) -> Vec<Subject> {
        let one = |(name, setup): (&ReplicaName, &ReplicaSetup)| {
            let target = placements.get(name).and_then(|p| p.target.clone());
            let placement =
                Placement { source: setup.source.clone(), replica: setup.replica.clone(), target };
            Subject { replica: name.clone(), placement }
        };
        self.setup.replicas.iter().map(one).collect()
    }
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
        },
    };
    workspace.replicas.values().map(one).collect()
}
