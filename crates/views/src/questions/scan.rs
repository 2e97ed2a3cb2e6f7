//! The queries of the scanner.

use super::columns::{Column, column, percent, time, word};
use super::{Answer, Effort, Question, all, one};
use crate::scan::{ScanView, scan};
use crate::scan_days::{NearView, ScanDayView, near, scan_days};
use everwarm_domain::time::{date_of, day_of};
use everwarm_trading::strategy::show;
use serde_json::Value;

/// The query of what each strategy says about each symbol.
pub const SCAN: Question = Question {
    query: &["time", "strategy", "top"],
    effort: Effort::Long,
    columns: COLUMNS,
    none: "no strategy is enabled, or no symbol is listed",
    ..Question::new(
        "/api/v1/scan",
        "List what each strategy says about each symbol at one close, nearest to a signal first",
        all::<ScanView>,
        |context, asked| {
            let (time, strategy, top) = (asked.time("time")?, asked.word("strategy"), asked.top()?);
            Answer::of(&scan(context.journal(), time, strategy, top)?)
        },
    )
};

/// The query of what each strategy says about each symbol, by day.
pub const SCAN_DAYS: Question = Question {
    query: &["days", "strategy"],
    effort: Effort::Alone,
    columns: &[
        column("day (UTC)", "day", date),
        column("strategy", "strategy", word),
        column("symbol", "symbol", word),
        column(">bars", "bars", word),
        column(">unjudged", "unjudged", word),
        column(">enters", "enters", word),
        column(">adds", "adds", word),
        column(">exits", "exits", word),
        column(">near", "near", word),
    ],
    none: "no strategy has judged a bar in these days",
    ..Question::new(
        "/api/v1/scan/days",
        "Count what each strategy says about each symbol, by day, oldest first",
        all::<ScanDayView>,
        |context, asked| {
            let (days, strategy) = (asked.days()?, asked.word("strategy"));
            let Some(newest) = context.status()?.close_time else {
                return Answer::of(&Vec::<ScanDayView>::new());
            };
            let of = (days, newest);
            Answer::of(&scan_days(context.journal(), context.archive(), of, strategy)?)
        },
    )
};

/// The query of the bars at which exactly one condition of a signal failed. [`NEAR_COLUMNS`] shows
/// them.
pub const SCAN_NEAR: Question = Question {
    query: &["days", "strategy", "top"],
    effort: Effort::Alone,
    none: "at no bar of these days exactly one condition failed",
    ..Question::new(
        "/api/v1/scan/near",
        "List bars at which exactly one condition of a signal failed, smallest gap first",
        one::<NearView>,
        |context, asked| {
            let (days, strategy) = (asked.days()?, asked.word("strategy"));
            let top = asked.top()?;
            let Some(newest) = context.status()?.close_time else {
                return Answer::of(&NearView::default());
            };
            let of = (days, newest);
            Answer::of(&near(context.journal(), context.archive(), of, strategy, top)?)
        },
    )
};

/// A day as its date.
fn date(value: &Value) -> String {
    value.as_i64().map_or_else(|| word(value), |day| date_of(day_of(day)))
}

/// The columns of bars near a signal.
pub const NEAR_COLUMNS: &[Column] = &[
    column("bar (UTC)", "bar", time),
    column("symbol", "symbol", word),
    column("strategy", "strategy", word),
    column("state", "state", word),
    column("signal", "signal", word),
    column(">gap", "gap", percent),
    column(">value / bound", "", compared),
    column("why", "why", word),
];

const COLUMNS: &[Column] = &[
    column("symbol", "symbol", word),
    column("strategy", "strategy", word),
    column("state", "state", word),
    column("signal", "signal", word),
    column(">failed", "failed", word),
    column(">gap", "gap", percent),
    column(">value / bound", "", compared),
    column("why", "why", word),
    column("bar (UTC)", "bar", time),
];

/// The number that the gap belongs to, and its bound.
fn compared(row: &Value) -> String {
    let numbers = row["value"].as_f64().zip(row["bound"].as_f64());
    let shown = numbers.map(|(value, bound)| show(value, bound));
    shown.map_or_else(|| word(&Value::Null), |(value, bound)| format!("{value} / {bound}"))
}
