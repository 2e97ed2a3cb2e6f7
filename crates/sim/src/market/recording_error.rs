//! Errors of a recording: the file, the line and the reason.

use std::fmt;
use std::path::{Path, PathBuf};

/// A recording that cannot be played. Printed as `FILE:LINE: reason`.
#[derive(Debug)]
pub struct RecordingError {
    /// The file, or the folder if the error concerns the folder.
    pub file: PathBuf,
    /// Line in the (uncompressed) file, from 1. None: the error concerns no single line.
    pub line: Option<u64>,
    /// The reason.
    pub fault: Fault,
}

/// The reason why a recording is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The operating system reported an error.
    #[error("cannot be read: {0}")]
    Io(String),
    /// No file to play.
    #[error("holds no file named SYMBOL_1m.csv or SYMBOL_1m.csv.gz")]
    NoFiles,
    /// The file's name is not a symbol.
    #[error("the name before _1m must be a symbol: {0}")]
    Name(String),
    /// The same symbol in two files.
    #[error("{0} is here twice, compressed and not")]
    SymbolTwice(String),
    /// The file ends in the middle of a line or of its compressed data.
    #[error("the file is cut short{0}")]
    CutShort(&'static str),
    /// The compressed data is damaged.
    #[error("the compressed data is damaged: {0}")]
    Damaged(String),
    /// The file has no header, or a header without rows.
    #[error("has {0}")]
    Empty(&'static str),
    /// Not a line of text.
    #[error("is not a line of text: {0}")]
    NotText(&'static str),
    /// A required column is missing.
    #[error("column {0} is missing; wanted: open_time, open, high, low, close, volume")]
    MissingColumn(&'static str),
    /// A column appears twice.
    #[error("column {0} is there twice")]
    ColumnTwice(&'static str),
    /// More or fewer fields than the header.
    #[error("has {found} fields, the header has {wanted}")]
    Fields {
        /// Fields of the row.
        found: usize,
        /// Fields of the header.
        wanted: usize,
    },
    /// A field that cannot be read.
    #[error("{column} {text:?} is not {wanted}")]
    NotANumber {
        /// The column.
        column: &'static str,
        /// The text in the file.
        text: String,
        /// The expected form.
        wanted: &'static str,
    },
    /// More decimals than a price has.
    #[error("{column} {text} has more than 18 decimals, or does not fit with as many as it has")]
    Price {
        /// The column.
        column: &'static str,
        /// The text in the file.
        text: String,
    },
    /// A price off the declared step.
    #[error("{column} {text} is not a multiple of the declared tick {tick}")]
    OffTick {
        /// The column.
        column: &'static str,
        /// The price.
        text: String,
        /// The step.
        tick: String,
    },
    /// A volume outside the supported range.
    #[error("volume {0} is out of range")]
    Volume(String),
    /// The values of the bar contradict each other or are out of range.
    #[error("{0}")]
    Bar(String),
    /// A time that is not in milliseconds, or outside the accepted years.
    #[error("open_time {0} is not a time in UTC milliseconds between 1990 and 2100")]
    TimeRange(i64),
    /// A time that is not a full minute.
    #[error("open_time {0} is off the grid: {1} ms past the minute")]
    OffGrid(i64, i64),
    /// Two different bars for one minute.
    #[error("a second, different bar for open_time {0}")]
    Duplicate(i64),
    /// A row that is earlier than the row before it.
    #[error("open_time {0} comes after {1}: rows must ascend")]
    Disorder(i64, i64),
    /// A file of Parquet cannot be read, or a row of it is wrong.
    #[error("{0}")]
    Parquet(String),
    /// The configuration of the recording is wrong.
    #[error("{0}")]
    Config(String),
}

impl RecordingError {
    pub(super) fn of(file: &Path, fault: Fault) -> Self {
        RecordingError { file: file.to_owned(), line: None, fault }
    }

    pub(super) fn at(file: &Path, line: u64, fault: Fault) -> Self {
        RecordingError { file: file.to_owned(), line: Some(line), fault }
    }
}

impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.fault)
    }
}

impl std::error::Error for RecordingError {}
