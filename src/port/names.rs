//! Those who change what names say. The engine knows no name servers.

use crate::domain::Cutover;
use crate::port::{Failure, Later};

/// A name's record to be seen to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointing {
    /// The node's position in the plan of the run.
    pub node: u32,
    /// What the record shall say, and where.
    pub cutover: Cutover,
}

/// How a name came to say what it shall.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pointed {
    /// It said it already.
    Found,
    /// It was changed.
    Replaced {
        /// What it said before.
        before: Vec<String>,
    },
}

/// Who changes what names say.
pub trait Names: Send + Sync {
    /// Sees to it that a record says what it shall: asks, changes it only where it says something else of its own, and asks again. To
    /// do it twice equals doing it once.
    fn point<'a>(&'a self, order: &'a Pointing) -> Later<'a, Result<Pointed, Failure>>;

    /// What a record says now. Nothing is changed. An error says why it is not known.
    fn says<'a>(&'a self, cutover: &'a Cutover) -> Later<'a, Result<Vec<String>, String>>;

    /// Whether changes can be asked for at all: where a key is needed, it is found and can be used. An error says what is missing.
    fn ready(&self, cutover: &Cutover) -> Result<(), String> {
        let _ = cutover;
        Ok(())
    }
}

/// Where there is nobody to ask.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoNames;

impl Names for NoNames {
    fn point<'a>(&'a self, _: &'a Pointing) -> Later<'a, Result<Pointed, Failure>> {
        Box::pin(std::future::ready(Err(Failure::Failed("no name server is asked here".to_owned()))))
    }

    fn says<'a>(&'a self, _: &'a Cutover) -> Later<'a, Result<Vec<String>, String>> {
        Box::pin(std::future::ready(Err("no name server is asked here".to_owned())))
    }
}
