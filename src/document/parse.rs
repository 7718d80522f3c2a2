//! YAML text to trees. The parser's events come through one small adapter, so that the parser can be replaced.
//!
//! YAML 1.2 core: `no` is a text and `0777` a number in base ten. Duplicate keys are errors. Anchors, aliases and merge keys work and are
//! bounded: what aliases add to a document may not be more than [`MOST`] values.

use super::node::{Entry, Node, Value};
use crate::diag::{Code, FileId, Finding, Span};
use granit_parser::{Event, Parser, ScalarStyle, ScanError, Tag};
use std::collections::BTreeMap;

/// How many values aliases may add to one document.
pub const MOST: usize = 100_000;
/// How deep a document may be.
pub const DEEPEST: usize = 64;

/// A stretch of a file that begins with a document.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// The file.
    pub file: FileId,
    /// The text.
    pub text: &'a str,
    /// The byte of the file at which it begins.
    pub base: usize,
}

/// Cuts a file into some parts of about one size, each beginning with a document. A line `---` ends a document wherever it stands, so
/// parts can be read apart from each other.
pub fn parts(file: FileId, text: &str, count: usize) -> Vec<Part<'_>> {
    let size = (text.len() / count.max(1)).max(SMALLEST);
    let (mut parts, mut base) = (Vec::new(), 0);
    while let Some(rest) = text.get(base..).filter(|r| r.len() > size) {
        // The cut may fall into the middle of a character; the mark is ASCII, so it is looked for in bytes.
        let mark = rest.as_bytes().get(size..).and_then(|r| r.windows(5).position(|w| w == b"\n---\n"));
        let Some(at) = mark.map(|m| size + m + 1) else { break };
        parts.push(Part { file, text: rest.get(..at).unwrap_or(rest), base });
        base += at;
    }
    parts.push(Part { file, text: text.get(base..).unwrap_or(""), base });
    parts
}

/// Below this, cutting a file costs more than it gains.
pub const SMALLEST: usize = 64 * 1024;

/// A document's tree.
#[derive(Debug, PartialEq)]
pub struct Tree {
    /// Its root.
    pub root: Node,
    /// Whether all of it could be read; otherwise it is what stands before the error, or lacks what could not be merged.
    pub whole: bool,
    /// Whether nothing was found in it.
    pub sound: bool,
}

/// The documents of a part of a file, but for empty ones, each given away with what was found in it: a large file's trees are never
/// there at once. An error ends its document; the next one is read on.
pub fn trees(part: Part<'_>, take: &mut dyn FnMut(Tree, &mut Vec<Finding>)) {
    let Part { file, text, base } = part;
    let options = granit_parser::options! { emit_unresolved_aliases: true };
    let mut reader = Reader {
        parser: Parser::new_from_str_with_options(text, options),
        file,
        text,
        base,
        anchors: BTreeMap::new(),
        added: 0,
        ended: false,
        whole: true,
        findings: Vec::new(),
    };
    while let Some(root) = reader.document() {
        let (ended, whole) = (reader.ended, reader.whole);
        let sound = reader.findings.is_empty();
        if root.value != Value::Null || !sound {
            take(Tree { root, whole, sound }, &mut reader.findings);
            reader.findings.clear();
        }
        if ended && !matches!(reader.parser.proceed_next_document(), Ok(true)) {
            break;
        }
    }
}

/// Reads one document once more, for its places.
pub fn again(part: Part<'_>) -> Node {
    let mut root = Node { span: Span { file: part.file, start: 0, end: 0 }, value: Value::Null };
    trees(part, &mut |tree, _| root = tree.root);
    root
}

struct Reader<'a> {
    parser: Parser<'a, granit_parser::StrInput<'a>>,
    file: FileId,
    text: &'a str,
    base: usize,
    anchors: BTreeMap<usize, Node>,
    added: usize,
    /// An error ended the document that is being read.
    ended: bool,
    whole: bool,
    findings: Vec<Finding>,
}

impl<'a> Reader<'a> {
    /// The next event; `None` at the end of the file and from the error on that ended the document.
    fn next(&mut self) -> Option<(Event<'a>, Span)> {
        if self.ended {
            return None;
        }
        match self.parser.next_event()? {
            Ok((event, span)) => {
                let range = span.byte_range().unwrap_or(0..0);
                Some((event, self.span(range.start, range.end)))
            }
            Err(error) => {
                let finding = self.syntax(&error);
                self.end(finding);
                None
            }
        }
    }

    /// Ends the document with an error.
    fn end(&mut self, finding: Finding) {
        self.findings.push(finding);
        (self.ended, self.whole) = (true, false);
    }

    fn span(&self, start: usize, end: usize) -> Span {
        let small = |n: usize| u32::try_from(n + self.base).unwrap_or(u32::MAX);
        Span { file: self.file, start: small(start), end: small(end.max(start)) }
    }

    fn syntax(&self, error: &ScanError) -> Finding {
        let byte = error.marker().byte_offset().unwrap_or(0).min(self.text.len());
        let line = self.text.get(..byte).unwrap_or("").rfind('\n').map_or(0, |n| n + 1);
        let end = self.text.get(byte..).and_then(|t| t.chars().next()).map_or(byte, |c| byte + c.len_utf8());
        let here = self.span(byte, end);
        let before = self.text.get(line..end).unwrap_or("");
        let indent = before.trim_start_matches(' ');
        if indent.starts_with('\t') {
            let at = line + before.len() - indent.len();
            return Finding::new(Code::TabIndent, "a tab is used to indent")
                .at(Some(self.span(at, at + 1)), "this is a tab")
                .help("indent with spaces");
        }
        let finding = Finding::new(Code::YamlSyntax, format!("this is no YAML: {}", error.info()));
        finding.at(Some(here), "reading stopped here")
    }

    /// The next document, `None` at the end of the file.
    fn document(&mut self) -> Option<Node> {
        self.anchors.clear();
        (self.added, self.ended, self.whole) = (0, false, true);
        loop {
            match self.next() {
                Some((Event::StreamStart | Event::DocumentStart(..), _)) => {}
                Some((Event::StreamEnd, _)) => return None,
                Some((Event::DocumentEnd, span)) => return Some(Node { span, value: Value::Null }),
                Some((event, span)) => {
                    let root = self.node(event, span, 0);
                    while !matches!(self.next(), None | Some((Event::DocumentEnd, _))) {}
                    return Some(root);
                }
                None if self.ended => {
                    return Some(Node { span: self.span(0, 0), value: Value::Broken });
                }
                None => return None,
            }
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Node {
        if depth > DEEPEST {
            let finding =
                Finding::new(Code::TooLarge, format!("the document is more than {DEEPEST} levels deep"));
            self.end(finding.at(Some(span), "here"));
            return Node { span, value: Value::Broken };
        }
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                (self.scalar(&text, style, span, tag.as_deref()), anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.tag(tag.as_deref(), span);
                (self.list(span, depth), anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.tag(tag.as_deref(), span);
                (self.map(span, depth), anchor)
            }
            Event::Alias(anchor) => return self.alias(anchor, span),
            Event::UnresolvedAlias(name) => return self.unknown_anchor(&name, span),
            _ => (Node { span, value: Value::Null }, 0),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        node
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Node {
        // An alias inside of its own anchor has no value yet.
        let Some(node) = self.anchors.get(&anchor) else {
            return self.unknown_anchor(self.name_at(span), span);
        };
        self.added += node.count();
        if self.added > MOST {
            let finding =
                Finding::new(Code::TooLarge, format!("aliases add more than {MOST} values to the document"));
            self.end(finding.at(Some(span), "at the latest here").help("write the values out"));
            return Node { span, value: Value::Broken };
        }
        node.clone()
    }

    /// The name of an alias, as it stands in the text.
    fn name_at(&self, span: Span) -> &'a str {
        let (from, to) = (span.start as usize - self.base, span.end as usize - self.base);
        self.text.get(from..to).unwrap_or("").trim_start_matches('*')
    }

    fn unknown_anchor(&mut self, name: &str, span: Span) -> Node {
        let finding =
            Finding::new(Code::UnknownAnchor, format!("no anchor `{name}` stands before this alias"));
        self.findings.push(finding.at(Some(span), "not anchored in this document"));
        Node { span, value: Value::Broken }
    }

    fn list(&mut self, start: Span, depth: usize) -> Node {
        let mut items = Vec::new();
        while let Some((event, span)) = self.next() {
            if matches!(event, Event::SequenceEnd) {
                return Node { span: self.trimmed(start, span), value: Value::List(items) };
            }
            items.push(self.node(event, span, depth + 1));
        }
        Node { span: start, value: Value::List(items) }
    }

    fn map(&mut self, start: Span, depth: usize) -> Node {
        let mut entries: Vec<Entry> = Vec::new();
        let mut merges = Vec::new();
        let mut seen = Seen::default();
        while let Some((event, span)) = self.next() {
            if matches!(event, Event::MappingEnd) {
                self.merge(&mut entries, merges);
                return Node { span: self.trimmed(start, span), value: Value::Map(entries) };
            }
            let plain = matches!(&event, Event::Scalar(_, ScalarStyle::Plain, _, _));
            let key: Option<Box<str>> = match &event {
                Event::Scalar(text, ..) => Some((**text).into()),
                _ => {
                    let finding = Finding::new(Code::WrongType, "a key is no text");
                    self.findings.push(finding.at(Some(span), "keys are single words here"));
                    // Read to its end all the same, so that its value is not taken for a key.
                    self.node(event, span, depth + 1);
                    None
                }
            };
            let Some((event, place)) = self.next() else { break };
            let value = self.node(event, place, depth + 1);
            let Some(key) = key else { continue };
            if plain && *key == *"<<" {
                merges.push((span, value));
            } else if let Some(first) = seen.first(&entries, &key) {
                self.findings.push(
                    Finding::new(Code::DuplicateKey, format!("the key `{key}` stands twice in one mapping"))
                        .at(Some(span), "here again")
                        .at(Some(first), "here first")
                        .help("remove one of the two"),
                );
            } else {
                entries.push((key, span, value));
            }
        }
        Node { span: start, value: Value::Map(entries) }
    }

    /// Adds what merge keys bring: keys that stand in the mapping itself win, then earlier merges before later ones.
    fn merge(&mut self, entries: &mut Vec<Entry>, merges: Vec<(Span, Node)>) {
        for (place, value) in merges {
            let sources = match value.value {
                Value::List(items) => items,
                _ => vec![value],
            };
            for source in sources {
                let Value::Map(more) = source.value else {
                    // What would have been merged is unknown: nothing may be said to be missing.
                    self.whole = false;
                    if source.value != Value::Broken {
                        let finding = Finding::new(Code::BadMerge, "a merge key does not merge a mapping");
                        self.findings.push(
                            finding.at(Some(place), "its value must be a mapping or a list of mappings"),
                        );
                    }
                    continue;
                };
                for (key, span, value) in more {
                    if !entries.iter().any(|(k, _, _)| *k == key) {
                        entries.push((key, span, value));
                    }
                }
            }
        }
    }

    /// A block ends in the parser's eyes where the next thing begins; people see its last character.
    fn trimmed(&self, start: Span, end: Span) -> Span {
        let (from, to) = (start.start as usize - self.base, end.end as usize - self.base);
        let text = self.text.get(from..to).unwrap_or("");
        let length = u32::try_from(text.trim_end().len()).unwrap_or(u32::MAX);
        Span { end: start.start.saturating_add(length), ..start }
    }

    fn tag(&mut self, tag: Option<&Tag>, span: Span) {
        if let Some(tag) = tag
            && tag.is_custom()
        {
            self.findings.push(
                Finding::new(
                    Code::UnknownTag,
                    format!("the tag `{}` is not part of the documents' language", tag.original()),
                )
                .at(Some(span), "on this value")
                .help("remove the tag"),
            );
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, span: Span, tag: Option<&Tag>) -> Node {
        self.tag(tag, span);
        let plain = style == ScalarStyle::Plain;
        let forced = tag.is_some_and(|t| t.core_suffix() == Some("str"));
        let value = if plain && !forced { resolve(text) } else { Value::Text(text.into(), false) };
        Node { span, value }
    }
}

/// Looks a key up among those read so far: by walking in a small mapping, by a map in a large one.
#[derive(Default)]
struct Seen(BTreeMap<Box<str>, Span>);

impl Seen {
    fn first(&mut self, entries: &[Entry], key: &str) -> Option<Span> {
        const FEW: usize = 24;
        if entries.len() < FEW {
            return entries.iter().find(|(k, _, _)| **k == *key).map(|(_, span, _)| *span);
        }
        let known = self.0.len();
        self.0.extend(entries.iter().skip(known).map(|(k, span, _)| (k.clone(), *span)));
        self.0.get(key).copied()
    }
}

/// A plain scalar by the core schema of YAML 1.2.
fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let digits = text.trim_start_matches(['+', '-']);
    let number = match digits.as_bytes() {
        [b'0', b'x', ..] if digits == text => i64::from_str_radix(digits.get(2..).unwrap_or(""), 16).ok(),
        [b'0', b'o', ..] if digits == text => i64::from_str_radix(digits.get(2..).unwrap_or(""), 8).ok(),
        [b'0'..=b'9', ..] if digits.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    };
    if let Some(number) = number {
        return Value::Int(number);
    }
    let numeric = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'))
        && digits.contains(|c: char| c.is_ascii_digit());
    match text.parse::<f64>() {
        Ok(number) if numeric => Value::Float(number),
        _ => Value::Text(text.into(), true),
    }
}

#[cfg(test)]
mod tests;
