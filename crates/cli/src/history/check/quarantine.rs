//! The file `SYMBOL_WIDTH.quarantine`: rows that a repair moved out of a file of bars.
//!
//! A section begins with the checksum of the file that it took rows from. The quarantine is written
//! before the file changes. A repair that was killed in between finds the section, moves the same
//! rows and adds none twice.

use everwarm_domain::clean::clean;
use everwarm_domain::id::Symbol;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_history::gaps::Times;
use everwarm_runtime::files::{WholeFile, sync_name};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// The first line.
const HEAD: &str = "# Rows that `everwarm history check --repair` moved here: line, reason, row, \
                    with a tab between them.\n";
/// Longest line, in bytes: a row of a file and its reason.
const LINE_MAX: u64 = 1 << 18;

/// What a quarantine says about a file.
#[derive(Debug, Default)]
pub struct Recorded {
    /// Lines of the file with this checksum that were moved.
    pub lines: BTreeSet<u64>,
    /// Opening times beyond the ends of the file for which moved rows stand.
    pub missing: Vec<Times>,
}

/// The file beside a file of bars.
pub fn path(folder: &Path, symbol: Symbol, timeframe: Timeframe) -> PathBuf {
    folder.join(format!("{symbol}_{timeframe}.quarantine"))
}

/// The checksum of a file.
///
/// # Errors
/// It cannot be read.
pub fn checksum(path: &Path) -> io::Result<String> {
    let mut file = BufReader::with_capacity(1 << 16, File::open(path)?);
    let mut hash = Sha256::new();
    loop {
        let part = file.fill_buf()?;
        if part.is_empty() {
            break;
        }
        hash.update(part);
        let read = part.len();
        file.consume(read);
    }
    let mut text = String::new();
    for byte in hash.finalize() {
        write!(text, "{byte:02x}").map_err(io::Error::other)?;
    }
    Ok(text)
}

/// Reads a quarantine; an absent one is empty. The lines are those of the file with `checksum`.
///
/// # Errors
/// It cannot be read, or a line is wrong.
pub fn read(path: &Path, checksum: &str) -> Result<Recorded, String> {
    let no = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let mut recorded = Recorded::default();
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(recorded),
        Err(e) => return Err(no(&e)),
    };
    let mut file = BufReader::new(file);
    let (mut line, mut number, mut same) = (Vec::new(), 0_u64, false);
    loop {
        line.clear();
        number += 1;
        let read = file.by_ref().take(LINE_MAX).read_until(b'\n', &mut line);
        if read.map_err(|e| no(&e))? == 0 {
            return Ok(recorded);
        }
        let wrong = || {
            let file = path.display();
            format!("{file}:{number}: is no line of a quarantine. Move the file elsewhere")
        };
        let start = line.split(|byte| matches!(byte, b'\t' | b'\n')).next().unwrap_or_default();
        let start = std::str::from_utf8(start).map_err(|_| wrong())?;
        let words: Vec<&str> = start.split(' ').collect();
        match words[..] {
            ["#" | "", ..] => {}
            ["file", of, _] => same = of == checksum,
            ["missing", from, to] => {
                let time = |text: &str| text.parse::<UtcMs>().map_err(|_| wrong());
                let times = time(from)?..=time(to)?;
                recorded.missing.extend((!times.is_empty()).then_some(times));
            }
            [moved] => {
                let moved = moved.parse().map_err(|_| wrong())?;
                if same {
                    recorded.lines.insert(moved);
                }
            }
            _ => return Err(wrong()),
        }
    }
}

/// A section that is being added to a quarantine.
pub struct Section {
    file: BufWriter<WholeFile>,
    path: PathBuf,
    pub rows: u64,
}

impl Section {
    /// Begins a section of the file `from` with this checksum. The rows that the quarantine has
    /// stay.
    ///
    /// # Errors
    /// Any error of the file system.
    pub fn begin(path: &Path, from: &Path, checksum: &str) -> io::Result<Section> {
        let mut file = BufWriter::new(WholeFile::begin(path)?);
        match File::open(path) {
            Ok(mut old) => drop(io::copy(&mut old, &mut file)?),
            Err(e) if e.kind() == ErrorKind::NotFound => file.write_all(HEAD.as_bytes())?,
            Err(e) => return Err(e),
        }
        let name = from.file_name().unwrap_or_default().display();
        writeln!(file, "file {checksum} {name}")?;
        Ok(Section { file, path: path.to_owned(), rows: 0 })
    }

    /// Adds a row with all its bytes.
    ///
    /// # Errors
    /// Any error of the file system.
    pub fn row(&mut self, line: u64, why: &str, bytes: &[u8]) -> io::Result<()> {
        let why = clean(why).replace(['\t', '\n'], " ");
        write!(self.file, "{line}\t{why}\t")?;
        self.file.write_all(bytes)?;
        if !bytes.ends_with(b"\n") {
            self.file.write_all(b"\n")?;
        }
        self.rows += 1;
        Ok(())
    }

    /// Ends the section. `missing` are the bars beyond the ends of the file for which its rows
    /// stand.
    ///
    /// # Errors
    /// Any error of the file system.
    pub fn finish(mut self, missing: &[Times]) -> io::Result<u64> {
        for times in missing {
            writeln!(self.file, "missing {} {}", times.start(), times.end())?;
        }
        self.file.into_inner().map_err(io::IntoInnerError::into_error)?.finish(&self.path)?;
        sync_name(&self.path)?;
        Ok(self.rows)
    }
}
