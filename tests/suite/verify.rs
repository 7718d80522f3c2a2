//! An auditor's story: a run is verified, tampered with, exported, and checked on a machine that has nothing.

use crate::program::Place;
use lifeboat::base::{Digest, Timestamp};
use lifeboat::inventory::Inventory;
use lifeboat::report::text::verify::{Seal, json};
use lifeboat::report::text::{Options, Verified, verified};
use lifeboat::run::Runner;
use std::path::PathBuf;

/// The only run of a place.
fn run(place: &Place) -> (String, PathBuf) {
    let mut runs = place.path().join(".lifeboat/runs").read_dir().unwrap();
    let folder = runs.next().unwrap().unwrap();
    (folder.file_name().into_string().unwrap(), folder.path())
}

fn done(place: &Place) -> (String, PathBuf) {
    place.apply("failover-web");
    run(place)
}

fn value(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn a_run_that_is_what_was_written_says_what_was_checked() {
    let place = Place::example("single");
    let (name, folder) = done(&place);
    let journal = std::fs::read_to_string(folder.join("journal.jsonl")).unwrap();
    let said = place.run(&["verify", &name]).ends(0);
    let last = journal.lines().last().unwrap().split("\"sum\":\"").nth(1).unwrap().trim_end_matches("\"}");
    let plan = Digest::of(&std::fs::read(folder.join("run.json")).unwrap()).to_string();
    let records = journal.lines().count();
    for words in [
        format!("Run {name} of failover-web is what was written."),
        format!("last       {last}"),
        format!("plan       {plan}"),
        format!("record {records} is the last one that tip.json knows"),
        "outcome    completed".to_owned(),
        "confirmed  tester@".to_owned(),
        "before     1 replica, observed ".to_owned(),
        "after      1 replica, observed ".to_owned(),
    ] {
        assert!(said.out.contains(&words), "{words}\n{}", said.out);
    }
    let json = value(&place.run(&["verify", "latest", "--format", "json"]).ends(0).out);
    assert_eq!((&json["verified"], &json["records"]), (&true.into(), &records.into()));
    assert_eq!(json["last"], last);
    // No site is asked, and nothing is written.
    std::fs::remove_dir_all(place.path().join(".lifeboat/sim")).unwrap();
    place.run(&["verify", &name]).ends(0);
    assert!(!place.path().join(".lifeboat/sim").exists());
}

/// Changes the journal, asks, and puts it back.
fn tampered(place: &Place, change: impl Fn(&mut Vec<String>), expected: &[(&str, Option<usize>)]) {
    let (name, folder) = run(place);
    let path = folder.join("journal.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines: Vec<String> = text.lines().map(|l| format!("{l}\n")).collect();
    change(&mut lines);
    std::fs::write(&path, lines.concat()).unwrap();
    let said = place.run(&["verify", &name, "--format", "json"]).ends(11);
    let answer = value(&said.out);
    assert!(said.codes().iter().all(|c| c == "LB0821"));
    assert_eq!((&answer["verified"], &answer["exit"]["reason"]), (&false.into(), &"not-verified".into()));
    let found: Vec<(String, Option<u64>)> = answer["faults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| (f["message"].as_str().unwrap().to_owned(), f["line"].as_u64()))
        .collect();
    let expected: Vec<(String, Option<u64>)> =
        expected.iter().map(|(m, l)| ((*m).to_owned(), l.map(|l| u64::try_from(l).unwrap()))).collect();
    assert_eq!(found, expected);
    let human = place.run(&["verify", &name]).ends(11);
    for (message, line) in &expected {
        assert!(human.err.contains(message), "{}", human.err);
        let place = line.map(|line| format!("journal.jsonl, line {line}")).unwrap_or_default();
        assert!(human.err.contains(&place), "{}", human.err);
    }
    std::fs::write(&path, text).unwrap();
    place.run(&["verify", &name]).ends(0);
}

#[test]
fn whatever_is_done_to_a_run_is_found_at_its_place() {
    let place = Place::example("single");
    let (name, folder) = done(&place);
    let lines = std::fs::read_to_string(folder.join("journal.jsonl")).unwrap().lines().count();
    let flip = |lines: &mut Vec<String>| lines[3] = lines[3].replacen("\"at\":", "\"At\":", 1);
    tampered(&place, flip, &[("record 4 was changed after it was written", Some(4))]);
    let gone = |lines: &mut Vec<String>| drop(lines.drain(3..5));
    tampered(&place, gone, &[("records 4 to 5 were removed", Some(4))]);
    let twice = |lines: &mut Vec<String>| lines.insert(6, lines[1].clone());
    tampered(&place, twice, &[("a copy of record 2 was inserted after record 6", Some(7))]);
    let swapped = |lines: &mut Vec<String>| lines.swap(2, 4);
    tampered(&place, swapped, &[("records 3 and 5 have changed places", Some(3))]);
    let cut = |lines: &mut Vec<String>| drop(lines.pop());
    let last = format!("record {lines} was removed from the end");
    tampered(&place, cut, &[(&last, Some(lines))]);
    // Without what is kept of the end, the run is not over, and has no claim any more.
    let tip = std::fs::read(folder.join("tip.json")).unwrap();
    std::fs::remove_file(folder.join("tip.json")).unwrap();
    let endless = "the run is not over and nothing holds its replicas: its last records were removed";
    tampered(&place, cut, &[(endless, None)]);
    std::fs::write(folder.join("tip.json"), tip).unwrap();
    // The rest of the folder.
    for (file, old, new, words) in [
        (
            "run.json",
            "\"documents\":[[\"",
            "\"documents\":[[\"x",
            "the plan is not the one that the run began with",
        ),
        ("run.json", "{\"format\":1", "{\"format\";1", "the plan cannot be read"),
        ("tip.json", "{\"format\":1", "{\"format\"", "the journal's end that is kept here cannot be used"),
    ] {
        let path = folder.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(old), "{file} has no {old}");
        std::fs::write(&path, text.replacen(old, new, 1)).unwrap();
        let said = place.run(&["verify", &name]).ends(11);
        assert!(said.err.contains("LB0821") && said.err.contains(words), "{}", said.err);
        std::fs::write(&path, text.replacen("\"format\":1", "\"format\":7", 1)).unwrap();
        assert_eq!(place.run(&["verify", &name, "--format", "json"]).ends(74).codes(), ["LB0804"]);
        std::fs::write(&path, text).unwrap();
    }
    std::fs::remove_file(folder.join("journal.jsonl")).unwrap();
    let said = place.run(&["verify", &name]).ends(11);
    assert!(said.err.contains("the journal is gone"), "{}", said.err);
    place.run(&["verify", "no-such-run"]).ends(1);
}

#[test]
fn a_run_that_stopped_failed_or_was_killed_is_sound_and_its_last_look_is_the_one_that_counts() {
    let place = Place::example("single");
    place.run(&["sim", "fault", "fails", "--action", "power-on", "--replica", "web"]).ends(0);
    place.run(&["apply", "failover-web", "--confirm", "failover-web"]).ends(3);
    let (name, folder) = run(&place);
    let said = place.run(&["verify", &name]).ends(0);
    assert!(
        said.out.contains("outcome    failed") && said.out.contains("after      1 replica"),
        "{}",
        said.out
    );
    let cut = |lines: &mut Vec<String>| drop(lines.pop());
    let lines = std::fs::read_to_string(folder.join("journal.jsonl")).unwrap().lines().count();
    tampered(&place, cut, &[(&format!("record {lines} was removed from the end"), Some(lines))]);
    // A torn line is what a kill leaves behind.
    let path = folder.join("journal.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}{{\"v\":1,\"seq\":{}", lines + 1)).unwrap();
    let said = place.run(&["verify", &name]).ends(0);
    assert!(said.out.contains("a kill cut off the last line"), "{}", said.out);
    let first = place.run(&["report", &name, "--evidence", "torn.evidence"]).ends(0);
    std::fs::write(&path, &text).unwrap();
    let whole = place.run(&["report", &name, "--evidence", "torn.evidence"]).ends(0);
    assert_eq!(first.out, whole.out, "what never counted is no evidence");
    place.run(&["sim", "heal"]).ends(0);
    place.run(&["resume"]).ends(0);
    let said = place.run(&["verify", &name, "--format", "json"]).ends(0);
    let json = value(&said.out);
    assert_eq!((&json["outcome"], json["runners"].as_array().unwrap().len()), (&"completed".into(), 2));
    // The end before was another one, and does not stand in the way.
    assert_eq!(json["end"]["record"], json["records"]);
}

#[test]
fn evidence_stands_for_itself_on_a_machine_that_has_nothing() {
    let place = Place::example("single");
    place.run(&["plan", "failover-web", "--out", "sealed.json"]).ends(0);
    place.run(&["apply", "sealed.json", "--confirm", "failover-web"]).ends(0);
    let (name, folder) = run(&place);
    let said = place.run(&["report", &name, "--evidence", "web.evidence"]).ends(0);
    let bytes = std::fs::read(place.path().join("web.evidence")).unwrap();
    let digest = Digest::of(&bytes).to_string();
    assert!(said.out.contains(&format!("sha256  {digest}")), "{}", said.out);
    let json =
        value(&place.run(&["report", &name, "--evidence", "again.evidence", "--format", "json"]).ends(0).out);
    assert_eq!((&json["sha256"], &json["bytes"]), (&digest.as_str().into(), &bytes.len().into()));
    assert_eq!(std::fs::read(place.path().join("again.evidence")).unwrap(), bytes, "one run, one file");
    // What the store keeps stands in it byte for byte.
    for file in ["run.json", "journal.jsonl"] {
        let part = std::fs::read(folder.join(file)).unwrap();
        assert!(bytes.windows(part.len()).any(|w| w == part), "{file}");
    }
    let elsewhere = Place::empty();
    let file = elsewhere.path().join("web.evidence");
    std::fs::write(&file, &bytes).unwrap();
    let here = place.run(&["verify", &name, "--format", "json"]).ends(0);
    let there = elsewhere.run(&["verify", "web.evidence", "--format", "json"]).ends(0);
    let (here, there) = (value(&here.out), value(&there.out));
    for same in [
        "run",
        "purpose",
        "records",
        "plan",
        "first",
        "last",
        "seal",
        "outcome",
        "runners",
        "confirmed",
        "before",
        "after",
    ] {
        assert_eq!(here[same], there[same], "{same}");
    }
    assert!(there["seal"]["made"].is_string() && there["sha256"] == digest.as_str(), "{there}");
    let names: Vec<_> = elsewhere.path().read_dir().unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["web.evidence"], "nothing else was written or needed");
}

#[test]
fn evidence_that_was_changed_is_found_with_its_record_and_its_line() {
    let place = Place::example("single");
    place.run(&["plan", "failover-web", "--out", "sealed.json"]).ends(0);
    place.run(&["apply", "sealed.json", "--confirm", "failover-web"]).ends(0);
    place.run(&["report", "latest", "--evidence", "web.evidence"]).ends(0);
    let text = std::fs::read_to_string(place.path().join("web.evidence")).unwrap();
    let elsewhere = Place::empty();
    let file = elsewhere.path().join("web.evidence");
    let line = |part: &str| text.lines().position(|l| l == format!("{{\"part\":\"{part}\"}}")).unwrap() + 1;
    let record = format!("line {}", line("journal.jsonl") + 4);
    let verdict = |text: &str, expected: &[&str]| {
        std::fs::write(&file, text).unwrap();
        let said = elsewhere.run(&["verify", "web.evidence"]).ends(11);
        for words in expected {
            assert!(said.err.contains(words), "{words}\n{}", said.err);
        }
    };
    let without = |gone: usize| {
        let kept = (1..).zip(text.lines()).filter(|(n, _)| *n != gone);
        kept.map(|(_, l)| format!("{l}\n")).collect::<String>()
    };
    verdict(
        &text.replacen("\"seq\":4,", "\"seq\":5,", 1),
        &["record 4 was changed", &record, "journal.jsonl is not what"],
    );
    verdict(
        &without(line("journal.jsonl") + 3),
        &["record 3 was removed", "the part journal.jsonl is not what was exported"],
    );
    verdict(&without(line("after.json") + 1), &["the part after.json is not what was exported"]);
    verdict(&without(line("before.json")), &["the part before.json is missing"]);
    verdict(&without(text.lines().count()), &["its seal does not fit"]);
    verdict(&text[..text.len() / 2], &["is missing"]);
    verdict(
        &text.replacen("{\"lifeboatEvidence\":1,\"run\":", "{\"lifeboatEvidence\":1,\"Run\":", 1),
        &["the list of its parts was changed", "line 1"],
    );
    verdict(
        &text.replacen(
            "lifeboatPlan\\\":1,\\\"madeBy\\\":\\\"",
            "lifeboatPlan\\\":1,\\\"madeBy\\\":\\\"9",
            1,
        ),
        &["the sealed plan was changed"],
    );
    for (wrong, code, exit) in
        [(text.replacen(":1,", ":2,", 1), "LB0804", 74), ("apiVersion: x\n".to_owned(), "LB0811", 1)]
    {
        std::fs::write(&file, wrong).unwrap();
        assert_eq!(elsewhere.run(&["verify", "web.evidence", "--format", "json"]).ends(exit).codes(), [code]);
    }
    assert_eq!(elsewhere.run(&["verify", "./none", "--format", "json"]).ends(74).codes(), ["LB0811"]);
}

#[test]
fn parts_that_do_not_follow_from_the_run_are_found_though_all_digests_are_new() {
    let place = Place::example("single");
    done(&place);
    place.run(&["report", "latest", "--evidence", "web.evidence"]).ends(0);
    let path = place.path().join("web.evidence");
    let text = std::fs::read_to_string(&path).unwrap();
    for (part, old, new) in [
        ("summary.json", "\"person\":\"tester\"", "\"person\":\"nobody\""),
        ("after.json", "\"at\":\"2", "\"at\":\"3"),
    ] {
        let marker = format!("{{\"part\":\"{part}\"}}\n");
        let content = text.split(&marker).nth(1).unwrap().lines().next().unwrap();
        let forged = content.replacen(old, new, 1);
        assert_ne!(content, forged);
        let sum = |text: &str| Digest::of(text.as_bytes()).to_string();
        let body = text.rsplit_once("{\"seal\"").unwrap().0;
        let body = body.replace(&format!("{marker}{content}"), &format!("{marker}{forged}"));
        let body = body.replace(&sum(content), &sum(&forged));
        std::fs::write(&path, format!("{body}{{\"seal\":\"{}\"}}\n", sum(&body))).unwrap();
        let said = place.run(&["verify", "./web.evidence"]).ends(11);
        assert!(said.err.contains(&format!("the part {part} does not follow from the run")), "{}", said.err);
    }
}

#[test]
fn of_a_run_that_does_not_verify_there_is_no_evidence() {
    let place = Place::example("single");
    let (name, folder) = done(&place);
    let path = folder.join("journal.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("\"attempt\":1", "\"attempt\":2", 1)).unwrap();
    let said = place.run(&["report", &name, "--evidence", "web.evidence", "--format", "json"]).ends(11);
    assert_eq!(said.codes(), ["LB0821"]);
    assert!(!place.path().join("web.evidence").exists());
    std::fs::write(&path, text).unwrap();
    assert_eq!(
        place.run(&["report", &name, "--evidence", "no/such/folder/x", "--format", "json"]).ends(74).codes(),
        ["LB0808"]
    );
}

#[test]
fn a_run_of_before_there_were_looks_and_ends_is_read_and_verified() {
    let place = Place::example("single");
    let (name, folder) = done(&place);
    // What a run was before: no fields that came later, no look, no end kept.
    let mut frozen = value(&std::fs::read_to_string(folder.join("run.json")).unwrap());
    for later in ["before", "confirmed"] {
        assert!(frozen.as_object_mut().unwrap().remove(later).is_some());
    }
    let frozen = frozen.to_string();
    std::fs::write(folder.join("run.json"), &frozen).unwrap();
    std::fs::remove_file(folder.join("tip.json")).unwrap();
    let mut prev = Digest::of(frozen.as_bytes());
    let mut journal = String::new();
    let text = std::fs::read_to_string(folder.join("journal.jsonl")).unwrap();
    let old = text.lines().filter(|l| !l.contains("\"type\":\"observed\""));
    for (seq, line) in (1..).zip(old) {
        let (open, _) = line.split_once(",\"sum\"").unwrap();
        let at = open.split("\"at\":").nth(1).unwrap().split(",\"").next().unwrap();
        let event = open.split(",\"event\":").nth(1).unwrap();
        let body =
            format!("{{\"v\":1,\"seq\":{seq},\"at\":{at},\"token\":1,\"prev\":\"{prev}\",\"event\":{event}");
        prev = Digest::of(format!("{body}}}").as_bytes());
        journal.push_str(&format!("{body},\"sum\":\"{prev}\"}}\n"));
    }
    std::fs::write(folder.join("journal.jsonl"), journal).unwrap();
    place.run(&["report", &name]).ends(0);
    let said = place.run(&["verify", &name]).ends(0);
    for words in [
        "before     not observed: the version that began it did not keep it",
        "after      not observed: nobody looked when it ended",
        "confirmed  nobody is recorded",
        "end        not kept outside of the journal",
    ] {
        assert!(said.out.contains(words), "{words}\n{}", said.out);
    }
}

fn sample() -> Verified {
    let runner = |person: &str| Runner {
        person: person.to_owned(),
        host: "ops".to_owned(),
        version: "0.1.0".to_owned(),
    };
    let at = |seconds: i64| Timestamp::from_millis(1_795_000_000_000 + seconds * 1000);
    let look = Inventory { at: at(0), ..Inventory::default() };
    Verified {
        admission: None,
        signatures: None,
        run: "20261122T140210Z-4f1c".parse().unwrap(),
        purpose: Some("evacuate-shop".to_owned()),
        records: 38,
        span: Some((at(0), at(185))),
        plan: Digest::of(b"plan"),
        ends: Some((Digest::of(b"first"), Digest::of(b"last"))),
        tip: Some((38, "tip.json".to_owned())),
        seal: Seal::Made(Digest::of(b"seal")),
        outcome: "completed".to_owned(),
        runners: vec![(at(0), runner("ann")), (at(90), runner("bob"))],
        confirmed: Some(runner("ann")),
        before: Ok(look),
        after: Err("the sites had not answered after 12s".to_owned()),
        torn: true,
        file: None,
        faults: Vec::new(),
    }
}

#[test]
fn a_verdict_as_a_person_reads_it() {
    let good = verified(&sample(), &Options::default());
    let bad = Verified {
        faults: vec![serde_json::json!({}), serde_json::json!({})],
        file: Some(Digest::of(b"file")),
        seal: Seal::Broken,
        purpose: None,
        torn: false,
        ..sample()
    };
    let bad = verified(&bad, &Options::default());
    assert!(good.lines().chain(bad.lines()).all(|l| l.chars().count() <= 100));
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("verified", good);
        insta::assert_snapshot!("not_verified", bad);
    });
    let value = json(&sample());
    assert_eq!(
        (&value["after"]["notObserved"], &value["seal"]["made"]),
        (&"the sites had not answered after 12s".into(), &Digest::of(b"seal").to_string().into())
    );
}
