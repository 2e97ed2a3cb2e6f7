//! Reads recorded bars for tests, and resumes indicators over them.

use crate::{Bar, Indicator, SCALE, VOLUME_SCALE, power};
use flate2::read::MultiGzDecoder;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File};
use std::io::Read as _;

/// Files of bars, and the rows to read: a perpetual future, a share, a coin with minutes missing, a
/// currency with tick volumes.
pub(crate) const SETS: [(&str, usize); 4] = [
    ("data/btcperp/BTC-PERP_1m.csv.gz", 6_000),
    ("data/us_equities/SPY_1m.csv.gz", usize::MAX),
    ("data/poloniex_old/UNITTEST-BTC_1m.csv.gz", 5_000),
    ("data/fx/EURUSD_15m.csv.gz", 6_000),
];
/// Bars after which an indicator is saved and restored.
pub(crate) const SAVED_EVERY: usize = 97;

/// The rows of a compressed table of the shared data, without the header.
pub(crate) fn rows(path: &str) -> Vec<Vec<String>> {
    let file = crate::shared::shared(path);
    let packed = File::open(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let mut text = String::new();
    MultiGzDecoder::new(packed).read_to_string(&mut text).unwrap();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows = reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect());
    rows.collect()
}

/// The files of bars in the shared data, sorted by name.
pub(crate) fn every_series() -> Vec<String> {
    let root = crate::shared::shared("data");
    let mut all = Vec::new();
    for folder in fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()) {
        let Ok(files) = fs::read_dir(&folder) else { continue };
        for file in files.map(|entry| entry.unwrap().path()) {
            let name = file.file_name().unwrap().to_str().unwrap();
            if ["_1m.", "_5m.", "_15m.", "_1d."].iter().any(|width| name.contains(width)) {
                let inside = file.strip_prefix(&root).unwrap();
                all.push(format!("data/{}", inside.to_str().unwrap()));
            }
        }
    }
    all.sort();
    assert!(all.len() >= 20, "{all:?}");
    all
}

/// A price in units of 10^-8. The files have the shortest decimals of floats.
pub(crate) fn units(text: &str) -> i64 {
    format!("{:.8}", text.parse::<f64>().unwrap()).replace('.', "").parse().unwrap()
}

/// A volume of the bars, from its decimals.
fn volume(text: &str) -> i128 {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{part:0<18}").parse().unwrap()
}

/// The first bars of a file.
pub(crate) fn bars(path: &str, limit: usize) -> Vec<Bar> {
    let bar = |row: &Vec<String>| {
        let [open, high, low, close] = [1, 2, 3, 4].map(|column: usize| units(&row[column]));
        let (open_time, volume) = (row[0].parse().unwrap(), volume(&row[5]));
        Bar { open_time, open, high, low, close, scale: SCALE, volume }
    };
    rows(path).iter().take(limit).map(bar).collect()
}

/// The float of a volume, by way of its shortest decimals.
#[expect(clippy::cast_precision_loss, reason = "of the whole, then of the part")]
pub(crate) fn quantity(units: i128) -> f64 {
    let (units, scale) = crate::shortest(units, VOLUME_SCALE);
    units as f64 / power(scale)
}

/// The values over the bars. The indicator is saved and restored now and then; one that never
/// stops gives the same bits, and has the same state at the end.
pub(crate) fn by_restarts<I>(fresh: &I, bars: &[Bar]) -> Vec<f64>
where
    I: Indicator + Clone + Serialize + DeserializeOwned,
{
    let (mut whole, mut stopped) = (fresh.clone(), fresh.clone());
    let save = |one: &I| postcard::to_allocvec(one).unwrap();
    let mut values = Vec::with_capacity(bars.len());
    for (at, bar) in bars.iter().enumerate() {
        if at % SAVED_EVERY == SAVED_EVERY - 1 {
            stopped = postcard::from_bytes(&save(&stopped)).unwrap();
        }
        let (value, resumed) = (whole.update(bar), stopped.update(bar));
        assert_eq!(value.to_bits(), resumed.to_bits(), "at {at}: {value}, {resumed}");
        values.push(value);
    }
    assert_eq!(save(&whole), save(&stopped));
    values
}
