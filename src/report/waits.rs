//! Readiness in words: what is asked, what was heard, and why that is not enough.

use crate::domain::{Answer, Ask, AtEnd, Heard, NotSo, Probe, Readiness};

/// When a machine counts as ready.
#[must_use]
pub fn readiness(readiness: &Readiness) -> String {
    let checks = readiness.ask.checks();
    let Some(first) = checks.first() else { return "at once".to_owned() };
    // A time that all share is said once.
    let shared = checks.iter().all(|check| check.stable == first.stable);
    let text = asked(&readiness.ask, shared, false);
    if shared && first.stable.as_millis() > 0 { format!("{text} stable {}", first.stable) } else { text }
}

fn asked(ask: &Ask, shared: bool, inside: bool) -> String {
    let all = |of: &[Ask]| of.iter().map(|part| asked(part, shared, of.len() > 1)).collect::<Vec<_>>();
    let (text, parts) = match ask {
        Ask::One(check) if shared || check.stable.as_millis() == 0 => return check.probe.to_string(),
        Ask::One(check) => return format!("{} stable {}", check.probe, check.stable),
        Ask::All(of) => (all(of).join(" and "), of.len()),
        Ask::Any(of) => (all(of).join(" or "), of.len()),
        Ask::AtLeast { count, of } => return format!("{count} of ({})", all(of).join(", ")),
    };
    if inside && parts > 1 { format!("({text})") } else { text }
}

/// What happens at the end of the time, where that is not the usual.
#[must_use]
pub const fn at_end(otherwise: AtEnd) -> &'static str {
    match otherwise {
        AtEnd::Stop => "",
        AtEnd::Continue => ", then goes on without",
        AtEnd::Ask => ", then a person decides",
    }
}

/// What was heard: `tcp 5432 answers, http 80/healthz does not: status 503`.
#[must_use]
pub fn heard(heard: &[Heard]) -> String {
    let one = |heard: &Heard| {
        let Heard { probe, answer } = heard;
        let (is, is_not) = match probe {
            Probe::Command(_) => ("is content", "is not"),
            Probe::Guest | Probe::Tcp { .. } | Probe::Http(_) | Probe::Dns(_) => ("answers", "does not"),
        };
        match answer {
            Answer::Met => format!("{probe} {is}"),
            Answer::Unsteady { stable } => format!("{probe} {is}, but not for {stable} yet"),
            Answer::Not(why) => format!("{probe} {is_not}: {}", not_so(why)),
        }
    };
    heard.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Why a question is not answered as it should be.
#[must_use]
pub fn not_so(why: &NotSo) -> String {
    match why {
        NotSo::Unseen => "the machine is not seen".to_owned(),
        NotSo::Off => "the machine is off".to_owned(),
        NotSo::Silent => "nobody is up in there".to_owned(),
        NotSo::NoAddress => "no address of the machine is known".to_owned(),
        NotSo::Unconnected { why } => why.clone(),
        NotSo::NoAnswer => "nothing was heard in time".to_owned(),
        NotSo::Garbled { why } => format!("what it says is no answer: {why}"),
        NotSo::Untrusted { why } => format!("it is not trusted: {why}"),
        NotSo::Status { is } => format!("status {is}"),
        NotSo::Body => "its body says something else".to_owned(),
        NotSo::Header { is: None } => "the header is not there".to_owned(),
        NotSo::Header { is: Some(is) } => format!("the header says `{is}`"),
        NotSo::Refused { code } => code.clone(),
        NotSo::Records { are } if are.is_empty() => "there is no such record".to_owned(),
        NotSo::Records { are } => format!("it has {}", are.join(", ")),
        NotSo::Exit { code, said } => {
            let ended = code.map_or_else(|| "ended by a signal".to_owned(), |code| format!("exit {code}"));
            if said.is_empty() { ended } else { format!("{ended}: {said}") }
        }
        NotSo::Ended { after } => format!("not done within {after}, and ended"),
        NotSo::CannotAsk { why } => why.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Duration;
    use crate::domain::{Check, HttpProbe};

    fn one(probe: Probe, stable: u64) -> Ask {
        let (every, within) = (Duration::from_secs(2), Duration::from_mins(5));
        Ask::One(Check { probe, every, stable: Duration::from_secs(stable), within })
    }

    fn words(ask: Ask) -> String {
        readiness(&Readiness { ask, within: Duration::from_mins(5), otherwise: AtEnd::Stop })
    }

    #[test]
    fn questions_are_read_as_they_are_put_together() {
        let port = |port, stable| one(Probe::Tcp { port }, stable);
        let web = |stable| one(Probe::Http(HttpProbe::plain(80, "/healthz")), stable);
        assert_eq!(words(Ask::All(Vec::new())), "at once");
        assert_eq!(words(Ask::All(vec![port(1, 10)])), "tcp 1 stable 10s");
        assert_eq!(words(Ask::All(vec![port(1, 10), web(10)])), "tcp 1 and http 80/healthz stable 10s");
        assert_eq!(words(Ask::Any(vec![port(1, 5), web(0)])), "tcp 1 stable 5s or http 80/healthz");
        let some = Ask::AtLeast { count: 2, of: vec![port(1, 0), port(2, 0), port(3, 0)] };
        let either = Ask::Any(vec![port(4, 0), Ask::All(vec![port(5, 0), web(0)])]);
        assert_eq!(
            words(Ask::All(vec![some, either])),
            "2 of (tcp 1, tcp 2, tcp 3) and (tcp 4 or (tcp 5 and http 80/healthz))"
        );
    }

    #[test]
    fn what_answers_and_what_does_not_is_one_sentence() {
        let http = Probe::Http(HttpProbe::plain(443, "/healthz"));
        let all = [
            Heard { probe: Probe::Tcp { port: 5432 }, answer: Answer::Met },
            Heard { probe: http, answer: Answer::Not(NotSo::Status { is: 503 }) },
            Heard { probe: Probe::Guest, answer: Answer::Unsteady { stable: Duration::from_secs(10) } },
        ];
        assert_eq!(
            heard(&all),
            "tcp 5432 answers, http 443/healthz does not: status 503, guest answers, but not for 10s yet"
        );
    }
}
