//! Finds prices in a wrong scale: cents for dollars, satoshi for bitcoin.
//!
//! All prices of such a bar are far above or below the bars beside it, and the market is back where
//! it was soon after. A change of the level that lasts is no wrong scale.

use everwarm_domain::market::Bar;
use everwarm_domain::money::{Decimal, Price};

/// From this factor on, all prices of a bar are off.
const OFF: Decimal = Decimal::from_parts(20, 0, 0, false, 0);
/// Up to this factor, two prices are near.
const NEAR: Decimal = Decimal::from_parts(5, 0, 0, false, 0);
/// Up to this factor, a scaled price fits.
const FITS: Decimal = Decimal::from_parts(15, 0, 0, false, 1);
/// The largest power of ten that is tried: the satoshi of a bitcoin.
const DIGITS_MAX: u32 = 8;

/// How a bar is off the bars beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Off {
    /// Divided by this factor, it fits.
    Above(Decimal),
    /// Multiplied by this factor, it fits.
    Below(Decimal),
    /// No power of ten makes it fit.
    Absurd,
}

/// Whether all prices of `bar` are far above, or all far below `near`, and how.
#[must_use]
pub fn off(bar: &Bar, near: Price) -> Option<Off> {
    let (low, high) = (bar.low.decimal(), bar.high.decimal());
    let near = near.decimal();
    let above = exceeds(low, near, OFF);
    if !above && !exceeds(near, high, OFF) {
        return None;
    }
    let mut factor = Decimal::TEN;
    for _ in 2..=DIGITS_MAX {
        factor = factor.saturating_mul(Decimal::TEN);
        let (low, high) = if above {
            (low.checked_div(factor)?, high.checked_div(factor)?)
        } else {
            (low.saturating_mul(factor), high.saturating_mul(factor))
        };
        if !exceeds(high, near, FITS) && !exceeds(near, low, FITS) {
            return Some(if above { Off::Above(factor) } else { Off::Below(factor) });
        }
    }
    Some(Off::Absurd)
}

/// Whether two prices are of the same scale.
#[must_use]
pub fn is_near(a: Price, b: Price) -> bool {
    let (a, b) = (a.decimal(), b.decimal());
    !exceeds(a, b, NEAR) && !exceeds(b, a, NEAR)
}

/// The first bar that is off the bar before it, where the bar after it is near that again.
#[must_use]
pub fn isolated(bars: &[Bar]) -> Option<(&Bar, Off)> {
    bars.windows(3).find_map(|three| {
        let off = off(&three[1], three[0].close)?;
        is_near(three[2].open, three[0].close).then_some((&three[1], off))
    })
}

/// Whether `high` is more than `factor` times `low`.
fn exceeds(high: Decimal, low: Decimal, factor: Decimal) -> bool {
    low.checked_mul(factor).is_some_and(|most| high > most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::id::Symbol;

    fn bar(prices: [&str; 4]) -> Bar {
        let price = |text: &str| Price::exact(text.parse().unwrap()).unwrap();
        let [open, high, low, close] = prices.map(price);
        let symbol = Symbol::named("AAA").unwrap();
        Bar { symbol, open_time: 0, open, high, low, close, volume: Decimal::ONE }
    }

    #[test]
    fn a_bar_in_another_scale_is_off_and_a_crash_is_not() {
        let near = bar(["40", "40", "40", "40"]).close;
        let of = |prices| off(&bar(prices), near);
        assert_eq!(of(["4100", "4200", "4000", "4100"]), Some(Off::Above(Decimal::ONE_HUNDRED)));
        assert_eq!(of(["0.04", "0.041", "0.039", "0.04"]), Some(Off::Below(Decimal::from(1_000))));
        assert_eq!(of(["2000", "2000", "2000", "2000"]), Some(Off::Absurd));
        assert_eq!(of(["40", "4000", "39", "40"]), None, "a single price is an odd price");
        assert_eq!(of(["40", "40", "3", "3"]), None, "a crash");
        assert_eq!(of(["400", "400", "400", "400"]), None, "a split of ten to one");
    }

    #[test]
    fn a_level_that_lasts_is_not_isolated() {
        let (usual, other) = (bar(["1", "1", "1", "1"]), bar(["99", "101", "99", "100"]));
        assert!(isolated(&[usual, other, usual]).is_some());
        assert_eq!(isolated(&[usual, other, other, other]), None);
        assert_eq!(isolated(&[usual, usual, other]), None);
    }
}
