//! Failures and what answers them: what the plan goes on in spite of, what may fail, what may be tried again; and the numbers of it all.

use super::{Progress, Status};
use crate::domain::{IfFailed, OperationKind};
use crate::plan::{Edge, Leg, LegId, NodeId, On, Purpose, Work};
use crate::run::event::IllegalEvent;
use crate::run::outcome::{NotRun, Summary};
use std::collections::BTreeSet;

impl Progress {
    /// Whether the failure of a node has its answer in the plan: there is a way back for it, or everything goes on all the same.
    #[must_use]
    pub fn is_answered(&self, node: NodeId) -> bool {
        let mut blocked = self.nodes(|s| s == Status::Blocked(node));
        self.plan.is_afterwards(node)
            || self.is_superseded(node)
            || (self.edges(node).iter().any(|e| e.on == On::Failed) && !self.strands_another(node))
            || (self.passed_over.contains(&node) && blocked.all(|n| self.plan.is_afterwards(n)))
            || self.may_fail(node)
            || self.is_cleaned_up(node)
    }

    /// Whether the operation of another replica stands still in its middle because of a failure: the way back of the one that failed is no answer
    /// for it.
    fn strands_another(&self, node: NodeId) -> bool {
        let leg = |node: NodeId| self.plan.node(node).and_then(|n| n.leg);
        let replica = |leg: LegId| self.plan.leg(leg).map(|leg| &leg.replica);
        let acts = |n: &NodeId| matches!(self.plan.node(*n).map(|n| &n.work), Some(Work::Act(_)));
        let begun = self.plan.node_ids().filter(|n| self.started_at(*n).is_some()).filter(acts);
        let begun: BTreeSet<LegId> = begun.filter_map(leg).collect();
        let is_open =
            |leg: &LegId| self.plan.leg(*leg).is_some_and(|leg| self.status(leg.concluded) != Status::Done);
        let own = leg(node).and_then(replica);
        let mut stuck = self.nodes(|s| s == Status::Blocked(node)).filter_map(leg).filter(is_open);
        stuck.any(|leg| begun.contains(&leg) && replica(leg) != own)
    }

    /// Whether a name that was not set was to say something else afterwards, and that has begun: what it was to say first is past.
    fn is_superseded(&self, node: NodeId) -> bool {
        let name = |node: NodeId| match &self.plan.node(node)?.work {
            Work::Cutover(cutover) => Some((&cutover.name, cutover.kind)),
            Work::Act(_) | Work::Wait(_) | Work::Hook(_) | Work::Gate(_) | Work::Join => None,
        };
        let later = |edge: &Edge| name(edge.to) == name(node) && self.started_at(edge.to).is_some();
        name(node).is_some() && self.edges(node).iter().any(later)
    }

    /// Whether a node is a part of a drill whose copies are all removed: nothing is left that somebody would have to go on with.
    fn is_cleaned_up(&self, node: NodeId) -> bool {
        let mut ends = self.ends_of_drill().peekable();
        !self.ends_drill(node)
            && ends.peek().is_some()
            && ends.all(|leg| self.status(leg.concluded) == Status::Done)
    }

    fn ends_of_drill(&self) -> impl Iterator<Item = &Leg> {
        let drills = matches!(self.plan.purpose, Purpose::Drill { .. });
        let ends = self.plan.legs.iter().filter(|leg| leg.operation.kind() == OperationKind::EndDrill);
        ends.filter(move |_| drills)
    }

    fn ends_drill(&self, node: NodeId) -> bool {
        let leg = self.plan.node(node).and_then(|n| n.leg).and_then(|l| self.plan.leg(l));
        leg.is_some_and(|leg| leg.operation.kind() == OperationKind::EndDrill)
    }

    /// Whether a node belongs to what may fail, and nothing that is required did not run because of it.
    fn may_fail(&self, node: NodeId) -> bool {
        let mut blocked = self.nodes(|s| s == Status::Blocked(node));
        self.is_optional(node)
            && blocked.all(|n| self.is_join(n) || self.is_optional(n) || self.plan.is_afterwards(n))
    }

    fn is_optional(&self, node: NodeId) -> bool {
        let optional = |leg: LegId| {
            let leg = self.plan.leg(leg);
            leg.is_some_and(|l| l.optional || l.quorum.is_some_and(|q| self.status(q) == Status::Done))
        };
        match self.plan.node(node).map(|n| (&n.work, n.leg)) {
            // It is needed by those that it is about.
            Some((Work::Hook(hook), _)) => !hook.legs.is_empty() && hook.legs.iter().all(|l| optional(*l)),
            Some((Work::Act(_) | Work::Wait(_) | Work::Gate(_) | Work::Cutover(_) | Work::Join, leg)) => {
                leg.is_some_and(optional)
            }
            None => false,
        }
    }

    /// The failures that may be tried again when the run is taken up: not those that a person called failed, not those to which the plan's way
    /// back has begun, and not a name that says something else by now.
    pub fn to_retry(&self) -> impl Iterator<Item = NodeId> {
        let failed = self.nodes(|s| s == Status::Failed);
        failed
            .filter(move |n| !self.by_hand.contains(n) && !self.is_taken_back(*n) && !self.is_superseded(*n))
    }

    /// Whether the plan's way back for the failure of a node has begun.
    #[must_use]
    pub fn is_taken_back(&self, node: NodeId) -> bool {
        let began = |node: NodeId| self.started_at(node).is_some();
        let ended = !self.ends_drill(node) && self.ends_of_drill().any(|leg| began(leg.first));
        ended || self.edges(node).iter().any(|e| e.on == On::Failed && began(e.to))
    }

    /// The numbers of the run.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for (id, node) in self.plan.node_ids().zip(&self.plan.nodes) {
            if node.work == Work::Join {
                continue;
            }
            summary.of += 1;
            match self.status(id) {
                Status::Done => summary.done += 1,
                Status::Failed => summary.failed.push(id),
                Status::InDoubt => summary.in_doubt.push(id),
                Status::NotNeeded => summary.of -= 1,
                Status::Blocked(by) => summary.not_run.push(NotRun { node: id, because: Some(by) }),
                Status::Pending | Status::Running | Status::Waiting | Status::Retrying(_) => {
                    summary.not_run.push(NotRun { node: id, because: None });
                }
            }
        }
        let excused = summary.failed.iter().copied().filter(|n| self.may_fail(*n));
        let exceptions: BTreeSet<NodeId> =
            (&(&self.by_hand | &self.passed_over) | &self.went_on).into_iter().chain(excused).collect();
        summary.exceptions = exceptions.into_iter().collect();
        summary
    }

    /// A step is wanted tried again. Of what is done that can be a fence alone: its host may have come back since its proof was given.
    pub(super) fn reopened(&mut self, node: NodeId) -> Result<(), IllegalEvent> {
        let fence = self.is_fence(node);
        self.legal(node, "reopened", |s| {
            matches!(s, Status::Failed | Status::InDoubt) || (fence && s == Status::Done)
        })?;
        self.set(node, Status::Pending);
        self.tried(node, 0);
        self.known.remove(&node);
        self.by_hand.remove(&node);
        self.derive();
        Ok(())
    }

    fn is_fence(&self, node: NodeId) -> bool {
        matches!(self.plan.node(node).map(|n| &n.work), Some(Work::Hook(hook)) if hook.is_fence())
    }

    /// The fences that are done, and for which something waits that may still start.
    pub fn fences_relied_on(&self) -> impl Iterator<Item = NodeId> {
        let may_start = |node: NodeId| match self.status(node) {
            Status::Blocked(by) => self.status(by) == Status::InDoubt,
            status => status.is_open(),
        };
        let relied_on = move |node: &NodeId| self.edges(*node).iter().any(|edge| may_start(edge.to));
        self.nodes(|s| s == Status::Done).filter(|node| self.is_fence(*node)).filter(relied_on)
    }

    /// Whether a step that is tried again waits for a fence whose proof is asked anew. One that has not begun waits for it in any case, and
    /// what goes on without its fence goes on without its proof.
    pub(super) fn is_unproven(&self, node: NodeId) -> bool {
        let froms = || self.adjacency.incoming(node).iter().filter_map(|p| self.plan.edges.get(*p as usize));
        let relies = |edge: &&Edge| edge.on == On::Done && self.is_fence(edge.from);
        let missing = |edge: &Edge| match self.status(edge.from) {
            Status::Done => false,
            status => status.is_open() || edge.if_failed != IfFailed::Continue,
        };
        matches!(self.status(node), Status::Retrying(_)) && froms().filter(relies).any(missing)
    }

    /// Whether what is known of a node is a person's word.
    #[must_use]
    pub fn is_by_hand(&self, node: NodeId) -> bool {
        self.by_hand.contains(&node)
    }
}
