//! Many at once over runbooks that share a replica: never two holders, and whoever loses is told who holds it.

use crate::estate::{Estate, lifeboat, said};
use crate::servers::Server;
use std::collections::BTreeMap;

/// So many at once.
const AT_ONCE: usize = 8;

pub fn few(server: &mut dyn Server) {
    rounds(server, 5);
}

pub fn many(server: &mut dyn Server) {
    rounds(server, 200);
}

/// In each round one wins, goes over, and comes back; by the world's own log the effects of two runs never mix.
fn rounds(server: &mut dyn Server, rounds: usize) {
    for round in 0..rounds {
        let (estate, place) = (Estate::new(false), server.place());
        let children: Vec<_> = (0..AT_ONCE)
            .map(|n| {
                let runbook = if n % 2 == 0 { "one" } else { "two" };
                let words = ["apply", runbook, "--confirm", runbook];
                lifeboat(estate.path(), &place, &format!("p{n}"), &words).spawn().unwrap()
            })
            .collect();
        let mut codes: BTreeMap<i32, usize> = BTreeMap::new();
        for child in children {
            let output = child.wait_with_output().unwrap();
            let code = output.status.code().unwrap();
            *codes.entry(code).or_default() += 1;
            let said = said(&output);
            match code {
                // It won, or found everything done.
                0 => {}
                6 => assert!(said.contains("is held by another run") && said.contains("by p"), "{said}"),
                // Somebody else's run ended between its look and its claim.
                5 => {}
                other => panic!("round {round}: exit {other}: {said}"),
            }
        }
        assert!(codes.contains_key(&0), "round {round}: nobody won: {codes:?}");
        never_two(&estate, round);
    }
}

/// The runbooks share a replica, so the effects of one run stand together in the log.
fn never_two(estate: &Estate, round: usize) {
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
    let distinct: std::collections::BTreeSet<&String> = effects.iter().collect();
    assert_eq!(distinct.len(), effects.len(), "round {round}: an effect happened twice");
}
