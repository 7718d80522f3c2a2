//! What a run does beside the machines: it runs people's programs, changes what names say, asks people, and hears what they say of its steps.

use super::fence::{self, Sources};
use super::settle::{SLACK, Verdict, within};
use crate::base::RunId;
use crate::domain::{Reply, Silence, Spoken};
use crate::plan::context::{Occasion, context};
use crate::plan::{Hook, NodeId, Plan, Work};
use crate::port::{
    Answers, Asked, Call, Clock, Failure, Names, NoNames, NoScripts, Nobody, Pointed, Pointing, Provider,
    Ran, Scripts,
};
use crate::run::{Event, FailedWhy, How, StopWhy};
use std::sync::Arc;

/// Who helps a run with what is not done by the machines' own sites.
#[derive(Clone)]
pub struct Aids {
    /// Who runs programs.
    pub scripts: Arc<dyn Scripts>,
    /// Who answers.
    pub answers: Arc<dyn Answers>,
    /// Who changes what names say.
    pub names: Arc<dyn Names>,
}

impl Default for Aids {
    fn default() -> Self {
        Self { scripts: Arc::new(NoScripts), answers: Arc::new(Nobody), names: Arc::new(NoNames) }
    }
}

/// The calls of a hook in a run.
pub struct Calls {
    /// The program.
    pub run: Call,
    /// Its proof, where it is a fence.
    pub proof: Option<Call>,
    /// Whether it was tried before: then a fence may be there already.
    pub again: bool,
    /// What a fence takes away.
    pub sources: Sources,
}

/// The calls of a hook in a run.
pub fn calls(plan: &Plan, (node, hook): (NodeId, &Hook), run: &RunId, attempt: u32) -> Calls {
    let one = |argv: &[String], proof: bool| {
        call(plan, (node, hook), argv, Occasion { run: Some(run), attempt, check: false, proof })
    };
    let proof = hook.script.proof.as_ref().map(|argv| one(argv, true));
    let sources = if proof.is_some() { fence::sources(plan, hook) } else { Sources::default() };
    Calls { run: one(&hook.script.run, false), proof, again: attempt > 1, sources }
}

fn call(plan: &Plan, (node, hook): (NodeId, &Hook), argv: &[String], occasion: Occasion<'_>) -> Call {
    let proof = occasion.proof;
    let (whole, short) = context(plan, hook, occasion);
    let script = &hook.script;
    let mut env = script.env.clone();
    env.extend(short);
    Call {
        node: Some(node.0),
        argv: argv.to_vec(),
        env,
        secrets: script.secrets.clone(),
        input: whole.to_string().into_bytes(),
        within: script.within,
        proof,
    }
}

/// Runs a hook. The clock stands still meanwhile, where it is a virtual one: a program takes real time.
pub async fn run(
    calls: &Calls,
    scripts: &dyn Scripts,
    sites: (&dyn Provider, &dyn Clock),
) -> (Verdict, Vec<Spoken>) {
    let mut heard = Vec::new();
    let verdict = match &calls.proof {
        Some(proof) => fence::run(calls, proof, (scripts, sites), &mut heard).await,
        None => match one(&calls.run, scripts, &mut heard).await {
            None => Verdict::Done(How::Performed, None),
            Some(why) => failed(why),
        },
    };
    (verdict, heard)
}

/// It failed so.
pub fn failed(why: String) -> Verdict {
    Verdict::Failed(Failure::Failed(why))
}

/// Runs one program; returns why it failed, where it did.
pub async fn one(call: &Call, scripts: &dyn Scripts, heard: &mut Vec<Spoken>) -> Option<String> {
    match scripts.run(call).await {
        Err(why) => Some(why),
        Ok(ran) => {
            let why = trouble(call, &ran);
            heard.push(Spoken { proof: call.proof, ..ran.spoken });
            why
        }
    }
}

/// So much of a program's last line stands in the reason for its failure.
const LINE: usize = 160;

/// Why a program failed; `None` where it did not.
#[must_use]
pub fn trouble(call: &Call, ran: &Ran) -> Option<String> {
    let program = call.argv.first().map_or("", String::as_str);
    let how = match (ran.late, ran.spoken.code) {
        (true, _) => format!("was not done within {}, and was ended", call.within),
        (false, Some(0)) => return None,
        (false, Some(code)) => format!("ended with {code}"),
        (false, None) => "was ended by a signal".to_owned(),
    };
    let last = ran.spoken.text.lines().rev().find(|line| !line.trim().is_empty());
    let last: Option<String> = last.map(|line| line.trim().chars().take(LINE).collect());
    Some(last.map_or_else(|| format!("`{program}` {how}"), |last| format!("`{program}` {how}: {last}")))
}

/// Lets a name lead where it shall. Doing it twice equals doing it once, so that it is never in doubt: the next attempt asks first.
pub async fn point(order: &Pointing, names: &dyn Names, clock: &dyn Clock) -> Verdict {
    match within(clock, order.cutover.within.plus(SLACK), names.point(order)).await {
        Some(Ok(Pointed::Found)) => Verdict::Done(How::Found, None),
        Some(Ok(Pointed::Replaced { before })) => Verdict::Done(How::Replaced { before }, None),
        Some(Err(failure)) => Verdict::Failed(failure),
        None => Verdict::Failed(Failure::NoAnswer(format!("not done within {}", order.cutover.within))),
    }
}

/// What is known of a hook or a name whose runner was cut off; `None` of anything else.
pub fn left_over(plan: &Plan, node: NodeId, why: &str) -> Option<Verdict> {
    match &plan.node(node)?.work {
        Work::Hook(hook) if !hook.script.repeatable => {
            Some(Verdict::Unknown(format!("{why}, and nobody can see how far the program came")))
        }
        Work::Hook(_) | Work::Cutover(_) => Some(Verdict::Failed(Failure::NoAnswer(why.to_owned()))),
        Work::Act(_) | Work::Wait(_) | Work::Gate(_) | Work::Join => None,
    }
}

/// The question of a node as it is asked.
pub fn asked(plan: &Plan, node: NodeId, run: &RunId) -> Option<Asked> {
    let question = plan.question(node)?.clone();
    let yes_alone = plan.waits_for_yes();
    Some(Asked { run: run.clone(), node: node.0, name: plan.node_name(node), question, yes_alone })
}

/// Asks, for as long as the question says. `None` is silence.
pub async fn ask(asked: &Asked, answers: &dyn Answers, clock: &dyn Clock) -> Option<Reply> {
    let end = clock.now().after(asked.question.within);
    let mut guard = clock.until(end);
    tokio::select! {
        biased;
        (reply, promise) = answers.answer(asked) => {
            // The guard is gone before the promise is: a virtual clock never believes for a moment that nobody works.
            drop(guard);
            drop(promise);
            Some(reply)
        }
        () = &mut guard => None,
    }
}

/// What an answer means for the run, or that there is none.
pub fn answered(plan: &Plan, node: NodeId, reply: Option<&Reply>) -> Vec<Event> {
    let Some(question) = plan.question(node) else { return Vec::new() };
    let end = |yes: bool, why: FailedWhy| if yes { Event::Met { node } } else { Event::Failed { node, why } };
    match (reply, question.otherwise) {
        (Some(reply), _) => {
            let why = FailedWhy::SaidNo { person: reply.person.clone(), because: reply.because.clone() };
            vec![Event::Answered { node, reply: reply.clone() }, end(reply.yes, why)]
        }
        (None, Silence::Stop) => vec![Event::Stopping { why: StopWhy::Unanswered(node) }],
        (None, so @ (Silence::Continue | Silence::No)) => {
            vec![Event::Unanswered { node, so }, end(so == Silence::Continue, FailedWhy::Unanswered)]
        }
    }
}
