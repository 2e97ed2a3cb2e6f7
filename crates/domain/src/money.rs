//! Prices of bars as exact fixed-point integers; money and quantities of orders as decimals.
//!
//! Indicators sum prices, so bars carry [`Price`], an integer of 1e-8 units: exact, half the size
//! of a decimal, and a sum does not depend on where it started. Orders and the ledger use
//! [`Decimal`] alone.

pub use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Decimals of a [`Price`].
pub const PRICE_SCALE: u32 = 8;

/// A bar's price in units of 1e-8 of the quote asset; up to about 92 billion.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Price(pub i64);

impl Price {
    /// The price as a decimal, exact.
    #[must_use]
    pub fn decimal(self) -> Decimal {
        Decimal::new(self.0, PRICE_SCALE)
    }

    /// The nearest float, for indicators only.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "prices below 90 million are exact; above, 1 ulp"
    )]
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / 1e8
    }

    /// Converts exactly, or says why not.
    ///
    /// # Errors
    /// More than 8 decimals, or out of range.
    pub fn exact(value: Decimal) -> Result<Price, String> {
        let value = value.normalize();
        if value.scale() > PRICE_SCALE {
            return Err(format!("price {value} has more than {PRICE_SCALE} decimals"));
        }
        let factor = 10_i128.pow(PRICE_SCALE - value.scale());
        let units = value.mantissa().checked_mul(factor).and_then(|u| i64::try_from(u).ok());
        units.map(Price).ok_or_else(|| format!("price {value} is out of range"))
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.decimal().normalize().fmt(f)
    }
}

/// Parses a plain decimal as venues and recordings write it; no exponent, no rounding.
///
/// # Errors
/// Says what is wrong with the text.
pub fn parse_decimal(text: &str) -> Result<Decimal, String> {
    Decimal::from_str_exact(text).map_err(|e| format!("{text:?} is not a decimal number: {e}"))
}

/// The part of `whole` that belongs to `part` of `of`, at most all of it; `of` is not zero.
#[must_use]
pub fn share(whole: Decimal, part: Decimal, of: Decimal) -> Decimal {
    let product = whole.checked_mul(part).and_then(|product| product.checked_div(of));
    let ratio = || part.checked_div(of).map(|ratio| whole.saturating_mul(ratio));
    product.or_else(ratio).unwrap_or(whole)
}

/// The sum; it stays at the largest decimal where it does not fit.
#[must_use]
pub fn total(amounts: impl IntoIterator<Item = Decimal>) -> Decimal {
    amounts.into_iter().fold(Decimal::ZERO, Decimal::saturating_add)
}

/// `value` rounded down to a multiple of `step`; unchanged where `step` is zero.
#[must_use]
pub fn floor_to_step(value: Decimal, step: Decimal) -> Decimal {
    if step.is_zero() {
        return value.normalize();
    }
    let whole = value.checked_div(step).and_then(|steps| steps.trunc().checked_mul(step));
    // Steps too small to be counted: what is left of the last one is taken off.
    let rest = || value.checked_rem(step).map(|rest| value.saturating_sub(rest));
    whole.or_else(rest).unwrap_or_default().normalize()
}
