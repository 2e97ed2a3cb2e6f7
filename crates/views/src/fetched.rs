//! The public shape of fetched history.

use crate::checked_bars::GapView;
use everwarm_domain::id::Symbol;
use everwarm_domain::time::{Timeframe, UtcMs};
use serde::Serialize;
use std::path::PathBuf;

/// What was fetched from a source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FetchedView {
    /// The name of the source.
    pub source: String,
    /// Close of the newest bar that could be fetched, UTC milliseconds.
    pub through: UtcMs,
    /// The series, by symbol and width.
    pub series: Vec<FetchedSeriesView>,
}

/// The bars of one symbol and width.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FetchedSeriesView {
    /// The symbol.
    pub symbol: Symbol,
    /// Width of the bars.
    pub timeframe: Timeframe,
    /// The file.
    pub file: PathBuf,
    /// Bars that this command fetched.
    pub fetched: u64,
    /// Bars in the file.
    pub bars: u64,
    /// Opening time of its first bar, UTC milliseconds; none: it has no bar.
    pub first: Option<UtcMs>,
    /// Opening time of its last bar, UTC milliseconds; none: it has no bar.
    pub last: Option<UtcMs>,
    /// Bars that are missing between the first and the last: the source has none.
    pub missing: u64,
    /// Bars of the source that no file can hold, each with the reason.
    pub refused: Vec<String>,
    /// Requested times for which the source has no bar. Only a repair lists them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub none: Vec<GapView>,
    /// Requests of a repair without an acceptable response, each with the source and the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<String>,
    /// Why the series is not whole; none: it is. What was fetched before is in the file.
    pub error: Option<String>,
}
