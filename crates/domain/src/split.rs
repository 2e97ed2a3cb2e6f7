//! Splits of stocks: the venue replaces old shares by new ones.
//!
//! A forward split of 7:1 makes seven new shares of each old one, and divides its price by seven. A
//! reverse split of 1:10 makes one new share of ten old ones.

use super::id::{Symbol, VenueId};
use super::money::Decimal;
use super::time::UtcMs;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Largest number of new or of old shares in a ratio.
pub const RATE_MAX: u32 = 1_000_000;

/// New shares for old ones, as the smallest exact integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "(u32, u32)", into = "(u32, u32)")]
pub struct Ratio {
    new: u32,
    old: u32,
}

impl TryFrom<(u32, u32)> for Ratio {
    type Error = String;

    /// A stored ratio: 1:1, which changes nothing, is one, too.
    fn try_from((new, old): (u32, u32)) -> Result<Ratio, String> {
        Ratio::reduced(new.into(), old.into())
    }
}

impl From<Ratio> for (u32, u32) {
    fn from(ratio: Ratio) -> (u32, u32) {
        (ratio.new, ratio.old)
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.new, self.old)
    }
}

fn divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { divisor(b, a % b) }
}

impl Ratio {
    /// `new` shares for each `old` ones, reduced.
    ///
    /// # Errors
    /// A number is 0 or above [`RATE_MAX`], or both are equal.
    pub fn new(new: u32, old: u32) -> Result<Ratio, String> {
        Ratio::reduced(new.into(), old.into())?.of_a_change()
    }

    /// The ratio of two amounts with decimals, like 1.5 new shares for an old one.
    ///
    /// # Errors
    /// An amount is not above 0, or the ratio is no ratio of two integers up to [`RATE_MAX`], or
    /// both are equal.
    pub fn of(new: Decimal, old: Decimal) -> Result<Ratio, String> {
        let (new, old) = (new.normalize(), old.normalize());
        let scale = new.scale().max(old.scale());
        let units = |amount: Decimal| {
            let factor = 10_i128.checked_pow(scale - amount.scale())?;
            u64::try_from(amount.mantissa().checked_mul(factor)?).ok()
        };
        let both = units(new).zip(units(old));
        let (new_units, old_units) =
            both.ok_or_else(|| format!("{new}:{old} is no ratio of shares"))?;
        Ratio::reduced(new_units, old_units)?.of_a_change()
    }

    fn reduced(new: u64, old: u64) -> Result<Ratio, String> {
        if new == 0 || old == 0 {
            return Err(format!("{new}:{old} has no shares on one side"));
        }
        let common = divisor(new, old);
        let side = |shares: u64| {
            let shares = u32::try_from(shares / common).ok();
            shares.filter(|shares| *shares <= RATE_MAX)
        };
        let (new_side, old_side) = side(new)
            .zip(side(old))
            .ok_or_else(|| format!("{new}:{old} is beyond {RATE_MAX} shares on one side"))?;
        Ok(Ratio { new: new_side, old: old_side })
    }

    fn of_a_change(self) -> Result<Ratio, String> {
        if self.new == self.old { Err(format!("{self} changes nothing")) } else { Ok(self) }
    }

    /// New shares.
    #[must_use]
    pub fn new_shares(self) -> u32 {
        self.new
    }

    /// Old shares.
    #[must_use]
    pub fn old_shares(self) -> u32 {
        self.old
    }

    /// Whether the split makes more shares.
    #[must_use]
    pub fn is_forward(self) -> bool {
        self.new > self.old
    }

    /// The opposite ratio.
    #[must_use]
    pub fn inverse(self) -> Ratio {
        Ratio { new: self.old, old: self.new }
    }

    /// The quantity of new shares for old ones, with at most 28 digits. It saturates at the largest
    /// decimal.
    #[must_use]
    pub fn quantity(self, old: Decimal) -> Decimal {
        scaled(old, self.new, self.old)
    }

    /// The price of a new share by that of an old one, with at most 28 digits. It saturates at the
    /// largest decimal.
    #[must_use]
    pub fn price(self, old: Decimal) -> Decimal {
        scaled(old, self.old, self.new)
    }
}

/// `value` times `by`, divided by `divisor`. It multiplies first, so that whole results are exact.
fn scaled(value: Decimal, by: u32, divisor: u32) -> Decimal {
    let product = value.saturating_mul(Decimal::from(by));
    product.checked_div(Decimal::from(divisor)).unwrap_or(product).normalize()
}

/// A split of one symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// The symbol.
    pub symbol: Symbol,
    /// The first day on which the new shares trade, as days since 1970-01-01.
    pub ex_day: i64,
    /// New shares for old ones.
    pub ratio: Ratio,
}

/// What is known about a bar that a split may explain.
///
/// While the venue was queried and has not responded, no order of the symbol leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorporateAction {
    /// The venue.
    pub venue: VenueId,
    /// The symbol.
    pub symbol: Symbol,
    /// Opening time of the bar, UTC milliseconds.
    pub bar: UtcMs,
    /// What the venue reports.
    pub found: Found,
}

/// What a venue reports about a bar that a split may explain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Found {
    /// It is queried. The text says why the last query failed; none: none has failed.
    Asked(Option<String>),
    /// No split.
    Nothing,
    /// This split.
    Split {
        /// The first day with the new shares, as days since 1970-01-01.
        ex_day: i64,
        /// New shares for old ones.
        ratio: Ratio,
    },
}

impl CorporateAction {
    /// The ratio of the split that was found.
    #[must_use]
    pub fn split(&self) -> Option<Ratio> {
        match self.found {
            Found::Split { ratio, .. } => Some(ratio),
            Found::Asked(_) | Found::Nothing => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dec(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn a_ratio_is_reduced_and_exact() {
        let ratio = Ratio::new(14, 2).unwrap();
        assert_eq!((ratio.new_shares(), ratio.old_shares()), (7, 1));
        assert_eq!((ratio.quantity(dec("10")), ratio.price(dec("645.57"))).0, dec("70"));
        assert_eq!(ratio.price(dec("700.7")), dec("100.1"));
        assert_eq!(Ratio::of(dec("1.5"), dec("1")).unwrap().to_string(), "3:2");
        assert_eq!(Ratio::of(dec("0.05"), dec("1.00")).unwrap().to_string(), "1:20");
        let reverse = Ratio::new(1, 10).unwrap();
        assert!(!reverse.is_forward() && reverse.inverse().is_forward());
        assert_eq!(reverse.quantity(dec("15")), dec("1.5"));
    }

    #[test]
    fn what_is_no_ratio_is_refused() {
        for (new, old) in [(0, 1), (1, 0), (3, 3), (RATE_MAX + 1, 1), (1, u32::MAX)] {
            assert!(Ratio::new(new, old).is_err(), "{new}:{old}");
        }
        for (new, old) in [
            ("-7", "1"),
            ("0", "1"),
            ("7", "0"),
            ("79228162514264337593543950335", "1"),
            ("0.0000000000000000000000000001", "79228162514264337593543950335"),
            ("3.14159265", "1"),
        ] {
            assert!(Ratio::of(dec(new), dec(old)).is_err(), "{new}:{old}");
        }
        let stored = serde_json::to_string(&Ratio::new(7, 1).unwrap()).unwrap();
        assert_eq!(stored, "[7,1]");
        assert!(serde_json::from_str::<Ratio>("[0,1]").is_err());
    }
}
