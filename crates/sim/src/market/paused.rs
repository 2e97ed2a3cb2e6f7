//! A market with pauses: some symbols stop trading for a time or for good. The pauses come from the
//! books and apply to any market.

use super::Market;
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::market::Bar;
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// Most closes without a bar that one call skips. After that, the market counts as ended.
const SILENCE: u32 = 100_000;

/// A period in which a symbol does not trade.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pause {
    /// The symbol.
    pub symbol: Symbol,
    /// How far the market was released when trading stopped, UTC milliseconds.
    pub from: UtcMs,
    /// How far it was released when trading resumed. None: the pause continues.
    pub to: Option<UtcMs>,
}

/// A market with pauses, see the module.
pub struct Paused {
    market: Box<dyn Market>,
    pauses: Vec<Pause>,
}

impl Paused {
    /// Applies `pauses` to `market`.
    #[must_use]
    pub fn over(market: Box<dyn Market>, pauses: Vec<Pause>) -> Paused {
        Paused { market, pauses }
    }

    /// Replaces the pauses.
    pub fn set(&mut self, pauses: Vec<Pause>) {
        self.pauses = pauses;
    }

    fn trades(&self, symbol: Symbol, close: UtcMs) -> bool {
        let here = |p: &Pause| p.symbol == symbol && p.from < close;
        !self.pauses.iter().any(|p| here(p) && p.to.is_none_or(|to| close <= to))
    }
}

impl Market for Paused {
    fn instruments(&self) -> &[Instrument] {
        self.market.instruments()
    }

    fn start(&self) -> UtcMs {
        self.market.start()
    }

    fn end(&self) -> Option<UtcMs> {
        self.market.end()
    }

    fn next_close(&mut self, after: UtcMs) -> Option<UtcMs> {
        let mut close = self.market.next_close(after)?;
        for _ in 0..SILENCE {
            if self.pauses.is_empty() || !self.bars_closing(close).is_empty() {
                return Some(close);
            }
            close = self.market.next_close(close)?;
        }
        None
    }

    fn bars_closing(&mut self, close: UtcMs) -> Vec<Bar> {
        let mut bars = self.market.bars_closing(close);
        if !self.pauses.is_empty() {
            bars.retain(|bar| self.trades(bar.symbol, close));
        }
        bars
    }

    fn bars(&mut self, symbol: Symbol, from_open: UtcMs, to_open: UtcMs, limit: usize) -> Vec<Bar> {
        if self.pauses.iter().all(|pause| pause.symbol != symbol) {
            return self.market.bars(symbol, from_open, to_open, limit);
        }
        let mut bars = self.market.bars(symbol, from_open, to_open, usize::MAX);
        bars.retain(|bar| self.trades(symbol, bar.open_time + MINUTE));
        bars.truncate(limit);
        bars
    }

    fn older(&self, symbol: Symbol, width: Timeframe, times: RangeInclusive<UtcMs>) -> Vec<Bar> {
        self.market.older(symbol, width, times)
    }
}
