//! Reads the shared test data.

use super::{dec, sym};
use everwarm_domain::market::Bar;
use everwarm_domain::money::Price;
use std::io::Read;
use std::path::Path;

/// A recorded series of bars, in the width of the file.
pub struct Series {
    pub bars: Vec<Bar>,
}

impl Series {
    /// The first `limit` bars of a file of the shared test data.
    pub fn read(path: &str, limit: usize) -> Series {
        let name = Path::new(path).file_name().unwrap().to_str().unwrap();
        let symbol = name.split('_').next().unwrap();
        // Some files have prices from floats, with more decimals than a price can have.
        let price = |text: &str| Price::exact(dec(text).round_dp(18).normalize()).unwrap();
        let bar = |row: &Vec<String>| Bar {
            symbol: sym(symbol),
            open_time: row[0].parse().unwrap(),
            open: price(&row[1]),
            high: price(&row[2]),
            low: price(&row[3]),
            close: price(&row[4]),
            volume: dec(&row[5]),
        };
        Series { bars: golden(path).iter().take(limit).map(bar).collect() }
    }
}

/// The rows of a compressed table of the shared test data, without the header.
pub fn golden(path: &str) -> Vec<Vec<String>> {
    let text = unpacked(path);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows = reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect());
    rows.collect()
}

/// The column names of such a table.
pub fn header(path: &str) -> Vec<String> {
    unpacked(path).lines().next().unwrap().split(',').map(str::to_owned).collect()
}

fn unpacked(path: &str) -> String {
    let file = crate::shared::shared(path);
    let mut text = String::new();
    let packed = std::fs::File::open(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    flate2::read::MultiGzDecoder::new(packed).read_to_string(&mut text).unwrap();
    text
}
