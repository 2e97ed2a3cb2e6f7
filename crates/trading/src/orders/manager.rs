//! Runs the order manager: it turns approvals into intents, and venue reports into order states.
//!
//! Only the order manager grants another attempt. It needs a definite refusal or a proved absence,
//! and an order that is still valid. The `Sent` fact says how long a request may arrive and which
//! proof of absence counts. Apart from a granted attempt, statuses only
//! move forward. A fill counts once by its trade id, in the
//! order of venue time and trade id. Fills count only when they add up to the executed quantity
//! that the venue reports. So reports give the same fills in any order, duplicated or split. A
//! contradiction to the records immediately becomes a conflict, until an operator ends it or the
//! epoch changes.
//!
//! Invariants, asserted by `check`: those of the [`OrderStates`], and a final order has applied all
//! known fills, unless some are missing.

use super::lifecycle::{self, Event};
use super::old_states::{BookBefore, BookOfNumbers, FORMAT_BEFORE, FORMAT_OF_NUMBERS};
use super::open_order_check;
use super::order_states::{Order, OrderStates};
use crate::decide::Approved;
use everwarm_domain::fact::kinds::{kind, rank};
use everwarm_domain::fact::{
    Accept, Body, Conflict, Decision, Dispute, Market, Operator, Order as OrderFact, Venue,
};
use everwarm_domain::id::ClientOrderId;
use everwarm_domain::order::{
    OrderStatus, PANIC, PanicTrade, Proof, SendAttempt, Side, is_adopted,
};
use everwarm_domain::time::UtcMs;
use everwarm_domain::venue_ids::VenueTradeId;
use everwarm_kernel::fact::{Fact, Mask, Rank};
use everwarm_kernel::stage::{OnPoison, Out, Stage};
use everwarm_kernel::state;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

pub(super) const FORMAT: u8 = 5;
/// Format, type and version of the state without stop orders: only the book.
const FORMAT_OF_BOOK: u8 = 4;
const TYPE_OF_BOOK: u64 = 0x188c_e926_51e1_ffc4;
const BEFORE_STOPS: u16 = 4;
/// The last version without cancels.
const BEFORE_CANCELS: u16 = 2;
/// The last version with numeric venue ids.
const OF_NUMBERS: u16 = 3;

/// The order manager stage.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Manager {
    book: OrderStates,
    /// Whether the facts since the last input bought something, ended a sale, or compared the
    /// account. At the next input the decision places a stop order, ends an exit or requests it
    /// again, or cancels entries because of a conflict.
    #[serde(default, rename = "concerns_stops")]
    concerns_decision: bool,
    /// Whether the venue takes stop orders.
    #[serde(default)]
    stop_orders: bool,
}

impl Manager {
    /// The book of all orders.
    #[must_use]
    pub fn book(&self) -> &OrderStates {
        &self.book
    }

    /// The new status of an order after an event. `None` if it does not change or the pair is
    /// illegal.
    fn shift(order: &Order, event: Event) -> Option<OrderStatus> {
        lifecycle::next(order.status, event).ok().filter(|status| *status != order.status)
    }

    /// Records a conflict for each event of this input that the transition table forbids.
    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    fn contradictions(&mut self, venue: &Venue) {
        let mut events: Vec<(&ClientOrderId, Event)> = Vec::new();
        match venue {
            Venue::Sent { attempts } => {
                events.extend(attempts.iter().map(|sent| (&sent.client_id, Event::Sent)));
            }
            Venue::Refused { client_id, attempt, .. }
                if self.book.get(client_id).is_some_and(|order| order.is_current(*attempt)) =>
            {
                events.push((client_id, Event::Refused));
            }
            Venue::Reported(report) => {
                let order = self.book.get(&report.client_id);
                let known = order.filter(|order| order.is_reported_as(&report.venue_order_id));
                let event = known.and_then(Order::reported_event);
                events.extend(event.map(|event| (&report.client_id, event)));
            }
            _ => {}
        }
        for (id, event) in events {
            let Some(order) = self.book.get(id) else { continue };
            if let Err(illegal) = lifecycle::next(order.status, event) {
                let ours = format!("{:?}", order.status);
                self.book.conflict(Dispute::Order, id, ours, illegal.to_string());
            }
        }
    }

    fn append_status(order: &Order, status: OrderStatus, reason: &str, out: &mut Out<Body>) {
        out.append_because(
            [order.key],
            Body::Order(OrderFact::Changed {
                client_id: order.intent.client_id.clone(),
                symbol: order.intent.symbol,
                venue_order_id: order.reported_id.clone(),
                status,
                executed: order.executed.normalize(),
                executed_quote: order.executed_quote.normalize(),
                reason: reason.to_owned(),
            }),
        );
    }

    fn change(order: &Order, event: Event, reason: &str, out: &mut Out<Body>) {
        if let Some(status) = Self::shift(order, event) {
            Self::append_status(order, status, reason, out);
        }
    }

    /// Ends orders that were not sent before they expired.
    fn lapse(&self, out: &mut Out<Body>) {
        for order in self.book.living().filter(|order| order.is_due()) {
            if self.book.time > order.intent.valid_until {
                self.give_up(order, Event::Lapsed, "not sent in time", out);
            }
        }
    }

    /// Ends an order whose granted attempt is not sent. While an earlier attempt can still arrive,
    /// the order stays open and is queried.
    fn give_up(&self, order: &Order, event: Event, why: &str, out: &mut Out<Body>) {
        if order.may_end(self.book.time) {
            Self::change(order, event, why, out);
        } else {
            Self::change(order, Event::Lost, &may_still_arrive(why), out);
        }
    }

    /// Grants another attempt, or ends the order. `may_end`: no sent request can still arrive.
    /// While one can, an order without another attempt stays open too.
    fn again(&self, order: &Order, why: &str, may_end: bool, out: &mut Out<Body>) {
        if lifecycle::next(order.status, Event::Granted).is_err() {
            return;
        }
        let (late, refused) = (self.book.time > order.intent.valid_until, order.was_refused());
        let withdrawn = self.book.is_withdrawn(&order.intent.client_id);
        if (late || refused || withdrawn) && !may_end {
            Self::change(order, Event::Lost, &may_still_arrive(why), out);
            return;
        }
        if refused {
            Self::change(order, Event::Refused, why, out);
            return;
        }
        if withdrawn {
            let why = format!("{why}; its signal was withdrawn meanwhile");
            Self::change(order, Event::Withdrawn, &why, out);
            return;
        }
        if late {
            Self::change(order, Event::Lapsed, &format!("{why}; too late to send it again"), out);
            return;
        }
        let (client_id, attempt) = (order.intent.client_id.clone(), order.sent() + 1);
        let reason = why.to_owned();
        out.append_because(
            [order.key],
            Body::Order(OrderFact::Granted { client_id, attempt, reason }),
        );
    }

    fn sent(&self, attempts: &[SendAttempt], out: &mut Out<Body>) {
        for sent in attempts {
            let Some(order) = self.book.get(&sent.client_id) else { continue };
            if order.sent() == sent.attempt {
                Self::change(order, Event::Sent, &format!("attempt {}", sent.attempt), out);
            }
        }
    }

    fn reported(&self, order: &Order, out: &mut Out<Body>) {
        let Some(event) = order.reported_event() else { return };
        let mut after = order.clone();
        if !order.fills_missing() {
            for fill in order.due_fills() {
                after.applied += 1;
                after.apply_fill(fill);
                out.append_because(
                    [order.key],
                    Body::Order(OrderFact::Filled {
                        client_id: order.intent.client_id.clone(),
                        strategy: order.intent.strategy.clone(),
                        symbol: order.intent.symbol,
                        side: order.intent.side,
                        k: after.applied,
                        fill: fill.clone(),
                    }),
                );
            }
        }
        let status = Self::shift(order, event).unwrap_or(order.status);
        let now = (status, &order.reported_id, after.applied);
        if now != (order.status, &order.venue_order_id, order.applied) {
            let withdrawn = self.book.is_withdrawn(&order.intent.client_id);
            let why = if order.fills_missing() {
                "the venue tells more executed than fills; they are being fetched"
            } else if withdrawn && status == OrderStatus::Cancelled {
                "its signal was withdrawn"
            } else {
                ""
            };
            Self::append_status(&after, status, why, out);
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    fn venue(&self, venue: &Venue, out: &mut Out<Body>) {
        match venue {
            Venue::Sent { attempts } => self.sent(attempts, out),
            Venue::Reported(report) => {
                let order = self.book.get(&report.client_id);
                if let Some(order) = order.filter(|o| o.is_reported_as(&report.venue_order_id)) {
                    self.reported(order, out);
                }
            }
            Venue::Refused { client_id, attempt, code, text, .. } => {
                let order = self.book.get(client_id).filter(|order| order.is_current(*attempt));
                let Some(order) = order else { return };
                let why = format!("the venue refused attempt {attempt}: {text} ({code})");
                self.again(order, &why, order.may_end(self.book.time), out);
            }
            Venue::Unanswered { client_id, attempt, reason } => {
                let order = self.book.get(client_id).filter(|order| order.is_current(*attempt));
                if let Some(order) = order {
                    Self::change(order, Event::Lost, reason, out);
                }
            }
            Venue::Absent { client_id, asked } => {
                let order = self.book.get(client_id);
                if let Some(order) = order.filter(|o| open_order_check::proves_absence(o, *asked)) {
                    let attempt = order.sent();
                    let last = order.attempt.filter(|last| last.proof == Proof::ById);
                    let why = if last.is_some() {
                        format!(
                            "the venue does not know the id of attempt {attempt}, and takes one \
                             order of an id"
                        )
                    } else {
                        format!(
                            "attempt {attempt} can no longer arrive, and asked twice the venue \
                             has neither the order nor a trade of it"
                        )
                    };
                    self.again(order, &why, order.is_settled(*asked), out);
                }
            }
            Venue::Account { life, time, open, .. } => {
                let conflicts = open_order_check::compare(&self.book, *time, open);
                out.append(Body::Order(OrderFact::Compared { life: *life, conflicts }));
                return;
            }
            Venue::PanicTraded { trades, .. } => self.panicked(trades, out),
            Venue::ExternalTraded(external) => self.book.adopt(&external.trades, out),
            // Reports state the result of a cancel.
            _ => {}
        }
        if self.book.fresh {
            let (life, conflicts) = (self.book.life, self.book.conflicts.clone());
            out.append(Body::Order(OrderFact::Compared { life, conflicts }));
        }
    }

    /// Books trades of `everwarm panic`, each once. The order is not ours, but the sold holdings
    /// were.
    fn panicked(&self, trades: &[PanicTrade], out: &mut Out<Body>) {
        let mut more: BTreeMap<&ClientOrderId, BTreeSet<&VenueTradeId>> = BTreeMap::new();
        for PanicTrade { client_id, symbol, side, fill } in trades {
            let (before, booked) = self.book.panicked.booked(client_id, &fill.trade_id);
            let more = more.entry(client_id).or_default();
            if booked || !client_id.is_panic() || !more.insert(&fill.trade_id) {
                continue;
            }
            out.append(Body::Order(OrderFact::Filled {
                client_id: client_id.clone(),
                strategy: PANIC.to_owned(),
                symbol: *symbol,
                side: *side,
                k: u32::try_from(before + more.len()).unwrap_or(u32::MAX),
                fill: fill.clone(),
            }));
        }
    }

    /// Ends an order as the venue reports, after an operator accepted that. An order under our id
    /// that another process sent is not sent again. An order that is final in the records stays so;
    /// its later fills still count.
    fn resolved(&self, conflict: &Conflict, out: &mut Out<Body>) {
        let order = conflict.order().and_then(|id| self.book.get(&id).cloned());
        let Some(order) = order else { return };
        let reported = order.reported_status.filter(|status| status.is_final());
        let (status, reason) = match (conflict.dispute, reported) {
            (Dispute::Twin, _) if order.sent() == 0 => {
                (OrderStatus::Expired, "another has sent an order of this id")
            }
            (Dispute::Order, Some(reported)) => (reported, "an operator took the venue's word"),
            (Dispute::Order, None) if order.is_working() => (
                OrderStatus::Cancelled,
                "the venue has it no longer, and an operator took its word",
            ),
            (Dispute::Balance | Dispute::Order | Dispute::Twin | Dispute::Setup, _) => return,
        };
        if status != order.status {
            Self::append_status(&order, status, reason, out);
        }
    }

    /// Ends a withdrawn order that was not sent. The gateway cancels the others.
    fn withdrawn(&self, id: &ClientOrderId, reason: &str, out: &mut Out<Body>) {
        if let Some(order) = self.book.get(id).filter(|order| order.is_due()) {
            self.give_up(order, Event::Withdrawn, &format!("withdrawn: {reason}"), out);
        }
    }

    fn mark_in_flight_unknown(&self, life: u64, out: &mut Out<Body>) {
        for order in self.book.living() {
            let why = format!("life {life} began before the answer was heard");
            if order.status == OrderStatus::Sent {
                Self::change(order, Event::Lost, &why, out);
            }
        }
    }
}

/// Why an order stays open although it is not sent again.
fn may_still_arrive(why: &str) -> String {
    format!("{why}; an attempt before it may still arrive")
}

impl Stage for Manager {
    type Body = Body;

    fn version(&self) -> u16 {
        5
    }

    fn rank(&self) -> Rank {
        rank::ORDER_MANAGER
    }

    fn name(&self) -> &'static str {
        "order-manager"
    }

    fn on_poison(&self) -> OnPoison {
        OnPoison::Stop
    }

    fn interest(&self) -> Mask {
        let more = Mask::of(&[kind::APPROVED, kind::CAPABILITIES]);
        OrderStates::INPUTS.and(OrderStates::TAKEN_BACK).and(more)
    }

    fn produces(&self) -> Mask {
        OrderStates::FACTS.and(Mask::of(&[kind::COMPARED]))
    }

    fn evolve(&mut self, fact: &Fact<Body>) {
        if fact.key.rank == Rank::INPUT.0 {
            self.concerns_decision = false;
        }
        self.book.fold(fact);
        match &fact.body {
            Body::Market(Market::Capabilities { stop_orders, .. }) => {
                self.stop_orders = *stop_orders > 0;
            }
            // What an external order sold was protected, too.
            Body::Order(OrderFact::Filled { client_id, strategy, side, .. }) => {
                let changes = *side == Side::Buy || is_adopted(client_id, strategy);
                self.concerns_decision |= self.stop_orders && changes;
            }
            Body::Order(OrderFact::Changed { client_id, status, .. }) if status.is_final() => {
                let order = self.book.get(client_id);
                self.concerns_decision |=
                    order.is_some_and(|order| order.intent.side == Side::Sell);
            }
            Body::Order(OrderFact::Compared { .. }) | Body::Operator(Operator::Resolved { .. }) => {
                self.concerns_decision = true;
            }
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => {}
        }
        if let Body::Venue(venue) = &fact.body {
            self.contradictions(venue);
        }
    }

    fn decide(&self, fact: &Fact<Body>, out: &mut Out<Body>) {
        match &fact.body {
            Body::Venue(venue) => {
                self.venue(venue, out);
                self.lapse(out);
            }
            Body::Market(Market::Close { .. }) | Body::Operator(Operator::Clock { .. }) => {
                self.lapse(out);
            }
            Body::Operator(Operator::Started { life, .. }) => {
                self.mark_in_flight_unknown(*life, out);
            }
            Body::Operator(Operator::Resolved { conflict, accept: Accept::Venue, .. }) => {
                self.resolved(conflict, out);
            }
            Body::Decision(
                Decision::Withdrawn { client_id, reason, .. }
                | Decision::CancelIntent { client_id, reason, .. },
            ) => self.withdrawn(client_id, reason, out),
            Body::Decision(_) => {
                let approved = Approved::of(fact);
                let intent = approved.as_ref().map(Approved::intent);
                if let Some(intent) = intent.filter(|i| !self.book.remembers(&i.client_id)) {
                    out.append_because([fact.key], Body::Order(OrderFact::Intent(intent.clone())));
                }
            }
            Body::Market(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Order(_)
            | Body::Ledger(_) => {}
        }
    }

    fn next_wake(&self) -> Option<i64> {
        let due = self.book.living().filter(|order| order.is_due());
        let until = due.map(|order| order.intent.valid_until).filter(|until| *until < UtcMs::MAX);
        let lapses = until.map(|until| until.saturating_add(1)).min();
        // The decision sees the end of the order only at the next input.
        let ended = self.book.has_ended_taken_back().then(|| self.book.time.saturating_add(1));
        // The same holds for a lot that needs a stop order, for an exit that was sold, and for the
        // conflicts of an account.
        let concerned = self.concerns_decision.then_some(self.book.time);
        lapses.into_iter().chain(ended).chain(concerned).min()
    }

    fn save(&self) -> Vec<u8> {
        state::save(FORMAT, self)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        *self = state::load(FORMAT, bytes)?;
        Ok(())
    }

    fn converts(&self) -> &'static [u16] {
        &[BEFORE_CANCELS, OF_NUMBERS, BEFORE_STOPS]
    }

    fn convert(&mut self, version: u16, bytes: &[u8]) -> Result<(), String> {
        if version == BEFORE_STOPS {
            *self = state::grown(FORMAT_OF_BOOK, TYPE_OF_BOOK, bytes)?;
            return Ok(());
        }
        self.book = if version == BEFORE_CANCELS {
            state::load::<BookBefore>(FORMAT_BEFORE, bytes)?.into()
        } else {
            state::load::<BookOfNumbers>(FORMAT_OF_NUMBERS, bytes)?.into()
        };
        Ok(())
    }

    fn check(&self) {
        self.book.check();
        for order in self.book.living().filter(|order| order.status.is_final()) {
            assert!(order.fills_missing(), "a final order that lives lacks fills: {order:?}");
        }
    }
}

#[cfg(test)]
#[path = "manager_tests.rs"]
mod tests;
