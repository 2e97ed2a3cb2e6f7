//! Reads the lines of a file of recorded bars one by one.
//!
//! Blank lines are skipped. A plain file must end with a line end: a row that is cut in its last
//! number would pass as a bar. A compressed file has a checksum instead.

use super::bar_row::Columns;
use super::recording_error::{Fault, RecordingError};
use flate2::bufread::MultiGzDecoder;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Longest accepted row, in bytes: ten times a wide row.
const LINE_MAX: usize = 4_096;
/// Longest line that is read at all, in bytes. It bounds the memory for a file without line ends.
const READ_MAX: usize = 65_536;

/// The lines of one file after its header.
pub struct BarLines {
    path: PathBuf,
    text: Box<dyn BufRead>,
    checksummed: bool,
    header: Vec<u8>,
    columns: Columns,
    /// Lines that were read, with the header.
    number: u64,
    line: Vec<u8>,
}

/// One line of a file.
#[derive(Debug)]
pub struct Line<'a> {
    /// Its number in the (uncompressed) file, from 1.
    pub number: u64,
    /// All its bytes, with the line end.
    pub bytes: &'a [u8],
    /// The row, without its line end, or why it is none.
    pub text: Result<&'a str, Fault>,
}

impl fmt::Debug for BarLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BarLines").field("path", &self.path).finish_non_exhaustive()
    }
}

impl BarLines {
    /// Opens a file and reads its header. It is compressed if its name ends with `.gz`.
    ///
    /// # Errors
    /// The file cannot be read, or has no header with the needed columns.
    pub fn open(path: &Path) -> Result<BarLines, RecordingError> {
        let file = File::open(path);
        let file = file.map_err(|e| RecordingError::of(path, Fault::Io(e.to_string())))?;
        let file = BufReader::new(file);
        let checksummed = path.extension().is_some_and(|e| e == "gz");
        let text: Box<dyn BufRead> = if checksummed {
            Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(file)))
        } else {
            Box::new(file)
        };
        let columns = Columns::NONE;
        let (path, line) = (path.to_owned(), Vec::new());
        let header = Vec::new();
        let mut lines = BarLines { path, text, checksummed, header, columns, number: 0, line };
        match lines.next_line()? {
            None => return Err(RecordingError::of(&lines.path, Fault::Empty("no header"))),
            Some(line) => {
                let columns = line.text.and_then(Columns::find);
                let bytes = line.bytes.to_vec();
                lines.columns = columns.map_err(|fault| lines.fault(fault))?;
                lines.header = bytes;
            }
        }
        Ok(lines)
    }

    /// The columns of the header.
    #[must_use]
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The bytes of the header, with the line end.
    #[must_use]
    pub fn header(&self) -> &[u8] {
        &self.header
    }

    /// Reads the next line that is not blank; none at the end of the file.
    ///
    /// # Errors
    /// The file cannot be read further.
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>, RecordingError> {
        let (ended, length) = loop {
            self.line.clear();
            self.number += 1;
            let mut part = self.text.by_ref().take(READ_MAX as u64);
            let read = part.read_until(b'\n', &mut self.line);
            let bytes = read.map_err(|e| self.fault(self.io_fault(&e)))?;
            if bytes == 0 {
                return Ok(None);
            }
            let ended = self.line.ends_with(b"\n");
            if !ended && bytes == READ_MAX {
                return Err(self.fault(Fault::NotText("longer than 65536 bytes")));
            }
            let row = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
            let row = row.strip_suffix(b"\r").unwrap_or(row);
            if !row.is_empty() || !(ended || self.checksummed) {
                break (ended, row.len());
            }
        };
        let text = if length >= LINE_MAX {
            Err(Fault::NotText("longer than 4096 bytes"))
        } else if !ended && !self.checksummed {
            Err(Fault::CutShort(": the last line has no end (if it is whole, add one)"))
        } else {
            std::str::from_utf8(&self.line[..length]).map_err(|_| Fault::NotText("not UTF-8"))
        };
        Ok(Some(Line { number: self.number, bytes: &self.line, text }))
    }

    /// The error of the line that was read last.
    pub(super) fn fault(&self, fault: Fault) -> RecordingError {
        RecordingError::at(&self.path, self.number, fault)
    }

    fn io_fault(&self, error: &std::io::Error) -> Fault {
        let (kind, text) = (error.kind(), error.to_string());
        if kind == ErrorKind::UnexpectedEof {
            Fault::CutShort("")
        } else if self.checksummed
            && matches!(kind, ErrorKind::InvalidData | ErrorKind::InvalidInput)
        {
            Fault::Damaged(text)
        } else {
            Fault::Io(text)
        }
    }
}
