//! What the policies say to a plan.

use super::load::Loaded;
use crate::base::{Duration, ReplicaName};
use crate::diag::{Code, Finding, Severity, Span};
use crate::domain::{Demand, LossKind};
use crate::inventory::Inventory;
use crate::model::{Key, Kind, Policy, Rule};
use crate::plan::{Member, Need, Plan, Purpose, Warning};
use crate::report::rules;

/// The findings of all policies over a plan and the facts from which it is carried out: what refuses it, and what only warns.
///
/// # Errors
/// The plan is refused; what warns is among the findings.
pub fn policies(plan: &Plan, inventory: &Inventory, loaded: &Loaded) -> Result<Vec<Finding>, Vec<Finding>> {
    let policies = loaded.workspace.policies.values();
    let mut found: Vec<Finding> = Vec::new();
    for policy in policies {
        found.extend(one(policy, plan, loaded));
        for rule in &policy.rules {
            if let Some(breach) = crate::checker::breach(plan, inventory, &rule.demand) {
                found.push(rules::finding(
                    &breach,
                    (policy, rule),
                    plan,
                    (&loaded.workspace, &loaded.origins),
                ));
            }
        }
    }
    if found.iter().any(|f| f.severity == Severity::Error) { Err(found) } else { Ok(found) }
}

/// The approvals without which the policies let a plan not be carried out. A replication run needs none, and no way back does.
pub fn needs(plan: &Plan, loaded: &Loaded) -> Vec<Need> {
    if !matches!(plan.purpose, Purpose::Runbook(_)) || plan.is_empty() {
        return Vec::new();
    }
    let rules = loaded.workspace.policies.values().flat_map(|p| p.rules.iter().map(move |r| (p, r)));
    let wanted = rules.filter(|(_, rule)| crate::checker::is_approved(plan, &rule.demand));
    let need = |(policy, rule): (&Policy, &Rule)| match &rule.demand {
        Demand::Approved { count, who, groups, .. } => Some(Need {
            policy: policy.name.clone(),
            rule: rule.name.clone(),
            because: rule.because.clone(),
            count: *count,
            who: who.clone(),
            groups: groups.clone(),
            warns: rule.warns,
        }),
        Demand::Before { .. } | Demand::AtMostDown { .. } => None,
    };
    wanted.filter_map(need).collect()
}

fn one(policy: &Policy, plan: &Plan, loaded: &Loaded) -> Vec<Finding> {
    let mut found = Vec::new();
    let rule = |path: &[Key<'_>]| {
        let path = [&[Key::Name("spec")], path].concat();
        loaded.origins.at(Kind::Policy, policy.name.as_str(), &path)
    };
    let permanent = crate::checker::permanent(plan);
    for member in &plan.members {
        let lost = lost(member);
        if let (Some(lost), Some(most)) = (lost, policy.max_loss)
            && lost > most
        {
            found.push(loss(member, (lost, most), policy, rule(&[Key::Name("maxLoss")])));
        }
        if let (Some(lost), Some(most), true) = (lost, member.rpo, policy.enforce_rpo)
            && lost > most
        {
            let place = rule(&[Key::Name("enforce"), Key::Name("rpo")]);
            found.push(loss(member, (lost, most), policy, place));
        }
        if policy.forbid_permanent && member.legs.iter().any(|leg| permanent.contains(leg)) {
            let message =
                format!("policy `{}` forbids the permanent failover of `{}`", policy.name, member.replica);
            found.push(
                Finding::new(Code::PolicyForbids, message)
                    .at(rule(&[Key::Name("forbid"), Key::Name("permanent")]), policy.because.clone())
                    .help("a permanent failover deletes all restore points and the way back"),
            );
        }
    }
    let place = rule(&[Key::Name("forbid"), Key::Name("unfenced")]);
    let loose = plan.warnings.iter().filter_map(may_run).filter(|_| policy.forbid_unfenced);
    found.extend(loose.map(|replica| unfenced(replica, policy, place)));
    if let (Some((name, rto)), true) = (&plan.forecast.objective, policy.enforce_rto)
        && plan.forecast.total > *rto
    {
        let message = format!(
            "the plan is predicted to take {}; the objective of `{name}` is {rto}",
            plan.forecast.total.rounded()
        );
        found.push(
            Finding::new(Code::RtoMissed, message)
                .at(rule(&[Key::Name("enforce"), Key::Name("rto")]), policy.because.clone())
                .help("`lifeboat plan` shows the chain of steps that takes so long"),
        );
    }
    found
}

/// The replica whose source may run while it serves, where a warning says so.
fn may_run(warning: &Warning) -> Option<&ReplicaName> {
    match warning {
        Warning::SourceUnseen(replica)
        | Warning::SourceLeftRunning(replica)
        | Warning::MayBothServe(replica, _) => Some(replica),
        Warning::FencesOthers { .. }
        | Warning::LosesData(_)
        | Warning::OlderPoint(_)
        | Warning::SourceMoved(_)
        | Warning::SourceStaysOff(_)
        | Warning::SourceNotServing { .. }
        | Warning::NameLeftOut { .. }
        | Warning::RtoMissed(_) => None,
    }
}

fn unfenced(replica: &ReplicaName, policy: &Policy, place: Option<Span>) -> Finding {
    let message =
        format!("`{replica}` would start while its source may run; policy `{}` forbids that", policy.name);
    Finding::new(Code::PolicyForbids, message)
        .at(place, policy.because.clone())
        .help("`source: fence` in the failover plan powers the source off, or fences it where its site does not answer")
}

/// The most that a replica loses of data, in time.
fn lost(member: &Member) -> Option<Duration> {
    let data = member.loses.iter().filter(|l| l.kind != LossKind::RestorePoints);
    data.filter_map(|l| l.upto).max()
}

fn loss(member: &Member, times: (Duration, Duration), policy: &Policy, rule: Option<Span>) -> Finding {
    let (lost, most) = times;
    let message = format!(
        "`{}` would lose up to {} of data; policy `{}` allows {most}",
        member.replica,
        lost.rounded(),
        policy.name
    );
    Finding::new(Code::LossOverObjective, message).at(rule, policy.because.clone()).help(
        "`via: planned` loses nothing where the source answers; `lifeboat replicate` makes the loss smaller",
    )
}
