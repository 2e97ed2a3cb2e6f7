//! A folder of recorded bars as a market.
//!
//! Reads every `SYMBOL_1m.csv` and `SYMBOL_1m.csv.gz` of the folder into memory, 104 bytes a bar.
//! The market starts when the first bar of any symbol opens, and ends with the last bar of any
//! symbol. A symbol may start late, have gaps and end early; it has no bar in those minutes. Files
//! of wider bars, like `SYMBOL_1d.csv.gz`, hold what lies before the first minute of their symbol;
//! bars that open later are left out. Other files are ignored. A folder without such files may be
//! one of `everwarm history export`. `recording.toml` adds what the files lack. It is read from
//! the folder, if it is there, or from a given path.

use super::Market;
use super::bar_file::{self, BarFile};
use super::bar_files::{bar_files, wider_file};
use super::bar_row::VOLUME_MAX;
use super::defaults;
use super::months::{self, Exported};
use super::recording_config::{Amount, Config, SymbolConfig, VOLUME_SCALE, VolumeUnit};
use super::recording_error::{Fault, RecordingError};
use super::recording_splits;
use everwarm_domain::id::{Symbol, VenueId};
use everwarm_domain::instrument::Instrument;
use everwarm_domain::market::Bar;
use everwarm_domain::money::{Decimal, Price, floor_to_step};
use everwarm_domain::split::Split;
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Name of the configuration file in the folder.
pub(super) const CONFIG_FILE: &str = "recording.toml";

/// Widths of the files of older bars.
const WIDER: [Timeframe; 4] = [Timeframe::M15, Timeframe::H1, Timeframe::H4, Timeframe::D1];

/// Default lot size if no volume shows one. It is fine enough for a price of 60,000 quote units.
const FALLBACK_LOT: Decimal = Decimal::from_parts(1, 0, 0, false, 5);

/// Default for the largest quantity of one order, as Binance has it for its cheaper assets.
const MAX_QUANTITY: Decimal = Decimal::from_parts(9_000_000, 0, 0, false, 0);

/// Upper bound of the default for very cheap assets: 9 x 10^14.
const LARGEST_QUANTITY: Decimal = Decimal::from_parts(2_488_025_088, 209_547, 0, false, 0);

/// A repair that was made while reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The file.
    pub file: PathBuf,
    /// Line in the (uncompressed) file, from 1. None: the repair concerns no single line.
    pub line: Option<u64>,
    /// Description of the repair.
    pub text: String,
}

impl Notice {
    pub(super) fn at(file: &Path, line: u64, text: &str) -> Notice {
        Notice { file: file.to_owned(), line: Some(line), text: text.to_owned() }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.text)
    }
}

/// A folder of recorded 1m bars. All rows are checked before the first is played. Clones share the
/// bars.
#[derive(Clone, Debug)]
pub struct Recording {
    instruments: Vec<Instrument>,
    /// Bars by instrument, ascending; never empty.
    bars: Arc<Vec<Vec<Bar>>>,
    /// Wider bars from before the first minute of their symbol, ascending.
    older: Arc<BTreeMap<(Symbol, Timeframe), Vec<Bar>>>,
    /// Opening times at which any symbol has a bar, ascending.
    opens: Arc<Vec<UtcMs>>,
    max_positions: BTreeMap<Symbol, Decimal>,
    max_stop_orders: BTreeMap<Symbol, u32>,
    balances: Vec<(String, Decimal)>,
    /// By day and symbol.
    splits: Vec<Split>,
    notices: Vec<Notice>,
}

impl Recording {
    /// Reads and checks a whole folder. `config` replaces the folder's own `recording.toml`.
    ///
    /// # Errors
    /// The first problem, with file, line and reason.
    pub fn open(folder: &Path, config: Option<&Path>) -> Result<Recording, RecordingError> {
        let (files, mut exported) = match bar_files(folder) {
            Err(RecordingError { fault: Fault::NoFiles, .. }) if months::is_export(folder) => {
                months::recorded(folder, &WIDER)?
            }
            files => (files?, Exported::new()),
        };
        let (config_path, mut config) = read_config(folder, config)?;
        let mut recording = Recording {
            instruments: Vec::new(),
            bars: Arc::default(),
            older: Arc::default(),
            opens: Arc::default(),
            max_positions: BTreeMap::new(),
            max_stop_orders: BTreeMap::new(),
            balances: Vec::new(),
            splits: Vec::new(),
            notices: Vec::new(),
        };
        for (symbol, path) in &files {
            let symbol_config = config.symbols.remove(symbol.as_str()).unwrap_or_default();
            recording.add((*symbol, path), &symbol_config, &mut exported)?;
            if let Some(reason) = recording.instruments.last().and_then(impossible) {
                return Err(RecordingError::of(&config_path, Fault::Config(reason)));
            }
            recording.check_prices().map_err(|why| RecordingError::of(path, Fault::Config(why)))?;
        }
        if let Some(name) = config.symbols.keys().next() {
            let text = format!("symbols.{name}: the recording has no file {name}_1m.csv[.gz]");
            return Err(RecordingError::of(&config_path, Fault::Config(text)));
        }
        let known: Vec<Symbol> = files.keys().copied().collect();
        let splits = recording_splits::read(&config.splits, &known);
        recording.splits =
            splits.map_err(|why| RecordingError::of(&config_path, Fault::Config(why)))?;
        recording.opens = Arc::new(opens(&recording.bars));
        recording.balances = if config.account.balances.is_empty() {
            defaults::default_balances(&recording.instruments)
        } else {
            config.account.balances.into_iter().map(|(asset, amount)| (asset, amount.0)).collect()
        };
        Ok(recording)
    }

    /// The bars of another source, by symbol, with the rules of its instruments and the balances of
    /// the account. A symbol without bars is left out; none if no symbol has any.
    #[must_use]
    pub fn of(
        symbols: BTreeMap<Symbol, (Instrument, Vec<Bar>)>,
        balances: Vec<(String, Decimal)>,
    ) -> Option<Recording> {
        let found = symbols.into_values().filter(|(_, bars)| !bars.is_empty());
        let (instruments, mut bars): (Vec<_>, Vec<Vec<Bar>>) = found.unzip();
        for of in &mut bars {
            of.sort_by_key(|bar| bar.open_time);
        }
        let recording = Recording {
            instruments,
            opens: Arc::new(opens(&bars)),
            bars: Arc::new(bars),
            older: Arc::default(),
            max_positions: BTreeMap::new(),
            max_stop_orders: BTreeMap::new(),
            balances,
            splits: Vec::new(),
            notices: Vec::new(),
        };
        (!recording.opens.is_empty()).then_some(recording)
    }

    /// The same with wider bars, of which those that open before the first minute of their symbol
    /// are kept. Each list ascends.
    #[must_use]
    pub fn with_older(mut self, mut older: BTreeMap<(Symbol, Timeframe), Vec<Bar>>) -> Recording {
        for ((symbol, _), bars) in &mut older {
            let minutes = self.index(*symbol).and_then(|at| self.bars[at].first());
            let first = minutes.map_or(UtcMs::MIN, |bar| bar.open_time);
            bars.retain(|bar| bar.open_time < first);
        }
        self.older = Arc::new(older);
        self
    }

    /// All repairs, in the order of files and lines.
    #[must_use]
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// Initial balances of the account, by asset.
    #[must_use]
    pub fn balances(&self) -> &[(String, Decimal)] {
        &self.balances
    }

    /// Most base units of `symbol` that may be held and on order together, if declared.
    #[must_use]
    pub fn max_position(&self, symbol: Symbol) -> Option<Decimal> {
        self.max_positions.get(&symbol).copied()
    }

    /// Most open stop orders of `symbol`, if declared; 0: it takes none.
    #[must_use]
    pub fn max_stop_orders(&self, symbol: Symbol) -> Option<u32> {
        self.max_stop_orders.get(&symbol).copied()
    }

    /// Number of bars over all symbols.
    #[must_use]
    pub fn bar_count(&self) -> usize {
        self.bars.iter().map(Vec::len).sum()
    }

    fn add(
        &mut self,
        (symbol, path): (Symbol, &Path),
        config: &SymbolConfig,
        exported: &mut Exported,
    ) -> Result<(), RecordingError> {
        let mut file = match exported.remove(&(symbol, Timeframe::M1)) {
            Some(file) => file.end(path)?,
            None => bar_file::read_path(path, symbol)?,
        };
        let instrument = instrument(symbol, config, &file);
        if instrument.base == instrument.quote {
            let text = format!("{symbol}: base and quote are both {}", instrument.base);
            return Err(RecordingError::of(path, Fault::Config(text)));
        }
        if let Some(tick) = config.tick {
            check_ticks(path, &file, tick.0)?;
        }
        self.notices.append(&mut file.notices);
        let volumes = (config.volume, instrument.lot_size);
        let bars = with_base_volumes(path, file.rows, volumes, &mut self.notices)?;
        if let Some(limit) = config.max_position {
            self.max_positions.insert(symbol, limit.0);
        }
        if let Some(most) = config.max_stop_orders {
            self.max_stop_orders.insert(symbol, most.0);
        }
        self.instruments.push(instrument);
        if let Some(first) = bars.first().map(|bar| bar.open_time) {
            self.add_older((symbol, path), volumes, (first, exported))?;
        }
        Arc::make_mut(&mut self.bars).push(bars);
        Ok(())
    }

    /// Reads the files of wider bars beside the file of minutes at `path`. Keeps the bars that open
    /// before `first`.
    fn add_older(
        &mut self,
        (symbol, path): (Symbol, &Path),
        volumes: (VolumeUnit, Decimal),
        (first, exported): (UtcMs, &mut Exported),
    ) -> Result<(), RecordingError> {
        for width in WIDER {
            let (path, mut file) = if let Some(file) = exported.remove(&(symbol, width)) {
                let path = path.with_file_name(width.name());
                (path.clone(), file.end(&path)?)
            } else {
                let Some(path) = wider_file(symbol, width, path)? else { continue };
                let file = bar_file::read_path(&path, symbol)?;
                (path, file)
            };
            let path = &path;
            let off = |(_, bar): &&(u64, Bar)| bar.open_time != width.open_of(bar.open_time);
            if let Some((line, bar)) = file.rows.iter().find(off) {
                // A daily bar of a venue with sessions opens with its session.
                let (open, text) = (bar.open_time, "the file is left out: no UTC bar opens at");
                self.notices.push(Notice::at(path, *line, &format!("{text} {open}")));
                continue;
            }
            self.notices.append(&mut file.notices);
            file.rows.retain(|(_, bar)| bar.open_time < first);
            let bars = with_base_volumes(path, file.rows, volumes, &mut self.notices)?;
            Arc::make_mut(&mut self.older).insert((symbol, width), bars);
        }
        Ok(())
    }

    /// Checks that the prices of the symbol added last can be traded.
    fn check_prices(&self) -> Result<(), String> {
        let (Some(rules), Some(bars)) = (self.instruments.last(), self.bars.last()) else {
            return Ok(());
        };
        let price = bars.first().map(|bar| bar.open.decimal());
        let scale = rules.price_scale(price).map(drop);
        scale.map_err(|why| format!("{}: {why}", rules.symbol))
    }

    fn index(&self, symbol: Symbol) -> Option<usize> {
        self.instruments.binary_search_by(|i| i.symbol.cmp(&symbol)).ok()
    }
}

impl Market for Recording {
    fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    fn start(&self) -> UtcMs {
        *self.opens.first().expect("every file has a row and there is a file")
    }

    fn splits(&self) -> &[Split] {
        &self.splits
    }

    fn end(&self) -> Option<UtcMs> {
        self.opens.last().map(|open| open + MINUTE)
    }

    fn next_close(&mut self, after: UtcMs) -> Option<UtcMs> {
        let next = self.opens.partition_point(|open| open + MINUTE <= after);
        self.opens.get(next).map(|open| open + MINUTE)
    }

    fn bars_closing(&mut self, close: UtcMs) -> Vec<Bar> {
        let Some(open) = close.checked_sub(MINUTE) else { return Vec::new() };
        let find = |bars: &Vec<Bar>| {
            bars.binary_search_by_key(&open, |b| b.open_time).ok().map(|i| bars[i])
        };
        self.bars.iter().filter_map(find).collect()
    }

    fn bars(&mut self, symbol: Symbol, from_open: UtcMs, to_open: UtcMs, limit: usize) -> Vec<Bar> {
        let Some(index) = self.index(symbol) else { return Vec::new() };
        let bars = &self.bars[index];
        let from = bars.partition_point(|b| b.open_time < from_open);
        bars[from..].iter().take_while(|b| b.open_time <= to_open).take(limit).copied().collect()
    }

    fn older(&self, symbol: Symbol, width: Timeframe, times: RangeInclusive<UtcMs>) -> Vec<Bar> {
        let Some(bars) = self.older.get(&(symbol, width)) else { return Vec::new() };
        bars.iter().filter(|bar| times.contains(&bar.open_time)).copied().collect()
    }
}

/// The bars of the rows of a file, with volumes in base units of at most 8 decimals.
fn with_base_volumes(
    path: &Path,
    rows: Vec<(u64, Bar)>,
    (unit, lot): (VolumeUnit, Decimal),
    notices: &mut Vec<Notice>,
) -> Result<Vec<Bar>, RecordingError> {
    let mut bars = Vec::with_capacity(rows.len());
    let mut rounded = 0_u64;
    for (line, mut bar) in rows {
        let written = bar.volume;
        bar.volume = match unit {
            VolumeUnit::Base if written.scale() > VOLUME_SCALE.into() => {
                rounded += 1;
                written.trunc_with_scale(VOLUME_SCALE.into()).normalize()
            }
            VolumeUnit::Base => written,
            VolumeUnit::Quote => base_volume(written, bar.close, lot).ok_or_else(|| {
                RecordingError::at(path, line, Fault::Volume(written.to_string()))
            })?,
        };
        bars.push(bar);
    }
    if rounded > 0 {
        let text = format!("{rounded} volumes with more than 8 decimals are rounded down to 8");
        notices.push(Notice { file: path.to_owned(), line: None, text });
    }
    Ok(bars)
}

/// Opening times at which any symbol has a bar, ascending.
fn opens(bars: &[Vec<Bar>]) -> Vec<UtcMs> {
    let mut opens: Vec<UtcMs> = bars.iter().flatten().map(|bar| bar.open_time).collect();
    opens.sort_unstable();
    opens.dedup();
    opens
}

fn read_config(folder: &Path, given: Option<&Path>) -> Result<(PathBuf, Config), RecordingError> {
    let path = given.map_or_else(|| folder.join(CONFIG_FILE), Path::to_owned);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && given.is_none() => String::new(),
        Err(e) => return Err(RecordingError::of(&path, Fault::Io(e.to_string()))),
    };
    match Config::parse(&text) {
        Ok(config) => Ok((path, config)),
        Err((line, reason)) => {
            Err(RecordingError { file: path, line, fault: Fault::Config(reason) })
        }
    }
}

fn instrument(symbol: Symbol, config: &SymbolConfig, file: &BarFile) -> Instrument {
    let (base, quote) = defaults::split_name(symbol.as_str());
    let base = config.base.clone().unwrap_or(base);
    let quote = config.quote.clone().unwrap_or(quote);
    let configured = |amount: Option<Amount>, otherwise: Decimal| amount.map_or(otherwise, |a| a.0);
    let tick = config.tick.map(|tick| tick.0);
    let file_lot = match (config.volume, file.volume_scale) {
        (VolumeUnit::Base, Some(scale)) => Decimal::new(1, scale),
        (VolumeUnit::Base, None) | (VolumeUnit::Quote, _) => FALLBACK_LOT,
    };
    let lot_size = configured(config.lot, file_lot);
    Instrument {
        symbol,
        base,
        min_notional: configured(config.min_notional, defaults::min_notional(&quote)),
        quote,
        trading: true,
        tick_size: tick.unwrap_or(Decimal::new(1, file.price_scale)),
        lot_size,
        min_quantity: configured(config.min_quantity, lot_size),
        max_quantity: configured(config.max_quantity, max_quantity(file)),
        market_lot_size: Decimal::ZERO,
        market_max_quantity: Decimal::ZERO,
        min_notional_for_market: true,
        venue: VenueId::default(),
    }
}

/// The default for the largest quantity: [`MAX_QUANTITY`]. If that is worth less than 10 quote
/// units, it is multiplied by ten until it is worth 100,000.
fn max_quantity(file: &BarFile) -> Decimal {
    let price = file.rows.first().map_or(Decimal::ZERO, |(_, bar)| bar.open.decimal());
    let worth = |quantity: Decimal| quantity.saturating_mul(price);
    let mut quantity = MAX_QUANTITY;
    if worth(quantity) < Decimal::TEN {
        while worth(quantity) < Decimal::from(100_000) && quantity < LARGEST_QUANTITY {
            quantity *= Decimal::TEN;
        }
    }
    quantity
}

/// The reason why no order of the instrument can be placed, if there is one.
fn impossible(rule: &Instrument) -> Option<String> {
    let Instrument { symbol, min_quantity, max_quantity, lot_size, .. } = rule;
    let (key, least) =
        if lot_size >= min_quantity { ("lot", lot_size) } else { ("min_quantity", min_quantity) };
    (least > max_quantity).then(|| {
        let text = "no order could be placed";
        format!("symbols.{symbol}: {key} {least} is above max_quantity {max_quantity}: {text}")
    })
}

/// Converts a quote amount to base units at `close`, rounded down to the lot. `None` if it is out
/// of range.
fn base_volume(quote: Decimal, close: Price, lot: Decimal) -> Option<Decimal> {
    let base = quote.checked_div(close.decimal()).filter(|v| *v <= VOLUME_MAX)?;
    Some(floor_to_step(base, lot))
}

fn check_ticks(path: &Path, file: &BarFile, tick: Decimal) -> Result<(), RecordingError> {
    let off = |price: Price| !(price.decimal() % tick).is_zero();
    for (line, bar) in &file.rows {
        let prices =
            [("open", bar.open), ("high", bar.high), ("low", bar.low), ("close", bar.close)];
        if let Some((column, price)) = prices.into_iter().find(|(_, price)| off(*price)) {
            let (text, tick) = (price.to_string(), tick.to_string());
            return Err(RecordingError::at(path, *line, Fault::OffTick { column, text, tick }));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
