//! The documents of an import: what two hosts have, as a person would write it down, with a comment wherever a person must decide. What is
//! not known is left so that `validate` stops there; nothing is guessed.

use crate::base::{ReplicaName, SiteName};
use crate::port::{SurveyedSite, SurveyedVm};
use std::collections::BTreeSet;

const HEAD: &str = "apiVersion: lifeboat/v1\n";
const PLAN: &str = "all";

/// The documents, and how many replicas there are in them.
#[must_use]
pub fn documents(production: &SurveyedSite, recovery: &SurveyedSite) -> (String, usize) {
    let mut text = "# Written by `lifeboat import`. What has to be decided says so; `lifeboat validate` stops where it must be.\n".to_owned();
    for site in [production, recovery] {
        text.push_str(&of_site(site));
    }
    let mut taken = BTreeSet::new();
    for vm in production.has.machines.iter().filter(|vm| vm.replica.is_none()) {
        match &vm.unfit {
            Some(why) => text.push_str(&left_out(production, vm, why)),
            None => text.push_str(&of_machine(production, recovery, vm, &mut taken)),
        }
    }
    if !taken.is_empty() {
        text.push_str(&plan_and_runbooks(&taken));
    }
    (text, taken.len())
}

/// A text that YAML reads back as it is, whatever stands in it.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

/// A text as part of a comment, which ends with its line.
fn said(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn of_site(site: &SurveyedSite) -> String {
    let (name, uri) = (&site.name, quoted(&site.uri));
    format!(
        "---\n{HEAD}kind: Site\nmetadata: {{ name: {name} }}\nspec:\n  provider:\n    libvirt:\n      uri: {uri}\n      \
         # decide: this host's address on the network for replication, unless the URI says it\n      # data: {{ address: 192.0.2.10 }}\n"
    )
}

fn left_out(site: &SurveyedSite, vm: &SurveyedVm, why: &str) -> String {
    format!("---\n# {}/{} is left out: {}\n", site.name, said(&vm.name), said(why))
}

fn of_machine(
    production: &SurveyedSite,
    recovery: &SurveyedSite,
    vm: &SurveyedVm,
    taken: &mut BTreeSet<String>,
) -> String {
    let known = recovery.has.machines.iter().find_map(|other| {
        let (replica, source) = other.replica.as_ref()?;
        (source.vm.as_str() == vm.name && source.site == production.name).then_some((replica, other))
    });
    let own = known.map(|(replica, _)| replica.to_string()).filter(|name| !taken.contains(name));
    let name = own.unwrap_or_else(|| fresh(&vm.name, taken));
    taken.insert(name.clone());
    let mut text = format!("---\n{HEAD}kind: Replica\nmetadata: {{ name: {} }}\nspec:\n", quoted(&name));
    let away = if vm.on { "" } else { "   # it was off" };
    let (from, to) = (&production.name, &recovery.name);
    line(&mut text, format_args!("  source: {{ site: {from}, vm: {} }}{away}", quoted(&vm.name)));
    text.push_str(&replica_of(vm, known.map(|(_, other)| other), recovery, to));
    for other in recovery.has.machines.iter().filter(|o| o.replica.is_none()) {
        if other.uuid == vm.uuid || other.name == vm.name {
            line(
                &mut text,
                format_args!(
                    "  # {to} has a machine {} with the same {}: no replica of Lifeboat's; look what it is",
                    said(&other.name),
                    if other.uuid == vm.uuid { "UUID" } else { "name" }
                ),
            );
        }
    }
    text.push_str(&networks(vm, production, recovery));
    text.push_str(
        "  # objectives: { rpo: 15m }                         # decide: how far the replica may be behind\n",
    );
    text.push_str(if vm.agent {
        "  # ready: { all: [{ guest: {} }], within: 5m }      # its agent answers; a port of its service says more: { tcp: { port: 443 } }\n"
    } else {
        "  # ready: { all: [{ tcp: { port: 443 } }] }         # decide: the port of its service; without one it is ready as soon as it runs\n"
    });
    text
}

fn replica_of(vm: &SurveyedVm, known: Option<&SurveyedVm>, recovery: &SurveyedSite, to: &SiteName) -> String {
    if let Some(known) = known {
        return format!("  replica: {{ site: {to}, vm: {} }}\n", quoted(&known.name));
    }
    let name = format!("{}_replica", vm.name);
    if recovery.has.machines.iter().any(|other| other.name == name) {
        return format!(
            "  # decide: a name for the replica's machine; {} is one that is no replica of Lifeboat's\n  replica: {{ site: {to}, vm: \"\" }}\n",
            said(&name)
        );
    }
    format!("  replica: {{ site: {to}, vm: {} }}\n", quoted(&name))
}

/// Networks of the same name belong together, and so do the only ones of both sites.
fn networks(vm: &SurveyedVm, production: &SurveyedSite, recovery: &SurveyedSite) -> String {
    if vm.networks.is_empty() {
        return String::new();
    }
    let used: BTreeSet<&String> = production.has.machines.iter().flat_map(|m| &m.networks).collect();
    let there = &recovery.has.networks;
    let mut text = "  networks:\n".to_owned();
    for network in &vm.networks {
        let only = there.first().filter(|_| used.len() == 1 && there.len() == 1);
        let to = there.iter().find(|other| *other == network).or(only);
        let choice = there.iter().map(|n| said(n)).collect::<Vec<_>>().join(", ");
        match to {
            Some(to) => {
                line(&mut text, format_args!("    - {{ from: {}, to: {} }}", quoted(network), quoted(to)))
            }
            None => line(
                &mut text,
                format_args!("    - {{ from: {}, to: \"\" }}   # decide: one of {choice}", quoted(network)),
            ),
        }
    }
    text
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    text.push_str(&words.to_string());
    text.push('\n');
}

/// A name for a document that nobody has yet, made from a machine's.
fn fresh(name: &str, taken: &BTreeSet<String>) -> String {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let plain: String = name.chars().map(|c| if good(c) { c } else { '-' }).take(150).collect();
    let plain = plain.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let base = if plain.is_empty() { "machine" } else { plain };
    let numbered = (2u32..).map(|n| format!("{base}-{n}"));
    let free = std::iter::once(base.to_owned()).chain(numbered).find(|n| !taken.contains(n));
    free.filter(|n| ReplicaName::new(n).is_ok()).unwrap_or_else(|| "machine".to_owned())
}

fn plan_and_runbooks(names: &BTreeSet<String>) -> String {
    let mut text = format!(
        "---\n{HEAD}kind: FailoverPlan\nmetadata: {{ name: {PLAN} }}\nspec:\n  # decide: what must run before what, as `after: [{{ replica: db-01, is: ready }}]`\n  sequence:\n"
    );
    for name in names {
        line(&mut text, format_args!("    - {{ replica: {}, delay: 0s }}", quoted(name)));
    }
    for (name, desired) in [
        ("evacuate", "state: Failover, via: planned"),
        ("lost", "state: Failover, via: unplanned"),
        ("undo", "state: Ready, keep: source"),
        ("return", "state: Ready, keep: replica, failback: { target: original, switchover: automatic }"),
    ] {
        line(
            &mut text,
            format_args!(
                "---\n{HEAD}kind: Runbook\nmetadata: {{ name: {name} }}\nspec: {{ desired: [{{ plan: {PLAN}, {desired} }}] }}"
            ),
        );
    }
    text
}
