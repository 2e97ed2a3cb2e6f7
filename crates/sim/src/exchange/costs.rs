//! What trading costs at the exchange: fee, spread and slippage.

use super::open_state::Tape;
use super::paper_fills::PaperFills;
use everwarm_domain::money::Decimal;
use serde::{Deserialize, Serialize};

/// Millionths of one.
const MILLION: Decimal = Decimal::from_parts(1_000_000, 0, 0, false, 0);

/// The costs of all symbols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Costs {
    /// Fee of each side, as a fraction of the received asset.
    pub fee: Decimal,
    /// Distance between the best bid and the best ask, as a fraction of the last price, besides the
    /// distance of the first level of the order book.
    pub spread: Decimal,
    /// Factor of the drawn slippage, and of the distances in the order book.
    pub slippage: Decimal,
    /// Assumptions about fills.
    #[serde(default)]
    pub paper: PaperFills,
}

impl Default for Costs {
    /// A fee of one in a thousand, no additional spread, the drawn slippage, and no assumption.
    fn default() -> Costs {
        let fee = Decimal::from_parts(1, 0, 0, false, 3);
        let paper = PaperFills::default();
        Costs { fee, spread: Decimal::ZERO, slippage: Decimal::ONE, paper }
    }
}

impl Costs {
    /// The distance from the last price to a price that is `millionths` of it away without these
    /// costs. In quote units.
    pub(super) fn distance(&self, tape: &Tape, millionths: Decimal) -> Decimal {
        let mut away = tape.last * (millionths * self.slippage) / MILLION;
        if !self.spread.is_zero() {
            away += tape.last * self.spread / Decimal::TWO;
        }
        if !self.paper.range_spread.is_zero() {
            away += self.paper.half_spread(tape.range);
        }
        away
    }
}
