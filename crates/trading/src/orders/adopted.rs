//! Adopts trades of external orders, and keeps which are booked, so that each is booked once.
//!
//! The list of booked trades of `everwarm panic` holds them, too, under names that begin with the
//! day: `day/symbol/id of the order`. Names of `everwarm panic` begin with a letter. So saved
//! states have the same form as before, and old trades are dropped by day.

use super::open_order_check::Panicked;
use super::order_states::OrderStates;
use everwarm_domain::fact::{Body, Order};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::order::{ExternalTrade, MANUAL, VenueFill};
use everwarm_domain::time::{DAY, UtcMs};
use everwarm_domain::venue_ids::VenueTradeId;
use everwarm_kernel::stage::Out;
use std::collections::{BTreeMap, BTreeSet};

/// Days for which a booked trade is kept. An older trade is not adopted any more.
const DAYS: i64 = 30;

/// The booked trades of external orders.
#[derive(Clone, Debug, Default)]
pub struct AdoptedTrades {
    trades: Panicked,
    /// Latest event time.
    now: UtcMs,
}

impl AdoptedTrades {
    /// Whether a trade of a symbol is booked, or too old to be adopted.
    #[must_use]
    pub fn has(&self, symbol: Symbol, fill: &VenueFill) -> bool {
        self.trades.may_have_adopted(symbol, fill, self.now)
    }
}

impl OrderStates {
    /// The booked trades of external orders.
    #[must_use]
    pub fn adopted_trades(&self) -> AdoptedTrades {
        AdoptedTrades { trades: self.panicked.clone(), now: self.time }
    }

    /// Adopts trades of external orders, each once. The strategy `manual` owns what they trade.
    pub(super) fn adopt(&self, trades: &[ExternalTrade], out: &mut Out<Body>) {
        let mut new: BTreeSet<(Symbol, &VenueTradeId)> = BTreeSet::new();
        let mut counts: BTreeMap<(Symbol, &ClientOrderId), usize> = BTreeMap::new();
        for ExternalTrade { client_id, symbol, side, fill, .. } in trades {
            if !client_id.is_external()
                || self.panicked.may_have_adopted(*symbol, fill, self.time)
                || !new.insert((*symbol, &fill.trade_id))
            {
                continue;
            }
            let before = || self.panicked.count_adopted(client_id, *symbol);
            let k = counts.entry((*symbol, client_id)).or_insert_with(before);
            *k += 1;
            out.append(Body::Order(Order::Filled {
                client_id: client_id.clone(),
                strategy: MANUAL.to_owned(),
                symbol: *symbol,
                side: *side,
                k: u32::try_from(*k).unwrap_or(u32::MAX),
                fill: fill.clone(),
            }));
        }
    }
}

/// The beginning of the names of all orders that traded on this day.
fn of_day(time: UtcMs) -> String {
    format!("{:08}/", time.div_euclid(DAY).max(0))
}

fn is_dated(name: &ClientOrderId) -> bool {
    name.0.starts_with(|first: char| first.is_ascii_digit())
}

impl Panicked {
    /// Records a booked trade of an external order, and drops those that are too old at event time
    /// `now`.
    pub(super) fn adopt(
        &mut self,
        id: &ClientOrderId,
        symbol: Symbol,
        fill: &VenueFill,
        now: UtcMs,
    ) {
        let name = ClientOrderId(format!("{}{symbol}/{id}", of_day(fill.time)));
        self.book(&name, &fill.trade_id);
        let oldest = of_day(now.saturating_sub(DAYS * DAY));
        self.0.retain(|name, _| !is_dated(name) || name.0 >= oldest);
    }

    /// Whether a trade is booked, or so old at event time `now` that it is not adopted any more.
    pub(super) fn may_have_adopted(&self, symbol: Symbol, fill: &VenueFill, now: UtcMs) -> bool {
        let oldest = of_day(now.saturating_sub(DAYS * DAY));
        of_day(fill.time) < oldest || self.has_adopted(symbol, fill)
    }

    /// How many trades of an external order are booked.
    pub(super) fn count_adopted(&self, id: &ClientOrderId, symbol: Symbol) -> usize {
        let end = format!("/{symbol}/{id}");
        let dated = self.0.iter().take_while(|(name, _)| is_dated(name));
        dated.filter(|(name, _)| name.0.ends_with(&end)).map(|(_, trades)| trades.len()).sum()
    }

    fn has_adopted(&self, symbol: Symbol, fill: &VenueFill) -> bool {
        let begin = format!("{}{symbol}/", of_day(fill.time));
        let orders = self.0.range(ClientOrderId(begin.clone())..);
        let mut orders = orders.take_while(|(name, _)| name.0.starts_with(&begin));
        orders.any(|(_, trades)| trades.contains(&fill.trade_id))
    }
}

#[cfg(test)]
#[path = "adopted_tests.rs"]
mod tests;
