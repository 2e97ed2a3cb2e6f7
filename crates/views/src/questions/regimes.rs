//! The queries of regimes.

use super::columns::{column, plain, time, word};
use super::{Answer, Question, all, remembered};
use crate::regimes::{DominanceDayView, RegimeDayView, RegimeView, days, regimes};
use serde_json::Value;

/// The query of the present regime of each symbol.
pub const REGIMES: Question = Question {
    columns: &[
        column("symbol", "symbol", word),
        column("regime", "regime", word),
        column("since (UTC)", "since", time),
        column("driver 1m", "driver_1m", word),
        column("1h", "driver", word),
        column("1d", "driver_1d", word),
        column("bias", "bias", word),
        column(">bars", "bars", word),
        column(">value", "value", plain),
        column(">members", "", members),
        column("missing", "missing", word),
    ],
    none: "there is no hourly bar yet",
    ..Question::new(
        "/api/v1/regimes",
        "List the regime, drivers and bias of each symbol, and drivers of composites and dominance",
        all::<RegimeView>,
        |context, _| {
            let weights = remembered(context, |memory| memory.now().alt.clone())?;
            Answer::of(&regimes(context.archive(), &weights)?)
        },
    )
};

/// The number of members of a composite.
fn members(row: &Value) -> String {
    let count = || row["members"].as_array().map_or(0, Vec::len).to_string();
    if row["composite"] == true { count() } else { word(&Value::Null) }
}

/// The query of the regimes of each day.
pub const REGIME_DAYS: Question = Question {
    columns: &[
        column("day (UTC)", "day", time),
        column(">no data", "no_data", word),
        column(">tight", "tight_smc", word),
        column(">wide", "wide_structure", word),
        column(">consolidation", "consolidation", word),
        column("BTC.D 1h/1d", "", |row| dominance(row, "BTC.D")),
        column("USDT.D 1h/1d", "", |row| dominance(row, "USDT.D")),
    ],
    none: "there is no hourly bar yet",
    ..Question::new(
        "/api/v1/regimes/days",
        "Count the hourly closes of each day by regime, over all symbols, with the dominance",
        all::<RegimeDayView>,
        |context, _| Answer::of(&days(context.archive())?),
    )
};

/// The dominance of one asset on a day.
fn dominance(row: &Value, symbol: &str) -> String {
    let mut all = row["dominance"].as_array().into_iter().flatten();
    let found = all.find(|of| of["symbol"] == symbol);
    let day = found.and_then(|of| serde_json::from_value::<DominanceDayView>(of.clone()).ok());
    day.map_or_else(|| word(&Value::Null), |day| day.words())
}
