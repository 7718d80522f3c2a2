//! Floor 5: those who run virtual machines.

pub mod sim;
