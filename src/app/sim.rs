//! `lifeboat sim …`: looking into the simulated world, and breaking it.

use super::prepare::documents;
use super::replicate::unknown;
use super::world::World;
use super::{Answer, Desk, Exit, Said, unwritable};
use crate::base::{Duration, ReplicaName, SiteName, VmName};
use crate::diag::{Code, Finding};
use crate::document::check::nearest;
pub use crate::domain::Power;
use crate::domain::{Action, Cutover, VmRef};
use crate::port::FaultSpec;
use crate::provider::sim::Setup;
use serde_json::json;
use std::collections::BTreeMap;

/// What is done with the world.
pub enum Ask {
    /// Tells the time and what goes wrong.
    Status,
    /// Lets time pass.
    Advance(String),
    /// Lets something go wrong.
    Fault(FaultAsk),
    /// Nothing goes wrong any more.
    Heal,
    /// Powers a machine on or off by hand.
    Power(String, Power),
    /// Tells who wrote the blocks of a disk.
    Disk(String),
    /// Makes the world anew.
    Reset,
}

/// Something that goes wrong, as it is typed.
pub enum FaultAsk {
    /// A site is silent.
    Silent(String),
    /// An action fails.
    Fails(HitAsk),
    /// An action is slow.
    Slow(HitAsk, String),
    /// An answer is lost; whether the site falls silent with it.
    AnswerLost(HitAsk, bool),
    /// A machine never gets ready.
    NeverReady(String),
}

/// Which action of which replica, and how often.
pub struct HitAsk {
    /// The action's word.
    pub action: Option<String>,
    /// The replica.
    pub replica: Option<String>,
    /// How often.
    pub times: Option<u32>,
}

/// Carries the command out.
///
/// # Errors
/// An early end.
pub fn sim(desk: &Desk, ask: &Ask) -> Said {
    if matches!(ask, Ask::Reset) {
        return reset(desk);
    }
    let loaded = documents(desk)?;
    let world = World::open(desk, &loaded.workspace)?;
    let simulator = world.simulator()?;
    let said = match ask {
        Ask::Status | Ask::Reset => String::new(),
        Ask::Advance(text) => {
            let by = duration(text)?;
            simulator.advance(by)?;
            format!("{by} passed.\n")
        }
        Ask::Fault(fault) => {
            let fault = spec(fault)?;
            declared(&fault, &world)?;
            simulator.set_fault(fault)?;
            String::new()
        }
        Ask::Heal => {
            simulator.heal()?;
            String::new()
        }
        Ask::Power(vm, to) => {
            let vm = existing(&world, vm)?;
            simulator.set_power(&vm, *to)?;
            format!("{vm} is {}.\n", if *to == Power::On { "on" } else { "off" })
        }
        Ask::Disk(vm) => return disk(&world, vm),
    };
    let (now, faults) = (simulator.now()?, simulator.faults()?);
    let mut human = format!("{said}In the simulated world it is {now}.\n");
    human.extend(faults.iter().map(|f| format!("  goes wrong: {}\n", words(f))));
    if faults.is_empty() {
        human.push_str("  nothing goes wrong\n");
    }
    Ok(Answer::ok(human, json!({ "format": 1, "type": "world", "now": now, "faults": faults })))
}

fn reset(desk: &Desk) -> Said {
    let folder = desk.own().join("sim");
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(unwritable(&folder, &error)),
        _ => Ok(Answer::ok(
            "The simulated world begins anew.\n".to_owned(),
            json!({ "format": 1, "type": "world" }),
        )),
    }
}

fn disk(world: &World, vm: &str) -> Said {
    let vm = existing(world, vm)?;
    let blocks = world.simulator()?.disk(&vm)?.unwrap_or_default();
    let mut sessions: BTreeMap<u64, (usize, u64)> = BTreeMap::new();
    for block in blocks.iter() {
        let (count, last) = sessions.entry(block.session).or_default();
        (*count, *last) = (*count + 1, (*last).max(block.record));
    }
    let mut human = format!("{vm}: {} blocks\n", blocks.len());
    for (session, (count, last)) in &sessions {
        human.push_str(&match session {
            0 => format!("  {count} never written\n"),
            _ => format!("  {count} written in session {session}, the latest is record {last}\n"),
        });
    }
    Ok(Answer::ok(human, json!({ "format": 1, "type": "disk", "vm": vm.to_string(), "blocks": *blocks })))
}

fn wrong(code: Code, message: String) -> Box<Answer> {
    Answer::stop(Exit::Invalid, Finding::new(code, message))
}

fn duration(text: &str) -> Result<Duration, Box<Answer>> {
    text.parse().map_err(|_| {
        let finding = Finding::new(Code::BadDuration, format!("`{text}` is no duration"));
        Answer::stop(Exit::Invalid, finding.help("write it with its unit: 90s, 15m, 1h30m"))
    })
}

/// A fault of something that is not there would never be felt, and a drill would prove nothing.
fn declared(fault: &FaultSpec, world: &World) -> Result<(), Box<Answer>> {
    let Setup { sites, replicas } = &world.settings.setup;
    match fault {
        FaultSpec::Silent { site } | FaultSpec::NeverReady { site, .. } if !sites.contains_key(site) => {
            Err(unknown(Code::UnknownSite, "site", site.as_str(), sites.keys().map(SiteName::as_str)))
        }
        FaultSpec::Fails { replica: Some(name), .. }
        | FaultSpec::Slow { replica: Some(name), .. }
        | FaultSpec::AnswerLost { replica: Some(name), .. }
            if !replicas.contains_key(name) =>
        {
            let names = replicas.keys().map(ReplicaName::as_str);
            Err(unknown(Code::UnknownReplica, "replica", name.as_str(), names))
        }
        _ => Ok(()),
    }
}

fn machine(text: &str) -> Result<VmRef, Box<Answer>> {
    let parsed = text
        .split_once('/')
        .and_then(|(site, vm)| Some(VmRef { site: SiteName::new(site).ok()?, vm: VmName::new(vm).ok()? }));
    parsed.ok_or_else(|| {
        let finding = Finding::new(Code::BadName, format!("`{text}` is no machine"));
        Answer::stop(Exit::Invalid, finding.help("write SITE/MACHINE"))
    })
}

fn existing(world: &World, text: &str) -> Result<VmRef, Box<Answer>> {
    let vm = machine(text)?;
    match world.simulator()?.disk(&vm)? {
        Some(_) => Ok(vm),
        None => Err(wrong(Code::BadName, format!("there is no machine {vm} in the simulated world"))),
    }
}

fn spec(ask: &FaultAsk) -> Result<FaultSpec, Box<Answer>> {
    let hit = |hit: &HitAsk| -> Result<(Option<String>, Option<ReplicaName>), Box<Answer>> {
        if let Some(action) = &hit.action
            && !Action::WORDS.contains(&action.as_str())
            && action != Cutover::WORD
        {
            let finding = Finding::new(Code::UnknownValue, format!("no action is named `{action}`"));
            let near = nearest(action, Action::WORDS.into_iter());
            let help = near.map_or_else(
                || format!("the actions are {}", Action::WORDS.join(", ")),
                |n| format!("an action with a similar name: {n}"),
            );
            return Err(Answer::stop(Exit::Invalid, finding.help(help)));
        }
        let replica = hit.replica.as_deref().map(ReplicaName::new).transpose();
        let replica = replica.map_err(|e| wrong(Code::BadName, format!("this is no replica's name: {e}")))?;
        Ok((hit.action.clone(), replica))
    };
    Ok(match ask {
        FaultAsk::Silent(site) => {
            let site = SiteName::new(site)
                .map_err(|e| wrong(Code::BadName, format!("`{site}` is no site's name: {e}")))?;
            FaultSpec::Silent { site }
        }
        FaultAsk::Fails(ask) => {
            let (action, replica) = hit(ask)?;
            FaultSpec::Fails { action, replica, times: ask.times }
        }
        FaultAsk::Slow(ask, by) => {
            let (action, replica) = hit(ask)?;
            let by = duration(by)?;
            FaultSpec::Slow { action, replica, by }
        }
        FaultAsk::AnswerLost(ask, cut) => {
            let (action, replica) = hit(ask)?;
            FaultSpec::AnswerLost { action, replica, times: ask.times, cut: *cut }
        }
        FaultAsk::NeverReady(vm) => {
            let VmRef { site, vm } = machine(vm)?;
            FaultSpec::NeverReady { site, vm }
        }
    })
}

fn words(fault: &FaultSpec) -> String {
    let of = |action: &Option<String>, replica: &Option<ReplicaName>| {
        let action = action.as_deref().unwrap_or("every action");
        replica.as_ref().map_or_else(|| action.to_owned(), |r| format!("{action} of {r}"))
    };
    let times = |t: &Option<u32>| t.map_or_else(|| "always".to_owned(), |t| format!("{t} times"));
    match fault {
        FaultSpec::Silent { site } => format!("site {site} does not answer"),
        FaultSpec::Fails { action, replica, times: t } => {
            format!("{} fails, {}", of(action, replica), times(t))
        }
        FaultSpec::Slow { action, replica, by } => format!("{} takes {by} longer", of(action, replica)),
        FaultSpec::AnswerLost { action, replica, times: t, cut } => {
            let cut = if *cut { ", and its site falls silent" } else { "" };
            format!("the answer to {} is lost, {}{cut}", of(action, replica), times(t))
        }
        FaultSpec::NeverReady { site, vm } => format!("{site}/{vm} never gets ready"),
    }
}
