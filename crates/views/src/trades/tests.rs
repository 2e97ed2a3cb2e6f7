use super::*;
use crate::testing::{Facts, dec, symbol};
use everwarm_domain::conflict::{Accept, Conflict};
use everwarm_domain::fact::Decision;
use everwarm_domain::id::{ClientOrderId, VenueId};
use everwarm_domain::order::{Balance, HOUSE, MANUAL, PANIC, Side, VenueFill};
use everwarm_domain::time::MINUTE;
use everwarm_kernel::stage::Step;
use everwarm_trading::ledger::Ledger as Stage;
use everwarm_trading::testing::world::{Delivery, World, two_runs};
use everwarm_trading::testing::{AccountFact, close, configured, instrument, trade};

fn checked(facts: &[Fact<Body>]) -> VerifyTradesView {
    verify_trades(&Facts(facts.to_vec()), None).unwrap()
}

/// The first difference of a journal, as text.
fn first(facts: &[Fact<Body>]) -> String {
    let view = checked(facts);
    let problem = view.problems.first().expect("something differs");
    format!("{} {}: {}", problem.key, problem.kind, problem.text)
}

fn kept(facts: &[Fact<Body>], keep: impl Fn(&Body) -> bool) -> Vec<usize> {
    (0..facts.len()).filter(|at| keep(&facts[*at].body)).collect()
}

#[test]
fn the_trades_of_every_delivery_of_reports_agree() {
    for delivery in [Delivery::Whole, Delivery::Torn, Delivery::Scrambled] {
        let mut world = World::new(delivery, 0);
        world.walk_from(0, 400);
        let view = checked(&world.facts);
        assert_eq!(view.problems, [], "{delivery:?}");
        assert!(view.closed > 10 && view.facts > 400, "{view:?}");
        assert_eq!((view.unbooked, view.trades.len() as u64), (0, view.closed));
        for trade in &view.trades {
            let sum = trade.proceeds - trade.cost - trade.fees;
            assert_eq!(trade.profit, sum.normalize(), "{trade:?}");
        }
    }
    let view = checked(&two_runs());
    assert_eq!(view.problems, [], "with a conflict that an operator ended");
}

#[test]
fn the_first_fact_that_differs_is_named_with_both_numbers() {
    let mut world = World::new(Delivery::Torn, 0);
    world.walk_from(0, 400);
    let facts = world.facts;
    let lots = kept(
        &facts,
        |body| matches!(body, Body::Ledger(Ledger::Lot { quantity, .. }) if quantity.is_zero()),
    );
    let at = lots[lots.len() / 2];
    let wrong = |change: &dyn Fn(&mut Fact<Body>), at: usize| {
        let mut facts = facts.clone();
        change(&mut facts[at]);
        (checked(&facts).differing, first(&facts))
    };
    let key = facts[at].key;
    // The profit of a closed lot, by one hundred-millionth.
    let (differing, text) = wrong(
        &|fact| {
            if let Body::Ledger(Ledger::Lot { realized_pnl, .. }) = &mut fact.body {
                *realized_pnl += dec("0.00000001");
            }
        },
        at,
    );
    let Body::Ledger(Ledger::Lot { realized_pnl, symbol, .. }) = &facts[at].body else { panic!() };
    let off = (realized_pnl + dec("0.00000001")).normalize();
    assert_eq!(
        text,
        format!(
            "{key} Ledger.Lot: {symbol} of sma_cross: realised profit {off} in the fact, \
             {realized_pnl} by its executions"
        )
    );
    assert_eq!(differing, 1, "the next fact of the lot is right again");
    // An execution that the ledger booked with another fee.
    let fills = kept(&facts, |body| matches!(body, Body::Order(Order::Filled { .. })));
    let at = fills[fills.len() / 2];
    let (_, text) = wrong(
        &|fact| {
            if let Body::Order(Order::Filled { fill, .. }) = &mut fact.body {
                fill.fee += dec("0.001");
            }
        },
        at,
    );
    assert!(text.starts_with(&format!("{}.800.0 Ledger.Position", facts[at].key.n)), "{text}");
    assert!(text.contains("realised profit"), "{text}");
    // A position with another cash.
    let positions = kept(&facts, |body| matches!(body, Body::Ledger(Ledger::Position { .. })));
    let at = positions[positions.len() / 2];
    let (_, text) = wrong(
        &|fact| {
            if let Body::Ledger(Ledger::Position { cash, .. }) = &mut fact.body {
                *cash -= dec("1");
            }
        },
        at,
    );
    assert!(text.contains("Ledger.Position: cash "), "{text}");
    // An execution of which the ledger knows nothing.
    let mut less = facts.clone();
    let at = kept(&less, |body| matches!(body, Body::Ledger(Ledger::Position { .. })))[3];
    let n = less[at].key.n;
    less.retain(|fact| fact.key.n != n || !matches!(fact.body, Body::Ledger(_)));
    let text = first(&less);
    assert!(text.ends_with("the ledger has no position for this execution"), "{text}");
    assert!(text.starts_with(&format!("{n}.700.")), "{text}");
}

#[test]
fn executions_that_are_not_booked_yet_are_counted_and_no_difference() {
    let mut world = World::new(Delivery::Whole, 0);
    world.walk_from(0, 400);
    let last = *kept(&world.facts, |body| matches!(body, Body::Order(Order::Filled { .. })))
        .last()
        .unwrap();
    let view = checked(&world.facts[..=last]);
    assert_eq!(view.problems, []);
    assert!(view.unbooked > 0, "{view:?}");
}

#[test]
fn facts_of_the_ledger_may_follow_later_inputs() {
    let mut world = World::new(Delivery::Torn, 0);
    world.walk_from(0, 400);
    let orderly = checked(&world.facts);
    let mut facts = world.facts;
    // The ledger lags ten inputs behind, as when it restarts.
    facts.sort_by_key(|fact| (fact.key.n + if fact.key.rank == 800 { 10 } else { 0 }, fact.key));
    assert_eq!(checked(&facts), orderly);
}

/// The ledger alone, fed with inputs and executions.
struct Books {
    ledger: Stage,
    n: u64,
    facts: Vec<Fact<Body>>,
    orders: u64,
}

impl Books {
    fn new() -> Books {
        let mut books = Books { ledger: Stage::default(), n: 0, facts: Vec::new(), orders: 0 };
        books.give(vec![(0, configured(&Settings::default()))]);
        let rules = ["BTCUSDT", "ETHUSDT"].map(instrument).to_vec();
        books.give(vec![(0, Body::Market(Market::Instruments { rules }))]);
        books.account(&[("USDT", "100000"), ("BTC", "5"), ("ETH", "1")]);
        books
    }

    /// One input, with the facts of stages about it, each with its rank.
    fn give(&mut self, bodies: Vec<(u16, Body)>) {
        self.n += 1;
        let (mut step, mut own) = (Step::default(), Vec::new());
        let time = i64::try_from(self.n).unwrap() * MINUTE;
        step.begin(self.n, time);
        for (i, (rank, body)) in (0..).zip(bodies) {
            let key = Key { n: self.n, rank, i };
            let fact = Fact { key, time, version: 9, because: Vec::new(), body };
            step.feed(&mut self.ledger, &fact, &mut own);
            self.facts.push(fact);
        }
        step.finish(&mut self.ledger, &mut own);
        self.facts.extend(own);
    }

    fn account(&mut self, balances: &[(&str, &str)]) {
        let balance = |(asset, free): &(&str, &str)| Balance {
            asset: (*asset).to_owned(),
            free: dec(free),
            locked: Decimal::ZERO,
        };
        let balances = balances.iter().map(balance).collect();
        let account = AccountFact { balances, ..AccountFact::default() };
        let compared = Order::Compared { life: 1, conflicts: Vec::new() };
        self.give(vec![(0, account.body()), (700, Body::Order(compared))]);
    }

    /// An execution: the strategy, the symbol, the side, price and quantity, fee and its asset.
    fn filled(
        &mut self,
        strategy: &str,
        name: &str,
        side: Side,
        (price, quantity): (&str, &str),
        (fee, fee_asset): (&str, &str),
    ) -> Body {
        self.orders += 1;
        // What another program or a person traded.
        let (id, strategy) = match strategy {
            PANIC => ("ew-panic", PANIC),
            "by others" => ("web", MANUAL),
            strategy => ("ew", strategy),
        };
        Body::Order(Order::Filled {
            client_id: ClientOrderId(format!("{id}-{}", self.orders)),
            strategy: strategy.to_owned(),
            symbol: symbol(name),
            side,
            k: 1,
            fill: VenueFill {
                fee: dec(fee),
                fee_asset: fee_asset.to_owned(),
                ..trade(self.orders, price, quantity)
            },
        })
    }

    fn fill(&mut self, strategy: &str, side: Side, deal: (&str, &str), fee: (&str, &str)) {
        let fill = self.filled(strategy, "BTCUSDT", side, deal, fee);
        self.give(vec![(700, fill)]);
    }

    fn adopted(&mut self, quantity: &str, price: &str) {
        let position = Some((symbol("BTCUSDT"), dec(price)));
        let (asset, quantity, reason) = ("BTC".to_owned(), dec(quantity), "mine".to_owned());
        let venue = VenueId::default();
        let adopted = Operator::Adopted { asset, quantity, position, reason, venue };
        self.give(vec![(0, Body::Operator(adopted))]);
    }

    fn ended(&mut self, strategy: &str) {
        let owed = Decision::Owed {
            strategy: strategy.to_owned(),
            symbol: symbol("BTCUSDT"),
            since: 0,
            cause: "turned".to_owned(),
            revision: 1,
            tries: 0,
            refusal: None,
            ended: Some("sold".to_owned()),
            rule: None,
        };
        self.give(vec![(rank::DECISION.0, Body::Decision(owed))]);
        self.give(vec![(0, close("BTCUSDT", 1, 100))]);
        self.give(vec![(0, close("BTCUSDT", 2, 100))]);
    }

    /// An operator accepts that the venue has less of BTC.
    fn short(&mut self, btc: &str) {
        self.account(&[("USDT", "100000000"), ("BTC", btc), ("ETH", "1")]);
        let found = self.facts.iter().rev().find_map(|fact| {
            let Body::Ledger(Ledger::Reconciled { conflicts, .. }) = &fact.body else {
                return None;
            };
            Some(conflicts.clone())
        });
        let conflict: Option<Conflict> = found.unwrap().into_iter().find(|c| c.about == "BTC");
        let (conflict, accept) = (conflict.unwrap(), Accept::Venue);
        let (reason, venue) = ("sold by hand".to_owned(), VenueId::default());
        let resolved = Operator::Resolved { conflict, accept, reason, venue };
        self.give(vec![(0, Body::Operator(resolved))]);
    }
}

#[test]
fn each_way_into_and_out_of_a_lot_agrees() {
    let mut books = Books::new();
    let none = ("0", "USDT");
    books.fill("a", Side::Buy, ("100", "2"), ("0.2", "USDT"));
    books.fill("a", Side::Buy, ("110.37", "1.2345"), ("0.001", "BTC"));
    books.fill("b", Side::Buy, ("99.99", "3"), ("0.003", "BNB"));
    books.adopted("1.5", "101");
    // Out of its own lot, then the house's, then b's.
    books.fill("a", Side::Sell, ("120.01", "5.5"), ("0.7", "USDT"));
    books.fill("b", Side::Sell, ("90", "1.1"), ("0.0999", "USDT"));
    // The rest of b becomes dust.
    let left = books.ledger.lines().into_iter().find(|line| line.asset == "BTC").unwrap().ours;
    let sold = (left - dec("0.05")).to_string();
    books.fill("b", Side::Sell, ("91", &sold), none);
    books.ended("b");
    let moved = books.facts.iter().any(|fact| {
        matches!(&fact.body, Body::Ledger(Ledger::Lot { strategy, .. }) if strategy == HOUSE)
    });
    assert!(moved);
    // The house's lot and an external rest are sold.
    books.fill("a", Side::Sell, ("95", "1"), ("0.1", "USDT"));
    // Two executions in one input.
    let one = books.filled("a", "BTCUSDT", Side::Buy, ("100", "4"), none);
    let other = books.filled("b", "ETHUSDT", Side::Buy, ("10", "20"), ("0.2", "USDT"));
    books.give(vec![(700, one), (700, other)]);
    books.fill("b", Side::Buy, ("102", "2"), none);
    books.short("5");
    books.fill(PANIC, Side::Sell, ("80", "7"), ("1.23", "USDT"));
    let view = checked(&books.facts);
    assert_eq!(view.problems, []);
    let trades = |trade: &VerifiedTradeView| {
        let VerifiedTradeView { strategy, profit, moved_in, moved_out, .. } = trade;
        format!("{strategy} {profit} in {moved_in} out {moved_out}")
    };
    let trades: Vec<String> = view.trades.iter().map(trades).collect();
    let want = [
        "a 51.18903364 in 0 out 0",
        "house 28.32409091 in 1.5 out 0",
        "b -5.58178955 in 0 out 0.05",
        // 0.05 at 95 cost 4.9995; the other 0.95 were external. The fee is 0.1.
        "house 89.9005 in 0.05 out 0",
        "a -80.70285714 in 0 out 0",
        "b -22.17571429 in 0 out 1",
    ];
    assert_eq!(trades, want);
    let arithmetic = |trade: &VerifiedTradeView| {
        let VerifiedTradeView { proceeds, cost, fees, external, .. } = trade;
        proceeds - cost - fees + external + trade.moved_out_cost - trade.moved_in_cost
    };
    for trade in &view.trades {
        assert!((arithmetic(trade) - trade.profit).abs() <= ROUNDING, "{trade:?}");
    }
}

#[test]
fn what_external_orders_trade_is_of_manual_and_a_larger_sale_is_booked_in_part() {
    let mut books = Books::new();
    let none = ("0", "USDT");
    books.fill("a", Side::Buy, ("100", "1"), none);
    books.fill("by others", Side::Buy, ("100", "2"), ("0.002", "BTC"));
    books.fill("by others", Side::Sell, ("110", "0.5"), ("0.055", "USDT"));
    // Nothing of `a` is sold.
    books.fill("by others", Side::Sell, ("120", "3"), ("0.36", "USDT"));
    books.fill("by others", Side::Sell, ("120", "1"), ("0.12", "USDT"));
    let view = checked(&books.facts);
    assert_eq!(view.problems, []);
    let trade = &view.trades[0];
    let numbers = [trade.bought, trade.base_fees, trade.sold, trade.proceeds, trade.fees];
    let want = ["2", "0.002", "1.998", "234.76", "0.23476"].map(dec);
    assert_eq!((trade.strategy.as_str(), numbers), (MANUAL, want));
    assert_eq!((view.trades.len(), view.closed, view.unbooked), (1, 1, 0));
    let open = books.ledger.lines().into_iter().find(|line| line.asset == "BTC").unwrap();
    assert_eq!((open.ours, open.foreign), (dec("1"), dec("5")));
}

#[test]
fn thousands_of_random_executions_agree() {
    let mut books = Books::new();
    let mut seed = 7_u64;
    let mut roll = |most: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % most
    };
    for _ in 0..3_000 {
        let owner = ["a", "b", "c"][usize::try_from(roll(3)).unwrap()];
        let side = if roll(2) == 0 { Side::Buy } else { Side::Sell };
        let price =
            Decimal::new(i64::try_from(5_000_000 + roll(5_000_000)).unwrap(), 5).to_string();
        let quantity = Decimal::new(i64::try_from(1 + roll(30_000)).unwrap(), 4).to_string();
        let fee = Decimal::new(i64::try_from(roll(1_000_000)).unwrap(), 8).to_string();
        let asset = ["USDT", "USDT", "BTC", "BNB"][usize::try_from(roll(4)).unwrap()];
        match roll(40) {
            0 => books.adopted("0.7", &price),
            1 => books.ended(owner),
            2 => books.fill(PANIC, Side::Sell, (&price, &quantity), (&fee, asset)),
            3 => books.give(vec![(0, close("BTCUSDT", 3, 75))]),
            4..8 => books.fill("by others", side, (&price, &quantity), (&fee, asset)),
            _ => books.fill(owner, side, (&price, &quantity), (&fee, asset)),
        }
    }
    let view = checked(&books.facts);
    assert_eq!(view.problems, []);
    assert!(view.closed > 100, "{}", view.closed);
}
