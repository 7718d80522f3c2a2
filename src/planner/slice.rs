//! Slices of a runbook: the smallest set of entries that brings up what was selected, and what breaks without others.

use super::case::{Case, Decision};
use super::order::{self, Dependency};
use crate::base::ReplicaName;
use crate::domain::IfFailed;
use crate::model::FailoverPlan;
use crate::plan::{Consequence, Follows, Refused, Untouched};
use std::collections::{BTreeMap, BTreeSet};

/// What was selected of a runbook's replicas.
#[derive(Debug, Clone, Default)]
pub struct Selected {
    /// These, with what they need; everything where nothing was said.
    pub only: Option<BTreeSet<ReplicaName>>,
    /// Not these.
    pub without: BTreeSet<ReplicaName>,
    /// The words with which these were selected, and those.
    pub said: (Vec<String>, Vec<String>),
}

/// What a slice leaves out.
#[derive(Debug, Default)]
pub struct Cut {
    /// For each case why it is left out; `None` where it takes part.
    pub out: Vec<Option<Untouched>>,
    /// What follows for others.
    pub follows: Vec<Follows>,
}

type Decided = Result<Decision, Box<Refused>>;

/// The entries of one failover plan with their cases.
struct Sequence<'a> {
    plan: &'a FailoverPlan,
    dependencies: Vec<Vec<Dependency>>,
    cases: Vec<Vec<usize>>,
}

/// Decides which cases take part.
pub fn cut(cases: &[Case<'_>], decided: &[Decided], selected: &Selected) -> Cut {
    let there: Vec<bool> =
        decided.iter().map(|d| matches!(d, Ok(Decision::Leave(_, Untouched::AlreadyThere)))).collect();
    let mut slicer = Slicer { cases, there, out: vec![None; cases.len()], follows: Vec::new() };
    let sequences = sequences(cases);
    if let Some(only) = &selected.only {
        let only = only.difference(&selected.without).cloned().collect();
        slicer.keep_only(&only, &sequences);
    }
    for (position, case) in cases.iter().enumerate() {
        if selected.without.contains(&case.replica.name) && slicer.moves(position) {
            slicer.leave(position, Untouched::LeftOut);
        }
    }
    for sequence in sequences.values() {
        slicer.spread(sequence);
        slicer.stay(sequence);
    }
    Cut { out: slicer.out, follows: slicer.follows }
}

fn sequences<'a>(cases: &[Case<'a>]) -> BTreeMap<usize, Sequence<'a>> {
    let mut found: BTreeMap<usize, Sequence<'a>> = BTreeMap::new();
    for (position, case) in cases.iter().enumerate() {
        let (Some(plan), Some(entry)) = (case.plan, case.entry) else { continue };
        let sequence = found.entry(case.position).or_insert_with(|| {
            let count = plan.sequence.len();
            Sequence { plan, dependencies: Vec::new(), cases: vec![Vec::new(); count] }
        });
        if let Some(cases) = sequence.cases.get_mut(entry) {
            cases.push(position);
        }
    }
    for sequence in found.values_mut() {
        // Gates have no replicas, and hand on what they wait for.
        let replicas: Vec<bool> = sequence.cases.iter().map(|cases| !cases.is_empty()).collect();
        sequence.dependencies = order::dependencies(sequence.plan, &replicas);
    }
    found
}

impl Sequence<'_> {
    fn of(&self, entry: usize) -> &[usize] {
        self.cases.get(entry).map(Vec::as_slice).unwrap_or_default()
    }

    /// What an entry waits for and does not come up without.
    fn needs(&self, entry: usize) -> impl Iterator<Item = usize> {
        let all = self.dependencies.get(entry).into_iter().flatten();
        all.filter(|d| d.if_failed != IfFailed::Continue).map(|d| d.entry)
    }
}

struct Slicer<'a, 'b> {
    cases: &'a [Case<'b>],
    /// Which cases are what they shall be already.
    there: Vec<bool>,
    out: Vec<Option<Untouched>>,
    follows: Vec<Follows>,
}

impl Slicer<'_, '_> {
    /// Whether a case takes part and is not there yet.
    fn moves(&self, case: usize) -> bool {
        self.out.get(case) == Some(&None) && self.there.get(case) == Some(&false)
    }

    fn leave(&mut self, case: usize, why: Untouched) {
        if let Some(cell) = self.out.get_mut(case) {
            *cell = Some(why);
        }
    }

    fn follow(&mut self, sequence: &Sequence<'_>, case: usize, entry: usize, what: Consequence) {
        if let (Some(case), Some(entry)) = (self.cases.get(case), sequence.plan.sequence.get(entry)) {
            let (replica, entry) = (case.replica.name.clone(), entry.name.clone());
            self.follows.push(Follows { replica, entry, what });
        }
    }

    /// The smallest closed set: the selected ones, and whole entries before them as far as they are needed and not there yet.
    fn keep_only(&mut self, only: &BTreeSet<ReplicaName>, sequences: &BTreeMap<usize, Sequence<'_>>) {
        let mut kept: Vec<bool> = self.cases.iter().map(|c| only.contains(&c.replica.name)).collect();
        let is = |list: &[bool], case: &usize| list.get(*case) == Some(&true);
        for sequence in sequences.values() {
            // Where all that is selected is there already, nothing before it is needed.
            let moves = |case: &usize| is(&kept, case) && !is(&self.there, case);
            let selected = |entry: &usize| sequence.of(*entry).iter().any(moves);
            let mut open: Vec<usize> = (0..sequence.cases.len()).filter(selected).collect();
            let mut needed: BTreeSet<usize> = BTreeSet::new();
            while let Some(entry) = open.pop() {
                for before in sequence.needs(entry) {
                    let whole = sequence.of(before).iter().all(|c| is(&self.there, c));
                    if !whole && needed.insert(before) {
                        open.push(before);
                    }
                }
            }
            for case in needed.iter().flat_map(|entry| sequence.of(*entry)) {
                if let Some(cell) = kept.get_mut(*case) {
                    *cell = true;
                }
            }
        }
        for (case, kept) in kept.into_iter().enumerate() {
            if !kept {
                self.leave(case, Untouched::NotSelected);
            }
        }
    }

    /// What is left out takes along what does not come up without it, from the first entries to the last.
    fn spread(&mut self, sequence: &Sequence<'_>) {
        let waves = order::waves(&sequence.dependencies);
        let mut entries: Vec<usize> = (0..sequence.cases.len()).collect();
        entries.sort_by_key(|entry| waves.get(*entry).copied());
        for entry in entries {
            for dependency in sequence.dependencies.get(entry).into_iter().flatten() {
                let left = |c: &usize| {
                    matches!(self.out.get(*c), Some(Some(Untouched::LeftOut | Untouched::NeedsLeftOut)))
                };
                if !sequence.of(dependency.entry).iter().any(left) {
                    continue;
                }
                let present =
                    sequence.of(dependency.entry).iter().filter(|c| self.out.get(**c) == Some(&None));
                let enough = sequence.plan.sequence.get(dependency.entry).and_then(|e| e.at_least);
                let goes_on = enough.is_some_and(|n| present.count() >= n as usize)
                    || dependency.if_failed == IfFailed::Continue;
                let moving: Vec<usize> =
                    sequence.of(entry).iter().copied().filter(|c| self.moves(*c)).collect();
                for case in moving {
                    if goes_on {
                        self.follow(sequence, case, dependency.entry, Consequence::GoesOn);
                    } else {
                        self.follow(sequence, case, dependency.entry, Consequence::LeftOut);
                        self.leave(case, Untouched::NeedsLeftOut);
                    }
                }
            }
        }
    }

    /// What is left out and waits for something that moves stays behind.
    fn stay(&mut self, sequence: &Sequence<'_>) {
        for entry in 0..sequence.cases.len() {
            let moving = |before: &usize| sequence.of(*before).iter().any(|c| self.moves(*c));
            let Some(before) = sequence.needs(entry).find(moving) else { continue };
            let behind = |c: &usize| {
                let out = matches!(self.out.get(*c), Some(Some(Untouched::NotSelected | Untouched::LeftOut)));
                out && self.there.get(*c) == Some(&false)
            };
            let behind: Vec<usize> = sequence.of(entry).iter().copied().filter(behind).collect();
            for case in behind {
                self.follow(sequence, case, before, Consequence::Stays);
            }
        }
    }
}
