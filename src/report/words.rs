//! The sentences. Every domain value that a person meets is worded here, once, so that plan, run, report and refusal say the
//! same thing in the same words.

use crate::base::Timestamp;
use crate::domain::invariant::Broken;
use crate::domain::{
    Action, Condition, Consistency, Cutover, FailbackTarget, Foreign, IfFailed, Loss, LossKind, Moving,
    Operation, PointKind, Question, Refusal, Reply, Role, Silence, Switchover, Transfer, Unmet, Wait,
};
use crate::plan::{Around, Consequence, Follows, Gate, Hook, Leg, Plan, Slice, Untouched, Why};
use crate::report::waits::readiness;
use crate::run::{Runner, StopWhy, Wish};

/// A machine by its part.
#[must_use]
pub const fn role(role: Role) -> &'static str {
    match role {
        Role::Source => "the source",
        Role::Replica => "the replica",
        Role::Target => "the failback target",
        Role::Copy => "the copy",
    }
}

/// A network card, with what its guest is told.
fn link(link: &crate::domain::Link) -> String {
    let Some(address) = link.address else { return link.network.to_string() };
    let gateway = link.gateway.map(|gateway| format!("gateway {gateway}"));
    let servers = link.dns.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let dns = (!servers.is_empty()).then(|| format!("dns {servers}"));
    let told: Vec<String> = gateway.into_iter().chain(dns).collect();
    let told = if told.is_empty() { String::new() } else { format!(" ({})", told.join(", ")) };
    format!("{} as {address}{told}", link.network)
}

/// What an action does.
#[must_use]
pub fn action(action: &Action) -> String {
    let phase = |text: &str, phase: u8| format!("{text} (phase {phase})");
    match action {
        Action::Begin { operation } => format!("record that {} begins", operation.kind()),
        Action::CreatePoint { point, kind, .. } => format!("write {} {point}", point_kind(*kind)),
        Action::Retain { keep } => format!("drop restore points beyond the latest {keep}"),
        Action::ShutDown { vm, within } => {
            format!("shut {} down, power it off after {within}", role(*vm))
        }
        Action::PowerOff { vm } => format!("power {} off", role(*vm)),
        Action::PowerOn { vm } => format!("power {} on", role(*vm)),
        Action::Hold => "hold replication".to_owned(),
        Action::Resume => "let replication run again".to_owned(),
        Action::Exclude => "exclude the source from replication".to_owned(),
        Action::Revert { point } => format!("revert the replica to {point}"),
        Action::StartDelta => "start a running delta on the replica".to_owned(),
        Action::DropDelta => "drop the running delta".to_owned(),
        Action::Connect { links } => {
            if links.is_empty() {
                return "leave the replica without a network".to_owned();
            }
            format!("connect the replica to {}", links.iter().map(link).collect::<Vec<_>>().join(", "))
        }
        Action::Merge => "merge delta and restore points into the replica's disks".to_owned(),
        Action::CreateTarget => "build the failback target".to_owned(),
        Action::SnapshotTarget { phase: n } => phase("take a working snapshot of the target", *n),
        Action::Protect { phase: n } => phase("take a protective snapshot of the replica", *n),
        Action::SendChanges { phase: n } => phase("send what differs to the target", *n),
        Action::MergeTarget => "merge the target's working snapshots".to_owned(),
        Action::RevertTarget => "revert the target to what it was before the failback".to_owned(),
        Action::RevertReplica => "revert the replica to its protective snapshot".to_owned(),
        Action::Unprotect => "drop the protective snapshot".to_owned(),
        Action::SetSwitchover { switchover: s } => format!("set the switchover to {}", switchover(*s)),
        Action::Reassign => "make the target the source of replication".to_owned(),
        Action::KeepProtective { point } => format!("keep the protective snapshot as restore point {point}"),
        Action::MakeCopy { point, links } => match links.first() {
            Some(link) => format!("make a copy above {point}, on {}", link.network),
            None => format!("make a copy above {point}, on no network"),
        },
        Action::RemoveCopy => "remove the copy".to_owned(),
        Action::Conclude { state } => format!("record that it is {state}"),
    }
}

const fn point_kind(kind: PointKind) -> &'static str {
    match kind {
        PointKind::Regular => "restore point",
        PointKind::Helper => "helper point",
        PointKind::Protective => "protective point",
    }
}

/// What the data of a restore point is like.
#[must_use]
pub const fn consistency(consistency: Consistency) -> &'static str {
    match consistency {
        Consistency::Crash => "as after a crash",
        Consistency::Application => "application-consistent",
        Consistency::Clean => "shut down",
    }
}

/// When a failback switches over.
#[must_use]
pub fn switchover(switchover: Switchover) -> String {
    match switchover {
        Switchover::Automatic => "as soon as it is synchronised".to_owned(),
        Switchover::At(at) => at.to_string(),
        Switchover::Manual => "when a person says so".to_owned(),
    }
}

/// What a wait waits for.
#[must_use]
pub fn wait(wait: &Wait) -> String {
    match wait {
        Wait::Ready { replica, vm, readiness: r } => match vm {
            Role::Replica => format!("{replica} ready: {}", readiness(r)),
            Role::Source | Role::Target | Role::Copy => {
                format!("{} of {replica} ready: {}", role(*vm), readiness(r))
            }
        },
        Wait::Until { at } => format!("until {at}"),
        Wait::Quiet { time } => format!("{time} of quiet"),
    }
}

/// A hook in a word.
#[must_use]
pub fn hook_kind(hook: &Hook) -> &'static str {
    if hook.is_fence() { "fence" } else { "hook" }
}

/// What a hook does.
#[must_use]
pub fn hook(hook: &Hook) -> String {
    let around = match &hook.around {
        Around::Plan(plan) => plan.to_string(),
        Around::Entry(plan, entry) => format!("{entry} of {plan}"),
        Around::Replica(replica) => replica.to_string(),
        Around::Site(site) => format!("all of site {site}"),
    };
    if let Some(proof) = &hook.script.proof {
        let whose = if matches!(hook.around, Around::Replica(_)) { "the source of " } else { "" };
        let (run, proof) = (script(&hook.script.run), script(proof));
        return format!("{whose}{around} with {run}, proven by {proof}");
    }
    let operation = hook.operation.map(|kind| format!("{kind} of ")).unwrap_or_default();
    format!("run {} {} {operation}{around}", script(&hook.script.run), hook.when.word())
}

/// A name that follows a machine; what it says before, where that is known.
#[must_use]
pub fn cutover(cutover: &Cutover, before: Option<&[String]>) -> String {
    let Cutover { name, kind, to, server, .. } = cutover;
    let before = match before {
        None => String::new(),
        Some([]) => " nothing".to_owned(),
        Some(says) => format!(" {}", says.join(", ")),
    };
    format!("{name} {}{before} → {to} at {}", kind.word(), server.name)
}

/// An argument list as it is read by people: each word that could be misread in quotes.
#[must_use]
pub fn script(argv: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    let word = |word: &String| {
        if !word.is_empty() && word.chars().all(plain) { word.clone() } else { format!("{word:?}") }
    };
    argv.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// What is asked.
#[must_use]
pub fn gate(gate: &Gate) -> String {
    format!("ask \"{}\"", gate.question.ask)
}

/// Who may answer a question.
#[must_use]
pub fn who(question: &Question) -> String {
    if question.who.is_empty() {
        return "anybody".to_owned();
    }
    let names = question.who.join(", ");
    if question.groups.is_empty() { names } else { format!("{names} ({})", question.groups.join(", ")) }
}

/// What a run's questions are answered with.
#[must_use]
pub const fn answers(plan: &Plan) -> &'static str {
    if plan.waits_for_yes() { "yes" } else { "yes|no" }
}

/// What silence means.
#[must_use]
pub const fn silence(silence: Silence) -> &'static str {
    match silence {
        Silence::Stop => "silence stops the run",
        Silence::Continue => "silence lets it go on, as an exception",
        Silence::No => "silence is a no",
    }
}

/// A person's answer.
#[must_use]
pub fn reply(reply: &Reply) -> String {
    let Reply { yes, person, host, because } = reply;
    let because = because.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
    format!("{} says {}, from {host}{because}", person, if *yes { "yes" } else { "no" })
}

/// How long a wait may take at most, where it has an end of its own.
#[must_use]
pub const fn at_most(wait: &Wait) -> Option<crate::base::Duration> {
    match wait {
        Wait::Ready { readiness, .. } => Some(readiness.within),
        Wait::Until { .. } | Wait::Quiet { .. } => None,
    }
}

/// Why an operation is not possible in a state.
#[must_use]
pub const fn refusal(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::NeverReplicated => "it was never replicated",
        Refusal::NothingToUndo => "there is nothing to undo",
        Refusal::FailOverFirst => "it must be failed over first",
        Refusal::MustBeReady => "a failover starts from Ready alone",
        Refusal::Held => "replication is held until it is Ready again",
        Refusal::StartFailbackFirst => "a failback must be started first",
        Refusal::UndoFailbackFirst => "its failback must be undone first",
        Refusal::AlreadyRunning => "its failback is already under way",
        Refusal::SwitchOverFirst => "it must be switched over first",
        Refusal::AlreadySwitched => "it is switched over already",
        Refusal::Excluded => "its source is excluded from replication",
        Refusal::NotAReplica => "it was failed over for good and is no replica any more",
    }
}

/// Why a replica is left alone.
#[must_use]
pub const fn untouched(why: Untouched) -> &'static str {
    match why {
        Untouched::AlreadyThere => "it is what it shall be",
        Untouched::AwaitsSwitchover => "it waits for a person to switch it over",
        Untouched::NotStandingBy => "it does not stand by, so it is not replicated",
        Untouched::NotNamed => "the runbook does not name it",
        Untouched::NotSelected => "nothing of the slice needs it",
        Untouched::LeftOut => "the slice leaves it out",
        Untouched::NeedsLeftOut => "it does not come up without something that the slice leaves out",
    }
}

/// Why an operation is in a plan.
#[must_use]
pub const fn why(why: &Why) -> &'static str {
    match why {
        Why::Desired => "it is the way to the desired state",
        Why::Completes => "it was begun and never concluded: this completes it",
        Why::TakesBack => "it was begun and never concluded: this is its way back",
        Why::SourceSilent => "the source does not answer, and the document allows doing without it",
        Why::VerificationFailed => "runs only where the verification fails",
        Why::Asked => "it was asked for",
    }
}

/// That a run was taken from its runner.
#[must_use]
pub fn taken_over(runner: &Runner, from: Option<&Runner>, lives: bool, because: Option<&str>) -> String {
    let from = from.map_or_else(String::new, |r| format!(" from {}@{}", r.person, r.host));
    let lives = if lives { ", whose lease was not over" } else { "" };
    let because = because.map_or_else(String::new, |b| format!(": {b}"));
    format!("taken over by {}@{}{from}{lives}{because}", runner.person, runner.host)
}

/// Why a run stops.
#[must_use]
pub fn stop(why: &StopWhy, plan: &Plan) -> String {
    match why {
        StopWhy::Asked => "as was asked".to_owned(),
        StopWhy::AskedBy(Wish { person, host, because }) => {
            let because = because.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
            format!("as {person} on {host} asked{because}")
        }
        StopWhy::Deadline(at) => format!("as its deadline is {at}"),
        StopWhy::Failure(node) => format!("as the plan says, because {} failed", plan.node_name(*node)),
        StopWhy::Unanswered(node) => {
            format!("as the plan says, because nobody answered {}", plan.node_name(*node))
        }
    }
}

/// What an action lacks.
#[must_use]
pub const fn unmet(unmet: Unmet) -> &'static str {
    match unmet {
        Unmet::Unseen => "the machine's site does not answer",
        Unmet::Absent => "the machine does not exist",
        Unmet::ReplicaRuns => "the replica runs where it must be off",
        Unmet::TargetRuns => "the failback target runs where it must be off",
        Unmet::NoPoint => "the restore point is not in the chain",
        Unmet::Replication => "replication is not as it must be",
        Unmet::Layers => "the replica's disk layers are not as they must be",
        Unmet::Stage => "the failback is not at this stage",
        Unmet::BothServe => "another machine of the replica runs on its network",
        Unmet::Copied => "a copy of a drill stands above the restore points, or there is one already",
        Unmet::CopyReaches => "the copy would be on a network of another machine of its replica",
        Unmet::CopyRuns => "the copy runs where it must be off",
        Unmet::Intent => "another operation, or none, is recorded beside the replica",
    }
}

/// What must never be.
#[must_use]
pub fn broken(broken: &Broken) -> String {
    match broken {
        Broken::BothServe { other, network } => {
            format!("{} and the replica would run on network {network} at once", role(*other))
        }
        Broken::ReplicatedWhileServing => "replication would write into a replica that serves".to_owned(),
    }
}

/// What a replica is found to be.
#[must_use]
pub fn condition(condition: &Condition) -> String {
    match condition {
        Condition::Whole(state) => state.name().to_owned(),
        Condition::PartWay(operation) => format!("part-way: {}", operation.kind()),
        Condition::Foreign(what) => foreign(*what).to_owned(),
        Condition::Unseen => "unseen".to_owned(),
    }
}

/// Somebody else's hand.
#[must_use]
pub const fn foreign(foreign: Foreign) -> &'static str {
    match foreign {
        Foreign::StartedOutside => "started outside Lifeboat",
        Foreign::ReplicaGone => "its machine is gone",
        Foreign::BothRun => "replica and failback target both run",
    }
}

/// What is lost, with how much where that can be told.
#[must_use]
pub fn loss(loss: &Loss) -> String {
    let what = match loss.kind {
        LossKind::SourceAfterPoint => "of what the source wrote after the restore point",
        LossKind::ReplicaSinceFailover => "of what the replica wrote since the failover",
        LossKind::ProductionSinceSwitchover => "of what production wrote since the switchover",
        LossKind::RestorePoints => return "all restore points, and with them the way back".to_owned(),
    };
    match loss.upto {
        Some(upto) => format!("up to {} {what}", span(upto)),
        None => format!("all {what}"),
    }
}

/// A length of time for people: `42 s`, `2m10s`.
#[must_use]
pub fn span(duration: crate::base::Duration) -> String {
    let millis = duration.as_millis();
    match millis {
        0..10_000 if !millis.is_multiple_of(1000) => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
        // From half a second before a minute on it is rounded to one.
        0..59_500 => format!("{} s", duration.rounded().as_millis() / 1000),
        _ => duration.rounded().to_string(),
    }
}

/// The unit for an amount of data: its name, and its bytes.
fn unit(bytes: u64) -> (&'static str, u64) {
    let units = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    units.into_iter().find(|(_, size)| bytes >= *size).unwrap_or(("B", 1))
}

/// An amount in a unit: with a tenth where it is small.
fn amount(bytes: u64, unit: u64) -> String {
    let tenths = u128::from(bytes) * 10 / u128::from(unit);
    if unit > 1 && tenths < 100 && !tenths.is_multiple_of(10) {
        format!("{}.{}", tenths / 10, tenths % 10)
    } else {
        (tenths / 10).to_string()
    }
}

/// An amount of data: `340 MiB`.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    let (name, size) = unit(bytes);
    format!("{} {name}", amount(bytes, size))
}

/// How far something has come that moves data: `112 of 340 MiB, 48 MiB/s, 5 s left`.
#[must_use]
pub fn moving(moving: &Moving, now: Timestamp) -> String {
    let (name, size) = unit(moving.of);
    let mut text = format!("{} of {} {name}", amount(moving.done, size), amount(moving.of, size));
    if let Some((rate, left)) = moving.rate(now).zip(moving.left(now)) {
        text.push_str(&format!(", {}/s, {} left", bytes(rate), span(left)));
    }
    text
}

/// The data that was moved: `340 MiB, 48 MiB/s`.
#[must_use]
pub fn moved(moved: &Transfer) -> String {
    let rate = moved.rate().filter(|rate| *rate > 0);
    let rate = rate.map(|rate| format!(", {}/s", bytes(rate))).unwrap_or_default();
    format!("{}{rate}", bytes(moved.bytes))
}

/// What a leg of a plan does.
#[must_use]
pub fn leg(plan: &Plan, leg: &Leg) -> String {
    if plan.sets_switchover(leg) { "new switchover time".to_owned() } else { operation(&leg.operation) }
}

/// An operation with what it takes it from.
#[must_use]
pub fn operation(operation: &Operation) -> String {
    match operation {
        Operation::Failover { point } => format!("failover to {point}"),
        Operation::Drill { point } => format!("drill from {point}"),
        Operation::Failback { target, .. } => match target {
            FailbackTarget::Original => "failback to the original machine".to_owned(),
            FailbackTarget::Elsewhere(vm) => format!("failback to {vm}"),
            FailbackTarget::Recovered(vm) => format!("failback to a new machine {vm}"),
        },
        Operation::Replicate { .. }
        | Operation::PlannedFailover { .. }
        | Operation::UndoFailover
        | Operation::PermanentFailover
        | Operation::Switchover { .. }
        | Operation::CommitFailback { .. }
        | Operation::UndoFailback
        | Operation::EndDrill => operation.kind().name().to_owned(),
    }
}

/// What becomes of what waits.
#[must_use]
pub const fn if_failed(if_failed: IfFailed) -> &'static str {
    match if_failed {
        IfFailed::Block => "else not at all",
        IfFailed::Continue => "else all the same",
        IfFailed::Stop => "else everything stops",
    }
}

/// What a plan is for, with the part of it that it carries out: `evacuate-shop, only web-*`.
#[must_use]
pub fn purpose(plan: &Plan) -> String {
    let part = plan.slice.as_ref().map_or_else(String::new, |s| format!(", {}", slice(s)));
    format!("{}{part}", plan.purpose)
}

/// A meeting point.
#[must_use]
pub fn join(needs: Option<u32>) -> String {
    needs.map_or_else(|| "all of these".to_owned(), |n| format!("{n} of these"))
}

/// A slice as it was asked for: `only web-*, without web-02`.
#[must_use]
pub fn slice(slice: &Slice) -> String {
    let part =
        |word: &str, names: &[String]| (!names.is_empty()).then(|| format!("{word} {}", names.join(" and ")));
    let parts = [part("only", &slice.only), part("without", &slice.without)];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// A slice as it is typed, with a space before it: ` --only 'web-*'`; nothing for the whole.
#[must_use]
pub fn typed(slice: Option<&Slice>) -> String {
    let quoted = |name: &String| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '=');
        if name.chars().all(plain) { name.clone() } else { format!("'{}'", name.replace('\'', "'\\''")) }
    };
    let all = |flag: &str, names: &[String]| {
        names.iter().map(|name| format!(" --{flag} {}", quoted(name))).collect::<String>()
    };
    slice.map_or_else(String::new, |s| all("only", &s.only) + &all("without", &s.without))
}

/// What a slice means for a replica.
#[must_use]
pub fn follows(one: &Follows) -> String {
    let Follows { replica, entry, what } = one;
    match what {
        Consequence::LeftOut => format!("{replica} is left out as well: it does not come up without {entry}"),
        Consequence::GoesOn => {
            format!("{replica} comes up without {entry}: the failover plan says that it goes on")
        }
        Consequence::Stays => format!("{replica} stays where it is, and it waits for {entry}, which moves"),
    }
}

/// `1 step`, `2 steps`.
#[must_use]
pub fn count(n: usize, one: &str) -> String {
    if n == 1 {
        return format!("1 {one}");
    }
    format!("{n} {one}s")
}
