//! Freezing a guest's file systems for the moment at which a copy of its disks begins, through the agent in it.
//!
//! A guest that stays frozen has stopped for all who use it, so it is thawed whatever happens. Freezing, beginning and thawing are
//! one call of virsh, which goes on to its end also where Lifeboat is killed meanwhile. That it was begun is written down beside the replica
//! before: where even that call was cut off, the next attempt thaws first.

use super::case::Trouble;
use super::host::Host;
use super::machine::Run;
use super::sight::run_of;
use crate::base::Duration;

/// How long an agent may take to answer at all.
const ANSWERS: &str = "5";
/// How long it may take to freeze what there is, with the programs that it tells before.
const FREEZES: &str = "20";
/// How long it may take to thaw.
const THAWS: &str = "10";
/// All of them, beside what libvirt may take for itself.
const LONGER: Duration = Duration::from_secs(35);
/// What stands between the answers to the calls of one go.
const MARK: &str = "lifeboat:";
/// How often thawing is tried.
const TRIES: u32 = 3;

fn agent<'a>(name: &'a str, seconds: &'a str, command: &'a str) -> [&'a str; 7] {
    ["qemu-agent-command", "--domain", name, "--timeout", seconds, "--cmd", command]
}

const FREEZE: &str = r#"{"execute":"guest-fsfreeze-freeze"}"#;
const THAW: &str = r#"{"execute":"guest-fsfreeze-thaw"}"#;
const STATUS: &str = r#"{"execute":"guest-fsfreeze-status"}"#;

/// What a guest's agent says of its file systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// They work.
    Thawed,
    /// They are frozen.
    Frozen,
    /// It does not answer, or cannot freeze.
    Unknown,
}

/// Asks a guest's agent how its file systems are.
pub async fn state(host: &Host, name: &str) -> State {
    match host.ask(&agent(name, ANSWERS, STATUS)).await {
        Ok(said) if said.contains("\"thawed\"") => State::Thawed,
        Ok(said) if said.contains("\"frozen\"") => State::Frozen,
        Ok(_) | Err(_) => State::Unknown,
    }
}

/// Carries a call of virsh out while a guest's file systems are frozen. Returns what virsh complained of, and whether they were
/// frozen all the time.
///
/// # Errors
/// [`Trouble`], also where the guest may still be frozen.
pub async fn frozen(
    host: &Host,
    name: &str,
    call: (&[&str], &[(&str, &str)]),
) -> Result<(String, bool), Trouble> {
    let (freeze, thaw) = (agent(name, FREEZES, FREEZE), agent(name, THAWS, THAW));
    let mark = ["echo", MARK];
    let silence = host.spec.silence.plus(LONGER);
    let said = host.virsh_between(&[&freeze, &mark], call, &[&mark, &thaw], silence).await;
    let counts = said.as_ref().map(|(out, _)| counts(out)).unwrap_or_default();
    // Windows thaws by itself when it takes too long; then there is nothing to thaw any more.
    let frozen = matches!(counts, [Some(some), Some(thawed)] if some > 0 && thawed > 0);
    if counts[1].is_none() {
        thawed(host, name).await?;
    }
    let (_, why) = said?;
    Ok((why, frozen))
}

/// How many file systems were frozen, and thawed, as the agent answered.
fn counts(out: &str) -> [Option<u64>; 2] {
    let parts: Vec<&str> = out.split(MARK).collect();
    let count = |part: Option<&&str>| {
        let value: serde_json::Value = serde_json::from_str(part?.trim()).ok()?;
        value.get("return")?.as_u64()
    };
    match parts.len() {
        3 => [count(parts.first()), count(parts.last())],
        _ => [None, None],
    }
}

/// Thaws a guest that may be frozen.
///
/// # Errors
/// [`Trouble`] where it does not say that it is thawed.
pub async fn thawed(host: &Host, name: &str) -> Result<(), Trouble> {
    for _ in 0..TRIES {
        let thawed = host.virsh(&agent(name, THAWS, THAW)).await;
        // A machine that is off has nothing to thaw.
        let off = matches!(run_of(host, name).await, Ok(None | Some(Run::Off)));
        if off || state(host, name).await == State::Thawed {
            return Ok(());
        }
        tracing::warn!(machine = name, ?thawed, "the guest may be frozen");
    }
    Err(Trouble::InTheWay(format!(
        "the guest of {name} may be frozen and its agent does not say otherwise; thaw it with `virsh domfsthaw {name}`"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_frozen_and_thawed_is_read_from_the_answers() {
        let said = |freeze: &str, thaw: &str| counts(&format!("{freeze}\n\n{MARK}\n{MARK}\n{thaw}\n"));
        assert_eq!(said("{\"return\":2}", "{\"return\":1}"), [Some(2), Some(1)]);
        assert_eq!(said("", "{\"return\":0}"), [None, Some(0)]);
        assert_eq!(said("{\"return\":{}}", "{\"error\":{}}"), [None, None]);
        assert_eq!(counts("{\"return\":2}"), [None, None], "cut off");
    }
}
