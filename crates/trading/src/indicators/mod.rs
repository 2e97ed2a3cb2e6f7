//! Runs the indicators of `everwarm_analysis` in a stage, by feature names.

mod feature;
mod needs;
mod old;
mod series;
mod stage;

pub use feature::{BYTES_MAX, FEATURES_MAX, Feature, check, columns, old_columns, old_lengths};
pub(crate) use feature::{number, planned};
pub use needs::Needs;
pub use stage::Indicators;

use everwarm_analysis::Bar as Plain;
use everwarm_domain::market::Bar;
use everwarm_domain::money::{PRICE_SCALE, PRICE_SCALE_MAX, VOLUME_SCALE};

const _: () = assert!(PRICE_SCALE == everwarm_analysis::SCALE, "prices are passed on as they are");
const _: () = assert!(PRICE_SCALE_MAX == everwarm_analysis::SCALE_MAX, "and as long as they are");
const _: () = assert!(VOLUME_SCALE == everwarm_analysis::VOLUME_SCALE, "and so are volumes");

/// A bar in the form of the indicators. A price that does not fit the scale saturates; venue
/// adapters refuse such bars.
fn plain(bar: &Bar) -> Plain {
    let ([open, high, low, close], scale) = bar.units();
    let (open_time, volume) = (bar.open_time, bar.volume_units());
    Plain { open_time, open, high, low, close, scale, volume }
}

#[cfg(test)]
mod golden_tests {
    use super::*;
    use crate::testing::golden::{Series, golden, header};
    use everwarm_analysis::{Bank, Formula};

    /// How far a value may be off.
    #[derive(Clone, Copy)]
    enum Off {
        /// This part of the value.
        Value(f64),
        /// This part of the price: the value crosses zero.
        Price(f64),
        /// This part of an index from 0 to 100, which reaches zero.
        Index(f64),
    }

    /// Columns of the reference, the formula of each, and how far it may be off.
    const COLUMNS: [(&str, &str, Off); 23] = [
        ("sma_20", "sma(20)", Off::Value(1e-12)),
        ("sma_30", "sma(30)", Off::Value(1e-12)),
        ("sma_31", "sma(31)", Off::Value(1e-12)),
        ("sma_50", "sma(50)", Off::Value(1e-12)),
        ("ema_9", "ema(9)", Off::Value(1e-12)),
        ("ema_21", "ema(21)", Off::Value(1e-12)),
        ("ema_50", "ema(50)", Off::Value(1e-12)),
        ("ema_200", "ema(200)", Off::Value(1e-12)),
        ("rsi_14", "rsi(14)", Off::Value(1e-12)),
        ("tr", "tr", Off::Price(1e-12)),
        ("atr_14", "atr(14)", Off::Value(1e-12)),
        ("plus_di_14", "adx(14).plus_di", Off::Value(1e-12)),
        ("minus_di_14", "adx(14).minus_di", Off::Value(1e-12)),
        ("dx_14", "adx(14).dx", Off::Index(1e-12)),
        ("adx_14", "adx(14)", Off::Value(1e-12)),
        ("macd", "macd(12,26,9).line", Off::Price(1e-12)),
        ("macd_signal", "macd(12,26,9).signal", Off::Price(1e-12)),
        ("macd_hist", "macd(12,26,9).hist", Off::Price(1e-12)),
        ("bb_upper", "bbands(20,2).upper", Off::Value(1e-10)),
        ("bb_mid", "bbands(20,2).mid", Off::Value(1e-10)),
        ("bb_lower", "bbands(20,2).lower", Off::Value(1e-10)),
        ("don_high_20", "donchian(20).high", Off::Value(0.0)),
        ("don_low_20", "donchian(20).low", Off::Value(0.0)),
    ];

    /// The values of a formula over the bars, saved and restored every 97 bars.
    fn values(formula: &Formula, bars: &[Bar]) -> Vec<f64> {
        let mut bank: Box<dyn Bank> = formula.bank();
        bank.insert(0);
        let one = |(at, bar): (usize, &Bar)| {
            if at % 97 == 96 {
                let saved = bank.save();
                bank = formula.bank();
                bank.load(&saved, 1).unwrap();
            }
            let mut value = [f64::NAN];
            bank.update(&[(0, plain(bar))], &mut value, 1);
            value[0]
        };
        bars.iter().enumerate().map(one).collect()
    }

    fn check(set: &str, data: &str, rows: usize) {
        let bars = Series::read(data, rows).bars;
        let path = format!("golden/{set}/indicators.csv.gz");
        let (names, expected) = (header(&path), golden(&path));
        assert_eq!(expected.len(), bars.len(), "{set}");
        assert_eq!((&names[0][..], &names[1][..]), ("idx", "open_time"));
        for (column, name) in names.iter().enumerate().skip(2) {
            let (_, formula, off) = COLUMNS.iter().find(|(of, ..)| of == name).unwrap();
            let all = values(&formula.parse().unwrap(), &bars);
            for ((value, row), bar) in all.iter().zip(&expected).zip(&bars) {
                let at = &row[0];
                if row[column].is_empty() {
                    assert!(value.is_nan(), "{set} {name} at {at}: {value} is too early");
                    continue;
                }
                let want: f64 = row[column].parse().unwrap();
                let most = match off {
                    Off::Value(part) => part * want.abs(),
                    Off::Price(part) => part * bar.close.to_f64(),
                    Off::Index(part) => part * 100.0,
                };
                let far = (value - want).abs();
                assert!(far <= most, "{set} {name} at {at}: {value} instead of {want}");
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
