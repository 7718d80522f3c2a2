//! Failover, planned failover and undo failover (guide: pages of these names).

use super::Particulars;
use crate::base::PointId;
use crate::domain::{Action, Facts, PointKind, Quiesce, Role};

/// Failover to a point. The source is powered off before the replica starts, where the plan says so.
pub fn unplanned(point: &PointId, with: &Particulars) -> Vec<Action> {
    let stop = with.stop_source.then_some(Action::PowerOff { vm: Role::Source });
    stop.into_iter().chain(start_from(point, with)).collect()
}

/// Planned failover: a helper point while the source runs keeps the second one, made while nothing runs, small. Once the second
/// one is there, the source is not needed any more.
pub fn planned(first: &PointId, last: &PointId, with: &Particulars, facts: &Facts) -> Vec<Action> {
    // What a failover ends with is made while nothing runs; an agent that does not answer must not keep it from that.
    let quiesce = if with.quiesce == Quiesce::Required { Quiesce::Auto } else { with.quiesce };
    let helper =
        |point: &PointId| Action::CreatePoint { point: point.clone(), kind: PointKind::Helper, quiesce };
    let copied = facts.point(last).is_some();
    let copy = [helper(first), Action::ShutDown { vm: Role::Source, within: with.shutdown }, helper(last)];
    copy.into_iter().filter(|_| !copied).chain(start_from(last, with)).collect()
}

fn start_from(point: &PointId, with: &Particulars) -> [Action; 5] {
    [
        Action::Hold,
        Action::Revert { point: point.clone() },
        Action::StartDelta,
        Action::Connect { links: with.links.clone() },
        Action::PowerOn { vm: Role::Replica },
    ]
}

/// Undo failover. A source that we stopped is started again, after the replica is off.
pub fn undo(facts: &Facts) -> Vec<Action> {
    let restart = facts.relation.source_stopped && facts.source.facts().is_some();
    [Action::PowerOff { vm: Role::Replica }, Action::DropDelta, Action::Resume]
        .into_iter()
        .chain(restart.then_some(Action::PowerOn { vm: Role::Source }))
        .collect()
}
