//! Finds the orders to query. In lockstep, those that traded in the last released minute or since
//! are queried. The close of that minute and the release of the next one wait for it.

use super::State;
use crate::board::Traded;
use everwarm_domain::id::ClientOrderId;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::UtcMs;
use everwarm_trading::orders::order_states::{ToQuery, Why};
use std::sync::Arc;

/// How often an order is queried whose trade is not reported. A venue may say some times that it
/// does not know the order, and requests may be lost.
const FOLLOWS: u32 = 20;

impl State {
    /// The queries that are due; after an interruption, queries of all sent orders.
    pub(super) fn asks(&self, now: UtcMs) -> Vec<ToQuery> {
        let orders = &self.outgoing.stage().orders;
        let mut asks = orders.to_query(now);
        asks.extend(self.traded_orders(&asks));
        if self.interrupted {
            let open: Vec<ToQuery> = self.sent_orders();
            let more = open.into_iter().filter(|o| asks.iter().all(|a| a.client_id != o.client_id));
            asks.extend(more.collect::<Vec<_>>());
        }
        asks
    }

    /// All sent orders.
    pub(super) fn sent_orders(&self) -> Vec<ToQuery> {
        let living = self.outgoing.stage().orders.living();
        // An order with a further attempt granted is proved absent.
        let sent = living.filter(|order| order.sent() > 0 && !order.is_due());
        sent.map(|order| order.to_query(Why::Earlier)).collect()
    }

    /// Notes that the orders are known up to here, in lockstep. The pacer waits for it.
    pub(super) fn follow(&self, traded: &Arc<Traded>) {
        if self.world.follows_orders() {
            let resting = self.outgoing.stage().orders.living().next().is_some();
            self.world.board.write_followed(traded, resting);
        }
    }

    /// Queries of the orders that traded in the last released minute or later and were not reported
    /// since, or not with all that was filled, in lockstep.
    pub(super) fn traded_orders(&self, asks: &[ToQuery]) -> Vec<ToQuery> {
        if !self.world.follows_orders() {
            return Vec::new();
        }
        let (orders, traded) = (&self.outgoing.stage().orders, self.world.board.traded());
        let silent = |(id, at, executed): &&(ClientOrderId, UtcMs, Decimal)| {
            orders.get(id).is_some_and(|order| order.is_silent_since(*at, *executed))
                && asks.iter().all(|ask| ask.client_id != *id)
                && self.followed.get(id).is_none_or(|(of, tries)| of != at || *tries < FOLLOWS)
        };
        let silent = traded.orders.iter().filter(silent);
        silent.filter_map(|(id, ..)| Some(orders.get(id)?.to_query(Why::Earlier))).collect()
    }

    /// Counts the queries of such orders.
    pub(super) fn count_follows(&mut self, asks: &[ToQuery]) {
        let traded = self.world.board.traded();
        self.followed
            .retain(|id, (at, _)| traded.orders.iter().any(|(of, t, _)| of == id && t == at));
        for (id, at, _) in &traded.orders {
            if asks.iter().any(|ask| ask.client_id == *id) {
                let (_, tries) = self.followed.entry(id.clone()).or_insert((*at, 0));
                *tries += 1;
                if *tries == FOLLOWS {
                    tracing::warn!(order = %id, "it traded, and no query reports it");
                }
            }
        }
    }
}
