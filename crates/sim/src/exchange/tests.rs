use super::costs::Costs;
use super::depth;
use super::draw::{Draw, Purpose};
use super::fact::{Opened, Replaced, SimFact, Traded};
use super::local::InitialBooks;
use super::matching::path;
use super::{
    Amount, Cancel, CancelMany, Distance, Exchange, Local, Many, NewOrder, OrderKind, Replace,
    Status, Target, TimeInForce, Trail, Trigger,
};
use crate::testing::{Fake, START, at_limit, at_market, bar, dec, listed, order, setup, stop, sym};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{OrderReport, OrderStatus, Side};
use everwarm_domain::time::{MINUTE, UtcMs};
use everwarm_kernel::fact::Body;
use everwarm_kernel::stage::Stage;

mod books;
mod contingent;
mod paper_fills;
mod stops;
mod ticks;

const CLOSE: UtcMs = START + MINUTE;

fn refused(local: &mut Local, order: NewOrder) -> (i32, String) {
    local.place(order).expect_err("the order is refused")
}

fn prices(report: &OrderReport) -> Vec<Decimal> {
    report.fills.iter().map(|f| f.price).collect()
}

fn trades(facts: &[SimFact]) -> Vec<&Traded> {
    let mut found = Vec::new();
    for fact in facts {
        if let SimFact::Traded(traded) = fact {
            found.push(traded);
        }
    }
    found
}

fn cancel(order: u64) -> SimFact {
    SimFact::Cancel(cancel_of(order))
}

fn cancel_of(order: u64) -> Cancel {
    let target = Target { symbol: sym("BTCUSDT"), order: Some(order), client_id: None };
    let cancel_id = Some("c".to_owned());
    Cancel { target, cancel_id, at: 0, deadline: UtcMs::MAX, only_begun: None }
}

#[test]
fn a_bar_is_four_trades_in_its_last_milliseconds() {
    let rising = bar("BTCUSDT", 0, ["100", "110", "95", "105"], "1");
    let falling = bar("BTCUSDT", 0, ["105", "108", "90", "92"], "1");
    let show = |b| path(CLOSE, b).map(|s| format!("{}@{}", s.price, s.time - CLOSE)).join(" ");
    assert_eq!(show(&rising), "100@-4 95@-3 110@-2 105@-1");
    assert_eq!(show(&falling), "105@-4 108@-3 90@-2 92@-1");
}

#[test]
fn the_market_moves_only_where_it_is_released() {
    let mut local = Fake::usual().local();
    let last = |local: &Local| local.exchange().tape(sym("BTCUSDT")).map(|t| t.last);
    local.advance(CLOSE - 5, CLOSE - 5);
    assert_eq!(last(&local), Some(dec("100")));
    local.advance(CLOSE - 2, CLOSE - 3);
    assert_eq!(last(&local), Some(dec("95")));
    assert_eq!(local.exchange().last_close(), START, "the minute is not released yet");
    local.advance(CLOSE - 1, CLOSE - 1);
    assert_eq!((last(&local), local.exchange().last_close()), (Some(dec("105")), CLOSE));
    assert!(local.closed_since(START).is_empty());
    local.advance(CLOSE, CLOSE);
    assert_eq!(local.closed_since(START).len(), 1);
    local.advance(START, START);
    assert_eq!(local.exchange().now(), CLOSE, "time is never lowered");
    local.advance(START + 10 * MINUTE, START + 10 * MINUTE);
    let closes: Vec<_> = local.closed_since(CLOSE).into_iter().map(|c| c.0).collect();
    assert_eq!(closes, [START + 2 * MINUTE, START + 4 * MINUTE]);
    assert_eq!((local.next_close(), local.exchange().last_close()), (None, START + 4 * MINUTE));
}

#[test]
fn a_market_order_is_filled_at_once_behind_the_last_price() {
    let mut local = Fake::usual().local();
    let mut single = 0;
    for i in 0..40 {
        let report = local.place(at_market(Side::Buy, "0.5", &format!("b{i}"))).expect("filled");
        assert_eq!((report.status, report.executed), (OrderStatus::Filled, dec("0.5")));
        let prices = prices(&report);
        assert!(prices[0] > dec("100") && prices[0] <= dec("100.02"), "{prices:?}");
        assert!(prices.is_sorted_by(|a, b| a < b), "{prices:?}");
        single += usize::from(prices.len() == 1);
    }
    assert!((20..40).contains(&single), "some small orders are split too: {single} are not");
    let report = local.place(at_market(Side::Sell, "9", "large")).expect("filled");
    let prices = prices(&report);
    assert!((2..=4).contains(&prices.len()) && prices.is_sorted_by(|a, b| a > b), "{prices:?}");
    local.exchange().check();
}

#[test]
fn fees_are_paid_in_what_was_bought() {
    let mut local = Fake::usual().local();
    let bought = local.place(at_market(Side::Buy, "0.5", "b")).expect("filled");
    let fee: Decimal = bought.fills.iter().map(|f| f.fee).sum();
    assert_eq!((bought.fills[0].fee_asset.as_str(), fee), ("BTC", dec("0.0005")));
    assert_eq!(local.exchange().purse("BTC").free, dec("1000.4995"));
    let paid = dec("100000") - local.exchange().purse("USDT").free;
    assert_eq!(paid, bought.executed_quote);
    let before = local.exchange().purse("USDT").free;
    let sold = local.place(at_market(Side::Sell, "1", "s")).expect("filled");
    let fee: Decimal = sold.fills.iter().map(|f| f.fee).sum();
    assert_eq!(sold.fills[0].fee_asset, "USDT");
    assert_eq!(local.exchange().purse("USDT").free, before + sold.executed_quote - fee);
    assert!(fee > dec("0.0999") && fee <= dec("0.1"), "{fee}");
}

#[test]
fn costs_change_fees_fills_and_the_visible_book() {
    let costs = |fee: &str, spread: &str, slippage: &str| Costs {
        fee: dec(fee),
        spread: dec(spread),
        slippage: dec(slippage),
        ..Costs::default()
    };
    let traded = |costs: Costs| {
        let setup = InitialBooks { costs, ..setup() };
        let mut local = Local::open(Box::new(Fake::usual()), &setup);
        let bought = local.place(at_market(Side::Buy, "0.5", "b")).expect("filled");
        let sold = local.place(at_market(Side::Sell, "0.5", "s")).expect("filled");
        let exchange = local.exchange();
        let rules = exchange.instrument(sym("BTCUSDT")).unwrap();
        let (bid, ask) = depth::best(exchange.tape(rules.symbol).unwrap(), rules, exchange.costs());
        exchange.check();
        let fee = bought.fills.iter().map(|fill| fill.fee).sum::<Decimal>();
        (fee, prices(&bought)[0], prices(&sold)[0], [bid, ask])
    };
    let usual = traded(Costs::default());
    let (fee, bought, sold, _) = traded(costs("0.0025", "0", "0"));
    assert_eq!((fee, bought, sold), (dec("0.00125"), dec("100"), dec("100")), "no slippage");
    let (fee, bought, sold, book) = traded(costs("0", "0.02", "0"));
    assert_eq!((fee, bought, sold), (Decimal::ZERO, dec("101"), dec("99")), "half on each side");
    assert_eq!(book, [dec("99"), dec("101")]);
    let (_, bought, sold, book) = traded(costs("0.001", "0.02", "10"));
    assert!(bought - dec("101") > usual.1 - dec("100"), "{bought} is further than {}", usual.1);
    assert!(dec("99") - sold > dec("100") - usual.2, "{sold} is further than {}", usual.2);
    assert!(book[0] < dec("99") && book[1] > dec("101"), "{book:?}");
}

#[test]
fn books_take_over_other_costs_and_keep_what_was_charged() {
    let mut local = Fake::usual().local();
    let before = local.place(at_market(Side::Buy, "0.5", "b")).expect("filled");
    assert_eq!(setup().prices(local.exchange()), None, "the costs are the same");
    let costs = Costs { fee: dec("0.002"), ..Costs::default() };
    let prices = InitialBooks { costs, ..setup() }.prices(local.exchange()).expect("others");
    local.step(prices);
    let after = local.place(at_market(Side::Buy, "0.5", "c")).expect("filled");
    let fee = |report: &OrderReport| report.fills.iter().map(|fill| fill.fee).sum::<Decimal>();
    assert_eq!([fee(&before), fee(&after)], [dec("0.0005"), dec("0.001")]);
    let saved = local.exchange().save();
    let mut again = Exchange::default();
    again.load(&saved).unwrap();
    assert_eq!(*again.costs(), costs);
}

#[test]
fn an_amount_in_quote_units_is_not_overspent() {
    let mut local = Fake::usual().local();
    let kind = OrderKind::Market(Amount::Quote(dec("50")));
    let order = NewOrder { kind, ..at_market(Side::Buy, "1", "q") };
    let report = local.place(order).expect("filled");
    assert_eq!(report.status, OrderStatus::Filled);
    assert!(report.executed_quote <= dec("50") && report.executed_quote > dec("49.8"));
    assert_eq!(report.quantity, report.executed);
}

#[test]
fn a_resting_order_fills_at_its_price_and_in_parts() {
    let mut local = Fake::usual().local();
    let report = local.place(at_limit(Side::Buy, "20", "96", TimeInForce::Gtc, "l")).expect("open");
    assert_eq!((report.status, report.fills.len()), (OrderStatus::Open, 0));
    assert_eq!(local.exchange().purse("USDT").locked, dec("1920"));
    assert!(local.advance(CLOSE - 4, CLOSE - 4).is_empty(), "100 does not touch it");
    let facts = local.advance(CLOSE, CLOSE);
    let first = trades(&facts);
    assert_eq!((first.len(), first[0].price, first[0].at), (1, dec("96"), CLOSE - 3));
    let part = first[0].quantity;
    assert!(part >= dec("2") && part <= dec("10"), "a share of the volume of 40: {part}");
    let order = local.exchange().order(1).expect("it is there");
    assert_eq!((order.status, order.executed), (Status::PartiallyFilled, part));
    assert_eq!(local.exchange().purse("USDT").locked, dec("96") * (dec("20") - part));
    let facts = local.advance(CLOSE + MINUTE, CLOSE + MINUTE);
    let second: Decimal = trades(&facts).iter().map(|t| t.quantity).sum();
    assert!(second > Decimal::ZERO && trades(&facts).iter().all(|t| t.maker));
    let facts = local.advance(CLOSE + 3 * MINUTE, CLOSE + 3 * MINUTE);
    assert!(facts.is_empty(), "a bar without volume fills nothing");
    local.exchange().check();
}

#[test]
fn the_share_of_a_minute_does_not_depend_on_how_it_is_released() {
    let whole = |steps: &[UtcMs]| {
        let mut local = Fake::usual().local();
        local.place(at_limit(Side::Buy, "20", "100", TimeInForce::Gtc, "l")).expect("open");
        let facts: Vec<_> = steps.iter().flat_map(|at| local.advance(*at, *at)).collect();
        let last = local.exchange().order(1).map(|o| (o.executed, o.status));
        (facts, last)
    };
    assert_eq!(whole(&[CLOSE]), whole(&[CLOSE - 4, CLOSE - 3, CLOSE - 2, CLOSE - 1, CLOSE]));
}

#[test]
fn the_better_price_is_served_first() {
    let mut local = Fake::usual().local();
    local.place(at_limit(Side::Sell, "20", "109", TimeInForce::Gtc, "late")).expect("open");
    local.place(at_limit(Side::Sell, "0.5", "107", TimeInForce::Gtc, "early")).expect("open");
    let facts = local.advance(CLOSE, CLOSE);
    let who: Vec<_> = trades(&facts).iter().map(|t| (t.order, t.price)).collect();
    assert_eq!(who, [(2, dec("107")), (1, dec("109"))]);
}

#[test]
fn a_limit_that_crosses_takes_and_the_terms_decide_about_the_rest() {
    let mut local = Fake::usual().local();
    let full = local.place(at_limit(Side::Buy, "1", "101", TimeInForce::Fok, "a")).expect("ok");
    assert_eq!(full.status, OrderStatus::Filled);
    assert!(prices(&full).iter().all(|p| *p <= dec("101")));
    assert_eq!(local.exchange().purse("USDT").locked, Decimal::ZERO);
    let none = local.place(at_limit(Side::Buy, "1", "100", TimeInForce::Fok, "b")).expect("ok");
    assert_eq!((none.status, none.executed), (OrderStatus::Expired, Decimal::ZERO));
    let none = local.place(at_limit(Side::Buy, "1", "100", TimeInForce::Ioc, "c")).expect("ok");
    assert_eq!(none.status, OrderStatus::Expired);
    let part = (0..50).find_map(|i| {
        let id = format!("d{i}");
        let order = at_limit(Side::Buy, "9", "100.02", TimeInForce::Ioc, &id);
        let report = local.place(order).expect("accepted");
        (!report.executed.is_zero() && report.executed < dec("9")).then_some(report.status)
    });
    assert_eq!(part, Some(OrderStatus::Expired), "one of them takes a part");
    local.exchange().check();
}

#[test]
fn every_filter_names_itself() {
    let limit = |q, p| at_limit(Side::Buy, q, p, TimeInForce::Gtc, "x");
    let market = |q| at_market(Side::Buy, q, "x");
    let cases = [
        (limit("1", "100.001"), "PRICE_FILTER"),
        (limit("1", "0"), "PRICE_FILTER"),
        (limit("1", "501"), "PERCENT_PRICE_BY_SIDE"),
        (limit("1", "19.99"), "PERCENT_PRICE_BY_SIDE"),
        (limit("1.0005", "100"), "LOT_SIZE"),
        (limit("0", "100"), "LOT_SIZE"),
        (limit("9001", "100"), "LOT_SIZE"),
        (limit("99999999999999999999", "100"), "LOT_SIZE"),
        (limit("0.049", "100"), "NOTIONAL"),
        (market("0.0005"), "LOT_SIZE"),
        (market("501"), "MARKET_LOT_SIZE"),
        (market("0.049"), "NOTIONAL"),
    ];
    for (order, name) in cases {
        let mut local = Fake::usual().local();
        let error = refused(&mut local, order.clone());
        assert_eq!(error, (-1013, format!("Filter failure: {name}")), "{order:?}");
        assert!(local.exchange().orders().next().is_none());
    }
    let mut local = Fake::usual().local();
    for i in 0..200 {
        let id = i.to_string();
        local.place(at_limit(Side::Buy, "0.1", "60", TimeInForce::Gtc, &id)).expect("open");
    }
    let error = refused(&mut local, limit("0.1", "60"));
    assert_eq!(error.1, "Filter failure: MAX_NUM_ORDERS");
}

#[test]
fn a_position_may_be_limited() {
    let mut setup = setup();
    setup.max_position.insert(sym("BTCUSDT"), dec("1002"));
    let mut local = Local::open(Box::new(Fake::usual()), &setup);
    local.place(at_limit(Side::Buy, "1.5", "90", TimeInForce::Gtc, "a")).expect("open");
    let error = refused(&mut local, at_market(Side::Buy, "0.6", "b"));
    assert_eq!(error, (-1013, "Filter failure: MAX_POSITION".to_owned()));
    local.place(at_market(Side::Buy, "0.5", "c")).expect("exactly the limit");
    local.place(at_market(Side::Sell, "5", "d")).expect("sales are free");
}

#[test]
fn what_cannot_be_is_refused_in_the_protocols_words() {
    let mut local = Fake::usual().local();
    let poor = (-2010, "Account has insufficient balance for requested action.".to_owned());
    assert_eq!(
        refused(&mut local, at_limit(Side::Sell, "1001", "100", TimeInForce::Gtc, "x")),
        poor
    );
    let rich = at_limit(Side::Buy, "1001", "100", TimeInForce::Gtc, "x");
    assert_eq!(refused(&mut local, rich), poor);
    let eth = NewOrder { symbol: sym("ETHUSDT"), ..at_market(Side::Sell, "1", "x") };
    assert_eq!(refused(&mut local, eth), poor);
    let other = NewOrder { symbol: sym("XYZUSDT"), ..at_market(Side::Sell, "1", "x") };
    assert_eq!(refused(&mut local, other), (-1121, "Invalid symbol.".to_owned()));
    let late = NewOrder { deadline: START - 1, ..at_market(Side::Buy, "1", "x") };
    assert_eq!(refused(&mut local, late).0, -1021);
    let mut fake = Fake::usual();
    fake.rules("BTCUSDT").trading = false;
    let error = refused(&mut fake.local(), at_market(Side::Buy, "1", "x"));
    assert_eq!(error, (-2010, "Market is closed.".to_owned()));
}

#[test]
fn a_client_id_protects_only_among_open_orders() {
    let mut local = Fake::usual().local();
    let resting = at_limit(Side::Buy, "1", "90", TimeInForce::Gtc, "same");
    local.place(resting.clone()).expect("open");
    let twice = (-2010, "Duplicate order sent.".to_owned());
    assert_eq!(refused(&mut local, resting.clone()), twice);
    assert_eq!(refused(&mut local, at_market(Side::Buy, "1", "same")), twice);
    local.step(cancel(1));
    local.place(at_market(Side::Buy, "1", "same")).expect("accepted after the cancel");
    local.place(at_market(Side::Buy, "1", "same")).expect("bought a second time");
    let newest = local.exchange().newest(sym("BTCUSDT"), "same").map(|o| o.id);
    assert_eq!(newest, Some(3));
}

#[test]
fn a_cancel_frees_what_was_held_and_works_once() {
    let mut local = Fake::usual().local();
    local.place(at_limit(Side::Sell, "2", "120", TimeInForce::Gtc, "a")).expect("open");
    assert_eq!(local.exchange().purse("BTC").locked, dec("2"));
    assert!(matches!(local.step(cancel(1))[..], [SimFact::Cancelled { order: 1, .. }]));
    let purse = local.exchange().purse("BTC");
    assert_eq!((purse.free, purse.locked), (dec("1000"), Decimal::ZERO));
    let unknown = SimFact::Rejected { code: -2011, msg: "Unknown order sent.".to_owned() };
    assert_eq!(local.step(cancel(1)), std::slice::from_ref(&unknown));
    assert_eq!(local.step(cancel(9)), [unknown]);
}

#[test]
fn chance_knows_the_minute_but_not_the_time() {
    let fills = |wait: UtcMs, market: UtcMs, id: &str| {
        let mut local = Fake::usual().local();
        local.advance(CLOSE + wait, market);
        local.place(at_market(Side::Buy, "9", id)).expect("filled").fills.len();
        let shown = local.exchange().trades(sym("BTCUSDT")).iter();
        shown.map(|t| (t.price, t.quantity)).collect::<Vec<_>>()
    };
    assert_eq!(fills(0, CLOSE, "a"), fills(30_000, CLOSE + 30_000, "a"));
    assert_ne!(fills(0, CLOSE, "a"), fills(0, CLOSE, "b"));
    let draw = |seed, minute| {
        Draw { seed, symbol: sym("BTCUSDT"), minute, client_id: "a" }.number(Purpose::Slip)
    };
    assert_ne!(draw(1, CLOSE), draw(1, CLOSE + MINUTE));
    assert_ne!(draw(1, CLOSE), draw(2, CLOSE));
}

#[test]
fn a_market_without_a_price_has_nothing_to_sell() {
    let mut local = Fake::usual().local();
    let rules = local.exchange().instruments().to_vec();
    let balances = [("USDT".to_owned(), dec("1000"))].into();
    local.step(SimFact::Opened(Opened {
        seed: 1,
        at: START,
        instruments: rules,
        balances,
        max_position: std::collections::BTreeMap::new(),
        max_stop_orders: std::collections::BTreeMap::new(),
        last: Vec::new(),
    }));
    let error = refused(&mut local, at_market(Side::Buy, "1", "x"));
    assert_eq!(error.0, -2010);
    local.place(at_limit(Side::Buy, "1", "90", TimeInForce::Gtc, "y")).expect("rests");
}

#[test]
fn every_fact_survives_its_encoding_and_the_state_its_checkpoint() {
    let mut local = Fake::usual().local();
    let mut facts = vec![setup().open(&mut Fake::usual())];
    let mut run = |local: &mut Local, input: SimFact| {
        let outcome = local.step(input.clone());
        facts.push(input);
        facts.extend(outcome);
    };
    run(&mut local, SimFact::Place(at_market(Side::Buy, "9", "a")));
    run(&mut local, SimFact::Place(at_limit(Side::Buy, "9", "100", TimeInForce::Ioc, "b")));
    run(&mut local, SimFact::Place(at_limit(Side::Buy, "9", "90", TimeInForce::Gtc, "c")));
    run(&mut local, SimFact::Place(at_market(Side::Buy, "0.0001", "d")));
    run(&mut local, cancel(3));
    run(&mut local, SimFact::Funded { asset: "USDT".to_owned(), amount: dec("-1"), at: START });
    run(&mut local, SimFact::PlaceList(listed(contingent::bracket("1", "100"), "list")));
    let replace =
        Replace { cancel: cancel_of(9), order: at_market(Side::Buy, "1", "e"), regardless: true };
    run(&mut local, SimFact::Replace(replace));
    let stop = order(Side::Sell, stop(Trigger::StopLoss, "1", "96", None), "s");
    run(&mut local, SimFact::Place(stop));
    for input in super::local::advances(&local.exchange().clone(), local.market(), CLOSE, CLOSE) {
        run(&mut local, input);
    }
    let many = Many::Symbol;
    let symbol = sym("BTCUSDT");
    let all = CancelMany { symbol, many, cancel_id: None, at: 0, deadline: UtcMs::MAX };
    run(&mut local, SimFact::CancelMany(all));
    facts.push(SimFact::Upgraded { from: 1, to: 2 });
    facts.push(SimFact::Queued { order: 1, ahead: dec("0.5") });
    let trail = Trail { distance: Distance::Price(dec("2")), best: dec("100") };
    facts.push(SimFact::Trailed { order: 1, trail, stop: dec("98") });
    let accepted = |fact: &SimFact| {
        let SimFact::Accepted(accepted) = fact else { return None };
        Some(accepted.clone())
    };
    let by = facts.iter().find_map(accepted).expect("an accepted order");
    facts.push(SimFact::Replaced(Replaced { order: 1, execution: 1, by }));
    let mut kinds = std::collections::BTreeSet::new();
    for fact in facts {
        let mut bytes = Vec::new();
        fact.encode(&mut bytes);
        assert_eq!(SimFact::decode(&bytes), Ok(fact.clone()));
        assert_ne!(SimFact::name(fact.kind()), "?");
        kinds.insert(fact.kind());
    }
    assert_eq!(kinds.len(), 20, "every kind is here");
    let mut again = Exchange::default();
    again.load(&local.exchange().save()).expect("it reads what it wrote");
    assert_eq!(&again, local.exchange());
}
