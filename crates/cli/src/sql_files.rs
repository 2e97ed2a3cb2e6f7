//! Files for SQL. Without the feature `parquet`, this program cannot write them.

#[cfg(not(feature = "parquet"))]
pub use absent::{BarsWriter, FileError, Trade, Written, write_trades};
#[cfg(feature = "parquet")]
pub use everwarm_parquet::{BarsWriter, FileError, Trade, Written, write_trades};

use everwarm_views::exit::{Exit, Failure};

/// The failure for a file.
#[cfg(feature = "parquet")]
pub fn failure(error: &FileError) -> Failure {
    if let everwarm_parquet::Fault::Io(e) = &error.fault {
        return everwarm_views::backup::failed(&error.file, e);
    }
    Failure::new(Exit::Foreign, error.to_string())
}

/// The failure for a file.
#[cfg(not(feature = "parquet"))]
pub fn failure(error: &FileError) -> Failure {
    Failure::new(Exit::Usage, error.to_string())
}

/// What has the same form in a program without Parquet.
#[cfg(not(feature = "parquet"))]
mod absent {
    use everwarm_domain::id::Symbol;
    use everwarm_domain::market::Bar;
    use everwarm_domain::money::Decimal;
    use everwarm_domain::time::{Timeframe, UtcMs};
    use std::convert::Infallible;
    use std::fmt;
    use std::path::Path;

    /// No file can be written.
    #[derive(Debug)]
    pub struct BarsWriter(Infallible);

    /// What a file would have.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Written {
        pub symbols: u64,
        pub bars: u64,
        pub kept: u64,
        pub bytes: u64,
        pub first: Option<UtcMs>,
        pub last: Option<UtcMs>,
    }

    /// A trade that is not written.
    #[derive(Clone, Debug)]
    #[expect(dead_code, reason = "without Parquet, nothing reads a trade")]
    pub struct Trade<'a> {
        pub strategy: &'a str,
        pub symbol: Symbol,
        pub opened: UtcMs,
        pub closed: UtcMs,
        pub quantity: Decimal,
        pub entry: Option<Decimal>,
        pub exit: Option<Decimal>,
        pub fees: Decimal,
        pub profit: Decimal,
        pub entry_regime: &'a str,
        pub entry_reason: &'a str,
        pub exit_reason: &'a str,
    }

    pub fn write_trades(_: &Path, _: &[Trade<'_>]) -> Result<(), FileError> {
        Err(FileError)
    }

    /// This program was built without Parquet.
    #[derive(Debug)]
    pub struct FileError;

    impl fmt::Display for FileError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(everwarm_sim::market::NO_PARQUET)
        }
    }

    impl BarsWriter {
        pub fn begin(_: &Path, _: Timeframe) -> Result<BarsWriter, FileError> {
            Err(FileError)
        }

        pub fn add(&mut self, _: &Bar) -> Result<(), FileError> {
            match self.0 {}
        }

        pub fn finish(self) -> Result<Written, FileError> {
            match self.0 {}
        }
    }
}
