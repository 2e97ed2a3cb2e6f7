//! The file of one series while it grows.

use super::bars_in;
use super::plan::Place;
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_history::gaps::{Times, bars_of, joined, minus};
use everwarm_sim::market::write_bars;
use everwarm_venue::port::Bars;
use everwarm_views::backup::failed;
use everwarm_views::checked_bars::GapView;
use everwarm_views::exit::Failure;
use everwarm_views::fetched::FetchedSeriesView;
use everwarm_words::text::instant;
use std::path::PathBuf;

/// One file with its bars.
pub(super) struct Series {
    pub symbol: Symbol,
    pub timeframe: Timeframe,
    pub path: PathBuf,
    pub bars: Vec<Bar>,
    /// Pages that are not in the file.
    pub unwritten: usize,
    pub refused: Vec<String>,
    /// Requested times of a repair for which the source has no bar.
    pub none: Vec<Times>,
    /// Requests of a repair without an acceptable response.
    pub failures: Vec<String>,
}

impl Series {
    /// A series with the bars of its file.
    pub fn new((symbol, timeframe): (Symbol, Timeframe), path: PathBuf, bars: Vec<Bar>) -> Series {
        Series {
            symbol,
            timeframe,
            path,
            bars,
            unwritten: 0,
            refused: Vec::new(),
            none: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Adds bars of a place.
    pub fn add(&mut self, found: Bars, place: Place) {
        let mut bars = Vec::with_capacity(found.held.len());
        for bar in found.held {
            match bar.validate() {
                Ok(()) => bars.push(bar),
                Err(why) => self.refused.push(format!("{}: {why}", instant(bar.open_time))),
            }
        }
        for bar in found.unheld {
            self.refused.push(format!("{}: {} ({})", instant(bar.open_time), bar.why, bar.claimed));
        }
        match place {
            Place::Before => {
                bars.append(&mut self.bars);
                self.bars = bars;
            }
            Place::After => self.bars.append(&mut bars),
            Place::Anywhere => {
                self.bars.append(&mut bars);
                self.bars.sort_by_key(|bar| bar.open_time);
                self.bars.dedup_by_key(|bar| bar.open_time);
            }
        }
    }

    /// Notes the requested times for which a response has no bar at all.
    pub fn note_none(&mut self, times: &Times, found: &Bars) {
        let width = self.timeframe.ms();
        let held = found.held.iter().map(|bar| bar.open_time);
        let opens = held.chain(found.unheld.iter().map(|bar| bar.open_time));
        let opens = joined(opens.map(|open| open..=open).collect(), width);
        self.none.extend(minus(times, &opens, width));
    }

    /// Writes the bars that are not in the file.
    pub fn write(&mut self) -> Result<(), Failure> {
        if self.unwritten > 0 && !self.bars.is_empty() {
            write_bars(&self.path, &self.bars).map_err(|e| failed(&self.path, &e))?;
        }
        self.unwritten = 0;
        Ok(())
    }

    pub fn view(self, fetched: usize, error: Option<String>) -> FetchedSeriesView {
        let Series { symbol, timeframe, path, bars, refused, none, failures, .. } = self;
        let width = timeframe.ms();
        let first = bars.first().map(|bar| bar.open_time);
        let last = bars.last().map(|bar| bar.open_time);
        let between = first.zip(last).map(|(first, last)| bars_in(&(first..=last), width));
        let count = bars.len() as u64;
        let gap = |times: &Times| {
            let bars = u64::try_from(bars_of(times, width)).unwrap_or(0);
            let (from, to): (UtcMs, UtcMs) = (*times.start(), *times.end());
            GapView { from, to, bars }
        };
        FetchedSeriesView {
            symbol,
            timeframe,
            file: path,
            fetched: fetched as u64,
            bars: count,
            first,
            last,
            missing: between.unwrap_or(0).saturating_sub(count),
            refused,
            none: joined(none, width).iter().map(gap).collect(),
            failures,
            error,
        }
    }
}
