//! Runs the indicators of `everwarm_analysis` in a stage, by feature names.

mod feature;
mod old;
mod series;
mod stage;

pub use feature::{BYTES_MAX, FEATURES_MAX, Feature, check, columns, old_columns, old_lengths};
pub(crate) use feature::{minutes, number, planned};
pub use stage::Indicators;

use everwarm_analysis::Bar as Plain;
use everwarm_domain::market::Bar;
use everwarm_domain::money::{PRICE_SCALE, PRICE_SCALE_MAX, Price};

const _: () = assert!(PRICE_SCALE == everwarm_analysis::SCALE, "prices are passed on as they are");
const _: () = assert!(PRICE_SCALE_MAX == everwarm_analysis::SCALE_MAX, "and as long as they are");

/// A bar in the form of the indicators. A price that does not fit the scale saturates; venue
/// adapters refuse such bars.
fn plain(bar: &Bar) -> Plain {
    let scale = bar.scale();
    let units = |price: Price| {
        let fits = price.scale() == scale;
        if fits { price.units() } else { i64::try_from(price.at(scale)).unwrap_or(i64::MAX) }
    };
    let (open, high, low) = (units(bar.open), units(bar.high), units(bar.low));
    Plain { open, high, low, close: units(bar.close), scale }
}

#[cfg(test)]
mod golden_tests {
    use super::*;
    use crate::testing::golden::{Series, golden};
    use everwarm_analysis::{Atr, Ema, Indicator, Rsi, Sma};

    type Make = fn() -> Box<dyn Indicator>;

    fn check(set: &str, data: &str, rows: usize) {
        let series = Series::read(data, rows);
        let expected = golden(&format!("golden/{set}/indicators.csv.gz"));
        assert_eq!(expected.len(), series.bars.len(), "{set}");
        // Columns as the header names them.
        let columns: [(usize, &str, Make); 10] = [
            (2, "sma_20", || Box::new(Sma::new(20))),
            (3, "sma_30", || Box::new(Sma::new(30))),
            (4, "sma_31", || Box::new(Sma::new(31))),
            (5, "sma_50", || Box::new(Sma::new(50))),
            (6, "ema_9", || Box::new(Ema::new(9))),
            (7, "ema_21", || Box::new(Ema::new(21))),
            (8, "ema_50", || Box::new(Ema::new(50))),
            (9, "ema_200", || Box::new(Ema::new(200))),
            (10, "rsi_14", || Box::new(Rsi::new(14))),
            (12, "atr_14", || Box::new(Atr::new(14))),
        ];
        for (column, name, make) in columns {
            let mut indicator = make();
            for (bar, row) in series.bars.iter().zip(&expected) {
                let (value, at) = (indicator.update(&plain(bar)), &row[0]);
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
