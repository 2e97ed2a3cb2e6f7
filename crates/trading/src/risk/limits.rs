//! Compares the counts of the day with the limits. The breaker applies the result.

use everwarm_domain::fact::BreakerLevel;
use everwarm_domain::money::Decimal;
use everwarm_domain::settings::Risk;
use everwarm_domain::time::date_of;
use serde::{Deserialize, Serialize};

/// Counts that the limits apply to, since the beginning of a trading day.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// Number of the trading day; see [`everwarm_domain::time::day_of`].
    pub day: i64,
    /// Rejected or expired orders since the last fill. A new day resets it, so a failure limit ends
    /// without an operator.
    pub failures: u32,
    /// Entries with at least one fill.
    pub entries: u32,
    /// The largest loss of equity since the day began, in quote units, not below 0. Open trades and
    /// fees are included, deposits and withdrawals are not.
    pub loss: Decimal,
    /// Equity without adjustments when the day began; none before the first equity.
    pub began_with: Option<Decimal>,
}

impl Counts {
    /// Resets the counts if `day` is later. `equity` is the newest equity without adjustments.
    pub fn turn(&mut self, day: i64, equity: Option<Decimal>) {
        if day > self.day {
            *self = Counts { day, began_with: equity, ..Counts::default() };
        }
    }

    /// Applies the newest equity without adjustments. A loss stays for the day: no recovery and no
    /// crash loosens its limit.
    pub fn value(&mut self, equity: Decimal) {
        let began_with = *self.began_with.get_or_insert(equity);
        self.loss = self.loss.max(began_with.saturating_sub(equity));
    }

    /// The used share of each limit, by name; 0 if the limit is off. A share of 1 or more is a
    /// reason of [`Counts::judge`].
    #[must_use]
    pub fn used(&self, limits: &Risk) -> [(&'static str, Decimal); 3] {
        let share = |used: Decimal, most: Decimal| {
            // Zero switches a limit off.
            if most.is_zero() {
                Decimal::ZERO
            } else {
                used.max(Decimal::ZERO).checked_div(most).unwrap_or(Decimal::MAX)
            }
        };
        [
            (
                "failures_in_a_row",
                share(self.failures.into(), limits.max_consecutive_failures.into()),
            ),
            ("entries_per_day", share(self.entries.into(), limits.max_trades_per_day.into())),
            ("loss_per_day", share(self.loss, limits.max_loss_per_day)),
        ]
    }

    /// The level for these counts, and the reasons.
    #[must_use]
    pub fn judge(&self, limits: &Risk) -> (BreakerLevel, Vec<String>) {
        let date = date_of(self.day);
        let mut reasons = Vec::new();
        let most = limits.max_consecutive_failures;
        if most > 0 && self.failures >= most {
            reasons.push(format!("{date}: {most} orders in a row were rejected or expired"));
        }
        let most = limits.max_trades_per_day;
        if most > 0 && self.entries >= most {
            reasons.push(format!("{date}: the limit of {most} entries a day is reached"));
        }
        let most = limits.max_loss_per_day;
        if most > Decimal::ZERO && self.loss >= most {
            reasons.push(format!("{date}: the limit of {most} loss a day is reached"));
        }
        let level = if reasons.is_empty() { BreakerLevel::Normal } else { BreakerLevel::ExitsOnly };
        (level, reasons)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::dec;

    #[test]
    fn each_limit_trips_at_its_number_and_zero_is_off() {
        let limits = Risk {
            max_consecutive_failures: 2,
            max_trades_per_day: 3,
            max_loss_per_day: dec("10.5"),
            ..Risk::default()
        };
        let off = Risk {
            max_consecutive_failures: 0,
            max_trades_per_day: 0,
            max_loss_per_day: Decimal::ZERO,
            ..Risk::default()
        };
        let cases = [
            ((0, 0, "0"), ""),
            ((1, 2, "10.4"), ""),
            ((2, 0, "0"), "1970-01-02: 2 orders in a row were rejected or expired"),
            ((0, 3, "0"), "1970-01-02: the limit of 3 entries a day is reached"),
            ((0, 0, "10.5"), "1970-01-02: the limit of 10.5 loss a day is reached"),
        ];
        for ((failures, entries, loss), reason) in cases {
            let counts = Counts { day: 1, failures, entries, loss: dec(loss), ..Counts::default() };
            let (level, reasons) = counts.judge(&limits);
            assert_eq!(reasons.join("; "), reason);
            assert_eq!(level == BreakerLevel::Normal, reason.is_empty());
            assert_eq!(counts.judge(&off).0, BreakerLevel::Normal);
            let full = |limits| {
                counts.used(limits).iter().filter(|(_, used)| *used >= Decimal::ONE).count()
            };
            assert_eq!((full(&limits), full(&off)), (reasons.len(), 0), "{reasons:?}");
        }
    }

    #[test]
    fn a_later_day_begins_at_zero() {
        let mut counts = Counts { day: 4, failures: 1, entries: 1, ..Counts::default() };
        counts.value(dec("100"));
        counts.value(dec("99"));
        let before = counts.clone();
        counts.turn(4, Some(dec("99")));
        counts.turn(3, Some(dec("99")));
        assert_eq!(counts, before);
        counts.turn(5, Some(dec("99")));
        assert_eq!(counts, Counts { day: 5, began_with: Some(dec("99")), ..Counts::default() });
    }

    #[test]
    fn the_largest_loss_of_a_day_counts_from_the_equity_at_its_beginning() {
        let mut counts = Counts::default();
        for (equity, loss) in [("100", "0"), ("101", "0"), ("97", "3"), ("105", "3"), ("96", "4")] {
            counts.value(dec(equity));
            assert_eq!(counts.loss, dec(loss), "{equity}");
        }
    }
}
