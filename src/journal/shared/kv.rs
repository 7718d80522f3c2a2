//! What a store elsewhere must be able to do: keep small values under names, change some of them at once where others are as expected, and
//! forget a value that nobody renews. Everything else is made of that, once for all such stores.

use crate::base::Duration;
use std::fmt::Debug;

/// What a value's change is told by. It never comes back.
pub type Version = u64;

/// A value under its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The name.
    pub key: String,
    /// The value.
    pub value: Vec<u8>,
    /// Its version.
    pub version: Version,
}

/// A change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// A value from now on.
    Put(String, Vec<u8>),
    /// A value that is gone after a time if nobody renews it.
    Lease(String, Vec<u8>, Duration),
    /// No value any more.
    Delete(String),
}

/// What must be so for a change to be made: a name with its version, or with none.
pub type Check = (String, Option<Version>);

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KvError {
    /// It did not answer, or could not for now. A change may have been made all the same.
    NoAnswer(String),
    /// It answered, and will not. Nothing was changed.
    Refused(String),
}

/// So many bytes go into one value at most, so that each store takes it (etcd takes a request of 1.5 MiB, with a third on top for its text).
pub const LARGEST: usize = 512 * 1024;

/// A store elsewhere.
pub trait Kv: Send + Sync + Debug {
    /// What it is, for messages; no secret.
    fn place(&self) -> String;

    /// All values whose names begin so, by their names.
    ///
    /// # Errors
    /// [`KvError`].
    fn range(&self, prefix: &str) -> Result<Vec<Pair>, KvError>;

    /// Makes all changes durable at once if everything is as expected. `None` where it is not: nothing was changed.
    /// The version is that of all values that were put.
    ///
    /// # Errors
    /// [`KvError`].
    fn commit(&self, checks: &[Check], writes: &[Write]) -> Result<Option<Version>, KvError>;

    /// Renews a value that is still there in this version; whether it was.
    ///
    /// # Errors
    /// [`KvError`].
    fn renew(&self, key: &str, version: Version, time: Duration) -> Result<bool, KvError>;
}
