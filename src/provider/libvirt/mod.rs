//! Hosts of libvirt and QEMU.
//!
//! Everything is done with what libvirt and QEMU offer: checkpoints and backups in pull mode, qcow2 layers, `qemu-img`, block commit. There is
//! no data plane of our own, and nothing is stored at the runner.
//!
//! ```text
//!   source's host                              recovery host
//!     db-01.qcow2  ──── copy (module pull) ───►  FOLDER/db/vda.p1.qcow2 ◄─ vda.p2.qcow2 ◄─ vda.p3.qcow2   restore points
//!       ▲                                                                        ▲
//!     db-01.qcow2.lifeboat-1.qcow2 ◄─ copy ───────────────────────── vda.~running.qcow2                   what the replica writes
//!       ▲                                                                        ▲
//!     db-01.qcow2.lifeboat-2.qcow2 ◄─ copy ──────────────────────────────────────┘                        a failback's two phases
//! ```
//!
//! | module | does |
//! |---|---|
//! | [`shell`] | a `virsh` that stays open |
//! | [`ssh`] | the one connection to another host |
//! | [`host`] | one host: its libvirt by `virsh`, commands on it, ports, how much at once |
//! | [`xml`], [`machine`] | descriptions of machines, read and rendered |
//! | [`record`] | what stands beside a replica, in its own machine's metadata |
//! | [`rebuild`] | that record, where it was lost |
//! | [`sight`], [`case`] | looking: machines, layers, and both together for one replica |
//! | [`survey`] | what a host has that could be protected |
//! | [`quiesce`] | freezing a guest for the moment at which a copy begins |
//! | [`leftover`] | what broke off, found and ended |
//! | [`pull`] | the one way in which data moves |
//! | [`replicate`], [`failover`], [`failback`], [`power`], [`drill`] | what the actions do |
//! | [`probe`] | questions to guests |
//! | [`preflight`] with [`preflight_site`], [`preflight_machine`], [`preflight_text`] | what would stand in the way of a plan |
//! | [`provider`] | the port |

pub mod case;
pub mod drill;
pub mod failback;
pub mod failover;
pub mod host;
pub mod leftover;
pub mod machine;
pub mod power;
pub mod preflight;
pub mod preflight_machine;
pub mod preflight_site;
pub mod preflight_text;
pub mod probe;
pub mod provider;
pub mod pull;
pub mod quiesce;
pub mod rebuild;
pub mod record;
pub mod replicate;
pub mod shell;
pub mod sight;
pub mod ssh;
pub mod survey;
pub mod xml;

pub use provider::Libvirt;
