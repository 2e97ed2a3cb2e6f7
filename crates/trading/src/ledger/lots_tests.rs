//! Tests lots of several strategies and symbols: shortages, and which strategy gets the profit.

use super::*;
use crate::testing::{
    AccountFact, close, configured, dec, fact, facts_of, instrument, position, sym,
};
use everwarm_domain::id::{ClientOrderId, VenueId};
use everwarm_domain::instrument::Instrument;
use everwarm_domain::order::{Side, VenueFill};
use everwarm_domain::time::MINUTE;

/// A ledger with two symbols of one base asset, and the number of the last input.
struct Books {
    ledger: Ledger,
    n: u64,
}

impl Books {
    fn new() -> Books {
        let mut books = Books { ledger: Ledger::default(), n: 0 };
        books.input(configured(&Settings::default()));
        let usdc = Instrument { base: "BTC".to_owned(), ..instrument("BTCUSDC") };
        let rules = vec![instrument("BTCUSDT"), usdc];
        books.input(Body::Market(Market::Instruments { rules }));
        books.account("0", "100000");
        books.input(close("BTCUSDT", 0, 100));
        books
    }

    fn next(&mut self, rank: u16, body: Body) -> Fact<Body> {
        self.n += 1;
        fact(self.n, rank, body)
    }

    fn input(&mut self, body: Body) -> Vec<Body> {
        let fact = self.next(0, body);
        facts_of(&mut self.ledger, &fact)
    }

    fn account(&mut self, btc: &str, usdt: &str) -> Vec<Conflict> {
        let balance = |(asset, free): (&str, &str)| Balance {
            asset: asset.to_owned(),
            free: dec(free),
            locked: Decimal::ZERO,
        };
        let balances = [("BTC", btc), ("USDT", usdt)].map(balance).to_vec();
        self.input(AccountFact { balances, ..AccountFact::default() }.body());
        let compared = Order::Compared { life: 1, conflicts: Vec::new() };
        facts_of(&mut self.ledger, &fact(self.n, 700, Body::Order(compared)));
        self.ledger.conflicts.clone()
    }

    /// Books an execution at a minute; returns the facts.
    fn trades(
        &mut self,
        (strategy, symbol, minute): (&str, &str, i64),
        side: Side,
        (price, quantity): (&str, &str),
        (fee, fee_asset): (&str, &str),
    ) -> Vec<Body> {
        let id = if strategy == "panic" { "ew-panic-1-0" } else { "ew-1" };
        let mut fact = self.next(
            700,
            Body::Order(Order::Filled {
                client_id: ClientOrderId(id.to_owned()),
                strategy: strategy.to_owned(),
                symbol: sym(symbol),
                side,
                k: 1,
                fill: VenueFill {
                    fee: dec(fee),
                    fee_asset: fee_asset.to_owned(),
                    ..crate::testing::trade(1, price, quantity)
                },
            }),
        );
        fact.time = minute * MINUTE;
        let facts = facts_of(&mut self.ledger, &fact);
        let bytes = self.ledger.save();
        self.ledger = Ledger::default();
        self.ledger.load(&bytes).unwrap();
        assert_eq!(self.ledger.save(), bytes);
        facts
    }

    fn buys(&mut self, strategy: &str, symbol: &str, minute: i64) {
        self.trades((strategy, symbol, minute), Side::Buy, ("100", "2"), ("0", "USDT"));
    }

    /// The ledger's facts after an operator accepts the venue's balance of BTC.
    fn accepts(&mut self, btc: &str) -> Vec<Body> {
        let conflicts = self.account(btc, "100000");
        let conflict = conflicts.into_iter().find(|conflict| conflict.about == "BTC").unwrap();
        let (accept, reason) = (Accept::Venue, "sold by hand".to_owned());
        self.input(Body::Operator(Operator::Resolved {
            conflict,
            accept,
            reason,
            venue: VenueId::default(),
        }))
    }
}

/// The adjustments, positions and lots of each symbol, as text.
#[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
fn words(facts: &[Body]) -> Vec<String> {
    let word = |body: &Body| {
        let Body::Ledger(fact) = body else { return None };
        match fact {
            LedgerFact::Adjusted { part, amount, value, .. } => {
                Some(format!("{part:?} {amount} worth {value}"))
            }
            LedgerFact::Position { symbol, quantity, .. } => Some(format!("{symbol} {quantity}")),
            LedgerFact::Lot { strategy, symbol, quantity, .. } => {
                Some(format!("{strategy} {quantity} {symbol}"))
            }
            _ => None,
        }
    };
    facts.iter().filter_map(word).collect()
}

#[test]
fn a_shortage_is_taken_from_the_youngest_lot_of_all_symbols_of_its_asset() {
    let mut books = Books::new();
    books.buys("a", "BTCUSDC", 1);
    books.buys("b", "BTCUSDT", 2);
    books.buys("c", "BTCUSDC", 3);
    books.buys("d", "BTCUSDT", 4);
    // d, then c, then half of b: lots go by age, not symbol by symbol.
    let want = [
        "Position(BTCUSDC) -2 worth -200",
        "BTCUSDC 2",
        "Position(BTCUSDT) -3 worth -300",
        "BTCUSDT 1",
        "d 0 BTCUSDT",
        "b 1 BTCUSDT",
        "c 0 BTCUSDC",
    ];
    assert_eq!(words(&books.accepts("3")), want);
    // The oldest stays longest, though its symbol is the first by name.
    let want = [
        "Position(BTCUSDC) -0.5 worth -50",
        "BTCUSDC 1.5",
        "Position(BTCUSDT) -1 worth -100",
        "BTCUSDT 0",
        "b 0 BTCUSDT",
        "a 1.5 BTCUSDC",
    ];
    assert_eq!(words(&books.accepts("1.5")), want);
}

#[test]
fn a_shortage_goes_by_symbol_where_lots_were_opened_before_they_were_kept() {
    let mut books = Books::new();
    for symbol in ["BTCUSDT", "BTCUSDC"] {
        books.buys("sma_cross", symbol, 1);
        let reported = books.next(800, position(symbol, "2", "0"));
        books.ledger.evolve(&Fact { version: 2, ..reported });
    }
    books.buys("b", "BTCUSDT", 2);
    let appended = words(&books.accepts("1"));
    let lots = appended.iter().rev().take(3).rev().collect::<Vec<_>>();
    assert_eq!(lots, ["b 0 BTCUSDT", "sma_cross 1 BTCUSDT", "sma_cross 0 BTCUSDC"]);
}

#[test]
fn the_order_in_which_sales_of_two_lots_are_reported_makes_no_difference() {
    let mut ends = Vec::new();
    for [one, other] in [["a", "b"], ["b", "a"]] {
        let mut books = Books::new();
        for (strategy, price, quantity) in [("a", "81.13", "0.7"), ("b", "80.97", "0.93")] {
            let of = (strategy, "BTCUSDT", 1);
            books.trades(of, Side::Buy, (price, quantity), ("0", "USDT"));
        }
        for quantity in ["0.11", "0.23", "0.01"] {
            for strategy in [one, other] {
                let of = (strategy, "BTCUSDT", 2);
                books.trades(of, Side::Sell, ("77.7", quantity), ("0.013", "USDT"));
            }
        }
        let position = books.ledger.positions.get(sym("BTCUSDT")).unwrap();
        ends.push((position.realized.normalize(), position.cost.normalize()));
    }
    assert_eq!(ends[0], ends[1]);
}
