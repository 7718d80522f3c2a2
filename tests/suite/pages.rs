//! Every code has a page, and what a page shows is true: its bad document raises that code alone, its good one nothing.

use lifeboat::diag::Code;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Codes whose pages show commands instead of documents are held by the tests of those commands.
fn blocks<'a>(page: &'a str, head: &str) -> Vec<&'a str> {
    let open = format!("```{head}\n");
    page.split(open.as_str()).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// The codes that a command prints over a workspace of one file.
fn raised(folder: &Path, text: &str, arguments: &[&str]) -> BTreeSet<String> {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("workspace.yaml"), text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_lifeboat"))
        .args(["-C", folder.to_str().unwrap()])
        .args(arguments)
        .env_clear()
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let codes = said.split("[LB").skip(1).filter_map(|rest| rest.split_once("]:"));
    codes.map(|(code, _)| format!("LB{code}")).collect()
}

#[test]
fn every_code_has_a_page_with_its_title() {
    let stubs: Vec<String> = Code::ALL
        .iter()
        .filter(|code| {
            let head = format!("# {code}: {}\n", code.title());
            let shows = ["```yaml bad", "```console"].iter().any(|b| code.page().contains(b));
            !(code.page().starts_with(&head) && shows)
        })
        .map(ToString::to_string)
        .collect();
    assert!(stubs.is_empty(), "no page: {}", stubs.join(" "));
}

#[test]
fn a_bad_document_raises_its_code_alone_and_a_good_one_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for code in Code::ALL {
        let page = code.page();
        let plan = page.split("Run: `lifeboat plan ").nth(1).and_then(|rest| rest.split('`').next());
        let arguments = plan.map_or(vec!["validate"], |name| vec!["plan", name]);
        for (head, expected) in [("yaml bad", Some(code)), ("yaml good", None)] {
            for (number, text) in blocks(page, head).into_iter().enumerate() {
                let folder = scratch.path().join(format!("{code}-{}-{number}", &head[5..]));
                let found = raised(&folder, text, &arguments);
                let expected: BTreeSet<String> = expected.iter().map(ToString::to_string).collect();
                if found != expected {
                    wrong.push(format!("{code} {head} {number}: {found:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
