//! The queries of regimes.

use super::columns::{column, time, word};
use super::{Answer, Question, all};
use crate::regimes::{RegimeDayView, RegimeView, regimes};

/// The query of the present regime of each symbol.
pub const REGIMES: Question = Question {
    columns: &[
        column("symbol", "symbol", word),
        column("regime", "regime", word),
        column("since (UTC)", "since", time),
        column("driver", "driver", word),
        column("bias", "bias", word),
        column(">bars", "bars", word),
        column("missing", "missing", word),
    ],
    none: "there is no hourly bar yet",
    ..Question::new(
        "/api/v1/regimes",
        "List the regime, driver and bias of each symbol at its newest hourly close",
        all::<RegimeView>,
        |context, _| Answer::of(&regimes(context.archive())?.0),
    )
};

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
        |context, _| Answer::of(&regimes(context.archive())?.1),
    )
};
