//! Markets of stocks as the exchange asks them: made from a seed, and recorded.

use super::*;
use crate::exchange::local::{InitialBooks, Local};
use crate::market::default_balances;
use crate::market::{Paused, Ticking, Window, split_name};
use crate::shared::shared;
use everwarm_domain::market::Bar;
use everwarm_domain::money::Decimal;
use std::path::{Path, PathBuf};

const HOUR: UtcMs = 60 * MINUTE;
/// 2026-01-05T00:00Z, a Monday.
const START: UtcMs = 1_767_571_200_000;
/// The session of that Monday.
const OPEN: UtcMs = START + 14 * HOUR + 30 * MINUTE;
const CLOSE: UtcMs = START + 21 * HOUR;

fn symbols(count: usize) -> Vec<Symbol> {
    names().take(count).collect()
}

fn made(seed: u64) -> Box<dyn Market> {
    market(seed, &symbols(60), START).unwrap()
}

#[test]
fn names_are_well_known_ones_then_letters() {
    let all: Vec<String> = names().map(|name| name.to_string()).collect();
    assert_eq!(all[..5], ["SPY", "AAPL", "QQQ", "BAC", "IBM"]);
    assert_eq!(all[40..42], ["ZAAAZ", "ZAABZ"]);
    assert_eq!(all[999], "ZBKXZ");
    let once: std::collections::BTreeSet<&String> = all.iter().collect();
    assert_eq!(once.len(), 1_000);
    for name in &all {
        assert!(name.bytes().all(|letter| letter.is_ascii_uppercase()), "{name}");
        // A recording of it has the same assets.
        assert_eq!(split_name(name), (name.clone(), "USD".to_owned()));
        assert!(knows(Symbol::new(name).unwrap()));
    }
    for name in ["BTCUSDT", "SPYY", "spy", "ZAAA", "ZZZZZ"] {
        assert!(!knows(Symbol::new(name).unwrap()), "{name}");
    }
}

#[test]
fn instruments_are_whole_shares_in_cents() {
    let market = made(3);
    let rules = market.instruments();
    assert_eq!(rules.len(), 60);
    assert!(rules.is_sorted_by_key(|rule| rule.symbol));
    for rule in rules {
        assert_eq!((rule.base.as_str(), rule.quote.as_str()), (rule.symbol.as_str(), "USD"));
        assert_eq!((rule.tick_size, rule.lot_size), (Decimal::new(1, 2), Decimal::ONE));
        assert_eq!(rule.min_quantity, Decimal::ONE);
        assert!(rule.trading && rule.market_max_quantity >= Decimal::from(1_000), "{rule:?}");
    }
    assert_eq!(default_balances(rules), [("USD".to_owned(), Decimal::from(100_000))]);
}

#[test]
fn bars_are_valid_in_the_range_of_stocks_and_the_same_for_a_seed() {
    let (mut market, mut same, mut other) = (made(3), made(3), made(4));
    let (mut differ, mut cents) = (0, Decimal::ZERO);
    for rule in market.instruments().to_vec() {
        let bars = market.bars(rule.symbol, OPEN, i64::MAX, 500);
        assert_eq!(bars.len(), 500);
        for bar in &bars {
            bar.validate().unwrap();
            for price in bar.prices() {
                let price = price.decimal();
                assert!((price % rule.tick_size).is_zero(), "{bar:?}");
                assert!(price > Decimal::from(5) && price < Decimal::from(700), "{bar:?}");
            }
            assert!((bar.volume % rule.lot_size).is_zero() && bar.volume >= Decimal::ONE);
        }
        assert_eq!(same.bars(rule.symbol, OPEN, i64::MAX, 500), bars);
        differ += usize::from(other.bars(rule.symbol, OPEN, i64::MAX, 500) != bars);
        let one = &mut super::market(3, &[rule.symbol], START).unwrap();
        assert_eq!(one.bars(rule.symbol, OPEN, i64::MAX, 500), bars, "whatever else there is");
        cents = cents.max((bars[0].open.decimal() % Decimal::ONE).fract());
    }
    assert_eq!(differ, 60);
    assert!(!cents.is_zero());
}

#[test]
fn a_seeded_market_has_history_and_trades_for_years_in_sessions() {
    let mut market = made(3);
    assert_eq!((market.start(), market.end()), (START, None));
    let sessions = market.sessions().unwrap().clone();
    assert_eq!(market.next_close(START), Some(OPEN + MINUTE));
    assert_eq!(market.next_close(CLOSE), Some(OPEN + DAY + MINUTE));
    let spy = symbols(1)[0];
    let history = market.bars(spy, i64::MIN, START, usize::MAX);
    // 26, 29, 30 and 31 December, and 2 January.
    assert_eq!(history.len(), 5 * 390);
    assert_eq!(history[0].open_time, OPEN - 10 * DAY);
    assert!(history.iter().all(|bar| sessions.at(bar.open_time).is_some()));
    let last = sessions.spans().last().unwrap().close;
    assert!(last > START + 7 * 364 * DAY);
    assert_eq!(market.next_close(last - MINUTE), Some(last));
    assert_eq!(market.next_close(last), None);
}

#[test]
fn history_before_a_half_day_is_as_long_as_one_request() {
    // 2024-11-29 is a half day; it is 14:00Z on the Monday after it.
    let start = 1_733_148_000_000;
    let mut market = market(1, &symbols(1), start).unwrap();
    let history = market.bars(symbols(1)[0], i64::MIN, start, usize::MAX);
    assert_eq!(history.len(), 4 * 390 + 210);
    // It is at the opening of a session.
    let mut market = super::market(1, &symbols(1), start + 30 * MINUTE).unwrap();
    let start = market.start();
    assert!(market.bars(symbols(1)[0], i64::MIN, start - 1, 2_000).len() > 1_000);
}

#[test]
fn times_without_a_calendar_are_refused() {
    for start in [i64::MIN, 0, 4_102_444_800_000, i64::MAX] {
        let Err(error) = market(1, &symbols(1), start) else { panic!("{start} is accepted") };
        assert!(error.contains("2004 to 2099"), "{error}");
    }
}

#[test]
fn wrappers_report_the_sessions_of_their_market() {
    let expected = made(1).sessions().unwrap().clone();
    let wrapped: [Box<dyn Market>; 3] = [
        Box::new(Paused::over(made(1), Vec::new())),
        Box::new(Window::of(made(1), Some(OPEN), None)),
        Box::new(Ticking::over(made(1), 1)),
    ];
    for market in wrapped {
        assert_eq!(market.sessions(), Some(&expected));
    }
    assert!(Seeded::new(1, 1, START, 0).sessions().is_none());
}

#[test]
fn the_exchange_plays_a_weekend_without_a_close() {
    let friday = START + 4 * DAY;
    let market = market(5, &symbols(3), START).unwrap();
    let market = Window::of(market, Some(friday), Some(friday + 4 * DAY));
    let setup = InitialBooks { seed: 5, ..InitialBooks::default() };
    let mut local = Local::open(Box::new(market), &setup);
    let mut closes = Vec::new();
    while let Some(close) = local.next_close() {
        local.advance(close, close);
        closes.push(close);
    }
    // Friday and Monday.
    assert_eq!(closes.len(), 2 * 390);
    let friday_close = friday + 21 * HOUR;
    let night = closes.windows(2).find(|pair| pair[1] - pair[0] != MINUTE).unwrap();
    assert_eq!(night, [friday_close, friday + 3 * DAY + 14 * HOUR + 31 * MINUTE]);
}

/// A folder with a recording that is removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let name = format!("everwarm-stocks-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::remove_dir_all(&path).ok();
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn us_equities() -> PathBuf {
    shared("data").join("us_equities")
}

fn all(market: &mut dyn Market, symbol: Symbol) -> Vec<Bar> {
    market.bars(symbol, i64::MIN, i64::MAX, usize::MAX)
}

#[test]
fn a_recording_without_config_is_in_whole_shares_and_its_extended_hours_are_left_out() {
    let folder = Folder::new("plain");
    let row = |time: UtcMs| format!("{time},550.25,551,550.2,550.99,1200\n");
    let times = [OPEN - MINUTE, OPEN, CLOSE - MINUTE, CLOSE, CLOSE + HOUR, OPEN + DAY, CLOSE + DAY];
    let rows: String = times.into_iter().map(row).collect();
    let text = format!("open_time,open,high,low,close,volume\n{rows}");
    std::fs::write(folder.0.join("SPY_1m.csv"), text).unwrap();
    let mut market = recorded(Recording::open(&folder.0, None).unwrap()).unwrap();
    let rule = market.instruments()[0].clone();
    assert_eq!((rule.base.as_str(), rule.quote.as_str()), ("SPY", "USD"));
    assert_eq!((rule.tick_size, rule.lot_size), (Decimal::new(1, 2), Decimal::ONE));
    assert_eq!(rule.min_quantity, Decimal::ONE);
    let within = [OPEN, CLOSE - MINUTE, OPEN + DAY];
    let opens: Vec<UtcMs> = all(&mut *market, rule.symbol).iter().map(|b| b.open_time).collect();
    assert_eq!(opens, within);
    let (mut closes, mut at) = (Vec::new(), i64::MIN);
    while let Some(close) = market.next_close(at) {
        assert_eq!(market.bars_closing(close).len(), 1);
        (at, closes) = (close, [closes, vec![close - MINUTE]].concat());
    }
    assert_eq!(closes, within);
    assert_eq!(market.end(), Some(CLOSE + DAY), "the last session is whole");
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn real_recordings_play_in_regular_hours_only() {
    let config = "[symbols.\"SPY-20230803\"]\nbase = \"SPY\"\nquote = \"USD\"\n";
    let folder = Folder::new("real");
    for name in ["SPY-20230803_1m.csv.gz", "recording.toml"] {
        match name.strip_suffix(".toml") {
            None => drop(std::fs::copy(us_equities().join(name), folder.0.join(name)).unwrap()),
            Some(_) => std::fs::write(folder.0.join(name), config).unwrap(),
        }
    }
    let mut whole = Recording::open(&folder.0, None).unwrap();
    let rule = whole.instruments()[0].clone();
    assert_eq!((rule.base.as_str(), rule.quote.as_str()), ("SPY", "USD"));
    let every = all(&mut whole, rule.symbol);
    let mut market = recorded(whole).unwrap();
    let bars = all(&mut *market, rule.symbol);
    // 2023-08-03, 09:30 to 16:00 in New York, without a gap; the file has 947 bars.
    let (open, close) = (1_691_069_400_000, 1_691_092_800_000);
    let expected: Vec<Bar> =
        every.iter().filter(|b| (open..close).contains(&b.open_time)).copied().collect();
    assert_eq!((every.len(), bars.len()), (947, 390));
    assert_eq!(bars, expected);
    assert_eq!(market.end(), Some(close));
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn the_folder_of_stocks_plays_without_a_config() {
    let folder: &Path = &us_equities();
    let recording = Recording::open(folder, None).unwrap();
    let count = recording.bar_count();
    let mut market = recorded(recording).unwrap();
    let sessions = market.sessions().unwrap().clone();
    let (mut played, mut at) = (0, i64::MIN);
    while let Some(close) = market.next_close(at) {
        let bars = market.bars_closing(close);
        assert!(!bars.is_empty() && sessions.at(close - MINUTE).is_some(), "{close}");
        (played, at) = (played + bars.len(), close);
    }
    let symbols: Vec<Symbol> = market.instruments().iter().map(|rule| rule.symbol).collect();
    let paged: usize = symbols.into_iter().map(|s| all(&mut *market, s).len()).sum();
    assert_eq!(paged, played);
    // Some bars are not of regular hours.
    assert!(played > count / 3 && played < count, "{played} of {count}");
}
