//! The public shape of checked files of bars.

use everwarm_domain::id::Symbol;
use everwarm_domain::time::{Timeframe, UtcMs};
use serde::Serialize;
use std::path::PathBuf;

/// What a folder of bars holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckedBarsView {
    /// The files, by symbol and width.
    pub series: Vec<CheckedSeriesView>,
    /// Times in which no series has a bar that has bars before and after.
    pub outages: Vec<OutageView>,
    /// Odd prices, by file and time.
    pub odd: Vec<OddPriceView>,
    /// Files and lines that are wrong, each with the place and the reason. A repeated line is left
    /// out, another wrong line refuses its file.
    pub wrong: Vec<String>,
}

/// The bars of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckedSeriesView {
    /// The symbol.
    pub symbol: Symbol,
    /// Width of the bars.
    pub timeframe: Timeframe,
    /// The file.
    pub file: PathBuf,
    /// Bars in the file.
    pub bars: u64,
    /// Bars that would be in it without gaps.
    pub whole: u64,
    /// Opening time of the first bar, UTC milliseconds.
    pub first: UtcMs,
    /// Opening time of the last bar, UTC milliseconds.
    pub last: UtcMs,
    /// The gaps, ascending.
    pub gaps: Vec<GapView>,
    /// Bars without volume.
    pub without_volume: u64,
}

/// Times without a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct GapView {
    /// Opening time of the first missing bar, UTC milliseconds.
    pub from: UtcMs,
    /// Opening time of the last one, UTC milliseconds.
    pub to: UtcMs,
    /// Number of missing bars.
    pub bars: u64,
}

/// Times in which all series of a width lack bars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OutageView {
    /// Width of the bars.
    pub timeframe: Timeframe,
    /// The times.
    #[serde(flatten)]
    pub gap: GapView,
    /// Number of series that have bars before and after.
    pub series: u64,
}

/// A price that is far from its neighbours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OddPriceView {
    /// The symbol.
    pub symbol: Symbol,
    /// Width of the bar.
    pub timeframe: Timeframe,
    /// Opening time of the bar, UTC milliseconds.
    pub open_time: UtcMs,
    /// What is odd.
    pub what: String,
}
