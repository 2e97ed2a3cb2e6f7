//! Converts the states of earlier versions of the indicator stage.
//!
//! Version 3 had prices with 8 decimals only. Version 2 had two lengths a width and four fixed
//! indicators. Former lengths are dropped, because the configuration of that time does not carry
//! them. Positions opened with them are closed by the settings in force. Symbols with bars count as
//! having history.

use super::feature::{old_columns, plan};
use super::series::Saved;
use super::stage::{Indicators, State};
use crate::calendar::Calendar;
use everwarm_analysis::{Atr, Ema, Sma, state};
use everwarm_domain::id::{Symbol, SymbolMap};
use everwarm_domain::money::PRICE_SCALE;
use everwarm_domain::time::{Timeframe, UtcMs};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

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
        let bar = |(time, prices)| (time, PRICE_SCALE, prices);
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
    let mut past = Vec::new();
    for OldSeries { need: (timeframe, fast, slow), lines } in &old.series {
        let names = old_columns(*timeframe, *fast, *slow);
        let Some(series) = stage.of(*timeframe) else { continue };
        let lines: Vec<(Symbol, &OldLine)> = lines.iter().collect();
        past.extend(lines.iter().map(|(symbol, _)| *symbol));
        for (near, (symbol, line)) in lines.into_iter().enumerate() {
            let at = series.place(near, symbol);
            series.reached(at, line.last);
            series.adopt(at, &names[0], &state(&line.fast))?;
            series.adopt(at, &names[1], &state(&line.slow))?;
        }
    }
    stage.have_past(past.into_iter());
    Ok(stage)
}
