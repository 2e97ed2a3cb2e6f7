//! Computes all features of one width: one table of symbols, and one bank of indicators a feature.
//!
//! A feature that joins may wait for the history of a symbol. It stores the new bars and has no
//! value meanwhile. It takes the history first, then the stored bars. It waits no longer than it
//! needs to warm up without history; one that needs the whole UTC day waits a day.

use super::feature::Feature;
use super::plain;
use crate::rollup::{Roller, SessionDay, WIDTHS};
use everwarm_analysis::{Bank, Bar as Plain};
use everwarm_domain::features::{FeatureHead, FeatureTable};
use everwarm_domain::id::Symbol;
use everwarm_domain::market::{Bar, RolledBar};
use everwarm_domain::money::PRICE_SCALE;
use everwarm_domain::sessions::Sessions;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_kernel::fact::Key;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most bars stored for waiting features: a day, which a restart may have missed.
const NOTED_MAX: usize = 1_440;

/// The features of one width.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) timeframe: Timeframe,
    /// Symbols by name, with the opening time of the last bar.
    symbols: Vec<(Symbol, UtcMs)>,
    /// Decimals of the prices in the banks, for symbols with more than 8.
    scales: BTreeMap<Symbol, u8>,
    /// Banks in the order of the plan, with a place for each symbol.
    banks: Vec<(Feature, Box<dyn Bank>)>,
    /// Symbols whose history features wait for.
    waits: BTreeMap<Symbol, Wait>,
    /// The values of the last input that gave any, and the fact that caused them. The first fact
    /// of the next input clears them.
    pub(super) output: Option<(Key, FeatureTable)>,
}

/// Features that wait for the history of one symbol.
#[derive(Debug, Default)]
struct Wait {
    /// The features; never empty.
    features: Vec<Feature>,
    /// Bars since the first feature joined.
    bars: Vec<Plain>,
}

/// The saved form of a series.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Saved {
    pub(super) timeframe: Timeframe,
    pub(super) symbols: Vec<(Symbol, UtcMs)>,
    /// Bank states, by the text of the feature.
    pub(super) banks: Vec<(String, Vec<u8>)>,
    pub(super) waits: Vec<SavedWait>,
    pub(super) scales: BTreeMap<Symbol, u8>,
}

/// Symbol, texts of the features, and bars.
pub(super) type SavedWait = (Symbol, Vec<String>, Vec<SavedBar>);
/// Opening time, scale, prices and volume of a bar.
pub(super) type SavedBar = (UtcMs, u8, [i64; 4], i128);

impl Series {
    pub(super) fn new(timeframe: Timeframe) -> Series {
        let (symbols, banks, waits) = (Vec::new(), Vec::new(), BTreeMap::new());
        Series { timeframe, symbols, scales: BTreeMap::new(), banks, waits, output: None }
    }

    /// Sets the features to compute, of which this series takes those of its width. Present
    /// features continue. New ones wait for the history of the symbols in `past`, and begin with
    /// the next bar of others.
    pub(super) fn plan<'a>(
        &mut self,
        features: &[Feature],
        past: impl Iterator<Item = &'a Symbol>,
    ) {
        let mut before = std::mem::take(&mut self.banks);
        let is_new = |feature: &&Feature| {
            feature.timeframe == self.timeframe && !before.iter().any(|(of, _)| of == *feature)
        };
        let new: Vec<Feature> = features.iter().filter(is_new).cloned().collect();
        self.waits.retain(|_, wait| {
            wait.features.retain(|feature| features.contains(feature));
            !wait.features.is_empty()
        });
        for symbol in past.filter(|_| !new.is_empty()) {
            self.waits.entry(*symbol).or_default().features.extend(new.iter().cloned());
        }
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
            self.waits.remove(symbol);
            self.scales.remove(symbol);
            if let Ok(at) = self.find(*symbol) {
                self.symbols.remove(at);
                self.banks.iter_mut().for_each(|(_, bank)| bank.remove(at));
            }
        }
    }

    fn find(&self, symbol: Symbol) -> Result<usize, usize> {
        self.symbols.binary_search_by_key(&symbol, |(of, _)| *of)
    }

    /// The place of a symbol, added if missing. For symbols in order, this costs one comparison
    /// each.
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

    /// Takes closed bars, sorted by symbol. Each bar newer than the last of its symbol gives a row.
    pub(super) fn update<'a>(&mut self, because: Key, bars: impl Iterator<Item = &'a Bar> + Clone) {
        debug_assert!(bars.clone().is_sorted_by_key(|bar| bar.symbol), "bars are sorted by symbol");
        let count = bars.size_hint().0;
        let (mut rows, mut heads) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let mut near = 0;
        for bar in bars {
            // A new symbol moves only those behind it.
            let at = self.place(near, bar.symbol);
            near = at + 1;
            let last = &mut self.symbols[at].1;
            if bar.open_time <= *last {
                continue;
            }
            *last = bar.open_time;
            let time = bar.open_time.saturating_add(self.timeframe.ms());
            heads.push(FeatureHead { symbol: bar.symbol, time, close: bar.close });
            rows.push((at, self.fitted(at, plain(bar))));
        }
        if rows.is_empty() || self.banks.is_empty() {
            return;
        }
        let values = self.feed(&rows);
        self.output = Some((because, FeatureTable::of(self.banks.len(), heads, values)));
    }

    /// The bar with the decimals of its symbol, which grow as bars need more. A price that does not
    /// fit is more than a million times the earlier ones: all features are reset.
    fn fitted(&mut self, at: usize, bar: Plain) -> Plain {
        if bar.scale == PRICE_SCALE && self.scales.is_empty() {
            return bar;
        }
        let symbol = self.symbols[at].0;
        let known = self.scales.get(&symbol).copied().unwrap_or(PRICE_SCALE);
        let scale = known.max(bar.scale);
        let fitted = bar.at(scale);
        if fitted.is_none() {
            self.banks.iter_mut().for_each(|(_, bank)| bank.reset(at));
        } else if scale > known {
            let factor = 10_i64.pow((scale - known).into());
            self.banks.iter_mut().for_each(|(_, bank)| bank.rescale(at, factor));
        }
        let bar = fitted.unwrap_or(bar);
        if bar.scale == PRICE_SCALE {
            self.scales.remove(&symbol);
        } else {
            self.scales.insert(symbol, bar.scale);
        }
        bar
    }

    /// Feeds one bar for each place to all features that do not wait for its symbol. Returns their
    /// values row by row.
    fn feed(&mut self, rows: &[(usize, Plain)]) -> Vec<f64> {
        let columns = self.banks.len();
        let mut values = vec![f64::NAN; rows.len() * columns];
        if self.waits.is_empty() {
            for (column, (_, bank)) in self.banks.iter_mut().enumerate() {
                bank.update(rows, &mut values[column..], columns);
            }
            return values;
        }
        for row in rows {
            self.note(*row);
        }
        for (column, (feature, bank)) in self.banks.iter_mut().enumerate() {
            for (row, values) in rows.iter().zip(values.chunks_mut(columns.max(1))) {
                let wait = self.waits.get(&self.symbols[row.0].0);
                if !wait.is_some_and(|wait| wait.features.contains(feature)) {
                    bank.update(std::slice::from_ref(row), &mut values[column..], columns);
                }
            }
        }
        values
    }

    /// Stores a bar for the features that wait for the history of its symbol. A feature that
    /// no longer depends on history stops waiting. All of them stop once too many bars are stored.
    fn note(&mut self, (at, bar): (usize, Plain)) {
        let symbol = self.symbols[at].0;
        let Some(mut wait) = self.waits.remove(&symbol) else { return };
        let came = wait.bars.len() + 1;
        let over = |feature: &Feature| {
            let wanted = usize::try_from(feature.first()).unwrap_or(NOTED_MAX);
            came >= wanted.min(NOTED_MAX)
        };
        let (over, still): (Vec<Feature>, _) = wait.features.into_iter().partition(over);
        self.take(at, &over, &wait.bars);
        if !still.is_empty() {
            wait.bars.push(bar);
            self.waits.insert(symbol, Wait { features: still, bars: wait.bars });
        }
    }

    /// Feeds bars of one symbol to some features.
    fn take(&mut self, at: usize, features: &[Feature], bars: &[Plain]) {
        for bar in bars {
            self.fitted(at, *bar);
        }
        let scale = self.scales.get(&self.symbols[at].0).copied().unwrap_or(PRICE_SCALE);
        let wanted = self.banks.iter_mut().filter(|(feature, _)| features.contains(feature));
        for (_, bank) in wanted {
            for bar in bars.iter().filter_map(|bar| bar.at(scale)) {
                bank.update(&[(at, bar)], &mut [f64::NAN], 1);
            }
        }
    }

    /// Applies a bar of the history or a late bar: the state changes, without a row.
    fn fold(&mut self, bar: &Bar) {
        let at = self.place(usize::MAX, bar.symbol);
        let last = &mut self.symbols[at].1;
        if bar.open_time <= *last {
            return;
        }
        *last = bar.open_time;
        let bar = self.fitted(at, plain(bar));
        drop(self.feed(&[(at, bar)]));
    }

    /// Applies history of a symbol. 1m bars also warm wider widths.
    pub(super) fn warm(
        &mut self,
        (symbol, timeframe, bars): (Symbol, Timeframe, &[Bar]),
        sessions: &Sessions,
    ) {
        let bars = widened(self.timeframe, (symbol, timeframe, bars), UtcMs::MIN, sessions);
        for bar in &bars {
            self.fold(bar);
        }
    }

    /// Ends the wait of a symbol with its history, which may be empty. `closed` is the last close
    /// when the plan was made. The features take the history, then the stored bars, without rows.
    pub(super) fn end_wait(
        &mut self,
        (symbol, timeframe, bars): (Symbol, Timeframe, &[Bar]),
        closed: UtcMs,
        sessions: &Sessions,
    ) {
        let Some(wait) = self.waits.remove(&symbol) else { return };
        let past = widened(self.timeframe, (symbol, timeframe, bars), closed, sessions);
        let at = self.place(usize::MAX, symbol);
        let last = &mut self.symbols[at].1;
        // A bucket that is finished later, or was finished meanwhile, is not part of the history.
        let noted = wait.bars.first().map(|bar| bar.open_time);
        let seen = Some(*last).filter(|last| *last > UtcMs::MIN);
        let end = noted.or(seen.map(|last| last.saturating_add(1))).unwrap_or(UtcMs::MAX);
        let past = past.iter().take_while(|bar| bar.open_time < end);
        let mut all: Vec<Plain> = past.map(plain).collect();
        all.extend(wait.bars);
        *last = all.last().map_or(*last, |bar| (*last).max(bar.open_time));
        self.take(at, &wait.features, &all);
    }

    /// Restores the state of one symbol and feature.
    pub(super) fn adopt(&mut self, at: usize, feature: &str, state: &[u8]) -> Result<(), String> {
        let of = self.banks.iter_mut().find(|(of, _)| of.to_string() == feature);
        of.map_or(Ok(()), |(_, bank)| bank.adopt(at, state))
    }

    /// Sets the opening time of the last bar of a symbol.
    pub(super) fn reached(&mut self, at: usize, last: UtcMs) {
        self.symbols[at].1 = last;
    }

    pub(super) fn save(&self) -> Saved {
        let bank = |(feature, bank): &(Feature, Box<dyn Bank>)| (feature.to_string(), bank.save());
        Saved {
            timeframe: self.timeframe,
            symbols: self.symbols.clone(),
            banks: self.banks.iter().map(bank).collect(),
            waits: self.waits.iter().map(Wait::save).collect(),
            scales: self.scales.clone(),
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
        (series.symbols, series.scales) = (saved.symbols, saved.scales);
        for (symbol, features, bars) in saved.waits {
            let features: Result<Vec<Feature>, String> =
                features.iter().map(|text| text.parse()).collect();
            let bars =
                bars.into_iter().map(|(open_time, scale, [open, high, low, close], volume)| {
                    Plain { open_time, open, high, low, close, scale, volume }
                });
            series.waits.insert(symbol, Wait { features: features?, bars: bars.collect() });
        }
        Ok(series)
    }

    /// Whether no feature waits.
    #[cfg(test)]
    pub(super) fn is_settled(&self) -> bool {
        self.waits.is_empty()
    }

    pub(super) fn check(&self) {
        let ascending = self.symbols.windows(2).all(|w| w[0].0 < w[1].0);
        assert!(ascending, "2: {:?}", self.symbols);
        for (symbol, wait) in &self.waits {
            let known = |feature: &Feature| self.banks.iter().any(|(of, _)| of == feature);
            let holds = !wait.features.is_empty() && wait.features.iter().all(known);
            assert!(holds && wait.bars.len() <= NOTED_MAX, "3: {symbol}: {wait:?}");
        }
    }
}

impl Wait {
    fn save((symbol, wait): (&Symbol, &Wait)) -> SavedWait {
        let features = wait.features.iter().map(Feature::to_string).collect();
        let bar = |bar: &Plain| {
            (bar.open_time, bar.scale, [bar.open, bar.high, bar.low, bar.close], bar.volume)
        };
        (*symbol, features, wait.bars.iter().map(bar).collect())
    }
}

/// History of a symbol at a width: the bars themselves, or 1m bars aggregated like the roll-up
/// does. Buckets that end by `closed` count as finished.
fn widened(
    width: Timeframe,
    (symbol, timeframe, bars): (Symbol, Timeframe, &[Bar]),
    closed: UtcMs,
    sessions: &Sessions,
) -> Vec<Bar> {
    if timeframe == width {
        return bars.to_vec();
    }
    let mut wide = Vec::new();
    let (Timeframe::M1, Some(first), Some(last)) = (timeframe, bars.first(), bars.last()) else {
        return wide;
    };
    let mut roller = Roller::default();
    // A bucket that begins before the window is incomplete.
    let mut take = |level: usize, rolled: RolledBar| {
        if WIDTHS[level] == width && rolled.bar.open_time >= first.open_time {
            wide.push(rolled.bar);
        }
    };
    let is_session = |bar: &Bar| width == Timeframe::D1 && sessions.covers(bar.open_time);
    let mut day = None;
    for bar in bars.iter().filter(|bar| !is_session(bar)) {
        roller.add(bar, &mut take);
    }
    for bar in bars.iter().filter(|bar| is_session(bar)) {
        SessionDay::add(&mut day, bar, sessions, &mut take);
    }
    // The last minute may finish a bucket that the roll-up has finished already.
    let end = last.open_time.saturating_add(Timeframe::M1.ms()).max(closed);
    roller.close(symbol, Timeframe::M5.open_of(end), &mut take);
    SessionDay::close(&mut day, symbol, end, &mut take);
    wide
}
