//! The result of a sweep: backtests over a grid of settings, ranked by parts of the period that did
//! not choose them.

pub mod html;
mod rank;
mod view;

pub use rank::{Rank, judge};
pub use view::{
    Axis, Figures, Fold, Outcome, Part, PointResult, RankedPoint, SweepPlan, SweepView, WalkForward,
};

use crate::backtest::BacktestView;
use everwarm_domain::money::{Decimal, total};
use everwarm_domain::time::{MINUTE, UtcMs};

impl Figures {
    /// The figures of a backtest of one part.
    #[must_use]
    pub fn of(view: &BacktestView) -> Figures {
        let profits = || view.trades.iter().map(|trade| trade.profit);
        let lost = total(profits().filter(|profit| *profit < Decimal::ZERO));
        Figures {
            growth: view.account.growth,
            trades: view.all.trades,
            won: view.all.won,
            gained: total(profits().filter(|profit| *profit > Decimal::ZERO)).normalize(),
            lost: lost.abs().normalize(),
            drawdown: view.account.drawdown,
            sharpe: view.account.sharpe,
        }
    }
}

impl Part {
    /// Cuts a period into `count` parts of equal length, in full minutes. The last one has what
    /// is left.
    ///
    /// # Errors
    /// A part would be shorter than a minute.
    pub fn cut(from: UtcMs, to: UtcMs, count: usize) -> Result<Vec<Part>, String> {
        let minutes = (to - from) / MINUTE;
        let parts = i64::try_from(count).unwrap_or(i64::MAX);
        let each = minutes.checked_div(parts).unwrap_or_default();
        if each < 1 {
            return Err(format!("{minutes} minutes cannot be cut into {count} parts"));
        }
        let part = |n: i64| {
            let from = from + n * each * MINUTE;
            Part { from, to: if n + 1 == parts { to } else { from + each * MINUTE } }
        };
        Ok((0..parts).map(part).collect())
    }
}

#[cfg(test)]
mod tests;
