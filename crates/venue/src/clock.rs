//! The venue's clock as estimated here. It is pure: the wall time is an argument.
//!
//! A real venue's clock runs like ours, some milliseconds off. A simulated one may run faster, or
//! stand still until a command moves it. Requests are signed for this time, so an order's
//! recvWindow means the same at every pace.

use super::port::TimeSample;
use everwarm_domain::time::{UtcMs, WallMs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Our wall clock: UTC milliseconds.
pub type Wall = Arc<dyn Fn() -> WallMs + Send + Sync>;

/// Age after which a sample with a longer round trip replaces a better one, milliseconds of wall
/// time. Clocks drift.
const SAMPLE_LIFE: UtcMs = 300_000;

/// Maximum change of the clock by one sample, milliseconds of wall time. A larger change needs two
/// samples.
const STEP: UtcMs = 2_000;

/// Pace of real time: venue milliseconds in a real second.
pub const REAL_PACE: u32 = 1000;

/// The pace of the venue's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// With real time.
    Real,
    /// Faster or slower than real time, from an anchor on.
    Scaled {
        /// Wall time of the anchor, UTC milliseconds.
        wall: WallMs,
        /// Venue time of the anchor, UTC milliseconds.
        venue: UtcMs,
        /// Venue milliseconds that pass in a real second.
        per_mille: u32,
    },
    /// It stands at this instant until it is moved.
    Manual(UtcMs),
}

impl Pace {
    /// The factor for the venue's limits at this pace, at least 1. The limits are counted in our
    /// time. A venue whose time stands has no limits.
    #[must_use]
    pub fn width(self) -> usize {
        match self {
            Pace::Scaled { per_mille, .. } => (per_mille / REAL_PACE).max(1) as usize,
            Pace::Real => 1,
            Pace::Manual(_) => usize::MAX,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Best {
    round_trip: UtcMs,
    taken: WallMs,
    offset: UtcMs,
}

/// The offset and pace of a venue's clock.
#[derive(Clone, Debug)]
pub struct VenueClock {
    pace: Pace,
    best: Option<Best>,
    /// The offset of a sample that is not trusted yet.
    doubtful: Option<UtcMs>,
}

impl VenueClock {
    /// A clock without samples yet.
    #[must_use]
    pub fn new(pace: Pace) -> Self {
        VenueClock { pace, best: None, doubtful: None }
    }

    /// The venue's time at wall time `wall`, both UTC milliseconds.
    #[must_use]
    pub fn now(&self, wall: WallMs) -> UtcMs {
        self.base(wall).saturating_add(self.offset())
    }

    /// The time that the venue's request windows are aligned to: real time at any pace.
    #[must_use]
    pub fn real(&self, wall: WallMs) -> UtcMs {
        match self.pace {
            Pace::Real => self.now(wall),
            Pace::Scaled { .. } | Pace::Manual(_) => wall.utc(),
        }
    }

    /// The difference to the time from the pace alone, milliseconds of venue time.
    #[must_use]
    pub fn offset(&self) -> UtcMs {
        self.best.map_or(0, |b| b.offset)
    }

    /// Changes the pace. Samples of the old pace are dropped.
    pub fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
        (self.best, self.doubtful) = (None, None);
    }

    /// Moves a manual clock. Other clocks follow their samples.
    pub fn set_manual(&mut self, now: UtcMs) {
        self.set_pace(Pace::Manual(now));
    }

    /// Its pace.
    #[must_use]
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// Adds a sample. The one with the smallest round trip wins, until it is too old. A manual
    /// clock ignores samples. Returns whether the sample is trusted. A large change is trusted once
    /// a second sample confirms it.
    pub fn sample(&mut self, s: TimeSample) -> bool {
        let round_trip = s.received - s.sent;
        if round_trip < 0 || matches!(self.pace, Pace::Manual(_)) {
            return true;
        }
        let middle = self.base(s.sent + round_trip / 2);
        let offset = s.server.saturating_sub(middle);
        let fresh = Best { round_trip, taken: s.received, offset };
        let better = self
            .best
            .is_none_or(|b| round_trip <= b.round_trip || s.received - b.taken > SAMPLE_LIFE);
        // After a long round trip, it is uncertain when the venue read its clock.
        let slack = STEP.saturating_add(round_trip).saturating_mul(self.factor()).unsigned_abs();
        let far = |from: UtcMs| from.abs_diff(offset) > slack;
        if far(self.offset()) && self.doubtful.is_none_or(far) {
            self.doubtful = Some(offset);
            return false;
        }
        self.doubtful = None;
        if better {
            self.best = Some(fresh);
        }
        true
    }

    /// Venue milliseconds in a wall millisecond, at least 1.
    fn factor(&self) -> UtcMs {
        match self.pace {
            Pace::Scaled { per_mille, .. } => UtcMs::from((per_mille / REAL_PACE).max(1)),
            Pace::Real | Pace::Manual(_) => 1,
        }
    }

    /// The venue rejected a timestamp: the next sample counts, whatever its round trip.
    pub fn doubt(&mut self) {
        if let Some(best) = &mut self.best {
            best.round_trip = UtcMs::MAX;
        }
    }

    fn base(&self, wall: WallMs) -> UtcMs {
        match self.pace {
            Pace::Real => wall.utc(),
            Pace::Scaled { wall: from, venue, per_mille } => {
                let real = i128::from(wall - from);
                let moved = real * i128::from(per_mille) / i128::from(REAL_PACE);
                venue.saturating_add(i64::try_from(moved).unwrap_or(i64::MAX))
            }
            Pace::Manual(now) => now,
        }
    }
}

/// One venue's clock, shared by all tasks that sign for it.
#[derive(Clone, Debug)]
pub struct SharedClock(Arc<Mutex<VenueClock>>);

impl SharedClock {
    /// Shares a clock.
    #[must_use]
    pub fn new(pace: Pace) -> Self {
        SharedClock(Arc::new(Mutex::new(VenueClock::new(pace))))
    }

    /// The locked clock, for one short access.
    pub fn lock(&self) -> MutexGuard<'_, VenueClock> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The venue's time at wall time `wall`, both UTC milliseconds.
    #[must_use]
    pub fn now(&self, wall: WallMs) -> UtcMs {
        self.lock().now(wall)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(sent: UtcMs, server: UtcMs, received: UtcMs) -> TimeSample {
        TimeSample { sent: at(sent), server, received: at(received) }
    }

    fn at(ms: i64) -> WallMs {
        WallMs::from_utc(ms)
    }

    #[test]
    fn the_smallest_round_trip_wins_until_it_is_old_or_doubted() {
        let mut clock = VenueClock::new(Pace::Real);
        assert_eq!(clock.now(at(5)), 5);
        clock.sample(sample(1_000, 2_050, 1_100));
        assert_eq!(clock.now(at(1_100)), 2_100);
        clock.sample(sample(2_000, 9_999, 2_400));
        assert_eq!(clock.offset(), 1_000, "a slower sample is worth less");
        clock.sample(sample(3_000, 4_010, 3_010));
        assert_eq!(clock.offset(), 1_005);
        clock.sample(sample(303_000, 303_600, 303_200));
        assert_eq!(clock.offset(), 500, "an old sample gives way");
        clock.doubt();
        clock.sample(sample(304_000, 304_700, 305_000));
        assert_eq!(clock.offset(), 200);
        clock.sample(sample(9_000, 1, 8_000));
        assert_eq!(clock.offset(), 200, "our own clock jumped back during the request");
    }

    #[test]
    fn what_moves_the_clock_far_must_be_reported_twice() {
        let mut clock = VenueClock::new(Pace::Real);
        assert!(clock.sample(sample(1_000, 1_105, 1_010)));
        let ages = 315_360_000_000;
        assert!(!clock.sample(sample(2_000, ages, 2_001)) && clock.offset() == 100);
        assert!(!clock.sample(sample(2_100, 5, 2_101)) && clock.offset() == 100, "another");
        assert!(clock.sample(sample(2_200, 2_300, 2_201)) && clock.offset() == 100);
        assert!(!clock.sample(sample(2_300, 5, 2_301)), "the truth came in between");
        assert!(clock.sample(sample(2_400, 105, 2_401)) && clock.offset() == -2_295, "twice");
    }

    #[test]
    fn paces() {
        let mut clock =
            VenueClock::new(Pace::Scaled { wall: at(10_000), venue: 500_000, per_mille: 60_000 });
        assert_eq!(clock.now(at(10_000)), 500_000);
        assert_eq!(clock.now(at(11_000)), 560_000);
        clock.sample(sample(11_000, 560_700, 11_020));
        assert_eq!(clock.now(at(12_000)), 620_100, "60 times as fast, 100 ms ahead");
        assert_eq!(clock.real(at(12_000)), 12_000);
        clock.set_manual(77);
        clock.sample(sample(0, 5_000, 1));
        assert_eq!(clock.now(at(123_456)), 77);
        clock.set_manual(78);
        assert_eq!(clock.now(at(i64::MAX)), 78);
    }
}
