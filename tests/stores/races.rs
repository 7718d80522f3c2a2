//! Many at once over runbooks that share a replica: never two holders, and whoever loses is told who holds it.

use crate::estate::{Estate, lifeboat, said};
use crate::servers::Server;
use std::collections::BTreeSet;
use std::process::Child;

/// So many at once.
const AT_ONCE: usize = 8;

/// So quick passes the time: whoever wins is at work for as long as the others need to find the replica held.
const SPEED: u32 = 4;

pub fn few(server: &mut dyn Server) {
    rounds(server, 5);
}

pub fn many(server: &mut dyn Server) {
    rounds(server, 200);
}

/// How the processes of all rounds ended.
#[derive(Debug, Default)]
struct Ended {
    /// They had a run, and carried it out.
    won: usize,
    /// They came when everything was done.
    nothing_to_do: usize,
    /// They were refused, and told who holds the replica.
    told: usize,
    /// Somebody's run had ended between their look and their claim.
    stale: usize,
    /// The store did not answer in time, on a machine with other work: nothing was begun.
    unanswered: usize,
}

/// In each round all begin at one moment; by the world's own log the effects of two runs never mix.
fn rounds(server: &mut dyn Server, rounds: usize) {
    let mut all = Ended::default();
    for round in 0..rounds {
        let (estate, place) = (Estate::new(Some(SPEED)), server.place());
        let outputs: Vec<_> = (0..AT_ONCE).map(|n| begin(&estate, &place, n)).collect();
        let (mut won, mut had, mut refusals) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        for (n, child) in outputs.into_iter().enumerate() {
            let output = child.wait_with_output().unwrap();
            let said = said(&output);
            match output.status.code().unwrap() {
                0 if said.contains("othing to do") => all.nothing_to_do += 1,
                0 => {
                    all.won += 1;
                    won.insert(format!("p{n}"));
                }
                6 => refusals.push(said),
                5 => {
                    all.stale += 1;
                    had.insert(format!("p{n}"));
                }
                74 if said.contains("LB0818") => all.unanswered += 1,
                other => panic!("round {round}: exit {other}: {said}"),
            }
        }
        assert!(!won.is_empty(), "round {round}: nobody won");
        all.told += refusals.len();
        never_two(&estate, round, won.len());
        let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default().trim().to_owned();
        for said in refusals {
            // Whoever is named has had the replica: it won, or was too late for it and let go.
            assert!(
                said.contains("` is held by another run") && said.contains(&format!(" on {host} ")),
                "{said}"
            );
            let person =
                said.split(", by ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_default();
            assert!(
                won.contains(person) || had.contains(person),
                "round {round}: {person} holds nothing: {said}"
            );
        }
    }
    eprintln!("{rounds} rounds of {AT_ONCE}: {all:?}");
    assert!(all.unanswered * 100 <= rounds * AT_ONCE, "the store is too slow: {all:?}");
    assert!(all.told * 2 > rounds * (AT_ONCE - 1), "that was no race: {all:?}");
}

fn begin(estate: &Estate, place: &str, n: usize) -> Child {
    let runbook = if n.is_multiple_of(2) { "one" } else { "two" };
    let words = ["apply", runbook, "--confirm", runbook];
    lifeboat(estate.path(), place, &format!("p{n}"), &words).spawn().unwrap()
}

/// The runbooks share a replica, so the effects of one run stand together in the log.
fn never_two(estate: &Estate, round: usize, won: usize) {
    let effects = estate.effects();
    let runs: Vec<&str> = effects.iter().filter_map(|key| key.split_once('#')).map(|(run, _)| run).collect();
    let mut ended: Vec<&str> = Vec::new();
    for pair in runs.windows(2) {
        if let [one, next] = pair
            && one != next
        {
            ended.push(one);
            assert!(!ended.contains(next), "round {round}: {next} goes on after another run began: {runs:?}");
        }
    }
    let acted: BTreeSet<&str> = runs.iter().copied().collect();
    assert_eq!(acted.len(), won, "round {round}: {won} say that they did it, {acted:?} did");
    let distinct: BTreeSet<&String> = effects.iter().collect();
    assert_eq!(distinct.len(), effects.len(), "round {round}: an effect happened twice");
}
