//! Tests of the history on a real file: project, reopen, query.

use super::bars::{self, digest};
use super::page::{Page, Paged};
use super::projection::projected_through;
use super::{History, HistoryLibrary, Projector};
use everwarm_domain::fact::{Analysis, Body, Ledger, Market, Order};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::instrument::Instrument;
use everwarm_domain::market::{Bar, RolledBar};
use everwarm_domain::money::{Decimal, Price};
use everwarm_domain::order::{Liquidity, OrderIntent, OrderStatus, OrderType, Side, VenueFill};
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use everwarm_kernel::fact::{Fact, Key, Library};
use everwarm_runtime::store::archive::Archive;
use everwarm_trading::testing::instrument;
use std::path::PathBuf;
use std::sync::Arc;

/// A temporary folder, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let name = format!("everwarm-history-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        // An earlier process with this id may have left one.
        std::fs::remove_dir_all(&path).ok();
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
    fn open(&self) -> Arc<Archive> {
        Arc::new(Archive::open(&self.0.join(super::FILE)).unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn symbol(name: &str) -> Symbol {
    Symbol::new(name).unwrap()
}

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn bar(name: &str, open_time: UtcMs, close: i64) -> Bar {
    let price = Price::e8(close * 100_000_000);
    let symbol = symbol(name);
    Bar {
        symbol,
        open_time,
        open: price,
        high: price,
        low: price,
        close: price,
        volume: dec("1.5"),
    }
}

fn fact(n: u64, rank: u16, i: u16, time: UtcMs, body: Body) -> Fact<Body> {
    Fact { key: Key { n, rank, i }, time, version: 1, because: Vec::new(), body }
}

fn intent(id: &str) -> OrderIntent {
    OrderIntent {
        client_id: ClientOrderId(id.into()),
        strategy: "sma_cross".into(),
        symbol: symbol("ETHUSD"),
        side: Side::Buy,
        order_type: OrderType::Market,
        quantity: dec("3.00"),
        price: None,
        close_time: 2 * MINUTE,
        valid_until: 7 * MINUTE,
        terms: Box::default(),
    }
}

fn filled(id: &str, trade: u64, quantity: &str) -> Body {
    Body::Order(Order::Filled {
        client_id: ClientOrderId(id.into()),
        strategy: "sma_cross".into(),
        symbol: symbol("ETHUSD"),
        side: Side::Buy,
        k: 1,
        fill: VenueFill {
            trade_id: trade.into(),
            price: dec("100.10"),
            quantity: dec(quantity),
            fee: dec("0.10"),
            fee_asset: "USD".into(),
            time: 2 * MINUTE + 5,
            liquidity: Some(Liquidity::Taker),
        },
    })
}

fn position(quantity: &str, cost: &str, realized: &str) -> Body {
    Body::Ledger(Ledger::Position {
        symbol: symbol("ETHUSD"),
        quantity: dec(quantity),
        cost: dec(cost),
        realized_pnl: dec(realized),
        cash: dec("1000"),
    })
}

/// One round: a close, an intent, a partial fill, the books.
fn a_round() -> Vec<(u64, Fact<Body>)> {
    let close = |time, price| {
        let bars = vec![bar("BTCUSD", time - MINUTE, 900), bar("ETHUSD", time - MINUTE, price)];
        Body::Market(Market::close(time, bars, vec![]))
    };
    let changed = Body::Order(Order::Changed {
        client_id: ClientOrderId("ew-1".into()),
        symbol: symbol("ETHUSD"),
        venue_order_id: Some(17.into()),
        status: OrderStatus::PartlyFilled,
        executed: dec("2.0"),
        executed_quote: dec("200.20"),
        reason: String::new(),
    });
    let rolled = Body::Analysis(Analysis::Rolled {
        timeframe: Timeframe::M5,
        bars: vec![RolledBar { bar: bar("ETHUSD", 0, 100), count: 2, complete: false }],
    });
    let equity = Body::Ledger(Ledger::Equity {
        time: 2 * MINUTE,
        equity: dec("1000.50"),
        cash: dec("800"),
        adjusted: dec("-1"),
    });
    let t = 2 * MINUTE;
    vec![
        (1, fact(1, 0, 0, t, close(t, 100))),
        (2, fact(1, 100, 0, t, rolled)),
        (3, fact(1, 700, 0, t, Body::Order(Order::Intent(intent("ew-1"))))),
        (4, fact(1, 800, 0, t, equity)),
        (5, fact(2, 700, 0, t + 5, changed)),
        (6, fact(2, 700, 1, t + 5, filled("ew-1", 9, "2.0"))),
        (7, fact(2, 800, 0, t + 5, position("2.0", "200.2", "-0.1"))),
        (8, fact(3, 0, 0, t + MINUTE, close(t + MINUTE, 110))),
    ]
}

fn apply(projector: &mut Projector, facts: &[(u64, Fact<Body>)]) {
    let through = facts.last().map_or(0, |(row, _)| *row);
    projector.apply(facts.iter().map(|(row, fact)| (*row, fact)), through, true).unwrap();
}

#[test]
fn the_public_shapes_are_what_the_facts_said() {
    let folder = Folder::new("shapes");
    let archive = folder.open();
    apply(&mut Projector::new(Arc::clone(&archive)).unwrap(), &a_round());
    let history = History::new(archive);
    let first = |rows: serde_json::Value| rows[0].to_string().replace(',', ", ");
    let orders = first(serde_json::to_value(history.orders(None).unwrap().rows).unwrap());
    assert_eq!(
        orders,
        concat!(
            r#"{"average_price":"100.1", "client_order_id":"ew-1", "filled_quantity":"2", "#,
            r#""price":null, "quantity":"3", "side":"buy", "status":"partly_filled", "#,
            r#""stop_price":null, "#,
            r#""strategy":"sma_cross", "symbol":"ETHUSD", "time":120000, "type":"market", "#,
            r#""venue_order_id":"17"}"#
        )
    );
    let fills = first(serde_json::to_value(history.fills(None).unwrap().rows).unwrap());
    assert_eq!(
        fills,
        concat!(
            r#"{"client_order_id":"ew-1", "fee":"0.1", "fee_asset":"USD", "price":"100.1", "#,
            r#""quantity":"2", "side":"buy", "symbol":"ETHUSD", "time":120005, "trade_id":"9"}"#
        )
    );
    let positions = first(serde_json::to_value(history.positions().unwrap()).unwrap());
    assert_eq!(
        positions,
        concat!(
            r#"{"average_price":"100.1", "quantity":"2", "realized_pnl":"-0.1", "#,
            r#""standing":null, "symbol":"ETHUSD", "unrealized_pnl":"19.8"}"#
        )
    );
    let equity = first(serde_json::to_value(history.equity(None).unwrap().rows).unwrap());
    assert_eq!(equity, r#"{"adjusted":"-1", "cash":"800", "equity":"1000.5", "time":120000}"#);
}

#[test]
fn facts_applied_again_leave_the_same_rows() {
    let folder = Folder::new("again");
    let facts = a_round();
    let archive = folder.open();
    let mut projector = Projector::new(Arc::clone(&archive)).unwrap();
    apply(&mut projector, &facts[..6]);
    apply(&mut projector, &facts);
    assert_eq!(projector.through(), 8);
    let once = History::new(Arc::clone(&archive));
    let (orders, fills) = (once.orders(None).unwrap().rows, once.fills(None).unwrap().rows);
    projector.rebuild().unwrap();
    assert!(once.fills(None).unwrap().rows.is_empty());
    drop((projector, once, archive));

    let archive = folder.open();
    let mut projector = Projector::new(Arc::clone(&archive)).unwrap();
    assert_eq!(projector.through(), 0);
    apply(&mut projector, &facts);
    assert_eq!(projected_through(&archive).unwrap(), 8);
    let again = History::new(archive);
    assert_eq!(
        (orders, fills),
        (again.orders(None).unwrap().rows, again.fills(None).unwrap().rows)
    );
}

#[test]
fn limits_give_the_newest_last() {
    let folder = Folder::new("limits");
    let archive = folder.open();
    let mut projector = Projector::new(Arc::clone(&archive)).unwrap();
    let equity = |minute: i64| {
        let time = minute * MINUTE;
        let body = Body::Ledger(Ledger::Equity {
            time,
            equity: minute.into(),
            cash: minute.into(),
            adjusted: Decimal::ZERO,
        });
        (minute.cast_unsigned(), fact(minute.cast_unsigned(), 800, 0, time, body))
    };
    apply(&mut projector, &(1..=300).map(equity).collect::<Vec<_>>());
    let history = History::new(archive);
    let mut pages = Vec::new();
    let mut page = Page::from(Some(7));
    loop {
        let Paged { rows, older } = history.equity(page).unwrap();
        pages.splice(0..0, rows);
        let Some(older) = older else { break };
        page = Page { limit: Some(7), before: Some(older.to_string().parse().unwrap()) };
    }
    assert_eq!(pages, history.equity(None).unwrap().rows, "43 pages are the whole");
    assert_eq!(history.equity(Some(300)).unwrap().older, None, "a full page may be the last");
    assert_eq!(history.equity(Some(0)).unwrap().rows, []);
    let times: Vec<_> = history
        .equity(Some(2))
        .unwrap()
        .rows
        .into_iter()
        .map(|point| point.time / MINUTE)
        .collect();
    assert_eq!(times, [299, 300]);
    assert_eq!(history.equity(None).unwrap().rows.len(), 300);
}

#[test]
fn a_mark_is_found_behind_many_closes_without_the_symbol() {
    let folder = Folder::new("marks");
    let archive = folder.open();
    let mut projector = Projector::new(Arc::clone(&archive)).unwrap();
    let mut facts = a_round();
    for n in 9..900_u64 {
        let time = n.cast_signed() * MINUTE;
        let bars = vec![bar("BTCUSD", time - MINUTE, 900)];
        let body = Body::Market(Market::close(time, bars, vec![symbol("ETHUSD")]));
        facts.push((n, fact(n, 0, 0, time, body)));
    }
    apply(&mut projector, &facts);
    let positions = History::new(archive).positions().unwrap();
    assert_eq!(positions[0].unrealized_pnl, Some(dec("19.8")));
}

#[test]
fn trades_run_from_flat_to_flat() {
    let folder = Folder::new("trades");
    let archive = folder.open();
    let mut projector = Projector::new(Arc::clone(&archive)).unwrap();
    let steps = [
        position("2", "200", "-1"),
        position("1", "100", "4"),
        position("0", "0", "9"),
        position("3", "300", "8.5"),
    ];
    let facts =
        (1..).zip(steps).map(|(n, body)| (n, fact(n, 800, 0, n.cast_signed() * MINUTE, body)));
    let facts = facts.collect::<Vec<_>>();
    apply(&mut projector, &facts);
    let trades = History::new(archive).trades(None).unwrap();
    let rows: Vec<_> = trades
        .iter()
        .map(|t| (t.opened / MINUTE, t.closed.map(|c| c / MINUTE), t.quantity, t.pnl))
        .collect();
    assert_eq!(rows, [(1, Some(3), dec("2"), dec("9")), (4, None, dec("3"), dec("-0.5"))]);
}

#[test]
fn a_trade_ends_with_the_sale_that_leaves_nothing_to_sell() {
    let folder = Folder::new("dust");
    let archive = folder.open();
    let mut projector = Projector::new(Arc::clone(&archive)).unwrap();
    let rule = Instrument { min_quantity: dec("0.01"), ..instrument("ETHUSD") };
    let steps = [
        Body::Market(Market::Instruments { rules: vec![rule] }),
        // The first part of an entry is dust, too.
        position("0.005", "0.5", "0"),
        position("1.999", "200", "0"),
        // The last parts of a sale leave dust one after the other.
        position("0.0090", "0.9", "3.3"),
        position("0.0005", "0.05", "3.31"),
        // An operator writes some of it off; then it goes on.
        position("0.0004", "0.04", "3.31"),
        position("3.0004", "300.04", "3.31"),
        position("0.0004", "0.04", "2.3"),
        position("1.0004", "99.04", "2.3"),
        position("0", "0", "2.5"),
    ];
    let facts = (1..).zip(steps);
    let facts = facts.map(|(n, body)| (n, fact(n, 800, 0, n.cast_signed() * MINUTE, body)));
    apply(&mut projector, &facts.collect::<Vec<_>>());
    let history = History::new(archive);
    let trades = history.trades(None).unwrap();
    let rows = trades.iter().map(|t| (t.opened / MINUTE, t.closed.unwrap() / MINUTE, t.pnl));
    let ends = [(2, 5, dec("3.31")), (7, 8, dec("-1.01")), (9, 10, dec("0.2"))];
    assert_eq!(rows.collect::<Vec<_>>(), ends);
    assert_eq!((trades[1].quantity, trades[1].cost), (dec("3.0004"), dec("300.04")));
    let made: Decimal = trades.iter().map(|trade| trade.pnl).sum();
    assert_eq!(made, dec("2.5"), "what the books locked in");
    let dust: Vec<bool> = history.booked().unwrap().iter().map(|booked| booked.dust).collect();
    assert_eq!(dust, [true, false, true, true, true, false, true, false, true]);
}

#[test]
fn announced_history_is_handed_out_whole_or_refused() {
    let folder = Folder::new("library");
    let archive = folder.open();
    let eth: Vec<Bar> = (0..5).map(|i| bar("ETHUSD", i * MINUTE, 100 + i)).collect();
    let ranges = [(symbol("ETHUSD"), eth.clone()), (symbol("LTCUSD"), vec![])];
    let announced = bars::keep(&archive, Timeframe::M1, &ranges).unwrap();
    let [Market::HistoryLoaded { count: 5, digest: expected, .. }] = announced[..] else {
        panic!("one range was announced: {announced:?}");
    };
    assert_eq!(expected, digest(&eth));
    drop(archive);

    let archive = folder.open();
    let library = HistoryLibrary::new(Arc::clone(&archive));
    let resolve = |market: &Market| library.resolve(&Body::Market(market.clone()));
    let Some(Body::Market(Market::HistoryBars { bars: given, .. })) =
        resolve(&announced[0]).unwrap()
    else {
        panic!("the announced bars were expected");
    };
    assert_eq!(given, eth);

    for wrong in [(5, expected ^ 1, 4), (4, expected, 4), (5, expected, 3)] {
        let mut market = announced[0].clone();
        let Market::HistoryLoaded { count, digest, to, .. } = &mut market else { unreachable!() };
        (*count, *digest, *to) = (wrong.0, wrong.1, wrong.2 * MINUTE);
        let error = resolve(&market).unwrap_err();
        assert!(error.contains("ETHUSD 1m"), "{error}");
    }
    assert_eq!(
        library.resolve(&Body::Market(Market::LateBar { bar: eth[0], odd: None })),
        Ok(None)
    );
}

#[test]
fn a_later_fetch_does_not_change_what_was_announced() {
    let folder = Folder::new("refetch");
    let archive = folder.open();
    let fetch = |close| vec![(symbol("ETHUSD"), vec![bar("ETHUSD", 0, close)])];
    let first = bars::keep(&archive, Timeframe::M1, &fetch(100)).unwrap().remove(0);
    bars::keep(&archive, Timeframe::M1, &fetch(200)).unwrap();
    let library = HistoryLibrary::new(archive);
    assert!(library.resolve(&Body::Market(first)).unwrap().is_some());
}

#[test]
fn fetched_and_told_bars_are_read_together() {
    let folder = Folder::new("read");
    let archive = folder.open();
    let eth: Vec<Bar> = (-3..1).map(|i| bar("ETHUSD", i * MINUTE, 50)).collect();
    bars::keep(&archive, Timeframe::M1, &[(symbol("ETHUSD"), eth)]).unwrap();
    apply(&mut Projector::new(Arc::clone(&archive)).unwrap(), &a_round());
    let read = |from: i64, to: i64| {
        let times = from * MINUTE..=to * MINUTE;
        let bars = bars::read(&archive, Timeframe::M1, symbol("ETHUSD"), times).unwrap();
        bars.iter()
            .map(|b| (b.open_time / MINUTE, b.close.units() / 100_000_000))
            .collect::<Vec<_>>()
    };
    assert_eq!(read(-2, 9), [(-2, 50), (-1, 50), (0, 50), (1, 100), (2, 110)]);
    assert_eq!(read(1, 1), [(1, 100)]);
    assert_eq!(read(4, 1), []);
}

#[test]
fn what_was_told_later_is_not_in_what_was_known() {
    let folder = Folder::new("as-of");
    let archive = folder.open();
    let eth: Vec<Bar> = (-3..1).map(|i| bar("ETHUSD", i * MINUTE, 50)).collect();
    bars::keep(&archive, Timeframe::M1, &[(symbol("ETHUSD"), eth)]).unwrap();
    let close = |n: u64, minute: i64| {
        let bars = ["BTCUSD", "ETHUSD"].map(|name| bar(name, minute * MINUTE, 100 + minute));
        let body = Market::close((minute + 1) * MINUTE, bars.to_vec(), Vec::new());
        (n, fact(n, 0, 0, 0, Body::Market(body)))
    };
    let late = Market::LateBar { bar: bar("ETHUSD", 2 * MINUTE, 7), odd: None };
    let facts = [close(1, 1), close(5, 3), (9, fact(9, 0, 0, 0, Body::Market(late)))];
    apply(&mut Projector::new(Arc::clone(&archive)).unwrap(), &facts);
    let known = |n: u64| {
        let (name, times) = (symbol("ETHUSD"), -2 * MINUTE..=9 * MINUTE);
        let bars = bars::read_as_of(&archive, Timeframe::M1, name, (times, n)).unwrap();
        bars.iter()
            .map(|b| (b.open_time / MINUTE, b.close.units() / 100_000_000))
            .collect::<Vec<_>>()
    };
    assert_eq!(known(4), [(-2, 50), (-1, 50), (0, 50), (1, 101)]);
    assert_eq!(known(5).last(), Some(&(3, 103)));
    assert_eq!(known(9).len(), 6);
}

#[test]
fn bars_that_break_the_rules_are_not_kept() {
    let folder = Folder::new("refused");
    let archive = folder.open();
    let refused = |bars: Vec<Bar>| {
        bars::keep(&archive, Timeframe::M1, &[(symbol("ETHUSD"), bars)]).unwrap_err().to_string()
    };
    let good = bar("ETHUSD", MINUTE, 100);
    assert!(refused(vec![good, good]).contains("not after the one before"));
    assert!(refused(vec![bar("ETHUSD", 1, 100)]).contains("off the grid"));
    assert!(refused(vec![bar("BTCUSD", MINUTE, 100)]).contains("is of BTCUSD"));
    assert!(refused(vec![Bar { high: Price::e8(1), ..good }]).contains("high"));
}
