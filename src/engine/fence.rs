//! Fences as they are carried out: what answers is not struck, and of the rest the proof alone decides.

use super::aside::{Calls, failed, one};
use super::settle::{LOOK, Verdict, within};
use crate::base::SiteName;
use crate::domain::{Power, Spoken, VmRef};
use crate::plan::{Around, Hook, Plan};
use crate::port::{Call, Clock, Provider, Scripts, Subject};
use crate::run::How;

/// What a fence takes away.
#[derive(Debug, Default)]
pub struct Sources {
    /// The replicas for whose sake it is.
    subjects: Vec<Subject>,
    /// The site, where it takes down all of it.
    site: Option<SiteName>,
}

/// What is seen of the sources of a fence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Nothing.
    Nothing,
    /// This one runs.
    Running(VmRef),
    /// All of them are off.
    Off(Vec<VmRef>),
    /// The site answers, and not of all of them.
    Answering(SiteName),
}

/// What a fence of a plan takes away.
pub fn sources(plan: &Plan, hook: &Hook) -> Sources {
    let replicas = hook.legs.iter().filter_map(|leg| plan.leg(*leg)).map(|leg| &leg.replica);
    let subject = |replica: &crate::base::ReplicaName| {
        let placement = plan.placements.get(replica)?.clone();
        Some(Subject { replica: replica.clone(), placement })
    };
    let site = match &hook.around {
        Around::Site(site) => Some(site.clone()),
        Around::Plan(_) | Around::Entry(..) | Around::Replica(_) => None,
    };
    Sources { subjects: replicas.filter_map(subject).collect(), site }
}

/// Looks at the sources, for as long as a host has to answer.
pub async fn look(sources: &Sources, provider: &dyn Provider, clock: &dyn Clock) -> Seen {
    if sources.subjects.is_empty() {
        return Seen::Nothing;
    }
    let Some(inventory) = within(clock, LOOK, provider.observe(&sources.subjects)).await else {
        return Seen::Nothing;
    };
    let mut off = Vec::new();
    for subject in &sources.subjects {
        let observed = inventory.replicas.get(&subject.replica);
        let Some(facts) = observed.and_then(|o| o.facts.as_ref()) else { continue };
        match facts.source.facts().map(|machine| machine.power) {
            Some(Power::On) => return Seen::Running(facts.relation.source.clone()),
            Some(Power::Off) => off.push(facts.relation.source.clone()),
            // One that its site does not have may run elsewhere by now.
            None => {}
        }
    }
    if off.len() == sources.subjects.len() {
        return Seen::Off(off);
    }
    let answers = sources.site.clone().filter(|site| inventory.answers(site));
    answers.map_or(Seen::Nothing, Seen::Answering)
}

/// Fences. What answers is not struck: its own site is the best to say that it is off, and what runs there may serve by now.
///
/// Of what is silent the proof alone decides: a program that ends badly may have done its work, and one that ends well may not. Whoever was
/// cut off before, or was too early, asks for the proof first: what is fenced is not struck twice.
pub async fn run(
    calls: &Calls,
    proof: &Call,
    (scripts, (provider, clock)): (&dyn Scripts, (&dyn Provider, &dyn Clock)),
    heard: &mut Vec<Spoken>,
) -> Verdict {
    let strikes = match look(&calls.sources, provider, clock).await {
        Seen::Running(vm) => {
            return failed(format!(
                "{} answers again, and {} runs there: abort this run and plan again",
                vm.site, vm.vm
            ));
        }
        Seen::Off(all) => {
            let all: Vec<String> = all.iter().map(ToString::to_string).collect();
            let text = format!("seen off at its site, and not struck: {}", all.join(", "));
            heard.push(Spoken { code: Some(0), text, left_out: 0, proof: true });
            return Verdict::Done(How::Found, None);
        }
        Seen::Answering(site) => Err(site),
        Seen::Nothing => Ok(()),
    };
    let before = if calls.again || strikes.is_err() { Some(one(proof, scripts, heard).await) } else { None };
    match (before, strikes) {
        (Some(None), _) => return Verdict::Done(How::Found, None),
        (Some(Some(why)), Err(site)) => {
            return failed(format!("not proven: {why}; {site} answers again, and is not struck"));
        }
        (Some(Some(_)) | None, _) => {}
    }
    let ran = one(&calls.run, scripts, heard).await;
    match (one(proof, scripts, heard).await, ran) {
        (None, _) => Verdict::Done(How::Performed, None),
        (Some(why), None) => failed(format!("not proven: {why}")),
        (Some(why), Some(ran)) => failed(format!("not proven: {why}; before that {ran}")),
    }
}
