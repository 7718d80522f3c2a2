//! From the documents and the sites to a plan that was checked: what `plan`, `apply`, `replicate` and `abort` share.

use super::load::{Loaded, load};
use super::world::{World, subjects};
use super::{Answer, Desk, Exit, gate};
use crate::base::ReplicaName;
use crate::diag::{Code, Finding, Span};
use crate::document::check::nearest;
use crate::domain::OnFailure;
use crate::inventory::Inventory;
use crate::model::{Desired, Key, Kind, Workspace};
use crate::plan::{NodeId, Plan, Purpose, Refused};
use crate::planner::{Request, Selected, sliced};
use crate::report::refused::{self, Places};
use std::collections::BTreeMap;

/// A plan with all that it was made from.
pub struct Prepared {
    /// The documents.
    pub loaded: Loaded,
    /// The sites.
    pub world: World,
    /// What was observed.
    pub inventory: Inventory,
    /// The plan.
    pub plan: Plan,
    /// What the policies warn of.
    pub warned: Vec<Finding>,
    /// What the records of its names said, where they were asked.
    pub says: BTreeMap<NodeId, Vec<String>>,
    /// How many names of replicas that stay as they are lead elsewhere, where they were asked.
    pub elsewhere: usize,
}

/// What is asked for.
pub struct Asked {
    /// What the plan is for.
    pub purpose: Purpose,
    /// The desired states.
    pub desired: Vec<Desired>,
    /// Whether a person said that manual switchovers shall be done now.
    pub switchover_now: bool,
    /// What is done where the run ends with a failure.
    pub on_failure: OnFailure,
    /// Which part of it; `None` where it is the whole.
    pub slice: Option<Selected>,
}

/// The desired states of a runbook.
pub fn runbook(loaded: &Loaded, name: &str) -> Result<Asked, Box<Answer>> {
    let found = loaded.workspace.runbooks.get_key_value(name);
    let Some((name, runbook)) = found else {
        let finding = Finding::new(Code::UnknownRunbook, format!("no runbook is named `{name}`"));
        let names: Vec<&str> = loaded.workspace.runbooks.keys().map(|n| n.as_str()).collect();
        let finding = match nearest(name, names.iter().copied()) {
            Some(near) => finding.help(format!("a runbook with a similar name is declared: {near}")),
            None => finding.help(format!("the runbooks are: {}", names.join(", "))),
        };
        return Err(Answer::stop(Exit::Invalid, finding));
    };
    Ok(Asked {
        purpose: Purpose::Runbook(name.clone()),
        desired: runbook.desired.clone(),
        switchover_now: false,
        on_failure: runbook.on_failure,
        slice: None,
    })
}

/// Reads the workspace, and ends where it has errors. Replication and ways back do not wait for those who may sign.
pub fn documents(desk: &Desk) -> Result<Loaded, Box<Answer>> {
    load(desk)?.unsigned().sound()
}

/// Observes, plans and checks.
pub async fn prepare(desk: &Desk, loaded: Loaded, asked: &Asked) -> Result<Prepared, Box<Answer>> {
    let world = World::open(desk, &loaded.workspace)?;
    let inventory = world.observe(&subjects(&loaded.workspace, &asked.desired)).await;
    planned(loaded, world, inventory, asked)
}

/// The plan from what was observed, unchecked.
///
/// # Errors
/// The replicas for which there is none.
pub fn draft(workspace: &Workspace, inventory: &Inventory, asked: &Asked) -> Result<Plan, Vec<Refused>> {
    let request = Request {
        workspace,
        inventory,
        purpose: &asked.purpose,
        desired: &asked.desired,
        switchover_now: asked.switchover_now,
    };
    sliced(&request, asked.slice.as_ref())
}

/// Plans and checks what was observed.
pub fn planned(
    loaded: Loaded,
    world: World,
    inventory: Inventory,
    asked: &Asked,
) -> Result<Prepared, Box<Answer>> {
    let plan = match draft(&loaded.workspace, &inventory, asked) {
        Ok(plan) => Plan { on_failure: asked.on_failure, ..plan },
        Err(refused) => {
            let places = InDocuments { loaded: &loaded, purpose: &asked.purpose };
            let findings = refused::findings(&refused, &loaded.workspace, &places, &inventory);
            return Err(Box::new(Answer::with(Exit::Invalid, findings, loaded.sources)));
        }
    };
    let violations = crate::checker::check(&plan, &inventory);
    if !violations.is_empty() {
        let findings = violations.iter().map(|v| refused::violation(v, &plan)).collect();
        return Err(Box::new(Answer::with(Exit::Internal, findings, loaded.sources)));
    }
    match gate::policies(&plan, &inventory, &loaded) {
        Ok(warned) => {
            let plan = Plan { needs: gate::needs(&plan, &loaded), ..plan };
            Ok(Prepared { loaded, world, inventory, plan, warned, says: BTreeMap::new(), elsewhere: 0 })
        }
        Err(gates) => Err(Box::new(Answer::with(Exit::Gated, gates, loaded.sources))),
    }
}

/// The places of a runbook's desired states and of replicas.
struct InDocuments<'a> {
    loaded: &'a Loaded,
    purpose: &'a Purpose,
}

impl Places for InDocuments<'_> {
    fn desired(&self, position: usize, key: &str) -> Option<Span> {
        let Purpose::Runbook(name) = self.purpose else { return None };
        let path = [Key::Name("spec"), Key::Name("desired"), Key::Index(position), Key::Name(key)];
        self.loaded.origins.at(Kind::Runbook, name.as_str(), &path)
    }

    fn replica(&self, replica: &ReplicaName, key: &str) -> Option<Span> {
        let at = |path: &[Key<'_>]| self.loaded.origins.at(Kind::Replica, replica.as_str(), path);
        let found = at(&[Key::Name("spec"), Key::Name(key)]);
        // Where the key is left out, its name says as much as all of it.
        let whole = at(&[Key::Name("spec")]);
        found
            .filter(|f| Some(*f) != whole)
            .or_else(|| self.loaded.origins.name(Kind::Replica, replica.as_str()))
    }
}
