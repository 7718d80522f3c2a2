//! Planner, engine and simulator together, with the data checked block by block.

use crate::world::{NAMES, desired, name, vm, workspace};
use lifeboat::base::{Duration, RunId};
use lifeboat::domain::{Condition, FailbackTarget, State};
use lifeboat::engine::{Aids, Crash, EngineError, Run, drive, stop_signal};
use lifeboat::inventory::Inventory;
use lifeboat::journal::{Frozen, Runs};
use lifeboat::model::{Desired, Keep, Via};
use lifeboat::plan::{Plan, Purpose};
use lifeboat::planner::{Request, plan};
use lifeboat::port::{FaultSpec, Placement, Provider, SimVm, SimulatorSpec, Subject};
use lifeboat::provider::sim::{Blocks, ReplicaSetup, Setup, Simulator};
use lifeboat::run::{Outcome, Runner};
use std::path::Path;
use std::sync::Arc;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

fn subjects(target: &FailbackTarget) -> Vec<Subject> {
    let workspace = workspace();
    let one = |n: &&str| {
        let replica = &workspace.replicas[&name(n)];
        let (source, replica_vm) = (replica.source.clone(), replica.replica.clone());
        Subject {
            replica: replica.name.clone(),
            placement: Placement {
                source,
                replica: replica_vm,
                target: target.other().map(|_| vm("prod", &format!("{n}-new"))),
                both_may_run: false,
            },
        }
    };
    NAMES.iter().map(one).collect()
}

fn setup() -> Setup {
    let site = SimulatorSpec {
        clock: None,
        begins: None,
        points: 3,
        every: Duration::from_mins(15),
        defaults: SimVm { blocks: 1024, ..SimVm::default() },
        vms: Vec::new(),
        faults: Vec::new(),
    };
    let sites = [("prod".parse().unwrap(), site.clone()), ("dr".parse().unwrap(), site)];
    let networks = || vec!["lan".parse().unwrap()];
    Setup {
        sites: sites.into(),
        replicas: subjects(&FailbackTarget::Original)
            .iter()
            .map(|s| (s.replica.clone(), ReplicaSetup::new(s, networks())))
            .collect(),
    }
}

/// A folder with a world and runs; every step opens it anew, as a new process would.
struct Lab {
    folder: tempfile::TempDir,
    runs: u32,
}

impl Lab {
    fn new() -> Self {
        Self { folder: crate::world::folder(), runs: 0 }
    }

    fn sim(&self) -> Arc<Simulator> {
        Arc::new(Simulator::open(&self.folder.path().join("sim"), setup()).unwrap())
    }

    fn observe(&self) -> Inventory {
        self.observe_for(&FailbackTarget::Original)
    }

    fn observe_for(&self, target: &FailbackTarget) -> Inventory {
        runtime().block_on(self.sim().observe(&subjects(target)))
    }

    fn plan(&self, desired: &Desired) -> Plan {
        let target = desired.failback.targets.values().next().unwrap_or(&FailbackTarget::Original);
        let (workspace, inventory) = (workspace(), self.observe_for(target));
        let purpose = Purpose::Runbook("test".parse().unwrap());
        let plan = plan(&Request {
            workspace: &workspace,
            inventory: &inventory,
            purpose: &purpose,
            desired: std::slice::from_ref(desired),
            switchover_now: false,
        })
        .unwrap_or_else(|why| panic!("{why:#?}"));
        assert_eq!(lifeboat::checker::check(&plan, &inventory), Vec::new());
        plan
    }

    fn begin(&mut self, plan: &Plan) -> RunId {
        self.runs += 1;
        let run: RunId = format!("run-{}", self.runs).parse().unwrap();
        let frozen = Frozen {
            format: 1,
            run: run.clone(),
            plan: plan.clone(),
            setup: serde_json::Value::Null,
            documents: Vec::new(),
            seal: None,
            sealed: None,
            confirmed: None,
            admission: None,
            before: None,
        };
        Runs::new(self.folder.path()).create(&frozen).unwrap();
        run
    }

    fn go_on(&self, run: &RunId, crash: Option<Crash>) -> Result<Outcome, EngineError> {
        drive_in(self.folder.path(), run, &self.sim(), crash)
    }

    fn reach(&mut self, state: State, keep: Option<Keep>, via: Via, target: &FailbackTarget) -> Plan {
        let plan = self.plan(&desired(state, keep, via, target));
        let run = self.begin(&plan);
        assert_eq!(self.go_on(&run, None).unwrap(), Outcome::Completed, "to {state}");
        for member in &plan.members {
            let found = self.observe().replicas[&member.replica].condition();
            assert_eq!(found, Condition::Whole(member.then), "{}", member.replica);
        }
        plan
    }

    fn disk(&self, site: &str, machine: &str) -> Blocks {
        self.sim().disk(&vm(site, machine)).unwrap().unwrap()
    }

    fn latest(&self, replica: &str) -> Blocks {
        let inventory = self.observe();
        let facts = inventory.replicas[&name(replica)].facts.clone().unwrap();
        self.sim().point(&name(replica), &facts.points.last().unwrap().id).unwrap().unwrap()
    }

    /// No two machines of one replica ever ran on one network at once, and no action took effect twice.
    fn nothing_was_done_twice(&self) {
        let effects = self.sim().effects().unwrap();
        let mut keys: Vec<_> = effects.iter().map(|e| &e.key).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), effects.len(), "an effect happened twice");
    }
}

fn drive_in(
    folder: &Path,
    run: &RunId,
    sim: &Arc<Simulator>,
    crash: Option<Crash>,
) -> Result<Outcome, EngineError> {
    let (found, mut journal) = Runs::new(folder).open(run).unwrap();
    let (_stopper, stop) = stop_signal();
    let ended = runtime().block_on(drive(Run {
        id: run.clone(),
        runner: Runner { person: "tester".into(), host: "here".into(), version: "0".into() },
        progress: found.progress,
        journal: &mut journal,
        provider: Arc::clone(sim) as Arc<dyn Provider>,
        aids: Aids::default(),
        clock: sim.clock(),
        stop,
        grace: Duration::from_secs(60),
        deadline: None,
        watch: &mut |_, _, _| {},
        crash,
    }));
    sim.close().unwrap();
    ended.map(|e| e.outcome)
}

/// The sessions that wrote the blocks of a disk.
fn writers(blocks: &Blocks) -> std::collections::BTreeSet<u64> {
    blocks.iter().map(|b| b.session).collect()
}

#[test]
fn a_planned_failover_loses_no_block_and_a_failback_keeps_what_the_replica_wrote() {
    for target in [FailbackTarget::Original, FailbackTarget::Recovered(vm("prod", "x"))] {
        let mut lab = Lab::new();
        lab.reach(State::Failover, None, Via::Planned, &target);
        for replica in NAMES {
            assert_eq!(lab.disk("prod", replica), lab.latest(replica), "all that the source wrote is there");
        }
        lab.sim().advance(Duration::from_mins(30)).unwrap();
        let replica_sessions: Vec<_> =
            NAMES.iter().map(|n| writers(&lab.disk("dr", &format!("{n}_replica")))).collect();
        assert!(replica_sessions.iter().all(|s| s.len() == 1), "the replica has written its whole disk anew");
        lab.reach(State::Ready, Some(Keep::Replica), Via::Planned, &target);
        for (replica, sessions) in NAMES.iter().zip(replica_sessions) {
            assert!(
                writers(&lab.latest(replica)) == sessions,
                "what the replica wrote is the protective point"
            );
            let home = match target {
                FailbackTarget::Original => (*replica).to_owned(),
                _ => format!("{replica}-new"),
            };
            let disk = lab.disk("prod", &home);
            let point = lab.latest(replica);
            let kept = disk.iter().zip(point.iter()).filter(|(a, b)| a == b).count();
            let anew = disk.iter().filter(|b| !sessions.contains(&b.session)).count();
            assert_eq!(
                kept + anew,
                disk.len(),
                "production has what the replica wrote, and what it wrote since"
            );
        }
        lab.nothing_was_done_twice();
    }
}

#[test]
fn an_unplanned_failover_loses_what_it_said_and_its_undo_discards_what_the_replica_wrote() {
    let mut lab = Lab::new();
    let before = lab.latest("db");
    let plan = lab.reach(State::Failover, None, Via::Unplanned, &FailbackTarget::Original);
    let said = plan.members[0].loses[0].upto.unwrap();
    assert_eq!(said, Duration::from_secs(450), "half of fifteen minutes");
    lab.sim().advance(Duration::from_secs(10)).unwrap();
    let disk = lab.disk("dr", "db_replica");
    assert!(writers(&disk).len() == 2 && disk.iter().zip(before.iter()).any(|(a, b)| a == b));
    assert_eq!(lab.latest("db"), before, "the chain is untouched while the replica serves");
    lab.reach(State::Ready, Some(Keep::Source), Via::Planned, &FailbackTarget::Original);
    assert_eq!(lab.disk("dr", "db_replica"), before, "what the replica wrote is gone");
    assert_eq!(writers(&lab.disk("prod", "db")).len(), 1, "the source wrote on by itself");
}

#[test]
fn an_undone_failback_finds_replica_and_original_as_they_were() {
    let mut lab = Lab::new();
    let target = FailbackTarget::Original;
    lab.reach(State::Failover, None, Via::Planned, &target);
    let original = lab.disk("prod", "web");
    lab.reach(State::ReadyToSwitch, None, Via::Planned, &target);
    assert_ne!(lab.disk("prod", "web"), original, "the differences are there, above the working snapshot");
    lab.reach(State::Failover, None, Via::Planned, &target);
    assert_eq!(lab.disk("prod", "web"), original, "and are gone with it");
    lab.reach(State::Failback, None, Via::Planned, &target);
    let stopped = lab.disk("dr", "web_replica");
    lab.sim().advance(Duration::from_mins(5)).unwrap();
    let production = writers(&lab.disk("prod", "web"));
    lab.reach(State::Failover, Some(Keep::Replica), Via::Planned, &target);
    let again = lab.disk("dr", "web_replica");
    let changed: Vec<_> = again.iter().zip(stopped.iter()).filter(|(a, b)| a != b).map(|(a, _)| a).collect();
    assert!(changed.len() < again.len(), "the replica goes on from where it was stopped");
    assert!(changed.iter().all(|b| !production.contains(&b.session)), "nothing of production's came over");
    lab.nothing_was_done_twice();
}

#[test]
fn a_permanent_failover_leaves_one_flat_disk() {
    let mut lab = Lab::new();
    lab.reach(State::Permanent, None, Via::Planned, &FailbackTarget::Original);
    let inventory = lab.observe();
    for facts in inventory.replicas.values().map(|o| o.facts.as_ref().unwrap()) {
        assert!(facts.points.is_empty() && facts.replica.runs() == Some(true));
        assert_eq!(facts.source.runs(), Some(false));
    }
}

#[test]
fn a_killed_runner_leaves_steps_that_the_world_finishes_and_the_next_one_finds() {
    for position in (1..60).step_by(3) {
        let mut lab = Lab::new();
        let plan = lab.plan(&desired(State::Failover, None, Via::Planned, &FailbackTarget::Original));
        let run = lab.begin(&plan);
        if lab.go_on(&run, Some(Crash::AfterEvents(position))).is_ok() {
            break;
        }
        assert_eq!(lab.go_on(&run, None).unwrap(), Outcome::Completed, "after record {position}");
        for replica in NAMES {
            assert_eq!(lab.disk("prod", replica), lab.latest(replica), "after record {position}");
        }
        lab.nothing_was_done_twice();
    }
}

#[test]
fn lost_answers_failures_and_slowness_change_nothing_but_the_time() {
    for fault in [
        FaultSpec::AnswerLost { action: None, replica: None, times: None, cut: false },
        FaultSpec::Fails { action: None, replica: Some(name("app")), times: Some(2) },
        FaultSpec::Slow { action: Some("power-on".into()), replica: None, by: Duration::from_mins(7) },
    ] {
        let mut lab = Lab::new();
        lab.sim().set_fault(fault.clone()).unwrap();
        let plan = lab.plan(&desired(State::Failover, None, Via::Planned, &FailbackTarget::Original));
        let run = lab.begin(&plan);
        assert_eq!(lab.go_on(&run, None).unwrap(), Outcome::Completed, "{fault:?}");
        assert_eq!(lab.disk("prod", "db"), lab.latest("db"));
        lab.nothing_was_done_twice();
    }
}

#[test]
fn a_site_that_falls_silent_with_the_answer_leaves_the_step_in_doubt_until_it_is_back() {
    let mut lab = Lab::new();
    let cut = FaultSpec::AnswerLost {
        action: Some("power-on".into()),
        replica: Some(name("db")),
        times: Some(1),
        cut: true,
    };
    lab.sim().set_fault(cut).unwrap();
    let plan = lab.plan(&desired(State::Failover, None, Via::Planned, &FailbackTarget::Original));
    let run = lab.begin(&plan);
    assert_eq!(lab.go_on(&run, None).unwrap(), Outcome::InDoubt);
    lab.sim().heal().unwrap();
    assert_eq!(lab.go_on(&run, None).unwrap(), Outcome::Completed);
    lab.nothing_was_done_twice();
}

#[test]
fn looking_writes_nothing() {
    let lab = Lab::new();
    lab.observe();
    lab.plan(&desired(State::Failover, None, Via::Planned, &FailbackTarget::Original));
    assert_eq!(std::fs::read_dir(lab.folder.path()).unwrap().count(), 0);
}

/// Desired states on the way to a station, one after the other.
type Way = Vec<(State, Option<Keep>, Via)>;

/// The ways into every whole state, and out of the middle of every operation.
fn stations() -> Vec<(&'static str, Way)> {
    let planned = |state, keep| (state, keep, Via::Planned);
    let over = planned(State::Failover, None);
    vec![
        ("Ready", vec![]),
        ("Failover, planned", vec![over]),
        ("Failover, unplanned", vec![(State::Failover, None, Via::Unplanned)]),
        ("ReadyToSwitch", vec![over, planned(State::ReadyToSwitch, None)]),
        ("Failback", vec![over, planned(State::Failback, None)]),
        ("Permanent", vec![over, planned(State::Permanent, None)]),
        ("Ready again", vec![over, planned(State::Ready, Some(Keep::Source))]),
    ]
}

/// Asks for a state from where the lab is. Where there is a plan, it is carried out and the state is reached; `None` where it is refused.
fn ask(lab: &mut Lab, wanted: &Desired) -> Option<()> {
    let (workspace, inventory) = (workspace(), lab.observe());
    let purpose = Purpose::Runbook("test".parse().unwrap());
    let request = Request {
        workspace: &workspace,
        inventory: &inventory,
        purpose: &purpose,
        desired: std::slice::from_ref(wanted),
        switchover_now: false,
    };
    let plan = match plan(&request) {
        Ok(plan) => plan,
        Err(refused) => {
            let alike = inventory
                .replicas
                .values()
                .all(|o| o.condition() == inventory.replicas[&name("db")].condition());
            assert!(
                !alike || refused.len() == NAMES.len(),
                "all that are refused are refused at once: {refused:?}"
            );
            return None;
        }
    };
    assert_eq!(lifeboat::checker::check(&plan, &inventory), Vec::new());
    let promised = latest_promise(lab, wanted);
    let run = lab.begin(&plan);
    let outcome = lab.go_on(&run, None).unwrap();
    assert_eq!(outcome, Outcome::Completed, "to {:?}", wanted.state);
    for observed in lab.observe().replicas.values() {
        assert_eq!(observed.condition(), Condition::Whole(wanted.state));
    }
    promised.hold(lab);
    Some(())
}

/// What a keep promises of the data, as far as it can be told before.
struct Promise(Option<(Keep, std::collections::BTreeSet<u64>)>);

fn latest_promise(lab: &Lab, wanted: &Desired) -> Promise {
    let serving = lab.observe().replicas[&name("db")].condition() == Condition::Whole(State::Failover);
    if wanted.state != State::Ready || !serving {
        return Promise(None);
    }
    lab.sim().advance(Duration::from_mins(5)).unwrap();
    let source = writers(&lab.disk("prod", "db"));
    let replica = writers(&lab.disk("dr", "db_replica"));
    Promise(wanted.keep.map(|keep| (keep, replica.difference(&source).copied().collect())))
}

impl Promise {
    fn hold(&self, lab: &Lab) {
        let Some((keep, own)) = &self.0 else { return };
        assert!(!own.is_empty(), "the replica had written something");
        let kept = writers(&lab.disk("dr", "db_replica")).intersection(own).count() > 0;
        assert_eq!(kept, *keep == Keep::Replica, "{keep:?}");
        if *keep == Keep::Replica {
            assert!(
                writers(&lab.disk("prod", "db")).intersection(own).count() > 0,
                "production has it as well"
            );
        }
    }
}

const GOALS: [State; 5] =
    [State::Ready, State::Failover, State::ReadyToSwitch, State::Failback, State::Permanent];
const KEEPS: [Option<Keep>; 3] = [None, Some(Keep::Source), Some(Keep::Replica)];

#[test]
fn every_state_reaches_every_goal_on_the_simulator_or_is_refused() {
    let (mut reached, mut refused) = (0, 0);
    for (_, way) in stations() {
        for (goal, keep) in GOALS.iter().flat_map(|g| KEEPS.map(|k| (*g, k))) {
            let mut lab = Lab::new();
            for (state, keep, via) in &way {
                lab.reach(*state, *keep, *via, &FailbackTarget::Original);
            }
            match ask(&mut lab, &desired(goal, keep, Via::Planned, &FailbackTarget::Original)) {
                Some(()) => reached += 1,
                None => refused += 1,
            }
            lab.nothing_was_done_twice();
        }
    }
    assert!(reached > 50 && refused > 15, "{reached} reached, {refused} refused");
}

#[test]
fn from_the_middle_of_every_operation_a_new_plan_finds_its_way() {
    let (mut reached, mut refused) = (0, 0);
    let target = FailbackTarget::Original;
    for (_, way) in stations() {
        let Some(((state, keep, via), before)) = way.split_last() else { continue };
        for (cut, goal) in [4, 11, 18, 25, 32].iter().flat_map(|c| GOALS.map(|g| (*c, g))) {
            let mut lab = Lab::new();
            for (state, keep, via) in before {
                lab.reach(*state, *keep, *via, &target);
            }
            let plan = lab.plan(&desired(*state, *keep, *via, &target));
            let run = lab.begin(&plan);
            drop(lab.go_on(&run, Some(Crash::AfterEvents(cut))));
            // What was asked for goes on in the world without a runner.
            lab.sim().advance(Duration::from_mins(2)).unwrap();
            match ask(&mut lab, &desired(goal, Some(Keep::Replica), Via::Planned, &target)) {
                Some(()) => reached += 1,
                None => refused += 1,
            }
        }
    }
    assert!(reached > 60, "{reached} reached, {refused} refused");
}
