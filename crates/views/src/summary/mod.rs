//! The summary of a period, like a day or a month: money from the history, problems from the
//! journal.
//!
//! `money.rs` counts profit and fees, `running.rs` the operation, `used.rs` the usage of limits;
//! `html.rs` and `csv.rs` write the results. A period is of event time. A fact about a close
//! belongs to the minute that the close ends, an execution to the venue's time of it, whenever it
//! was received. All else belongs to the time at which it was received.
//!
//! Deposits are not in the books and withdrawals are adjustments, so neither is profit.

pub mod csv;
pub mod html;
mod money;
mod period;
mod running;
#[cfg(test)]
mod tests;
mod used;
mod view;

pub(crate) use money::thin;
pub use period::Period;
pub(crate) use running::first_row;
pub use view::{FileSize, Gap, LimitUsed, Made, Money, Point, Running, SummaryView, Trouble};

use super::exit::Failure;
use super::journal_reader::JournalFacts;
use everwarm_history::History;
use everwarm_history::book_changes::{Booked, Share};
use everwarm_history::records::{EquityView, OrderView};
use std::path::Path;

/// Records of the history about the books, read once.
struct Records {
    /// Every change of the books, in the order in which they were made.
    booked: Vec<Booked>,
    /// The effect of each change on the lots of strategies.
    shares: Vec<Share>,
    /// Equity by close.
    equity: Vec<EquityView>,
    /// Orders by close.
    orders: Vec<OrderView>,
}

/// The summary of a period; without one, of the UTC day of the newest close.
///
/// # Errors
/// The history or the journal could not be read.
pub fn summary(
    history: &History,
    journal: &dyn JournalFacts,
    data_dir: &Path,
    period: Option<Period>,
) -> Result<SummaryView, Failure> {
    let booked = history.booked()?;
    let kept = Records {
        shares: history.shares(&booked)?,
        booked,
        equity: history.equity(None)?.rows,
        orders: history.orders(None)?.rows,
    };
    let newest_close = kept.equity.last().map(|point| point.time);
    let first_close = kept.equity.first().map(|point| point.time);
    let period = period.unwrap_or_else(|| Period::day_of(newest_close.unwrap_or(0) - 1));
    let (money, positions) = money::money(history, &kept, period)?;
    let running = running::running(journal, data_dir, period, (&kept, positions))?;
    let Period { from, to } = period;
    Ok(SummaryView { from, to, newest_close, first_close, money, running })
}
