//! Floor 5: those who run virtual machines.

pub mod clock;
pub mod dry;
pub mod libvirt;
pub mod sim;
