//! `everwarm history export`: the bars of a daemon as files for SQL.

#[cfg(feature = "parquet")]
mod files;

#[cfg(feature = "parquet")]
pub use files::run;

use crate::backtest::time;
use crate::query::Args;
use everwarm_domain::id::Symbol;
use everwarm_domain::time::{Timeframe, UtcMs};
use std::path::PathBuf;

/// Flags of `history export`.
#[derive(Clone, Debug, clap::Args)]
pub struct ExportArgs {
    /// Write files of Parquet, which DuckDB and Polars read.
    #[arg(long, required = true)]
    parquet: bool,
    /// Folder for the files WIDTH/YEAR-MONTH.parquet, each with all symbols.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Symbols, separated by commas [default: all that the daemon lists].
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    #[arg(value_parser = |text: &str| Symbol::named(text))]
    symbols: Vec<Symbol>,
    /// Widths of the bars, separated by commas: 1m, 5m, 15m, 1h, 4h or 1d [default: all].
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    #[arg(value_parser = |text: &str| text.parse::<Timeframe>())]
    timeframes: Vec<Timeframe>,
    /// Start: a UTC day, or a time like "2026-01-05 12:00" [default: the first bar].
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<UtcMs>,
    /// The last close, written like --from [default: the newest bar].
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<UtcMs>,
    #[command(flatten)]
    args: Args,
}

/// Refuses: this program was built without Parquet.
#[cfg(not(feature = "parquet"))]
pub fn run(
    _: &ExportArgs,
    _: &crate::Core,
    _: crate::print::Printer,
) -> Result<everwarm_views::exit::Exit, everwarm_views::exit::Failure> {
    crate::sql_files::available().map(|()| everwarm_views::exit::Exit::Fine)
}
