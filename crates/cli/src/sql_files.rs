//! Files for SQL. Without the feature `parquet`, this program cannot write them.

#[cfg(feature = "parquet")]
use everwarm_parquet::{Fault, FileError, Trade, write_trades};
#[cfg(feature = "parquet")]
use everwarm_views::backtest::{BacktestTradeView, BacktestView};
use everwarm_views::exit::{Exit, Failure};
#[cfg(feature = "parquet")]
use std::path::Path;

/// Checks that this program can write them.
///
/// # Errors
/// It was built without Parquet.
pub fn available() -> Result<(), Failure> {
    if cfg!(feature = "parquet") {
        return Ok(());
    }
    Err(Failure::new(Exit::Usage, everwarm_sim::market::NO_PARQUET))
}

/// Writes the trades of a backtest as one file.
///
/// # Errors
/// The file cannot be written, or a number does not fit.
#[cfg(feature = "parquet")]
pub fn write_backtest(file: &Path, view: &BacktestView) -> Result<(), Failure> {
    let trades: Vec<Trade<'_>> = view.trades.iter().map(trade).collect();
    write_trades(file, &trades).map_err(|e| failure(&e))
}

/// Refuses.
#[cfg(not(feature = "parquet"))]
pub fn write_backtest(
    _: &std::path::Path,
    _: &everwarm_views::backtest::BacktestView,
) -> Result<(), Failure> {
    available()
}

/// A trade as a row.
#[cfg(feature = "parquet")]
fn trade(of: &BacktestTradeView) -> Trade<'_> {
    Trade {
        strategy: &of.strategy,
        symbol: of.symbol,
        opened: of.opened,
        closed: of.closed,
        quantity: of.quantity,
        entry: of.entry,
        exit: of.exit,
        fees: of.fees,
        profit: of.profit,
        entry_regime: &of.entry_regime,
        entry_reason: &of.entry_reason,
        exit_reason: &of.exit_reason,
    }
}

/// The failure for a file.
#[cfg(feature = "parquet")]
pub fn failure(error: &FileError) -> Failure {
    if let Fault::Io(e) = &error.fault {
        return everwarm_views::backup::failed(&error.file, e);
    }
    Failure::new(Exit::Foreign, error.to_string())
}
