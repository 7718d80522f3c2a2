//! The places under a plan's limits: who has one, and who may have one now.
//!
//! Places are history, not something to be derived: a leg that failed gave its place away, and when it is tried again it has to
//! get one anew, like any other.

use crate::base::{Duration, Timestamp};
use crate::plan::{NodeId, Plan};
use std::collections::VecDeque;
use std::sync::Arc;

/// The places of a run.
#[derive(Debug, Clone)]
pub struct Places {
    limits: Vec<LimitState>,
    uses: Vec<Use>,
    by_node: Arc<ByNode>,
}

/// What never changes: for each node of the plan, positions of uses.
#[derive(Debug)]
struct ByNode {
    /// Those of its leg that its start may concern.
    within: Vec<Vec<usize>>,
    /// Those whose places are free again after it.
    gives: Vec<Vec<usize>>,
}

impl ByNode {
    fn of(rows: &[Vec<usize>], node: NodeId) -> &[usize] {
        rows.get(node.index()).map_or(&[], Vec::as_slice)
    }
}

/// A leg's use of a limit.
#[derive(Debug, Clone, Copy)]
struct Use {
    limit: usize,
    first: NodeId,
    held: Held,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    /// The leg has not come to it yet; its first node takes the place.
    NotYet,
    /// The leg has the place.
    Taken,
    /// It was given back. Whatever of the leg is started after that, because it is tried again, needs a place again.
    Given,
}

#[derive(Debug, Clone)]
struct LimitState {
    taken: u32,
    size: u32,
    gap: Option<Duration>,
    /// The last `size` starts, where there is a gap to keep.
    starts: VecDeque<Timestamp>,
}

/// Places that would be taken by nodes that are chosen together.
#[derive(Debug)]
pub struct Trial(Vec<LimitState>);

impl LimitState {
    /// Whether a place may be taken now; where only time is missing, when.
    fn open(&self, now: Timestamp) -> Result<(), Option<Timestamp>> {
        if self.taken >= self.size {
            return Err(None);
        }
        let before = (self.starts.len() >= self.size as usize).then(|| self.starts.front()).flatten();
        match (before, self.gap) {
            (Some(before), Some(gap)) if before.after(gap) > now => Err(Some(before.after(gap))),
            _ => Ok(()),
        }
    }

    fn take(&mut self, at: Timestamp) {
        self.taken += 1;
        if self.gap.is_some() {
            self.starts.push_back(at);
            if self.starts.len() > self.size as usize {
                self.starts.pop_front();
            }
        }
    }
}

impl Use {
    /// Whether the start of a node of its leg takes the place.
    fn wanted_by(&self, node: NodeId) -> bool {
        match self.held {
            Held::NotYet => node == self.first,
            Held::Taken => false,
            Held::Given => true,
        }
    }
}

impl Places {
    /// All places of a plan, free.
    pub fn new(plan: &Plan) -> Self {
        let limits = plan.limits.iter().map(|l| LimitState {
            taken: 0,
            size: l.size.max(1),
            gap: l.gap,
            starts: VecDeque::new(),
        });
        let (mut uses, count) = (Vec::new(), plan.nodes.len());
        let mut by_node = ByNode { within: vec![Vec::new(); count], gives: vec![Vec::new(); count] };
        let mut of_leg: Vec<Vec<(NodeId, NodeId, usize)>> = Vec::with_capacity(plan.legs.len());
        for leg in &plan.legs {
            let of_slots = leg.slots.iter().map(|slot| {
                let position = uses.len();
                uses.push(Use { limit: slot.limit as usize, first: slot.first, held: Held::NotYet });
                if let Some(gives) = by_node.gives.get_mut(slot.last.index()) {
                    gives.push(position);
                }
                (slot.first, slot.last, position)
            });
            of_leg.push(of_slots.collect());
        }
        for (id, node) in plan.node_ids().zip(&plan.nodes) {
            let uses = node.leg.and_then(|leg| of_leg.get(leg.index())).into_iter().flatten();
            let within = uses.filter(|(first, last, _)| *first <= id && id <= *last).map(|(_, _, p)| *p);
            if let Some(row) = by_node.within.get_mut(id.index()) {
                row.extend(within);
            }
        }
        Self { limits: limits.collect(), uses, by_node: Arc::new(by_node) }
    }

    /// A node starts: it takes the places that it needs and that its leg does not hold.
    pub fn take(&mut self, node: NodeId, at: Timestamp) {
        let by_node = Arc::clone(&self.by_node);
        for position in ByNode::of(&by_node.within, node) {
            let Some(place) = self.uses.get_mut(*position).filter(|u| u.wanted_by(node)) else { continue };
            if let Some(limit) = self.limits.get_mut(place.limit) {
                place.held = Held::Taken;
                limit.take(at);
            }
        }
    }

    /// A node that frees places is done, or will not run.
    pub fn give(&mut self, node: NodeId) {
        let by_node = Arc::clone(&self.by_node);
        for position in ByNode::of(&by_node.gives, node) {
            let Some(place) = self.uses.get_mut(*position).filter(|u| u.held == Held::Taken) else {
                continue;
            };
            if let Some(limit) = self.limits.get_mut(place.limit) {
                place.held = Held::Given;
                limit.taken = limit.taken.saturating_sub(1);
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
        let uses = ByNode::of(&places.by_node.within, node);
        let wanted = || uses.iter().filter_map(|p| places.uses.get(*p)).filter(|u| u.wanted_by(node));
        for place in wanted() {
            if let Some(limit) = self.0.get(place.limit) {
                limit.open(now)?;
            }
        }
        for place in wanted() {
            if let Some(limit) = self.0.get_mut(place.limit) {
                limit.take(now);
            }
        }
        Ok(())
    }
}
