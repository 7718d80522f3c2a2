//! `lifeboat apply RUNBOOK or FILE`: carries a plan out.

use super::carry::{Manner, Ready, carry, claim, claimed, free};
use super::hold::{Held, WAY_BACK};
use super::prepare::{Prepared, documents, prepare, runbook};
use super::world::World;
use super::{Answer, Desk, Exit, Said, Screen, gate, hooks, preflight, seal, slice, undo};
use crate::base::{Digest, RunId, Timestamp};
use crate::diag::{Code, Finding, Sources};
use crate::inventory::{Inventory, changed};
use crate::journal::record::VERSION;
use crate::journal::{Frozen, JournalError, Store, Way};
use crate::plan::{Plan, Purpose};
use crate::report::{Style, diagnostic, refused, text};
use crate::run::Progress;
use std::path::Path;
use std::sync::Arc;

/// What `apply` is asked.
pub struct Ask {
    /// A runbook's name, or a sealed plan's file.
    pub what: String,
    /// The name with which a person confirms.
    pub confirm: Option<String>,
    /// Whether manual switchovers shall be done now.
    pub switchover: bool,
    /// Which part of it.
    pub slice: slice::Ask,
    /// How it is driven.
    pub manner: Manner,
}

/// Carries the command out.
///
/// # Errors
/// An early end.
pub async fn apply(desk: &Desk, ask: Ask, screen: &mut dyn Screen) -> Said {
    ask.manner.sound()?;
    let what = ask.what.clone();
    let path = Path::new(&what);
    if path.is_file() || ask.what.contains('/') || ask.what.ends_with(".json") {
        return if ask.slice.is_whole() {
            sealed(desk, ask, path, screen).await
        } else {
            Err(slice::sealed())
        };
    }
    let loaded = documents(desk)?;
    let mut asked = runbook(&loaded, &ask.what)?;
    asked.switchover_now = ask.switchover;
    asked.slice = slice::selected(&ask.slice, &asked.desired, &loaded.workspace)?;
    let prepared = prepare(desk, loaded, &asked).await?;
    let shown = super::plan::shown(desk, &prepared, ask.switchover);
    if prepared.plan.is_empty() {
        return Ok(shown);
    }
    ask.manner.check(&prepared.world)?;
    free(desk, &prepared.plan)?;
    let (prepared, found) = super::plan::looked_at(desk, prepared).await?;
    screen.show(&shown.human);
    worded(desk, &found, &prepared.loaded.sources, screen);
    confirm(&prepared.plan, ask.confirm.as_deref(), screen)?;
    let sources = prepared.loaded.sources.clone();
    with(desk, (found, sources), begin(desk, prepared, ask.manner, screen).await)
}

/// What is worth knowing before the question. Machines find it with the answer.
pub fn worded(desk: &Desk, found: &[Finding], sources: &Sources, screen: &mut dyn Screen) {
    if !found.is_empty() {
        let style = Style { width: desk.view.width, unicode: desk.view.unicode, ..Style::default() };
        screen.show(&diagnostic::render(found, sources, style));
    }
}

/// An answer with what was worth knowing before it, for machines.
pub fn with(desk: &Desk, found: (Vec<Finding>, Sources), mut said: Said) -> Said {
    let answer = match &mut said {
        Ok(answer) => answer,
        Err(early) => &mut **early,
    };
    if desk.machine && !found.0.is_empty() {
        answer.findings.extend(found.0);
        answer.sources = found.1;
    }
    said
}

/// Claims, freezes and drives a plan that was just made.
pub async fn begin(desk: &Desk, prepared: Prepared, manner: Manner, screen: &mut dyn Screen) -> Said {
    let Prepared { loaded, world, plan, .. } = prepared;
    let confirmed = plan.purpose != Purpose::Replicate;
    let what = Start { plan, documents: loaded.documents, sealed: None, from: None, confirmed, manner };
    start(desk, world, what, screen).await
}

/// The same for the way back from a run: it takes the replicas over, and only when it is there to be taken up is that run closed.
pub async fn begin_back(desk: &Desk, prepared: Prepared, from: Held, screen: &mut dyn Screen) -> Said {
    let Prepared { loaded, world, plan, .. } = prepared;
    let (documents, manner) = (loaded.documents, Manner::default());
    let start_back = Start { plan, documents, sealed: None, from: Some(from), confirmed: true, manner };
    start(desk, world, start_back, screen).await
}

/// What is begun.
struct Start {
    plan: Plan,
    documents: Vec<(String, Digest)>,
    /// Its seal and its text, where it was sealed.
    sealed: Option<(Digest, String)>,
    /// The run whose replicas it takes over.
    from: Option<Held>,
    /// Whether a person confirmed it by its name.
    confirmed: bool,
    /// How it is driven.
    manner: Manner,
}

async fn start(desk: &Desk, world: World, what: Start, screen: &mut dyn Screen) -> Said {
    let Start { plan, documents, sealed, from, confirmed, manner } = what;
    manner.check(&world)?;
    undo::agreed(&plan, manner.undo.as_deref())?;
    let (on_failure, word) = (plan.on_failure, manner.undo.clone());
    let runs = desk.store()?;
    let id = new_run(runs.as_ref(), world.clock().now())?;
    let way = from.as_ref().map_or(Way::Plain, |f| Way::Beside(&f.found.frozen.run));
    let active = claimed(desk, &claim(desk, &id, &plan, &world), way)?;
    // Between looking and claiming another run may have ended. From here on nobody else changes these replicas.
    let before = match still_fits(&plan, &world).await {
        Ok(inventory) => inventory.of(plan.placements.keys()),
        Err(stale) => {
            active.release()?;
            return Err(stale);
        }
    };
    let setup = serde_json::to_value(&world.settings).map_err(|e| JournalError::io(&desk.own())(e.into()))?;
    let (seal, sealed) = sealed.unzip();
    let (confirmed, before) = (confirmed.then(|| desk.runner()), Some(before));
    let frozen =
        Frozen { format: VERSION, run: id.clone(), plan, setup, documents, seal, sealed, confirmed, before };
    let journal = match runs.create(&frozen) {
        Ok(journal) => journal,
        Err(error) => {
            active.release()?;
            return Err(error.into());
        }
    };
    if let Some(from) = from {
        let before = from.found.frozen.run.clone();
        if let Err(error) = from.close(desk, WAY_BACK) {
            // The run before holds on to its replicas, as if nothing had begun. Where that cannot be told, both stay: the way back
            // can be taken up and closes it.
            if runs.read(&before).is_ok_and(|found| !found.progress.is_over()) && runs.discard(&id).is_ok() {
                active.release()?;
            }
            return Err(error);
        }
    }
    let progress = Progress::new(Arc::new(frozen.plan));
    let said =
        carry(desk, &world, Ready { id: id.clone(), active, journal, progress, manner }, screen).await?;
    drop(world);
    undo::after(desk, undo::Terms { on_failure, run: &id, word }, said, screen).await
}

/// Whether the facts that the plan relied on are still what they were.
pub async fn still_fits(plan: &Plan, world: &World) -> Result<Inventory, Box<Answer>> {
    let inventory = world.observe(&world.subjects(&plan.placements)).await;
    match refused::stale(&changed(&plan.read, &inventory), plan) {
        Some(finding) => Err(Answer::stop(Exit::Stale, finding)),
        None => Ok(inventory),
    }
}

async fn sealed(desk: &Desk, ask: Ask, path: &Path, screen: &mut dyn Screen) -> Said {
    let (sealed, seal, text) = seal::read(path)?;
    let world = World::from_settings(desk, sealed.setup)?;
    ask.manner.check(&world)?;
    let inventory = still_fits(&sealed.plan, &world).await?;
    let next = Some(format!("lifeboat apply {}", super::shown(path)));
    let view = text::Options { now: Some(world.clock().now()), next, ..desk.view.clone() };
    // What is lost grows while a plan lies about: a person and the policies judge what would be lost now.
    let aged = sealed.plan.aged(world.clock().now());
    let shown = text::plan(&aged, &view);
    if sealed.plan.is_empty() {
        return Ok(Answer::ok(shown, desk.json(|| crate::report::json::plan(&sealed.plan))));
    }
    let (warned, sources) = allowed(desk, &aged, &inventory)?;
    free(desk, &sealed.plan)?;
    let mut found = preflight::of_plan(&world, &sealed.plan, None).await;
    found.extend(hooks::of_plan(desk, &sealed.plan).await);
    if preflight::stops(&found) {
        return Err(Box::new(Answer::with(Exit::Invalid, found, Sources::default())));
    }
    found.extend(warned);
    screen.show(&shown);
    worded(desk, &found, &sources, screen);
    confirm(&sealed.plan, ask.confirm.as_deref(), screen)?;
    let (plan, documents) = (sealed.plan, sealed.documents);
    let sealed = Some((seal, text));
    let what = Start { plan, documents, sealed, from: None, confirmed: true, manner: ask.manner };
    with(desk, (found, sources), start(desk, world, what, screen).await)
}

/// What the policies of the workspace say to a sealed plan. A sealed plan may be carried out where no documents are, and then no policy is.
fn allowed(desk: &Desk, plan: &Plan, inventory: &Inventory) -> Result<(Vec<Finding>, Sources), Box<Answer>> {
    let loaded = match documents(desk) {
        Ok(loaded) => loaded,
        Err(answer) if answer.findings.iter().all(|f| f.code == Code::NoDocuments) => {
            return Ok(Default::default());
        }
        Err(answer) => return Err(answer),
    };
    match gate::policies(plan, inventory, &loaded) {
        Ok(warned) => Ok((warned, loaded.sources)),
        Err(gates) => Err(Box::new(Answer::with(Exit::Gated, gates, loaded.sources))),
    }
}

/// A person types the name of what is going to be done, or has given it with `--confirm`.
pub fn confirm(plan: &Plan, said: Option<&str>, screen: &mut dyn Screen) -> Result<(), Box<Answer>> {
    let name = plan.purpose.to_string();
    let asked = || screen.ask(&format!("Type {name} to carry this out: "));
    let typed = said.map(str::to_owned).or_else(asked);
    let refuse = |message: String| {
        let finding = Finding::new(Code::ConfirmMismatch, message);
        Err(Answer::stop(Exit::Gated, finding.help(format!("add `--confirm {name}`; nothing was changed"))))
    };
    match typed.as_deref().map(str::trim) {
        Some(typed) if typed == name => Ok(()),
        Some(typed) => refuse(format!("`{typed}` is not the name of what is to be done, `{name}`")),
        None => refuse("the plan was not confirmed: its name was neither given nor typed".to_owned()),
    }
}

/// A name for a new run: when it began, and a few letters that keep two of one moment apart.
fn new_run(runs: &dyn Store, at: Timestamp) -> Result<RunId, Box<Answer>> {
    let count = runs.list()?.len();
    let second = Timestamp::from_millis(at.as_millis().div_euclid(1000) * 1000);
    let salt = format!("{at} {} {count}", std::process::id());
    for attempt in 0u32.. {
        let digest = Digest::of(format!("{salt} {attempt}").as_bytes()).to_string();
        let letters: String = digest.chars().take(4).collect();
        let id = RunId::new(&format!("{}-{letters}", second.compact()));
        match id {
            Ok(id) if !runs.is_taken(&id)? => return Ok(id),
            _ => {}
        }
    }
    Err(Answer::stop(Exit::Internal, Finding::new(Code::UnknownRun, "no free name for a run")))
}
