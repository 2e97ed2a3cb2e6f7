//! All stages together on the plain loop, against a venue of a few lines.

use super::orders::OrderBook;
use super::stages;
use super::testing::{bar, configured, dec, instrument, sym};
use everwarm_domain::fact::kinds::kind;
use everwarm_domain::fact::{
    Accept, AtVenue, Body, Ledger, Listed, Market, Operator, Order, Venue,
};
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::money::{Decimal, Price};
use everwarm_domain::order::{
    Balance, Liquidity, OrderIntent, OrderReport, OrderStatus, ReportSource, SendAttempt, Side,
    VenueFill,
};
use everwarm_domain::settings::Settings;
use everwarm_domain::switch::Switch;
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use everwarm_kernel::fact::{Body as _, Fact, Library};
use everwarm_kernel::plain::PlainLoop;
use std::collections::BTreeMap;

/// How the venue's reports reach us.
#[derive(Clone, Copy, PartialEq)]
enum Delivery {
    /// One answer with all fills.
    Whole,
    /// A report a fill, in order.
    Torn,
    /// A report a fill, the last first, each twice, and the whole at the end.
    Scrambled,
}

/// The daemon and its venue in one thread.
struct World {
    plain: PlainLoop<Body>,
    book: OrderBook,
    facts: Vec<Fact<Body>>,
    time: UtcMs,
    prices: BTreeMap<Symbol, Price>,
    funds: BTreeMap<String, Decimal>,
    trades: u64,
    delivery: Delivery,
    /// Every so many inputs all stages are saved and resumed; 0: never.
    resume_every: u64,
    life: u64,
}

struct History(Vec<Bar>);

impl Library<Body> for History {
    fn resolve(&self, body: &Body) -> Result<Option<Body>, String> {
        let Body::Market(Market::HistoryLoaded { symbol, timeframe, .. }) = body else {
            return Ok(None);
        };
        let bars = self.0.iter().filter(|bar| bar.symbol == *symbol).copied().collect();
        let (symbol, timeframe) = (*symbol, *timeframe);
        Ok(Some(Body::Market(Market::HistoryBars { symbol, timeframe, bars })))
    }
}

fn settings() -> Settings {
    let mut settings = Settings::default();
    (settings.strategy.sma_cross.fast, settings.strategy.sma_cross.slow) = (2, 3);
    settings.trading.max_positions = 2;
    settings
}

impl World {
    fn new(delivery: Delivery, resume_every: u64) -> World {
        let mut world = World {
            plain: PlainLoop::new(stages(), Box::new(History(Vec::new()))),
            book: OrderBook::default(),
            facts: Vec::new(),
            time: 0,
            prices: BTreeMap::new(),
            funds: BTreeMap::from([("USDT".to_owned(), dec("10000"))]),
            trades: 0,
            delivery,
            resume_every,
            life: 1,
        };
        let installation = "inst".to_owned();
        world.give(Body::Operator(Operator::Started { life: 1, installation, epoch: 1 }));
        world.give(configured(&settings()));
        let rules = ["ADAUSDT", "BTCUSDT", "ETHUSDT"].map(instrument).to_vec();
        world.give(Body::Market(Market::Instruments { rules }));
        world.account();
        world
    }

    fn give(&mut self, body: Body) {
        let World { plain, book, facts, time, resume_every, .. } = self;
        let n = plain.input(*time, body, &mut |fact| {
            book.fold(fact);
            facts.push(fact.clone());
        });
        if *resume_every > 0 && n.unwrap().is_multiple_of(*resume_every) {
            for (stage, fresh) in plain.stages_mut().zip(stages()) {
                let before = std::mem::replace(stage, fresh);
                stage.load(&before.save()).unwrap();
            }
        }
    }

    fn account(&mut self) {
        let balance = |(asset, free): (&String, &Decimal)| Balance {
            asset: asset.clone(),
            free: *free,
            locked: Decimal::ZERO,
        };
        let balances = self.funds.iter().filter(|(_, f)| !f.is_zero()).map(balance).collect();
        let (life, time, open) = (self.life, self.time, Vec::new());
        self.give(Body::Venue(Venue::Account { life, time, balances, open, unread: Vec::new() }));
    }

    fn close(&mut self, bars: Vec<Bar>) {
        self.time = bars[0].open_time + MINUTE;
        self.prices.extend(bars.iter().map(|bar| (bar.symbol, bar.close)));
        self.give(Body::Market(Market::close(self.time, bars, Vec::new())));
        let sends = self.book.to_send(self.time);
        if sends.is_empty() {
            return;
        }
        let attempt = |send: &super::orders::book::ToSend| SendAttempt {
            client_id: send.intent.client_id.clone(),
            attempt: send.attempt,
            timestamp: self.time,
            recv_window: 5_000,
        };
        let attempts = sends.iter().map(attempt).collect();
        self.give(Body::Venue(Venue::Sent { attempts }));
        for send in sends {
            self.trade(&send.intent);
        }
    }

    /// Fills an order at the last price in two executions, the fee of 0.1 % in the quote asset.
    fn trade(&mut self, intent: &OrderIntent) {
        let OrderIntent { client_id, symbol, side, quantity, .. } = intent;
        let price = self.prices[symbol].decimal();
        let first = (*quantity / Decimal::TWO).round_dp(4);
        let mut fills = Vec::new();
        for quantity in [first, *quantity - first] {
            self.trades += 1;
            let amount = price * quantity;
            let fee = amount * dec("0.001");
            let sign = if *side == Side::Buy { Decimal::ONE } else { Decimal::NEGATIVE_ONE };
            *self.funds.entry("USDT".to_owned()).or_default() -= sign * amount + fee;
            let base = symbol.as_str().trim_end_matches("USDT").to_owned();
            *self.funds.entry(base).or_default() += sign * quantity;
            let (trade_id, fee_asset, time) = (self.trades, "USDT".to_owned(), self.time);
            let liquidity = Some(Liquidity::Taker);
            fills.push(VenueFill { trade_id, price, quantity, fee, fee_asset, time, liquidity });
        }
        let report = |source, status, executed, fills: &[VenueFill]| {
            Body::Venue(Venue::Reported(OrderReport {
                source,
                client_id: client_id.clone(),
                venue_order_id: fills[0].trade_id + 1_000 * u64::from(*side == Side::Sell),
                symbol: *symbol,
                side: *side,
                status,
                quantity: *quantity,
                executed,
                executed_quote: executed * price,
                fills: fills.to_vec(),
                time: self.time,
            }))
        };
        let number = |mut body: Body, id| {
            if let Body::Venue(Venue::Reported(report)) = &mut body {
                report.venue_order_id = id;
            }
            body
        };
        let id = fills[0].trade_id;
        let whole = report(ReportSource::Answer, OrderStatus::Filled, *quantity, &fills);
        let part = report(ReportSource::Stream, OrderStatus::PartlyFilled, first, &fills[..1]);
        let rest = report(ReportSource::Stream, OrderStatus::Filled, *quantity, &fills[1..]);
        let reports = match self.delivery {
            Delivery::Whole => vec![whole],
            Delivery::Torn => vec![part, rest],
            Delivery::Scrambled => vec![rest.clone(), rest, part.clone(), part, whole],
        };
        for body in reports {
            self.give(number(body, id));
        }
    }

    /// A walk of three symbols that ends in a close without a trade.
    fn walk(&mut self, closes: i64) {
        self.walk_from(1, closes);
    }

    fn walk_from(&mut self, first: i64, closes: i64) {
        let mut seed = first.cast_unsigned();
        let mut prices = [50_i64, 200, 1_000];
        for minute in first..first + closes {
            let mut bars = Vec::new();
            for (symbol, price) in ["ADAUSDT", "BTCUSDT", "ETHUSDT"].iter().zip(&mut prices) {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *price = (*price + i64::from(seed >> 60 != 0) * ((seed >> 61).cast_signed() - 3))
                    .max(20);
                bars.push(bar(symbol, minute, *price));
            }
            self.close(bars);
        }
    }

    fn bytes(&self, wanted: impl Fn(&Fact<Body>) -> bool) -> Vec<Vec<u8>> {
        let encode = |fact: &Fact<Body>| {
            let mut bytes = Vec::new();
            fact.body.encode(&mut bytes);
            bytes
        };
        self.facts.iter().filter(|fact| wanted(fact)).map(encode).collect()
    }

    fn count(&self, kind: u8) -> usize {
        self.facts.iter().filter(|fact| fact.body.kind() == kind).count()
    }
}

/// The facts of two runs over midnight, in the order of their keys: orders, a halt, a conflict that
/// an operator ends.
pub(crate) fn two_runs() -> Vec<Fact<Body>> {
    let mut world = World::new(Delivery::Torn, 0);
    let listed = |name: &str| Listed {
        symbol: sym(name),
        wanted: true,
        venue: AtVenue::Trading,
        why: "it is named".to_owned(),
    };
    let listed = ["ADAUSDT", "BTCUSDT", "ETHUSDT"].map(listed).to_vec();
    world.give(Body::Market(Market::Universe { asked: 0, basis: 2, listed, unlisted: vec![] }));
    world.walk_from(1_240, 180);
    let say = |switch| Body::Operator(Operator::Switched { switch, reason: "lunch".to_owned() });
    world.give(say(Switch::Halt));
    world.walk_from(1_420, 10);
    world.give(say(Switch::Resume));
    *world.funds.get_mut("USDT").unwrap() -= dec("7");
    world.account();
    world.life = 2;
    world.give(Body::Operator(Operator::Started {
        life: 2,
        installation: "inst".to_owned(),
        epoch: 1,
    }));
    world.account();
    let conflict = world.facts.iter().rev().find_map(|fact| {
        let Body::Ledger(Ledger::Reconciled { conflicts, .. }) = &fact.body else { return None };
        conflicts.first().cloned()
    });
    let (conflict, accept) = (conflict.expect("7 are missing"), Accept::Venue);
    let reason = "a fee".to_owned();
    world.give(Body::Operator(Operator::Resolved { conflict, accept, reason }));
    world.walk_from(1_430, 90);
    let turn = |on| say(Switch::Strategy { name: "sma_cross".to_owned(), on });
    world.give(turn(false));
    world.walk_from(1_520, 10);
    world.give(turn(true));
    world.walk_from(1_530, 80);
    world.give(say(Switch::Halt));
    world.facts
}

#[test]
fn a_round_trip_is_right_to_the_cent() {
    let mut world = World::new(Delivery::Whole, 0);
    for (minute, price) in (1..).zip([100, 99, 98, 110, 120, 125, 90, 80]) {
        world.close(vec![bar("BTCUSDT", minute, price)]);
    }
    let last = world.facts.iter().rev();
    let positions = world.facts.iter().filter_map(|fact| {
        let Body::Ledger(Ledger::Position { quantity, realized_pnl, cash, .. }) = &fact.body else {
            return None;
        };
        Some(format!("{quantity} {realized_pnl} {cash}"))
    });
    // Bought at 110 in two halves for 1,000 rounded down, sold at 90; a thousandth each way.
    let expected = ["4.5454 -0.499994 9499.506006", "9.0909 -0.999999 8999.001001"];
    let positions: Vec<String> = positions.collect();
    assert_eq!(positions[..2], expected);
    assert_eq!(positions.len(), 4);
    let bought = dec("9.0909") * dec("110");
    let sold = dec("9.0909") * dec("90");
    let profit = (sold - bought - (bought + sold) * dec("0.001")).normalize();
    let cash = (dec("10000") + profit).normalize();
    assert_eq!(positions[3], format!("0 {profit} {cash}"));
    let mut equities = last.filter_map(|fact| {
        let Body::Ledger(Ledger::Equity { equity, cash, .. }) = &fact.body else { return None };
        Some((*equity, *cash))
    });
    assert_eq!(equities.next(), Some((cash, cash)));
    assert_eq!(world.funds["USDT"], cash);
    // What was said follows from what was seen: the buy was decided at 110, valid for 300 s.
    let intents = world.facts.iter().filter_map(|fact| {
        let Body::Order(Order::Intent(intent)) = &fact.body else { return None };
        Some(intent)
    });
    let sides: Vec<_> = intents.map(|i| (i.side, i.close_time, i.valid_until)).collect();
    assert_eq!(
        sides,
        [(Side::Buy, 5 * MINUTE, 10 * MINUTE), (Side::Sell, 8 * MINUTE, 13 * MINUTE)]
    );
}

#[test]
fn the_same_inputs_give_the_same_facts_and_the_venue_agrees() {
    let mut once = World::new(Delivery::Torn, 0);
    once.walk(400);
    assert!(once.count(kind::FILLED) > 40, "{} fills", once.count(kind::FILLED));
    assert!(once.count(kind::DECLINED) > 0);
    once.account();
    let last = once.facts.last().map(|fact| &fact.body);
    assert!(
        matches!(last, Some(Body::Ledger(Ledger::Reconciled { conflicts, foreign, .. }))
            if conflicts.is_empty() && foreign.is_empty()),
        "{last:?}"
    );
    let mut twice = World::new(Delivery::Torn, 0);
    twice.walk(400);
    twice.account();
    assert!(once.facts == twice.facts || once.bytes(|_| true) == twice.bytes(|_| true));
    // Resumed from checkpoints at every turn.
    for resume_every in [1, 7, 100] {
        let mut resumed = World::new(Delivery::Torn, resume_every);
        resumed.walk(400);
        resumed.account();
        assert_eq!(once.facts.len(), resumed.facts.len());
        assert!(once.bytes(|_| true) == resumed.bytes(|_| true), "every {resume_every}");
    }
}

#[test]
fn however_reports_come_the_books_are_the_same() {
    let books = [Delivery::Whole, Delivery::Torn, Delivery::Scrambled].map(|delivery| {
        let mut world = World::new(delivery, 0);
        world.walk(300);
        assert_eq!(world.count(kind::COMPARED), 1, "no conflict came of it");
        let kinds = [kind::FILLED, kind::POSITION, kind::EQUITY, kind::INTENT, kind::FEATURES];
        kinds.map(|kind| world.bytes(|fact| fact.body.kind() == kind))
    });
    assert!(books[0] == books[1] && books[1] == books[2]);
}

#[test]
fn history_makes_the_first_close_count() {
    let bars: Vec<Bar> = (1..=3).zip([100, 99, 98]).map(|(m, p)| bar("BTCUSDT", m, p)).collect();
    let mut world = World::new(Delivery::Whole, 0);
    world.plain = PlainLoop::new(stages(), Box::new(History(bars)));
    world.give(configured(&settings()));
    world.give(Body::Market(Market::HistoryLoaded {
        symbol: sym("BTCUSDT"),
        timeframe: Timeframe::M1,
        from: MINUTE,
        to: 3 * MINUTE,
        count: 3,
        digest: 0,
    }));
    assert_eq!(world.count(kind::FEATURES), 0);
    assert_eq!(world.count(kind::HISTORY_BARS), 0, "the journal keeps the reference");
    world.close(vec![bar("BTCUSDT", 4, 110)]);
    let row = world.facts.iter().find_map(|fact| {
        let Body::Analysis(everwarm_domain::fact::Analysis::Features { rows, .. }) = &fact.body
        else {
            return None;
        };
        Some(rows[0])
    });
    let row = row.unwrap();
    assert_eq!((row.sma_fast, row.sma_slow), (104.0, 307.0 / 3.0));
}
