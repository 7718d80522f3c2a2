//! What an action needs before it, and what it does to the facts. This is the model that planner and checker reason with;
//! every provider is tested against it.

use crate::base::Timestamp;
use crate::domain::action::Action;
use crate::domain::fact::{
    Consistency, CopyFacts, Facts, FailbackFacts, PointKind, Power, Quiesce, ReplicaDisk, Replication,
    RestorePoint, Role, Sight, Stage, VmFacts,
};
use crate::domain::invariant::{Broken, broken};
use crate::domain::operation::Operation;
use crate::domain::state::State;
use serde::{Deserialize, Serialize};

/// What an action lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase")]
pub enum Unmet {
    /// The machine's site does not answer.
    #[error("the machine's site does not answer")]
    Unseen,
    /// The machine does not exist.
    #[error("the machine does not exist")]
    Absent,
    /// The replica runs where it must be off.
    #[error("the replica is running")]
    ReplicaRuns,
    /// The target runs where it must be off.
    #[error("the failback target is running")]
    TargetRuns,
    /// The restore point is not in the chain.
    #[error("the restore point is not in the chain")]
    NoPoint,
    /// Replication runs where it must be held, or the other way round.
    #[error("replication is not as it must be")]
    Replication,
    /// The replica's disks have no running delta, or one where there must be none.
    #[error("the replica's disk layers are not as they must be")]
    Layers,
    /// The failback has not come so far, or has come further.
    #[error("the failback is not at this stage")]
    Stage,
    /// Production machine and replica would run on one network at once, and their document does not allow it.
    #[error("another machine of the replica runs on its network")]
    BothServe,
    /// A copy of a drill stands above the restore points, or there is one where there must be none.
    #[error("a copy of a drill is there")]
    Copied,
    /// The copy would be on a network of another machine of its replica.
    #[error("the copy would be on a network of another machine of its replica")]
    CopyReaches,
    /// The copy runs where it must be off.
    #[error("the copy is running")]
    CopyRuns,
    /// No operation, or another one, is recorded as begun.
    #[error("another operation is recorded beside the replica")]
    Intent,
}

/// Checks what must hold before an action.
///
/// # Errors
/// The first thing that is missing.
pub fn requires(action: &Action, facts: &Facts) -> Result<(), Unmet> {
    use Unmet as U;
    let need = |holds: bool, unmet: Unmet| if holds { Ok(()) } else { Err(unmet) };
    let replica_off = facts.replica.runs() == Some(false);
    let target_off = facts.vm(Role::Target).runs() == Some(false);
    let stage = facts.stage();
    let intent = facts.relation.intent.is_some();
    match action {
        Action::Begin { operation } => {
            need(facts.relation.intent.as_ref().is_none_or(|i| may_follow(i, operation)), U::Intent)
        }
        Action::CreatePoint { .. } => {
            seen(facts, Role::Source)?;
            need(facts.relation.replication == Replication::Active, U::Replication)?;
            need(replica_off, U::ReplicaRuns)?;
            need(!facts.disk.delta, U::Layers)
        }
        Action::Retain { .. } => need(facts.disk.in_use.is_none(), U::Layers),
        Action::ShutDown { vm, .. } | Action::PowerOff { vm } => match facts.vm(*vm) {
            Sight::Unseen => Err(U::Unseen),
            Sight::Absent | Sight::Present(_) => Ok(()),
        },
        Action::PowerOn { vm: Role::Replica } => {
            seen(facts, Role::Replica)?;
            need(facts.disk.delta, U::Layers)
        }
        Action::PowerOn { vm: Role::Target } => {
            seen(facts, Role::Target)?;
            need(stage == Some(Stage::Merged), U::Stage)?;
            need(replica_off, U::ReplicaRuns)
        }
        Action::PowerOn { vm: Role::Source } => {
            seen(facts, Role::Source)?;
            need(!facts.disk.delta && replica_off, U::ReplicaRuns)
        }
        Action::PowerOn { vm: Role::Copy } => {
            seen(facts, Role::Copy)?;
            let links = facts.copy.machine.facts().map(|vm| vm.links.as_slice()).unwrap_or_default();
            need(CopyFacts::reaches(links, facts).is_none(), U::CopyReaches)
        }
        Action::MakeCopy { point, links } => {
            // What an attempt before left of the same copy is completed.
            let begun = facts.copy.point.as_ref() == Some(point) && facts.copy.machine == Sight::Absent;
            need(facts.copy.is_nothing() || begun, U::Copied)?;
            need(facts.point(point).is_some(), U::NoPoint)?;
            need(CopyFacts::reaches(links, facts).is_none(), U::CopyReaches)
        }
        Action::RemoveCopy => match facts.copy.machine.runs() {
            Some(runs) => need(!runs, U::CopyRuns),
            None => Err(U::Unseen),
        },
        Action::Hold => need(intent, U::Intent),
        Action::Resume => need(intent && !facts.disk.delta, U::Layers),
        Action::Exclude => need(facts.disk.merged, U::Layers),
        Action::Revert { point } => {
            need(facts.relation.replication == Replication::Held, U::Replication)?;
            need(replica_off, U::ReplicaRuns)?;
            need(!facts.disk.delta, U::Layers)?;
            need(facts.point(point).is_some(), U::NoPoint)
        }
        Action::StartDelta => {
            need(replica_off, U::ReplicaRuns)?;
            need(facts.disk.in_use.is_some(), U::Layers)
        }
        Action::Connect { .. } => need(replica_off, U::ReplicaRuns),
        Action::DropDelta => {
            need(replica_off, U::ReplicaRuns)?;
            need(facts.relation.failback.is_none(), U::Stage)
        }
        Action::Merge => {
            need(intent && facts.disk.delta, U::Layers)?;
            need(facts.copy.is_nothing(), U::Copied)
        }
        Action::CreateTarget => need(stage == Some(Stage::Begun), U::Stage),
        Action::SnapshotTarget { phase } => {
            seen(facts, Role::Target)?;
            need(target_off, U::TargetRuns)?;
            need(stage == Some(if *phase == 1 { Stage::Begun } else { Stage::Synced }), U::Stage)
        }
        Action::Protect { phase: 1 } => need(stage == Some(Stage::Snapshotted), U::Stage),
        Action::Protect { .. } => {
            need(replica_off, U::ReplicaRuns)?;
            need(stage == Some(Stage::Resnapshotted), U::Stage)
        }
        Action::SendChanges { phase } => {
            seen(facts, Role::Target)?;
            need(target_off, U::TargetRuns)?;
            need(*phase == 1 || replica_off, U::ReplicaRuns)?;
            need(stage == Some(if *phase == 1 { Stage::Protected } else { Stage::Reprotected }), U::Stage)
        }
        Action::MergeTarget => need(stage == Some(Stage::Resynced), U::Stage),
        Action::RevertTarget => {
            seen(facts, Role::Target)?;
            need(target_off, U::TargetRuns)
        }
        Action::RevertReplica => need(replica_off, U::ReplicaRuns),
        Action::Unprotect | Action::SetSwitchover { .. } => need(stage.is_some(), U::Stage),
        Action::Reassign => need(stage == Some(Stage::Merged), U::Stage),
        Action::KeepProtective { .. } => {
            need(replica_off, U::ReplicaRuns)?;
            need(facts.disk.protective == Some(2) && stage == Some(Stage::Merged), U::Stage)
        }
        Action::Conclude { .. } => need(intent, U::Intent),
    }
}

/// Checks what must hold at the moment at which a machine is started, whatever was true when that was planned. `may_share` is the document's
/// word that source and replica may serve at once.
///
/// # Errors
/// [`Unmet::BothServe`].
pub fn alone(action: &Action, facts: &Facts, may_share: bool) -> Result<(), Unmet> {
    let Action::PowerOn { vm } = action else { return Ok(()) };
    // One that was started and stands still before its first cycle does not run yet, whatever its host says.
    let mut off = facts.clone();
    if let Sight::Present(machine) = off.vm_mut(*vm) {
        machine.power = Power::Off;
    }
    let before = broken(&off, may_share);
    let after = broken(&effect(action, facts.clone(), Timestamp::default()), may_share);
    let both = |b: &&Broken| matches!(b, Broken::BothServe { .. }) && !before.contains(b);
    if after.iter().any(|b| both(&b)) { Err(Unmet::BothServe) } else { Ok(()) }
}

/// An operation may be begun while another one is recorded only as that one's way back.
fn may_follow(recorded: &Operation, next: &Operation) -> bool {
    use Operation as O;
    recorded == next
        || matches!(
            (recorded, next),
            (O::Failover { .. } | O::PlannedFailover { .. } | O::Replicate { .. }, O::UndoFailover)
                | (O::Failback { .. } | O::Switchover { .. }, O::UndoFailback)
                // A lost replication run is simply begun anew.
                | (O::Replicate { .. }, O::Replicate { .. })
        )
}

fn seen(facts: &Facts, role: Role) -> Result<(), Unmet> {
    match facts.vm(role) {
        Sight::Unseen => Err(Unmet::Unseen),
        Sight::Absent => Err(Unmet::Absent),
        Sight::Present(_) => Ok(()),
    }
}

/// The facts after an action that was carried out at `at`. Total: where the action's requirements do not hold, it changes what it can.
#[must_use]
pub fn effect(action: &Action, mut facts: Facts, at: Timestamp) -> Facts {
    match action {
        Action::Begin { operation } => begin(&mut facts, operation),
        Action::CreatePoint { point, kind, quiesce } => {
            // That the agent of a guest that runs answers is for its provider to see, and to say otherwise.
            let consistency = match (facts.source.runs(), quiesce) {
                (Some(true), Quiesce::Never) => Consistency::Crash,
                (Some(true), _) => Consistency::Application,
                _ => Consistency::Clean,
            };
            create_point(&mut facts, RestorePoint { id: point.clone(), at, kind: *kind, consistency });
        }
        Action::Retain { keep } if facts.copy.point.is_none() => {
            let excess = facts.points.len().saturating_sub(*keep as usize);
            facts.points.drain(..excess);
        }
        // A copy runs above one of them.
        Action::Retain { .. } => {}
        Action::ShutDown { vm, .. } | Action::PowerOff { vm } => switch(&mut facts, *vm, Power::Off),
        Action::PowerOn { vm } => {
            switch(&mut facts, *vm, Power::On);
            match vm {
                Role::Replica => {
                    facts.relation.failed_over_at.get_or_insert(at);
                }
                Role::Target => facts.relation.switched_at = Some(at),
                Role::Source | Role::Copy => {}
            }
        }
        Action::Hold => facts.relation.replication = Replication::Held,
        Action::Resume => facts.relation.replication = Replication::Active,
        Action::Exclude => facts.relation.replication = Replication::Excluded,
        Action::Revert { point } => facts.disk.in_use = Some(point.clone()),
        Action::StartDelta => facts.disk.delta = true,
        Action::DropDelta => {
            facts.disk = ReplicaDisk::default();
            facts.relation.failed_over_at = None;
        }
        Action::Connect { links } => {
            if let Sight::Present(vm) = &mut facts.replica {
                vm.links.clone_from(links);
            }
        }
        Action::Merge => {
            facts.points.clear();
            facts.disk = ReplicaDisk { merged: true, ..ReplicaDisk::default() };
        }
        Action::CreateTarget => *facts.vm_mut(Role::Target) = off(),
        Action::SnapshotTarget { phase } => {
            advance(&mut facts, *phase, Stage::Snapshotted, Stage::Resnapshotted)
        }
        Action::Protect { phase } => {
            advance(&mut facts, *phase, Stage::Protected, Stage::Reprotected);
            facts.disk.protective = Some(*phase);
        }
        Action::SendChanges { phase } => advance(&mut facts, *phase, Stage::Synced, Stage::Resynced),
        Action::MergeTarget => advance(&mut facts, 2, Stage::Merged, Stage::Merged),
        Action::RevertTarget => advance(&mut facts, 1, Stage::Begun, Stage::Begun),
        Action::RevertReplica => facts.disk.protective = Some(1),
        Action::Unprotect => facts.disk.protective = None,
        Action::SetSwitchover { switchover } => {
            if let Some(failback) = &mut facts.relation.failback {
                failback.switchover = *switchover;
            }
        }
        Action::Reassign => reassign(&mut facts),
        Action::KeepProtective { point } => {
            let (kind, consistency) = (PointKind::Protective, Consistency::Clean);
            facts.points.push(RestorePoint { id: point.clone(), at, kind, consistency });
            facts.disk = ReplicaDisk::default();
            facts.relation.failed_over_at = None;
        }
        Action::MakeCopy { point, links } => {
            let machine = Sight::Present(VmFacts { power: Power::Off, links: links.clone() });
            facts.copy = CopyFacts { machine, point: Some(point.clone()), by: None };
        }
        Action::RemoveCopy => facts.copy = CopyFacts::default(),
        Action::Conclude { state } => conclude(&mut facts, *state),
    }
    facts
}

fn begin(facts: &mut Facts, operation: &Operation) {
    facts.relation.intent = Some(operation.clone());
    if let Operation::Failback { target, switchover } = operation {
        // A failback that is already recorded to the same target goes on where it is.
        let stage = match &facts.relation.failback {
            Some(recorded) if recorded.target == *target => recorded.stage,
            Some(_) | None => Stage::Begun,
        };
        facts.relation.failback =
            Some(FailbackFacts { target: target.clone(), switchover: *switchover, stage });
        // Whether the other machine exists is not known before it is looked at; a restored one must, a recovered one must not.
        if facts.target.is_none() {
            facts.target = match target {
                crate::domain::FailbackTarget::Original => None,
                crate::domain::FailbackTarget::Elsewhere(_) => Some(off()),
                crate::domain::FailbackTarget::Recovered(_) => Some(Sight::Absent),
            };
        }
    }
}

fn create_point(facts: &mut Facts, point: RestorePoint) {
    if facts.replica == Sight::Absent {
        facts.replica = off();
    }
    if let Sight::Present(source) = &facts.source {
        facts.relation.source_links.clone_from(&source.links);
    }
    facts.points.push(point);
}

fn switch(facts: &mut Facts, role: Role, power: Power) {
    let is_source = role == Role::Source || (role == Role::Target && facts.target.is_none());
    if let Sight::Present(vm) = facts.vm_mut(role)
        && vm.power != power
    {
        vm.power = power;
        if is_source {
            facts.relation.source_stopped = power == Power::Off;
        }
    }
}

fn advance(facts: &mut Facts, phase: u8, first: Stage, second: Stage) {
    if let Some(failback) = &mut facts.relation.failback {
        failback.stage = if phase == 1 { first } else { second };
    }
}

fn reassign(facts: &mut Facts) {
    let target = facts.relation.failback.as_ref().and_then(|f| f.target.other()).cloned();
    if let Some(vm) = target {
        facts.relation.source = vm;
        facts.relation.source_stopped = false;
        if let Some(sight) = facts.target.take() {
            facts.source = sight;
        }
    }
}

fn conclude(facts: &mut Facts, state: State) {
    facts.relation.intent = None;
    match state {
        State::Unprotected | State::Ready | State::Failover | State::Permanent => {
            facts.relation.failback = None;
            facts.relation.switched_at = None;
            facts.target = None;
        }
        State::ReadyToSwitch | State::Failback => {}
    }
}

fn off() -> Sight {
    Sight::Present(VmFacts { power: Power::Off, links: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{NetworkName, SiteName, VmName};
    use crate::domain::fact::{Link, Relation, VmRef};

    #[test]
    fn a_machine_is_not_started_beside_one_that_has_come_back() {
        let machine = |power, network| {
            let link = Link::on(NetworkName::fixed(network));
            Sight::Present(VmFacts { power, links: vec![link] })
        };
        let source = VmRef { site: SiteName::fixed("prod"), vm: VmName::fixed("db") };
        let facts = |source_power, network| Facts {
            source: machine(source_power, "lan"),
            replica: machine(Power::Off, network),
            target: None,
            points: Vec::new(),
            disk: ReplicaDisk { delta: true, ..ReplicaDisk::default() },
            relation: Relation { replication: Replication::Held, ..Relation::new(source.clone()) },
            copy: CopyFacts::default(),
        };
        let start = Action::PowerOn { vm: Role::Replica };
        let on = facts(Power::On, "lan");
        assert_eq!(requires(&start, &on), Ok(()), "what was planned is lawful by itself");
        assert_eq!(alone(&start, &on, false), Err(Unmet::BothServe));
        assert_eq!(alone(&start, &on, true), Ok(()));
        assert_eq!(alone(&start, &facts(Power::On, "dr"), false), Ok(()));
        assert_eq!(alone(&start, &facts(Power::Off, "lan"), false), Ok(()));
        assert_eq!(alone(&start, &Facts { source: Sight::Unseen, ..on.clone() }, false), Ok(()));
        assert_eq!(alone(&Action::Hold, &on, false), Ok(()));
        let begun = Facts { replica: machine(Power::On, "lan"), ..on };
        assert_eq!(alone(&start, &begun, false), Err(Unmet::BothServe), "its start was begun before");
    }
}
