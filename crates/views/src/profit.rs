//! Profit and drawdown of an account, the same in every view. Adopted deposits and withdrawals are
//! adjustments: neither profit, loss nor drawdown. So all values are equity without the adjustments
//! so far. A drawdown is a share of the highest such value plus the adjustments, because
//! adjustments move the peak.

use everwarm_domain::money::Decimal;
use serde::{Deserialize, Serialize};

/// The equity without adjustments: as if nothing had been adopted or withdrawn.
#[must_use]
pub fn earned(equity: Decimal, adjusted: Decimal) -> Decimal {
    equity.saturating_sub(adjusted)
}

/// Profit and drawdown of a period up to its newest close, without adjustments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Course {
    first: Decimal,
    last: Decimal,
    highest: Decimal,
    fall: Decimal,
}

impl Course {
    /// A course that begins with this value.
    #[must_use]
    pub fn from(first: Decimal) -> Course {
        Course { first, last: first, highest: first, fall: Decimal::ZERO }
    }

    /// A course that is known only by these values.
    #[must_use]
    pub fn known(first: Decimal, last: Decimal, highest: Decimal, fall: Decimal) -> Course {
        Course { first, last, highest: highest.max(first).max(last), fall }
    }

    /// Takes in the next value; `adjusted` is the sum of all adjustments so far.
    pub fn take(&mut self, now: Decimal, adjusted: Decimal) {
        self.last = now;
        self.highest = self.highest.max(now);
        let peak = self.highest.saturating_add(adjusted);
        let below = self.highest.saturating_sub(now).checked_div(peak).unwrap_or_default();
        self.fall = self.fall.max(below);
    }

    /// The newest value.
    #[must_use]
    pub const fn last(&self) -> Decimal {
        self.last
    }

    /// The newest value less the first.
    #[must_use]
    pub fn profit(&self) -> Decimal {
        self.last.saturating_sub(self.first)
    }

    /// The maximum drawdown, as a share of the peak.
    #[must_use]
    pub const fn fall(&self) -> Decimal {
        self.fall
    }
}
