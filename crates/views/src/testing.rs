//! A small journal for tests: one run, two closes, one order filled in two parts, one declined
//! signal.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

pub mod lagging;

use super::exit::Failure;
use super::journal_reader::JournalFacts;
use everwarm_domain::fact::{
    Analysis, Body, BreakerLevel, Decision, Ledger, Market, Operator, Order, Signal, Venue,
};
use everwarm_domain::features::{FeatureHead, FeatureTable};
use everwarm_domain::id::{ClientOrderId, Symbol, VenueId};
use everwarm_domain::market::Bar;
use everwarm_domain::money::{Decimal, Price};
use everwarm_domain::order::{
    Balance, Liquidity, OrderIntent, OrderReport, OrderStatus, OrderType, ReportSource,
    SendAttempt, Side, Validity, VenueFill,
};
use everwarm_domain::signal::{Direction, Intent};
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use everwarm_kernel::fact::{Fact, Key};
use everwarm_trading::testing::AccountFact;
use std::ops::ControlFlow;

/// 2021-01-08 12:03 UTC.
pub const T: UtcMs = 1_610_107_380_000;
/// Id of the order in the journal.
pub const ID: &str = "ew-abcdefghijklmnopqrstuvwxyz";

/// Facts in memory; the row of a fact is its position, from 1.
pub struct Facts(pub Vec<Fact<Body>>);

impl JournalFacts for Facts {
    fn each(
        &self,
        from_row: u64,
        see: &mut dyn FnMut(u64, &Fact<Body>) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        for (row, fact) in (1..).zip(&self.0) {
            if row >= from_row && see(row, fact).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// A decimal from its text.
pub fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// A symbol from its text.
pub fn symbol(name: &str) -> Symbol {
    Symbol::new(name).unwrap()
}

fn id() -> ClientOrderId {
    ClientOrderId(ID.into())
}

fn bar(name: &str, open_time: UtcMs, close: i64) -> Bar {
    let price = |units: i64| Price::e8(units * 100_000_000);
    Bar {
        symbol: symbol(name),
        open_time,
        open: price(close - 5),
        high: price(close + 1),
        low: price(close - 9),
        close: price(close),
        volume: dec("12.5"),
    }
}

/// The close of a minute at `time`, with one bar missing.
pub fn close(time: UtcMs) -> Body {
    let bars = vec![bar("BTCUSD", time - MINUTE, 40_000), bar("ETHUSD", time - MINUTE, 1250)];
    Body::Market(Market::close(time, bars, vec![symbol("LTCUSD")]))
}

/// The equity after a close.
pub fn equity(time: UtcMs, equity: &str) -> Body {
    Body::Ledger(Ledger::Equity {
        time,
        equity: dec(equity),
        cash: dec("9000"),
        adjusted: Decimal::ZERO,
    })
}

fn signal(name: &str) -> Signal {
    Signal {
        strategy: "sma_cross".into(),
        symbol: symbol(name),
        intent: Intent::Open,
        direction: Direction::Long,
        confidence_ppm: 631_000,
        price: Price::e8(125_000_000_000),
        close_time: T,
        reason: "the 10-bar average crossed above the 30-bar one".into(),
        terms: Box::default(),
    }
}

fn intent() -> OrderIntent {
    OrderIntent {
        client_id: id(),
        strategy: "sma_cross".into(),
        symbol: symbol("ETHUSD"),
        side: Side::Buy,
        order_type: OrderType::Market,
        quantity: dec("0.8"),
        price: None,
        close_time: T,
        valid_until: T + 5 * MINUTE,
        terms: Box::default(),
    }
}

fn report(executed: &str, quote: &str, status: OrderStatus) -> Body {
    Body::Venue(Venue::Reported(OrderReport {
        source: ReportSource::Answer,
        client_id: id(),
        venue_order_id: 17.into(),
        symbol: symbol("ETHUSD"),
        side: Side::Buy,
        status,
        quantity: dec("0.8"),
        executed: dec(executed),
        executed_quote: dec(quote),
        fills: vec![],
        time: T + 20,
    }))
}

fn changed(executed: &str, quote: &str, status: OrderStatus) -> Body {
    Body::Order(Order::Changed {
        client_id: id(),
        symbol: symbol("ETHUSD"),
        venue_order_id: Some(17.into()),
        status,
        executed: dec(executed),
        executed_quote: dec(quote),
        reason: String::new(),
    })
}

fn filled(k: u32, quantity: &str) -> Body {
    Body::Order(Order::Filled {
        client_id: id(),
        strategy: "sma_cross".into(),
        symbol: symbol("ETHUSD"),
        side: Side::Buy,
        k,
        fill: VenueFill {
            trade_id: (900 + u64::from(k)).into(),
            price: dec("1250.5"),
            quantity: dec(quantity),
            fee: dec("0.25"),
            fee_asset: "USD".into(),
            time: T + 20,
            liquidity: Some(Liquidity::Taker),
        },
    })
}

fn position(quantity: &str, cost: &str) -> Body {
    Body::Ledger(Ledger::Position {
        symbol: symbol("ETHUSD"),
        quantity: dec(quantity),
        cost: dec(cost),
        realized_pnl: dec("-0.25"),
        cash: dec("9000"),
    })
}

fn planned() -> Body {
    let features = ["sma(10)@1m", "sma(30)@1m"].map(str::to_owned).to_vec();
    Body::Analysis(Analysis::FeaturePlan { plan: 2, features })
}

fn features() -> Body {
    let head =
        |name| FeatureHead { symbol: symbol(name), time: T, close: Price::e8(125_000_000_000) };
    let heads = ["BTCUSD", "ETHUSD"].map(head).to_vec();
    let table = FeatureTable::of(2, heads, [1249.5, 1249.25].repeat(2));
    Body::Analysis(Analysis::FeatureValues { plan: 2, timeframe: Timeframe::M1, table })
}

fn account() -> Body {
    let usd = Balance { asset: "USD".into(), free: dec("10000"), locked: dec("0") };
    AccountFact { time: T - MINUTE, balances: vec![usd], ..AccountFact::default() }.body()
}

fn started() -> Body {
    Body::Operator(Operator::Started { life: 1, installation: "demo".into(), epoch: 0 })
}

fn reconciled() -> Body {
    Body::Ledger(Ledger::Reconciled {
        life: 1,
        conflicts: vec![],
        foreign: vec![],
        cash: Decimal::ZERO,
        venue: VenueId::default(),
    })
}

fn sent() -> Body {
    let attempt =
        SendAttempt { client_id: id(), attempt: 1, validity: Validity::within(T + 12, 5_000) };
    Body::Venue(Venue::Sent { attempts: vec![attempt] })
}

pub fn journal() -> Facts {
    let mut facts = Vec::new();
    let mut append = |n: u64, rank: u16, i: u16, time: UtcMs, because: Vec<Key>, body: Body| {
        facts.push(Fact { key: Key { n, rank, i }, time, version: 1, because, body });
    };
    let key = |n, rank, i| Key { n, rank, i };
    let breaker = |level, reasons| {
        Body::Decision(Decision::Breaker { level, reasons, barred: vec![], strategies: vec![] })
    };
    let declined = Body::Decision(Decision::Declined {
        signal: signal("BTCUSD"),
        code: "max-positions".into(),
        text: "1 position is open, 1 is allowed".into(),
    });
    let approved = Body::Decision(Decision::Approved {
        intent: intent(),
        reserved: dec("1005"),
        reason: signal("ETHUSD").reason,
        sizing: None,
    });
    let signals =
        Body::Analysis(Analysis::Signals { rows: vec![signal("BTCUSD"), signal("ETHUSD")] });
    append(1, 0, 0, T - MINUTE, vec![], started());
    append(1, 500, 0, T - MINUTE, vec![], breaker(BreakerLevel::Normal, vec![]));
    append(2, 0, 0, T - MINUTE, vec![], account());
    append(2, 800, 0, T - MINUTE, vec![], reconciled());
    append(2, 200, 0, T - MINUTE, vec![], planned());
    append(3, 0, 0, T, vec![], close(T));
    append(3, 200, 0, T, vec![], features());
    append(3, 400, 0, T, vec![key(3, 200, 0)], signals);
    append(3, 600, 0, T, vec![key(3, 400, 0)], approved);
    append(3, 600, 1, T, vec![key(3, 400, 0)], declined);
    append(3, 700, 0, T, vec![key(3, 600, 0)], Body::Order(Order::Intent(intent())));
    append(3, 800, 0, T, vec![], equity(T, "10000"));
    append(4, 0, 0, T + 12, vec![], sent());
    append(4, 700, 0, T + 12, vec![], changed("0", "0", OrderStatus::Sent));
    append(5, 0, 0, T + 20, vec![], report("0.8", "1000.4", OrderStatus::Filled));
    append(5, 700, 0, T + 20, vec![], filled(1, "0.5"));
    append(5, 700, 1, T + 20, vec![], filled(2, "0.3"));
    append(5, 700, 2, T + 20, vec![], changed("0.8", "1000.4", OrderStatus::Filled));
    append(5, 800, 0, T + 20, vec![key(5, 700, 0)], position("0.5", "625.25"));
    append(5, 800, 1, T + 20, vec![key(5, 700, 1)], position("0.8", "1000.4"));
    append(6, 0, 0, T + MINUTE, vec![], close(T + MINUTE));
    append(6, 800, 0, T + MINUTE, vec![], equity(T + MINUTE, "9999.6"));
    Facts(facts)
}

/// Panics if the command line has no such command, or if the command has no such flag.
pub fn can_be_typed(command: &str) {
    const HELP: &str = include_str!("../../../tests/cli/help.txt");
    let words: Vec<&str> = command.split_whitespace().collect();
    let mut helps = words.iter().scan("$".to_owned(), |path, word| {
        *path = format!("{path} {word}");
        HELP.split_once(&format!("{path} --help\n")).map(|(_, after)| after)
    });
    let help = helps.by_ref().last().unwrap_or_else(|| panic!("{command}: no such command"));
    let help = help.split("\n$ ").next().unwrap_or(help);
    for flag in words.iter().filter(|word| word.starts_with("--")) {
        let taken = help.split_whitespace().any(|word| word == *flag);
        assert!(taken, "{command}: takes no {flag}");
    }
}
