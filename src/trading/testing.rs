//! What the tests of stages share: short ways to make facts, and the shared test material.

use crate::domain::fact::{Body, Market, Operator};
use crate::domain::id::Symbol;
use crate::domain::market::Bar;
use crate::domain::money::{Decimal, Price, parse_decimal};
use crate::domain::settings::Settings;
use crate::domain::time::MINUTE;
use everwarm_runtime::fact::{Fact, Key};
use everwarm_runtime::stage::{Out, Stage};
use std::io::Read;
use std::path::{Path, PathBuf};

/// A decimal from its text.
pub(crate) fn dec(text: &str) -> Decimal {
    parse_decimal(text).unwrap()
}

/// A symbol from its text.
pub(crate) fn sym(text: &str) -> Symbol {
    Symbol::new(text).unwrap()
}

/// The bar of a minute (counted from the epoch) at one price, in whole quote units.
pub(crate) fn bar(symbol: &str, minute: i64, price: i64) -> Bar {
    let price = Price(price * 100_000_000);
    Bar {
        symbol: sym(symbol),
        open_time: minute * MINUTE,
        open: price,
        high: price,
        low: price,
        close: price,
        volume: Decimal::ONE,
    }
}

/// The close of a minute with one bar.
pub(crate) fn close(symbol: &str, minute: i64, price: i64) -> Body {
    let bars = vec![bar(symbol, minute, price)];
    Body::Market(Market::Close { time: (minute + 1) * MINUTE, bars, missing: Vec::new() })
}

/// An input fact.
pub(crate) fn input(n: u64, body: Body) -> Fact<Body> {
    fact(n, 0, body)
}

/// A fact said by the stage of a rank.
pub(crate) fn fact(n: u64, rank: u16, body: Body) -> Fact<Body> {
    let key = Key { n, rank, i: 0 };
    Fact { key, time: 0, version: 0, because: Vec::new(), body }
}

/// Feeds one fact to a stage by itself and returns what it says, its own facts folded too.
pub(crate) fn facts_of(stage: &mut dyn Stage<Body = Body>, given: &Fact<Body>) -> Vec<Body> {
    let mut said = Vec::new();
    let mut out = Out::default();
    stage.evolve(given);
    stage.decide(given, &mut out);
    take(stage, given.key.n, &mut out, &mut said);
    stage.conclude(&mut out);
    take(stage, given.key.n, &mut out, &mut said);
    stage.check();
    said
}

fn take(stage: &mut dyn Stage<Body = Body>, n: u64, out: &mut Out<Body>, said: &mut Vec<Body>) {
    for draft in out.take() {
        stage.evolve(&fact(n, stage.rank().0, draft.body.clone()));
        said.push(draft.body);
    }
}

/// A recorded series of 1m bars (or of whatever width the file has).
pub(crate) struct Series {
    pub(crate) bars: Vec<Bar>,
}

impl Series {
    /// The first `limit` bars of a file of the shared material; none where that is absent.
    pub(crate) fn read(path: &str, limit: usize) -> Option<Series> {
        let symbol = Path::new(path).file_name()?.to_str()?.split('_').next()?;
        let price = |text: &str| Price::exact(dec(text)).unwrap();
        let bar = |row: &Vec<String>| Bar {
            symbol: sym(symbol),
            open_time: row[0].parse().unwrap(),
            open: price(&row[1]),
            high: price(&row[2]),
            low: price(&row[3]),
            close: price(&row[4]),
            volume: dec(&row[5]),
        };
        Some(Series { bars: golden(path)?.iter().take(limit).map(bar).collect() })
    }
}

/// The rows of a compressed table of the shared material, without the header; none where it is absent.
pub(crate) fn golden(path: &str) -> Option<Vec<Vec<String>>> {
    let file = shared()?.join(path);
    let mut text = String::new();
    let packed = std::fs::File::open(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    flate2::read::MultiGzDecoder::new(packed).read_to_string(&mut text).unwrap();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows = reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect());
    Some(rows.collect())
}

#[expect(clippy::print_stderr, reason = "a test that cannot run says so")]
fn shared() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let folder = std::env::var_os("EVERWARM_SHARED").map_or(here, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(std::env::var_os("CI").is_none(), "{} must be there in CI", folder.display());
    eprintln!("ignored: {} absent", folder.display());
    None
}

/// The input that puts settings in force.
pub(crate) fn configured(settings: &Settings) -> Body {
    let (text, origins) = (settings.to_text(), Vec::new());
    Body::Operator(Operator::ConfigApplied { generation: 1, text, origins })
}
