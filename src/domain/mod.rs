//! Floor 1: the life of one replica, as values and pure functions.
//!
//! ```text
//!                      failover · planned failover
//!         ┌───────┐ ─────────────────────────────────► ┌──────────┐  permanent failover   ┌───────────┐
//!    ┌──► │ Ready │                                     │ Failover │ ────────────────────► │ Permanent │
//!    │    └───────┘ ◄───────────────────────────────── └──────────┘                       └───────────┘
//!    │        ▲               undo failover              │  ▲     ▲
//!    │    replicate                             failback │  │undo │undo
//!    │        │                                  phase 1 ▼  │fail-│fail-
//!    │  ┌─────────────┐                     ┌─────────────┐ │back │back
//!    │  │ Unprotected │                     │ReadyToSwitch│─┘     │
//!    │  └─────────────┘                     └─────────────┘       │
//!    │ commit failback                      switchover │          │
//!    │                                                 ▼          │
//!    │                                          ┌──────────┐      │
//!    └───────────────────────────────────────── │ Failback │ ─────┘
//!                                               └──────────┘
//! ```
//!
//! [`mod@state`] says what a replica can be and reads it off the facts, [`mod@transition`] which operation leads where,
//! [`action`] what the operations are made of and what each action does to the facts, [`invariant`] what must never be.

pub mod action;
pub mod approval;
pub mod cut;
pub mod cutover;
pub mod demand;
pub mod effect;
pub mod fact;
pub mod invariant;
pub mod loss;
pub mod operation;
pub mod probe;
pub mod script;
pub mod settled;
pub mod signers;
pub mod state;
pub mod transfer;
pub mod transition;
pub mod wait;

pub use action::{Action, Step};
pub use cutover::{Cutover, KeyAlgorithm, NameServer, Once, ServerKey};
pub use demand::Demand;
pub use effect::{Unmet, alone, effect, requires};
pub use fact::{
    Consistency, CopyFacts, Facts, FailbackFacts, Link, PointKind, Power, Quiesce, Relation, ReplicaDisk,
    Replication, RestorePoint, Role, Sight, Stage, VmFacts, VmRef,
};
pub use loss::{Loss, LossKind};
pub use operation::{FailbackTarget, Operation, OperationKind, Switchover};
pub use probe::{CommandProbe, DnsProbe, Header, HttpProbe, Method, NotSo, Probe, RecordKind, Saying, Tls};
pub use script::{Question, Reply, Script, Secret, Silence, Spoken, When};
pub use settled::{Settled, settled};
pub use state::{Condition, Foreign, State, condition};
pub use transfer::{Moving, Transfer};
pub use transition::{Refusal, transition};
pub use wait::{Answer, Ask, AtEnd, Check, Heard, IfFailed, Is, OnFailure, Pause, Readiness, Standing, Wait};
