//! YAML text to trees. The parser's events come through one small adapter, so that the parser can be replaced.
//!
//! YAML 1.2 core: `no` is a text and `0777` a number in base ten. Duplicate keys are errors. Anchors, aliases and merge keys work and are
//! bounded: what aliases add to a document may not be more than [`MOST`] values.

use super::node::{Node, Value};
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

/// The documents of a part of a file. After an error the next document is read on.
pub fn trees(part: Part<'_>, findings: &mut Vec<Finding>) -> Vec<Node> {
    let Part { file, text, base } = part;
    let options = granit_parser::options! { emit_unresolved_aliases: true };
    let mut reader = Reader {
        parser: Parser::new_from_str_with_options(text, options),
        file,
        text,
        base,
        anchors: BTreeMap::new(),
        added: 0,
    };
    let mut roots = Vec::new();
    loop {
        match reader.document() {
            Ok(Some(root)) => roots.extend((root.value != Value::Null).then_some(root)),
            Ok(None) => return roots,
            Err(finding) => {
                findings.push(*finding);
                if !matches!(reader.parser.proceed_next_document(), Ok(true)) {
                    return roots;
                }
            }
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, granit_parser::StrInput<'a>>,
    file: FileId,
    text: &'a str,
    base: usize,
    anchors: BTreeMap<usize, Node>,
    added: usize,
}

type Read<T> = Result<T, Box<Finding>>;

impl<'a> Reader<'a> {
    fn next(&mut self) -> Read<Option<(Event<'a>, Span)>> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok((event, span))) => {
                let range = span.byte_range().unwrap_or(0..0);
                Ok(Some((event, self.span(range.start, range.end))))
            }
            Some(Err(error)) => Err(self.syntax(&error)),
        }
    }

    fn span(&self, start: usize, end: usize) -> Span {
        let small = |n: usize| u32::try_from(n + self.base).unwrap_or(u32::MAX);
        Span { file: self.file, start: small(start), end: small(end.max(start)) }
    }

    fn syntax(&self, error: &ScanError) -> Box<Finding> {
        let byte = error.marker().byte_offset().unwrap_or(0).min(self.text.len());
        let line = self.text.get(..byte).unwrap_or("").rfind('\n').map_or(0, |n| n + 1);
        let end = self.text.get(byte..).and_then(|t| t.chars().next()).map_or(byte, |c| byte + c.len_utf8());
        let here = self.span(byte, end);
        let before = self.text.get(line..end).unwrap_or("");
        let indent = before.trim_start_matches(' ');
        if indent.starts_with('\t') {
            let at = line + before.len() - indent.len();
            return Box::new(
                Finding::new(Code::TabIndent, "a tab is used to indent")
                    .at(Some(self.span(at, at + 1)), "this is a tab")
                    .help("indent with spaces"),
            );
        }
        let finding = Finding::new(Code::YamlSyntax, format!("this is no YAML: {}", error.info()));
        Box::new(finding.at(Some(here), "reading stopped here"))
    }

    /// The next document, `None` at the end of the file.
    fn document(&mut self) -> Read<Option<Node>> {
        self.anchors.clear();
        self.added = 0;
        loop {
            match self.next()? {
                None | Some((Event::StreamEnd, _)) => return Ok(None),
                Some((Event::StreamStart | Event::DocumentStart(..), _)) => {}
                Some((Event::DocumentEnd, span)) => return Ok(Some(Node { span, value: Value::Null })),
                Some((event, span)) => {
                    let root = self.node(event, span, 0)?;
                    loop {
                        match self.next()? {
                            None | Some((Event::DocumentEnd, _)) => return Ok(Some(root)),
                            Some(_) => {}
                        }
                    }
                }
            }
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Read<Node> {
        if depth > DEEPEST {
            let finding =
                Finding::new(Code::TooLarge, format!("the document is more than {DEEPEST} levels deep"));
            return Err(Box::new(finding.at(Some(span), "here")));
        }
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                (self.scalar(&text, style, span, tag.as_deref())?, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.tag(tag.as_deref(), span)?;
                (self.list(span, depth)?, anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.tag(tag.as_deref(), span)?;
                (self.map(span, depth)?, anchor)
            }
            Event::Alias(anchor) => return self.alias(anchor, span),
            Event::UnresolvedAlias(name) => return Err(unknown_anchor(&name, span)),
            _ => (Node { span, value: Value::Null }, 0),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Read<Node> {
        // An alias inside of its own anchor has no value yet.
        let Some(node) = self.anchors.get(&anchor) else { return Err(unknown_anchor("it", span)) };
        self.added += node.count();
        if self.added > MOST {
            let finding =
                Finding::new(Code::TooLarge, format!("aliases add more than {MOST} values to the document"));
            return Err(Box::new(finding.at(Some(span), "at the latest here").help("write the values out")));
        }
        Ok(node.clone())
    }

    fn list(&mut self, start: Span, depth: usize) -> Read<Node> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                None => break,
                Some((Event::SequenceEnd, end)) => {
                    return Ok(Node { span: self.trimmed(start, end), value: Value::List(items) });
                }
                Some((event, span)) => items.push(self.node(event, span, depth + 1)?),
            }
        }
        Ok(Node { span: start, value: Value::List(items) })
    }

    fn map(&mut self, start: Span, depth: usize) -> Read<Node> {
        let mut entries: Vec<(Box<str>, Span, Node)> = Vec::new();
        let mut merges = Vec::new();
        let mut seen = Seen::default();
        loop {
            let (event, span) = match self.next()? {
                None => break,
                Some((Event::MappingEnd, end)) => {
                    let span = self.trimmed(start, end);
                    merge(&mut entries, merges)?;
                    return Ok(Node { span, value: Value::Map(entries) });
                }
                Some(found) => found,
            };
            let plain = matches!(&event, Event::Scalar(_, ScalarStyle::Plain, _, _));
            let key: Box<str> = match &event {
                Event::Scalar(text, ..) => (**text).into(),
                _ => {
                    let finding = Finding::new(Code::WrongType, "a key is no text");
                    return Err(Box::new(finding.at(Some(span), "keys are single words here")));
                }
            };
            let Some((event, place)) = self.next()? else { break };
            let value = self.node(event, place, depth + 1)?;
            if plain && *key == *"<<" {
                merges.push((span, value));
                continue;
            }
            if let Some(first) = seen.first(&entries, &key) {
                return Err(Box::new(
                    Finding::new(Code::DuplicateKey, format!("the key `{key}` stands twice in one mapping"))
                        .at(Some(span), "here again")
                        .at(Some(first), "here first")
                        .help("remove one of the two"),
                ));
            }
            entries.push((key, span, value));
        }
        Ok(Node { span: start, value: Value::Map(entries) })
    }

    /// A block ends in the parser's eyes where the next thing begins; people see its last character.
    fn trimmed(&self, start: Span, end: Span) -> Span {
        let (from, to) = (start.start as usize - self.base, end.end as usize - self.base);
        let text = self.text.get(from..to).unwrap_or("");
        let length = u32::try_from(text.trim_end().len()).unwrap_or(u32::MAX);
        Span { end: start.start.saturating_add(length), ..start }
    }

    fn tag(&self, tag: Option<&Tag>, span: Span) -> Read<()> {
        match tag {
            Some(tag) if tag.is_custom() => Err(Box::new(
                Finding::new(
                    Code::UnknownTag,
                    format!("the tag `{}` is not part of the documents' language", tag.original()),
                )
                .at(Some(span), "on this value")
                .help("remove the tag"),
            )),
            _ => Ok(()),
        }
    }

    fn scalar(&self, text: &str, style: ScalarStyle, span: Span, tag: Option<&Tag>) -> Read<Node> {
        self.tag(tag, span)?;
        let plain = style == ScalarStyle::Plain;
        let forced = tag.is_some_and(|t| t.core_suffix() == Some("str"));
        let value = if plain && !forced { resolve(text) } else { Value::Text(text.into(), false) };
        Ok(Node { span, value })
    }
}

/// Looks a key up among those read so far: by walking in a small mapping, by a map in a large one.
#[derive(Default)]
struct Seen(BTreeMap<Box<str>, Span>);

impl Seen {
    fn first(&mut self, entries: &[(Box<str>, Span, Node)], key: &str) -> Option<Span> {
        const FEW: usize = 24;
        if entries.len() < FEW {
            return entries.iter().find(|(k, _, _)| **k == *key).map(|(_, span, _)| *span);
        }
        let known = self.0.len();
        self.0.extend(entries.iter().skip(known).map(|(k, span, _)| (k.clone(), *span)));
        self.0.get(key).copied()
    }
}

fn unknown_anchor(name: &str, span: Span) -> Box<Finding> {
    let finding = Finding::new(Code::UnknownAnchor, format!("no anchor `{name}` stands before this alias"));
    Box::new(finding.at(Some(span), "not anchored in this document"))
}

/// Adds what merge keys bring: keys that stand in the mapping itself win, then earlier merges before later ones.
fn merge(entries: &mut Vec<(Box<str>, Span, Node)>, merges: Vec<(Span, Node)>) -> Read<()> {
    for (place, value) in merges {
        let sources = match value.value {
            Value::List(items) => items,
            _ => vec![value],
        };
        for source in sources {
            let Value::Map(more) = source.value else {
                let finding = Finding::new(Code::BadMerge, "a merge key does not merge a mapping");
                return Err(Box::new(
                    finding.at(Some(place), "its value must be a mapping or a list of mappings"),
                ));
            };
            for (key, span, value) in more {
                if !entries.iter().any(|(k, _, _)| *k == key) {
                    entries.push((key, span, value));
                }
            }
        }
    }
    Ok(())
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
mod tests {
    use super::*;
    use crate::diag::Sources;
    use proptest::prelude::*;

    fn one(text: &str) -> (Vec<Node>, Vec<Finding>) {
        let mut findings = Vec::new();
        let file = Sources::default().add("a.yaml", text);
        (trees(Part { file, text, base: 0 }, &mut findings), findings)
    }

    #[test]
    fn scalars_are_those_of_yaml_1_2() {
        let (trees, _) = one("[no, 0777, 0o17, 0x1f, 1.5, ~, 'true', true, 12:30, +3]");
        let text = |t: &str| serde_json::json!(t);
        let expected = serde_json::json!(["no", 777, 15, 31, 1.5, null, "true", true, "12:30", 3]);
        assert_eq!(trees[0].json(), expected);
        assert_eq!(one("a: '014'").0[0].get("a").unwrap().json(), text("014"));
    }

    #[test]
    fn aliases_and_merge_keys_work_and_bombs_do_not() {
        let (trees, _) = one("base: &b { x: 1, y: 2 }\nuse: { <<: *b, y: 3 }\nagain: *b\n");
        let expected = serde_json::json!({ "base": { "x": 1, "y": 2 }, "use": { "y": 3, "x": 1 }, "again": { "x": 1, "y": 2 } });
        assert_eq!(trees[0].json(), expected);
        let bomb: String = (1..10).fold("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, n| {
            let many = vec![format!("*a{}", n - 1); 10].join(", ");
            format!("{text}a{n}: &a{n} [{many}]\n")
        });
        assert_eq!(one(&bomb).1[0].code, Code::TooLarge);
        assert_eq!(one(&("[".repeat(100) + &"]".repeat(100))).1[0].code, Code::TooLarge);
    }

    #[test]
    fn a_faulty_document_does_not_silence_the_next_one() {
        let (trees, findings) = one("a: [1, 2\n---\nb: 1\n---\nc: 1\nc: 2\n---\nd: 1\n");
        assert_eq!(trees.len(), 2);
        assert_eq!(
            findings.iter().map(|f| f.code).collect::<Vec<_>>(),
            [Code::YamlSyntax, Code::DuplicateKey]
        );
    }

    #[test]
    fn a_file_that_is_cut_reads_as_one_that_is_not() {
        let document =
            |n: usize| format!("---\nname: vm-{n}\nlist: [ä, {n}, &x z, *x]\ntext: |\n  --- no mark\n");
        let text: String = (0..9000).map(document).collect();
        let file = Sources::default().add("a.yaml", text.as_str());
        let cut = parts(file, &text, 4);
        assert!(cut.len() > 2, "{} parts", cut.len());
        let mut findings = Vec::new();
        let apart: Vec<Node> = cut.into_iter().flat_map(|part| trees(part, &mut findings)).collect();
        assert_eq!(apart, one(&text).0);
        assert!(findings.is_empty());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_every_place_is_in_the_text(text in "[ -~\n\tä]{0,200}") {
            let (_, findings) = one(&text);
            for label in findings.iter().flat_map(|f| &f.labels) {
                prop_assert!(label.span.end as usize <= text.len());
            }
        }

        #[test]
        fn what_another_writer_writes_is_read_the_same(
            map in proptest::collection::btree_map("[a-z]{1,8}", "[ -~]{0,12}", 0..6),
            numbers in proptest::collection::vec(-1000i64..1000, 0..5),
        ) {
            let value = serde_json::json!({ "map": map, "numbers": numbers });
            let text = serde_yaml::to_string(&value).unwrap();
            let (trees, findings) = one(&text);
            prop_assert!(findings.is_empty(), "{findings:?} in {text}");
            prop_assert_eq!(trees[0].json(), value, "{}", text);
        }
    }
}
