//! Prices of bars as exact integers with a scale; money and quantities of orders as decimals.
//!
//! Indicators sum prices, so bars carry [`Price`]: an integer and its number of decimals. Sums are
//! exact and do not depend on where they start. Orders and the ledger use only [`Decimal`].

pub use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cmp::Ordering;
use std::fmt;

/// Fewest decimals of a [`Price`]. Stored prices without a scale have this many.
pub const PRICE_SCALE: u8 = 8;
/// Most decimals of a [`Price`].
pub const PRICE_SCALE_MAX: u8 = 18;
/// Decimals of the volumes that indicators sum. No venue has more.
pub const VOLUME_SCALE: u8 = 18;
/// Significant digits that every decimal can hold.
const DIGITS: u32 = 28;

/// A bar's price in quote units: an integer with 8 to 18 decimals.
///
/// It has more than 8 decimals only if it needs them, so equal prices are equal values. The largest
/// price is about 92 billion with 8 decimals, and about 9 with 18.
///
/// It takes 9 bytes, so a bar takes 80: each close copies hundreds of bars several times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(Rust, packed)]
pub struct Price {
    units: i64,
    scale: u8,
}

impl Default for Price {
    fn default() -> Price {
        Price::e8(0)
    }
}

impl Price {
    /// A price of `units` times 10^-8.
    #[must_use]
    pub const fn e8(units: i64) -> Price {
        Price { units, scale: PRICE_SCALE }
    }

    /// A price of `units` times 10^-`scale`. None if it needs more than 18 decimals or does not
    /// fit.
    #[must_use]
    pub fn of(units: i128, scale: u8) -> Option<Price> {
        let (mut units, mut scale) = (units, scale);
        if scale < PRICE_SCALE {
            units = units.checked_mul(10_i128.pow(u32::from(PRICE_SCALE - scale)))?;
            scale = PRICE_SCALE;
        }
        while scale > PRICE_SCALE && units % 10 == 0 {
            (units, scale) = (units / 10, scale - 1);
        }
        let fits = scale <= PRICE_SCALE_MAX;
        i64::try_from(units).ok().filter(|_| fits).map(|units| Price { units, scale })
    }

    /// The integer: units of 10^-[`Price::scale`].
    #[must_use]
    pub const fn units(self) -> i64 {
        self.units
    }

    /// Its decimals, 8 to 18.
    #[must_use]
    pub const fn scale(self) -> u8 {
        self.scale
    }

    /// The integer at a larger scale. A smaller scale returns the integer unchanged.
    #[must_use]
    pub fn at(self, scale: u8) -> i128 {
        if scale <= self.scale {
            return self.units.into();
        }
        let more = u32::from(scale.min(PRICE_SCALE_MAX) - self.scale);
        i128::from(self.units) * 10_i128.pow(more)
    }

    /// The price as a decimal, exact.
    #[must_use]
    pub fn decimal(self) -> Decimal {
        Decimal::new(self.units, self.scale.into())
    }

    /// The nearest float, for indicators only.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "prices below 90 million are exact; above, 1 ulp"
    )]
    pub fn to_f64(self) -> f64 {
        self.units as f64 / power(self.scale)
    }

    /// Converts a decimal exactly.
    ///
    /// # Errors
    /// The value has more than 18 decimals, or is out of range.
    pub fn exact(value: Decimal) -> Result<Price, String> {
        let value = value.normalize();
        let scale = u8::try_from(value.scale()).ok().filter(|scale| *scale <= PRICE_SCALE_MAX);
        let Some(scale) = scale else {
            return Err(format!("price {value} has more than {PRICE_SCALE_MAX} decimals"));
        };
        let price = Price::of(value.mantissa(), scale);
        price.ok_or_else(|| format!("price {value} is out of range"))
    }

    /// Packs units and scale into one number. With 8 decimals it is the units; each further decimal
    /// adds 2^64.
    fn packed(self) -> i128 {
        i128::from(self.units) + (i128::from(self.scale - PRICE_SCALE) << 64)
    }

    fn unpacked(number: i128) -> Option<Price> {
        let more = number.checked_add(1 << 63)? >> 64;
        let scale = u8::try_from(more).ok()?.checked_add(PRICE_SCALE)?;
        let price = Price::of(number - (more << 64), scale)?;
        // Each price has only one packed form.
        Some(price).filter(|price| price.scale == scale)
    }
}

/// Ten to the power of a scale.
fn power(scale: u8) -> f64 {
    const ALL: [f64; 11] = [1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18];
    ALL[usize::from(scale - PRICE_SCALE)]
}

impl Ord for Price {
    fn cmp(&self, other: &Price) -> Ordering {
        if self.scale == other.scale {
            return self.units().cmp(&other.units());
        }
        let scale = self.scale.max(other.scale);
        self.at(scale).cmp(&other.at(scale))
    }
}

impl PartialOrd for Price {
    fn partial_cmp(&self, other: &Price) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.decimal().normalize().fmt(f)
    }
}

/// A price with 8 decimals is one integer, as in earlier versions. One with more decimals is a
/// longer integer, or a text in human-readable formats.
impl Serialize for Price {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.scale {
            PRICE_SCALE => to.serialize_i64(self.units),
            _ if to.is_human_readable() => to.collect_str(self),
            _ => to.serialize_i128(self.packed()),
        }
    }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        struct Number;
        impl<'de> serde::de::Visitor<'de> for Number {
            type Value = Price;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a price: an integer of 1e-8, or a decimal in a text")
            }
            fn visit_i64<E: Error>(self, units: i64) -> Result<Price, E> {
                Ok(Price::e8(units))
            }
            fn visit_u64<E: Error>(self, units: u64) -> Result<Price, E> {
                let units = i64::try_from(units).map_err(|_| E::custom("a price out of range"))?;
                Ok(Price::e8(units))
            }
            fn visit_i128<E: Error>(self, number: i128) -> Result<Price, E> {
                Price::unpacked(number).ok_or_else(|| E::custom("a price out of range"))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Price, E> {
                parse_decimal(text).and_then(Price::exact).map_err(E::custom)
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                from: D,
            ) -> Result<Price, D::Error> {
                from.deserialize_i128(self)
            }
        }
        if from.is_human_readable() {
            return from.deserialize_any(Number);
        }
        from.deserialize_newtype_struct(everwarm_kernel::state::LONGER, Number)
    }
}

/// The value rounded for display: to `decimals`, or to eight digits if it is so small that
/// `decimals` show fewer than four.
#[must_use]
pub fn shown(value: Decimal, decimals: u32) -> Decimal {
    let digits = value.mantissa().unsigned_abs().checked_ilog10().map_or(0, |log| log + 1);
    let zeros = value.scale().saturating_sub(digits);
    let decimals = if zeros + 4 > decimals { zeros + 8 } else { decimals };
    value.round_dp(decimals).normalize()
}

/// The product; none if it is not exact.
#[must_use]
pub fn product(a: Decimal, b: Decimal) -> Option<Decimal> {
    let (a, b) = (a.normalize(), b.normalize());
    let units = a.mantissa().checked_mul(b.mantissa())?;
    Decimal::try_from_i128_with_scale(units, a.scale() + b.scale()).ok()
}

/// The number of decimals of the product of two steps. None if amounts of a billion quote units
/// would not be exact with so many.
#[must_use]
pub fn product_scale(a: Decimal, b: Decimal) -> Option<u32> {
    let scale = a.normalize().scale() + b.normalize().scale();
    Some(scale).filter(|scale| scale + 9 <= DIGITS)
}

/// The nearest float, for indicators and thresholds only.
#[must_use]
pub fn float(value: Decimal) -> f64 {
    value.to_f64().unwrap_or(f64::NAN)
}

/// Parses a plain decimal as venues and recordings write it; no exponent, no rounding.
///
/// # Errors
/// Says what is wrong with the text.
pub fn parse_decimal(text: &str) -> Result<Decimal, String> {
    Decimal::from_str_exact(text).map_err(|e| format!("{text:?} is not a decimal number: {e}"))
}

/// The part of `whole` in the ratio `part` to `of`. `part` is at most `of`, and `of` is not zero.
#[must_use]
pub fn share(whole: Decimal, part: Decimal, of: Decimal) -> Decimal {
    let product = whole.checked_mul(part).and_then(|product| product.checked_div(of));
    let ratio = || part.checked_div(of).map(|ratio| whole.saturating_mul(ratio));
    product.or_else(ratio).unwrap_or(whole)
}

/// The sum. On overflow it stays at the largest decimal.
#[must_use]
pub fn total(amounts: impl IntoIterator<Item = Decimal>) -> Decimal {
    amounts.into_iter().fold(Decimal::ZERO, Decimal::saturating_add)
}

/// Rounds `value` down to a multiple of `step`; unchanged if `step` is zero.
#[must_use]
pub fn floor_to_step(value: Decimal, step: Decimal) -> Decimal {
    if step.is_zero() {
        return value.normalize();
    }
    let whole = value.checked_div(step).and_then(|steps| steps.trunc().checked_mul(step));
    // The step is too small to count steps: the remainder is subtracted instead.
    let rest = || value.checked_rem(step).map(|rest| value.saturating_sub(rest));
    whole.or_else(rest).unwrap_or_default().normalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(text: &str) -> Price {
        Price::exact(parse_decimal(text).unwrap()).unwrap()
    }

    #[test]
    fn equal_prices_are_equal_values_of_as_few_decimals_as_they_need() {
        for (text, units, scale) in [
            ("0", 0, 8),
            ("61234.5", 6_123_450_000_000, 8),
            ("0.00000001", 1, 8),
            ("0.000000000031", 31, 12),
            ("0.0000000000310", 31, 12),
            ("9.000000000000000001", 9_000_000_000_000_000_001, 18),
            ("-0.000000001", -1, 9),
        ] {
            let price = price(text);
            assert_eq!((price.units(), price.scale()), (units, scale), "{text}");
            assert_eq!(price.decimal(), parse_decimal(text).unwrap());
            assert_eq!(Price::of(price.at(18), 18), Some(price), "{text}");
        }
        let refused = |text: &str| Price::exact(parse_decimal(text).unwrap()).unwrap_err();
        assert!(refused("0.0000000000000000001").contains("more than 18 decimals"));
        assert!(refused("10.000000000000000001").contains("out of range"));
        assert!(refused("92233720369").contains("out of range"));
    }

    #[test]
    fn prices_of_different_scales_are_compared_by_value() {
        let mut prices =
            ["92233720368", "0.000000000031", "0.00000001", "0.0000000000309", "-1", "0"]
                .map(price);
        prices.sort();
        let texts = prices.map(|price| price.to_string());
        let wanted = ["-1", "0", "0.0000000000309", "0.000000000031", "0.00000001", "92233720368"];
        assert_eq!(texts, wanted);
        assert!((price("0.000000000031").to_f64() - 3.1e-11).abs() < 1e-26);
    }

    #[test]
    fn a_price_is_stored_as_before_where_it_has_eight_decimals() {
        for units in [0, 1, -1, 6_123_450_000_000, i64::MAX, i64::MIN] {
            let price = Price::e8(units);
            assert_eq!(rmp_serde::to_vec(&price).unwrap(), rmp_serde::to_vec(&units).unwrap());
            assert_eq!(serde_json::to_string(&price).unwrap(), units.to_string());
            assert_eq!(everwarm_kernel::state::save(1, &price)[14..], postcard(units)[14..]);
        }
        for text in ["92233720368", "0.000000000031", "9.000000000000000001", "-0.000000001"] {
            let price = price(text);
            let bytes = rmp_serde::to_vec(&price).unwrap();
            assert_eq!(rmp_serde::from_slice::<Price>(&bytes).unwrap(), price, "{text}");
            let json = serde_json::to_string(&price).unwrap();
            assert_eq!(serde_json::from_str::<Price>(&json).unwrap(), price, "{text}");
            let state = everwarm_kernel::state::save(1, &price);
            assert_eq!(everwarm_kernel::state::load::<Price>(1, &state).unwrap(), price, "{text}");
        }
        assert_eq!(serde_json::to_string(&price("0.000000000031")).unwrap(), "\"0.000000000031\"");
    }

    /// A state of an earlier version can be read: it has the same fingerprint.
    fn postcard(units: i64) -> Vec<u8> {
        let state = everwarm_kernel::state::save(1, &units);
        let read: Price = everwarm_kernel::state::load(1, &state).unwrap();
        assert_eq!(read, Price::e8(units));
        state
    }

    #[test]
    fn a_product_is_exact_or_none() {
        let dec = |text| parse_decimal(text).unwrap();
        let amount = product(dec("0.000000000031"), dec("32258064516129.03225806"));
        assert_eq!(amount, Some(dec("999.99999999999999999986")));
        assert_eq!(product(dec("0.000000000000000001"), dec("0.00000000001")), None);
        assert_eq!(product(Decimal::MAX, Decimal::TEN), None);
        assert_eq!(product_scale(dec("0.00000001"), dec("0.00000001")), Some(16));
        assert_eq!(product_scale(dec("0.000000000000000001"), dec("0.01")), None);
    }
}
