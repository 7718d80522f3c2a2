//! The built-in simulator: two or more sites in one world, kept in a folder of the workspace.
//!
//! The world is a fold over a log. An action is asked for at one time and takes effect at a later one, *in the world*, whether or not
//! the process that asked still lives: that is how a runner that goes on finds a step in progress, or done. The world stands still
//! between commands.

pub mod clock;
mod data;
mod machine;
mod names;
mod preflight;
mod probe;
mod provider;
mod setup;
mod store;
mod world;

pub use machine::{Blocks, Version};
pub use provider::Simulator;
pub use setup::{ReplicaSetup, Setup};
pub use store::SimError;
pub use world::{EffectLine, Served};
