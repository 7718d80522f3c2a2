//! Findings for people and for machines. The frames are drawn by miette; what is said, and in which order, is decided here.

use crate::diag::{Applicability, Finding, Label, Severity, SourceFile, Sources, Span};
use crate::report::words::count;
use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents,
    SourceCode, SourceSpan, SpanContents, ThemeCharacters, ThemeStyles,
};
use serde_json::{Value, json};
use std::fmt;

/// How many findings are shown at length; the rest is a count, because nobody reads the four-hundredth.
const SHOWN: usize = 50;

/// A longer line (in bytes) is not drawn, only its place is named.
const LONGEST: usize = 1000;

/// How findings are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// How many columns there are.
    pub width: usize,
    /// Whether colours may be used. The words never depend on them.
    pub color: bool,
    /// Whether characters beyond ASCII may be used.
    pub unicode: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self { width: 100, color: false, unicode: true }
    }
}

/// All findings in their order, and the count as the last line. Empty where there are none.
#[must_use]
pub fn render(findings: &[Finding], sources: &Sources, style: Style) -> String {
    if findings.is_empty() {
        return String::new();
    }
    let mut text = String::new();
    for finding in findings.iter().take(SHOWN) {
        text.push_str(&one(finding, sources, style));
        text.push('\n');
    }
    if findings.len() > SHOWN {
        text.push_str(&format!("… and {} more\n", findings.len() - SHOWN));
    }
    text.push_str(&tally(findings));
    if let Some(first) = findings.first() {
        text.push_str(&format!("  (lifeboat explain {} says more)", first.code));
    }
    text.push('\n');
    if style.unicode { text } else { text.replace('…', "...") }
}

/// `2 errors, 1 warning.`
#[must_use]
pub fn tally(findings: &[Finding]) -> String {
    let of = |severity| findings.iter().filter(|f| f.severity == severity).count();
    let (errors, warnings) = (of(Severity::Error), of(Severity::Warning));
    format!("{}, {}.", count(errors, "error"), count(warnings, "warning"))
}

/// One finding.
#[must_use]
pub fn one(finding: &Finding, sources: &Sources, style: Style) -> String {
    let mut text = header(finding, style);
    text.push_str(&frames(finding, sources, style));
    if let Some(object) = &finding.object {
        text.push_str(&format!("  {} {object}\n", if style.unicode { "→" } else { "->" }));
    }
    for help in &finding.help {
        text.push_str(&wrapped("help: ", help, style.width));
    }
    text
}

fn header(finding: &Finding, style: Style) -> String {
    let head = format!("{}[{}]", finding.severity.word(), finding.code);
    if !style.color {
        return format!("{head}: {}\n", finding.message);
    }
    let color = match finding.severity {
        Severity::Error => "31",
        Severity::Warning => "33",
        Severity::Note => "36",
    };
    format!("\u{1b}[1;{color}m{head}\u{1b}[0m\u{1b}[1m: {}\u{1b}[0m\n", finding.message)
}

/// Help, broken at words; lines of its own (a piece of YAML) stay as they are.
fn wrapped(head: &str, text: &str, width: usize) -> String {
    let mut out = String::new();
    let room = width.saturating_sub(head.len() + 2).max(20);
    let mut lead = head.to_owned();
    for line in text.lines() {
        let verbatim = line.starts_with(' ') || line.chars().count() <= room;
        for piece in if verbatim { vec![line.to_owned()] } else { broken_at_words(line, room) } {
            out.push_str(&format!("  {lead}{piece}\n"));
            lead = " ".repeat(head.len());
        }
    }
    out
}

/// The words; what stands in backticks is one of them, so that a command can be copied whole.
fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut quoted = false;
    for piece in line.split_whitespace() {
        match words.last_mut() {
            Some(last) if quoted => {
                last.push(' ');
                last.push_str(piece);
            }
            _ => words.push(piece.to_owned()),
        }
        quoted ^= piece.matches('`').count() % 2 == 1;
    }
    words
}

fn broken_at_words(line: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words(line) {
        match lines.last_mut() {
            Some(last) if last.chars().count() + 1 + word.chars().count() <= room => {
                last.push(' ');
                last.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

/// The frames, file by file: miette draws one file at a time.
fn frames(finding: &Finding, sources: &Sources, style: Style) -> String {
    let mut left: Vec<&Label> = finding.labels.iter().collect();
    let mut text = String::new();
    while let Some(first) = left.first().copied() {
        let (here, rest): (Vec<&Label>, Vec<&Label>) =
            left.into_iter().partition(|l| l.span.file == first.span.file);
        left = rest;
        let Some(file) = sources.get(first.span.file) else { continue };
        if here.iter().any(|label| too_long(file, label.span)) {
            text.extend(here.iter().map(|label| place_line(file, label)));
            continue;
        }
        let frame = Frame { labels: here, file: Text { file } };
        let handler = GraphicalReportHandler::new_themed(theme(style))
            .with_width(style.width)
            .with_context_lines(1)
            .without_cause_chain()
            .with_wrap_lines(false)
            .with_links(false);
        let mut drawn = String::new();
        if handler.render_report(&mut drawn, &frame).is_ok() {
            // miette begins with the message, which is empty here, on a line of its own.
            let body = drawn.lines().filter(|l| !l.trim().is_empty() && !bare_bullet(l));
            text.extend(body.map(|line| format!("{}\n", line.trim_end())));
        }
    }
    text
}

/// Whether a frame around this would show a line that pushes everything else off the screen.
fn too_long(file: &SourceFile, span: Span) -> bool {
    let (first, last) = (file.position(span.start as usize).line, file.position(span.end as usize).line);
    let shown = (first.saturating_sub(1).max(1)..=first + 1).chain(last.saturating_sub(1).max(1)..=last + 1);
    shown.filter(|line| *line <= file.line_count()).any(|line| file.line(line).len() > LONGEST)
}

/// What stands in for a frame.
fn place_line(file: &SourceFile, label: &Label) -> String {
    let at = file.position(label.span.start as usize);
    format!("  {}:{}:{}: {}\n", file.name, at.line, at.column, label.text)
}

/// The line of the frame's message, which the header stands for.
fn bare_bullet(line: &str) -> bool {
    matches!(line.trim(), "×" | "x" | "\u{1b}[31m×\u{1b}[0m" | "\u{1b}[31mx\u{1b}[0m")
}

fn theme(style: Style) -> GraphicalTheme {
    GraphicalTheme {
        characters: if style.unicode { ThemeCharacters::unicode() } else { ThemeCharacters::ascii() },
        styles: if style.color { ThemeStyles::ansi() } else { ThemeStyles::none() },
    }
}

/// A file as miette reads it. Only the lines around a label are touched, so that a file of 100,000 lines costs no more than a short one.
#[derive(Debug)]
struct Text<'a> {
    file: &'a SourceFile,
}

impl SourceCode for Text<'_> {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let file = self.file;
        let length = file.text.len();
        if span.offset() > length {
            return Err(MietteError::OutOfBounds);
        }
        let end = (span.offset() + span.len()).min(length);
        let first = file.position(span.offset()).line.saturating_sub(before).max(1);
        // An end just behind a line's break still belongs to that line.
        let last_byte = if end > span.offset() { end - 1 } else { end };
        let last = (file.position(last_byte).line + after).min(file.line_count().max(1));
        let start = line_start(file, first);
        let stop = (line_start(file, last) + file.line(last).len()).max(end);
        let slice = file.text.as_bytes().get(start..stop).ok_or(MietteError::OutOfBounds)?;
        let column = if before == 0 { file.position(span.offset()).column - 1 } else { 0 };
        Ok(Box::new(MietteSpanContents::new_named(
            file.name.clone(),
            slice,
            (start, stop - start).into(),
            first - 1,
            column,
            last - first + 1,
        )))
    }
}

fn line_start(file: &SourceFile, line: usize) -> usize {
    // `line` is a slice of `text`, so the difference of their addresses is its place.
    let slice = file.line(line);
    (slice.as_ptr() as usize).saturating_sub(file.text.as_ptr() as usize).min(file.text.len())
}

/// The labels of one finding in one file.
#[derive(Debug)]
struct Frame<'a> {
    labels: Vec<&'a Label>,
    file: Text<'a>,
}

impl fmt::Display for Frame<'_> {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

impl std::error::Error for Frame<'_> {}

impl Diagnostic for Frame<'_> {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.file)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = |(at, l): (usize, &&Label)| {
            let (start, end) = (l.span.start as usize, l.span.end as usize);
            let span = (start, end.saturating_sub(start));
            let text = Some(l.text.clone()).filter(|t| !t.is_empty());
            if at == 0 {
                LabeledSpan::new_primary_with_span(text, span)
            } else {
                LabeledSpan::new_with_span(text, span)
            }
        };
        Some(Box::new(self.labels.iter().enumerate().map(label)))
    }
}

/// Findings for machines. Columns are counted from 1 in Unicode scalars, bytes from 0.
#[must_use]
pub fn json(findings: &[Finding], sources: &Sources) -> Value {
    let style = Style::default();
    findings.iter().map(|finding| value(finding, sources, style)).collect()
}

fn value(finding: &Finding, sources: &Sources, style: Style) -> Value {
    let Finding { code, severity, message, labels, object, help, fixes } = finding;
    let labels: Vec<Value> = labels
        .iter()
        .map(|label| {
            let mut value = place(label.span, sources);
            value["text"] = label.text.clone().into();
            value
        })
        .collect();
    let fixes: Vec<Value> = fixes
        .iter()
        .map(|fix| {
            let edits = fix.edits.iter().map(|edit| {
                let mut value = place(edit.span, sources);
                value["replacement"] = edit.text.clone().into();
                value
            });
            let applicability = match fix.applicability {
                Applicability::MachineApplicable => "machine-applicable",
                Applicability::MaybeIncorrect => "maybe-incorrect",
            };
            json!({ "applicability": applicability, "edits": edits.collect::<Vec<_>>() })
        })
        .collect();
    json!({
        "code": code.as_str(),
        "severity": severity.word(),
        "message": message,
        "object": object,
        "labels": labels,
        "help": help,
        "fixes": fixes,
        "rendered": one(finding, sources, style),
    })
}

fn place(span: Span, sources: &Sources) -> Value {
    let Some(file) = sources.get(span.file) else { return json!({}) };
    let (start, end) = (file.position(span.start as usize), file.position(span.end as usize));
    json!({
        "file": file.name,
        "line": start.line, "column": start.column, "byte": start.byte,
        "endLine": end.line, "endColumn": end.column, "endByte": end.byte,
    })
}
