//! A part of a feed with venue time that passes automatically.

use super::rig::Feed;
use crate::daemon_run::DaemonRun;
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::market::Bar;
use everwarm_domain::sessions::Sessions;
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use everwarm_sim::market::Market;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

/// Wall time between checks whether such a feed has ended.
pub(super) const LOOK: Duration = Duration::from_millis(50);
/// Venue time from the last close to the end: every request has a response by then.
const AFTER: i64 = 15 * MINUTE;

/// A run in which venue time passes automatically.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paced {
    /// Venue time passes this many times faster than real time.
    pub factor: u32,
    /// Length of the part of the feed, minutes.
    pub minutes: i64,
    /// Minutes between two lives of the daemon; the exchange goes on meanwhile.
    pub away: i64,
}

/// Whether venue time is past the end of the feed, and the journal is settled.
pub(super) async fn is_over(life: &DaemonRun) -> bool {
    let Some(admin) = &life.world.admin else { return true };
    let Ok(standing) = admin.status().await else { return false };
    let last = life.world.board.last_close().unwrap_or(UtcMs::MAX);
    let over = standing.next_close.is_none() && standing.now > last.saturating_add(AFTER);
    over && life.world.journal.settled()
}

/// The first minutes of the feed. It starts when its first bar opens: until then, time would pass
/// without a close.
#[must_use]
pub fn short(feed: &Feed, minutes: i64) -> Feed {
    let make = Arc::clone(&feed.market);
    let market = move || -> Box<dyn Market> {
        let mut market = make();
        let first = market.next_close(market.start()).map(|close| close - MINUTE);
        let start = first.unwrap_or(market.start());
        Box::new(Short { market, start, end: start + minutes * MINUTE })
    };
    Feed {
        market: Arc::new(market),
        setup: feed.setup.clone(),
        settings: feed.settings.clone(),
        stages: feed.stages.clone(),
        script: feed.script.clone(),
        before: feed.before.clone(),
        sessions: feed.sessions.clone(),
        stop_orders: feed.stop_orders,
        values: feed.values.clone(),
    }
}

struct Short {
    market: Box<dyn Market>,
    start: UtcMs,
    end: UtcMs,
}

impl Market for Short {
    fn instruments(&self) -> &[Instrument] {
        self.market.instruments()
    }

    fn start(&self) -> UtcMs {
        self.start
    }

    fn sessions(&self) -> Option<&Sessions> {
        self.market.sessions()
    }

    fn next_close(&mut self, after: UtcMs) -> Option<UtcMs> {
        self.market.next_close(after).filter(|close| *close <= self.end)
    }

    fn bars_closing(&mut self, close: UtcMs) -> Vec<Bar> {
        if close <= self.end { self.market.bars_closing(close) } else { Vec::new() }
    }

    fn bars(&mut self, symbol: Symbol, from_open: UtcMs, to_open: UtcMs, limit: usize) -> Vec<Bar> {
        self.market.bars(symbol, from_open, to_open.min(self.end - MINUTE), limit)
    }

    fn older(&self, symbol: Symbol, width: Timeframe, times: RangeInclusive<UtcMs>) -> Vec<Bar> {
        self.market.older(symbol, width, times)
    }
}

#[cfg(test)]
mod tests {
    use super::super::feed::small;
    use super::*;

    #[test]
    fn a_short_feed_is_over_after_its_minutes() {
        let feed = short(&small(), 30);
        let mut market = (feed.market)();
        let (start, mut closes, mut at) = (market.start(), 0, market.start());
        while let Some(close) = market.next_close(at) {
            (closes, at) = (closes + 1, close);
        }
        assert_eq!((closes, at), (30, start + 30 * MINUTE));
    }
}
