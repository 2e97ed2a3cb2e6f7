//! A market that trades in sessions: bars outside of them are left out.
//!
//! Nights, weekends and holidays have no closes, so the exchange jumps over them. The market ends
//! with the last known session. It has no bars before the first one.

use super::{Market, Print, Time};
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::market::Bar;
use everwarm_domain::sessions::{Session, Sessions};
use everwarm_domain::split::Split;
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use std::ops::RangeInclusive;

/// A market that trades in sessions, see the module.
pub struct InSessions {
    market: Box<dyn Market>,
    sessions: Sessions,
}

impl InSessions {
    /// The bars of `market` that open within one of `sessions`. A bar that opens at the close of a
    /// session is outside of it.
    #[must_use]
    pub fn over(market: Box<dyn Market>, sessions: Sessions) -> InSessions {
        InSessions { market, sessions }
    }

    /// Whether a minute that closes at `close` belongs to a session.
    fn trades(&self, close: UtcMs) -> bool {
        close.checked_sub(MINUTE).is_some_and(|open| self.sessions.at(open).is_some())
    }
}

/// The sessions that end after `time`.
fn ending_after(sessions: &Sessions, time: UtcMs) -> &[Session] {
    let spans = sessions.spans();
    &spans[spans.partition_point(|session| session.close <= time)..]
}

impl Market for InSessions {
    fn instruments(&self) -> &[Instrument] {
        self.market.instruments()
    }

    fn start(&self) -> UtcMs {
        self.market.start()
    }

    fn end(&self) -> Option<UtcMs> {
        let (spans, end) = (self.sessions.spans(), self.market.end()?);
        // The market may end within its last session.
        let begun = spans.partition_point(|session| session.open < end);
        begun.checked_sub(1).map(|last| spans[last].close.min(end))
    }

    fn time(&self) -> Option<Time> {
        self.market.time()
    }

    fn sessions(&self) -> Option<&Sessions> {
        Some(&self.sessions)
    }

    fn splits(&self) -> &[Split] {
        self.market.splits()
    }

    fn known_until(&mut self, released: UtcMs) -> UtcMs {
        self.market.known_until(released)
    }

    /// Asks the market at most once a session.
    fn next_close(&mut self, after: UtcMs) -> Option<UtcMs> {
        let mut after = after;
        loop {
            let session = *ending_after(&self.sessions, after).first()?;
            let close = self.market.next_close(after.max(session.open))?;
            if self.trades(close) {
                return Some(close);
            }
            // Nothing trades before that close, and its minute is outside.
            after = close.max(session.close);
        }
    }

    fn bars_closing(&mut self, close: UtcMs) -> Vec<Bar> {
        if self.trades(close) { self.market.bars_closing(close) } else { Vec::new() }
    }

    /// Asks the market once a session, for what the limit leaves.
    fn bars(&mut self, symbol: Symbol, from_open: UtcMs, to_open: UtcMs, limit: usize) -> Vec<Bar> {
        let mut bars = Vec::new();
        if from_open > to_open {
            return bars;
        }
        let later = ending_after(&self.sessions, from_open);
        for session in later.iter().take_while(|session| session.open <= to_open) {
            let left = limit.saturating_sub(bars.len());
            if left == 0 {
                break;
            }
            let (first, last) = (session.open.max(from_open), (session.close - 1).min(to_open));
            bars.extend(self.market.bars(symbol, first, last, left));
        }
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
}

#[cfg(test)]
mod tests;
