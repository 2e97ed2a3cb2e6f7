//! The composites of the market, and the drivers of symbols and composites by width, from the bars
//! of the history.
//!
//! A day of the history is read by its hours, and an hour by its minutes, if every symbol has them.
//! So the high and low of a bar are those of its minutes where the history has minutes.

use super::{AltWeights, RegimeView, Scaled, few, plain};
use crate::exit::Failure;
use everwarm_analysis::Bar as Plain;
use everwarm_analysis::composite::{Composites, Fold, Series, Step};
use everwarm_analysis::regime::Drivers;
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::{DAY, Timeframe, UtcMs};
use everwarm_history::bars;
use everwarm_runtime::store::archive::Archive;
use std::collections::{BTreeMap, BTreeSet};

/// Widths of drivers, the finest first.
const WIDTHS: [Timeframe; 3] = [Timeframe::M1, Timeframe::H1, Timeframe::D1];
/// Whole days of minutes before the present day. The ranges of older hours weigh less than 4 % in
/// an average of 14.
const MINUTE_DAYS: i64 = 2;
/// Minutes are read for half a day at once, to bound the memory.
const HALF: UtcMs = DAY / 2;

/// The composites, and the minute drivers of all symbols.
pub(super) struct Market {
    composites: Composites<Symbol>,
    /// In the order of [`Series::ALL`].
    series: Vec<Vec<Followed>>,
    minutes: BTreeMap<Symbol, (Scaled<Drivers>, u64)>,
    /// The bars of one close, for reuse.
    row: Vec<(Symbol, Plain)>,
    /// Complete bars, for reuse.
    done: Vec<Plain>,
    /// Members of `ALT` without a symbol.
    missing: Vec<String>,
}

/// One width of a composite.
struct Followed {
    width: Timeframe,
    fold: Fold,
    drivers: Drivers,
    bars: u64,
    /// The close from which on the driver counts, and the newest close.
    since: UtcMs,
    close: UtcMs,
}

impl Market {
    /// Reads the hourly and daily bars, which ascend by time, then by symbol, and the newest
    /// minutes.
    ///
    /// # Errors
    /// The history could not be read.
    pub(super) fn read(
        archive: &Archive,
        (hours, days): (&[Bar], &[Bar]),
        weights: &AltWeights,
    ) -> Result<Market, Failure> {
        let last_minute = bars::newest(archive, Timeframe::M1)?;
        let symbols: BTreeSet<Symbol> = hours.iter().chain(days).map(|bar| bar.symbol).collect();
        let (alt, missing) = weights.symbols(|symbol| symbols.contains(&symbol));
        let new = |width: Timeframe| Followed {
            width,
            fold: Fold::new(width.ms()),
            drivers: Drivers::new(),
            bars: 0,
            since: 0,
            close: 0,
        };
        let mut market = Market {
            composites: Composites::new(alt),
            series: Series::ALL.map(|_| WIDTHS.map(new).into()).into(),
            minutes: BTreeMap::new(),
            row: Vec::new(),
            done: Vec::new(),
            missing,
        };
        let ends = [hours, days].map(|bars| bars.first().zip(bars.last()));
        let ends = ends.into_iter().flatten().flat_map(|(first, last)| [first, last]);
        let ends = ends.map(|bar| bar.open_time).chain(last_minute);
        let (first, last) = ends.fold((UtcMs::MAX, UtcMs::MIN), |(first, last), time| {
            (first.min(time), last.max(time))
        });
        let fine = last_minute.map(|last| (last.div_euclid(DAY) - MINUTE_DAYS) * DAY);
        let mut day = first.div_euclid(DAY) * DAY;
        while first <= last && day <= last {
            let (of_day, of_hours) = (within(days, day, DAY), within(hours, day, DAY));
            let by_hour = are_finer(of_day, of_hours);
            for half in [day, day + HALF] {
                let minutes = match fine {
                    Some(fine) if half >= fine => read_minutes(archive, half)?,
                    Some(_) | None => Vec::new(),
                };
                market.symbols(&minutes);
                if by_hour {
                    market.hours((half, of_hours), &minutes);
                }
            }
            if !by_hour {
                market.take(day + DAY, of_day, Timeframe::D1);
            }
            day += DAY;
        }
        Ok(market)
    }

    /// Follows the minute drivers of symbols.
    fn symbols(&mut self, minutes: &[Bar]) {
        for bar in minutes {
            let fresh = || (Scaled::new(bar.scale()), 0);
            let (drivers, bars) = self.minutes.entry(bar.symbol).or_insert_with(fresh);
            drivers.take(bar);
            *bars += 1;
        }
    }

    /// Takes half a day by its hours, each of them by its minutes if every symbol has them.
    fn hours(&mut self, (half, hours): (UtcMs, &[Bar]), minutes: &[Bar]) {
        let width = Timeframe::H1.ms();
        let mut hour = half;
        while hour < half + HALF {
            let (of_hour, within_hour) = (within(hours, hour, width), within(minutes, hour, width));
            if are_finer(of_hour, within_hour) {
                for row in within_hour.chunk_by(|one, next| one.open_time == next.open_time) {
                    self.take(row[0].open_time + Timeframe::M1.ms(), row, Timeframe::M1);
                }
            } else {
                self.take(hour + width, of_hour, Timeframe::H1);
            }
            hour += width;
        }
    }

    /// Takes the bars of one close. `width` is theirs: finer bars of composites stay without it.
    fn take(&mut self, time: UtcMs, bars: &[Bar], width: Timeframe) {
        self.row.clear();
        self.row.extend(bars.iter().map(|bar| (bar.symbol, plain(bar))));
        if self.row.is_empty() {
            return;
        }
        // Rows of the history ascend, so they are never refused.
        let Some(steps) = self.composites.update(time, &self.row) else { return };
        for (step, widths) in steps.into_iter().zip(&mut self.series) {
            let Some(step) = step else { continue };
            for followed in widths.iter_mut().filter(|followed| followed.width >= width) {
                followed.take(time, step, &mut self.done);
            }
        }
    }

    /// The minute driver of a symbol.
    pub(super) fn minute_driver(&self, symbol: Symbol) -> (&'static str, u64) {
        let known = self.minutes.get(&symbol).map(|(drivers, bars)| (&drivers.value, *bars));
        let name = |drivers: &Drivers| drivers.driver().name();
        known.map_or((name(&Drivers::new()), 0), |(drivers, bars)| (name(drivers), bars))
    }

    /// The row of each composite. `close` is the newest hourly close of the market.
    pub(super) fn views(&self, close: UtcMs) -> Vec<RegimeView> {
        let all = Series::ALL.into_iter().zip(&self.series);
        all.filter_map(|(series, widths)| {
            let [minutes, hours, days] = &widths[..] else { return None };
            let name = |of: &Followed| of.drivers.driver().name().to_owned();
            let members = self.composites.members(series).filter(|(_, has_bar)| *has_bar);
            let members: Vec<Symbol> = members.map(|(symbol, _)| *symbol).collect();
            let has_bars = hours.bars > 0;
            Some(RegimeView {
                symbol: Symbol::named(series.name()).ok()?,
                regime: String::new(),
                since: if has_bars { hours.since } else { close },
                driver: name(hours),
                bias: String::new(),
                close: if has_bars { hours.close } else { close },
                bars: hours.bars,
                missing: self.missing(series, members.len(), widths),
                driver_1m: name(minutes),
                driver_1d: name(days),
                value: self.composites.value(series).and_then(decimal),
                members,
                composite: true,
                dominance: Vec::new(),
            })
        })
        .collect()
    }

    /// What a composite lacks; empty: nothing.
    fn missing(&self, series: Series, members: usize, widths: &[Followed]) -> String {
        let absent = self.composites.members(series).filter(|(_, has_bar)| !has_bar);
        let mut absent: Vec<String> = absent.map(|(symbol, _)| symbol.to_string()).collect();
        let least = series.least();
        let mut parts = Vec::new();
        if series == Series::Alt {
            absent.extend(self.missing.iter().cloned());
            parts.extend((!absent.is_empty()).then(|| format!("without {}", absent.join(", "))));
        } else if self.composites.cut().is_none() {
            parts.push("the first cut is at midnight UTC".to_owned());
        } else if members < least {
            parts.push(format!("no data: {members} of {least} members"));
        }
        let driver = |of: &Followed| few("driver", of.bars, Drivers::BARS, of.width);
        parts.extend(widths.iter().filter_map(driver));
        parts.join("; ")
    }
}

impl Followed {
    fn take(&mut self, time: UtcMs, step: Step, done: &mut Vec<Plain>) {
        self.fold.update(time, step, done);
        for bar in done.drain(..) {
            let before = self.drivers.driver();
            // A bar of a value is always valid.
            let _ = self.drivers.update(&bar);
            self.bars += 1;
            self.close = bar.open_time + self.width.ms();
            if self.bars == 1 || self.drivers.driver() != before {
                self.since = self.close;
            }
        }
    }
}

/// The bars with opening times from `from` on, within `width` milliseconds.
fn within(bars: &[Bar], from: UtcMs, width: UtcMs) -> &[Bar] {
    let first = bars.partition_point(|bar| bar.open_time < from);
    let count = bars[first..].partition_point(|bar| bar.open_time < from + width);
    &bars[first..first + count]
}

/// Whether every symbol of the coarse bars has a fine one.
fn are_finer(coarse: &[Bar], fine: &[Bar]) -> bool {
    if coarse.is_empty() || fine.is_empty() {
        return coarse.is_empty();
    }
    let fine: BTreeSet<Symbol> = fine.iter().map(|bar| bar.symbol).collect();
    coarse.iter().all(|bar| fine.contains(&bar.symbol))
}

/// The minutes of half a day.
fn read_minutes(archive: &Archive, half: UtcMs) -> Result<Vec<Bar>, Failure> {
    let times = half..=half + HALF - Timeframe::M1.ms();
    Ok(bars::read_all(archive, Timeframe::M1, &times)?.into_values().collect())
}

/// A value with four decimals.
fn decimal(value: f64) -> Option<Decimal> {
    format!("{value:.4}").parse().ok()
}

#[cfg(test)]
mod tests;
