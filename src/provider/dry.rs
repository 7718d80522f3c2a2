//! A provider without machines: each action takes the time that it is told to, and machines answer when they are told to; no program is run,
//! and no person is asked. It is what a rehearsal gives to the engine.

use crate::base::{Duration, Timestamp};
use crate::domain::{Cutover, NotSo, Reply, Settled, Spoken, VmRef};
use crate::inventory::Inventory;
use crate::port::{
    Answers, Asked, Busy, Call, Clock, Failure, Later, Look, Names, Order, Pointed, Pointing, Provider,
    Question, Ran, Scripts, Subject,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The provider.
pub struct Dry {
    clock: Arc<dyn Clock>,
    /// How long each action takes, by its node's position.
    times: Vec<Duration>,
    /// The action that fails whenever it is asked for.
    fails: Option<u32>,
    /// From when on machines answer.
    answers: Mutex<BTreeMap<VmRef, Timestamp>>,
}

impl Dry {
    /// A provider whose actions take these times.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, times: Vec<Duration>, fails: Option<u32>) -> Self {
        Self { clock, times, fails, answers: Mutex::default() }
    }

    /// Says from when on a machine answers; until it is said it does not.
    pub fn answers(&self, vm: &VmRef, from: Timestamp) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.insert(vm.clone(), from);
    }
}

impl Dry {
    async fn takes(&self, node: u32) {
        let takes = self.times.get(node as usize).copied().unwrap_or_default();
        self.clock.until(self.clock.now().after(takes)).await;
    }
}

/// Programs are not run: each takes its time as well.
impl Scripts for Dry {
    fn run<'a>(&'a self, call: &'a Call) -> Later<'a, Result<Ran, String>> {
        Box::pin(async move {
            // A fence takes its time as a whole.
            if let Some(node) = call.node.filter(|_| !call.proof) {
                self.takes(node).await;
            }
            if call.node.is_some() && call.node == self.fails {
                return Err("as rehearsed".to_owned());
            }
            let spoken = Spoken { code: Some(0), text: String::new(), left_out: 0, proof: call.proof };
            Ok(Ran { late: false, spoken })
        })
    }
}

/// No name server is told.
impl Names for Dry {
    fn point<'a>(&'a self, order: &'a Pointing) -> Later<'a, Result<Pointed, Failure>> {
        let node = order.node;
        Box::pin(async move {
            self.takes(node).await;
            if self.fails == Some(node) {
                return Err(Failure::Failed("as rehearsed".to_owned()));
            }
            Ok(Pointed::Replaced { before: order.cutover.from.clone() })
        })
    }

    fn says<'a>(&'a self, cutover: &'a Cutover) -> Later<'a, Result<Vec<String>, String>> {
        Box::pin(std::future::ready(Ok(cutover.from.clone())))
    }
}

/// Nobody is asked: somebody says yes at once, unless that is what fails.
impl Answers for Dry {
    fn answer<'a>(&'a self, asked: &'a Asked) -> Later<'a, (Reply, Busy)> {
        Box::pin(async move {
            if self.fails == Some(asked.node) {
                return std::future::pending().await;
            }
            let somebody = || "rehearsal".to_owned();
            let reply = Reply { yes: true, person: somebody(), host: somebody(), because: None };
            (reply, self.clock.busy())
        })
    }
}

impl Provider for Dry {
    fn observe<'a>(&'a self, _subjects: &'a [Subject]) -> Later<'a, Inventory> {
        let inventory = Inventory { at: self.clock.now(), ..Inventory::default() };
        Box::pin(std::future::ready(inventory))
    }

    fn perform<'a>(&'a self, order: &'a Order) -> Later<'a, Result<(), Failure>> {
        let node = order.key.node;
        Box::pin(async move {
            self.takes(node).await;
            if self.fails == Some(node) { Err(Failure::Failed("as rehearsed".to_owned())) } else { Ok(()) }
        })
    }

    fn look<'a>(&'a self, _order: &'a Order) -> Later<'a, Look> {
        // What is asked for is answered, so nobody ever has to look.
        Box::pin(std::future::ready(Look::Settled(Settled::NotDone)))
    }

    fn probe<'a>(&'a self, question: Question<'a>) -> Later<'a, Result<(), NotSo>> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let up = answers.get(question.vm).is_some_and(|from| *from <= self.clock.now());
        Box::pin(std::future::ready(if up { Ok(()) } else { Err(NotSo::NoAnswer) }))
    }
}
