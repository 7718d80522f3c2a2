//! Floor 3: what the engine needs from outside, as traits.

pub mod clock;
pub mod names;
mod preflight;
pub mod provider;
pub mod rebuild;
pub mod script;
pub mod spec;
pub mod survey;

pub use clock::{Busy, Clock};
pub use names::{Names, NoNames, Pointed, Pointing};
pub use preflight::{Errand, Expected, FolderWhy, Hitch, NetworkKind, Obstacle, Room, Scope};
pub use provider::{ActionKey, Failure, Look, Order, Placement, Provider, Question, Subject, copy_of};
pub use rebuild::{Doubt, Rebuilt};
pub use script::{Answers, Asked, Call, NoScripts, Nobody, Ran, Scripts};
pub use spec::{
    ClockSpec, DataPath, FaultSpec, LibvirtSpec, ProviderSpec, RunOn, SimPage, SimRecord, SimVm,
    SimulatorSpec, SshSpec,
};

pub use survey::{Attached, Survey, SurveyedHost, SurveyedReplica, SurveyedSite, SurveyedVm};

use std::future::Future;
use std::pin::Pin;

/// A future behind a trait object.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
