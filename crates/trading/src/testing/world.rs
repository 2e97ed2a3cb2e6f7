//! Runs all stages on the plain loop, against a minimal simulated venue.

use super::{AccountFact, bar, configured, crossing, dec, instrument, sym};
use crate::orders::OrderStates;
use crate::{AnyStage, stages};
use everwarm_domain::fact::{Accept, AtVenue, Body, Ledger, Listed, Market, Operator, Venue};
use everwarm_domain::id::{Symbol, VenueId};
use everwarm_domain::market::Bar;
use everwarm_domain::money::{Decimal, Price};
use everwarm_domain::order::{
    Balance, Liquidity, OrderIntent, OrderReport, OrderStatus, ReportSource, SendAttempt, Side,
    Validity, VenueFill,
};
use everwarm_domain::settings::Settings;
use everwarm_domain::switch::Switch;
use everwarm_domain::time::{MINUTE, UtcMs};
use everwarm_domain::venue_ids::VenueOrderId;
use everwarm_kernel::fact::{Fact, Library};
use everwarm_kernel::plain::PlainLoop;
use std::collections::BTreeMap;

/// How the venue's reports arrive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Delivery {
    /// One response with all fills.
    Whole,
    /// One report for each fill, in order.
    Torn,
    /// One report for each fill, the last first, each twice, and a complete one at the end.
    Scrambled,
}

/// The daemon and its venue in one thread.
#[derive(Debug)]
pub struct World {
    pub plain: PlainLoop<Body>,
    pub book: OrderStates,
    pub facts: Vec<Fact<Body>>,
    pub time: UtcMs,
    pub prices: BTreeMap<Symbol, Price>,
    pub funds: BTreeMap<String, Decimal>,
    pub trades: u64,
    pub delivery: Delivery,
    /// All stages are saved and resumed after this many inputs; 0: never.
    pub resume_every: u64,
    pub life: u64,
}

/// Bars of the history, which facts refer to.
#[derive(Debug)]
pub struct History(pub Vec<Bar>);

impl Library<Body> for History {
    fn resolve(&self, body: &Body) -> Result<Option<Body>, String> {
        let Body::Market(Market::HistoryLoaded { symbol, timeframe, plan, .. }) = body else {
            return Ok(None);
        };
        let bars = self.0.iter().filter(|bar| bar.symbol == *symbol).copied().collect();
        let (symbol, timeframe, plan) = (*symbol, *timeframe, *plan);
        Ok(Some(Body::Market(Market::HistoryBars { symbol, timeframe, bars, plan })))
    }
}

pub fn settings() -> Settings {
    let mut settings = crossing(2, 3);
    settings.trading.max_positions = 2;
    settings
}

impl World {
    pub fn new(delivery: Delivery, resume_every: u64) -> World {
        World::of(stages(), delivery, resume_every)
    }

    /// A world with these stages instead of the default ones.
    pub fn of(stages: Vec<AnyStage>, delivery: Delivery, resume_every: u64) -> World {
        let mut world = World {
            plain: PlainLoop::new(stages, Box::new(History(Vec::new()))),
            book: OrderStates::default(),
            facts: Vec::new(),
            time: 0,
            prices: BTreeMap::new(),
            funds: BTreeMap::from([("USDT".to_owned(), dec("10000"))]),
            trades: 0,
            delivery,
            resume_every,
            life: 1,
        };
        let installation = "inst".to_owned();
        world.give(Body::Operator(Operator::Started { life: 1, installation, epoch: 1 }));
        world.give(configured(&settings()));
        let rules = ["ADAUSDT", "BTCUSDT", "ETHUSDT"].map(instrument).to_vec();
        world.give(Body::Market(Market::Instruments { rules }));
        world.account();
        world
    }

    pub fn give(&mut self, body: Body) {
        let World { plain, book, facts, time, resume_every, .. } = self;
        let n = plain.input(*time, body, &mut |fact| {
            book.fold(fact);
            facts.push(fact.clone());
        });
        if *resume_every > 0 && n.unwrap().is_multiple_of(*resume_every) {
            for (stage, fresh) in plain.stages_mut().zip(stages()) {
                let before = std::mem::replace(stage, fresh);
                stage.load(&before.save()).unwrap();
            }
        }
    }

    pub fn account(&mut self) {
        let balance = |(asset, free): (&String, &Decimal)| Balance {
            asset: asset.clone(),
            free: *free,
            locked: Decimal::ZERO,
        };
        let balances = self.funds.iter().filter(|(_, f)| !f.is_zero()).map(balance).collect();
        let (life, time) = (self.life, self.time);
        self.give(AccountFact { life, time, balances, ..AccountFact::default() }.body());
    }

    pub fn close(&mut self, bars: Vec<Bar>) {
        self.time = bars[0].open_time + MINUTE;
        self.prices.extend(bars.iter().map(|bar| (bar.symbol, bar.close)));
        self.give(Body::Market(Market::close(self.time, bars, Vec::new())));
        self.send();
    }

    /// Sends and fills the orders that are to be sent.
    pub fn send(&mut self) {
        let sends = self.book.to_send(self.time);
        if sends.is_empty() {
            return;
        }
        let attempt = |send: &crate::orders::order_states::ToSend| SendAttempt {
            client_id: send.intent.client_id.clone(),
            attempt: send.attempt,
            validity: Validity::within(self.time, 5_000),
        };
        let attempts = sends.iter().map(attempt).collect();
        self.give(Body::Venue(Venue::Sent { attempts }));
        for send in sends {
            self.trade(&send.intent);
        }
    }

    /// Fills an order at the last price in two executions, with a fee of 0.1 % in the quote asset.
    pub fn trade(&mut self, intent: &OrderIntent) {
        let OrderIntent { client_id, symbol, side, quantity, .. } = intent;
        let price = self.prices[symbol].decimal();
        let first = (*quantity / Decimal::TWO).round_dp(4);
        let mut fills = Vec::new();
        for quantity in [first, *quantity - first] {
            self.trades += 1;
            let amount = price * quantity;
            let fee = amount * dec("0.001");
            let sign = if *side == Side::Buy { Decimal::ONE } else { Decimal::NEGATIVE_ONE };
            *self.funds.entry("USDT".to_owned()).or_default() -= sign * amount + fee;
            let base = symbol.as_str().trim_end_matches("USDT").to_owned();
            *self.funds.entry(base).or_default() += sign * quantity;
            let (trade_id, fee_asset, time) = (self.trades.into(), "USDT".to_owned(), self.time);
            let liquidity = Some(Liquidity::Taker);
            fills.push(VenueFill { trade_id, price, quantity, fee, fee_asset, time, liquidity });
        }
        let order = VenueOrderId::from(self.trades);
        let report = |source, status, executed, fills: &[VenueFill]| {
            Body::Venue(Venue::Reported(OrderReport {
                source,
                client_id: client_id.clone(),
                venue_order_id: order.clone(),
                symbol: *symbol,
                side: *side,
                status,
                quantity: *quantity,
                executed,
                executed_quote: executed * price,
                fills: fills.to_vec(),
                time: self.time,
            }))
        };
        let whole = report(ReportSource::Answer, OrderStatus::Filled, *quantity, &fills);
        let part = report(ReportSource::Stream, OrderStatus::PartlyFilled, first, &fills[..1]);
        let rest = report(ReportSource::Stream, OrderStatus::Filled, *quantity, &fills[1..]);
        let reports = match self.delivery {
            Delivery::Whole => vec![whole],
            Delivery::Torn => vec![part, rest],
            Delivery::Scrambled => vec![rest.clone(), rest, part.clone(), part, whole],
        };
        for body in reports {
            self.give(body);
        }
    }

    pub fn walk_from(&mut self, first: i64, closes: i64) {
        let mut seed = first.cast_unsigned();
        let mut prices = [50_i64, 200, 1_000];
        for minute in first..first + closes {
            let mut bars = Vec::new();
            for (symbol, price) in ["ADAUSDT", "BTCUSDT", "ETHUSDT"].iter().zip(&mut prices) {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *price = (*price + i64::from(seed >> 60 != 0) * ((seed >> 61).cast_signed() - 3))
                    .max(20);
                bars.push(bar(symbol, minute, *price));
            }
            self.close(bars);
        }
    }
}

/// The facts of two runs over midnight, in the order of their keys: orders, a halt, a conflict that
/// an operator ends.
pub fn two_runs() -> Vec<Fact<Body>> {
    let mut world = World::new(Delivery::Torn, 0);
    let listed = |name: &str| Listed {
        symbol: sym(name),
        wanted: true,
        venue: AtVenue::Trading,
        why: "it is named".to_owned(),
    };
    let listed = ["ADAUSDT", "BTCUSDT", "ETHUSDT"].map(listed).to_vec();
    world.give(Body::Market(Market::Universe { asked: 0, basis: 2, listed, unlisted: vec![] }));
    world.walk_from(1_240, 180);
    let switched =
        |switch| Body::Operator(Operator::Switched { switch, reason: "lunch".to_owned() });
    world.give(switched(Switch::Halt));
    world.walk_from(1_420, 10);
    world.give(switched(Switch::Resume));
    *world.funds.get_mut("USDT").unwrap() -= dec("7");
    world.account();
    world.life = 2;
    world.give(Body::Operator(Operator::Started {
        life: 2,
        installation: "inst".to_owned(),
        epoch: 1,
    }));
    world.account();
    let conflict = world.facts.iter().rev().find_map(|fact| {
        let Body::Ledger(Ledger::Reconciled { conflicts, .. }) = &fact.body else { return None };
        conflicts.first().cloned()
    });
    let (conflict, accept) = (conflict.expect("7 are missing"), Accept::Venue);
    let reason = "a fee".to_owned();
    world.give(Body::Operator(Operator::Resolved {
        conflict,
        accept,
        reason,
        venue: VenueId::default(),
    }));
    world.walk_from(1_430, 90);
    let turn = |on| switched(Switch::Strategy { name: "sma_cross".to_owned(), on });
    world.give(turn(false));
    world.walk_from(1_520, 10);
    world.give(turn(true));
    world.walk_from(1_530, 80);
    world.give(switched(Switch::Halt));
    world.facts
}
