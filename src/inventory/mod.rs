//! Floor 2: a snapshot of what the sites reported, with its time and its trust; and the single facts that a plan relied on.

pub mod fact_read;
pub mod snapshot;

pub use fact_read::{FactName, FactRead, changed, read};
pub use snapshot::{Inventory, Observed, SiteSight, Typical};
