//! Tests of days that end in the middle of something: open orders, a dead process, a gap, a late
//! fill.

mod strategies;

use super::*;
use crate::testing::Facts;
use everwarm_domain::fact::kinds::rank;
use everwarm_domain::fact::{Body, Decision, Ledger, Market, Operator, Order};
use everwarm_domain::id::ClientOrderId;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{OrderIntent, OrderStatus, OrderType, Side};
use everwarm_domain::time::{DAY, MINUTE, UtcMs, day_of};
use everwarm_history::Projector;
use everwarm_kernel::fact::{Fact, Key};
use everwarm_kernel::stage::Stage as _;
use everwarm_runtime::store::archive::Archive;
use everwarm_trading::risk::Breaker;
use everwarm_trading::testing::{bar, changed, dec, filled, sent, signal, sym};
use std::path::PathBuf;
use std::sync::Arc;

/// The beginning of a UTC day.
const FIRST: UtcMs = 20_000 * DAY;
const SECOND: UtcMs = FIRST + DAY;
const HOUR: UtcMs = 60 * MINUTE;

/// A journal that is written by hand, and the folder of its history.
struct Written {
    facts: Vec<Fact<Body>>,
    folder: PathBuf,
}

impl Drop for Written {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

impl Written {
    fn new(name: &str) -> Written {
        let name = format!("everwarm-summary-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        // An earlier process with this id may have left one.
        std::fs::remove_dir_all(&folder).ok();
        std::fs::create_dir_all(&folder).unwrap();
        Written { facts: Vec::new(), folder }
    }

    /// Appends an input received at `time`; returns its number.
    fn input(&mut self, time: UtcMs, body: Body) -> u64 {
        let last = self.facts.iter().rfind(|fact| fact.key.rank == 0);
        let (n, time) = last.map_or((1, time), |last| (last.key.n + 1, time.max(last.time)));
        self.put(Key { n, rank: 0, i: 0 }, time, body);
        n
    }

    /// Appends a fact of a stage about input `n`.
    fn append(&mut self, n: u64, rank: u16, body: Body) {
        let of = |fact: &&Fact<Body>| fact.key.n == n;
        let time = self.facts.iter().find(of).unwrap().time;
        let i = self.facts.iter().filter(|f| f.key.n == n && f.key.rank == rank).count();
        self.put(Key { n, rank, i: u16::try_from(i).unwrap() }, time, body);
    }

    fn put(&mut self, key: Key, time: UtcMs, body: Body) {
        self.facts.push(Fact { key, time, version: 1, because: Vec::new(), body });
    }

    /// Appends a close of `time`, received at `now`, with the equity after it.
    fn close(&mut self, time: UtcMs, now: UtcMs, equity: &str) -> u64 {
        let bars = vec![bar("BTCUSDT", time / MINUTE - 1, 100)];
        let missing = vec![sym("ETHUSDT")];
        let n = self.input(now, Body::Market(Market::close(time, bars, missing)));
        let (equity, cash) = (dec(equity), Decimal::ZERO);
        let adjusted = Decimal::ZERO;
        self.append(
            n,
            rank::LEDGER.0,
            Body::Ledger(Ledger::Equity { time, equity, cash, adjusted }),
        );
        n
    }

    /// Appends a close for each minute after `after` until `until`, received then or at `now`.
    fn closes(&mut self, after: UtcMs, until: UtcMs, now: UtcMs) {
        for minute in after / MINUTE + 1..=until / MINUTE {
            let time = minute * MINUTE;
            self.close(time, time.max(now), "1000");
        }
    }

    /// Appends the announcement of an order if it `leaves`, and its later changes in one input.
    fn order(&mut self, time: UtcMs, id: &str, leaves: bool, ends: &[Body]) {
        if leaves {
            self.input(time, sent(id, 1, time));
        }
        let n = self.input(time, Body::Operator(Operator::Clock { time }));
        for body in ends {
            self.append(n, rank::ORDER_MANAGER.0, body.clone());
        }
    }

    fn history(&self) -> History {
        let archive = Arc::new(Archive::open(&self.folder.join("history.redb")).unwrap());
        let mut projector = Projector::new(Arc::clone(&archive)).unwrap();
        projector.apply((1..).zip(&self.facts), self.facts.len() as u64, true).unwrap();
        History::new(archive)
    }

    fn summary(&self, history: &History, day: UtcMs) -> SummaryView {
        let facts = Facts(self.facts.clone());
        summary(history, &facts, &self.folder, Some(Period::day_of(day))).unwrap()
    }

    /// The most failures in a row, the most entries and the largest loss of a day, counted by a
    /// breaker that sees the whole journal.
    fn counted(&self, day: UtcMs) -> [Decimal; 3] {
        let mut facts: Vec<&Fact<Body>> = self.facts.iter().collect();
        facts.sort_by_key(|fact| fact.key);
        let (mut breaker, mut most) = (Breaker::default(), [Decimal::ZERO; 3]);
        for fact in facts {
            breaker.evolve(fact);
            let (counts, _) = breaker.counted();
            if counts.day == day_of(day) {
                let now = [counts.failures.into(), counts.entries.into(), counts.loss];
                most = [0, 1, 2].map(|i: usize| most[i].max(now[i]));
            }
        }
        most
    }
}

/// The same numbers from a summary.
fn limits(view: &SummaryView) -> [Decimal; 3] {
    ["risk.max_consecutive_failures", "risk.max_trades_per_day", running::LOSS]
        .map(|key| view.running.limits.iter().find(|limit| limit.key == key).unwrap().used)
}

fn intent(id: &str, close_time: UtcMs) -> Body {
    Body::Order(Order::Intent(OrderIntent {
        client_id: ClientOrderId(id.to_owned()),
        strategy: "sma_cross".to_owned(),
        symbol: sym("BTCUSDT"),
        side: Side::Buy,
        order_type: OrderType::Limit,
        quantity: Decimal::ONE,
        price: None,
        close_time,
        valid_until: close_time + 5 * MINUTE,
        terms: Box::default(),
    }))
}

fn position(quantity: &str, cost: &str, realized: &str) -> Body {
    Body::Ledger(Ledger::Position {
        symbol: sym("BTCUSDT"),
        quantity: dec(quantity),
        cost: dec(cost),
        realized_pnl: dec(realized),
        cash: Decimal::ZERO,
    })
}

fn is_close(fact: &Fact<Body>, at: UtcMs) -> bool {
    matches!(fact.body, Body::Market(Market::Close { time, .. }) if time == at)
}

#[test]
fn limits_are_used_as_the_breaker_counts() {
    let mut written = Written::new("limits");
    let rejected = |id: &str| changed(id, OrderStatus::Rejected, "0");
    let bought = |id: &str, k| filled(id, Side::Buy, k, "100", "0.5");
    // An order that is open at the venue for more than a day, and one that is never sent.
    let n = written.close(FIRST - DAY / 2, FIRST - DAY / 2, "1000");
    for id in ["old", "stale"] {
        written.append(n, rank::ORDER_MANAGER.0, intent(id, FIRST - DAY / 2));
    }
    written.order(FIRST - DAY / 2, "old", true, &[changed("old", OrderStatus::Open, "0")]);
    written.order(FIRST - DAY / 2, "won", true, &[bought("won", 1), bought("won", 2)]);
    written.closes(FIRST - 5 * MINUTE, FIRST + HOUR, 0);
    for id in ["e1", "e2", "e3", "e4", "e5", "e6"] {
        written.order(FIRST + HOUR, id, false, &[changed(id, OrderStatus::Expired, "0")]);
    }
    let time = FIRST + 2 * HOUR;
    let partly = [bought("part", 1), changed("part", OrderStatus::Rejected, "0.5")];
    written.order(time, "part", true, &partly);
    written.order(time, "r1", true, &[rejected("r1")]);
    written.order(time, "r2", true, &[changed("r2", OrderStatus::Expired, "0")]);
    assert_eq!(limits(&written.summary(&written.history(), FIRST)), ["2", "1", "0"].map(dec));
    written.order(time, "whole", true, &[bought("whole", 1), bought("whole", 2)]);
    for equity in ["1020", "995", "990", "1005"] {
        written.close(time, time, equity);
    }
    for id in ["r3", "r4"] {
        written.order(time, id, true, &[rejected(id)]);
    }
    written.closes(SECOND - 3 * MINUTE, SECOND - MINUTE, 0);
    // The rejection of r5 is appended after the next day's close, and counts on this day.
    written.order(SECOND - 1, "r5", true, &[]);
    let answer = written.input(SECOND - 1, Body::Operator(Operator::Clock { time }));
    written.order(SECOND - 1, "r6", true, &[]);
    written.close(SECOND, SECOND, "1000");
    written.append(answer, rank::ORDER_MANAGER.0, rejected("r5"));
    written.order(SECOND + MINUTE, "r6", false, &[rejected("r6")]);
    written.order(SECOND + MINUTE, "stale", false, &[changed("stale", OrderStatus::Expired, "0")]);
    written.order(SECOND + HOUR, "old", false, &[changed("old", OrderStatus::Expired, "0")]);
    written.close(SECOND + HOUR, SECOND + HOUR, "992.5");
    written.closes(SECOND, SECOND + 2 * HOUR, SECOND + 2 * HOUR);
    let history = written.history();
    for (day, expected) in [(FIRST, ["3", "2", "10"]), (SECOND, ["2", "0", "7.5"])] {
        let used = limits(&written.summary(&history, day));
        assert_eq!(used, expected.map(dec));
        assert_eq!(used, written.counted(day), "the breaker");
    }
    let both = Period { from: FIRST, to: SECOND + DAY };
    let facts = Facts(written.facts.clone());
    let view = summary(&history, &facts, &written.folder, Some(both)).unwrap();
    assert_eq!(limits(&view), ["3", "2", "10"].map(dec), "of the worst day");
}

#[test]
fn closes_that_were_caught_up_with_count_where_they_belong() {
    let mut written = Written::new("caught-up");
    let back = SECOND + 3 * HOUR;
    written.closes(FIRST, SECOND - HOUR, 0);
    let started = Operator::Started { life: 2, installation: "i".into(), epoch: 0 };
    written.input(0, Body::Operator(started));
    written.input(back, Body::Operator(Operator::Clock { time: back }));
    written.closes(SECOND - HOUR, back, back);
    // A fact about a close of the first day that follows later closes in the journal.
    let time = SECOND - MINUTE;
    let n = written.facts.iter().find(|fact| is_close(fact, time)).unwrap().key.n;
    let (signal, code) = (signal("BTCUSDT", Side::Buy, time), "stale".to_owned());
    let declined = Decision::Declined { signal, code, text: String::new() };
    let fact = Fact {
        key: Key { n, rank: rank::DECISION.0, i: 0 },
        time: back,
        version: 1,
        because: Vec::new(),
        body: Body::Decision(declined),
    };
    let end = written.facts.iter().position(|fact| is_close(fact, SECOND + MINUTE)).unwrap();
    written.facts.insert(end + 1, fact);
    written.closes(back, SECOND + DAY, 0);
    let history = written.history();
    let of = |day| {
        let view = written.summary(&history, day);
        assert_eq!(view.running.gaps, []);
        let running = view.running;
        let declined: u64 = running.declined.values().sum();
        (running.closes, running.missing_bars, declined, running.starts)
    };
    assert_eq!(of(FIRST), (1440, 1440, 1, 0));
    assert_eq!(of(SECOND), (1440, 1440, 0, 1));
}

#[test]
fn a_hole_over_midnight_is_told_by_the_day_on_which_closes_come_again() {
    let mut written = Written::new("hole");
    let (last, next) = (SECOND - 2 * HOUR, SECOND + 2 * HOUR);
    written.closes(FIRST, last, 0);
    written.closes(next - MINUTE, next + HOUR, 0);
    let history = written.history();
    let gaps = |day| written.summary(&history, day).running.gaps;
    assert_eq!(gaps(FIRST), []);
    assert_eq!(gaps(SECOND), [Gap { from: last, to: next }]);
}

/// Appends a fill of 0.5 BTC with a fee of 0.1, executed at `at` and received at `received`.
fn executed(written: &mut Written, side: Side, (at, received): (UtcMs, UtcMs), books: [&str; 3]) {
    let id = format!("{side:?}");
    let Body::Order(Order::Filled { client_id, strategy, symbol, k, mut fill, .. }) =
        filled(&id, side, 1, "100", "0.5")
    else {
        panic!("a fill");
    };
    (fill.time, fill.fee) = (at, dec("0.1"));
    let n = written.input(received, Body::Operator(Operator::Clock { time: received }));
    let filled = Order::Filled { client_id, strategy, symbol, side, k, fill };
    written.append(n, rank::ORDER_MANAGER.0, Body::Order(filled));
    let [quantity, cost, realized] = books;
    written.append(n, rank::LEDGER.0, position(quantity, cost, realized));
}

#[test]
fn an_execution_counts_at_the_time_of_the_venue_everywhere() {
    let mut written = Written::new("late-fill");
    written.close(FIRST + MINUTE, FIRST + MINUTE, "1000");
    let noon = FIRST + 12 * HOUR;
    executed(&mut written, Side::Buy, (noon, noon), ["0.5", "50", "-0.1"]);
    written.close(SECOND, SECOND, "999.9");
    let sold = SECOND - 14 * MINUTE;
    executed(&mut written, Side::Sell, (sold, SECOND + 4 * HOUR), ["0", "0", "-0.2"]);
    written.close(SECOND + 5 * HOUR, SECOND + 5 * HOUR, "999.8");
    let history = written.history();
    let tables = written.folder.join("tables");
    let rows = |period| {
        let (trades, fills) = (history.trades(None).unwrap(), history.fills(None).unwrap().rows);
        csv::write(&tables, period, (&trades, &fills, &[])).unwrap();
        let lines = |name| std::fs::read_to_string(tables.join(name)).unwrap().lines().count() - 1;
        (lines(csv::FEES) as u64, lines(csv::TRADES) as u64)
    };
    let [first, second] = [FIRST, SECOND].map(|day| {
        let money = written.summary(&history, day).money;
        assert_eq!(rows(Period::day_of(day)), (money.fills, money.trades), "tables");
        money
    });
    assert_eq!((first.fills, first.trades), (2, 1));
    assert_eq!((first.realized, first.fees["USDT"]), (dec("-0.2"), dec("0.2")));
    assert_eq!((second.fills, second.trades, second.realized), (0, 0, Decimal::ZERO));
    assert_eq!(second.fees.len(), 0);
    let trade = &history.trades(None).unwrap()[0];
    assert_eq!((trade.opened, trade.closed), (noon, Some(sold)));
    // The equity has the sale a day later; over both days the sums are equal.
    let rest = |money: &Money| money.profit - money.realized - money.unrealized;
    assert_eq!((rest(&first), rest(&second)), (dec("0.1"), dec("-0.1")));
    let facts = html::facts(&written.summary(&history, FIRST));
    assert!(facts.contains(&["other profit".to_owned(), "+0.10".to_owned()]));
}

#[test]
fn a_day_that_has_not_begun_has_no_summary() {
    let mut written = Written::new("not-begun");
    assert_eq!(
        written.summary(&written.history(), SECOND).not_begun().unwrap(),
        "there is no data yet: there was no close"
    );
    written.closes(SECOND - 2 * MINUTE, SECOND, 0);
    let history = written.history();
    assert_eq!(
        written.summary(&history, SECOND).not_begun().unwrap(),
        "there is no data for 2024-10-05 yet: the newest close is 2024-10-05 00:00"
    );
    assert_eq!(written.summary(&history, FIRST).not_begun(), None);
    assert_eq!(
        written.summary(&history, FIRST - DAY).not_begun().unwrap(),
        "there is no data for 2024-10-03: the first close is 2024-10-04 23:59"
    );
    drop(history);
    written.close(SECOND + MINUTE, SECOND + MINUTE, "1000");
    assert_eq!(written.summary(&written.history(), SECOND).not_begun(), None);
}

#[test]
fn orders_that_expired_are_among_what_went_wrong() {
    let mut written = Written::new("expired");
    written.close(FIRST + HOUR, FIRST + HOUR, "1000");
    let at = FIRST + HOUR + MINUTE;
    written.order(at, "none", true, &[changed("none", OrderStatus::Expired, "0")]);
    written.order(at, "part", true, &[changed("part", OrderStatus::Expired, "0.5")]);
    written.order(at, "good", true, &[changed("good", OrderStatus::Filled, "1")]);
    written.close(FIRST + 2 * HOUR, FIRST + 2 * HOUR, "1000");
    let Running { failures, failures_all, .. } = written.summary(&written.history(), FIRST).running;
    let texts: Vec<&str> = failures.iter().map(|trouble| trouble.text.as_str()).collect();
    assert_eq!(failures_all, 2, "{texts:?}");
    assert!(texts[0].starts_with("order none in "), "{texts:?}");
    assert!(texts[0].ends_with(" expired: unfilled"), "{texts:?}");
    assert!(texts[1].ends_with(" expired: only 0.5 filled"), "{texts:?}");
}
