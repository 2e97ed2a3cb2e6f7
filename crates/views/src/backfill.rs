//! The public shape of a backfill: the request, its plan, its progress and its result.

use everwarm_domain::id::Symbol;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_words::shapes;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Most days of a backfill.
pub const DAYS_MAX: u32 = 3_650;
/// Most symbols of a request.
pub const SYMBOLS_MAX: usize = 1_000;

/// Which bars to complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BackfillScope {
    /// The bars of the last days, and those that features need of the same widths.
    #[default]
    Days,
    /// The bars that a start needs, and no others.
    Needs,
}

/// A request for a backfill.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BackfillRequest {
    /// Which bars to complete.
    pub scope: BackfillScope,
    /// Days before now, 1 to 3,650; none: `history.days`.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 3650)]
    pub days: Option<u32>,
    /// Widths of the bars; empty: `history.timeframes`.
    #[schema(value_type = Vec<String>)]
    pub timeframes: Vec<Timeframe>,
    /// The symbols, at most 1,000; empty: those that are traded.
    #[schema(value_type = Vec<shapes::Symbol>)]
    pub symbols: Vec<Symbol>,
    /// All symbols that the venue trades in the quote asset, instead of those that are traded.
    pub universe: bool,
    /// Request all bars again, also those that are stored.
    pub force: bool,
    /// Only compute what would be fetched.
    pub plan: bool,
}

/// How far a backfill is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BackfillState {
    /// There was none since the daemon started.
    #[default]
    None,
    /// It was requested and has not begun.
    Waiting,
    /// It compares the stored bars with the request.
    Planning,
    /// It fetches.
    Running,
    /// It was only a plan.
    Planned,
    /// It has ended, and every requested page was fetched.
    Done,
    /// It has ended, and some pages were not fetched.
    Failed,
}

impl BackfillState {
    /// Whether it has ended.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, BackfillState::Planned | BackfillState::Done | BackfillState::Failed)
    }
}

/// Why bars of a series are requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LackView {
    /// Nothing is missing.
    Whole,
    /// It has no bar.
    Empty,
    /// Its newest bars are missing.
    Old,
    /// Its oldest bars are missing.
    Short,
    /// Bars are missing between others, or at both ends.
    Holes,
    /// All bars are requested again.
    Forced,
}

impl LackView {
    /// The reason in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            LackView::Whole => "whole",
            LackView::Empty => "no bars",
            LackView::Old => "newest bars missing",
            LackView::Short => "oldest bars missing",
            LackView::Holes => "holes",
            LackView::Forced => "requested again",
        }
    }
}

/// One series of a backfill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackfillSeriesView {
    /// The symbol.
    #[schema(value_type = shapes::Symbol)]
    pub symbol: Symbol,
    /// Width of the bars.
    #[schema(value_type = String)]
    pub timeframe: Timeframe,
    /// Opening time of the oldest bar of the request, UTC milliseconds.
    pub from: UtcMs,
    /// Opening time of its newest bar, UTC milliseconds.
    pub to: UtcMs,
    /// Stored bars before.
    pub have: u64,
    /// Bars that features need of this width; 0: no feature needs it.
    pub need: u64,
    /// Requested bars.
    pub missing: u64,
    /// Those of them that features need.
    pub needed: u64,
    /// Why they are requested.
    pub lack: LackView,
    /// Pages of the plan, each one request.
    pub pages: u64,
    /// Bars that were fetched and stored.
    pub fetched: u64,
    /// Requested bars that the venue does not have.
    pub none: u64,
    /// Bars of the venue that were left out, because their values are wrong.
    pub refused: u64,
    /// Why it is not whole; none: it is, or it was only planned.
    pub error: Option<String>,
}

/// A backfill, and how far it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct BackfillView {
    /// Its number since the daemon started; 0: there was none.
    pub run: u64,
    /// How far it is.
    pub state: BackfillState,
    /// The request.
    pub request: BackfillRequest,
    /// Whether the schedule began it.
    pub scheduled: bool,
    /// Number of series.
    pub series: u64,
    /// Series that have ended.
    pub series_done: u64,
    /// Bars to request.
    pub bars: u64,
    /// Bars whose times were requested.
    pub bars_done: u64,
    /// Bars that were fetched and stored.
    pub fetched: u64,
    /// Requests of the plan, at most.
    pub requests: u64,
    /// Time that it takes by the limits of the venue, milliseconds; none: not known.
    pub estimate_ms: Option<u64>,
    /// Wall time since it began to fetch, milliseconds.
    pub took_ms: u64,
    /// Share of the venue's budget that is used, percent.
    pub budget_used_percent: u64,
    /// Why it failed; none: it did not.
    pub error: Option<String>,
    /// Its series in their order, once it has ended.
    pub rows: Vec<BackfillSeriesView>,
}

impl BackfillView {
    /// Wall time that it still takes at its rate so far, milliseconds; none: not known.
    #[must_use]
    pub fn left_ms(&self) -> Option<u64> {
        let left = self.bars.saturating_sub(self.bars_done);
        let left = u128::from(self.took_ms) * u128::from(left);
        u64::try_from(left.checked_div(u128::from(self.bars_done))?).ok()
    }

    /// Bars a second so far.
    #[must_use]
    pub fn rate(&self) -> u64 {
        let bars = u128::from(self.bars_done) * 1_000;
        u64::try_from(bars / u128::from(self.took_ms.max(1))).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_follows_the_rate_so_far() {
        let mut view = BackfillView { bars: 40_000, ..BackfillView::default() };
        assert_eq!((view.left_ms(), view.rate()), (None, 0));
        (view.bars_done, view.took_ms) = (10_000, 2_000);
        assert_eq!((view.left_ms(), view.rate()), (Some(6_000), 5_000));
        view.bars_done = view.bars;
        assert_eq!(view.left_ms(), Some(0));
    }

    #[test]
    fn a_request_with_unknown_words_is_refused() {
        let read = serde_json::from_str::<BackfillRequest>;
        assert_eq!(read("{}").unwrap(), BackfillRequest::default());
        assert!(read(r#"{"day": 3}"#).is_err());
        let request =
            read(r#"{"days": 30, "timeframes": ["1d"], "symbols": ["BTCUSDT"]}"#).unwrap();
        assert_eq!((request.days, request.timeframes), (Some(30), vec![Timeframe::D1]));
    }
}
