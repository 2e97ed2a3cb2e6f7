//! The public shape of a summary.

use super::period::Period;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::UtcMs;
use everwarm_words::text::{count, instant};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Summary of a period.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SummaryView {
    /// Begin of the period, UTC milliseconds of event time.
    pub from: UtcMs,
    /// End of the period, not included.
    pub to: UtcMs,
    /// The newest close; none: there was none yet.
    pub newest_close: Option<UtcMs>,
    /// The first close.
    pub first_close: Option<UtcMs>,
    /// The money.
    pub money: Money,
    /// The operation.
    pub running: Running,
}

impl SummaryView {
    /// Why there is no summary: the newest close is before the period, or the first one after it.
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

/// The money of a period, in quote units. An execution counts at the venue's time; equity counts at
/// closes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Money {
    /// Equity at the last close before it, else at the first one in it; none: there was no close.
    pub equity_before: Option<Decimal>,
    /// Equity at its last close.
    pub equity_after: Option<Decimal>,
    /// Change of the equity by adjustments: neither profit nor loss.
    pub adjusted: Decimal,
    /// Equity after less equity before, without adjustments. It is the sum of the next two, except
    /// for late executions and for adjustments of positions.
    pub profit: Decimal,
    /// Realised by fills, with fees in the quote asset.
    pub realized: Decimal,
    /// Change of the unrealised profit.
    pub unrealized: Decimal,
    /// Fees by asset, in units of it.
    pub fees: BTreeMap<String, Decimal>,
    /// Orders whose close is in the period.
    pub orders: u64,
    /// Executions.
    pub fills: u64,
    /// Trades from flat to flat whose last execution is in the period.
    pub trades: u64,
    /// Those with a profit.
    pub won: u64,
    /// Their share, 0 to 1; none without trades. At most 6 decimals.
    pub win_rate: Option<Decimal>,
    /// Gains divided by losses; none without losses. At most 6 decimals.
    pub profit_factor: Option<Decimal>,
    /// Maximum drawdown from the highest equity in the period, 0 to 1, without adjustments. At most
    /// 6 decimals.
    pub drawdown: Decimal,
    /// By symbol that was held or traded.
    pub symbols: Vec<Made>,
    /// By strategy: the profit of its lots. Executions and fees belong to the strategy that ordered
    /// them.
    pub strategies: Vec<Made>,
    /// Equity after closes without adjustments, by time, thinned for a chart.
    pub equity: Vec<Point>,
}

/// The money of one symbol or strategy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Made {
    /// Its name; `house` has lots without a strategy.
    pub name: String,
    /// Realised by fills.
    pub realized: Decimal,
    /// Change of the unrealised profit.
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

/// The operation of a period.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Running {
    /// Closes.
    pub closes: u64,
    /// Starts of the process, each counted at the first close after it.
    pub starts: u64,
    /// Problems, by the time they were recorded, oldest first; at most 100, the newest.
    pub failures: Vec<Trouble>,
    /// Their number; each restart of an actor is one.
    pub failures_all: u64,
    /// Gaps of minutes between two closes, if the second close is in it; at most 100, the newest.
    pub gaps: Vec<Gap>,
    /// Missing bars of symbols, minutes.
    pub missing_bars: u64,
    /// Bars that arrived after their close, by arrival.
    pub late_bars: u64,
    /// Facts recorded in it, also for earlier closes.
    pub facts: u64,
    /// Growth of the journal, about: its size by the share of facts, bytes.
    pub grown: u64,
    /// Files of the data directory now.
    pub files: Vec<FileSize>,
    /// The largest use of each limit; of a daily limit, on any day of the period.
    pub limits: Vec<LimitUsed>,
    /// Signals of its closes that were declined, by the code of the reason.
    pub declined: BTreeMap<String, u64>,
}

impl Running {
    /// Missing and late bars, in words.
    #[must_use]
    pub fn bars(&self) -> String {
        let missing = count(self.missing_bars, "missing bar");
        format!("{missing}, {}", count(self.late_bars, "late bar"))
    }
}

/// A problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Trouble {
    /// Event time, UTC milliseconds.
    pub time: UtcMs,
    /// Its text.
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

/// A file, or a folder with its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileSize {
    /// Its name in the data directory.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// The largest use of a limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LimitUsed {
    /// Its configuration key.
    pub key: String,
    /// The largest use.
    pub used: Decimal,
    /// The limit; none: it is off, or unknown.
    pub limit: Option<Decimal>,
}
