//! What a plan can wait for.

use crate::base::{Duration, ReplicaName, Timestamp};
use crate::domain::fact::Role;
use crate::domain::probe::{NotSo, Probe};
use serde::{Deserialize, Serialize};

/// When a machine is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", from = "Stored")]
pub struct Readiness {
    /// What must be so,
    pub ask: Ask,
    /// within so much time;
    pub within: Duration,
    /// and what happens at the end of it.
    pub otherwise: AtEnd,
}

/// Questions, put together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ask {
    /// One question.
    One(Check),
    /// All of these.
    All(Vec<Self>),
    /// One of these.
    Any(Vec<Self>),
    /// So many of these.
    AtLeast {
        /// How many.
        count: u32,
        /// Of which.
        of: Vec<Self>,
    },
}

/// A question with its times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The question,
    pub probe: Probe,
    /// asked so often,
    pub every: Duration,
    /// answered without a break for so long,
    pub stable: Duration,
    /// and given up after so much time.
    pub within: Duration,
}

/// What happens where a machine is not ready at the end of its time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AtEnd {
    /// The wait has failed.
    #[default]
    Stop,
    /// The run goes on, and ends with an exception.
    Continue,
    /// A person decides.
    Ask,
}

/// What is known of something that may become so, and may have become impossible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It is not so, and will not be.
    Over,
    /// It is not so yet.
    Open,
    /// It is so.
    Met,
}

impl Ask {
    /// The questions, in the order of the document.
    #[must_use]
    pub fn checks(&self) -> Vec<&Check> {
        match self {
            Self::One(check) => vec![check],
            Self::All(of) | Self::Any(of) | Self::AtLeast { of, .. } => {
                of.iter().flat_map(Self::checks).collect()
            }
        }
    }

    /// How many of these must be so, and all these.
    fn needs(&self) -> (usize, &[Self]) {
        match self {
            Self::One(_) => (1, &[]),
            Self::All(of) => (of.len(), of),
            Self::Any(of) => (1, of),
            Self::AtLeast { count, of } => (usize::try_from(*count).unwrap_or(usize::MAX), of),
        }
    }

    /// What the whole comes to, where it is known what each question comes to, in their order.
    #[must_use]
    pub fn standing(&self, each: &[Standing]) -> Standing {
        self.fold(&mut each.iter().copied())
    }

    /// How long it takes at least from the first answer on.
    #[must_use]
    pub fn steady(&self) -> Duration {
        match self {
            Self::One(check) => check.stable,
            Self::All(_) | Self::Any(_) | Self::AtLeast { .. } => {
                let (count, of) = self.needs();
                let mut times: Vec<Duration> = of.iter().map(Self::steady).collect();
                times.sort_unstable();
                count.checked_sub(1).and_then(|last| times.get(last)).copied().unwrap_or_default()
            }
        }
    }

    fn fold(&self, each: &mut impl Iterator<Item = Standing>) -> Standing {
        if let Self::One(_) = self {
            return each.next().unwrap_or(Standing::Open);
        }
        let (count, of) = self.needs();
        let found: Vec<Standing> = of.iter().map(|part| part.fold(each)).collect();
        let met = found.iter().filter(|s| **s == Standing::Met).count();
        let open = found.iter().filter(|s| **s == Standing::Open).count();
        if met >= count {
            Standing::Met
        } else if met + open >= count {
            Standing::Open
        } else {
            Standing::Over
        }
    }

    /// The same with other times for every question.
    #[must_use]
    pub fn with(&self, times: &impl Fn(&Check) -> Check) -> Self {
        let all = |of: &[Self]| of.iter().map(|part| part.with(times)).collect();
        match self {
            Self::One(check) => Self::One(times(check)),
            Self::All(of) => Self::All(all(of)),
            Self::Any(of) => Self::Any(all(of)),
            Self::AtLeast { count, of } => Self::AtLeast { count: *count, of: all(of) },
        }
    }
}

impl Readiness {
    /// As soon as the guest answers.
    #[must_use]
    pub fn guest(stable: Duration, every: Duration, within: Duration) -> Self {
        let check = Check { probe: Probe::Guest, every, stable, within };
        Self { ask: Ask::All(vec![Ask::One(check)]), within, otherwise: AtEnd::Stop }
    }

    /// The same, without a break for at least a quiet time, which it gets on top; where it is not so, that has failed in any case.
    #[must_use]
    pub fn quiet_for(&self, quiet: Duration) -> Self {
        let longer = |check: &Check| Check {
            stable: check.stable.max(quiet),
            within: check.within.plus(quiet),
            ..check.clone()
        };
        Self { ask: self.ask.with(&longer), within: self.within.plus(quiet), otherwise: AtEnd::Stop }
    }
}

/// A readiness as it is stored; before questions could be put together in other ways than `all`, their times stood once.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    ask: Option<Ask>,
    #[serde(default)]
    all: Vec<Probe>,
    #[serde(default)]
    stable: Duration,
    #[serde(default)]
    every: Duration,
    within: Duration,
    #[serde(default)]
    otherwise: AtEnd,
}

impl From<Stored> for Readiness {
    fn from(stored: Stored) -> Self {
        let Stored { ask, all, stable, every, within, otherwise } = stored;
        let one = |probe| Ask::One(Check { probe, every, stable, within });
        let ask = ask.unwrap_or_else(|| Ask::All(all.into_iter().map(one).collect()));
        Self { ask, within, otherwise }
    }
}

/// What was heard of a question last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// The question.
    pub probe: Probe,
    /// What became of it.
    pub answer: Answer,
}

/// What became of a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// It is answered as it should be, for as long as it should be.
    Met,
    /// It is answered as it should be, and not for long enough.
    Unsteady {
        /// How long it should be.
        stable: Duration,
    },
    /// It is not answered as it should be.
    Not(NotSo),
}

/// A wait: it changes nothing, so it needs no intent in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Wait {
    /// Until a machine is ready.
    Ready {
        /// Whose machine.
        replica: ReplicaName,
        /// Which machine.
        vm: Role,
        /// When it is ready.
        readiness: Box<Readiness>,
    },
    /// Until a point in time.
    Until {
        /// The time.
        at: Timestamp,
    },
    /// So long.
    Quiet {
        /// How long.
        time: Duration,
    },
}

/// What is waited for: how far a machine that comes up must be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Is {
    /// The machine was powered on: its operation is done.
    Started,
    /// The machine is ready.
    #[default]
    Ready,
    /// The machine is ready; and what makes its move final, the commit of a failback or a permanent failover, is done before the other's is.
    Committed,
}

impl Is {
    /// The word for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Ready => "ready",
            Self::Committed => "committed",
        }
    }
}

/// What becomes of what waits, where that which it waits for failed or will not run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum IfFailed {
    /// It does not start; unrelated branches go on.
    #[default]
    Block,
    /// It starts all the same, and the run ends with an exception.
    Continue,
    /// Nothing new starts in the whole run.
    Stop,
}

/// What is done where a run ends with a failure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnFailure {
    /// Everything stays where it is, and a person decides.
    #[default]
    Hold,
    /// The way back is planned and shown; it is carried out where a person gave the word for it in advance.
    Undo,
}

/// How long it is waited before something is tried again: the first pause, and how much longer each one is than the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// The first pause.
    pub every: Duration,
    /// How many times as long each further one is.
    pub factor: u32,
}

impl Default for Pause {
    /// 2 s, 4 s, 8 s …
    fn default() -> Self {
        Self { every: Duration::from_secs(2), factor: 2 }
    }
}

impl Pause {
    /// No pause grows beyond this; one that is said to be longer stays as it is.
    const LONGEST: Duration = Duration::from_mins(10);

    /// The pause after so many attempts, of which the first is 1.
    #[must_use]
    pub fn after(self, attempts: u32) -> Duration {
        let times = u64::from(self.factor.max(1)).saturating_pow(attempts.saturating_sub(1));
        let grown = Duration::from_millis(self.every.as_millis().saturating_mul(times));
        grown.min(Self::LONGEST.max(self.every))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(stable: u64) -> Ask {
        let (every, within) = (Duration::from_secs(2), Duration::from_mins(5));
        Ask::One(Check { probe: Probe::Guest, every, stable: Duration::from_secs(stable), within })
    }

    fn ask() -> impl Strategy<Value = Ask> {
        (0u64..9).prop_map(check).prop_recursive(3, 12, 4, |inner| {
            let of = || prop::collection::vec(inner.clone(), 1..4);
            prop_oneof![
                of().prop_map(Ask::All),
                of().prop_map(Ask::Any),
                (1u32..5, of()).prop_map(|(count, of)| Ask::AtLeast { count, of }),
            ]
        })
    }

    /// Whether the whole is so, where each question either is or is not: said once more, in the plainest way.
    fn is_so(ask: &Ask, each: &mut impl Iterator<Item = bool>) -> bool {
        match ask {
            Ask::One(_) => each.next().unwrap(),
            Ask::All(of) => of.iter().filter(|part| is_so(part, each)).count() == of.len(),
            Ask::Any(of) => of.iter().filter(|part| is_so(part, each)).count() > 0,
            Ask::AtLeast { count, of } => {
                of.iter().filter(|part| is_so(part, each)).count() >= *count as usize
            }
        }
    }

    proptest! {
        /// It is met where it is so whatever becomes of the open questions, and over where it cannot become so.
        #[test]
        fn open_questions_decide_nothing(
            (ask, each) in ask().prop_flat_map(|ask| {
                let one = prop::sample::select(vec![Standing::Over, Standing::Open, Standing::Met]);
                let count = ask.checks().len();
                (Just(ask), prop::collection::vec(one, count))
            })
        ) {
            let with = |open| is_so(&ask, &mut each.iter().map(|s| match s {
                Standing::Met => true,
                Standing::Over => false,
                Standing::Open => open,
            }));
            let expected = match (with(false), with(true)) {
                (true, _) => Standing::Met,
                (false, true) => Standing::Open,
                (false, false) => Standing::Over,
            };
            prop_assert_eq!(ask.standing(&each), expected);
        }

        #[test]
        fn what_is_stored_is_read_back(ask in ask()) {
            let readiness = Readiness { ask, within: Duration::from_mins(5), otherwise: AtEnd::Continue };
            let text = serde_json::to_string(&readiness).unwrap();
            prop_assert_eq!(serde_json::from_str::<Readiness>(&text).unwrap(), readiness);
        }
    }

    #[test]
    fn a_plan_of_before_is_still_read() {
        let text = r#"{"all":["guest",{"tcp":{"port":5432}},{"http":{"port":80,"path":"/","status":204}}],
            "stable":"10s","every":"2s","within":"5m"}"#;
        let read: Readiness = serde_json::from_str(text).unwrap();
        let words: Vec<String> = read.ask.checks().iter().map(|c| c.probe.to_string()).collect();
        assert_eq!(words, ["guest", "tcp 5432", "http 80/ (204)"]);
        assert!(read.ask.checks().iter().all(|c| c.stable == Duration::from_secs(10)));
        assert_eq!((read.within, read.otherwise), (Duration::from_mins(5), AtEnd::Stop));
    }

    #[test]
    fn the_least_time_is_that_of_the_quickest_way() {
        assert_eq!(Ask::All(vec![check(3), check(9)]).steady(), Duration::from_secs(9));
        assert_eq!(Ask::Any(vec![check(3), check(9)]).steady(), Duration::from_secs(3));
        let some = Ask::AtLeast { count: 2, of: vec![check(8), check(1), check(4)] };
        assert_eq!(some.steady(), Duration::from_secs(4));
    }

    #[test]
    fn pauses_grow_by_their_factor_up_to_ten_minutes() {
        let seconds = |pause: Pause| [1, 2, 3, 4, 99].map(|n| pause.after(n).as_millis() / 1000);
        assert_eq!(seconds(Pause::default()), [2, 4, 8, 16, 600]);
        assert_eq!(seconds(Pause { every: Duration::from_secs(30), factor: 1 }), [30; 5]);
        assert_eq!(seconds(Pause { every: Duration::from_secs(200), factor: 4 }), [200, 600, 600, 600, 600]);
        assert_eq!(seconds(Pause { every: Duration::from_mins(20), factor: 2 }), [1200; 5]);
    }
}
