//! A market with pauses: some symbols stop trading for a time or for good. The pauses come from the
//! books and apply to any market.

use super::{Market, Print, Time, Total};
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::market::Bar;
use everwarm_domain::sessions::Sessions;
use everwarm_domain::split::Split;
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Most closes without a bar that one call skips. After that, the market counts as ended.
const SILENCE: u32 = 100_000;
/// Most sums that are kept for the next tick. A sum takes about 400 bytes.
const TOTALS: usize = 1 << 14;

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

/// A market with pauses, see the module. It keeps the sums up to the last asked minute, because
/// each tick of a minute needs them again.
pub struct Paused {
    market: Box<dyn Market>,
    pauses: Vec<Pause>,
    /// By symbol and first opening time.
    totals: BTreeMap<(Symbol, UtcMs), Total>,
    /// The last opening time of the kept sums.
    summed_to: UtcMs,
}

impl Paused {
    /// Applies `pauses` to `market`.
    #[must_use]
    pub fn over(market: Box<dyn Market>, pauses: Vec<Pause>) -> Paused {
        Paused { market, pauses, totals: BTreeMap::new(), summed_to: UtcMs::MIN }
    }

    /// Replaces the pauses.
    pub fn set(&mut self, pauses: Vec<Pause>) {
        self.pauses = pauses;
        self.totals.clear();
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

    fn time(&self) -> Option<Time> {
        self.market.time()
    }

    fn sessions(&self) -> Option<&Sessions> {
        self.market.sessions()
    }

    fn splits(&self) -> &[Split] {
        self.market.splits()
    }

    fn known_until(&mut self, released: UtcMs) -> UtcMs {
        self.market.known_until(released)
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

    fn ticks(&self) -> bool {
        self.market.ticks()
    }

    fn prints(&self, bar: &Bar) -> Vec<Print> {
        self.market.prints(bar)
    }

    fn total(&mut self, symbol: Symbol, from_open: UtcMs, to_open: UtcMs) -> Total {
        let from = from_open.div_euclid(MINUTE) + i64::from(from_open.rem_euclid(MINUTE) != 0);
        let (from, to) = (from.saturating_mul(MINUTE), to_open.div_euclid(MINUTE) * MINUTE);
        if self.summed_to != to || self.totals.len() >= TOTALS {
            self.totals.clear();
            self.summed_to = to;
        }
        if let Some(total) = self.totals.get(&(symbol, from)) {
            return *total;
        }
        let total = Total::of(&self.bars(symbol, from, to, usize::MAX));
        self.totals.insert((symbol, from), total);
        total
    }
}
