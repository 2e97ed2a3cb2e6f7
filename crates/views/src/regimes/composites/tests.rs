//! Composites of a small market: daily bars that were fetched, hours and minutes from facts.

use super::super::{AltWeights, RegimeView, regimes};
use everwarm_domain::fact::{Analysis, Body, Market};
use everwarm_domain::id::Symbol;
use everwarm_domain::market::{Bar, RolledBar};
use everwarm_domain::money::Price;
use everwarm_domain::time::{DAY, Timeframe, UtcMs};
use everwarm_history::{Projector, bars};
use everwarm_kernel::fact::{Fact, Key};
use everwarm_runtime::store::archive::Archive;
use std::path::Path;
use std::sync::Arc;

const NAMES: [&str; 5] = ["AAAUSDT", "BBBUSDT", "BNBUSDT", "ETHUSDT", "SOLUSDT"];
const DAYS: i64 = 300;
const HOUR: UtcMs = Timeframe::H1.ms();
const MINUTE: UtcMs = Timeframe::M1.ms();

/// A bar that closes at `close`, in hundredths.
fn bar(name: &str, open_time: UtcMs, close: i64) -> Bar {
    let price = Price::e8(close * 1_000_000);
    let symbol = Symbol::named(name).unwrap();
    let [open, high, low, close] = [price; 4];
    Bar { symbol, open_time, open, high, low, close, volume: 1.into() }
}

/// The bars of these symbols. Each has a price of its own, times `close`.
fn row(names: &[&str], open_time: UtcMs, close: i64) -> Vec<Bar> {
    (2..).zip(names).map(|(of, name)| bar(name, open_time, of * close)).collect()
}

struct History {
    archive: Arc<Archive>,
    projector: Projector,
    n: u64,
}

impl History {
    /// 300 days, in each of which all prices rise by 1.00.
    fn new() -> History {
        let archive = Arc::new(Archive::in_memory(Path::new("history")).unwrap());
        let days: Vec<Vec<Bar>> =
            (0..DAYS).map(|day| row(&NAMES, day * DAY, 100 * (day + 1))).collect();
        let fetched = NAMES.iter().enumerate().map(|(at, name)| {
            let bars: Vec<Bar> = days.iter().map(|row| row[at]).collect();
            (Symbol::named(name).unwrap(), bars)
        });
        bars::keep(&archive, Timeframe::D1, &fetched.collect::<Vec<_>>()).unwrap();
        let projector = Projector::new(Arc::clone(&archive)).unwrap();
        History { archive, projector, n: 0 }
    }

    fn fact(&mut self, body: Body) {
        self.n += 1;
        let key = Key { n: self.n, rank: 0, i: 0 };
        let fact = Fact { key, time: 0, version: 1, because: Vec::new(), body };
        self.projector.apply([(self.n, &fact)], self.n, true).unwrap();
    }

    fn hour(&mut self, hour: i64, names: &[&str], close: i64) {
        let bars = row(names, DAYS * DAY + hour * HOUR, close).into_iter();
        let bars = bars.map(|bar| RolledBar { bar, count: 60, complete: true }).collect();
        self.fact(Body::Analysis(Analysis::Rolled { timeframe: Timeframe::H1, bars }));
    }

    fn minute(&mut self, minute: i64, names: &[&str], close: i64) {
        let open_time = DAYS * DAY + minute * MINUTE;
        let bars = row(names, open_time, close);
        let (missing, odd) = (Vec::new(), Vec::new());
        let time = open_time + MINUTE;
        self.fact(Body::Market(Market::Close { time, bars, missing, odd }));
    }

    fn composites(&self, weights: &str) -> Vec<RegimeView> {
        let weights = AltWeights::read(weights).unwrap();
        let rows = regimes(&self.archive, &weights).unwrap();
        rows.into_iter().filter(|row| row.composite).collect()
    }
}

#[test]
fn composites_have_values_drivers_and_members_and_say_what_is_missing() {
    let mut history = History::new();
    assert!(history.composites("SOL: 1").is_empty(), "there is no hourly bar yet");
    for hour in 0..2 {
        history.hour(hour, &NAMES, 100 * DAYS + hour);
    }
    let rows = history.composites("SOL: 1, ETH: 3, BNB: 1, HYPE: 1");
    let names: Vec<&str> = rows.iter().map(|row| row.symbol.as_str()).collect();
    assert_eq!(names, ["ALT", "LARGE", "MID", "SMALL", "MICRO"]);
    let value = |row: &RegimeView| row.value.map(|value| value.to_string());
    // From 1.00 at the first day to 300.01. The buckets begin a day later, at 2.00.
    let values: Vec<_> = rows.iter().map(value).collect();
    assert_eq!(values[..2], [Some("30001.0000"), Some("15000.5000")].map(|v| v.map(str::to_owned)));
    assert_eq!(values[2..], [None, None, None]);
    let members = |row: &RegimeView| row.members.iter().map(Symbol::to_string).collect::<Vec<_>>();
    assert_eq!(members(&rows[0]), ["BNBUSDT", "ETHUSDT", "SOLUSDT"]);
    assert_eq!(members(&rows[1]), NAMES);
    // The prices rise each day, and the present day is no daily bar yet.
    let drivers =
        |row: &RegimeView| [&row.driver_1m, &row.driver, &row.driver_1d].map(Clone::clone);
    assert_eq!(drivers(&rows[0]), ["none", "none", "extended"]);
    assert_eq!(drivers(&rows[2]), ["none", "none", "none"]);
    let few = "driver: 0 of 200 bars of 1m; driver: 2 of 200 bars of 1h";
    assert_eq!(rows[0].missing, format!("without HYPE; {few}"));
    assert_eq!(rows[1].missing, few);
    assert!(rows[2].missing.starts_with("no data: 0 of 3 members; "), "{}", rows[2].missing);
    assert_eq!((rows[0].bars, rows[0].close), (2, DAYS * DAY + 2 * HOUR));
    assert_eq!((rows[2].bars, rows[2].close), (0, DAYS * DAY + 2 * HOUR), "the newest close");
}

#[test]
fn an_hour_is_read_by_its_minutes_only_if_every_symbol_has_them() {
    let mut history = History::new();
    for minute in 0..60 {
        history.minute(minute, &NAMES, 100 * DAYS);
        // In the second hour, one symbol has no minutes. The third is not over.
        history.minute(60 + minute, &NAMES[1..], 100 * DAYS + 100);
    }
    for minute in 120..130 {
        history.minute(minute, &NAMES, 100 * DAYS + 300);
    }
    history.hour(0, &NAMES, 100 * DAYS);
    history.hour(1, &NAMES, 100 * DAYS + 200);
    let rows = history.composites("BNB: 1");
    assert!(rows[0].missing.starts_with("driver: 70 of 200 bars of 1m"), "{}", rows[0].missing);
    assert_eq!(rows[0].value.unwrap().to_string(), "30300.0000");
    assert_eq!(rows[0].bars, 2, "the third hour is not over");
    let symbol = Symbol::named("BNBUSDT").unwrap();
    let weights = AltWeights::default();
    let all = regimes(&history.archive, &weights).unwrap();
    let of_symbol = all.iter().find(|row| row.symbol == symbol).unwrap();
    assert!(of_symbol.missing.contains("driver: 130 of 200 bars of 1m"), "{}", of_symbol.missing);
}
