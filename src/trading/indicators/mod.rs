//! Indicators: one file each, streaming over closed bars in order, and the stage that runs them.
//!
//! Conventions are TA-Lib's. A value is `NaN` until it is defined; nothing else ever is. State is
//! exact (integer sums) or a few floats whose bits are saved, so that a resumed indicator goes on
//! bit for bit.

mod atr;
mod ema;
mod sma;
mod stage;

pub use atr::Atr;
pub use ema::Ema;
pub use sma::Sma;
pub use stage::Indicators;

use everwarm_domain::market::Bar;

/// A number computed from bars, one update a bar.
pub trait Indicator {
    /// Takes one more closed bar and gives the value after it; `NaN` while it is not defined.
    fn update(&mut self, bar: &Bar) -> f64;
}

#[cfg(test)]
mod golden_tests {
    use super::*;
    use crate::trading::testing::{Series, golden};

    type Make = fn() -> Box<dyn Indicator>;

    fn check(set: &str, data: &str, rows: usize) {
        let series = Series::read(data, rows);
        let expected = golden(&format!("golden/{set}/indicators.csv.gz"));
        assert_eq!(expected.len(), series.bars.len(), "{set}");
        // Columns as the header names them.
        let columns: [(usize, &str, Make); 9] = [
            (2, "sma_20", || Box::new(Sma::new(20))),
            (3, "sma_30", || Box::new(Sma::new(30))),
            (4, "sma_31", || Box::new(Sma::new(31))),
            (5, "sma_50", || Box::new(Sma::new(50))),
            (6, "ema_9", || Box::new(Ema::new(9))),
            (7, "ema_21", || Box::new(Ema::new(21))),
            (8, "ema_50", || Box::new(Ema::new(50))),
            (9, "ema_200", || Box::new(Ema::new(200))),
            (12, "atr_14", || Box::new(Atr::new(14))),
        ];
        for (column, name, make) in columns {
            let mut indicator = make();
            for (bar, row) in series.bars.iter().zip(&expected) {
                let (value, at) = (indicator.update(bar), &row[0]);
                if row[column].is_empty() {
                    assert!(value.is_nan(), "{set} {name} at {at}: {value} is too early");
                    continue;
                }
                let want: f64 = row[column].parse().unwrap();
                let off = (value - want).abs() / want.abs();
                assert!(off <= 1e-12, "{set} {name} at {at}: {value} instead of {want}");
            }
        }
    }

    #[test]
    #[cfg_attr(shared_absent, ignore = "the shared material is absent")]
    fn equal_the_golden_values() {
        check("btcperp_1m", "data/btcperp/BTC-PERP_1m.csv.gz", 6000);
        check("spy_1d", "data/us_equities/SPY_1d.csv.gz", usize::MAX);
        check("unittest_1m", "data/poloniex_old/UNITTEST-BTC_1m.csv.gz", 5000);
        check("eurusd_15m", "data/fx/EURUSD_15m.csv.gz", 6000);
    }
}
