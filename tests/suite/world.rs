//! A small world made of the domain's own model, with faults, for tests of planner and engine together.

use lifeboat::base::{Duration, EntryName, ReplicaName, Timestamp, VmName};
use lifeboat::domain::{
    Consistency, Facts, FailbackTarget, IfFailed, Link, NotSo, PointKind, Power, Readiness, Relation,
    ReplicaDisk, Replication, RestorePoint, Settled, Sight, State, Switchover, VmFacts, VmRef, effect,
    requires, settled,
};
use lifeboat::inventory::{Inventory, Observed, SiteSight, Typical};
use lifeboat::model::{
    Desired, DrillSite, Entry, FailbackTerms, FailoverPlan, Hooks, Keep, PointChoice, Replica, Site, Slot,
    SourceTreatment, Subject, UndoOrder, Verify, Via, Workspace,
};
use lifeboat::plan::{Kept, Plan, Purpose, Refused};
use lifeboat::planner::{Request, plan};
use lifeboat::port::{
    Clock, Failure, Later, Look, Order, Provider, ProviderSpec, Question, SimVm, SimulatorSpec,
    Subject as Asked,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

pub const NAMES: [&str; 3] = ["db", "app", "web"];

/// A folder of a test's own, in memory where the machine has such a place: what is tested is the order of records, not the disk.
pub fn folder() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.or_else(|_| tempfile::tempdir()).unwrap()
}

pub fn name(text: &str) -> ReplicaName {
    ReplicaName::new(text).unwrap()
}

pub fn vm(site: &str, vm: &str) -> VmRef {
    VmRef { site: site.parse().unwrap(), vm: VmName::new(vm).unwrap() }
}

pub fn noon() -> Timestamp {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

fn machine(power: Power, network: Option<&str>) -> Sight {
    let links = network.map(|n| Link::on(n.parse().unwrap())).into_iter().collect();
    Sight::Present(VmFacts { power, links })
}

pub fn ready(replica: &str) -> Facts {
    let point = |id: &str, minutes| RestorePoint {
        id: id.parse().unwrap(),
        at: noon().before(Duration::from_mins(minutes)),
        kind: PointKind::Regular,
        consistency: Consistency::Crash,
    };
    Facts {
        source: machine(Power::On, Some("lan")),
        replica: machine(Power::Off, None),
        target: None,
        points: vec![point("p1", 40), point("p2", 20), point("p3", 5)],
        disk: ReplicaDisk::default(),
        relation: Relation {
            source: vm("prod", replica),
            source_links: vec![Link::on("lan".parse().unwrap())],
            replication: Replication::Active,
            source_stopped: false,
            failed_over_at: None,
            switched_at: None,
            intent: None,
            failback: None,
        },
        copy: lifeboat::domain::CopyFacts::default(),
    }
}

fn document(replica: &str) -> Replica {
    Replica {
        name: name(replica),
        labels: BTreeMap::new(),
        source: vm("prod", replica),
        replica: vm("dr", &format!("{replica}_replica")),
        retention: 7,
        rpo: None,
        rpo_of: None,
        networks: vec![("lan".parse().unwrap(), "dr".parse().unwrap())],
        own_networks: 1,
        dns: Vec::new(),
        addresses: Vec::new(),
        ready: Readiness::guest(Duration::ZERO, Duration::from_secs(2), Duration::from_mins(5)),
        ready_said: false,
        shutdown: Duration::from_mins(15),
        quiesce: lifeboat::domain::Quiesce::Auto,
        hooks: Hooks::default(),
        fence: None,
        both_may_run: None,
    }
}

/// Three replicas in the order of [`NAMES`], a minute apart.
pub fn workspace() -> Workspace {
    let entry = |n: &&str| Entry {
        name: EntryName::new(n).unwrap(),
        replicas: vec![name(n)],
        gate: None,
        hooks: Hooks::default(),
        delay: Duration::from_secs(60),
        after: None,
        on_failure: IfFailed::Block,
        required: true,
        at_least: None,
        retries: None,
    };
    let plan = FailoverPlan {
        name: "shop".parse().unwrap(),
        rto: None,
        rpo: None,
        start_limit: 10,
        undo_limit: 5,
        undo_gap: Duration::from_secs(10),
        slot: Slot::Done,
        undo_order: UndoOrder::Reverse,
        source: SourceTreatment::Leave,
        consistency: Vec::new(),
        hooks: Hooks::default(),
        sequence: NAMES.iter().map(entry).collect(),
    };
    Workspace {
        replicas: NAMES.iter().map(|n| (name(n), document(n))).collect(),
        plans: [(plan.name.clone(), plan)].into(),
        ..Workspace::default()
    }
}

/// A desired state of the whole plan.
pub fn desired(state: State, keep: Option<Keep>, via: Via, target: &FailbackTarget) -> Desired {
    let other = |n: &str| vm("prod", &format!("{n}-new"));
    let targets = NAMES.iter().filter_map(|n| {
        let target = match target {
            FailbackTarget::Original => return None,
            FailbackTarget::Elsewhere(_) => FailbackTarget::Elsewhere(other(n)),
            FailbackTarget::Recovered(_) => FailbackTarget::Recovered(other(n)),
        };
        Some((name(n), target))
    });
    let verify =
        Verify { ready: true, quiet: Duration::from_secs(30), otherwise: lifeboat::model::Otherwise::Undo };
    Desired {
        subject: Subject::Plan("shop".parse().unwrap()),
        state,
        via,
        point: PointChoice::Latest,
        keep,
        irreversible: true,
        failback: FailbackTerms {
            targets: targets.collect(),
            switchover: Switchover::Automatic,
            power_on: true,
            verify: Some(verify),
        },
    }
}

/// The inventory of some facts, in the order of [`NAMES`].
pub fn inventory(facts: &BTreeMap<ReplicaName, Facts>, at: Timestamp) -> Inventory {
    let seen = SiteSight { at, silent: None };
    let observed = |f: &Facts| Observed { facts: Some(f.clone()), why: None, typical: Typical::default() };
    Inventory {
        at,
        sites: [("prod".parse().unwrap(), seen.clone()), ("dr".parse().unwrap(), seen)].into(),
        replicas: facts.iter().map(|(n, f)| (n.clone(), observed(f))).collect(),
    }
}

/// Plans over some facts.
pub fn planned(
    facts: &BTreeMap<ReplicaName, Facts>,
    desired: &Desired,
    at: Timestamp,
) -> Result<Plan, Vec<Refused>> {
    let (workspace, inventory) = (workspace(), inventory(facts, at));
    let purpose = Purpose::Runbook("test".parse().unwrap());
    let request = Request {
        workspace: &workspace,
        inventory: &inventory,
        purpose: &purpose,
        desired: std::slice::from_ref(desired),
        switchover_now: false,
    };
    let plan = plan(&request)?;
    assert_eq!(lifeboat::checker::check(&plan, &inventory), Vec::new(), "the checker finds nothing");
    Ok(plan)
}

/// A drill of the whole plan.
pub fn drilled(facts: &BTreeMap<ReplicaName, Facts>, keep: Kept) -> Result<Plan, Vec<Refused>> {
    let (mut workspace, inventory) = (workspace(), inventory(facts, noon()));
    let clock = SimulatorSpec {
        clock: None,
        begins: None,
        points: 0,
        every: Duration::from_mins(15),
        defaults: SimVm::default(),
        vms: Vec::new(),
        faults: Vec::new(),
    };
    let apart = DrillSite {
        networks: vec![("dr".parse().unwrap(), "apart".parse().unwrap())],
        addresses: Vec::new(),
    };
    let (name, provider) = ("dr".parse().unwrap(), ProviderSpec::Simulator(clock));
    let site = Site {
        name,
        provider,
        drill: Some(apart),
        start_limit: None,
        undo_limit: None,
        fence: None,
        mappings: BTreeMap::new(),
        name_servers: Vec::new(),
    };
    workspace.sites.insert(site.name.clone(), site);
    let purpose = Purpose::Drill { plan: "shop".parse().unwrap(), keep };
    let wanted = desired(State::Ready, None, Via::Unplanned, &FailbackTarget::Original);
    let request = Request {
        workspace: &workspace,
        inventory: &inventory,
        purpose: &purpose,
        desired: std::slice::from_ref(&wanted),
        switchover_now: false,
    };
    let plan = plan(&request)?;
    assert_eq!(lifeboat::checker::check(&plan, &inventory), Vec::new(), "the checker finds nothing");
    Ok(plan)
}

/// What goes wrong.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// The answers to these effects are lost, once each, counted over the whole world.
    pub lost_answers: BTreeSet<usize>,
    /// These requests fail without an effect.
    pub failures: BTreeSet<usize>,
    /// Machines that never get ready.
    pub never_ready: BTreeSet<VmRef>,
    /// Nothing can be looked at.
    pub blind: bool,
}

/// The world: facts, and the log of effects.
pub struct World {
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    facts: BTreeMap<ReplicaName, Facts>,
    effects: Vec<(u32, String)>,
    requests: usize,
    faults: Faults,
}

impl World {
    pub fn new(facts: BTreeMap<ReplicaName, Facts>, faults: Faults, clock: Arc<dyn Clock>) -> Self {
        Self { clock, inner: Mutex::new(Inner { facts, faults, ..Inner::default() }) }
    }

    pub fn facts(&self) -> BTreeMap<ReplicaName, Facts> {
        self.inner.lock().unwrap().facts.clone()
    }

    /// Every effect that happened: the node and what it was.
    pub fn effects(&self) -> Vec<(u32, String)> {
        self.inner.lock().unwrap().effects.clone()
    }

    pub fn set_faults(&self, faults: Faults) {
        self.inner.lock().unwrap().faults = faults;
    }
}

impl Provider for World {
    fn observe<'a>(&'a self, _: &'a [Asked]) -> Later<'a, Inventory> {
        Box::pin(async { inventory(&self.facts(), self.clock.now()) })
    }

    fn perform<'a>(&'a self, order: &'a Order) -> Later<'a, Result<(), Failure>> {
        Box::pin(async move {
            let answer = {
                let mut inner = self.inner.lock().unwrap();
                inner.requests += 1;
                let request = inner.requests;
                if inner.faults.failures.contains(&request) {
                    return Err(Failure::Failed("told to fail".to_owned()));
                }
                let facts = inner.facts.get(&order.step.replica).unwrap().clone();
                if let Err(unmet) = requires(&order.step.action, &facts) {
                    return Err(Failure::Refused(unmet));
                }
                let facts = effect(&order.step.action, facts, self.clock.now());
                inner.facts.insert(order.step.replica.clone(), facts);
                let what = format!("{} {:?}", order.step.replica, order.step.action);
                inner.effects.push((order.key.node, what));
                let lost = inner.effects.len();
                if inner.faults.lost_answers.contains(&lost) {
                    Err(Failure::NoAnswer("told to be silent".to_owned()))
                } else {
                    Ok(())
                }
            };
            self.clock.until(self.clock.now().after(Duration::from_secs(1))).await;
            answer
        })
    }

    fn look<'a>(&'a self, order: &'a Order) -> Later<'a, Look> {
        Box::pin(async move {
            let inner = self.inner.lock().unwrap();
            if inner.faults.blind {
                return Look::Settled(Settled::CannotTell);
            }
            Look::Settled(settled(&order.step.action, inner.facts.get(&order.step.replica).unwrap()))
        })
    }

    fn probe<'a>(&'a self, question: Question<'a>) -> Later<'a, Result<(), NotSo>> {
        Box::pin(async move {
            let never = self.inner.lock().unwrap().faults.never_ready.contains(question.vm);
            if never { Err(NotSo::Silent) } else { Ok(()) }
        })
    }
}
