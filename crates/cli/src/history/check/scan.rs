//! Reads one file of bars row by row through the judge.

use super::grid::{Grid, VOTERS};
use super::judge::{Judge, Judged, Row};
use super::kinds::Series;
use everwarm_domain::id::Symbol;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_sim::market::{BarLines, Columns, RecordingError};
use std::collections::VecDeque;
use std::path::Path;

/// The judged rows of one file.
pub struct Scan {
    lines: BarLines,
    columns: Columns,
    /// Rows that were read to find the grid.
    first: VecDeque<Row>,
    judge: Judge,
    pub of: Series,
    ended: bool,
    /// Why the file cannot be read to its end.
    pub damage: Option<RecordingError>,
}

impl Scan {
    /// Opens a file of bars of this symbol and width. `now` is the time of this machine.
    ///
    /// # Errors
    /// The file cannot be opened, or its header is wrong.
    pub fn open(
        path: &Path,
        (symbol, timeframe): (Symbol, Timeframe),
        now: UtcMs,
    ) -> Result<Scan, RecordingError> {
        let lines = BarLines::open(path)?;
        let columns = lines.columns().clone();
        let grid = Grid::of(timeframe, &[]);
        let of = Series { symbol, grid, now };
        let first = VecDeque::new();
        let judge = Judge::new(of);
        let mut scan = Scan { lines, columns, first, judge, of, ended: false, damage: None };
        while scan.first.len() < VOTERS {
            let Some(row) = scan.read() else { break };
            scan.first.push_back(row);
        }
        let times: Vec<UtcMs> = scan.first.iter().filter_map(|row| row.time).collect();
        scan.of.grid = Grid::of(timeframe, &times);
        scan.judge = Judge::new(scan.of);
        Ok(scan)
    }

    pub fn header(&self) -> &[u8] {
        self.lines.header()
    }

    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    fn read(&mut self) -> Option<Row> {
        if self.ended {
            return None;
        }
        match self.lines.next_line() {
            Ok(Some(line)) => {
                let time = line.text.as_ref().ok().and_then(|text| self.columns.time_of(text));
                let read = line.text.and_then(|text| self.columns.row(text));
                Some(Row { line: line.number, bytes: line.bytes.to_vec(), read, time })
            }
            Ok(None) => {
                self.ended = true;
                None
            }
            Err(damage) => {
                (self.ended, self.damage) = (true, Some(damage));
                None
            }
        }
    }
}

impl Iterator for Scan {
    type Item = Judged;

    fn next(&mut self) -> Option<Judged> {
        loop {
            let row = self.first.pop_front().or_else(|| self.read());
            let Some(row) = row else { return self.judge.next() };
            if let Some(judged) = self.judge.push(row) {
                return Some(judged);
            }
        }
    }
}
