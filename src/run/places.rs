//! The places under a plan's limits: who has one, and who may have one now.

use crate::base::{Duration, Timestamp};
use crate::plan::{NodeId, Plan};
use std::collections::BTreeMap;

/// The places of a run.
#[derive(Debug, Clone)]
pub struct Places {
    limits: Vec<LimitState>,
    /// The uses of limits: which limit, and whether a place is taken.
    uses: Vec<(u32, bool)>,
    takes: BTreeMap<NodeId, Vec<usize>>,
    gives: BTreeMap<NodeId, Vec<usize>>,
}

#[derive(Debug, Clone)]
struct LimitState {
    free: u32,
    size: usize,
    gap: Option<Duration>,
    /// The last `size` starts.
    starts: Vec<Timestamp>,
}

/// Places that would be taken by nodes that are chosen together.
#[derive(Debug)]
pub struct Trial(Vec<LimitState>);

impl LimitState {
    /// Whether a place may be taken now; where only time is missing, when.
    fn open(&self, now: Timestamp) -> Result<(), Option<Timestamp>> {
        if self.free == 0 {
            return Err(None);
        }
        let before = self.starts.len().checked_sub(self.size).and_then(|i| self.starts.get(i));
        match (before, self.gap) {
            (Some(before), Some(gap)) if before.after(gap) > now => Err(Some(before.after(gap))),
            _ => Ok(()),
        }
    }

    fn take(&mut self, at: Timestamp) {
        self.free = self.free.saturating_sub(1);
        if self.gap.is_some() {
            self.starts.push(at);
            if self.starts.len() > self.size {
                self.starts.remove(0);
            }
        }
    }
}

impl Places {
    /// All places of a plan, free.
    pub fn new(plan: &Plan) -> Self {
        let limits = plan.limits.iter().map(|l| LimitState {
            free: l.size.max(1),
            size: l.size.max(1) as usize,
            gap: l.gap,
            starts: Vec::new(),
        });
        let mut places = Self {
            limits: limits.collect(),
            uses: Vec::new(),
            takes: BTreeMap::new(),
            gives: BTreeMap::new(),
        };
        for slot in plan.legs.iter().flat_map(|l| &l.slots) {
            let position = places.uses.len();
            places.uses.push((slot.limit, false));
            places.takes.entry(slot.first).or_default().push(position);
            places.gives.entry(slot.last).or_default().push(position);
        }
        places
    }

    /// A node that takes places starts.
    pub fn take(&mut self, node: NodeId, at: Timestamp) {
        for position in self.takes.get(&node).into_iter().flatten() {
            let Some((limit, taken)) = self.uses.get_mut(*position) else { continue };
            if !*taken && let Some(limit) = self.limits.get_mut(*limit as usize) {
                *taken = true;
                limit.take(at);
            }
        }
    }

    /// Whether a node has the places that it needs.
    pub fn holds(&self, node: NodeId) -> bool {
        let mut uses = self.takes.get(&node).into_iter().flatten();
        uses.all(|p| self.uses.get(*p).is_none_or(|(_, taken)| *taken))
    }

    /// A node that frees places is done, or will not run.
    pub fn give(&mut self, node: NodeId) {
        for position in self.gives.get(&node).into_iter().flatten() {
            let Some((limit, taken)) = self.uses.get_mut(*position) else { continue };
            if *taken && let Some(limit) = self.limits.get_mut(*limit as usize) {
                *taken = false;
                limit.free += 1;
            }
        }
    }

    /// A copy in which places can be tried.
    pub fn trial(&self) -> Trial {
        Trial(self.limits.clone())
    }
}

impl Trial {
    /// Takes the places that a node needs, all or none.
    ///
    /// # Errors
    /// Where one is missing; with the time where only time is missing.
    pub fn try_take(
        &mut self,
        places: &Places,
        node: NodeId,
        now: Timestamp,
    ) -> Result<(), Option<Timestamp>> {
        let Some(uses) = places.takes.get(&node) else { return Ok(()) };
        let wanted = || uses.iter().filter_map(|p| places.uses.get(*p)).filter(|(_, taken)| !taken);
        for (limit, _) in wanted() {
            if let Some(limit) = self.0.get(*limit as usize) {
                limit.open(now)?;
            }
        }
        for (limit, _) in wanted() {
            if let Some(limit) = self.0.get_mut(*limit as usize) {
                limit.take(now);
            }
        }
        Ok(())
    }
}
