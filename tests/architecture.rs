//! The house as data: which module may import which, where each third-party crate lives, how long things may be. A drawing does
//! not keep a program in order; a test does.
#![allow(clippy::unwrap_used, reason = "a test that cannot read the tree shall fail")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module with the modules that it may import. `docs/decisions/` says why where a row differs from the design.
const FLOORS: [(&str, &[&str]); 19] = [
    ("base", &[]),
    ("domain", &["base"]),
    ("diag", &["base"]),
    ("document", &["base", "diag"]),
    ("inventory", &["base", "domain"]),
    ("port", &["base", "domain", "inventory"]),
    ("plan", &["base", "domain", "inventory", "port"]),
    ("model", &["base", "domain", "diag", "document", "port"]),
    ("planner", &["base", "domain", "inventory", "model", "plan", "port"]),
    ("checker", &["base", "domain", "inventory", "plan"]),
    // A run's events carry the provider's own `Failure`, and what was observed at its end.
    ("run", &["base", "domain", "inventory", "plan", "port"]),
    // It walks runs in time, many of them, on the fold alone.
    ("rehearsal", &["base", "domain", "plan", "port", "run"]),
    ("provider", &["base", "domain", "inventory", "port"]),
    // It carries people's answers to the runner.
    ("journal", &["base", "domain", "inventory", "plan", "run"]),
    ("engine", &["base", "domain", "inventory", "plan", "port", "run", "journal"]),
    // It words the provider's own `Failure`.
    ("report", &["base", "diag", "domain", "inventory", "model", "plan", "port", "rehearsal", "run"]),
    (
        "app",
        &[
            "base",
            "diag",
            "domain",
            "document",
            "inventory",
            "model",
            "plan",
            "port",
            "planner",
            "checker",
            "run",
            "rehearsal",
            "provider",
            "journal",
            "engine",
            "report",
        ],
    ),
    ("cli", &["base", "diag", "app", "report"]),
    ("tests", &[]),
];

/// Third-party crates, and things of the standard library, with the only modules that may name them.
const ADDRESSES: [(&str, &[&str]); 23] = [
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("granit_parser", &["document"]),
    ("miette", &["report", "diag"]),
    ("tokio", &["engine", "provider", "journal", "app", "cli"]),
    ("indicatif", &["cli", "report"]),
    ("petgraph", &["plan", "planner", "model", "checker"]),
    ("terminal_size", &["cli"]),
    ("rayon", &["checker", "document", "model", "planner", "provider", "rehearsal"]),
    ("quick_xml", &["provider"]),
    ("rustix", &["provider", "journal"]),
    ("dns_message", &["provider"]),
    ("regex", &["model", "provider"]),
    ("hyper", &["provider", "journal"]),
    ("hyper_util", &["provider", "journal"]),
    ("tokio_postgres", &["journal"]),
    ("tokio_postgres_rustls", &["journal"]),
    ("tokio_rustls", &["journal", "provider"]),
    ("rustls_native_certs", &["journal", "provider"]),
    ("base64", &["journal"]),
    ("mimalloc", &["main"]),
    ("std::env", &["cli"]),
    ("std::process", &["cli", "app", "main", "provider", "journal"]),
];

const LONGEST_FILE: usize = 600;
const LONGEST_FUNCTION: usize = 70;

/// Functions that are one long `match`, and would only be harder to read in pieces.
const LONG_BY_NATURE: [(&str, &str); 6] = [
    ("change", "what each action does to the simulated data, arm by arm"),
    ("effect", "the model of all actions, arm by arm"),
    ("requires", "the model of all actions, arm by arm"),
    ("transition", "the table, cell by cell"),
    ("message", "one sentence for each refusal"),
    ("action", "one sentence for each action"),
];

/// A source file with its comments and texts blanked out, line by line.
struct Source {
    path: PathBuf,
    module: String,
    text: String,
    code: Vec<String>,
}

fn sources(root: &Path) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.map(|e| e.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push(source(&path, root, text));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn source(path: &Path, root: &Path, text: String) -> Source {
    let inside = path.strip_prefix(root).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_string_lossy();
    let module = first.trim_end_matches(".rs").to_owned();
    let code = blanked(&text).lines().map(str::to_owned).collect();
    Source { path: path.to_owned(), module, text, code }
}

/// The text with comments, strings and characters blanked out; lines stay where they are.
fn blanked(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = opaque(&chars, at);
        if end > at {
            out.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        } else {
            out.push(chars[at]);
            at += 1;
        }
    }
    out
}

/// The end of the comment, string or character that begins here; `at` itself where none does.
fn opaque(chars: &[char], at: usize) -> usize {
    let starts = |text: &str| text.chars().enumerate().all(|(i, c)| chars.get(at + i) == Some(&c));
    let until = |from: usize, ends: &dyn Fn(usize) -> bool| {
        (from..chars.len()).find(|i| ends(*i)).unwrap_or(chars.len())
    };
    if starts("//") {
        return until(at, &|i| chars[i] == '\n');
    }
    if starts("/*") {
        return (until(at, &|i| chars[i] == '/' && i > at + 2 && chars[i - 1] == '*') + 1).min(chars.len());
    }
    let word_before = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    if !word_before && (starts("r\"") || starts("r#")) {
        let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
        if chars.get(at + 1 + hashes) == Some(&'"') {
            let closes = |i: usize| {
                chars[i] == '"' && chars[i + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes
            };
            return (until(at + 2 + hashes, &closes) + 1 + hashes).min(chars.len());
        }
    }
    if chars[at] == '"' {
        let mut i = at + 1;
        while i < chars.len() && chars[i] != '"' {
            i += if chars[i] == '\\' { 2 } else { 1 };
        }
        return (i + 1).min(chars.len());
    }
    if chars[at] == '\'' {
        if chars.get(at + 1) == Some(&'\\') {
            return (until(at + 3, &|i| chars[i] == '\'') + 1).min(chars.len());
        }
        if chars.get(at + 2) == Some(&'\'') {
            return at + 3;
        }
    }
    at
}

/// The names that follow `crate::` in a line, also those in braces.
fn imports(code: &[String]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(code) {
        let mut rest = line.as_str();
        while let Some(at) = rest.find("crate::") {
            let before = rest[..at].chars().next_back();
            rest = &rest[at + "crate::".len()..];
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '$') {
                continue;
            }
            match rest.strip_prefix('{') {
                Some(_) => found.extend(in_braces(&code[number - 1..], number)),
                None => found.push((number, word(rest))),
            }
        }
    }
    found
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// `use crate::{a::X, b::{Y, Z}}`: a and b.
fn in_braces(code: &[String], number: usize) -> Vec<(usize, String)> {
    let text = code.join("\n");
    let Some(at) = text.find("crate::{") else { return Vec::new() };
    let (mut depth, mut names, mut fresh) = (0, Vec::new(), true);
    for (offset, c) in text[at + "crate::".len()..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            ',' if depth == 1 => fresh = true,
            c if depth == 1 && fresh && c.is_alphabetic() => {
                names.push((number, word(&text[at + "crate::".len() + offset..])));
                fresh = false;
            }
            _ => {}
        }
    }
    names
}

fn forbidden_imports(source: &Source) -> Vec<String> {
    if source.module == "lib" || source.module == "main" {
        return Vec::new();
    }
    let Some((_, allowed)) = FLOORS.iter().find(|(name, _)| *name == source.module) else {
        return vec![format!(
            "{}: the module {} has no row in the table",
            source.path.display(),
            source.module
        )];
    };
    let known = |name: &str| FLOORS.iter().any(|(module, _)| *module == name);
    imports(&source.code)
        .into_iter()
        .filter(|(_, name)| known(name) && *name != source.module && !allowed.contains(&name.as_str()))
        .map(|(line, name)| {
            format!("{}:{line}: {} may not import {name}", source.path.display(), source.module)
        })
        .collect()
}

fn strangers(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(&source.code) {
        for (name, allowed) in ADDRESSES {
            let named = line.match_indices(name).any(|(at, _)| {
                let outside =
                    |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':');
                let after = &line[at + name.len()..];
                outside(line[..at].chars().next_back()) && (after.starts_with("::") || after.starts_with(';'))
            });
            if named && !allowed.contains(&source.module.as_str()) {
                found.push(format!(
                    "{}:{number}: {name} does not live in {}",
                    source.path.display(),
                    source.module
                ));
            }
        }
    }
    found
}

fn too_long(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let lines = source.text.lines().count();
    if lines > LONGEST_FILE {
        found.push(format!("{}: {lines} lines, at most {LONGEST_FILE}", source.path.display()));
    }
    for (line, name, length) in functions(&source.code) {
        let excused = LONG_BY_NATURE.iter().any(|(long, _)| *long == name);
        if length > LONGEST_FUNCTION && !excused {
            found.push(format!(
                "{}:{line}: fn {name} has {length} lines, at most {LONGEST_FUNCTION}",
                source.path.display()
            ));
        }
    }
    found
}

/// Each function's line, name and length, by its braces.
fn functions(code: &[String]) -> Vec<(usize, String, usize)> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(code) {
        let Some(at) = line.find("fn ") else { continue };
        let before = line[..at].trim();
        let head = before
            .split_whitespace()
            .all(|w| matches!(w, "const" | "async" | "unsafe" | "extern" | "pub") || w.starts_with("pub("));
        let name = word(&line[at + 3..]);
        if !head || name.is_empty() {
            continue;
        }
        let mut depth = 0usize;
        let mut opened = false;
        for (length, line) in (1..).zip(&code[number - 1..]) {
            for c in line.chars() {
                match c {
                    '{' => (depth, opened) = (depth + 1, true),
                    '}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
            }
            let declared = !opened && line.trim_end().ends_with(';');
            if declared || (opened && depth == 0) {
                found.push((number, name, length));
                break;
            }
        }
    }
    found
}

fn check(rule: fn(&Source) -> Vec<String>, folders: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let all: Vec<Source> = folders.iter().flat_map(|f| sources(&root.join(f))).collect();
    assert!(!all.is_empty(), "nothing was read");
    let found: Vec<String> = all.iter().flat_map(rule).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn modules_import_only_from_lower_floors() {
    check(forbidden_imports, &["src"]);
}

#[test]
fn third_party_crates_live_at_their_address() {
    check(strangers, &["src"]);
}

#[test]
fn files_and_functions_stay_short() {
    check(too_long, &["src", "tests", "benches"]);
}

#[test]
fn every_file_begins_with_what_it_is() {
    let headless = |source: &Source| match source.text.lines().next() {
        Some(line) if line.starts_with("//! ") => Vec::new(),
        _ => vec![format!("{}: no //! header", source.path.display())],
    };
    check(headless, &["src", "tests", "benches"]);
}

#[test]
fn the_floors_have_no_way_up() {
    let floors: BTreeMap<&str, &[&str]> = FLOORS.into();
    for (name, _) in FLOORS {
        let mut open = floors[name].to_vec();
        let mut met = Vec::new();
        while let Some(next) = open.pop() {
            assert_ne!(next, name, "{name} imports itself over others");
            if !met.contains(&next) {
                met.push(next);
                open.extend(floors[next]);
            }
        }
    }
}

fn sample(module: &str, text: &str) -> Source {
    let root = Path::new("src");
    source(&root.join(module).join("x.rs"), root, text.to_owned())
}

#[test]
fn a_forbidden_import_is_seen_however_it_is_written() {
    for text in [
        "use crate::planner::plan;",
        "pub use crate::planner;",
        "use crate::{base::Duration, planner::{plan, Request}};",
        "use crate::{\n    base::Duration,\n    planner::plan,\n};",
        "fn f() { let x = crate::planner::plan(); }",
        "#[cfg(test)]\nmod tests { use crate::planner::plan; }",
    ] {
        let found = forbidden_imports(&sample("checker", text));
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].ends_with("checker may not import planner"), "{found:?}");
    }
    for text in [
        "// crate::planner",
        "let s = \"crate::planner::x\";",
        "use crate::base::Duration;",
        "use crate::checker::walk;",
    ] {
        assert_eq!(forbidden_imports(&sample("checker", text)), Vec::<String>::new(), "{text}");
    }
    assert_eq!(forbidden_imports(&sample("cellar", "")).len(), 1, "a module without a row");
}

#[test]
fn a_stranger_is_seen() {
    for text in
        ["use tokio::time;", "fn f() { tokio::spawn(x); }", "use std::env;", "let a = std::env::args();"]
    {
        assert_eq!(strangers(&sample("planner", text)).len(), 1, "{text}");
    }
    for text in ["// tokio::spawn", "use my_tokio::x;", "let tokio = 1;"] {
        assert_eq!(strangers(&sample("planner", text)).len(), 0, "{text}");
    }
    assert_eq!(strangers(&sample("cli", "use std::env;")).len(), 0);
}

#[test]
fn a_long_function_is_seen_and_braces_in_texts_do_not_count() {
    let body = "    let x = \"}\"; let y = '}';\n".repeat(70);
    let long = format!("pub const fn long() {{\n{body}}}\n");
    assert_eq!(too_long(&sample("base", &long)).len(), 1);
    let short = format!("fn short() {{\n{}}}\n", "    let x = 1;\n".repeat(60));
    assert_eq!(too_long(&sample("base", &short)).len(), 0);
    assert_eq!(too_long(&sample("base", &"// x\n".repeat(601))).len(), 1);
}
