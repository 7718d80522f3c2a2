//! The process group of a program: whoever lets go of it ends all that still runs in it.

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::process::Child;

/// The process group of a program. Dropping it ends all that still runs in it.
#[derive(Debug)]
pub struct Group {
    pid: Option<Pid>,
    listed: bool,
}

/// The groups of people's programs that are there now, for whoever ends this process at once. What copies for us is not among them: whoever
/// goes on finds it, and takes it up or ends it.
static LISTED: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

fn listed() -> MutexGuard<'static, BTreeSet<i32>> {
    // Single insertions and removals: it is whole after every one.
    LISTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends all people's programs that run now, with all that they started.
pub fn end_listed() {
    for pid in listed().iter().filter_map(|pid| Pid::from_raw(*pid)) {
        let _ended_already = kill_process_group(pid, Signal::KILL);
    }
}

impl Group {
    /// That of a program that was started as the first of its group.
    #[must_use]
    pub fn of(child: &Child) -> Self {
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Self { pid, listed: false }
    }

    /// That of people's own program, which also [`end_listed`] ends.
    #[must_use]
    pub fn listed(child: &Child) -> Self {
        let mut group = Self::of(child);
        listed().extend(group.pid.map(|pid| pid.as_raw_nonzero().get()));
        group.listed = true;
        group
    }

    /// Lets go of it without ending anything: its program has ended by itself, and its number may belong to another one soon; or it is to go on.
    pub fn release(&mut self) {
        if let Some(pid) = self.pid.take().filter(|_| self.listed) {
            listed().remove(&pid.as_raw_nonzero().get());
        }
    }

    /// Whether anything of it is there.
    #[must_use]
    pub fn lives(&self) -> bool {
        self.pid.is_some_and(|pid| test_kill_process_group(pid).is_ok())
    }

    /// Sends a signal to all of it.
    pub fn send(&self, signal: Signal) {
        if let Some(pid) = self.pid
            && let Err(why) = kill_process_group(pid, signal)
        {
            tracing::debug!(%why, "a process group had ended already");
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.send(Signal::KILL);
        self.release();
    }
}
