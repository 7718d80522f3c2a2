//! Checks over the whole model: one rule, one file.

mod cycle;
mod machines;
mod objectives;
mod providers;
mod unplanned;
mod waits;

use crate::diag::Finding;
use crate::model::{Origins, Workspace};

/// Runs all checks.
pub fn all(workspace: &Workspace, origins: &Origins, findings: &mut Vec<Finding>) {
    machines::check(workspace, origins, findings);
    providers::check(workspace, origins, findings);
    cycle::check(workspace, origins, findings);
    waits::check(workspace, origins, findings);
    objectives::check(workspace, origins, findings);
    unplanned::check(workspace, origins, findings);
}
