//! Splits in the books.
//!
//! The orders of the symbol are cancelled before, so nothing is locked. The balance becomes whole
//! new shares. A fraction of a new share is paid in cash at the last price. The trades stay as they
//! happened.

use super::open_state::{Live, Rules};
use everwarm_domain::money::{Decimal, floor_to_step};
use everwarm_domain::split::Split;
use everwarm_domain::time::UtcMs;
use serde::{Deserialize, Serialize};

/// Decimals of the amount that is paid for a fraction of a share.
const CENTS: u32 = 2;
/// Decimals of the last price after a split.
const PRICE_DECIMALS: u32 = 4;

/// A split that happened in the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The split.
    pub split: Split,
    /// Venue time.
    pub at: UtcMs,
}

impl Live {
    /// Replaces the shares of a symbol by new ones.
    pub(super) fn split(&mut self, rules: &mut Rules, split: Split, at: UtcMs) {
        rules.splits.push(Done { split, at });
        let Some(rule) = rules.instrument(split.symbol) else { return };
        let tape = self.tapes.get_mut(split.symbol);
        let price = tape.map_or(Decimal::ZERO, |tape| {
            tape.last = split.ratio.price(tape.last).round_dp(PRICE_DECIMALS).normalize();
            tape.last
        });
        let purse = self.purses.entry(rule.base.clone()).or_default();
        let shares = split.ratio.quantity(purse.free);
        let whole = floor_to_step(shares, rule.lot_size);
        purse.free = whole;
        let rest = (shares - whole).saturating_mul(price).round_dp(CENTS);
        if rest > Decimal::ZERO {
            self.purses.entry(rule.quote.clone()).or_default().free += rest;
        }
    }
}
