//! Bars and trades as files of Parquet, which DuckDB, Polars and other programs read.
//!
//! [`BarsWriter`] writes a file or extends one. [`BarsReader`] reads it, and files of other
//! programs with the same columns. Neither holds a whole file in memory.
//!
//! [`write_trades`] writes the trades of a backtest.
//!
//! # Columns
//!
//! | column | type | meaning |
//! |---|---|---|
//! | `symbol` | UTF8, dictionary | the symbol |
//! | `open_time` | INT64, timestamp in UTC milliseconds | start of the interval |
//! | `open`, `high`, `low`, `close` | DOUBLE | prices, quote units |
//! | `volume` | DOUBLE | traded quantity, base units |
//! | `exact` | UTF8, or null | the five numbers as text, if a DOUBLE loses one of them |
//!
//! Rows ascend by symbol, then by time. Pages are compressed with Snappy.
//!
//! # Why DOUBLE, and why it loses nothing
//!
//! Prices are integers with 8 to 18 decimals. Volumes have up to 28 digits. A DOUBLE identifies
//! each decimal of up to 15 digits: the shortest decimal of that DOUBLE is the same decimal. So the
//! reader returns what the writer got. The writer tries each number with more digits. If a number
//! does not come back, `exact` has the numbers of that bar as text.
//!
//! DECIMAL was tried with DuckDB 2.0 and Polars 2.1:
//!
//! - Only DECIMAL(38, 18) holds every price. With it, `close * volume` overflows in DuckDB.
//! - A smaller scale for most files is worse. DuckDB reads files of different scales as one table
//!   with the scale of the first file. It rounds without an error.
//! - A bar takes 25 bytes with DECIMAL(38, 18), and 19 with DOUBLE.

mod batch;
mod columns;
mod error;
mod footer;
mod pages;
mod read;
mod schema;
mod trades;
mod write;

pub use error::{Fault, FileError};
pub use read::{BarsReader, Row, rows_of};
pub use trades::{Trade, write_trades};
pub use write::{BarsWriter, Written};

#[cfg(test)]
mod tests;
