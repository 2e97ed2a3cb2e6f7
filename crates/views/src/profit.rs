//! What an account earned, wherever people are told of it. A deposit that is adopted and what is
//! withdrawn are adjustments, so neither is profit, loss or a fall: what counts is the equity
//! without what adjustments changed of it so far. A fall is a share of the highest value and what
//! adjustments changed: they move it with them.

use everwarm_domain::money::Decimal;
use serde::{Deserialize, Serialize};

/// The equity without adjustments: what it would be had nothing been taken out.
#[must_use]
pub fn earned(equity: Decimal, adjusted: Decimal) -> Decimal {
    equity.saturating_sub(adjusted)
}

/// From the beginning of a stretch of time to its newest close, in what was earned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Course {
    first: Decimal,
    last: Decimal,
    highest: Decimal,
    fall: Decimal,
}

impl Course {
    /// One that begins there.
    #[must_use]
    pub fn from(first: Decimal) -> Course {
        Course { first, last: first, highest: first, fall: Decimal::ZERO }
    }

    /// One that is known only by what it came to.
    #[must_use]
    pub fn known(first: Decimal, last: Decimal, highest: Decimal, fall: Decimal) -> Course {
        Course { first, last, highest: highest.max(first).max(last), fall }
    }

    /// Takes the next value in; adjustments have changed the equity by `adjusted` so far.
    pub fn take(&mut self, now: Decimal, adjusted: Decimal) {
        self.last = now;
        self.highest = self.highest.max(now);
        let peak = self.highest.saturating_add(adjusted);
        let below = self.highest.saturating_sub(now).checked_div(peak).unwrap_or_default();
        self.fall = self.fall.max(below);
    }

    /// The value it came to.
    #[must_use]
    pub const fn last(&self) -> Decimal {
        self.last
    }

    /// What was made or lost in it.
    #[must_use]
    pub fn profit(&self) -> Decimal {
        self.last.saturating_sub(self.first)
    }

    /// The deepest fall below its highest value, as a share of that.
    #[must_use]
    pub const fn fall(&self) -> Decimal {
        self.fall
    }
}
