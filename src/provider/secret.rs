//! Secrets, read where the documents say that they are. What is wrong tells their place, never a part of them.

use crate::domain::Secret;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where secrets are looked for.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// The workspace's folder.
    pub folder: PathBuf,
    /// The environment.
    pub environment: BTreeMap<String, String>,
}

impl Secrets {
    /// A secret; a line end at the end of a file does not count.
    ///
    /// # Errors
    /// Why it cannot be had: `is missing: the variable X is not set`.
    pub fn read(&self, secret: &Secret) -> Result<String, String> {
        read(secret, &self.folder, &self.environment)
    }
}

/// A secret of a folder and an environment.
///
/// # Errors
/// As [`Secrets::read`].
pub fn read(
    secret: &Secret,
    folder: &Path,
    environment: &BTreeMap<String, String>,
) -> Result<String, String> {
    match secret {
        Secret::Env(variable) => {
            let value = environment.get(variable).cloned();
            value.ok_or_else(|| format!("is missing: the variable {variable} is not set"))
        }
        Secret::File(file) => {
            let text = std::fs::read_to_string(folder.join(file));
            let text = text.map_err(|e| format!("cannot be read from {file}: {e}"))?;
            Ok(text.trim_end_matches(['\r', '\n']).to_owned())
        }
    }
}
