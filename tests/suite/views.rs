//! What people see, from documents to text: golden output, in the words and columns that it really has.

use crate::world::{name, noon, ready};
use lifeboat::base::{Duration, ReplicaName, RunId, RunbookName, Timestamp};
use lifeboat::diag::{Code, Finding, Sources};
use lifeboat::document::parse;
use lifeboat::domain::{Facts, Moving, Power, Sight, effect};
use lifeboat::inventory::{Inventory, Observed, SiteSight, Typical};
use lifeboat::model::{Resolved, resolve};
use lifeboat::plan::{Plan, Purpose, Work};
use lifeboat::planner::{Request, plan};
use lifeboat::port::Failure;
use lifeboat::report::live::{Live, Tally};
use lifeboat::report::text::{self, Options};
use lifeboat::report::{InDocuments, Past, Story, Style, diagnostic, json, refused};
use lifeboat::run::{Event, FailedWhy, How, Outcome, Progress, Runner};
use std::collections::BTreeMap;
use std::sync::Arc;

const SITES: &str = "apiVersion: lifeboat/v1
kind: Site
metadata: { name: prod }
spec: { provider: { simulator: {} } }
---
apiVersion: lifeboat/v1
kind: Site
metadata: { name: dr }
spec: { provider: { simulator: {} } }
";

const RUNBOOKS: &str = "apiVersion: lifeboat/v1
kind: Runbook
metadata: { name: evacuate }
spec:
  desired:
    - plan: shop
      state: Failover
      via: planned
---
apiVersion: lifeboat/v1
kind: Runbook
metadata: { name: lossy }
spec:
  desired:
    - { plan: shop, state: Failover, via: unplanned }
---
apiVersion: lifeboat/v1
kind: Runbook
metadata: { name: back }
spec:
  desired:
    - plan: shop
      state: Ready
---
apiVersion: lifeboat/v1
kind: Runbook
metadata: { name: return }
spec:
  desired:
    - plan: shop
      state: Ready
      keep: replica
      failback: { switchover: manual }
---
apiVersion: lifeboat/v1
kind: Runbook
metadata: { name: switch }
spec:
  desired:
    - plan: shop
      state: ReadyToSwitch
";

struct Case {
    sources: Sources,
    resolved: Resolved,
    inventory: Inventory,
}

fn case(names: &[String], facts: impl Fn(&str) -> Facts) -> Case {
    let mut sources = Sources::default();
    sources.add("sites.yaml", SITES);
    let replica = |n: &String| {
        format!(
            "apiVersion: lifeboat/v1\nkind: Replica\nmetadata: {{ name: {n} }}\nspec:\n  source: {{ site: prod, vm: {n} }}\n  \
             replica: {{ site: dr }}\n  objectives: {{ rpo: 15m }}\n  networks: [{{ from: lan, to: dr }}]\n  \
             ready: {{ all: [{{ tcp: {{ port: 5432 }} }}], stable: 10s }}\n"
        )
    };
    sources.add("replicas.yaml", names.iter().map(replica).collect::<Vec<_>>().join("---\n"));
    let entry = |n: &String| format!("    - {{ replica: {n}, delay: 60s }}\n");
    let sequence = if names.len() > 10 {
        format!("    - group: all\n      replicas: {{ names: [{}] }}\n", names.join(", "))
    } else {
        names.iter().map(entry).collect()
    };
    let shop = "apiVersion: lifeboat/v1\nkind: FailoverPlan\nmetadata: { name: shop }\nspec:\n  objectives: { rto: 30m }\n  sequence:\n";
    sources.add("plans.yaml", format!("{shop}{sequence}"));
    sources.add("runbooks.yaml", RUNBOOKS);
    let parsed = parse(&sources);
    assert_eq!(parsed.findings, Vec::new());
    let resolved = resolve(parsed, &sources);
    let errors: Vec<&Finding> =
        resolved.findings.iter().filter(|f| f.severity == lifeboat::diag::Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:?}");
    let seen = SiteSight { at: noon(), silent: None };
    let observed =
        |n: &String| (name(n), Observed { facts: Some(facts(n)), why: None, typical: Typical::default() });
    let inventory = Inventory {
        at: noon(),
        sites: [("prod".parse().unwrap(), seen.clone()), ("dr".parse().unwrap(), seen)].into(),
        replicas: names.iter().map(observed).collect(),
    };
    Case { sources, resolved, inventory }
}

fn three() -> Vec<String> {
    ["db", "app", "web"].map(str::to_owned).to_vec()
}

impl Case {
    fn plan(&self, runbook: &str) -> Result<Plan, Vec<Finding>> {
        let runbook: RunbookName = runbook.parse().unwrap();
        let workspace = &self.resolved.workspace;
        let request = Request {
            workspace,
            inventory: &self.inventory,
            purpose: &Purpose::Runbook(runbook.clone()),
            desired: &workspace.runbooks[&runbook].desired,
            switchover_now: false,
        };
        plan(&request).map_err(|refused| {
            let places = InDocuments { origins: &self.resolved.origins, runbook: Some(&runbook) };
            refused::findings(&refused, workspace, &places, &self.inventory)
        })
    }

    fn shown(&self, findings: &[Finding]) -> String {
        diagnostic::render(findings, &self.sources, Style::default())
    }
}

/// The facts after a plan's ordinary way.
fn after(plan: &Plan, facts: impl Fn(&str) -> Facts) -> BTreeMap<ReplicaName, Facts> {
    let mut all: BTreeMap<ReplicaName, Facts> =
        plan.members.iter().map(|m| (m.replica.clone(), facts(m.replica.as_str()))).collect();
    for node in &plan.nodes {
        let rescue = node.leg.and_then(|l| plan.leg(l)).is_some_and(|l| l.only_on_failure);
        if let (Work::Act(step), false) = (&node.work, rescue) {
            let facts = all.get_mut(&step.replica).unwrap();
            *facts = effect(&step.action, facts.clone(), noon());
        }
    }
    all
}

fn golden(name: &str, text: &str) {
    // A message is one line however long it is: the terminal breaks it, `grep` finds it.
    let long = text.lines().find(|line| line.chars().count() > 100 && !line.starts_with("error["));
    assert_eq!(long, None, "a line is wider than 100 columns");
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, text);
    });
}

#[test]
fn a_planned_failover_as_a_person_reads_it() {
    let case = case(&three(), ready);
    let plan = case.plan("evacuate").unwrap();
    golden("plan_planned", &text::plan(&plan, &Options::default()));
}

#[test]
fn every_step_with_its_reason() {
    let case = case(&three(), ready);
    let plan = case.plan("evacuate").unwrap();
    let options = Options { steps: true, unicode: false, ..Options::default() };
    let text = text::plan(&plan, &options);
    assert!(text.is_ascii(), "{text}");
    golden("plan_steps", &text);
}

#[test]
fn a_lossy_failover_says_how_much_and_why() {
    let case = case(&three(), |n| Facts {
        source: if n == "web" { Sight::Unseen } else { ready(n).source },
        ..ready(n)
    });
    let plan = case.plan("lossy").unwrap();
    golden("plan_lossy", &text::plan(&plan, &Options { all: true, ..Options::default() }));
}

#[test]
fn two_hundred_machines_fit_on_a_screen() {
    let names: Vec<String> = (1..=200).map(|n| format!("web-{n:03}")).collect();
    let case = case(&names, ready);
    let plan = case.plan("evacuate").unwrap();
    let text = text::plan(&plan, &Options::default());
    assert!(text.lines().count() < 40, "{text}");
    golden("plan_many", &text);
}

#[test]
fn nothing_to_do_is_said() {
    let case = case(&three(), ready);
    let plan = case.plan("back").unwrap();
    golden("plan_nothing", &text::plan(&plan, &Options { all: true, ..Options::default() }));
}

fn failed_over() -> BTreeMap<ReplicaName, Facts> {
    after(&case(&three(), ready).plan("evacuate").unwrap(), ready)
}

#[test]
fn a_manual_switchover_halts_the_plan() {
    let facts = failed_over();
    let case = case(&three(), |n| facts[&name(n)].clone());
    golden("plan_halts", &text::plan(&case.plan("return").unwrap(), &Options::default()));
}

#[test]
fn an_ambiguous_goal_shows_each_way_with_what_it_loses() {
    let facts = failed_over();
    let case = case(&three(), |n| facts[&name(n)].clone());
    let refused = case.plan("back").unwrap_err();
    assert_eq!(refused.len(), 1, "one reason for three replicas is one finding");
    assert_eq!(refused[0].code, Code::Ambiguous);
    golden("refused_ambiguous", &case.shown(&refused));
}

#[test]
fn an_invalid_transition_says_what_is_possible() {
    let case = case(&three(), ready);
    golden("refused_transition", &case.shown(&case.plan("switch").unwrap_err()));
}

#[test]
fn a_silent_production_site_names_the_way_without_it() {
    let case = case(&three(), |n| Facts { source: Sight::Unseen, ..ready(n) });
    golden("refused_silent", &case.shown(&case.plan("evacuate").unwrap_err()));
}

#[test]
fn a_machine_started_by_hand_is_foreign() {
    let running = |n: &str| {
        let mut facts = ready(n);
        if let Sight::Present(vm) = &mut facts.replica {
            vm.power = Power::On;
        }
        facts
    };
    let case = case(&["db".to_owned()], running);
    golden("refused_foreign", &case.shown(&case.plan("evacuate").unwrap_err()));
}

#[test]
fn findings_in_plain_characters_keep_their_words() {
    let mut sources = Sources::default();
    let file = sources.add("a.yaml", "one: ä\ntwo: [x, y]\n");
    let span = |start, end| Some(lifeboat::diag::Span { file, start, end });
    let finding = Finding::new(Code::Cycle, "entries wait for each other")
        .at(span(14, 15), "1. `x` waits for `y`")
        .at(span(17, 18), "2. `y` waits for `x`")
        .help("leave one of the two out");
    let style = Style { unicode: false, ..Style::default() };
    golden("finding_plain", &diagnostic::render(std::slice::from_ref(&finding), &sources, style));
    let value = &diagnostic::json(&[finding], &sources)[0];
    assert_eq!((&value["labels"][0]["line"], &value["labels"][0]["column"]), (&2.into(), &7.into()));
    assert_eq!(value["labels"][0]["byte"], 14);
}

#[test]
fn a_hundred_findings_are_fifty_and_a_count() {
    let findings = vec![Finding::new(Code::Locked, "locked"); 100];
    let text = diagnostic::render(&findings, &Sources::default(), Style::default());
    assert!(text.contains("… and 50 more") && text.contains("100 errors, 0 warnings."), "{text}");
    let colored = Style { color: true, ..Style::default() };
    assert!(
        diagnostic::render(&findings, &Sources::default(), colored).contains("\u{1b}[1;31merror[LB0801]")
    );
}

#[test]
fn a_finding_at_the_end_of_a_big_file_costs_no_more_than_one_in_a_small_one() {
    let mut sources = Sources::default();
    let text = "key: value\n".repeat(100_000);
    let end = u32::try_from(text.len()).unwrap();
    let file = sources.add("big.yaml", text);
    let span = |start, end| Some(lifeboat::diag::Span { file, start, end });
    for (start, stop) in [(end - 6, end - 1), (end, end), (0, end)] {
        let finding = Finding::new(Code::YamlSyntax, "here").at(span(start, stop), "this");
        let shown = diagnostic::render(&[finding], &sources, Style::default());
        assert!(shown.contains("big.yaml"), "{shown}");
    }
}

#[test]
fn status_shows_lag_against_the_objective() {
    let facts = failed_over();
    let case = case(&three(), |n| match n {
        "db" => facts[&name(n)].clone(),
        "app" => Facts { points: ready(n).points[..1].to_vec(), ..ready(n) },
        _ => ready(n),
    });
    let shown = text::status(&case.resolved.workspace, &case.inventory, &[], &Options::default());
    golden("status", &shown);
    let value = json::status(&case.resolved.workspace, &case.inventory, &[]);
    assert_eq!(value["replicas"][0]["rpoExceeded"], true, "{value}");
}

fn story(plan: Plan) -> (Progress, Vec<(Timestamp, Event)>) {
    let plan = Arc::new(plan);
    let mut progress = Progress::new(plan.clone());
    let mut events = Vec::new();
    let mut at = noon();
    let mut push = |progress: &mut Progress, at: Timestamp, event: Event| {
        progress.apply(&event, at).unwrap();
        events.push((at, event));
    };
    let runner = Runner { person: "ann".to_owned(), host: "ops".to_owned(), version: "0.1.0".to_owned() };
    push(&mut progress, at, Event::Taken { runner });
    let doomed = plan.node_ids().find(|n| plan.node_name(*n) == "app/planned-failover/power-on").unwrap();
    loop {
        let next = progress.next(at);
        let Some(node) = next.start.first().copied() else {
            match next.wake.filter(|wake| *wake > at) {
                Some(wake) => at = wake,
                None => break,
            }
            continue;
        };
        let second = |at: Timestamp| at.after(lifeboat::base::Duration::from_secs(1));
        match &plan.node(node).unwrap().work {
            Work::Wait(_) => {
                push(&mut progress, at, Event::Waiting { node });
                at = second(at);
                push(&mut progress, at, Event::Met { node });
            }
            Work::Act(_) | Work::Hook(_) | Work::Gate(_) | Work::Cutover(_) | Work::Join => {
                push(&mut progress, at, Event::Intended { node, attempt: 1 });
                at = second(at);
                let event = if node == doomed {
                    let failure = Failure::Failed("the host has no memory left".to_owned());
                    Event::Failed { node, why: FailedWhy::Action(failure) }
                } else {
                    Event::Settled { node, how: How::Performed, moved: None }
                };
                push(&mut progress, at, event);
            }
        }
    }
    push(&mut progress, at, Event::Ended { outcome: Outcome::Failed });
    (progress, events)
}

#[test]
fn a_run_that_failed_says_what_did_not_run_because_of_whom() {
    let plan = case(&three(), ready).plan("evacuate").unwrap();
    let (progress, events) = story(plan);
    let run: RunId = "20260101T120000Z".parse().unwrap();
    let story = Story { run: &run, progress: &progress, events: &events };
    golden("run_report", &text::run_report(story, &Options::default()));
    assert_eq!(json::run_report(story)["outcome"], "failed");
    golden("history", &text::history(&[Past::new(run.clone(), &progress)], &Options::default()));
}

fn live(plan: Plan, steps: bool) -> String {
    let (progress, events) = story(plan);
    let mut live = Live::new(progress.plan().clone(), steps);
    let mut lines = vec![live.opening(&"20260101T120000Z".parse().unwrap(), noon())];
    lines.extend(events.iter().flat_map(|(at, event)| live.lines(event, *at)));
    lines.push(Tally::of(&progress).words(noon(), &[]));
    lines.join("\n")
}

#[test]
fn a_run_as_it_goes() {
    golden("live", &live(case(&three(), ready).plan("evacuate").unwrap(), false));
}

#[test]
fn two_hundred_machines_do_not_scroll_a_failure_away() {
    let mut names: Vec<String> = (1..=199).map(|n| format!("web-{n:03}")).collect();
    names.push("app".to_owned());
    let shown = live(case(&names, ready).plan("evacuate").unwrap(), false);
    assert!(shown.lines().count() < 30, "{shown}");
    golden("live_many", &shown);
}

#[test]
fn the_machines_form_of_a_plan_names_its_format() {
    let plan = case(&three(), ready).plan("evacuate").unwrap();
    let value = json::plan(&plan);
    assert_eq!((&value["format"], &value["type"]), (&1.into(), &"plan".into()));
    assert_eq!(value["members"].as_array().unwrap().len(), 3);
    assert_eq!(value["steps"].as_array().unwrap().len(), plan.nodes.len());
}

#[test]
fn a_stale_plan_is_refused_fact_by_fact() {
    let case = case(&three(), ready);
    let plan = case.plan("evacuate").unwrap();
    let mut later = case.inventory;
    later.replicas.get_mut(&name("db")).unwrap().facts.as_mut().unwrap().source = Sight::Absent;
    let changed = lifeboat::inventory::changed(&plan.read, &later);
    let finding = refused::stale(&changed, &plan).unwrap();
    golden("stale", &diagnostic::render(&[finding], &case.sources, Style::default()));
    assert_eq!(refused::stale(&[], &plan), None);
}

#[test]
fn on_a_narrow_terminal_only_what_may_give_way_is_cut() {
    let case = case(&three(), ready);
    let plan = case.plan("lossy").unwrap();
    let text = text::plan(&plan, &Options { width: 60, room: Some(60), ..Options::default() });
    for name in ["db", "app", "web"] {
        assert!(text.contains(&format!("  {name} ")), "{text}");
    }
    assert!(text.contains('…'), "{text}");
    let wide = text::plan(&plan, &Options { width: 60, ..Options::default() });
    assert!(!wide.contains('…'), "{wide}");
}

#[test]
fn a_command_in_a_help_is_broken_nowhere() {
    let command = "`lifeboat abort 20260101T120000Z-c8be --close --because TEXT`";
    let finding = Finding::new(Code::Unfinished, "an earlier run is not finished")
        .help(format!("for another goal or another time: {command}, then apply what leads there"));
    let text = diagnostic::render(&[finding], &Sources::default(), Style { width: 60, ..Style::default() });
    assert!(text.lines().any(|line| line.contains(command)), "{text}");
    assert!(text.lines().count() > 4, "the rest is broken: {text}");
}

#[test]
fn the_bar_counts_whole_seconds() {
    let mut tally = Tally::of(&story(case(&three(), ready).plan("evacuate").unwrap()).0);
    tally.waits = Some(lifeboat::report::live::Waits {
        what: "app".to_owned(),
        since: noon(),
        ends: noon().after(Duration::from_secs(300)),
        sooner: true,
    });
    let text = tally.words(noon().after(Duration::from_millis(2193)), &[]);
    assert!(text.ends_with("waiting 2s, at most 4m57s more, for app"), "{text}");
}

#[test]
fn the_bar_tells_how_far_copies_have_come() {
    let tally = Tally::of(&story(case(&three(), ready).plan("evacuate").unwrap()).0);
    let moving = |done: u64, of: u64| Moving { done: done << 20, of: of << 20, since: noon(), ended: None };
    let words = |moving: &[Moving]| tally.words(noon().after(Duration::from_secs(2)), moving);
    assert!(words(&[moving(100, 340)]).ends_with(" · 100 of 340 MiB, 50 MiB/s, 5 s left"));
    assert!(words(&[moving(100, 340), moving(0, 2000)]).ends_with(" · 0 of 2.2 GiB, 50 MiB/s, 45 s left"));
    assert!(
        words(&[moving(0, 8)]).ends_with(" · 0 of 8 MiB"),
        "nothing can be said before something has moved"
    );
}

#[test]
fn a_huge_line_is_not_drawn_and_its_place_is_named() {
    let mut sources = Sources::default();
    let file = sources.add("a.yaml", format!("one: 1\ntwo: {}\n", "[".repeat(100_000)));
    let span = Some(lifeboat::diag::Span { file, start: 262, end: 263 });
    let finding = Finding::new(Code::YamlSyntax, "this is no YAML").at(span, "reading stopped here");
    let shown = diagnostic::render(&[finding], &sources, Style::default());
    assert!(shown.contains("  a.yaml:2:256: reading stopped here\n") && shown.len() < 300, "{shown}");
}

#[test]
fn a_report_calls_an_exception_only_what_its_outcome_counts_as_one() {
    let (progress, mut events) = story(case(&three(), ready).plan("evacuate").unwrap());
    events.push((noon(), Event::Stopping { why: lifeboat::run::StopWhy::Asked }));
    let run: RunId = "20260101T120000Z".parse().unwrap();
    let story = Story { run: &run, progress: &progress, events: &events };
    let text = text::run_report(story, &Options::default());
    assert!(text.contains("\nOn the way\n  12:00:00Z stopped, as was asked\n"), "{text}");
    assert!(!text.contains("Exceptions"), "{text}");
}

#[test]
fn almost_a_minute_is_told_as_one() {
    let span = |millis| lifeboat::report::words::span(lifeboat::base::Duration::from_millis(millis));
    assert_eq!([59_400, 59_700, 60_000].map(span), ["59 s", "1m", "1m"]);
}

#[test]
fn whoever_asks_for_the_steps_is_told_every_replica_that_did_not_run() {
    let names: Vec<String> = (1..=5).map(|n| format!("web-{n}")).collect();
    let mut progress = Progress::new(Arc::new(case(&names, ready).plan("evacuate").unwrap()));
    let runner = Runner { person: "ann".to_owned(), host: "ops".to_owned(), version: "0.1.0".to_owned() };
    let stopping = Event::Stopping { why: lifeboat::run::StopWhy::Asked };
    let ended = Event::Ended { outcome: Outcome::Stopped };
    let events: Vec<(Timestamp, Event)> =
        [Event::Taken { runner }, stopping, ended].map(|e| (noon(), e)).into();
    for (at, event) in &events {
        progress.apply(event, *at).unwrap();
    }
    let run: RunId = "20260101T120000Z".parse().unwrap();
    let story = Story { run: &run, progress: &progress, events: &events };
    let brief = text::run_report(story, &Options::default());
    assert!(brief.contains(&format!("web-3 and 2 more (lifeboat report {run} --steps)")), "{brief}");
    let whole = text::run_report(story, &Options { steps: true, ..Options::default() });
    assert!(whole.contains("of web-1, web-2, web-3, web-4, web-5 because"), "{whole}");
}
