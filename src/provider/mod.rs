//! Floor 5: those who run virtual machines. What they share stands beside them: [`exec`] runs a program, [`group`] leaves nothing of one behind, [`meter`] hears how far a copy has come,
//! [`prober`] asks the questions that can be asked over the network, [`names`] changes what name servers say, [`secret`] reads what is shown nowhere.

pub mod clock;
pub mod dry;
pub mod exec;
pub mod group;
pub mod libvirt;
pub mod meter;
pub mod names;
pub mod prober;
pub mod script;
pub mod secret;
pub mod signer;
pub mod sim;
