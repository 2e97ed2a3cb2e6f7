//! The query of lots.

use super::columns::{Column, column, plain, rounded, time, word};
use super::{Answer, Question, all, remembered};
use crate::views::LotView;

/// The query of the lots of each strategy.
pub const LOTS: Question = Question {
    columns: COLUMNS,
    none: "no lots",
    ..Question::new(
        "/api/v1/lots",
        "List the lots of each strategy",
        all::<LotView>,
        |context, _| Answer::of(&remembered(context, |memory| memory.now().status.lots())?),
    )
};

const COLUMNS: &[Column] = &[
    column("symbol", "symbol", word),
    column("strategy", "strategy", word),
    column(">quantity", "quantity", plain),
    column(">average", "average_price", rounded),
    column(">stop", "stop", plain),
    column(">target", "target", plain),
    column("opened (UTC)", "opened", time),
];
