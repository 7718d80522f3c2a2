//! Times drawn by chance, the same ones for the same seed.
//!
//! A step's time is log-normal: never below zero, most of it near its middle, with a long tail, as the times of copies and boots are. Its
//! middle is the step's p50, and its width is chosen so that nineteen of twenty are no longer than its p95. In one draw the steps
//! share half of their luck: a slow day is slow for many. Steps that drew each by itself would make the whole look more certain than it is,
//! for among hundreds of them bad and good luck cancel out.

use crate::base::Duration;
use crate::rehearsal::history::Quantiles;

/// So many standard deviations above the middle lies the point that nineteen of twenty do not pass.
const P95: f64 = 1.644_853_626_951_472_2;

/// A small generator (`SplitMix64`): its whole state is one number, so that each draw has a stream of its own, whoever reckons it and when.
#[derive(Debug, Clone)]
pub struct Luck {
    state: u64,
    shared: f64,
}

impl Luck {
    /// The luck of one draw.
    #[must_use]
    pub fn of(seed: u64, draw: u32) -> Self {
        let mut luck = Self { state: seed, shared: 0.0 };
        luck.state = luck.next().wrapping_add(u64::from(draw).wrapping_mul(0xD134_2543_DE82_EF95));
        luck.shared = luck.normal();
        luck
    }

    const fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number above 0, and 1 at the most.
    fn unit(&mut self) -> f64 {
        // The upper 53 bits: all that a number of this type can tell apart.
        ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// A number of the standard normal distribution (Box and Muller).
    fn normal(&mut self) -> f64 {
        let (radius, angle) = (self.unit(), self.unit());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }

    /// A time for a step.
    pub fn time(&mut self, of: Quantiles) -> Duration {
        let own = self.normal();
        let (p50, p95) = (of.p50.as_millis() as f64, of.p95.as_millis() as f64);
        if p50 == 0.0 || p95 <= p50 {
            return of.p50;
        }
        let z = (self.shared + own) * std::f64::consts::FRAC_1_SQRT_2;
        let millis = p50 * (z * (p95 / p50).ln() / P95).exp();
        // Rounded; what is too long for the type is the longest that it holds.
        Duration::from_millis(millis.round() as u64)
    }
}
