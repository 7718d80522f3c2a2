//! Floor 6: pure views of plans, runs and findings. Everything that a person reads is worded here and nowhere else.

pub mod approvals;
pub mod diagnostic;
pub mod drill;
pub mod explain;
pub mod import;
pub mod json;
pub mod live;
mod mend;
pub mod preflight;
pub mod refused;
pub mod rehearsal;
pub mod rules;
pub mod table;
pub mod text;
pub mod torn;
pub mod waits;
pub mod warned;
pub mod words;

pub use diagnostic::Style;
pub use refused::{InDocuments, Nowhere, Places};
pub use text::Options;
pub use text::run::{Past, Story};
