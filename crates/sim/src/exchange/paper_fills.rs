//! Assumptions about fills: what a real market takes, and bars do not show. Without them the
//! exchange fills as `matching` says.
//!
//! All of this depends on the assumptions, the bars and the order only. There is no random number
//! and no clock.

use everwarm_domain::market::Bar;
use everwarm_domain::money::{Decimal, floor_to_step};
use everwarm_domain::time::{MINUTE, UtcMs};
use serde::{Deserialize, Serialize};

/// Minutes in a mean true range.
const RANGE_MINUTES: u32 = 14;
/// Steps of one in the share whose root is taken.
const SHARE_STEPS: u64 = 100_000_000;
/// Steps of one in that root.
const ROOT_STEPS: u64 = 10_000;

/// The assumptions about the fills of all symbols. By default there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaperFills {
    /// Part of the mean true range by which the spread is wider, like 0.2.
    pub range_spread: Decimal,
    /// Factor of the market impact; 0: none.
    pub impact: Decimal,
    /// Largest share of a minute's volume that the orders of the account fill together, like 0.1;
    /// 0: no such limit.
    pub volume_share: Decimal,
    /// Volume ahead of a new limit order at its price, in volumes of the last minute; 0: none.
    pub queue_share: Decimal,
    /// How long an order travels, milliseconds.
    pub latency: UtcMs,
}

impl PaperFills {
    /// Whether there is none of them.
    #[must_use]
    pub fn is_off(&self) -> bool {
        *self == PaperFills::default()
    }

    /// Whether they need the mean true range.
    pub(super) fn needs_range(&self) -> bool {
        !self.range_spread.is_zero() || !self.impact.is_zero()
    }

    /// Half of what they add to the spread, in quote units.
    pub(super) fn half_spread(&self, range: Range) -> Decimal {
        range.mean() * self.range_spread / Decimal::TWO
    }

    /// How far an order that takes `quantity` moves the price, in quote units: the mean true range,
    /// times the root of the order's share of the minute's volume. What waits for later minutes
    /// does not count.
    pub(super) fn impact(&self, range: Range, quantity: Decimal, volume: Decimal) -> Decimal {
        if self.impact.is_zero() {
            return Decimal::ZERO;
        }
        let most = if self.volume_share.is_zero() { Decimal::ONE } else { self.volume_share };
        let share = quantity.checked_div(volume).unwrap_or(most).min(most);
        range.mean() * self.impact * root(share)
    }

    /// The quantity that the orders of the account can still fill in a minute with this volume, of
    /// which they filled `taken`. At least one lot of it, so that each order ends. None: any.
    pub(super) fn room(&self, volume: Decimal, taken: Decimal, lot: Decimal) -> Option<Decimal> {
        if self.volume_share.is_zero() {
            return None;
        }
        let most = (volume * self.volume_share).max(lot.min(volume));
        Some(floor_to_step((most - taken).max(Decimal::ZERO), lot))
    }

    /// The volume ahead of a limit order that enters after a minute with this volume.
    pub(super) fn ahead(&self, volume: Decimal) -> Decimal {
        if self.queue_share.is_zero() { Decimal::ZERO } else { volume * self.queue_share }
    }

    /// Whether an order of `sent` has not arrived at `time`.
    pub(super) fn travels(&self, sent: UtcMs, time: UtcMs) -> bool {
        self.latency > 0 && time < sent.saturating_add(self.latency)
    }

    /// Whether an order of `sent` arrives when the minute after `last_close` has ended. Its trades
    /// are not known yet, so the last price is too old.
    pub(super) fn late(&self, sent: UtcMs, last_close: UtcMs) -> bool {
        self.travels(sent, last_close + MINUTE - 1)
    }
}

/// The volume ahead of a limit order after a trade at its price or beyond, and the part of the
/// trade that it can fill from; none: all of it. `traded` is the volume of the trade.
pub(super) fn queue(ahead: Decimal, beyond: bool, traded: Decimal) -> (Decimal, Option<Decimal>) {
    if beyond || ahead.is_zero() {
        return (Decimal::ZERO, None);
    }
    let left = ahead - traded;
    if left < Decimal::ZERO { (Decimal::ZERO, Some(-left)) } else { (left, Some(Decimal::ZERO)) }
}

/// The square root of a share, down to four decimals.
fn root(share: Decimal) -> Decimal {
    let steps = (share * Decimal::from(SHARE_STEPS)).trunc();
    let steps = u64::try_from(steps).unwrap_or(SHARE_STEPS);
    Decimal::from(steps.isqrt()) / Decimal::from(ROOT_STEPS)
}

/// The mean true range of the last 14 minutes of a symbol, with the current minute as the newest.
/// Minutes without a trade do not count. After 14 minutes, each new one has a weight of 1/14.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Mean of the minutes before the current one.
    before: Decimal,
    /// Number of minutes, the current one among them.
    minutes: u32,
    low: Decimal,
    high: Decimal,
}

impl Range {
    /// Begins a minute after this last price.
    pub(super) fn minute(&mut self, last: Decimal) {
        let (before, minutes) = (self.mean(), (self.minutes + 1).min(RANGE_MINUTES));
        *self = Range { before, minutes, low: last, high: last };
    }

    /// Begins a minute with all prices of its bar. `last` is the price before it, if there is one.
    pub(super) fn bar(&mut self, last: Option<Decimal>, bar: &Bar) {
        let (open, low, high) = (bar.open, bar.low, bar.high);
        let [open, low, high] = [open, low, high].map(|price| price.decimal().normalize());
        self.minute(last.unwrap_or(open));
        self.add(low);
        self.add(high);
    }

    /// Adds a price of the current minute.
    pub(super) fn add(&mut self, price: Decimal) {
        (self.low, self.high) = (self.low.min(price), self.high.max(price));
    }

    /// The mean true range, in quote units.
    pub(super) fn mean(self) -> Decimal {
        let Some(before) = self.minutes.checked_sub(1) else { return Decimal::ZERO };
        let sum = self.before * Decimal::from(before) + (self.high - self.low);
        sum / Decimal::from(self.minutes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::dec;

    fn fills() -> PaperFills {
        PaperFills {
            range_spread: dec("0.2"),
            impact: dec("1"),
            volume_share: dec("0.1"),
            queue_share: dec("0.5"),
            latency: 250,
        }
    }

    fn range(of: &str) -> Range {
        let mut range = Range::default();
        range.minute(dec("100"));
        range.add(dec("100") + dec(of));
        range
    }

    #[test]
    fn the_mean_true_range_counts_jumps_and_fourteen_minutes() {
        let mut range = Range::default();
        assert_eq!(range.mean(), Decimal::ZERO);
        range.minute(dec("100"));
        range.add(dec("104"));
        range.add(dec("98"));
        assert_eq!(range.mean(), dec("6"));
        // The jump from 98 to 110 counts, though no trade lies between them.
        range.minute(dec("98"));
        range.add(dec("110"));
        assert_eq!(range.mean(), dec("9"));
        for _ in 0..12 {
            range.minute(dec("110"));
        }
        assert_eq!((range.mean() * dec("14")).round_dp(20), dec("18"), "12 quiet minutes");
        let before = range.mean();
        range.minute(dec("110"));
        range.add(dec("124"));
        assert_eq!(
            range.mean().round_dp(20),
            (before * dec("13") / dec("14") + dec("1")).round_dp(20)
        );
    }

    #[test]
    fn spread_and_impact_follow_the_range_and_the_share_of_the_volume() {
        let fills = fills();
        assert_eq!(fills.half_spread(range("3")), dec("0.3"));
        for (impact, volume_share, quantity, volume, away) in [
            ("1", "0.1", "1", "100", "0.3"),
            ("1", "0.1", "4", "100", "0.6"),
            ("2", "0.1", "4", "100", "1.2"),
            // Only a tenth of the minute's volume fills in it.
            ("1", "0.1", "90", "100", "0.9486"),
            ("1", "0.1", "1", "0", "0.9486"),
            ("1", "0", "25", "100", "1.5"),
            ("1", "0", "900", "100", "3"),
            ("0", "0.1", "4", "100", "0"),
            ("1", "0.1", "0", "100", "0"),
        ] {
            let fills =
                PaperFills { impact: dec(impact), volume_share: dec(volume_share), ..fills };
            let found = fills.impact(range("3"), dec(quantity), dec(volume));
            assert_eq!(found, dec(away), "{impact} {volume_share} {quantity} of {volume}");
        }
    }

    #[test]
    fn orders_fill_a_share_of_the_volume_and_at_least_a_lot() {
        for (volume, taken, lot, room) in [
            ("100", "0", "0.001", "10"),
            ("100", "9.9995", "0.001", "0"),
            ("100", "4", "0.001", "6"),
            ("100", "12", "0.001", "0"),
            ("33.3", "0", "1", "3"),
            ("5", "0", "1", "1"),
            ("5", "1", "1", "0"),
            ("0.5", "0", "1", "0"),
            ("0", "0", "1", "0"),
            ("5", "0", "0", "0.5"),
        ] {
            let found = fills().room(dec(volume), dec(taken), dec(lot));
            assert_eq!(found, Some(dec(room)), "{taken} of {volume}, lots of {lot}");
        }
        assert_eq!(PaperFills::default().room(dec("5"), dec("9"), dec("1")), None);
    }

    #[test]
    fn the_queue_is_served_before_the_order() {
        assert_eq!(fills().ahead(dec("40")), dec("20"));
        for (ahead, beyond, traded, left, part) in [
            ("20", false, "8", "12", Some("0")),
            ("8", false, "8", "0", Some("0")),
            ("5", false, "8", "0", Some("3")),
            ("0", false, "8", "0", None),
            ("20", true, "8", "0", None),
        ] {
            let found = queue(dec(ahead), beyond, dec(traded));
            assert_eq!(found, (dec(left), part.map(dec)), "{ahead} {beyond} {traded}");
        }
    }

    #[test]
    fn an_order_that_travels_past_the_end_of_a_minute_is_late() {
        let fills = fills();
        assert!(fills.travels(1_000, 1_249) && !fills.travels(1_000, 1_250));
        assert!(!fills.late(MINUTE - 251, 0) && fills.late(MINUTE - 250, 0));
        assert!(fills.late(9 * MINUTE, 0), "the last price is old");
        let off = PaperFills::default();
        assert!(off.is_off() && !off.needs_range());
        assert!(!off.travels(1_000, 0) && !off.late(9 * MINUTE, 0));
    }
}
