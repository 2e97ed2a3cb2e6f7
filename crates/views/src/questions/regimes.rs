//! The queries of regimes.

use super::columns::{column, plain, time, word};
use super::{Answer, Question, all, remembered};
use crate::regimes::{RegimeDayView, RegimeView, days, regimes};
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
        "List the regime, drivers and bias of each symbol, and the drivers of composites",
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
    ],
    none: "there is no hourly bar yet",
    ..Question::new(
        "/api/v1/regimes/days",
        "Count the hourly closes of each day by regime, over all symbols",
        all::<RegimeDayView>,
        |context, _| Answer::of(&days(context.archive())?),
    )
};
