//! Programs that people give to a plan, and people who answer it. The engine knows neither processes nor terminals.

use crate::base::{Duration, RunId};
use crate::domain::{Question, Reply, Secret, Spoken};
use crate::port::{Busy, Later};
use std::collections::BTreeMap;

/// A program to be run, with all that it is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    /// The node's position in the plan of a run; none where it is only looked whether it would succeed.
    pub node: Option<u32>,
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// What is added to its environment.
    pub env: BTreeMap<String, String>,
    /// What is added to its environment and shown nowhere.
    pub secrets: BTreeMap<String, Secret>,
    /// What it reads on standard input.
    pub input: Vec<u8>,
    /// How long it may take.
    pub within: Duration,
    /// Whether it is asked for a proof alone: it changes nothing.
    pub proof: bool,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Whether its time was over, so that it was ended.
    pub late: bool,
    /// What it said.
    pub spoken: Spoken,
}

/// Who runs programs.
pub trait Scripts: Send + Sync {
    /// Runs a program to its end, or to the end of its time; then nothing of it is left. Dropping the future ends it at once.
    ///
    /// An error says why it could not be started.
    fn run<'a>(&'a self, call: &'a Call) -> Later<'a, Result<Ran, String>>;
}

/// A question that a step of a run asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The run.
    pub run: RunId,
    /// The node's position in the run's plan.
    pub node: u32,
    /// Its name, by which it is answered.
    pub name: String,
    /// What is asked.
    pub question: Question,
    /// Whether it is waited until somebody says yes: to say no changes nothing.
    pub yes_alone: bool,
}

/// Who answers.
pub trait Answers: Send + Sync {
    /// Returns when somebody answers who may; never, where nobody does. It does not count as working, unless it promises so itself; that
    /// promise comes with the answer, so that nobody is idle for a moment in between.
    fn answer<'a>(&'a self, asked: &'a Asked) -> Later<'a, (Reply, Busy)>;
}

/// Where there is nothing to run programs with.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoScripts;

impl Scripts for NoScripts {
    fn run<'a>(&'a self, _: &'a Call) -> Later<'a, Result<Ran, String>> {
        Box::pin(std::future::ready(Err("no programs are run here".to_owned())))
    }
}

/// Where there is nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nobody;

impl Answers for Nobody {
    fn answer<'a>(&'a self, _: &'a Asked) -> Later<'a, (Reply, Busy)> {
        Box::pin(std::future::pending())
    }
}
