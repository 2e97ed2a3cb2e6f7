//! Orders that are to be cancelled, and how far that is.
//!
//! A cancel may lose to a fill, and its answer may be lost. So nothing is concluded from it: behind
//! each request the order is asked for, and only an order that works still is asked to end again.
//! An order of which it is not known whether the venue has it is found first. Behind the end of an
//! order it is said what came of the last request: who waits for that end has another input then.

use super::book::{OrderBook, PATIENCE_MS, QUIET_MS};
use super::order::{Order, Why};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::order::{OrderRequest, OrderStatus};
use everwarm_domain::time::UtcMs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Requests to cancel one order, at most. The waits between them come to four minutes.
pub const CANCELS_MAX: u32 = 8;

/// How far the cancel of one order is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Cancel {
    /// Requests that were announced.
    tries: u32,
    /// Venue time the last one was signed for.
    since: UtcMs,
    /// Nothing was said of what came of it.
    waits: bool,
    /// The order is to be asked for before another one.
    doubt: bool,
    /// How the order ended, and nothing was said of the last request since.
    over: Option<OrderStatus>,
}

/// By order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Cancels(BTreeMap<ClientOrderId, Cancel>);

/// A cancel the gateway may request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToCancel {
    /// Our id of the order.
    pub client_id: ClientOrderId,
    /// Its symbol.
    pub symbol: Symbol,
    /// Number of the attempt, for its `Requested`.
    pub attempt: u32,
    /// The close it was decided at: nothing of it is older.
    pub decided: UtcMs,
}

impl Cancel {
    /// Venue time from which on the order may be asked to end; none where nobody may ask that.
    fn request_at(&self, order: &Order) -> Option<UtcMs> {
        let over = order.told.is_some_and(OrderStatus::is_final);
        let unsure = order.orphaned || order.unanswered || order.fills_missing();
        if self.waits || self.doubt || over || unsure || !order.is_working() {
            return None;
        }
        match self.tries {
            0 => Some(UtcMs::MIN),
            CANCELS_MAX.. => None,
            tries => {
                let wait = PATIENCE_MS.saturating_mul(1 << (tries - 1).min(10)).min(QUIET_MS);
                Some(self.since.saturating_add(wait))
            }
        }
    }

    /// Venue time at which the order is to be asked for.
    fn query_at(&self, order: &Order) -> Option<UtcMs> {
        let asks = self.doubt && !self.waits && !order.status.is_final();
        asks.then(|| order.asked.map_or(UtcMs::MIN, |asked| asked.saturating_add(PATIENCE_MS)))
    }
}

impl Cancels {
    /// An order is to be cancelled.
    pub(super) fn want(&mut self, id: &ClientOrderId) {
        self.0.entry(id.clone()).or_default();
    }

    /// Whether it is.
    pub(super) fn wants(&self, id: &ClientOrderId) -> bool {
        self.0.contains_key(id)
    }

    /// Whether it is, and nobody has asked for it.
    pub(super) fn is_only_wanted(&self, id: &ClientOrderId) -> bool {
        self.0.get(id).is_some_and(|cancel| cancel.tries == 0)
    }

    /// A request is announced.
    pub(super) fn requested(&mut self, request: &OrderRequest) {
        if let Some(cancel) = self.0.get_mut(&request.of) {
            let (tries, since) = (cancel.tries.max(request.attempt), request.timestamp);
            *cancel = Cancel { tries, since, waits: true, doubt: true, over: cancel.over };
        }
    }

    /// Something came of one, or nobody is left who could hear it.
    pub(super) fn responded(&mut self, id: &ClientOrderId, attempt: u32) {
        let Some(cancel) = self.0.get_mut(id).filter(|cancel| cancel.tries == attempt) else {
            return;
        };
        cancel.waits = false;
        if cancel.over.is_some() {
            self.0.remove(id);
        }
    }

    /// The order was asked for, and the venue has it.
    pub(super) fn found(&mut self, id: &ClientOrderId) {
        if let Some(cancel) = self.0.get_mut(id).filter(|cancel| !cancel.waits) {
            cancel.doubt = false;
        }
    }

    /// The order is over.
    pub(super) fn ended(&mut self, id: &ClientOrderId, status: OrderStatus) {
        let Some(cancel) = self.0.get_mut(id) else { return };
        if cancel.tries > 0 {
            cancel.over = Some(status);
        } else {
            self.0.remove(id);
        }
    }
}

impl OrderBook {
    fn cancels_of_living(&self) -> impl Iterator<Item = (&Order, &Cancel)> {
        let living = self.living();
        living.filter_map(|order| Some((order, self.cancels.0.get(&order.intent.client_id)?)))
    }

    /// Whether what led to an order was withdrawn.
    #[must_use]
    pub fn is_withdrawn(&self, id: &ClientOrderId) -> bool {
        self.cancels.wants(id)
    }

    /// What may be cancelled at this venue time, by id.
    #[must_use]
    pub fn to_cancel(&self, venue_now: UtcMs) -> Vec<ToCancel> {
        let due = self
            .cancels_of_living()
            .filter(|(order, cancel)| cancel.request_at(order).is_some_and(|at| at <= venue_now));
        let to_cancel = due.map(|(order, cancel)| ToCancel {
            client_id: order.intent.client_id.clone(),
            symbol: order.intent.symbol,
            attempt: cancel.tries + 1,
            decided: order.intent.close_time,
        });
        to_cancel.collect()
    }

    /// The venue time of the next cancel; none where there is none. May be in the past.
    #[must_use]
    pub fn next_cancel_at(&self) -> Option<UtcMs> {
        self.cancels_of_living().filter_map(|(order, cancel)| cancel.request_at(order)).min()
    }

    /// Requests of which nothing came yet: the order, and the number of the attempt.
    pub fn unheard(&self) -> impl Iterator<Item = (&ClientOrderId, u32)> {
        let waiting = self.cancels.0.iter().filter(|(_, cancel)| cancel.waits);
        waiting.map(|(id, cancel)| (id, cancel.tries))
    }

    /// Orders that are over and were asked to end: the number of the last request, and whether that
    /// came to it, where that is still to be said.
    pub fn concluded(&self) -> impl Iterator<Item = (&ClientOrderId, u32, bool)> {
        let asked = self.cancels.0.iter().filter(|(_, c)| c.tries > 0 && !c.waits);
        asked.filter_map(|(id, cancel)| {
            let order = self.orders.get(id).filter(|_| self.ended.contains(id));
            let status = order.map(|order| order.status).or(cancel.over)?;
            Some((id, cancel.tries, status == OrderStatus::Cancelled))
        })
    }

    /// What is to be asked of an order, and when.
    pub(super) fn question(&self, order: &Order) -> Option<(Why, UtcMs)> {
        let question = order.query().filter(|(why, _)| *why != Why::Quiet);
        let cancel = || self.cancels.0.get(&order.intent.client_id);
        let doubt = || cancel()?.query_at(order).map(|at| (Why::Unanswered, at));
        question.or_else(doubt).or_else(|| order.query())
    }

    /// Asserts that nothing is to be cancelled but what lives.
    pub(super) fn check_cancels(&self) {
        for (id, cancel) in &self.cancels.0 {
            assert!(cancel.over.is_some() || self.orders.contains_key(id), "4: {id} {cancel:?}");
        }
    }
}
