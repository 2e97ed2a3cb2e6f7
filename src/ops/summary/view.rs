//! The public shape of a summary.

use super::period::Period;
use crate::ops::text::{count, instant};
use everwarm_domain::money::Decimal;
use everwarm_domain::time::UtcMs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What a period came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SummaryView {
    /// Its first instant, UTC milliseconds of event time.
    pub from: UtcMs,
    /// The first instant behind it.
    pub to: UtcMs,
    /// The newest close there is; none: there was none yet.
    pub newest_close: Option<UtcMs>,
    /// The first close there is.
    pub first_close: Option<UtcMs>,
    /// What was made.
    pub money: Money,
    /// How it ran.
    pub running: Running,
}

impl SummaryView {
    /// Why there is nothing to tell, where the newest close is not behind its beginning, or the
    /// first one is behind its end.
    #[must_use]
    pub fn not_begun(&self) -> Option<String> {
        let name = Period { from: self.from, to: self.to }.name();
        if let Some(first) = self.first_close.filter(|first| *first > self.to) {
            let first = instant(first);
            return Some(format!("there is no data for {name}: the first close is {first}"));
        }
        match self.newest_close {
            Some(newest) if newest > self.from => None,
            Some(newest) => {
                let newest = instant(newest);
                Some(format!("there is no data for {name} yet: the newest close is {newest}"))
            }
            None => Some("there is no data yet: there was no close".to_owned()),
        }
    }
}

/// What was made. Amounts are in quote units, where nothing else is said. An execution belongs to
/// the venue's time of it, whenever it was heard of; equity is what the books said at a close.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Money {
    /// Equity at the last close before it, else at the first one in it; none: there was no close.
    pub equity_before: Option<Decimal>,
    /// Equity at its last close.
    pub equity_after: Option<Decimal>,
    /// What adjustments to the venue's word changed of the equity: neither profit nor loss.
    pub adjusted: Decimal,
    /// Equity after less equity before, without adjustments. The sum of the next two, but for what
    /// was heard of only after the close of its own day, and for what was adjusted of what is held.
    pub profit: Decimal,
    /// Locked in by fills, fees in the quote asset included.
    pub realized: Decimal,
    /// By how much what is held came to be worth more than it cost.
    pub unrealized: Decimal,
    /// Fees by asset, in units of it.
    pub fees: BTreeMap<String, Decimal>,
    /// Orders whose close lies in it.
    pub orders: u64,
    /// Executions.
    pub fills: u64,
    /// Trades from flat to flat whose last execution was in it.
    pub trades: u64,
    /// Those of them that made something.
    pub won: u64,
    /// Share of them that did, 0 to 1; none without trades. At most 6 decimals.
    pub win_rate: Option<Decimal>,
    /// What those made by what the others lost; none where nothing was lost. At most 6 decimals.
    pub profit_factor: Option<Decimal>,
    /// Deepest fall from the highest equity before it in the period, 0 to 1, without adjustments.
    /// At most 6 decimals.
    pub drawdown: Decimal,
    /// By symbol, of those that were held or traded.
    pub symbols: Vec<Made>,
    /// By strategy: what its lots made. Executions and fees are of the one that ordered them.
    pub strategies: Vec<Made>,
    /// Equity after closes without adjustments, by time; no more than a chart shows.
    pub equity: Vec<Point>,
}

/// What one symbol or strategy made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Made {
    /// Which; `house` has what belongs to no strategy.
    pub name: String,
    /// Locked in by fills.
    pub realized: Decimal,
    /// By how much what is held came to be worth more than it cost.
    pub unrealized: Decimal,
    /// Fees by asset.
    pub fees: BTreeMap<String, Decimal>,
    /// Executions.
    pub fills: u64,
}

/// A point of a chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Point {
    /// The close, UTC milliseconds.
    pub time: UtcMs,
    /// Equity.
    pub equity: Decimal,
}

/// How it ran.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Running {
    /// Closes.
    pub closes: u64,
    /// Process lives that began, each when the first close after it was said.
    pub starts: u64,
    /// What went wrong, by when it was heard of, oldest first; at most 100, the newest.
    pub failures: Vec<Trouble>,
    /// How many there were; each restart of an actor is one.
    pub failures_all: u64,
    /// Minutes between two closes that have none, where the second is in it; at most 100, the
    /// newest.
    pub gaps: Vec<Gap>,
    /// Minutes of a symbol without a bar.
    pub missing_bars: u64,
    /// Bars that came after their close, by when they came.
    pub late_bars: u64,
    /// Facts said in it, also of closes of before that were caught up with.
    pub facts: u64,
    /// Bytes the journal grew by, about: its size by their share of all facts.
    pub grown: u64,
    /// Files of the data directory now.
    pub files: Vec<FileSize>,
    /// The most that was used of each limit; of those of a UTC day, on any that it touches.
    pub limits: Vec<LimitUsed>,
    /// Wishes of its closes that a limit or rule declined, by its code.
    pub declined: BTreeMap<String, u64>,
}

impl Running {
    /// Bars that are not there, and those that came late, in words.
    #[must_use]
    pub fn bars(&self) -> String {
        let (missing, late) = (count(self.missing_bars, "minute"), count(self.late_bars, "bar"));
        format!("{missing} missing bars, {late} late bars")
    }
}

/// Something that went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Trouble {
    /// Event time, UTC milliseconds.
    pub time: UtcMs,
    /// In words.
    pub text: String,
}

/// Minutes without a close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Gap {
    /// The close before.
    pub from: UtcMs,
    /// The close after.
    pub to: UtcMs,
}

/// A file, or a folder with all that is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileSize {
    /// Its name in the data directory.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// How much of a limit was used at most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LimitUsed {
    /// Its key in the configuration.
    pub key: String,
    /// The most that was used.
    pub used: Decimal,
    /// The limit; none: it is switched off, or not known.
    pub limit: Option<Decimal>,
}
