//! Fills under the assumptions of paper trading: parts over minutes, queues, ways, spread.

use super::{CLOSE, Exchange, prices, trades};
use crate::exchange::costs::Costs;
use crate::exchange::depth;
use crate::exchange::fact::SimFact;
use crate::exchange::local::{InitialBooks, advances, step};
use crate::exchange::paper_fills::PaperFills;
use crate::exchange::{Local, Status, TimeInForce, Trigger};
use crate::testing::{Fake, START, at_limit, at_market, bar, dec, order, setup, stop, sym};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{OrderStatus, Side};
use everwarm_domain::time::{MINUTE, UtcMs};
use everwarm_kernel::stage::Stage;

/// An exchange over `market` without slippage, with these assumptions.
fn local(market: Fake, paper: PaperFills) -> Local {
    let costs = Costs { slippage: Decimal::ZERO, paper, ..Costs::default() };
    Local::open(Box::new(market), &InitialBooks { costs, ..setup() })
}

fn share() -> PaperFills {
    PaperFills { volume_share: dec("0.1"), ..PaperFills::default() }
}

/// What each order filled in a minute: order, quantity, and minutes since the start. A fill may
/// consist of several trades.
fn fills(facts: &[SimFact]) -> Vec<(u64, Decimal, UtcMs)> {
    let mut rows: Vec<(u64, Decimal, UtcMs)> = Vec::new();
    for traded in trades(facts) {
        let minute = (traded.at - START) / MINUTE;
        match rows.last_mut().filter(|row| (row.0, row.2) == (traded.order, minute)) {
            Some(row) => row.1 += traded.quantity,
            None => rows.push((traded.order, traded.quantity, minute)),
        }
    }
    rows
}

#[test]
fn a_market_order_fills_over_minutes_and_a_copy_of_the_state_goes_on_the_same() {
    let mut local = local(Fake::usual(), share());
    // The last minute before the start had a volume of 10.
    let report = local.place(at_market(Side::Buy, "8", "m")).expect("accepted");
    assert_eq!((report.status, report.executed), (OrderStatus::PartlyFilled, dec("1")));
    let second = local.place(at_market(Side::Buy, "1", "n")).expect("accepted");
    assert_eq!((second.status, second.executed), (OrderStatus::Open, Decimal::ZERO), "no volume");
    let first = local.advance(CLOSE, CLOSE);
    assert_eq!(fills(&first), [(1, dec("4"), 0)], "a tenth of 40");
    assert_eq!(trades(&first)[0].price, dec("100"), "at the open");
    // A process that is killed here reads this state.
    let mut again = Exchange::default();
    again.load(&local.exchange().save()).expect("it reads what it wrote");
    let end = START + 2 * MINUTE;
    let (exchange, market) = local.parts();
    let inputs = advances(exchange, market, end, end);
    let mut resumed = Vec::new();
    for input in inputs {
        resumed.extend(step(&mut again, 100, input));
    }
    let facts = local.advance(end, end);
    assert_eq!(fills(&facts), [(1, dec("3"), 1), (2, dec("1"), 1)]);
    assert_eq!(trades(&facts)[0].price, dec("105"));
    assert_eq!(resumed, facts);
    assert_eq!(&again, local.exchange());
    let all = || local.exchange().orders();
    assert!(all().all(|o| o.status == Status::Filled && o.executed == o.quantity));
    local.exchange().check();
}

#[test]
fn other_orders_share_the_volume_and_end_by_their_own_terms() {
    let mut local = local(Fake::usual(), share());
    let kill = at_limit(Side::Buy, "2", "101", TimeInForce::Fok, "k");
    let kill = local.place(kill).expect("accepted");
    assert_eq!((kill.status, kill.executed), (OrderStatus::Expired, Decimal::ZERO));
    let part = local.place(at_limit(Side::Buy, "2", "101", TimeInForce::Ioc, "i")).expect("ok");
    assert_eq!((part.status, part.executed), (OrderStatus::Expired, dec("1")));
    let rest = local.place(at_limit(Side::Buy, "20", "96", TimeInForce::Gtc, "l")).expect("open");
    assert_eq!(rest.status, OrderStatus::Open);
    let guard = stop(Trigger::StopLoss, "3", "96", None);
    local.place(order(Side::Sell, guard, "s")).expect("open");
    let facts = local.advance(CLOSE, CLOSE);
    assert_eq!(fills(&facts), [(3, dec("4"), 0)], "the stop is reached, and no volume is left");
    let facts = local.advance(START + 2 * MINUTE, START + 2 * MINUTE);
    assert_eq!(fills(&facts), [(4, dec("3"), 1), (3, dec("1"), 1)], "the stop takes the open");
    assert_eq!(trades(&facts)[0].price, dec("105"));
    local.exchange().check();
}

#[test]
fn a_touched_limit_waits_for_its_queue_and_a_price_beyond_fills_it() {
    let low = |minute, low: &'static str| bar("BTCUSDT", minute, ["100", "101", low, "100"], "40");
    let market = || Fake::new(&[low(0, "95"), low(1, "95"), low(2, "94")]);
    let run = |price: &str, queue: &str| {
        let paper = PaperFills { queue_share: dec(queue), ..PaperFills::default() };
        let mut local = local(market(), paper);
        let order = at_limit(Side::Buy, "1", price, TimeInForce::Gtc, "l");
        local.place(order).expect("it rests");
        let end = START + 3 * MINUTE;
        let found = fills(&local.advance(end, end));
        local.exchange().check();
        found.into_iter().map(|(_, quantity, minute)| (quantity, minute)).collect::<Vec<_>>()
    };
    // The last minute had a volume of 10, and a quarter of 40 trades at each low.
    assert_eq!(run("95", "0"), [(dec("1"), 0)], "a touch fills");
    assert_eq!(run("95", "0.95"), [(dec("0.5"), 0), (dec("0.5"), 1)], "0.5 beyond the queue");
    assert_eq!(run("95", "1"), [(dec("1"), 1)], "the first touch serves the queue");
    assert_eq!(run("95", "5"), [(dec("1"), 2)], "only a price beyond fills");
    assert_eq!(run("96", "5"), [(dec("1"), 0)]);
    assert_eq!(run("94", "5"), []);
}

#[test]
fn an_order_that_travels_takes_no_trade_before_it_arrives() {
    let paper = PaperFills { latency: 250, ..PaperFills::default() };
    // The first trade of the market order and of the limit order: price and time.
    let sent = |at: UtcMs| {
        let mut local = local(Fake::usual(), paper);
        local.advance(START + at, START);
        local.place(at_market(Side::Buy, "1", "m")).expect("accepted");
        local.place(at_limit(Side::Buy, "1", "96", TimeInForce::Gtc, "l")).expect("open");
        local.advance(START + 9 * MINUTE, START + 9 * MINUTE);
        let first = |id| {
            let order = local.exchange().order(id)?;
            let trade = local.exchange().trades_of(order).next()?;
            Some((trade.price, trade.time - START))
        };
        [first(1), first(2)]
    };
    let [first, second] = [MINUTE, 2 * MINUTE];
    let soon = [Some((dec("100"), 1_000)), Some((dec("96"), first - 3))];
    assert_eq!(sent(1_000), soon, "the last close");
    let late = [Some((dec("105"), second - 4)), Some((dec("96"), second - 2))];
    assert_eq!(sent(first - 100), late, "the minute has ended when they arrive");
    assert_eq!(sent(first + 100), late, "the market is behind");
    // The minute that trades next has no volume for a resting order.
    assert_eq!(sent(second + 100), [Some((dec("92"), 4 * MINUTE - 4)), None]);
}

#[test]
fn the_range_and_the_share_of_the_volume_move_the_price_and_the_visible_book() {
    let traded = |range_spread: &str, impact: &str, quantity: &str| {
        let (range_spread, impact) = (dec(range_spread), dec(impact));
        let paper = PaperFills { range_spread, impact, ..PaperFills::default() };
        let mut local = local(Fake::usual(), paper);
        local.advance(CLOSE, CLOSE);
        let rules = local.exchange().instrument(sym("BTCUSDT")).cloned().expect("listed");
        let tape = local.exchange().tape(rules.symbol).cloned().expect("traded");
        let (bid, ask) = depth::best(&tape, &rules, local.exchange().costs());
        let bought = local.place(at_market(Side::Buy, quantity, "b")).expect("filled");
        let sold = local.place(at_market(Side::Sell, quantity, "s")).expect("filled");
        [bid, ask, prices(&sold)[0], prices(&bought)[0]]
    };
    // A quiet minute before the start, then one from 95 to 110: a mean true range of 7.5.
    let close = ["105", "105", "105", "105"].map(dec);
    assert_eq!(traded("0", "0", "0.4"), close);
    assert_eq!(traded("0.2", "0", "0.4"), ["104.25", "105.75", "104.25", "105.75"].map(dec));
    // 0.4 of 40 is a hundredth: a tenth of the range.
    let [bid, ask, sold, bought] = traded("0", "1", "0.4");
    assert_eq!([bid, ask, sold, bought], ["105", "105", "104.25", "105.75"].map(dec));
    assert_eq!(traded("0.2", "2", "0.4")[3], dec("107.25"));
}

#[test]
fn books_take_over_other_assumptions_and_keep_them() {
    let mut local = Fake::usual().local();
    let costs = Costs { paper: share(), ..Costs::default() };
    let input = InitialBooks { costs, ..setup() }.prices(local.exchange()).expect("others");
    local.step(input);
    let report = local.place(at_market(Side::Buy, "8", "m")).expect("accepted");
    assert_eq!(report.executed, dec("1"));
    let mut again = Exchange::default();
    again.load(&local.exchange().save()).expect("it reads what it wrote");
    assert_eq!(*again.costs(), costs);
}
