//! Computes order quantities under the venue's rules. Quantities are only rounded down.

use everwarm_domain::instrument::Instrument;
use everwarm_domain::money::Decimal;

/// Why a quantity cannot be ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooSmall(pub String);

/// The quantity of a market order for about `notional` quote units at `price`.
///
/// # Errors
/// The rounded quantity is below the venue's minimums.
pub fn buy(rule: &Instrument, notional: Decimal, price: Decimal) -> Result<Decimal, TooSmall> {
    market(rule, notional.checked_div(price).unwrap_or_default(), price)
}

/// The quantity of a market order for `wanted` base units. It is rounded down to the steps and
/// limited to the largest order. `price` is the expected price.
///
/// # Errors
/// The rounded quantity is below the venue's minimums.
pub fn market(rule: &Instrument, wanted: Decimal, price: Decimal) -> Result<Decimal, TooSmall> {
    let mut quantity = wanted;
    for most in [rule.max_quantity, rule.market_max_quantity] {
        if !most.is_zero() {
            quantity = quantity.min(most);
        }
    }
    let quantity = rule.floor(quantity);
    let short = |what: &str, least: Decimal| {
        let (wanted, least) = (wanted.round_dp(8).normalize(), least.normalize());
        let Instrument { base, symbol, .. } = rule;
        TooSmall(format!(
            "{wanted} {base} rounds down to {quantity}, {what} {least} that {symbol} asks for"
        ))
    };
    if quantity.is_zero() || quantity < rule.min_quantity {
        return Err(short("less than the quantity", rule.min_quantity.max(rule.step())));
    }
    if rule.min_notional_for_market && quantity.saturating_mul(price) < rule.min_notional {
        return Err(short("worth less than the", rule.min_notional));
    }
    Ok(quantity)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{dec, instrument};

    fn describe(result: Result<Decimal, TooSmall>) -> String {
        result.map_or_else(|TooSmall(text)| text, |quantity| quantity.to_string())
    }

    #[test]
    fn rounds_down_and_keeps_the_bounds() {
        let rule = instrument("BTCUSDT");
        let cases = [
            ("1000", "30000", "0.0333"),
            ("1000", "3", "333.3333"),
            ("100000", "3", "9000"),
            ("10", "30000", "0.01 BTC"),
            ("1", "30000", "0.00003333 BTC rounds down to 0, less than the quantity 0.0001"),
        ];
        for (notional, price, text) in cases {
            let got = describe(buy(&rule, dec(notional), dec(price)));
            if text == "0.01 BTC" {
                let want = "0.00033333 BTC rounds down to 0.0003, worth less than the 10 that \
                            BTCUSDT asks for";
                assert_eq!(got, want);
            } else {
                assert!(got.starts_with(text), "{got}");
            }
        }
    }

    #[test]
    fn the_larger_step_and_the_smaller_maximum_hold() {
        let rule = Instrument {
            market_lot_size: dec("0.01"),
            market_max_quantity: dec("5"),
            min_notional_for_market: false,
            ..instrument("BTCUSDT")
        };
        assert_eq!(describe(market(&rule, dec("1.2399"), dec("1"))), "1.23");
        assert_eq!(describe(market(&rule, dec("7"), dec("1"))), "5");
        assert!(rule.sells(dec("0.019")) && !rule.sells(dec("0.0099")));
        assert!(describe(buy(&rule, dec("1"), Decimal::ZERO)).contains("rounds down to 0"));
        // The minimum need not be a multiple of the step: 0.035 rounds down to 0.03, below the
        // minimum.
        let least = Instrument { min_quantity: dec("0.035"), ..rule };
        assert!(!least.sells(dec("0.035")) && !least.sells(dec("0.0399")));
        assert!(least.sells(dec("0.04")) && least.sells(dec("0.045")) && least.sells(dec("1")));
        let whole = Instrument { lot_size: Decimal::ZERO, market_lot_size: Decimal::ZERO, ..least };
        assert!(whole.sells(dec("0.035")) && !whole.sells(dec("0.0349")));
        let any = Instrument { min_quantity: Decimal::ZERO, ..whole };
        assert!(any.sells(dec("0.01")) && !any.sells(Decimal::ZERO));
    }
}
