//! The query of past bars.

use super::columns::{Column, column, wait, word};
use super::{Answer, Question, all, remembered};
use crate::coverage::SeriesView;

/// The query of the series that features need.
pub const SERIES: Question = Question {
    columns: COLUMNS,
    none: "no feature needs bars: no strategy is enabled, or no symbol is listed",
    ..Question::new(
        "/api/v1/series",
        "List the series of bars that strategies need, with the bars that they have",
        all::<SeriesView>,
        |context, _| Answer::of(&remembered(context, |memory| memory.coverage.series())?),
    )
};

const COLUMNS: &[Column] = &[
    column("symbol", "symbol", word),
    column("width", "timeframe", word),
    column(">bars", "bars", word),
    column(">first value", "first", word),
    column(">settled", "settled", word),
    column("state", "state", word),
    column("ready in", "ready_in_ms", wait),
];
