//! `lifeboat show`: the documents as they are meant, with every default filled in.

use super::prepare::documents;
use super::{Answer, Desk, Exit, Said};
use crate::diag::{Code, Finding};
use serde_json::Value;

/// Carries the command out. `only` is a kind and, maybe, a name.
///
/// # Errors
/// An early end.
pub fn show(desk: &Desk, only: Option<(&str, Option<&str>)>) -> Said {
    let loaded = documents(desk)?;
    let whole = serde_json::to_value(&loaded.workspace);
    let whole = whole.map_err(|e| failed(&e.to_string()))?;
    let chosen = match only {
        None => whole,
        Some((kind, name)) => {
            let kinds = whole.as_object().map(|o| o.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
            let key =
                kinds.iter().find(|k| **k == kind || one(k).1 == kind || k.strip_suffix('s') == Some(kind));
            let Some(of_kind) = key.and_then(|k| whole.get(k)) else {
                return Err(super::replicate::unknown(
                    Code::UnknownKind,
                    "kind",
                    kind,
                    kinds.iter().map(String::as_str),
                ));
            };
            match name {
                None => of_kind.clone(),
                Some(name) => of_kind.get(name).cloned().ok_or_else(|| {
                    let names = of_kind
                        .as_object()
                        .map(|o| o.keys().cloned().collect::<Vec<_>>())
                        .unwrap_or_default();
                    let (code, kind) = one(key.map_or(kind, String::as_str));
                    super::replicate::unknown(code, kind, name, names.iter().map(String::as_str))
                })?,
            }
        }
    };
    let human = serde_yaml::to_string(&chosen).map_err(|e| failed(&e.to_string()))?;
    Ok(Answer::ok(
        human,
        serde_json::json!({ "format": 1, "type": "documents", "documents": Value::clone(&chosen) }),
    ))
}

/// What one document of a kind is called, and the code for a name that none has.
fn one(kind: &str) -> (Code, &str) {
    match kind {
        "sites" => (Code::UnknownSite, "site"),
        "plans" => (Code::UnknownPlan, "failover plan"),
        "runbooks" => (Code::UnknownRunbook, "runbook"),
        "policies" => (Code::UnknownPolicy, "policy"),
        _ => (Code::UnknownReplica, "replica"),
    }
}

fn failed(why: &str) -> Box<Answer> {
    Answer::stop(
        Exit::Internal,
        Finding::new(Code::FileUnreadable, format!("this is a fault of Lifeboat: {why}")),
    )
}

/// The JSON Schema of the documents.
#[must_use]
pub fn schema() -> Value {
    crate::document::schema()
}
