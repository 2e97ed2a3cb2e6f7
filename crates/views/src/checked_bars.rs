//! The public shape of checked files of bars.

use everwarm_domain::id::Symbol;
use everwarm_domain::time::{Timeframe, UtcMs};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What a folder of bars holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CheckedBarsView {
    /// The files, by symbol and width.
    pub series: Vec<CheckedSeriesView>,
    /// Times in which no series has a bar that has bars before and after.
    pub outages: Vec<OutageView>,
    /// Odd prices, by file and time: at most 1,000 of each file.
    pub odd: Vec<OddPriceView>,
    /// Files that cannot be read whole, each with the reason.
    pub wrong: Vec<String>,
    /// What a repair did before this check; absent without a repair.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair: Option<RepairView>,
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
    /// Rows of the file.
    pub rows: u64,
    /// Good rows: each is a bar, and a wide one fits its minutes.
    pub good: u64,
    /// Rows that are a bar.
    pub bars: u64,
    /// Bars that would be in it without gaps.
    pub whole: u64,
    /// Opening time of the first bar, UTC milliseconds; none: it has no bar.
    pub first: Option<UtcMs>,
    /// Opening time of the last bar, UTC milliseconds; none: it has no bar.
    pub last: Option<UtcMs>,
    /// The gaps between its bars, ascending.
    pub gaps: Vec<GapView>,
    /// Missing bars that are neither known nor of an outage. Quarantined rows before the first bar
    /// and after the last one count, too.
    pub holes: Vec<GapView>,
    /// Missing bars that a source does not have, by the file of known holes.
    pub known: u64,
    /// Bars without volume.
    pub without_volume: u64,
    /// Bad rows by kind.
    pub counts: BTreeMap<&'static str, u64>,
    /// The first bad rows: at most 1,000.
    pub bad: Vec<BadRowView>,
}

/// A bad row of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BadRowView {
    /// Line in the (uncompressed) file, from 1.
    pub line: u64,
    /// The kind, as in `counts`.
    pub kind: &'static str,
    /// The reason.
    pub why: String,
}

/// What a repair did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RepairView {
    /// The name of the source.
    pub source: String,
    /// The series that were repaired, by symbol and width.
    pub series: Vec<RepairedSeriesView>,
}

/// The repair of one series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RepairedSeriesView {
    /// The symbol.
    pub symbol: Symbol,
    /// Width of the bars.
    pub timeframe: Timeframe,
    /// Rows that were moved to the quarantine.
    pub quarantined: u64,
    /// The file with the quarantined rows.
    pub quarantine: PathBuf,
    /// Where the old file is; none: it could be read to its end. Bars after the readable ones are
    /// missing.
    pub damaged: Option<PathBuf>,
    /// Bars that were added from the source.
    pub added: u64,
    /// Odd bars for which the source has the same values.
    pub confirmed: u64,
    /// Missing bars that the source does not have.
    pub none: u64,
    /// Requests without an acceptable response, each with the reason.
    pub refused: Vec<String>,
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
