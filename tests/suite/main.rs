//! The one binary of the integration tests: linking once is what keeps them quick.
#![allow(missing_docs, reason = "tests are named by what they show")]

mod crash;
mod simulated;
mod views;
mod world;
