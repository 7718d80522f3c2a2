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
    /// The allowed signers, as their file was, where the plan needs approvals: it may be carried out where no documents are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signers: Option<String>,
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
        signers: prepared.loaded.signers.clone().filter(|_| !prepared.plan.needs.is_empty()),
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

/// Why a text is no sealed plan that can be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsealed {
    /// It is none.
    Unreadable,
    /// Its format is not known.
    Version(u64),
    /// It is not what was sealed.
    Edited,
}

/// Opens a sealed plan's text, and makes its seal anew.
///
/// # Errors
/// [`Unsealed`].
pub fn open(text: &str) -> Result<(Sealed, Digest), Unsealed> {
    let value: Value = serde_json::from_str(text).map_err(|_| Unsealed::Unreadable)?;
    match value.get("lifeboatPlan").and_then(Value::as_u64) {
        None => return Err(Unsealed::Unreadable),
        Some(found) if found != u64::from(VERSION) => return Err(Unsealed::Version(found)),
        Some(_) => {}
    }
    let parts = text.trim_end().rsplit_once(",\n\"seal\":\"");
    let sealed = parts.and_then(|(open, tail)| {
        let seal: Digest = tail.strip_suffix("\"}")?.parse().ok()?;
        let body = format!("{open}}}");
        (Digest::of(body.as_bytes()) == seal).then_some((body, seal))
    });
    let (body, seal) = sealed.ok_or(Unsealed::Edited)?;
    Ok((serde_json::from_str(&body).map_err(|_| Unsealed::Unreadable)?, seal))
}

/// Reads a sealed plan with its seal and its text, and refuses one that was changed.
pub fn read(path: &Path) -> Result<(Sealed, Digest, String), Box<Answer>> {
    let about = |finding: Finding, exit| Answer::stop(exit, finding.about(shown(path)));
    let text = std::fs::read_to_string(path).map_err(|error| {
        let finding = Finding::new(Code::FileUnreadable, format!("the plan cannot be read: {error}"));
        about(finding, Exit::Io)
    })?;
    let (sealed, seal) = open(&text).map_err(|why| {
        let finding = match why {
            Unsealed::Unreadable => Finding::new(Code::PlanUnreadable, "the file is no sealed plan")
                .help("`lifeboat plan RUNBOOK --out FILE` seals one"),
            Unsealed::Version(found) => {
                let message = format!("the sealed plan has format {found}, and this version knows {VERSION}");
                Finding::new(Code::PlanVersion, message).help("plan again with this version")
            }
            Unsealed::Edited => {
                Finding::new(Code::PlanEdited, "the sealed plan was changed after it was sealed")
                    .help("change the documents instead, and seal a new plan")
            }
        };
        about(finding, Exit::Invalid)
    })?;
    Ok((sealed, seal, text))
}
