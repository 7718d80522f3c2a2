//! Floor 3: the plan, as plain data. It is what a person reviews, what is sealed, and the very thing that is executed.

pub mod breach;
pub mod context;
pub mod cut;
pub mod drill;
pub mod edge;
pub mod forecast;
pub mod graph;
pub mod hook;
pub mod member;
pub mod need;
pub mod node;
pub mod refusal;
pub mod slice;
pub mod violation;

pub use breach::{Breach, Gap};
pub use cut::{Apart, Cut, CutMember, Torn};
pub use drill::{Drilled, Kept, Shape};
pub use edge::{Edge, On};
pub use forecast::{CriticalStep, Forecast};
pub use graph::Adjacency;
pub use hook::{Around, Gate, Hook};
pub use member::{Leg, LegId, Member, SitesRead, Unchanged, Untouched, Why};
pub use need::Need;
pub use node::{Limit, LimitKind, Node, NodeId, SlotUse, Work};
pub use refusal::{DrillRefused, Refused, RefusedWhy, RouteOffer};
pub use slice::{Consequence, Follows, Slice};
pub use violation::Violation;

use crate::base::{NetworkName, ReplicaName, RunbookName, SiteName, Timestamp};
use crate::domain::{Action, OnFailure, Question, Role, Wait, When};
use crate::inventory::FactRead;
use crate::port::Placement;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the plan is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Purpose {
    /// A runbook.
    Runbook(RunbookName),
    /// A replication run asked for at the command line.
    Replicate,
    /// The way back from a run.
    Abort(crate::base::RunId),
    /// A drill of a failover plan.
    #[serde(rename_all = "camelCase")]
    Drill {
        /// The failover plan.
        plan: crate::base::PlanName,
        /// How long the copies are kept once all of them are ready.
        #[serde(default, skip_serializing_if = "Kept::is_not")]
        keep: Kept,
    },
    /// The removal of what a drill of a failover plan left.
    #[serde(rename_all = "camelCase")]
    EndDrill {
        /// The failover plan.
        plan: crate::base::PlanName,
        /// The run that was not finished, where it is the end of that one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<crate::base::RunId>,
    },
}

impl Purpose {
    /// Whether it is about copies of drills alone: replicas, their records and their chains stay as they are.
    #[must_use]
    pub const fn is_of_copies(&self) -> bool {
        matches!(self, Self::Drill { .. } | Self::EndDrill { .. })
    }
}

impl std::fmt::Display for Purpose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Runbook(name) => write!(f, "{name}"),
            Self::Replicate => f.write_str("replicate"),
            Self::Abort(run) => write!(f, "abort-{run}"),
            Self::Drill { plan, .. } => write!(f, "drill-{plan}"),
            Self::EndDrill { plan, .. } => write!(f, "end-drill-{plan}"),
        }
    }
}

/// A plan: every decision made, nothing left to choose. Nodes are numbered in an order that every edge respects
/// (`edge.from < edge.to`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// What it is for.
    pub purpose: Purpose,
    /// Which part of that; `None` where it is the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice: Option<Slice>,
    /// What is done where it ends with a failure.
    #[serde(default, skip_serializing_if = "holds")]
    pub on_failure: OnFailure,
    /// The approvals without which it is not carried out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Need>,
    /// When the facts were read that it was made from.
    pub observed_at: Timestamp,
    /// The sites, whether they answered.
    pub sites: Vec<SitesRead>,
    /// The replicas that change, in the order of execution.
    pub members: Vec<Member>,
    /// The replicas that stay as they are, each with its reason, by name.
    pub unchanged: Vec<Unchanged>,
    /// The operations, one leg each.
    pub legs: Vec<Leg>,
    /// The machines of every replica that changes.
    pub placements: BTreeMap<ReplicaName, Placement>,
    /// What is to be done.
    pub nodes: Vec<Node>,
    /// What waits for what.
    pub edges: Vec<Edge>,
    /// How many at once.
    pub limits: Vec<Limit>,
    /// For each consistency group that it concerns, the restore points that its members go to together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cuts: Vec<Cut>,
    /// What it was made of, where it is a drill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drilled: Option<Box<Drilled>>,
    /// What is lawful but worth a look.
    pub warnings: Vec<Warning>,
    /// How long it will take, and why.
    pub forecast: Forecast,
    /// The facts that it relied on.
    pub read: Vec<FactRead>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
fn holds(on_failure: &OnFailure) -> bool {
    *on_failure == OnFailure::Hold
}

/// A warning of the planner; its sentence is in `report`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Warning {
    /// The source is seen running and is left so while the replica serves.
    SourceLeftRunning(ReplicaName),
    /// The source's site does not answer.
    SourceUnseen(ReplicaName),
    /// The source's site does not answer, and the replica is to run on a network that the source had.
    MayBothServe(ReplicaName, NetworkName),
    /// A fence of a whole site takes down machines that the plan does not bring up.
    FencesOthers {
        /// The site.
        site: SiteName,
        /// The replicas whose sources are there.
        replicas: Vec<ReplicaName>,
    },
    /// Data is lost: the replica's losses say which.
    LosesData(ReplicaName),
    /// An older point than the latest is chosen.
    OlderPoint(ReplicaName),
    /// Replication runs from another machine than the document says.
    SourceMoved(ReplicaName),
    /// The source cannot be started again, because its site does not answer.
    SourceStaysOff(ReplicaName),
    /// The replica is stopped, nothing starts the source, and it is not seen running.
    SourceNotServing {
        /// Whose.
        replica: ReplicaName,
        /// How it is seen.
        why: NotServing,
    },
    /// A name stays as it is: nobody knows what it shall say.
    NameLeftOut {
        /// Whose.
        replica: ReplicaName,
        /// The name.
        name: String,
        /// The machine that serves then.
        role: Role,
    },
    /// Every member is predicted to be done later than the objective of this plan allows.
    RtoMissed(crate::base::PlanName),
}

/// How a source is seen that does not serve once its failover is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NotServing {
    /// Not at all: it may run.
    Unseen,
    /// Off, and Lifeboat did not stop it for a failover, or took it away by a fence.
    Off,
    /// It is not there any more.
    Gone,
}

impl Plan {
    /// Whether its questions wait until somebody says yes. That of a drill does, whose copies stay until then.
    #[must_use]
    pub const fn waits_for_yes(&self) -> bool {
        matches!(self.purpose, Purpose::Drill { .. })
    }

    /// A node. `None` for an id of another plan.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.index())
    }

    /// The plan as it is at a later time: what is lost in time has grown by what passed since the facts were read.
    #[must_use]
    pub fn aged(&self, now: Timestamp) -> Self {
        let mut aged = self.clone();
        let passed = now.since(self.observed_at);
        for loss in aged.members.iter_mut().flat_map(|m| &mut m.loses) {
            loss.upto = loss.upto.map(|upto| upto.plus(passed));
        }
        aged
    }

    /// When a node's wait for a point in time is over. `None` where it is something else.
    #[must_use]
    pub fn waits_until(&self, id: NodeId) -> Option<Timestamp> {
        match &self.node(id)?.work {
            Work::Wait(Wait::Until { at }) => Some(*at),
            Work::Wait(_) | Work::Act(_) | Work::Hook(_) | Work::Gate(_) | Work::Cutover(_) | Work::Join => {
                None
            }
        }
    }

    /// Gives a wait for a point in time another one. Anything else stays as it is.
    pub fn reschedule(&mut self, id: NodeId, to: Timestamp) {
        let node = self.nodes.get_mut(id.index());
        if let Some(Node { work: Work::Wait(Wait::Until { at }), .. }) = node {
            *at = to;
        }
    }

    /// The question that is attached to a node.
    #[must_use]
    pub fn question(&self, id: NodeId) -> Option<&Question> {
        match &self.node(id)?.work {
            Work::Gate(gate) => Some(&gate.question),
            Work::Act(_) | Work::Wait(_) | Work::Hook(_) | Work::Cutover(_) | Work::Join => None,
        }
    }

    /// Whether a node is a hook that comes after what it is about: nothing hangs on it.
    #[must_use]
    pub fn is_afterwards(&self, id: NodeId) -> bool {
        matches!(self.node(id).map(|n| &n.work), Some(Work::Hook(hook)) if hook.when == When::After)
    }

    /// Whether a node lets a name lead to another machine. No machine waits for one, or stops for its failure.
    #[must_use]
    pub fn is_name(&self, id: NodeId) -> bool {
        matches!(self.node(id).map(|n| &n.work), Some(Work::Cutover(_)))
    }

    /// Whether everything goes on where a node fails, and its failure is an exception.
    #[must_use]
    pub fn goes_on_without(&self, id: NodeId) -> bool {
        matches!(self.node(id).map(|n| &n.work), Some(Work::Cutover(cutover)) if !cutover.required)
    }

    /// All node ids, in order.
    pub fn node_ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)).map(NodeId)
    }

    /// A leg. `None` for an id of another plan.
    #[must_use]
    pub fn leg(&self, id: LegId) -> Option<&Leg> {
        self.legs.get(id.index())
    }

    /// Whether a leg does nothing but change when a failback switches over.
    #[must_use]
    pub fn sets_switchover(&self, leg: &Leg) -> bool {
        let first = self.node(leg.first).map(|n| &n.work);
        matches!(first, Some(Work::Act(step)) if matches!(step.action, Action::SetSwitchover { .. }))
    }

    /// The name of a node for people and for `settle`: `db-01/failover/power-on`.
    #[must_use]
    pub fn node_name(&self, id: NodeId) -> String {
        let Some(node) = self.node(id) else {
            return id.to_string();
        };
        let leg = node.leg.and_then(|l| self.leg(l));
        let operation =
            leg.map_or_else(|| "join".to_owned(), |l| l.operation.kind().name().replace(' ', "-"));
        match (&node.work, leg) {
            (Work::Act(step), _) => {
                let role = step.action.machine().map_or("", |role| match role {
                    crate::domain::Role::Source => "-source",
                    crate::domain::Role::Replica => "",
                    crate::domain::Role::Target => "-target",
                    crate::domain::Role::Copy => "-copy",
                });
                let twin = match &step.action {
                    Action::CreatePoint { point, .. } => format!("-{point}"),
                    _ => String::new(),
                };
                format!("{}/{operation}/{}{role}{twin}", step.replica, step.action.word())
            }
            (Work::Wait(_), Some(leg)) => format!("{}/{operation}/wait-{}", leg.replica, id.0),
            (Work::Wait(_), None) => format!("wait-{}", id.0),
            (Work::Hook(hook), _) => hook.step_name(),
            (Work::Cutover(cutover), _) => {
                let kind = cutover.kind.word().to_ascii_lowercase();
                format!("{}/{operation}/name-{}-{kind}", cutover.replica, cutover.name)
            }
            (Work::Gate(gate), _) => format!("{}/{}", gate.plan, gate.name),
            (Work::Join, _) => format!("join-{}", id.0),
        }
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
}
