//! Finds orders, lists and trades in the books.

use super::order::{Order, OrderList, Trade};
use super::request::Target;
use super::state::Exchange;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::UtcMs;

impl Exchange {
    /// All lists by id.
    pub fn lists(&self) -> impl Iterator<Item = &OrderList> {
        (1..=self.live.listed).filter_map(|id| self.list(id))
    }

    /// The lists with an open order, by id.
    pub fn open_lists(&self) -> impl Iterator<Item = &OrderList> {
        self.live.lists.values()
    }

    /// The list with this id.
    #[must_use]
    pub fn list(&self, id: u64) -> Option<&OrderList> {
        self.live.lists.get(&id).or_else(|| self.closed_lists.get(&id))
    }

    /// The newest list with this client id; open lists come first.
    #[must_use]
    pub fn list_named(&self, client_id: &str) -> Option<&OrderList> {
        let all = self.live.lists.values().rev().chain(self.closed_lists.values().rev());
        all.into_iter().find(|list| list.client_id == client_id)
    }

    /// The newest order with this client id, of any symbol.
    #[must_use]
    pub fn named(&self, client_id: &str) -> Option<&Order> {
        let of_symbol = |rules: &Instrument| self.newest(rules.symbol, client_id);
        self.instruments().iter().filter_map(of_symbol).max_by_key(|order| order.id)
    }

    /// Finds the order that a query names.
    ///
    /// # Errors
    /// -2013 if there is none, -2039 if the two ids are of different orders.
    pub fn find(&self, target: &Target) -> Result<&Order, (i32, &'static str)> {
        let absent = (-2013, "Order does not exist.");
        let by_client = |id: &String| self.newest(target.symbol, id).ok_or(absent);
        match (target.order, &target.client_id) {
            (None, None) => Err(absent),
            (None, Some(client)) => by_client(client),
            (Some(id), client) => {
                let order = self.order(id).filter(|o| o.symbol == target.symbol).ok_or(absent)?;
                if client.as_ref().is_some_and(|c| *c != order.client_id) {
                    return Err((-2039, "Client order ID is not correct for this order ID."));
                }
                Ok(order)
            }
        }
    }

    /// The client ids of the orders that traded after `after`, by symbol, the venue time of their
    /// last change, and their filled base units. After them come the other orders of their lists,
    /// which end with them.
    #[must_use]
    pub fn traded_since(&self, after: UtcMs) -> Vec<(String, UtcMs, Decimal)> {
        let mut traded = Vec::new();
        for rule in self.instruments() {
            let newest = self.trades(rule.symbol).iter().rev();
            let mut ids: Vec<u64> =
                newest.take_while(|trade| trade.time > after).map(|trade| trade.order).collect();
            ids.sort_unstable();
            ids.dedup();
            let list = |id: &u64| self.list(self.order(*id)?.list?);
            let others = ids.iter().filter_map(list).flat_map(|list| list.orders.iter().copied());
            let others: Vec<u64> = others.filter(|id| !ids.contains(id)).collect();
            let orders = ids.into_iter().chain(others).filter_map(|id| self.order(id));
            let row = |order: &Order| (order.client_id.clone(), order.updated, order.executed);
            traded.extend(orders.map(row));
        }
        traded
    }

    /// The trades of one order by id.
    pub fn trades_of<'a>(&'a self, order: &'a Order) -> impl Iterator<Item = &'a Trade> {
        let all = self.trades(order.symbol);
        order.trades.iter().filter_map(move |i| all.get(*i))
    }
}
