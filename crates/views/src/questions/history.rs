//! The queries of the stored bars.

use super::columns::{column, named, time, wait, word};
use super::{Answer, Effort, Question, all, one};
use crate::stored_history::{CheckedHistoryView, HoleView, StoredSeriesView, check, holes, series};
use everwarm_history::ledger::HoleState;
use everwarm_words::text::thousands;
use serde_json::Value;
use std::collections::BTreeMap;

/// The query of every series that is stored or needed.
pub const HISTORY: Question = Question {
    columns: &[
        column("symbol", "symbol", word),
        column("width", "timeframe", word),
        column(">stored", "stored", word),
        column(">expected", "expected", word),
        column("first (UTC)", "from", time),
        column("last (UTC)", "to", time),
        column("age", "age_ms", wait),
        column("missing", "holes", by_state),
        column(">needed", "settled", word),
        column("state", "state", word),
        column("ready in", "ready_in_ms", wait),
    ],
    none: "no bar is stored, and no feature needs one",
    effort: Effort::Long,
    ..Question::new(
        "/api/v1/history",
        "List the series of stored bars, with their holes and what strategies need of them",
        all::<StoredSeriesView>,
        |context, _| Answer::of(&series(context)?),
    )
};

/// The query of every hole of every series.
pub const HOLES: Question = Question {
    columns: &[
        column("symbol", "symbol", word),
        column("width", "timeframe", word),
        column("first (UTC)", "from", time),
        column("last (UTC)", "to", time),
        column(">bars", "bars", word),
        column("state", "state", state),
        column("evidence", "evidence", word),
    ],
    none: "no stored series has a hole",
    effort: Effort::Long,
    ..Question::new(
        "/api/v1/history/holes",
        "List the holes in the stored bars, each with its state and its evidence",
        all::<HoleView>,
        |context, _| Answer::of(&holes(context)?),
    )
};

/// The query that checks the stored bars against the journal.
pub const HISTORY_CHECK: Question = Question {
    effort: Effort::Alone,
    ..Question::new(
        "/api/v1/history/check",
        "Check every stored bar: its form, its digest, and its agreement with the journal",
        one::<CheckedHistoryView>,
        |context, _| Answer::of(&check(context)?),
    )
};

fn state(value: &Value) -> String {
    named(value, HoleState::words)
}

/// Missing bars by state, in words.
fn by_state(value: &Value) -> String {
    let holes: BTreeMap<HoleState, u64> = serde_json::from_value(value.clone()).unwrap_or_default();
    missing(&holes)
}

/// Missing bars by state, in words.
#[must_use]
pub fn missing(holes: &BTreeMap<HoleState, u64>) -> String {
    let words: Vec<String> = holes
        .iter()
        .map(|(state, bars)| format!("{} {}", thousands(*bars), state.words()))
        .collect();
    if words.is_empty() { "-".to_owned() } else { words.join(", ") }
}
