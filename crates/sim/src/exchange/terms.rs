//! Terms of an order beyond its kind, for protocols that have more than a kind can state.

use everwarm_domain::money::{Decimal, floor_to_step};
use everwarm_domain::order::Side;
use everwarm_domain::time::UtcMs;
use serde::{Deserialize, Serialize};

/// The time in force that a client states, where its protocol has more than
/// [`TimeInForce`](super::TimeInForce).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lifetime {
    /// Until the end of the trading day.
    Day,
    /// Until cancelled.
    Gtc,
    /// What can execute immediately.
    Ioc,
    /// The whole quantity immediately, or nothing.
    Fok,
    /// At the first trades of a session, or not at all.
    Opg,
    /// At the last trade of a session, or not at all.
    Cls,
}

/// How far a trailing stop stays away from the best price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Distance {
    /// An amount in quote units.
    Price(Decimal),
    /// A share of the best price, in per cent.
    Percent(Decimal),
}

/// A stop that follows the market while the market moves in favor of the position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trail {
    /// How far it stays away.
    pub distance: Distance,
    /// The best price since the order was placed: the highest for sales, the lowest for purchases.
    pub best: Decimal,
}

impl Trail {
    /// The stop price for the best price, on the step and not nearer than the distance.
    #[must_use]
    pub fn stop(&self, side: Side, tick: Decimal) -> Decimal {
        let away = match self.distance {
            Distance::Price(amount) => amount,
            Distance::Percent(share) => self.best * share / Decimal::ONE_HUNDRED,
        };
        let price = match side {
            Side::Sell => floor_to_step(self.best - away, tick),
            Side::Buy => {
                let exact = self.best + away;
                let floor = floor_to_step(exact, tick);
                if floor < exact { floor + tick } else { floor }
            }
        };
        price.normalize()
    }

    /// This trail after a trade at `price`. None: the price is no better than before.
    #[must_use]
    pub fn after(&self, side: Side, price: Decimal) -> Option<Trail> {
        let better = match side {
            Side::Sell => price > self.best,
            Side::Buy => price < self.best,
        };
        better.then_some(Trail { best: price, ..*self })
    }
}

/// Terms of an order beyond its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The stated time in force.
    pub lifetime: Lifetime,
    /// Venue time at which the unfilled rest expires. [`UtcMs::MAX`]: never.
    pub until: UtcMs,
    /// Venue time before which it does not trade. 0: immediately.
    #[serde(default)]
    pub from: UtcMs,
    /// Whether it waits for the next trade of its market, as it does outside of the sessions.
    #[serde(default)]
    pub waits: bool,
    /// How its stop follows the market. None: it does not.
    #[serde(default)]
    pub trail: Option<Trail>,
    /// The ordered amount in quote units, if the client stated it and no quantity.
    #[serde(default)]
    pub notional: Option<Decimal>,
    /// The venue's id of the order whose place it took.
    #[serde(default)]
    pub replaces: Option<u64>,
    /// The venue's id of the order that took its place.
    #[serde(default)]
    pub replaced_by: Option<u64>,
}

impl Terms {
    /// The terms of an order with this time in force, and no others.
    #[must_use]
    pub const fn lasting(lifetime: Lifetime, until: UtcMs) -> Terms {
        Terms {
            lifetime,
            until,
            from: 0,
            waits: false,
            trail: None,
            notional: None,
            replaces: None,
            replaced_by: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::dec;

    #[test]
    fn a_trail_follows_the_better_price_and_keeps_its_distance() {
        let tick = dec("0.01");
        let sale = Trail { distance: Distance::Price(dec("2")), best: dec("100") };
        assert_eq!(sale.stop(Side::Sell, tick), dec("98"));
        assert_eq!(sale.after(Side::Sell, dec("100")), None);
        let higher = sale.after(Side::Sell, dec("101.5")).expect("a better price");
        assert_eq!(higher.stop(Side::Sell, tick), dec("99.5"));

        let purchase = Trail { distance: Distance::Percent(dec("1")), best: dec("33.33") };
        assert_eq!(purchase.stop(Side::Buy, tick), dec("33.67"), "33.6633, away from the market");
        assert_eq!(purchase.after(Side::Buy, dec("33.34")), None);
        let lower = purchase.after(Side::Buy, dec("33")).expect("a better price");
        assert_eq!(lower.stop(Side::Buy, tick), dec("33.33"));
        let sale = Trail { distance: Distance::Percent(dec("1")), best: dec("33.33") };
        assert_eq!(sale.stop(Side::Sell, tick), dec("32.99"), "32.9967, away from the market");
    }
}
