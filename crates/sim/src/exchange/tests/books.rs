//! Random requests: no money appears or vanishes, and the locked balance is what orders hold.

use super::cancel_of;
use crate::exchange::{
    Amount, CancelMany, Distance, Exchange, Leg, Lifetime, Local, Many, NewList, NewOrder, Order,
    OrderKind, Replace, Shape, SimFact, Stop, Terms, TimeInForce, Trail, Trigger,
};
use crate::testing::{Fake, START, bar, setup, sym};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::Side;
use everwarm_domain::time::{MINUTE, UtcMs};
use everwarm_kernel::chance::draw;
use everwarm_kernel::fact::Body;
use everwarm_kernel::stage::Stage;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        draw(&mut self.0) % n
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        let place = self.below(of.len() as u64);
        of[usize::try_from(place).expect("small")]
    }

    fn price(&mut self) -> Decimal {
        Decimal::new(i64::try_from(self.below(2_400)).expect("small") + 8_800, 2)
    }

    fn quantity(&mut self) -> Decimal {
        Decimal::new(i64::try_from(self.below(30_000)).expect("small") + 1, 3)
    }

    fn kind(&mut self) -> OrderKind {
        let (quantity, price) = (self.quantity(), self.price());
        let tif =
            self.one(&[TimeInForce::Gtc, TimeInForce::Gtc, TimeInForce::Ioc, TimeInForce::Fok]);
        match self.below(7) {
            0 => OrderKind::Market(Amount::Base(quantity)),
            1 => OrderKind::Market(Amount::Quote(quantity * Decimal::TEN)),
            2 => OrderKind::LimitMaker { quantity, price },
            3 | 4 => OrderKind::Limit { quantity, price, tif },
            _ => {
                let trigger = self.one(&[Trigger::StopLoss, Trigger::TakeProfit]);
                let limit = Some((self.price(), tif));
                let limit = self.one(&[None, limit]);
                OrderKind::Stop(Stop { quantity, at: price, trigger, limit })
            }
        }
    }

    fn leg(&mut self) -> Leg {
        let client_id = self.one(&[None, Some("a"), Some("b"), None]).map(str::to_owned);
        Leg { side: self.one(&[Side::Buy, Side::Sell]), kind: self.kind(), client_id }
    }

    /// The two orders of a pair, mostly a valid one.
    fn pair(&mut self, side: Side) -> (Leg, Leg) {
        let (quantity, low, high) = (self.quantity(), self.price(), self.price());
        let (low, high) = (low.min(high), low.max(high));
        let limit = Some((self.price(), TimeInForce::Gtc));
        let limit = self.one(&[None, limit]);
        let stop = |at| OrderKind::Stop(Stop { quantity, at, trigger: Trigger::StopLoss, limit });
        let rest = |price| OrderKind::LimitMaker { quantity, price };
        let leg = |kind| Leg { side, kind, client_id: None };
        match side {
            Side::Sell => (leg(rest(high)), leg(stop(low))),
            Side::Buy => (leg(stop(high)), leg(rest(low))),
        }
    }

    fn shape(&mut self) -> Shape {
        let side = self.one(&[Side::Buy, Side::Sell]);
        let (above, below) = self.pair(side);
        match self.below(3) {
            0 => Shape::Oco { above, below },
            1 => Shape::Oto { working: self.working(), pending: self.leg() },
            _ => Shape::Otoco { working: self.working(), above, below },
        }
    }

    fn working(&mut self) -> Leg {
        let (quantity, price) = (self.quantity(), self.price());
        let kind = OrderKind::Limit { quantity, price, tif: TimeInForce::Gtc };
        Leg { kind, ..self.leg() }
    }

    fn order(&mut self) -> NewOrder {
        let Leg { side, kind, client_id } = self.leg();
        let (symbol, deadline) = (sym("BTCUSDT"), UtcMs::MAX);
        let (at_once, terms) = (None, None);
        NewOrder { symbol, side, kind, client_id, at: 0, deadline, at_once, terms }
    }

    fn request(&mut self, ids: u64) -> SimFact {
        let (symbol, at, deadline) = (sym("BTCUSDT"), 0, UtcMs::MAX);
        let id = 1 + self.below(ids + 1);
        match self.below(12) {
            0..=4 => SimFact::Place(self.order()),
            5..=7 => {
                let shape = self.shape();
                let (client_id, terms) = (None, None);
                SimFact::PlaceList(NewList { symbol, client_id, shape, at, deadline, terms })
            }
            8 | 9 => SimFact::Cancel(cancel_of(id)),
            10 => {
                let (order, regardless) = (self.order(), self.below(2) == 0);
                SimFact::Replace(Replace { cancel: cancel_of(id), order, regardless })
            }
            _ => {
                let many = if self.below(4) == 0 { Many::Symbol } else { Many::List(id) };
                let cancel_id = None;
                SimFact::CancelMany(CancelMany { symbol, many, cancel_id, at, deadline })
            }
        }
    }
}

impl Dice {
    /// A request with terms as the protocol of shares has them: stops that follow the market, lists
    /// that wait, and orders that take the place of others.
    fn with_terms(&mut self, exchange: &Exchange, input: SimFact) -> SimFact {
        let until = exchange.now() + MINUTE * i64::try_from(self.below(6)).expect("small");
        let (lifetime, until) =
            self.one(&[(Lifetime::Gtc, UtcMs::MAX), (Lifetime::Day, until + MINUTE)]);
        let terms = Terms { waits: self.below(3) == 0, ..Terms::lasting(lifetime, until) };
        if let SimFact::Place(mut order) = input {
            order.terms = Some(terms);
            self.trail(exchange, &mut order);
            return SimFact::Place(order);
        }
        if let SimFact::PlaceList(list) = input {
            return SimFact::PlaceList(NewList { terms: Some(terms), ..list });
        }
        let SimFact::Replace(Replace { order, .. }) = &input else { return input };
        let open: Vec<&Order> = exchange.open_orders().collect();
        if open.is_empty() {
            return input;
        }
        let place = self.below(open.len() as u64);
        let old = open[usize::try_from(place).expect("small")];
        let terms = Some(Terms { replaces: Some(old.id), ..old.terms.unwrap_or(terms) });
        let kind = if old.trail().is_some() { old.kind } else { order.kind };
        let order = NewOrder { side: old.side, kind, terms, ..order.clone() };
        SimFact::Replace(Replace { cancel: cancel_of(old.id), order, regardless: false })
    }

    /// Makes the stop of an order follow the market.
    fn trail(&mut self, exchange: &Exchange, order: &mut NewOrder) {
        let last = exchange.tape(order.symbol).map(|tape| tape.last);
        let (Some(best), OrderKind::Stop(stop)) = (last, &mut order.kind) else { return };
        let amount = Decimal::ONE + Decimal::from(self.below(5));
        let distance = self.one(&[Distance::Price(amount), Distance::Percent(amount)]);
        let trail = Trail { distance, best };
        (stop.trigger, stop.limit) = (Trigger::StopLoss, None);
        stop.at = trail.stop(order.side, Decimal::new(1, 2));
        order.terms = order.terms.map(|terms| Terms { trail: Some(trail), ..terms });
    }
}

/// The expected total of each asset: the initial balance plus what every trade moved.
fn owed(exchange: &Exchange) -> BTreeMap<String, Decimal> {
    let mut owed: BTreeMap<String, Decimal> = setup().balances;
    for trade in exchange.trades(sym("BTCUSDT")) {
        let sign = if trade.buyer { Decimal::ONE } else { Decimal::NEGATIVE_ONE };
        *owed.entry("BTC".to_owned()).or_default() += sign * trade.quantity;
        *owed.entry("USDT".to_owned()).or_default() -= sign * trade.quantity * trade.price;
        *owed.entry(trade.fee_asset.clone()).or_default() -= trade.fee;
    }
    owed
}

#[test]
fn money_is_neither_made_nor_lost() {
    let kinds = played(|_, _, input| input);
    assert_eq!(kinds.len(), 8, "the core made a fact of every kind: {kinds:?}");
}

#[test]
fn money_is_neither_made_nor_lost_by_orders_with_terms() {
    let kinds = played(Dice::with_terms);
    assert_eq!(kinds.len(), 10, "the core made a fact of every kind: {kinds:?}");
}

/// Plays random requests and bars. Returns the kinds of facts of the core.
fn played(change: impl Fn(&mut Dice, &Exchange, SimFact) -> SimFact) -> BTreeSet<u8> {
    let mut kinds = BTreeSet::new();
    for seed in 0..40 {
        let mut dice = Dice(seed);
        let mut bars = Vec::new();
        for minute in 0..30 {
            let mut prices = [0; 4].map(|_| dice.price());
            prices.sort();
            let [low, open, close, high] = prices.map(|p| p.to_string());
            let turned = [[&open, &high, &low, &close], [&close, &high, &low, &open]];
            bars.push(bar("BTCUSDT", minute, dice.one(&turned).map(String::as_str), "400"));
        }
        let mut local = Local::open(Box::new(Fake::new(&bars)), &setup());
        let mut twin = local.exchange().clone();
        for minute in 1..=30 {
            for _ in 0..6 {
                let ids = local.exchange().orders().count() as u64;
                let input = dice.request(ids);
                let input = change(&mut dice, local.exchange(), input);
                let facts = local.step(input);
                kinds.extend(facts.iter().map(Body::kind));
                whole(&local, seed);
            }
            let at = START + minute * MINUTE;
            let facts = local.advance(at, at);
            kinds.extend(facts.iter().map(Body::kind));
            whole(&local, seed);
        }
        twin.load(&local.exchange().save()).expect("it reads what it wrote");
        assert_eq!(&twin, local.exchange());
    }
    kinds
}

/// Facts from before lists and cancel restrictions existed are still read.
#[test]
fn older_facts_are_understood() {
    #[derive(serde::Serialize)]
    enum Older {
        Accepted(
            u64,
            &'static str,
            everwarm_domain::id::Symbol,
            Side,
            OrderKind,
            Decimal,
            u64,
            i64,
        ),
        Cancel((crate::exchange::Target, Option<String>, i64, i64)),
    }
    let kind = OrderKind::Market(Amount::Base(Decimal::ONE));
    let symbol = sym("BTCUSDT");
    let older = Older::Accepted(1, "a", symbol, Side::Buy, kind, Decimal::ONE, 1, START);
    let bytes = rmp_serde::to_vec(&older).expect("plain values");
    let read = SimFact::decode(&bytes).expect("understood");
    assert!(matches!(read, SimFact::Accepted(a) if a.list.is_none() && !a.pending));
    let target = crate::exchange::Target { symbol, order: Some(1), client_id: None };
    let bytes = rmp_serde::to_vec(&Older::Cancel((target, None, 0, 1))).expect("plain values");
    let read = SimFact::decode(&bytes).expect("understood");
    assert!(matches!(read, SimFact::Cancel(cancel) if cancel.only_begun.is_none()));
}

fn whole(local: &Local, seed: u64) {
    let exchange = local.exchange();
    exchange.check();
    let owed = owed(exchange);
    for balance in exchange.balances() {
        let owed = owed.get(&balance.asset).copied().unwrap_or_default();
        assert_eq!(balance.free + balance.locked, owed, "{} of seed {seed}", balance.asset);
        assert!(balance.free >= Decimal::ZERO, "{balance:?} of seed {seed}");
        assert!(balance.locked >= Decimal::ZERO, "{balance:?} of seed {seed}");
    }
    for order in exchange.orders() {
        let filled: Decimal = exchange.trades_of(order).map(|trade| trade.quantity).sum();
        assert_eq!(filled, order.executed, "order {} of seed {seed}", order.id);
        assert!(filled <= order.quantity, "{order:?} of seed {seed}");
    }
}
