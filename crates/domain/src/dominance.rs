//! The dominance: the shares of assets in the market capitalisation of all assets.
//!
//! A source outside reports it. The share of a symbol in the quote volume of a venue is another
//! number. The two are never mixed.

use super::money::Decimal;
use super::time::{MINUTE, UtcMs};
use serde::{Deserialize, Serialize};

/// Decimals of a share.
pub const DECIMALS: u32 = 8;
/// Time after which a source has new shares, milliseconds.
const REFRESH: UtcMs = 10 * MINUTE;
/// How much later than planned a poll may be, milliseconds.
const LATE: UtcMs = MINUTE;

/// A sample of the dominance. The source and its time identify it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dominance {
    /// The source, as its configuration names it.
    pub source: String,
    /// When the source computed the shares, UTC milliseconds.
    pub time: UtcMs,
    /// The share of BTC, percent, at most 8 decimals.
    pub btc: Decimal,
    /// The share of USDT, percent, at most 8 decimals.
    pub usdt: Decimal,
    /// Time between two polls when it was taken, seconds.
    pub every_s: u32,
}

impl Dominance {
    /// Longest time between two samples if none is missing, milliseconds. The source has new shares
    /// every ten minutes. So the shares of two polls may be ten minutes further apart than the
    /// polls.
    #[must_use]
    pub fn reach(&self) -> UtcMs {
        UtcMs::from(self.every_s) * 1_000 + REFRESH + LATE
    }
}
