//! The one binary of the integration tests: linking once is what keeps them quick.
#![allow(missing_docs, reason = "tests are named by what they show")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may fail the test"
)]

mod crash;
mod simulated;
mod views;
mod world;
