//! Composites over a generated, a recorded and random markets.

mod properties;
mod rules;
mod scripted;

use super::{Composites, Series, Step, Steps};
use crate::{Bar, SCALE};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// A volume of 1.
const ONE: i128 = 1_000_000_000_000_000_000;

/// A bar of which only the close and the volume, in whole units, count.
fn bar(close: i64, volume: i128) -> Bar {
    let [open, high, low] = [close; 3];
    Bar { open_time: 0, open, high, low, close, scale: SCALE, volume: volume * ONE }
}

/// Bars of symbols with closes in whole units and a volume of 1.
fn bars(closes: &[(&'static str, i64)]) -> Vec<(&'static str, Bar)> {
    closes.iter().map(|(name, close)| (*name, bar(close * 100_000_000, 1))).collect()
}

fn save<K: Ord + Clone + serde::Serialize>(composites: &Composites<K>) -> Vec<u8> {
    postcard::to_allocvec(composites).unwrap()
}

/// The bits of steps: equal bits are equal values.
fn bits(steps: Steps) -> [Option<[u64; 2]>; Series::ALL.len()] {
    steps.map(|step| step.map(|Step { before, value }| [before.to_bits(), value.to_bits()]))
}
