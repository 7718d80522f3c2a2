//! Approvals in words: what a plan needs, and what let a run begin.

use super::words::count;
use crate::domain::approval::Approval;
use crate::plan::Need;
use crate::run::Admission;
use crate::run::admission::counted;
use serde_json::{Value, json};

/// `2 approvals of ann, bob, carl (on-call)`.
#[must_use]
pub fn wanted(need: &Need) -> String {
    let groups =
        if need.groups.is_empty() { String::new() } else { format!(" ({})", need.groups.join(", ")) };
    let who =
        if need.who.is_empty() { String::new() } else { format!(" of {}{groups}", need.who.join(", ")) };
    format!("{}{who}", count(need.count as usize, "approval"))
}

/// A need, and its rule with the reason.
#[must_use]
pub fn need(need: &Need) -> [String; 2] {
    let word = if need.warns { "should have" } else { "needs" };
    [
        format!("{word} {}", wanted(need)),
        format!("rule {} of policy {}: {}", need.rule, need.policy, need.because),
    ]
}

/// How many of the approvals of a need are there: `1 of 2 approvals of ann, bob, carl (on-call): ann`.
#[must_use]
pub fn so_far(need: &Need, approvals: &[Approval]) -> String {
    let names: Vec<&str> = counted(need, approvals).iter().map(|a| a.by.as_str()).collect();
    let there = if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) };
    format!("{} of {}{there}", names.len(), wanted(need))
}

/// What let a run begin, in lines. A glass that was broken comes first.
#[must_use]
pub fn lines(admission: &Admission) -> Vec<String> {
    let glass = admission.glass.iter().map(|glass| {
        let without = admission
            .missing()
            .map(|need| format!("{} (rule {})", so_far(need, &admission.approvals), need.rule));
        let without = without.collect::<Vec<_>>().join("; ");
        format!("glass broken by {}@{}: {}; there were {without}", glass.person, glass.host, glass.because)
    });
    glass.chain(admission.approvals.iter().map(one)).collect()
}

/// An approval that counted.
#[must_use]
pub fn one(approval: &Approval) -> String {
    let Approval { by, key, until, because, .. } = approval;
    let because = because.as_ref().map_or_else(String::new, |why| format!(": {why}"));
    format!("approved by {by}, until {until}, {key}{because}")
}

/// What let a run begin, for machines.
#[must_use]
pub fn json(admission: &Admission) -> Value {
    let Admission { at, needs, approvals, signers: _, glass } = admission;
    json!({ "at": at, "needs": needs, "approvals": approvals, "glass": glass })
}
