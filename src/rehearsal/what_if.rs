//! What if one thing fails: every step with which other replicas are held up, one for each kind of consequence, rehearsed by itself.

use crate::base::{Duration, ReplicaName};
use crate::domain::Wait;
use crate::plan::{LegId, Member, NodeId, Plan, Work};
use crate::rehearsal::timeline::Shape;
use crate::rehearsal::walk::Stage;
use crate::run::{IllegalEvent, Outcome, Progress, Status, StopWhy};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// What a failure means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhatIf {
    /// The node that fails for good, after all its attempts.
    pub node: NodeId,
    /// Whose it is.
    pub replica: Option<ReplicaName>,
    /// When it is given up, from the run's begin. `None` where it is never come to.
    pub at: Option<Duration>,
    /// The other replicas that do not get through: some of their steps do not run.
    pub held: Vec<ReplicaName>,
    /// Those that are taken back as the plan says.
    pub taken_back: Vec<ReplicaName>,
    /// How many replicas get through all the same.
    pub through: usize,
    /// Whether nothing new starts from then on.
    pub stops: bool,
    /// How the run ends.
    pub outcome: Outcome,
    /// When, from its begin.
    pub ends: Duration,
}

/// The nodes whose failures are rehearsed. Steps of a leg that fail one after another mean the same as long as nobody else waits in
/// between. So of such steps one action stands for all, the one that changes a machine's power where there is one, and each wait that can
/// run out stands for itself. What runs only after another failure is left out.
#[must_use]
pub fn subjects(plan: &Plan, shape: &Shape) -> Vec<NodeId> {
    let mut chosen: Vec<NodeId> = Vec::new();
    let mut open: BTreeMap<LegId, NodeId> = BTreeMap::new();
    for (id, node) in plan.node_ids().zip(&plan.nodes) {
        let leg = node.leg.and_then(|l| Some((l, plan.leg(l)?)));
        if leg.is_some_and(|(_, leg)| leg.only_on_failure) {
            continue;
        }
        match &node.work {
            Work::Act(step) => match leg {
                Some((leg, _)) => {
                    let before = open.get(&leg).copied();
                    if before.is_none_or(|b| !changes_power(plan, b)) || step.action.machine().is_some() {
                        open.insert(leg, id);
                    }
                }
                None => chosen.push(id),
            },
            Work::Wait(Wait::Ready { .. }) | Work::Hook(_) | Work::Gate(_) | Work::Cutover(_) => {
                chosen.push(id)
            }
            // They end by the clock, and cannot fail.
            Work::Wait(Wait::Until { .. } | Wait::Quiet { .. }) | Work::Join => {}
        }
        if let Some((leg, _)) = leg
            && leads_out(plan, shape, id)
        {
            chosen.extend(open.remove(&leg));
        }
    }
    chosen.extend(open.into_values());
    chosen.sort_unstable();
    chosen
}

fn changes_power(plan: &Plan, node: NodeId) -> bool {
    matches!(plan.node(node).map(|n| &n.work), Some(Work::Act(step)) if step.action.machine().is_some())
}

/// Whether something outside of a node's leg waits for it.
fn leads_out(plan: &Plan, shape: &Shape, node: NodeId) -> bool {
    let leg = |n: NodeId| plan.node(n).and_then(|n| n.leg);
    let mut edges = shape.adjacency().outgoing(node).iter();
    edges.any(|position| plan.edges.get(*position as usize).is_some_and(|edge| leg(edge.to) != leg(node)))
}

/// Rehearses the failure of a node.
///
/// # Errors
/// A fault of the walk itself.
pub fn what_if(stage: &Stage, times: &[Duration], node: NodeId) -> Result<WhatIf, IllegalEvent> {
    let progress = stage.walk(times, Some(node))?;
    let plan = stage.plan();
    let own = plan.node(node).and_then(|n| n.leg).and_then(|l| plan.leg(l)).map(|l| &l.replica);
    let mut fates: BTreeMap<Fate, Vec<ReplicaName>> = BTreeMap::new();
    let nodes = by_leg(plan);
    for member in plan.members.iter().filter(|m| Some(&m.replica) != own) {
        fates.entry(fate(member, &nodes, &progress)).or_default().push(member.replica.clone());
    }
    let mut of = |fate: Fate| {
        let mut names = fates.remove(&fate).unwrap_or_default();
        names.sort();
        names
    };
    // Where the run goes on without what a wait was for, that is done.
    let came_to = |status| matches!(status, Status::Failed | Status::Done);
    let ended = progress.ended_at(node).filter(|_| came_to(progress.status(node)));
    // Silence at a gate may stop the run, which asks again when it is resumed.
    let unanswered = matches!(progress.stopping(), Some(StopWhy::Unanswered(asked)) if *asked == node);
    Ok(WhatIf {
        node,
        replica: own.cloned(),
        at: ended.map(|at| at.since(stage.began())).or_else(|| unanswered.then(|| progress.took())),
        held: of(Fate::Held),
        taken_back: of(Fate::TakenBack),
        through: of(Fate::Through).len(),
        stops: progress.stopping().is_some(),
        outcome: progress.outcome().unwrap_or(Outcome::Failed),
        ends: progress.took(),
    })
}

/// What becomes of a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Through,
    TakenBack,
    Held,
}

fn by_leg(plan: &Plan) -> Vec<Vec<NodeId>> {
    let mut nodes = vec![Vec::new(); plan.legs.len()];
    for (id, node) in plan.node_ids().zip(&plan.nodes) {
        if let Some(of) = node.leg.and_then(|leg| nodes.get_mut(leg.index())) {
            of.push(id);
        }
    }
    nodes
}

fn fate(member: &Member, nodes: &[Vec<NodeId>], progress: &Progress) -> Fate {
    let (mut held, mut back) = (false, false);
    for leg in &member.legs {
        let on_failure = progress.plan().leg(*leg).is_some_and(|l| l.only_on_failure);
        for node in nodes.get(leg.index()).into_iter().flatten() {
            match progress.status(*node) {
                Status::Done => back |= on_failure,
                Status::NotNeeded => {}
                Status::Pending
                | Status::Running
                | Status::Waiting
                | Status::Retrying(_)
                | Status::Failed
                | Status::InDoubt
                | Status::Blocked(_) => held |= !on_failure,
            }
        }
    }
    match (back, held) {
        (true, _) => Fate::TakenBack,
        (false, true) => Fate::Held,
        (false, false) => Fate::Through,
    }
}

/// The worst first: how the run ends, then how many are held up, then how many are taken back; then by the order of the plan.
pub fn sort(found: &mut [WhatIf], plan: &Plan) {
    found.sort_by_cached_key(|w| {
        let worst = (w.outcome, w.held.len(), w.taken_back.len());
        (Reverse(worst), w.replica.clone(), plan.node_name(w.node), w.node)
    });
}
