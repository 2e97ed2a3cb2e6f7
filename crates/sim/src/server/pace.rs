//! The pace of venue time, and the clock that follows it.

use crate::market::Time;
use everwarm_domain::time::UtcMs;
use everwarm_runtime::clock;
use std::fmt;
use std::time::{Duration, Instant};

/// The largest pace.
const FACTOR_MAX: u32 = 100_000;
/// Factor of the venue's request limits in lockstep, where venue time stands still.
const LOCKSTEP_LIMITS: u64 = 1_000;

/// The pace of venue time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Venue time moves only on request.
    Lockstep,
    /// This many times as fast as wall time; 1 is real time.
    Times(u32),
}

impl Pace {
    /// The factor that scales the age of requests.
    #[must_use]
    pub fn factor(self) -> u32 {
        match self {
            Pace::Lockstep => 1,
            Pace::Times(factor) => factor,
        }
    }

    /// The factor of the venue's request limits, which count wall time.
    #[must_use]
    pub fn limits(self) -> u64 {
        match self {
            Pace::Lockstep => LOCKSTEP_LIMITS,
            Pace::Times(factor) => u64::from(factor),
        }
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pace::Lockstep => f.write_str("lockstep"),
            Pace::Times(1) => f.write_str("real"),
            Pace::Times(factor) => write!(f, "{factor}x"),
        }
    }
}

impl std::str::FromStr for Pace {
    type Err = String;
    fn from_str(text: &str) -> Result<Pace, String> {
        let wrong = || format!("{text:?} is not a pace: lockstep, real, or 2x to {FACTOR_MAX}x");
        match text {
            "lockstep" => Ok(Pace::Lockstep),
            "real" => Ok(Pace::Times(1)),
            _ => {
                let factor = text.strip_suffix('x').and_then(|t| t.parse::<u32>().ok());
                let fits = factor.filter(|f| (1..=FACTOR_MAX).contains(f));
                fits.map(Pace::Times).ok_or_else(wrong)
            }
        }
    }
}

/// A clock that derives venue time from wall time, or follows the time of live prices.
#[derive(Clone)]
pub struct VenueClock {
    pace: Pace,
    base: UtcMs,
    started: Instant,
    live: Option<Time>,
}

impl fmt::Debug for VenueClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (pace, base) = (&self.pace, &self.base);
        f.debug_struct("VenueClock").field("pace", pace).field("base", base).finish_non_exhaustive()
    }
}

impl VenueClock {
    /// A clock that shows `base` now.
    #[must_use]
    pub fn starting(pace: Pace, base: UtcMs) -> VenueClock {
        VenueClock { pace, base, started: clock::now(), live: None }
    }

    /// The same clock; with a time of live prices it follows that one, and never shows less than
    /// its first value.
    #[must_use]
    pub fn following(self, live: Option<Time>) -> VenueClock {
        VenueClock { live, ..self }
    }

    /// Its pace.
    #[must_use]
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// Venue time; none in lockstep.
    #[must_use]
    pub fn now(&self) -> Option<UtcMs> {
        if let Some(time) = &self.live {
            return Some(time().max(self.base));
        }
        match self.pace {
            Pace::Lockstep => None,
            Pace::Times(factor) => {
                let passed = self.started.elapsed() * factor;
                Some(self.base + UtcMs::try_from(passed.as_millis()).unwrap_or(UtcMs::MAX / 2))
            }
        }
    }

    /// Wall time until venue time is `at`; zero in lockstep.
    #[must_use]
    pub fn until(&self, at: UtcMs) -> Duration {
        let left = at.saturating_sub(self.now().unwrap_or(at));
        Duration::from_millis(u64::try_from(left).unwrap_or(0)) / self.pace.factor()
    }
}
