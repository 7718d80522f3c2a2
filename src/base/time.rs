//! Durations and points in time, in whole milliseconds: the units of documents, plans and journals.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Why a text is no duration or no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not a duration such as `90s`, `15m` or `1h30m`.
    #[error("{0:?} is no duration; write it with its unit: 90s, 15m, 1h30m")]
    Duration(String),
    /// A duration below zero.
    #[error("{0:?} is below zero")]
    Negative(String),
    /// A duration beyond [`Duration::LONGEST`].
    #[error("{0:?} is longer than ten years")]
    TooLong(String),
    /// Not a time with a zone such as `2026-11-22T03:00:00Z`.
    #[error("{0:?} is no time with a zone; write it like 2026-11-22T03:00:00Z")]
    Timestamp(String),
}

/// A length of time, never below zero, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(u64);

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// The longest duration that a person may say: ten years. Sums of a few thousand of them are still within the calendar's reckoning.
    pub const LONGEST: Self = Self::from_secs(3650 * 24 * 60 * 60);

    /// Reads what a person said, with the bound of [`Duration::LONGEST`]. What was reckoned may be longer.
    ///
    /// # Errors
    /// [`TimeError`].
    pub fn said(text: &str) -> Result<Self, TimeError> {
        let duration: Self = text.parse()?;
        if duration > Self::LONGEST { Err(TimeError::TooLong(text.to_owned())) } else { Ok(duration) }
    }

    /// A duration of so many milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// A duration of so many seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// A duration of so many minutes.
    #[must_use]
    pub const fn from_mins(minutes: u64) -> Self {
        Self::from_secs(minutes.saturating_mul(60))
    }

    /// The duration in milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Both together; the longest duration there is where they overflow.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What is left of this after the other; zero where nothing is.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The same as the standard library's type, for timers.
    #[must_use]
    pub const fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0)
    }

    /// For people: whole seconds from ten seconds on, so that 131.4 s reads `2m11s`.
    #[must_use]
    pub fn rounded(self) -> Self {
        if self.0 < 10_000 { self } else { Self((self.0 + 500) / 1000 * 1000) }
    }
}

impl std::str::FromStr for Duration {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let signed: jiff::SignedDuration = text.parse().map_err(|_| TimeError::Duration(text.to_owned()))?;
        if signed.is_negative() {
            return Err(TimeError::Negative(text.to_owned()));
        }
        u64::try_from(signed.as_millis()).map(Self).map_err(|_| TimeError::Duration(text.to_owned()))
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, millis) = (self.0 / 1000, self.0 % 1000);
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let mut text = String::new();
        if hours > 0 {
            text.push_str(&format!("{hours}h"));
        }
        if minutes > 0 {
            text.push_str(&format!("{minutes}m"));
        }
        if seconds > 0 || (self.0 < 1000 && millis == 0) {
            text.push_str(&format!("{seconds}s"));
        }
        if millis > 0 {
            text.push_str(&format!("{millis}ms"));
        }
        f.pad(&text)
    }
}

/// The calendar's first and last whole second, in milliseconds since 1970; a test holds them against `jiff`, whose own are not constant.
const FIRST: i64 = -377_705_023_201_000;
const LAST: i64 = 253_402_207_200_000;

/// A point in time, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The point in time so many milliseconds after 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The point in time so much later.
    #[must_use]
    pub const fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add_unsigned(duration.0)).within_calendar()
    }

    /// The point in time so much earlier.
    #[must_use]
    pub const fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub_unsigned(duration.0)).within_calendar()
    }

    /// A time that can be written can be read: reckoning stops at the calendar's ends, the years -9999 and 9999.
    const fn within_calendar(self) -> Self {
        if self.0 < FIRST {
            Self(FIRST)
        } else if self.0 > LAST {
            Self(LAST)
        } else {
            self
        }
    }

    /// How long after `earlier` this is; zero where it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The same without its part of a second, for people.
    #[must_use]
    pub const fn seconds(self) -> Self {
        Self(self.0.div_euclid(1000) * 1000)
    }

    /// The time of the day in UTC, `14:02:07Z`, for live lines.
    #[must_use]
    pub fn clock(self) -> String {
        self.seconds().to_string().chars().skip(11).collect()
    }

    /// The time in the form that names take, `20261122T030000Z`, with milliseconds where there are any.
    #[must_use]
    pub fn compact(self) -> String {
        let mut text = self.to_string();
        text.retain(|c| !matches!(c, '-' | ':'));
        text
    }
}

impl std::str::FromStr for Timestamp {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let error = || TimeError::Timestamp(text.to_owned());
        // RFC 3339 allows leaving no part out; the seconds are the one part that people do leave out (`03:00Z`).
        let at: jiff::Timestamp = text.parse().map_err(|_| error())?;
        Ok(Self(at.as_millisecond()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(at) => f.pad(&at.to_string()),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

macro_rules! as_text {
    ($($name:ident)*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

as_text! { Duration Timestamp }

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reckoning_stops_at_the_ends_of_the_calendar_and_what_is_written_is_read() {
        let ends = (jiff::Timestamp::MIN.as_second(), jiff::Timestamp::MAX.as_second());
        assert_eq!((FIRST / 1000, LAST / 1000), ends);
        let now = Timestamp::from_millis(0);
        for end in [now.after(Duration::from_millis(u64::MAX)), now.before(Duration::from_millis(u64::MAX))] {
            assert_eq!(end.to_string().parse(), Ok(end));
        }
    }

    #[test]
    fn durations_as_people_write_them() {
        for (text, millis) in [("90s", 90_000), ("15m", 900_000), ("1h30m", 5_400_000), ("250ms", 250)] {
            assert_eq!(text.parse(), Ok(Duration::from_millis(millis)), "{text}");
        }
        for bad in ["5", "10M", "-5m", "", "soon"] {
            assert!(bad.parse::<Duration>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_a_person_says_is_ten_years_at_most() {
        assert_eq!(Duration::said("87600h"), Ok(Duration::LONGEST));
        for long in ["87600h1ms", "2000000000h"] {
            assert_eq!(Duration::said(long), Err(TimeError::TooLong(long.to_owned())));
            assert!(long.parse::<Duration>().is_ok(), "what was reckoned is read back");
        }
    }

    #[test]
    fn times_need_a_zone() {
        assert!("2026-11-22T03:00Z".parse::<Timestamp>().is_ok());
        assert!("2026-11-22T03:00:00+01:00".parse::<Timestamp>().is_ok());
        assert!("2026-11-22T03:00:00".parse::<Timestamp>().is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(millis in 0..u64::MAX / 4_000_000, at in -60_000_000_000_000i64..200_000_000_000_000) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
            let at = Timestamp::from_millis(at);
            prop_assert_eq!(at.to_string().parse(), Ok(at));
        }
    }
}
