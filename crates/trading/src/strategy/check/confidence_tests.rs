//! Plays recorded bars: the confidences of entries must differ enough for `min_confidence`. The
//! page of the strategies has the measured numbers.

use super::play::{How, play};
use super::{Bars, Subject, is_entry};
use crate::stages::interned;
use crate::strategy::kind;
use crate::testing::golden::Series;
use everwarm_domain::market::Bar;
use everwarm_domain::money::Decimal;
use everwarm_domain::settings::Settings;
use everwarm_domain::time::MINUTE;

/// Series of one minute.
const MINUTES: [&str; 8] = [
    "btcperp/BTC-PERP_1m",
    "coinbase/BTCUSD_1m",
    "coinbase/ETHUSD_1m",
    "coinbase/LTCUSD_1m",
    "binance_futures/ADAUSDT_1m",
    "binance/BTCBUSD_1m",
    "freqtrade/XRPETH_1m",
    "poloniex_old/UNITTEST-BTC_1m",
];

/// Series of five minutes.
const FIVE: [&str; 3] = ["freqtrade/ADABTC_5m", "freqtrade/ETHBTC_5m", "freqtrade/XMRBTC_5m"];

/// The closes of a series. A bar of several minutes becomes as many bars of one minute, which roll
/// up to it.
fn closes(name: &str, minutes: i64) -> Vec<Bars> {
    let series = Series::read(&format!("data/{name}.csv.gz"), usize::MAX);
    let each = |whole: Bar| {
        (0..minutes).map(move |at| {
            let open_time = whole.open_time + at * MINUTE;
            let rest = Bar { open: whole.close, high: whole.close, low: whole.close, ..whole };
            let bar = if at == 0 { whole } else { Bar { volume: Decimal::ZERO, ..rest } };
            let bars = vec![Bar { open_time, ..bar }];
            Bars { time: open_time + MINUTE, bars }
        })
    };
    series.bars.into_iter().flat_map(each).collect()
}

/// The confidences of the entries of a kind with its defaults, sorted, millionths.
fn confidences(name: &str, series: &[(&str, i64)]) -> Vec<u32> {
    let (kind, mut settings) = (kind(name).unwrap(), Settings::default());
    settings.strategy.set(name, "timeframe", "1m");
    settings.strategy.0.retain(|id, _| id == name);
    let (rules, id) = ((kind.exits)(), interned(name));
    settings.strategy.0.get_mut(name).unwrap().section = (kind.defaults)();
    settings.strategy.set_exits(name, rules.clone());
    let subject = Subject { kind, id, settings, rules };
    let mut all = Vec::new();
    for (name, minutes) in series {
        let played = play(&subject, &closes(name, *minutes), How::default()).unwrap();
        all.extend(
            played.signals.iter().filter(|signal| is_entry(signal)).map(|s| s.confidence_ppm),
        );
    }
    all.sort_unstable();
    all
}

/// Checks the confidences of a kind, and that the page has them.
fn check(name: &str, series: &[(&str, i64)]) {
    let (apart, share, row) = measured(name, series);
    assert!(apart >= 300_000, "they are too near: {row}");
    assert!((20..=90).contains(&share), "0.4 is no bound for them: {row}");
}

/// The distance of the 10th and the 90th percentile of the confidences of a kind, millionths; the
/// share of at least 0.4, per cent; and their row, which the page must have.
fn measured(name: &str, series: &[(&str, i64)]) -> (u32, usize, String) {
    let all = confidences(name, series);
    // Linear between two neighbours.
    let tenths = |tenths: usize| {
        let at = (all.len() - 1) * tenths;
        let (low, high) = (all[at / 10], all[(at / 10 + 1).min(all.len() - 1)]);
        low + (high - low) * u32::try_from(at % 10).unwrap() / 10
    };
    let [low, half, high] = [1, 5, 9].map(tenths);
    let share = 100 * all.iter().filter(|ppm| **ppm >= 400_000).count() / all.len();
    let text =
        |ppm: u32| format!("{}.{:02}", (ppm + 5_000) / 1_000_000, (ppm + 5_000) / 10_000 % 100);
    let [low_text, half, high_text] = [low, half, high].map(text);
    let count = all.len();
    let row = format!("| `{name}` | {count} | {low_text} | {half} | {high_text} | {share} % |");
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/how-to/strategies.md");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.lines().any(|line| line == row), "the page of the strategies lacks {row}");
    (high - low, share, row)
}

fn minutes() -> impl Iterator<Item = (&'static str, i64)> {
    MINUTES.into_iter().map(|name| (name, 1))
}

fn all() -> Vec<(&'static str, i64)> {
    minutes().chain(FIVE.map(|name| (name, 5))).collect()
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn those_of_sma_cross_differ() {
    check("sma_cross", &minutes().collect::<Vec<_>>());
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn those_of_swing_differ() {
    check("swing", &all());
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn those_of_channel_differ() {
    check("channel", &all());
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn those_of_dca_differ() {
    check("dca", &all());
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn those_of_smc_differ() {
    check("smc", &all());
}
