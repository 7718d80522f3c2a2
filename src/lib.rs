//! Lifeboat: plan and apply for virtual machine disaster recovery.
//!
//! The folders are the architecture, and data walks through them in one direction:
//!
//! ```text
//!  files ─load─► text ─parse─► document ─resolve─► model + origins ─┐
//!                                                                   ├─► planner ──► plan ──► checker
//!  provider.observe ──────────────────────────────► inventory ──────┘       │
//!                                                                           ▼
//!                      engine: run::ready ► journal ► perform ► observe ► journal ► run::progress
//! ```
//!
//! A module imports only from lower floors; `tests/architecture.rs` holds the table. Start reading at [`domain`].

pub mod app;
pub mod base;
pub mod checker;
pub mod cli;
pub mod diag;
pub mod document;
pub mod domain;
pub mod engine;
pub mod inventory;
pub mod journal;
pub mod model;
pub mod plan;
pub mod planner;
pub mod port;
pub mod provider;
pub mod rehearsal;
pub mod report;
pub mod run;
