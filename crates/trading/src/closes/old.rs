//! Converts the version 2 state of the closer, which had no plan. The next configuration makes it
//! load history for all features; existing features do not wait for it.

use super::{Closes, SymbolCloses};
use everwarm_domain::fact::AtVenue;
use everwarm_domain::id::SymbolMap;
use everwarm_domain::market::Bar;
use everwarm_domain::odd::Recent;
use everwarm_domain::settings::MarketRules;
use everwarm_domain::time::UtcMs;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub(super) struct Old {
    pub(super) last: Option<UtcMs>,
    pub(super) account: Option<u64>,
    pub(super) newest: Option<UtcMs>,
    pub(super) universes: u64,
    pub(super) symbols: SymbolMap<OldSymbol>,
    #[serde(default)]
    pub(super) rules: MarketRules,
}

#[derive(Serialize, Deserialize)]
pub(super) struct OldSymbol {
    pub(super) venue: Option<AtVenue>,
    pub(super) through: Option<UtcMs>,
    pub(super) bar: Option<Bar>,
    pub(super) history: bool,
    pub(super) misses: u32,
    #[serde(default)]
    pub(super) recent: Recent,
}

/// The present state, from a version 2 state.
pub(super) fn convert(bytes: &[u8]) -> Result<Closes, String> {
    let old: Old = everwarm_kernel::state::load(2, bytes)?;
    let mut symbols = SymbolMap::default();
    for (symbol, of) in old.symbols.iter() {
        let OldSymbol { venue, through, bar, history, misses, recent } = of;
        let (venue, through, bar, history, misses) = (*venue, *through, *bar, *history, *misses);
        let (recent, owed) = (recent.clone(), None);
        let now = SymbolCloses { venue, through, bar, history, misses, recent, owed };
        symbols.insert(symbol, now);
    }
    let Old { last, account, newest, universes, rules, .. } = old;
    Ok(Closes { last, account, newest, universes, symbols, rules, ..Closes::default() })
}
