//! `lifeboat answer RUN GATE yes|no --because TEXT`: a person's answer to a question of a run under way, from wherever its store is seen.

use super::hold::over;
use super::people::is;
use super::{Answer, Desk, Exit, Said};
use crate::diag::{Code, Finding};
use crate::document::check::nearest;
use crate::domain::Reply;
use crate::journal::{Found, Record};
use crate::plan::NodeId;
use crate::report::words;
use crate::run::{Event, Status};

/// What `answer` is asked.
pub struct Ask {
    /// The run.
    pub run: String,
    /// The gate.
    pub gate: String,
    /// The answer.
    pub yes: bool,
    /// Why.
    pub because: String,
}

/// Carries the command out. It does not wait until the runner has heard it.
///
/// # Errors
/// A run that is over, or that nobody carries on; a question that is not asked now; a person who may not answer it.
pub fn answer(desk: &Desk, ask: Ask) -> Said {
    let id = super::runs::named(desk, &ask.run)?;
    let runs = desk.store()?;
    let found = runs.read(&id)?;
    if found.progress.is_over() {
        return Err(over(&id));
    }
    let node = gate(&found, &ask.gate)?;
    let refuse = |finding: Finding| Err(Answer::stop(Exit::Invalid, finding.about(format!("run {id}"))));
    let name = found.progress.plan().node_name(node);
    let before = found.records.iter().rev().find_map(|r| match &r.event {
        Event::Answered { node: n, reply } if *n == node => Some((r.at, reply.clone())),
        _ => None,
    });
    if found.progress.status(node) != Status::Waiting {
        let what = before.map_or_else(
            || format!("`{name}` is not asked now"),
            |(at, reply)| format!("`{name}` was answered at {}: {}", at.clock(), words::reply(&reply)),
        );
        return refuse(
            Finding::new(Code::NotAsked, what)
                .help(format!("`lifeboat report {id}` shows what is asked now")),
        );
    }
    let is_taken = |r: &&Record| matches!(r.event, Event::Taken { .. } | Event::TakenOver { .. });
    let asks = |r: &Record| matches!(&r.event, Event::Waiting { node: n } if *n == node);
    if !found.records.iter().rev().take_while(|r| !is_taken(r)).any(asks) {
        let what = format!("`{name}` is not asked yet: the run was only just taken up");
        return refuse(
            Finding::new(Code::NotAsked, what).help("ask again in a moment; nothing was recorded"),
        );
    }
    if !runs.is_held(&id)? {
        return refuse(
            Finding::new(
                Code::NotAsked,
                format!("nobody carries run {id} on, so nobody would hear the answer"),
            )
            .help(format!("`lifeboat resume {id}` goes on with it, and asks again")),
        );
    }
    may(desk, &found, node, &ask)?;
    let (person, host, because) = (desk.person.clone(), desk.host.clone(), Some(ask.because));
    let reply = Reply { yes: ask.yes, person, host, because };
    if !runs.leave_answer(&id, node, &reply)? {
        let said =
            runs.answer(&id, node).map(|reply| format!(": {}", words::reply(&reply))).unwrap_or_default();
        return refuse(Finding::new(
            Code::NotAsked,
            format!("an answer to `{name}` is on its way already{said}"),
        ));
    }
    let word = if ask.yes { "yes" } else { "no" };
    let text = format!(
        "Answered `{name}` with {word}; the run hears it within a second.\nNext: lifeboat report {id}\n"
    );
    Ok(Answer::ok(
        text,
        serde_json::json!({ "format": 1, "type": "answered", "run": id, "step": name, "reply": reply }),
    ))
}

/// Whether this person may answer so.
fn may(desk: &Desk, found: &Found, node: NodeId, ask: &Ask) -> Result<(), Box<Answer>> {
    let plan = found.progress.plan();
    let (name, run) = (plan.node_name(node), format!("run {}", found.frozen.run));
    if let Some(question) = plan.question(node).filter(|q| !q.may_answer(&desk.person)) {
        let finding = Finding::new(Code::MayNotAnswer, format!("`{}` may not answer `{name}`", desk.person))
            .about(run)
            .help(format!("it is asked: {}", words::who(question)))
            .help("nothing was recorded");
        return Err(Answer::stop(Exit::Gated, finding));
    }
    if plan.waits_for_yes() && !ask.yes {
        let finding = Finding::new(Code::NotAsked, format!("`{name}` waits for a yes, and goes on to wait"))
            .about(run)
            .help("the copies stay until somebody says yes; nothing was recorded");
        return Err(Answer::stop(Exit::Invalid, finding));
    }
    Ok(())
}

/// The gate of a name; where one stands twice, the one that is asked now.
fn gate(found: &Found, name: &str) -> Result<NodeId, Box<Answer>> {
    let plan = found.progress.plan();
    let gates: Vec<(NodeId, String)> =
        plan.node_ids().filter(|n| plan.question(*n).is_some()).map(|n| (n, plan.node_name(n))).collect();
    let named = || gates.iter().filter(|(_, own)| is(own, name)).map(|(node, _)| *node);
    let open = named().find(|node| found.progress.status(*node) == Status::Waiting);
    if let Some(node) = open.or_else(|| named().next()) {
        return Ok(node);
    }
    let finding = Finding::new(Code::NotAsked, format!("the run has no gate `{name}`"));
    let names: Vec<&str> = gates.iter().map(|(_, name)| name.as_str()).collect();
    Err(Answer::stop(
        Exit::Invalid,
        match nearest(name, names.iter().copied()) {
            Some(near) => finding.help(format!("a gate with a similar name: {near}")),
            None if names.is_empty() => finding.help("no question is asked in this run"),
            None => finding.help(format!("its gates: {}", names.join(", "))),
        },
    ))
}
