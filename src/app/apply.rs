//! `lifeboat apply RUNBOOK or FILE`: carries a plan out.

use super::approvals::{self, Admitted, Case, Sealed, Terms, admitted, signable};
use super::carry::{Manner, Ready, carry, claim, claimed, free};
use super::hold::{Held, WAY_BACK};
use super::load::{Loaded, load};
use super::prepare::{Prepared, prepare, runbook};
use super::world::World;
use super::{
    Answer, Desk, Exit, Said, Screen, drill, drilled, gate, hooks, names, preflight, seal, slice, undo,
};
use crate::base::{Digest, RunId, Timestamp};
use crate::diag::{Code, Finding, Severity, Sources};
use crate::inventory::{Inventory, changed};
use crate::journal::record::VERSION;
use crate::journal::{Frozen, JournalError, Store, Way};
use crate::plan::{Need, Plan, Purpose};
use crate::report::{Style, diagnostic, refused, text};
use crate::run::Admission;
use std::path::Path;

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
    /// What is said of approvals.
    pub terms: Terms,
    /// How it is driven.
    pub manner: Manner,
}

/// Carries the command out.
///
/// # Errors
/// An early end.
pub async fn apply(desk: &Desk, ask: Ask, screen: &mut dyn Screen) -> Said {
    ask.manner.sound()?;
    let is_broken = ask.terms.glass(desk)?.is_some();
    let what = ask.what.clone();
    let path = Path::new(&what);
    if path.is_file() || ask.what.contains('/') || ask.what.ends_with(".json") {
        return if ask.slice.is_whole() {
            sealed(desk, ask, path, screen).await
        } else {
            Err(slice::sealed())
        };
    }
    if let Some(file) = ask.terms.files.first() {
        let finding =
            Finding::new(Code::ApprovalUnfit, "an approval is of a sealed plan, and this is a runbook");
        let help = format!("`lifeboat plan {what} --out FILE` seals one; it is approved, and then applied");
        let finding = Finding { severity: Severity::Error, ..finding.about(super::shown(file)).help(help) };
        return Err(Answer::stop(Exit::Invalid, finding));
    }
    let loaded = load(desk)?.sound_but_signers()?;
    let mut asked = runbook(&loaded, &ask.what)?;
    asked.switchover_now = ask.switchover;
    asked.slice = slice::selected(&ask.slice, &asked.desired, &loaded.workspace)?;
    let mut prepared = prepare(desk, loaded, &asked).await?;
    prepared.loaded = unless_broken(is_broken, &prepared.plan.needs, prepared.loaded)?;
    if prepared.plan.is_empty() {
        // Machines are where they shall be; names may not.
        let (prepared, found) = super::plan::looked_at(desk, prepared).await?;
        let mut answer = super::plan::shown(desk, &prepared, ask.switchover);
        answer.findings.extend(found);
        answer.sources = prepared.loaded.sources;
        return Ok(answer);
    }
    ask.manner.check(&prepared.world)?;
    let (plan, at) = (&prepared.plan, prepared.world.clock().now());
    let case = Case { plan, needs: plan.needs.clone(), sealed: None, at };
    let Admitted { admission, told } = admitted(desk, case, &ask.terms, Some(&prepared.loaded))
        .await
        .map_err(|found| Answer::with(Exit::Gated, found, prepared.loaded.sources.clone()))?;
    free(desk, &prepared.plan)?;
    let (prepared, mut found) = super::plan::looked_at(desk, prepared).await?;
    found.extend(told);
    screen.show(&super::plan::shown(desk, &prepared, ask.switchover).human);
    worded(desk, &found, &prepared.loaded.sources, screen);
    confirm(&prepared.plan, ask.confirm.as_deref(), screen)?;
    let sources = prepared.loaded.sources.clone();
    let Prepared { loaded, world, plan, .. } = prepared;
    let (documents, manner) = (loaded.documents, ask.manner);
    let what = Start { plan, documents, sealed: None, from: None, confirmed: true, admission, manner };
    with(desk, (found, sources), start(desk, world, what, screen).await)
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
    let confirmed =
        !matches!(plan.purpose, Purpose::Replicate | Purpose::Drill { .. } | Purpose::EndDrill { .. });
    let what = Start {
        plan,
        documents: loaded.documents,
        sealed: None,
        from: None,
        confirmed,
        admission: None,
        manner,
    };
    start(desk, world, what, screen).await
}

/// The same for the way back from a run: it takes the replicas over, and only when it is there to be taken up is that run closed.
pub async fn begin_back(desk: &Desk, prepared: Prepared, from: Held, screen: &mut dyn Screen) -> Said {
    let Prepared { loaded, world, plan, .. } = prepared;
    let (documents, manner) = (loaded.documents, Manner::default());
    let start_back =
        Start { plan, documents, sealed: None, from: Some(from), confirmed: true, admission: None, manner };
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
    /// What lets it begin, where its plan needs approvals.
    admission: Option<Admission>,
    /// How it is driven.
    manner: Manner,
}

async fn start(desk: &Desk, world: World, what: Start, screen: &mut dyn Screen) -> Said {
    let Start { plan, documents, sealed, from, confirmed, admission, manner } = what;
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
    let frozen = Frozen {
        format: VERSION,
        run: id.clone(),
        plan,
        setup,
        documents,
        seal,
        sealed,
        confirmed,
        admission,
        before,
    };
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
    let progress = frozen.begun();
    let said =
        carry(desk, &world, Ready { id: id.clone(), active, journal, progress, manner }, screen).await?;
    drop(world);
    let said = undo::after(desk, undo::Terms { on_failure, run: &id, word }, said, screen).await?;
    drill::after(desk, &id, said, screen).await
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
    of_runbook(&sealed.plan)?;
    let world = World::from_settings(desk, sealed.setup)?;
    ask.manner.check(&world)?;
    let inventory = still_fits(&sealed.plan, &world).await?;
    holds(&sealed.plan, &inventory)?;
    let (now, next) = (world.clock().now(), Some(format!("lifeboat apply {}", super::shown(path))));
    let view = text::Options { now: Some(now), next, ..desk.view.clone() };
    // What is lost grows while a plan lies about: a person and the policies judge what would be lost now.
    let aged = sealed.plan.aged(now);
    let shown = text::plan(&aged, &view);
    if sealed.plan.is_empty() {
        return Ok(Answer::ok(shown, desk.json(|| crate::report::json::plan(&sealed.plan))));
    }
    let loaded = around(desk)?;
    let needs = approvals::needs(&aged, loaded.as_ref());
    let is_broken = ask.terms.glass(desk)?.is_some();
    let loaded = loaded.map(|loaded| unless_broken(is_broken, &needs, loaded)).transpose()?;
    let (mut warned, sources) = allowed(&aged, &inventory, loaded.as_ref())?;
    if let Some(loaded) = &loaded {
        warned.extend(drilled::of_plan(desk, &aged, loaded, now)?);
    }
    let file = Sealed { path, seal, signers: sealed.signers.as_deref() };
    let case = Case { plan: &aged, needs, sealed: Some(file), at: now };
    let Admitted { admission, told } = admitted(desk, case, &ask.terms, loaded.as_ref())
        .await
        .map_err(|found| Answer::with(Exit::Gated, found, sources.clone()))?;
    free(desk, &sealed.plan)?;
    let mut found = preflight::of_plan(&world, &sealed.plan, None).await;
    found.extend(hooks::of_plan(desk, &sealed.plan).await);
    found.extend(names::of_plan(&world, &world.names(desk), &sealed.plan).await.findings);
    if preflight::stops(&found) {
        return Err(Box::new(Answer::with(Exit::Invalid, found, Sources::default())));
    }
    found.extend(warned.into_iter().chain(told));
    screen.show(&shown);
    worded(desk, &found, &sources, screen);
    confirm(&sealed.plan, ask.confirm.as_deref(), screen)?;
    let (plan, documents) = (sealed.plan, sealed.documents);
    let sealed = Some((seal, text));
    let what = Start { plan, documents, sealed, from: None, confirmed: true, admission, manner: ask.manner };
    with(desk, (found, sources), start(desk, world, what, screen).await)
}

/// Whoever breaks the glass needs no allowed signers, and neither does whoever needs no approvals.
fn unless_broken(is_broken: bool, needs: &[Need], loaded: Loaded) -> Result<Loaded, Box<Answer>> {
    if is_broken { Ok(loaded.unsigned()) } else { signable(needs, loaded) }
}

/// What is sealed is a runbook's plan, and nothing else: a replication run and a way back need no approvals, so nothing may pass for one.
pub fn of_runbook(plan: &Plan) -> Result<(), Box<Answer>> {
    match plan.purpose {
        Purpose::Runbook(_) => Ok(()),
        Purpose::Replicate | Purpose::Abort(_) | Purpose::Drill { .. } | Purpose::EndDrill { .. } => {
            let finding = Finding::new(Code::PlanUnreadable, "the file is no sealed plan of a runbook");
            Err(Answer::stop(Exit::Invalid, finding.help("`lifeboat plan RUNBOOK --out FILE` seals one")))
        }
    }
}

/// A seal tells that nothing was changed since, and not by whom it was made. So the steps are held against what they are said to do, and what
/// they lose, as if they had just been planned.
fn holds(plan: &Plan, inventory: &Inventory) -> Result<(), Box<Answer>> {
    let violations = crate::checker::check(plan, inventory);
    if violations.is_empty() {
        return Ok(());
    }
    let found = violations.iter().map(|v| Finding { code: Code::PlanStale, ..refused::violation(v, plan) });
    let found = found.map(|f| f.help("plan again; nothing was changed"));
    Err(Box::new(Answer::with(Exit::Stale, found.collect(), Sources::default())))
}

/// The documents around a sealed plan. It may be carried out where there are none, and then no policy but what it was sealed with is there.
pub fn around(desk: &Desk) -> Result<Option<Loaded>, Box<Answer>> {
    match load(desk)?.sound_but_signers() {
        Ok(loaded) => Ok(Some(loaded)),
        Err(answer) if answer.findings.iter().all(|f| f.code == Code::NoDocuments) => Ok(None),
        Err(answer) => Err(answer),
    }
}

/// What the policies of the workspace say to a sealed plan.
fn allowed(
    plan: &Plan,
    inventory: &Inventory,
    loaded: Option<&Loaded>,
) -> Result<(Vec<Finding>, Sources), Box<Answer>> {
    let Some(loaded) = loaded else { return Ok(Default::default()) };
    match gate::policies(plan, inventory, loaded) {
        Ok(warned) => Ok((warned, loaded.sources.clone())),
        Err(gates) => Err(Box::new(Answer::with(Exit::Gated, gates, loaded.sources.clone()))),
    }
}

/// A person types the name of what is going to be done, or has given it with `--confirm`.
pub fn confirm(plan: &Plan, said: Option<&str>, screen: &mut dyn Screen) -> Result<(), Box<Answer>> {
    typed(&plan.purpose.to_string(), ("carry this out", "the plan"), said, screen)
}

/// A person types a name, or has given it: for what, and of what.
pub fn typed(
    name: &str,
    (to, what): (&str, &str),
    said: Option<&str>,
    screen: &mut dyn Screen,
) -> Result<(), Box<Answer>> {
    let asked = || screen.ask(&format!("Type {name} to {to}: "));
    let typed = said.map(str::to_owned).or_else(asked);
    let refuse = |message: String| {
        let finding = Finding::new(Code::ConfirmMismatch, message);
        Err(Answer::stop(Exit::Gated, finding.help(format!("add `--confirm {name}`; nothing was changed"))))
    };
    match typed.as_deref().map(str::trim) {
        Some(typed) if typed == name => Ok(()),
        Some(typed) => refuse(format!("`{typed}` is not the name of what is to be done, `{name}`")),
        None => refuse(format!("{what} was not confirmed: its name was neither given nor typed")),
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
