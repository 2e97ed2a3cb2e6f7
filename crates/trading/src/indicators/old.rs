//! Converts the states of earlier versions of the indicator stage.
//!
//! Up to version 5 the stored bars of waiting features had no volume. It counts as 0: no feature of
//! that time reads it. Up to version 4 there was no calendar. Version 3 had prices with 8 decimals
//! only. Version 2 had two lengths a width and four fixed indicators. Former lengths are dropped,
//! because the configuration of that time does not carry them. Positions opened with them are
//! closed by the settings in force. Symbols with bars count as having history.

use super::feature::{old_columns, plan};
use super::series::{Saved, SavedBar};
use super::stage::{Indicators, State};
use crate::calendar::Calendar;
use everwarm_analysis::{Atr, Ema, Sma, state};
use everwarm_domain::id::{Symbol, SymbolMap};
use everwarm_domain::money::PRICE_SCALE;
use everwarm_domain::time::{Timeframe, UtcMs};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Format and type of the version 4 state.
const FORMAT_4: u8 = 4;
const TYPE_4: u64 = 0x6d90_7569_32d8_59d4;
/// Format of the version 5 state.
const FORMAT_5: u8 = 5;

#[derive(Serialize, Deserialize)]
pub(super) struct Old5 {
    pub(super) plan: u64,
    #[serde(rename = "told")]
    pub(super) plan_appended: bool,
    pub(super) features: Vec<String>,
    pub(super) series: Vec<Saved5>,
    pub(super) past: BTreeSet<Symbol>,
    pub(super) closed: (UtcMs, UtcMs),
    #[serde(default)]
    pub(super) calendar: Calendar,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Saved5 {
    pub(super) timeframe: Timeframe,
    pub(super) symbols: Vec<(Symbol, UtcMs)>,
    pub(super) banks: Vec<(String, Vec<u8>)>,
    pub(super) waits: Vec<Wait5>,
    pub(super) scales: BTreeMap<Symbol, u8>,
}

/// Symbol, texts of the features, and bars: opening time, scale and prices.
pub(super) type Wait5 = (Symbol, Vec<String>, Vec<(UtcMs, u8, [i64; 4])>);

impl From<Saved5> for Saved {
    fn from(old: Saved5) -> Saved {
        let Saved5 { timeframe, symbols, banks, waits, scales } = old;
        let bar = |(time, scale, prices)| -> SavedBar { (time, scale, prices, 0) };
        let waits = waits.into_iter().map(|(symbol, features, bars)| {
            (symbol, features, bars.into_iter().map(bar).collect())
        });
        Saved { timeframe, symbols, banks, waits: waits.collect(), scales }
    }
}

impl From<Old5> for State {
    fn from(old: Old5) -> State {
        let Old5 { plan, plan_appended, features, series, past, closed, calendar } = old;
        let series = series.into_iter().map(Saved::from).collect();
        State { plan, plan_appended, features, series, past, closed, calendar }
    }
}

/// The present state, from a version 4 or 5 state.
pub(super) fn convert_45(version: u16, bytes: &[u8]) -> Result<State, String> {
    let old: Old5 = match version {
        4 => everwarm_kernel::state::grown(FORMAT_4, TYPE_4, bytes)?,
        _ => everwarm_kernel::state::load(FORMAT_5, bytes)?,
    };
    Ok(old.into())
}

#[derive(Serialize, Deserialize)]
pub(super) struct Old3 {
    pub(super) plan: u64,
    #[serde(rename = "told")]
    pub(super) plan_appended: bool,
    pub(super) features: Vec<String>,
    pub(super) series: Vec<Saved3>,
    pub(super) past: BTreeSet<Symbol>,
    pub(super) closed: (UtcMs, UtcMs),
}

#[derive(Serialize, Deserialize)]
pub(super) struct Saved3 {
    pub(super) timeframe: Timeframe,
    pub(super) symbols: Vec<(Symbol, UtcMs)>,
    pub(super) banks: Vec<(String, Vec<u8>)>,
    pub(super) waits: Vec<Wait3>,
}

/// Symbol, texts of the features, and bars: opening time and prices.
pub(super) type Wait3 = (Symbol, Vec<String>, Vec<(UtcMs, [i64; 4])>);

impl From<Saved3> for Saved {
    fn from(old: Saved3) -> Saved {
        let Saved3 { timeframe, symbols, banks, waits } = old;
        let bar = |(time, prices)| -> SavedBar { (time, PRICE_SCALE, prices, 0) };
        let waits = waits.into_iter().map(|(symbol, features, bars)| {
            (symbol, features, bars.into_iter().map(bar).collect())
        });
        Saved { timeframe, symbols, banks, waits: waits.collect(), scales: BTreeMap::new() }
    }
}

/// The present state, from a version 3 state.
pub(super) fn convert_3(bytes: &[u8]) -> Result<State, String> {
    let old: Old3 = everwarm_kernel::state::load(3, bytes)?;
    let Old3 { plan, plan_appended, features, series, past, closed } = old;
    let series = series.into_iter().map(Saved::from).collect();
    Ok(State { plan, plan_appended, features, series, past, closed, calendar: Calendar::default() })
}

/// Width, and the lengths of the fast and the slow averages.
type Need = (Timeframe, u32, u32);

#[derive(Deserialize)]
struct Old {
    series: Vec<OldSeries>,
    _current: BTreeMap<u16, Need>,
    _entered: BTreeMap<(u16, Symbol), Need>,
    _kept: Vec<OldSeries>,
}

#[derive(Deserialize)]
struct OldSeries {
    need: Need,
    lines: SymbolMap<OldLine>,
}

#[derive(Deserialize)]
struct OldLine {
    last: UtcMs,
    fast: Sma,
    slow: Sma,
    _ema: Ema,
    _atr: Atr,
}

/// The stage, from a version 2 state. It appends its plan at the next input.
pub(super) fn convert(bytes: &[u8]) -> Result<Indicators, String> {
    let old: Old = everwarm_kernel::state::load(2, bytes)?;
    let mut stage = Indicators::default();
    let texts = old.series.iter().flat_map(|series| {
        let (timeframe, fast, slow) = series.need;
        old_columns(timeframe, fast, slow).into_iter().take(2)
    });
    stage.configure(plan(texts));
    let (mut past, mut closed) = (Vec::new(), UtcMs::MIN);
    for OldSeries { need: (timeframe, fast, slow), lines } in &old.series {
        let names = old_columns(*timeframe, *fast, *slow);
        let Some(series) = stage.of(*timeframe) else { continue };
        let lines: Vec<(Symbol, &OldLine)> = lines.iter().collect();
        past.extend(lines.iter().map(|(symbol, _)| *symbol));
        for (near, (symbol, line)) in lines.into_iter().enumerate() {
            let at = series.place(near, symbol);
            series.reached(at, line.last);
            closed = closed.max(line.last.saturating_add(timeframe.ms()));
            series.adopt(at, &names[0], &state(&line.fast))?;
            series.adopt(at, &names[1], &state(&line.slow))?;
        }
    }
    stage.have_past(past.into_iter());
    // A plan that is made before the next close counts its history from the last one.
    stage.has_closed(closed);
    Ok(stage)
}
