//! What is known of every order: a plain fold over inputs and over what the order manager said.
//!
//! The manager's state is such a book; a gateway folds one of its own, where an input may come
//! before what the manager says about the one before. So evidence (attempts, reports, absences) is
//! taken from inputs alone, and the standing of an order (status, applied fills, granted attempts)
//! from the manager's facts alone; neither waits for the other.
//!
//! Orders that are over are kept packed; one that a fact names is unpacked for as long as that fact
//! is handled.
//!
//! Invariants, asserted by `check`:
//! 1. An order was sent at most as often as granted.
//! 2. What is executed is the sum of the applied fills.
//! 3. Of the unpacked orders those that do not live, and no others, are listed as ended.

use super::lifecycle::Event;
use super::past::Past;
use super::reconcile::Panicked;
use super::saved::Known;
use everwarm_domain::bounds;
use everwarm_domain::fact::kinds::kind;
use everwarm_domain::fact::{Body, Conflict, Dispute, Market, Operator, Order as Said, Venue};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::money::{self, Decimal};
use everwarm_domain::order::{OrderIntent, OrderReport, OrderStatus, ReportSource, VenueFill};
use everwarm_domain::time::UtcMs;
use everwarm_kernel::fact::{Fact, Key, Mask};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How long the engine of a venue may still take in a request after its receive window,
/// milliseconds.
pub const SETTLE_MS: i64 = 10_000;
/// Venue time between two queries that prove an absence, and between two for missing fills,
/// milliseconds.
pub const PROOF_GAP_MS: i64 = 1_000;
/// Venue time between queries while the request may still arrive, milliseconds.
pub const PATIENCE_MS: i64 = 5_000;
/// Venue time after which an order that works is asked for again where nothing was told of it,
/// milliseconds.
pub const QUIET_MS: i64 = 60_000;

/// A request that left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// The venue time it was signed for.
    pub timestamp: UtcMs,
    /// After this venue time it cannot arrive any more.
    pub settled: UtcMs,
}

/// One order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// What was decided.
    pub intent: OrderIntent,
    /// The fact that said the intent.
    pub key: Key,
    /// Where it stands.
    pub status: OrderStatus,
    /// Number of the attempt that may be sent last.
    pub granted: u32,
    /// The last attempt that left.
    pub attempt: Option<Attempt>,
    /// Cumulative quantity of the applied fills, base units.
    pub executed: Decimal,
    /// Cumulative amount of the applied fills, quote units.
    pub executed_quote: Decimal,
    /// Number of applied fills.
    pub applied: u32,
    /// The venue's id, as the manager said it.
    pub venue_order_id: Option<u64>,
    /// The venue's id, as first reported.
    pub(super) told_id: Option<u64>,
    /// The furthest the venue said.
    pub(super) told: Option<OrderStatus>,
    /// The largest cumulative quantity the venue said.
    pub(super) told_executed: Decimal,
    /// Venue time of the newest report.
    pub(super) told_at: UtcMs,
    /// By trade id.
    pub(super) fills: BTreeMap<u64, Known>,
    /// Venue time of the first absence of a possible proof.
    pub(super) absent: Option<UtcMs>,
    /// The attempt has no clear answer.
    unanswered: bool,
    /// Sent by somebody who can no longer hear the answer; cleared by a query.
    orphaned: bool,
    /// Venue time of the last query.
    asked: Option<UtcMs>,
}

/// Why an order is to be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its attempt has no clear answer.
    Unanswered,
    /// It was sent or open before this life or this gateway began.
    Earlier,
    /// The venue told more executed than the fills it told.
    FillsMissing,
    /// It works at the venue, and nothing was told of it for a while: what a stream told may have
    /// been lost without a trace.
    Quiet,
}

/// A request the gateway may make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToSend {
    /// What to send.
    pub intent: OrderIntent,
    /// Number of the attempt, for its `Sent`.
    pub attempt: u32,
}

/// A question the gateway is to ask: the order by our id, and with its trades.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToQuery {
    /// Our id.
    pub client_id: ClientOrderId,
    /// Its symbol.
    pub symbol: Symbol,
    /// The venue's id, where known.
    pub venue_order_id: Option<u64>,
    /// Venue time its last attempt was signed for: trades of it are not older.
    pub since: UtcMs,
    /// The close it was decided at: nothing of it is older.
    pub decided: UtcMs,
    /// Why it is asked.
    pub why: Why,
    /// What the venue has told to be executed so far, base units.
    pub executed: Decimal,
    /// Whether it has told that it is over.
    pub over: bool,
}

impl Order {
    pub(super) fn new(intent: OrderIntent, key: Key) -> Order {
        Order {
            intent,
            key,
            status: OrderStatus::Intent,
            granted: 1,
            attempt: None,
            executed: Decimal::ZERO,
            executed_quote: Decimal::ZERO,
            applied: 0,
            venue_order_id: None,
            told_id: None,
            told: None,
            told_executed: Decimal::ZERO,
            told_at: UtcMs::MIN,
            fills: BTreeMap::new(),
            absent: None,
            unanswered: false,
            orphaned: false,
            asked: None,
        }
    }

    /// The question for it.
    #[must_use]
    pub fn to_query(&self, why: Why) -> ToQuery {
        let (client_id, symbol) = (self.intent.client_id.clone(), self.intent.symbol);
        let since = self.attempt.map_or(self.intent.close_time, |a| a.timestamp);
        let (venue_order_id, executed) = (self.told_id, self.told_executed);
        let over = self.told.is_some_and(OrderStatus::is_final);
        let decided = self.intent.close_time;
        ToQuery { client_id, symbol, venue_order_id, since, decided, why, executed, over }
    }

    /// Number of the last attempt that left; 0: never sent.
    #[must_use]
    pub fn sent(&self) -> u32 {
        self.attempt.map_or(0, |attempt| attempt.number)
    }

    /// Whether an attempt is granted that has not left.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.status == OrderStatus::Intent && self.told.is_none() && self.granted > self.sent()
    }

    /// Whether it is working at the venue.
    #[must_use]
    pub fn is_working(&self) -> bool {
        matches!(self.status, OrderStatus::Open | OrderStatus::PartlyFilled)
    }

    /// Whether the venue told more executed than the fills it told.
    #[must_use]
    pub fn fills_missing(&self) -> bool {
        self.known_quantity() < self.told_executed
    }

    fn known_quantity(&self) -> Decimal {
        money::total(self.fills.values().map(|known| known.fill.quantity))
    }

    /// Counts a fill.
    pub(super) fn apply(&mut self, fill: &VenueFill) {
        let amount = fill.price.saturating_mul(fill.quantity);
        self.executed = self.executed.saturating_add(fill.quantity);
        self.executed_quote = self.executed_quote.saturating_add(amount);
    }

    fn lives(&self) -> bool {
        !self.status.is_final() || self.fills_missing()
    }

    /// Whether `attempt` is the one on its way.
    pub(super) fn is_current(&self, attempt: u32) -> bool {
        self.sent() == attempt && self.granted == attempt
    }

    /// What the reports so far amount to. It is final only once its fills add up.
    pub(super) fn told_event(&self) -> Option<Event> {
        let told = self.told?;
        let known = self.known_quantity();
        let working = if known.is_zero() { Event::Opened } else { Event::PartFilled };
        if self.fills_missing() {
            return Some(if self.applied == 0 { Event::Opened } else { Event::PartFilled });
        }
        if !known.is_zero() && known >= self.intent.quantity {
            return Some(Event::Filled);
        }
        Some(match told {
            OrderStatus::Filled => Event::Filled,
            OrderStatus::Cancelled => Event::Cancelled,
            OrderStatus::Rejected => Event::Rejected,
            OrderStatus::Expired => Event::Expired,
            OrderStatus::Intent
            | OrderStatus::Sent
            | OrderStatus::Unknown
            | OrderStatus::Open
            | OrderStatus::PartlyFilled => working,
        })
    }

    fn report(&mut self, report: &OrderReport) {
        self.told_id = Some(report.venue_order_id);
        let rank = |status| match status {
            OrderStatus::Intent | OrderStatus::Sent | OrderStatus::Unknown | OrderStatus::Open => 0,
            OrderStatus::PartlyFilled => 1,
            OrderStatus::Cancelled | OrderStatus::Rejected | OrderStatus::Expired => 2,
            OrderStatus::Filled => 3,
        };
        if self.told.is_none_or(|told| rank(told) < rank(report.status)) {
            self.told = Some(report.status);
        }
        self.told_executed = self.told_executed.max(report.executed);
        self.told_at = self.told_at.max(report.time);
        for fill in &report.fills {
            let known = || Known { fill: fill.clone(), applied: false };
            self.fills.entry(fill.trade_id).or_insert_with(known);
        }
        self.absent = None;
        match report.source {
            // A hint says that the order is there, not that it said all: what was filled may have
            // been said by another, which was lost.
            ReportSource::Stream => {}
            ReportSource::Answer => self.unanswered = false,
            ReportSource::Query => (self.unanswered, self.orphaned) = (false, false),
        }
    }

    fn query(&self) -> Option<(Why, UtcMs)> {
        let why = if self.fills_missing() {
            Why::FillsMissing
        } else if self.status.is_final() || self.attempt.is_none() || self.is_due() {
            return None;
        } else if self.orphaned {
            Why::Earlier
        } else if self.unanswered || self.status == OrderStatus::Unknown {
            Why::Unanswered
        } else if self.is_working() {
            let told = self.asked.map_or(self.told_at, |asked| asked.max(self.told_at));
            return Some((Why::Quiet, told.saturating_add(QUIET_MS)));
        } else {
            return None;
        };
        let settled = self.attempt.map_or(UtcMs::MIN, |attempt| attempt.settled);
        let at = match self.asked {
            None => UtcMs::MIN,
            Some(asked) if why == Why::FillsMissing || asked > settled => {
                asked.saturating_add(PROOF_GAP_MS)
            }
            Some(asked) => asked.saturating_add(PATIENCE_MS).min(settled.saturating_add(1)),
        };
        Some((why, at))
    }
}

/// All orders that live, and those that are over and not yet forgotten.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OrderBook {
    /// Number of the process life.
    pub(super) life: u64,
    epoch: u64,
    /// The latest event time told.
    pub(super) time: UtcMs,
    /// Those that live, and those the fact just folded ended or named.
    orders: BTreeMap<ClientOrderId, Order>,
    /// All others.
    past: Past,
    /// Of `orders`, those that do not live; they are packed before the next fact.
    ended: BTreeSet<ClientOrderId>,
    /// What contradicts our records until the epoch changes.
    pub(super) conflicts: Vec<Conflict>,
    /// Whether the fact just folded added a conflict; false between inputs.
    #[serde(skip)]
    pub(super) fresh: bool,
    /// Ids of conflicts an operator has ended, and what ended ones about unknown orders are about.
    #[serde(default)]
    pub(super) aside: BTreeSet<String>,
    /// Trade ids of `everwarm panic` that are booked, by its orders.
    #[serde(default)]
    pub(super) panicked: Panicked,
}

impl OrderBook {
    /// What comes from outside and concerns orders.
    pub const INPUTS: Mask = Mask::of(&[
        kind::CLOSE,
        kind::CLOCK,
        kind::STARTED,
        kind::RESOLVED,
        kind::SENT,
        kind::REPORTED,
        kind::REFUSED,
        kind::UNANSWERED,
        kind::ABSENT,
        kind::ACCOUNT,
        kind::PANIC_TRADED,
    ]);
    /// What the order manager says of orders.
    pub const SAID: Mask = Mask::of(&[kind::INTENT, kind::GRANTED, kind::CHANGED, kind::FILLED]);

    /// The book in a checkpoint of the order manager.
    ///
    /// # Errors
    /// Says what is wrong with the bytes.
    pub fn from_checkpoint(bytes: &[u8]) -> Result<OrderBook, String> {
        everwarm_kernel::state::load(super::manager::FORMAT, bytes)
    }

    /// Takes in one fact; facts that do not concern orders change nothing.
    pub fn fold(&mut self, fact: &Fact<Body>) {
        self.fresh = false;
        self.pack();
        self.unpack_named(&fact.body);
        match &fact.body {
            Body::Market(Market::Close { time, .. }) => self.pass(*time),
            Body::Operator(operator) => self.operator(operator),
            Body::Venue(venue) => self.venue(venue),
            Body::Order(said) => self.said(fact.key, said),
            Body::Market(_) | Body::Analysis(_) | Body::Decision(_) | Body::Ledger(_) => {}
        }
    }

    /// Marks all that was sent as sent by somebody else, who can no longer hear the answers: what a
    /// gateway does that takes over a book.
    pub fn take_over(&mut self) {
        let living = self.orders.iter_mut().filter(|(id, _)| !self.ended.contains(*id));
        for (_, order) in living {
            order.orphaned = order.attempt.is_some();
            order.asked = None;
        }
    }

    /// Notes that the venue was asked for an order at this venue time, whatever came of it.
    pub fn asked(&mut self, id: &ClientOrderId, at: UtcMs) {
        if let Some(order) = self.orders.get_mut(id) {
            order.asked = order.asked.max(Some(at));
        }
    }

    /// What may be sent at this venue time, in the order in which it was decided.
    #[must_use]
    pub fn to_send(&self, venue_now: UtcMs) -> Vec<ToSend> {
        let valid = |o: &&Order| o.is_due() && venue_now <= o.intent.valid_until;
        let mut due: Vec<&Order> = self.living().filter(valid).collect();
        due.sort_by_key(|order| order.key);
        let send = |o: &Order| ToSend { intent: o.intent.clone(), attempt: o.sent() + 1 };
        due.into_iter().map(send).collect()
    }

    /// What the venue is to be asked at this venue time, by id.
    #[must_use]
    pub fn to_query(&self, venue_now: UtcMs) -> Vec<ToQuery> {
        let due = |(why, at): (Why, UtcMs)| (at <= venue_now).then_some(why);
        self.living().filter_map(|o| Some(o.to_query(o.query().and_then(due)?))).collect()
    }

    /// The venue time of the next question that something waits for; none when there is none. May
    /// be in the past. Nobody waits for an order that works: it does so for as long as it takes.
    #[must_use]
    pub fn next_query_at(&self) -> Option<UtcMs> {
        let questions = self.living().filter_map(Order::query);
        questions.filter(|(why, _)| *why != Why::Quiet).map(|(_, at)| at).min()
    }

    /// The venue time at which an order that works is asked for again; none where none works.
    #[must_use]
    pub fn next_look_at(&self) -> Option<UtcMs> {
        let questions = self.living().filter_map(Order::query);
        questions.filter(|(why, _)| *why == Why::Quiet).map(|(_, at)| at).min()
    }

    /// The orders working at the venue, by id.
    pub fn open(&self) -> impl Iterator<Item = &Order> {
        self.living().filter(|order| order.is_working())
    }

    /// The orders that are not final or lack fills, by id.
    pub fn living(&self) -> impl Iterator<Item = &Order> {
        let living = self.orders.iter().filter(|(id, _)| !self.ended.contains(*id));
        living.map(|(_, order)| order)
    }

    /// Whether the order lives, or is over and not yet forgotten.
    #[must_use]
    pub fn remembers(&self, id: &ClientOrderId) -> bool {
        self.orders.contains_key(id) || self.past.has(id)
    }

    /// All orders that live or are not yet forgotten, by symbol and the venue's number: a trade of
    /// another one is none of ours.
    #[must_use]
    pub fn numbers(&self) -> BTreeMap<(Symbol, u64), ClientOrderId> {
        let known = |number: Option<u64>, intent: &OrderIntent| {
            number.map(|number| ((intent.symbol, number), intent.client_id.clone()))
        };
        let living = self.orders.values().filter_map(|o| known(o.venue_order_id, &o.intent));
        let past = self.past.orders();
        living.chain(past.filter_map(|o| known(o.venue_order_id, &o.intent))).collect()
    }

    /// One order: living, or named by the fact just folded and not yet forgotten.
    #[must_use]
    pub fn get(&self, id: &ClientOrderId) -> Option<&Order> {
        self.orders.get(id)
    }

    fn operator(&mut self, operator: &Operator) {
        match operator {
            Operator::Started { life, epoch, .. } => {
                self.life = *life;
                if *epoch > self.epoch {
                    self.epoch = *epoch;
                    self.conflicts.clear();
                    self.aside.clear();
                }
                self.take_over();
            }
            Operator::Clock { time } => self.pass(*time),
            Operator::Resolved { conflict, .. } => self.resolved(conflict),
            Operator::LiveConfirmed { .. }
            | Operator::ConfigApplied { .. }
            | Operator::StageUpgraded { .. }
            | Operator::StageJoined { .. }
            | Operator::StageLeft { .. }
            | Operator::Quarantined { .. }
            | Operator::Released { .. }
            | Operator::Branch { .. }
            | Operator::Switched { .. }
            | Operator::Adopted { .. }
            | Operator::SymbolWanted { .. }
            | Operator::Restarted { .. } => {}
        }
    }

    fn venue(&mut self, venue: &Venue) {
        match venue {
            Venue::Sent { attempts } => attempts.iter().for_each(|sent| {
                self.pass(sent.timestamp);
                let open = sent.recv_window.saturating_add(SETTLE_MS);
                let settled = sent.timestamp.saturating_add(open);
                let attempt = Attempt { number: sent.attempt, timestamp: sent.timestamp, settled };
                self.sent(&sent.client_id, attempt);
            }),
            Venue::Reported(report) => self.reported(report),
            Venue::Unanswered { client_id, attempt, .. } => {
                if let Some(order) = self.orders.get_mut(client_id) {
                    order.unanswered |= order.sent() == *attempt;
                }
            }
            Venue::Absent { client_id, asked, .. } => {
                self.pass(*asked);
                self.absent(client_id, *asked);
            }
            Venue::Account { time, .. } => self.pass(*time),
            Venue::Refused { .. } | Venue::PanicTraded { .. } => {}
        }
    }

    fn sent(&mut self, id: &ClientOrderId, attempt: Attempt) {
        let Some(order) = self.orders.get_mut(id) else {
            let ours = "never decided".to_owned();
            self.conflict(
                Dispute::Order,
                id,
                ours,
                format!("attempt {} is being sent", attempt.number),
            );
            return;
        };
        if attempt.number > order.granted {
            let ours = format!("attempt {} granted", order.granted);
            self.conflict(
                Dispute::Order,
                id,
                ours,
                format!("attempt {} is being sent", attempt.number),
            );
            return;
        }
        order.attempt = Some(attempt);
        order.unanswered = false;
        order.orphaned = false;
        (order.absent, order.asked) = (None, None);
    }

    fn reported(&mut self, report: &OrderReport) {
        let (id, number) = (&report.client_id, report.venue_order_id);
        let theirs = || format!("order {number} in {}", report.symbol);
        let twin = Dispute::Twin;
        let Some(order) = self.orders.get_mut(id) else {
            // What is older than our memory may have been ours.
            if id.is_ours() && self.past.reaches(report.time, self.time) {
                self.conflict(twin, id, Conflict::UNKNOWN.to_owned(), theirs());
            }
            return;
        };
        if order.attempt.is_none() {
            self.conflict(twin, id, "never sent".to_owned(), theirs());
            return;
        }
        if let Some(told) = order.told_id.filter(|told| *told != number) {
            self.conflict(twin, id, format!("order {told}"), theirs());
            return;
        }
        // A decoder refuses such numbers; only a journal of an earlier version holds them.
        if let Err(why) = bounds::report(report) {
            let ours =
                format!("{:?} {} {}", order.intent.side, order.intent.quantity, report.symbol);
            self.conflict(Dispute::Order, id, ours, format!("numbers beyond the limits: {why}"));
            return;
        }
        let OrderIntent { symbol, side, quantity, .. } = &order.intent;
        if (report.symbol, report.side, report.quantity) != (*symbol, *side, *quantity) {
            let ours = format!("{side:?} {quantity} {symbol}");
            let OrderReport { symbol, side, quantity, .. } = report;
            let theirs = format!("{side:?} {quantity} {symbol}, order {number}");
            self.conflict(twin, id, ours, theirs);
            return;
        }
        order.report(report);
        self.settle(id);
    }

    /// Keeps the first absence of a possible proof: two that count are asked apart, both after the
    /// attempt can no longer arrive.
    fn absent(&mut self, id: &ClientOrderId, asked: UtcMs) {
        let Some(order) = self.orders.get_mut(id) else { return };
        order.asked = order.asked.max(Some(asked));
        let settled = order.attempt.map_or(UtcMs::MAX, |attempt| attempt.settled);
        if order.told.is_none() && asked > settled && order.absent.is_none() {
            order.absent = Some(asked);
        }
    }

    fn said(&mut self, key: Key, said: &Said) {
        match said {
            Said::Intent(intent) => {
                let order = Order::new(intent.clone(), key);
                self.orders.insert(intent.client_id.clone(), order);
                self.settle(&intent.client_id);
            }
            Said::Granted { client_id, attempt, .. } => {
                if let Some(order) = self.orders.get_mut(client_id) {
                    order.granted = *attempt;
                    order.status = OrderStatus::Intent;
                    order.unanswered = false;
                    order.absent = None;
                    self.settle(client_id);
                }
            }
            Said::Changed { client_id, venue_order_id, status, .. } => {
                let Some(order) = self.orders.get_mut(client_id) else { return };
                order.status = *status;
                order.venue_order_id = *venue_order_id;
                self.settle(client_id);
            }
            Said::Filled { client_id, fill, .. } if client_id.is_panic() => {
                self.panicked.book(client_id, fill.trade_id);
            }
            Said::Filled { client_id, k, fill, .. } => {
                let Some(order) = self.orders.get_mut(client_id) else { return };
                let known = Known { fill: fill.clone(), applied: true };
                order.fills.insert(fill.trade_id, known);
                order.applied = *k;
                order.apply(fill);
                self.settle(client_id);
            }
            Said::Compared { .. } => {}
        }
    }

    /// Lists an order as ended or not.
    fn settle(&mut self, id: &ClientOrderId) {
        if self.orders.get(id).is_some_and(Order::lives) {
            self.ended.remove(id);
        } else {
            self.ended.insert(id.clone());
        }
    }

    /// Packs what has ended.
    fn pack(&mut self) {
        while let Some(id) = self.ended.pop_first() {
            if let Some(order) = self.orders.remove(&id) {
                self.past.put(&order, self.time);
            }
        }
    }

    /// Unpacks what the fact names.
    fn unpack_named(&mut self, body: &Body) {
        match body {
            Body::Venue(venue) => match venue {
                Venue::Sent { attempts } => {
                    for sent in attempts {
                        self.unpack(&sent.client_id);
                    }
                }
                Venue::Reported(report) => self.unpack(&report.client_id),
                Venue::Refused { client_id, .. }
                | Venue::Unanswered { client_id, .. }
                | Venue::Absent { client_id, .. } => self.unpack(client_id),
                Venue::Account { open, .. } => {
                    for (id, _) in open {
                        self.unpack(id);
                    }
                }
                Venue::PanicTraded { .. } => {}
            },
            Body::Order(said) => match said {
                Said::Granted { client_id, .. }
                | Said::Changed { client_id, .. }
                | Said::Filled { client_id, .. } => self.unpack(client_id),
                Said::Intent(_) | Said::Compared { .. } => {}
            },
            Body::Operator(Operator::Resolved { conflict, .. }) => {
                if let Some(id) = conflict.order() {
                    self.unpack(&id);
                }
            }
            Body::Market(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Ledger(_) => {}
        }
    }

    fn unpack(&mut self, id: &ClientOrderId) {
        if !self.orders.contains_key(id)
            && let Some(order) = self.past.get(id)
        {
            self.orders.insert(id.clone(), order);
            self.ended.insert(id.clone());
        }
    }

    /// Event time passes.
    fn pass(&mut self, time: UtcMs) {
        self.time = self.time.max(time);
        self.past.pass(self.time);
    }

    pub(super) fn check(&self) {
        for (id, order) in &self.orders {
            assert!(order.sent() <= order.granted, "1: {order:?}");
            let applied = order.fills.values().filter(|known| known.applied);
            let sum = money::total(applied.map(|known| known.fill.quantity));
            assert_eq!(sum, order.executed, "2: {order:?}");
            assert_eq!(!self.ended.contains(id), order.lives(), "3: {order:?}");
        }
    }
}
