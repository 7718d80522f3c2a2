//! What is over stays over: a run that ended or was closed is neither carried on nor written to, however its files look.

use crate::program::Place;
use std::path::PathBuf;

fn journal(place: &Place) -> PathBuf {
    let mut runs = place.path().join(".lifeboat/runs").read_dir().unwrap();
    runs.next().unwrap().unwrap().path().join("journal.jsonl")
}

#[test]
fn an_emptied_or_shortened_journal_of_a_run_that_ended_is_damage_and_not_a_beginning() {
    let place = Place::example("single");
    place.apply("failover-web");
    let (path, asked) = (journal(&place), place.asked());
    let text = std::fs::read_to_string(&path).unwrap();
    let half: String = text.split_inclusive('\n').take(4).collect();
    for left in ["", &half] {
        std::fs::write(&path, left).unwrap();
        for command in
            [&["resume", "latest"][..], &["settle", "latest", "web/failover/hold", "done", "--because", "x"]]
        {
            let args = [command, &["--format", "json"]].concat();
            assert_eq!(place.run(&args).ends(74).codes(), ["LB0803"]);
        }
        assert_eq!(place.asked(), asked, "nothing was asked for again");
    }
}

#[test]
fn what_is_over_is_not_written_to() {
    let place = Place::example("single");
    place.apply("failover-web");
    let path = journal(&place);
    let before = std::fs::read_to_string(&path).unwrap();
    for command in [
        &["abort", "latest", "--close", "--because", "oops"][..],
        &["settle", "latest", "web/failover/hold", "done", "--because", "x"],
        &["resume", "latest"],
    ] {
        let args = [command, &["--format", "json"]].concat();
        assert_eq!(place.run(&args).ends(1).codes(), ["LB0806"], "{command:?}");
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
}

#[test]
fn a_run_that_this_version_cannot_read_is_not_called_closed() {
    let place = Place::example("single");
    place.run(&["sim", "fault", "fails", "--action", "power-on", "--replica", "web"]).ends(0);
    place.run(&["apply", "failover-web", "--confirm", "failover-web"]).ends(3);
    let frozen = journal(&place).with_file_name("run.json");
    let text = std::fs::read_to_string(&frozen).unwrap();
    let newer =
        text.replacen("\"format\":1", "\"format\":2", 1).replacen("\"format\": 1", "\"format\": 2", 1);
    assert_ne!(newer, text);
    std::fs::write(&frozen, newer).unwrap();
    let said = place.run(&["abort", "latest", "--close", "--because", "x"]);
    assert_ne!(said.code, 0, "{}", said.out);
    std::fs::write(&frozen, text).unwrap();
    // Still guarded: nobody else may begin over the same replica.
    place.run(&["apply", "failover-web", "--confirm", "failover-web"]).ends(7);
}

#[test]
fn stop_holds_in_the_order_of_the_list_as_well() {
    let place = Place::example("shop");
    place.edit("sites.yaml", "clock: { speed: 40 }", "clock: virtual");
    let path = place.path().join("plan.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let head = &text[..text.find("  sequence:").unwrap()];
    let sequence = "  sequence:\n    - { replica: db-01, delay: 20s, onFailure: stop }\n    - { replica: cache-01 }\n    - { replica: app-01 }\n    - { replica: web-01 }\n    - { replica: web-02 }\n";
    std::fs::write(&path, format!("{head}{sequence}")).unwrap();
    let text = std::fs::read_to_string(place.path().join("runbooks.yaml")).unwrap();
    place.write("runbooks.yaml", text.split("  rules:\n").next().unwrap());
    let runbook = "---\napiVersion: lifeboat/v1\nkind: Runbook\nmetadata: { name: lost }\nspec: { desired: [{ plan: shop, state: Failover, via: unplanned }] }\n";
    place.write("lost.yaml", runbook);
    place.run(&["sim", "fault", "fails", "--action", "power-on", "--replica", "db-01"]).ends(0);
    let said = place.run(&["apply", "lost", "--confirm", "lost"]);
    assert!(said.err.contains("stopping, as the plan says"), "{}\n{}", said.out, said.err);
    let status = place.states();
    assert!(!status.iter().any(|(_, s)| s == "Failover"), "nothing else started: {status:?}");
}

#[test]
fn a_time_beyond_all_calendars_can_be_written_and_read() {
    let place = Place::example("single");
    place.run(&["sim", "advance", "100000000h"]).ends(0);
    place.run(&["sim", "status"]).ends(0);
    place.run(&["status"]).ends(0);
}

#[test]
fn of_two_who_resume_and_close_one_run_at_once_one_is_refused() {
    let place = Place::example("single");
    place.run(&["sim", "fault", "fails", "--action", "power-on", "--replica", "web"]).ends(0);
    let said = place.run(&["apply", "failover-web", "--confirm", "failover-web"]);
    assert_eq!(said.code, 3, "{}", said.err);
    place.run(&["sim", "heal"]).ends(0);
    let saved = place.path().join("saved");
    copy(&place.path().join(".lifeboat"), &saved);
    for _ in 0..8 {
        std::fs::remove_dir_all(place.path().join(".lifeboat")).unwrap();
        copy(&saved, &place.path().join(".lifeboat"));
        let resume = place.start(&["resume", "latest"]);
        let close = place.start(&["abort", "latest", "--close", "--because", "x"]);
        let codes = [resume, close].map(|mut child| child.wait().unwrap().code().unwrap());
        // Whoever comes second finds the run held (6) or over (1).
        assert!(codes.contains(&0) && codes.iter().any(|c| [1, 6].contains(c)), "{codes:?}");
        let text = std::fs::read_to_string(journal(&place)).unwrap();
        let closed = text.lines().position(|l| l.contains("\"closed\""));
        assert!(
            closed.is_none_or(|at| at + 1 == text.lines().count()),
            "written to after it was closed: {text}"
        );
        let mut asked = place.asked();
        asked.sort();
        asked.dedup();
        assert_eq!(asked.len(), place.asked().len(), "done twice");
    }
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in from.read_dir().unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_replica_that_was_never_started_has_written_nothing_that_could_be_lost() {
    let place = Place::example("single");
    place.run(&["sim", "fault", "fails", "--action", "power-on", "--replica", "web"]).ends(0);
    place.run(&["apply", "failover-web", "--confirm", "failover-web"]).ends(3);
    place.run(&["sim", "heal"]).ends(0);
    let shown = place.run(&["abort", "latest"]).ends(9).err;
    assert!(shown.contains("undo  none") && !shown.contains("web loses"), "{shown}");
    // Started by hand meanwhile, it may have.
    place.run(&["sim", "power", "recovery/web_replica", "on"]).ends(0);
    let shown = place.run(&["abort", "latest"]).ends(9).err;
    assert!(shown.contains("loses all of what the replica wrote"), "{shown}");
}

#[test]
fn a_duration_in_a_document_is_ten_years_at_most() {
    let place = Place::example("single");
    place.edit("lifeboat.yaml", "rpo: 15m", "rpo: 87600h");
    place.run(&["validate"]).ends(0);
    place.edit("lifeboat.yaml", "rpo: 87600h", "rpo: 87601h");
    let said = place.run(&["validate"]).ends(1);
    assert!(said.err.contains("`87601h` is longer than ten years"), "{}", said.err);
    assert_eq!(place.run(&["validate", "--format", "json"]).ends(1).codes(), ["LB0210"]);
}

#[test]
fn a_run_whose_files_are_gone_is_damaged_and_can_be_closed() {
    for file in ["journal.jsonl", "run.json"] {
        let place = Place::example("single");
        place.run(&["sim", "fault", "fails", "--action", "power-on", "--replica", "web"]).ends(0);
        place.run(&["apply", "failover-web", "--confirm", "failover-web"]).ends(3);
        place.run(&["sim", "heal"]).ends(0);
        std::fs::remove_file(journal(&place).with_file_name(file)).unwrap();
        assert_eq!(place.run(&["resume", "latest", "--format", "json"]).ends(74).codes(), ["LB0803"]);
        place.run(&["apply", "failover-web", "--confirm", "failover-web"]).ends(7);
        // Neither does its claim say anything any more.
        for claim in place.path().join(".lifeboat/active").read_dir().unwrap().map(|e| e.unwrap().path()) {
            std::fs::write(claim, "").unwrap();
        }
        let args = ["apply", "failover-web", "--confirm", "failover-web", "--format", "json"];
        assert_eq!(place.run(&args).ends(74).codes(), ["LB0803"]);
        place.run(&["abort", "latest", "--close", "--because", "looked at"]).ends(0);
        place.apply("failover-web");
        place.all_are("Failover");
    }
}
