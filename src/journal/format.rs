//! What is kept beside the records: claims, heads, words to stop. Each stands with the version of its format, and one that is not known is
//! refused by its number.

use crate::journal::JournalError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The format's version.
const VERSION: u32 = 1;

/// The first ones were written without a number.
const fn first() -> u32 {
    1
}

#[derive(Serialize)]
struct Numbered<'a, T> {
    format: u32,
    #[serde(flatten)]
    value: &'a T,
}

/// The text of a value.
///
/// # Errors
/// Where it cannot be written as JSON, which no value of ours is.
pub fn write<T: Serialize>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Numbered { format: VERSION, value })
}

/// Reads a value that is kept in a place.
///
/// # Errors
/// [`JournalError::Version`], [`JournalError::Damaged`].
pub fn read<T: DeserializeOwned>(path: &Path, text: &[u8]) -> Result<T, JournalError> {
    #[derive(Deserialize)]
    struct Version {
        #[serde(default = "first")]
        format: u32,
    }
    let damaged = |error: serde_json::Error| {
        let what = format!("it cannot be read: {error}");
        JournalError::Damaged { path: path.to_owned(), record: 0, what }
    };
    let Version { format } = serde_json::from_slice(text).map_err(damaged)?;
    if format != VERSION {
        return Err(JournalError::Version { path: path.to_owned(), found: format, known: VERSION });
    }
    serde_json::from_slice(text).map_err(damaged)
}
