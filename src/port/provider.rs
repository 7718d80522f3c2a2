//! What Lifeboat needs from those who run virtual machines. A provider performs single actions and observes facts; it never sees a plan.

use crate::base::name::LONGEST;
use crate::base::{Duration, ReplicaName, RunId, VmName};
use crate::domain::{Moving, NotSo, Probe, Role, Settled, Step, Unmet, VmRef};
use crate::inventory::Inventory;
use crate::port::{Hitch, Later, Rebuilt, Scope};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The machines of a replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// The production machine.
    pub source: VmRef,
    /// The machine at the recovery site.
    pub replica: VmRef,
    /// The failback's target, where it is another machine than the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<VmRef>,
    /// Whether the document allows that source and replica serve at once on one network.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub both_may_run: bool,
}

impl Placement {
    /// The machine in a role.
    #[must_use]
    pub fn vm(&self, role: Role) -> Cow<'_, VmRef> {
        self.named(role).map_or_else(|| Cow::Owned(copy_of(&self.replica)), Cow::Borrowed)
    }

    /// The machine in a role, where documents or records name it; a copy is named by no one.
    #[must_use]
    pub fn named(&self, role: Role) -> Option<&VmRef> {
        match role {
            Role::Source => Some(&self.source),
            Role::Replica => Some(&self.replica),
            Role::Target => Some(self.target.as_ref().unwrap_or(&self.source)),
            Role::Copy => None,
        }
    }
}

/// The end of the name of a drill's copy.
const COPY: &str = "_drill";

/// The copy that a drill makes of a replica: it stands at the same site, under a name that tells whose it is.
#[must_use]
pub fn copy_of(replica: &VmRef) -> VmRef {
    let room = LONGEST.saturating_sub(COPY.len());
    let name: String = replica.vm.as_str().chars().take(room).chain(COPY.chars()).collect();
    // The name was good, and what is added is.
    let vm = VmName::new(&name).unwrap_or_else(|_| VmName::fixed(COPY));
    VmRef { site: replica.site.clone(), vm }
}

/// A replica to observe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Its name.
    pub replica: ReplicaName,
    /// Its machines as the documents name them. The record beside the replica may name another source; that one counts.
    pub placement: Placement,
}

/// The key of an action: the same at every attempt, so that asking again is recognised.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ActionKey {
    /// The run.
    pub run: RunId,
    /// The node's position in the run's plan.
    pub node: u32,
}

impl std::fmt::Display for ActionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}#{}", self.run, self.node)
    }
}

/// An action to perform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its key.
    pub key: ActionKey,
    /// What to do.
    pub step: Step,
    /// The machines it concerns.
    pub placement: Placement,
    /// How long it may take before it counts as not answered.
    pub limit: Duration,
}

/// Why an action did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase")]
pub enum Failure {
    /// What must hold before it does not hold; nothing was done.
    #[error("refused: {0}")]
    Refused(Unmet),
    /// It failed and has no effect; trying again may help.
    #[error("{0}")]
    Failed(String),
    /// There was no answer: the effect may be there or not.
    #[error("no answer: {0}")]
    NoAnswer(String),
}

/// What a look at an action in doubt shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// It has ended, as the facts say.
    Settled(Settled),
    /// It is still being carried out.
    InProgress,
}

/// A question to a machine, or about it.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Whose machine.
    pub replica: &'a ReplicaName,
    /// The machine.
    pub vm: &'a VmRef,
    /// The question.
    pub probe: &'a Probe,
}

/// One kind of place where machines live.
pub trait Provider: Send + Sync {
    /// Looks at the sites and replicas. A site that does not answer is a fact, not an error.
    fn observe<'a>(&'a self, subjects: &'a [Subject]) -> Later<'a, Inventory>;

    /// Carries an action out and returns when its effect has been seen.
    fn perform<'a>(&'a self, order: &'a Order) -> Later<'a, Result<(), Failure>>;

    /// How far an action has come that moves data, from what is in memory; the end of it once it is over. `None` where nothing moves
    /// for it, or this provider has not begun it.
    fn progress(&self, key: &ActionKey) -> Option<Moving> {
        let _ = key;
        None
    }

    /// Looks whether an action that was asked for is there.
    fn look<'a>(&'a self, order: &'a Order) -> Later<'a, Look>;

    /// Asks a question to a machine, or about it.
    fn probe<'a>(&'a self, question: Question<'a>) -> Later<'a, Result<(), NotSo>>;

    /// Sees to it that sources of replicas that serve do not come back with their hosts, where these were away when it should have been
    /// done; returns those for which there was something to do. Asking again changes nothing.
    fn guard<'a>(&'a self, _subjects: &'a [Subject]) -> Later<'a, Vec<VmRef>> {
        Box::pin(std::future::ready(Vec::new()))
    }

    /// Asks the sites what would stand in the way. It changes nothing, and costs a few questions for each site and each errand.
    fn preflight<'a>(&'a self, _scope: &'a Scope) -> Later<'a, Vec<Hitch>> {
        Box::pin(std::future::ready(Vec::new()))
    }

    /// What the record beside a replica would be, rebuilt from what stands there. `keep` is how many restore points are kept.
    ///
    /// An error says why it cannot be rebuilt, or that it need not be.
    fn rebuild<'a>(&'a self, _subject: &'a Subject, _keep: u32) -> Later<'a, Result<Rebuilt, Failure>> {
        Box::pin(std::future::ready(Err(Failure::Failed("its provider keeps the record itself".to_owned()))))
    }

    /// Writes what [`Provider::rebuild`] showed, where it still holds.
    fn write_rebuilt<'a>(
        &'a self,
        subject: &'a Subject,
        keep: u32,
        _shown: &'a Rebuilt,
    ) -> Later<'a, Result<(), Failure>> {
        Box::pin(async move { self.rebuild(subject, keep).await.map(drop) })
    }
}
