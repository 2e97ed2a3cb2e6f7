//! All features of one width: one table of symbols, one bank of indicators a feature.

use super::feature::Feature;
use super::plain;
use crate::rollup::{Roller, WIDTHS};
use everwarm_analysis::Bank;
use everwarm_domain::features::{FeatureHead, FeatureTable};
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_kernel::fact::Key;
use serde::{Deserialize, Serialize};

/// The features of one width.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) timeframe: Timeframe,
    /// By name; with the opening time of the last bar.
    symbols: Vec<(Symbol, UtcMs)>,
    /// In the order of the plan; a place for each symbol.
    banks: Vec<(Feature, Box<dyn Bank>)>,
    /// What the input gave, and the fact it follows from; none between inputs.
    pub(super) said: Option<(Key, FeatureTable)>,
}

/// A series as it is saved.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Saved {
    timeframe: Timeframe,
    symbols: Vec<(Symbol, UtcMs)>,
    /// By the text of each feature.
    banks: Vec<(String, Vec<u8>)>,
}

impl Series {
    pub(super) const fn new(timeframe: Timeframe) -> Series {
        Series { timeframe, symbols: Vec::new(), banks: Vec::new(), said: None }
    }

    /// Computes these features of its width from here on. Who was there goes on, who is new begins.
    pub(super) fn plan(&mut self, features: &[Feature]) {
        let mut before = std::mem::take(&mut self.banks);
        for feature in features.iter().filter(|feature| feature.timeframe == self.timeframe) {
            let known = before.iter().position(|(of, _)| of == feature);
            let fresh = || {
                let mut bank = feature.formula.bank();
                (0..self.symbols.len()).for_each(|at| bank.insert(at));
                (feature.clone(), bank)
            };
            self.banks.push(known.map_or_else(fresh, |at| before.swap_remove(at)));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.banks.is_empty()
    }

    pub(super) fn remove(&mut self, symbols: &[Symbol]) {
        for symbol in symbols {
            if let Ok(at) = self.find(*symbol) {
                self.symbols.remove(at);
                self.banks.iter_mut().for_each(|(_, bank)| bank.remove(at));
            }
        }
    }

    fn find(&self, symbol: Symbol) -> Result<usize, usize> {
        self.symbols.binary_search_by_key(&symbol, |(of, _)| *of)
    }

    /// The place of a symbol, which is made where there is none. Walking symbols in order costs
    /// one comparison each.
    pub(super) fn place(&mut self, near: usize, symbol: Symbol) -> usize {
        if self.symbols.get(near).is_some_and(|(of, _)| *of == symbol) {
            return near;
        }
        self.find(symbol).unwrap_or_else(|at| {
            self.symbols.insert(at, (symbol, UtcMs::MIN));
            self.banks.iter_mut().for_each(|(_, bank)| bank.insert(at));
            at
        })
    }

    /// Takes closed bars, by symbol, and says a row for each that is newer than the one before.
    pub(super) fn update<'a>(&mut self, because: Key, bars: impl Iterator<Item = &'a Bar> + Clone) {
        // First the places: a new symbol moves those behind it.
        let mut near = 0;
        for bar in bars.clone() {
            near = self.place(near, bar.symbol) + 1;
        }
        let (mut near, mut rows, mut heads) = (0, Vec::new(), Vec::new());
        for bar in bars {
            let at = self.place(near, bar.symbol);
            near = at + 1;
            let last = &mut self.symbols[at].1;
            if bar.open_time <= *last {
                continue;
            }
            *last = bar.open_time;
            let time = bar.open_time.saturating_add(self.timeframe.ms());
            heads.push(FeatureHead { symbol: bar.symbol, time, close: bar.close });
            rows.push((at, plain(bar)));
        }
        if rows.is_empty() || self.banks.is_empty() {
            return;
        }
        let columns = self.banks.len();
        let mut values = vec![f64::NAN; rows.len() * columns];
        for (column, (_, bank)) in self.banks.iter_mut().enumerate() {
            bank.update(&rows, &mut values[column..], columns);
        }
        self.said = Some((because, FeatureTable::of(columns, heads, values)));
    }

    /// One bar of the past, or one that came late: the state moves, no row comes of it.
    fn fold(&mut self, bar: &Bar) {
        let at = self.place(usize::MAX, bar.symbol);
        let last = &mut self.symbols[at].1;
        if bar.open_time <= *last {
            return;
        }
        *last = bar.open_time;
        let row = [(at, plain(bar))];
        let mut value = [f64::NAN];
        self.banks.iter_mut().for_each(|(_, bank)| bank.update(&row, &mut value, 1));
    }

    /// Past bars of a symbol. 1m bars also warm wider widths, by the roll-up's own rules.
    pub(super) fn warm(&mut self, symbol: Symbol, timeframe: Timeframe, bars: &[Bar]) {
        let width = self.timeframe;
        if timeframe == width {
            for bar in bars {
                self.fold(bar);
            }
            return;
        }
        let (Timeframe::M1, Some(first), Some(last)) = (timeframe, bars.first(), bars.last())
        else {
            return;
        };
        let mut roller = Roller::default();
        // What the window cut off is not a bucket.
        let mut take = |level: usize, rolled: everwarm_domain::market::RolledBar| {
            if WIDTHS[level] == width && rolled.bar.open_time >= first.open_time {
                self.fold(&rolled.bar);
            }
        };
        for bar in bars {
            roller.add(bar, &mut take);
        }
        // The last minute may finish a bucket that the roll-up no longer has open either.
        let end = last.open_time.saturating_add(Timeframe::M1.ms());
        roller.close(symbol, Timeframe::M5.open_of(end), &mut take);
    }

    /// Takes over the state of one symbol and feature.
    pub(super) fn adopt(&mut self, at: usize, feature: &str, state: &[u8]) -> Result<(), String> {
        let of = self.banks.iter_mut().find(|(of, _)| of.to_string() == feature);
        of.map_or(Ok(()), |(_, bank)| bank.adopt(at, state))
    }

    /// That the last bar of a symbol opened at this time.
    pub(super) fn reached(&mut self, at: usize, last: UtcMs) {
        self.symbols[at].1 = last;
    }

    pub(super) fn save(&self) -> Saved {
        let bank = |(feature, bank): &(Feature, Box<dyn Bank>)| (feature.to_string(), bank.save());
        Saved {
            timeframe: self.timeframe,
            symbols: self.symbols.clone(),
            banks: self.banks.iter().map(bank).collect(),
        }
    }

    pub(super) fn load(saved: Saved) -> Result<Series, String> {
        let mut series = Series::new(saved.timeframe);
        let count = saved.symbols.len();
        for (text, state) in saved.banks {
            let feature: Feature = text.parse()?;
            let mut bank = feature.formula.bank();
            bank.load(&state, count)?;
            series.banks.push((feature, bank));
        }
        series.symbols = saved.symbols;
        Ok(series)
    }

    pub(super) fn check(&self) {
        let ascending = self.symbols.windows(2).all(|w| w[0].0 < w[1].0);
        assert!(ascending, "2: {:?}", self.symbols);
    }
}
