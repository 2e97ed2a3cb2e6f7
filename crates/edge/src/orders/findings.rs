//! What a search in the trades of the account has found, and the facts about it.

use crate::world::World;
use everwarm_domain::fact::{Body, Venue};
use everwarm_domain::order::{ExternalTrade, ExternalTrades, OrderReport, PanicTrade};

/// What was found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Trades of `everwarm panic`.
    pub(super) panicked: Vec<PanicTrade>,
    /// Trades of external orders that are to be adopted.
    pub(super) external: Vec<ExternalTrade>,
    /// Orders with our prefix that the books do not know.
    pub(super) strange: Vec<OrderReport>,
}

impl Findings {
    /// Whether there are trades that are to be booked before the account is compared.
    #[must_use]
    pub fn has_trades(&self) -> bool {
        !self.panicked.is_empty() || !self.external.is_empty()
    }

    /// The facts about them.
    #[must_use]
    pub fn into_bodies(mut self, world: &World) -> Vec<Body> {
        self.panicked.sort_by(|a, b| {
            let key = |trade: &PanicTrade| (trade.symbol, trade.fill.time);
            key(a).cmp(&key(b)).then_with(|| a.fill.trade_id.cmp(&b.fill.trade_id))
        });
        self.external.sort_by(|a, b| {
            let key = |trade: &ExternalTrade| (trade.symbol, trade.fill.time);
            key(a).cmp(&key(b)).then_with(|| a.fill.trade_id.cmp(&b.fill.trade_id))
        });
        let venue = world.venue.id();
        let mut bodies: Vec<Venue> = Vec::new();
        if !self.panicked.is_empty() {
            bodies.push(Venue::PanicTraded { trades: self.panicked, venue });
        }
        if !self.external.is_empty() {
            let trades = self.external;
            bodies.push(Venue::ExternalTraded(ExternalTrades { trades, venue }));
        }
        bodies.extend(self.strange.into_iter().map(Venue::Reported));
        bodies.into_iter().map(Body::Venue).collect()
    }
}
