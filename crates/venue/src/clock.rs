//! The venue's clock as seen from here: pure, the wall time is an argument.
//!
//! A real venue's clock runs like ours, some milliseconds off. A simulated one may run faster, or
//! stand still until it is told to move. Requests are signed for this time, so an order's
//! recvWindow means the same at every pace.

use super::port::TimeSample;
use everwarm_domain::time::UtcMs;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Our wall clock: UTC milliseconds.
pub type Wall = Arc<dyn Fn() -> UtcMs + Send + Sync>;

/// A sample with a longer round trip replaces a better one after this long, milliseconds of wall
/// time: clocks drift.
const SAMPLE_LIFE: UtcMs = 300_000;

/// By how much a sample alone may move the clock, milliseconds of wall time: what is more must be
/// told twice.
const STEP: UtcMs = 2_000;

/// Pace of real time, in thousandths.
pub const REAL_PACE: u32 = 1000;

/// How the venue's clock moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// With real time.
    Real,
    /// From an anchor on, faster or slower than real time.
    Scaled {
        /// Wall time of the anchor, UTC milliseconds.
        wall: UtcMs,
        /// Venue time of the anchor, UTC milliseconds.
        venue: UtcMs,
        /// Venue milliseconds that pass in a real second.
        per_mille: u32,
    },
    /// It stands at this instant until told to move.
    Manual(UtcMs),
}

impl Pace {
    /// How many times as wide as usual the limits are of a venue whose time passes so, at least 1:
    /// they are counted in our time. One whose time stands still has none to be held up by.
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
    taken: UtcMs,
    offset: UtcMs,
}

/// Offset and pace.
#[derive(Clone, Debug)]
pub struct VenueClock {
    pace: Pace,
    best: Option<Best>,
    /// The offset that a sample told which was not believed yet.
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
    pub fn now(&self, wall: UtcMs) -> UtcMs {
        self.base(wall).saturating_add(self.offset())
    }

    /// The time the venue's request windows are aligned to: real time, whatever the pace.
    #[must_use]
    pub fn real(&self, wall: UtcMs) -> UtcMs {
        match self.pace {
            Pace::Real => self.now(wall),
            Pace::Scaled { .. } | Pace::Manual(_) => wall,
        }
    }

    /// How far the venue is from what the pace alone would say, milliseconds of venue time.
    #[must_use]
    pub fn offset(&self) -> UtcMs {
        self.best.map_or(0, |b| b.offset)
    }

    /// Changes the pace; samples of the old one say nothing about the new.
    pub fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
        (self.best, self.doubtful) = (None, None);
    }

    /// Moves a manual clock. Others are led by samples.
    pub fn set_manual(&mut self, now: UtcMs) {
        self.set_pace(Pace::Manual(now));
    }

    /// How it moves.
    #[must_use]
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// Takes a sample: the smallest round trip wins, until it is too old. A manual clock takes
    /// none. Whether it is believed: one that moves the clock far is, once another says the same.
    pub fn sample(&mut self, s: TimeSample) -> bool {
        let round_trip = s.received.saturating_sub(s.sent);
        if round_trip < 0 || matches!(self.pace, Pace::Manual(_)) {
            return true;
        }
        let middle = self.base(s.sent.saturating_add(round_trip / 2));
        let offset = s.server.saturating_sub(middle);
        let fresh = Best { round_trip, taken: s.received, offset };
        let better = self.best.is_none_or(|b| {
            round_trip <= b.round_trip || s.received.saturating_sub(b.taken) > SAMPLE_LIFE
        });
        // Whoever waited long for an answer does not know when it was said.
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

    /// Milliseconds of the venue in one of the wall's, at least 1.
    fn factor(&self) -> UtcMs {
        match self.pace {
            Pace::Scaled { per_mille, .. } => UtcMs::from((per_mille / REAL_PACE).max(1)),
            Pace::Real | Pace::Manual(_) => 1,
        }
    }

    /// The venue refused a timestamp: the next sample is believed whatever its round trip.
    pub fn doubt(&mut self) {
        if let Some(best) = &mut self.best {
            best.round_trip = UtcMs::MAX;
        }
    }

    fn base(&self, wall: UtcMs) -> UtcMs {
        match self.pace {
            Pace::Real => wall,
            Pace::Scaled { wall: from, venue, per_mille } => {
                let real = i128::from(wall) - i128::from(from);
                let moved = real * i128::from(per_mille) / i128::from(REAL_PACE);
                venue.saturating_add(i64::try_from(moved).unwrap_or(i64::MAX))
            }
            Pace::Manual(now) => now,
        }
    }
}

/// One venue's clock, shared by everyone who signs for it.
#[derive(Clone, Debug)]
pub struct SharedClock(Arc<Mutex<VenueClock>>);

impl SharedClock {
    /// Shares a clock.
    #[must_use]
    pub fn new(pace: Pace) -> Self {
        SharedClock(Arc::new(Mutex::new(VenueClock::new(pace))))
    }

    /// The clock, for one short look or change.
    pub fn lock(&self) -> MutexGuard<'_, VenueClock> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The venue's time at wall time `wall`, both UTC milliseconds.
    #[must_use]
    pub fn now(&self, wall: UtcMs) -> UtcMs {
        self.lock().now(wall)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(sent: UtcMs, server: UtcMs, received: UtcMs) -> TimeSample {
        TimeSample { sent, server, received }
    }

    #[test]
    fn the_smallest_round_trip_wins_until_it_is_old_or_doubted() {
        let mut clock = VenueClock::new(Pace::Real);
        assert_eq!(clock.now(5), 5);
        clock.sample(sample(1_000, 2_050, 1_100));
        assert_eq!(clock.now(1_100), 2_100);
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
    fn what_moves_the_clock_far_must_be_told_twice() {
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
            VenueClock::new(Pace::Scaled { wall: 10_000, venue: 500_000, per_mille: 60_000 });
        assert_eq!(clock.now(10_000), 500_000);
        assert_eq!(clock.now(11_000), 560_000);
        clock.sample(sample(11_000, 560_700, 11_020));
        assert_eq!(clock.now(12_000), 620_100, "60 times as fast, 100 ms ahead");
        assert_eq!(clock.real(12_000), 12_000);
        clock.set_manual(77);
        clock.sample(sample(0, 5_000, 1));
        assert_eq!(clock.now(123_456), 77);
        clock.set_manual(78);
        assert_eq!(clock.now(i64::MAX), 78);
    }
}
