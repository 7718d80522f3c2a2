//! Floor 6: pure views of plans, runs and findings. Everything that a person reads is worded here and nowhere else.

pub mod diagnostic;
pub mod refused;
pub mod table;
pub mod words;

pub use diagnostic::Style;
