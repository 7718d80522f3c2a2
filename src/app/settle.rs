//! `lifeboat settle RUN STEP done|retry|failed --because TEXT`: a person's word about a step in doubt, or one that failed.

use super::hold::{Held, hold};
use super::{Answer, Desk, Exit, Said};
use crate::diag::{Code, Finding};
use crate::document::check::nearest;
pub use crate::engine::Word;
use crate::engine::by_hand;
use crate::plan::NodeId;
use crate::run::{Progress, Status};

/// What `settle` is asked.
pub struct Ask {
    /// The run.
    pub run: String,
    /// The step's name.
    pub step: String,
    /// The word.
    pub word: Word,
    /// Why.
    pub because: String,
}

/// Carries the command out.
///
/// # Errors
/// An early end.
pub fn settle(desk: &Desk, ask: &Ask) -> Said {
    let id = super::runs::named(desk, &ask.run)?;
    // Held for the time of writing: nobody may be driving the run meanwhile.
    let Held { world, active: _active, found, mut journal } = hold(desk, &id)?;
    let node = step(&found.progress, &ask.step)?;
    if found.progress.is_taken_back(node) {
        let what = format!("`{}` cannot be settled: the plan's way back for its failure has begun", ask.step);
        let finding = Finding::new(Code::NothingToResume, what);
        return Err(Answer::stop(
            Exit::Invalid,
            finding.help(format!(
                "`lifeboat resume {id}` ends the way back; then plan again from what is observed"
            )),
        ));
    }
    let event = by_hand(node, ask.word, &desk.person, &ask.because);
    let at = world.clock().now();
    let mut progress = found.progress;
    progress.apply(&event, at).map_err(|error| {
        let finding =
            Finding::new(Code::NothingToResume, format!("`{}` cannot be settled: {error}", ask.step));
        Answer::stop(Exit::Invalid, finding.help("a step that is in doubt or has failed can be settled"))
    })?;
    journal.append(&[(at, event)])?;
    let text = format!("Settled `{}`. Next: lifeboat resume {id}\n", ask.step);
    Ok(Answer::ok(text, serde_json::json!({ "format": 1, "type": "settled", "run": id, "step": ask.step })))
}

/// The step of a name. Where a name stands twice (the two ways back of a verification), the one that can be settled.
fn step(progress: &Progress, name: &str) -> Result<NodeId, Box<Answer>> {
    let plan = progress.plan();
    let named: Vec<NodeId> = plan.node_ids().filter(|n| plan.node_name(*n) == name).collect();
    let open = |n: &&NodeId| matches!(progress.status(**n), Status::InDoubt | Status::Failed);
    if let Some(node) = named.iter().find(open).or(named.first()) {
        return Ok(*node);
    }
    let candidates: Vec<String> = progress
        .nodes(|s| matches!(s, Status::InDoubt | Status::Failed))
        .map(|n| plan.node_name(n))
        .collect();
    let finding = Finding::new(Code::UnknownNode, format!("the run has no step `{name}`"));
    let near = nearest(name, candidates.iter().map(String::as_str)).map(str::to_owned);
    Err(Answer::stop(
        Exit::Invalid,
        match near {
            Some(near) => finding.help(format!("a step with a similar name: {near}")),
            None if candidates.is_empty() => finding.help("no step of this run is in doubt or has failed"),
            None => finding.help(format!("in doubt or failed: {}", candidates.join(", "))),
        },
    ))
}
