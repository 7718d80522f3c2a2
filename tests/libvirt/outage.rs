//! The link between the sites is cut in the middle of a copy: of a replication, and of both phases of a failback, all at the same moment.

use crate::lab::Lab;
use crate::lab::sshd::Sshd;
use crate::machine::{Blank, virsh, write};
use crate::party::{Copy, Party, begin, each, slow};
use crate::ssh;
use crate::stories::{BLANK, Test};
use crate::workspace::{Running, Said, Workspace, site_reached};
use std::time::{Duration, Instant};

/// The stories.
pub const TESTS: [Test; 1] = [("a_link_that_breaks_in_the_middle_of_a_copy_costs_time_alone", broken)];

const OUTAGE: Duration = Duration::from_secs(20);
/// How long it is watched that nothing moves.
const WATCHED: Duration = Duration::from_secs(3);

/// Starts all of them and cuts the link when all are in the middle; returns when it is certain that nothing moves any more.
fn cut(lab: &Lab, parties: &[Party<'_>], pattern: u8) -> Result<Vec<Running>, String> {
    let mut running = begin(lab, parties, pattern)?;
    lab.production.link(false)?;
    std::thread::sleep(Duration::from_secs(1));
    let held: Vec<_> = parties.iter().map(Party::received).collect();
    std::thread::sleep(WATCHED);
    assert_eq!(held, parties.iter().map(Party::received).collect::<Vec<_>>(), "nothing comes through");
    assert!(parties.iter().all(Party::in_the_middle) && running.iter_mut().all(Running::runs), "{held:?}");
    Ok(running)
}

fn mend(lab: &Lab, parties: &[Party<'_>]) -> Result<(), String> {
    lab.production.link(true)?;
    slow(lab, parties, false)
}

fn broken(lab: &Lab) -> Result<(), String> {
    let (a, b) = (&lab.production, &lab.recovery);
    let sshd = Sshd::at(b)?;
    let vm = |name, number| Blank { name, number };
    // What stays behind at the other end of a connection is nobody's child here.
    let by_ssh = Workspace::with(lab, site_reached("recovery", b, &ssh::way(b, &sshd)), &["vm51"], BLANK);
    let parties = [
        Party::with(lab, vm("vm51", 51), Copy::Changes, by_ssh),
        Party::new(lab, vm("vm52", 52), Copy::FirstPhase),
        Party::new(lab, vm("vm53", 53), Copy::SecondPhase),
    ];
    // Three silences: two give up in the time of the outage and try again; with the default one the copy goes on by itself.
    for (pattern, silence) in [(10, "silence: 8s"), (11, "silence: 60s")] {
        each(&parties, |p| p.prepare(pattern));
        parties.iter().for_each(|p| p.workspace.edit("workspace.yaml", "silence: 8s", silence));
        let running = cut(lab, &parties, pattern)?;
        std::thread::sleep(OUTAGE - WATCHED);
        mend(lab, &parties)?;
        running.into_iter().for_each(|r| drop(r.ended().ends(0)));
        each(&parties, |p| p.whole(pattern, &format!("after an outage with {silence}")));
        parties.iter().for_each(|p| p.workspace.edit("workspace.yaml", silence, "silence: 8s"));
    }
    each(&parties, |p| p.prepare(20));
    let running = cut(lab, &parties, 20)?;
    let began = Instant::now();
    let said: Vec<Said> = running.into_iter().map(Running::ended).collect();
    let took = began.elapsed();
    said.into_iter().for_each(|s| drop(s.ends(3).says("is the way there open?").says("lifeboat resume")));
    assert!(took < Duration::from_secs(60), "it took {took:?} to say so");
    // The machines that were read from have not been held up: they take writes.
    write(a, "vm51", 1, (21, 40, 1));
    write(b, "vm52_replica", 1, (21, 40, 1));
    mend(lab, &parties)?;
    each(&parties, |p| {
        p.workspace.lifeboat(&["resume"]).ends(0);
        p.whole(20, "after an outage for good");
        virsh(b, &["destroy", &p.vm.replica()]);
    });
    Ok(())
}
