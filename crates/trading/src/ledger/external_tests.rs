//! Tests what adopted trades of external orders do to the books.

use super::*;
use crate::testing::{AccountFact, close, configured, dec, fact, facts_of, instrument, sym, trade};
use everwarm_domain::id::ClientOrderId;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::order::{MANUAL, Side, VenueFill};
use everwarm_domain::time::MINUTE;

/// A ledger with cash of 1,000 USDT and 2 BNB of others.
struct Books {
    ledger: Ledger,
    n: u64,
}

impl Books {
    fn new() -> Books {
        let mut books = Books { ledger: Ledger::default(), n: 0 };
        books.input(configured(&Settings::default()));
        let (base, quote) = ("BTC".to_owned(), "EUR".to_owned());
        let in_euro = Instrument { base, quote, ..instrument("BTCEUR") };
        // The first symbol by name has the asset of the cash.
        let rules = vec![instrument("ADAUSDT"), in_euro, instrument("BTCUSDT")];
        books.input(Body::Market(Market::Instruments { rules }));
        books.account(&[("BNB", "2"), ("USDT", "1000")]);
        books.input(close("BTCUSDT", 0, 100));
        books
    }

    fn input(&mut self, body: Body) -> Vec<Body> {
        self.n += 1;
        facts_of(&mut self.ledger, &fact(self.n, 0, body))
    }

    /// The conflicts after an account with these balances.
    fn account(&mut self, all: &[(&str, &str)]) -> Vec<String> {
        let balance = |(asset, free): &(&str, &str)| Balance {
            asset: (*asset).to_owned(),
            free: dec(free),
            locked: Decimal::ZERO,
        };
        let balances = all.iter().map(balance).collect();
        self.input(AccountFact { balances, ..AccountFact::default() }.body());
        let compared = Order::Compared { life: 1, conflicts: Vec::new() };
        facts_of(&mut self.ledger, &fact(self.n, 700, Body::Order(compared)));
        self.ledger.conflicts.iter().map(|c| format!("{} / {}", c.ours, c.theirs)).collect()
    }

    /// The lots after a trade of an order with this id, each with what its owner made; then cash.
    fn trades(
        &mut self,
        (id, strategy, symbol): (&str, &str, &str),
        side: Side,
        (price, quantity): (&str, &str),
        (fee, fee_asset): (&str, &str),
    ) -> String {
        self.n += 1;
        let filled = Order::Filled {
            client_id: ClientOrderId(id.to_owned()),
            strategy: strategy.to_owned(),
            symbol: sym(symbol),
            side,
            k: 1,
            fill: VenueFill {
                fee: dec(fee),
                fee_asset: fee_asset.to_owned(),
                ..trade(self.n, price, quantity)
            },
        };
        let mut fact = fact(self.n, 700, Body::Order(filled));
        fact.time = self.n.cast_signed() * MINUTE;
        let facts = facts_of(&mut self.ledger, &fact);
        let first = facts.first();
        assert!(
            matches!(first, Some(Body::Ledger(LedgerFact::Position { .. }))),
            "each execution has a position: {facts:?}"
        );
        let bytes = self.ledger.save();
        self.ledger = Ledger::default();
        self.ledger.load(&bytes).unwrap();
        assert_eq!(self.ledger.save(), bytes);
        self.state(symbol)
    }

    fn state(&self, symbol: &str) -> String {
        let position = self.ledger.positions.get(sym(symbol)).cloned().unwrap_or_default();
        let made = |of: &str| position.made.get(of).copied().unwrap_or_default().normalize();
        let lots = position.lots.iter().map(|lot| {
            let (quantity, cost) = (lot.quantity.normalize(), lot.cost.normalize());
            format!("{} {quantity} for {cost} made {}", lot.strategy, made(&lot.strategy))
        });
        let lots: Vec<String> = lots.collect();
        format!("[{}] {}", lots.join(", "), self.ledger.cash.normalize())
    }
}

const BY_HAND: (&str, &str, &str) = ("web_1", MANUAL, "BTCUSDT");

#[test]
fn a_purchase_is_a_lot_of_manual_with_its_price_and_fee() {
    let mut books = Books::new();
    let bought = books.trades(BY_HAND, Side::Buy, ("100", "2"), ("0.002", "BTC"));
    assert_eq!(bought, "[manual 1.998 for 200 made 0] 800");
    let account = [("BNB", "2"), ("BTC", "1.998"), ("USDT", "800")];
    assert_eq!(books.account(&account), [""; 0]);
    // A fee in cash, and one in another asset.
    let bought = books.trades(BY_HAND, Side::Buy, ("110", "1"), ("0.1", "USDT"));
    assert_eq!(bought, "[manual 2.998 for 310 made -0.1] 689.9");
    books.trades(BY_HAND, Side::Buy, ("100", "1"), ("0.01", "BNB"));
    let account = [("BNB", "1.99"), ("BTC", "3.998"), ("USDT", "589.9")];
    assert_eq!(books.account(&account), [""; 0]);
}

#[test]
fn a_sale_takes_the_lot_of_manual_and_its_rest_stays_a_shortage() {
    let mut books = Books::new();
    books.trades(BY_HAND, Side::Buy, ("100", "2"), ("0", "USDT"));
    books.trades(("ew-1", "s", "BTCUSDT"), Side::Buy, ("100", "3"), ("0", "USDT"));
    let sold = books.trades(BY_HAND, Side::Sell, ("120", "1"), ("0.12", "USDT"));
    assert_eq!(sold, "[manual 1 for 100 made 19.88, s 3 for 300 made 0] 619.88");
    // Of 4, one is of manual. It gets a quarter of the proceeds and of the fee.
    let sold = books.trades(BY_HAND, Side::Sell, ("120", "4"), ("0.4", "USDT"));
    assert_eq!(sold, "[s 3 for 300 made 0] 739.78");
    let conflicts = books.account(&[("BNB", "2"), ("USDT", "1099.48")]);
    assert_eq!(conflicts, ["3 BTC: 3 ours and 0 foreign / 0 BTC"]);
    assert_eq!(books.ledger.foreign.get("USDT"), Some(&dec("359.7")), "what the rest brought");
    // Without a lot of manual, nothing is booked, not even the fee.
    let sold = books.trades(BY_HAND, Side::Sell, ("120", "1"), ("0.01", "BNB"));
    assert_eq!(sold, "[s 3 for 300 made 0] 739.78");
    assert!(books.ledger.fees.is_empty());
}

#[test]
fn a_trade_that_the_last_account_already_showed_is_counted_once() {
    let mut books = Books::new();
    let shown = [("BNB", "2"), ("BTC", "1.999"), ("USDT", "800")];
    assert_eq!(books.account(&shown), ["1000 USDT: 1000 ours and 0 foreign / 800 USDT"]);
    books.trades(BY_HAND, Side::Buy, ("100", "2"), ("0.001", "BTC"));
    assert_eq!(books.account(&shown), [""; 0]);
    assert_eq!(books.ledger.foreign.get("BTC"), None);
    let shown = [("BNB", "2"), ("BTC", "0.999"), ("USDT", "919.9")];
    assert_eq!(books.account(&shown), ["1.999 BTC: 1.999 ours and 0 foreign / 0.999 BTC"]);
    books.trades(BY_HAND, Side::Sell, ("120", "1"), ("0.1", "USDT"));
    assert_eq!(books.account(&shown), [""; 0]);
    assert_eq!(books.state("BTCUSDT").split("] ").last(), Some("919.9"));
    assert_eq!(books.ledger.foreign.get("USDT"), None);
}

#[test]
fn a_trade_against_another_asset_than_the_cash_is_not_booked() {
    let mut books = Books::new();
    let other = ("web_1", MANUAL, "BTCEUR");
    assert_eq!(books.trades(other, Side::Buy, ("100", "2"), ("0", "EUR")), "[] 1000");
    // An order by hand of the daemon has its prefix.
    let ours = ("ew-manual-1", MANUAL, "BTCUSDT");
    books.trades(ours, Side::Buy, ("100", "2"), ("0", "USDT"));
    books.trades(("ew-1", "s", "BTCUSDT"), Side::Buy, ("100", "2"), ("0", "USDT"));
    let sold = books.trades(ours, Side::Sell, ("100", "3"), ("0", "USDT"));
    assert_eq!(sold, "[s 1 for 100 made 0] 900");
}
