//! Instruments and the venue's rules for orders in them.

use super::id::{Symbol, VenueId};
use super::money::{Decimal, PRICE_SCALE, PRICE_SCALE_MAX, floor_to_step, product_scale};
use serde::{Deserialize, Serialize};

/// Advice in errors about a symbol whose prices cannot be stored exactly.
const UNTRADED: &str = "It cannot be traded: leave it out of the symbols";

/// A symbol at one venue, with its steps and limits. A step or limit of zero is off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instrument {
    /// The venue's name for it.
    pub symbol: Symbol,
    /// Asset bought and sold.
    pub base: String,
    /// Asset it is paid in.
    pub quote: String,
    /// Whether orders are accepted now.
    pub trading: bool,
    /// Smallest price step, in quote units.
    pub tick_size: Decimal,
    /// Smallest quantity step of limit orders, in base units.
    pub lot_size: Decimal,
    /// Smallest quantity.
    pub min_quantity: Decimal,
    /// Largest quantity of a limit order.
    pub max_quantity: Decimal,
    /// Quantity step of market orders; zero: only `lot_size` applies.
    pub market_lot_size: Decimal,
    /// Largest quantity of a market order; zero: only `max_quantity` applies.
    pub market_max_quantity: Decimal,
    /// Smallest price x quantity, in quote units.
    pub min_notional: Decimal,
    /// Whether `min_notional` also applies to market orders.
    pub min_notional_for_market: bool,
    /// The venue that trades it.
    #[serde(default)]
    pub venue: VenueId,
}

/// The rules of a symbol for orders, without a venue. Zero: there is no such rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SymbolRules {
    /// The symbol.
    pub symbol: Symbol,
    /// Asset bought and sold.
    pub base: String,
    /// Asset it is paid in.
    pub quote: String,
    /// Smallest price step, in quote units.
    pub tick_size: Decimal,
    /// Smallest quantity step, in base units.
    pub lot_size: Decimal,
    /// Smallest quantity.
    pub min_quantity: Decimal,
    /// Largest quantity.
    pub max_quantity: Decimal,
    /// Smallest price x quantity, in quote units.
    pub min_notional: Decimal,
}

impl From<Instrument> for SymbolRules {
    fn from(instrument: Instrument) -> SymbolRules {
        SymbolRules {
            symbol: instrument.symbol,
            base: instrument.base,
            quote: instrument.quote,
            tick_size: instrument.tick_size,
            lot_size: instrument.lot_size,
            min_quantity: instrument.min_quantity,
            max_quantity: instrument.max_quantity,
            min_notional: instrument.min_notional,
        }
    }
}

/// How many times its price at the listing the price of a symbol may become.
const RISE: i128 = 1_000_000;

impl Instrument {
    /// Most decimals of the bars of the symbol: those of the tick, at least 8.
    ///
    /// # Errors
    /// The tick has more than 18 decimals. Or a million times `price`, the price at the listing,
    /// does not fit 64 bits with them. Or amounts of orders would not be exact. The symbol cannot
    /// be traded.
    pub fn price_scale(&self, price: Option<Decimal>) -> Result<u8, String> {
        let Instrument { tick_size, lot_size, .. } = self;
        let tick = tick_size.normalize();
        let scale = u8::try_from(tick.scale()).unwrap_or(u8::MAX).max(PRICE_SCALE);
        if scale > PRICE_SCALE_MAX {
            return Err(format!(
                "its tick {tick} has more than {PRICE_SCALE_MAX} decimals. {UNTRADED}"
            ));
        }
        if product_scale(tick, *lot_size).is_none() {
            return Err(format!(
                "amounts of its tick {tick} and its lot {lot_size} are not exact in 28 \
                 digits. {UNTRADED}"
            ));
        }
        // With 8 decimals a price has the same range as in earlier versions.
        let Some(price) = price.filter(|_| scale > PRICE_SCALE).map(|price| price.normalize())
        else {
            return Ok(scale);
        };
        let power = 10_i128.pow(u32::from(scale).saturating_sub(price.scale()));
        let most = price.mantissa().checked_mul(power).and_then(|units| units.checked_mul(RISE));
        if most.is_none_or(|most| i64::try_from(most).is_err()) {
            return Err(format!(
                "a million times its price {price} does not fit the {scale} decimals of \
                 its tick. {UNTRADED}"
            ));
        }
        Ok(scale)
    }

    /// Rounds a quantity down to one that a market order may have: a multiple of both steps. Venues
    /// make one step a multiple of the other, so the larger one decides.
    #[must_use]
    pub fn floor(&self, quantity: Decimal) -> Decimal {
        floor_to_step(quantity, self.step())
    }

    /// Quantity step of market orders.
    #[must_use]
    pub fn step(&self) -> Decimal {
        self.lot_size.max(self.market_lot_size)
    }

    /// Whether the quantity of a holding is large enough to sell. A holding that is not is dust,
    /// and counts as none.
    #[must_use]
    pub fn sells(&self, quantity: Decimal) -> bool {
        // A holding at least one step above the minimum needs no division. Most holdings are.
        if quantity > Decimal::ZERO && quantity >= self.min_quantity.saturating_add(self.step()) {
            return true;
        }
        let floored = self.floor(quantity);
        floored > Decimal::ZERO && floored >= self.min_quantity
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Symbol;
    use crate::money::parse_decimal;

    fn scale(tick: &str, lot: &str, price: &str) -> Result<u8, String> {
        let dec = |text| parse_decimal(text).unwrap();
        let rules = Instrument {
            symbol: Symbol::new("TOKENUSDT").unwrap(),
            base: "TOKEN".to_owned(),
            quote: "USDT".to_owned(),
            trading: true,
            tick_size: dec(tick),
            lot_size: dec(lot),
            min_quantity: Decimal::ZERO,
            max_quantity: Decimal::ZERO,
            market_lot_size: Decimal::ZERO,
            market_max_quantity: Decimal::ZERO,
            min_notional: Decimal::ZERO,
            min_notional_for_market: false,
            venue: VenueId::default(),
        };
        rules.price_scale(Some(dec(price)))
    }

    #[test]
    fn a_symbol_has_the_decimals_of_its_tick_and_is_refused_where_they_do_not_fit() {
        assert_eq!(scale("0.01", "0.00001", "61234.5"), Ok(8));
        assert_eq!(scale("0", "0", "90000000000"), Ok(8), "as before");
        assert_eq!(scale("0.0000000000001", "1", "0.000000000031"), Ok(13));
        assert_eq!(scale("0.0000000000001000", "1", "0.9"), Ok(13));
        assert_eq!(scale("0.000000000000000001", "1", "0.000009"), Ok(18));
        let refused = |tick, lot, price| scale(tick, lot, price).unwrap_err();
        let text = refused("0.0000000000000000001", "1", "0.1");
        assert!(text.starts_with("its tick 0.0000000000000000001 has more than 18"));
        let text = refused("0.000000000000000001", "1", "0.00001");
        assert!(text.contains("a million times its price 0.00001 does not fit the 18 decimals"));
        let text = refused("0.0000000000001", "0.0000001", "0.1");
        assert!(text.contains("are not exact in 28 digits. It cannot be traded: leave it out"));
    }
}
