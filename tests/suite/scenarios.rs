//! Stories of the simulator, as a person would read them: `tests/scenarios/*.md`. Every `yaml` block is a file of the workspace, every
//! `console` block is carried out, and what the program says must be what stands there. `BLESS=1 cargo test` writes what it says.

use crate::program::Place;
use std::path::{Path, PathBuf};

fn stories() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut found: Vec<PathBuf> = folder.read_dir().unwrap().map(|e| e.unwrap().path()).collect();
    found.sort();
    found
}

/// What is not the same twice: the random end of a run's name, the host, and our version.
fn steady(text: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in text.split_inclusive(|c: char| c.is_whitespace() || "\"'`/,:;()".contains(c)) {
        if word.starts_with("tester@") {
            words.push(format!(
                "tester@host{}",
                word.trim_start_matches(|c: char| !c.is_whitespace() && c != ',')
            ));
            continue;
        }
        let run = word.get(..17).filter(|w| w.ends_with("Z-") && w.as_bytes().get(8) == Some(&b'T'));
        words.push(match run {
            Some(run) => format!("{run}0000{}", word.get(21..).unwrap_or("")),
            None => word.to_owned(),
        });
    }
    let version = concat!("version ", env!("CARGO_PKG_VERSION"));
    let text = words.concat().replace(version, "version [VERSION]");
    let mut lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    // What happens at one moment happens in any order.
    for moment in
        lines.chunk_by_mut(|a, b| a.get(..10).is_some_and(|at| at.ends_with("Z ") && b.starts_with(at)))
    {
        moment.sort_unstable();
    }
    lines.join("\n").trim_end().to_owned()
}

/// Carries out one line: `lifeboat ARGUMENTS`, with the exit code behind its output where it is not 0.
fn carried_out(place: &Place, line: &str) -> String {
    let args: Vec<&str> = line.split(' ').collect();
    let Some(("lifeboat", args)) = args.split_first().map(|(first, rest)| (*first, rest)) else {
        panic!("a story only runs lifeboat: {line}");
    };
    let said = place.run(args);
    let mut text = steady(&format!("{}{}", said.err, said.out));
    if said.code != 0 {
        text.push_str(&format!("\n[exit {}]", said.code));
    }
    text
}

/// A story with what the program says today.
fn told(story: &str) -> String {
    let place = Place::empty();
    let (mut told, mut block, mut file) = (String::new(), "", String::new());
    for line in story.lines() {
        match (block, line.strip_prefix("```")) {
            ("", Some("yaml")) => (block, file) = ("yaml", String::new()),
            ("", Some("console")) => block = "console",
            ("yaml", Some("")) => {
                place.write("lifeboat.yaml", &file);
                block = "";
            }
            ("console", Some("")) => block = "",
            ("yaml", None) => file.push_str(&format!("{line}\n")),
            // What stood there is told anew.
            ("console", None) if !line.starts_with("$ ") => continue,
            _ => {}
        }
        told.push_str(&format!("{line}\n"));
        if let (true, Some(command)) = (block == "console", line.strip_prefix("$ ")) {
            let said = carried_out(&place, command);
            told.push_str(&if said.is_empty() { said } else { format!("{said}\n") });
        }
    }
    told
}

#[test]
fn every_story_is_true() {
    for path in stories() {
        let story = std::fs::read_to_string(&path).unwrap();
        let told = told(&story);
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &told).unwrap();
        }
        let name = path.file_name().unwrap().to_str().unwrap();
        same(name, &story, &told);
    }
}

/// The first line that differs, with the lines around it.
fn same(name: &str, story: &str, told: &str) {
    if story == told || std::env::var_os("BLESS").is_some() {
        return;
    }
    let pair = story.lines().zip(told.lines());
    let at = pair.take_while(|(a, b)| a == b).count();
    let around = |text: &str| text.lines().skip(at.saturating_sub(3)).take(8).collect::<Vec<_>>().join("\n");
    panic!("{name}, line {}\n--- stands there\n{}\n--- is said\n{}", at + 1, around(story), around(told));
}
