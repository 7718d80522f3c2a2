//! From a route to the legs of one replica: the particulars of each operation, its actions as far as they are still needed,
//! what is lost, and which facts that relied on.

use super::case::Case;
use super::conflicts::Serving;
use super::fences;
use super::names::{self, Following};
use super::network;
use super::recipe::{self, Particulars};
use super::route::Hop;
use crate::base::{NetworkName, PointId};
use crate::domain::{
    Action, Cutover, Facts, FailbackTarget, Loss, LossKind, Operation, OperationKind, Power, RestorePoint,
    Role, Sight, State, Switchover,
};
use crate::inventory::FactName;
use crate::model::{Keep, PointChoice, SourceTreatment};
use crate::plan::{Around, NotServing, RefusedWhy, Why};
use crate::port::Placement;

/// One leg before it has a place in a plan.
#[derive(Debug, Clone)]
pub struct LegDraft {
    /// The operation.
    pub operation: Operation,
    /// Why.
    pub why: Why,
    /// Where it leads.
    pub to: State,
    /// What is left to do.
    pub actions: Vec<Action>,
    /// The time that its beginning waits for.
    pub not_before: Option<crate::base::Timestamp>,
    /// Whether the machine it starts is waited for.
    pub awaits: Option<Role>,
    /// What is fenced before it.
    pub fence: Option<Around>,
    /// The names that follow the machine which serves then.
    pub names: Vec<Cutover>,
}

/// What a replica's way through a plan is made of.
#[derive(Debug, Clone)]
pub struct Itinerary {
    /// The legs in their order.
    pub legs: Vec<LegDraft>,
    /// Where they end.
    pub then: State,
    /// What the document asks for beyond that.
    pub halts_before: Option<State>,
    /// What is lost.
    pub loses: Vec<Loss>,
    /// The machines.
    pub placement: Placement,
    /// What it starts and stops.
    pub serving: Serving,
    /// The facts that were relied on.
    pub reads: Vec<FactName>,
    /// What is worth a look.
    pub notes: Vec<Note>,
    /// The leg that undoes the failback where its verification fails.
    pub on_failed_verification: Option<LegDraft>,
}

/// What is worth a look; becomes a warning of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// The source runs on beside the replica.
    SourceLeftRunning,
    /// The source cannot be seen.
    SourceUnseen,
    /// The source cannot be seen, and the replica is to run on a network that the source had.
    MayBothServe(NetworkName),
    /// An older point than the latest.
    OlderPoint,
    /// The source stays off.
    SourceStaysOff,
    /// Nothing starts the source, and it is not seen running.
    SourceNotServing(NotServing),
    /// A name stays as it is, because nobody knows what it shall say.
    NameLeftOut {
        /// The name.
        name: String,
        /// The machine that serves then.
        role: Role,
    },
}

/// Builds the itinerary along a route.
pub fn build(case: &Case<'_>, facts: &Facts, route: &[Hop]) -> Result<Itinerary, RefusedWhy> {
    let mut builder = Builder::new(case, facts.clone());
    for hop in route {
        if builder.halts_before(*hop) {
            break;
        }
        builder.hop(*hop)?;
    }
    builder.finish()
}

struct Builder<'a> {
    case: &'a Case<'a>,
    /// The facts as they will be after the legs so far.
    facts: Facts,
    legs: Vec<LegDraft>,
    halts: bool,
    loses: Vec<Loss>,
    reads: Vec<FactName>,
    notes: Vec<Note>,
    undo: Option<LegDraft>,
}

impl<'a> Builder<'a> {
    fn new(case: &'a Case<'a>, facts: Facts) -> Self {
        let reads = vec![FactName::Condition, FactName::Source];
        Self {
            case,
            facts,
            legs: Vec::new(),
            halts: false,
            loses: Vec::new(),
            reads,
            notes: Vec::new(),
            undo: None,
        }
    }

    /// A manual switchover waits for a person's word; the plan ends before it.
    fn halts_before(&mut self, hop: Hop) -> bool {
        let manual = self.case.desired.failback.switchover == Switchover::Manual;
        if hop == Hop::Do(OperationKind::Switchover) && manual && !self.case.switchover_now {
            self.halts = true;
        }
        self.halts
    }

    fn hop(&mut self, hop: Hop) -> Result<(), RefusedWhy> {
        let operation = match hop {
            Hop::Complete(_) => self.interrupted(),
            Hop::Do(_) | Hop::TakeBack(_) => None,
        };
        let operation = match operation {
            Some(operation) => operation,
            None => self.particular(hop.operation())?,
        };
        self.account(&operation);
        if hop == Hop::Do(OperationKind::Switchover) && self.wants_other_time() {
            self.change_time();
        }
        self.add_leg(operation, hop.why())
    }

    fn interrupted(&self) -> Option<Operation> {
        match crate::domain::condition(&self.facts) {
            crate::domain::Condition::PartWay(operation) => Some(operation),
            _ => None,
        }
    }

    /// The particulars of a new operation.
    fn particular(&mut self, kind: OperationKind) -> Result<Operation, RefusedWhy> {
        Ok(match kind {
            OperationKind::Replicate => Operation::Replicate { point: self.new_point("") },
            OperationKind::Failover => Operation::Failover { point: self.chosen_point()? },
            OperationKind::PlannedFailover => {
                Operation::PlannedFailover { first: self.new_point("-a"), last: self.new_point("-b") }
            }
            OperationKind::UndoFailover => Operation::UndoFailover,
            OperationKind::PermanentFailover => Operation::PermanentFailover,
            OperationKind::Failback => Operation::Failback {
                target: self.target()?,
                switchover: self.case.desired.failback.switchover,
            },
            OperationKind::Switchover => {
                Operation::Switchover { power_on: self.case.desired.failback.power_on }
            }
            OperationKind::CommitFailback => Operation::CommitFailback { keep: self.new_point("-f") },
            OperationKind::UndoFailback => Operation::UndoFailback,
            OperationKind::Drill => Operation::Drill { point: self.chosen_point()? },
            OperationKind::EndDrill => Operation::EndDrill,
        })
    }

    /// A restore point's name: the time of planning says which plan made it, whatever points come and go meanwhile.
    fn new_point(&self, suffix: &str) -> PointId {
        let mut id = PointId::made_at(self.case.inventory.at, suffix);
        for n in 2.. {
            if self.facts.point(&id).is_none() {
                break;
            }
            id = PointId::made_at(self.case.inventory.at, &format!("{suffix}-{n}"));
        }
        id
    }

    fn chosen_point(&mut self) -> Result<PointId, RefusedWhy> {
        let (choice, facts) = (&self.case.desired.point, &self.facts);
        let oldest = || facts.points.first().map(|p| (p.id.clone(), p.at));
        if let (Some(id), PointChoice::Latest) = (self.case.cut, choice) {
            // A newer point of any member may make a newer cut.
            self.reads.push(FactName::Latest);
            let point = facts.point(id).ok_or_else(|| RefusedWhy::NoSuchPoint(id.clone()))?;
            return Ok(self.take(&point.clone(), FactName::Point(id.clone())));
        }
        let by_name = self.case.cut.cloned().map(PointChoice::Id);
        let (found, read) = match by_name.as_ref().unwrap_or(choice) {
            PointChoice::Latest => {
                let none = || RefusedWhy::NoPointAt { at: self.case.inventory.at, oldest: None };
                (facts.latest().ok_or_else(none)?, FactName::Latest)
            }
            PointChoice::At(at) => {
                let none = || RefusedWhy::NoPointAt { at: *at, oldest: oldest() };
                let point = facts.point_at(*at).ok_or_else(none)?;
                (point, FactName::Point(point.id.clone()))
            }
            PointChoice::Id(id) => {
                let point = facts.point(id).ok_or_else(|| RefusedWhy::NoSuchPoint(id.clone()))?;
                (point, FactName::Point(id.clone()))
            }
        };
        let found = found.clone();
        if facts.latest().is_some_and(|latest| latest.id != found.id) {
            self.notes.push(Note::OlderPoint);
        }
        Ok(self.take(&found, read))
    }

    /// Takes a restore point, with what that loses.
    fn take(&mut self, point: &RestorePoint, read: FactName) -> PointId {
        let upto = Some(self.case.inventory.at.since(point.at));
        self.loses.push(Loss { kind: LossKind::SourceAfterPoint, upto });
        self.reads.push(read);
        point.id.clone()
    }

    fn target(&mut self) -> Result<FailbackTarget, RefusedWhy> {
        let target = self.case.target();
        if let Some(vm) = target.other() {
            let unfit = |exists| RefusedWhy::TargetUnfit { vm: vm.to_string(), exists };
            match (&target, &self.facts.target) {
                (FailbackTarget::Elsewhere(_), Some(Sight::Absent)) => return Err(unfit(false)),
                (FailbackTarget::Recovered(_), Some(Sight::Present(_))) => return Err(unfit(true)),
                _ => {}
            }
            if let Some(replica) = self.case.inventory.user_of(vm, &self.case.replica.name) {
                return Err(RefusedWhy::TargetInUse { vm: vm.to_string(), replica });
            }
        }
        self.reads.push(FactName::Power(Role::Target));
        Ok(target)
    }

    /// Refuses what is left of an operation where it needs a machine that cannot be reached.
    fn check_sites(&self, operation: &Operation, actions: &[Action]) -> Result<(), RefusedWhy> {
        let kind = operation.kind();
        let Some(role) = actions.iter().find_map(needs) else { return Ok(()) };
        let source = &self.facts.relation.source;
        let other = match operation {
            Operation::Failback { target, .. } => target.other(),
            _ => self.facts.relation.failback.as_ref().and_then(|f| f.target.other()),
        };
        let (vm, sight) = match (role, &self.facts.target) {
            (Role::Target, Some(sight)) => (other.unwrap_or(source), sight),
            _ => (source, &self.facts.source),
        };
        let built = matches!(operation, Operation::Failback { target: FailbackTarget::Recovered(_), .. });
        match sight {
            Sight::Unseen => Err(RefusedWhy::ProductionUnseen {
                site: vm.site.clone(),
                operation: kind,
                unplanned_would_do: kind == OperationKind::PlannedFailover,
            }),
            Sight::Absent if !built => Err(RefusedWhy::MachineAbsent { vm: vm.to_string(), operation: kind }),
            Sight::Absent | Sight::Present(_) => Ok(()),
        }
    }

    /// Notes what the operation loses.
    fn account(&mut self, operation: &Operation) {
        let now = self.case.inventory.at;
        let relation = &self.facts.relation;
        let loss = match operation.kind() {
            // An interrupted failover that is completed; the loss of a new one is noted where its point is chosen.
            OperationKind::Failover if relation.intent.as_ref() == Some(operation) => match operation {
                Operation::Failover { point } => self
                    .facts
                    .point(point)
                    .map(|p| Loss { kind: LossKind::SourceAfterPoint, upto: Some(now.since(p.at)) }),
                _ => None,
            },
            OperationKind::UndoFailover if self.facts.replica_wrote() => {
                let upto = relation.failed_over_at.map(|since| now.since(since));
                Some(Loss { kind: LossKind::ReplicaSinceFailover, upto })
            }
            OperationKind::UndoFailback if relation.switched_at.is_some() => {
                let upto = relation.switched_at.map(|since| now.since(since));
                Some(Loss { kind: LossKind::ProductionSinceSwitchover, upto })
            }
            OperationKind::PermanentFailover => Some(Loss { kind: LossKind::RestorePoints, upto: None }),
            _ => None,
        };
        self.loses.extend(loss);
    }

    fn wants_other_time(&self) -> bool {
        !self.case.switchover_now && other_time(self.case, &self.facts)
    }

    /// A leg that changes when the failback under way switches over.
    fn change_time(&mut self) {
        let switchover = self.case.desired.failback.switchover;
        let Some(failback) = &self.facts.relation.failback else { return };
        let operation = Operation::Failback { target: failback.target.clone(), switchover };
        let action = Action::SetSwitchover { switchover };
        self.facts = crate::domain::effect(&action, self.facts.clone(), self.case.inventory.at);
        self.reads.push(FactName::Failback);
        self.legs.push(LegDraft {
            operation,
            why: Why::Desired,
            to: State::ReadyToSwitch,
            actions: vec![action],
            not_before: None,
            awaits: None,
            fence: None,
            names: Vec::new(),
        });
    }

    fn add_leg(&mut self, operation: Operation, why: Why) -> Result<(), RefusedWhy> {
        let with = self.particulars(&operation)?;
        let at = self.case.inventory.at;
        let actions = recipe::actions(&operation, &with, &self.facts);
        let (actions, after) = recipe::remaining(actions, self.facts.clone(), at);
        self.check_sites(&operation, &actions)?;
        if let Some(why) = super::drill::in_the_way(&self.facts, &actions, operation.kind()) {
            return Err(why);
        }
        let not_before = match (operation.kind(), self.case.desired.failback.switchover) {
            (OperationKind::Switchover, Switchover::At(time)) if !self.case.switchover_now => {
                (time > at).then_some(time)
            }
            _ => None,
        };
        let to = match actions.last() {
            Some(Action::Conclude { state }) => *state,
            _ => crate::domain::state::leads_to(operation.kind()),
        };
        // A machine that is powered off next need not come up first: that it does not may be why.
        if operation.kind() == OperationKind::UndoFailover
            && let Some(before) = self.legs.last_mut()
        {
            before.awaits = None;
        }
        let awaits = awaits(&operation, &after);
        let fence = fences::needed(self.case, (operation.kind(), &actions), &self.facts)?;
        let starts = actions.iter().any(|a| matches!(a, Action::PowerOn { vm: Role::Replica }));
        self.watch_source((&operation, starts), &after, fence.is_some());
        let names = self.names(operation.kind(), &after)?;
        self.facts = after;
        self.legs.push(LegDraft { operation, why, to, actions, not_before, awaits, fence, names });
        Ok(())
    }

    fn names(&mut self, kind: OperationKind, after: &Facts) -> Result<Vec<Cutover>, RefusedWhy> {
        let Following { names, reads, left_out } = names::cutovers(self.case, kind, after)?;
        self.reads.extend(reads);
        self.notes.extend(left_out);
        Ok(names)
    }

    fn particulars(&mut self, operation: &Operation) -> Result<Particulars, RefusedWhy> {
        let replica = self.case.replica;
        let starts = matches!(operation.kind(), OperationKind::Failover | OperationKind::PlannedFailover);
        let links = if starts {
            self.reads.push(FactName::Links(Role::Source));
            network::links(replica, &self.facts).map_err(RefusedWhy::NetworkUnmapped)?
        } else {
            Vec::new()
        };
        let treatment = self.case.plan.map(|p| p.source).unwrap_or_default();
        let stops = matches!(treatment, SourceTreatment::PowerOff | SourceTreatment::Fence);
        let stop_source = stops && self.facts.source.facts().is_some();
        let (keep, shutdown, quiesce) = (replica.retention, replica.shutdown, replica.quiesce);
        Ok(Particulars { keep, shutdown, quiesce, links, stop_source })
    }

    /// A planned failover that is completed starts the replica as an unplanned one does, where its source cannot be seen any more.
    fn watch_source(&mut self, (operation, starts): (&Operation, bool), after: &Facts, fenced: bool) {
        match operation.kind() {
            kind if kind == OperationKind::Failover || (kind == OperationKind::PlannedFailover && starts) => {
                self.reads.push(FactName::Power(Role::Source));
                match after.source.runs() {
                    Some(true) => self.notes.push(Note::SourceLeftRunning),
                    None if fenced => {}
                    None => self.notes.push(unseen(after)),
                    Some(false) => {}
                }
            }
            OperationKind::UndoFailover => {
                if self.facts.disk.delta && !self.facts.replica_wrote() {
                    // That nothing is lost holds only for as long as nobody starts it.
                    self.reads.push(FactName::Power(Role::Replica));
                }
                self.notes.extend(match &after.source {
                    Sight::Unseen if after.relation.source_stopped => Some(Note::SourceStaysOff),
                    Sight::Unseen => Some(Note::SourceNotServing(NotServing::Unseen)),
                    Sight::Absent => Some(Note::SourceNotServing(NotServing::Gone)),
                    Sight::Present(vm) if vm.power == Power::Off => {
                        Some(Note::SourceNotServing(NotServing::Off))
                    }
                    Sight::Present(_) => None,
                });
            }
            _ => self.reads.push(FactName::Power(Role::Source)),
        }
    }

    /// Where another failover follows an undo, nobody is to start the source meanwhile.
    fn forget_the_source_where_the_replica_serves_again(&mut self) {
        let undone = |leg: &LegDraft| leg.operation.kind() == OperationKind::UndoFailover;
        let later = self.legs.iter().skip_while(|leg| !undone(leg)).skip(1);
        let mut actions = later.flat_map(|leg| &leg.actions);
        if actions.any(|action| matches!(action, Action::PowerOn { vm: Role::Replica })) {
            self.notes.retain(|note| !matches!(note, Note::SourceStaysOff | Note::SourceNotServing(_)));
        }
    }

    fn finish(mut self) -> Result<Itinerary, RefusedWhy> {
        if (self.halts || self.legs.is_empty()) && self.wants_other_time() {
            self.change_time();
        }
        self.refuse_both_serving()?;
        self.forget_the_source_where_the_replica_serves_again();
        let goal = self.case.desired.state;
        self.plan_way_back_of_verification()?;
        self.reads.sort();
        self.reads.dedup();
        let placement = self.case.placement(&self.facts);
        Ok(Itinerary {
            serving: Serving::of(self.case, &placement, &self.legs),
            then: if self.halts { State::ReadyToSwitch } else { goal },
            halts_before: self.halts.then_some(goal),
            placement,
            legs: self.legs,
            loses: self.loses,
            reads: self.reads,
            notes: self.notes,
            on_failed_verification: self.undo,
        })
    }

    fn refuse_both_serving(&self) -> Result<(), RefusedWhy> {
        if self.case.replica.both_may_run.is_some() {
            return Ok(());
        }
        let at = self.case.inventory.at;
        let mut facts = match self.case.facts() {
            Some(facts) => facts.clone(),
            None => return Ok(()),
        };
        for action in self.legs.iter().flat_map(|leg| &leg.actions) {
            facts = crate::domain::effect(action, facts, at);
            if let Some(network) = crate::domain::invariant::shared_network(&facts.source, &facts.replica) {
                return Err(RefusedWhy::BothWouldServe(network));
            }
        }
        Ok(())
    }

    /// `verify … otherwise: undo`: the failback's undo, from the facts just before the commit.
    fn plan_way_back_of_verification(&mut self) -> Result<(), RefusedWhy> {
        let undo =
            self.case.desired.failback.verify.is_some_and(|v| v.otherwise == crate::model::Otherwise::Undo);
        let commit = self.legs.iter().position(|l| l.operation.kind() == OperationKind::CommitFailback);
        let (true, Some(commit), Some(facts)) = (undo, commit, self.case.facts()) else {
            return Ok(());
        };
        // A commit that was begun has no way back any more.
        if matches!(facts.relation.intent, Some(Operation::CommitFailback { .. })) {
            return Ok(());
        }
        let at = self.case.inventory.at;
        let before = self.legs.iter().take(commit).flat_map(|leg| &leg.actions);
        let facts = before.fold(facts.clone(), |facts, action| crate::domain::effect(action, facts, at));
        let with = self.particulars(&Operation::UndoFailback)?;
        let all = recipe::actions(&Operation::UndoFailback, &with, &facts);
        let (actions, after) = recipe::remaining(all, facts, at);
        // A verification at a site that does not answer could only fail, and its way back with it.
        self.check_sites(&Operation::UndoFailback, &actions)?;
        let names = self.names(OperationKind::UndoFailback, &after)?;
        self.undo = Some(LegDraft {
            operation: Operation::UndoFailback,
            why: Why::VerificationFailed,
            to: State::Failover,
            actions,
            not_before: None,
            awaits: Some(Role::Replica),
            fence: None,
            names,
        });
        Ok(())
    }
}

/// What is to be said of a source that cannot be seen: it may run still, perhaps on the replica's own network.
fn unseen(after: &Facts) -> Note {
    let links = after.replica.facts().map(|vm| vm.links.as_slice()).unwrap_or_default();
    let had = |network: &NetworkName| after.relation.source_links.iter().any(|l| l.network == *network);
    let shared = links.iter().map(|link| &link.network).find(|network| had(network));
    shared.map_or(Note::SourceUnseen, |network| Note::MayBothServe(network.clone()))
}

/// Whether a failback under way is recorded to switch over at another time than the document says.
pub fn other_time(case: &Case<'_>, facts: &Facts) -> bool {
    facts.relation.failback.as_ref().is_some_and(|f| f.switchover != case.desired.failback.switchover)
}

/// The production machine that an action needs to reach.
const fn needs(action: &Action) -> Option<Role> {
    match action {
        Action::CreatePoint { .. } => Some(Role::Source),
        Action::SnapshotTarget { .. }
        | Action::SendChanges { .. }
        | Action::MergeTarget
        | Action::RevertTarget
        | Action::CreateTarget => Some(Role::Target),
        _ => match action.machine() {
            Some(Role::Replica) | None => None,
            found => found,
        },
    }
}

/// The machine that the operation brings up and whose readiness others may wait for.
fn awaits(operation: &Operation, after: &Facts) -> Option<Role> {
    let role = match operation.kind() {
        OperationKind::Failover | OperationKind::PlannedFailover | OperationKind::UndoFailback => {
            Role::Replica
        }
        OperationKind::Switchover => Role::Target,
        OperationKind::Drill => Role::Copy,
        OperationKind::Replicate
        | OperationKind::UndoFailover
        | OperationKind::PermanentFailover
        | OperationKind::Failback
        | OperationKind::CommitFailback
        | OperationKind::EndDrill => return None,
    };
    (after.vm(role).runs() == Some(true)).then_some(role)
}

/// The word with which a document chooses a route.
pub fn word(keep: Keep) -> String {
    match keep {
        Keep::Source => "keep: source".to_owned(),
        Keep::Replica => "keep: replica".to_owned(),
    }
}

/// What a route would lose, for an offer.
pub fn losses(case: &Case<'_>, facts: &Facts, route: &[Hop]) -> Vec<Loss> {
    let mut builder = Builder::new(case, facts.clone());
    for hop in route {
        let walked = builder.hop(*hop);
        if walked.is_err() {
            break;
        }
    }
    builder.loses
}
