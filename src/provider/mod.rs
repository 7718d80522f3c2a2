//! Floor 5: those who run virtual machines.

pub mod clock;
pub mod libvirt;
pub mod script;
pub mod sim;
