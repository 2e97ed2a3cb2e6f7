//! Checks the venue's reports on our orders before they become facts. Each order has its own id at
//! the venue, and its times are between its decision and now. An implausible report is not used;
//! the order is queried again.

use crate::orders::send_state::SendState;
use crate::world::World;
use everwarm_domain::bounds;
use everwarm_domain::id::Symbol;
use everwarm_domain::order::OrderReport;
use everwarm_domain::time::UtcMs;
use everwarm_domain::venue_ids::VenueOrderId;
use everwarm_trading::orders::venue_numbers::VenueNumbers;
use std::ops::RangeInclusive;

/// The venue's ids of our orders.
#[derive(Clone, Debug, Default)]
pub struct Known(VenueNumbers);

impl Known {
    /// The orders of the gateway. A trade of any other order is not ours.
    #[must_use]
    pub fn of(outgoing: &SendState) -> Known {
        Known(outgoing.orders.numbers())
    }

    /// Whether an order of ours has this id.
    #[must_use]
    pub fn has(&self, symbol: Symbol, number: &VenueOrderId) -> bool {
        self.0.get(symbol, number).is_some()
    }

    /// Checks whether a report is plausible.
    ///
    /// # Errors
    /// It is not plausible. The error names the reason.
    pub fn check(&self, it: &OrderReport, times: &RangeInclusive<UtcMs>) -> Result<(), String> {
        let (number, symbol) = (&it.venue_order_id, it.symbol);
        let other = self.0.get(symbol, number).filter(|id| **id != it.client_id);
        if let Some(other) = other {
            return Err(format!("{}: order {number} in {symbol} is {other}", it.client_id));
        }
        bounds::times(it, times)
    }

    /// Whether a report is plausible. An implausible one is logged.
    #[must_use]
    pub fn believes(&self, world: &World, report: &OrderReport, decided: UtcMs) -> bool {
        let checked = self.check(report, &world.times_since(decided));
        if let Err(why) = &checked {
            tracing::warn!(
                why,
                "the venue's report of an order cannot be true; the order is queried"
            );
        }
        checked.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::id::ClientOrderId;
    use everwarm_domain::money::Decimal;
    use everwarm_domain::order::{OrderStatus, ReportSource, Side};
    use everwarm_trading::testing::{dec, sym, trade};

    #[test]
    fn a_number_of_another_order_and_times_of_another_age_are_not_believed() {
        let symbol = sym("BTCUSDT");
        let known =
            Known([(symbol, 7.into(), ClientOrderId("ew-1".to_owned()))].into_iter().collect());
        let report = |id: &str, number: u64, time| OrderReport {
            source: ReportSource::Query,
            client_id: ClientOrderId(id.to_owned()),
            venue_order_id: number.into(),
            symbol,
            side: Side::Buy,
            status: OrderStatus::Filled,
            quantity: Decimal::ONE,
            executed: Decimal::ONE,
            executed_quote: dec("5"),
            fills: Vec::new(),
            time,
        };
        let times = 1_000..=2_000;
        let check = |it: &OrderReport| known.check(it, &times);
        assert_eq!(check(&report("ew-1", 7, 1_000)), Ok(()));
        assert_eq!(check(&report("ew-2", 8, 2_000)), Ok(()));
        let twin = check(&report("ew-2", 7, 1_000)).unwrap_err();
        assert_eq!(twin, "ew-2: order 7 in BTCUSDT is ew-1");
        assert!(check(&report("ew-1", 7, 999)).unwrap_err().contains("999"));
        assert!(check(&report("ew-1", 7, 2_001)).is_err());
        let fills = vec![trade(8, "5", "1")];
        let late = OrderReport { fills, ..report("ew-1", 7, 1_000) };
        assert!(check(&late).unwrap_err().contains("trade 8"), "its fill is of another age");
    }
}
