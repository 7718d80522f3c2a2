//! The program: a copy, so that whoever builds a new one meanwhile changes nothing in tests that take long.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Copies it, for as long as what is returned is kept.
pub fn copied() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let copied = folder.path().join("lifeboat");
    std::fs::copy(env!("CARGO_BIN_EXE_lifeboat"), &copied).unwrap();
    PROGRAM.set(copied).unwrap();
    folder
}

/// Where it is.
pub fn path() -> &'static Path {
    PROGRAM.get().unwrap()
}
