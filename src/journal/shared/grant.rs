//! What a runner was granted: a token, and a lease that a thread of its own renews for as long as the hold is kept.

use super::kv::{Check, Kv, KvError, Version, Write};
use super::{Terms, key};
use crate::base::{Duration, RunId};
use crate::journal::lease::awake_or_asleep;
use crate::journal::{Hold, JournalError, Lease};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration as Time;

/// A grant.
#[derive(Debug)]
pub struct Grant {
    /// The run.
    pub run: RunId,
    /// The token, which grows with every grant.
    pub token: u64,
    /// The version of claim and lease, which were put at once.
    version: Version,
    /// The lease.
    pub lease: Lease,
}

impl Grant {
    /// What was granted by a request that was made at a moment.
    pub fn new(run: RunId, token: u64, version: Version, (asked, time): (u64, Duration)) -> Self {
        Self { run, token, version, lease: Lease::granted(asked, time) }
    }

    /// That nobody else was granted the run since.
    pub fn check(&self) -> Check {
        (key("claim", &self.run), Some(self.version))
    }

    /// That nobody else was, and that the lease is not over.
    pub fn checks(&self) -> [Check; 2] {
        [self.check(), (key("alive", &self.run), Some(self.version))]
    }
}

/// What this process was granted.
#[derive(Debug, Default)]
pub struct Grants(Mutex<BTreeMap<RunId, Arc<Grant>>>);

impl Grants {
    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<RunId, Arc<Grant>>) -> T) -> T {
        // Nothing is done under the lock that could leave half of it.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// That of a run.
    pub fn of(&self, run: &RunId) -> Option<Arc<Grant>> {
        self.with(|all| all.get(run).cloned())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.with(|all| all.is_empty())
    }
}

/// A process, told from all others on all machines, as long as it can be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The start of the machine and the space of its process numbers.
    place: String,
    /// The process.
    process: u32,
    /// When it began, in the machine's own count; a number is used again.
    began: String,
}

impl Origin {
    /// This process; `None` where the system does not tell.
    pub fn of_this_process() -> Option<Self> {
        Self::of_process(std::process::id())
    }

    /// A process of this machine.
    pub fn of_process(process: u32) -> Option<Self> {
        Some(Self { place: place()?, process, began: began(process)? })
    }

    /// Whether it is gone for certain: it was of this machine, and is not there any more. Of other machines nobody knows.
    pub fn is_gone(&self) -> bool {
        place().is_some_and(|here| here == self.place) && began(self.process).as_ref() != Some(&self.began)
    }
}

fn place() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let space = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), space.display()))
}

/// When a process began; `None` of one that is not there, or is dead and only waits to be buried.
fn began(process: u32) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name of the program stands in brackets and may have any characters in it.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    // The 22nd field of all, the 20th after the name.
    if matches!(state, "Z" | "X") { None } else { fields.nth(18).map(str::to_owned) }
}

/// A claim that is held.
#[derive(Debug)]
pub struct Held {
    kv: Arc<dyn Kv>,
    grants: Arc<Grants>,
    grant: Arc<Grant>,
    grace: Duration,
    /// Set at the end, which the thread that renews waits for.
    over: Arc<(Mutex<bool>, Condvar)>,
}

impl Held {
    /// Holds what was granted, and renews it.
    pub fn new(kv: Arc<dyn Kv>, grants: Arc<Grants>, grant: Arc<Grant>, terms: Terms) -> Self {
        grants.with(|all| all.insert(grant.run.clone(), Arc::clone(&grant)));
        let over = Arc::new((Mutex::new(false), Condvar::new()));
        let renew = (Arc::clone(&kv), Arc::clone(&grant), Arc::clone(&over));
        // Without a thread the lease ends by itself, and the run stops as one that lost it.
        drop(std::thread::Builder::new().name("lease".to_owned()).spawn(move || {
            let (kv, grant, over) = renew;
            renewing(kv.as_ref(), &grant, &over, terms.lease);
        }));
        Self { kv, grants, grant, grace: terms.grace, over }
    }

    /// Ends the renewing and takes the grant back; whether it was still there to be taken back.
    fn end(&self) -> bool {
        *self.over.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.over.1.notify_all();
        self.grants.with(|all| match all.get(&self.grant.run) {
            Some(grant) if Arc::ptr_eq(grant, &self.grant) => all.remove(&self.grant.run).is_some(),
            _ => false,
        })
    }
}

/// Renews a lease until it is over: six times in its length, and sooner again where the store did not answer.
fn renewing(kv: &dyn Kv, grant: &Grant, over: &(Mutex<bool>, Condvar), time: Duration) {
    let often = time.to_std() / 6;
    let soon = often.min(Time::from_secs(1));
    let mut pause = often;
    loop {
        let ended = over.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = over.1.wait_timeout_while(ended, pause, |ended| !*ended);
        if *waited.unwrap_or_else(PoisonError::into_inner).0 {
            return;
        }
        let asked = awake_or_asleep();
        pause = match kv.renew(&key("alive", &grant.run), grant.version, time) {
            Ok(true) => {
                grant.lease.renewed(asked, time);
                often
            }
            Ok(false) => return grant.lease.end(),
            Err(_) if grant.lease.holds() => soon,
            Err(_) => return,
        };
    }
}

impl Hold for Held {
    fn release(self: Box<Self>) -> Result<(), JournalError> {
        self.end();
        let run = &self.grant.run;
        let writes = [Write::Delete(key("claim", run)), Write::Delete(key("alive", run))];
        // Where somebody else was granted the run since, the claim is theirs.
        patiently(self.grace, &self.kv.place(), || self.kv.commit(&[self.grant.check()], &writes)).map(drop)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.end() && self.grant.lease.holds() {
            // Best effort: without it the lease ends by itself.
            let lease = Write::Delete(key("alive", &self.grant.run));
            drop(self.kv.commit(&[self.grant.check()], &[lease]));
        }
    }
}

/// How long it is waited before a store is asked again that did not answer.
const AGAIN: Time = Time::from_millis(250);

/// Asks a store again and again for as long as the grace time.
///
/// # Errors
/// [`JournalError::Lost`], and [`JournalError::Refused`] where the store answers and will not.
pub fn patiently<T>(
    grace: Duration,
    place: &str,
    question: impl Fn() -> Result<T, KvError>,
) -> Result<T, JournalError> {
    let until = awake_or_asleep().saturating_add(grace.as_millis());
    loop {
        match question() {
            Ok(answer) => return Ok(answer),
            Err(KvError::Refused(why)) => {
                return Err(JournalError::Refused { store: place.to_owned(), why });
            }
            Err(KvError::NoAnswer(why)) if awake_or_asleep() >= until => {
                return Err(JournalError::Lost { store: place.to_owned(), grace, why });
            }
            Err(KvError::NoAnswer(_)) => std::thread::sleep(AGAIN),
        }
    }
}
