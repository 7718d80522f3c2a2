//! The file of allowed signers of a workspace, and whether the rules that want approvals can ever have them.

use crate::diag::{Code, Finding, Severity, Span};
use crate::domain::Demand;
use crate::domain::signers::Signers;
use crate::model::{Key, Kind, Origins, Policy, Rule, Workspace};
use std::path::Path;

/// A file of more bytes is something else: it holds a line for each person.
const LARGEST: u64 = 1 << 20;

/// Reads it, and finds rules that nobody could keep.
///
/// # Errors
/// The finding of a file that cannot be used.
pub fn read(
    folder: &Path,
    workspace: &Workspace,
    origins: &Origins,
) -> Result<(Option<String>, Vec<Finding>), Box<Finding>> {
    let place = |policy: &Policy| {
        origins.at(Kind::Policy, policy.name.as_str(), &[Key::Name("spec"), Key::Name("signers")])
    };
    let mut named = workspace.policies.values().filter_map(|p| Some((p, p.signers.as_deref()?)));
    let Some((policy, file)) = named.next() else {
        return wanted(workspace, origins).next().map_or(Ok((None, Vec::new())), |(_, rule, at)| {
            let what =
                format!("the rule `{}` wants approvals, and no policy names the allowed signers", rule.name);
            let finding = Finding::new(Code::SignersUnfit, what).at(at, "nobody could sign");
            Err(Box::new(finding.help("name their file in a policy: `signers: approvers/allowed_signers`")))
        });
    };
    if let Some((other, _)) = named.next() {
        let finding = Finding::new(Code::SignersUnfit, "two policies name allowed signers")
            .at(place(other), "here again")
            .at(place(policy), "here first");
        return Err(Box::new(finding.help("put them into one file, which one policy names")));
    }
    let unfit = |what: String| {
        let finding = Finding::new(Code::SignersUnfit, what).at(place(policy), "this file");
        let like = "a line is `ann ssh-ed25519 AAAA…`: a name, and the public key of that person";
        Box::new(finding.help(format!("it is looked for from the workspace's folder; {like}")))
    };
    let path = folder.join(file);
    let size = std::fs::metadata(&path).map(|about| about.len());
    if size.is_ok_and(|size| size > LARGEST) {
        return Err(unfit(format!("`{file}` has more than {LARGEST} bytes")));
    }
    let text = std::fs::read(&path).map_err(|why| unfit(format!("`{file}` cannot be read: {why}")))?;
    let text = String::from_utf8(text).map_err(|_| unfit(format!("`{file}` is no UTF-8 text")))?;
    let signers = Signers::read(&text).map_err(|line| {
        unfit(format!("`{file}`, line {line} names nobody, more than one person, or no key"))
    })?;
    let found =
        wanted(workspace, origins).filter_map(|(_, rule, at)| never(rule, at, file, &signers)).collect();
    Ok((Some(text), found))
}

/// The rules that want approvals.
fn wanted<'a>(
    workspace: &'a Workspace,
    origins: &'a Origins,
) -> impl Iterator<Item = (&'a Policy, &'a Rule, Option<Span>)> {
    let rules = workspace.policies.values().flat_map(|p| p.rules.iter().map(move |r| (p, r)));
    rules.filter(|(_, rule)| matches!(rule.demand, Demand::Approved { .. })).map(|(policy, rule)| {
        let path = [Key::Name("spec"), Key::Name("rules"), Key::Index(rule.position), Key::Name("approved")];
        (policy, rule, origins.at(Kind::Policy, policy.name.as_str(), &path))
    })
}

/// A rule that wants more approvals than there are people who could sign; a warning where only some of them cannot.
fn never(rule: &Rule, at: Option<Span>, file: &str, signers: &Signers) -> Option<Finding> {
    let Demand::Approved { count, who, .. } = &rule.demand else { return None };
    let unlisted: Vec<&str> = who.iter().map(String::as_str).filter(|name| !signers.lists(name)).collect();
    let able = if who.is_empty() { signers.count() } else { Some(who.len() - unlisted.len()) };
    let enough = able.is_none_or(|able| able >= *count as usize);
    if enough && unlisted.is_empty() {
        return None;
    }
    let names = unlisted.join(", ");
    let (message, severity) = match able {
        Some(able) if !enough => {
            let message = format!(
                "the rule `{}` wants {count} approvals, and {able} of its people can sign",
                rule.name
            );
            (message, Severity::Error)
        }
        Some(_) | None => (
            format!("not all who may approve by the rule `{}` can sign: {names}", rule.name),
            Severity::Warning,
        ),
    };
    let mut finding = Finding::new(Code::NeverApproved, message).at(at, rule.because.clone());
    finding.severity = severity;
    Some(match names.as_str() {
        "" => finding.help(format!("put their keys into `{file}`")),
        names => finding.help(format!("put keys of these into `{file}`: {names}")),
    })
}
