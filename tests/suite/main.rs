//! The one binary of the integration tests: linking once is what keeps them quick.
#![allow(missing_docs, reason = "tests are named by what they show")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod approvals;
mod back;
mod commands;
mod consistency;
mod crash;
mod drill;
mod examples;
mod failure;
mod faults;
mod fences;
mod gates;
mod import;
mod names;
mod over;
mod pages;
mod program;
mod rehearse;
mod rules;
mod scenarios;
mod schema;
mod simulated;
mod slices;
mod stop;
mod store;
mod trouble;
mod verify;
mod views;
mod world;
