//! Indicators over random bars, beside the values of TA-Lib.

use crate::testing::ohlc;
use crate::{Bar, Formula, to_f64};
use proptest::prelude::*;
use ta_lib::{Core, MAType, OutRange, RetCode};

/// Highs, lows and closes as TA-Lib takes them.
struct Columns {
    high: Vec<f64>,
    low: Vec<f64>,
    close: Vec<f64>,
}

impl Columns {
    fn of(bars: &[Bar]) -> Columns {
        let column = |price: fn(&Bar) -> i64| -> Vec<f64> {
            bars.iter().map(|bar| to_f64(price(bar), bar.scale)).collect()
        };
        Columns {
            high: column(|bar| bar.high),
            low: column(|bar| bar.low),
            close: column(|bar| bar.close),
        }
    }
}

/// What the values of an indicator are compared with, besides themselves.
#[derive(Clone, Copy)]
enum Measure {
    /// The close.
    Price,
    /// An index from 0 to 100, which can be 0.
    Index,
}

/// Part of the value that may differ.
const PART: f64 = 1e-9;
/// Part of the price, or of a full index, that may differ: the values can be close to zero.
const LEAST: f64 = 1e-12;

/// What TA-Lib writes for a range: one column of an indicator, and the rows it fills.
type Written = Result<OutRange, RetCode>;

/// The values of TA-Lib: empty until they are defined.
fn reference(bars: usize, written: impl FnOnce(&mut [f64]) -> Written) -> Vec<Option<f64>> {
    let mut out = vec![0.0; bars];
    let range = written(&mut out).unwrap();
    let mut values = vec![None; if range.count == 0 { bars } else { range.beg_idx }];
    values.extend(out.into_iter().take(range.count).map(Some));
    assert_eq!(values.len(), bars, "{range:?}");
    values
}

/// The values of a formula.
fn values(formula: &str, bars: &[Bar]) -> Vec<f64> {
    let mut bank = formula.parse::<Formula>().unwrap().bank();
    bank.insert(0);
    let mut value = [f64::NAN];
    let mut next = |bar: &Bar| {
        bank.update(&[(0, *bar)], &mut value, 1);
        value[0]
    };
    bars.iter().map(&mut next).collect()
}

/// Compares a formula with the values of TA-Lib, also where they begin.
fn agree(formula: &str, measure: Measure, bars: &[Bar], want: &[Option<f64>]) {
    for (at, (value, want)) in values(formula, bars).into_iter().zip(want).enumerate() {
        let Some(want) = *want else {
            assert!(value.is_nan(), "{formula} at {at}: {value} is too early");
            continue;
        };
        let price = to_f64(bars[at].close, bars[at].scale);
        let far = (value - want).abs();
        let near = PART * want.abs();
        let agrees = match measure {
            Measure::Price => far <= near + LEAST * price,
            Measure::Index => far <= near + LEAST * 100.0,
        };
        assert!(agrees, "{formula} at {at} of {}: {value} instead of {want}", bars.len());
    }
}

/// Lengths of the indicators.
type Lengths = (u32, u32, u32, u32);

fn all_agree(bars: &[Bar], (n, fast, more, signal): Lengths) {
    let (core, columns, end) = (Core::new(), Columns::of(bars), bars.len() - 1);
    let Columns { high, low, close } = &columns;
    let int = |length: u32| i32::try_from(length).unwrap();
    let length = int(n);
    let one = |formula: String, measure, written: &dyn Fn(&mut [f64]) -> Written| {
        agree(&formula, measure, bars, &reference(bars.len(), written));
    };
    let (price, index) = (Measure::Price, Measure::Index);
    one(format!("sma({n})"), price, &|out| core.sma(0, end, close, length, out));
    one(format!("ema({n})"), price, &|out| core.ema(0, end, close, length, out));
    let mut rsi = reference(bars.len(), |out| core.rsi(0, end, close, length, out));
    // Before the first move TA-Lib 0.8.3 gives 50. Up to 0.8.1 it gave 0, as here.
    let still = bars.iter().take_while(|bar| bar.close == bars[0].close).count();
    rsi[..still].iter_mut().flatten().for_each(|value| *value = 0.0);
    agree(&format!("rsi({n})"), index, bars, &rsi);
    one("tr".to_owned(), price, &|out| core.trange(0, end, high, low, close, out));
    one(format!("atr({n})"), price, &|out| core.atr(0, end, high, low, close, length, out));
    one(format!("adx({n})"), index, &|out| core.adx(0, end, high, low, close, length, out));
    one(format!("adx({n}).dx"), index, &|out| core.dx(0, end, high, low, close, length, out));
    one(format!("adx({n}).plus_di"), index, &|out| {
        core.plus_di(0, end, high, low, close, length, out)
    });
    one(format!("adx({n}).minus_di"), index, &|out| {
        core.minus_di(0, end, high, low, close, length, out)
    });
    let slow = fast + more;
    for (output, name) in ["line", "signal", "hist"].into_iter().enumerate() {
        one(format!("macd({fast},{slow},{signal}).{name}"), price, &|out| {
            let mut all = [0, 1, 2].map(|_| vec![0.0; bars.len()]);
            let [line, average, hist] = &mut all;
            let lengths = [fast, slow, signal].map(int);
            let [fast, slow, signal] = lengths;
            let range = core.macd(0, end, close, fast, slow, signal, line, average, hist)?;
            out.copy_from_slice(&all[output]);
            Ok(range)
        });
    }
    for (output, name) in ["upper", "mid", "lower"].into_iter().enumerate() {
        one(format!("bbands({n},2).{name}"), price, &|out| {
            let mut all = [0, 1, 2].map(|_| vec![0.0; bars.len()]);
            let [upper, mid, lower] = &mut all;
            let by = MAType::SMA;
            let range = core.bbands(0, end, close, length, 2.0, 2.0, by, upper, mid, lower)?;
            out.copy_from_slice(&all[output]);
            Ok(range)
        });
    }
}

/// Bars around a price of 10,000, with steps that are often equal or none.
fn series() -> impl Strategy<Value = Vec<Bar>> {
    let step = (-3..=3_i64, -40..=40_i64, 0..=9_i64, 0..=9_i64);
    let wild = prop_oneof![4 => Just(1_i64), 1 => 0..=30_i64];
    prop::collection::vec((step, wild), 1..400).prop_map(|steps| {
        let mut close = 10_000_i64;
        let next = |((jump, step, above, below), wild): ((i64, i64, i64, i64), i64)| {
            let open = (close + jump * wild).max(100);
            close = (open + step * wild).max(100);
            ohlc([open, open.max(close) + above, open.min(close) - below, close])
        };
        steps.into_iter().map(next).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn random_bars_give_the_values_of_talib(
        bars in series(),
        lengths in (2..40_u32, 2..20_u32, 1..20_u32, 2..12_u32),
    ) {
        all_agree(&bars, lengths);
    }
}

#[test]
fn a_flat_market_and_one_bar_give_the_values_of_talib() {
    all_agree(&vec![ohlc([70; 4]); 90], (14, 12, 14, 9));
    all_agree(&[ohlc([70, 90, 60, 80])], (2, 2, 1, 2));
    let rise: Vec<Bar> = (1..90).map(|price| ohlc([price, price + 1, price, price + 1])).collect();
    all_agree(&rise, (14, 12, 14, 9));
}
