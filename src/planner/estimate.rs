//! How long a node takes typically, and how long it may take.

use crate::base::Duration;
use crate::domain::{Action, Wait};
use crate::inventory::Typical;
use crate::plan::Work;

/// How often an action is tried before it counts as failed: twice more is enough for a passing fault, and a site that is gone
/// shows itself within a minute.
pub const ATTEMPTS: u32 = 3;

/// Copying has a limit on the whole as well, a day; providers watch its progress.
const COPY: Duration = Duration::from_mins(24 * 60);
const MERGE: Duration = Duration::from_mins(4 * 60);
const STEP: Duration = Duration::from_mins(5);

/// The typical and the longest time of a node.
pub fn times(work: &Work, typical: &Typical) -> (Duration, Duration) {
    match work {
        Work::Act(step) => action(&step.action, typical),
        Work::Wait(wait) => waiting(wait, typical),
        // How long it takes is said where the hook is.
        Work::Hook(hook) => (Duration::ZERO, hook.longest()),
        // How long people think about it nobody knows; the prediction is without it.
        Work::Gate(gate) => (Duration::ZERO, gate.question.within),
        // A question, a change and another question.
        Work::Cutover(cutover) => (typical.step, cutover.within),
        Work::Join => (Duration::ZERO, Duration::ZERO),
    }
}

fn action(action: &Action, typical: &Typical) -> (Duration, Duration) {
    match action {
        Action::CreatePoint { .. } | Action::SendChanges { .. } => (typical.sync, COPY),
        // The limit leaves time to power off what did not shut down.
        Action::ShutDown { within, .. } => (typical.shutdown.min(*within), within.plus(STEP)),
        Action::Merge | Action::MergeTarget => (typical.merge, MERGE),
        // They move data where points are layers: as much as a point holds, or as a failback sent.
        Action::Retain { .. } | Action::KeepProtective { .. } => (typical.step, MERGE),
        Action::Begin { .. }
        | Action::PowerOff { .. }
        | Action::PowerOn { .. }
        | Action::Hold
        | Action::Resume
        | Action::Exclude
        | Action::Revert { .. }
        | Action::StartDelta
        | Action::DropDelta
        | Action::Connect { .. }
        | Action::CreateTarget
        | Action::SnapshotTarget { .. }
        | Action::Protect { .. }
        | Action::RevertTarget
        | Action::RevertReplica
        | Action::Unprotect
        | Action::SetSwitchover { .. }
        | Action::Reassign
        | Action::MakeCopy { .. }
        | Action::RemoveCopy
        | Action::Conclude { .. } => (typical.step, STEP),
    }
}

fn waiting(wait: &Wait, typical: &Typical) -> (Duration, Duration) {
    match wait {
        Wait::Ready { readiness, .. } => (typical.boot.plus(readiness.ask.steady()), readiness.within),
        // Counted from the time of planning by the one who builds the node.
        Wait::Until { .. } => (Duration::ZERO, Duration::ZERO),
        Wait::Quiet { time } => (*time, *time),
    }
}
