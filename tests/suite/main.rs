//! The one binary of the integration tests: linking once is what keeps them quick.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests are named by what they show, and fail by panicking"
)]

mod commands;
mod crash;
mod examples;
mod program;
mod schema;
mod simulated;
mod world;
