//! The state of version 2 of the indicator stage: two lengths a width, and four indicators by hand.
//!
//! Former lengths are dropped: the configuration of that time does not carry them. What was entered
//! under them is left by those in force. Symbols that have bars are held to have a past.

use super::feature::{old_columns, plan};
use super::stage::Indicators;
use everwarm_analysis::{Atr, Ema, Sma, state};
use everwarm_domain::id::{Symbol, SymbolMap};
use everwarm_domain::time::{Timeframe, UtcMs};
use serde::Deserialize;
use std::collections::BTreeMap;

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

/// The stage that goes on from a state of version 2; it tells its plan with the next input.
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
