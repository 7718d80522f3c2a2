//! What the actions do to the disks. What they do to the facts is said once, in `domain::effect`.

use super::machine::{Blocks, Machine};
use super::world::World;
use crate::base::{ReplicaName, Timestamp};
use crate::domain::{Action, Role, VmRef};
use crate::port::Placement;

/// What a block counts for where bytes are told.
const BLOCK: u64 = 4 << 20;

/// How many bytes an action moves that copies: the blocks that differ. `None` for all others.
pub(super) fn moves(
    world: &mut World,
    replica: &ReplicaName,
    action: &Action,
    on: (&Placement, Timestamp),
) -> Option<u64> {
    let (placement, at) = on;
    let of = |world: &World, role: Role| world.machine(&placement.vm(role)).map(|m| m.blocks(at));
    let (from, onto) = match action {
        Action::CreatePoint { .. } => {
            let onto = world.state_mut(replica).point_blocks.last().cloned();
            (of(world, Role::Source)?, onto)
        }
        Action::SendChanges { .. } => (world.state_mut(replica).protective.clone()?, of(world, Role::Target)),
        _ => return None,
    };
    let differ = match onto {
        Some(onto) => from.iter().zip(onto.iter()).filter(|(one, other)| one != other).count(),
        None => from.len(),
    };
    Some(BLOCK * differ as u64)
}

/// Carries the action out on the disks, at a time. Must be called before the facts change.
pub(super) fn change(world: &mut World, replica: &ReplicaName, action: &Action, on: (&Placement, Timestamp)) {
    let (placement, at) = on;
    let blocks = |world: &World, vm: &VmRef| world.machine(vm).map(|m| m.blocks(at));
    let replica_vm = &placement.replica;
    let (target, drilled) = (placement.vm(Role::Target), placement.vm(Role::Copy));
    let (target, drilled) = (target.as_ref(), drilled.as_ref());
    match action {
        Action::CreatePoint { .. } => {
            if let Some(copy) = blocks(world, &placement.source) {
                world.state_mut(replica).point_blocks.push(copy);
            }
        }
        // Nothing is dropped under a copy.
        Action::Retain { .. } if world.state(replica).copy.point.is_some() => {}
        Action::Retain { keep } => {
            let points = &mut world.state_mut(replica).point_blocks;
            let excess = points.len().saturating_sub(*keep as usize);
            points.drain(..excess);
        }
        Action::Revert { point } => {
            let copy = world.point_blocks(replica, point);
            set(world, replica_vm, copy);
        }
        Action::DropDelta => {
            let latest = world.state(replica).points.last().map(|p| p.id.clone());
            let copy = latest.and_then(|point| world.point_blocks(replica, &point));
            set(world, replica_vm, copy);
        }
        Action::Merge => world.state_mut(replica).point_blocks.clear(),
        Action::CreateTarget => world.create(target, &placement.source),
        Action::SnapshotTarget { .. } => {
            let copy = blocks(world, target);
            if let (Some(machine), Some(copy)) = (world.machine_mut(target), copy) {
                machine.saved.push(copy);
            }
        }
        Action::Protect { .. } => {
            let copy = blocks(world, replica_vm);
            world.state_mut(replica).protective = copy;
        }
        Action::SendChanges { .. } => {
            let copy = world.state(replica).protective.clone();
            set(world, target, copy);
        }
        Action::MergeTarget => {
            if let Some(machine) = world.machine_mut(target) {
                machine.saved.clear();
            }
        }
        Action::RevertTarget => {
            if let Some(machine) = world.machine_mut(target)
                && let Some(first) = std::mem::take(&mut machine.saved).into_iter().next()
            {
                machine.disk = first;
            }
        }
        Action::RevertReplica => {
            let copy = world.state(replica).protective.clone();
            set(world, replica_vm, copy);
        }
        Action::Unprotect => world.state_mut(replica).protective = None,
        Action::KeepProtective { .. } => {
            if let Some(copy) = world.state_mut(replica).protective.take() {
                world.state_mut(replica).point_blocks.push(Blocks::clone(&copy));
                set(world, replica_vm, Some(copy));
            }
        }
        Action::MakeCopy { point, .. } => {
            world.create(drilled, replica_vm);
            let copy = world.point_blocks(replica, point);
            set(world, drilled, copy);
        }
        Action::RemoveCopy => world.remove(drilled),
        Action::Begin { .. }
        | Action::ShutDown { .. }
        | Action::PowerOff { .. }
        | Action::PowerOn { .. }
        | Action::Hold
        | Action::Resume
        | Action::Exclude
        | Action::StartDelta
        | Action::Connect { .. }
        | Action::SetSwitchover { .. }
        | Action::Reassign
        | Action::Conclude { .. } => {}
    }
}

fn set(world: &mut World, vm: &VmRef, copy: Option<Blocks>) {
    if let (Some(machine), Some(copy)) = (world.machine_mut(vm), copy) {
        let machine: &mut Machine = machine;
        machine.disk = copy;
    }
}
