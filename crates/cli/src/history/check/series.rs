//! What the judged rows of one file add up to: counts, gaps, odd prices, missing bars.

use super::judge::Judged;
use super::kinds::{Bad, Claim, Series};
use super::known::Known;
use everwarm_domain::market::Bar;
use everwarm_domain::money::Price;
use everwarm_domain::time::UtcMs;
use everwarm_history::gaps::{self, Odd, Times, joined};
use everwarm_views::checked_bars::BadRowView;
use std::collections::BTreeMap;

/// Findings of a kind that are kept. All are counted.
const KEPT: usize = 1_000;
/// Bad rows in a row that stand for bars only by their place.
const PLACES_MAX: u32 = 1_000;

/// A gap with the prices beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    pub times: Times,
    /// The close before it and the open after it.
    pub near: [Price; 2],
}

/// What is known of a file.
#[derive(Debug)]
pub struct Fold {
    of: Series,
    pub rows: u64,
    pub good: u64,
    pub counts: BTreeMap<&'static str, u64>,
    pub bad: Vec<BadRowView>,
    pub first: Option<Bar>,
    pub last: Option<Bar>,
    pub gaps: Vec<Gap>,
    pub odd: Vec<(Bar, Odd)>,
    pub without_volume: u64,
    /// Bars beyond the first and the last that bad rows stand for, with those of the quarantine.
    outside: Vec<Times>,
    /// Bad rows since the last one with a time.
    places: u32,
}

impl Fold {
    pub fn new(of: Series) -> Fold {
        Fold {
            of,
            rows: 0,
            good: 0,
            counts: BTreeMap::new(),
            bad: Vec::new(),
            first: None,
            last: None,
            gaps: Vec::new(),
            odd: Vec::new(),
            without_volume: 0,
            outside: Vec::new(),
            places: 0,
        }
    }

    /// Adds a row. Bars that a source confirmed are not odd.
    pub fn add(&mut self, judged: &Judged, known: &Known) {
        self.rows += 1;
        match &judged.bar {
            Ok(bar) => self.bar(bar, known),
            Err(bad) => {
                self.finding(judged.line, bad);
                self.claim(bad.claim);
            }
        }
    }

    pub fn finding(&mut self, line: u64, Bad { kind, why, .. }: &Bad) {
        *self.counts.entry(kind.name()).or_default() += 1;
        if self.bad.len() < KEPT {
            self.bad.push(BadRowView { line, kind: kind.name(), why: why.clone() });
        }
    }

    fn bar(&mut self, bar: &Bar, known: &Known) {
        let (width, grid) = (self.of.grid.width(), self.of.grid);
        let open = grid.open_of(bar.open_time);
        if let Some(last) = self.last {
            let before = grid.open_of(last.open_time);
            if open - before > width {
                let times = before + width..=open - width;
                self.gaps.push(Gap { times, near: [last.close, bar.open] });
            }
        } else {
            // The rows before the first bar stand for the bars before it.
            let places = UtcMs::from(self.places) * width;
            if places > 0 {
                self.missing(open - places..=open - width);
            }
            self.first = Some(*bar);
        }
        self.places = 0;
        if !known.has_bar(bar) && self.odd.len() < KEPT {
            let odd = gaps::odd(self.last.map(|last| last.close), bar);
            self.odd.extend(odd.map(|odd| (*bar, odd)));
        }
        self.without_volume += u64::from(bar.volume.is_zero());
        self.last = Some(*bar);
        self.good += 1;
    }

    fn claim(&mut self, claim: Claim) {
        match claim {
            Claim::Time(time) => {
                let open = self.of.grid.open_of(time);
                self.missing(open..=open);
                if self.last.is_some() {
                    self.places = 0;
                }
            }
            Claim::Next => self.places = (self.places + 1).min(PLACES_MAX),
            Claim::None => {}
        }
    }

    /// Adds bars that the file should have. Those between its bars are in its gaps.
    pub fn missing(&mut self, times: Times) {
        let width = self.of.grid.width();
        match self.outside.last_mut() {
            Some(last) if *times.start() == last.end() + width => {
                *last = *last.start()..=*times.end();
            }
            _ => self.outside.push(times),
        }
        if self.outside.len() > KEPT {
            self.outside = self.outside();
        }
    }

    /// Ends the file: rows at its end stand for the bars after the last one.
    pub fn end(&mut self) {
        let (width, grid) = (self.of.grid.width(), self.of.grid);
        let claimed = self.outside.iter().map(|times| *times.end()).max();
        let last = self.last.map(|last| grid.open_of(last.open_time)).max(claimed);
        if let Some(last) = last.filter(|_| self.places > 0) {
            let closed = grid.open_of(self.of.now) - width;
            let to = (last + UtcMs::from(self.places) * width).min(closed);
            if last < to {
                self.missing(last + width..=to);
            }
        }
        self.places = 0;
    }

    /// Bars beyond the first and the last one that the file should have, ascending.
    pub fn outside(&self) -> Vec<Times> {
        let width = self.of.grid.width();
        let all = joined(self.outside.clone(), width);
        let Some(inside) = self.span() else { return all };
        all.iter()
            .flat_map(|times| gaps::minus(times, std::slice::from_ref(&inside), width))
            .collect()
    }

    pub fn has_sessions(&self) -> bool {
        self.of.grid.has_sessions()
    }

    /// From the first to the last bar.
    pub fn span(&self) -> Option<Times> {
        let open = |bar: &Bar| self.of.grid.open_of(bar.open_time);
        Some(open(self.first.as_ref()?)..=open(self.last.as_ref()?))
    }

    /// Everything that it lacks, with the prices beside it: gaps, and bars beyond the ends.
    pub fn lacks(&self) -> Vec<(Times, Vec<Price>)> {
        let mut all: Vec<_> =
            self.gaps.iter().map(|gap| (gap.times.clone(), gap.near.to_vec())).collect();
        let first = self.first.map(|bar| (self.of.grid.open_of(bar.open_time), bar.open));
        for times in self.outside() {
            let near = match (first, self.last) {
                (Some((first, open)), Some(_)) if *times.end() < first => vec![open],
                (Some(_), Some(last)) => vec![last.close],
                _ => Vec::new(),
            };
            all.push((times, near));
        }
        all.sort_by_key(|(times, _)| *times.start());
        all
    }
}
