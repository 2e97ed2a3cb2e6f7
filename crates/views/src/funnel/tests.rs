use super::*;
use crate::testing::{T, symbol};
use everwarm_domain::fact::Signal;
use everwarm_domain::order::{OrderType, Terms};
use everwarm_domain::signal::Direction;
use everwarm_history::book_changes::Amounts;
use everwarm_trading::testing::world::{Delivery, World};
use everwarm_trading::testing::{dec, fact, sent};

fn signal(intent: Intent, close_time: UtcMs) -> Signal {
    Signal {
        intent,
        direction: Direction::Long,
        close_time,
        ..everwarm_trading::testing::signal("BTCUSDT", Side::Buy, close_time)
    }
}

fn intent(id: &str, side: Side, close_time: UtcMs) -> OrderIntent {
    OrderIntent {
        client_id: ClientOrderId(id.to_owned()),
        strategy: "sma_cross".to_owned(),
        symbol: symbol("BTCUSDT"),
        side,
        order_type: OrderType::Market,
        quantity: dec("1"),
        price: None,
        close_time,
        valid_until: close_time + MINUTE,
        terms: Box::default(),
    }
}

fn changed(id: &str, status: OrderStatus, why: &str) -> Body {
    Body::Order(Order::Changed {
        client_id: ClientOrderId(id.to_owned()),
        symbol: symbol("BTCUSDT"),
        venue_order_id: None,
        status,
        executed: Decimal::ZERO,
        executed_quote: Decimal::ZERO,
        reason: why.to_owned(),
    })
}

fn filled(id: &str, side: Side) -> Body {
    everwarm_trading::testing::filled(id, side, 1, "100", "1")
}

fn owed(since: UtcMs, refusal: Option<&str>, ended: Option<&str>) -> Body {
    Body::Decision(Decision::Owed {
        strategy: "sma_cross".to_owned(),
        symbol: symbol("BTCUSDT"),
        since,
        cause: "turned".to_owned(),
        revision: 0,
        tries: 0,
        refusal: refusal.map(str::to_owned),
        ended: ended.map(str::to_owned),
        rule: None,
    })
}

fn folded(period: Option<Period>, bodies: Vec<Body>) -> FunnelView {
    let mut fold = FunnelFold { period, ..FunnelFold::default() };
    for (n, body) in (1..).zip(bodies) {
        fold.fold(&fact(n, 600, body));
    }
    fold.finish()
}

/// What a strategy did at one close: entries with every end, an exit and a stop.
fn busy(at: UtcMs) -> Vec<Body> {
    use OrderStatus::{Cancelled, Expired, Filled, Open, Rejected, Sent};
    let declined = |code: &str| {
        let (signal, code, text) = (signal(Intent::Open, at), code.to_owned(), String::new());
        Body::Decision(Decision::Declined { signal, code, text })
    };
    let rows = vec![signal(Intent::Open, at); 8];
    let mut facts = vec![
        Body::Market(Market::close(at, Vec::new(), Vec::new())),
        Body::Analysis(Analysis::Signals { rows }),
        Body::Analysis(Analysis::Signals { rows: vec![signal(Intent::Close, at)] }),
        declined("cash"),
        declined("max-positions"),
        declined("cash"),
        owed(at, Some("the symbol is halted"), None),
    ];
    let ids =
        ["full", "late", "refused", "withdrawn", "ioc", "lost"].map(|id| format!("{id}-{at}"));
    for id in &ids {
        let intent = intent(id, Side::Buy, at);
        let (reserved, reason) = (Decimal::ONE, String::new());
        facts.push(Body::Decision(Decision::Approved {
            intent: intent.clone(),
            reserved,
            reason,
            sizing: None,
        }));
        facts.push(Body::Order(Order::Intent(intent)));
    }
    let [full, late, refused, withdrawn, ioc, lost] = &ids;
    for id in [full, refused, ioc, lost] {
        facts.extend([sent(id, 1, at), changed(id, Sent, "")]);
    }
    facts.push(Body::Decision(Decision::Withdrawn {
        client_id: ClientOrderId(withdrawn.clone()),
        strategy: "sma_cross".to_owned(),
        symbol: symbol("BTCUSDT"),
        side: Side::Buy,
        reason: "turned".to_owned(),
    }));
    facts.extend([
        filled(full, Side::Buy),
        filled(full, Side::Buy),
        changed(full, Filled, ""),
        changed(late, Expired, "too late to send it"),
        changed(refused, Rejected, "-2010 no money"),
        changed(withdrawn, Cancelled, "withdrawn: turned"),
        filled(ioc, Side::Buy),
        // The rest of an order that is filled immediately or cancelled.
        changed(ioc, Expired, ""),
        changed(lost, Expired, "the venue does not have it"),
    ]);
    let stop = format!("stop-{at}");
    let terms = Terms { parent: Some(ClientOrderId(full.clone())), ..Terms::default() };
    let mut order = intent(&stop, Side::Sell, at);
    order.terms = Box::new(terms);
    facts.extend([Body::Order(Order::Intent(order)), sent(&stop, 1, at), changed(&stop, Open, "")]);
    facts
}

#[test]
fn every_order_counts_in_the_step_that_it_reached() {
    let view = folded(None, busy(T));
    let [of] = &view.strategies[..] else { panic!("{view:?}") };
    let counted = |of: &BTreeMap<String, u64>| {
        of.iter().map(|(why, times)| format!("{why} {times}")).collect::<Vec<_>>()
    };
    let steps = |steps: &StepsView| {
        let StepsView { signals, approved, orders, withdrawn, sent, filled, fills, .. } = *steps;
        [signals, approved, orders, withdrawn, sent, filled, fills, steps.open, steps.failed]
    };
    assert_eq!(steps(&of.entries), [8, 6, 6, 1, 4, 2, 3, 0, 2]);
    assert_eq!(counted(&of.entries.declined), ["cash 2", "max-positions 1"]);
    assert_eq!(counted(&of.entries.ended), ["cancelled 1", "expired 3", "filled 1", "rejected 1"]);
    // A withdrawn order, a rest and an order that was sent are no failures.
    assert_eq!(counted(&of.entries.failures), ["-2010 no money 1", "too late to send it 1"]);
    let rates = |s: &StepsView| [s.approved_rate, s.sent_rate, s.filled_rate, s.failure_rate];
    let want = ["0.75", "0.666667", "0.5", "0.333333"].map(|rate| Some(dec(rate)));
    assert_eq!(rates(&of.entries), want);
    assert_eq!(steps(&of.exits), [1, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(steps(&of.protective), [0, 0, 1, 0, 1, 0, 0, 1, 0], "a stop has its own line");
    assert_eq!((of.owed.opened, of.owed.ended, of.owed.owed), (1, 0, 1));
    assert_eq!(counted(&of.owed.waiting), ["the symbol is halted 1"]);
    assert_eq!((view.closes, view.orders, view.failed), (1, 7, 2));
    assert_eq!(view.failure_rate, Some(dec("0.285714")));
}

#[test]
fn what_was_decided_in_the_period_counts_with_what_became_of_it_later() {
    let day = Period::day_of(T);
    let mut facts = busy(day.from);
    facts.extend(busy(day.to));
    facts.extend(busy(day.to + MINUTE));
    let late = format!("stop-{}", day.to);
    facts.extend([
        filled(&late, Side::Sell),
        changed(&late, OrderStatus::Filled, ""),
        owed(day.to, None, Some("sold")),
        owed(day.to + MINUTE, None, Some("sold")),
    ]);
    let view = folded(Some(day), facts);
    // A close belongs to the minute that it ends.
    assert_eq!((view.closes, view.orders, view.failed), (1, 7, 2));
    let [of] = &view.strategies[..] else { panic!("{view:?}") };
    assert_eq!((of.protective.filled, of.protective.open), (1, 0));
    assert_eq!((of.owed.opened, of.owed.ended, of.owed.owed), (1, 1, 0));
}

#[test]
fn an_order_that_is_sent_at_the_moment_of_its_end_is_no_failure() {
    let id = "late";
    let view = folded(
        None,
        vec![
            Body::Order(Order::Intent(intent(id, Side::Buy, T))),
            changed(id, OrderStatus::Expired, "too late"),
            sent(id, 1, T),
            changed(id, OrderStatus::Sent, ""),
            filled(id, Side::Buy),
            changed(id, OrderStatus::Filled, ""),
        ],
    );
    assert_eq!((view.orders, view.failed, view.strategies[0].entries.filled), (1, 0, 1));
}

#[test]
fn memory_does_not_grow_with_the_number_of_orders() {
    let mut fold = FunnelFold::default();
    let many = u64::try_from(ENDED).unwrap() + 500;
    for n in 0..many {
        let id = n.to_string();
        fold.fold(&fact(n, 700, Body::Order(Order::Intent(intent(&id, Side::Buy, T)))));
        let why = format!("rejected for reason {n}");
        fold.fold(&fact(n, 700, changed(&id, OrderStatus::Rejected, &why)));
    }
    assert_eq!((fold.orders.len(), fold.ended.len()), (ENDED, ENDED));
    let view = fold.finish();
    let failures = &view.strategies[0].entries.failures;
    assert_eq!((view.orders, view.failed), (many, many));
    assert_eq!(failures.len(), REASONS + 1);
    assert_eq!(failures.values().sum::<u64>(), many);
}

#[test]
fn trades_count_where_their_lot_is_closed() {
    let day = Period::day_of(T);
    let share = |time, strategy: &str, quantity: &str, realized: &str| Share {
        time,
        symbol: symbol("BTCUSDT"),
        strategy: strategy.to_owned(),
        added: Amounts { quantity: dec(quantity), cost: Decimal::ZERO, realized: dec(realized) },
    };
    let shares = [
        share(day.from - 1, "a", "2", "-0.1"),
        share(T, "b", "1", "0"),
        share(T, "a", "-1", "5"),
        share(T, "a", "-1", "-2"),
        share(T, "b", "-1", "-3"),
        share(T, "house", "0", "70"),
        share(T, "a", "1", "0"),
        share(day.to, "a", "-1", "9"),
    ];
    let mut fold = FunnelFold { period: Some(day), ..FunnelFold::default() };
    fold.trades(&shares);
    let trades = |view: FunnelView| {
        let of = |of: &StrategyFunnelView| {
            let ClosedTradesView { closed, won, lost, realized } = &of.trades;
            format!("{} {closed} {won} {lost} {realized}", of.strategy)
        };
        view.strategies.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(trades(fold.finish()), ["a 1 1 0 2.9", "b 1 0 1 -3"]);
}

#[test]
fn the_steps_of_a_run_fit_together() {
    let mut world = World::new(Delivery::Scrambled, 0);
    world.walk_from(0, 400);
    let mut fold = FunnelFold::default();
    world.facts.iter().for_each(|fact| fold.fold(fact));
    let view = fold.finish();
    let [of] = &view.strategies[..] else { panic!("{view:?}") };
    let entries = &of.entries;
    let declined: u64 = entries.declined.values().sum();
    assert_eq!(entries.signals, entries.approved + declined, "{entries:?}");
    assert_eq!((entries.approved, entries.sent), (entries.orders, entries.filled));
    assert!(entries.orders > 10 && entries.fills > entries.orders, "{entries:?}");
    assert_eq!(of.exits.orders, of.owed.ended, "{of:?}");
    assert_eq!((view.closes, view.failed), (400, 0));
}
