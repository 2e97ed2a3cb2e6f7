//! Errors of a file: the file, the row, the reason and the remedy.

use parquet::errors::ParquetError;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// A file that cannot be read or written. Printed as `FILE: row N: reason`.
#[derive(Debug)]
pub struct FileError {
    /// The file.
    pub file: PathBuf,
    /// Row of the file, from 1. None: the error concerns no single row.
    pub row: Option<u64>,
    /// The reason.
    pub fault: Fault,
}

/// The reason why a file is refused.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The operating system reported an error.
    #[error("{0}")]
    Io(#[source] io::Error),
    /// It has no header or no footer of Parquet.
    #[error("is no Parquet file, or is cut short: it does not {0}. Write it again")]
    NotParquet(&'static str),
    /// Its parts contradict each other.
    #[error("is damaged: {0}. Write it again")]
    Damaged(String),
    /// A bound of this program.
    #[error("{0}")]
    TooLarge(String),
    /// Its compression is not supported.
    #[error(
        "is compressed with {0}, and this program reads SNAPPY only. Write it again: in DuckDB \
         with COMPRESSION snappy, in Polars with compression=\"snappy\""
    )]
    Compression(&'static str),
    /// A required column is missing.
    #[error("column {0} is missing; wanted: open_time, open, high, low, close, volume")]
    MissingColumn(&'static str),
    /// A column appears twice.
    #[error("column {0} is there twice")]
    ColumnTwice(&'static str),
    /// A column of another type.
    #[error("column {column} has the type {found}; wanted: {wanted}")]
    Type {
        /// The column.
        column: &'static str,
        /// Its type in the file.
        found: String,
        /// The types that are read.
        wanted: &'static str,
    },
    /// A value that is none of a bar.
    #[error("{column} {text} is {why}")]
    Value {
        /// The column.
        column: &'static str,
        /// The value.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A row that is no bar.
    #[error("{0}")]
    Bar(String),
    /// Rows in the wrong order.
    #[error("{0} comes after {1}: rows must ascend by symbol, then by time, each once")]
    Disorder(String, String),
    /// Several symbols where one is wanted.
    #[error("holds several symbols, like {0} and {1}. Name one: --symbol {0}")]
    Symbols(String, String),
    /// The wanted symbol is not there.
    #[error("has no bar of {wanted}; it has {found}")]
    NoSymbol {
        /// The wanted symbol.
        wanted: String,
        /// Symbols of the file.
        found: String,
    },
    /// Bars of another width than those that are written to it.
    #[error("has bars of {found}, not of {wanted}. Use another folder")]
    Width {
        /// The width in the file.
        found: String,
        /// The wanted width.
        wanted: &'static str,
    },
}

impl Fault {
    /// The fault for an error of the operating system. A file that ends too early is damaged.
    pub(crate) fn of_io(error: io::Error) -> Fault {
        if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) {
            return Fault::Damaged(error.to_string());
        }
        Fault::Io(error)
    }
}

impl FileError {
    pub(crate) fn of(file: &Path, fault: Fault) -> FileError {
        FileError { file: file.to_owned(), row: None, fault }
    }

    pub(crate) fn at(file: &Path, row: u64, fault: Fault) -> FileError {
        FileError { file: file.to_owned(), row: Some(row), fault }
    }

    /// The error of the library.
    pub(crate) fn library(file: &Path, error: ParquetError) -> FileError {
        let ParquetError::External(error) = error else {
            return FileError::of(file, Fault::Damaged(error.to_string()));
        };
        let fault = match error.downcast::<io::Error>() {
            Ok(error) => Fault::of_io(*error),
            Err(error) => Fault::Damaged(error.to_string()),
        };
        FileError::of(file, fault)
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file.display())?;
        if let Some(row) = self.row {
            write!(f, "row {row}: ")?;
        }
        write!(f, "{}", self.fault)
    }
}

impl std::error::Error for FileError {}
