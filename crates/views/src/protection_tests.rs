//! Tests how long lots count as unprotected.

use super::*;
use everwarm_domain::capabilities::Capabilities;
use everwarm_domain::fact::Signal;
use everwarm_domain::id::VenueId;
use everwarm_domain::money::Price;
use everwarm_domain::order::Terms;
use everwarm_domain::order::{OrderIntent, OrderType};
use everwarm_domain::signal::{Direction, Intent, SignalTerms};
use everwarm_kernel::fact::Key;
use everwarm_kernel::stage::Stage as _;
use everwarm_trading::testing::{changed, configured, crossing, dec, instrument, sym};

const NAME: &str = "BTCUSDT";
const STRATEGY: &str = "sma_cross";

#[derive(Default)]
struct Books {
    protection: Protection,
    universe: Universe,
    n: u64,
}

impl Books {
    /// Books with a stop of the strategy, at a venue that takes `most` stop orders, of the symbol
    /// too if it is not in `fewer`.
    fn at_venue(most: u32, fewer: &[(&str, u32)]) -> Books {
        let mut books = Books::default();
        books.input(0, configured(&crossing(2, 3)));
        books.input(0, Body::Market(Market::Instruments { rules: vec![instrument(NAME)] }));
        let (venue, capabilities) = (VenueId::default(), Capabilities::market_and_limit());
        let fewer = fewer.iter().map(|(name, most)| (sym(name), *most)).collect();
        let takes = Market::Capabilities {
            venue,
            capabilities,
            stop_orders: most,
            fewer,
            pairs: false,
            splits: false,
        };
        books.input(0, Body::Market(takes));
        books
    }

    /// Appends at `time`, as an input of its own.
    fn input(&mut self, time: UtcMs, body: Body) {
        self.n += 1;
        self.append(time, body);
    }

    fn append(&mut self, time: UtcMs, body: Body) {
        let key = Key { n: self.n, rank: 0, i: 0 };
        let fact = Fact { key, time, version: 0, because: Vec::new(), body };
        self.universe.evolve(&fact);
        self.protection.fold(&fact, &self.universe);
    }

    fn lot(&mut self, time: UtcMs, quantity: &str) {
        self.input(time, lot(quantity));
    }

    fn stop_order(&mut self, id: &str) {
        let intent = OrderIntent {
            client_id: ClientOrderId(id.into()),
            strategy: STRATEGY.into(),
            symbol: sym(NAME),
            side: Side::Sell,
            order_type: OrderType::Market,
            quantity: dec("1"),
            price: None,
            close_time: 0,
            valid_until: UtcMs::MAX,
            terms: Box::new(Terms { stop: Some(dec("95")), ..Terms::default() }),
        };
        self.append(0, Body::Order(Order::Intent(intent)));
    }

    fn unprotected(&self, now: UtcMs) -> u64 {
        self.protection.without_order(now)
    }

    /// Number and sum of the ended times, milliseconds.
    fn waits(&self) -> (u64, i64) {
        let (counts, sum) = self.protection.waits();
        (counts.iter().sum(), sum / 1_000_000)
    }
}

fn lot(quantity: &str) -> Body {
    let quantity = dec(quantity);
    Body::Ledger(Ledger::Lot {
        strategy: STRATEGY.into(),
        symbol: sym(NAME),
        quantity,
        cost: quantity.saturating_mul(dec("100")),
        opened: (!quantity.is_zero()).then_some(0),
        realized_pnl: dec("0"),
    })
}

#[test]
fn a_lot_is_unprotected_until_its_stop_order_is_open() {
    let mut books = Books::at_venue(5, &[]);
    books.lot(1_000, "1");
    assert_eq!((books.unprotected(3_999), books.unprotected(4_000)), (0, 1));
    books.stop_order("ew-a");
    books.input(1_200, changed("ew-a", OrderStatus::Open, "0"));
    assert_eq!((books.unprotected(9_000), books.waits()), (0, (1, 200)));
}

#[test]
fn the_gap_of_an_exit_counts_and_a_filled_stop_order_leaves_none() {
    let mut books = Books::at_venue(5, &[]);
    books.lot(0, "1");
    books.stop_order("ew-a");
    books.input(100, changed("ew-a", OrderStatus::Open, "0"));
    books.input(5_000, changed("ew-a", OrderStatus::Cancelled, "0"));
    books.lot(5_300, "0");
    assert_eq!((books.unprotected(60_000), books.waits()), (0, (2, 400)));
    books.lot(6_000, "1");
    books.stop_order("ew-b");
    books.input(6_000, changed("ew-b", OrderStatus::Open, "0"));
    books.input(7_000, changed("ew-b", OrderStatus::Filled, "1"));
    books.append(7_000, lot("0"));
    assert_eq!((books.unprotected(60_000), books.waits()), (0, (3, 400)));
}

#[test]
fn a_lot_for_which_the_venue_takes_no_stop_order_does_not_count() {
    let dust = |most, fewer: &[(&str, u32)], quantity| {
        let mut books = Books::at_venue(most, fewer);
        books.lot(0, quantity);
        books.unprotected(60_000)
    };
    assert_eq!(dust(5, &[], "1"), 1);
    assert_eq!(dust(0, &[], "1"), 0);
    assert_eq!(dust(5, &[(NAME, 0)], "1"), 0);
    assert_eq!(dust(5, &[], "0.00000001"), 0, "too few to sell");
}

#[test]
fn a_lot_without_a_stop_counts_apart() {
    let mut books = Books::at_venue(5, &[]);
    let mut settings = crossing(2, 3);
    settings.strategy.set_exits(STRATEGY, ExitRules { stop_ppm: None, ..ExitRules::default() });
    books.input(0, configured(&settings));
    books.lot(0, "1");
    assert_eq!((books.unprotected(60_000), books.protection.without_stop()), (0, 1));
    books.lot(0, "0");
    assert_eq!(books.protection.without_stop(), 0);
    let stop = Some(dec("90"));
    let signal = Signal {
        strategy: STRATEGY.into(),
        symbol: sym(NAME),
        intent: Intent::Open,
        direction: Direction::Long,
        confidence_ppm: 1,
        price: Price::e8(100),
        close_time: 0,
        reason: String::new(),
        terms: Box::new(SignalTerms { stop, ..SignalTerms::default() }),
    };
    books.input(0, Body::Analysis(Analysis::Signals { rows: vec![signal] }));
    books.lot(0, "1");
    let counted = (books.unprotected(60_000), books.protection.without_stop());
    assert_eq!(counted, (1, 0), "its signal gave a stop");
}
