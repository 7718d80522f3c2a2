//! The simulator as a provider, and as something to look into and to break.

use super::clock::{ScaledClock, VirtualClock};
use super::data;
use super::machine::{Blocks, Machine};
use super::probe::{self, Reply};
use super::setup::Setup;
use super::store::{SimError, Store};
use super::world::{Asked, EffectLine, Entry, Line, Moves, Served, World};
use crate::base::{Duration, PointId, ReplicaName, Timestamp};
use crate::domain::{
    Action, FailbackTarget, Moving, NotSo, Power, Role, Settled, VmRef, alone, requires, settled,
};
use crate::inventory::{Inventory, Observed, SiteSight, Typical};
use crate::port::{
    ActionKey, Clock, ClockSpec, Failure, FaultSpec, Hitch, Later, Look, Order, Placement, Provider,
    Question, Scope, Subject,
};
use crate::provider::prober::{self, About};
use rayon::prelude::*;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How long an action takes that neither copies nor waits for a guest.
pub(super) const STEP: Duration = Duration::from_secs(1);
/// How long merging layers takes.
const MERGE: Duration = Duration::from_secs(5);
/// A full copy takes so many times as long as a copy of changes.
const FULL: u64 = 4;

/// The simulator.
pub struct Simulator {
    store: Mutex<Store>,
    clock: Arc<dyn Clock>,
}

/// What an action that is asked for comes to.
enum Answer {
    /// At once.
    Now(Result<(), Failure>),
    /// At a time; whether its answer is lost.
    At(Timestamp, bool),
}

impl Simulator {
    /// Opens the world in a folder, or makes it from the setup. Nothing is written before something happens in it.
    ///
    /// # Errors
    /// [`SimError`].
    pub fn open(folder: &Path, setup: Setup) -> Result<Self, SimError> {
        let store = Store::open(folder, setup)?;
        let begins = store.world.now;
        let clock: Arc<dyn Clock> = match store.world.setup.clock().map_err(|()| SimError::Clocks)? {
            ClockSpec::Virtual => Arc::new(VirtualClock::new(begins)),
            ClockSpec::Speed(speed) => Arc::new(ScaledClock::new(begins, speed)),
        };
        Ok(Self { store: Mutex::new(store), clock })
    }

    /// The world's clock.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The world as it is now.
    pub(super) fn look_at<T>(&self, look: impl FnOnce(&mut World) -> T) -> Result<T, SimError> {
        let mut store = self.lock();
        store.read_on()?;
        let now = self.clock.now().max(store.world.now);
        store.world.catch_up(now);
        Ok(look(&mut store.world))
    }

    /// Decides in the world as it is, and writes what comes of it.
    pub(super) fn write<T>(
        &self,
        decide: impl FnOnce(&mut World) -> (Option<Line>, T),
    ) -> Result<T, SimError> {
        self.lock().write(decide)
    }

    fn note(&self, entry: Entry) -> Result<(), SimError> {
        let now = self.clock.now();
        self.lock().write(|world| (Some(Line { at: now.max(world.now), entry }), ()))
    }

    /// Lets something go wrong from now on.
    ///
    /// # Errors
    /// [`SimError`].
    pub fn set_fault(&self, fault: FaultSpec) -> Result<(), SimError> {
        self.note(Entry::Fault(fault))
    }

    /// Nothing goes wrong any more.
    ///
    /// # Errors
    /// [`SimError`].
    pub fn heal(&self) -> Result<(), SimError> {
        self.note(Entry::Healed)
    }

    /// Lets time pass.
    ///
    /// # Errors
    /// [`SimError`].
    pub fn advance(&self, by: Duration) -> Result<(), SimError> {
        let now = self.clock.now();
        self.lock()
            .write(|world| (Some(Line { at: now.max(world.now).after(by), entry: Entry::Advanced }), ()))
    }

    /// Powers a machine on or off by hand, as somebody at its site would.
    ///
    /// # Errors
    /// [`SimError`].
    pub fn set_power(&self, vm: &VmRef, to: Power) -> Result<(), SimError> {
        self.note(Entry::Power { vm: vm.clone(), to })
    }

    /// Records the time that has passed in this process, so that the next one goes on from there. Only a process that acted needs it.
    ///
    /// # Errors
    /// [`SimError`].
    pub fn close(&self) -> Result<(), SimError> {
        let now = self.clock.now();
        self.lock().write(|world| {
            let at = now.max(world.now);
            (Some(Line { at, entry: Entry::Advanced }), ())
        })
    }

    /// The time in the world.
    ///
    /// # Errors
    /// [`SimError`].
    pub fn now(&self) -> Result<Timestamp, SimError> {
        self.look_at(|world| world.now)
    }

    /// The blocks of a machine's disk; `None` where there is no such machine.
    ///
    /// # Errors
    /// [`SimError`].
    pub fn disk(&self, vm: &VmRef) -> Result<Option<Blocks>, SimError> {
        self.look_at(|world| world.machine(vm).map(|m| m.blocks(world.now)))
    }

    /// A machine as it is.
    ///
    /// # Errors
    /// [`SimError`].
    pub fn machine(&self, vm: &VmRef) -> Result<Option<Machine>, SimError> {
        self.look_at(|world| world.machine(vm))
    }

    /// The blocks of a restore point.
    ///
    /// # Errors
    /// [`SimError`].
    pub fn point(&self, replica: &ReplicaName, point: &PointId) -> Result<Option<Blocks>, SimError> {
        self.look_at(|world| world.point_blocks(replica, point))
    }

    /// Every effect that happened, in its order.
    ///
    /// # Errors
    /// [`SimError`].
    pub fn effects(&self) -> Result<Vec<EffectLine>, SimError> {
        self.look_at(|world| world.effects.clone())
    }

    /// The times in which machines ran that were started or stopped since the world began.
    ///
    /// # Errors
    /// [`SimError`].
    pub fn served(&self) -> Result<Vec<Served>, SimError> {
        self.look_at(|world| world.served.clone())
    }

    /// What goes wrong at present.
    ///
    /// # Errors
    /// [`SimError`].
    pub fn faults(&self) -> Result<Vec<FaultSpec>, SimError> {
        self.look_at(|world| world.faults.iter().map(|f| f.spec.clone()).collect())
    }

    fn ask(&self, order: &Order) -> Result<Answer, SimError> {
        let now = self.clock.now();
        self.lock().write(|world| {
            let now = now.max(world.now);
            world.catch_up(now);
            decide(world, order, now)
        })
    }

    /// Whether the action was cut off by its site falling silent, once it is over.
    fn finished(&self, order: &Order) -> Result<(), Failure> {
        let (now, key) = (self.clock.now(), order.key.to_string());
        let looked = self.lock().write(|world| {
            let at = now.max(world.now);
            world.catch_up(at);
            // Who is told of an effect tells others, and may die then: the next process must not find a world in which it has not happened.
            let unsaid = world.asked(&key).is_some_and(|asked| asked.ends > world.noted);
            (unsaid.then_some(Line { at, entry: Entry::Advanced }), silent_site(world, order))
        });
        match looked.map_err(|e| Failure::NoAnswer(e.to_string()))? {
            Some(why) => Err(Failure::NoAnswer(why)),
            None => Ok(()),
        }
    }
}

/// What becomes of an order at a time, and what the log says about it.
fn decide(world: &mut World, order: &Order, now: Timestamp) -> (Option<Line>, Answer) {
    let key = order.key.to_string();
    let at_once = |answer| (None, Answer::Now(answer));
    if let Some(why) = silent_site(world, order) {
        return at_once(Err(Failure::NoAnswer(why)));
    }
    if let Some(asked) = world.asked(&key)
        && asked.ends > now
    {
        return (None, Answer::At(asked.ends, false));
    }
    let (replica, action) = (&order.step.replica, &order.step.action);
    let facts = world.facts(replica, &order.placement);
    if settled(action, &facts) == Settled::Done {
        return at_once(Ok(()));
    }
    let may_share = order.placement.both_may_run;
    if let Err(unmet) = requires(action, &facts).and_then(|()| alone(action, &facts, may_share)) {
        return at_once(Err(Failure::Refused(unmet)));
    }
    let fault = |wanted: fn(&FaultSpec) -> bool| {
        let hit = |f: &super::world::Fault| wanted(&f.spec) && concerns(f, order);
        world.faults.iter().position(hit)
    };
    if let Some(fault) = fault(|f| matches!(f, FaultSpec::Fails { .. })) {
        let entry = Entry::Failed { fault, key };
        let failure = Failure::Failed(format!("the simulator was told to let {} fail", action.word()));
        return (Some(Line { at: now, entry }), Answer::Now(Err(failure)));
    }
    let ends = ends(world, order, now);
    let lost = fault(|f| matches!(f, FaultSpec::AnswerLost { .. }));
    let cuts = lost
        .and_then(|p| world.faults.get(p))
        .is_some_and(|f| matches!(f.spec, FaultSpec::AnswerLost { cut: true, .. }));
    let moves = data::moves(world, replica, action, (&order.placement, now));
    let asked = Asked {
        key,
        replica: replica.clone(),
        action: action.clone(),
        placement: order.placement.clone(),
        ends,
        moves: moves.map(|bytes| Moves { since: now, bytes }),
        lost,
        cut: cuts.then(|| order.placement.replica.site.clone()),
    };
    (Some(Line { at: now, entry: Entry::Asked(Box::new(asked)) }), Answer::At(ends, lost.is_some()))
}

/// When an action is over that begins now.
fn ends(world: &World, order: &Order, now: Timestamp) -> Timestamp {
    let slows = |f: &&super::world::Fault| matches!(f.spec, FaultSpec::Slow { .. }) && concerns(f, order);
    let slower = match world.faults.iter().find(slows).map(|f| &f.spec) {
        Some(FaultSpec::Slow { by, .. }) => *by,
        _ => Duration::ZERO,
    };
    now.after(takes(world, order).plus(slower))
}

/// Whether a fault concerns an order and has not been used up.
fn concerns(fault: &super::world::Fault, order: &Order) -> bool {
    let (action, replica, times) = match &fault.spec {
        FaultSpec::Fails { action, replica, times }
        | FaultSpec::AnswerLost { action, replica, times, .. } => (action, replica, *times),
        FaultSpec::Slow { action, replica, .. } => (action, replica, None),
        FaultSpec::Silent { .. } | FaultSpec::NeverReady { .. } => return false,
    };
    action.as_deref().is_none_or(|a| a == order.step.action.word())
        && replica.as_ref().is_none_or(|r| *r == order.step.replica)
        && times.is_none_or(|t| fault.used < t)
}

/// Why the sites that an order needs do not answer.
fn silent_site(world: &World, order: &Order) -> Option<String> {
    let role = match &order.step.action {
        Action::CreatePoint { .. } => Some(Role::Source),
        Action::SnapshotTarget { .. }
        | Action::SendChanges { .. }
        | Action::MergeTarget
        | Action::RevertTarget
        | Action::CreateTarget => Some(Role::Target),
        action => action.machine(),
    };
    let recovery = &order.placement.replica.site;
    world.silent(recovery).or_else(|| role.and_then(|r| world.silent(&order.placement.vm(r).site)))
}

/// How long an action takes in the world.
fn takes(world: &World, order: &Order) -> Duration {
    let placement = &order.placement;
    let spec = |role: Role| world.spec(&placement.vm(role));
    let full = |sync: Duration| Duration::from_millis(sync.as_millis().saturating_mul(FULL));
    match &order.step.action {
        Action::CreatePoint { .. } => {
            let sync = spec(Role::Source).sync;
            if world.state(&order.step.replica).points.is_empty() { full(sync) } else { sync }
        }
        Action::SendChanges { phase } => {
            let sync = spec(Role::Replica).sync;
            let state = world.state(&order.step.replica);
            let built = state.relation.failback.as_ref();
            let built = built.is_some_and(|f| matches!(f.target, FailbackTarget::Recovered(_)));
            if built && *phase == 1 { full(sync) } else { sync }
        }
        Action::ShutDown { vm, within } => {
            let machine = world.machine(&placement.vm(*vm));
            // A guest that is not up yet cannot be asked.
            let up = machine.is_some_and(|m| m.booted(world.now));
            if up { spec(*vm).shutdown.min(*within) } else { STEP }
        }
        Action::Merge | Action::MergeTarget => MERGE,
        _ => STEP,
    }
}

fn typical(world: &World, placement: &Placement) -> Typical {
    let spec = world.spec(&placement.source);
    let full = Duration::from_millis(spec.sync.as_millis().saturating_mul(FULL));
    Typical { sync: spec.sync, full, boot: spec.boot, shutdown: spec.shutdown, merge: MERGE, step: STEP }
}

impl Provider for Simulator {
    fn observe<'a>(&'a self, subjects: &'a [Subject]) -> Later<'a, Inventory> {
        let now = self.clock.now();
        let seen = self.look_at(|world| {
            let sight =
                |site: &crate::base::SiteName| SiteSight { at: world.now, silent: world.silent(site) };
            let sites = world.setup.sites.keys().map(|s| (s.clone(), sight(s))).collect();
            let one = |subject: &Subject| {
                let placement = &subject.placement;
                let seen = world.silent(&placement.replica.site).is_none();
                let facts = seen.then(|| world.facts(&subject.replica, placement));
                (subject.replica.clone(), Observed { facts, why: None, typical: typical(world, placement) })
            };
            let replicas: Vec<_> = subjects.par_iter().map(one).collect();
            Inventory { at: world.now, sites, replicas: replicas.into_iter().collect() }
        });
        // A world that cannot be read is a world that does not answer.
        let inventory = seen.unwrap_or_else(|why| {
            let silent = SiteSight { at: now, silent: Some(why.to_string()) };
            let sites = subjects.iter().map(|s| (s.placement.replica.site.clone(), silent.clone()));
            Inventory { at: now, sites: sites.collect(), replicas: std::collections::BTreeMap::new() }
        });
        Box::pin(async move { inventory })
    }

    fn perform<'a>(&'a self, order: &'a Order) -> Later<'a, Result<(), Failure>> {
        Box::pin(async move {
            let began = self.clock.now();
            let answer = self.ask(order).map_err(|e| Failure::Failed(e.to_string()))?;
            let (ends, lost) = match answer {
                Answer::Now(answer) => {
                    if matches!(answer, Err(Failure::NoAnswer(_))) {
                        self.clock.until(began.after(STEP)).await;
                    }
                    return answer;
                }
                Answer::At(ends, lost) => (ends, lost),
            };
            let limit = began.after(order.limit);
            self.clock.until(ends.min(limit)).await;
            if ends > limit {
                return Err(Failure::NoAnswer(format!("not done within {}", order.limit)));
            }
            let finished = self.finished(order);
            if lost {
                return Err(Failure::NoAnswer("the simulator was told to lose the answer".to_owned()));
            }
            finished
        })
    }

    fn progress(&self, key: &ActionKey) -> Option<Moving> {
        let key = key.to_string();
        let so_far = |world: &mut World| {
            let asked = world.asked(&key)?;
            let Moves { since, bytes } = asked.moves?;
            let (gone, all) = (world.now.since(since).as_millis(), asked.ends.since(since).as_millis());
            let done = u128::from(bytes) * u128::from(gone.min(all)) / u128::from(all.max(1));
            Some(Moving { done: u64::try_from(done).unwrap_or(bytes), of: bytes, since, ended: None })
        };
        self.look_at(so_far).ok().flatten()
    }

    fn look<'a>(&'a self, order: &'a Order) -> Later<'a, Look> {
        let looked = self.look_at(|world| {
            if silent_site(world, order).is_some() {
                return Look::Settled(Settled::CannotTell);
            }
            match world.asked(&order.key.to_string()) {
                Some(asked) if asked.ends > world.now => Look::InProgress,
                _ => {
                    let facts = world.facts(&order.step.replica, &order.placement);
                    Look::Settled(settled(&order.step.action, &facts))
                }
            }
        });
        let looked = looked.unwrap_or(Look::Settled(Settled::CannotTell));
        Box::pin(async move { looked })
    }

    fn preflight<'a>(&'a self, scope: &'a Scope) -> Later<'a, Vec<Hitch>> {
        // A world that cannot be read was found out when it was observed.
        let found = self.look_at(|world| super::preflight::preflight(world, scope)).unwrap_or_default();
        Box::pin(std::future::ready(found))
    }

    fn probe<'a>(&'a self, question: Question<'a>) -> Later<'a, Result<(), NotSo>> {
        let Question { replica, vm, probe: asked } = question;
        let seen = self.look_at(|world| probe::ask(world, vm, asked));
        Box::pin(async move {
            match seen {
                Ok(Reply { answer: Some(answer), .. }) => answer,
                // The runner's own command is no part of the world: it is run, and takes no time in it.
                Ok(Reply { answer: None, addresses }) => {
                    prober::ask(asked, About { replica, vm, addresses: &addresses }).await
                }
                Err(why) => Err(NotSo::CannotAsk { why: why.to_string() }),
            }
        })
    }
}
