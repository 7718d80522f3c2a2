//! The legs of one replica as nodes, chained, with the waits that belong to them.

use super::case::Case;
use super::draft::{Draft, Placed, Wire};
use super::itinerary::{Itinerary, LegDraft};
use super::recipe;
use crate::base::Duration;
use crate::domain::{AtEnd, FailbackTarget, IfFailed, Once, Operation, OperationKind, Role, Step, Wait};
use crate::inventory::Typical;
use crate::model::{Otherwise, Retries};
use crate::plan::{Leg, LegId, NodeId, On, Work};

/// The legs of a replica in the plan being put together.
#[derive(Debug, Clone, Default)]
pub struct Placement {
    /// Its legs on the ordinary way.
    pub legs: Vec<(OperationKind, Placed)>,
    /// All its legs, those included that run only on a failure.
    pub all: Vec<LegId>,
    /// The nodes that verify a failback.
    pub verified: Vec<NodeId>,
    /// Its names so far.
    named: Vec<NodeId>,
}

/// Places all legs of a replica.
pub fn place(draft: &mut Draft, case: &Case<'_>, itinerary: &Itinerary) -> Placement {
    let mut placement = Placement::default();
    let mut before: Option<NodeId> = None;
    for leg in &itinerary.legs {
        let verification = match leg.operation.kind() {
            OperationKind::CommitFailback => verification(case),
            _ => Vec::new(),
        };
        // What a drill leaves is removed whatever became of it: that is wired when all legs are there.
        let follows = before.filter(|_| leg.operation.kind() != OperationKind::EndDrill);
        let mut placer = Placer::new(draft, case, leg, follows);
        for wait in verification {
            placement.verified.push(placer.wait(wait));
        }
        let placed = placer.finish(&mut placement.named, false);
        before = Some(placed.last);
        placement.all.push(placed.leg);
        placement.legs.push((leg.operation.kind(), placed));
    }
    if let Some(undo) = &itinerary.on_failed_verification {
        place_undo(draft, case, undo, &mut placement);
    }
    placement
}

/// A failback whose target does not come up, or does not stay up, is undone: one leg for each wait that can fail, of which at
/// most one will run.
fn place_undo(draft: &mut Draft, case: &Case<'_>, undo: &LegDraft, placement: &mut Placement) {
    let switched = placement.legs.iter().filter(|(kind, _)| *kind == OperationKind::Switchover);
    let waits: Vec<NodeId> =
        switched.filter_map(|(_, p)| p.awaited).chain(placement.verified.clone()).collect();
    for wait in waits {
        // At most one of them runs, so that none waits for the names of another one.
        let mut named = placement.named.clone();
        let placed = Placer::new(draft, case, undo, None).finish(&mut named, true);
        draft.edge(wait, placed.first, Wire { on: On::Failed, ..Wire::DONE });
        placement.all.push(placed.leg);
    }
}

/// The waits that must end well before a commit. That the target is ready is waited for by the switchover itself where it is in
/// the same plan; the quiet time comes on top.
fn verification(case: &Case<'_>) -> Vec<Wait> {
    let Some(verify) = case.desired.failback.verify else { return Vec::new() };
    let replica = case.replica;
    if verify.ready {
        let readiness = Box::new(replica.ready.quiet_for(verify.quiet));
        return vec![Wait::Ready { replica: replica.name.clone(), vm: Role::Target, readiness }];
    }
    let quiet = Wait::Quiet { time: verify.quiet };
    (verify.quiet > Duration::ZERO).then_some(quiet).into_iter().collect()
}

/// The first copy of a machine, and the copy to a machine that is built anew, carry everything; all others what has changed.
fn copies_all(case: &Case<'_>, operation: &Operation) -> bool {
    match operation {
        Operation::Replicate { .. } => case.facts().is_some_and(|f| f.points.is_empty()),
        Operation::Failback { target, .. } => matches!(target, FailbackTarget::Recovered(_)),
        _ => false,
    }
}

/// Whether the document says that the operation is undone where its machine does not get ready.
fn leads_back(case: &Case<'_>, operation: &Operation) -> bool {
    let undone = case.desired.failback.verify.is_some_and(|v| v.otherwise == Otherwise::Undo);
    undone && operation.kind() == OperationKind::Switchover
}

/// Adds one leg node by node.
struct Placer<'a, 'b> {
    draft: &'a mut Draft,
    case: &'a Case<'b>,
    leg: &'a LegDraft,
    id: LegId,
    typical: Typical,
    before: Option<NodeId>,
    first: Option<NodeId>,
}

impl<'a, 'b> Placer<'a, 'b> {
    fn new(draft: &'a mut Draft, case: &'a Case<'b>, leg: &'a LegDraft, before: Option<NodeId>) -> Self {
        let id = draft.next_leg();
        let typical = case.observed.map(|o| o.typical).unwrap_or_default();
        let sync = if copies_all(case, &leg.operation) { typical.full } else { typical.sync };
        let typical = Typical { sync, ..typical };
        let mut placer = Self { draft, case, leg, id, typical, before, first: None };
        if let Some(at) = leg.not_before {
            let node = placer.wait(Wait::Until { at });
            if let Some(node) = placer.draft.nodes.get_mut(node.index()) {
                node.typical = at.since(case.inventory.at);
            }
        }
        placer
    }

    fn push(&mut self, work: Work) -> NodeId {
        let acts = matches!(work, Work::Act(_));
        let node = self.draft.node(work, Some(self.id), &self.typical);
        let retries = self.case.sequence_entry().and_then(|e| e.retries).filter(|_| acts);
        if let (Some(Retries { attempts, pause }), Some(node)) =
            (retries, self.draft.nodes.get_mut(node.index()))
        {
            (node.attempts, node.pause) = (attempts, pause);
        }
        if let Some(before) = self.before {
            self.draft.edge(before, node, Wire::DONE);
        }
        self.before = Some(node);
        self.first.get_or_insert(node);
        node
    }

    fn wait(&mut self, wait: Wait) -> NodeId {
        self.push(Work::Wait(wait))
    }

    /// The names that follow the machine from then on. They stand beside the chain: no machine waits for a name, which waits only for those of
    /// the legs before, whatever became of them, so that the last one to be changed is the last one of the plan.
    fn names(&mut self, once: Once, earlier: &[NodeId]) -> Vec<NodeId> {
        let wanted = self.leg.names.iter().filter(|c| c.once == once);
        let mut named = Vec::new();
        for cutover in wanted {
            let node =
                self.draft.node(Work::Cutover(Box::new(cutover.clone())), Some(self.id), &self.typical);
            if let Some(before) = self.before {
                self.draft.edge(before, node, Wire::DONE);
            }
            self.draft.wire(earlier, &[node], Wire { if_failed: IfFailed::Continue, ..Wire::DONE });
            named.push(node);
        }
        named
    }

    /// The rest of the leg: its actions, the wait for readiness, and the names.
    fn finish(mut self, named: &mut Vec<NodeId>, only_on_failure: bool) -> Placed {
        let operation = &self.leg.operation;
        let (mut stop, mut start, mut before_stop, mut before_start) = (None, None, None, None);
        let mut concluded = None;
        for action in &self.leg.actions {
            let (stops, starts) = (recipe::stops(operation, action), recipe::starts(operation, action));
            let before = self.before.filter(|_| self.first.is_some());
            let step = Step { replica: self.case.replica.name.clone(), action: action.clone() };
            let node = self.push(Work::Act(step));
            if stops {
                (stop, before_stop) = (Some(node), before);
            }
            if starts && start.is_none() {
                (start, before_start) = (Some(node), before);
            }
            concluded = Some(node);
        }
        // A leg always has an action: where all else is there already, the conclusion is not.
        let concluded = concluded.unwrap_or(NodeId(0));
        let mut names = self.names(Once::Started, named);
        let mut awaited = None;
        if let Some(vm) = self.leg.awaits {
            let replica = self.case.replica;
            let mut readiness = Box::new(replica.ready.clone());
            if leads_back(self.case, operation) {
                // What was said of its failure is the way back.
                readiness.otherwise = AtEnd::Stop;
            }
            awaited =
                Some(self.push(Work::Wait(Wait::Ready { replica: replica.name.clone(), vm, readiness })));
        }
        names.extend(self.names(Once::Ready, named));
        named.extend(names);
        let (first, last) = (self.first.unwrap_or(concluded), self.before.unwrap_or(concluded));
        self.draft.legs.push(Leg {
            replica: self.case.replica.name.clone(),
            operation: operation.clone(),
            to: self.leg.to,
            why: self.leg.why.clone(),
            entry: self.case.entry_name(),
            first,
            concluded,
            last,
            slots: Vec::new(),
            only_on_failure,
            optional: self.case.sequence_entry().is_some_and(|e| !e.required),
            quorum: None,
        });
        Placed { leg: self.id, first, before_stop, stop, start, before_start, concluded, awaited, last }
    }
}
