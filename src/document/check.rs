//! A tree against the schema of its kind. Each error gets the smallest place that shows it and, where a word is unknown, the
//! nearest known one.

use super::node::{Key, Node, Value};
use super::parse::Tree;
use super::shape::Shape;
use super::typed::{Mismatch, read};
use super::{Document, Kind, Parsed, schema};
use crate::diag::{Applicability, Code, Edit, FileId, Finding, Span};
use jsonschema::error::{TypeKind, ValidationErrorKind as E};
use jsonschema::paths::LocationSegment;
use jsonschema::{ValidationError, Validator};
use serde_json::Value as Json;
use std::sync::{Arc, OnceLock};

/// The schemas, each compiled when the first document of its kind is refused by the types.
#[derive(Default)]
pub struct Checker {
    kinds: [OnceLock<Option<(Json, Validator)>>; Kind::ALL.len()],
}

impl Checker {
    fn schema(&self, kind: Kind) -> Option<&(Json, Validator)> {
        let compile = || {
            let schema = schema::of_kind(kind);
            let validator = jsonschema::validator_for(&schema).ok()?;
            Some((schema, validator))
        };
        self.kinds.get(kind as usize)?.get_or_init(compile).as_ref()
    }

    /// Reads a document from its tree.
    pub fn document(&self, text: &Arc<str>, file: FileId, tree: Tree, parsed: &mut Parsed) {
        let Tree { root, whole, sound } = tree;
        let findings = &mut parsed.findings;
        if !matches!(root.value, Value::Map(_)) {
            if !whole {
                return parsed.unread();
            }
            findings.push(
                Finding::new(
                    Code::NotADocument,
                    "a document is a mapping with apiVersion, kind, metadata and spec",
                )
                .at(Some(root.span), "this is none"),
            );
            return;
        }
        let Some(kind) = kind_of(&root, whole, findings) else { return parsed.unread() };
        let before = findings.len();
        version(&root, findings);
        let shape = match typed(kind, &root) {
            Ok(shape) => Some(shape),
            Err(why) if whole => {
                self.explain(kind, &root, findings);
                if sound && findings.len() == before {
                    // What the schema lets through and the types do not.
                    findings.push(
                        Finding::new(Code::WrongType, why.to_string())
                            .at(Some(root.at(&[])), "in this document"),
                    );
                }
                None
            }
            Err(_) => None,
        };
        let shape = shape.filter(|_| sound && findings.len() == before);
        let Some(name) = root.get("metadata").and_then(|m| m.get("name")).and_then(Node::text) else {
            parsed.nameless.insert(kind);
            return;
        };
        let name = name.to_owned();
        let start = text.get(..root.span.start as usize).unwrap_or("").rfind('\n').map_or(0, |n| n + 1);
        let place = start..root.span.end as usize;
        let kept = if shape.is_some() { OnceLock::new() } else { OnceLock::from(root) };
        parsed.documents.push(Document {
            file,
            kind,
            name,
            shape,
            text: Arc::clone(text),
            place,
            root: kept,
        });
    }

    /// Everything in which a document differs from its schema.
    fn explain(&self, kind: Kind, root: &Node, findings: &mut Vec<Finding>) {
        let Some((schema, validator)) = self.schema(kind) else { return };
        let json = root.json();
        let errors = validator.iter_errors(&json).filter(|e| !follows(root, e));
        let found = errors.flat_map(|e| explain(root, schema, &e));
        findings.extend(found.filter(|f| f.code != Code::UnknownVersion));
    }
}

/// Whether an error only follows from a value that could not be read.
fn follows(root: &Node, error: &ValidationError<'_>) -> bool {
    let choice = matches!(error.kind(), E::AnyOf { .. } | E::OneOfNotValid { .. });
    walk(root, error).1.is_some_and(|node| node.value == Value::Broken || choice && node.hides_broken())
}

fn kind_of(root: &Node, whole: bool, findings: &mut Vec<Finding>) -> Option<Kind> {
    let Some(kind) = root.get("kind").filter(|k| k.value != Value::Broken) else {
        if !whole {
            return None;
        }
        findings.push(
            Finding::new(Code::NotADocument, "the document does not say its kind")
                .at(Some(root.at(&[])), "this document")
                .help(format!("add `kind:` with one of {}", names())),
        );
        return None;
    };
    let text = kind.text().unwrap_or_default();
    let found = Kind::ALL.iter().find(|k| k.name() == text).copied();
    if found.is_none() {
        let message = match kind.text() {
            Some(text) => format!("the kind `{text}` is not known"),
            None => "the kind is no word".to_owned(),
        };
        let mut finding = Finding::new(Code::UnknownKind, message).at(Some(kind.span), "here");
        finding = match nearest(text, Kind::ALL.iter().map(|k| k.name())) {
            Some(near) => finding.help(format!("a kind with a similar name: {near}")),
            None => finding.help(format!("the kinds are {}", names())),
        };
        findings.push(finding);
    }
    found
}

fn names() -> String {
    Kind::ALL.map(Kind::name).join(", ")
}

fn version(root: &Node, findings: &mut Vec<Finding>) {
    if let Some(version) = root.get("apiVersion")
        && version.text() != Some("lifeboat/v1")
    {
        findings.push(
            Finding::new(Code::UnknownVersion, "the apiVersion is not known")
                .at(Some(version.span), "here")
                .help("this version of Lifeboat knows lifeboat/v1"),
        );
    }
}

fn typed(kind: Kind, root: &Node) -> Result<Shape, Mismatch> {
    Ok(match kind {
        Kind::Site => Shape::Site(Box::new(read(root)?)),
        Kind::Replica => Shape::Replica(Box::new(read(root)?)),
        Kind::FailoverPlan => Shape::FailoverPlan(Box::new(read(root)?)),
        Kind::Runbook => Shape::Runbook(Box::new(read(root)?)),
        Kind::Policy => Shape::Policy(Box::new(read(root)?)),
        Kind::Store => Shape::Store(Box::new(read(root)?)),
    })
}

/// A path of the validator's as a path into the tree.
fn walk<'a>(root: &'a Node, error: &ValidationError<'_>) -> (Vec<String>, Option<&'a Node>) {
    let mut path = Vec::new();
    let mut node = Some(root);
    for segment in error.instance_path() {
        node = match (&segment, node.map(|n| &n.value)) {
            (LocationSegment::Property(name), Some(Value::Map(entries))) => {
                entries.iter().find(|(k, _, _)| **k == **name).map(|(_, _, v)| v)
            }
            (LocationSegment::Index(index), Some(Value::List(items))) => items.get(*index),
            _ => None,
        };
        path.push(segment.to_string());
    }
    (path, node)
}

fn place(root: &Node, error: &ValidationError<'_>) -> Span {
    let segments: Vec<LocationSegment<'_>> = error.instance_path().into_iter().collect();
    let path: Vec<Key<'_>> = segments
        .iter()
        .map(|s| match s {
            LocationSegment::Property(name) => Key::Name(name),
            LocationSegment::Index(index) => Key::Index(*index),
        })
        .collect();
    root.at(&path)
}

fn explain(root: &Node, schema: &Json, error: &ValidationError<'_>) -> Vec<Finding> {
    let here = place(root, error);
    let (path, node) = walk(root, error);
    let last = path.last().map_or("the document", String::as_str);
    let finding = |code, message: String| Finding::new(code, message);
    match error.kind() {
        E::AdditionalProperties { unexpected } => {
            unexpected.iter().map(|key| unknown_key(schema, error, node, key)).collect()
        }
        E::Required { property } => {
            let key = property.as_str().unwrap_or_default();
            let at = if path.is_empty() { "the document".to_owned() } else { format!("`{last}`") };
            vec![
                finding(Code::MissingKey, format!("the key `{key}` is missing in {at}"))
                    .at(Some(here), format!("`{key}` belongs in here")),
            ]
        }
        E::Type { kind } => vec![wrong_type(kind, last, here, node)],
        E::Enum { options } => {
            let allowed = options.as_array().cloned().unwrap_or_default();
            vec![unknown_value(last, here, node, &allowed)]
        }
        E::Constant { .. } if path == ["apiVersion"] => vec![finding(Code::UnknownVersion, String::new())],
        E::Constant { expected_value } => {
            vec![unknown_value(last, here, node, std::slice::from_ref(expected_value.as_ref()))]
        }
        E::AnyOf { context } if optional(context).is_some() => {
            optional(context).into_iter().flatten().flat_map(|e| explain(root, schema, e)).collect()
        }
        E::AnyOf { .. } | E::OneOfNotValid { .. } => vec![choice(schema, error, (last, here), node)],
        E::Pattern { .. } => {
            let example = part(schema, error).and_then(|s| s.pointer("/examples/0")?.as_str());
            vec![unlike(last, here, node, example)]
        }
        E::Minimum { limit } | E::ExclusiveMinimum { limit } => {
            vec![
                finding(Code::OutOfRange, format!("`{last}` must be at least {limit}"))
                    .at(Some(here), "too small"),
            ]
        }
        E::Maximum { limit } | E::ExclusiveMaximum { limit } => {
            vec![
                finding(Code::OutOfRange, format!("`{last}` must be at most {limit}"))
                    .at(Some(here), "too large"),
            ]
        }
        _ => vec![
            finding(Code::WrongType, format!("`{last}` is not as it must be: {error}"))
                .at(Some(here), "here"),
        ],
    }
}

/// A value of another type than it must be. A bare number where a duration belongs is a trap of its own.
fn wrong_type(kind: &TypeKind, key: &str, here: Span, node: Option<&Node>) -> Finding {
    let value = node.map(|n| &n.value);
    if matches!(value, Some(Value::Int(_) | Value::Float(_))) && TIMES.contains(&key) {
        let number = node.map(Node::json).unwrap_or_default();
        return Finding::new(Code::BadDuration, format!("`{number}` is no duration"))
            .at(Some(here), "a number without a unit")
            .help("write it with its unit: 90s, 15m, 1h30m");
    }
    let wanted = match kind {
        TypeKind::Single(one) => article(&one.to_string()),
        TypeKind::Multiple(many) => {
            let wanted = many.iter().map(|t| t.to_string()).filter(|t| t != "null");
            wanted.map(|t| article(&t)).collect::<Vec<_>>().join(" or ")
        }
    };
    let is = node.map_or("something else", describe);
    let found = Finding::new(Code::WrongType, format!("`{key}` must be {wanted}"))
        .at(Some(here), format!("this is {is}"));
    let quoted =
        wanted.contains("text") && matches!(value, Some(Value::Int(_) | Value::Float(_) | Value::Bool(_)));
    if quoted { found.help("put it in quotes to make it a text") } else { found }
}

/// A text that is not as its kind is written.
fn unlike(key: &str, here: Span, node: Option<&Node>, example: Option<&str>) -> Finding {
    let text = node.and_then(Node::text).unwrap_or_default();
    let found =
        Finding::new(Code::UnknownValue, format!("`{key}` cannot be `{text}`")).at(Some(here), "here");
    match example {
        Some(example) => found.help(format!("write it like {example}")),
        None => found,
    }
}

/// What is wrong with a value that may be left out: a choice between itself and nothing. `None` for other choices.
fn optional<'a, 'e>(context: &'a [Vec<ValidationError<'e>>]) -> Option<&'a [ValidationError<'e>]> {
    let is_nothing = |errors: &[ValidationError<'_>]| {
        let null = serde_json::json!("null");
        matches!(errors, [one] if matches!(one.kind(), E::Type { kind: TypeKind::Single(t) } if null == t.to_string()))
    };
    match context {
        [one, nothing] if is_nothing(nothing) => Some(one),
        _ => None,
    }
}

/// The keys whose values are durations: a bare number there is a trap of its own.
const TIMES: [&str; 18] = [
    "rpo",
    "rto",
    "delay",
    "plus",
    "within",
    "stable",
    "every",
    "quiet",
    "maxLoss",
    "undoEvery",
    "boot",
    "shutdown",
    "writes",
    "sync",
    "by",
    "time",
    "timeout",
    "late",
];

fn article(kind: &str) -> String {
    match kind {
        "string" => "a text".to_owned(),
        "object" => "a mapping".to_owned(),
        "array" => "a list".to_owned(),
        "integer" => "a whole number".to_owned(),
        "number" => "a number".to_owned(),
        "boolean" => "true or false".to_owned(),
        other => other.to_owned(),
    }
}

fn describe(node: &Node) -> &'static str {
    match node.value {
        Value::Null | Value::Broken => "nothing",
        Value::Bool(_) => "true or false",
        Value::Int(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Text(..) => "a text",
        Value::List(_) => "a list",
        Value::Map(_) => "a mapping",
    }
}

/// The part of the schema that an error is about, with references followed.
fn part<'a>(schema: &'a Json, error: &ValidationError<'_>) -> Option<&'a Json> {
    let path = error.schema_path().to_string();
    let parent = path.rsplit_once('/').map(|(parent, _)| parent.to_owned())?;
    schema.pointer(&parent)
}

fn unknown_key(schema: &Json, error: &ValidationError<'_>, node: Option<&Node>, key: &str) -> Finding {
    let span = node.and_then(|n| match &n.value {
        Value::Map(entries) => entries.iter().find(|(k, _, _)| **k == *key).map(|(_, span, _)| *span),
        _ => None,
    });
    let known: Vec<&str> = part(schema, error)
        .and_then(|s| s.get("properties"))
        .and_then(Json::as_object)
        .map(|p| p.keys().map(String::as_str).collect())
        .unwrap_or_default();
    let finding =
        Finding::new(Code::UnknownKey, format!("the key `{key}` is not known here")).at(span, "not known");
    match (nearest(key, known.iter().copied()), span) {
        (Some(near), Some(span)) => finding
            .help(format!("a key with a similar name: {near}"))
            .fix(Applicability::MachineApplicable, vec![Edit { span, text: near.to_owned() }]),
        _ if known.is_empty() => finding,
        _ => finding.help(format!("known here: {}", known.join(", "))),
    }
}

fn unknown_value(key: &str, here: Span, node: Option<&Node>, allowed: &[Json]) -> Finding {
    let words: Vec<String> = allowed
        .iter()
        .filter(|v| !v.is_null())
        .map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
        .collect();
    let text = node.and_then(Node::text).unwrap_or_default();
    let finding =
        Finding::new(Code::UnknownValue, format!("`{key}` cannot be `{text}`")).at(Some(here), "not known");
    match nearest(text, words.iter().map(String::as_str)) {
        Some(near) => finding.help(format!("a word with a similar name: {near}")),
        None => finding.help(format!("one of: {}", words.join(", "))),
    }
}

/// A value that is a word or a mapping. The alternatives are listed; which of them was meant is not guessed.
fn choice(schema: &Json, error: &ValidationError<'_>, at: (&str, Span), node: Option<&Node>) -> Finding {
    let (key, here) = at;
    let mut words = Vec::new();
    part(schema, error).into_iter().for_each(|s| alternatives(s, &mut words));
    let is = node.map_or("something else", describe);
    let finding = Finding::new(Code::UnknownValue, format!("`{key}` is none of what it can be"))
        .at(Some(here), format!("this is {is}"));
    if words.is_empty() { finding } else { finding.help(format!("one of: {}", words.join(", "))) }
}

/// What a value can be, as a person would write it.
fn alternatives(schema: &Json, words: &mut Vec<String>) {
    let list = |key: &str| schema.get(key).and_then(Json::as_array).into_iter().flatten();
    let texts = schema.get("const").into_iter().chain(list("enum")).filter_map(Json::as_str);
    words.extend(texts.map(str::to_owned));
    words.extend(list("required").filter_map(Json::as_str).map(|key| format!("{{ {key}: … }}")));
    list("anyOf").chain(list("oneOf")).for_each(|s| alternatives(s, words));
}

/// The nearest of some names, where one is near: by letters swapped, left out, added or changed, a third of them at most.
pub fn nearest<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = (text.chars().count() / 3).max(1);
    let near = names.map(|n| (strsim::damerau_levenshtein(text, n), n)).filter(|(d, _)| *d <= most);
    near.min().map(|(_, n)| n)
}

#[cfg(test)]
mod tests;
