//! Keeps the known state of every order, folded from inputs and from the order manager's facts.
//!
//! The order manager has these states, and the gateway folds its own. The gateway may fold an
//! input before the manager's facts about the one before. So evidence (attempts, reports,
//! absences) comes only from inputs. The state of an order (status, applied fills, granted
//! attempts) comes only from the manager's facts. Neither waits for the other.
//!
//! Finished orders are packed. A fact that names one unpacks it while the fact is handled.
//!
//! Invariants, asserted by `check`:
//! 1. An order was sent at most as many times as granted.
//! 2. The executed quantity is the sum of the applied fills.
//! 3. Exactly the unpacked orders that do not live are listed as ended.
//! 4. A packed order has a cancel only if its end is recorded there.

use super::cancels::Cancels;
pub use super::cancels::{CANCELS_MAX, ToCancel};
use super::finished_orders::FinishedOrders;
use super::open_order_check::Panicked;
pub use super::order::{Attempt, Order, ToQuery, ToSend, Why};
use super::saved::Known;
use super::venue_numbers::VenueNumbers;
use everwarm_domain::bounds;
use everwarm_domain::fact::kinds::kind;
use everwarm_domain::fact::{
    Body, Conflict, Decision, Dispute, Market, Operator, Order as OrderFact, Venue,
};
use everwarm_domain::id::ClientOrderId;
use everwarm_domain::money;
use everwarm_domain::order::{
    OrderIntent, OrderReport, Proof, ReportSource, SendAttempt, is_adopted,
};
use everwarm_domain::time::UtcMs;
use everwarm_kernel::fact::{Fact, Key, Mask};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Venue time between two queries that prove an absence or look for missing fills, milliseconds.
pub const PROOF_GAP_MS: i64 = 1_000;
/// Venue time between queries while a request may still arrive, milliseconds.
pub const PATIENCE_MS: i64 = 5_000;
/// Venue time without a report after which an open order is queried, milliseconds.
pub const QUIET_MS: i64 = 60_000;

/// All living orders, and the finished ones that are still kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OrderStates {
    /// Number of the run.
    pub(super) life: u64,
    pub(super) epoch: u64,
    /// Latest event time seen.
    pub(super) time: UtcMs,
    /// Living orders, and those that the last folded fact ended or named.
    pub(super) orders: BTreeMap<ClientOrderId, Order>,
    /// All other orders.
    pub(super) past: FinishedOrders,
    /// Orders in `orders` that do not live; they are packed before the next fact.
    pub(super) ended: BTreeSet<ClientOrderId>,
    /// Contradictions to the records, kept until the epoch changes.
    pub(super) conflicts: Vec<Conflict>,
    /// Whether the last folded fact added a conflict; false between inputs.
    #[serde(skip)]
    pub(super) fresh: bool,
    /// Ids of conflicts that an operator ended. For unknown orders, also their subject.
    #[serde(default)]
    pub(super) aside: BTreeSet<String>,
    /// Trade ids of `everwarm panic` that are booked, by its orders, and those of adopted orders;
    /// see [`super::adopted`].
    #[serde(default)]
    pub(super) panicked: Panicked,
    /// Cancels of living orders, and of packed ones until their outcome is appended.
    pub(super) cancels: Cancels,
}

impl OrderStates {
    /// Inputs that concern orders.
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
        kind::EXTERNAL_TRADED,
        kind::REQUESTED,
        kind::RESPONDED,
    ]);
    /// Facts by which the decision withdraws orders.
    pub const TAKEN_BACK: Mask = Mask::of(&[kind::WITHDRAWN, kind::CANCEL_INTENT]);
    /// Facts of the order manager about orders.
    pub const FACTS: Mask = Mask::of(&[kind::INTENT, kind::GRANTED, kind::CHANGED, kind::FILLED]);

    /// Applies one fact. Facts that do not concern orders change nothing.
    pub fn fold(&mut self, fact: &Fact<Body>) {
        self.fresh = false;
        self.pack();
        self.unpack_named(&fact.body);
        match &fact.body {
            Body::Market(Market::Close { time, .. }) => self.pass(*time),
            Body::Operator(operator) => self.operator(operator),
            Body::Venue(venue) => self.venue(venue),
            Body::Order(about) => {
                self.order_fact(fact.key, about);
                self.filled(about);
            }
            Body::Decision(
                Decision::Withdrawn { client_id, .. } | Decision::CancelIntent { client_id, .. },
            ) => {
                if self.living().any(|order| order.intent.client_id == *client_id) {
                    self.cancels.want(client_id);
                }
            }
            Body::Market(_) | Body::Analysis(_) | Body::Decision(_) | Body::Ledger(_) => {}
        }
    }

    /// Marks all sent orders as sent by another process, which cannot receive responses any more. A
    /// gateway calls this when it takes over a book.
    pub fn take_over(&mut self) {
        let living = self.orders.iter_mut().filter(|(id, _)| !self.ended.contains(*id));
        for (_, order) in living {
            order.orphaned = order.attempt.is_some();
            order.asked = None;
        }
    }

    /// Records a query for an order at this venue time, whatever its result.
    pub fn asked(&mut self, id: &ClientOrderId, at: UtcMs) {
        if let Some(order) = self.orders.get_mut(id) {
            order.asked = order.asked.max(Some(at));
        }
    }

    /// Requests that may be sent at this venue time, in the order of their decisions.
    #[must_use]
    pub fn to_send(&self, venue_now: UtcMs) -> Vec<ToSend> {
        let valid = |o: &&Order| o.is_due() && venue_now <= o.intent.valid_until;
        let mut due: Vec<&Order> = self.living().filter(valid).collect();
        due.sort_by_key(|order| order.key);
        let send = |o: &Order| ToSend { intent: o.intent.clone(), attempt: o.sent() + 1 };
        due.into_iter().map(send).collect()
    }

    /// Queries that are due at this venue time, by id.
    #[must_use]
    pub fn to_query(&self, venue_now: UtcMs) -> Vec<ToQuery> {
        let due = |(why, at): (Why, UtcMs)| (at <= venue_now).then_some(why);
        self.living().filter_map(|o| Some(o.to_query(self.question(o).and_then(due)?))).collect()
    }

    /// Venue time of the next query that something waits for, which may be in the past. `None` if
    /// there is none. Queries for open orders do not count: they may stay open for any time.
    #[must_use]
    pub fn next_query_at(&self) -> Option<UtcMs> {
        let questions = self.living().filter_map(|order| self.question(order));
        questions.filter(|(why, _)| *why != Why::Quiet).map(|(_, at)| at).min()
    }

    /// Venue time of the next query for an open order; `None` if no open order waits only for that.
    #[must_use]
    pub fn next_look_at(&self) -> Option<UtcMs> {
        let questions = self.living().filter_map(|order| self.question(order));
        questions.filter(|(why, _)| *why == Why::Quiet).map(|(_, at)| at).min()
    }

    /// The orders open at the venue, by id.
    pub fn open(&self) -> impl Iterator<Item = &Order> {
        self.living().filter(|order| order.is_working())
    }

    /// The orders that are not final or lack fills, by id.
    pub fn living(&self) -> impl Iterator<Item = &Order> {
        let living = self.orders.iter().filter(|(id, _)| !self.ended.contains(*id));
        living.map(|(_, order)| order)
    }

    /// Whether the last fact ended a withdrawn order that has fills and was never requested to be
    /// cancelled. No other input follows from its end.
    pub(super) fn has_ended_taken_back(&self) -> bool {
        let ended = self.ended.iter().filter_map(|id| self.orders.get(id));
        ended.into_iter().any(|order| {
            let id = &order.intent.client_id;
            !order.executed.is_zero() && self.cancels.is_only_wanted(id)
        })
    }

    /// Whether the order lives, or is finished and still kept.
    #[must_use]
    pub fn remembers(&self, id: &ClientOrderId) -> bool {
        self.orders.contains_key(id) || self.past.has(id)
    }

    /// All known orders, by the venue's order id.
    #[must_use]
    pub fn numbers(&self) -> VenueNumbers {
        VenueNumbers::of(self.orders.values(), self.past.numbers.all(|| self.past.orders()))
    }

    /// One order, if it lives or if the last folded fact named it and it is still kept.
    #[must_use]
    pub fn get(&self, id: &ClientOrderId) -> Option<&Order> {
        self.orders.get(id)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
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
            _ => {}
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    fn venue(&mut self, venue: &Venue) {
        match venue {
            Venue::Sent { attempts } => attempts.iter().for_each(|sent| {
                self.pass(sent.validity.timestamp);
                self.sent(sent);
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
            Venue::Requested(request) => {
                self.pass(request.timestamp);
                self.cancels.requested(request);
                if let Some(order) = self.orders.get_mut(&request.of) {
                    // If no clear response comes, it is queried immediately.
                    order.asked = None;
                }
            }
            Venue::Responded { of, attempt, .. } => self.cancels.responded(of, *attempt),
            Venue::Refused { client_id, attempt, again, .. } => {
                let order = self.orders.get_mut(client_id);
                let last = order.and_then(|order| order.attempt.as_mut());
                if let Some(last) = last.filter(|last| last.number == *attempt && !*again) {
                    last.refused = true;
                }
            }
            _ => {}
        }
    }

    fn sent(&mut self, sent: &SendAttempt) {
        let (id, validity) = (&sent.client_id, sent.validity);
        let mut attempt = Attempt {
            number: sent.attempt,
            timestamp: validity.timestamp,
            settled: validity.settled_at,
            proof: validity.proof,
            earlier: false,
            refused: false,
        };
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
        if let Some(before) = order.attempt.filter(|before| before.earlier) {
            attempt.earlier = true;
            attempt.settled = attempt.settled.zip(before.settled).map(|(a, b)| a.max(b));
        }
        order.attempt = Some(attempt);
        order.unanswered = false;
        order.orphaned = false;
        (order.absent, order.asked) = (None, None);
    }

    fn reported(&mut self, report: &OrderReport) {
        let (id, number) = (&report.client_id, &report.venue_order_id);
        let theirs = || format!("order {number} in {}", report.symbol);
        let twin = Dispute::Twin;
        let Some(order) = self.orders.get_mut(id) else {
            // An order older than the kept ones may have been ours.
            if id.is_ours() && self.past.reaches(report.time, self.time) {
                self.conflict(twin, id, Conflict::UNKNOWN.to_owned(), theirs());
            }
            return;
        };
        if order.attempt.is_none() {
            self.conflict(twin, id, "never sent".to_owned(), theirs());
            return;
        }
        if let Some(known) = order.reported_id.as_ref().filter(|known| *known != number) {
            let ours = format!("order {known}");
            self.conflict(twin, id, ours, theirs());
            return;
        }
        // Decoders reject such numbers; only a journal of an earlier version contains them.
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
        if report.source == ReportSource::Query {
            self.cancels.found(id);
        }
        self.settle(id);
    }

    /// Records the first absence that may prove something. If our id alone proves nothing, two
    /// absences count. Both queries must come after the attempt can no longer arrive.
    fn absent(&mut self, id: &ClientOrderId, asked: UtcMs) {
        let Some(order) = self.orders.get_mut(id) else { return };
        order.asked = order.asked.max(Some(asked));
        let counts = order.attempt.is_some_and(|attempt| match attempt.proof {
            Proof::ById => true,
            Proof::ByAbsenceAndTrades => attempt.is_settled(asked),
        });
        if order.reported_status.is_none() && counts && order.absent.is_none() {
            order.absent = Some(asked);
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    fn order_fact(&mut self, key: Key, fact: &OrderFact) {
        match fact {
            OrderFact::Intent(intent) => {
                let order = Order::new(intent.clone(), key);
                self.orders.insert(intent.client_id.clone(), order);
                self.settle(&intent.client_id);
            }
            OrderFact::Granted { client_id, attempt, .. } => {
                if let Some(order) = self.orders.get_mut(client_id) {
                    order.grant(*attempt);
                    self.settle(client_id);
                }
            }
            OrderFact::Changed { client_id, venue_order_id, status, .. } => {
                let Some(order) = self.orders.get_mut(client_id) else { return };
                order.status = *status;
                order.venue_order_id.clone_from(venue_order_id);
                self.settle(client_id);
            }
            _ => {}
        }
    }

    fn filled(&mut self, fact: &OrderFact) {
        let OrderFact::Filled { client_id, strategy, symbol, fill, k, .. } = fact else { return };
        if client_id.is_panic() {
            self.panicked.book(client_id, &fill.trade_id);
        } else if is_adopted(client_id, strategy) {
            self.panicked.adopt(client_id, *symbol, fill, self.time);
        } else if let Some(order) = self.orders.get_mut(client_id) {
            let known = Known { fill: fill.clone(), applied: true };
            order.fills.insert(fill.trade_id.clone(), known);
            order.applied = *k;
            order.apply_fill(fill);
            self.settle(client_id);
        }
    }

    /// Updates whether an order is listed as ended.
    fn settle(&mut self, id: &ClientOrderId) {
        if self.orders.get(id).is_some_and(Order::lives) {
            self.ended.remove(id);
        } else {
            self.ended.insert(id.clone());
        }
    }

    /// Packs the ended orders.
    fn pack(&mut self) {
        while let Some(id) = self.ended.pop_first() {
            if let Some(order) = self.orders.remove(&id) {
                self.cancels.ended(&id, order.status);
                self.past.put(&order, self.time);
            }
        }
    }

    /// Unpacks the orders that a fact names.
    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
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
                // Cancels concern only living orders.
                _ => {}
            },
            Body::Order(fact) => match fact {
                OrderFact::Granted { client_id, .. }
                | OrderFact::Changed { client_id, .. }
                | OrderFact::Filled { client_id, .. } => self.unpack(client_id),
                _ => {}
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

    /// Advances the event time.
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
        self.check_cancels();
    }
}
