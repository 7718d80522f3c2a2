//! Rules of policies: they do not contradict each other, and the order of every failover plan keeps them.

use crate::base::{PolicyName, ReplicaName};
use crate::diag::{Code, Finding, Severity, Span};
use crate::document::{Key, Kind};
use crate::domain::{Demand, IfFailed, Is};
use crate::model::{FailoverPlan, Origins, Rule, Workspace};
use petgraph::algo::kosaraju_scc;
use petgraph::graph::DiGraph;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A rule with the policy that it stands in.
type Standing<'a> = (&'a PolicyName, &'a Rule);

/// Finds rules that cannot be kept together, and plans that do not keep them.
pub fn check(workspace: &Workspace, origins: &Origins, findings: &mut Vec<Finding>) {
    let rules: Vec<Standing<'_>> =
        workspace.policies.values().flat_map(|p| p.rules.iter().map(move |r| (&p.name, r))).collect();
    let before = findings.len();
    itself(&rules, origins, findings);
    if findings.len() == before {
        contradictions(&rules, origins, findings);
    }
    if findings.len() > before {
        // No order keeps them all, so no plan is blamed for that.
        return;
    }
    for rule in &rules {
        for plan in workspace.plans.values() {
            findings.extend(broken(*rule, plan, origins));
        }
    }
}

/// The place of a rule, or of something within it.
fn at(origins: &Origins, (policy, rule): Standing<'_>, key: &[&'static str]) -> Option<Span> {
    let mut path = vec![Key::Name("spec"), Key::Name("rules"), Key::Index(rule.position)];
    path.extend(key.iter().map(|k| Key::Name(k)));
    origins.at(Kind::Policy, policy.as_str(), &path)
}

/// A rule that puts a replica before itself.
fn itself(rules: &[Standing<'_>], origins: &Origins, findings: &mut Vec<Finding>) {
    for standing in rules {
        let Demand::Before { first, then, .. } = &standing.1.demand else { continue };
        let later: BTreeSet<&ReplicaName> = then.iter().collect();
        let Some(both) = first.iter().find(|name| later.contains(name)) else { continue };
        let message = format!("the rule `{}` puts `{both}` before itself", standing.1.name);
        findings.push(
            Finding::new(Code::RuleContradicts, message)
                .at(at(origins, *standing, &["before", "first"]), format!("`{both}` is among these"))
                .at(at(origins, *standing, &["before", "then"]), "and among these")
                .help("select the ones that come first and the ones that come after them apart"),
        );
    }
}

/// Rules that ask for a circle together: between the replicas that come first and those that come after them stands the rule.
fn contradictions(rules: &[Standing<'_>], origins: &Origins, findings: &mut Vec<Finding>) {
    let mut numbers: BTreeMap<&ReplicaName, usize> = BTreeMap::new();
    let mut edges = Vec::new();
    for (number, (_, rule)) in rules.iter().enumerate() {
        let Demand::Before { first, then, .. } = &rule.demand else { continue };
        let mut of = |name| {
            let next = rules.len() + numbers.len();
            *numbers.entry(name).or_insert(next)
        };
        edges.extend(first.iter().map(|name| (of(name), number)).collect::<Vec<_>>());
        edges.extend(then.iter().map(|name| (number, of(name))).collect::<Vec<_>>());
    }
    let graph = DiGraph::<(), (), usize>::from_edges(&edges);
    for knot in kosaraju_scc(&graph).iter().filter(|knot| knot.len() > 1) {
        let mut inside: Vec<usize> = knot.iter().map(|n| n.index()).collect();
        inside.sort_unstable();
        let tied: Vec<&Standing<'_>> = inside.iter().filter_map(|n| rules.get(*n)).collect();
        let names: Vec<String> = tied.iter().map(|(_, rule)| format!("`{}`", rule.name)).collect();
        let caught = numbers.iter().find(|(_, n)| inside.binary_search(n).is_ok());
        let caught =
            caught.map_or_else(String::new, |(name, _)| format!(": `{name}` would be before itself"));
        let message = format!("no plan can keep the rules {} together{caught}", names.join(" and "));
        let finding = tied.iter().fold(Finding::new(Code::RuleContradicts, message), |finding, standing| {
            finding.at(at(origins, **standing, &["before"]), standing.1.because.clone())
        });
        findings.push(finding.help("take one of them out, or let them select other replicas"));
    }
}

/// An edge between two entries: what the later one waits for.
#[derive(Debug, Clone, Copy)]
struct Edge {
    from: usize,
    to: usize,
    /// What is waited for; `None` for the start alone, by the order of the list.
    is: Option<Is>,
    if_failed: IfFailed,
    /// How many of `from` are enough, where that is not all of them.
    enough: Option<u32>,
    /// Its position in `after`.
    after: Option<usize>,
}

impl Edge {
    /// Whether what leaves `from` keeps `to` back until that is as far as the rule says.
    fn keeps(&self, is: Is) -> bool {
        let far = match (self.is, is) {
            (Some(Is::Ready | Is::Committed), _) | (Some(Is::Started), Is::Started) => true,
            (Some(Is::Started), Is::Ready | Is::Committed) | (None, _) => false,
        };
        far && self.holds() && self.enough.is_none()
    }

    /// Whether it would keep `to` back if all of `from` were needed.
    fn keeps_once_whole(&self, is: Is) -> bool {
        self.enough.is_some() && Self { enough: None, ..*self }.keeps(is)
    }

    /// Whether `to` stays where it is when `from` does not come up.
    fn holds(&self) -> bool {
        match self.if_failed {
            IfFailed::Block | IfFailed::Stop => true,
            IfFailed::Continue => false,
        }
    }
}

/// The edges of a plan, by the entry that they leave.
fn edges(plan: &FailoverPlan) -> BTreeMap<usize, Vec<Edge>> {
    let mut found = Vec::new();
    let enough = |from: usize| {
        let entry = plan.sequence.get(from)?;
        entry.at_least.filter(|n| (*n as usize) < entry.replicas.len())
    };
    for (to, entry) in plan.sequence.iter().enumerate() {
        match &entry.after {
            None => found.extend(to.checked_sub(1).and_then(|from| {
                let if_failed = plan.sequence.get(from)?.on_failure;
                Some(Edge { from, to, is: None, if_failed, enough: enough(from), after: None })
            })),
            Some(after) => found.extend(after.iter().enumerate().map(|(i, a)| Edge {
                from: a.entry,
                to,
                is: Some(a.is),
                if_failed: a.if_failed,
                enough: enough(a.entry),
                after: Some(i),
            })),
        }
    }
    let mut outgoing: BTreeMap<usize, Vec<Edge>> = BTreeMap::new();
    for edge in found {
        outgoing.entry(edge.from).or_default().push(edge);
    }
    outgoing
}

/// The entries that are reached from one, along the edges that the two questions let pass: the first one out of it, and all others.
fn reached(
    edges: &BTreeMap<usize, Vec<Edge>>,
    from: usize,
    first: impl Fn(&Edge) -> bool,
    others: impl Fn(&Edge) -> bool,
) -> BTreeMap<usize, Edge> {
    let mut found: BTreeMap<usize, Edge> = BTreeMap::new();
    let mut open = VecDeque::from([from]);
    while let Some(here) = open.pop_front() {
        let passes = |e: &&Edge| if here == from { first(e) } else { others(e) };
        for edge in edges.get(&here).into_iter().flatten().filter(passes) {
            if edge.to != from && !found.contains_key(&edge.to) {
                found.insert(edge.to, *edge);
                open.push_back(edge.to);
            }
        }
    }
    found
}

/// A failover plan whose order does not keep a rule.
fn broken(standing: Standing<'_>, plan: &FailoverPlan, origins: &Origins) -> Option<Finding> {
    let Demand::Before { first, then, is } = &standing.1.demand else { return None };
    let mut entries: BTreeMap<&ReplicaName, usize> = BTreeMap::new();
    for (position, entry) in plan.sequence.iter().enumerate() {
        entries.extend(entry.replicas.iter().map(|r| (r, position)));
    }
    let within = |names: &'_ [ReplicaName]| -> Vec<(ReplicaName, usize)> {
        names.iter().filter_map(|n| Some((n.clone(), *entries.get(n)?))).collect()
    };
    let (first, then) = (within(first), within(then));
    let edges = edges(plan);
    let mut kept: BTreeMap<usize, BTreeMap<usize, Edge>> = BTreeMap::new();
    let mut pairs = Vec::new();
    for (early, from) in &first {
        let kept = kept.entry(*from).or_insert_with(|| reached(&edges, *from, |e| e.keeps(*is), Edge::holds));
        pairs.extend(then.iter().filter(|(_, to)| !kept.contains_key(to)).map(|late| ((early, *from), late)));
    }
    let ((early, from), (late, to)) = pairs.first()?;
    let why = gap(plan, &edges, (*from, *to), *is, origins);
    let message = format!("`{late}` may start before `{early}` is {}: {}", is.word(), why.text);
    let mut finding = Finding::new(Code::RuleBroken, message)
        .at(why.place, why.label)
        .at(at(origins, standing, &["before"]), standing.1.because.clone())
        .about(format!("rule {} of policy {}, failover plan {}", standing.1.name, standing.0, plan.name));
    if standing.1.warns {
        finding.severity = Severity::Warning;
    }
    if pairs.len() > 1 {
        let more = pairs.len() - 1;
        finding = finding.help(format!("and {more} more like {}", if more == 1 { "it" } else { "these" }));
    }
    let entry = plan.sequence.get(*from)?;
    let key =
        if entry.replicas.iter().any(|r| r.as_str() == entry.name.as_str()) { "replica" } else { "group" };
    Some(finding.help(match from == to {
        true => "give them entries of their own".to_owned(),
        false => format!("let it wait: `after: [{{ {key}: {}, is: {} }}]`", entry.name, is.word()),
    }))
}

/// Why nothing keeps two entries apart, and where.
struct Why {
    text: String,
    place: Option<Span>,
    label: String,
}

fn gap(
    plan: &FailoverPlan,
    edges: &BTreeMap<usize, Vec<Edge>>,
    (from, to): (usize, usize),
    is: Is,
    origins: &Origins,
) -> Why {
    let name = |n: usize| plan.sequence.get(n).map_or("?", |e| e.name.as_str());
    let entry = [Key::Name("spec"), Key::Name("sequence"), Key::Index(to)];
    let place = |path: &[Key<'_>]| origins.at(Kind::FailoverPlan, plan.name.as_str(), path);
    if from == to {
        let text = format!("both stand in `{}`, whose replicas start at once", name(to));
        return Why { text, place: place(&entry), label: "they start together".to_owned() };
    }
    // Back along a way that leads there somehow: the last edge of it that does not keep the later one back.
    let ways = reached(edges, from, |_| true, |_| true);
    let back = std::iter::successors(ways.get(&to), |edge| ways.get(&edge.from));
    let Some(weak) =
        back.take(plan.sequence.len()).find(|e| if e.from == from { !e.keeps(is) } else { !e.holds() })
    else {
        let text = "nothing leads from the one to the other".to_owned();
        return Why {
            text,
            place: place(&entry),
            label: format!("`{}` does not wait for `{}`", name(to), name(from)),
        };
    };
    let (earlier, later) = (name(weak.from), name(weak.to));
    let entry = [entry[0], entry[1], Key::Index(weak.to)];
    let path = match weak.after {
        Some(i) => [&entry[..], &[Key::Name("after"), Key::Index(i)]].concat(),
        None => entry.to_vec(),
    };
    let (text, label) = match (weak.holds(), weak.is) {
        (true, Some(_)) if weak.keeps_once_whole(is) => {
            let enough = weak.enough.unwrap_or(0);
            (format!("`{later}` goes on once {enough} of `{earlier}` are there"), "it waits for some of them")
        }
        (false, _) => (format!("`{later}` goes on where `{earlier}` fails"), "it goes on all the same"),
        (true, None) => (
            format!("`{later}` follows `{earlier}` by the list alone, a delay after its start"),
            "it waits for a start alone",
        ),
        (true, Some(_)) => {
            (format!("`{later}` waits only until `{earlier}` is started"), "it waits for less")
        }
    };
    Why { text, place: place(&path), label: label.to_owned() }
}
