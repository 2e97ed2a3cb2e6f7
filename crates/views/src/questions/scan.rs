//! The query of the scanner.

use super::columns::{Column, column, percent, time, word};
use super::{Answer, Effort, Question, all};
use crate::scan::{ScanView, scan};
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
