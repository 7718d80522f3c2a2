//! The snapshot. It is old news as soon as it is made: every use says when it was read.

use crate::base::{Duration, ReplicaName, SiteName, Timestamp};
use crate::domain::{Condition, Facts, VmRef, condition};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Whether a site answered, and when it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SiteSight {
    /// When it was read, or tried.
    pub at: Timestamp,
    /// Why it did not answer; `None` where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent: Option<String>,
}

/// How long things take for one replica, as its provider knows or expects it. Used to predict, never to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Typical {
    /// Copying what changed since the last point.
    pub sync: Duration,
    /// The first copy, and a full copy to a recovered target.
    pub full: Duration,
    /// A guest's way from power-on to ready.
    pub boot: Duration,
    /// A guest's shutdown.
    pub shutdown: Duration,
    /// Merging snapshots or layers.
    pub merge: Duration,
    /// Any other action.
    pub step: Duration,
}

impl Default for Typical {
    fn default() -> Self {
        Self {
            sync: Duration::from_secs(20),
            full: Duration::from_mins(10),
            boot: Duration::from_secs(30),
            shutdown: Duration::from_secs(20),
            merge: Duration::from_secs(10),
            step: Duration::from_secs(1),
        }
    }
}

/// What was seen of one replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The facts; `None` where the recovery site did not answer.
    pub facts: Option<Facts>,
    /// Why there are none, where the recovery site answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// How long things take for it.
    pub typical: Typical,
}

impl Observed {
    /// What it is found to be.
    #[must_use]
    pub fn condition(&self) -> Condition {
        self.facts.as_ref().map_or(Condition::Unseen, condition)
    }
}

/// What all sites reported at one time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// When it was made.
    pub at: Timestamp,
    /// The sites.
    pub sites: BTreeMap<SiteName, SiteSight>,
    /// The replicas.
    pub replicas: BTreeMap<ReplicaName, Observed>,
}

impl Inventory {
    /// Whether a site is known to answer.
    #[must_use]
    pub fn answers(&self, site: &SiteName) -> bool {
        self.sites.get(site).is_some_and(|sight| sight.silent.is_none())
    }

    /// What it says of some replicas, with all sites.
    #[must_use]
    pub fn of<'a>(mut self, replicas: impl IntoIterator<Item = &'a ReplicaName>) -> Self {
        let found = replicas.into_iter().filter_map(|name| self.replicas.remove_entry(name)).collect();
        Self { replicas: found, ..self }
    }

    /// In parts of so many replicas, each with all sites; at least one.
    #[must_use]
    pub fn parts(self, most: usize) -> Vec<Self> {
        let Self { at, sites, replicas } = self;
        let mut parts = Vec::new();
        let mut left = replicas.into_iter().peekable();
        while parts.is_empty() || left.peek().is_some() {
            let replicas = left.by_ref().take(most.max(1)).collect();
            parts.push(Self { at, sites: sites.clone(), replicas });
        }
        parts
    }

    /// Together with a later part of it.
    #[must_use]
    pub fn and(mut self, part: Self) -> Self {
        self.sites.extend(part.sites);
        self.replicas.extend(part.replicas);
        self
    }

    /// Another replica than `own` that is replicated from a machine, or is being brought back to it.
    #[must_use]
    pub fn user_of(&self, vm: &VmRef, own: &ReplicaName) -> Option<ReplicaName> {
        let uses = |observed: &Observed| {
            observed.facts.as_ref().is_some_and(|facts| {
                let failback = facts.relation.failback.as_ref();
                facts.relation.source == *vm || failback.is_some_and(|f| f.target.other() == Some(vm))
            })
        };
        self.replicas
            .iter()
            .find(|(name, observed)| *name != own && uses(observed))
            .map(|(name, _)| name.clone())
    }
}
