//! Approvals as people give them: with real keys and `ssh-keygen`, in files that an auditor checks without Lifeboat.

use crate::program::{Place, Said, said};
use std::process::{Command, Stdio};

const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
const PLAN: &str = "retire-shop.plan";

/// The example, with everybody up and running at the other site, and keys for some people.
fn place() -> Place {
    let place = Place::example("approved");
    let kept = std::fs::read_to_string(place.path().join("allowed_signers")).unwrap();
    place.write("allowed_signers", kept.lines().find(|l| l.starts_with("carl")).unwrap());
    for who in ["ann", "bob", "eve"] {
        key(&place, who);
    }
    for who in ["ann", "bob"] {
        allow(&place, who, &format!("{who} "));
    }
    place.apply("evacuate-shop");
    place
}

fn key(place: &Place, who: &str) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", "ed25519", "-N", "", "-C", who, "-f", who]).current_dir(place.path());
    assert!(command.status().expect("these tests need ssh-keygen, of the package openssh-client").success());
}

/// A line more in the file of allowed signers.
fn allow(place: &Place, who: &str, head: &str) {
    let public = std::fs::read_to_string(place.path().join(format!("{who}.pub"))).unwrap();
    let kept = std::fs::read_to_string(place.path().join("allowed_signers")).unwrap();
    place.write("allowed_signers", &format!("{}\n{head}{public}", kept.trim_end()));
}

/// With the programs of the machine.
fn command(place: &Place, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
    command.args(args).current_dir(place.path()).env_clear().env("HOME", place.path()).env("USER", "tester");
    command.env("PATH", PATH).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(place: &Place, args: &[&str]) -> Said {
    said(command(place, args).output().unwrap())
}

fn seal(place: &Place) -> Said {
    run(place, &["plan", "retire-shop", "--out", PLAN]).ends(0)
}

fn approve(place: &Place, who: &str, more: &[&str]) -> Said {
    let head = ["approve", PLAN, "--key", who, "--as", who, "--confirm", "retire-shop"];
    run(place, &[&head[..], more].concat())
}

fn apply(place: &Place, more: &[&str]) -> Said {
    run(place, &[&["apply", PLAN, "--confirm", "retire-shop"], more].concat())
}

fn json(place: &Place, args: &[&str]) -> serde_json::Value {
    let said = run(place, &[args, &["--format", "json"]].concat());
    serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e}: {}{}", said.out, said.err))
}

fn runs(place: &Place) -> usize {
    std::fs::read_dir(place.path().join(".lifeboat/runs")).unwrap().count()
}

/// The findings of a refused `apply`, as code and message.
fn refused(place: &Place, more: &[&str]) -> Vec<(String, String)> {
    let before = runs(place);
    let said = apply(place, &[more, &["--format", "json"]].concat()).ends(9);
    assert_eq!(runs(place), before, "nothing was begun");
    place.all_are("Failover");
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let text = |f: &serde_json::Value, key: &str| f[key].as_str().unwrap().to_owned();
    let findings = json["findings"].as_array().unwrap().iter();
    findings.map(|f| (text(f, "code"), text(f, "message"))).collect()
}

/// Why an approval that is there does not count.
#[track_caller]
fn does_not_count(place: &Place, more: &[&str], why: &str) {
    let found = refused(place, more);
    assert_eq!(found[0].0, "LB0840", "{found:?}");
    assert!(found.iter().any(|(code, what)| code == "LB0841" && what.contains(why)), "{why}: {found:?}");
}

#[test]
fn a_plan_is_sealed_approved_by_two_people_and_carried_out() {
    let place = place();
    let refused = run(&place, &["apply", "retire-shop", "--confirm", "retire-shop"]).ends(9);
    for part in [
        "LB0840",
        "2 approvals of ann, bob, carl (owners)",
        "and has none",
        "lifeboat plan retire-shop --out FILE",
    ] {
        assert!(refused.err.contains(part), "{part}: {}", refused.err);
    }
    let sealed = seal(&place);
    assert!(sealed.out.contains("# needs 2 approvals of ann, bob, carl (owners)"), "{}", sealed.out);
    assert!(sealed.out.ends_with("Next: lifeboat approve retire-shop.plan --key KEY\n"), "{}", sealed.out);
    let first = approve(&place, "ann", &["--because", "change 4711"]).ends(0);
    assert!(first.err.contains("web-01   Failover  Permanent"), "what is approved is shown: {}", first.err);
    assert!(first.out.contains("1 of 2 approvals of ann, bob, carl (owners): ann"), "{}", first.out);
    assert!(refused_with_one(&place), "one is too few");
    let second = approve(&place, "bob", &["--for", "1h"]).ends(0);
    assert!(second.out.ends_with("Next: lifeboat apply retire-shop.plan\n"), "{}", second.out);
    let shown = run(&place, &["approve", PLAN]).ends(0);
    assert!(shown.out.contains("2 of 2 approvals") && shown.out.contains("approved by bob"), "{}", shown.out);
    let done = apply(&place, &[]).ends(0);
    assert!(
        done.err.contains(". approved by ann, until ") && done.err.contains(": change 4711"),
        "{}",
        done.err
    );
    place.all_are("Permanent");
    let report = run(&place, &["report", "latest"]).ends(0);
    assert!(report.out.contains("Approvals\n  approved by ann, until "), "{}", report.out);
    let history = run(&place, &["history"]).ends(0);
    assert!(history.out.contains("completed; approved by ann, bob"), "{}", history.out);
    let verified = run(&place, &["verify", "latest"]).ends(0);
    assert!(verified.out.contains("2 signatures checked again"), "{}", verified.out);
}

fn refused_with_one(place: &Place) -> bool {
    refused(place, &[])
        == [(
            "LB0840".to_owned(),
            "the plan needs 2 approvals of ann, bob, carl (owners), and has 1, by ann".to_owned(),
        )]
}

#[test]
fn what_is_no_approval_of_this_plan_does_not_count_and_says_why() {
    let place = place();
    seal(&place);
    approve(&place, "ann", &[]).ends(0);
    let file = "retire-shop.plan.bob.approval";
    let good = {
        approve(&place, "bob", &["--for", "1m"]).ends(0);
        std::fs::read_to_string(place.path().join(file)).unwrap()
    };
    for (forged, why) in [
        (
            good.replacen("until: 2026-01-01T00", "until: 2026-01-02T00", 1),
            "its signature was not made of this text",
        ),
        (good.replacen("by: bob", "by: carl", 1), "its signature was not made of this text"),
        (good.clone() + "more\n", "there is no whole signature behind it"),
        (good.split("-----BEGIN").next().unwrap().to_owned(), "there is no whole signature behind it"),
        (good.replacen("format 1", "format 2", 1), "it has format 2, and this version knows 1"),
        ("yes, go on\n".to_owned(), "the file is no approval"),
        ("x".repeat(70 << 10), "it has more than 65536 bytes"),
    ] {
        place.write(file, &forged);
        does_not_count(&place, &[], why);
    }
    std::fs::write(place.path().join(file), [0xff, 0xfe, 0x00]).unwrap();
    does_not_count(&place, &[], "it cannot be read");
    // Ann cannot sign for Bob, with her own key or with one that nobody knows.
    let signature = |key: &str, text: &str| {
        place.write("statement", text);
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-Y", "sign", "-n", "lifeboat", "-f", key]).current_dir(place.path());
        let file = std::fs::File::open(place.path().join("statement")).unwrap();
        String::from_utf8(command.stdin(file).output().unwrap().stdout).unwrap()
    };
    let text = good.split("-----BEGIN").next().unwrap();
    for key in ["ann", "eve"] {
        place.write(file, &format!("{text}{}", signature(key, text)));
        does_not_count(&place, &[], "is not one with which `bob` may sign now");
    }
    let later = text.replacen("from: 2026-01-01T00", "from: 2026-01-01T05", 1).replacen(
        "until: 2026-01-01T00",
        "until: 2026-01-01T06",
        1,
    );
    place.write(file, &format!("{later}{}", signature("bob", &later)));
    does_not_count(&place, &[], "it begins at 2026-01-01T05:");
    // Whoever signs by hand is bound by the same: how long it lasts, and of what it is.
    let long = text.replacen("until: 2026", "until: 2027", 1);
    place.write(file, &format!("{long}{}", signature("bob", &long)));
    does_not_count(&place, &[], "it would last from 2026-01-01T00:");
    let other = text.replacen("of: retire-shop", "of: undo-shop", 1);
    place.write(file, &format!("{other}{}", signature("bob", &other)));
    does_not_count(&place, &[], "it is said to be of undo-shop; this is retire-shop");
    std::fs::remove_file(place.path().join(file)).unwrap();
    assert!(Command::new("mkfifo").arg(file).current_dir(place.path()).status().unwrap().success());
    does_not_count(&place, &[], "it is no file");
    std::fs::remove_file(place.path().join(file)).unwrap();
    place.write(file, &good);
    run(&place, &["sim", "advance", "2m"]).ends(0);
    does_not_count(&place, &[], "it ended at 2026-01-01T00:");
}

#[test]
fn people_count_once_and_only_those_who_are_asked() {
    let place = place();
    // The same person with a second key, the same key under a second name, and somebody who is not asked.
    key(&place, "ann2");
    allow(&place, "ann2", "ann ");
    allow(&place, "ann", "bob ");
    allow(&place, "eve", "eve ");
    seal(&place);
    approve(&place, "ann", &[]).ends(0);
    let twice = ["approve", PLAN, "--as", "ann", "--confirm", "retire-shop", "--key", "ann2"];
    std::fs::rename(place.path().join("retire-shop.plan.ann.approval"), place.path().join("first")).unwrap();
    run(&place, &twice).ends(0);
    does_not_count(&place, &["--approval", "first"], "the person or the key has approved already");
    run(&place, &["approve", PLAN, "--as", "bob", "--confirm", "retire-shop", "--key", "ann"]).ends(0);
    let with_one_key = ["--approval", "first", "--approval", "./retire-shop.plan.bob.approval"];
    std::fs::remove_file(place.path().join("retire-shop.plan.ann.approval")).unwrap();
    does_not_count(&place, &with_one_key, "the person or the key has approved already");
    let eve = approve(&place, "eve", &[]).ends(9);
    assert!(eve.err.contains("LB0842") && eve.err.contains("these are asked: ann, bob, carl"), "{}", eve.err);
    assert!(!place.path().join("retire-shop.plan.eve.approval").exists());
}

#[test]
fn an_approval_is_of_one_sealed_plan_and_of_the_signers_of_today() {
    let place = place();
    seal(&place);
    approve(&place, "ann", &[]).ends(0);
    approve(&place, "bob", &[]).ends(0);
    run(&place, &["sim", "advance", "1s"]).ends(0);
    let old = std::fs::read_to_string(place.path().join(PLAN)).unwrap();
    seal(&place);
    does_not_count(&place, &[], "it is for another plan, sealed as ");
    place.write(PLAN, &old);
    // Whose key was taken out since does not count any more; nor one that is over by now, or for other things.
    let kept = std::fs::read_to_string(place.path().join("allowed_signers")).unwrap();
    for (options, why) in [
        ("valid-before=\"20251231Z\" ", "key has expired"),
        ("valid-after=\"20270101Z\" ", "key is not yet valid"),
        ("namespaces=\"git\" ", "may sign now"),
    ] {
        place.write("allowed_signers", &kept.replace("bob ssh", &format!("bob {options}ssh")));
        does_not_count(&place, &[], why);
    }
    place.write("allowed_signers", &kept.replace("bob ssh", "eve ssh"));
    does_not_count(&place, &[], "is not one with which `bob` may sign now");
    // Where no documents are, the plan needs what it was sealed with, by the signers of then.
    std::fs::remove_file(place.path().join("lifeboat.yaml")).unwrap();
    std::fs::rename(place.path().join("retire-shop.plan.bob.approval"), place.path().join("bob's")).unwrap();
    let alone = apply(&place, &[]).ends(9);
    assert!(alone.err.contains("and has 1, by ann"), "{}", alone.err);
    apply(&place, &["--approval", "bob's"]).ends(0);
}

/// The sealed plan with something else in it, and a seal that was made again.
fn seal_anew(place: &Place, edit: impl Fn(&mut serde_json::Value)) {
    let text = std::fs::read_to_string(place.path().join(PLAN)).unwrap();
    let mut sealed: serde_json::Value = serde_json::from_str(&text).unwrap();
    sealed.as_object_mut().unwrap().remove("seal");
    edit(&mut sealed);
    let body = sealed.to_string();
    let seal = lifeboat::base::Digest::of(body.as_bytes());
    place.write(PLAN, &format!("{},\n\"seal\":\"{seal}\"}}\n", body.strip_suffix('}').unwrap()));
}

#[test]
fn a_plan_that_somebody_sealed_anew_is_held_against_what_it_does() {
    let place = place();
    seal(&place);
    let good = std::fs::read_to_string(place.path().join(PLAN)).unwrap();
    let refused = |edit: &dyn Fn(&mut serde_json::Value), confirm: &str, exit: i32, code: &str| {
        place.write(PLAN, &good);
        seal_anew(&place, edit);
        let said = run(&place, &["apply", PLAN, "--confirm", confirm]).ends(exit);
        assert!(said.err.contains(code), "{code}: {}", said.err);
        assert_eq!(runs(&place), 1, "nothing was begun");
        place.all_are("Failover");
    };
    // What it needs is what its steps do, by the documents of today, whatever is written in it.
    refused(
        &|sealed| drop(sealed["plan"].as_object_mut().unwrap().remove("needs")),
        "retire-shop",
        9,
        "LB0840",
    );
    // No other kind of plan is ever sealed.
    let replicates = |sealed: &mut serde_json::Value| sealed["plan"]["purpose"] = "replicate".into();
    refused(&replicates, "replicate", 1, "LB0701");
    // What it shows is what it does.
    let each = |sealed: &mut serde_json::Value, key: &str, value: serde_json::Value| {
        for member in sealed["plan"]["members"].as_array_mut().unwrap() {
            member[key] = value.clone();
        }
    };
    refused(&|sealed| each(sealed, "loses", serde_json::json!([])), "retire-shop", 5, "LB0703");
    refused(&|sealed| each(sealed, "then", "Failover".into()), "retire-shop", 5, "LB0703");
}

#[test]
fn rules_and_signers_of_elsewhere_do_not_replace_the_sealed_ones() {
    let place = place();
    seal(&place);
    approve(&place, "ann", &[]).ends(0);
    let document = std::fs::read_to_string(place.path().join("lifeboat.yaml")).unwrap();
    place.edit("lifeboat.yaml", "count: 2 ", "count: 1 ");
    assert_eq!(refused(&place, &[]).len(), 1, "two were wanted when it was sealed");
    place.write("lifeboat.yaml", &document);
    // Somebody who calls herself bob where the plan is carried out was nobody where it was sealed.
    let signers = std::fs::read_to_string(place.path().join("allowed_signers")).unwrap();
    let bobs = signers.lines().find(|l| l.starts_with("bob ")).unwrap();
    place.write("allowed_signers", &signers.replace(bobs, ""));
    allow(&place, "eve", "bob ");
    let eve = ["approve", PLAN, "--key", "eve", "--as", "bob", "--confirm", "retire-shop"];
    let said = run(&place, &eve).ends(9);
    assert!(said.err.contains("LB0842") && said.err.contains("may sign now"), "{}", said.err);
}

#[test]
fn signers_that_cannot_be_read_are_in_nobodys_way_who_needs_none() {
    let place = place();
    std::fs::remove_file(place.path().join("allowed_signers")).unwrap();
    for args in [&["plan", "retire-shop"][..], &["apply", "retire-shop", "--confirm", "retire-shop"]] {
        let said = run(&place, args).ends(1);
        assert!(said.err.contains("error[LB0608]"), "{}", said.err);
    }
    let said = run(&place, &["apply", "undo-shop", "--confirm", "undo-shop"]).ends(0);
    assert!(said.err.contains("undo failover") || said.out.contains("completed"), "{}{}", said.out, said.err);
    place.all_are("Ready");
}

#[test]
fn the_glass_is_broken_with_a_reason_and_leaves_exceptions() {
    let place = place();
    for more in [&["--break-glass"][..], &["--break-glass", "--because", " "], &["--because", "so"]] {
        let args = [&["apply", "retire-shop", "--confirm", "retire-shop"], more].concat();
        let said = run(&place, &args).ends(9);
        assert!(said.err.contains("LB0844"), "{}", said.err);
    }
    assert_eq!(runs(&place), 1, "nothing was begun");
    let broken = ["--break-glass", "--because", "the hall burns"];
    let unneeded =
        run(&place, &[&["apply", "undo-shop", "--confirm", "undo-shop"], &broken[..]].concat()).ends(0);
    assert!(unneeded.err.contains("the glass was not broken: no rule wants approvals"), "{}", unneeded.err);
    place.apply("evacuate-shop");
    seal(&place);
    approve(&place, "ann", &[]).ends(0);
    let unconfirmed = run(&place, &[&["apply", PLAN], &broken[..]].concat()).ends(9);
    assert!(unconfirmed.err.contains("LB0705"), "it is confirmed as any plan is: {}", unconfirmed.err);
    // Neither a signers' file that is gone nor a machine without ssh-keygen stands in the way.
    std::fs::remove_file(place.path().join("allowed_signers")).unwrap();
    assert_eq!(run(&place, &["validate"]).code, 1);
    assert_eq!(run(&place, &["status"]).code, 0, "nor in that of whoever only looks, or replicates");
    let done = place
        .run_without_programs(&[&["apply", PLAN, "--confirm", "retire-shop"], &broken[..]].concat())
        .ends(10);
    assert!(done.err.contains("! glass broken by tester@"), "{}", done.err);
    assert!(done.err.contains("warning[LB0843]") && !done.err.contains("error["), "{}", done.err);
    assert!(done.out.contains("completed with exceptions"), "{}", done.out);
    assert!(done.out.contains(": the hall burns; there were 0 of 2 approvals"), "{}", done.out);
    place.all_are("Permanent");
    assert!(run(&place, &["history"]).out.contains("completed with exceptions; glass broken"));
    let report = json(&place, &["report", "latest"]);
    assert_eq!(report["admission"]["glass"]["because"], "the hall burns");
    let verified = run(&place, &["verify", "latest"]).ends(0);
    assert!(verified.out.contains("glass broken by tester@"), "{}", verified.out);
}

#[test]
fn a_runbook_is_carried_out_with_the_glass_broken_and_resumed_without_a_word_more() {
    let place = place();
    run(&place, &["sim", "fault", "fails", "--action", "merge", "--replica", "web-01"]).ends(0);
    let broken =
        ["apply", "retire-shop", "--confirm", "retire-shop", "--break-glass", "--because", "no time"];
    let cut = run(&place, &broken);
    assert!([3, 10].contains(&cut.code), "{}{}", cut.out, cut.err);
    run(&place, &["sim", "heal"]).ends(0);
    if cut.code == 3 {
        run(&place, &["resume"]).ends(10);
    }
    place.all_are("Permanent");
}

/// What let it begin is written with the run itself: whoever goes on needs none of the files any more.
#[test]
fn killed_it_is_gone_on_with_under_the_approvals_that_it_began_with() {
    let place = place();
    place.edit("lifeboat.yaml", "clock: virtual", "clock: { speed: 20 }");
    seal(&place);
    approve(&place, "ann", &[]).ends(0);
    approve(&place, "bob", &[]).ends(0);
    let mut child = command(&place, &["apply", PLAN, "--confirm", "retire-shop"]).spawn().unwrap();
    let begun = || {
        let runs = std::fs::read_dir(place.path().join(".lifeboat/runs")).unwrap();
        let last = runs.map(|run| run.unwrap().path()).max().unwrap();
        let text = std::fs::read_to_string(last.join("journal.jsonl")).unwrap_or_default();
        text.contains("\"intended\"") && !text.contains("\"ended\"")
    };
    while !begun() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was killed");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    for who in ["ann", "bob"] {
        std::fs::remove_file(place.path().join(format!("{PLAN}.{who}.approval"))).unwrap();
    }
    std::fs::remove_file(place.path().join(PLAN)).unwrap();
    place.write("allowed_signers", "");
    run(&place, &["resume"]).ends(0);
    place.all_are("Permanent");
    let report = run(&place, &["report", "latest"]).ends(0);
    assert!(report.out.contains("Approvals\n  approved by ann, until "), "{}", report.out);
    let verified = run(&place, &["verify", "latest"]).ends(0);
    assert!(verified.out.contains("2 signatures checked again"), "{}", verified.out);
}

#[test]
fn an_auditor_checks_the_approvals_of_evidence_by_hand_and_changed_ones_are_found() {
    let place = place();
    seal(&place);
    approve(&place, "ann", &[]).ends(0);
    approve(&place, "bob", &[]).ends(0);
    // By hand, as docs/approvals.md says it.
    let hand = |file: &str, who: &str| {
        let script = "sed -n '/^-----BEGIN/,$p' \"$1\" > sig && sed '/^-----BEGIN/,$d' \"$1\" \
                      | ssh-keygen -Y verify -f allowed_signers -I \"$2\" -n lifeboat -s sig";
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh", file, who]).current_dir(place.path());
        command.output().unwrap().status.success()
    };
    assert!(hand("retire-shop.plan.ann.approval", "ann") && !hand("retire-shop.plan.ann.approval", "bob"));
    apply(&place, &[]).ends(0);
    run(&place, &["report", "latest", "--evidence", "e.evidence"]).ends(0);
    let away = Place::empty();
    let text = std::fs::read_to_string(place.path().join("e.evidence")).unwrap();
    away.write("e.evidence", &text);
    let verified = run(&away, &["verify", "./e.evidence"]).ends(0);
    assert!(verified.out.contains("approved by bob") && verified.out.contains("2 signatures checked again"));
    let without = away.run_without_programs(&["verify", "./e.evidence"]).ends(0);
    assert!(without.out.contains("! the signatures were not checked here"), "{}", without.out);
    let part = text.split("{\"part\":\"approvals.json\"}\n").nth(1).unwrap().lines().next().unwrap();
    let approvals: Vec<serde_json::Value> = serde_json::from_str(part).unwrap();
    assert_eq!((approvals.len(), &approvals[0]["by"]), (2, &"ann".into()));
    // Somebody who writes all of it anew cannot write a signature.
    let frozen = text.split("{\"part\":\"run.json\"}\n").nth(1).unwrap().lines().next().unwrap();
    let mut frozen: serde_json::Value = serde_json::from_str(frozen).unwrap();
    frozen["admission"]["approvals"][1]["signature"] =
        frozen["admission"]["approvals"][0]["signature"].clone();
    let run_folder = std::fs::read_dir(place.path().join(".lifeboat/runs")).unwrap();
    let run_folder = run_folder.map(|r| r.unwrap().path()).max().unwrap();
    std::fs::write(run_folder.join("run.json"), frozen.to_string()).unwrap();
    let found = run(&place, &["verify", "latest"]).ends(11);
    assert!(
        found.err.contains("the signature of the approval by bob is not one of an allowed signer"),
        "{}",
        found.err
    );
}

#[test]
fn documents_that_cannot_be_meant_are_refused() {
    let place = place();
    let document = std::fs::read_to_string(place.path().join("lifeboat.yaml")).unwrap();
    let signers = std::fs::read_to_string(place.path().join("allowed_signers")).unwrap();
    let check = |old: &str, new: &str, list: &str, code: &str, exit: i32| {
        place.edit("lifeboat.yaml", old, new);
        place.write("allowed_signers", list);
        let said = run(&place, &["validate"]);
        assert_eq!(said.code, exit, "{new}: {}{}", said.out, said.err);
        assert!(said.err.contains(code), "{new}, {code}: {}", said.err);
        assert_eq!(said.err.matches("[LB").count(), 1, "one mistake is one finding: {}", said.err);
        place.write("lifeboat.yaml", &document);
    };
    let count = "count: 2 ";
    check(count, "count: 0 ", &signers, "LB0208", 1);
    check(count, "count: two ", &signers, "LB0206", 1);
    check("operations: [", "operation: [", &signers, "LB0204", 1);
    check(count, "count: 4 ", &signers, "LB0609", 1);
    check("[permanent-failover]", "[permanent]", &signers, "LB0207", 1);
    check("[permanent-failover]", "[permanent-failover, replicate]", &signers, "LB0609", 1);
    check("groups: [owners]", "groups: [owner]", &signers, "LB0313", 1);
    check("  signers: allowed_signers", "  # none", &signers, "LB0608", 1);
    check("signers: allowed_signers", "signers: allowed", &signers, "LB0608", 1);
    check(count, count, &format!("{signers}\ndora\n"), "LB0608", 1);
    check(count, count, &signers.replace("bob ", "bill ").replace("carl ", "carla "), "LB0609", 1);
    check(count, count, &signers.replace("carl ", "carla "), "LB0609", 0);
    check(
        "rules:",
        "rules:\n    - { name: two-people, because: again, approved: { count: 1 } }",
        &signers,
        "LB0607",
        1,
    );
}

#[test]
fn a_rule_can_warn_alone_and_can_be_about_some_replicas() {
    let place = place();
    let document = std::fs::read_to_string(place.path().join("lifeboat.yaml")).unwrap();
    let plan = |old: &str, new: &str| {
        place.edit("lifeboat.yaml", old, new);
        let said = run(&place, &["plan", "retire-shop"]).ends(0).out;
        place.write("lifeboat.yaml", &document);
        said
    };
    let operations = "operations: [permanent-failover]";
    for (rest, is_asked) in [
        ("of: { names: [web-*] }", true),
        ("operations: [failback]", false),
        ("operations: [failback, permanent-failover]", true),
        ("# none", true),
    ] {
        let said = plan(operations, rest);
        assert_eq!(said.contains("# needs 2 approvals"), is_asked, "{rest}: {said}");
        let next = if is_asked { "lifeboat plan retire-shop --out" } else { "lifeboat apply retire-shop" };
        assert!(said.contains(&format!("Next: {next}")), "{rest}: {said}");
    }
    run(&place, &["apply", "undo-shop", "--confirm", "undo-shop"]).ends(0);
    place.apply("evacuate-shop");
    let because = "because: A permanent failover";
    place.edit("lifeboat.yaml", because, &format!("severity: warning\n      {because}"));
    let shown = run(&place, &["plan", "retire-shop"]).ends(0);
    assert!(shown.out.contains("# should have 2 approvals of ann, bob, carl (owners)"), "{}", shown.out);
    let done = run(&place, &["apply", "retire-shop", "--confirm", "retire-shop"]).ends(0);
    assert!(done.err.contains("warning[LB0840]"), "{}", done.err);
    place.all_are("Permanent");
    run(&place, &["verify", "latest"]).ends(0);
}

#[test]
fn what_cannot_be_signed_is_not_handed_out() {
    let place = place();
    seal(&place);
    let refuse = |args: &[&str], code: i32, part: &str| {
        let said = run(&place, &[&["approve", PLAN, "--confirm", "retire-shop"], args].concat()).ends(code);
        assert!(said.err.contains(part), "{part}: {}", said.err);
    };
    refuse(&["--key", "bob", "--as", "ann"], 9, "is not one with which `ann` may sign now");
    refuse(&["--key", "nobody", "--as", "ann"], 1, "LB0842");
    refuse(&["--key", "ann", "--as", "an/n"], 1, "cannot be a name");
    refuse(&["--key", "ann"], 9, "`tester` is not asked");
    refuse(&["--key", "ann", "--as", "ann", "--for", "31d"], 1, "30 days");
    refuse(&["--key", "ann", "--as", "ann", "--for", "soon"], 1, "30 days");
    refuse(&["--key", "ann", "--as", "ann", "--because", "one\ntwo"], 1, "one line");
    let unconfirmed = run(&place, &["approve", PLAN, "--key", "ann", "--as", "ann"]).ends(9);
    assert!(unconfirmed.err.contains("LB0705"), "{}", unconfirmed.err);
    let missing = place.run_without_programs(&[
        "approve",
        PLAN,
        "--key",
        "ann",
        "--as",
        "ann",
        "--confirm",
        "retire-shop",
    ]);
    assert!(missing.code == 74 && missing.err.contains("LB0843"), "{}{}", missing.out, missing.err);
    approve(&place, "ann", &[]).ends(0);
    let missing = place.run_without_programs(&["apply", PLAN, "--confirm", "retire-shop"]).ends(9);
    assert!(missing.err.contains("LB0843") && missing.err.contains("LB0840"), "{}", missing.err);
    let approvals =
        std::fs::read_dir(place.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    assert_eq!(
        approvals.filter(|n| n.ends_with(".approval")).collect::<Vec<_>>(),
        ["retire-shop.plan.ann.approval"]
    );
    run(&place, &["plan", "undo-shop", "--out", "undo.plan"]).ends(0);
    let unwanted =
        run(&place, &["approve", "undo.plan", "--key", "ann", "--as", "ann", "--confirm", "undo-shop"])
            .ends(1);
    assert!(unwanted.err.contains("no rule wants approvals of this plan"), "{}", unwanted.err);
}

#[test]
fn nobody_is_kept_from_going_back() {
    let place = place();
    place.edit("lifeboat.yaml", "operations: [permanent-failover] ", "");
    // Every plan that changes something needs approvals now, replication and the way back do not.
    run(&place, &["apply", "undo-shop", "--confirm", "undo-shop"]).ends(9);
    run(&place, &["sim", "fault", "never-ready", "recovery/web-01_replica"]).ends(0);
    let broken = ["--break-glass", "--because", "a test of the way back"];
    run(&place, &[&["apply", "undo-shop", "--confirm", "undo-shop"], &broken[..]].concat()).ends(10);
    run(&place, &["replicate", "--all"]).ends(0);
    let failed =
        run(&place, &[&["apply", "evacuate-shop", "--confirm", "evacuate-shop"], &broken[..]].concat())
            .ends(3);
    assert!(failed.err.contains("glass broken"), "{}", failed.err);
    let run_id = json(&place, &["history"])["runs"]
        .as_array()
        .unwrap()
        .iter()
        .find(|r| r["over"] == false)
        .unwrap()["run"]
        .clone();
    let run_id = run_id.as_str().unwrap();
    run(&place, &["sim", "heal"]).ends(0);
    run(&place, &["abort", run_id, "--confirm", &format!("abort-{run_id}")]).ends(0);
    place.all_are("Ready");
}
