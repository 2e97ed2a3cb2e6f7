//! A part of a market: it starts later or ends earlier. What lies before its start is history.

use super::{Market, Print, Time, Total};
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::market::Bar;
use everwarm_domain::sessions::Sessions;
use everwarm_domain::split::Split;
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use std::ops::RangeInclusive;

/// A part of a market, see the module.
pub struct Window {
    market: Box<dyn Market>,
    start: UtcMs,
    end: Option<UtcMs>,
}

impl Window {
    /// The part of `market` from `from` to `to`, UTC milliseconds, in full minutes. Without a bound
    /// it has that of the market.
    #[must_use]
    pub fn of(market: Box<dyn Market>, from: Option<UtcMs>, to: Option<UtcMs>) -> Window {
        let whole = |time: UtcMs| time.div_euclid(MINUTE).saturating_mul(MINUTE);
        let start = from.map_or(market.start(), |from| whole(from).max(market.start()));
        let end = to.map(whole).into_iter().chain(market.end()).min();
        Window { market, start, end }
    }
}

impl Market for Window {
    fn instruments(&self) -> &[Instrument] {
        self.market.instruments()
    }

    fn start(&self) -> UtcMs {
        self.start
    }

    fn end(&self) -> Option<UtcMs> {
        self.end
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
        let close = self.market.next_close(after.max(self.start))?;
        self.end.is_none_or(|end| close <= end).then_some(close)
    }

    fn bars_closing(&mut self, close: UtcMs) -> Vec<Bar> {
        self.market.bars_closing(close)
    }

    fn bars(&mut self, symbol: Symbol, from_open: UtcMs, to_open: UtcMs, limit: usize) -> Vec<Bar> {
        self.market.bars(symbol, from_open, to_open, limit)
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
        self.market.total(symbol, from_open, to_open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::Seeded;

    #[test]
    fn a_part_has_its_bounds_and_what_lies_before_is_history() {
        let start = 1_767_571_200_000;
        let made = || Box::new(Seeded::new(1, 2, start, 60));
        let (from, to) = (start + 10 * MINUTE + 1, start + 12 * MINUTE + 5);
        let mut window = Window::of(made(), Some(from), Some(to));
        assert_eq!(
            (window.start(), window.end()),
            (start + 10 * MINUTE, Some(start + 12 * MINUTE))
        );
        let mut closes = Vec::new();
        let mut at = UtcMs::MIN;
        while let Some(close) = window.next_close(at) {
            closes.push((close - start) / MINUTE);
            at = close;
        }
        assert_eq!(closes, [11, 12]);
        let symbol = window.instruments()[0].symbol;
        let history = window.bars(symbol, start, start + 9 * MINUTE, usize::MAX);
        assert_eq!(history.len(), 10, "the minutes before it");
        let whole = Window::of(made(), Some(0), None);
        assert_eq!((whole.start(), whole.end()), (start, None));
    }
}
