//! How many at once. A place covers a stretch of a leg in which nothing waits for another replica, so that no two replicas can
//! ever wait for each other's places.

use super::case::Case;
use super::draft::{Draft, Placed};
use super::legs::Placement;
use crate::base::SiteName;
use crate::domain::{Action, OperationKind};
use crate::model::{Slot, Workspace};
use crate::plan::{LimitKind, NodeId, SlotUse, Work};

/// Puts the legs of a replica under the limits that concern them.
pub fn limit(draft: &mut Draft, workspace: &Workspace, case: &Case<'_>, placement: &Placement) {
    for (kind, placed) in &placement.legs {
        match kind {
            OperationKind::Failover
            | OperationKind::PlannedFailover
            | OperationKind::Switchover
            | OperationKind::Drill => {
                copies(draft, workspace, case, placed);
                let last = match case.plan.map(|p| p.slot).unwrap_or_default() {
                    Slot::Done => placed.concluded,
                    Slot::Ready => placed.last,
                };
                if let Some(first) = placed.start {
                    start(draft, workspace, case, (placed, first, last));
                }
            }
            OperationKind::UndoFailover | OperationKind::UndoFailback | OperationKind::EndDrill => {
                undo(draft, workspace, case, placed);
            }
            OperationKind::Replicate
            | OperationKind::PermanentFailover
            | OperationKind::Failback
            | OperationKind::CommitFailback => copies(draft, workspace, case, placed),
        }
    }
}

/// Copying counts as one of the starts, each copy by itself.
fn copies(draft: &mut Draft, workspace: &Workspace, case: &Case<'_>, placed: &Placed) {
    // The nodes of a leg stand behind each other until the plan is numbered.
    for id in (placed.first.0..=placed.last.0).map(NodeId) {
        let copies = draft.nodes.get(id.index()).is_some_and(|n| match &n.work {
            Work::Act(step) => {
                matches!(step.action, Action::CreatePoint { .. } | Action::SendChanges { .. } | Action::Merge)
            }
            Work::Wait(_) | Work::Hook(_) | Work::Gate(_) | Work::Cutover(_) | Work::Join => false,
        });
        if copies && placed.start.is_none_or(|start| id < start) {
            start(draft, workspace, case, (placed, id, id));
        }
    }
}

fn start(draft: &mut Draft, workspace: &Workspace, case: &Case<'_>, range: (&Placed, NodeId, NodeId)) {
    let (placed, first, last) = range;
    if let Some(plan) = case.plan {
        let limit = draft.limit(LimitKind::PlanStart(plan.name.clone()), plan.start_limit, None);
        draft.slot(placed.leg, SlotUse { limit, first, last });
    }
    let site = &case.replica.replica.site;
    if let Some(size) = workspace.sites.get(site).and_then(|s| s.start_limit) {
        let limit = draft.limit(LimitKind::SiteStart(site.clone()), size, None);
        draft.slot(placed.leg, SlotUse { limit, first, last });
    }
}

fn undo(draft: &mut Draft, workspace: &Workspace, case: &Case<'_>, placed: &Placed) {
    // What comes back afterwards waits for the entries before it, so the place is free before that.
    let last = placed.before_start.unwrap_or(placed.concluded);
    let first = placed.first;
    if let Some(plan) = case.plan {
        let limit = draft.limit(LimitKind::PlanUndo(plan.name.clone()), plan.undo_limit, Some(plan.undo_gap));
        draft.slot(placed.leg, SlotUse { limit, first, last });
    }
    let site: &SiteName = &case.replica.replica.site;
    if let Some(size) = workspace.sites.get(site).and_then(|s| s.undo_limit) {
        let limit = draft.limit(LimitKind::SiteUndo(site.clone()), size, None);
        draft.slot(placed.leg, SlotUse { limit, first, last });
    }
}
