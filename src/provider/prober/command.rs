//! Commands of the runner's own.

use super::About;
use crate::domain::{CommandProbe, NotSo};
use crate::provider::exec::{Call, ExecError, Output, run};
use serde_json::json;
use std::net::IpAddr;

/// So much of a complaint is told on.
const LINE: usize = 200;

/// Whether a command ends well. What it is about stands in its environment, and on its standard input as JSON.
pub async fn ask(probe: &CommandProbe, about: About<'_>) -> Result<(), NotSo> {
    let About { replica, vm, addresses } = about;
    let addresses: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
    let context = json!({ "replica": replica, "site": vm.site, "machine": vm.vm, "addresses": addresses });
    let said = [
        ("LIFEBOAT_REPLICA", replica.to_string()),
        ("LIFEBOAT_SITE", vm.site.to_string()),
        ("LIFEBOAT_MACHINE", vm.vm.to_string()),
        ("LIFEBOAT_ADDRESSES", addresses.join(" ")),
    ];
    let own = probe.env.iter().map(|(name, value)| (name.clone(), value.clone()));
    let call = Call {
        argv: probe.run.clone(),
        input: format!("{context}\n").into_bytes(),
        folder: probe.folder.clone(),
        env: own.chain(said.map(|(name, value)| (name.to_owned(), value))).collect(),
        unheard: true,
        // The limit is on its whole time, and ends it with all that it started.
        silence: probe.timeout.plus(probe.timeout),
        ..Call::default()
    };
    match tokio::time::timeout(probe.timeout.to_std(), run(call)).await {
        Err(_) | Ok(Err(ExecError::Silent { .. })) => Err(NotSo::Ended { after: probe.timeout }),
        Ok(Err(why)) => Err(NotSo::CannotAsk { why: why.to_string() }),
        Ok(Ok(Output { code: Some(0), .. })) => Ok(()),
        Ok(Ok(Output { code, err, .. })) => Err(NotSo::Exit { code, said: last_line(&err) }),
    }
}

/// The last line that says something, fit to be shown.
fn last_line(text: &str) -> String {
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(LINE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Duration;
    use crate::domain::VmRef;
    use std::path::Path;

    fn probe(argv: &[&str], millis: u64) -> CommandProbe {
        let run = argv.iter().map(|a| (*a).to_owned()).collect();
        CommandProbe { run, folder: None, env: [].into(), timeout: Duration::from_millis(millis) }
    }

    async fn asked(probe: &CommandProbe) -> Result<(), NotSo> {
        let vm = VmRef { site: "dr".parse().unwrap(), vm: "db-01_replica".parse().unwrap() };
        let (replica, addresses) = ("db-01".parse().unwrap(), [IpAddr::from([10, 2, 0, 11])]);
        ask(probe, About { replica: &replica, vm: &vm, addresses: &addresses }).await
    }

    #[tokio::test]
    async fn a_command_is_told_what_it_is_about() {
        let folder = tempfile::tempdir().unwrap();
        let script = "cat >said; echo \"$LIFEBOAT_REPLICA $LIFEBOAT_SITE $LIFEBOAT_MACHINE $LIFEBOAT_ADDRESSES $OWN\" >>said";
        let mut probe = probe(&["sh", "-c", script], 10_000);
        probe.folder = folder.path().to_str().map(str::to_owned);
        probe.env = [("OWN".to_owned(), "a b; c".to_owned())].into();
        assert_eq!(asked(&probe).await, Ok(()));
        let said = std::fs::read_to_string(folder.path().join("said")).unwrap();
        let (json, env) = said.split_once('\n').unwrap();
        let json: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(json["replica"], "db-01");
        assert_eq!((&json["site"], &json["machine"]), (&"dr".into(), &"db-01_replica".into()));
        assert_eq!(json["addresses"], json!(["10.2.0.11"]));
        assert_eq!(env, "db-01 dr db-01_replica 10.2.0.11 a b; c\n");
    }

    #[tokio::test]
    async fn its_end_is_the_answer() {
        let why =
            asked(&probe(&["sh", "-c", "echo first >&2; echo the lag is 400s >&2; exit 3"], 10_000)).await;
        assert_eq!(why, Err(NotSo::Exit { code: Some(3), said: "the lag is 400s".to_owned() }));
        let why = asked(&probe(&["sh", "-c", "kill -9 $$"], 10_000)).await;
        assert_eq!(why, Err(NotSo::Exit { code: None, said: String::new() }));
        let why = asked(&probe(&["/no/such/program"], 10_000)).await;
        assert!(matches!(&why, Err(NotSo::CannotAsk { why }) if why.contains("/no/such/program")), "{why:?}");
    }

    #[tokio::test]
    async fn arguments_are_no_text_of_a_shell() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("mark");
        let text = format!("$(touch {0}); touch {0}", mark.display());
        assert_eq!(asked(&probe(&["true", &text], 10_000)).await, Ok(()));
        assert!(!mark.exists());
    }

    #[tokio::test]
    async fn one_that_ignores_signals_and_talks_is_ended_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let pids = folder.path().join("pids");
        let script = format!(
            "trap '' TERM INT HUP; sleep 78 & echo $! >{0}; echo $$ >>{0}; while true; do echo busy; sleep 0.05; done",
            pids.display()
        );
        let why = asked(&probe(&["sh", "-c", &script], 500)).await;
        assert_eq!(why, Err(NotSo::Ended { after: Duration::from_millis(500) }));
        let pids: Vec<String> = std::fs::read_to_string(pids).unwrap().lines().map(str::to_owned).collect();
        assert_eq!(pids.len(), 2);
        for _ in 0..100 {
            let lives = |pid: &&String| {
                let state =
                    std::fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
                !state.is_empty() && !state.contains(") Z ")
            };
            if !pids.iter().any(|pid| lives(&pid)) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("what it started lives on");
    }
}
