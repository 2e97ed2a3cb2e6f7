//! Applies the hard caps of live trading: the most quote amount of one entry and of one trading
//! day. Only a person's confirmation sets them; no configuration raises them. Orders that close a
//! position are never capped, because blocking them could increase a loss.
//!
//! The decision counts approved entries, the gateway counts sent ones, each from its own facts.

use everwarm_domain::money::Decimal;
use everwarm_domain::time::date_of;
use serde::{Deserialize, Serialize};

/// The confirmed caps, and the amount used on a day.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Caps {
    confirmed: Option<Confirmed>,
    day: i64,
    used: Decimal,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Confirmed {
    per_order: Decimal,
    per_day: Decimal,
}

impl Caps {
    /// Sets the caps that a person confirmed, in quote units. The used amount of the day stays.
    pub fn confirm(&mut self, per_order: Decimal, per_day: Decimal) {
        self.confirmed = Some(Confirmed { per_order, per_day });
    }

    /// Whether a person confirmed caps.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.confirmed.is_some()
    }

    /// Counts an entry worth `amount`, decided on the day number `day`.
    pub fn spend(&mut self, day: i64, amount: Decimal) {
        if day > self.day {
            (self.day, self.used) = (day, Decimal::ZERO);
        }
        self.used = self.used.saturating_add(amount);
    }

    /// Amount that entries of a day have used, in quote units.
    #[must_use]
    pub fn used(&self, day: i64) -> Decimal {
        if day > self.day { Decimal::ZERO } else { self.used }
    }

    /// Checks an entry worth `amount` quote units, decided on `day`.
    ///
    /// # Errors
    /// The cap that the entry exceeds, with the amounts.
    pub fn allows(&self, day: i64, amount: Decimal) -> Result<(), String> {
        let Some(Confirmed { per_order, per_day }) = self.confirmed else { return Ok(()) };
        let amount = amount.normalize();
        if amount > per_order {
            return Err(format!("{amount} is above the confirmed cap of {per_order} an order"));
        }
        let used = self.used(day).normalize();
        if used.saturating_add(amount) > per_day {
            let date = date_of(day);
            return Err(format!(
                "{used} of the confirmed cap of {per_day} a day are used on {date}, {amount} more \
                 are above it"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::dec;

    #[test]
    fn each_cap_holds_and_a_later_day_begins_at_nothing() {
        let mut caps = Caps::default();
        assert_eq!(caps.allows(0, dec("1000000")), Ok(()), "nobody trades live");
        caps.confirm(dec("100"), dec("250"));
        assert_eq!(caps.allows(0, dec("100")), Ok(()));
        assert_eq!(
            caps.allows(0, dec("100.01")).unwrap_err(),
            "100.01 is above the confirmed cap of 100 an order"
        );
        caps.spend(0, dec("100"));
        caps.spend(0, dec("100"));
        assert_eq!(caps.allows(0, dec("50")), Ok(()));
        assert_eq!(
            caps.allows(0, dec("50.5")).unwrap_err(),
            "200 of the confirmed cap of 250 a day are used on 1970-01-01, 50.5 more are above it"
        );
        assert_eq!(caps.allows(1, dec("100")), Ok(()));
        caps.spend(1, dec("90"));
        assert_eq!((caps.used(1), caps.used(2)), (dec("90"), Decimal::ZERO));
        // An entry decided before midnight that arrives after it counts for the later day.
        caps.spend(0, dec("90"));
        assert_eq!(caps.used(1), dec("180"));
        assert!(caps.allows(0, dec("90")).is_err());
    }

    #[test]
    fn another_confirmation_replaces_the_caps_and_not_what_was_used() {
        let mut caps = Caps::default();
        caps.confirm(dec("100"), dec("150"));
        caps.spend(0, dec("100"));
        assert!(caps.allows(0, dec("60")).is_err());
        caps.confirm(dec("100"), dec("200"));
        assert_eq!(caps.allows(0, dec("60")), Ok(()));
        caps.confirm(dec("50"), dec("200"));
        assert!(caps.allows(0, dec("60")).is_err());
    }
}
