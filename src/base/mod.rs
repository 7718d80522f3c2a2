//! Floor 0: values without domain words of their own: names, durations, timestamps, digests.

pub mod digest;
pub mod glob;
pub mod name;
pub mod time;

pub use digest::Digest;
pub use name::{
    EntryName, NameError, NetworkName, PlanName, PointId, PolicyName, ReplicaName, RunId, RunbookName,
    SiteName, VmName,
};
pub use time::{Duration, TimeError, Timestamp};
