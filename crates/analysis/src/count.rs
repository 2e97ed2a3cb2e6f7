//! The number of bars that an indicator has seen, for values that need many bars to settle.

use crate::{Bar, Catalogued, Indicator, Param};
use serde::{Deserialize, Serialize};

/// Counts bars, up to the number after which an indicator is settled. It has no value until that
/// indicator has its first one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    first: u32,
    settled: u32,
    bars: u32,
}

impl Count {
    /// Counts from `first` bars on, up to `settled` bars.
    #[must_use]
    pub const fn new(first: u32, settled: u32) -> Count {
        Count { first, settled, bars: 0 }
    }
}

impl Indicator for Count {
    fn update(&mut self, _: &Bar) -> f64 {
        self.bars = self.bars.saturating_add(1).min(self.settled);
        if self.bars < self.first { f64::NAN } else { self.bars.into() }
    }

    fn rescale(&mut self, _: i64) -> bool {
        true
    }
}

/// Most bars after which an indicator is settled: ten times the longest length.
const BARS: u32 = 100_000;

impl Catalogued for Count {
    const NAME: &'static str = "bars";
    const PARAMS: &'static [Param] = &[
        Param { name: "first", least: 1, most: BARS },
        Param { name: "settled", least: 1, most: BARS },
    ];
    const BAR_BYTES: u64 = 0;
    fn make(params: &[u32], _: usize) -> Count {
        Count::new(params[0], params[1])
    }
    fn warm_up(params: &[u32], _: usize) -> u32 {
        params[0]
    }
    fn settled(params: &[u32], _: usize) -> u32 {
        params[1]
    }
    fn check(params: &[u32]) -> Result<(), &'static str> {
        if params[0] > params[1] { Err("first must not be greater than settled") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Formula;
    use crate::testing::bar;

    #[test]
    fn counts_from_the_first_value_until_it_is_settled() {
        let mut count = Count::new(3, 5);
        let values: Vec<f64> = (0..7).map(|price| count.update(&bar(price))).collect();
        assert!(values[..2].iter().all(|value| value.is_nan()));
        assert_eq!(values[2..], [3.0, 4.0, 5.0, 5.0, 5.0]);
        assert!(count.rescale(10));
        assert_eq!(count, Count { first: 3, settled: 5, bars: 5 });
    }

    #[test]
    fn is_settled_with_the_longest_indicator() {
        for text in ["adx(10000)", "macd(9999,10000,9999).line", "ema(10000)", "rsi(10000)"] {
            let of: Formula = text.parse().unwrap();
            let count: Formula =
                format!("bars({},{})", of.warm_up(), of.settled()).parse().unwrap();
            assert_eq!((count.warm_up(), count.settled()), (of.warm_up(), of.settled()), "{text}");
        }
        let wrong = "bars(5,4)".parse::<Formula>().unwrap_err();
        assert_eq!(wrong, "`bars(5,4)`: first must not be greater than settled");
    }
}
