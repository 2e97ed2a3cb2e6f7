//! What trading costs at the exchange: fee, spread and slippage.

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
}

impl Default for Costs {
    /// A fee of one in a thousand, no additional spread, and the drawn slippage.
    fn default() -> Costs {
        let fee = Decimal::from_parts(1, 0, 0, false, 3);
        Costs { fee, spread: Decimal::ZERO, slippage: Decimal::ONE }
    }
}

impl Costs {
    /// The distance from the last price to a price that is `millionths` of it away without these
    /// costs. In quote units.
    pub(super) fn distance(&self, last: Decimal, millionths: Decimal) -> Decimal {
        let slip = last * (millionths * self.slippage) / MILLION;
        if self.spread.is_zero() { slip } else { slip + last * self.spread / Decimal::TWO }
    }
}
