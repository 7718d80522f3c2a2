//! Stores elsewhere, which a team or two sites share: the machine that began a failover may be the next one to die.
//!
//! Names of values, each with the run's name in it and a `/` at its end:
//!
//! - `claim/` what the run holds, with the token of its last grant; there from before its first record until it is over,
//! - `alive/` the lease of its runner, which is gone when nobody renews it,
//! - `head/` the position, token and digest of its last record: the run's end, kept outside of its journal,
//! - `plan/` and `log/` the frozen plan and the records, in pieces,
//! - `stop/` the word that it shall stop, and `answer-N/` the answer to the question of its node N,
//! - and one `gate/`, which changes with every claim, so that of two who look and claim only one finds the world as it was.

mod bridge;
#[cfg(feature = "etcd")]
pub mod etcd;
mod grant;
mod journal;
pub mod kv;
#[cfg(test)]
mod memory;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(test)]
mod tests;
#[cfg(feature = "tls")]
mod tls;

use crate::base::{Digest, Duration, RunId};
use crate::journal::claim::{Claim, Refusal, Way, admit};
use crate::journal::format;
use crate::journal::raw::{Found, Frozen, Raw};
use crate::journal::record::VERSION;
use crate::journal::{Hold, Journal, JournalError, Kept, Store, Tip, Topic};
use grant::{Grant, Grants, Origin};
use journal::SharedJournal;
use kv::{Kv, KvError, LARGEST, Pair, Version, Write};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;

/// How long a store elsewhere may be away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// How long a runner holds its run without renewing it.
    pub lease: Duration,
    /// How long a run waits for a store that does not answer.
    pub grace: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self { lease: Duration::from_secs(60), grace: Duration::from_secs(30) }
    }
}

impl Terms {
    /// Whether a run can live by them: a store that is back within the grace time must find the lease as it was.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check(self) -> Result<(), String> {
        let (least, most) = (Duration::from_secs(3), Duration::from_secs(24 * 3600));
        if self.lease < least || self.lease > most {
            return Err(format!("a lease of {} is not between {least} and {most}", self.lease));
        }
        if self.grace.as_millis() * 2 > self.lease.as_millis() {
            return Err(format!("a grace of {} is more than half of the lease, {}", self.grace, self.lease));
        }
        Ok(())
    }
}

/// The end of a run's journal, kept beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    /// The position of the last record.
    seq: u64,
    /// Its token.
    token: u64,
    /// Its digest; before the first record that of the frozen plan.
    tip: Digest,
    /// Whether the run is over.
    over: bool,
}

/// A claim as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Granted {
    /// The token of the last grant.
    token: u64,
    /// The process that it was granted to.
    origin: Option<Origin>,
    /// The claim.
    claim: Claim,
}

/// A claim with all that decides about it.
struct Standing {
    kept: Granted,
    held: bool,
    /// Whether its run never began or is over.
    nothing: bool,
}

/// A store elsewhere.
#[derive(Debug)]
pub struct Shared {
    kv: Arc<dyn Kv>,
    terms: Terms,
    grants: Arc<Grants>,
}

fn key(kind: &str, run: &RunId) -> String {
    format!("{kind}/{run}/")
}

impl Shared {
    /// The store above such values.
    #[must_use]
    pub fn new(kv: Arc<dyn Kv>, terms: Terms) -> Self {
        Self { kv, terms, grants: Arc::default() }
    }

    fn failed(&self, error: KvError) -> JournalError {
        let store = self.kv.place();
        match error {
            KvError::NoAnswer(why) => JournalError::Unreachable { store, why },
            KvError::Refused(why) => JournalError::Refused { store, why },
        }
    }

    /// Asks; while this process holds a run, for as long as the grace time.
    fn ask<T>(&self, question: impl Fn() -> Result<T, KvError>) -> Result<T, JournalError> {
        if self.grants.is_empty() {
            return question().map_err(|e| self.failed(e));
        }
        grant::patiently(self.terms.grace, &self.kv.place(), question)
    }

    fn range(&self, prefix: &str) -> Result<Vec<Pair>, JournalError> {
        self.ask(|| self.kv.range(prefix))
    }

    fn one(&self, kind: &str, run: &RunId) -> Result<Option<Pair>, JournalError> {
        Ok(self.range(&key(kind, run))?.into_iter().next())
    }

    fn path(&self, key: &str) -> PathBuf {
        format!("{}, {}", self.kv.place(), key.trim_end_matches('/')).into()
    }

    fn read_value<T: DeserializeOwned>(&self, pair: &Pair) -> Result<T, JournalError> {
        format::read(&self.path(&pair.key), &pair.value)
    }

    /// The claims as they stand.
    fn standing(&self) -> Result<Vec<Standing>, JournalError> {
        let claims = self.range("claim/")?;
        if claims.is_empty() {
            return Ok(Vec::new());
        }
        let alive = self.range("alive/")?;
        let mut found = Vec::new();
        for pair in &claims {
            let kept: Granted = self.read_value(pair)?;
            let leased = alive.iter().any(|a| a.key == key("alive", &kept.claim.run));
            let held = leased && !kept.origin.as_ref().is_some_and(Origin::is_gone);
            let nothing = !held
                && match self.one("head", &kept.claim.run)? {
                    Some(head) => self.read_value::<Head>(&head)?.over,
                    None => true,
                };
            found.push(Standing { kept, held, nothing });
        }
        Ok(found)
    }

    /// The pieces of something, one after another.
    fn pieces(&self, kind: &str, run: &RunId) -> Result<Vec<u8>, JournalError> {
        Ok(self.range(&key(kind, run))?.into_iter().flat_map(|pair| pair.value).collect())
    }

    fn head(&self, run: &RunId) -> Result<Option<(Head, Version)>, JournalError> {
        self.one("head", run)?.map(|pair| Ok((self.read_value(&pair)?, pair.version))).transpose()
    }

    /// The bytes of a run as they are, and the head that was read before them.
    fn bytes(&self, run: &RunId) -> Result<(Raw, Head), JournalError> {
        let damaged = |kind: &str, what: &str| JournalError::Damaged {
            path: self.path(&key(kind, run)),
            record: 0,
            what: what.to_owned(),
        };
        let Some((head, _)) = self.head(run)? else {
            return Err(if self.range(&key("log", run))?.is_empty() {
                JournalError::Unknown(run.to_string())
            } else {
                damaged("head", "the head is gone")
            });
        };
        let plan = self.pieces("plan", run)?;
        if plan.is_empty() {
            return Err(damaged("plan", "the plan is gone"));
        }
        let journal = self.pieces("log", run)?;
        let (plan_at, journal_at) = (self.path(&key("plan", run)), self.path(&key("log", run)));
        Ok((Raw { plan_at, plan, journal_at, journal }, head))
    }

    /// Holds that there are as many records as the head says. A runner writes both at once: what it wrote meanwhile, its head now leads to.
    fn counted(&self, run: &RunId, raw: &Raw, head: &Head) -> Result<(), JournalError> {
        let damaged =
            |record: u64, what: String| JournalError::Damaged { path: raw.journal_at.clone(), record, what };
        let there = u64::try_from(raw.journal.iter().filter(|b| **b == b'\n').count()).unwrap_or(u64::MAX);
        if there < head.seq {
            return Err(damaged(there + 1, format!("records {} to {} are gone", there + 1, head.seq)));
        }
        if raw.journal.last().is_some_and(|b| *b != b'\n') {
            return Err(damaged(there + 1, "it is cut off".to_owned()));
        }
        let now = if there > head.seq { self.head(run)?.map_or(0, |(head, _)| head.seq) } else { there };
        if there > now {
            return Err(damaged(now + 1, format!("no runner wrote it: the run has {now} records")));
        }
        Ok(())
    }

    fn writer(&self, run: &RunId, head: (Head, Version)) -> Result<SharedJournal, JournalError> {
        let Some(grant) = self.grants.of(run) else {
            return Err(JournalError::Fenced { run: run.clone(), by: None });
        };
        Ok(SharedJournal::new(Arc::clone(&self.kv), grant, self.terms.grace, head))
    }

    /// What stands in the way is looked at, and everything changed in one go with the gate, as often as somebody else was quicker.
    fn grant(&self, claim: &Claim, way: Way<'_>) -> Result<Grant, Refusal> {
        loop {
            let gate = self.range("gate/")?.into_iter().next().map(|pair| pair.version);
            let (nothing, others): (Vec<_>, Vec<_>) = self.standing()?.into_iter().partition(|s| s.nothing);
            let own = nothing.iter().chain(&others).find(|s| s.kept.claim.run == claim.run);
            let before = own.map_or(0, |s| s.kept.token);
            let written = self.head(&claim.run)?.map_or(0, |(head, _)| head.token);
            admit(others.into_iter().map(|s| (s.kept.claim, s.held)).collect(), claim, way)?;
            let token = before.max(written) + 1;
            let kept = Granted { token, origin: Origin::of_this_process(), claim: claim.clone() };
            let text = format::write(&kept)
                .map_err(|e| JournalError::Unreachable { store: self.kv.place(), why: e.to_string() })?;
            let mut writes = vec![
                Write::Put("gate/".to_owned(), claim.run.to_string().into_bytes()),
                Write::Put(key("claim", &claim.run), text),
                Write::Lease(key("alive", &claim.run), token.to_string().into_bytes(), self.terms.lease),
            ];
            for left in nothing.iter().filter(|s| s.kept.claim.run != claim.run) {
                let run = &left.kept.claim.run;
                writes.extend([Write::Delete(key("claim", run)), Write::Delete(key("alive", run))]);
            }
            let asked = crate::journal::lease::awake_or_asleep();
            let done = self.kv.commit(&[("gate/".to_owned(), gate)], &writes).map_err(|e| self.failed(e))?;
            if let Some(version) = done {
                return Ok(Grant::new(claim.run.clone(), token, version, (asked, self.terms.lease)));
            }
        }
    }
}

impl Store for Shared {
    fn place(&self) -> String {
        self.kv.place()
    }

    fn list(&self) -> Result<Vec<RunId>, JournalError> {
        let heads = self.range("head/")?;
        let run = |pair: Pair| {
            let name = pair.key.strip_prefix("head/")?.strip_suffix('/')?.to_owned();
            RunId::new(&name).ok()
        };
        Ok(heads.into_iter().filter_map(run).collect())
    }

    fn is_taken(&self, run: &RunId) -> Result<bool, JournalError> {
        Ok(self.one("head", run)?.is_some()
            || self.one("plan", run)?.is_some()
            || self.one("claim", run)?.is_some())
    }

    fn create(&self, frozen: &Frozen) -> Result<Box<dyn Journal>, JournalError> {
        let run = &frozen.run;
        let failed = |why: String| JournalError::Unreachable { store: self.kv.place(), why };
        let grant = self.grants.of(run).ok_or_else(|| failed("the run is not claimed".to_owned()))?;
        let text = serde_json::to_vec(frozen).map_err(|e| failed(e.to_string()))?;
        for (number, piece) in text.chunks(LARGEST).enumerate() {
            let piece = Write::Put(format!("{}{number:08}", key("plan", run)), piece.to_vec());
            self.ask(|| self.kv.commit(&[grant.check()], std::slice::from_ref(&piece)))?
                .ok_or_else(|| JournalError::Fenced { run: run.clone(), by: None })?;
        }
        let head = Head { seq: 0, token: grant.token, tip: Digest::of(&text), over: false };
        let text = format::write(&head).map_err(|e| failed(e.to_string()))?;
        let checks = [grant.check(), (key("head", run), None)];
        // With its head it is a run.
        let version = self
            .kv
            .commit(&checks, &[Write::Put(key("head", run), text)])
            .map_err(|e| self.failed(e))?
            .ok_or_else(|| failed(format!("the name {run} is taken")))?;
        Ok(Box::new(self.writer(run, (head, version))?))
    }

    fn discard(&self, run: &RunId) -> Result<(), JournalError> {
        self.ask(|| self.kv.commit(&[], &[Write::Delete(key("head", run))]))?;
        // Without its head it is no run; that the rest may stay behind changes nothing.
        let rest = self
            .range(&key("plan", run))?
            .into_iter()
            .map(|pair| Write::Delete(pair.key))
            .collect::<Vec<_>>();
        drop(self.kv.commit(&[], &rest));
        Ok(())
    }

    fn raw(&self, run: &RunId) -> Result<Raw, JournalError> {
        let (raw, head) = self.bytes(run)?;
        self.counted(run, &raw, &head)?;
        Ok(raw)
    }

    fn kept(&self, run: &RunId) -> Result<Kept, JournalError> {
        let head = self.head(run)?;
        let (plan, journal) = (self.pieces("plan", run)?, self.pieces("log", run)?);
        if head.is_none() && plan.is_empty() && journal.is_empty() {
            return Err(JournalError::Unknown(run.to_string()));
        }
        let head_at = self.path(&key("head", run));
        let Some((Head { seq, tip, over, .. }, _)) = head else {
            return Err(JournalError::Damaged {
                path: head_at,
                record: 0,
                what: "the head is gone".to_owned(),
            });
        };
        let tip = Tip { format: VERSION, run: run.clone(), seq, tip, over };
        let (plan_at, journal_at) = (self.path(&key("plan", run)), self.path(&key("log", run)));
        Ok(Kept { raw: Raw { plan_at, plan, journal_at, journal }, tip: Some((tip, head_at)) })
    }

    fn read(&self, run: &RunId) -> Result<Found, JournalError> {
        let (raw, head) = self.bytes(run)?;
        // The chain names the place more closely than the number of records does.
        let found = raw.read(run)?;
        self.counted(run, &raw, &head)?;
        // The journal may have grown since, and never has it shrunk.
        let same = match found.records.get(usize::try_from(head.seq).unwrap_or(usize::MAX)) {
            Some(next) => next.prev == head.tip,
            None => found.tip == head.tip,
        };
        if same {
            return Ok(found);
        }
        let what = "it is not the record that was written last".to_owned();
        Err(JournalError::Damaged { path: raw.journal_at, record: head.seq, what })
    }

    fn open(&self, run: &RunId) -> Result<(Found, Box<dyn Journal>), JournalError> {
        let found = self.read(run)?;
        let head = self.head(run)?.ok_or_else(|| JournalError::Unknown(run.to_string()))?;
        Ok((found, Box::new(self.writer(run, head)?)))
    }

    fn leave_word(&self, run: &RunId, about: Topic, word: &[u8]) -> Result<(), JournalError> {
        let put = [Write::Put(key(&about.to_string(), run), word.to_vec())];
        self.ask(|| self.kv.commit(&[], &put)).map(drop)
    }

    fn leave_first_word(&self, run: &RunId, about: Topic, word: &[u8]) -> Result<bool, JournalError> {
        let key = key(&about.to_string(), run);
        let put = [Write::Put(key.clone(), word.to_vec())];
        let left = self.ask(|| self.kv.commit(&[(key.clone(), None)], &put))?.is_some();
        // One whose answer was lost was asked for twice, and finds itself there.
        Ok(left || self.word(run, about).is_some_and(|there| there == word))
    }

    fn word(&self, run: &RunId, about: Topic) -> Option<Vec<u8>> {
        let found = self.kv.range(&key(&about.to_string(), run)).ok()?;
        Some(found.into_iter().next()?.value)
    }

    fn forget_word(&self, run: &RunId, about: Topic) -> Result<(), JournalError> {
        self.ask(|| self.kv.commit(&[], &[Write::Delete(key(&about.to_string(), run))])).map(drop)
    }

    fn claim(&self, claim: &Claim, way: Way<'_>) -> Result<Box<dyn Hold>, Refusal> {
        let grant = Arc::new(self.grant(claim, way)?);
        Ok(Box::new(grant::Held::new(Arc::clone(&self.kv), Arc::clone(&self.grants), grant, self.terms)))
    }

    fn claims(&self) -> Result<Vec<(Claim, bool)>, JournalError> {
        let standing = self.standing()?.into_iter().filter(|s| !s.nothing);
        Ok(standing.map(|s| (s.kept.claim, s.held)).collect())
    }

    fn is_held(&self, run: &RunId) -> Result<bool, JournalError> {
        Ok(self.standing()?.into_iter().any(|s| s.kept.claim.run == *run && s.held))
    }

    fn forget(&self, run: &RunId) -> Result<(), JournalError> {
        let writes = [Write::Delete(key("claim", run)), Write::Delete(key("alive", run))];
        self.ask(|| self.kv.commit(&[], &writes)).map(drop)
    }

    fn grace(&self) -> Duration {
        self.terms.grace
    }
}
