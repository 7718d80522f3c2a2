//! The order between the entries of a failover plan, as far as they take part: what each waits for.

use crate::base::Duration;
use crate::domain::IfFailed;
use crate::model::{FailoverPlan, Is};
use std::collections::VecDeque;

/// What an entry waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dependency {
    /// The position of the other entry.
    pub entry: usize,
    /// What must have happened to it.
    pub event: After,
    /// What happens where it fails.
    pub if_failed: IfFailed,
}

/// What must have happened to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Its start began so long ago: the delay of the list.
    Start(Duration),
    /// It was started so long ago.
    Started(Duration),
    /// It has been ready for so long.
    Ready(Duration),
    /// It is ready; and its move was made final so long ago, before the other's is.
    Committed(Duration),
}

/// For each entry what it waits for among those that take part. One that does not take part hands on what it would have waited
/// for itself; its own delay is not waited.
pub fn dependencies(plan: &FailoverPlan, takes_part: &[bool]) -> Vec<Vec<Dependency>> {
    dependencies_past(plan, takes_part, takes_part)
}

/// The same where nobody waits for some of those that take part: they hand on what they wait for as well.
pub fn dependencies_past(
    plan: &FailoverPlan,
    takes_part: &[bool],
    is_waited_for: &[bool],
) -> Vec<Vec<Dependency>> {
    let declared: Vec<Vec<Dependency>> = (0..plan.sequence.len()).map(|e| declared(plan, e)).collect();
    if !takes_part.contains(&false) && !is_waited_for.contains(&false) {
        return declared;
    }
    (0..plan.sequence.len())
        .map(|entry| {
            if takes_part.get(entry).copied().unwrap_or(false) {
                resolved(entry, &declared, is_waited_for)
            } else {
                Vec::new()
            }
        })
        .collect()
}

fn declared(plan: &FailoverPlan, position: usize) -> Vec<Dependency> {
    let Some(entry) = plan.sequence.get(position) else { return Vec::new() };
    let Some(after) = &entry.after else {
        // By the order of the list an entry follows the one before it; a gate asks when all entries before it are ready.
        let from = if entry.gate.is_some() { 0 } else { position.saturating_sub(1) };
        let before = (0..position).zip(&plan.sequence).skip(from);
        let follow = |(p, e): (usize, &crate::model::Entry)| {
            let ready = entry.gate.is_some() || e.gate.is_some();
            let event = if ready { After::Ready(Duration::ZERO) } else { After::Start(e.delay) };
            Dependency { entry: p, event, if_failed: e.on_failure }
        };
        return before.map(follow).collect();
    };
    after
        .iter()
        .map(|after| {
            let event = match after.is {
                Is::Started => After::Started(after.plus),
                Is::Ready => After::Ready(after.plus),
                Is::Committed => After::Committed(after.plus),
            };
            Dependency { entry: after.entry, event, if_failed: after.if_failed }
        })
        .collect()
}

fn resolved(entry: usize, declared: &[Vec<Dependency>], takes_part: &[bool]) -> Vec<Dependency> {
    let of = |e: usize| declared.get(e).map(Vec::as_slice).unwrap_or_default();
    let mut found: Vec<Dependency> = Vec::new();
    let mut passed = vec![entry];
    let mut open: VecDeque<Dependency> = of(entry).iter().copied().collect();
    while let Some(dependency) = open.pop_front() {
        if takes_part.get(dependency.entry).copied().unwrap_or(false) {
            if !found.contains(&dependency) {
                found.push(dependency);
            }
        } else if !passed.contains(&dependency.entry) {
            passed.push(dependency.entry);
            open.extend(of(dependency.entry));
        }
    }
    found
}

/// The entries that wait for one, themselves or through others.
pub fn behind(entry: usize, dependencies: &[Vec<Dependency>]) -> Vec<usize> {
    let mut later: Vec<Vec<usize>> = vec![Vec::new(); dependencies.len()];
    for (position, before) in dependencies.iter().enumerate() {
        for dependency in before {
            if let Some(later) = later.get_mut(dependency.entry) {
                later.push(position);
            }
        }
    }
    let mut found = vec![false; dependencies.len()];
    let mut open = vec![entry];
    while let Some(next) = open.pop() {
        for position in later.get(next).into_iter().flatten() {
            if let Some(cell) = found.get_mut(*position).filter(|cell| !**cell) {
                *cell = true;
                open.push(*position);
            }
        }
    }
    found.iter().enumerate().filter(|(_, found)| **found).map(|(position, _)| position).collect()
}

/// The wave of each entry that takes part, from 1: the length of the longest chain before it.
pub fn waves(dependencies: &[Vec<Dependency>]) -> Vec<u32> {
    let mut missing: Vec<usize> = dependencies.iter().map(Vec::len).collect();
    let mut later: Vec<Vec<usize>> = vec![Vec::new(); dependencies.len()];
    for (entry, before) in dependencies.iter().enumerate() {
        for dependency in before {
            if let Some(later) = later.get_mut(dependency.entry) {
                later.push(entry);
            }
        }
    }
    let mut waves = vec![1u32; dependencies.len()];
    let mut next: VecDeque<usize> =
        missing.iter().enumerate().filter(|(_, m)| **m == 0).map(|(e, _)| e).collect();
    while let Some(entry) = next.pop_front() {
        let wave = waves.get(entry).copied().unwrap_or(1);
        for later in later.get(entry).into_iter().flatten() {
            if let (Some(theirs), Some(missing)) = (waves.get_mut(*later), missing.get_mut(*later)) {
                *theirs = wave.saturating_add(1).max(*theirs);
                *missing -= 1;
                if *missing == 0 {
                    next.push_back(*later);
                }
            }
        }
    }
    waves
}
