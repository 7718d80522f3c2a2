//! Why no plan could be made. All refusals of one planning come at once.

use crate::base::{Duration, NetworkName, PointId, ReplicaName, SiteName, Timestamp};
use crate::domain::{Condition, Foreign, Loss, OperationKind, Refusal, Role, State, VmRef};
use crate::plan::cut::Torn;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A replica for which there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The replica.
    pub replica: ReplicaName,
    /// Which of the runbook's desired states asks for it, from 0.
    pub desired: usize,
    /// What it was found to be.
    pub now: Condition,
    /// What was asked.
    pub asked: State,
    /// Why not.
    pub why: RefusedWhy,
}

/// A route that is offered where the document must choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteOffer {
    /// What the document must say to have it: `keep: source`.
    pub say: String,
    /// The operations.
    pub operations: Vec<OperationKind>,
    /// What it loses.
    pub loses: Vec<Loss>,
}

/// Why no copy of a replica can be made for a drill, or why a drill is in the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DrillRefused {
    /// Nothing says which network apart stands for this one.
    NoNetwork {
        /// The network on which the replica would serve.
        network: NetworkName,
        /// The recovery site.
        site: SiteName,
    },
    /// The copy would be on a network on which a machine of its replica is.
    NotApart(NetworkName),
    /// Questions to the copy would be answered by the machine that has its address already.
    SameAddress(std::net::IpAddr),
    /// What an earlier drill left is there.
    CopyThere,
    /// A copy stands above restore points that the operation takes away.
    InTheWay(OperationKind),
}

/// Why there is no plan for a replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RefusedWhy {
    /// The next operation is not possible.
    NotPossible {
        /// The operation that the desired state needs.
        operation: OperationKind,
        /// Why it is refused.
        refusal: Refusal,
        /// The shortest lawful way, where there is one.
        lawful: Vec<OperationKind>,
    },
    /// Two routes keep different data, and the document does not choose.
    Ambiguous(Vec<RouteOffer>),
    /// What the document wants kept does not exist any more.
    NothingToKeep,
    /// The recovery site does not answer.
    RecoveryUnseen(SiteName),
    /// The source's or target's site does not answer, and the operation needs it.
    ProductionUnseen {
        /// The site.
        site: SiteName,
        /// The operation.
        operation: OperationKind,
        /// Whether `via: unplanned` or `via: best` would do without it.
        unplanned_would_do: bool,
    },
    /// A machine that the operation needs does not exist.
    MachineAbsent {
        /// Which, as `site/vm`.
        vm: String,
        /// The operation.
        operation: OperationKind,
    },
    /// There is no restore point of that name.
    NoSuchPoint(PointId),
    /// There is no restore point at or before that time.
    NoPointAt {
        /// The time asked for.
        at: Timestamp,
        /// The oldest point there is.
        oldest: Option<(PointId, Timestamp)>,
    },
    /// It is as no operation leaves it.
    Foreign(Foreign),
    /// A network of the source has no mapping.
    NetworkUnmapped(NetworkName),
    /// Nobody knows what a name shall say that follows the machine.
    NameNowhere {
        /// The name.
        name: String,
        /// The machine that serves then.
        role: Role,
    },
    /// Another replica of the plan would have the same address on the same network.
    AddressShared {
        /// The network.
        network: NetworkName,
        /// The address.
        address: IpAddr,
        /// The other replica.
        with: ReplicaName,
    },
    /// A machine that runs, and that the plan does not stop, has the address.
    AddressTaken {
        /// The network.
        network: NetworkName,
        /// The address.
        address: IpAddr,
        /// The machine.
        by: VmRef,
        /// The replica that it belongs to.
        of: ReplicaName,
    },
    /// Source and replica would serve on one network.
    BothWouldServe(NetworkName),
    /// The recovered target exists already, or the restored one does not.
    TargetUnfit {
        /// Which, as `site/vm`.
        vm: String,
        /// Whether it exists.
        exists: bool,
    },
    /// Its consistency group would be torn apart.
    Torn(Torn),
    /// The source cannot be seen, the document wants it fenced, and nothing says how.
    NoFence(VmRef),
    /// The source cannot be seen, only the fence of its whole site would take it away, and that site answers.
    SiteAnswers(VmRef),
    /// The failback target is a machine of another replica.
    TargetInUse {
        /// Which, as `site/vm`.
        vm: String,
        /// The replica that it serves.
        replica: ReplicaName,
    },
    /// An irreversible operation is part-way and the document does not ask for its end.
    OnlyForward(OperationKind),
    /// No copy of it can be made for a drill.
    Drill(DrillRefused),
    /// It would lose more than a policy allows.
    LossOverPolicy {
        /// How much it would lose at most.
        upto: Duration,
        /// What is allowed.
        allowed: Duration,
    },
}
