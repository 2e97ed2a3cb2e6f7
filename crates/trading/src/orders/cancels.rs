//! Tracks the orders to cancel, and the progress of each cancel.
//!
//! A fill may come before a cancel, and the response to a cancel may be lost. So a request proves
//! nothing: the order is queried after each one, and only an open order is cancelled again. An
//! order of unknown status is queried first. After the end of an order, a `Responded` fact states
//! the outcome of the last request. So stages that wait for that end get another input.

use super::order::{Order, Why};
use super::order_states::{OrderStates, PATIENCE_MS, QUIET_MS};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::order::{OrderRequest, OrderStatus};
use everwarm_domain::time::UtcMs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most cancel requests for one order. The waits between them add up to four minutes.
pub const CANCELS_MAX: u32 = 8;

/// The progress of the cancel of one order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Cancel {
    /// Number of announced requests.
    tries: u32,
    /// Venue time that the last one was signed for.
    since: UtcMs,
    /// Whether the outcome of the last request is still open.
    waits: bool,
    /// Whether the order must be queried before another request.
    doubt: bool,
    /// How the order ended, while the outcome of the last request is not appended yet.
    over: Option<OrderStatus>,
}

/// All cancels, by order.
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
    /// Number of the request, for its `Requested` fact.
    pub attempt: u32,
    /// Time of the close it was decided at: nothing about it is older.
    pub decided: UtcMs,
}

impl Cancel {
    /// Earliest venue time of the next request; `None` if no request is allowed.
    fn request_at(&self, order: &Order) -> Option<UtcMs> {
        let over = order.reported_status.is_some_and(OrderStatus::is_final);
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

    /// Venue time of the next query for the order; `None` if none is needed.
    fn query_at(&self, order: &Order) -> Option<UtcMs> {
        let asks = self.doubt && !self.waits && !order.status.is_final();
        asks.then(|| order.asked.map_or(UtcMs::MIN, |asked| asked.saturating_add(PATIENCE_MS)))
    }
}

impl Cancels {
    /// Notes that an order must be cancelled.
    pub(super) fn want(&mut self, id: &ClientOrderId) {
        self.0.entry(id.clone()).or_default();
    }

    /// Whether an order must be cancelled.
    pub(super) fn wants(&self, id: &ClientOrderId) -> bool {
        self.0.contains_key(id)
    }

    /// Whether an order must be cancelled and no request was announced yet.
    pub(super) fn is_only_wanted(&self, id: &ClientOrderId) -> bool {
        self.0.get(id).is_some_and(|cancel| cancel.tries == 0)
    }

    /// Notes an announced request.
    pub(super) fn requested(&mut self, request: &OrderRequest) {
        if let Some(cancel) = self.0.get_mut(&request.of) {
            let (tries, since) = (cancel.tries.max(request.attempt), request.timestamp);
            *cancel = Cancel { tries, since, waits: true, doubt: true, over: cancel.over };
        }
    }

    /// Notes the outcome of a request, or that no process can receive it any more.
    pub(super) fn responded(&mut self, id: &ClientOrderId, attempt: u32) {
        let Some(cancel) = self.0.get_mut(id).filter(|cancel| cancel.tries == attempt) else {
            return;
        };
        cancel.waits = false;
        if cancel.over.is_some() {
            self.0.remove(id);
        }
    }

    /// Notes that a query found the order at the venue.
    pub(super) fn found(&mut self, id: &ClientOrderId) {
        if let Some(cancel) = self.0.get_mut(id).filter(|cancel| !cancel.waits) {
            cancel.doubt = false;
        }
    }

    /// Notes the end of an order.
    pub(super) fn ended(&mut self, id: &ClientOrderId, status: OrderStatus) {
        let Some(cancel) = self.0.get_mut(id) else { return };
        if cancel.tries > 0 {
            cancel.over = Some(status);
        } else {
            self.0.remove(id);
        }
    }
}

impl OrderStates {
    fn cancels_of_living(&self) -> impl Iterator<Item = (&Order, &Cancel)> {
        let living = self.living();
        living.filter_map(|order| Some((order, self.cancels.0.get(&order.intent.client_id)?)))
    }

    /// Whether the signal or exit behind an order was withdrawn.
    #[must_use]
    pub fn is_withdrawn(&self, id: &ClientOrderId) -> bool {
        self.cancels.wants(id)
    }

    /// Cancels that may be requested at this venue time, by id.
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

    /// Venue time of the next cancel request, which may be in the past. `None` if there is none.
    #[must_use]
    pub fn next_cancel_at(&self) -> Option<UtcMs> {
        self.cancels_of_living().filter_map(|(order, cancel)| cancel.request_at(order)).min()
    }

    /// Requests without an outcome: the order and the number of the request.
    pub fn unanswered_cancels(&self) -> impl Iterator<Item = (&ClientOrderId, u32)> {
        let waiting = self.cancels.0.iter().filter(|(_, cancel)| cancel.waits);
        waiting.map(|(id, cancel)| (id, cancel.tries))
    }

    /// Ended orders with a cancel request whose outcome must still be appended. Each has the number
    /// of the last request, and whether the order ended as cancelled.
    pub fn concluded(&self) -> impl Iterator<Item = (&ClientOrderId, u32, bool)> {
        let asked = self.cancels.0.iter().filter(|(_, c)| c.tries > 0 && !c.waits);
        asked.filter_map(|(id, cancel)| {
            let order = self.orders.get(id).filter(|_| self.ended.contains(id));
            let status = order.map(|order| order.status).or(cancel.over)?;
            Some((id, cancel.tries, status == OrderStatus::Cancelled))
        })
    }

    /// The next query for an order: its reason and venue time.
    pub(super) fn question(&self, order: &Order) -> Option<(Why, UtcMs)> {
        let question = order.query().filter(|(why, _)| *why != Why::Quiet);
        let cancel = || self.cancels.0.get(&order.intent.client_id);
        let doubt = || cancel()?.query_at(order).map(|at| (Why::Unanswered, at));
        question.or_else(doubt).or_else(|| order.query())
    }

    /// Asserts invariant 4 of the book: a cancel belongs to a living order, or its outcome is
    /// known.
    pub(super) fn check_cancels(&self) {
        for (id, cancel) in &self.cancels.0 {
            assert!(cancel.over.is_some() || self.orders.contains_key(id), "4: {id} {cancel:?}");
        }
    }
}
