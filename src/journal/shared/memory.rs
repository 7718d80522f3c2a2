//! A store in memory whose answers can be lost, for tests of what is made above all such stores.

use super::kv::{Check, Kv, KvError, Pair, Version, Write};
use crate::base::Duration;
use crate::journal::lease::awake_or_asleep;
use std::collections::BTreeMap;
use std::sync::Mutex;

#[derive(Debug, Clone)]
struct Value {
    bytes: Vec<u8>,
    version: Version,
    until: Option<u64>,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The next so many requests are not heard.
    Deaf(usize),
    /// The next commit happens, and its answer is lost.
    AnswerLost,
}

#[derive(Debug, Default)]
struct Inside {
    values: BTreeMap<String, Value>,
    version: Version,
    fault: Option<Fault>,
}

/// The store.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<Inside>);

impl Memory {
    pub(crate) fn fault(&self, fault: Fault) {
        self.0.lock().unwrap().fault = Some(fault);
    }

    /// Changes what is kept, past everything.
    pub(crate) fn edit(&self, key: &str, edit: impl FnOnce(&mut Vec<u8>)) {
        edit(&mut self.0.lock().unwrap().values.get_mut(key).unwrap().bytes);
    }

    pub(crate) fn remove(&self, key: &str) {
        self.0.lock().unwrap().values.remove(key).unwrap();
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.0.lock().unwrap().values.keys().cloned().collect()
    }
}

impl Inside {
    fn heard(&mut self) -> Result<(), KvError> {
        self.values.retain(|_, v| v.until.is_none_or(|until| awake_or_asleep() < until));
        if let Some(Fault::Deaf(left)) = &mut self.fault
            && *left > 0
        {
            *left -= 1;
            return Err(KvError::NoAnswer("deaf".to_owned()));
        }
        Ok(())
    }
}

impl Kv for Memory {
    fn place(&self) -> String {
        "memory".to_owned()
    }

    fn range(&self, prefix: &str) -> Result<Vec<Pair>, KvError> {
        let mut inside = self.0.lock().unwrap();
        inside.heard()?;
        let found = inside.values.iter().filter(|(key, _)| key.starts_with(prefix));
        Ok(found
            .map(|(key, v)| Pair { key: key.clone(), value: v.bytes.clone(), version: v.version })
            .collect())
    }

    fn commit(&self, checks: &[Check], writes: &[Write]) -> Result<Option<Version>, KvError> {
        let mut inside = self.0.lock().unwrap();
        inside.heard()?;
        if checks.iter().any(|(key, version)| inside.values.get(key).map(|v| v.version) != *version) {
            return Ok(None);
        }
        inside.version += 1;
        let version = inside.version;
        for write in writes {
            let (key, value) = match write {
                Write::Put(key, bytes) => (key, Some((bytes, None))),
                Write::Lease(key, bytes, time) => {
                    (key, Some((bytes, Some(awake_or_asleep() + time.as_millis()))))
                }
                Write::Delete(key) => (key, None),
            };
            match value {
                Some((bytes, until)) => {
                    inside.values.insert(key.clone(), Value { bytes: bytes.clone(), version, until });
                }
                None => drop(inside.values.remove(key)),
            }
        }
        if inside.fault == Some(Fault::AnswerLost) {
            inside.fault = None;
            return Err(KvError::NoAnswer("the answer was lost".to_owned()));
        }
        Ok(Some(version))
    }

    fn renew(&self, key: &str, version: Version, time: Duration) -> Result<bool, KvError> {
        let mut inside = self.0.lock().unwrap();
        inside.heard()?;
        let found = inside.values.get_mut(key).filter(|v| v.version == version);
        Ok(found.map(|v| v.until = Some(awake_or_asleep() + time.as_millis())).is_some())
    }
}
