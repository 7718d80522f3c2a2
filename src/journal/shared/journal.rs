//! Writing to a run that is kept elsewhere: records and head change together, and only while the grant stands.

use super::grant::{Grant, patiently};
use super::kv::{Kv, LARGEST, Version, Write};
use super::{Granted, Head, key};
use crate::base::{Duration, Timestamp};
use crate::journal::format;
use crate::journal::record::{Record, VERSION};
use crate::journal::{Journal, JournalError, Lease};
use crate::run::Event;
use std::sync::Arc;

/// A journal that is being written.
#[derive(Debug)]
pub struct SharedJournal {
    kv: Arc<dyn Kv>,
    grant: Arc<Grant>,
    grace: Duration,
    head: Head,
    version: Version,
}

impl SharedJournal {
    /// The journal of a run that was granted, from its head on.
    pub fn new(
        kv: Arc<dyn Kv>,
        grant: Arc<Grant>,
        grace: Duration,
        (head, version): (Head, Version),
    ) -> Self {
        Self { kv, grant, grace, head, version }
    }

    fn bad(&self, what: String) -> JournalError {
        JournalError::Unreachable { store: self.kv.place(), why: what }
    }

    /// Writes some lines, with the head that they lead to.
    fn write(&mut self, lines: String, head: Head) -> Result<(), JournalError> {
        let run = &self.grant.run;
        let text = format::write(&head).map_err(|e| self.bad(e.to_string()))?;
        let writes = [
            Write::Put(format!("{}{:012}", key("log", run), self.head.seq + 1), lines.into_bytes()),
            Write::Put(key("head", run), text),
        ];
        let mut checks = self.grant.checks().to_vec();
        checks.push((key("head", run), Some(self.version)));
        if !self.grant.lease.holds() {
            return Err(self.fenced()?);
        }
        let place = self.kv.place();
        let version = match patiently(self.grace, &place, || self.kv.commit(&checks, &writes))? {
            Some(version) => version,
            None => self.written(&head)?,
        };
        (self.head, self.version) = (head, version);
        Ok(())
    }

    /// The version of what was written where the store had done so and its answer was lost; otherwise why it did not.
    fn written(&self, head: &Head) -> Result<Version, JournalError> {
        let place = self.kv.place();
        let found = patiently(self.grace, &place, || self.kv.range(&key("head", &self.grant.run)))?;
        let pair = found.first();
        match pair.map(|pair| (format::read::<Head>(place.as_ref(), &pair.value).ok(), pair.version)) {
            Some((Some(found), version)) if found == *head => Ok(version),
            _ => Err(self.fenced()?),
        }
    }

    /// Why this runner may not write any more.
    fn fenced(&self) -> Result<JournalError, JournalError> {
        self.grant.lease.end();
        let run = self.grant.run.clone();
        let place = self.kv.place();
        let found = patiently(self.grace, &place, || self.kv.range(&key("claim", &run)))?;
        let kept: Option<Granted> =
            found.first().and_then(|pair| format::read(place.as_ref(), &pair.value).ok());
        let by = kept.filter(|kept| kept.token != self.grant.token).map(|kept| Box::new(kept.claim));
        Ok(JournalError::Fenced { run, by })
    }
}

impl Journal for SharedJournal {
    fn append(&mut self, events: &[(Timestamp, Event)]) -> Result<(), JournalError> {
        let (mut lines, mut head) = (String::new(), self.head.clone());
        for (at, event) in events {
            let (seq, token) = (head.seq + 1, self.grant.token);
            let record = Record { v: VERSION, seq, at: *at, token, prev: head.tip, event: event.clone() };
            let (line, sum) = record.line().map_err(|e| self.bad(e.to_string()))?;
            if !lines.is_empty() && lines.len() + line.len() > LARGEST {
                self.write(std::mem::take(&mut lines), head.clone())?;
            }
            lines.push_str(&line);
            head = Head { seq, token, tip: sum, over: head.over || event.ends_for_good() };
        }
        if lines.is_empty() { Ok(()) } else { self.write(lines, head) }
    }

    fn lease(&self) -> Lease {
        self.grant.lease.clone()
    }
}
