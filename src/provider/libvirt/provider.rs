//! libvirt's hosts as a provider. Each action is: look, do, and write down what holds now; what an action does to the facts is said once,
//! in `domain::effect`.

use super::case::{Case, Hosts, Trouble, concerns, glances, host_of};
use super::host::Host;
use super::machine::Run;
use super::sight::{Layers, Roll, bear_out, layers};
use super::{failback, failover, power, probe, replicate};
use crate::base::{PointId, SiteName, Timestamp};
use crate::domain::{
    Action, Consistency, CopyFacts, Facts, FailbackTarget, Moving, NotSo, Operation, PointKind, Relation,
    ReplicaDisk, RestorePoint, Role, Settled, Sight, Transfer, VmRef, alone, effect, requires, settled,
};
use crate::inventory::{Inventory, Observed, SiteSight, Typical};
use crate::port::{
    ActionKey, Clock, Failure, Hitch, Later, LibvirtSpec, Look, Order, Provider, Question, Rebuilt, Scope,
    Subject,
};
use crate::provider::meter::Meter;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::JoinSet;

/// Hosts of libvirt and QEMU.
pub struct Libvirt {
    hosts: Arc<Hosts>,
    clock: Arc<dyn Clock>,
    /// The meters of the actions that move data, also of those that are over: their readings are asked for afterwards.
    meters: Mutex<BTreeMap<ActionKey, Arc<Meter>>>,
}

/// What one host was seen to have.
type Seen = Result<(Roll, BTreeSet<String>), String>;

impl Libvirt {
    /// The hosts of some sites. Nothing is asked of them yet.
    #[must_use]
    pub fn new(sites: &BTreeMap<SiteName, LibvirtSpec>, clock: Arc<dyn Clock>) -> Self {
        let host =
            |(site, spec): (&SiteName, &LibvirtSpec)| (site.clone(), Host::new(site.clone(), spec.clone()));
        Self { hosts: Arc::new(sites.iter().map(host).collect()), clock, meters: Mutex::default() }
    }

    /// Asks all hosts at once what they have. One that does not answer holds nobody else up.
    async fn rolls(&self) -> BTreeMap<SiteName, Seen> {
        let mut tasks = JoinSet::new();
        for site in self.hosts.keys().cloned() {
            let hosts = Arc::clone(&self.hosts);
            tasks.spawn(async move {
                let seen = match hosts.get(&site) {
                    Some(host) => {
                        let seen = tokio::try_join!(Roll::call(host), layers(host));
                        host.heard(&seen);
                        seen.map_err(|e| e.to_string())
                    }
                    None => Err("the site is not known".to_owned()),
                };
                (site, seen)
            });
        }
        let mut rolls = BTreeMap::new();
        while let Some(done) = tasks.join_next().await {
            rolls.extend(done.ok());
        }
        rolls
    }

    async fn case(&self, order: &Order) -> Result<Case<'_>, Trouble> {
        let (replica, placement, action) = (&order.step.replica, &order.placement, &order.step.action);
        let mut case = Case::read(&self.hosts, replica, placement, concerns(action)).await?;
        if glances(action) && !case.host(Role::Source)?.is_silent() {
            case.source = case.look(&case.vm(Role::Source)).await;
        }
        Ok(case)
    }

    fn meters(&self) -> MutexGuard<'_, BTreeMap<ActionKey, Arc<Meter>>> {
        self.meters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn carry_out(&self, order: &Order) -> Result<(), Failure> {
        let mut case = self.case(order).await?;
        let action = &order.step.action;
        if action.is_of_copy() {
            return super::drill::carry_out(&mut case, order).await;
        }
        if action.moves() {
            let meter = Arc::new(Meter::new(Arc::clone(&self.clock)));
            self.meters().insert(order.key.clone(), Arc::clone(&meter));
            case.meter = Some(meter);
        }
        let facts = Facts { copy: copy_under(action, &case).await?, ..case.facts() };
        if already(action, &case, &facts) == Settled::Done {
            return Ok(());
        }
        requires(action, &facts).map_err(Failure::Refused)?;
        alone(action, &facts, order.placement.both_may_run).map_err(Failure::Refused)?;
        let now = self.clock.now();
        if !matches!(action, Action::CreatePoint { .. } | Action::SendChanges { .. }) {
            power::end_opened(&mut case).await?;
        }
        if action.machine().is_some() {
            // Power is seen without any record. What goes with it is written down before, or it would be lost with us.
            case.record.follow(&effect(action, facts, now));
            case.write().await?;
            change(&mut case, action, now).await?;
            return Ok(case.write().await?);
        }
        let full = copies_all(action, &facts);
        let at = change(&mut case, action, now).await?;
        if let (Some(full), Some(moving)) = (full, case.meter.as_ref().and_then(|m| m.moving())) {
            case.record.copies.add(Transfer::until(&moving, self.clock.now()), full);
        }
        // The facts of the record as it is now: an action may have written to it.
        let mut facts = effect(action, case.facts(), at);
        if let (Some(made), Some(point)) = (case.made, facts.points.last_mut()) {
            point.consistency = made;
        }
        case.record.follow(&facts);
        match action {
            Action::Begin { .. } if case.own.machine().is_none() => Ok(replicate::define(&mut case).await?),
            // With its record in it: what the replica is and what it has change in one moment.
            Action::CreatePoint { .. } if case.changed => {
                Ok(replicate::redefine(&case, &case.machine(Role::Replica)?.links()).await?)
            }
            _ => Ok(case.write().await?),
        }
    }

    async fn is_there(&self, order: &Order) -> Result<Settled, Trouble> {
        let case = self.case(order).await?;
        let facts = if order.step.action.is_of_copy() {
            super::drill::facts(&case).await?
        } else {
            Facts { copy: copy_under(&order.step.action, &case).await?, ..case.facts_on_disk().await? }
        };
        Ok(already(&order.step.action, &case, &facts))
    }
}

/// What stands of a drill, for actions that must not change restore points under it.
async fn copy_under(action: &Action, case: &Case<'_>) -> Result<CopyFacts, Trouble> {
    match action {
        Action::Retain { .. } | Action::Merge => Ok(super::drill::facts(case).await?.copy),
        _ => Ok(CopyFacts::default()),
    }
}

/// Whether an action copies all of a machine's data; `None` for one that copies nothing.
fn copies_all(action: &Action, facts: &Facts) -> Option<bool> {
    let built =
        || facts.relation.failback.as_ref().is_some_and(|f| matches!(f.target, FailbackTarget::Recovered(_)));
    match action {
        Action::CreatePoint { .. } => Some(facts.points.is_empty()),
        Action::SendChanges { phase } => Some(*phase == 1 && built()),
        _ => None,
    }
}

/// Whether an action is there already. Two of them are not done as soon as the facts say so: a machine whose processors stand still is on and
/// does not run, and points that are gone from the chain may still have to be merged.
fn already(action: &Action, case: &Case<'_>, facts: &Facts) -> Settled {
    match action {
        // Under a copy nothing is merged, and a later run goes on with it.
        Action::Retain { .. } if facts.copy.is_nothing() && replicate::merging(&case.record) => {
            Settled::NotDone
        }
        // One that is on for its disks' sake alone counts as off, and its QEMU must go as well.
        Action::PowerOff { vm } | Action::ShutDown { vm, .. } if power::is_opened(case, *vm) => {
            Settled::NotDone
        }
        Action::PowerOn { vm } if case.seen(*vm).machine().is_some_and(|m| m.run == Run::Paused) => {
            Settled::NotDone
        }
        _ => settled(action, facts),
    }
}

/// Does what the action says to machines and disks; returns the moment that counts as its own.
async fn change(case: &mut Case<'_>, action: &Action, now: Timestamp) -> Result<Timestamp, Trouble> {
    match action {
        Action::CreatePoint { point, quiesce, .. } => {
            return replicate::create_point(case, (point, *quiesce), now).await;
        }
        Action::Retain { keep } => replicate::retain(case, *keep).await?,
        Action::ShutDown { vm, within } => power::shut_down(case, *vm, *within).await?,
        Action::PowerOff { vm } => power::off(case, *vm).await?,
        Action::PowerOn { vm } => power::on(case, *vm).await?,
        Action::StartDelta => failover::start_delta(case).await?,
        Action::DropDelta => failover::drop_delta(case).await?,
        Action::Connect { links } => failover::connect(case, links).await?,
        Action::Merge => failover::merge(case).await?,
        Action::CreateTarget => failback::create_target(case).await?,
        Action::SnapshotTarget { phase } => failback::snapshot_target(case, *phase).await?,
        Action::SendChanges { phase } => failback::send(case, *phase, now).await?,
        Action::RevertTarget => failback::revert_target(case).await?,
        Action::Unprotect => failback::unprotect(case).await?,
        Action::KeepProtective { point } => {
            return Ok(failback::keep_protective(case, point).await?.unwrap_or(now));
        }
        // The replica that begins to be copied has a machine from then on, that its record stands in.
        Action::Begin { operation: Operation::Replicate { .. } } if case.own.machine().is_none() => {}
        // The target's layers are merged when the failback is committed, while it serves: until then it can become again what it was. What
        // protects the replica is its running delta, which nobody writes to while it is off.
        Action::MergeTarget | Action::Protect { .. } | Action::RevertReplica => {}
        Action::Hold => power::guard(case).await?,
        Action::Resume => power::unguard(case, Role::Source).await?,
        Action::Exclude => power::take_over(case, Role::Replica).await?,
        Action::Reassign => {
            case.record.baseline = None;
            power::take_over(case, Role::Target).await?;
        }
        Action::Begin { .. }
        | Action::Revert { .. }
        | Action::SetSwitchover { .. }
        | Action::Conclude { .. }
        | Action::MakeCopy { .. }
        | Action::RemoveCopy => {}
    }
    Ok(now)
}

/// A replica where nothing was ever replicated to.
fn unprotected(subject: &Subject, source: Sight) -> Facts {
    Facts {
        source,
        replica: Sight::Absent,
        target: None,
        points: Vec::new(),
        disk: ReplicaDisk::default(),
        relation: Relation::new(subject.placement.source.clone()),
        copy: CopyFacts::default(),
    }
}

/// Restore points whose replica's machine is gone: what their files are called is all that is known.
fn left_over(layers: &Layers, found: &BTreeSet<String>) -> Vec<RestorePoint> {
    let inside = format!("{}/", layers.folder);
    let names = found.iter().filter_map(|path| path.strip_prefix(&inside)?.strip_suffix(".qcow2"));
    let points: BTreeSet<PointId> =
        names.filter_map(|name| PointId::new(name.split_once('.')?.1).ok()).collect();
    let (at, kind, consistency) = (Timestamp::from_millis(0), PointKind::Regular, Consistency::Crash);
    let point = |id| RestorePoint { id, at, kind, consistency };
    points.into_iter().map(point).collect()
}

/// The facts of one replica, and how long things take for it; none where the recovery host tells nothing, and why where the record there does
/// not.
async fn facts(
    hosts: &Hosts,
    rolls: &BTreeMap<SiteName, Seen>,
    subject: &Subject,
) -> Result<Option<(Facts, Typical)>, String> {
    let Some(Ok(recovery)) = rolls.get(&subject.placement.replica.site) else { return Ok(None) };
    let whose = (&subject.replica, &subject.placement);
    let read = Case::with(hosts, whose, &recovery.0, &[]).await;
    let mut case = read.map_err(|why| why.to_string())?;
    let (source, target) = (case.vm(Role::Source), case.target.is_some().then(|| case.vm(Role::Target)));
    case.source = seen(hosts, rolls, &source).await;
    if let Some(vm) = target {
        case.target = Some(seen(hosts, rolls, &vm).await);
    }
    let mut facts = case.facts();
    let layers = case.layers().map_err(|why| why.to_string())?;
    facts.copy = super::drill::seen(&case, &recovery.0, &recovery.1).await.map_err(|why| why.to_string())?;
    if case.own.machine().is_none() {
        let points = left_over(&layers, &recovery.1);
        let facts =
            Facts { target: facts.target, points, copy: facts.copy, ..unprotected(subject, facts.source) };
        return Ok(Some((facts, Typical::default())));
    }
    bear_out(&case.record, &layers, &recovery.1, &mut facts);
    Ok(Some((facts, case.record.copies.typical())))
}

async fn seen(hosts: &Hosts, rolls: &BTreeMap<SiteName, Seen>, vm: &VmRef) -> super::case::Look {
    let roll = rolls.get(&vm.site).and_then(|seen| seen.as_ref().ok());
    let (Some((roll, _)), Ok(host)) = (roll, host_of(hosts, vm)) else { return super::case::Look::Unseen };
    match roll.machine(host, vm.vm.as_str()).await {
        Ok(Some(machine)) => super::case::Look::There(Box::new(machine)),
        Ok(None) => super::case::Look::Absent,
        Err(why) => {
            tracing::warn!(%why, machine = %vm, "a machine could not be looked at");
            super::case::Look::Unseen
        }
    }
}

impl Provider for Libvirt {
    fn observe<'a>(&'a self, subjects: &'a [Subject]) -> Later<'a, Inventory> {
        Box::pin(async move {
            let rolls = Arc::new(self.rolls().await);
            let at = self.clock.now();
            let sight = |seen: &Seen| SiteSight { at, silent: seen.as_ref().err().cloned() };
            let sites = rolls.iter().map(|(site, seen)| (site.clone(), sight(seen))).collect();
            let mut tasks = JoinSet::new();
            for subject in subjects.iter().cloned() {
                let (hosts, rolls) = (Arc::clone(&self.hosts), Arc::clone(&rolls));
                tasks.spawn(async move {
                    let (facts, why) = match facts(&hosts, &rolls, &subject).await {
                        Ok(facts) => (facts, None),
                        Err(why) => (None, Some(why)),
                    };
                    let (facts, typical) = facts.unzip();
                    (subject.replica, Observed { facts, why, typical: typical.unwrap_or_default() })
                });
            }
            let mut replicas = BTreeMap::new();
            while let Some(done) = tasks.join_next().await {
                replicas.extend(done.ok());
            }
            Inventory { at, sites, replicas }
        })
    }

    fn perform<'a>(&'a self, order: &'a Order) -> Later<'a, Result<(), Failure>> {
        Box::pin(self.carry_out(order))
    }

    fn progress(&self, key: &ActionKey) -> Option<Moving> {
        self.meters().get(key)?.moving()
    }

    fn look<'a>(&'a self, order: &'a Order) -> Later<'a, Look> {
        Box::pin(async move {
            let there = self.is_there(order).await.unwrap_or_else(|why| {
                tracing::warn!(%why, key = %order.key, "it cannot be told whether a step is done");
                Settled::CannotTell
            });
            Look::Settled(there)
        })
    }

    fn guard<'a>(&'a self, subjects: &'a [Subject]) -> Later<'a, Vec<VmRef>> {
        Box::pin(async move {
            let rolls = self.rolls().await;
            let mut found = Vec::new();
            for subject in subjects {
                let Some(Ok((roll, _))) = rolls.get(&subject.placement.replica.site) else { continue };
                match power::guarded(&self.hosts, subject, roll).await {
                    Ok(guarded) => found.extend(guarded),
                    Err(why) => {
                        tracing::warn!(replica = %subject.replica, %why, "its source was not looked at")
                    }
                }
            }
            found
        })
    }

    fn probe<'a>(&'a self, question: Question<'a>) -> Later<'a, Result<(), NotSo>> {
        Box::pin(async move {
            match host_of(&self.hosts, question.vm) {
                Ok(host) => probe::ask(host, question).await,
                Err(_) => Err(NotSo::Unseen),
            }
        })
    }

    fn preflight<'a>(&'a self, scope: &'a Scope) -> Later<'a, Vec<Hitch>> {
        Box::pin(super::preflight::preflight(&self.hosts, &self.clock, scope))
    }

    fn rebuild<'a>(&'a self, subject: &'a Subject, keep: u32) -> Later<'a, Result<Rebuilt, Failure>> {
        Box::pin(async move { Ok(super::rebuild::rebuild(&self.hosts, subject, keep).await?.1) })
    }

    fn write_rebuilt<'a>(
        &'a self,
        subject: &'a Subject,
        keep: u32,
        shown: &'a Rebuilt,
    ) -> Later<'a, Result<(), Failure>> {
        Box::pin(async move { Ok(super::rebuild::write(&self.hosts, subject, keep, shown).await?) })
    }
}
