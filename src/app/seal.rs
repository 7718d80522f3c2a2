//! Sealed plans: a plan in a file, with all that it was made from and a digest over the whole.

use super::prepare::Prepared;
use super::world::Settings;
use super::{Answer, Exit, shown};
use crate::base::Digest;
use crate::diag::{Code, Finding};
use crate::plan::Plan;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;

/// The format's version.
const VERSION: u32 = 1;

/// What is sealed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sealed {
    /// The format's version.
    pub lifeboat_plan: u32,
    /// The version of Lifeboat that made it.
    pub made_by: String,
    /// The documents' digests.
    pub documents: Vec<(String, Digest)>,
    /// The providers' settings.
    pub setup: Settings,
    /// The plan.
    pub plan: Plan,
}

/// Writes a plan down.
pub fn write(path: &Path, prepared: &Prepared) -> Result<Digest, Box<Answer>> {
    let sealed = Sealed {
        lifeboat_plan: VERSION,
        made_by: env!("CARGO_PKG_VERSION").to_owned(),
        documents: prepared.loaded.documents.clone(),
        setup: prepared.world.settings.clone(),
        plan: prepared.plan.clone(),
    };
    let (text, seal) = close(&sealed).map_err(|e| super::unwritten(path, &e.into()))?;
    super::write_file(path, text.as_bytes())?;
    Ok(seal)
}

/// The text, with the seal as its last line's value: the digest of everything before it.
fn close(sealed: &Sealed) -> Result<(String, Digest), serde_json::Error> {
    let body = serde_json::to_string(sealed)?;
    let seal = Digest::of(body.as_bytes());
    let open = body.strip_suffix('}').unwrap_or(&body);
    Ok((format!("{open},\n\"seal\":\"{seal}\"}}\n"), seal))
}

/// Reads a sealed plan, and refuses one that was changed.
pub fn read(path: &Path) -> Result<(Sealed, Digest), Box<Answer>> {
    let about = |finding: Finding, exit| Err(Answer::stop(exit, finding.about(shown(path))));
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            let finding = Finding::new(Code::FileUnreadable, format!("the plan cannot be read: {error}"));
            return about(finding, Exit::Io);
        }
    };
    let unreadable = || {
        Finding::new(Code::PlanUnreadable, "the file is no sealed plan")
            .help("`lifeboat plan RUNBOOK --out FILE` seals one")
    };
    let Ok(value) = serde_json::from_str::<Value>(&text) else { return about(unreadable(), Exit::Invalid) };
    match value.get("lifeboatPlan").and_then(Value::as_u64) {
        None => return about(unreadable(), Exit::Invalid),
        Some(found) if found != u64::from(VERSION) => {
            let message = format!("the sealed plan has format {found}, and this version knows {VERSION}");
            return about(
                Finding::new(Code::PlanVersion, message).help("plan again with this version"),
                Exit::Invalid,
            );
        }
        Some(_) => {}
    }
    let edited = || {
        Finding::new(Code::PlanEdited, "the sealed plan was changed after it was sealed")
            .help("change the documents instead, and seal a new plan")
    };
    let parts = text.trim_end().rsplit_once(",\n\"seal\":\"");
    let sealed = parts.and_then(|(open, tail)| {
        let seal: Digest = tail.strip_suffix("\"}")?.parse().ok()?;
        let body = format!("{open}}}");
        (Digest::of(body.as_bytes()) == seal).then_some((body, seal))
    });
    let Some((body, seal)) = sealed else { return about(edited(), Exit::Invalid) };
    match serde_json::from_str(&body) {
        Ok(sealed) => Ok((sealed, seal)),
        Err(_) => about(unreadable(), Exit::Invalid),
    }
}
