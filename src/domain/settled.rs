//! Whether an action is already there: read off the facts alone, so that any runner can settle another one's step.

use crate::domain::action::Action;
use crate::domain::fact::{Facts, Power, Replication, Role, Sight, Stage};
use crate::domain::state::{Condition, condition};
use serde::{Deserialize, Serialize};

/// What the facts say of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Settled {
    /// Its effect is there.
    Done,
    /// Its effect is not there.
    NotDone,
    /// The machine it concerns cannot be seen.
    CannotTell,
}

impl From<bool> for Settled {
    fn from(done: bool) -> Self {
        if done { Self::Done } else { Self::NotDone }
    }
}

/// Says whether the action's effect is there. Meant for the moment at which the action is the next one of its operation:
/// what later actions of the same operation did is not taken into account.
#[must_use]
pub fn settled(action: &Action, facts: &Facts) -> Settled {
    let relation = &facts.relation;
    let stage = |least: Stage| Settled::from(facts.stage().is_some_and(|s| s >= least));
    let rounds = |phase: u8, first: Stage, second: Stage| stage(if phase == 1 { first } else { second });
    match action {
        Action::Begin { operation } => (relation.intent.as_ref() == Some(operation)).into(),
        Action::CreatePoint { point, .. } | Action::KeepProtective { point } => {
            facts.point(point).is_some().into()
        }
        // Nothing is dropped under a copy: what is too much goes with a later run.
        Action::Retain { keep } => {
            (facts.copy.point.is_some() || facts.points.len() <= *keep as usize).into()
        }
        Action::ShutDown { vm, .. } | Action::PowerOff { vm } => power(facts, *vm, Power::Off),
        Action::PowerOn { vm } => power(facts, *vm, Power::On),
        Action::Hold => (relation.replication == Replication::Held).into(),
        Action::Resume => (relation.replication == Replication::Active).into(),
        Action::Exclude => (relation.replication == Replication::Excluded).into(),
        Action::Revert { point } => (facts.disk.in_use.as_ref() == Some(point)).into(),
        Action::StartDelta => facts.disk.delta.into(),
        Action::DropDelta => (!facts.disk.delta && facts.disk.in_use.is_none()).into(),
        Action::Connect { links } => match &facts.replica {
            Sight::Unseen => Settled::CannotTell,
            Sight::Absent => Settled::NotDone,
            Sight::Present(vm) => (vm.links == *links).into(),
        },
        Action::Merge => facts.disk.merged.into(),
        Action::CreateTarget => match facts.vm(Role::Target) {
            Sight::Unseen => Settled::CannotTell,
            Sight::Absent => Settled::NotDone,
            Sight::Present(_) => Settled::Done,
        },
        Action::SnapshotTarget { phase } => rounds(*phase, Stage::Snapshotted, Stage::Resnapshotted),
        Action::Protect { phase } => rounds(*phase, Stage::Protected, Stage::Reprotected),
        Action::SendChanges { phase } => rounds(*phase, Stage::Synced, Stage::Resynced),
        Action::MergeTarget => stage(Stage::Merged),
        Action::RevertTarget => matches!(facts.stage(), None | Some(Stage::Begun | Stage::Merged)).into(),
        Action::RevertReplica => (facts.disk.protective != Some(2)).into(),
        Action::Unprotect => facts.disk.protective.is_none().into(),
        Action::SetSwitchover { switchover } => {
            relation.failback.as_ref().is_some_and(|f| f.switchover == *switchover).into()
        }
        Action::Reassign => {
            let target = relation.failback.as_ref().and_then(|f| f.target.other());
            target.is_none_or(|vm| relation.source == *vm).into()
        }
        Action::MakeCopy { point, links } => match &facts.copy.machine {
            Sight::Unseen => Settled::CannotTell,
            Sight::Absent => Settled::NotDone,
            Sight::Present(vm) => (facts.copy.point.as_ref() == Some(point) && vm.links == *links).into(),
        },
        Action::RemoveCopy => match &facts.copy.machine {
            Sight::Unseen => Settled::CannotTell,
            Sight::Absent | Sight::Present(_) => facts.copy.is_nothing().into(),
        },
        Action::Conclude { state } => (condition(facts) == Condition::Whole(*state)).into(),
    }
}

fn power(facts: &Facts, role: Role, wanted: Power) -> Settled {
    match facts.vm(role) {
        Sight::Unseen => Settled::CannotTell,
        Sight::Absent => (wanted == Power::Off).into(),
        Sight::Present(vm) => (vm.power == wanted).into(),
    }
}
