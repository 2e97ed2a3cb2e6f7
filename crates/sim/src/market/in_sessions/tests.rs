//! A market in sessions against the plain definition, by what it asks of the market behind it.

use super::*;
use crate::market::Seeded;
use everwarm_domain::time::DAY;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// 2026-01-05T00:00Z.
const START: UtcMs = 1_767_571_200_000;
const HOUR: UtcMs = 60 * MINUTE;

/// One session on each of these days after the start, 14:00 to 14:10.
fn sessions(days: &[i64]) -> Sessions {
    let open = |day: i64| START + day * DAY + 14 * HOUR;
    let session = |day: &i64| Session { open: open(*day), close: open(*day) + 10 * MINUTE };
    let spans = days.iter().map(session).collect();
    Sessions::new(START - 3 * DAY, START + 2_000 * DAY, spans).unwrap()
}

/// Counts the calls and the bars that are asked of a market.
struct Counted {
    market: Box<dyn Market>,
    calls: Arc<AtomicUsize>,
    bars: Arc<AtomicUsize>,
}

impl Market for Counted {
    fn instruments(&self) -> &[Instrument] {
        self.market.instruments()
    }

    fn start(&self) -> UtcMs {
        self.market.start()
    }

    fn next_close(&mut self, after: UtcMs) -> Option<UtcMs> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.market.next_close(after)
    }

    fn bars_closing(&mut self, close: UtcMs) -> Vec<Bar> {
        self.market.bars_closing(close)
    }

    fn bars(&mut self, symbol: Symbol, from: UtcMs, to: UtcMs, limit: usize) -> Vec<Bar> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let bars = self.market.bars(symbol, from, to, limit);
        self.bars.fetch_add(bars.len(), Ordering::Relaxed);
        bars
    }
}

struct Rig {
    market: InSessions,
    calls: Arc<AtomicUsize>,
    bars: Arc<AtomicUsize>,
}

fn rig(days: &[i64]) -> Rig {
    let (calls, bars): (Arc<AtomicUsize>, Arc<AtomicUsize>) = Default::default();
    let market = Box::new(Seeded::new(1, 2, START, 2 * 1_440));
    let counted = Counted { market, calls: Arc::clone(&calls), bars: Arc::clone(&bars) };
    Rig { market: InSessions::over(Box::new(counted), sessions(days)), calls, bars }
}

/// The plain definition: all bars, of which those in a session are kept.
fn plain(days: &[i64], from: UtcMs, to: UtcMs, limit: usize) -> Vec<Bar> {
    let mut market = Seeded::new(1, 2, START, 2 * 1_440);
    let symbol = market.instruments()[0].symbol;
    let mut bars = market.bars(symbol, from, to, usize::MAX);
    bars.retain(|bar| sessions(days).at(bar.open_time).is_some());
    bars.truncate(limit);
    bars
}

#[test]
fn closes_jump_over_nights_and_weekends() {
    let mut market = rig(&[-2, -1, 0, 1, 4]).market;
    let open = |day: i64| START + day * DAY + 14 * HOUR;
    let close = |day: i64| open(day) + 10 * MINUTE;
    for (after, next) in [
        (i64::MIN, Some(open(-2) + MINUTE)),
        (START, Some(open(0) + MINUTE)),
        (open(0), Some(open(0) + MINUTE)),
        (open(0) + 1, Some(open(0) + MINUTE)),
        (open(0) + MINUTE, Some(open(0) + 2 * MINUTE)),
        (close(0) - 1, Some(close(0))),
        // The minute that opens at the close of the session is outside.
        (close(0), Some(open(1) + MINUTE)),
        (close(1), Some(open(4) + MINUTE)),
        (open(3), Some(open(4) + MINUTE)),
        (close(4), None),
        (i64::MAX, None),
    ] {
        assert_eq!(market.next_close(after), next, "{after}");
    }
    assert_eq!(market.bars_closing(close(0)).len(), 2);
    for outside in [open(0), close(0) + MINUTE, open(3) + MINUTE, i64::MIN, i64::MAX] {
        assert!(market.bars_closing(outside).is_empty(), "{outside}");
    }
    assert_eq!(market.bars_closing(open(0) + MINUTE).len(), 2);
    assert_eq!(market.sessions(), Some(&sessions(&[-2, -1, 0, 1, 4])));
    assert_eq!((market.start(), market.end()), (START, None));
}

#[test]
fn pages_are_those_of_the_plain_definition() {
    let days = [-1, 0, 1, 4];
    let mut rig = rig(&days);
    let symbol = rig.market.instruments()[0].symbol;
    let open = START + 14 * HOUR;
    let edges = [-1, 0, 1, MINUTE, 9 * MINUTE, 10 * MINUTE, 11 * MINUTE, DAY, DAY + 5 * MINUTE];
    for from in edges.iter().map(|edge| open - DAY + edge) {
        for to in edges.iter().map(|edge| open + edge).chain([from, from - 1, open + 9 * DAY]) {
            for limit in [0, 1, 9, 10, 11, 25, usize::MAX] {
                let bars = rig.market.bars(symbol, from, to, limit);
                assert_eq!(bars, plain(&days, from, to, limit), "{from} {to} {limit}");
            }
        }
    }
    // Page by page.
    let whole = plain(&days, i64::MIN, open + 9 * DAY, usize::MAX);
    let (mut paged, mut from) = (Vec::new(), i64::MIN);
    loop {
        let page = rig.market.bars(symbol, from, i64::MAX, 7);
        let Some(last) = page.last() else { break };
        from = last.open_time + 1;
        paged.extend(page);
    }
    assert_eq!((paged.len(), paged), (40, whole));
    assert!(rig.market.bars(Symbol::new("NONE").unwrap(), i64::MIN, i64::MAX, 9).is_empty());
}

#[test]
fn a_call_asks_once_a_session_and_only_for_what_it_returns() {
    let days: Vec<i64> = (-1..1_500).collect();
    let mut rig = rig(&days);
    let symbol = rig.market.instruments()[0].symbol;
    let asked =
        |rig: &Rig| (rig.calls.swap(0, Ordering::Relaxed), rig.bars.swap(0, Ordering::Relaxed));
    assert_eq!(rig.market.bars(symbol, START, i64::MAX, 25).len(), 25);
    assert_eq!(asked(&rig), (3, 25));
    // Nothing is asked of nights.
    let night = START + 100 * DAY;
    assert!(rig.market.bars(symbol, night, night + 13 * HOUR, usize::MAX).is_empty());
    assert_eq!(asked(&rig), (0, 0));
    assert_eq!(rig.market.bars(symbol, i64::MIN, i64::MAX, usize::MAX).len(), 15_010);
    assert_eq!(asked(&rig), (1_501, 15_010));
    assert_eq!(rig.market.next_close(night), Some(night + 14 * HOUR + MINUTE));
    assert_eq!(asked(&rig), (1, 0));
}

#[test]
fn closes_outside_of_sessions_are_skipped_session_by_session() {
    // A market with one minute a day, at 15:00, after the session; then one within a session.
    struct Sparse(Vec<UtcMs>);
    impl Market for Sparse {
        fn instruments(&self) -> &[Instrument] {
            &[]
        }
        fn start(&self) -> UtcMs {
            START
        }
        fn end(&self) -> Option<UtcMs> {
            self.0.last().copied()
        }
        fn next_close(&mut self, after: UtcMs) -> Option<UtcMs> {
            self.0.iter().copied().find(|close| *close > after)
        }
        fn bars_closing(&mut self, _: UtcMs) -> Vec<Bar> {
            Vec::new()
        }
        fn bars(&mut self, _: Symbol, _: UtcMs, _: UtcMs, _: usize) -> Vec<Bar> {
            Vec::new()
        }
    }
    let late = |day: i64| START + day * DAY + 15 * HOUR;
    let within = START + 40 * DAY + 14 * HOUR + 5 * MINUTE;
    let closes: Vec<UtcMs> = (0..40).map(late).chain([within, late(40)]).collect();
    let days: Vec<i64> = (0..50).collect();
    let mut market = InSessions::over(Box::new(Sparse(closes)), sessions(&days));
    assert_eq!(market.next_close(i64::MIN), Some(within));
    assert_eq!(market.next_close(within), None);
    assert_eq!(market.end(), Some(within + 5 * MINUTE), "the close of the last session");
    let before = InSessions::over(Box::new(Sparse(vec![late(3)])), sessions(&[7])).end();
    assert_eq!(before, None, "no session has begun");
    let cut = vec![START + 14 * HOUR + 3 * MINUTE];
    let cut = InSessions::over(Box::new(Sparse(cut)), sessions(&[0])).end();
    assert_eq!(cut, Some(START + 14 * HOUR + 3 * MINUTE));
}
