//! Sums over consecutive one-minute bars.

use everwarm_domain::market::Bar;
use everwarm_domain::money::{Decimal, Price};
use everwarm_domain::time::UtcMs;

/// The prices of some consecutive bars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prices {
    /// Opening time of the first bar.
    pub from: UtcMs,
    /// Its open.
    pub open: Price,
    /// The highest price.
    pub high: Price,
    /// The lowest price.
    pub low: Price,
    /// The last bar.
    pub last: Bar,
}

/// Sums over consecutive one-minute bars.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Total {
    /// The prices of all bars; none if there is no bar.
    pub all: Option<Prices>,
    /// The prices of the bars with a volume.
    pub traded: Option<Prices>,
    /// In base units.
    pub volume: Decimal,
    /// In quote units, at the mean price of each bar.
    pub quote: Decimal,
    /// Number of bars with a volume.
    pub minutes: i64,
}

impl Total {
    /// The sum over these bars, which must ascend.
    #[must_use]
    pub fn of(bars: &[Bar]) -> Total {
        let mut total = Total::default();
        for bar in bars {
            total.add(bar);
        }
        total
    }

    /// Adds a later bar.
    pub fn add(&mut self, bar: &Bar) {
        self.all = Some(later(self.all, bar));
        if bar.volume.is_zero() {
            return;
        }
        self.traded = Some(later(self.traded, bar));
        self.volume += bar.volume;
        self.quote += quote(bar);
        self.minutes += 1;
    }
}

fn later(before: Option<Prices>, bar: &Bar) -> Prices {
    let Some(before) = before else {
        let Bar { open_time, open, high, low, .. } = *bar;
        return Prices { from: open_time, open, high, low, last: *bar };
    };
    let (high, low) = (before.high.max(bar.high), before.low.min(bar.low));
    Prices { high, low, last: *bar, ..before }
}

/// A bar's volume in quote units, at the mean of its four prices.
#[must_use]
pub fn quote(bar: &Bar) -> Decimal {
    let scale = bar.scale();
    let sum: i128 = bar.prices().iter().map(|price| price.at(scale) / 4).sum();
    let mean = Price::of(sum, scale).unwrap_or(bar.close);
    mean.decimal().saturating_mul(bar.volume).trunc_with_scale(8)
}
