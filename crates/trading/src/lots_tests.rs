//! Tests two strategies with lots in one symbol: in the ledger, the decision, and the plain loop.
//!
//! Over 500 lines: one subject, one test a promise.

use super::*;
use crate::decide::Decide;
use crate::ledger::Ledger as Books;
use crate::testing::world::{Delivery, World};
use crate::testing::{
    AccountFact, bar, changed, close, configured, dec, fact, facts_of, input, instrument, position,
    reconciled, signal, sym, trade,
};
use crate::{AnyStage, stages};
use everwarm_domain::fact::kinds::{kind, rank};
use everwarm_domain::fact::{
    Accept, Analysis, Conflict, Decision, Market, Operator, Order, Signal,
};
use everwarm_domain::id::{ClientOrderId, VenueId};
use everwarm_domain::market::Bar;
use everwarm_domain::order::{Balance, HOUSE, OrderStatus, PANIC, Side, VenueFill};
use everwarm_domain::settings::Settings;
use everwarm_domain::signal::Direction;
use everwarm_domain::switch::Switch;
use everwarm_domain::time::{MINUTE, UtcMs};
use everwarm_kernel::chance::draw;
use everwarm_kernel::fact::{Key, Mask, Rank};
use everwarm_kernel::stage::{Out, Refold, Stage, Step};
use everwarm_kernel::state;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

fn lot(strategy: &str, symbol: &str, quantity: &str) -> Fact<Body> {
    let (strategy, symbol, opened) = (strategy.to_owned(), sym(symbol), Some(0));
    let (quantity, cost, realized_pnl) = (dec(quantity), Decimal::ZERO, Decimal::ZERO);
    let body = Ledger::Lot { strategy, symbol, quantity, cost, opened, realized_pnl };
    fact(1, 800, Body::Ledger(body))
}

/// A position as reported by a ledger with lots.
fn sum(symbol: &str, quantity: &str) -> Fact<Body> {
    Fact { version: LOTS_FROM, ..fact(1, 800, position(symbol, quantity, "9000")) }
}

/// The number of the next input; each call gives a new one.
fn next() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(20);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

// The ledger.

fn books() -> Books {
    let mut books = Books::default();
    facts_of(&mut books, &input(1, configured(&Settings::default())));
    let rules = vec![instrument("BTCUSDT"), instrument("ETHUSDT")];
    facts_of(&mut books, &input(2, Body::Market(Market::Instruments { rules })));
    account(&mut books, "0", "100000");
    facts_of(&mut books, &input(4, close("BTCUSDT", 1, 100)));
    books
}

fn account(books: &mut Books, btc: &str, usdt: &str) -> Vec<Conflict> {
    let balance = |(asset, free): (&str, &str)| Balance {
        asset: asset.to_owned(),
        free: dec(free),
        locked: Decimal::ZERO,
    };
    let balances = [("BTC", btc), ("USDT", usdt)].map(balance).to_vec();
    let account = AccountFact { balances, ..AccountFact::default() };
    let n = next();
    facts_of(books, &input(n, account.body()));
    let compared = Order::Compared { life: 1, conflicts: Vec::new() };
    let facts = facts_of(books, &fact(n, 700, Body::Order(compared)));
    let Some(Body::Ledger(Ledger::Reconciled { conflicts, .. })) = facts.into_iter().next() else {
        panic!("the books are compared")
    };
    conflicts
}

fn fill(strategy: &str, side: Side, fill: VenueFill) -> Body {
    let id = if strategy == PANIC { "ew-panic-1" } else { "ew-1" };
    Body::Order(Order::Filled {
        client_id: ClientOrderId(id.to_owned()),
        strategy: strategy.to_owned(),
        symbol: sym("BTCUSDT"),
        side,
        k: 1,
        fill,
    })
}

/// The lots in a list of facts.
fn lots(facts: &[Body]) -> String {
    let lots = facts.iter().filter_map(|body| {
        let Body::Ledger(Ledger::Lot { strategy, quantity, cost, .. }) = body else { return None };
        Some(format!("{strategy} {quantity} for {cost}"))
    });
    lots.collect::<Vec<_>>().join(", ")
}

fn lots_after(books: &mut Books, strategy: &str, side: Side, price: &str, of: &str) -> String {
    let body = fill(strategy, side, trade(1, price, of));
    lots(&facts_of(books, &fact(next(), 700, body)))
}

#[test]
fn each_buys_and_sells_its_own_lot_at_its_own_cost() {
    use Side::{Buy, Sell};
    let mut books = books();
    assert_eq!(lots_after(&mut books, "a", Buy, "100", "2"), "a 2 for 200");
    assert_eq!(lots_after(&mut books, "b", Buy, "200", "1"), "b 1 for 200");
    let sold = facts_of(&mut books, &fact(next(), 700, fill("b", Sell, trade(1, "200", "1"))));
    assert_eq!(lots(&sold), "b 0 for 0");
    let Body::Ledger(Ledger::Position { quantity, cost, realized_pnl, .. }) = &sold[0] else {
        panic!("{sold:?}")
    };
    let zero = Decimal::ZERO;
    assert_eq!((*quantity, *cost, *realized_pnl), (dec("2"), dec("200"), zero), "its own cost");
    // The buyer's lot pays a fee in the base asset.
    lots_after(&mut books, "b", Buy, "100", "1");
    let in_base = VenueFill { fee: dec("0.5"), fee_asset: "BTC".into(), ..trade(1, "100", "1") };
    let appended = facts_of(&mut books, &fact(next(), 700, fill("b", Buy, in_base)));
    assert_eq!(lots(&appended), "b 1.5 for 200");
}

#[test]
fn what_nobody_sold_for_one_lot_comes_out_of_the_oldest_and_a_shortage_out_of_the_youngest() {
    let mut books = books();
    for strategy in ["b", "a", "c"] {
        lots_after(&mut books, strategy, Side::Buy, "100", "2");
    }
    let appended = lots_after(&mut books, PANIC, Side::Sell, "100", "3");
    assert_eq!(appended, "b 0 for 0, a 1 for 100", "b is the oldest");
    let conflicts = account(&mut books, "1.5", "99700");
    let resolved = Operator::Resolved {
        conflict: conflicts.into_iter().next().unwrap(),
        accept: Accept::Venue,
        reason: "sold by hand".to_owned(),
        venue: VenueId::default(),
    };
    let appended = facts_of(&mut books, &input(next(), Body::Operator(resolved)));
    assert_eq!(lots(&appended), "c 0.5 for 50", "c is the youngest: 1.5 are missing");
    let appended = lots_after(&mut books, "c", Side::Sell, "100", "1.2");
    assert_eq!(appended, "c 0 for 0, a 0.3 for 30", "what c does not have is another's");
}

fn owed(strategy: &str, ended: Option<&str>) -> Fact<Body> {
    let decision = Decision::Owed {
        strategy: strategy.to_owned(),
        symbol: sym("BTCUSDT"),
        since: 0,
        cause: String::new(),
        revision: 1,
        tries: 0,
        refusal: None,
        ended: ended.map(str::to_owned),
        rule: None,
    };
    Fact { version: 6, ..fact(next(), 600, Body::Decision(decision)) }
}

/// The ledger's facts at the close after an exit has ended.
fn exit_ends(books: &mut Books, strategy: &str) -> String {
    assert_eq!(facts_of(books, &owed(strategy, Some("too small"))), [], "not before a close");
    lots(&facts_of(books, &input(next(), close("BTCUSDT", 2, 100))))
}

#[test]
fn dust_goes_to_the_house_when_the_exit_of_its_lot_ends_and_leaves_with_the_next_sale() {
    use Side::{Buy, Sell};
    let mut books = books();
    lots_after(&mut books, "b", Buy, "100", "3");
    lots_after(&mut books, "a", Buy, "100", "1.00005");
    lots_after(&mut books, "a", Sell, "100", "1");
    assert_eq!(exit_ends(&mut books, "b"), "", "what can be sold stays whose it is");
    assert_eq!(exit_ends(&mut books, "a"), "a 0 for 0, house 0.00005 for 0.005");
    assert_eq!(exit_ends(&mut books, "a"), "", "once");
    assert_eq!(exit_ends(&mut books, HOUSE), "");
    lots_after(&mut books, "a", Buy, "100", "0.00001");
    facts_of(&mut books, &owed("a", Some("too small")));
    facts_of(&mut books, &owed("a", None));
    let appended = facts_of(&mut books, &input(next(), close("BTCUSDT", 3, 100)));
    assert_eq!(lots(&appended), "", "it is to be sold again");
    let appended = lots_after(&mut books, "b", Sell, "100", "3.00005");
    assert_eq!(appended, "b 0 for 0, house 0 for 0");
    let bytes = books.save();
    books.load(&bytes).unwrap();
}

#[test]
fn dust_of_two_strategies_goes_to_the_house_at_one_close() {
    use Side::{Buy, Sell};
    let mut books = books();
    for (strategy, dust) in [("a", "0.00005"), ("b", "0.00003")] {
        lots_after(&mut books, strategy, Buy, "100", &format!("1{}", &dust[1..]));
        lots_after(&mut books, strategy, Sell, "100", "1");
        assert_eq!(lots(&facts_of(&mut books, &owed(strategy, Some("too small")))), "");
    }
    let appended = facts_of(&mut books, &input(next(), close("BTCUSDT", 3, 100)));
    assert_eq!(lots(&appended), "a 0 for 0, b 0 for 0, house 0.00008 for 0.008");
}

#[test]
fn a_version_that_is_told_what_was_said_of_two_fills_has_the_same_lots() {
    let mut books = books();
    lots_after(&mut books, "a", Side::Buy, "100", "2");
    lots_after(&mut books, "b", Side::Buy, "200", "1");
    let (mut replayed, n) = (Books::default(), next());
    replayed.load(&books.save()).unwrap();
    let filled = [1, 2].map(|k| {
        let body = fill("a", Side::Sell, trade(k, "100", "1"));
        Fact { key: Key { n, rank: 700, i: u16::try_from(k).unwrap() }, ..fact(n, 700, body) }
    });
    let (mut step, mut own) = (Step::default(), Vec::new());
    step.begin(n, 0);
    for fact in &filled {
        step.feed(&mut books, fact, &mut own);
    }
    step.finish(&mut books, &mut own);
    let mut refold = Refold::new(&own);
    for fact in &filled {
        refold.feed(&mut replayed, fact);
    }
    refold.finish(&mut replayed);
    replayed.check();
    assert_eq!(replayed.save(), books.save());
}

#[test]
fn what_is_adopted_is_the_houses() {
    let mut books = books();
    lots_after(&mut books, "a", Side::Buy, "100", "1");
    assert_eq!(account(&mut books, "1.5", "99900"), []);
    let adopted = Operator::Adopted {
        asset: "BTC".to_owned(),
        quantity: dec("0.5"),
        position: Some((sym("BTCUSDT"), dec("120"))),
        reason: "mine".to_owned(),
        venue: VenueId::default(),
    };
    let appended = facts_of(&mut books, &input(next(), Body::Operator(adopted)));
    assert_eq!(lots(&appended), "house 0.5 for 60");
}

/// For any mix of buys, sales, shortages and adoptions, the reported lots are those of the books. A
/// position is the sum of its lots, which the stage asserts.
#[test]
fn the_lots_that_are_said_are_those_that_are_held() {
    for seed in 1..=20 {
        let mut drawn = seed;
        let mut below = |most: u64| draw(&mut drawn) % most;
        let mut books = books();
        let (mut folded, mut sums) = (Lots::default(), BTreeMap::new());
        let (mut made, mut locked_in) = (BTreeMap::new(), Decimal::ZERO);
        let mut apply = |books: &mut Books, given: Fact<Body>| {
            for body in facts_of(books, &given) {
                if let Body::Ledger(Ledger::Position { symbol, quantity, realized_pnl, .. }) = &body
                {
                    sums.insert(*symbol, *quantity);
                    locked_in = *realized_pnl;
                }
                if let Body::Ledger(Ledger::Lot { strategy, realized_pnl, .. }) = &body {
                    made.insert(strategy.clone(), *realized_pnl);
                }
                let version = books.version();
                folded.fold(&Fact { version, ..fact(given.key.n, 800, body) });
            }
            for (symbol, quantity) in &sums {
                assert_eq!(folded.sum(*symbol), *quantity, "seed {seed}: {folded:?}");
            }
            let all = money::total(made.values().copied());
            assert_eq!(all, locked_in, "seed {seed}: {made:?}");
        };
        for _ in 0..200 {
            let strategy = ["a", "b", "c", PANIC, "flatten"][usize::try_from(below(5)).unwrap()];
            let quantity = Decimal::new(1 + below(30_000).cast_signed(), 5);
            let buys = below(2) == 0 && !["flatten", PANIC].contains(&strategy);
            let side = if buys { Side::Buy } else { Side::Sell };
            let mut of = trade(1, "100", "1");
            of.quantity = quantity;
            if below(3) == 0 {
                (of.fee, of.fee_asset) = (Decimal::new(3, 4), "BTC".to_owned());
            }
            apply(&mut books, fact(next(), 700, fill(strategy, side, of)));
            if below(4) == 0 {
                apply(&mut books, owed(strategy, Some("too small")));
                apply(&mut books, input(next(), close("BTCUSDT", 2, 100)));
            }
            if below(8) == 0 {
                let there = Decimal::new(below(100_000).cast_signed(), 5).to_string();
                let conflicts = account(&mut books, &there, "90000");
                for conflict in conflicts.into_iter().filter(|c| c.about == "BTC") {
                    let (accept, reason) = (Accept::Venue, "r".to_owned());
                    let resolved =
                        Operator::Resolved { conflict, accept, reason, venue: VenueId::default() };
                    apply(&mut books, input(next(), Body::Operator(resolved)));
                }
            }
            let bytes = books.save();
            books.load(&bytes).unwrap();
            assert_eq!(books.save(), bytes);
        }
    }
}

#[test]
fn a_state_without_lots_is_read_as_that_of_the_one_strategy_there_was() {
    // A state saved by the previous version: positions without lots, and a closed position.
    let mut old = Books::default();
    let mut facts = vec![
        input(1, configured(&Settings::default())),
        input(2, Body::Market(Market::Instruments { rules: vec![instrument("BTCUSDT")] })),
    ];
    for (side, quantity) in [(Side::Buy, "2.50"), (Side::Sell, "1"), (Side::Sell, "0.5")] {
        let filled = fill("sma_cross", side, trade(1, "100.0", quantity));
        facts.push(fact(next(), 700, filled));
    }
    for fact in &facts {
        old.evolve(fact);
    }
    // The same state from facts, where the previous version reported the position.
    old.evolve(&Fact { version: 2, ..fact(3, 800, position("BTCUSDT", "1", "0")) });
    let mut new = Books::default();
    new.convert(2, &old.save_before_lots()).unwrap();
    new.check();
    assert_eq!(new.converts(), [2, 3]);
    assert_eq!(new.save(), old.save(), "the facts and the conversion lead to the same");
    let appended = lots_after(&mut new, "b", Side::Buy, "100", "1");
    assert_eq!(appended, "b 1 for 100");
    let appended = lots_after(&mut new, "sma_cross", Side::Sell, "100", "1");
    assert_eq!(appended, "sma_cross 0 for 0");
}

// The decision.

const T: UtcMs = 600_000;

fn ready(change: impl FnOnce(&mut Settings)) -> Decide {
    let mut stage = Decide::default();
    let mut settings = Settings::default();
    change(&mut settings);
    let started = Operator::Started { life: 1, installation: "inst".into(), epoch: 1 };
    let rules = ["BTCUSDT", "ETHUSDT"].map(instrument).to_vec();
    let bars = ["BTCUSDT", "ETHUSDT"].map(|symbol| bar(symbol, 9, 100)).to_vec();
    for body in [
        Body::Operator(started),
        configured(&settings),
        Body::Market(Market::Instruments { rules }),
        Body::Market(Market::close(T, bars, Vec::new())),
    ] {
        assert!(facts_of(&mut stage, &input(1, body)).is_empty());
    }
    facts_of(&mut stage, &fact(1, 800, reconciled(1, "10000")));
    stage
}

fn signal_of(strategy: &str, symbol: &str, side: Side) -> Signal {
    Signal { strategy: strategy.to_owned(), ..signal(symbol, side, T) }
}

fn words(facts: &[Body]) -> Vec<String> {
    let word = |body: &Body| match body {
        Body::Decision(Decision::Approved { intent, .. }) => {
            format!("{} {:?} {}", intent.strategy, intent.side, intent.quantity)
        }
        Body::Decision(Decision::Owed { strategy, ended: Some(why), .. }) => {
            format!("{strategy} done: {why}")
        }
        Body::Decision(Decision::Owed { strategy, refusal: Some(why), .. }) => {
            format!("{strategy} waits: {why}")
        }
        Body::Decision(Decision::Owed { strategy, .. }) => format!("{strategy} owed"),
        Body::Decision(Decision::Declined { signal, code, .. }) => {
            format!("{} {code}", signal.strategy)
        }
        Body::Decision(_)
        | Body::Market(_)
        | Body::Venue(_)
        | Body::Operator(_)
        | Body::Analysis(_)
        | Body::Order(_)
        | Body::Ledger(_) => panic!("{body:?}"),
    };
    facts.iter().map(word).collect()
}

fn decides(stage: &mut Decide, rows: Vec<Signal>) -> Vec<String> {
    let signals = fact(2, 400, Body::Analysis(Analysis::Signals { rows }));
    words(&facts_of(stage, &signals))
}

fn holding(all: &[(&str, &str)]) -> Decide {
    let mut stage = ready(|_| {});
    holds(&mut stage, all);
    stage
}

fn holds(stage: &mut Decide, all: &[(&str, &str)]) {
    let total = money::total(all.iter().map(|(_, quantity)| dec(quantity)));
    stage.evolve(&sum("BTCUSDT", &total.to_string()));
    for (strategy, quantity) in all {
        stage.evolve(&lot(strategy, "BTCUSDT", quantity));
    }
}

#[test]
fn the_second_strategy_enters_what_the_first_one_holds_and_each_sells_its_own() {
    use Side::{Buy, Sell};
    let mut stage = holding(&[("a", "3")]);
    let appended =
        decides(&mut stage, vec![signal_of("b", "BTCUSDT", Buy), signal_of("a", "BTCUSDT", Buy)]);
    assert_eq!(appended, ["a already-long", "b Buy 10"]);
    let appended =
        decides(&mut stage, vec![signal_of("b", "BTCUSDT", Buy), signal_of("a", "BTCUSDT", Sell)]);
    assert_eq!(appended, ["a owed", "a Sell 3", "b pending"], "sales go first, each has its order");
    let mut stage = holding(&[("a", "3"), ("b", "2")]);
    let appended = decides(&mut stage, vec![signal_of("b", "BTCUSDT", Sell)]);
    assert_eq!(appended, ["b owed", "b Sell 2"]);
    let appended = decides(&mut stage, vec![signal_of("c", "BTCUSDT", Sell)]);
    assert_eq!(appended, ["c nothing-to-sell"]);
}

#[test]
fn places_are_lots_and_what_is_on_its_way_to_one() {
    let mut stage = ready(|settings| settings.trading.max_positions = 2);
    holds(&mut stage, &[("a", "3"), (HOUSE, "0.00001")]);
    let rows = ["b", "c"].map(|strategy| signal_of(strategy, "BTCUSDT", Side::Buy)).to_vec();
    assert_eq!(decides(&mut stage, rows), ["b Buy 10", "c max-positions"]);
    let bytes = stage.save();
    stage.load(&bytes).unwrap();
    let appended = decides(&mut stage, vec![signal_of("c", "BTCUSDT", Side::Buy)]);
    assert_eq!(appended, ["c max-positions"]);
}

#[test]
fn the_next_sale_of_a_symbol_takes_the_houses_along_once() {
    let mut stage = holding(&[("a", "3.00007"), ("b", "2.00005"), (HOUSE, "0.00006")]);
    let rows = ["a", "b"].map(|strategy| signal_of(strategy, "BTCUSDT", Side::Sell)).to_vec();
    let appended = decides(&mut stage, rows);
    assert_eq!(appended, ["a owed", "a Sell 3.0001", "b owed", "b Sell 2"]);
    // Two lots that are too small alone can be sold together.
    let mut stage = holding(&[("a", "0.05"), (HOUSE, "0.06")]);
    let appended = decides(&mut stage, vec![signal_of("a", "BTCUSDT", Side::Sell)]);
    assert_eq!(appended, ["a owed", "a Sell 0.11"]);
}

#[test]
fn the_exit_of_dust_ends_though_its_symbol_is_listed_no_more() {
    let mut stage = holding(&[("a", "3")]);
    assert_eq!(decides(&mut stage, vec![signal_of("a", "BTCUSDT", Side::Sell)])[1], "a Sell 3");
    let id = stage.held().next().unwrap().0.clone();
    stage.evolve(&sum("BTCUSDT", "0.00001"));
    stage.evolve(&lot("a", "BTCUSDT", "0.00001"));
    stage.evolve(&fact(3, 700, changed(&id.0, OrderStatus::Filled, "2.99999")));
    let (listed, unlisted) = (Vec::new(), vec![sym("BTCUSDT")]);
    let left = Market::Universe { asked: 0, basis: 0, listed, unlisted };
    let appended = words(&facts_of(&mut stage, &input(4, Body::Market(left))));
    assert!(appended.len() == 1 && appended[0].starts_with("a done: 0.00001 BTC"), "{appended:?}");
}

#[test]
fn two_sales_together_sell_no_more_than_the_account_has() {
    let mut stage = holding(&[("a", "3"), ("b", "2")]);
    let free = dec("4");
    let balances = vec![Balance { asset: "BTC".into(), free, locked: Decimal::ZERO }];
    let account = AccountFact { balances, ..AccountFact::default() };
    facts_of(&mut stage, &input(5, account.body()));
    facts_of(&mut stage, &fact(5, 800, reconciled(1, "9000")));
    let appended = decides(&mut stage, vec![signal_of("a", "BTCUSDT", Side::Sell)]);
    assert_eq!(appended, ["a owed", "a Sell 3"]);
    let appended = decides(&mut stage, vec![signal_of("b", "BTCUSDT", Side::Sell)]);
    assert_eq!(appended, ["b owed", "b Sell 1"], "3 are on their way, 1 is missing");
}

fn switched(switch: Switch) -> Fact<Body> {
    input(7, Body::Operator(Operator::Switched { switch, reason: "enough".to_owned() }))
}

#[test]
fn flatten_owes_an_exit_of_every_lot_and_resume_leaves_those_that_a_strategy_wants() {
    let mut stage = holding(&[("a", "3"), ("b", "2"), (HOUSE, "1")]);
    let appended = words(&facts_of(&mut stage, &switched(Switch::Flatten)));
    let want = ["a owed", "a Sell 3", "b owed", "b Sell 2", "house owed", "house Sell 1"];
    assert_eq!(appended, want);
    assert_eq!(words(&facts_of(&mut stage, &switched(Switch::Flatten))), [""; 0], "switched twice");
    // All are rejected; then b signals an exit and a an entry.
    let ids: Vec<ClientOrderId> = stage.held().map(|(id, _)| id.clone()).collect();
    for id in ids {
        stage.evolve(&fact(8, 700, changed(&id.0, OrderStatus::Rejected, "0")));
    }
    let rows = vec![signal_of("b", "BTCUSDT", Side::Sell), signal_of("a", "BTCUSDT", Side::Buy)];
    let appended = decides(&mut stage, rows);
    assert!(appended.iter().all(|word| !word.contains("done")), "{appended:?}");
    let bytes = stage.save();
    stage.load(&bytes).unwrap();
    let appended = words(&facts_of(&mut stage, &switched(Switch::Resume)));
    assert!(
        appended.contains(&"a done: an operator has resumed trading".to_owned()),
        "{appended:?}"
    );
    assert!(
        appended.iter().all(|word| !word.starts_with("b done")),
        "b wants to leave: {appended:?}"
    );
}

#[test]
fn an_exit_of_flatten_that_is_on_its_way_over_a_resume_is_of_flatten_still() {
    let mut stage = holding(&[("a", "3")]);
    facts_of(&mut stage, &switched(Switch::Flatten));
    facts_of(&mut stage, &switched(Switch::Resume));
    let again = Fact { key: Key { n: 9, rank: 0, i: 0 }, ..switched(Switch::Flatten) };
    facts_of(&mut stage, &again);
    let id = stage.held().next().unwrap().0.clone();
    let refused =
        words(&facts_of(&mut stage, &fact(10, 700, changed(&id.0, OrderStatus::Rejected, "0"))));
    assert!(refused[0].starts_with("a waits"), "{refused:?}");
    let appended = words(&facts_of(&mut stage, &switched(Switch::Resume)));
    assert_eq!(appended, ["a done: an operator has resumed trading"]);
}

#[test]
fn a_position_of_a_version_without_lots_is_a_lot_of_the_one_strategy_there_was() {
    let mut stage = ready(|_| {});
    stage.evolve(&fact(1, 800, position("BTCUSDT", "3", "9700")));
    let appended = decides(&mut stage, vec![signal_of("sma_cross", "BTCUSDT", Side::Sell)]);
    assert_eq!(appended, ["sma_cross owed", "sma_cross Sell 3"]);
}

#[test]
fn a_sale_that_a_version_without_lots_decided_is_in_the_way_of_every_lot_it_may_sell() {
    let mut old = ready(|_| {});
    old.evolve(&fact(1, 800, position("BTCUSDT", "3", "9700")));
    let flatten = Signal { reason: String::new(), ..signal_of("flatten", "BTCUSDT", Side::Sell) };
    let intent = everwarm_domain::order::OrderIntent {
        client_id: ClientOrderId("ew-flatten-1".to_owned()),
        strategy: flatten.strategy,
        symbol: flatten.symbol,
        side: Side::Sell,
        order_type: everwarm_domain::order::OrderType::Market,
        quantity: dec("3"),
        price: None,
        close_time: T,
        valid_until: T,
        terms: Box::default(),
    };
    let (reserved, reason) = (Decimal::ZERO, String::new());
    let approved = Body::Decision(Decision::Approved { intent, reserved, reason, sizing: None });
    old.evolve(&Fact { version: 5, ..fact(2, 600, approved) });
    let appended = words(&facts_of(&mut old, &switched(Switch::Flatten)));
    let pending = "sma_cross waits: an order in BTCUSDT is not final yet";
    assert_eq!(appended, [pending], "nothing is sold twice");
}

// All together.

/// The signals of a strategy at a close.
type Script = fn(&str, UtcMs, &[Bar]) -> Vec<(Symbol, Side)>;

/// A stage that appends the signals of a script at each close.
#[derive(Debug)]
struct Scripted {
    name: &'static str,
    rank: u16,
    says: Script,
}

impl Stage for Scripted {
    type Body = Body;
    fn rank(&self) -> Rank {
        Rank(self.rank)
    }
    fn name(&self) -> &'static str {
        self.name
    }
    fn interest(&self) -> Mask {
        Mask::of(&[kind::CLOSE])
    }
    fn produces(&self) -> Mask {
        Mask::of(&[kind::SIGNALS])
    }
    fn evolve(&mut self, _: &Fact<Body>) {}
    fn decide(&self, given: &Fact<Body>, out: &mut Out<Body>) {
        let Body::Market(Market::Close { time, bars, .. }) = &given.body else { return };
        let signal = |(symbol, side): (Symbol, Side)| {
            let price = bars.iter().find(|bar| bar.symbol == symbol).map(|bar| bar.close);
            Some(Signal {
                strategy: self.name.to_owned(),
                symbol,
                intent: side.into(),
                direction: Direction::Long,
                confidence_ppm: 1,
                price: price?,
                close_time: *time,
                reason: "r".to_owned(),
                terms: Box::default(),
            })
        };
        let rows: Vec<Signal> =
            (self.says)(self.name, *time, bars).into_iter().filter_map(signal).collect();
        if !rows.is_empty() {
            out.append(Body::Analysis(Analysis::Signals { rows }));
        }
    }
    fn save(&self) -> Vec<u8> {
        state::save(1, &())
    }
    fn load(&mut self, _: &[u8]) -> Result<(), String> {
        Ok(())
    }
}

/// All stages, with two scripted ones in place of the strategy.
fn world(says: Script) -> World {
    let ours = stages().into_iter().filter(|stage| stage.rank() != rank::STRATEGY);
    let two = [("a", 401), ("b", 402)].map(|(name, rank)| {
        let stage: AnyStage = Box::new(Scripted { name, rank, says });
        stage
    });
    World::of(ours.chain(two).collect(), Delivery::Torn, 0)
}

#[test]
fn two_strategies_on_one_symbol_each_round_trip_their_own_lot() {
    let mut world = world(|name, time, _| {
        let side = match (name, time / MINUTE) {
            ("a", 2) | ("b", 3) => Side::Buy,
            ("a", 4) | ("b", 6) => Side::Sell,
            _ => return Vec::new(),
        };
        vec![(sym("BTCUSDT"), side)]
    });
    for (minute, price) in (1..).zip([100, 125, 125, 125, 200, 200]) {
        world.close(vec![bar("BTCUSDT", minute, price)]);
    }
    let orders = world.facts.iter().filter_map(|fact| {
        let Body::Order(Order::Intent(intent)) = &fact.body else { return None };
        Some(format!("{} {:?} {}", intent.strategy, intent.side, intent.quantity))
    });
    let orders: Vec<String> = orders.collect();
    assert_eq!(orders, ["a Buy 10", "b Buy 8", "a Sell 10", "b Sell 8"]);
    world.account();
    let last = world.facts.last().map(|fact| &fact.body);
    let agrees = matches!(last, Some(Body::Ledger(Ledger::Reconciled { conflicts, foreign, .. }))
        if conflicts.is_empty() && foreign.is_empty());
    assert!(agrees, "{last:?}");
}

#[test]
fn whatever_two_strategies_signal_no_sale_is_larger_than_its_lot_and_the_venue_agrees() {
    let mut world = world(|name, time, bars| {
        let seed = (time / MINUTE).cast_unsigned() * 2 + u64::from(name == "b");
        let mut drawn = seed;
        let mut says = |bar: &Bar| match draw(&mut drawn) % 6 {
            0 => Some((bar.symbol, Side::Buy)),
            1 => Some((bar.symbol, Side::Sell)),
            _ => None,
        };
        bars.iter().filter_map(&mut says).collect()
    });
    world.walk_from(1, 300);
    world.account();
    let (mut lots, mut sums, mut sales) = (Lots::default(), BTreeMap::new(), 0);
    let mut last = 0;
    for fact in &world.facts {
        if fact.key.n != last {
            for (symbol, quantity) in &sums {
                assert_eq!(lots.sum(*symbol), *quantity, "before {}", fact.key);
            }
            last = fact.key.n;
        }
        lots.fold(fact);
        if let Body::Ledger(Ledger::Position { symbol, quantity, .. }) = &fact.body {
            sums.insert(*symbol, *quantity);
        } else if let Body::Ledger(Ledger::Reconciled { conflicts, foreign, .. }) = &fact.body {
            assert!(conflicts.is_empty() && foreign.is_empty(), "{}", fact.key);
        } else if let Body::Order(Order::Intent(intent)) = &fact.body
            && intent.side == Side::Sell
        {
            let lot = lots.get(intent.symbol, &intent.strategy);
            let house = lots.get(intent.symbol, HOUSE);
            assert!(intent.quantity <= lot + house, "{}: {intent:?}", fact.key);
            sales += 1;
        }
    }
    assert!(sales > 60, "{sales}");
}
