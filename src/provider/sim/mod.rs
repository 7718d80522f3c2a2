//! The built-in simulator.

pub mod clock;
