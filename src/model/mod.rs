//! Floor 3: the documents as they are meant: names resolved, selections made, defaults filled in. No spans in here; the
//! places stand in the origins, beside it.

pub mod check;
pub mod failover_plan;
pub mod hook;
pub mod origin;
pub mod policy;
pub mod replica;
pub mod resolve;
pub mod runbook;
pub mod site;

pub use crate::document::{Key, Kind};
pub use crate::domain::Is;
pub use failover_plan::{
    After, ConsistencyGroup, Entry, FailoverPlan, Retries, Slot, SourceTreatment, UndoOrder,
};
pub use hook::{Fence, Hook, Hooks};
pub use origin::Origins;
pub use policy::{DrilledWithin, Policy, Rule};
pub use replica::{AddressRule, FollowingName, Replica};
pub use resolve::{Reached, Resolved, reached, resolve};
pub use runbook::{Desired, FailbackTerms, Keep, Otherwise, PointChoice, Runbook, Subject, Verify, Via};
pub use site::{DrillSite, Mapping, Site};

use crate::base::{PlanName, PolicyName, ReplicaName, RunbookName, SiteName};
use std::collections::BTreeMap;

/// Everything that the documents say.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct Workspace {
    /// The sites.
    pub sites: BTreeMap<SiteName, Site>,
    /// The replicas.
    pub replicas: BTreeMap<ReplicaName, Replica>,
    /// The failover plans.
    pub plans: BTreeMap<PlanName, FailoverPlan>,
    /// The runbooks.
    pub runbooks: BTreeMap<RunbookName, Runbook>,
    /// The policies.
    pub policies: BTreeMap<PolicyName, Policy>,
}
