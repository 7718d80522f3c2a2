//! Name servers of the simulated world: machines that have `names`. Keys are not simulated: whoever asks is believed.

use super::Simulator;
use super::machine::Machine;
use super::provider::STEP;
use super::store::SimError;
use super::world::{Entry, Line, World};
use crate::base::{Duration, Timestamp};
use crate::domain::{
    Cutover, VmRef,
    cutover::{bare, is_same},
};
use crate::port::{Failure, FaultSpec, Later, Names, Pointed, Pointing};
use crate::provider::names::somebody_elses;

/// The port of name servers.
const PORT: u16 = 53;

/// The machine that answers as a name server.
fn server(world: &World, cutover: &Cutover) -> Result<(VmRef, Machine), String> {
    let said = &cutover.server;
    let silent = || format!("{} at {} does not answer", said.name, said.address);
    let (vm, machine) = world.serving(said.address).ok_or_else(silent)?;
    if !machine.booted(world.now) {
        return Err(silent());
    }
    if said.port != PORT || machine.spec.names.is_empty() {
        return Err(format!("{} at {} cannot be reached: connection refused", said.name, said.address));
    }
    Ok((vm, machine))
}

/// What a name server says of a name.
fn says(machine: &Machine, cutover: &Cutover) -> Vec<String> {
    let of = machine.spec.names.iter();
    let of = of.filter(|r| r.kind == cutover.kind && is_same(&r.name, &cutover.name));
    let mut found: Vec<String> = of.flat_map(|r| r.is.clone()).collect();
    found.sort();
    found
}

/// What becomes of a wish at a time, how long it takes, and what the log says about it.
fn decide(
    world: &World,
    order: &Pointing,
    now: Timestamp,
) -> (Option<Line>, (Result<Pointed, Failure>, Duration)) {
    let cutover = &order.cutover;
    let concerns = |action: &Option<String>, replica: &Option<crate::base::ReplicaName>| {
        action.as_deref().is_none_or(|a| a == Cutover::WORD)
            && replica.as_ref().is_none_or(|r| *r == cutover.replica)
    };
    let fails = |f: &super::world::Fault| match &f.spec {
        FaultSpec::Fails { action, replica, times } => {
            concerns(action, replica) && times.is_none_or(|t| f.used < t)
        }
        _ => false,
    };
    let slower = world.faults.iter().find_map(|f| match &f.spec {
        FaultSpec::Slow { action, replica, by } if concerns(action, replica) => Some(*by),
        _ => None,
    });
    let takes = STEP.plus(slower.unwrap_or_default());
    let (vm, machine) = match server(world, cutover) {
        Ok(found) => found,
        Err(why) => return (None, (Err(Failure::Failed(why)), takes)),
    };
    let before = says(&machine, cutover);
    if cutover.is_done(&before) {
        return (None, (Ok(Pointed::Found), takes));
    }
    if !cutover.is_own(&before) {
        return (None, (Err(Failure::Failed(somebody_elses(cutover, &before))), takes));
    }
    if let Some(fault) = world.faults.iter().position(fails) {
        let key = format!("{} {}", cutover.replica, cutover.name);
        let failure = Failure::Failed(format!("the simulator was told to let {} fail", Cutover::WORD));
        return (Some(Line { at: now, entry: Entry::Failed { fault, key } }), (Err(failure), takes));
    }
    let (name, kind, is) = (bare(&cutover.name), cutover.kind, vec![cutover.to.clone()]);
    let entry = Entry::Named { vm, name, kind, is };
    (Some(Line { at: now, entry }), (Ok(Pointed::Replaced { before }), takes))
}

impl Names for Simulator {
    fn point<'a>(&'a self, order: &'a Pointing) -> Later<'a, Result<Pointed, Failure>> {
        Box::pin(async move {
            let clock = self.clock();
            let began = clock.now();
            let decided = self.write(|world| {
                let now = began.max(world.now);
                world.catch_up(now);
                decide(world, order, now)
            });
            let (pointed, takes) = decided.map_err(|why: SimError| Failure::Failed(why.to_string()))?;
            let limit = order.cutover.within;
            clock.until(began.after(takes.min(limit))).await;
            if takes > limit {
                return Err(Failure::NoAnswer(format!("not done within {limit}")));
            }
            pointed
        })
    }

    fn says<'a>(&'a self, cutover: &'a Cutover) -> Later<'a, Result<Vec<String>, String>> {
        let seen = self.look_at(|world| server(world, cutover).map(|(_, machine)| says(&machine, cutover)));
        Box::pin(async move { seen.unwrap_or_else(|why| Err(why.to_string())) })
    }
}
