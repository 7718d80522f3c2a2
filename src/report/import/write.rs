//! The documents as text: a person's own file from then on, with comments where something is to be decided.

use super::gather::{Draft, Gathered};
use super::yaml::{quoted, said, value};
use super::{Documents, Import};
use crate::base::SiteName;
use crate::port::SurveyedSite;
use std::net::IpAddr;

const HEAD: &str = "apiVersion: lifeboat/v1\n";
const PLAN: &str = "all";
const RUNBOOKS: [(&str, &str, &str); 4] = [
    ("evacuate", "Production is to be emptied: nothing is lost.", "state: Failover, via: planned"),
    ("lost", "It is gone: from the latest restore points.", "state: Failover, via: unplanned"),
    (
        "undo",
        "Back to the sources as they are; what the replicas wrote is discarded.",
        "state: Ready, keep: source",
    ),
    (
        "return",
        "Back with what the replicas wrote.",
        "state: Ready, keep: replica, failback: { target: original, switchover: automatic }",
    ),
];

/// Writes all documents.
pub fn all(import: &Import<'_>, found: &Gathered) -> Documents {
    let mut documents = Documents { left_out: found.left_out.clone(), ..Documents::default() };
    let mut sites = Vec::new();
    if import.workspace.is_none() {
        sites.extend(import.sites.iter().map(|site| of_site(site, import.sites, &mut documents.open)));
    }
    sites.extend(found.absent.iter().map(|name| of_absent(name, &mut documents.open)));
    let written = found.drafts.iter().filter(|d| d.aside.is_none());
    documents.replicas = written.count();
    documents.count = sites.len() + documents.replicas;
    let mut replicas: Vec<String> = found.drafts.iter().map(|d| of_replica(d, &mut documents.open)).collect();
    replicas.extend(
        (!found.left_out.is_empty()).then(|| found.left_out.iter().map(|why| format!("# {why}\n")).collect()),
    );
    let parts =
        [("sites.yaml", sites), ("replicas.yaml", replicas), ("runbooks.yaml", runbooks(import, found))];
    let filled = parts.into_iter().filter(|(_, texts)| !texts.is_empty());
    documents.parts = filled.map(|(file, texts)| (file, texts.join("---\n"))).collect();
    documents
}

fn of_site(site: &SurveyedSite, all: &[SurveyedSite], open: &mut usize) -> String {
    let (address, why) = match address(site, all) {
        Ok((address, why)) => (written(address), why.to_owned()),
        Err(choice) => {
            *open += 1;
            ("\"\"".to_owned(), format!("decide: {choice}"))
        }
    };
    format!(
        "{HEAD}kind: Site\nmetadata: {{ name: {} }}\nspec:\n  provider:\n    libvirt:\n      uri: {}\n      \
         data: {{ address: {address} }}   # where the other host reads this one's disks; {why}\n",
        value(site.name.as_str()),
        quoted(&site.uri)
    )
}

fn of_absent(name: &SiteName, open: &mut usize) -> String {
    *open += 1;
    format!(
        "{HEAD}kind: Site\nmetadata: {{ name: {} }}\nspec:\n  provider:\n    libvirt:\n      uri: \"\"   # decide: how its libvirt is reached, as \
         qemu+ssh://root@kvm-b.example/system\n      # data: {{ address: 192.0.2.20 }}   # decide: where the other host reads this one's disks\n",
        value(name.as_str())
    )
}

fn written(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => quoted(&v6.to_string()),
    }
}

/// The address for the data with the reason, or what to choose from.
fn address(site: &SurveyedSite, all: &[SurveyedSite]) -> Result<(IpAddr, &'static str), String> {
    if let Some(address) = site.address {
        return Ok((address, "decide: the URI's, or that on a network of their own"));
    }
    let own = |site: &SurveyedSite| site.has.host.as_ref().map(|h| h.addresses.clone()).unwrap_or_default();
    let mine = own(site);
    // Two sites that see the same addresses are on one machine, or are seen from the same outside.
    let shared =
        all.iter().any(|other| other.name != site.name && own(other).iter().any(|a| mine.contains(a)));
    let old: Vec<&IpAddr> = mine.iter().filter(|a| a.is_ipv4()).collect();
    match (&old[..], shared) {
        ([only], false) => Ok((**only, "decide: its only one, or that on a network of their own")),
        _ if mine.is_empty() => Err("it is not known".to_owned()),
        _ => Err(format!("one of {}", mine.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))),
    }
}

fn of_replica(draft: &Draft, open: &mut usize) -> String {
    let mut stops = 0;
    let mut lines = vec![
        HEAD.trim_end().to_owned(),
        "kind: Replica".to_owned(),
        format!("metadata: {{ name: {} }}", value(&draft.name)),
        "spec:".to_owned(),
        format!("  source: {{ site: {}, vm: {} }}", value(draft.source.0.as_str()), value(&draft.source.1)),
    ];
    let mut decided = |choice: &Result<String, String>| match choice {
        Ok(known) => (value(known), String::new()),
        Err(choice) => {
            stops += 1;
            ("\"\"".to_owned(), format!("   # decide: {choice}"))
        }
    };
    let (vm, why) = decided(&draft.replica.1);
    lines.push(format!("  replica: {{ site: {}, vm: {vm} }}{why}", value(draft.replica.0.as_str())));
    if !draft.networks.is_empty() {
        lines.push("  networks:".to_owned());
    }
    for (from, to) in &draft.networks {
        let (to, why) = decided(to);
        lines.push(format!("    - {{ from: {}, to: {to} }}{why}", value(from)));
    }
    lines.extend(more(draft));
    if let Some(why) = &draft.aside {
        let head = format!(
            "# {}\n# decide: {why}. Its document, without the marks before the lines:\n",
            draft.about
        );
        return head + &lines.iter().map(|line| format!("# {line}\n")).collect::<String>();
    }
    *open += stops;
    format!("# {}\n{}\n", draft.about, lines.join("\n"))
}

/// What a document need not say.
fn more(draft: &Draft) -> [String; 3] {
    let hint = |text: &str, why: &str| format!("  {text:<45} # decide: {why}");
    // Fewer than there are would be merged away by the next replication; libvirt sites keep 20 at most.
    let retention = match draft.points {
        0..=7 => hint("# retention: 7", "how many restore points are kept"),
        points => {
            hint(&format!("retention: {}", points.min(20)), "so many are there, and fewer are merged away")
        }
    };
    let without = if draft.agent { "once its agent answers" } else { "as soon as it runs" };
    let ready = format!("a port of its service; without one it is ready {without}");
    let rpo = hint("# objectives: { rpo: 15m }", "how far it may be behind");
    [retention, rpo, hint("# ready: { all: [{ tcp: { port: 443 } }] }", &ready)]
}

/// The failover plan over all replicas and its runbooks, where no plan is there.
fn runbooks(import: &Import<'_>, found: &Gathered) -> Vec<String> {
    let planned = import.workspace.is_some_and(|w| !w.plans.is_empty());
    if planned || !found.drafts.iter().any(|d| d.aside.is_none()) {
        return Vec::new();
    }
    let earlier = import.workspace.into_iter().flat_map(|w| w.replicas.keys());
    let all = earlier
        .map(|name| (name.as_str(), true))
        .chain(found.drafts.iter().map(|d| (d.name.as_str(), d.aside.is_none())));
    let mut plan = format!(
        "{HEAD}kind: FailoverPlan\nmetadata: {{ name: {PLAN} }}\nspec:\n  # objectives: {{ rto: 30m }}\n  \
         # decide: the order, as `after: [{{ replica: db-01, is: ready }}]` behind what must not run before it\n  sequence:\n"
    );
    for (name, counts) in all {
        let mark = if counts { "" } else { "# " };
        plan.push_str(&format!("    {mark}- {{ replica: {}, delay: 0s }}\n", value(name)));
    }
    let there = |name: &str| import.workspace.is_some_and(|w| w.runbooks.keys().any(|r| r.as_str() == name));
    let runbook = |(name, why, desired): (&str, &str, &str)| {
        format!(
            "# {}\n{HEAD}kind: Runbook\nmetadata: {{ name: {name} }}\nspec: {{ desired: [{{ plan: {PLAN}, {desired} }}] }}\n",
            said(why)
        )
    };
    std::iter::once(plan)
        .chain(RUNBOOKS.into_iter().filter(|(name, _, _)| !there(name)).map(runbook))
        .collect()
}
