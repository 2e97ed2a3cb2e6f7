//! The last 24 hours of a symbol, as a venue reports them.

use crate::money::Decimal;

/// A whole in millionths.
const MILLION: Decimal = Decimal::from_parts(1_000_000, 0, 0, false, 0);

/// The last 24 hours of a symbol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayStats {
    /// Volume, in quote units.
    pub volume: Decimal,
    /// Distance between the best bid and the best ask, millionths of their middle; `None`: one of
    /// them is absent.
    pub spread_ppm: Option<u32>,
    /// Range of its prices, millionths of the lowest; `None`: it had no trade.
    pub range_ppm: Option<u32>,
}

impl DayStats {
    /// From the volume in quote units, the best bid and ask, and the lowest and highest price.
    /// Pairs that are not positive and ascending count as absent.
    #[must_use]
    pub fn new(volume: Decimal, best: (Decimal, Decimal), prices: (Decimal, Decimal)) -> DayStats {
        let middle = |(bid, ask): (Decimal, Decimal)| bid + (ask - bid) / Decimal::TWO;
        DayStats {
            volume,
            spread_ppm: ascending(best).and_then(|best| ppm(best, middle(best))),
            range_ppm: ascending(prices).and_then(|prices| ppm(prices, prices.0)),
        }
    }
}

fn ascending((low, high): (Decimal, Decimal)) -> Option<(Decimal, Decimal)> {
    (low > Decimal::ZERO && low <= high).then_some((low, high))
}

/// Their distance in millionths of `of`, rounded up. Beyond the largest number: that number.
fn ppm((low, high): (Decimal, Decimal), of: Decimal) -> Option<u32> {
    let share = (high - low).checked_div(of)?;
    let millionths = share.checked_mul(MILLION).map_or(Decimal::MAX, |of| of.ceil());
    Some(u32::try_from(millionths).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(best: (&str, &str), prices: (&str, &str)) -> (Option<u32>, Option<u32>) {
        let pair = |(low, high): (&str, &str)| (low.parse().unwrap(), high.parse().unwrap());
        let stats = DayStats::new(Decimal::ONE, pair(best), pair(prices));
        (stats.spread_ppm, stats.range_ppm)
    }

    #[test]
    fn spread_and_range_are_shares_rounded_up() {
        assert_eq!(stats(("99.9", "100.1"), ("100", "125")), (Some(2000), Some(250_000)));
        assert_eq!(stats(("3", "3.000001"), ("7", "7")), (Some(1), Some(0)));
        assert_eq!(stats(("0.00000001", "1000000"), ("0.00000001", "1000000")).1, Some(u32::MAX));
    }

    #[test]
    fn an_empty_side_and_crossed_prices_are_absent() {
        assert_eq!(stats(("0", "100"), ("0", "0")), (None, None));
        assert_eq!(stats(("101", "100"), ("5", "4")), (None, None));
    }
}
