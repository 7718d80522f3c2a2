//! What the types take, the schema takes: the schema is asked only where the types refuse.

use super::*;
use crate::diag::Sources;
use crate::document::parse::{Part, trees};
use proptest::prelude::*;
use std::sync::LazyLock;

static CHECKER: LazyLock<Checker> = LazyLock::new(Checker::default);

/// One document with everything that can stand in one of its kind.
const FULL: &str = r#"
apiVersion: lifeboat/v1
kind: Site
metadata: { name: a, labels: { k: v } }
spec:
  provider:
    simulator:
      clock: { speed: 60 }
      begins: 2026-01-01T00:00:00Z
      points: 3
      every: 15m
      defaults: { boot: 20s, ports: [443], networks: [{ network: lan, address: 10.0.0.1 }], blocks: 64 }
      vms: [{ name: v, boot: 1s, ports: [1], blocks: 8, networks: [{ network: lan }] }]
      faults: [{ silent: {} }, { fails: { action: power-on, times: 1 } }, { slow: { by: 5s } }, { answerLost: { cut: true } }, { neverReady: { vm: v } }]
  limits: { start: 1, undo: 2 }
---
apiVersion: lifeboat/v1
kind: Replica
metadata: { name: a }
spec:
  source: { site: a, vm: b }
  replica: { site: b, vm: c }
  retention: 7
  objectives: { rpo: 15m }
  networks: [{ from: a, to: b }]
  addresses: [{ from: 10.0.0.0/8, to: 11.0.0.0/8, gateway: 11.0.0.1 }]
  ready: { all: [{ tcp: { port: 443 }, stable: 1s }, { http: { port: 80, path: /, status: 200 } }, { guest: {} }], stable: 1s, every: 1s, within: 1m }
  shutdown: { within: 1m }
  bothMayRun: { because: it may }
---
apiVersion: lifeboat/v1
kind: FailoverPlan
metadata: { name: a }
spec:
  objectives: { rto: 30m }
  limits: { start: 3, undo: 2, undoEvery: 10s }
  slotFreeAt: ready
  undoOrder: list
  source: power-off
  sequence:
    - { replica: a, delay: 1s, onFailure: stop }
    - { group: g, replicas: { labels: { k: v } }, after: [{ replica: a, is: started, plus: 1s, ifFailed: continue }] }
    - { group: h, replicas: { names: [x] }, after: [{ group: g }] }
---
apiVersion: lifeboat/v1
kind: Runbook
metadata: { name: a }
spec:
  desired:
    - { plan: a, state: Failover, via: best, restorePoint: latest }
    - { replica: a, state: Failover, via: unplanned, restorePoint: { at: 2026-01-01T00:00:00Z } }
    - { replicas: { names: [b] }, state: Permanent, irreversible: true, restorePoint: { id: p } }
    - { replica: c, state: Ready, keep: replica, failback: { target: original, switchover: manual, powerOn: false, verify: { ready: true, quiet: 1m, otherwise: undo } } }
    - { replica: d, state: Ready, failback: { target: { elsewhere: [{ replica: d, site: s, vm: v }] }, switchover: { at: 2026-01-01T00:00:00Z } } }
---
apiVersion: lifeboat/v1
kind: Policy
metadata: { name: a }
spec:
  because: it must
  require: { rpo: true, rto: true }
  maxLoss: 1h
  enforce: { rpo: true }
  forbid: { permanent: true }
"#;

fn documents() -> Vec<(Kind, Node)> {
    let file = Sources::default().add("full.yaml", FULL);
    let mut found = Vec::new();
    trees(Part { file, text: FULL, base: 0 }, &mut |tree, findings| {
        assert!(tree.sound && findings.is_empty(), "{findings:?}");
        let kind = kind_of(&tree.root, true, findings).unwrap();
        found.push((kind, tree.root));
    });
    found
}

/// The node that is so many nodes behind the root.
fn nth<'a>(node: &'a mut Node, left: &mut usize) -> Option<&'a mut Node> {
    if *left == 0 {
        return Some(node);
    }
    *left -= 1;
    match &mut node.value {
        Value::List(items) => items.iter_mut().find_map(|item| nth(item, left)),
        Value::Map(entries) => entries.iter_mut().find_map(|(_, _, value)| nth(value, left)),
        _ => None,
    }
}

/// A change to a node: another value, one entry less, or one more.
fn change(node: &mut Node, how: usize) {
    let span = node.span;
    let text = |text: &str| Value::Text(text.into(), true);
    let entry = |key: &str, value| (Box::<str>::from(key), span, Node { span, value });
    node.value = match how {
        0 => Value::Null,
        1 => Value::Bool(true),
        2 => Value::Int(0),
        3 => Value::Int(29),
        4 => Value::Int(-1),
        5 => Value::Int(i64::MAX),
        6 => Value::Float(1.5),
        7 => Value::Float(-2.0),
        8 => text("latest"),
        9 => text("stop"),
        10 => Value::List(Vec::new()),
        11 => Value::Map(Vec::new()),
        12 => Value::Map(vec![entry("at", text("x"))]),
        13 => Value::Map(vec![entry("latest", Value::Null)]),
        14 => Value::Map(vec![entry("at", text("x")), entry("id", text("y"))]),
        15 => Value::Map(vec![entry("elsewhere", Value::List(Vec::new()))]),
        _ => {
            match &mut node.value {
                Value::Map(entries) if how == 16 => drop(entries.pop()),
                Value::Map(entries) if how == 17 => drop((!entries.is_empty()).then(|| entries.remove(0))),
                Value::Map(entries) => entries.push(entry("colour", Value::Int(1))),
                _ => {}
            }
            return;
        }
    };
}

#[test]
fn a_document_with_everything_is_taken_by_types_and_schema() {
    for (kind, root) in documents() {
        assert!(typed(kind, &root).is_ok(), "{kind:?}: {:?}", typed(kind, &root).err());
        assert!(CHECKER.schema(kind).unwrap().1.is_valid(&root.json()), "{kind:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2500))]
    #[test]
    fn what_the_types_take_the_schema_takes(which in 0usize..5, place in 1usize..90, how in 0usize..19) {
        let (kind, mut root) = documents().remove(which);
        let mut left = place;
        if let Some(node) = nth(&mut root, &mut left) {
            change(node, how);
        }
        // The version's words are a finding of their own, without the schema.
        let mut found = Vec::new();
        version(&root, &mut found);
        let validator = &CHECKER.schema(kind).unwrap().1;
        if typed(kind, &root).is_ok() && found.is_empty() && kind_of(&root, true, &mut found) == Some(kind) {
            let json = root.json();
            prop_assert!(validator.is_valid(&json), "{:?} in {json}", validator.iter_errors(&json).next().map(|e| e.to_string()));
        }
    }
}

#[test]
fn what_is_wrong_in_a_part_that_may_be_left_out_is_said_at_its_place() {
    let (kind, mut root) = documents().remove(1);
    for node in 1..200 {
        let mut left = node;
        let Some(found) = nth(&mut root, &mut left) else { break };
        if found.text() == Some("/") {
            found.value = Value::Text("healthz".into(), false);
            let span = found.span;
            let mut findings = Vec::new();
            CHECKER.explain(kind, &root, &mut findings);
            let said: Vec<(&str, Span)> =
                findings.iter().map(|f| (f.message.as_str(), f.labels[0].span)).collect();
            assert_eq!(said, [("`path` cannot be `healthz`", span)]);
            assert_eq!(findings[0].help, ["write it like /healthz"]);
            return;
        }
    }
    panic!("the document has no path");
}
