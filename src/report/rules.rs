//! Plans that break a rule of a policy, as findings: the moment or the way, the place that makes it so, and the rule with its reason.

use crate::base::{EntryName, ReplicaName};
use crate::diag::{Code, Finding, Severity, Span};
use crate::domain::Demand;
use crate::model::{Key, Kind, Origins, Policy, Rule, Subject, Workspace};
use crate::plan::{Breach, Gap, Plan, Purpose};
use crate::report::words;

/// How many names are listed.
const NAMED: usize = 6;

/// What a plan breaks, with both places. Over a way back every rule only warns: nobody is kept from going back.
#[must_use]
pub fn finding(
    breach: &Breach,
    (policy, rule): (&Policy, &Rule),
    plan: &Plan,
    documents: (&Workspace, &Origins),
) -> Finding {
    let (replica, key) = match (breach, &rule.demand) {
        (Breach::Early { replica, .. }, _) => (Some(replica), "before"),
        (Breach::TooManyDown { from, .. }, _) => {
            let leg = plan.node(*from).and_then(|n| n.leg).and_then(|l| plan.leg(l));
            (leg.map(|l| &l.replica), "atMostDown")
        }
    };
    let (span, label) = replica.map_or((None, String::new()), |r| place(r, plan, documents));
    let path = [Key::Name("spec"), Key::Name("rules"), Key::Index(rule.position), Key::Name(key)];
    let at = documents.1.at(Kind::Policy, policy.name.as_str(), &path);
    let mut finding = Finding::new(Code::RuleBroken, message(breach, &rule.demand, plan))
        .at(span, label)
        .at(at, rule.because.clone())
        .about(format!("rule {} of policy {}", rule.name, policy.name));
    if rule.warns || matches!(plan.purpose, Purpose::Abort(_)) {
        finding.severity = Severity::Warning;
    }
    help(breach).into_iter().fold(finding, Finding::help)
}

fn message(breach: &Breach, demand: &Demand, plan: &Plan) -> String {
    match breach {
        Breach::Early { replica, first, is, gap, .. } => {
            let why = match gap {
                Gap::Nothing => "nothing leads from the one to the other",
                Gap::Weak => {
                    "what leads from the one to the other waits for less, or goes on where a step fails"
                }
            };
            format!("`{replica}` may start before `{first}` is {}: {why}", is.word())
        }
        Breach::TooManyDown { down, allowed, from, until } => {
            let of = match demand {
                Demand::AtMostDown { of, .. } => words::count(of.len(), "replica"),
                Demand::Before { .. } | Demand::Approved { .. } => String::new(),
            };
            let (from, be) = (plan.node_name(*from), if *allowed == 1 { "is" } else { "are" });
            let moment = match until {
                Some(until) => format!("between {from} and {}", plan.node_name(*until)),
                None => format!("from {from} on"),
            };
            format!("{moment}, {} of {of} may be down; {allowed} {be} allowed", down.len())
        }
    }
}

fn help(breach: &Breach) -> Vec<String> {
    match breach {
        Breach::Early { first, is, more, .. } => {
            let like = if *more == 1 { "it" } else { "these" };
            let rest = (*more > 0).then(|| format!("and {more} more like {like}"));
            let way = format!(
                "let it wait in a failover plan that has both: `after: [{{ replica: {first}, is: {} }}]`",
                is.word()
            );
            rest.into_iter().chain([way]).collect()
        }
        Breach::TooManyDown { down, .. } => {
            let names: Vec<&str> = down.iter().take(NAMED).map(ReplicaName::as_str).collect();
            let more = down.len().checked_sub(NAMED).filter(|n| *n > 0);
            let more = more.map_or_else(String::new, |n| format!(" and {n} more"));
            vec![
                format!("down at once: {}{more}", names.join(", ")),
                "take fewer of them at a time, one runbook after the other, or let some wait until others are ready"
                    .to_owned(),
            ]
        }
    }
}

/// Where the documents ask for a replica as the plan has it: its entry in the failover plan, else the runbook, else its own document.
fn place(
    replica: &ReplicaName,
    plan: &Plan,
    (workspace, origins): (&Workspace, &Origins),
) -> (Option<Span>, String) {
    let member = plan.members.iter().find(|m| m.replica == *replica);
    let through = member.and_then(|m| m.plan.as_ref()).and_then(|name| workspace.plans.get(name));
    let entry =
        through.and_then(|p| Some((p, p.sequence.iter().position(|e| e.replicas.contains(replica))?)));
    if let Some((through, position)) = entry {
        let path = [Key::Name("spec"), Key::Name("sequence"), Key::Index(position)];
        let name = through.sequence.get(position).map_or("", |e| EntryName::as_str(&e.name));
        let span = origins.at(Kind::FailoverPlan, through.name.as_str(), &path);
        return (
            span,
            if name == replica.as_str() {
                "this entry".to_owned()
            } else {
                format!("`{replica}` is in this group")
            },
        );
    }
    let runbook = match &plan.purpose {
        Purpose::Runbook(name) => workspace.runbooks.get(name),
        Purpose::Replicate | Purpose::Abort(_) | Purpose::Drill { .. } | Purpose::EndDrill { .. } => None,
    };
    let names = |subject: &Subject| matches!(subject, Subject::Replicas(names) if names.contains(replica));
    let asked = runbook.and_then(|r| Some((r, r.desired.iter().position(|d| names(&d.subject))?)));
    match asked {
        Some((runbook, position)) => {
            let path = [Key::Name("spec"), Key::Name("desired"), Key::Index(position)];
            let span = origins.at(Kind::Runbook, runbook.name.as_str(), &path);
            (span, format!("`{replica}` is asked for here, without an order"))
        }
        None => (origins.name(Kind::Replica, replica.as_str()), "this replica".to_owned()),
    }
}
