//! The two clocks of the process as types. Event time in facts is plain UTC milliseconds.
//!
//! A type for each keeps them apart: the compiler refuses to compare them.

use std::ops::{Add, Sub};

/// A time of the wall clock: UTC milliseconds since the Unix epoch. It may jump when the system
/// clock is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallMs(i64);

/// A time of the steady clock: milliseconds since the process first read it. It passes while the
/// machine is awake and never jumps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SteadyMs(i64);

macro_rules! clock_arithmetic {
    ($($clock:ident)*) => { $(
        impl Add<i64> for $clock {
            type Output = $clock;

            /// So many milliseconds later; saturates.
            fn add(self, ms: i64) -> $clock {
                $clock(self.0.saturating_add(ms))
            }
        }

        impl Sub for $clock {
            type Output = i64;

            /// Milliseconds from `earlier` to this time; saturates.
            fn sub(self, earlier: $clock) -> i64 {
                self.0.saturating_sub(earlier.0)
            }
        }
    )* };
}

clock_arithmetic!(WallMs SteadyMs);

impl WallMs {
    /// The wall time of so many UTC milliseconds.
    #[must_use]
    pub const fn from_utc(ms: i64) -> WallMs {
        WallMs(ms)
    }

    /// UTC milliseconds since the Unix epoch, to be shown or stored.
    #[must_use]
    pub const fn utc(self) -> i64 {
        self.0
    }
}

impl SteadyMs {
    /// Before every time that the clock shows.
    pub const BEFORE_ALL: SteadyMs = SteadyMs(i64::MIN);
    /// After every time that the clock shows.
    pub const NEVER: SteadyMs = SteadyMs(i64::MAX);

    /// The time so many milliseconds after the first reading.
    #[must_use]
    pub const fn from_start(ms: i64) -> SteadyMs {
        SteadyMs(ms)
    }

    /// Milliseconds since the first reading.
    #[must_use]
    pub const fn ms(self) -> i64 {
        self.0
    }
}
