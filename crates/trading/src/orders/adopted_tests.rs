//! Tests that each trade of an external order is adopted once.

use super::*;
use crate::orders::Manager;
use crate::testing::{AccountFact, facts_of, input, sym, trade};
use everwarm_domain::capabilities::Capabilities;
use everwarm_domain::fact::{Market, Operator, Venue};
use everwarm_domain::id::VenueId;
use everwarm_domain::order::{ExternalTrades, Side};
use everwarm_domain::venue_ids::VenueOrderId;
use everwarm_kernel::stage::Stage;

/// A time at which the tests begin, in days.
const DAY_0: i64 = 20_000;

/// A manager that is saved and restored after each input.
struct Restarted {
    manager: Manager,
    n: u64,
}

impl Restarted {
    fn new(now: UtcMs) -> Restarted {
        let mut it = Restarted { manager: Manager::default(), n: 0 };
        let installation = "test".to_owned();
        it.input(Body::Operator(Operator::Started { life: 1, installation, epoch: 0 }));
        it.passes(now);
        it
    }

    fn input(&mut self, body: Body) -> Vec<Body> {
        self.n += 1;
        let facts = facts_of(&mut self.manager, &input(self.n, body));
        let bytes = self.manager.save();
        self.manager = Manager::default();
        self.manager.load(&bytes).unwrap();
        facts
    }

    fn passes(&mut self, now: UtcMs) {
        self.input(Body::Operator(Operator::Clock { time: now }));
    }

    /// Whether a booked trade is kept.
    fn knows(&self, trade: &ExternalTrade) -> bool {
        self.manager.book().panicked.has_adopted(trade.symbol, &trade.fill)
    }

    /// The adopted fills: order, strategy, number, symbol and trade.
    fn adopts(&mut self, trades: Vec<ExternalTrade>) -> Vec<String> {
        let venue = VenueId::default();
        let external = ExternalTrades { trades, venue };
        let facts = self.input(Body::Venue(Venue::ExternalTraded(external)));
        let text = |body: &Body| {
            let Body::Order(Order::Filled { client_id, strategy, symbol, k, fill, .. }) = body
            else {
                panic!("{body:?}")
            };
            format!("{client_id} {strategy} {k} {symbol} {}", fill.trade_id)
        };
        facts.iter().map(text).collect()
    }
}

fn of(id: &str, symbol: &str, trade_id: u64, day: i64) -> ExternalTrade {
    ExternalTrade {
        client_id: ClientOrderId(id.to_owned()),
        venue_order_id: VenueOrderId::from(trade_id),
        symbol: sym(symbol),
        side: Side::Sell,
        fill: VenueFill { time: day * DAY + 7, ..trade(trade_id, "100", "1") },
    }
}

#[test]
fn each_trade_is_adopted_once_in_whatever_order_and_however_often_it_comes() {
    let mut it = Restarted::new(DAY_0 * DAY);
    let all = [("web_1", 5), ("web_1", 6), ("web_2", 7)];
    let all = all.map(|(id, trade)| of(id, "BTCUSDT", trade, DAY_0));
    let [a, b, c] = all.clone();
    let doubled = vec![b.clone(), b.clone(), a.clone()];
    let first = it.adopts(doubled);
    assert_eq!(first, ["web_1 manual 1 BTCUSDT 6", "web_1 manual 2 BTCUSDT 5"]);
    assert_eq!(it.adopts(vec![c, b, a]), ["web_2 manual 1 BTCUSDT 7"]);
    assert_eq!(it.adopts(all.to_vec()), [""; 0]);
    // Ids of trades are unique in one symbol only, and an id of an order may come again.
    let other = it.adopts(vec![of("web_1", "ETHUSDT", 5, DAY_0)]);
    assert_eq!(other, ["web_1 manual 1 ETHUSDT 5"]);
    let again = it.adopts(vec![of("web_1", "BTCUSDT", 8, DAY_0 + 1)]);
    assert_eq!(again, ["web_1 manual 3 BTCUSDT 8"]);
}

#[test]
fn orders_with_our_prefix_are_not_adopted() {
    let mut it = Restarted::new(DAY_0 * DAY);
    let ours = ["ew-s-1", "ew-panic-1-0", "ew-manual-1"];
    let ours = ours.map(|id| of(id, "BTCUSDT", 5, DAY_0)).to_vec();
    assert_eq!(it.adopts(ours), [""; 0]);
    assert_eq!(it.adopts(vec![of("ewc-1", "BTCUSDT", 5, DAY_0)]).len(), 1);
}

#[test]
fn a_booked_trade_is_kept_for_a_month_and_an_older_one_is_not_adopted() {
    let mut it = Restarted::new(DAY_0 * DAY);
    let old = of("web_1", "BTCUSDT", 5, DAY_0);
    assert_eq!(it.adopts(vec![old.clone()]).len(), 1);
    // While nothing ran, months may have passed: the trades since then are new.
    let later = of("web_2", "BTCUSDT", 6, DAY_0 + 90);
    assert_eq!(it.adopts(vec![later.clone()]).len(), 1);
    it.passes((DAY_0 + DAYS) * DAY);
    assert_eq!(it.adopts(vec![old.clone()]), [""; 0]);
    assert!(it.knows(&old));
    it.passes((DAY_0 + DAYS + 1) * DAY);
    assert_eq!(it.adopts(vec![old.clone(), later]), [""; 0], "one is too old, one is booked");
    // The next one drops what is too old.
    assert_eq!(it.adopts(vec![of("web_3", "BTCUSDT", 7, DAY_0 + DAYS)]).len(), 1);
    assert!(!it.knows(&old));
    let gateway = it.manager.book().adopted_trades();
    assert!(gateway.has(old.symbol, &old.fill), "it is not looked for any more");
    assert_eq!(it.adopts(vec![old]), [""; 0]);
}

#[test]
fn an_adopted_fill_wakes_the_decision_and_is_no_order_of_ours() {
    let mut it = Restarted::new(DAY_0 * DAY);
    assert_eq!(it.manager.next_wake(), None);
    it.adopts(vec![of("web_1", "BTCUSDT", 5, DAY_0)]);
    assert_eq!(it.manager.next_wake(), None, "a venue without stop orders");
    let capabilities = Market::Capabilities {
        venue: VenueId::default(),
        capabilities: Capabilities::default(),
        stop_orders: 5,
        fewer: Vec::new(),
        pairs: false,
        splits: false,
    };
    it.input(Body::Market(capabilities));
    it.adopts(vec![of("web_1", "BTCUSDT", 6, DAY_0)]);
    assert_eq!(it.manager.next_wake(), Some(DAY_0 * DAY), "its stop order is to be replaced");
    let open = vec![(ClientOrderId("web_1".to_owned()), sym("BTCUSDT"))];
    let account = AccountFact { time: DAY_0 * DAY, open, ..AccountFact::default() };
    let facts = it.input(account.body());
    assert!(
        matches!(&facts[..], [Body::Order(Order::Compared { conflicts, .. })]
        if conflicts.is_empty()),
        "{facts:?}"
    );
    assert_eq!(it.manager.book().living().count(), 0);
}
