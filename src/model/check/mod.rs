//! Checks over the whole model: one rule, one file.

mod bare_delay;
mod consistency;
mod cycle;
mod drill;
mod fences;
mod machines;
mod names;
mod objectives;
mod providers;
mod readdressing;
mod rules;
mod unplanned;
mod waits;

use crate::diag::Finding;
use crate::model::{Origins, Workspace};
use rayon::prelude::*;

type Rule = fn(&Workspace, &Origins, &mut Vec<Finding>);

const RULES: [Rule; 13] = [
    machines::check,
    fences::check,
    providers::check,
    readdressing::check,
    names::check,
    cycle::check,
    drill::check,
    consistency::check,
    waits::check,
    bare_delay::check,
    objectives::check,
    rules::check,
    unplanned::check,
];

/// Runs all checks.
pub fn all(workspace: &Workspace, origins: &Origins, findings: &mut Vec<Finding>) {
    let one = |rule: &Rule| {
        let mut findings = Vec::new();
        rule(workspace, origins, &mut findings);
        findings
    };
    let found: Vec<_> = RULES.par_iter().map(one).collect();
    findings.extend(found.into_iter().flatten());
}
