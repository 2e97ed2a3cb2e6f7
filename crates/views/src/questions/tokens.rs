//! The queries of tokens and of bars of their points.

use super::columns::{column, plain, time, wait, word};
use super::{Answer, LIMITED, Question, all};
use crate::tokens::{PointBarView, TokenView, bars, tokens};
use serde_json::Value;

/// The query of the registry of tokens.
pub const TOKENS: Question = Question {
    columns: &[
        column("token", "name", word),
        column("chain", "chain", word),
        column(">price, USD", "price", plain),
        column(">age", "age_s", age),
        column(">points of 24 h", "points", word),
        column(">decimals", "decimals", word),
        column("contract", "contract", word),
        column("pool", "pool", word),
    ],
    none: "no tokens yet; add one: everwarm tokens add NAME --chain CHAIN --contract ADDRESS \
           --pool ADDRESS --decimals N",
    ..Question::new(
        "/api/v1/tokens",
        "List the tokens of the registry with their newest prices",
        all::<TokenView>,
        |context, _| Answer::of(&tokens(context.archive())?),
    )
};

/// An age in seconds.
fn age(seconds: &Value) -> String {
    let age = seconds.as_i64().map(|seconds| Value::from(seconds.saturating_mul(1_000)));
    wait(&age.unwrap_or_default())
}

/// The query of bars of the points of a token.
pub const TOKEN_BARS: Question = Question {
    query: LIMITED,
    columns: &[
        column("opened (UTC)", "open_time", time),
        column(">open", "open", plain),
        column(">high", "high", plain),
        column(">low", "low", plain),
        column(">close", "close", plain),
        column(">points", "points", word),
        column("closed", "closed", word),
    ],
    none: "no points yet",
    ..Question::new(
        "/api/v1/tokens/{symbol}/bars",
        "List bars of a minute of a token, newest last; a minute without a point has none",
        all::<PointBarView>,
        |context, asked| Answer::of(&bars(context.archive(), asked.symbol()?, asked.limit()?)?),
    )
};
