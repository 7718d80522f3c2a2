//! Which commit the documents are of: what a drill is told by later.

use super::Desk;
use crate::base::Digest;
use std::process::{Command, Stdio};

/// The commit of the workspace, with a `+` where documents differ from it; a digest of the documents where there is no repository, or no git.
pub fn of(desk: &Desk, documents: &[(String, Digest)]) -> String {
    let Some(commit) = git(desk, &["rev-parse", "--short=7", "HEAD"]).filter(|text| !text.is_empty()) else {
        let all: String = documents.iter().map(|(name, digest)| format!("{name} {digest}\n")).collect();
        return format!("documents {}", Digest::of(all.as_bytes()).short());
    };
    // Lifeboat's own folder holds runs and is no document.
    let changed = git(desk, &["status", "--porcelain", "--", "*.yaml", "*.yml"]);
    if changed.is_some_and(|text| text.is_empty()) { commit } else { format!("{commit}+") }
}

/// What git says. Nothing of the repository's own settings that would run a program is heeded.
fn git(desk: &Desk, words: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"])
        .args(words)
        .current_dir(&desk.folder)
        .env_clear()
        .envs(desk.environment.iter())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
