//! Tests stop and target orders of lots with all stages and a venue that takes such orders. Limit
//! orders to buy rest there, too.
//!
//! Over 500 lines: one subject, and the venue that it needs.

use crate::testing::world::{Delivery, World};
use crate::testing::{bar, configured, crossing, dec};
use everwarm_domain::capabilities::Capabilities;
use everwarm_domain::fact::{Body, Decision, Ledger, Market, Operator, Order, Venue};
use everwarm_domain::id::{ClientOrderId, Symbol, VenueId};
use everwarm_domain::market::Bar;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{
    Liquidity, OrderIntent, OrderReport, OrderRequest, OrderStatus, Protection, ReportSource,
    RequestKind, Response, SendAttempt, Validity, VenueFill,
};
use everwarm_domain::settings::{ExitRules, Settings};
use everwarm_domain::switch::{SafeStep, Switch};
use everwarm_kernel::fact::Fact;
use std::collections::BTreeMap;

pub(in crate::decide) const SYMBOL: &str = "BTCUSDT";

/// What the venue does with the next request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::decide) enum Next {
    /// What was requested.
    Usual,
    /// It rejects stop orders and pairs.
    Rejects,
    /// It rejects pairs.
    RejectsPairs,
    /// An order is filled just before its cancel arrives.
    Fills,
    /// A limit order that is reached is filled by half.
    Halves,
}

/// All stages, and a venue with resting orders.
pub(in crate::decide) struct Desk {
    pub(in crate::decide) world: World,
    pub(in crate::decide) resting: BTreeMap<ClientOrderId, (OrderIntent, u64)>,
    pub(in crate::decide) next: Next,
    /// Orders that ended with the other one of their pair, and were not queried since.
    gone: BTreeMap<ClientOrderId, (OrderIntent, u64)>,
    orders: u64,
    minute: i64,
}

impl Desk {
    pub(in crate::decide) fn new(stops: bool, change: impl FnOnce(&mut Settings)) -> Desk {
        Desk::at((stops, false), change)
    }

    /// A desk at a venue that takes stop orders or not, and pairs of orders or not.
    pub(in crate::decide) fn at(
        (stops, pairs): (bool, bool),
        change: impl FnOnce(&mut Settings),
    ) -> Desk {
        let mut world = World::new(Delivery::Whole, 1);
        let mut settings = crossing(2, 3);
        change(&mut settings);
        world.give(configured(&settings));
        if stops {
            let (venue, capabilities) = (VenueId::default(), Capabilities::market_and_limit());
            let (stop_orders, fewer, splits) = (5, Vec::new(), false);
            let stops =
                Market::Capabilities { venue, capabilities, stop_orders, fewer, pairs, splits };
            world.give(Body::Market(stops));
        }
        let (resting, gone) = (BTreeMap::new(), BTreeMap::new());
        Desk { world, resting, gone, next: Next::Usual, orders: 1_000_000, minute: 0 }
    }

    /// A desk that has bought a lot at 110, with a target 10 % above, at a venue that takes pairs.
    fn with_target(next: Next) -> Desk {
        let mut desk = Desk::at((true, true), |settings| {
            let rules = ExitRules { target_ppm: Some(100_000), ..ExitRules::default() };
            settings.strategy.set_exits("sma_cross", rules);
        });
        desk.next = next;
        desk.prices(&[100, 99, 98, 110]);
        desk
    }

    /// A desk that has bought a lot at 110.
    pub(in crate::decide) fn long(stops: bool, change: impl FnOnce(&mut Settings)) -> Desk {
        let mut desk = Desk::new(stops, change);
        desk.prices(&[100, 99, 98, 110]);
        assert_eq!(desk.lot(), dec("9.0909"));
        desk
    }

    /// Gives closes at these prices.
    pub(in crate::decide) fn prices(&mut self, prices: &[i64]) {
        for price in prices {
            self.bar(*price, *price);
        }
    }

    /// Gives another input without news.
    pub(in crate::decide) fn clock(&mut self) {
        let time = self.world.time;
        self.world.give(Body::Operator(Operator::Clock { time }));
        self.settle();
    }

    /// The venue cancels all resting orders at this minute. The next close is a minute later than
    /// the one before still.
    pub(in crate::decide) fn all_cancelled_at(&mut self, minute: i64) {
        self.world.time = minute * 60_000;
        self.clock();
        for (intent, order) in std::mem::take(&mut self.resting).into_values() {
            self.report(&intent, order, OrderStatus::Cancelled, Decimal::ZERO);
        }
        self.settle();
    }

    /// The next close ends with the minute after this one.
    pub(in crate::decide) fn skip_to(&mut self, minute: i64) {
        self.minute = minute;
    }

    /// Gives a close at this price, of a bar with this low.
    pub(in crate::decide) fn bar(&mut self, price: i64, low: i64) {
        {
            self.minute += 1;
            let low = bar(SYMBOL, self.minute, low).low;
            let bar = Bar { low, ..bar(SYMBOL, self.minute, price) };
            let (price, high) = (bar.low.decimal(), bar.high.decimal());
            self.world.time = bar.open_time + 60_000;
            self.world.prices.insert(bar.symbol, bar.close);
            // What rests is filled before the close.
            let reached = |(intent, _): &&(OrderIntent, u64)| {
                if let Some(Protection::Target(at)) = intent.protection() {
                    return high >= at;
                }
                let limit = intent.price.filter(|_| intent.terms.stop.is_none());
                intent.terms.stop.or(limit).is_some_and(|at| price <= at)
            };
            let reached: Vec<_> = self.resting.values().filter(reached).cloned().collect();
            for (intent, order) in reached {
                if self.next == Next::Halves && intent.price.is_some() {
                    let half = intent.quantity / Decimal::TWO;
                    self.report(&intent, order, OrderStatus::PartlyFilled, half);
                    self.end_other(&intent, OrderStatus::Expired);
                } else {
                    self.fill(&intent, order);
                }
            }
            let close = Market::close(self.world.time, vec![bar], Vec::new());
            self.world.give(Body::Market(close));
            self.settle();
        }
    }

    fn report(&mut self, intent: &OrderIntent, order: u64, status: OrderStatus, executed: Decimal) {
        let price = intent.price.unwrap_or(self.world.prices[&intent.symbol].decimal());
        let fill = VenueFill {
            trade_id: order.into(),
            price,
            quantity: executed,
            fee: Decimal::ZERO,
            fee_asset: "USDT".to_owned(),
            time: self.world.time,
            liquidity: Some(Liquidity::Taker),
        };
        self.world.give(Body::Venue(Venue::Reported(OrderReport {
            source: ReportSource::Answer,
            client_id: intent.client_id.clone(),
            venue_order_id: order.into(),
            symbol: intent.symbol,
            side: intent.side,
            status,
            quantity: intent.quantity,
            executed,
            executed_quote: executed * price,
            fills: if executed.is_zero() { Vec::new() } else { vec![fill] },
            time: self.world.time,
        })));
    }

    fn fill(&mut self, intent: &OrderIntent, order: u64) {
        self.resting.remove(&intent.client_id);
        // The report of the other order of a pair may come first.
        self.end_other(intent, OrderStatus::Expired);
        self.report(intent, order, OrderStatus::Filled, intent.quantity);
    }

    /// Ends the other order of a pair.
    fn end_other(&mut self, intent: &OrderIntent, status: OrderStatus) {
        let list = &intent.terms.list;
        let other = |(of, _): &&(OrderIntent, u64)| {
            of.terms.list == *list && of.client_id != intent.client_id
        };
        let other = self.resting.values().find(other).filter(|_| list.is_some()).cloned();
        if let Some((other, order)) = other {
            self.resting.remove(&other.client_id);
            if status == OrderStatus::Cancelled {
                self.gone.insert(other.client_id.clone(), (other, order));
            } else {
                self.report(&other, order, status, Decimal::ZERO);
            }
        }
    }

    /// Sends, cancels and wakes until nothing is left.
    pub(in crate::decide) fn settle(&mut self) {
        for _ in 0..50 {
            let time = self.world.time;
            if self.world.plain.next_wake().is_some_and(|at| at <= time) {
                self.world.give(Body::Operator(Operator::Clock { time }));
                continue;
            }
            let (cancels, sends) = (self.world.book.to_cancel(time), self.world.book.to_send(time));
            if let Some(cancel) = cancels.into_iter().next() {
                self.cancel(cancel.client_id, cancel.attempt);
            } else if let Some(send) = sends.into_iter().next() {
                self.send(&send.intent, send.attempt);
            } else {
                return;
            }
        }
        panic!("it does not come to rest: {:?}", self.decided());
    }

    fn send(&mut self, intent: &OrderIntent, attempt: u32) {
        let validity = Validity::within(self.world.time, 5_000);
        let client_id = intent.client_id.clone();
        let attempts = vec![SendAttempt { client_id: client_id.clone(), attempt, validity }];
        self.world.give(Body::Venue(Venue::Sent { attempts }));
        self.orders += 1;
        let pair = intent.terms.list.is_some();
        match intent.protection() {
            Some(_) if self.next == Next::Rejects || (self.next == Next::RejectsPairs && pair) => {
                let (code, text) = (-1013, "Filter failure: PRICE_FILTER".to_owned());
                let again = false;
                let refused = Venue::Refused { client_id, attempt, code, text, again };
                self.world.give(Body::Venue(refused));
            }
            Some(_) => {
                self.resting.insert(client_id, (intent.clone(), self.orders));
                self.report(intent, self.orders, OrderStatus::Open, Decimal::ZERO);
            }
            None if intent
                .price
                .is_some_and(|at| at < self.world.prices[&intent.symbol].decimal()) =>
            {
                self.resting.insert(client_id, (intent.clone(), self.orders));
                self.report(intent, self.orders, OrderStatus::Open, Decimal::ZERO);
            }
            None => self.world.trade(intent),
        }
    }

    fn cancel(&mut self, id: ClientOrderId, attempt: u32) {
        let gone = self.gone.remove(&id);
        let ended = gone.is_some();
        let (intent, order) = gone.unwrap_or_else(|| self.resting[&id].clone());
        let validity = Validity::within(self.world.time, 5_000);
        let what = RequestKind::Cancel;
        let request = OrderRequest::new(id.clone(), intent.symbol, what, attempt, validity);
        let name = request.id.clone();
        self.world.give(Body::Venue(Venue::Requested(request)));
        let response = if self.next == Next::Fills {
            self.fill(&intent, order);
            Response::NotOpen
        } else {
            self.resting.remove(&id);
            self.end_other(&intent, OrderStatus::Cancelled);
            self.report(&intent, order, OrderStatus::Cancelled, Decimal::ZERO);
            if ended { Response::NotOpen } else { Response::Accepted }
        };
        self.world.give(Body::Venue(Venue::Responded { id: name, of: id, attempt, response }));
    }

    /// The resting stop orders: quantity and stop.
    pub(in crate::decide) fn stops(&self) -> Vec<String> {
        let text = |(intent, _): &(OrderIntent, u64)| {
            format!("{} at {}", intent.quantity, intent.terms.stop.unwrap_or_default())
        };
        let stop = |(intent, _): &&(OrderIntent, u64)| intent.terms.stop.is_some();
        self.resting.values().filter(stop).map(text).collect()
    }

    pub(in crate::decide) fn lot(&self) -> Decimal {
        let lots = self.world.facts.iter().rev().find_map(|fact| {
            let Body::Ledger(Ledger::Lot { quantity, .. }) = &fact.body else { return None };
            Some(*quantity)
        });
        lots.unwrap_or_default()
    }

    /// All orders that were decided, as text.
    pub(in crate::decide) fn decided(&self) -> Vec<String> {
        let text = |body: &Body| match body {
            Body::Order(Order::Intent(intent)) => {
                let kind = match (intent.terms.stop, intent.price) {
                    (Some(_), _) => "stop".to_owned(),
                    (None, Some(limit)) => format!("at {limit}"),
                    (None, None) => "market".to_owned(),
                };
                let side = intent.side;
                Some(format!("{side:?} {} {kind}", intent.quantity))
            }
            Body::Decision(Decision::CancelIntent { reason, .. }) => {
                Some(format!("cancel: {reason}"))
            }
            Body::Decision(Decision::Owed { cause, ended, .. }) => {
                Some(format!("exit {cause}; {}", ended.as_deref().unwrap_or("owed")))
            }
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => None,
        };
        self.world.facts.iter().filter_map(|fact| text(&fact.body)).collect()
    }

    pub(in crate::decide) fn switch(&mut self, switch: Switch) {
        let reason = "test".to_owned();
        self.world.give(Body::Operator(Operator::Switched { switch, reason }));
        self.settle();
    }
}

#[test]
fn a_lot_with_a_target_has_a_pair_of_orders() {
    let desk = Desk::with_target(Next::Usual);
    assert_eq!(desk.decided(), ["Buy 9.0909 market", "Sell 9.0909 stop", "Sell 9.0909 at 121"]);
    let lists: Vec<_> = desk.resting.values().map(|(intent, _)| &intent.terms.list).collect();
    assert!(lists.len() == 2 && lists[0].is_some() && lists[0] == lists[1], "{lists:?}");
    assert!(desk.resting.keys().all(|id| Some(id) != lists[0].as_ref()), "it has its own id");
    // Without pairs, or with a target that was reached meanwhile, the stop order is alone.
    let alone = Desk::long(true, |settings| {
        let rules = ExitRules { target_ppm: Some(100_000), ..ExitRules::default() };
        settings.strategy.set_exits("sma_cross", rules);
    });
    assert_eq!(alone.decided(), ["Buy 9.0909 market", "Sell 9.0909 stop"]);
}

#[test]
fn the_order_of_a_pair_that_is_reached_sells_the_lot_once() {
    for (price, reached) in [(122, Decimal::from(121)), (104, Decimal::from(104))] {
        let mut desk = Desk::with_target(Next::Usual);
        desk.prices(&[price]);
        assert_eq!((desk.lot(), desk.resting.len()), (Decimal::ZERO, 0));
        let mut fills = desk.world.facts.iter().filter_map(|fact| {
            let Body::Order(Order::Filled { fill, .. }) = &fact.body else { return None };
            Some(fill.price)
        });
        assert_eq!(fills.next_back(), Some(reached));
        assert_eq!(desk.decided().len(), 3, "{:?}", desk.decided());
    }
}

#[test]
fn an_exit_cancels_both_orders_of_a_pair_and_sells_once() {
    let mut desk = Desk::with_target(Next::Usual);
    desk.switch(Switch::Flatten);
    assert_eq!((desk.lot(), desk.resting.len()), (Decimal::ZERO, 0));
    let decided = desk.decided();
    let cancels = decided.iter().filter(|text| text.starts_with("cancel: an exit was decided"));
    assert_eq!(cancels.count(), 2, "{decided:?}");
    assert_eq!(decided.iter().filter(|text| *text == "Sell 9.0909 market").count(), 1);
}

#[test]
fn after_a_rejected_pair_the_stop_order_is_alone_and_the_target_is_judged_at_closes() {
    let mut desk = Desk::with_target(Next::RejectsPairs);
    assert_eq!(desk.stops(), ["9.0909 at 104.5"]);
    assert_eq!(desk.resting.len(), 1);
    desk.prices(&[115, 122]);
    let decided = desk.decided();
    let why = |text: &String| text.starts_with("exit target 121 reached: the high was 122");
    assert!(desk.lot().is_zero() && decided.iter().any(why), "{decided:?}");
}

#[test]
fn a_rejected_pair_is_not_a_rejection_of_the_stop_order() {
    let mut desk = Desk::with_target(Next::RejectsPairs);
    let wrong = |text: &String| text.starts_with("cancel") || text.starts_with("exit");
    assert!(!desk.decided().iter().any(wrong), "{:?}", desk.decided());
    let rejected = |desk: &Desk| {
        let of = |fact: &&Fact<Body>| {
            matches!(&fact.body, Body::Order(Order::Changed { status, .. })
                if *status == OrderStatus::Rejected)
        };
        desk.world.facts.iter().filter(of).count()
    };
    assert_eq!((rejected(&desk), desk.stops()), (2, vec!["9.0909 at 104.5".to_owned()]));
    // The stop is the first one again, not the lower one after two rejections.
    desk.next = Next::Rejects;
    let (stop, order) = desk.resting.values().next().cloned().unwrap();
    desk.resting.remove(&stop.client_id);
    desk.report(&stop, order, OrderStatus::Cancelled, Decimal::ZERO);
    desk.prices(&[111]);
    let stops: Vec<Decimal> = desk
        .world
        .facts
        .iter()
        .filter_map(|fact| match &fact.body {
            Body::Order(Order::Intent(intent)) => intent.terms.stop,
            Body::Order(_)
            | Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Ledger(_) => None,
        })
        .collect();
    let (full, lower) = (dec("104.5"), dec("103.45"));
    assert_eq!(stops, [full, full, full, full, lower], "{:?}", desk.decided());
}

#[test]
fn a_lot_that_rests_with_a_stop_alone_gets_its_target_when_the_venue_takes_pairs() {
    let mut desk = Desk::at((true, false), |settings| {
        let rules = ExitRules { target_ppm: Some(100_000), ..ExitRules::default() };
        settings.strategy.set_exits("sma_cross", rules);
    });
    desk.prices(&[100, 99, 98, 110]);
    assert_eq!(desk.resting.len(), 1);
    let (venue, capabilities) = (VenueId::default(), Capabilities::market_and_limit());
    let (stop_orders, fewer, pairs, splits) = (5, Vec::new(), true, false);
    let takes = Market::Capabilities { venue, capabilities, stop_orders, fewer, pairs, splits };
    desk.world.give(Body::Market(takes));
    desk.settle();
    assert_eq!(desk.resting.len(), 2, "{:?}", desk.decided());
    let before = desk.decided().len();
    desk.prices(&[111, 112]);
    assert_eq!(desk.decided().len(), before, "they stay");
}

#[test]
fn what_a_target_order_leaves_is_sold_at_the_close() {
    let mut desk = Desk::with_target(Next::Halves);
    desk.prices(&[121]);
    assert!(desk.resting.is_empty() && desk.lot() < dec("0.0001"), "{}", desk.lot());
    let decided = desk.decided();
    let why = |text: &String| text.starts_with("exit target 121 reached: the high was 121");
    assert!(decided.iter().any(why), "{decided:?}");
    let changed = "cancel: the quantity of its lot has changed".to_owned();
    assert!(!decided.contains(&changed), "the stop order ends by itself: {decided:?}");
    assert!(decided.contains(&"Sell 4.5454 market".to_owned()), "{decided:?}");
}

#[test]
fn a_pair_whose_stop_order_ended_alone_is_placed_again_after_the_next_close() {
    let mut desk = Desk::with_target(Next::Usual);
    let stop = |(intent, _): &&(OrderIntent, u64)| intent.terms.stop.is_some();
    let (stop, order) = desk.resting.values().find(stop).cloned().unwrap();
    desk.resting.remove(&stop.client_id);
    desk.report(&stop, order, OrderStatus::Cancelled, Decimal::ZERO);
    desk.settle();
    assert_eq!(desk.resting.len(), 1, "a fill of the target may be on its way");
    desk.prices(&[111]);
    assert_eq!((desk.stops(), desk.resting.len()), (vec!["9.0909 at 104.5".to_owned()], 2));
    let decided = desk.decided();
    assert!(decided.contains(&"cancel: its stop order has ended".to_owned()), "{decided:?}");
}

fn stopless(settings: &mut Settings) {
    settings.strategy.set_exits("sma_cross", ExitRules::none());
}

#[test]
fn a_lot_has_a_stop_order_as_soon_as_it_is_bought() {
    let desk = Desk::long(true, |_| {});
    assert_eq!(desk.stops(), ["9.0909 at 104.5"]);
    assert_eq!(desk.decided(), ["Buy 9.0909 market", "Sell 9.0909 stop"]);
}

#[test]
fn a_stop_that_is_reached_sells_the_lot_once() {
    let mut desk = Desk::long(true, |_| {});
    desk.prices(&[104]);
    assert_eq!((desk.lot(), desk.stops().len()), (Decimal::ZERO, 0));
    desk.prices(&[103, 102]);
    assert_eq!(desk.decided(), ["Buy 9.0909 market", "Sell 9.0909 stop"]);
}

#[test]
fn an_exit_cancels_the_stop_order_first() {
    let mut desk = Desk::long(true, |settings| {
        let rules = ExitRules { stop_ppm: Some(500_000), ..ExitRules::none() };
        settings.strategy.set_exits("sma_cross", rules);
    });
    assert_eq!(desk.stops(), ["9.0909 at 55"]);
    desk.prices(&[120, 125, 90, 80]);
    assert_eq!((desk.lot(), desk.stops().len()), (Decimal::ZERO, 0));
    let decided = desk.decided();
    assert!(decided[2].ends_with("; owed"), "{decided:?}");
    assert!(decided[3].starts_with("cancel: an exit was decided: "), "{decided:?}");
    assert_eq!(decided[4], "Sell 9.0909 market");
    assert!(decided[5].contains("nothing of BTCUSDT is held"), "{decided:?}");
    assert_eq!(decided.len(), 6, "{decided:?}");
}

#[test]
fn a_stop_order_that_is_filled_before_its_cancel_sells_the_lot_and_the_exit_sells_nothing() {
    let mut desk = Desk::long(true, |settings| {
        let rules = ExitRules { stop_ppm: Some(500_000), ..ExitRules::none() };
        settings.strategy.set_exits("sma_cross", rules);
    });
    desk.next = Next::Fills;
    desk.prices(&[120, 125, 90, 80, 80]);
    assert_eq!(desk.lot(), Decimal::ZERO);
    let sales = desk.decided().iter().filter(|text| text.starts_with("Sell")).count();
    assert_eq!(sales, 1, "{:?}", desk.decided());
}

#[test]
fn a_lot_whose_stop_order_is_rejected_three_times_is_sold() {
    let mut desk = Desk::new(true, |_| {});
    desk.next = Next::Rejects;
    desk.prices(&[100, 99, 98, 110]);
    assert_eq!(desk.lot(), Decimal::ZERO);
    let decided = desk.decided();
    let stops: Vec<Option<Decimal>> = desk
        .world
        .facts
        .iter()
        .filter_map(|fact| {
            let Body::Order(Order::Intent(intent)) = &fact.body else { return None };
            Some(intent.terms.stop)
        })
        .flatten()
        .map(Some)
        .collect();
    assert_eq!(stops, [Some(dec("104.5")), Some(dec("104.5")), Some(dec("103.45"))]);
    assert!(decided[4].starts_with("exit its stop order was rejected 3 times: "), "{decided:?}");
    assert_eq!(decided[5], "Sell 9.0909 market");
}

#[test]
fn without_stop_orders_the_stop_is_judged_at_closes() {
    let mut desk = Desk::long(false, |_| {});
    assert_eq!(desk.stops(), [""; 0]);
    desk.bar(111, 105);
    assert_eq!(desk.lot(), dec("9.0909"));
    desk.bar(112, 104);
    assert_eq!(desk.lot(), Decimal::ZERO);
    let decided = desk.decided();
    assert_eq!(decided[1], "exit stop 104.5 reached: the low was 104; owed");
}

#[test]
fn the_stop_of_a_symbol_that_takes_no_stop_orders_is_judged_at_closes() {
    let mut desk = Desk::new(true, |_| {});
    let (venue, capabilities) = (VenueId::default(), Capabilities::market_and_limit());
    let (stop_orders, fewer) = (5, vec![(Symbol::new(SYMBOL).unwrap(), 0)]);
    desk.world.give(Body::Market(Market::Capabilities {
        venue,
        capabilities,
        stop_orders,
        fewer,
        pairs: false,
        splits: false,
    }));
    desk.prices(&[100, 99, 98, 110]);
    assert_eq!((desk.lot(), desk.stops()), (dec("9.0909"), vec![]));
    desk.bar(112, 104);
    assert_eq!(desk.lot(), Decimal::ZERO);
    let decided = desk.decided();
    assert_eq!(decided[1], "exit stop 104.5 reached: the low was 104; owed");
}

#[test]
fn a_lot_without_a_stop_has_no_stop_order() {
    let mut desk = Desk::long(true, stopless);
    desk.prices(&[70]);
    assert_eq!(desk.decided()[0], "Buy 9.0909 market");
    assert!(desk.decided().iter().all(|text| !text.ends_with(" stop")), "{:?}", desk.decided());
}

#[test]
fn a_stop_order_that_somebody_cancelled_is_placed_again_after_a_close() {
    let mut desk = Desk::long(true, |_| {});
    let (id, (intent, order)) = desk.resting.pop_first().unwrap();
    desk.report(&intent, order, OrderStatus::Cancelled, Decimal::ZERO);
    desk.settle();
    assert_eq!(desk.stops(), [""; 0], "{id}");
    desk.prices(&[110]);
    assert_eq!(desk.stops(), ["9.0909 at 104.5"]);
    let (_, (intent, order)) = desk.resting.pop_first().unwrap();
    desk.report(&intent, order, OrderStatus::Expired, Decimal::ZERO);
    desk.prices(&[110]);
    assert_eq!(desk.stops(), [""; 0], "the second time it waits for two closes");
    desk.prices(&[110]);
    assert_eq!(desk.stops(), ["9.0909 at 104.5"]);
}

#[test]
fn nothing_is_placed_at_the_level_halted() {
    let mut desk = Desk::new(true, |_| {});
    desk.prices(&[100, 99, 98]);
    let buys = desk.decided().len();
    assert_eq!(buys, 0);
    desk.prices(&[110]);
    let (_, (intent, order)) = desk.resting.pop_first().unwrap();
    desk.switch(Switch::Safe(SafeStep::Collect));
    desk.report(&intent, order, OrderStatus::Expired, Decimal::ZERO);
    desk.prices(&[110, 110]);
    assert_eq!(desk.stops(), [""; 0]);
    desk.switch(Switch::Safe(SafeStep::Trade));
    desk.switch(Switch::Resume);
    // After a resume the account is compared before anything is sold.
    desk.world.account();
    desk.settle();
    assert_eq!(desk.stops(), ["9.0909 at 104.5"]);
}

#[test]
fn a_trailing_stop_is_replaced_when_it_has_moved() {
    let mut desk = Desk::long(true, |settings| {
        let rules = ExitRules { trail_ppm: Some(100_000), ..ExitRules::none() };
        settings.strategy.set_exits("sma_cross", rules);
    });
    assert_eq!(desk.stops(), ["9.0909 at 99"]);
    desk.prices(&[110, 120]);
    assert_eq!(desk.stops(), ["9.0909 at 108"]);
    desk.bar(120, 112);
    assert_eq!(desk.stops(), ["9.0909 at 108"], "it never falls");
}
