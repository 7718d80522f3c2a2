//! Tests of the reader.

use super::*;
use crate::diag::Sources;
use proptest::prelude::*;

fn all(text: &str) -> (Vec<Tree>, Vec<Finding>) {
    let file = Sources::default().add("a.yaml", text);
    part(Part { file, text, base: 0 })
}

fn part(part: Part<'_>) -> (Vec<Tree>, Vec<Finding>) {
    let (mut all, mut findings) = (Vec::new(), Vec::new());
    trees(part, &mut |tree, found| {
        all.push(tree);
        findings.append(found);
    });
    (all, findings)
}

fn one(text: &str) -> (Vec<Node>, Vec<Finding>) {
    let (trees, findings) = all(text);
    (trees.into_iter().map(|t| t.root).collect(), findings)
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
fn an_alias_within_its_own_anchor_is_named() {
    let (_, findings) = one("x: 1\ny: &loop [*loop]\n");
    assert_eq!((findings.len(), findings[0].code), (1, Code::UnknownAnchor));
    assert!(findings[0].message.contains("`loop`"), "{}", findings[0].message);
}

#[test]
fn a_faulty_document_does_not_silence_the_next_one() {
    let (trees, findings) = all("a: [1, 2\n---\nb: 1\n---\nc: 1\nc: 2\n---\nd: 1\n");
    assert_eq!(trees.iter().map(|t| t.whole).collect::<Vec<_>>(), [false, true, true, true]);
    assert_eq!(findings.iter().map(|f| f.code).collect::<Vec<_>>(), [Code::YamlSyntax, Code::DuplicateKey]);
    assert_eq!(trees[2].root.json(), serde_json::json!({ "c": 1 }));
}

#[test]
fn all_mistakes_of_a_document_are_found_and_what_stands_before_an_error_is_kept() {
    let text =
        "kind: Site\nmetadata: { name: a, name: b }\nx: !odd 1\ny: *none\n<<: 3\n? [k]\n: 4\nz: 5\nw: [1,\n";
    let (trees, findings) = all(text);
    assert_eq!(
        findings.iter().map(|f| f.code).collect::<Vec<_>>(),
        [Code::DuplicateKey, Code::UnknownTag, Code::UnknownAnchor, Code::WrongType, Code::YamlSyntax]
    );
    assert!(!trees[0].whole);
    let expected = serde_json::json!({ "kind": "Site", "metadata": { "name": "a" }, "x": 1, "y": null, "z": 5, "w": [1] });
    assert_eq!(trees[0].root.json(), expected);
    let (trees, findings) = all("a: 1\n<<: 3\n");
    assert_eq!(findings.iter().map(|f| f.code).collect::<Vec<_>>(), [Code::BadMerge]);
    assert!(!trees[0].whole && all("a: 1\n<<: {}\n").0[0].whole);
}

#[test]
fn a_file_that_is_cut_reads_as_one_that_is_not() {
    let document =
        |n: usize| format!("---\nname: vm-{n}\nlist: [ä, {n}, &x z, *x]\ntext: |\n  --- no mark\n");
    let text: String = (0..9000).map(document).collect();
    let file = Sources::default().add("a.yaml", text.as_str());
    let cut = parts(file, &text, 4);
    assert!(cut.len() > 2, "{} parts", cut.len());
    let apart: Vec<Tree> = cut.into_iter().flat_map(|p| part(p).0).collect();
    assert_eq!((apart, Vec::new()), all(&text));
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
